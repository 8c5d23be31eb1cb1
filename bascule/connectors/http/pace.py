"""How fast one system may be asked: so many calls a second, and not at all while it asks for patience."""

from __future__ import annotations

import asyncio
import math
import time
from collections.abc import Awaitable, Callable

LONGEST_PAUSE = 3600.0
"""Seconds. A slip in a Retry-After must not silence a system until the process ends."""


class Pace:
    """Shared by every call to one system, so that what one of them is told holds for all."""

    def __init__(
        self,
        rate: float | None = None,
        *,
        burst: float | None = None,
        clock: Callable[[], float] = time.monotonic,
        sleep: Callable[[float], Awaitable[None]] = asyncio.sleep,
    ) -> None:
        """`rate`: calls a second, None for no limit. `burst`: calls that may go at once after a quiet time, a second's worth by default."""
        if rate is not None and not (math.isfinite(rate) and rate > 0):
            raise ValueError(f"a rate is a positive number of calls a second, not {rate}")
        self._rate, self._burst = rate, burst
        self._interval = self._slack = 0.0
        self.share_among(1)
        self._clock = clock
        self._sleep = sleep
        self._next = -math.inf
        self._paused_until = -math.inf

    def share_among(self, parties: int) -> None:
        """So many ask the same system, each with a part of the rate."""
        if self._rate is None:
            return
        rate = self._rate / max(1, parties)
        burst = rate if self._burst is None else self._burst / max(1, parties)
        self._interval = 1 / rate
        self._slack = (max(1.0, burst) - 1) / rate

    async def turn(self) -> None:
        """Waits until this caller may go. Whoever came first goes first."""
        await self._slot()
        # Those who waited out a pause queue again, so that they do not all go in the same instant.
        while pause := self.pause():
            await self._sleep(pause)
            await self._slot()

    def pause(self) -> float:
        """Seconds that the system still asks everybody to stay away."""
        return max(0.0, self._paused_until - self._clock())

    def stay_away(self, seconds: float) -> None:
        """Nobody goes before these seconds are over. A longer pause that was asked before stands."""
        self._paused_until = max(self._paused_until, self._clock() + min(seconds, LONGEST_PAUSE))

    async def _slot(self) -> None:
        if not self._interval:
            return
        now = self._clock()
        due = max(self._next, now - self._slack)
        self._next = due + self._interval
        if due > now:
            await self._sleep(due - now)
