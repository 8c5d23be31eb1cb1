"""Carries out one cabinet's steps: observe, decide, intend, act, observe, record."""

from __future__ import annotations

import asyncio
import logging
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from itertools import chain, takewhile
from typing import Any

from bascule.checks.findings import Finding, Level
from bascule.checks.list_age import content_hash
from bascule.connectors import Again, Basis, Observation, Operation, OperationStatus, Order
from bascule.connectors.contract import CANNOT, TAKEN_BACK, ending_coded, verb_named
from bascule.engine.decisions import (
    ANSWER_OF_OPERATION,
    Answer,
    Intended,
    claimed,
    in_words,
    intended,
    is_ordered_again,
    kept_lists,
    owes_reopen,
    retracted,
    said_of,
    second_synchronisation,
    signature_of,
    unapproved,
    unrepeatable,
    what_to_decide,
    word_for_again,
)
from bascule.engine.list_bounds import CONTENT_BEFORE, why_unproven
from bascule.engine.list_reading import BoundedWait, ComparedLists, Lists, read_lists, read_until_proven
from bascule.engine.observing import Observations
from bascule.engine.run import Run
from bascule.errors import (
    BasculeError,
    LeaseLost,
    RemoteError,
    RemoteInterrupted,
    RemoteRefuses,
    StillRunning,
)
from bascule.facts import GeFacts, GeLists, S4aLists, SynchronisationStatus, View, from_json, to_json, to_plain
from bascule.ledger import ORDER_KINDS, Entry, EntryKind, orders_of
from bascule.model import Cabinet, ErrorClass, Kind, Outcome, State, System
from bascule.procedure import (
    KEPT,
    LOCK_OUT,
    OUR_NAME,
    OUTCOME_WHEN_FALSE,
    PROCEDURE,
    REOPEN,
    SYNCHRONISE,
    Act,
    Condition,
    Facts,
    Kept,
    Reading,
    Step,
    WhenFalse,
    in_one_sitting,
    required_of,
)
from bascule.workorders import OrderState, WorkOrder, retracted_in_words, what_to_do_with
from bascule.workorders import in_words as order_in_words

log = logging.getLogger("bascule.engine")

STATE_OF_CLASS: dict[ErrorClass, tuple[State, Outcome | None]] = {
    ErrorClass.HUMAN: (State.WAITING, None),
    ErrorClass.DATA: (State.FAILED, Outcome.BLOCKED),
    ErrorClass.RIGHTS: (State.FAILED, Outcome.BLOCKED),
    ErrorClass.AUTH: (State.FAILED, Outcome.BLOCKED),
    ErrorClass.CONFIG: (State.FAILED, Outcome.FAILED),
    ErrorClass.EXTERNAL: (State.FAILED, Outcome.FAILED),
    ErrorClass.TRANSIENT: (State.FAILED, Outcome.FAILED),
    ErrorClass.THROTTLED: (State.FAILED, Outcome.FAILED),
    ErrorClass.BUG: (State.FAILED, Outcome.FAILED),
    ErrorClass.UNKNOWN: (State.FAILED, Outcome.FAILED),
}

CONTENT_WITHIN = 15.0
"""Seconds that users wait, at most, for what Client Management holds before the synchronisation: it is good to know, and no more."""


@dataclass(frozen=True)
class Doubt:
    """Why an act is left to a person."""

    state: State
    reason: str
    error_class: ErrorClass
    remedy: str


NEVER = datetime.max.replace(tzinfo=UTC)

SECTION_SYSTEMS = (System.GE, System.S4A)
"""What a guarded section asks of: while one of them keeps it waiting, users would be kept out for nothing."""


class CabinetRun:
    """One cabinet, taken up by one run, under one lease. Every entry it writes carries the lease's fencing number."""

    def __init__(
        self,
        run: Run,
        cabinet: Cabinet,
        *,
        fence: int,
        history: Iterable[Entry],
        procedure: tuple[Step, ...] = PROCEDURE,
    ) -> None:
        self.run = run
        self.cabinet = cabinet
        self.fence = fence
        self.history = list(history)
        self.procedure = procedure
        self.last: dict[str, Entry] = {}
        """The last entry of each step that this run tried."""
        self.defects: list[Exception] = []
        """What went wrong in Bascule itself."""
        self._attempts: Counter[str] = Counter()
        self._asked: dict[str, Operation] = {}
        """What the remote says of the people it asked, by the intents' keys."""
        self._observations = Observations(cabinet, run.remote, run.clock, self.owes_reopen)
        self._held: dict[str, System] = {}
        """Which system each step waits for, where that was told."""
        self._seen_through: set[str] = set()
        """The work orders of which all is seen to be done, answered or not."""

    async def carry_out(self, step: Step) -> Entry:
        """One attempt at one step. The entry says how it ended: a proof, or a verdict with its reason.

        The last attempt does not end while the agent answers nobody: it waits where it is until the agent is back.
        """
        self._attempts[step.name] += 1
        entry = await self._carried_out(step)
        is_away = True
        while is_away and (system := self._left_unanswered_by(step, entry)) is not None:
            # One that says that it is well has come back, or fails at this cabinet only: one more attempt tells.
            is_away = not await self.run.outages.is_back(system, self.run.clock(), every=1.0)
            if is_away and not await self._is_back_in_time(step, system, entry.reason):
                break
            entry = await self._carried_out(step)
        await self._say_free(step)
        self.last[step.name] = entry
        log.info(
            "%s / %s: %s%s", self.cabinet.code, step.name, entry.state, f" ({entry.reason})" if entry.reason else ""
        )
        return entry

    async def was_put_off(self, *, before: bool) -> bool:
        """The guarded section was given up, with users back, only because a system kept it waiting.

        `before`: as it was already once; then the system must still be away: nobody is locked out again and again.
        """
        ended = [entry for name in (LOCK_OUT, SYNCHRONISE) if (entry := self.last.get(name)) is not None]
        last = ended[-1] if ended else None
        if last is None or last.state is not State.FAILED or self.owes_reopen() or self._goes_no_further():
            return False
        if last.error_class is ErrorClass.THROTTLED:
            return (last.evidence.get("retry_after") or 0.0) > self.run.pace.longest_pause
        away = self.run.outages.away(SECTION_SYSTEMS) if last.error_class is ErrorClass.TRANSIENT else None
        if away is None:
            return False
        return not before or not await self.run.outages.is_back(away, self.run.clock(), every=1.0)

    async def may_try_again(self, step: Step, entry: Entry) -> bool:
        """Whether another attempt is worth it, once the pause before it is over.

        Under a lock-out no long pause is waited out: users are let in first.
        """
        run = self.run
        if run.stop.is_set() or not run.pace.retry.worth_another(entry):
            return False
        pause = run.pace.retry.pause(entry, run.chance)
        if pause <= run.pace.longest_pause:
            await run.pause(pause)
            return True
        if step.name in (LOCK_OUT, SYNCHRONISE) and self.owes_reopen():
            return False
        asks = run.outages.paused(step.systems)
        await self._wait(step, asks[0] if asks else step.systems[0], pause, entry.reason)
        await self._say_free(step)
        return not self._goes_no_further()

    async def _carried_out(self, step: Step) -> Entry:
        if step.name == LOCK_OUT and not self.owes_reopen() and (asks := self._pause_too_long()) is not None:
            why = self._in_words(*asks)
            return self._verdict(
                step, State.WAITING, why, error_class=ErrorClass.HUMAN, remedy="run again from then on"
            )
        try:
            entry = await self._attempt(step)
        except LeaseLost:
            raise
        except RemoteError as error:
            entry = self._verdict_on(step, error)
        except BasculeError:
            raise
        except Exception as defect:
            # The edge of one cabinet: recorded, and told at the end of the run; the other cabinets go on.
            log.exception("%s / %s: a defect in Bascule", self.cabinet.code, step.name)
            self.defects.append(defect)
            entry = self._verdict(
                step,
                State.FAILED,
                f"a defect in Bascule: {type(defect).__name__}: {defect}",
                error_class=ErrorClass.BUG,
                outcome=Outcome.FAILED,
            )
        return entry

    def owes_reopen(self) -> bool:
        """Users are, or may be, kept out by us."""
        return owes_reopen(self.history) or self.seen_locked_out() is not None

    def seen_locked_out(self) -> GeFacts | None:
        """GE's facts, where they last showed that its users are kept out by us, or for us."""
        seen = self._observations.latest(View.GE)
        return seen if isinstance(seen, GeFacts) and seen.locked_out_by == OUR_NAME else None

    async def synchronisation_runs(self) -> bool:
        """Read now, not remembered. Raises RemoteError if it cannot be observed."""
        read = await self._observations.read((View.GE,), anew=(View.GE,), any_instants=True)
        ge = read[View.GE]
        assert isinstance(ge, GeFacts)
        return ge.synchronisation is not None and ge.synchronisation.status is SynchronisationStatus.RUNNING

    async def read_back(self, step: Step) -> None:
        """Finds out what became of acts whose answer is not known. Raises RemoteError if that cannot be found out."""
        for act in intended(step.name, self.history):
            if act.answer.needs_reading_back:
                await self._read_back(step, act)
                if self._asks(act.verb):
                    await self._hear_people()

    def give_up_on(self, step_name: str, why: str, remedy: str, code: str = "") -> None:
        """The step's outcome is not known, and a person is called."""
        step = next(step for step in self.procedure if step.name == step_name)
        self.last[step_name] = self._verdict(
            step, State.UNKNOWN, why, error_class=ErrorClass.UNKNOWN, outcome=Outcome.UNKNOWN, remedy=remedy, code=code
        )

    # One attempt

    async def _attempt(self, step: Step) -> Entry:
        if not step.needed(self.cabinet):
            return await self._prove(step, None, "nothing to do: the inventory names none")
        await self._settle(step)
        again = is_ordered_again(step.name, self.history)
        facts = await self._facts(step, step.reads, anew=step.anew & step.reads)
        unmet = first_unmet(step.ensures, facts)
        if not again and unmet is None:
            return await self._accept(step, facts)
        if (asked := self._awaited(step)) is not None:
            return self._wait_for(step, asked)
        if unmet is not None:
            self._find_contradiction(step, unmet.why_not(facts))
        if step.acts:
            together = self._together(step)
            required = required_of(together)
            anew = frozenset(chain.from_iterable(one.anew for one in together))
            readings = frozenset(chain.from_iterable(condition.reads for condition in required))
            facts, unmet = await self._meet(
                step, required, step.reads | step.reads_before | readings, anew - step.reads
            )
            if unmet is not None:
                return self._unmet(step, unmet, facts)
        for act in step.acts:
            facts = await self._facts(step, step.reads | step.reads_before)
            if act.unless.holds(facts) and not again:
                continue
            doubt = await self._doubt(step, act, facts, again=again)
            if doubt is not None:
                return self._verdict(
                    step, doubt.state, doubt.reason, error_class=doubt.error_class, remedy=doubt.remedy, facts=facts
                )
            await self._act(step, act, facts)
            if (asked := self._awaited(step)) is not None:
                return self._wait_for(step, asked)
        return await self._look(step)

    async def _settle(self, step: Step) -> None:
        """Earlier acts, as far as the remote tells. Raises RemoteError unless the facts of now decide."""
        try:
            await self.read_back(step)
        except RemoteRefuses as refused:
            # Proven undone in an earlier attempt, unless a person says that it cannot be done.
            if refused.code == CANNOT:
                raise
        except RemoteInterrupted as cut:
            # Nobody knows any more what a person did who took their answer back.
            if cut.code != TAKEN_BACK:
                raise

    async def _accept(self, step: Step, facts: Facts) -> Entry:
        """What holds is proven, unless it takes two people and one has spoken."""
        order = unapproved(step, self.history)
        if order is not None:
            return await self._hold(step, order)
        return await self._prove(step, facts, self._how_it_came_true(step))

    async def _doubt(self, step: Step, act: Act, facts: Facts, *, again: bool) -> Doubt | None:
        """Why this act is not Bascule's to do; None where it is."""
        together = [one for one in self._together(step) if one.name not in facts.again]
        if step.kind is Kind.HUMAN and not self.run.plays_person and not self._asks(act.verb):
            return Doubt(
                State.WAITING, f"a person must do this: {step.says}", ErrorClass.HUMAN, "do it by hand, then re-run"
            )
        too_early = await self.run.not_now(self.cabinet, step.name)
        if too_early is not None:
            return Doubt(State.WAITING, too_early, ErrorClass.HUMAN, "run again from then on")
        if again:
            return None
        for one in chain.from_iterable(step.acts for step in together):
            never = next((condition for condition in one.never_while if condition.holds(facts)), None)
            if never is not None:
                return Doubt(State.UNKNOWN, never.why_not(facts), ErrorClass.EXTERNAL, never.what_to_do(facts))
        taken_back = retracted(unrepeatable(together), self.history)
        if taken_back is not None:
            return Doubt(
                State.UNKNOWN,
                f"{retracted_in_words(taken_back)}; {act.unless.why_not(facts)}: nobody is asked again",
                ErrorClass.UNKNOWN,
                what_to_decide(taken_back),
            )
        order = claimed(unrepeatable(together), self.history)
        if order is not None:
            return Doubt(
                State.UNKNOWN,
                f"{in_words(order)}, but {act.unless.why_not(facts)}: nobody is asked again",
                ErrorClass.UNKNOWN,
                "look at both systems, and put right what is wrong there; then re-run",
            )
        before = [known for known in intended(step.name, self.history) if known.verb == act.verb]
        if before and (step.kind is Kind.ONCE or step.irreversible):
            sent = f"{act.verb} was sent at {before[-1].at:%Y-%m-%d %H:%M:%S} UTC and ended {before[-1].answer}"
            return Doubt(
                State.UNKNOWN,
                f"{sent}, but {act.unless.why_not(facts)}: it is not sent again",
                ErrorClass.UNKNOWN,
                "look at both systems and decide",
            )
        return None

    async def _act(self, step: Step, act: Act, facts: Facts) -> None:
        """Intent on disk, request, effect. Returns when the remote says that it is done; raises RemoteError otherwise."""
        timeout = self.run.pace.act_timeout
        order = Order(
            verb=act.verb,
            payload=act.payload(facts),
            key=self.run.new_key(),
            fence=self.fence,
            timeout=timeout,
            step=step.name,
            again=self._again(step),
            names={
                name: told
                for one in self._together(step)
                for act in one.acts
                for name, told in act.names(facts).items()
            },
        )
        evidence: dict[str, Any] = {"timeout": timeout, "payload": dict(order.payload)}
        if step.keeps_before is not None:
            evidence |= self._kept(step.keeps_before, facts.read[step.keeps_before.view])
        if any(one.keeps_after is not None for one in self._together(step)):
            evidence |= await self._content_before()
        # The lease outlives the request, and the moment after it in which its answer is read back.
        ours_until = self.run.clock() + timedelta(seconds=timeout + self.run.pace.settle + 10)
        self.run.ledger.outlive(self.cabinet.code, self.fence, ours_until)
        await self._record(self._entry(step, EntryKind.INTENT, verb=act.verb, key=order.key, evidence=evidence))
        if self.run.clock() >= ours_until - timedelta(seconds=timeout):
            # Stalled since: others may have looked, and found nothing sent.
            raise LeaseLost(
                f"{self.cabinet.code}: this process was stalled for too long; it does not send {act.verb} any more"
            )
        remote = self.run.remote(self.cabinet, act.system)
        try:
            operation = await remote.act(self.cabinet, order)
        except RemoteError as error:
            answer = Answer.UNANSWERED if error.may_have_acted else Answer.REFUSED
            self._observations.forget_after(act.verb)
            await self._effect(step, act.verb, order.key, answer, said=str(error), code=error.code)
            if answer is Answer.REFUSED:
                raise
            log.info("%s / %s: %s; reading back", self.cabinet.code, step.name, error)
            await self.read_back(step)
            if not any(known.key == order.key for known in intended(step.name, self.history)):
                # Proven undone: the retry policy decides whether it is worth another attempt.
                raise
            return
        await self._follow(step, act.verb, order.key, operation)

    async def _read_back(self, step: Step, act: Intended) -> None:
        remote = self.run.remote(self.cabinet, verb_named[act.verb].system)
        if act.operation is not None:
            await self._follow(step, act.verb, act.key, await remote.operation(self.cabinet, act.operation))
            return
        found = await remote.find(self.cabinet, act.key, fence=self.fence)
        if not found and act.silent_since is not None:
            # The request may still be on its way: only a later "never received" is to be believed.
            silent_for = (self.run.clock() - act.silent_since).total_seconds()
            await self.run.sleep(max(0.0, self.run.pace.settle - silent_for))
            found = await remote.find(self.cabinet, act.key, fence=self.fence)
        if found:
            await self._follow(step, act.verb, act.key, found[-1])
        else:
            await self._effect(step, act.verb, act.key, Answer.NEVER_RECEIVED, said="the remote never received it")

    async def _follow(self, step: Step, verb: str, key: str, operation: Operation) -> None:
        """Records what the remote says of an operation, until it is over, or a person is awaited."""
        if operation.status is OperationStatus.AWAITED:
            self._asked[key] = operation
            asked = self._awaited(step)
            if asked is None or asked.key != key:
                await self._effect(step, verb, key, Answer.AWAITED, operation=operation, said=operation.message or "")
            return
        if not operation.status.is_over:
            # On disk before the first poll, so that a crash resumes the poll.
            await self._effect(step, verb, key, Answer.UNDERWAY, operation=operation)
            operation = await self._poll(step, verb, operation)
        self._observations.forget_after(verb)
        answer = ANSWER_OF_OPERATION[operation.status]
        await self._effect(
            step, verb, key, answer, operation=operation, said=operation.message or "", code=operation.error_code or ""
        )
        if answer is Answer.INTERRUPTED:
            raise RemoteInterrupted(operation.message or "", code=operation.error_code or "interrupted")
        if answer is Answer.NOT_BEGUN:
            code = operation.error_code or "not-begun"
            known = ending_coded.get(code)
            raise RemoteRefuses(
                operation.message or (known.meaning if known else f"{verb} did not begin"),
                code=code,
                error_class=known.error_class if known else ErrorClass.EXTERNAL,
            )

    async def _poll(self, step: Step, verb: str, operation: Operation) -> Operation:
        remote = self.run.remote(self.cabinet, verb_named[verb].system)
        missed = 0
        while not operation.status.is_over:
            if self.run.stop.is_set():
                raise StillRunning(f"{verb} is still running; the next run resumes watching it")
            await self.run.pause(self.run.pace.poll)
            try:
                operation = await remote.operation(self.cabinet, operation.id)
                missed = 0
            except RemoteError as error:
                missed += 1
                if (
                    error.error_class not in (ErrorClass.TRANSIENT, ErrorClass.THROTTLED)
                    or missed >= self.run.pace.retry.attempts
                ):
                    raise
                await self.run.pause(error.retry_after or self.run.pace.poll)
            self.run.progress(self.cabinet, step.name, operation)
        return operation

    async def _look(self, step: Step) -> Entry:
        """Observes until what the step ensures holds, or its patience ends."""
        live = self._live(one for one in step.reads if isinstance(one, View))
        patience = min(step.patience, self.run.pace.patience_at_most) if live else 0.0
        until = self.run.clock() + timedelta(seconds=patience)
        while True:
            facts = await self._facts(step, step.reads)
            unmet = first_unmet(step.ensures, facts)
            if unmet is None:
                return await self._prove(step, facts, "")
            if unmet.when_false is not WhenFalse.WAITS or self.run.clock() >= until or self.run.stop.is_set():
                return self._unmet(step, unmet, facts)
            await self.run.pause(min(self.run.pace.poll, patience))
            self._observations.forget(view for view in step.reads if isinstance(view, View))

    # Systems that are away, or ask for patience

    def _left_unanswered_by(self, step: Step, entry: Entry) -> System | None:
        """The system that answered nobody of late, where the last attempt failed at that."""
        if entry.error_class is not ErrorClass.TRANSIENT or self.run.pace.retry.worth_another(entry):
            return None
        # Users who are kept out wait for nobody but for GE, which alone can let them in.
        systems = [system for system in step.systems if system is System.GE or not self.owes_reopen()]
        return None if self._goes_no_further() else self.run.outages.away(systems)

    async def _is_back_in_time(self, step: Step, system: System, why: str) -> bool:
        run = self.run
        since = run.outages.since(system, run.clock())
        until = self._in_time(since + timedelta(seconds=run.pace.agent_away))
        while run.clock() < until and not self._goes_no_further():
            await self._say_held(step, system, since, until, why)
            await run.pause(min(run.pace.poll, (until - run.clock()).total_seconds()))
            if await run.outages.is_back(system, run.clock(), run.pace.poll):
                return True
        return False

    async def wait_for_section(self, step: Step) -> None:
        """Before users are locked out: waits while a pause, or an agent that is away, would keep them out for nothing."""
        await self._wait_for_section(step)
        await self._say_free(step)

    async def _wait_for_section(self, step: Step) -> None:
        run = self.run
        while not self._goes_no_further() and self._in_time(NEVER) > run.clock():
            if (asks := self._pause_too_long()) is not None:
                await self._wait(step, *asks, self._in_words(*asks))
                continue
            away = run.outages.away(SECTION_SYSTEMS)
            if away is not None and not await run.outages.is_back(away, run.clock(), run.pace.poll):
                await self._is_back_in_time(step, away, f"{away.display_name} does not answer")
            return

    def _pause_too_long(self) -> tuple[System, float] | None:
        """Who asks for more patience than users can be kept waiting for, and how much."""
        asks = self.run.outages.paused(SECTION_SYSTEMS)
        return asks if asks is not None and asks[1] > self.run.pace.longest_pause else None

    def _in_words(self, system: System, seconds: float) -> str:
        until = self.run.clock() + timedelta(seconds=seconds)
        return f"{system.display_name} asks for patience until {until:%Y-%m-%d %H:%M} UTC; nobody is locked out while it does"

    async def _wait(self, step: Step, system: System, seconds: float, why: str) -> None:
        """Told, and no longer than this cabinet may still be worked on."""
        now = self.run.clock()
        until = self._in_time(now + timedelta(seconds=seconds))
        while (left := (until - self.run.clock()).total_seconds()) > 0 and not self._goes_no_further():
            await self._say_held(step, system, now, until, why)
            await self.run.pause(min(left, max(self.run.pace.poll, 1.0)))

    def _in_time(self, until: datetime) -> datetime:
        """Not past the last safe start, for a cabinet whose lock-out is still to come."""
        last = self.run.last_safe_start(self.cabinet)
        is_synchronised = any(entry.step == SYNCHRONISE and entry.kind is EntryKind.PROOF for entry in self.history)
        return until if last is None or is_synchronised or self.owes_reopen() else min(until, last)

    def _goes_no_further(self) -> bool:
        """This cabinet ends where it is, unless users wait to be let in."""
        return self.run.stop.is_set() or (self.cabinet.code in self.run.finishing and not self.owes_reopen())

    async def _say_held(self, step: Step, system: System, since: datetime, until: datetime, why: str) -> None:
        if self._held.get(step.name) is system:
            return
        self._held[step.name] = system
        log.warning(
            "%s / %s: waits for %s until %s (%s)",
            self.cabinet.code,
            step.name,
            system.display_name,
            until,
            why.rstrip("."),
        )
        held = {"by": system.value, "since": since.isoformat(), "until": until.isoformat()}
        await self._record(self._entry(step, EntryKind.HELD, reason=why, evidence={"held": held}))
        if self.run.outages.away([system]) is not None:
            await self.run.say_away(system, since)

    async def _say_free(self, step: Step) -> None:
        system = self._held.pop(step.name, None)
        if system is None:
            return
        await self._record(self._entry(step, EntryKind.HELD, reason=f"{system.display_name} is waited for no longer"))
        if self.run.outages.is_over(system):
            await self.run.say_back(system)

    # People

    def is_in_a_persons_hands(self, steps: Iterable[Step]) -> bool:
        """Somebody who was asked for one of these steps may be at work on it: not who has answered, nor where all is seen to be done."""
        orders = orders_of(self.history)
        asked = (orders.get(act.operation or "") for step in steps if (act := self._awaited(step)) is not None)
        return any(order is None or not (order.was_let_go or order.id in self._seen_through) for order in asked)

    def _asks(self, verb: str) -> bool:
        return self.run.remote(self.cabinet, verb_named[verb].system).asks(self.cabinet, verb)

    def _together(self, step: Step) -> tuple[Step, ...]:
        """The step, and those that a person does in the same sitting."""
        return in_one_sitting(step, self._asks, self.procedure)

    def _awaited(self, step: Step) -> Intended | None:
        return next((act for act in intended(step.name, self.history) if act.answer is Answer.AWAITED), None)

    def _again(self, step: Step) -> Again | None:
        """Whose word it is that this is done once more, where the step or its sitting was ordered again."""
        words = (word_for_again(one.name, self.history) for one in self._together(step))
        word = next((word for word in words if word is not None), None)
        return Again(by=word.who, because=word.reason) if word is not None else None

    def _find_miscount(self, step: Step) -> None:
        """What a person read off the wizard is not what the target's lists hold."""
        order, lists = said_of(step.name, self.history), self._observations.latest(View.S4A_LISTS)
        shown = order.answer.evidence.get("dossiers_shown") if order is not None and order.answer is not None else None
        if order is not None and shown is not None and isinstance(lists, S4aLists) and shown != len(lists.dossiers):
            says = f"{in_words(order)}, with {shown} dossiers; Client Management lists {len(lists.dossiers)}"
            remedy = "see which number is wrong: the one read off the wizard, or the lists"
            finding = Finding(rule="ANS-02", level=Level.RESERVATION, about=order.id, says=says, remedy=remedy)
            self._find(step, (finding,))

    async def _hear_people(self) -> None:
        """What people said since the history was read belongs to it."""
        known = {entry.hash for entry in self.history}
        now = await self.run.ledger.history_soon(self.cabinet.code)
        self.history += [entry for entry in now if entry.kind in ORDER_KINDS and entry.hash not in known]

    def _wait_for(self, step: Step, act: Intended) -> Entry:
        order = orders_of(self.history).get(act.operation or "")
        if order is not None:
            return self._await(step, order)
        told = self._asked[act.key].message if act.key in self._asked else None
        return self._verdict(
            step,
            State.WAITING,
            told or f"a person was asked: work order {act.operation}",
            error_class=ErrorClass.HUMAN,
            code="asked",
            remedy=f"bascule inbox --cabinet {self.cabinet.code}",
        )

    def _await(self, step: Step, order: WorkOrder, done: Sequence[str] = ()) -> Entry:
        """The verdict while an order needs somebody. `done`: the steps that are done for all that."""
        now = self.run.clock()
        told = order_in_words(order, now)
        is_refused = order.is_refused
        return self._verdict(
            step,
            State.FAILED if is_refused else State.WAITING,
            f"done, not approved ({', '.join(done)}): {told}" if done else told,
            error_class=ErrorClass.HUMAN,
            outcome=Outcome.BLOCKED if is_refused else None,
            code="not-approved" if is_refused else "asked",
            remedy=what_to_do_with(order, now),
            not_approved=done,
        )

    async def _hold(self, step: Step, order: WorkOrder) -> Entry:
        """What is done, and counts once a second person has approved it. Where no order is open for that, one asks what is true."""
        done = await self._seen_done(order)
        if not order.state.needs_somebody or order.is_expired(self.run.clock()):
            order = await self._ask_what_is_true(step, order, done)
        return self._await(step, order, [name for name in done if name != REOPEN])

    async def _seen_done(self, order: WorkOrder) -> tuple[str, ...]:
        """The steps of this order that are done, as the systems show them."""
        steps = [one for one in self.procedure if {act.verb for act in one.acts} & set(order.verbs)]
        done = []
        for one in steps:
            with suppress(RemoteError):
                if first_unmet(one.ensures, await self._facts(one, one.reads)) is None:
                    done.append(one.name)
        if len(done) == len(steps):
            self._seen_through.add(order.id)
        return tuple(done)

    async def _ask_what_is_true(self, step: Step, closed: WorkOrder, done: Sequence[str]) -> WorkOrder:
        """Nobody is asked to do anything of it again. The closed order where people are not asked for this step any more."""
        together = takewhile(lambda one: one.name in done, self._together(step))
        verbs = tuple(act.verb for one in together for act in one.acts if self._asks(act.verb))
        if not verbs:
            return closed
        asking = Order(
            verb=verbs[0],
            payload={},
            key=self.run.new_key(),
            fence=self.fence,
            timeout=self.run.pace.act_timeout,
            step=step.name,
            done=verbs,
        )
        told = {"timeout": asking.timeout, "payload": {}}
        await self._record(self._entry(step, EntryKind.INTENT, verb=asking.verb, key=asking.key, evidence=told))
        remote = self.run.remote(self.cabinet, verb_named[asking.verb].system)
        await self._follow(step, asking.verb, asking.key, await remote.act(self.cabinet, asking))
        await self._hear_people()
        return unapproved(step, self.history) or closed

    def _how_it_came_true(self, step: Step) -> str:
        orders = (said_of(act.verb, self.history) for act in reversed(step.acts))
        order = next((order for order in orders if order is not None), None)
        if order is not None:
            return in_words(order)
        taken_back = retracted((step,), self.history)
        if taken_back is not None:
            return f"observed: it holds all the same, though {retracted_in_words(taken_back)}"
        return "already true" if step.acts and not intended(step.name, self.history) else ""

    def _find_contradiction(self, step: Step, otherwise: str) -> None:
        """What a person says, and what can be read of the systems, are not the same."""
        order = claimed((step,), self.history)
        if order is not None:
            finding = Finding(
                rule="ANS-01",
                level=Level.NOTE,
                about=order.id,
                says=f"{in_words(order)}, but {otherwise}",
                remedy="see what the person did and what the systems show",
            )
            self._find(step, (finding,))

    def _ask_no_longer(self, step: Step) -> None:
        """What nobody needs to do any more, because it holds: the work order whose last part this step was.

        Not where it takes two persons: what somebody did without answering still needs an answer, and an approval.
        """
        verbs = {act.verb for act in step.acts}
        for order in orders_of(self.history).values():
            if order.state is OrderState.OPEN and order.verbs[-1] in verbs and not self._needs_second(order):
                told = "what it asks for came true before it was answered"
                self._record_later(self._entry(step, EntryKind.WITHDRAWN, operation=order.id, reason=told))

    def _needs_second(self, order: WorkOrder) -> bool:
        return any(unapproved(one, self.history) == order for one in self.procedure)

    def _find_refusals(self, step: Step) -> None:
        """What somebody did not approve, however it was decided since. Told once, at the step that the order begins with."""
        for order in orders_of(self.history).values():
            if order.refusal is None or order.verbs[0] not in {act.verb for act in step.acts}:
                continue
            because = f": {order.refusal.because}" if order.refusal.because else ""
            by = f" of {order.refused.by}" if order.refused is not None else ""
            finding = Finding(
                rule="ANS-03",
                level=Level.RESERVATION,
                about=order.id,
                says=f"{order.refusal.by} did not approve the answer{by}{because}; then {order_in_words(order, self.run.clock())}",
                remedy="see what each of them saw, and whether it was decided rightly",
            )
            self._find(step, (finding,))

    # Facts

    async def _meet(
        self, step: Step, required: tuple[Condition, ...], readings: Iterable[Reading], anew: Iterable[Reading]
    ) -> tuple[Facts, Condition | None]:
        """The facts of now, and what of them is not as it is required. What may still become so is read again for a bounded time."""
        wait = BoundedWait(self.run)
        while True:
            facts = await self._facts(step, readings, anew=anew)
            unmet = first_unmet(required, facts)
            if unmet is None or not unmet.awaits or not self._live(unmet.awaits) or wait.is_over():
                return facts, unmet
            anew = unmet.awaits
            await wait.pause()

    def _live(self, views: Iterable[View]) -> bool:
        return all(self.run.remote(self.cabinet, view.system).live for view in views)

    async def _facts(self, step: Step, readings: Iterable[Reading], anew: Iterable[Reading] = ()) -> Facts:
        readings = frozenset(readings)
        views = [reading for reading in readings if isinstance(reading, View)]
        views_anew = [view for view in anew if isinstance(view, View)]
        observed = await self._observations.read(views, views_anew, any_instants=step.any_instants)
        read: dict[Reading, Observation] = {view: observed[view] for view in views}
        compared = {reading: await self._compared(reading) for reading in readings if isinstance(reading, Kept)}
        basis = {reading: lists.basis for reading, lists in compared.items()}
        again = {SYNCHRONISE} if is_ordered_again(SYNCHRONISE, self.history) else ()
        return Facts(
            self.run.clock(),
            self.cabinet,
            read | {reading: lists.lists for reading, lists in compared.items()},
            frozenset(again),
            self.run.tolerate,
            basis={view: self._basis(view) for view in views} | basis,
            unproven={reading: lists.unproven for reading, lists in compared.items() if lists.unproven},
            under_lock_out=frozenset(reading for reading, lists in compared.items() if lists.under_lock_out),
            second_synchronisation=second_synchronisation(self.history) if KEPT & readings else None,
        )

    def _basis(self, view: View) -> Basis:
        return self.run.remote(self.cabinet, view.system).basis(view)

    async def _compared(self, reading: Kept) -> ComparedLists:
        """The lists as they were kept.

        As they are now where none were kept, or they were purged, or tell no dossiers, or prove nothing of the synchronisation.
        """
        kept = kept_lists(self.history).get(reading.value)
        content = self.run.ledger.kept(kept.hash) if kept is not None else None
        lists: GeLists | S4aLists | None = from_json(reading.view, content) if content is not None else None
        tells = lists is not None and not (isinstance(lists, S4aLists) and "dossiers" in lists.unknown)
        if kept is not None and lists is not None and tells and not why_unproven(lists, kept.basis, self.history):
            return ComparedLists(lists, kept.basis, under_lock_out=kept.locked_out)
        log.warning("%s: %s of now are compared, not kept ones", self.cabinet.code, reading.value)
        now, unproven = await read_until_proven(
            self._observations,
            reading.view,
            self.run,
            live=self._live((reading.view,)),
            why_unproven=lambda lists: self._why_unproven(lists, self.history),
        )
        return ComparedLists(now, self._basis(reading.view), unproven=unproven)

    def _why_unproven(self, lists: Lists, history: Sequence[Entry]) -> str:
        view = View.GE_LISTS if isinstance(lists, GeLists) else View.S4A_LISTS
        return why_unproven(lists, self._basis(view), history)

    def _kept(self, kept: Kept, lists: Observation) -> dict[str, dict[str, str]]:
        """As evidence: where they are kept, and who says them."""
        name = self.run.ledger.keep(self.cabinet.code, kept.value, to_json(kept.view, lists), self.run.clock())
        return {"kept": {kept.value: name}, "basis": {kept.value: self._basis(kept.view).value}}

    async def _lists(self, kept: Kept, history: Sequence[Entry]) -> dict[str, dict[str, str]]:
        """One side's lists, read at once after the synchronisation. Users are kept waiting for it for a bounded time only."""
        wait = BoundedWait(self.run)
        while True:
            try:
                lists = await read_lists(self._observations, kept.view)
            except RemoteError as error:
                may_come, why, at_least = error.error_class is not ErrorClass.HUMAN, str(error), error.retry_after
            else:
                may_come, why, at_least = self._live((kept.view,)), self._why_unproven(lists, history), None
                if not why:
                    return self._kept(kept, lists)
                self._observations.forget((kept.view,))
            if not may_come or wait.is_over(at_least):
                log.warning("%s: %s could not be kept (%s)", self.cabinet.code, kept.value, why)
                return {}
            await wait.pause(at_least)

    async def _content_before(self) -> dict[str, str]:
        """What Client Management lists before the synchronisation, by its hash; nothing where it cannot be read, or may stay so."""
        source = self._observations.latest(View.GE_LISTS)
        if isinstance(source, GeLists) and not source.dossiers:
            return {}
        try:
            async with asyncio.timeout(CONTENT_WITHIN):
                lists = await read_lists(self._observations, View.S4A_LISTS)
        except (RemoteError, TimeoutError):
            return {}
        finally:
            self._observations.forget((View.S4A_LISTS,))
        assert isinstance(lists, S4aLists)
        return {CONTENT_BEFORE: content_hash(lists)}

    # Entries

    async def _prove(self, step: Step, facts: Facts | None, reason: str) -> Entry:
        evidence = _evidence(step, facts)
        proof = self._entry(step, EntryKind.PROOF, state=State.DONE, reason=reason, evidence=evidence)
        if step.keeps_after is not None:
            evidence = _joined(evidence, await self._lists(step.keeps_after, (*self.history, proof)))
        if step.keeps_before is not None and not intended(step.name, self.history):
            # Done by a person: what was to be carried over is read now, as it was under the lock-out.
            evidence = _joined(evidence, await self._lists(step.keeps_before, (*self.history, proof)))
            self._find_miscount(step)
        self._ask_no_longer(step)
        self._find_refusals(step)
        if facts is not None:
            self._find(step, step.findings(facts))
            since = step.since(facts)
            evidence |= {"since": since.isoformat()} if since is not None else {}
            reason = reason or step.remarks(facts)
        return self._record_later(replace(proof, reason=reason, evidence=evidence))

    def _unmet(self, step: Step, condition: Condition, facts: Facts) -> Entry:
        self._find(step, step.findings(facts) if step.reads <= facts.read.keys() else ())
        reason, remedy = condition.why_not(facts), condition.what_to_do(facts)
        if condition.when_false is WhenFalse.WAITS:
            return self._verdict(step, State.WAITING, reason, error_class=ErrorClass.HUMAN, remedy=remedy, facts=facts)
        outcome = OUTCOME_WHEN_FALSE[condition.when_false]
        kind = ErrorClass.DATA if outcome in (Outcome.BLOCKED, Outcome.PARTIAL) else ErrorClass.EXTERNAL
        return self._verdict(step, State.FAILED, reason, error_class=kind, outcome=outcome, remedy=remedy, facts=facts)

    def _verdict_on(self, step: Step, error: RemoteError) -> Entry:
        state, outcome = STATE_OF_CLASS[error.error_class]
        if any(
            act.answer in (Answer.UNANSWERED, Answer.UNDERWAY, Answer.INTERRUPTED)
            for act in intended(step.name, self.history)
        ):
            # An act's effect is not known, so neither is the step's.
            state, outcome = State.UNKNOWN, Outcome.UNKNOWN
        return self._verdict(
            step,
            state,
            str(error),
            error_class=error.error_class,
            outcome=outcome,
            code=error.code,
            remedy=error.remedy,
            retry_after=error.retry_after,
        )

    def _verdict(
        self,
        step: Step,
        state: State,
        reason: str,
        *,
        error_class: ErrorClass = ErrorClass.UNKNOWN,
        outcome: Outcome | None = None,
        code: str = "",
        remedy: str = "",
        retry_after: float | None = None,
        facts: Facts | None = None,
        not_approved: Sequence[str] = (),
    ) -> Entry:
        told = {"code": code, "remedy": remedy, "retry_after": retry_after, "not_approved": list(not_approved)}
        evidence = _evidence(step, facts) | {name: value for name, value in told.items() if value}
        verdict = self._entry(
            step,
            EntryKind.VERDICT,
            state=state,
            reason=reason,
            outcome=outcome,
            error_class=error_class,
            # What follows a colon differs from cabinet to cabinet: names, groups, counts.
            error_signature=signature_of(step.name, code, "" if code else reason.partition(": ")[0]),
            evidence=evidence,
        )
        return self._record_later(verdict)

    async def _effect(
        self,
        step: Step,
        verb: str,
        key: str,
        answer: Answer,
        *,
        operation: Operation | None = None,
        said: str = "",
        code: str = "",
    ) -> None:
        evidence: dict[str, Any] = {"answer": answer.value} | ({"code": code} if code else {})
        entry = self._entry(
            step,
            EntryKind.EFFECT,
            verb=verb,
            key=key,
            operation=operation.id if operation else None,
            reason=said,
            evidence=evidence,
        )
        if answer in (Answer.UNDERWAY, Answer.AWAITED):
            await self._record(entry)
        else:
            self._record_later(entry)

    def _find(self, step: Step, findings: tuple[Finding, ...]) -> None:
        """A line each for what somebody has to take care of; for what is only good to know, a line a rule."""
        notes: dict[str, list[Finding]] = {}
        for finding in findings:
            if finding.level is Level.NOTE:
                notes.setdefault(finding.rule, []).append(finding)
            else:
                self._record_finding(step, finding, [finding.about])
        for same in notes.values():
            more = ", and others like it" if len(same) > 1 else ""
            self._record_finding(step, same[0], [finding.about for finding in same], more)

    def _record_finding(self, step: Step, finding: Finding, about: list[str], more: str = "") -> None:
        told = {"rule": finding.rule, "level": finding.level.value, "about": about, "remedy": finding.remedy}
        self._record_later(self._entry(step, EntryKind.FINDING, reason=finding.says + more, evidence=told))

    def _entry(self, step: Step, kind: EntryKind, **fields: Any) -> Entry:
        return Entry(
            cabinet=self.cabinet.code,
            kind=kind,
            at=self.run.clock(),
            who=self.run.who,
            wave=self.run.wave,
            run=self.run.id,
            step=step.name,
            attempt=self._attempts[step.name],
            fence=self.fence,
            **fields,
        )

    async def _record(self, entry: Entry) -> None:
        await self.run.ledger.record(entry)
        self.history.append(entry)

    def _record_later(self, entry: Entry) -> Entry:
        self.run.ledger.record_later(entry)
        self.history.append(entry)
        return entry


def first_unmet(conditions: Iterable[Condition], facts: Facts) -> Condition | None:
    return next((condition for condition in conditions if not condition.holds(facts)), None)


def _evidence(step: Step, facts: Facts | None) -> dict[str, Any]:
    """What an attempt's end stands on, and what the step tells besides."""
    if facts is None:
        return {}
    basis = {reading.value: facts.basis[reading].value for reading in facts.read}
    return {"observed": _observed(facts), "basis": basis} | dict(
        step.tells(facts) if step.reads <= facts.read.keys() else {}
    )


def _joined(evidence: Mapping[str, Any], more: Mapping[str, Mapping[str, str]]) -> dict[str, Any]:
    return {**evidence, **{name: {**evidence.get(name, {}), **told} for name, told in more.items()}}


def _observed(facts: Facts) -> Mapping[str, Any]:
    """What a proof stands on: the cheap views whole, of the lists how many, when, and whether users were locked out then."""
    told: dict[str, Any] = {}
    for reading, observation in facts.read.items():
        if isinstance(observation, GeLists | S4aLists):
            told[reading.value] = {
                "taken_at": observation.taken_at.isoformat(),
                **({"under_lock_out": reading in facts.under_lock_out} if isinstance(reading, Kept) else {}),
                "groups": len(observation.groups),
                "dossiers": len(observation.dossiers),
                "collaborateurs": len(observation.collaborateurs),
                "rights": len(observation.rights),
            }
        elif isinstance(reading, View):
            told[reading.value] = to_plain(reading, observation)
    return told
