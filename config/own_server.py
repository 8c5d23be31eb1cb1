"""A Prefect server of our own, as a process of its own: started at need, shared by runs, found again after a crash."""

from __future__ import annotations

import atexit
import contextlib
import fcntl
import http.client
import importlib.metadata
import json
import logging
import os
import secrets
import shutil
import signal
import socket
import sqlite3
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import IO, Self

from bascule.errors import BasculeError
from bascule.ledger.owners import boot_id, start_of
from bascule.private import FOLDER, OTHERS, make_folder, open_file
from config import prefect_environment
from config.signals import held_back

log = logging.getLogger("bascule.prefect")

READY_WITHIN = 120.0
"""Seconds a server may take until it answers. Usual are 4, and 10 where Prefect's tables must be made first."""

ANSWERS_WITHIN = 15.0
"""Seconds a server that was ready once may take to answer, however busy, before it counts as stuck."""

ENDS_WITHIN = 5.0
"""Seconds a process may take to end before it is killed."""

TABLES = Path(sys.prefix, "share", "bascule", f"prefect-{importlib.metadata.version('prefect')}.db")
"""A database with Prefect's tables and nothing else. Prefect makes them in 6 s, once; later databases begin as a copy."""


class ServerBroken(BasculeError):
    """Bascule's own Prefect server does not start."""


@dataclass(frozen=True)
class Process:
    """A process of this machine. Its birth tells it from a later one that was given the same pid."""

    pid: int
    birth: str

    @classmethod
    def of(cls, pid: int) -> Self | None:
        """None when no process has this pid, or all that is left of it is its exit code."""
        birth = _birth(pid)
        return cls(pid, birth) if birth else None

    def is_alive(self) -> bool:
        return _birth(self.pid) == self.birth

    def ask_to_end(self) -> None:
        self._send(signal.SIGTERM)

    def kill(self) -> None:
        self._send(signal.SIGKILL)

    def end(self) -> None:
        """Asks it to end, and kills it when it does not."""
        for end in (self.ask_to_end, self.kill):
            end()
            if in_time(lambda: not self.is_alive(), ENDS_WITHIN):
                return

    def _send(self, number: signal.Signals) -> None:
        with contextlib.suppress(ProcessLookupError):
            if self.is_alive():
                os.kill(self.pid, number)


@dataclass(frozen=True)
class OwnServer:
    """The server on a home, as the file `server.json` tells it to whoever comes next."""

    port: int
    process: Process
    started_at: float
    keep: bool
    was_ready: bool = False

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}/api"

    def answers(self) -> bool:
        # Not by URL: that would go through the proxy that the environment may name.
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=5)
        try:
            connection.request("GET", "/api/health")
            return connection.getresponse().status == http.client.OK
        except (OSError, http.client.HTTPException):
            return False
        finally:
            connection.close()

    def gets_ready(self) -> bool:
        """Waits for its answer: it may have been started by a run that was killed since, or be busy. False: dead or stuck."""
        patience = ANSWERS_WITHIN if self.was_ready else self.started_at + READY_WITHIN - time.time()
        return in_time(lambda: self.answers() or not self.process.is_alive(), patience) and self.process.is_alive()


class Home:
    """The folder that holds a server's database, log, secret and record, and the two locks under which runs share it."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder.resolve()
        self.log = self.folder / "server.log"
        self.sign_in = self.folder / "sign-in"
        """Holds what the server asks of whoever calls it, or signs in to its pages."""
        self._database = self.folder / "prefect.db"
        self._record = self.folder / "server.json"
        self._in_use: IO[bytes] | None = None

    def enter(self, settings: Mapping[str, str], *, keep: bool, port: int | None) -> OwnServer:
        """The server here, started if none is alive and answering. It is ours to use until `leave`, also where this is interrupted."""
        # Whatever ends this process, it leaves.
        atexit.register(self.leave)
        try:
            make_folder(self.folder)
            # One that was made under another umask is closed now. Nothing in it is for others.
            self.folder.chmod(FOLDER)
            with self._alone():
                self._in_use = _locked(self.folder / "in-use.lock", fcntl.LOCK_SH)
                return self._found() or self._started(settings, keep=keep, port=port)
        except OSError as error:
            raise ServerBroken(
                f"Bascule's own Prefect server cannot use {self.folder}: {error.strerror or error}.",
                remedy="Make room there or make it writable, or name a Prefect server that runs (BASCULE_PREFECT__URL).",
            ) from error

    def leave(self) -> None:
        """Ends the server, unless another run uses it or it was started to be kept. Who leaves last turns off the light."""
        atexit.unregister(self.leave)
        if self._in_use is None:
            return
        with held_back(), self._alone():
            self._in_use.close()
            self._in_use = None
            server = self._recorded()
            if server and not server.keep and self._nobody_is_in():
                self._end(server)

    def end(self) -> bool:
        """Ends the server whoever uses it. False when none was alive."""
        if not self._record.exists():
            return False
        with self._alone():
            if (server := self.found()) is None:
                return False
            self._end(server)
            return True

    def found(self) -> OwnServer | None:
        """The server on this home whose process is alive, whether it answers or not."""
        server = self._recorded()
        return server if server is not None and server.process.is_alive() else None

    def _found(self) -> OwnServer | None:
        if (server := self.found()) is None:
            return None
        if server.gets_ready():
            return server
        self._end(server)
        return None

    def _started(self, settings: Mapping[str, str], *, keep: bool, port: int | None) -> OwnServer:
        tables_are_new = not self._database.exists() and not self._copied_tables()
        with held_back(), _listening(port) as listening, open_file(self.log, "ab") as log:
            port = int(listening.getsockname()[1])
            child = subprocess.Popen(
                [sys.executable, "-P", "-m", "config.prefect_process", str(listening.fileno())],
                env=self._environment(settings, port),
                cwd=self.folder,
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                # Nobody else can be answering at this port while this process is alive: it is born with it.
                pass_fds=[listening.fileno()],
                # Ctrl-C is for the run. The server is needed until the run has recorded how it ended.
                start_new_session=True,
            )
            _children.append(child)
            process = Process.of(child.pid)
            server = OwnServer(port, process, started_at=time.time(), keep=keep) if process is not None else None
            if server is not None:
                self._write(server)
        if server is not None:
            if server.gets_ready():
                self._write(replace(server, was_ready=True))
                if tables_are_new:
                    self._keep_tables()
                return server
            self._end(server)
        if not tables_are_new and self._sets_damaged_database_aside():
            return self._started(settings, keep=keep, port=port)
        raise ServerBroken(
            f"Bascule's own Prefect server does not start: {self._last_words()}",
            remedy=f"{self.log} tells more. Or name a Prefect server that runs (BASCULE_PREFECT__URL).",
        )

    def _environment(self, settings: Mapping[str, str], port: int) -> dict[str, str]:
        own = {
            "PREFECT_HOME": str(self.folder),
            "PREFECT_PROFILES_PATH": str(self.folder / "profiles.toml"),
            "PREFECT_SERVER_DATABASE_CONNECTION_URL": f"sqlite+aiosqlite:///{self._database}",
            "PREFECT_SERVER_API_HOST": "127.0.0.1",
            "PREFECT_SERVER_API_PORT": str(port),
            # What it says when it does not start is read from its log, and would be broken into lines.
            "COLUMNS": "500",
            # Any user of this machine may call a loopback address, and any web page open in the operator's browser.
            "PREFECT_SERVER_API_AUTH_STRING": self._drawn_secret(),
            "PREFECT_SERVER_CSRF_PROTECTION_ENABLED": "true",
            "PREFECT_SERVER_CORS_ALLOWED_ORIGINS": f"http://127.0.0.1:{port}",
        }
        return prefect_environment.for_server({**settings, **own})

    def secret(self) -> str:
        """What the server on this home asks for."""
        return self.sign_in.read_text().strip()

    def _drawn_secret(self) -> str:
        """Drawn once, so that who has signed in to the pages stays so. One that others could read is drawn anew."""
        if self.sign_in.exists() and not self.sign_in.stat().st_mode & OTHERS and (kept := self.secret()):
            return kept
        self.sign_in.unlink(missing_ok=True)
        with open_file(self.sign_in, "xb") as file:
            file.write(f"bascule:{secrets.token_urlsafe(32)}\n".encode())
        return self.secret()

    def _recorded(self) -> OwnServer | None:
        try:
            record = json.loads(self._record.read_text())
            process = Process(record["pid"], record["birth"])
            return OwnServer(record["port"], process, record["started_at"], record["keep"], record["was_ready"])
        except (FileNotFoundError, ValueError, KeyError, TypeError):
            return None

    def _write(self, server: OwnServer) -> None:
        draft = self._record.with_suffix(".draft")
        record = {
            "url": server.url,
            "port": server.port,
            "pid": server.process.pid,
            "birth": server.process.birth,
            "started_at": server.started_at,
            "keep": server.keep,
            "was_ready": server.was_ready,
        }
        with open_file(draft) as file:
            file.write(json.dumps(record, indent=2).encode())
        draft.replace(self._record)

    def _end(self, server: OwnServer) -> None:
        server.process.end()
        for child in _children:
            child.poll()
        self._record.unlink(missing_ok=True)

    def _copied_tables(self) -> bool:
        if not TABLES.exists():
            return False
        draft = self._database.with_suffix(".draft")
        with TABLES.open("rb") as kept, open_file(draft) as made:
            shutil.copyfileobj(kept, made)
        draft.replace(self._database)
        return True

    def _sets_damaged_database_aside(self) -> bool:
        """Whether it was the database that kept the server from starting. What is lost with it are pages: the ledger has it all."""
        try:
            with contextlib.closing(sqlite3.connect(f"{self._database.as_uri()}?mode=ro", uri=True)) as kept:
                if kept.execute("PRAGMA quick_check(1)").fetchone() == ("ok",):
                    return False
        except sqlite3.DatabaseError:
            pass
        aside = self._database.with_suffix(f".damaged-{time.time():.0f}")
        log.warning("%s is damaged; it was set aside as %s, and Prefect's pages begin anew", self._database, aside.name)
        self._database.replace(aside)
        for beside in ("-wal", "-shm"):
            self._database.with_name(self._database.name + beside).unlink(missing_ok=True)
        return True

    def _keep_tables(self) -> None:
        # Where the environment cannot be written to, every new home pays the 6 s.
        with contextlib.suppress(OSError, sqlite3.Error):
            TABLES.parent.mkdir(parents=True, exist_ok=True)
            draft = TABLES.with_suffix(f".{os.getpid()}")
            with (
                contextlib.closing(sqlite3.connect(self._database)) as made,
                contextlib.closing(sqlite3.connect(draft)) as kept,
            ):
                made.backup(kept)
            # Who else uses this environment may copy them: they hold nothing yet.
            draft.chmod(0o644)
            draft.replace(TABLES)

    def _last_words(self) -> str:
        lines = [line.strip() for line in self.log.read_text(errors="replace").splitlines() if line.strip()]
        return lines[-1] if lines else "it said nothing."

    def _nobody_is_in(self) -> bool:
        try:
            _locked(self.folder / "in-use.lock", fcntl.LOCK_EX | fcntl.LOCK_NB).close()
        except BlockingIOError:
            return False
        return True

    @contextlib.contextmanager
    def _alone(self) -> Iterator[None]:
        # The kernel frees it when its holder is killed.
        with _locked(self.folder / "server.lock", fcntl.LOCK_EX):
            yield


_children: list[subprocess.Popen[bytes]] = []
"""Servers that this process started, some to outlive it: Python warns of a child whose object is gone before it has ended."""


def _locked(path: Path, how: int) -> IO[bytes]:
    file = open_file(path, "ab")
    try:
        fcntl.flock(file, how)
    except BaseException:
        file.close()
        raise
    return file


def _birth(pid: int) -> str | None:
    """When the process with this pid began, in words that no two processes of a machine share."""
    if not Path("/proc/self").exists():
        return _birth_by_ps(pid)
    started = start_of(pid)
    return None if started is None else f"{boot_id()}/{started}"


def _birth_by_ps(pid: int) -> str | None:
    told = subprocess.run(
        ["ps", "-o", "stat=,lstart=", "-p", str(pid)], capture_output=True, text=True, check=False
    ).stdout
    state, _, began = told.strip().partition(" ")
    return None if not began or state.startswith("Z") else began.strip()


def _listening(port: int | None) -> socket.socket:
    try:
        return socket.create_server(("127.0.0.1", port or 0))
    except OSError as taken:
        raise ServerBroken(
            f"Bascule's own Prefect server does not start: port {port or 'any'}: {taken.strerror}.",
            remedy="End the program that uses it, or name a Prefect server that runs (BASCULE_PREFECT__URL).",
        ) from taken


def family_of(pid: int) -> tuple[Process, ...]:
    """A process and all that it started, and they started: who is alive now."""
    parents = _parents()
    found = [pid]
    for parent in found:
        found += [child for child, its in parents.items() if its == parent]
    return tuple(process for member in found if (process := Process.of(member)) is not None)


def _parents() -> dict[int, int]:
    """The parent of every process of this machine."""
    if not Path("/proc/self").exists():
        told = subprocess.run(["ps", "-A", "-o", "pid=,ppid="], capture_output=True, text=True, check=True).stdout
        return {int(pid): int(parent) for pid, parent in (line.split() for line in told.splitlines())}
    parents = {}
    for stat in Path("/proc").glob("[0-9]*/stat"):
        with contextlib.suppress(OSError):
            # Its name, in brackets, may hold anything.
            parents[int(stat.parent.name)] = int(stat.read_text(errors="replace").rpartition(")")[2].split()[1])
    return parents


def in_time(holds: Callable[[], bool], seconds: float) -> bool:
    deadline = time.monotonic() + seconds
    while not (held := holds()) and time.monotonic() < deadline:
        time.sleep(0.05)
    return held
