"""Cabinets that ended, one a minute, in one letter each: `.` ok, F failed, U unknown, P partial, B blocked, X excluded."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

from bascule.model import Outcome
from bascule.waves.breaker import Ended

NOON = datetime(2026, 12, 1, 12, tzinfo=UTC)
LETTERS = {
    ".": Outcome.OK,
    "F": Outcome.FAILED,
    "U": Outcome.UNKNOWN,
    "P": Outcome.PARTIAL,
    "B": Outcome.BLOCKED,
    "X": Outcome.EXCLUDED,
}


def ended(letters: str, **traits: str) -> list[Ended]:
    return [
        Ended(code=f"C{number:04d}", outcome=LETTERS[letter], at=NOON + timedelta(minutes=number), traits=traits)
        for number, letter in enumerate(letters, start=1)
    ]
