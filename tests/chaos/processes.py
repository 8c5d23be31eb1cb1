"""Processes that may be killed at any instant: the three systems, a run of the engine, a run of the command.

The first two are forked from a server that has imported everything: a start costs milliseconds instead of seconds, and
each is a process of its own all the same.
"""

from __future__ import annotations

import asyncio
import contextlib
import json
import logging
import multiprocessing
import os
import signal
import socket
import sqlite3
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any, Protocol
from unittest import mock

import httpx

import sandbox.__main__
from bascule.connectors.http import HttpRemote
from bascule.connectors.openapi import served_as
from bascule.engine import Pace, RetryPolicy, Run, conduct, opening
from bascule.errors import BasculeError
from bascule.ledger import Ledger, Owner, this_process
from bascule.ledger.leases import of_run
from bascule.model import Cabinet, Outcome, System
from tests.builders import cabinets, with_people, world

WAVE = "default"
SYNC_SECONDS = 0.3
READY_WITHIN = 60.0
EPHEMERAL = 32_768
"""From here on a port may be given to an outgoing connection. Below, a sandbox that was killed finds its own again."""

QUICK = Pace(
    act_timeout=2,
    settle=1,
    look=0.5,
    poll=0.05,
    patience_at_most=2,
    target_within=3,
    retry=RetryPolicy(attempts=4, first=0.1, longest=1),
)
LEASE_SECONDS, HEARTBEAT_SECONDS = 3.0, 0.75
ALL_OK, DEFECT, TOLD, NOT_ALL_OK = 0, 1, 2, 4
"""How a run ends, as the command has it: `TOLD` is an error in words, such as a ledger that was lost."""

_forking = multiprocessing.get_context("forkserver")
_forking.set_forkserver_preload([__name__])
_one_at_a_time = threading.Lock()
"""multiprocessing looks after the children of all threads in each of them."""


def some_cabinets(count: int) -> tuple[Cabinet, ...]:
    """Every fourth also has somebody to invite and a client to assign."""
    plain = cabinets(count)
    return tuple(with_people(n) if n % 4 == 0 else cabinet for n, cabinet in enumerate(plain, start=1))


class Life(Protocol):
    """A process that was started."""

    def kill(self) -> None:
        """kill -9; it is gone on return."""

    def stall(self) -> None:
        """SIGSTOP: it is there, and does nothing."""

    def go_on(self) -> None:
        """SIGCONT."""

    def code(self) -> int | None:
        """Its exit code; None while it lives."""


class Forked:
    def __init__(self, what: Callable[..., None], *arguments: Any) -> None:
        self._process = _forking.Process(target=what, args=arguments, daemon=True)
        with _one_at_a_time:
            self._process.start()

    def kill(self) -> None:
        self._process.kill()
        while self.code() is None:
            time.sleep(0.002)

    def stall(self) -> None:
        self._signal(signal.SIGSTOP)

    def go_on(self) -> None:
        self._signal(signal.SIGCONT)

    def _signal(self, number: signal.Signals) -> None:
        """To nobody, where it has ended."""
        with _one_at_a_time:
            if self._process.exitcode is None and self._process.pid is not None:
                with contextlib.suppress(ProcessLookupError):
                    os.kill(self._process.pid, number)

    def code(self) -> int | None:
        with _one_at_a_time:
            return self._process.exitcode


class Command:
    def __init__(self, command: Sequence[str], folder: Path, environment: Mapping[str, str], said: Path) -> None:
        with said.open("ab") as file:
            self._process = subprocess.Popen(
                command, cwd=folder, env={**os.environ, **environment}, stdout=file, stderr=file
            )

    def kill(self) -> None:
        self._process.kill()
        self._process.wait()

    def stall(self) -> None:
        self._process.send_signal(signal.SIGSTOP)

    def go_on(self) -> None:
        self._process.send_signal(signal.SIGCONT)

    def code(self) -> int | None:
        return self._process.poll()


@dataclass
class Systems:
    """My Sage, GE and S4A, which keep what they have on disk."""

    folder: Path
    cabinets: Sequence[Cabinet]
    honour_keys: bool
    port: int = 0
    _life: Life | None = None

    def __post_init__(self) -> None:
        self.port = self.port or _free_port()
        self._world.write_text(json.dumps(world(self.cabinets)), encoding="utf-8")
        self._scenario.write_text(json.dumps(self._with()), encoding="utf-8")

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    def start(self) -> None:
        given = ["--world", self._world, "--scenario", self._scenario, "--state", self._state, "--port", self.port]
        self._life = Forked(serve, [str(word) for word in given], str(self.folder / "sandbox.log"))
        until = time.monotonic() + READY_WITHIN
        while not self._answers():
            assert self._life.code() is None, f"the sandbox did not start: see {self.folder}/sandbox.log"
            assert time.monotonic() < until, "the sandbox does not answer"
            time.sleep(0.02)

    def kill(self) -> None:
        if self._life is not None:
            self._life.kill()

    def put(self, *faults: Mapping[str, Any]) -> None:
        """These and no others from now on."""
        told = httpx.put(f"{self.url}/sandbox/faults", json=self._with(*faults), timeout=30, trust_env=False)
        assert told.status_code == 200, told.text

    def written(self) -> int:
        """Writes received so far. Read from the file, to cost the systems nothing."""
        if not self._state.exists():
            return 0
        with contextlib.closing(sqlite3.connect(f"{self._state.as_uri()}?mode=ro", uri=True, timeout=30)) as kept:
            return int(kept.execute("SELECT count(*) FROM writes").fetchone()[0])

    def journal(self) -> list[dict[str, Any]]:
        lines: list[dict[str, Any]] = self._get("journal")
        return lines

    def state(self, code: str) -> dict[str, Any]:
        state: dict[str, Any] = self._get(f"state/{code}")
        return state

    def _get(self, what: str) -> Any:
        return httpx.get(f"{self.url}/sandbox/{what}", timeout=30, trust_env=False).raise_for_status().json()

    def _with(self, *faults: Mapping[str, Any]) -> dict[str, Any]:
        return {"sync_seconds": SYNC_SECONDS, "honour_keys": self.honour_keys, "faults": list(faults)}

    def _answers(self) -> bool:
        try:
            return httpx.get(f"{self.url}/sandbox/health", timeout=5, trust_env=False).is_success
        except httpx.HTTPError:
            return False

    @property
    def _world(self) -> Path:
        return self.folder / "world.json"

    @property
    def _scenario(self) -> Path:
        return self.folder / "scenario.json"

    @property
    def _state(self) -> Path:
        return self.folder / "sandbox.db"


def _free_port() -> int:
    """One that was given to no other before, and that nobody listens at."""
    while True:
        port = next(_ports)
        with contextlib.suppress(OSError):
            socket.create_server(("127.0.0.1", port)).close()
            return port


# Each process begins elsewhere, so that two chaoses do not meet.
_ports = iter(range(12_000 + os.getpid() * 97 % 15_000, EPHEMERAL))


# What the forked processes do


def serve(arguments: list[str], said: str) -> None:
    _say_into(said)
    # It ends when the process it was forked from does.
    sys.exit(sandbox.__main__.main([*arguments, "--parent-pid", str(os.getppid())]))


def run_engine(ledger_url: str, systems_url: str, count: int, said: str) -> None:
    """One run over the wave."""
    _say_into(said)
    logging.basicConfig(level=logging.INFO, format="%(asctime)s %(process)d %(message)s", stream=sys.stderr)
    logging.getLogger("httpx").setLevel(logging.WARNING)
    with mock.patch("bascule.engine.run.HEARTBEAT_SECONDS", HEARTBEAT_SECONDS):
        sys.exit(asyncio.run(_run(ledger_url, systems_url, some_cabinets(count))))


class BriefLedger(Ledger):
    """Leases of seconds: who is stalled is taken over while the wave goes on."""

    async def sign_on(self, run: str, owner: Owner, now: datetime) -> None:
        await self.take_lease(of_run(run), owner, now)

    async def take_lease(self, cabinet: str, owner: Owner, now: datetime, seconds: float = LEASE_SECONDS) -> int:
        return await super().take_lease(cabinet, owner, now, seconds)

    async def renew_leases(self, owner: Owner, now: datetime, seconds: float = LEASE_SECONDS) -> None:
        await super().renew_leases(owner, now, seconds)

    def outlive(self, cabinet: str, fence: int, until: datetime) -> None:
        # As long as an act and reading it back may take, without what the engine adds: three leases of ours.
        super().outlive(cabinet, fence, until - timedelta(seconds=10))

    async def hold_lock_out(
        self,
        cabinet: str,
        owner: Owner,
        fence: int,
        now: datetime,
        deadline: datetime,
        seconds: float = LEASE_SECONDS,
    ) -> None:
        await super().hold_lock_out(cabinet, owner, fence, now, deadline, seconds)


async def _run(ledger_url: str, systems_url: str, wave: Sequence[Cabinet]) -> int:
    try:
        async with contextlib.AsyncExitStack() as open_ones:
            ledger = open_ones.enter_context(BriefLedger(ledger_url))
            remotes = {
                system: await open_ones.enter_async_context(
                    # Few connections: httpx looks at all of them for each request, and here nothing but it is busy.
                    HttpRemote(system, f"{systems_url}/{served_as(system)}", client_id="bascule", max_connections=6)
                )
                for system in System
            }
            run = Run(
                wave=WAVE,
                who="chaos",
                ledger=ledger,
                owner=this_process(),
                remote=lambda _, system: remotes[system],
                pace=QUICK,
                plays_person=True,
            )
            await opening.begin(run, wave, {})
            await open_ones.enter_async_context(run.heartbeat())
            conducted = await conduct(run, wave, slots=20)
            await opening.end(run, conducted)
    except BasculeError:
        logging.getLogger("bascule").exception("the run ends")
        return TOLD
    if conducted.defects:
        return DEFECT
    return ALL_OK if conducted.outcomes == {Outcome.OK: len(wave)} else NOT_ALL_OK


def _say_into(file: str) -> None:
    with Path(file).open("ab") as said:
        os.dup2(said.fileno(), 1)
        os.dup2(said.fileno(), 2)
