"""How far apart source and target were each time they were compared: by the step, and whenever somebody reconciled since."""

from __future__ import annotations

import math
from collections.abc import Iterable

import pandas as pd

from bascule.checks.reconciliation import KINDS, Listed, Reconciliation
from bascule.ledger import Entry, EntryKind

TREND_KINDS = (EntryKind.PROOF, EntryKind.VERDICT, EntryKind.RECONCILED)
"""The kinds of entry that tell of a comparison; others, and those that tell of none, are passed over."""
COUNTED: tuple[Listed, ...] = (*KINDS, "tolerated")
TREND_COLUMNS = ["code", "at", *COUNTED, "since_last"]
FEWER, AS_MANY, MORE = "better", "same", "worse"


def trend(entries: Iterable[Entry]) -> pd.DataFrame:
    """A row each time a cabinet's two sides were compared, in the order of `entries`: each cabinet's oldest first.

    Columns: code, at (UTC), how many things were missing, extra, different, tolerated; since_last: by how many differences
    there are, better, worse or same than the time before; None for the first time.
    """
    compared = [(e, Reconciliation.from_json(e.evidence["reconciled"])) for e in entries if _tells(e)]
    frame = pd.DataFrame(
        [[entry.cabinet, entry.at, *(told.count(kind) for kind in COUNTED)] for entry, told in compared],
        columns=TREND_COLUMNS[:-1],
    )
    frame["at"] = pd.to_datetime(frame["at"], utc=True)
    apart = frame[list(KINDS)].sum(axis=1).astype("int64")
    more = apart.groupby(frame["code"]).diff()
    frame["since_last"] = pd.Series([_since(each) for each in more], index=frame.index, dtype="object")
    return frame


def _since(more: float) -> str | None:
    """`more`: by how many differences there are more than the time before; no number where there was no such time."""
    if math.isnan(more):
        return None
    return AS_MANY if more == 0 else MORE if more > 0 else FEWER


def _tells(entry: Entry) -> bool:
    return entry.kind in TREND_KINDS and "reconciled" in entry.evidence
