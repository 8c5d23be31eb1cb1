"""How far apart source and target were each time they were compared: by the step, and whenever somebody reconciled since."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime

import pandas as pd

from bascule.checks.reconciliation import KINDS, Listed, Reconciliation
from bascule.ledger import Entry, EntryKind

TREND_KINDS = (EntryKind.PROOF, EntryKind.VERDICT, EntryKind.RECONCILED)
"""The kinds of entry that tell of a comparison; others, and those that tell of none, are passed over."""
COUNTED: tuple[Listed, ...] = (*KINDS, "tolerated")
TREND_COLUMNS = ["code", "at", *COUNTED, "not_compared", "since_last"]
FEWER, AS_MANY, MORE = "better", "same", "worse"
Compared = tuple[Entry, Reconciliation]


@dataclass(frozen=True, slots=True, kw_only=True)
class Drift:
    """Since when both sides differ, and what they were held against."""

    since: datetime
    """The first comparison of those, without one between that found them the same, of which the last is now."""
    same_until: datetime | None
    """The last comparison before that, which found them the same; None where none ever did."""
    against: Entry | None
    """How the step compared them after the synchronisation: its proof, or its verdict that they differ."""


def drift(entries: Iterable[Entry]) -> Drift | None:
    """Of one cabinet, oldest first. None where its last comparison found no difference, or nobody compared."""
    compared = list(_compared(entries))
    if not compared or not compared[-1][1].differs:
        return None
    apart = {what for what, count in _by_kind(compared[-1][1]).items() if count}
    # A comparison that could not tell what differs now says neither that it was the same nor that it differed.
    same = [place for place, (_, told) in enumerate(compared) if told.is_same and apart <= _by_kind(told).keys()]
    since = next(entry.at for entry, told in compared[same[-1] + 1 if same else 0 :] if told.differs)
    steps = [entry for entry, _ in compared if entry.kind is not EntryKind.RECONCILED]
    return Drift(
        since=since,
        same_until=compared[same[-1]][0].at if same else None,
        against=steps[-1] if steps else None,
    )


def trend(entries: Iterable[Entry]) -> pd.DataFrame:
    """A row each time a cabinet's two sides were compared, in the order of `entries`: each cabinet's oldest first.

    Columns: code, at (UTC), how many things were missing, extra, different, tolerated; not_compared: kinds of things, joined
    by commas; since_last: by how many differences there are, better, worse or same than the time before, of the kinds that
    were compared both times; None for the first time, and where there are none.
    """
    compared = list(_compared(entries))
    last: dict[str, Reconciliation] = {}
    since_last = []
    for entry, told in compared:
        since_last.append(_since(last.get(entry.cabinet), told))
        last[entry.cabinet] = told
    frame = pd.DataFrame(
        [
            [
                entry.cabinet,
                entry.at,
                *(told.count(kind) for kind in COUNTED),
                ", ".join(one.in_general for one in told.not_compared),
            ]
            for entry, told in compared
        ],
        columns=TREND_COLUMNS[:-1],
    )
    frame["at"] = pd.to_datetime(frame["at"], utc=True)
    frame["since_last"] = pd.Series(since_last, index=frame.index, dtype="object")
    return frame


def _compared(entries: Iterable[Entry]) -> Iterable[Compared]:
    return (
        (entry, Reconciliation.from_json(entry.evidence["reconciled"]))
        for entry in entries
        if entry.kind in TREND_KINDS and "reconciled" in entry.evidence
    )


def _since(before: Reconciliation | None, now: Reconciliation) -> str | None:
    then, today = _by_kind(before), _by_kind(now)
    both = then.keys() & today.keys()
    if not both:
        return None
    more = sum(today[what] - then[what] for what in both)
    return AS_MANY if more == 0 else MORE if more > 0 else FEWER


def _by_kind(told: Reconciliation | None) -> dict[str, int]:
    """How many differences, of each kind of thing that was compared."""
    compared = told.compared if told is not None else ()
    return {one.what: sum(one.count(kind) for kind in KINDS) for one in compared if not one.not_compared}
