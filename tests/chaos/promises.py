"""What must hold when a wave has ended, whatever befell it. Each broken promise is a sentence."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping
from datetime import UTC, datetime
from typing import Any

from bascule.ledger import Ledger, first_broken
from bascule.model import Outcome
from bascule.reports import status_of
from tests.builders import ONE_TIME
from tests.chaos.processes import WAVE, Systems

States = Mapping[str, Mapping[str, Any]]


def states_of(systems: Systems) -> States:
    return {cabinet.code: systems.state(cabinet.code) for cabinet in systems.cabinets}


def broken(ledger_url: str, systems: Systems, calm: States) -> Iterator[str]:
    """`calm`: where the cabinets stand after a run that nobody disturbed."""
    cabinets = systems.cabinets
    written = Counter(
        (line["cabinet"], line["verb"]) for line in systems.journal() if line["outcome"] in ("applied", "dropped")
    )
    with Ledger(ledger_url, read_only=True) as ledger:
        status = status_of(ledger, WAVE)
        if (status.planned, status.outcomes) != (len(cabinets), {Outcome.OK: len(cabinets)}):
            yield f"not every cabinet is accounted for as ok: {status.planned} planned, {status.outcomes}"
        if owing := ledger.owing_a_reopen():
            yield f"the ledger still owes a reopen: {', '.join(owing)}"
        if kept_out := ledger.lock_outs(datetime.now(UTC)):
            yield f"lock-outs are still on record: {', '.join(one.cabinet for one in kept_out)}"
        if at_work := ledger.at_work(datetime.now(UTC)):
            yield f"a lease is still held: {', '.join(sorted(at_work))}"
        for code, history in ledger.histories([f"@{WAVE}", *(cabinet.code for cabinet in cabinets)]).items():
            if (entry := first_broken(history)) is not None:
                yield f"{code}: the audit chain is broken at {entry}"
    for code, state in states_of(systems).items():
        times = {verb: written[code, verb] for verb in ONE_TIME}
        if times != dict.fromkeys(ONE_TIME, 1):
            yield f"{code}: the journal has {times}"
        if state["ge"]["locked_out"]:
            yield f"{code}: users are locked out"
        if sorted(state["s4a"]["dossiers"]) != sorted(state["ge"]["dossiers"]):
            yield f"{code}: the dossiers are not the same on both sides"
        if state != calm[code]:
            yield f"{code}: stands at {_difference(state, calm[code])}"


def _difference(state: Mapping[str, Any], calm: Mapping[str, Any]) -> str:
    return "; ".join(
        f"{system} {what} {value!r} instead of {calm[system][what]!r}"
        for system, seen in state.items()
        for what, value in seen.items()
        if value != calm[system][what]
    )
