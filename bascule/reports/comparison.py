"""Waves beside each other: whether the team gets better at it."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Iterable, Sequence
from datetime import datetime

import pandas as pd

from bascule.ledger import Entry, EntryKind
from bascule.model import ARRIVED, Lifecycle
from bascule.reports.status import RUN_KINDS, is_excluded, runs_of, stands_by

COLUMNS = "wave first_run planned not_ended arrived success_rate first_time_rate runs p50 p90 top_cause top_cause_cabinets".split()


def comparison(entries: Iterable[Entry]) -> pd.DataFrame:
    """A row a wave, in the order of their first run. `entries`: of RUN_KINDS and RUN_BEGAN, each chain's in its order.

    Columns: COLUMNS. Who is excluded is not counted. not_ended: of a wave that is open the rest is no result yet. success_rate: share of the planned that arrived, with reservations or
    without; first_time_rate: in one run; p50, p90: seconds that a cabinet which arrived was in the hands of runs;
    top_cause: the error signature that most cabinets were stopped by at some time, and how many.
    """
    of_wave: defaultdict[str, list[Entry]] = defaultdict(list)
    begun: dict[str, datetime] = {}
    runs: Counter[str] = Counter()
    for entry in entries:
        if entry.kind is EntryKind.RUN_BEGAN:
            begun[entry.wave] = min(entry.at, begun.get(entry.wave, entry.at))
            runs[entry.wave] += 1
        elif entry.kind in RUN_KINDS:
            of_wave[entry.wave].append(entry)
    rows = [_row(wave, runs_of(of_one), begun.get(wave), runs[wave]) for wave, of_one in of_wave.items()]
    frame = pd.DataFrame([row for row in rows if row is not None], columns=COLUMNS)
    frame["first_run"] = pd.to_datetime(frame["first_run"], utc=True)
    return frame.sort_values(["first_run", "wave"]).reset_index(drop=True)


def _row(
    wave: str, cabinets: dict[str, list[Entry]], first_run: datetime | None, runs: int
) -> tuple[object, ...] | None:
    moved = {code: of_one for code, of_one in cabinets.items() if not is_excluded(of_one)}
    if not moved:
        return None
    arrived = [of_one for of_one in moved.values() if stands_by(of_one).outcome in ARRIVED]
    at_once = [of_one for of_one in arrived if sum(entry.kind is EntryKind.BEGAN for entry in of_one) == 1]
    took = pd.Series([_seconds_in_hand(of_one) for of_one in arrived], dtype="float64")
    causes = Counter(
        signature
        for of_one in moved.values()
        for signature in {entry.error_signature for entry in of_one if entry.kind is EntryKind.ENDED}
        if signature
    )
    cause, stopped = min(causes.items(), key=lambda one: (-one[1], one[0]), default=(None, 0))
    return (
        wave,
        first_run,
        len(moved),
        sum(stands_by(of_one).lifecycle is not Lifecycle.ENDED for of_one in moved.values()),
        len(arrived),
        len(arrived) / len(moved),
        len(at_once) / len(moved),
        runs,
        took.quantile(0.5),
        took.quantile(0.9),
        cause,
        stopped,
    )


def _seconds_in_hand(of_one: Sequence[Entry]) -> float:
    seconds, began = 0.0, None
    for entry in of_one:
        if entry.kind is EntryKind.BEGAN:
            began = entry.at
        elif entry.kind is EntryKind.ENDED and began is not None:
            seconds += (entry.at - began).total_seconds()
            began = None
    return seconds
