"""What stays on a kept connection is nobody's answer but the request's that asked for it."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import pytest

from bascule.connectors import OperationStatus
from bascule.connectors.contract import REQUEST_ID
from bascule.connectors.http import HttpRemote
from bascule.errors import RemoteSilent
from bascule.facts import View
from bascule.model import System
from tests.unit.connectors.agents import CABINET, CONNECT, GE_FACTS, OPERATION

TOKEN = {"access_token": "t", "token_type": "Bearer", "expires_in": 300}


class Socket:
    """A real server that sends an answer `times` over, and knows which connections it was asked on."""

    def __init__(self, times: int, token_times: int = 1) -> None:
        self.times = times
        self.token_times = token_times
        self.connections = 0
        self.received: list[str] = []

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.connections += 1
        try:
            while line := await reader.readline():
                method, path, _ = line.decode().split()
                headers: dict[str, str] = {}
                while (header := (await reader.readline()).decode().strip()) != "":
                    name, _, value = header.partition(": ")
                    headers[name.lower()] = value
                await reader.readexactly(int(headers.get("content-length", 0)))
                self.received.append(f"{method} {path}")
                is_token = path.endswith("/token")
                answer = answered(TOKEN if is_token else body_of(path), headers[REQUEST_ID.lower()])
                writer.write(answer * (self.token_times if is_token else self.times))
        finally:
            writer.close()


def body_of(path: str) -> dict[str, Any]:
    return OPERATION if path.endswith("/connect") else GE_FACTS


def answered(body: dict[str, Any], request: str) -> bytes:
    content = json.dumps(body).encode()
    head = f"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: {len(content)}\r\n{REQUEST_ID}: {request}\r\n\r\n"
    return head.encode() + content


@asynccontextmanager
async def standing_before(socket: Socket) -> AsyncIterator[HttpRemote]:
    server = await asyncio.start_server(socket.serve, "127.0.0.1", 0)
    port = server.sockets[0].getsockname()[1]
    async with server, HttpRemote(System.GE, f"http://127.0.0.1:{port}", client_id="bascule", max_connections=1) as ge:
        yield ge


async def test_what_answers_once_is_asked_again_on_the_same_connection() -> None:
    socket = Socket(times=1)
    async with standing_before(socket) as ge:
        await ge.observe(CABINET, View.GE)
        operation = await ge.act(CABINET, CONNECT)
    assert operation.status is OperationStatus.SUCCEEDED
    assert socket.connections == 1


async def test_a_doubled_answer_is_never_the_next_requests() -> None:
    """Today's facts came twice: what is left of them on the connection must not be taken for what became of a write."""
    socket = Socket(times=2)
    async with standing_before(socket) as ge:
        await ge.observe(CABINET, View.GE)
        with pytest.raises(RemoteSilent, match="answered another request") as caught:
            await ge.act(CABINET, CONNECT)
        assert caught.value.may_have_acted
        socket.times = 1
        before = socket.connections
        await ge.observe(CABINET, View.GE)
    assert socket.connections == before + 1
    assert [line for line in socket.received if line.startswith("POST /cabinets")] == ["POST /cabinets/C0001/connect"]


async def test_a_read_that_meets_what_was_left_of_another_answer_is_asked_again_on_a_new_connection() -> None:
    socket = Socket(times=1, token_times=2)
    async with standing_before(socket) as ge:
        facts = await ge.observe(CABINET, View.GE)
        assert facts.cabinet == CABINET.code
    assert [line for line in socket.received if line.startswith("GET")] == ["GET /cabinets/C0001"] * 2
    assert socket.connections == 2
