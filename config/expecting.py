"""How long things take: from past waves where enough of them tell, else from the configuration; and which of the two it is."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import timedelta
from itertools import groupby
from typing import TYPE_CHECKING

from bascule.connectors.operator.sittings import MINUTES
from bascule.engine.foresee import Write
from bascule.ledger import Entry, EntryKind, Ledger
from bascule.procedure import LOCK_OUT, REOPEN, SYNCHRONISE, Step
from bascule.waves.sizes import dossiers_told
from config.settings import ExpectedSettings

if TYPE_CHECKING:
    from bascule.reports.past import Took

SECTION = (LOCK_OUT, SYNCHRONISE, REOPEN)

NOBODY_KNOWS = "nobody knows"
CONFIGURATION = "configuration"


@dataclass(frozen=True, slots=True)
class Takes:
    """Seconds. None: what only people and remotes know."""

    p50: float | None
    p90: float | None
    told_by: str


@dataclass(frozen=True)
class Expecting:
    expected: ExpectedSettings
    past: Mapping[tuple[str, str], Took]

    def size(self, dossiers: int | None) -> str | None:
        return self.expected.sizes.of(dossiers)

    def takes(self, step: Step, writes: Sequence[Write], size: str | None) -> Takes:
        asked = [write for write in writes if write.asked]
        if asked:
            return Takes(60.0 * sum(MINUTES[write.verb] for write in asked), None, "our estimate of a person's work")
        if not writes:
            return Takes(None, None, NOBODY_KNOWS) if step.patience else Takes(0.0, 0.0, "reads only")
        return self._by_an_agent(step.name, len(writes), size)

    def section(self, history: Sequence[Entry]) -> timedelta:
        """How long agents keep this cabinet's users out, in nine of ten cases: what must fit before its window closes."""
        size = self.size(dossiers_told(history))
        return timedelta(seconds=sum(self._by_an_agent(step, 1, size).p90 or 0.0 for step in SECTION))

    def _by_an_agent(self, step: str, writes: int, size: str | None) -> Takes:
        if size and (past := self.past.get((size, step))):
            return Takes(past.p50, past.p90, f"past waves ({past.cabinets} {size} cabinets)")
        if step == SYNCHRONISE:
            spread = getattr(self.expected, size or "medium")
            return Takes(spread.p50, spread.p90, f"{CONFIGURATION} ({size or 'size unknown, as medium'})")
        return Takes(writes * self.expected.write.p50, writes * self.expected.write.p90, CONFIGURATION)


def expecting(ledger: Ledger, expected: ExpectedSettings) -> Expecting:
    """From every wave that the ledger knows. One query, some seconds where it knows many."""
    from bascule.reports.past import took

    entries = ledger.of_kinds([EntryKind.INTENT, EntryKind.PROOF])
    told = Expecting(expected, {})
    by_code = {code: tuple(of_one) for code, of_one in groupby(entries, key=lambda entry: entry.cabinet)}
    sizes = {code: size for code, of_one in by_code.items() if (size := told.size(dossiers_told(of_one)))}
    return Expecting(expected, took(entries, sizes))
