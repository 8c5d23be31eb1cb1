"""Lets users in again whom a run left locked out: whoever looks does it, and where nobody can look, a person's word does."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Iterable
from dataclasses import dataclass, field, replace
from datetime import datetime

from bascule.engine.cabinet import CabinetRun
from bascule.engine.decisions import owes_reopen
from bascule.engine.overdue import in_words, raise_alarms
from bascule.engine.run import Run
from bascule.engine.walk import RUNS, NotOurs, pay_back, perform_on_record
from bascule.errors import BasculeError, CabinetTaken, LeaseLost, LedgerError, RemoteError
from bascule.inventory.stored import from_plain
from bascule.ledger import Entry, EntryKind, Ledger
from bascule.model import Cabinet, State
from bascule.procedure import REOPEN, Act, Condition, Step, step_named

log = logging.getLogger("bascule.engine")

AT_ONCE = 20
"""Cabinets looked at together."""


class NothingOwed(BasculeError):
    """No users are locked out by us."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Owed:
    """A cabinet whose users are, or may be, locked out by us."""

    code: str
    wave: str
    """In which it was last planned."""
    cabinet: Cabinet | None
    """Its row as it was then; None where no stored inventory has one."""


@dataclass
class Reaped:
    """What became of the lock-outs that were looked at. Why, by code."""

    let_in: list[str] = field(default_factory=list)
    left: dict[str, str] = field(default_factory=dict)
    """To somebody who has it in hand, or to a synchronisation that runs."""
    stuck: dict[str, str] = field(default_factory=dict)
    """Somebody has to see to these."""
    overdue: list[str] = field(default_factory=list)
    """Users should be back by now."""

    def __add__(self, other: Reaped) -> Reaped:
        return Reaped(
            self.let_in + other.let_in,
            self.left | other.left,
            self.stuck | other.stuck,
            self.overdue + other.overdue,
        )


# Whoever looks


def owing(ledger: Ledger, now: datetime, codes: Iterable[str] | None = None) -> tuple[Owed, ...]:
    """Whose users may be locked out, also where no inventory of today has them. `codes`: these, owing or not."""
    wanted = _all_owing(ledger, now) if codes is None else tuple(codes)
    planned = {code: entries[-1] for code, entries in ledger.histories(wanted, [EntryKind.PLANNED]).items() if entries}
    versions = {entry.evidence.get("inventory") for entry in planned.values()}
    rows = {version: _rows(ledger, version) for version in (*versions, None)}
    return tuple(
        Owed(
            code=code,
            wave=planned[code].wave if code in planned else "",
            cabinet=rows[planned[code].evidence.get("inventory") if code in planned else None].get(code)
            or rows[None].get(code),
        )
        for code in wanted
    )


def _all_owing(ledger: Ledger, now: datetime) -> tuple[str, ...]:
    """Those of the chains, and those whose run said that it locks out and has died since, before or after it did."""
    orphaned = {out.cabinet for out in ledger.lock_outs(now) if out.is_orphaned}
    return tuple(sorted(orphaned.union(ledger.owing_a_reopen())))


async def reap(run: Run, owed: Iterable[Owed]) -> Reaped:
    """Looks once at each, and lets its users in unless a synchronisation runs or somebody has it in hand. Waits for nobody."""
    owed = tuple(owed)
    reaped = Reaped()
    free = asyncio.Semaphore(AT_ONCE)
    # A run that was told to stop begins nothing, watches nothing, and lets users in: that is what looking means.
    looking = replace(run, stop=asyncio.Event())
    looking.stop.set()

    async def look(one: Owed) -> None:
        async with free:
            if not run.stop.is_set():
                await _look(looking, one, reaped)

    ended = await asyncio.gather(*map(look, owed), return_exceptions=True)
    await run.ledger.settle()
    for defect in ended:
        if isinstance(defect, BaseException):
            raise defect
    await _tell_overdue(run, owed, reaped)
    return reaped


async def _look(looking: Run, owed: Owed, reaped: Reaped) -> None:
    if owed.cabinet is None:
        reaped.stuck[owed.code] = "no stored inventory has its row, so its systems cannot be reached"
        log.error("%s: users may be locked out, and %s", owed.code, reaped.stuck[owed.code])
        return
    try:
        ended = await pay_back(looking, owed.cabinet, _insist)
    except (CabinetTaken, LeaseLost) as taken:
        log.info("%s", taken)
        reaped.left[owed.code] = str(taken)
    except LedgerError:
        raise
    except BasculeError as wrong:
        # A setting that is missing is no defect: told without a traceback.
        log.error("%s: users may be locked out, and its systems cannot be reached: %s", owed.code, wrong)  # noqa: TRY400
        reaped.stuck[owed.code] = str(wrong)
    else:
        if ended is NotOurs.NOT_OWED:
            # Whoever came before us has told what they did.
            log.info("%s: %s", owed.code, ended)
        elif isinstance(ended, NotOurs):
            reaped.left[owed.code] = ended.value
        elif ended.state is State.DONE:
            reaped.let_in.append(owed.code)
        else:
            (reaped.left if ended.reason == RUNS else reaped.stuck)[owed.code] = ended.reason


async def _insist(cabinet_run: CabinetRun, step: Step) -> Entry:
    """As `perform`, for a run that begins nothing else."""
    run = cabinet_run.run
    while True:
        entry = await cabinet_run.carry_out(step)
        pause = run.pace.retry.pause(entry, run.chance)
        if not run.pace.retry.worth_another(entry) or pause > run.pace.longest_pause:
            # Who looks next asks again: a look waits for nobody.
            return entry
        await run.sleep(pause)


async def _tell_overdue(run: Run, owed: Iterable[Owed], reaped: Reaped) -> None:
    late, _ = await raise_alarms(run, {one.code: one.wave for one in owed})
    for out in late:
        log.error("%s: %s", out.cabinet, in_words(out))
        reaped.overdue.append(out.cabinet)


def _rows(ledger: Ledger, version: str | None) -> dict[str, Cabinet]:
    """The rows of a stored inventory, by code; None: of the newest."""
    stored = ledger.inventory(version)
    return {cabinet.code: cabinet for cabinet in from_plain(stored.content).cabinets} if stored is not None else {}


# A person's word

by_somebodys_word = Condition(
    frozenset(), "reopen was sent by a person's word; what came of it is not read yet", lambda facts: False
)
UNSEEN = replace(
    step_named(REOPEN), acts=(Act(REOPEN, by_somebodys_word),), ensures=(by_somebodys_word,), anew=frozenset()
)
"""Sent without a look at anything: where GE cannot be read, nothing else lets users in."""


async def unlock(run: Run, cabinet: Cabinet, *, by: str, because: str) -> Entry:
    """Sends the reopen whatever runs, and reads back: the proof, or the verdict. Raises NothingOwed.

    Raises CabinetTaken while another process has the cabinet.
    """
    fence = await run.ledger.take_lease(cabinet.code, run.owner, run.clock())
    try:
        history = await run.ledger.history_soon(cabinet.code)
        cabinet_run = CabinetRun(run, cabinet, fence=fence, history=history)
        await _require_lock_out(cabinet_run)
        note = Entry(
            cabinet=cabinet.code,
            kind=EntryKind.NOTE,
            at=run.clock(),
            who=by,
            wave=run.wave,
            run=run.id,
            step=REOPEN,
            reason=because,
            fence=fence,
            evidence={"unlock": True},
        )
        await run.ledger.record(note)
        entry = await perform_on_record(cabinet_run, _send_once, step_named(REOPEN))
        await run.ledger.settle()
        return entry
    finally:
        run.ledger.let_go(cabinet.code, fence, run.clock())


async def _require_lock_out(cabinet_run: CabinetRun) -> None:
    if owes_reopen(cabinet_run.history):
        return
    code = cabinet_run.cabinet.code
    try:
        await cabinet_run.synchronisation_runs()
    except RemoteError as error:
        raise NothingOwed(
            f"{code}: the ledger knows of no lock-out that is open, and GE cannot be read ({error})",
            remedy="see: bascule doctor",
        ) from error
    if not cabinet_run.owes_reopen():
        raise NothingOwed(f"{code}: the ledger knows of no lock-out that is open, and GE shows none of ours")


async def _send_once(cabinet_run: CabinetRun, reopen: Step) -> Entry:
    entry = await cabinet_run.carry_out(reopen)
    sent = any(
        known.kind is EntryKind.INTENT and known.step == REOPEN and known.run == cabinet_run.run.id
        for known in cabinet_run.history
    )
    if entry.state is State.DONE or sent:
        return entry
    await cabinet_run.carry_out(UNSEEN)
    return await cabinet_run.carry_out(reopen)
