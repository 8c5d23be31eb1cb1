"""Takes one cabinet through the procedure: what does not depend on each other overlaps, and a lock-out is always paid back."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable, Coroutine, Iterable, Sequence
from dataclasses import replace
from datetime import UTC, datetime
from enum import StrEnum
from typing import Any

from bascule.checks.findings import Level
from bascule.connectors.operator.sittings import SECTION_LASTS
from bascule.engine.cabinet import CabinetRun
from bascule.engine.decisions import Answer, Standing, proven, said_of, standing, standing_in, steps_retracted
from bascule.engine.run import Run
from bascule.errors import RemoteError, StillRunning
from bascule.ledger import Entry, EntryKind, orders_of, standing_findings
from bascule.model import ARRIVED, Cabinet, Lifecycle, State, System
from bascule.procedure import LOCK_OUT, PROCEDURE, REOPEN, SYNCHRONISE, Step, step_named
from bascule.waves.sizes import dossiers_told

log = logging.getLogger("bascule.engine")

RUNS = "a synchronisation is running: users stay locked out until it ends; run again to watch it and let them in"

LOCKED_OUT_FOR = "LCK-02"
"""The rule under which it is noted how long users were locked out."""

Perform = Callable[[CabinetRun, Step], Coroutine[Any, Any, Entry]]
"""Carries a step out to its end, further attempts included. Prefect's tasks are one implementation, `perform` is the other."""


async def perform(cabinet_run: CabinetRun, step: Step) -> Entry:
    """Attempts a step until it is done, or another attempt is not worth it."""
    while True:
        entry = await cabinet_run.carry_out(step)
        if not await cabinet_run.may_try_again(step, entry):
            return entry


async def migrate(
    run: Run, cabinet: Cabinet, perform: Perform = perform, procedure: tuple[Step, ...] = PROCEDURE
) -> Standing:
    """One cabinet, under its lease, as far as it will go now. Raises CabinetTaken while another process has it."""
    fence = await run.ledger.take_lease(cabinet.code, run.owner, run.clock())
    try:
        # Read after the lease was taken, so that nothing another process wrote is missed.
        history = await run.ledger.history_soon(cabinet.code)
        meanwhile = ended_meanwhile(run, history)
        if meanwhile is not None:
            return meanwhile
        cabinet_run = CabinetRun(run, cabinet, fence=fence, history=history, procedure=procedure)
        because = {"because": run.because} if run.because else {}
        run.ledger.record_later(
            _entry(run, cabinet, fence, EntryKind.BEGAN, lifecycle=Lifecycle.RUNNING, evidence=because)
        )
        now_standing = await walk(cabinet_run, perform)
        if now_standing.outcome in ARRIVED:
            now_standing = await _unless_taken_back(cabinet_run, now_standing)
        # Waited for: who lost the lease meanwhile must not say how the cabinet ended.
        await run.ledger.record(
            _entry(
                run,
                cabinet,
                fence,
                EntryKind.ENDED,
                lifecycle=now_standing.lifecycle,
                outcome=now_standing.outcome,
                step=now_standing.step,
                reason=now_standing.reason,
                error_class=now_standing.error_class,
                error_signature=now_standing.error_signature,
                evidence=_told_at_the_end(cabinet_run, now_standing),
            )
        )
    finally:
        run.ledger.let_go(cabinet.code, fence, run.clock())
    if cabinet_run.defects:
        raise DefectInBascule(cabinet, now_standing, cabinet_run.defects[0])
    return now_standing


def _told_at_the_end(cabinet_run: CabinetRun, now_standing: Standing) -> dict[str, Any]:
    waits, out = cabinet_run.last.get(now_standing.step or ""), cabinet_run.seen_locked_out()
    told = {
        "remedy": now_standing.remedy or None,
        "dossiers": dossiers_told(cabinet_run.history),
        "locked_out_since": out.locked_out_at.isoformat() if out is not None and out.locked_out_at else None,
        "not_approved": waits.evidence.get("not_approved") if waits is not None else None,
    }
    return {name: value for name, value in told.items() if value is not None}


async def _unless_taken_back(cabinet_run: CabinetRun, now_standing: Standing) -> Standing:
    """Unknown, where an answer was taken back while the run was at work: it stands on what it read before."""
    if not orders_of(cabinet_run.history):
        return now_standing  # nobody was asked, so nobody has answered
    code, ledger = cabinet_run.cabinet.code, cabinet_run.run.ledger
    known = {entry.hash for entry in cabinet_run.history}
    found = (await asyncio.to_thread(ledger.histories, [code], [EntryKind.RETRACTED]))[code]
    meanwhile = [entry for entry in found if entry.hash not in known and entry.outcome is not None]
    if not meanwhile:
        return now_standing
    last = meanwhile[-1]
    return replace(standing_in(last), step=steps_retracted(last)[0])


def ended_meanwhile(run: Run, history: Sequence[Entry]) -> Standing | None:
    """How another process left this cabinet since this run began: once in a run is enough, whoever does it."""
    if not history or history[0].cabinet not in run.heads:
        return None
    since = history[run.heads[history[0].cabinet] :]
    ended = [entry for entry in since if entry.kind is EntryKind.ENDED and entry.run != run.id]
    return standing_in(ended[-1]) if ended else None


class DefectInBascule(Exception):
    """Bascule itself failed at a cabinet. What the cabinet then stood at is recorded."""

    def __init__(self, cabinet: Cabinet, standing: Standing, defect: Exception) -> None:
        super().__init__(f"{cabinet.code}: {type(defect).__name__}: {defect}")
        self.standing = standing
        self.__cause__ = defect


async def walk(cabinet_run: CabinetRun, perform: Perform = perform) -> Standing:
    """Every step that can be done now; then the users are let in again, whatever happened."""
    run = cabinet_run.run
    code = cabinet_run.cabinet.code
    done = set(proven(cabinet_run.history, run.clock(), cabinet_run.procedure, trust=run.pace.trust))
    trying: dict[asyncio.Task[Entry], Step] = {}
    tried: set[str] = set()

    def start_what_can_be_done() -> None:
        for step in cabinet_run.procedure:
            if code in run.finishing and not (LOCK_OUT in done and step.name in (SYNCHRONISE, REOPEN)):
                continue
            if step.name not in done and step.name not in tried and done.issuperset(step.after):
                tried.add(step.name)
                trying[asyncio.create_task(perform_on_record(cabinet_run, perform, step))] = step

    async def go_on() -> None:
        while True:
            if not run.stop.is_set():
                start_what_can_be_done()
            if not trying:
                return
            finished, _ = await asyncio.wait(trying, return_when=asyncio.FIRST_COMPLETED)
            for task in finished:
                step = trying.pop(task)
                if task.result().state is State.DONE:
                    done.add(step.name)

    if lock_out_in(cabinet_run.history) is not None:
        await _hold_lock_out(cabinet_run)
    else:
        # A run may have died between its word that it locks out and the act.
        run.ledger.let_lock_out_go(code, cabinet_run.fence)
    if cabinet_run.is_in_a_persons_hands([step_named(REOPEN)]):
        # Somebody was asked to let users in: nobody is kept out anew before that is settled.
        await let_users_in(cabinet_run, perform, done)
        if cabinet_run.is_in_a_persons_hands([step_named(REOPEN)]):
            tried.add(LOCK_OUT)

    async def come_back_to_the_section() -> None:
        """What kept a section waiting for so long that users were let in meanwhile: it is begun anew once that is over."""
        for number in range(run.pace.retry.attempts - 1):
            if not await cabinet_run.was_put_off(before=number > 0):
                return
            for name in (LOCK_OUT, SYNCHRONISE, REOPEN):
                done.discard(name)
                tried.discard(name)
                cabinet_run.last.pop(name, None)
            await go_on()
            await let_users_in(cabinet_run, perform, done)

    try:
        await go_on()
        await let_users_in(cabinet_run, perform, done)
        await come_back_to_the_section()
    except BaseException:
        for task in trying:
            task.cancel()
        await asyncio.gather(*trying, return_exceptions=True)
        await asyncio.shield(let_users_in(cabinet_run, perform, done))
        raise
    # A reopen that failed at its turn and was paid now: what stands on it can be done after all.
    await go_on()
    open_steps = [step.name for step in cabinet_run.procedure if step.name not in done]
    return standing(
        cabinet_run.last, open_steps=open_steps, reserved=_has_reservations(cabinet_run), stopped=why_no_more(run, code)
    )


def why_no_more(run: Run, code: str) -> str:
    """Why what could be done was not; empty where nothing kept the run from it."""
    if run.stop.is_set():
        return "the run was stopped"
    return run.finishing.get(code, "")


async def let_users_in(cabinet_run: CabinetRun, perform: Perform, done: set[str]) -> None:
    """Pays the reopen that is owed, unless a synchronisation runs; then whoever comes next resumes watching it, and pays.

    A run that was told to stop does not watch it: it looks once.
    """
    if not cabinet_run.owes_reopen():
        return
    code = cabinet_run.cabinet.code
    reopen = next(step for step in cabinet_run.procedure if step.name == REOPEN)
    only_looks = cabinet_run.run.stop.is_set()
    # Whom a person was asked to let in is asked for once more, and waited for, by a run that goes on.
    theirs = (LOCK_OUT, SYNCHRONISE, REOPEN) if only_looks else (LOCK_OUT, SYNCHRONISE)
    section = [step for step in cabinet_run.procedure if step.name in theirs]
    try:
        if only_looks:
            await _require_none_running(cabinet_run)
        for step in section:
            await _know(cabinet_run, step)
        if cabinet_run.is_in_a_persons_hands(section):
            # Who has the section in hand lets the users in; its deadline is watched.
            return
        await _require_none_running(cabinet_run)
    except StillRunning as runs:
        _stay_locked(cabinet_run, RUNS, remedy=runs.remedy, error_code=runs.code)
        return
    except RemoteError as error:
        _stay_locked(
            cabinet_run,
            f"users may still be locked out, and it cannot be observed whether a synchronisation runs ({error})",
        )
        return
    entry = await perform_on_record(cabinet_run, perform, reopen)
    if entry.state is State.DONE:
        log.info("%s: users can connect again", code)
        if SYNCHRONISE in done:
            done.add(REOPEN)
    else:
        _stay_locked(cabinet_run, f"users may still be locked out: {entry.reason}")


async def _require_none_running(cabinet_run: CabinetRun) -> None:
    if await cabinet_run.synchronisation_runs():
        raise StillRunning(RUNS)


async def perform_on_record(cabinet_run: CabinetRun, perform: Perform, step: Step) -> Entry:
    """Performs a step. That users are kept out, and until when at the latest, is on record before they are; when they are back, how long."""
    if step.name not in (LOCK_OUT, REOPEN):
        return await perform(cabinet_run, step)
    code, ledger = cabinet_run.cabinet.code, cabinet_run.run.ledger
    announced = lock_out_in(cabinet_run.history)
    # A person who is asked locks out when it suits: their work order has a deadline of its own.
    if step.name == LOCK_OUT and not cabinet_run.run.remote(cabinet_run.cabinet, System.GE).asks(
        cabinet_run.cabinet, LOCK_OUT
    ):
        if not cabinet_run.owes_reopen():
            await cabinet_run.wait_for_section(step)
        await _hold_lock_out(cabinet_run)
    try:
        entry = await perform(cabinet_run, step)
    finally:
        if not cabinet_run.owes_reopen():
            ledger.let_lock_out_go(code, cabinet_run.fence)
    if step.name == REOPEN and entry.state is State.DONE:
        if announced is not None:
            ledger.record_later(_was_locked_out(cabinet_run, announced.at, entry.at, by=announced.run))
        elif (said := _said_of_lock_out(cabinet_run.history)) is not None:
            ledger.record_later(_was_locked_out(cabinet_run, *said))
    return entry


async def _hold_lock_out(cabinet_run: CabinetRun) -> None:
    run, cabinet, now = cabinet_run.run, cabinet_run.cabinet, cabinet_run.run.clock()
    deadline = min(now + SECTION_LASTS, run.closes(cabinet) or datetime.max.replace(tzinfo=UTC))
    await run.ledger.hold_lock_out(cabinet.code, run.owner, cabinet_run.fence, now, deadline)


def lock_out_in(history: Iterable[Entry]) -> Entry | None:
    """The intent with which the lock-out began that no reopen has ended; None where there is none, or where a person was asked."""
    announced = None
    for entry in history:
        if entry.step == REOPEN and entry.kind is EntryKind.PROOF:
            announced = None
        elif entry.verb == LOCK_OUT and entry.kind is EntryKind.INTENT:
            announced = announced or entry
        elif entry.verb == LOCK_OUT and entry.kind is EntryKind.EFFECT:
            answer = Answer(entry.evidence["answer"])
            announced = None if answer.is_undone or answer is Answer.AWAITED else announced
    return announced


def _said_of_lock_out(history: Sequence[Entry]) -> tuple[datetime, datetime] | None:
    """From when to when a person kept users out, as they say; None where no answer tells, or where it is on record already."""
    order = said_of(REOPEN, history)
    if order is None or order.answer is None:
        return None
    told = order.answer.evidence
    is_on_record = any(
        entry.evidence.get("rule") == LOCKED_OUT_FOR and entry.at >= order.opened_at for entry in history
    )
    if is_on_record or not {"locked_out_at", "reopened_at"} <= told.keys():
        return None
    return datetime.fromisoformat(told["locked_out_at"]), datetime.fromisoformat(told["reopened_at"])


def _was_locked_out(cabinet_run: CabinetRun, since: datetime, until: datetime, *, by: str | None = None) -> Entry:
    """`by`: the run that announced it, where one did: from its intent to the reopen's proof."""
    seconds = round((until - since).total_seconds(), 1)
    return _entry(
        cabinet_run.run,
        cabinet_run.cabinet,
        cabinet_run.fence,
        EntryKind.FINDING,
        step=REOPEN,
        reason=f"users were locked out for {seconds / 60:.0f} min",
        evidence={
            "rule": LOCKED_OUT_FOR,
            "level": Level.NOTE.value,
            "about": [cabinet_run.cabinet.code],
            "locked_out_for": seconds,
            "by_later_run": by is not None and by != cabinet_run.run.id,
        },
    )


class NotOurs(StrEnum):
    """Why users are not let in by us, where that is no trouble."""

    NOT_OWED = "nothing is owed: they are back"
    IN_HAND = "a person has it in hand"


async def pay_back(run: Run, cabinet: Cabinet, perform: Perform = perform) -> Entry | NotOurs:
    """Lets in whom an earlier run kept out, and does nothing else.

    The proof, or the verdict that says why they stay out. Raises CabinetTaken while another process has the cabinet.
    """
    fence = await run.ledger.take_lease(cabinet.code, run.owner, run.clock())
    try:
        history = await run.ledger.history_soon(cabinet.code)
        cabinet_run = CabinetRun(run, cabinet, fence=fence, history=history)
        if not cabinet_run.owes_reopen():
            run.ledger.let_lock_out_go(cabinet.code, fence)
            return NotOurs.NOT_OWED
        await let_users_in(cabinet_run, perform, set())
        return cabinet_run.last.get(REOPEN, NotOurs.IN_HAND)
    finally:
        run.ledger.let_go(cabinet.code, fence, run.clock())


async def _know(cabinet_run: CabinetRun, step: Step) -> None:
    """What became of a step's acts. That an act is proven undone is good news here."""
    try:
        await cabinet_run.read_back(step)
    except RemoteError as error:
        if error.may_have_acted:
            raise


def _stay_locked(cabinet_run: CabinetRun, why: str, *, remedy: str = "", error_code: str = "") -> None:
    log.error("%s: %s", cabinet_run.cabinet.code, why)
    said = next((entry for entry in reversed(cabinet_run.history) if entry.step == REOPEN), None)
    if said is not None and said.state is State.UNKNOWN and said.reason == why:
        # Looked at every few minutes: the ledger is told once.
        cabinet_run.last[REOPEN] = said
        return
    by_hand = (
        f"run again as soon as the systems answer; if users must work before that: bascule unlock {cabinet_run.cabinet.code}"
        " --because TEXT --by NAME, or end the lock-out in GE by hand"
    )
    cabinet_run.give_up_on(REOPEN, why, remedy or by_hand, error_code)


def _has_reservations(cabinet_run: CabinetRun) -> bool:
    """The last look of some step found something that a person has to take care of."""
    found = standing_findings(cabinet_run.history)
    return any(entry.evidence.get("level") == Level.RESERVATION.value for entry in found)


def _entry(run: Run, cabinet: Cabinet, fence: int, kind: EntryKind, **fields: object) -> Entry:
    blank = Entry(cabinet=cabinet.code, kind=kind, at=run.clock(), who=run.who, wave=run.wave, run=run.id, fence=fence)
    return replace(blank, **fields)  # type: ignore[arg-type]  # the fields are named where this is called
