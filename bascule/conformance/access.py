"""Promises about the way in: tokens, health, who is turned away."""

from __future__ import annotations

from bascule.conformance.agent import NOBODY, Agent, is_sendable, path_of
from bascule.conformance.bodies import instant_of, oddities
from bascule.conformance.exchange import Exchange
from bascule.conformance.verdict import NotTried, PromiseBroken, require
from bascule.connectors.contract import VERSION, HealthBody, error_coded
from bascule.connectors.http.answers import shown
from bascule.connectors.http.remote import SKEW

LOCAL = ("localhost", "127.0.0.1", "::1")


async def uses_tls(agent: Agent) -> None:
    if agent.base_url.scheme == "https":
        return
    if agent.base_url.host in LOCAL:
        raise NotTried("the agent is on this machine")
    raise PromiseBroken(
        await agent.health(), f"{agent.base_url.host} answers without TLS: tokens can be read on the way"
    )


async def redirects_nowhere(agent: Agent) -> None:
    for exchange in agent.exchanges:
        require(exchange.status == 304 or not 300 <= exchange.status < 400, exchange, "it is a redirect")


async def health_needs_no_token(agent: Agent) -> None:
    health = await agent.health()
    require(health.status == 200 and not health.codes, health, "it is not answered without a token")


async def health_is_of_the_contract(agent: Agent) -> None:
    health = await _readable_health(agent)
    for found in oddities(health, HealthBody).values():
        require("`system`" in found, health, f"it holds {found}")  # which is for the next promise


async def health_names_the_system(agent: Agent) -> None:
    health = await _readable_health(agent)
    said = health.fields.get("system")
    require(said == agent.system.value, health, f"it names {shown(said)!r}, and `{agent.system}` was expected")


async def health_names_the_version(agent: Agent) -> None:
    health = await _readable_health(agent)
    said = health.fields.get("contract")
    require(said == VERSION, health, f"it names version {shown(said)!r}, and Bascule speaks {VERSION!r}")


async def health_has_the_time(agent: Agent) -> None:
    health = await _readable_health(agent)
    apart = instant_of(health, "time") - health.sent_at
    took = agent.surroundings.now() - health.sent_at
    require(-SKEW <= apart <= SKEW + took, health, f"its clock is {apart.total_seconds():+.0f} s from ours")


async def token_is_granted(agent: Agent) -> None:
    granted = await agent.granted()
    token = granted.fields.get("access_token")
    require(granted.status == 200, granted, "no token is granted")
    require(isinstance(token, str) and is_sendable(token), granted, "`access_token` is not text that a header can hold")


async def token_is_a_bearer(agent: Agent) -> None:
    granted = await _granted(agent)
    said = granted.fields.get("token_type")
    require(isinstance(said, str) and said.lower() == "bearer", granted, f"`token_type` is {shown(said)!r}")


async def token_has_a_life(agent: Agent) -> None:
    granted = await _granted(agent)
    said = granted.fields.get("expires_in")
    lasts = isinstance(said, int) and not isinstance(said, bool) and said > 0
    require(lasts, granted, f"`expires_in` is {shown(said)!r}")


async def token_needs_its_form(agent: Agent) -> None:
    for form in ({"grant_type": "client_credentials"}, {"client_id": agent.request.client_id}):
        answer = await agent.ask_token(form)
        require("access_token" not in answer.fields, answer, "a token is granted all the same")


async def missing_token_is_refused(agent: Agent) -> None:
    answer = await agent.send("facts", "GET", path_of(_anybody(agent)), bearer=None)
    require_refusal(answer, "unauthorised")


async def wrong_token_is_refused(agent: Agent) -> None:
    answer = await agent.send("facts", "GET", path_of(_anybody(agent)), bearer="nobody-was-granted-this")
    require_refusal(answer, "unauthorised")


def require_refusal(answer: Exchange, *codes: str) -> None:
    """Refused with one of these codes; where no code can be read, which is another promise's affair, with its status."""
    statuses = {error_coded[code].status for code in codes}
    refused = bool(set(answer.codes) & set(codes)) if answer.codes else answer.status in statuses
    wanted = " or ".join(f"`{code}`" for code in codes)
    require(refused, answer, f"it is not refused as {wanted}")


def _anybody(agent: Agent) -> str:
    return agent.request.cabinet or NOBODY


async def _granted(agent: Agent) -> Exchange:
    granted = await agent.granted()
    if granted.status != 200 or not granted.fields:
        raise NotTried("no token was granted")
    return granted


async def _readable_health(agent: Agent) -> Exchange:
    health = await agent.health()
    if health.status != 200 or not health.fields:
        raise NotTried("/health cannot be read without a token")
    return health
