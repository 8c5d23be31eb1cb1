"""Two requests on one connection of our own, byte by byte: what nobody asked for shows on it, where a client's pool hides it."""

from __future__ import annotations

import asyncio
import contextlib
import ssl
import uuid
from dataclasses import dataclass

from bascule.conformance.agent import Agent, path_of
from bascule.conformance.exchange import Exchange
from bascule.conformance.verdict import NotTried, PromiseBroken, require
from bascule.connectors.contract import REQUEST_ID
from bascule.connectors.http.line import LONGEST_ANSWER


@dataclass(frozen=True)
class _Answer:
    headers: dict[str, str]
    body: bytes

    @property
    def closes(self) -> bool:
        return self.headers.get("connection", "").lower() == "close"


class _NotHttp(Exception):
    """What came is no answer of HTTP."""


async def two_on_one_connection(agent: Agent) -> None:
    if agent.surroundings.transport is not None:
        raise NotTried("the agent is called in process, without connections")
    path = path_of(agent.cabinet)
    bearer = await agent.bearer()
    raw = (agent.base_url.raw_path.rstrip(b"/") + path.encode()).decode("ascii")
    sent, now = f"GET {path}, twice on one connection", agent.surroundings.now()
    pair = Exchange(kind="facts", sent=sent, request_id="", sent_at=now, received_at=now)
    try:
        async with asyncio.timeout(agent.request.timeout):
            reader, writer = await asyncio.open_connection(agent.base_url.host, _port(agent), ssl=_tls(agent))
            try:
                await _ask_twice(reader, writer, agent, raw, bearer, pair)
            finally:
                writer.close()
                with contextlib.suppress(OSError):
                    await writer.wait_closed()
    except (OSError, EOFError, TimeoutError) as cut:
        raise NotTried(f"the connection ended: {type(cut).__name__}") from cut
    except (_NotHttp, asyncio.LimitOverrunError):
        raise PromiseBroken(
            pair, "after the first answer there are bytes on the connection that are no answer"
        ) from None


async def _ask_twice(
    reader: asyncio.StreamReader, writer: asyncio.StreamWriter, agent: Agent, path: str, bearer: str, pair: Exchange
) -> None:
    identifiers = [uuid.uuid4().hex, uuid.uuid4().hex]
    for number, identifier in enumerate(identifiers):
        writer.write(_request(agent, path, bearer, identifier))
        answer = await _read(reader)
        echoed = answer.headers.get(REQUEST_ID.lower(), identifier)
        is_of_before = number == 1 and echoed == identifiers[0]
        require(not is_of_before, pair, "the second answer is the first one once more: it was sent twice")
        if answer.closes:
            require(not await reader.read(1), pair, "after the answer there are bytes on the connection")
            return


def _request(agent: Agent, path: str, bearer: str, identifier: str) -> bytes:
    own = {"Host": agent.base_url.netloc.decode("ascii"), "Connection": "keep-alive"}
    lines = [f"{name}: {value}" for name, value in {**own, **agent.headers(identifier, bearer, {})}.items()]
    return "\r\n".join((f"GET {path} HTTP/1.1", *lines, "", "")).encode("latin-1")


async def _read(reader: asyncio.StreamReader) -> _Answer:
    first, *lines = (await reader.readuntil(b"\r\n\r\n")).decode("latin-1").split("\r\n")
    if not first.startswith("HTTP/1."):
        raise _NotHttp
    headers = {
        name.strip().lower(): value.strip() for name, _, value in (line.partition(":") for line in lines) if name
    }
    if headers.get("transfer-encoding", "").lower() == "chunked":
        return _Answer(headers, await _chunked(reader))
    if headers.get("content-length", "").isdecimal():
        return _Answer(headers, await reader.readexactly(min(int(headers["content-length"]), LONGEST_ANSWER)))
    return _Answer({**headers, "connection": "close"}, await reader.read())


async def _chunked(reader: asyncio.StreamReader) -> bytes:
    body = b""
    while True:
        size = (await reader.readuntil(b"\r\n")).partition(b";")[0].strip()
        try:
            length = int(size, 16)
        except ValueError:
            raise _NotHttp from None
        if length < 0 or len(body) + length > LONGEST_ANSWER:
            raise _NotHttp
        body += await reader.readexactly(length)
        await reader.readuntil(b"\r\n")
        if not length:
            return body


def _port(agent: Agent) -> int:
    return agent.base_url.port or (443 if agent.base_url.scheme == "https" else 80)


def _tls(agent: Agent) -> ssl.SSLContext | None:
    if agent.base_url.scheme != "https":
        return None
    verify = agent.surroundings.verify
    return ssl.create_default_context() if verify is True else verify
