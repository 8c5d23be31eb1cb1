"""Promises that every answer of the check keeps, or one of them breaks."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator

from bascule.conformance.agent import NOBODY, Agent
from bascule.conformance.bodies import oddities
from bascule.conformance.connection import two_on_one_connection
from bascule.conformance.exchange import Exchange
from bascule.conformance.verdict import NotTried, require
from bascule.connectors.contract import REQUEST_ID, ErrorBody, error_coded
from bascule.connectors.http.answers import shown
from bascule.connectors.http.line import patience

ECHO = REQUEST_ID.lower()


async def every_answer_comes_whole(agent: Agent) -> None:
    for exchange in agent.exchanges:
        require(not exchange.trouble, exchange, exchange.trouble)


async def bodies_are_json(agent: Agent) -> None:
    for exchange in answered(agent):
        if exchange.status == 304 or 300 <= exchange.status < 400:
            continue
        kind = exchange.headers.get("content-type", "").partition(";")[0].strip().lower()
        require(exchange.json is not None, exchange, "its body is no JSON in UTF-8")
        require(kind == "application/json", exchange, f"its content type is {shown(kind)!r}")


async def successes_are_echoed(agent: Agent) -> None:
    _require_echo(one for one in _of_cabinets(agent) if not one.is_error)


async def errors_are_echoed(agent: Agent) -> None:
    _require_echo(one for one in _of_cabinets(agent) if one.is_error)


def _require_echo(exchanges: Iterator[Exchange]) -> None:
    met = list(exchanges)
    for exchange in met:
        echoed = exchange.headers.get(ECHO)
        found = f"it echoes {shown(echoed)!r}" if echoed else "it does not name the request that it answers"
        require(echoed == exchange.request_id, exchange, found)
    if not met:
        raise NotTried("no such answer came")


async def nothing_unasked_is_on_the_connection(agent: Agent) -> None:
    await two_on_one_connection(agent)


async def answers_are_not_mixed(agent: Agent) -> None:
    """Asks for two cabinets alternately, all at once."""
    ours, theirs = agent.cabinet, agent.request.other or NOBODY
    await agent.bearer()
    asked = [ours, theirs] * 3
    for cabinet, answer in zip(asked, await asyncio.gather(*map(agent.read_facts, asked)), strict=True):
        if answer.status == 200 and not answer.codes:
            named = answer.fields.get("cabinet", cabinet)
            require(cabinet != NOBODY, answer, "a cabinet that nobody has is answered for while another is asked for")
            require(named == cabinet or named not in (ours, theirs), answer, f"it speaks of {shown(named)}")
        echoed = answer.headers.get(ECHO, answer.request_id)
        others = {one.request_id for one in agent.exchanges} - {answer.request_id}
        require(echoed not in others, answer, "it answers another request")


async def errors_have_their_body(agent: Agent) -> None:
    for exchange in answered(agent):
        if exchange.status >= 400 and exchange.kind != "token":
            odd = oddities(exchange, ErrorBody)
            require(not odd, exchange, f"its body holds {next(iter(odd.values()), '')}")
            require(exchange.codes, exchange, "it names no error")


async def error_codes_are_known(agent: Agent) -> None:
    for exchange in answered(agent):
        for code in exchange.codes if exchange.kind != "token" else ():
            require(code in error_coded, exchange, f"the contract has no code {shown(code)!r}")


async def error_codes_have_their_status(agent: Agent) -> None:
    for exchange in answered(agent):
        if exchange.status == 200 or exchange.kind == "token":
            continue
        statuses = {error_coded[code].status for code in exchange.codes if code in error_coded} - {200}
        listed = " or ".join(map(str, sorted(statuses)))
        require(
            not statuses or exchange.status in statuses,
            exchange,
            f"`{shown(exchange.codes[0])}` goes with {listed}" if statuses else "",
        )


async def patience_has_its_end(agent: Agent) -> None:
    met = [one for one in answered(agent) if one.status in (429, 503)]
    if not met:
        raise NotTried("neither 429 nor 503 was met")
    for exchange in met:
        has_end = (
            "retry-after" in exchange.headers and patience({"Retry-After": exchange.headers["retry-after"]}) is not None
        )
        require(has_end, exchange, "no Retry-After, in seconds or as a date, is with it")


def answered(agent: Agent) -> Iterator[Exchange]:
    return (one for one in agent.exchanges if one.status and not one.trouble)


def _of_cabinets(agent: Agent) -> Iterator[Exchange]:
    return (one for one in answered(agent) if one.kind not in ("token", "health"))
