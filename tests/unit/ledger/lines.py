"""Entries for tests to write."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from datetime import UTC, datetime
from typing import Any

from bascule.ledger.entries import GENESIS, Entry, EntryKind, chained

WHEN = datetime(2026, 12, 1, 20, 0, 0, 123456, tzinfo=UTC)

LINE = Entry(cabinet="C0001", kind=EntryKind.NOTE, at=WHEN, who="ops", wave="pilot", run="R1")


def line(cabinet: str = "C0001", **changes: Any) -> Entry:
    return replace(LINE, cabinet=cabinet, **changes)


def chain(*entries: Entry) -> Sequence[Entry]:
    """As the ledger would place them."""
    placed: list[Entry] = []
    for seq, entry in enumerate(entries, start=1):
        placed.append(chained(entry, seq, placed[-1].hash if placed else GENESIS))
    return placed
