"""What time it is, in seconds since 1970 (UTC). No two readings are equal, so that *after* can always be told."""

from __future__ import annotations

import time
from collections.abc import Callable
from datetime import UTC, datetime

TICK = 1e-6


class Clock:
    def __init__(self, read: Callable[[], float] = time.time) -> None:
        self._read = read
        self._last = 0.0

    def now(self) -> float:
        self._last = max(self._read(), self._last + TICK)
        return self._last


def instant(seconds: float) -> datetime:
    return datetime.fromtimestamp(seconds, UTC)


def instant_or_none(seconds: float | None) -> datetime | None:
    return None if seconds is None else instant(seconds)
