"""Tries every promise at an agent, and says what became of each."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping
from dataclasses import dataclass

import httpx

from bascule.conformance.agent import Agent, CheckRequest, Surroundings
from bascule.conformance.drive import Drive
from bascule.conformance.exchange import Exchange
from bascule.conformance.promise import Needs, Promise, PromiseOutcome, PromiseResult
from bascule.conformance.promises import PROMISES
from bascule.conformance.verdict import NotTried, PromiseBroken
from bascule.connectors.http.line import checked
from bascule.connectors.openapi import served_as
from bascule.errors import BasculeError
from bascule.model import System


class NoAgent(BasculeError):
    """No agent answers at the URL."""


@dataclass(frozen=True, slots=True, kw_only=True)
class CheckResult:
    """What became of every promise, at every system that answers."""

    request: CheckRequest
    systems: tuple[System, ...]
    results: tuple[PromiseResult, ...]
    reached: tuple[str, ...]
    """Writes that the test cabinet was driven through."""
    missed: Mapping[str, str]
    """Writes that it was not driven through, with the reason."""

    @property
    def counts(self) -> Counter[PromiseOutcome]:
        return Counter(self.outcome_of(promise) for promise in PROMISES)

    @property
    def failed(self) -> tuple[PromiseResult, ...]:
        return tuple(one for one in self.results if one.outcome is PromiseOutcome.FAILED)

    def outcome_of(self, promise: Promise) -> PromiseOutcome:
        """Over all systems: failed where one failed, passed where one passed."""
        outcomes = {one.outcome for one in self.of(promise)}
        return next(
            one for one in (PromiseOutcome.FAILED, PromiseOutcome.PASSED, PromiseOutcome.NOT_TRIED) if one in outcomes
        )

    def of(self, promise: Promise) -> Iterator[PromiseResult]:
        return (one for one in self.results if one.promise is promise)


async def check_agent(request: CheckRequest, surroundings: Surroundings | None = None) -> CheckResult:
    """Raises `NoAgent` where nothing, or no agent, answers at the URL."""
    surroundings = surroundings or Surroundings()
    url = _checked(request.url)
    async with httpx.AsyncClient(
        transport=surroundings.transport,
        verify=surroundings.verify,
        follow_redirects=False,
        # A connection a call: what is left on one by a broken answer must not answer the next.
        limits=httpx.Limits(max_keepalive_connections=0),
        trust_env=url.host not in ("localhost", "127.0.0.1", "::1"),
    ) as client:
        agents = await _agents_at(url, request, surroundings, client)
        drive = Drive(agents) if request.writes else None
        for agent in agents.values():
            agent.drive = drive
        results = [
            await _tried(promise, agent)
            for promise in sorted(PROMISES, key=_turn)
            for agent in agents.values()
        ]  # fmt: skip
    return CheckResult(
        request=request,
        systems=tuple(agents),
        results=tuple(sorted(results, key=lambda one: one.promise.number)),
        reached=tuple(drive.reached()) if drive else (),
        missed=drive.missed if drive else {},
    )


def _turn(promise: Promise) -> tuple[bool, bool, str]:
    """Reads before writes, and what every answer shows at the end."""
    return promise.observed, promise.needs is Needs.WRITES, promise.number


async def _tried(promise: Promise, agent: Agent) -> PromiseResult:
    outcome, found, sent, came = PromiseOutcome.PASSED, "", "", ""
    try:
        if promise.needs is not Needs.NOTHING:
            _ = agent.cabinet
        await promise.try_at(agent)
    except PromiseBroken as broken:
        outcome, found, sent, came = PromiseOutcome.FAILED, broken.found, broken.exchange.sent, broken.exchange.came
    except NotTried as reason:
        outcome, found = PromiseOutcome.NOT_TRIED, str(reason)
    return PromiseResult(promise=promise, system=agent.system, outcome=outcome, found=found, sent=sent, came=came)


def _checked(url: str) -> httpx.URL:
    try:
        return checked(url, "agent check")
    except ValueError as wrong:
        raise NoAgent(str(wrong)) from None


async def _agents_at(
    url: httpx.URL, request: CheckRequest, surroundings: Surroundings, client: httpx.AsyncClient
) -> dict[System, Agent]:
    """One system at the URL itself, or several below it, by the names under which they are served."""

    def agent(system: System, base: httpx.URL) -> Agent:
        return Agent(system=system, base_url=base, request=request, surroundings=surroundings, client=client)

    at_url = agent(request.system or System.GE, url)
    health = await at_url.health()
    if _is_of_an_agent(health):
        at_url.system = request.system or _said_by(health, url)
        return {at_url.system: at_url}
    wanted = [request.system] if request.system else list(System)
    below = {
        system: agent(system, url.copy_with(path=f"{url.path.rstrip('/')}/{served_as(system)}")) for system in wanted
    }
    found = {system: one for system, one in below.items() if _is_of_an_agent(await one.health())}
    if not found:
        raise NoAgent(f"No agent answers at {url}: {_description_of(health)}")
    return found


def _is_of_an_agent(health: Exchange) -> bool:
    """As far as that can be seen: a health, however wrong, or an error of the contract other than *no such path*."""
    if health.status == 200 and not health.codes:
        return bool({"system", "contract"} & health.fields.keys())
    return bool(health.codes) and health.status != 404


def _said_by(health: Exchange, url: httpx.URL) -> System:
    said = health.fields.get("system")
    if said in {system.value for system in System}:
        return System(said)
    return next((system for system in System if url.path.rstrip("/").endswith(served_as(system))), System.GE)


def _description_of(health: Exchange) -> str:
    if not health.status:
        return f"{health.trouble}."
    if "html" in health.headers.get("content-type", "") or health.body.lstrip()[:1] == b"<":
        return f"a web page is there (HTTP {health.status})."
    return f"`/health` is answered with HTTP {health.status}, which is not of the contract."
