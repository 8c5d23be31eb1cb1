"""Promises about what is read: the cheap facts, and what is not there."""

from __future__ import annotations

from bascule.conformance.access import require_refusal
from bascule.conformance.agent import NOBODY, Agent, path_of
from bascule.conformance.bodies import Sort, changes, instant_of, instants_in, oddities
from bascule.conformance.exchange import Exchange
from bascule.conformance.verdict import NotTried, require
from bascule.connectors.contract import Operations
from bascule.connectors.http.answers import shown
from bascule.connectors.http.remote import SKEW
from bascule.facts import type_of_view


async def facts_have_their_fields(agent: Agent) -> None:
    facts = await agent.facts()
    require(facts.status == 200 and not facts.codes, facts, "facts of the cabinet are not answered")
    odd = oddities(facts, type_of_view[agent.facts_view])
    for sort in (Sort.FIELD, Sort.PROGRESS):
        require(sort not in odd, facts, f"it holds {odd.get(sort)}")


async def words_are_listed(agent: Agent) -> None:
    await _has_no(Sort.WORD, agent)


async def instants_have_their_offset(agent: Agent) -> None:
    await _has_no(Sort.INSTANT, agent)


async def _has_no(sort: Sort, agent: Agent) -> None:
    read = [(await agent.readable_facts(), agent.facts_view)]
    if agent.has_lists:
        read.append((await agent.readable_lists(), agent.lists_view))
    for exchange, view in read:
        odd = oddities(exchange, type_of_view[view])
        require(sort not in odd, exchange, f"it holds {odd.get(sort)}")


async def facts_name_their_cabinet(agent: Agent) -> None:
    require_cabinet(await agent.readable_facts(), agent)


def require_cabinet(exchange: Exchange, agent: Agent) -> None:
    said = exchange.fields.get("cabinet")
    require(said == agent.cabinet, exchange, f"`cabinet` is {shown(said)!r}")


async def facts_are_of_now(agent: Agent) -> None:
    facts = await agent.readable_facts()
    behind = (facts.sent_at - instant_of(facts, "taken_at")).total_seconds()
    require(behind <= SKEW.total_seconds(), facts, f"`taken_at` is {behind:.0f} s before the request")


async def facts_are_not_of_the_future(agent: Agent) -> None:
    require_past(await agent.readable_facts(), agent)


def require_past(exchange: Exchange, agent: Agent) -> None:
    ahead = (instant_of(exchange, "taken_at") - agent.surroundings.now()).total_seconds()
    require(ahead <= SKEW.total_seconds(), exchange, f"`taken_at` is {ahead:.0f} s in the future")


async def nothing_is_after_taken_at(agent: Agent) -> None:
    facts = await agent.readable_facts()
    taken_at = instant_of(facts, "taken_at")
    for place, instant in instants_in(facts.fields):
        require(instant <= taken_at, facts, f"`{place}` is after `taken_at`")


async def reading_changes_nothing(agent: Agent) -> None:
    first = await agent.readable_facts()
    second = await agent.read_facts()
    changed = changes(first, second) if second.status == 200 else []
    require(not changed, second, f"read twice, it differs in {', '.join(map(shown, changed))}")


async def time_goes_forward(agent: Agent) -> None:
    await agent.readable_facts()
    ours = [one for one in agent.exchanges if one.kind == "facts" and one.fields.get("cabinet") == agent.cabinet]
    for exchange in ours:
        taken_at = instant_of(exchange, "taken_at")
        # What was under way at the same time may have been read in any order.
        before = [instant_of(one, "taken_at") for one in ours if one.received_at <= exchange.sent_at]
        require(all(one <= taken_at for one in before), exchange, "`taken_at` is before the one of an earlier read")


async def unknown_cabinet_is_refused(agent: Agent) -> None:
    paths = [path_of(NOBODY), path_of(NOBODY, "operations") + "?key=none"]
    if agent.has_lists:
        paths.append(path_of(NOBODY, "lists"))
    for path in paths:
        require_refusal(await agent.get("facts", path), "unknown-cabinet")


async def unknown_operation_is_refused(agent: Agent) -> None:
    require_refusal(await agent.read_operation("no-such-operation"), "unknown-operation")


async def unknown_key_has_no_operation(agent: Agent) -> None:
    found = await agent.find("never-sent-by-anybody")
    require(found.status == 200, found, "no list of operations is answered")
    odd = oddities(found, Operations)
    require(not odd, found, f"it holds {next(iter(odd.values()), '')}")
    require(not found.fields.get("operations"), found, "operations are listed under a key that was never sent")


async def synchronisation_agrees_with_itself(agent: Agent) -> None:
    """Also: who is locked out has an instant, and the other way round."""
    facts = (await agent.readable_facts()).fields
    exchange = await agent.facts()
    if "locked_out_by" not in facts:
        raise NotTried("only GE has such facts")
    locked = (facts.get("locked_out_by") is None, facts.get("locked_out_at") is None)
    require(locked[0] == locked[1], exchange, "`locked_out_by` and `locked_out_at` are not null together")
    last = facts.get("synchronisation")
    if isinstance(last, dict):
        runs, ended = last.get("status") == "running", last.get("ended_at") is not None
        require(runs != ended, exchange, "`synchronisation.ended_at` is null exactly while it runs, and here it is not")
