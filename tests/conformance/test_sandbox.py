"""The suite on the sandbox, which keeps what it promises, except where its scenario says otherwise."""

from __future__ import annotations

import asyncio
import contextlib
import json
from collections.abc import AsyncIterator, Callable
from typing import Any

import httpx
import pytest

from bascule.conformance import (
    PROMISES,
    CheckRequest,
    Needs,
    NoAgent,
    PromiseOutcome,
    Surroundings,
    check_agent,
    to_plain,
)
from bascule.connectors.contract import REQUEST_ID, VERBS
from bascule.model import Kind, System
from sandbox.app import create_app
from tests.conformance.conftest import CABINET, OTHER, Clock, checked
from tests.conformance.defects import LONG_AGO, Send, Spoilt, headers_of, is_wrong, kind_of, refused
from tests.contract.conftest import world


async def test_the_sandbox_keeps_every_promise_that_can_be_tried_and_is_driven_all_the_way() -> None:
    result = await checked(writes=True, other=OTHER)
    assert [one.found for one in result.failed] == []
    assert result.reached == tuple(verb.name for verb in VERBS)
    not_tried = [p.try_at.__name__ for p in PROMISES if result.outcome_of(p) is PromiseOutcome.NOT_TRIED]
    assert set(not_tried) <= {
        "uses_tls",
        "nothing_unasked_is_on_the_connection",
        "unknown_parts_say_nothing",
        "not_modified_names_its_instant",
        "other_etags_are_answered_in_full",
        "patience_has_its_end",
        "nobody_is_thrown_out",
    }


async def test_a_sandbox_that_does_not_honour_keys_breaks_exactly_that_promise() -> None:
    result = await checked(honour_keys=False, writes=True)
    assert {one.promise.try_at.__name__ for one in result.failed} == {"same_key_acts_once"}


async def test_without_writes_nothing_is_written_and_without_a_cabinet_nothing_of_one_is_read() -> None:
    sent: list[httpx.Request] = []

    def recorded(inner: httpx.AsyncBaseTransport) -> httpx.AsyncBaseTransport:
        async def hook(request: httpx.Request, send: Send) -> httpx.Response:
            sent.append(request)
            return await send(request)

        return Spoilt(inner, hook)

    await checked(recorded)
    assert {request.method for request in sent if kind_of(request) != "token"} == {"GET"}
    sent.clear()
    result = await checked(recorded, cabinet=None)
    assert [request.url.path for request in sent if CABINET in request.url.path] == []
    tried = {one.promise.needs for one in result.results if one.outcome is not PromiseOutcome.NOT_TRIED}
    assert tried == {Needs.NOTHING}


async def test_whatever_becomes_of_the_synchronisation_users_are_let_in_again() -> None:
    fault = {"fault": "anomaly", "rule": "DOS-01", "share": 1, "at": "synchronise"}
    result = await checked(writes=True, faults=(fault,))
    assert [one.found for one in result.failed] == []
    assert "reopen" in result.reached
    assert "inconsistent" in result.missed["synchronise"]


async def test_an_agent_that_leaves_to_people_what_is_theirs_breaks_nothing() -> None:
    human = {verb.name for verb in VERBS if verb.kind is Kind.HUMAN}

    def wrap(inner: httpx.AsyncBaseTransport) -> httpx.AsyncBaseTransport:
        async def hook(request: httpx.Request, send: Send) -> httpx.Response:
            known = is_wrong(request) or kind_of(request) not in human
            return await send(request) if known else refused(request, 404, "unknown-verb")

        return Spoilt(inner, hook)

    result = await checked(wrap, writes=True)
    assert [one.found for one in result.failed] == []
    assert result.reached == ("restart", "lock-out", "reopen")
    assert "unknown-verb" in result.missed["admin-sage"]


@pytest.mark.parametrize("system", list(System))
async def test_one_system_alone_is_checked_as_far_as_it_goes(system: System) -> None:
    result = await checked(writes=True, system=system)
    assert [one.found for one in result.failed] == []
    assert result.systems == (system,)


async def test_with_somebody_connected_the_lock_out_is_refused_and_that_is_right() -> None:
    fault = {"fault": "users-connected", "share": 1, "at": "lock-out"}
    result = await checked(writes=True, faults=(fault,))
    assert [one.found for one in result.failed] == []
    kept = next(
        one
        for one in result.results
        if one.promise.try_at.__name__ == "nobody_is_thrown_out" and one.system is System.GE
    )
    assert kept.outcome is PromiseOutcome.PASSED


async def test_a_cabinet_that_was_driven_once_can_be_checked_again_and_what_is_once_is_not_done_twice() -> None:
    clock = Clock()
    transport = httpx.ASGITransport(create_app(world(), {"honour_keys": True}, clock=clock))

    async def check() -> list[str]:
        clock.ahead += 60
        surroundings = Surroundings(now=clock.now, pause=clock.pause, transport=transport)
        result = await check_agent(CheckRequest(url="http://localhost", cabinet=CABINET, writes=True), surroundings)
        return [one.found for one in result.failed]

    assert (await check(), await check()) == ([], [])
    async with httpx.AsyncClient(transport=transport, base_url="http://localhost") as tester:
        state = (await tester.get(f"/sandbox/state/{CABINET}")).json()
    assert (state["ge"]["connect"]["times"], state["s4a"]["sign_up"]["times"]) == (1, 1)


@pytest.mark.parametrize(
    ("answer", "described"),
    [
        (lambda _: httpx.Response(200, html="<html>Welcome</html>"), "a web page is there"),
        (lambda _: httpx.Response(404, json={}), "HTTP 404"),
        (lambda _: httpx.Response(200, json={"status": "ok"}), "HTTP 200"),
        (lambda _: httpx.Response(302, headers={"Location": "https://elsewhere.example"}), "HTTP 302"),
    ],
)
async def test_what_is_no_agent_is_named_for_what_it_is(
    answer: Callable[[httpx.Request], httpx.Response], described: str
) -> None:
    with pytest.raises(NoAgent, match=described):
        await check_agent(CheckRequest(url="http://localhost"), Surroundings(transport=httpx.MockTransport(answer)))


# An agent over a real connection, on which more may be than was asked for.


@contextlib.asynccontextmanager
async def served(spoil: Callable[[bytes], bytes]) -> AsyncIterator[str]:
    """The sandbox behind a server that keeps connections and spoils the answers to reads of facts."""
    app = httpx.ASGITransport(create_app(world()))
    open_ones: list[asyncio.StreamWriter] = []

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        open_ones.append(writer)
        with contextlib.suppress(asyncio.IncompleteReadError, ConnectionError):
            while True:
                first, *lines = (await reader.readuntil(b"\r\n\r\n")).decode().split("\r\n")
                headers = {name.strip(): value.strip() for name, _, value in (x.partition(":") for x in lines) if name}
                content = await reader.readexactly(
                    int(headers.get("Content-Length", headers.get("content-length", "0")))
                )
                method, path, _ = first.split(" ")
                request = httpx.Request(method, f"http://localhost{path}", headers=headers, content=content)
                answer = await app.handle_async_request(request)
                body = await answer.aread()
                kept = {**headers_of(answer), "content-length": str(len(body))}
                head = [f"HTTP/1.1 {answer.status_code} OK", *(f"{name}: {value}" for name, value in kept.items())]
                whole = "\r\n".join((*head, "", "")).encode() + body
                writer.write(spoil(whole) if kind_of(request) == "facts" else whole)
        writer.close()

    server = await asyncio.start_server(serve, "127.0.0.1", 0)
    async with server:
        yield f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}/ge"
        for writer in open_ones:
            writer.close()
        await asyncio.gather(*(writer.wait_closed() for writer in open_ones), return_exceptions=True)


@pytest.mark.parametrize(
    ("spoil", "broken"),
    [
        (lambda whole: whole, set()),
        (lambda whole: whole * 2, {"nothing_unasked_is_on_the_connection"}),
        (lambda whole: whole + b"\r\n\r\n", {"nothing_unasked_is_on_the_connection"}),
        (lambda whole: whole + b"more\r\n\r\n", {"nothing_unasked_is_on_the_connection"}),
    ],
    ids=["as asked", "twice", "blank lines", "more"],
)
async def test_what_nobody_asked_for_on_a_connection_is_found(
    spoil: Callable[[bytes], bytes], broken: set[str]
) -> None:
    async with served(spoil) as url:
        result = await check_agent(CheckRequest(url=url, cabinet=CABINET))
    assert {one.promise.try_at.__name__ for one in result.failed} == broken
    tried = {one.promise.try_at.__name__: one.outcome for one in result.results}
    assert tried["nothing_unasked_is_on_the_connection"] is not PromiseOutcome.NOT_TRIED


# Whatever an agent answers, the suite judges it, and falls over nothing.

ODD: tuple[Any, ...] = (
    None,
    [],
    {},
    "",
    "\ud800",
    10**30,
    -1,
    True,
    [[]],
    [{}],
    [{"code": []}],
    {"a": []},
    LONG_AGO,
    "9999-12-31T23:59:59-14:00",
)


@pytest.mark.parametrize("number", range(0, len(ODD), 2))
async def test_no_answer_is_too_odd_to_be_judged(number: int) -> None:
    def wrap(inner: httpx.AsyncBaseTransport) -> httpx.AsyncBaseTransport:
        met = 0

        async def hook(request: httpx.Request, send: Send) -> httpx.Response:
            nonlocal met
            answer = await send(request)
            body = answer.json()
            if kind_of(request) in ("token", "health"):
                return answer
            for name in list(body):
                met += 1
                if met % 2:
                    body[name] = ODD[(number + met) % len(ODD)]
            headers = {REQUEST_ID: request.headers.get(REQUEST_ID, ""), "content-type": "application/json"}
            return httpx.Response(answer.status_code, content=json.dumps(body).encode(), headers=headers)

        return Spoilt(inner, hook)

    result = await checked(wrap, writes=True, long=2)
    assert result.failed
    json.dumps(to_plain(result)).encode()
