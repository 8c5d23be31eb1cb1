"""Takes a wave's cabinets through the procedure: at most so many at once, each slot given on as soon as it is free."""

from __future__ import annotations

import asyncio
import logging
from collections import Counter
from collections.abc import Awaitable, Callable, Iterable, Sequence
from dataclasses import dataclass, field, replace

from bascule.engine.decisions import Standing, proven
from bascule.engine.run import Run
from bascule.engine.walk import DefectInBascule, migrate, pay_back
from bascule.errors import CabinetTaken, LeaseLost
from bascule.ledger import LEASE_SECONDS, Entry, EntryKind
from bascule.model import Cabinet, Lifecycle, Outcome, grade
from bascule.procedure import PROCEDURE, Step

log = logging.getLogger("bascule.engine")

Migrate = Callable[[Run, Cabinet], Awaitable[Standing]]


@dataclass
class Conducted:
    """What a run made of its cabinets."""

    standings: dict[str, Standing] = field(default_factory=dict)
    taken: dict[str, str] = field(default_factory=dict)
    """Cabinets that another process kept to itself, with what it is."""
    defects: list[str] = field(default_factory=list)
    stopped: bool = False

    @property
    def outcomes(self) -> dict[Outcome, int]:
        return dict(Counter(standing.outcome for standing in self.standings.values()))

    @property
    def grade(self) -> Outcome:
        return grade(self.outcomes)


async def conduct(
    run: Run,
    cabinets: Sequence[Cabinet],
    *,
    slots: int,
    migrate: Migrate = migrate,
    procedure: tuple[Step, ...] = PROCEDURE,
    on_standing: Callable[[Cabinet, Standing], None] = lambda cabinet, standing: None,
) -> Conducted:
    """Every cabinet once. One cabinet's failure never stops another; what stops them all is raised (the ledger's errors)."""
    conducted = Conducted()
    free = asyncio.Semaphore(slots)

    def settle(cabinet: Cabinet, standing: Standing) -> None:
        conducted.standings[cabinet.code] = standing
        on_standing(cabinet, standing)

    async def one(cabinet: Cabinet) -> None:
        async with free:
            if run.stop.is_set():
                return
            try:
                settle(cabinet, await migrate(run, cabinet))
                conducted.taken.pop(cabinet.code, None)
            except CabinetTaken as taken:
                conducted.taken[cabinet.code] = str(taken)
            except LeaseLost as lost:
                log.warning("%s", lost)
                conducted.taken[cabinet.code] = str(lost)
            except DefectInBascule as defect:
                conducted.defects.append(str(defect))
                settle(cabinet, defect.standing)

    open_cabinets = []
    for cabinet, standing in already_standing(run, cabinets, procedure):
        if standing is None:
            open_cabinets.append(cabinet)
        else:
            settle(cabinet, standing)
    await _all(one(cabinet) for cabinet in open_cabinets)
    if conducted.taken and not run.stop.is_set():
        # Their process may be dead somewhere we cannot see: then its leases expire.
        log.warning(
            "%s: held by another process; waiting up to %.0f s for its leases to expire",
            ", ".join(sorted(conducted.taken)),
            LEASE_SECONDS,
        )
        await run.pause(LEASE_SECONDS)
        await _all(one(cabinet) for cabinet in open_cabinets if cabinet.code in conducted.taken)
    await run.ledger.settle()
    conducted.stopped = run.stop.is_set()
    return conducted


async def pay_what_is_owed(run: Run, cabinets: Iterable[Cabinet]) -> None:
    """Of these cabinets, those whose users an earlier run left locked out. One that another process has is that process's."""
    owing = set(run.ledger.owing_a_reopen())
    for cabinet in cabinets:
        if cabinet.code in owing:
            try:
                await pay_back(run, cabinet)
            except CabinetTaken as taken:
                log.info("%s", taken)
    await run.ledger.settle()


def already_standing(
    run: Run, cabinets: Sequence[Cabinet], procedure: tuple[Step, ...] = PROCEDURE
) -> Iterable[tuple[Cabinet, Standing | None]]:
    """For each cabinet its standing if every step is proven and nothing is owed; None if there is something to do."""
    histories = run.ledger.histories(
        [cabinet.code for cabinet in cabinets], kinds=(EntryKind.PROOF, EntryKind.NOTE, EntryKind.ENDED)
    )
    owing = set(run.ledger.owing_a_reopen())
    everything = {step.name for step in procedure}
    for cabinet in cabinets:
        history = histories[cabinet.code]
        if cabinet.code in owing or proven(history, run.clock(), procedure) != everything:
            yield cabinet, None
            continue
        ended = [entry for entry in history if entry.kind is EntryKind.ENDED]
        remembered = _remembered(ended[-1]) if ended else None
        if remembered is not None and ended[-1].wave != run.wave:
            # Proven in another wave: this one is told, so that it adds up.
            told = f"proven in wave {ended[-1].wave}"
            run.ledger.record_later(
                replace(ended[-1], at=run.clock(), who=run.who, wave=run.wave, run=run.id, reason=told, fence=0)
            )
        yield cabinet, remembered


def _remembered(ended: Entry) -> Standing | None:
    if ended.outcome not in (Outcome.OK, Outcome.OK_WITH_RESERVATIONS):
        return None
    return Standing(Lifecycle.ENDED, ended.outcome, None, ended.reason)


async def _all(jobs: Iterable[Awaitable[None]]) -> None:
    """Every job to its end; then the first error, if any: it concerns all of them."""
    results = await asyncio.gather(*jobs, return_exceptions=True)
    for result in results:
        if isinstance(result, BaseException):
            raise result
