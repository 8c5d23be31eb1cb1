"""Promises about writes, judged by what was sent to the test cabinet."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import Any

from bascule.conformance.access import require_refusal
from bascule.conformance.agent import Agent
from bascule.conformance.bodies import Sort, as_instant, changes, oddities
from bascule.conformance.drive import EFFECTS, TOO_EARLY, Drive, Purpose, Write
from bascule.conformance.exchange import Exchange
from bascule.conformance.payloads import PROBES
from bascule.conformance.verdict import NotTried, require
from bascule.connectors.contract import AgentOperation, Operations, error_coded, verb_named
from bascule.connectors.http.answers import shown
from bascule.connectors.openapi import ANY_WRITE
from bascule.model import System

DOOR = (
    Purpose.UNKNOWN_VERB,
    Purpose.UNKNOWN_FIELD,
    Purpose.NO_JSON,
    Purpose.NO_FENCE,
    Purpose.BAD_FENCE,
    Purpose.WRONG_TOKEN,
    Purpose.LOWER_FENCE,
    Purpose.AFTER_FIND,
)
"""What must be turned away before an operation is made of it."""

DOOR_CODES = frozenset({"unauthorised", "unknown-verb", "invalid", "stale-fence"})

STATUSES = frozenset({"accepted", "running", "succeeded", "not-begun", "interrupted"})

SET_BY: dict[str, tuple[str, ...]] = {
    "compute-key": ("key_computed_at",),
    "enter-key": ("key_entered_at",),
    "restart": ("restarted_at",),
    "connect": ("connected_at",),
    "sign-up": ("signed_up_at",),
    "billing": ("billing_given_at",),
    "terms": ("terms_accepted_at",),
    "return-to-ge": ("returned_at",),
    "open-exe": ("exe_opened_at",),
    "backup": ("sql_backup_at", "mongo_backup_at"),
    "lock-out": ("locked_out_at",),
}
"""Instants that say when a write was done."""


async def unknown_verb_is_refused(agent: Agent) -> None:
    for write in await _sent(agent, Purpose.UNKNOWN_VERB):
        require_refusal(write.exchange, "unknown-verb")


async def unknown_fields_are_refused(agent: Agent) -> None:
    await _is_invalid(agent, Purpose.UNKNOWN_FIELD)


async def no_json_is_refused(agent: Agent) -> None:
    await _is_invalid(agent, Purpose.NO_JSON)


async def missing_key_is_refused(agent: Agent) -> None:
    await _is_invalid(agent, Purpose.NO_KEY)


async def missing_fence_is_refused(agent: Agent) -> None:
    await _is_invalid(agent, Purpose.NO_FENCE, Purpose.BAD_FENCE)


async def _is_invalid(agent: Agent, *purposes: Purpose) -> None:
    for write in await _sent(agent, *purposes):
        _not_tried_where_another_refusal_comes_first(write)
        require_refusal(write.exchange, "invalid")


def _not_tried_where_another_refusal_comes_first(write: Write) -> None:
    first = {"unknown-verb", *verb_named[write.verb].refuses}
    if set(write.exchange.codes) & first:
        raise NotTried(f"`{write.verb}` is refused for another reason: {write.exchange.came}")


async def wrong_token_writes_nothing(agent: Agent) -> None:
    for write in await _sent(agent, Purpose.WRONG_TOKEN):
        require_refusal(write.exchange, "unauthorised")


async def turned_away_leaves_nothing(agent: Agent) -> None:
    for write in await _sent(agent, *DOOR):
        if write.found and set(write.exchange.codes) & DOOR_CODES:
            require(not _listed(write.found), write.found, f"a write {write.purpose} left an operation")


async def operations_have_their_fields(agent: Agent) -> None:
    for exchange in await _operations(agent):
        odd = oddities(exchange, AgentOperation)
        require(Sort.FIELD not in odd, exchange, f"it holds {odd.get(Sort.FIELD)}")


async def operations_have_listed_statuses(agent: Agent) -> None:
    for exchange in await _operations(agent):
        said = exchange.fields.get("status")
        require(isinstance(said, str) and said in STATUSES, exchange, f"the contract has no status {shown(said)!r}")


async def operations_name_their_write(agent: Agent) -> None:
    for write in await _answered(agent):
        for exchange in _said_of(write):
            named = tuple(exchange.fields.get(name) for name in ("cabinet", "verb", "key"))
            wanted = (agent.cabinet, write.verb, write.key)
            require(named == wanted, exchange, f"it names {', '.join(map(shown, named))}")


async def operations_name_known_codes(agent: Agent) -> None:
    for exchange in await _operations(agent):
        code = exchange.fields.get("error_code")
        require(
            code is None or (isinstance(code, str) and code in error_coded),
            exchange,
            f"the contract has no code {shown(code)!r}",
        )


async def over_is_200_and_going_on_202(agent: Agent) -> None:
    for write in await _answered(agent):
        goes_on = write.exchange.fields.get("status") in ("accepted", "running")
        wanted = 202 if goes_on else 200
        require(write.exchange.status == wanted, write.exchange, f"an operation that is so is answered with {wanted}")


async def found_by_its_key(agent: Agent) -> None:
    for write in await _answered(agent):
        found = write.found
        assert found is not None
        require(_one_found(write), found, f"the operation of `{write.verb}` is not found under its key")


async def found_names_only_its_key(agent: Agent) -> None:
    for write in await _answered(agent):
        found = write.found
        assert found is not None
        odd = {s: oddity for s, oddity in oddities(found, Operations).items() if s not in (Sort.WORD, Sort.PROGRESS)}
        require(not odd, found, f"it holds {next(iter(odd.values()), '')}")
        require(found.fields.get("cabinet") == agent.cabinet, found, "it does not name the cabinet")
        others = [one for one in _listed(found) if one.get("key") != write.key]
        require(not others, found, "it lists an operation of another key")


async def read_by_its_id(agent: Agent) -> None:
    for write in await _answered(agent):
        by_id = write.by_id
        require(by_id is not None, write.exchange, "the operation names no id to read it by")
        assert by_id is not None
        same = by_id.status == 200 and by_id.fields.get("id") == write.exchange.fields.get("id")
        require(same, by_id, "asked by its id, the operation is not answered")


async def refused_is_found_as_not_begun(agent: Agent) -> None:
    refused = [
        one
        for one in await _sent(agent, Purpose.FIRST, Purpose.TOO_EARLY, Purpose.WRONG_VALUE, Purpose.MEANWHILE)
        if set(one.refusals) & set(verb_named[one.verb].refuses)
    ]
    if not refused:
        raise NotTried("no write was refused for the cabinet's state")
    for write in refused:
        found = write.found
        assert found is not None
        listed = [(one.get("status"), one.get("error_code")) for one in _listed(found)]
        wanted = ("not-begun", write.refusals[0])
        require(wanted in listed, found, f"`{write.verb}`, refused, is not found as `not-begun` with its code")


async def refused_as_listed(agent: Agent) -> None:
    for write in await _sent(agent):
        if write.purpose is not Purpose.UNKNOWN_VERB:
            listed = {*ANY_WRITE, *verb_named[write.verb].refuses}
            strange = next((code for code in write.refusals if code in error_coded and code not in listed), None)
            require(strange is None, write.exchange, f"`{write.verb}` is not refused with `{strange}`")


async def repeatable_again_succeeds(agent: Agent) -> None:
    for write in await _sent(agent, Purpose.AGAIN):
        require(write.has_succeeded, write.exchange, f"`{write.verb}`, done already, is not answered `succeeded`")


async def repeatable_again_changes_nothing(agent: Agent) -> None:
    for write in await _sent(agent, Purpose.AGAIN):
        if write.has_succeeded and _held_already(write) and write.before and write.after and write.after.fields:
            changed = changes(write.before, write.after)
            names = ", ".join(map(shown, changed))
            require(not changed, write.exchange, f"`{write.verb}`, done already, changed {names}")


def _held_already(write: Write) -> bool:
    """GE may be restarted as often as one likes until its tab shows."""
    before = write.before
    return (
        before is not None
        and bool(before.fields)
        and (write.verb != "restart" or bool(before.fields.get("tab_visible")))
    )


async def same_key_acts_once(agent: Agent) -> None:
    for write in await _sent(agent, Purpose.SAME_KEY):
        first = next(one for one in drive_of(agent).of(agent, Purpose.FIRST) if one.key == write.key)
        found = f"`{write.verb}`, sent again under its key, is not answered with the first operation"
        require(write.exchange.fields.get("id") == first.exchange.fields.get("id"), write.exchange, found)
        if write.before and write.after and write.verb in SET_BY:
            changed = changes(write.before, write.after)
            names = ", ".join(map(shown, changed))
            require(not changed, write.exchange, f"`{write.verb}`, sent again under its key, changed {names}")


async def effects_show(agent: Agent) -> None:
    for write in await _succeeded(agent):
        shows = write.after is not None and write.after.fields and EFFECTS[write.verb](write.after, write.payload)
        require(shows, write.after or write.exchange, f"after `{write.verb}` succeeded, what is read does not show it")


async def instants_say_when_it_was_done(agent: Agent) -> None:
    for write in await _succeeded(agent):
        before, after = write.before, write.after
        since = as_instant(before.fields.get("taken_at")) if before else None
        for name in SET_BY.get(write.verb, ()):
            instant = as_instant(after.fields.get(name)) if after else None
            is_new = before and after and before.fields.get(name) != after.fields.get(name)
            kept = not (is_new and instant and since) or instant >= since
            require(kept, after or write.exchange, f"`{name}` is before the read that came before `{write.verb}`")


async def too_early_is_refused(agent: Agent) -> None:
    for write in await _sent(agent, Purpose.TOO_EARLY):
        if "unknown-verb" not in write.refusals:
            _require_refused(write, *TOO_EARLY[write.verb].codes)
    early = [verb for verb in TOO_EARLY if verb_named[verb].system is agent.system]
    if not early:
        raise NotTried("the agent's writes have no order among themselves")


def _require_refused(write: Write, *codes: str) -> None:
    """By an error, or by an operation that did not begin."""
    if not set(write.refusals) & set(codes):
        require_refusal(write.exchange, *codes)


async def wrong_values_are_refused(agent: Agent) -> None:
    codes = {
        "connect": ("unknown-entity", "entity-differs"),
        "defaults": ("unknown-profile", "unknown-group"),
        "assignments": ("unknown-client",),
    }
    for write in await _sent(agent, Purpose.WRONG_VALUE):
        if not set(write.refusals) & ({"unknown-verb", *verb_named[write.verb].refuses} - set(codes[write.verb])):
            _require_refused(write, *codes[write.verb])


async def nobody_is_thrown_out(agent: Agent) -> None:
    tried = False
    for write in await _sent(agent, Purpose.FIRST):
        others = [one for one in write.before.rows("sessions") if not one.get("ours")] if write.before else []
        if write.verb == "lock-out" and others:
            tried = True
            _require_refused(write, "users-connected")
    if not tried:
        raise NotTried("nobody was connected to GE when it was locked")


async def one_synchronisation_at_a_time(agent: Agent) -> None:
    for write in await _sent(agent, Purpose.MEANWHILE):
        _require_refused(write, "already-running")


async def progress_goes_forward(agent: Agent) -> None:
    for write in await _long(agent):
        last = 0.0
        for exchange in (write.exchange, *write.polls):
            progress = exchange.fields.get("progress")
            if exchange.is_error or progress is None or exchange.fields.get("status") == "not-begun":
                continue  # what was put back is at its beginning
            is_number = isinstance(progress, int | float) and not isinstance(progress, bool)
            require(is_number and 0 <= progress <= 1, exchange, f"`progress` is {shown(progress)}")
            require(progress >= last, exchange, f"`progress` went back from {last} to {progress}")
            last = float(progress)


async def long_operations_end(agent: Agent) -> None:
    for write in await _long(agent):
        require(not write.goes_on, write.last, f"after {agent.request.long:.0f} s it still goes on")


async def lists_are_not_older_than_the_write(agent: Agent) -> None:
    drive = await _driven(agent)
    verb, name = {System.GE: ("lock-out", "locked_out_at"), System.S4A: ("synchronise", "synchronised_at")}.get(
        agent.system, ("", "")
    )
    lists, facts = drive.lists_after.get(verb), drive.facts_after.get(verb)
    if lists is None or facts is None:
        raise NotTried(drive.missed.get(verb, "no write came before lists of this system"))
    require(facts.fields.get(name), facts, f"after `{verb}`, `{name}` is null")
    done, taken = as_instant(facts.fields.get(name)), as_instant(lists.fields.get("taken_at"))
    require(not (done and taken) or taken >= done, lists, f"read after `{verb}`, it is older than `{name}`")


async def lower_fence_is_refused(agent: Agent) -> None:
    for write in await _fenced(agent, Purpose.LOWER_FENCE):
        require_refusal(write.exchange, "stale-fence")


async def equal_fence_is_accepted(agent: Agent) -> None:
    for write in await _sent(agent, Purpose.FIRST, Purpose.KNOWN_FENCE):
        require("stale-fence" not in write.exchange.codes, write.exchange, "the number it knows is refused")


async def find_raises_the_fence(agent: Agent) -> None:
    await _needs_fences(agent, Purpose.LOWER_FENCE)
    for write in await _fenced(agent, Purpose.AFTER_FIND):
        require_refusal(write.exchange, "stale-fence")


async def lower_find_changes_nothing(agent: Agent) -> None:
    await _needs_fences(agent, Purpose.LOWER_FENCE, Purpose.AFTER_FIND)
    find = drive_of(agent).lower_finds.get(agent.system)
    if find is not None:
        require(find.status == 200, find, "a `find` under a lower number is not answered")
    for write in await _fenced(agent, Purpose.AFTER_LOWER_FIND):
        require_refusal(write.exchange, "stale-fence")


async def _needs_fences(agent: Agent, *purposes: Purpose) -> None:
    for write in await _fenced(agent, *purposes):
        if "stale-fence" not in write.exchange.codes:
            raise NotTried("a lower fencing number is not refused in the first place")


async def _fenced(agent: Agent, *purposes: Purpose) -> list[Write]:
    writes = await _sent(agent, *purposes)
    for write in writes:
        if "unknown-verb" in write.exchange.codes:
            raise NotTried(f"the agent leaves `{PROBES[agent.system][0]}` to people")
    return writes


def drive_of(agent: Agent) -> Drive:
    if agent.drive is None:
        raise NotTried("it writes: give --writes, and with --cabinet a test cabinet that may be changed")
    return agent.drive


async def _driven(agent: Agent) -> Drive:
    drive = drive_of(agent)
    await agent.bearer()
    await drive.run()
    return drive


async def _sent(agent: Agent, *purposes: Purpose) -> list[Write]:
    drive = await _driven(agent)
    writes = drive.of(agent, *purposes)
    if not writes:
        here = [why for verb, why in drive.missed.items() if verb_named[verb].system is agent.system]
        raise NotTried(here[0] if here else "no such write was sent")
    return writes


async def _answered(agent: Agent) -> list[Write]:
    """Writes that an operation was answered to."""
    return _some([one for one in await _sent(agent) if one.found and not one.exchange.is_error and one.exchange.fields])


async def _succeeded(agent: Agent) -> list[Write]:
    return _some([one for one in await _sent(agent, Purpose.FIRST) if one.has_succeeded])


async def _long(agent: Agent) -> list[Write]:
    return _some([one for one in await _sent(agent, Purpose.FIRST) if verb_named[one.verb].long and one.operation])


def _some(writes: list[Write]) -> list[Write]:
    if not writes:
        raise NotTried("no such write was carried out")
    return writes


async def _operations(agent: Agent) -> list[Exchange]:
    return [exchange for write in await _answered(agent) for exchange in _said_of(write)]


def _said_of(write: Write) -> Iterator[Exchange]:
    """Every answer that speaks of this one operation."""
    answers: Iterable[Exchange | None] = (write.exchange, write.by_id, *write.polls)
    return (one for one in answers if one is not None and not one.is_error and one.fields)


def _listed(found: Exchange) -> list[dict[str, Any]]:
    return found.rows("operations")


def _one_found(write: Write) -> bool:
    identifier = write.exchange.fields.get("id")
    return write.found is not None and any(one.get("id") == identifier for one in _listed(write.found))
