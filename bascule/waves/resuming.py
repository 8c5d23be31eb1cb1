"""Which cabinets a schedule takes up again: those for which something may have come, and no others."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta

from bascule.ledger import Entry, EntryKind
from bascule.model import Lifecycle, Outcome

LOOKS_AGAIN_AFTER = timedelta(hours=1)
"""Where no answer is awaited, but time, a file or a remote: each look is a few lines of the ledger for good."""

SETTLED = frozenset({Outcome.OK, Outcome.OK_WITH_RESERVATIONS, Outcome.EXCLUDED})


@dataclass(frozen=True, slots=True)
class LastRun:
    """The last run of a cabinet, as far as it decides whether there should be another: places in its chain, and how it ended."""

    began: int
    ended: Entry


def last_runs(entries: Iterable[Entry]) -> dict[str, LastRun]:
    """Of cabinets that a run has let go of. `entries`: each cabinet's *began* and *ended*, in order."""
    began: dict[str, int] = {}
    ended: dict[str, LastRun] = {}
    for entry in entries:
        if entry.kind is EntryKind.BEGAN:
            began[entry.cabinet] = entry.seq
            ended.pop(entry.cabinet, None)
        elif entry.kind is EntryKind.ENDED:
            ended[entry.cabinet] = LastRun(began.get(entry.cabinet, 0), entry)
    return ended


def worth_resuming(
    runs: Mapping[str, LastRun], awaited: Collection[str], last_words: Mapping[str, int], now: datetime
) -> tuple[str, ...]:
    """The codes to look at again. `awaited`: cabinets with a work order that still needs somebody, or is on hold.

    `last_words`: the place at which something was last said of a cabinet's orders. What was said while the last run was at
    work may have come after it looked, so it counts as news.
    """

    def is_worth_it(code: str, run: LastRun) -> bool:
        if code in awaited or run.ended.outcome in SETTLED:
            return False
        if last_words.get(code, 0) > run.began:
            return True
        return run.ended.lifecycle is Lifecycle.WAITING and now - run.ended.at >= LOOKS_AGAIN_AFTER

    return tuple(sorted(code for code, run in runs.items() if is_worth_it(code, run)))
