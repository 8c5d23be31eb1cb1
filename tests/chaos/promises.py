"""What must hold when a wave has ended, whatever befell it. Each broken promise is a sentence."""

from __future__ import annotations

import reprlib
from collections.abc import Collection, Iterator, Mapping
from datetime import UTC, datetime
from typing import Any

from bascule.ledger import Ledger, first_broken
from bascule.model import Outcome
from bascule.reports import status_of
from tests.builders import ONE_TIME
from tests.chaos.oracle import unnamed, untrue, written_in
from tests.chaos.processes import WAVE, Systems

States = Mapping[str, Mapping[str, Any]]


def states_of(systems: Systems) -> States:
    return {cabinet.code: systems.state(cabinet.code) for cabinet in systems.cabinets}


def broken(
    ledger_url: str,
    systems: Systems,
    calm: States,
    *,
    lied_about: Collection[str] = (),
    undetectable: Collection[str] = (),
    now: datetime | None = None,
) -> Iterator[str]:
    """`calm`: where the cabinets stand after a run that nobody disturbed. Who was lied about may stand elsewhere, by name."""
    yield from untrue(ledger_url, systems, undetectable=undetectable)
    yield from unnamed(ledger_url, systems)
    now = now or datetime.now(UTC)
    codes = [cabinet.code for cabinet in systems.cabinets]
    honest = [code for code in codes if code not in lied_about]
    with Ledger(ledger_url, read_only=True) as ledger:
        status = status_of(ledger, WAVE)
        if (status.planned, sum(status.outcomes.values())) != (len(codes), len(codes)):
            yield f"not every cabinet is accounted for: {status.planned} planned, {status.outcomes}"
        ended = {cabinet.code: cabinet.outcome for cabinet in status.cabinets}
        if not_ok := {code: ended[code].value for code in honest if ended[code] is not Outcome.OK}:
            yield f"not every cabinet is ok: {not_ok}"
        if owing := sorted(set(ledger.owing_a_reopen()).intersection(honest)):
            yield f"the ledger still owes a reopen: {', '.join(owing)}"
        if kept_out := {one.cabinet for one in ledger.lock_outs(now)}.intersection(honest):
            yield f"lock-outs are still on record: {', '.join(sorted(kept_out))}"
        if at_work := ledger.at_work(now):
            yield f"a lease is still held: {', '.join(sorted(at_work))}"
        for code, history in ledger.histories([f"@{WAVE}", *codes]).items():
            if (entry := first_broken(history)) is not None:
                yield f"{code}: the audit chain is broken at {entry}"
    written = written_in(systems)
    for code in honest:
        state = systems.state(code)
        times = {verb: written.get((code, verb), 0) for verb in ONE_TIME}
        if times != dict.fromkeys(ONE_TIME, 1):
            yield f"{code}: the journal has {times}"
        if state["ge"]["locked_out"]:
            yield f"{code}: users are locked out"
        if state != calm[code]:
            yield f"{code}: stands at {_difference(state, calm[code])}"


def _difference(state: Mapping[str, Any], calm: Mapping[str, Any]) -> str:
    return "; ".join(
        f"{system} {what} {reprlib.repr(value)} instead of {reprlib.repr(calm[system][what])}"
        for system, seen in state.items()
        for what, value in seen.items()
        if value != calm[system][what]
    )
