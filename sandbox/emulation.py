"""The sandbox itself: every request received, judged, carried out, journalled. Knows nothing of HTTP routes.

Nothing runs in the background. What goes on over time is settled when somebody looks, from kept instants and the clock.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from dataclasses import replace
from datetime import datetime
from typing import Any

from pydantic import TypeAdapter, ValidationError

from sandbox import answers, exports, ge, hands, my_sage, s4a, synchronisation
from sandbox.answers import Answer
from sandbox.cabinet import Cabinet, Refused
from sandbox.clock import Clock, instant
from sandbox.faults import Faults
from sandbox.scenario import Fault, Scenario, read_scenario
from sandbox.snapshot import Snapshot, joined, joined_gzip
from sandbox.standing import Course, Operation, Write
from sandbox.statements import stated
from sandbox.store import StateRefused, Store
from sandbox.verbs import VERBS, Verb
from sandbox.wire import GeFacts, JournalLine, JournalOutcome, MySageFacts, S4aFacts, System
from sandbox.wire import Operation as OperationBody
from sandbox.wire import Operations as OperationsBody
from sandbox.world import Lists, World

_json_of_operation = TypeAdapter(OperationBody)
_json_of_operations = TypeAdapter(OperationsBody)
_json_of_my_sage = TypeAdapter(MySageFacts)
_json_of_ge = TypeAdapter(GeFacts)
_json_of_s4a = TypeAdapter(S4aFacts)

LISTED: tuple[System, ...] = ("ge", "s4a")
"""The systems that have lists."""

_FROM_A_CACHE = ("old-lists", "stale-as-new")

FACTS: Mapping[System, Callable[[Cabinet, float], bytes]] = {
    "my_sage": lambda cabinet, now: _json_of_my_sage.dump_json(my_sage.facts(cabinet, now)),
    "ge": lambda cabinet, now: _json_of_ge.dump_json(ge.facts(cabinet, now)),
    "s4a": lambda cabinet, now: _json_of_s4a.dump_json(s4a.facts(cabinet, now)),
}


class Sandbox:
    def __init__(self, world: World, scenario: object, store: Store, clock: Clock) -> None:
        self.world = world
        self.clock = clock
        self._store = store
        self._lines = {line.code: line.model_dump_json() for line in world.cabinets}
        self._start_scenario = read_scenario(scenario, self._lines)
        kept = store.kept.facts.get("scenario")
        if scenario is None and kept:
            self._start_scenario = read_scenario(kept["start"], self._lines)
        self._begin()
        if store.kept.facts:
            self._take_over(given=scenario is not None)
        self._bring_into_force()

    def _begin(self) -> None:
        """The world as it was drawn: nothing done, the scenario of the start."""
        self.journal: list[Write] = []
        self.scenario = self._start_scenario
        self._faults = Faults(self.scenario, self._lines, self.clock.now(), {})
        self.cabinets = {
            line.code: Cabinet(line, self.world.seed, self._faults.of(line.code), self.scenario)
            for line in self.world.cabinets
        }
        self._under_way: dict[str, list[Write]] = {}

    def _take_over(self, *, given: bool) -> None:
        """What an earlier sandbox left, if it was of this world."""
        kept = self._store.kept
        if kept.facts["world"]["seed"] != self.world.seed:
            raise StateRefused(
                f"the state is of a world with seed {kept.facts['world']['seed']}, not {self.world.seed}"
            )
        for code, (line, standing) in kept.standings.items():
            if code in self.cabinets and line != self._lines[code]:
                raise StateRefused(f"the state is of another world: its cabinet {code} differs from the one given")
            if code in self.cabinets:
                self.cabinets[code].standing = standing
        for write in kept.writes:
            self.journal.append(write)
            if write.cabinet in self.cabinets:
                self.cabinets[write.cabinet].writes.append(write)
                self._watch(write)
        if not given:
            put = kept.facts["scenario"]
            self._put(read_scenario(put["now"], self._lines), put["at"], kept.facts["spent"])

    # Whole systems

    def struck(self, system: System, path: str = "") -> Answer | None:
        """What comes instead of an answer, whatever is asked, or whenever this path is."""
        now = self.clock.now()
        if fault := self._faults.strikes_system(system, "away", now):
            return answers.of_nobody(fault)
        if path and (fault := self._faults.strikes_system(system, f"{path}-fails", now)):
            return answers.of_failing_path(fault)
        return None

    # The scenario

    def put_scenario(self, document: object) -> None:
        """Valid at once. What faults already caused stays; how often they struck is counted anew."""
        scenario = read_scenario(document, self._lines)
        self.settle_all()
        self._put(scenario, self.clock.now(), {})
        self._bring_into_force()

    def _put(self, scenario: Scenario, at: float, spent: dict[str, int]) -> None:
        self.scenario = scenario
        self._faults = Faults(scenario, self._lines, at, spent)
        for code, cabinet in self.cabinets.items():
            cabinet.faults, cabinet.scenario = self._faults.of(code), scenario

    def _bring_into_force(self) -> None:
        """Who answers from a cache has filled it now: when the fault was put, or when the sandbox began again."""
        now = self.clock.now()
        self._cached = {
            (code, system): self._snapshot(cabinet, system, now)
            for code, cabinet in self.cabinets.items()
            if any(cabinet.faults.has(name) for name in _FROM_A_CACHE)
            for system in LISTED
        }
        self._keep_scenario()

    def _keep_scenario(self) -> None:
        self._store.keep_fact("world", {"seed": self.world.seed})
        now, start = self.scenario.model_dump(mode="json"), self._start_scenario.model_dump(mode="json")
        self._store.keep_fact("scenario", {"now": now, "start": start, "at": self._faults.put_at})
        self._store.keep_fact("spent", dict(self._faults.spent))
        self._store.flush()

    def reset(self) -> None:
        """As it was at the start, with the scenario of the start."""
        self._store.clear()
        self._begin()
        self._bring_into_force()

    # Writes

    def write(self, cabinet: Cabinet, verb: Verb, body: bytes, key: str | None, fence: str | None) -> Answer:
        now = self.clock.now()
        self._settle(cabinet, now)
        strike = _strike(cabinet, now, lambda fault: fault.hits_write(verb.name))
        return self._written(cabinet, verb, body, key, fence, now, strike)

    def by_hand(self, cabinet: Cabinet, verb: Verb, body: bytes) -> Answer:
        """What a person does at the screens. No fault of an answer hits it: a person has the screen itself."""
        now = self.clock.now()
        self._settle(cabinet, now)
        key, fence = f"hands-{len(self.journal) + 1:06d}", str(cabinet.standing.fence)
        return self._written(cabinet, verb, hands.filled(cabinet, verb, body, now), key, fence, now, _never)

    def _written(
        self,
        cabinet: Cabinet,
        verb: Verb,
        body: bytes,
        key: str | None,
        fence: str | None,
        now: float,
        strike: answers.Strike,
    ) -> Answer:
        stopped = answers.turned_away(strike)
        if stopped:
            return self._turned_away(cabinet, verb, key, now, *stopped)
        try:
            payload = verb.parsed(body)
            number = int(fence or "")
            assert key
        except ValidationError as invalid:
            problems = "; ".join(f"{'.'.join(map(str, e['loc'])) or 'body'}: {e['msg']}" for e in invalid.errors())
            return self._turned_away(cabinet, verb, key, now, "invalid", answers.error("invalid", problems))
        except (ValueError, AssertionError):
            message = "The headers Idempotency-Key and Bascule-Fence (an integer) are needed."
            return self._turned_away(cabinet, verb, key, now, "invalid", answers.error("invalid", message))
        if number < cabinet.standing.fence:
            message = f"The fencing number {number} is lower than {cabinet.standing.fence}, which was seen before."
            return self._turned_away(cabinet, verb, key, now, "stale-fence", answers.error("stale-fence", message))
        cabinet.standing.fence = number
        first = self._first_under(cabinet, verb, key) if self.scenario.honour_keys else None
        if first:
            self._received(cabinet, verb, key, now, "already")
            return answers.on_the_way(_answer(first, now), strike)
        write = self._received(cabinet, verb, key, now, "applied")
        write.operation = Operation(status="accepted", payload=verb.kept(payload))
        broken = answers.failed(strike, after=False)
        if broken:
            code, answer = broken
            _did_not_begin(write, "failed", code, "Something went wrong inside.")
        elif late := strike("late-commit", False) or strike("in-flight", False):
            write.outcome = "dropped"
            write.operation.commits_at = now + (1.0 if late.seconds is None else late.seconds)
            write.operation.in_flight = late.fault == "in-flight"
            is_silent = write.operation.in_flight and late.answer != "unavailable"
            answer = replace(answers.error("unavailable", "Not available now."), cut=is_silent)
        else:
            answer = answers.on_the_way(self._carried_out(cabinet, verb, write, payload, now), strike)
            if swapped := strike("swapped-answer", False):
                told = _json_of_operation.dump_json(_said_of_another(self._other(cabinet), verb.name))
                answer = replace(answer, status=200, body=told, echoes=bool(swapped.echoed))
            broken = answers.failed(strike, after=True)
            if broken:
                answer = broken[1]
            if (broken or answer.lost) and write.outcome == "applied":
                write.outcome = "dropped"
        self._watch(write)
        self._keep(cabinet, write)
        return answer

    def _carried_out(self, cabinet: Cabinet, verb: Verb, write: Write, payload: Any, now: float) -> Answer:
        refused = self._commit(cabinet, verb, write, payload, now)
        if refused:
            return answers.error(refused.code, str(refused), details=refused.details)
        return _answer(write, now)

    def _commit(self, cabinet: Cabinet, verb: Verb, write: Write, payload: Any, now: float) -> Refused | None:
        assert write.operation
        try:
            effect = verb.carry_out(cabinet, payload, now)
        except Refused as refused:
            _did_not_begin(write, "refused", refused.code, str(refused))
            return refused
        if isinstance(effect, Course):
            write.operation.course, write.operation.status = effect, "running"
        else:
            write.operation.status = "succeeded"
            if not effect:
                write.outcome = "already"
        return None

    def _first_under(self, cabinet: Cabinet, verb: Verb, key: str) -> Write | None:
        """The write under this key that took effect or still may. One that is proven undone may be sent again."""
        return next(
            (w for w in cabinet.writes if w.key == key and w.verb == verb.name and w.operation and w.operation.status != "not-begun"),
            None,
        )  # fmt: skip

    def _received(
        self,
        cabinet: Cabinet,
        verb: Verb,
        key: str | None,
        now: float,
        outcome: JournalOutcome,
        code: str | None = None,
    ) -> Write:
        write = Write(len(self.journal) + 1, now, verb.system, cabinet.code, verb.name, key, outcome, code)
        self.journal.append(write)
        cabinet.writes.append(write)
        if outcome != "applied":
            self._keep(cabinet, write)
        return write

    def _turned_away(
        self, cabinet: Cabinet, verb: Verb, key: str | None, now: float, code: str, answer: Answer
    ) -> Answer:
        self._received(cabinet, verb, key, now, "refused", code)
        return answer

    def _keep(self, cabinet: Cabinet, *writes: Write) -> None:
        for write in writes:
            self._store.keep_write(write)
        self._store.keep_standing(cabinet.code, self._lines[cabinet.code], cabinet.standing)
        if self._faults.spent:
            self._store.keep_fact("spent", dict(self._faults.spent))
        self._store.flush()

    # As time goes by

    def _watch(self, write: Write) -> None:
        if write.operation and write.operation.status in ("accepted", "running"):
            self._under_way.setdefault(write.cabinet, []).append(write)

    def settle_all(self) -> None:
        now = self.clock.now()
        for code in list(self._under_way):
            self._settle(self.cabinets[code], now)

    def _settle(self, cabinet: Cabinet, now: float) -> None:
        """Everything that was due by now, in the order in which it was due."""
        while waiting := self._under_way.get(cabinet.code):
            write = min(waiting, key=_due_at)
            if _due_at(write) > now:
                return
            self._happens(cabinet, write)
            if write.operation and write.operation.status not in ("accepted", "running"):
                waiting.remove(write)
            if not waiting:
                del self._under_way[cabinet.code]
            self._keep(cabinet, write)

    def _happens(self, cabinet: Cabinet, write: Write) -> None:
        operation = write.operation
        assert operation
        if operation.course:
            synchronisation.ended(cabinet, operation, operation.course)
            if operation.status != "succeeded":
                write.outcome, write.code = "failed", operation.error_code
        else:
            verb = VERBS[write.verb]
            self._commit(cabinet, verb, write, verb.remembered(operation.payload), _due_at(write))

    # Reads

    def observed(self, cabinet: Cabinet, system: System) -> Answer:
        def told(shown: Cabinet, now: float) -> Answer:
            return Answer(200, stated(FACTS[system](shown, now), shown, system, "facts", now))

        return self._read(cabinet, system, told)

    def lists(self, cabinet: Cabinet, system: System, *, gzip: bool, known: str | None = None) -> Answer:
        """One consistent snapshot; 304 and the instant of one where it says what is `known` by its tag."""
        compressed = gzip and not cabinet.faults

        def told(shown: Cabinet, now: float) -> Answer:
            snapshot = self._cached_snapshot(shown, system, now) or self._snapshot(shown, system, now)
            head = {"cabinet": shown.code, "taken_at": snapshot.taken_at.isoformat()}
            stamped = stated(json.dumps(head).encode(), shown, system, "lists", now)
            if known == snapshot.tag:
                taken_at = json.loads(stamped)["taken_at"]
                return Answer(304, b"", {"etag": snapshot.tag, "bascule-taken-at": taken_at})
            changing = stamped if system == "ge" else stamped[:-1] + b"," + snapshot.entered[1:]
            if compressed:
                headers = {**answers.JSON, "content-encoding": "gzip", "etag": snapshot.tag}
                return Answer(200, joined_gzip(changing, snapshot.frozen), headers)
            return Answer(200, joined(changing, snapshot.frozen), {**answers.JSON, "etag": snapshot.tag})

        return self._read(cabinet, system, told)

    def _snapshot(self, cabinet: Cabinet, system: System, now: float) -> Snapshot:
        if system == "ge":
            return Snapshot(instant(now), b"{}", cabinet.lists(now).frozen)
        entered = s4a.json_of_entered.dump_json(s4a.entered(cabinet, now))
        return Snapshot(instant(now), entered, s4a.received(cabinet, now).frozen)

    def _cached_snapshot(self, cabinet: Cabinet, system: System, now: float) -> Snapshot | None:
        """What a cache makes of the lists, if one answers: as they were, or said to be of another instant."""
        if fault := cabinet.faults.strikes("old-lists", now, lambda fault: fault.hits_system(system)):
            if fault.seconds is None:
                return self._cached[cabinet.code, system]
            return replace(self._snapshot(cabinet, system, now), taken_at=instant(now - fault.seconds))
        if cabinet.faults.strikes("stale-as-new", now, lambda fault: fault.hits_system(system)):
            return replace(self._cached[cabinet.code, system], taken_at=instant(now))
        return None

    def time_of(self, system: System) -> datetime:
        """By the system's own clock: one that is off for every cabinet is off."""
        now = self.clock.now()
        off = [
            cabinet.faults.named("clock", now, lambda fault: fault.hits_system(system))
            for cabinet in self.cabinets.values()
        ]
        seconds = off[0].seconds if off[0] is not None and all(fault == off[0] for fault in off) else None
        return instant(now + (seconds or 0))

    def operation(self, cabinet: Cabinet, system: System, identifier: str) -> Answer:
        def told(shown: Cabinet, now: float) -> Answer:
            for write in cabinet.writes:
                if write.id == identifier and write.is_found and write.system == system:
                    said = _said_of(write, now) if shown is cabinet else _said_of_another(shown, write.verb)
                    return Answer(200, _json_of_operation.dump_json(said))
            return answers.error("unknown-operation", f"There is no operation {identifier} of {cabinet.code}.")

        return self._read(cabinet, system, told)

    def operations(self, cabinet: Cabinet, system: System, key: str, fence: str | None = None) -> Answer:
        def told(shown: Cabinet, now: float) -> Answer:
            if fence is not None and fence.isdecimal() and int(fence) > cabinet.standing.fence:
                cabinet.standing.fence = int(fence)
                self._keep(cabinet)
            found = tuple(
                _said_of(write, now) if shown is cabinet else _said_of_another(shown, write.verb)
                for write in cabinet.writes
                if write.key == key and write.is_found and write.system == system
            )
            return Answer(200, _json_of_operations.dump_json(OperationsBody(cabinet=shown.code, operations=found)))

        return self._read(cabinet, system, told)

    def _other(self, cabinet: Cabinet) -> Cabinet:
        """The next one of the world."""
        codes = list(self.cabinets)
        return self.cabinets[codes[(codes.index(cabinet.code) + 1) % len(codes)]]

    def _read(self, cabinet: Cabinet, system: System, told: Callable[[Cabinet, float], Answer]) -> Answer:
        """`told`: what is said of the cabinet, or of another one whose answer it gets."""
        now = self.clock.now()
        self._settle(cabinet, now)
        strike = _strike(cabinet, now, lambda fault: fault.hits_read(system))
        stopped = (
            answers.turned_away(strike) or answers.failed(strike, after=False) or answers.failed(strike, after=True)
        )
        if stopped:
            return stopped[1]
        if swapped := strike("swapped-answer", False):
            other = self._other(cabinet)
            self._settle(other, now)
            return replace(told(other, now), echoes=bool(swapped.echoed))
        return answers.on_the_way(told(cabinet, now), strike)

    # For people: what they see and carry away

    def screens(self, cabinet: Cabinet) -> Answer:
        now = self.clock.now()
        self._settle(cabinet, now)
        return Answer(200, hands.json_of_screens.dump_json(hands.screens(cabinet, now)))

    def exported(self, cabinet: Cabinet) -> Answer:
        now = self.clock.now()
        self._settle(cabinet, now)
        try:
            return Answer(200, exports.exported(cabinet, now), {"content-type": "application/zip"})
        except exports.NotInCp1252 as lacking:
            return answers.error("not-in-cp1252", str(lacking), status=422)

    # For whoever tests

    def journal_lines(self) -> tuple[JournalLine, ...]:
        self.settle_all()
        return tuple(
            JournalLine(
                at=instant(write.at),
                system=write.system,
                cabinet=write.cabinet,
                verb=write.verb,
                key=write.key,
                outcome=write.outcome,
                code=write.code,
            )
            for write in self.journal
        )

    def state(self, cabinet: Cabinet) -> dict[str, Any]:
        now = self.clock.now()
        self._settle(cabinet, now)
        admin_sage = my_sage.admin_sage_of(cabinet, now)
        ge_facts, lists, last = ge.facts(cabinet, now), cabinet.lists(now), synchronisation.facts(cabinet, now)
        received, entered = s4a.received(cabinet, now), s4a.entered(cabinet, now)
        return {
            "my_sage": {
                "admin_sage": {
                    "email": admin_sage.email if admin_sage else None,
                    "status": admin_sage.status if admin_sage else None,
                    "times": cabinet.times("admin-sage"),
                }
            },
            "ge": {
                "locked_out": ge_facts.locked_out_by is not None,
                "sessions": [{"user": session.user, "ours": session.ours} for session in ge_facts.sessions],
                "connect": {"times": cabinet.times("connect")},
                "defaults": {"profile": ge_facts.default_profile, "group": ge_facts.default_group},
                **_codes_of(lists),
            },
            "s4a": {
                "sign_up": {"times": cabinet.times("sign-up")},
                "terms": {"times": cabinet.times("terms")},
                "synchronise": {"times": cabinet.times("synchronise"), "status": last.status if last else None},
                "defaults": {
                    "profile": cabinet.standing.s4a.default_profile,
                    "group": cabinet.standing.s4a.default_group,
                },
                **_codes_of(received),
                "users": [{"email": user.email, "role": user.role, "status": user.status} for user in entered.users],
                "assignments": [{"client": one.client, "email": one.email} for one in entered.assignments],
            },
        }


def _codes_of(held: Lists | s4a.Received) -> dict[str, list[str]]:
    return {
        "groups": [group.code for group in held.groups],
        "dossiers": [dossier.code for dossier in held.dossiers],
        "collaborateurs": [person.code for person in held.collaborateurs],
        "rights": [f"{right.collaborateur} / {right.group} / {right.right}" for right in held.rights],
    }


def _strike(cabinet: Cabinet, now: float, hits: Callable[[Fault], bool]) -> answers.Strike:
    if not cabinet.faults:
        return _never
    return lambda name, after: cabinet.faults.strikes(name, now, lambda f: hits(f) and bool(f.after) == after)


def _never(_name: str, _after: bool) -> None:
    return None


def _did_not_begin(write: Write, outcome: JournalOutcome, code: str, message: str) -> None:
    assert write.operation
    write.outcome, write.code = outcome, code
    write.operation.status, write.operation.error_code, write.operation.message = "not-begun", code, message


def _due_at(write: Write) -> float:
    assert write.operation
    course, commits_at = write.operation.course, write.operation.commits_at
    return course.ends_at if course else (commits_at or 0)


def _answer(write: Write, now: float) -> Answer:
    body = _said_of(write, now)
    return Answer(202 if body.status in ("accepted", "running") else 200, _json_of_operation.dump_json(body))


def _said_of(write: Write, now: float) -> OperationBody:
    operation = write.operation
    assert operation
    runs = operation.status == "running" and operation.course
    return OperationBody(
        cabinet=write.cabinet,
        id=write.id,
        verb=write.verb,
        key=write.key or "",
        status=operation.status,
        progress=synchronisation.progress_of(operation, now),
        phase=synchronisation.phase(operation.course, now) if runs and operation.course else None,
        error_code=operation.error_code,
        message=operation.message,
    )


def _said_of_another(cabinet: Cabinet, verb: str) -> OperationBody:
    """A write of another cabinet, done: what its own caller was to be told."""
    return OperationBody(
        cabinet=cabinet.code,
        id=f"op-of-{cabinet.code}",
        verb=verb,
        key=f"key-of-{cabinet.code}",
        status="succeeded",
        progress=1.0,
        phase=None,
        error_code=None,
        message=None,
    )
