"""`python -m sandbox --world FILE`: the three systems on loopback, until somebody ends it."""

from __future__ import annotations

import argparse
import asyncio
import contextlib
import json
import os
import signal
import socket
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any, NoReturn

import uvicorn
import yaml
from fastapi import FastAPI
from starlette.types import Receive, Scope, Send
from uvicorn.protocols.http.h11_impl import H11Protocol

from sandbox.app import CUT, DOUBLE, create_app
from sandbox.scenario import ScenarioRefused
from sandbox.store import StateRefused
from sandbox.world import WorldRefused

INVALID = 2


def main(arguments: list[str] | None = None) -> int:
    given = _parser().parse_args(arguments)
    # What it keeps is for whoever started it.
    os.umask(0o077)
    try:
        app = _app(given)
        listening = _listening(given.host, given.port)
    except _CannotStart as reason:
        sys.stderr.write(f"sandbox: {reason}\n")
        return INVALID
    asyncio.run(_Server(app, listening, given.parent_pid).serve(sockets=[listening]))
    return 0


class _CannotStart(Exception):
    """One sentence for the person who started it."""


class _Parser(argparse.ArgumentParser):
    def error(self, message: str) -> NoReturn:
        self.exit(INVALID, f"sandbox: {message}; see --help\n")


def _parser() -> argparse.ArgumentParser:
    parser = _Parser(prog="python -m sandbox", description=__doc__)
    parser.add_argument("--world", required=True, metavar="FILE.json", help="the cabinets, as the console writes them")
    parser.add_argument("--scenario", metavar="FILE", help="times, limits and faults: JSON or YAML")
    parser.add_argument("--host", default="127.0.0.1")
    parser.add_argument("--port", type=_port, default=8800, help="0: any free one")
    parser.add_argument("--state", metavar="FILE", help="keep everything there, and go on from it")
    parser.add_argument("--parent-pid", type=int, metavar="PID", help="end when this process is gone")
    return parser


def _port(text: str) -> int:
    if text.isdecimal() and int(text) < 2**16:
        return int(text)
    raise argparse.ArgumentTypeError(f"{text!r} is no port: give a number from 0 (any free one) to 65535")


def _app(given: argparse.Namespace) -> FastAPI:
    world = _read(given.world, "world", json.loads)
    scenario = _read(given.scenario, "scenario", yaml.safe_load) if given.scenario else None
    try:
        return create_app(world, scenario, given.state)
    except WorldRefused as refused:
        raise _CannotStart(f"the world file {given.world} cannot be used: {refused}") from None
    except ScenarioRefused as refused:
        raise _CannotStart(f"the scenario {given.scenario or given.state} cannot be used: {refused}") from None
    except StateRefused as refused:
        raise _CannotStart(f"{refused}; give another --state, or delete the file to begin anew") from None


def _read(path: str, what: str, parse: Any) -> Any:
    try:
        return parse(Path(path).read_text(encoding="utf-8-sig"))
    except OSError as missing:
        raise _CannotStart(f"the {what} file {path} cannot be read: {missing.strerror}") from None
    except (ValueError, RecursionError, yaml.YAMLError) as broken:
        said = " ".join(str(broken).split())
        raise _CannotStart(f"the {what} file {path} cannot be parsed: {said}") from None


def _listening(host: str, port: int) -> socket.socket:
    try:
        family, kind, proto, _, address = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)[0]
        # With its protocol named: only then does asyncio switch Nagle off, and an answer in two parts is not held 40 ms.
        listening = socket.socket(family, kind, proto)
        listening.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        listening.bind(address)
    except OSError as refused:
        reason = refused.strerror or refused
        raise _CannotStart(
            f"cannot listen on {host}:{port}: {reason}; choose another --port (0: any free one)"
        ) from None
    return listening


class _Wire:
    """The transport of a connection, which sends what it holds back twice."""

    def __init__(self, transport: asyncio.Transport) -> None:
        self._transport = transport
        self._held: list[bytes] | None = None

    def __getattr__(self, name: str) -> Any:
        return getattr(self._transport, name)

    def write(self, data: bytes) -> None:
        if self._held is None:
            self._transport.write(data)
        else:
            self._held.append(data)

    def hold(self) -> None:
        self._held = []

    def let_go(self) -> None:
        # In one piece, so that who reads the first answer has received the second one too.
        held, self._held = self._held or [], None
        if held:
            self._transport.write(b"".join(held) * 2)

    def close(self) -> None:
        self.let_go()
        self._transport.close()


class _FaultyConnection(H11Protocol):
    """Lets a request cut its own connection, or have its answer sent twice, which ASGI has no words for."""

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override] # as uvicorn has it
        wire = _Wire(transport)
        super().connection_made(wire)  # type: ignore[arg-type] # a transport in all that is asked of it
        app = self.app

        async def faulty(scope: Scope, receive: Receive, send: Send) -> None:
            scope[CUT], scope[DOUBLE] = transport.abort, wire.hold
            await app(scope, receive, send)
            wire.let_go()

        self.app = faulty


class _Server(uvicorn.Server):
    """Says when it is ready, and ends at once when it is told to."""

    def __init__(self, app: FastAPI, listening: socket.socket, parent_pid: int | None) -> None:
        super().__init__(
            uvicorn.Config(
                app, http=_FaultyConnection, ws="none", lifespan="off", log_level="warning", access_log=False
            )
        )
        self._listening = listening
        self._parent_pid = parent_pid

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        await super().startup(sockets)
        host, port = self._listening.getsockname()[:2]
        sys.stdout.write(f"sandbox: ready on http://{f'[{host}]' if ':' in host else host}:{port}\n")
        sys.stdout.flush()

    async def on_tick(self, counter: int) -> bool:
        if self._parent_pid is not None and not _is_alive(self._parent_pid):
            self._end()
        return await super().on_tick(counter)

    @contextlib.contextmanager
    def capture_signals(self) -> Iterator[None]:
        """Without uvicorn's second raising of the signal: to be ended is not an error."""
        for ending in (signal.SIGINT, signal.SIGTERM):
            signal.signal(ending, lambda *_: self._end())
        yield

    def _end(self) -> None:
        self.should_exit = self.force_exit = True


def _is_alive(pid: int) -> bool:
    """An orphan has another parent; of a process further up only the number can be asked for."""
    if pid == os.getppid():
        return True
    if pid == _FIRST_PARENT or os.name == "nt":
        return False
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    except PermissionError:
        return True
    return True


_FIRST_PARENT = os.getppid()


if __name__ == "__main__":
    sys.exit(main())
