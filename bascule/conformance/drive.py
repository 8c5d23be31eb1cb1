"""Drives a test cabinet along the procedure, as far as its systems let it, and keeps every write for the promises to judge."""

from __future__ import annotations

import asyncio
import uuid
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import timedelta
from enum import StrEnum
from typing import Any

from bascule.conformance.agent import Agent, to_bytes
from bascule.conformance.exchange import Exchange
from bascule.conformance.payloads import PROBES, WRONG_VALUES, payload_of
from bascule.conformance.verdict import NotTried
from bascule.connectors import OperationStatus
from bascule.connectors.contract import VERBS, Verb, verb_named
from bascule.model import Kind, System

POLL = 0.5
"""Seconds between two looks at what takes time."""


class Purpose(StrEnum):
    """Why a write was sent."""

    FIRST = "along the procedure"
    AGAIN = "once more, under another key"
    SAME_KEY = "once more, under the same key"
    MEANWHILE = "while a synchronisation runs"
    TOO_EARLY = "before what must come first"
    WRONG_VALUE = "with a value that does not exist"
    UNKNOWN_VERB = "a write that does not exist"
    UNKNOWN_FIELD = "with a field that does not exist"
    NO_KEY = "without its key"
    NO_FENCE = "without its fencing number"
    BAD_FENCE = "with a word for its fencing number"
    NO_JSON = "with a body that is no JSON"
    WRONG_TOKEN = "with a wrong token"  # noqa: S105  # in words
    KNOWN_FENCE = "under the fencing number that it knows"
    LOWER_FENCE = "under a lower fencing number"
    AFTER_FIND = "under the number from before a `find` that had a higher one"
    AFTER_LOWER_FIND = "under the number from before, after a `find` that had a lower one"


@dataclass(kw_only=True)
class Write:
    """One write that the suite sent, and what was read around it."""

    agent: Agent
    verb: str
    purpose: Purpose
    key: str
    fence: int
    payload: Any
    exchange: Exchange
    found: Exchange | None = None
    """What was found under its key afterwards."""
    by_id: Exchange | None = None
    polls: list[Exchange] = field(default_factory=list)
    before: Exchange | None = None
    after: Exchange | None = None
    """Facts, or lists where the effect shows in those."""

    @property
    def operation(self) -> dict[str, Any]:
        """As it was said last; empty where none was."""
        return {} if self.last.is_error else self.last.fields

    @property
    def last(self) -> Exchange:
        return self.polls[-1] if self.polls else self.exchange

    @property
    def refusals(self) -> tuple[str, ...]:
        """Codes with which it was refused: in an error, or in an operation that did not begin."""
        said = self.exchange.fields
        code = said.get("error_code") if said.get("status") == OperationStatus.NOT_BEGUN else None
        return self.exchange.codes or ((code,) if isinstance(code, str) else ())

    @property
    def has_succeeded(self) -> bool:
        return self.operation.get("status") == OperationStatus.SUCCEEDED

    @property
    def goes_on(self) -> bool:
        return self.operation.get("status") in (OperationStatus.ACCEPTED, OperationStatus.RUNNING)


class Drive:
    """Every write of a check. It runs once, when the first promise asks for it."""

    def __init__(self, agents: Mapping[System, Agent]) -> None:
        self.writes: list[Write] = []
        self.lists_after: dict[str, Exchange] = {}
        """Lists that were read directly after a write, by its verb."""
        self.facts_after: dict[str, Exchange] = {}
        """Facts that were read right after those."""
        self.lower_finds: dict[System, Exchange] = {}
        self.missed: dict[str, str] = {}
        """By verb: why it was not carried out."""
        self._agents = agents
        self._fence = 0
        self._ran = False
        self._lock = asyncio.Lock()

    def of(self, agent: Agent, *purposes: Purpose) -> list[Write]:
        return [one for one in self.writes if one.agent is agent and (not purposes or one.purpose in purposes)]

    def reached(self) -> list[str]:
        """Verbs that succeeded, in order."""
        return [one.verb for one in self.writes if one.purpose is Purpose.FIRST and one.has_succeeded]

    async def run(self) -> None:
        async with self._lock:
            if self._ran:
                return
            self._ran = True
            # Higher than any number of an earlier check of this cabinet.
            self._fence = int(self._any_agent.surroundings.now().timestamp())
            for part in (self._turned_away, self._too_early):
                for agent in self._agents.values():
                    await self._as_far_as_it_goes(part(agent))
            try:
                for verb in VERBS:
                    await self._as_far_as_it_goes(self._try_in_turn(verb))
            finally:
                await self._as_far_as_it_goes(self._let_users_in())
            for agent in self._agents.values():
                await self._as_far_as_it_goes(self._fences(agent))

    @staticmethod
    async def _as_far_as_it_goes(part: Any) -> None:
        try:
            await part
        except NotTried:
            return

    @property
    def _any_agent(self) -> Agent:
        return next(iter(self._agents.values()))

    # What is turned away at the door

    async def _turned_away(self, agent: Agent) -> None:
        verb, payload = PROBES[agent.system]
        whole = to_bytes(payload)
        both = {"Idempotency-Key": "", "Bascule-Fence": str(self._fence)}
        await self._post(agent, "no-such-write", Purpose.UNKNOWN_VERB, b"{}", both)
        await self._post(agent, verb, Purpose.UNKNOWN_FIELD, to_bytes({**payload, "no_such_field": 1}), both)
        await self._post(agent, verb, Purpose.NO_JSON, b"{", both)
        await self._post(agent, verb, Purpose.NO_KEY, whole, {"Bascule-Fence": str(self._fence)})
        await self._post(agent, verb, Purpose.NO_FENCE, whole, {"Idempotency-Key": ""})
        await self._post(agent, verb, Purpose.BAD_FENCE, whole, {**both, "Bascule-Fence": "first"})
        await self._post(agent, verb, Purpose.WRONG_TOKEN, whole, both, bearer="nobody-was-granted-this")

    async def _too_early(self, agent: Agent) -> None:
        facts = await agent.readable_facts()
        for verb, early in TOO_EARLY.items():
            if verb_named[verb].system is agent.system and early.holds(facts):
                await self._as_far_as_it_goes(self._try_early(agent, verb))

    async def _try_early(self, agent: Agent, verb: str) -> None:
        await self._write(agent, verb, await payload_of(verb, self._agents), Purpose.TOO_EARLY)

    # Along the procedure

    async def _try_in_turn(self, verb: Verb) -> None:
        agent = self._agents.get(verb.system)
        if agent is None:
            return
        payload = await self._payload(verb)
        if payload is None:
            return
        before = await self._read_around(agent, verb.name)
        if verb.kind is not Kind.REPEATABLE and before.fields and EFFECTS[verb.name](before, payload):
            self.missed[verb.name] = f"`{verb.name}` is done already at this cabinet"
            return
        for wrong in WRONG_VALUES.get(verb.name, ()):
            await self._write(agent, verb.name, wrong(payload), Purpose.WRONG_VALUE)
        write = await self._write(agent, verb.name, payload, Purpose.FIRST)
        write.before = before
        if verb.long and write.goes_on:
            await self._meanwhile(agent, write)
        await self._until_over(write)
        write.after = await self._read_around(agent, verb.name)
        if not write.has_succeeded:
            self.missed[verb.name] = f"`{verb.name}` did not succeed: {write.last.came}"
            return
        await self._read_lists_after(verb.name)
        if not verb.long:
            await self._once_more(agent, verb, write)
        await self._wait_for(agent, verb.name)

    async def _payload(self, verb: Verb) -> dict[str, Any] | None:
        try:
            return await payload_of(verb.name, self._agents)
        except NotTried as why:
            self.missed[verb.name] = str(why)
            return None

    async def _once_more(self, agent: Agent, verb: Verb, first: Write) -> None:
        repeats = verb.kind is Kind.REPEATABLE
        purpose = Purpose.AGAIN if repeats else Purpose.SAME_KEY
        again = await self._write(agent, verb.name, first.payload, purpose, key=None if repeats else first.key)
        await self._until_over(again)
        again.before, again.after = first.after, await self._read_around(agent, verb.name)

    async def _meanwhile(self, agent: Agent, running: Write) -> None:
        again = await self._write(agent, running.verb, running.payload, Purpose.SAME_KEY, key=running.key)
        again.before = running.before
        await self._write(agent, running.verb, running.payload, Purpose.MEANWHILE)
        await self._write(agent, "reopen", {}, Purpose.MEANWHILE)
        await self._poll(running)
        if not running.goes_on:
            # It may have ended before these were sent: then they say nothing.
            self.writes = [one for one in self.writes if one.purpose is not Purpose.MEANWHILE and one is not again]

    async def _until_over(self, write: Write) -> None:
        surroundings = write.agent.surroundings
        until = surroundings.now() + timedelta(seconds=write.agent.request.long)
        while write.goes_on and surroundings.now() < until:
            await surroundings.pause(POLL)
            await self._poll(write)

    async def _poll(self, write: Write) -> None:
        identifier = write.operation.get("id")
        if not isinstance(identifier, str):
            raise NotTried("the operation names no id")
        write.polls.append(await write.agent.read_operation(identifier))

    async def _wait_for(self, agent: Agent, verb: str) -> None:
        """For what goes on by itself after this write."""
        is_there = AWAITED.get(verb)
        if is_there is None:
            return
        until = agent.surroundings.now() + timedelta(seconds=agent.request.long)
        while not is_there(await agent.read_facts()) and agent.surroundings.now() < until:
            await agent.surroundings.pause(POLL)

    async def _read_around(self, agent: Agent, verb: str) -> Exchange:
        return await (agent.read_lists() if verb in SHOWN_IN_LISTS else agent.read_facts())

    async def _read_lists_after(self, verb: str) -> None:
        if verb in SHOWN_ELSEWHERE and (agent := self._agents.get(SHOWN_ELSEWHERE[verb])):
            self.lists_after[verb] = await agent.read_lists()
            self.facts_after[verb] = await agent.read_facts()

    async def _let_users_in(self) -> None:
        """Whatever happened: nobody stays locked out by a check."""
        agent = self._agents.get(System.GE)
        locked = agent and any(one.verb == "lock-out" for one in self.of(agent, Purpose.FIRST))
        if agent and locked and "reopen" not in self.reached():
            await self._write(agent, "reopen", {}, Purpose.AGAIN)

    # Fencing numbers

    async def _fences(self, agent: Agent) -> None:
        """Afterwards the cabinet knows a higher number than before, which the other systems of it are asked under, too."""
        if not any(one.has_succeeded for one in self.of(agent, Purpose.FIRST, Purpose.AGAIN)):
            return
        verb, payload = PROBES[agent.system][0], self._harmless(agent)
        fence = self._fence
        await self._write(agent, verb, payload, Purpose.KNOWN_FENCE)
        await self._write(agent, verb, payload, Purpose.LOWER_FENCE, fence=fence - 1)
        self._fence = fence + 1
        await agent.find("never-sent-by-anybody", fence=self._fence)
        await self._write(agent, verb, payload, Purpose.AFTER_FIND, fence=fence)
        self.lower_finds[agent.system] = await agent.find("never-sent-by-anybody", fence=fence)
        await self._write(agent, verb, payload, Purpose.AFTER_LOWER_FIND, fence=fence)

    def _harmless(self, agent: Agent) -> dict[str, Any]:
        """What the probe carried along the procedure, where it was there: then it changes nothing."""
        verb, payload = PROBES[agent.system]
        sent = [one.payload for one in self.of(agent, Purpose.FIRST) if one.verb == verb]
        return sent[0] if sent else payload

    # How it is sent

    async def _write(
        self,
        agent: Agent,
        verb: str,
        payload: dict[str, Any],
        purpose: Purpose,
        *,
        key: str | None = None,
        fence: int | None = None,
    ) -> Write:
        headers = {"Idempotency-Key": key or "", "Bascule-Fence": str(self._fence if fence is None else fence)}
        return await self._post(agent, verb, purpose, to_bytes(payload), headers, payload=payload)

    async def _post(
        self,
        agent: Agent,
        verb: str,
        purpose: Purpose,
        content: bytes,
        headers: dict[str, str],
        *,
        payload: Any = None,
        bearer: str | None = None,
    ) -> Write:
        """An empty key becomes a new one."""
        key = headers.get("Idempotency-Key") or f"check-{uuid.uuid4().hex}"
        if "Idempotency-Key" in headers:
            headers = {**headers, "Idempotency-Key": key}
        exchange = await agent.post(verb, content, headers, bearer=bearer)
        fence = headers.get("Bascule-Fence", "")
        write = Write(
            agent=agent,
            verb=verb,
            purpose=purpose,
            key=key,
            fence=int(fence) if fence.isdecimal() else 0,
            payload=payload,
            exchange=exchange,
        )
        self.writes.append(write)
        if "Idempotency-Key" in headers:
            write.found = await agent.find(key)
        identifier = write.operation.get("id")
        if isinstance(identifier, str) and identifier:
            write.by_id = await agent.read_operation(identifier)
        return write


def _validated(facts: Exchange) -> bool:
    return any(one.get("status") == "validated" for one in facts.rows("admin_sages"))


@dataclass(frozen=True)
class Early:
    """When a write comes too early, as the facts have it, and with what it must then be refused."""

    holds: Callable[[Exchange], bool]
    codes: tuple[str, ...]


TOO_EARLY: Mapping[str, Early] = {
    "connect": Early(lambda facts: not facts.fields.get("tab_visible"), ("tab-absent",)),
    "defaults": Early(lambda facts: not facts.fields.get("connected_entity"), ("not-connected",)),
    "open-exe": Early(lambda facts: not facts.fields.get("returned_at"), ("wrong-order",)),
    "synchronise": Early(lambda facts: not facts.fields.get("returned_at"), ("wrong-order", "not-connected")),
    "users": Early(lambda facts: facts.fields.get("workspace") != "ready", ("workspace-not-ready",)),
}

SHOWN_ELSEWHERE = {"lock-out": System.GE, "synchronise": System.S4A}
"""Writes after which the lists of a system are the proof of something."""

SHOWN_IN_LISTS = frozenset({"users", "assignments"})

AWAITED: Mapping[str, Callable[[Exchange], bool]] = {
    "admin-sage": _validated,
    "terms": lambda facts: facts.fields.get("workspace") == "ready",
}
"""What goes on by itself after a write, and when it is there."""

Effect = Callable[[Exchange, dict[str, Any]], bool]


def _set(*names: str) -> Effect:
    return lambda read, _: all(read.fields.get(name) for name in names)


EFFECTS: Mapping[str, Effect] = {
    "admin-sage": lambda read, sent: any(one.get("email") == sent["email"] for one in read.rows("admin_sages")),
    "compute-key": lambda read, sent: read.fields.get("key_question") == sent["question"],
    "enter-key": _set("key_entered_at", "licensed"),
    "restart": _set("restarted_at"),
    "connect": lambda read, sent: read.inner("connected_entity").get("id") == sent["entity"],
    "defaults": _set("default_profile", "default_group", "wizard_finished"),
    "sign-up": lambda read, sent: read.fields.get("signed_up_siren") == sent["siren"],
    "billing": _set("billing_given_at"),
    "terms": _set("terms_accepted_at", "terms_signatory"),
    "return-to-ge": _set("returned_at"),
    "open-exe": _set("exe_opened_at"),
    "backup": _set("sql_backup_at", "mongo_backup_at"),
    "lock-out": lambda read, _: read.fields.get("locked_out_by") == "bascule",
    "synchronise": lambda read, _: read.inner("synchronisation").get("status") == "done",
    "reopen": lambda read, _: "locked_out_by" in read.fields and read.fields["locked_out_by"] is None,
    "users": lambda read, sent: _names(sent["users"], "email") <= _names(read.rows("users"), "email"),
    "assignments": lambda read, sent: (
        _names(sent["assignments"], "client") <= _names(read.rows("assignments"), "client")
    ),
}
"""How facts, or lists, show that a write had its effect."""


def _names(rows: list[dict[str, Any]], field: str) -> set[str]:
    return {str(row.get(field)).casefold() for row in rows}
