"""How long steps took in past waves, by the size of the cabinet."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from bascule.ledger import Entry
from bascule.reports.frames import durations_frame, told_frame, told_rows

ENOUGH = 5
"""Cabinets that a figure must be drawn from: of fewer, one slow cabinet would be the P90."""


@dataclass(frozen=True, slots=True)
class Took:
    """Seconds, and how many cabinets tell."""

    p50: float
    p90: float
    cabinets: int


def took(entries: Iterable[Entry], sizes: Mapping[str, str]) -> dict[tuple[str, str], Took]:
    """By size and step. `entries`: intents and proofs, each cabinet's in order; `sizes`: by code, of those that are known."""
    told = told_frame(told_rows(entries))
    found: dict[tuple[str, str], Took] = {}
    for size in sorted(set(sizes.values())):
        of_size = told[told["code"].map(sizes) == size]
        for step, row in durations_frame(of_size).to_dict("index").items():
            if row["cabinets"] >= ENOUGH:
                found[size, str(step)] = Took(round(row["p50"], 1), round(row["p90"], 1), int(row["cabinets"]))
    return found
