"""How fast one system may be asked: so many calls a second, and not at all while it asks for patience."""

from __future__ import annotations

import asyncio
import math
import time
from collections.abc import Awaitable, Callable

LONGEST_PAUSE = 3600.0
"""Seconds. A slip in a Retry-After must not silence a system until the process ends."""


class Pace:
    """Shared by every call to one system, so that what one of them is told holds for all ordinary work.

    A call that users are waiting for goes by a name of its own: only what the system said of that very call holds it back.
    """

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
        self._alone_until: dict[str, float] = {}

    def share_among(self, parties: int) -> None:
        """So many ask the same system, each with a part of the rate."""
        if self._rate is None:
            return
        rate = self._rate / max(1, parties)
        burst = rate if self._burst is None else self._burst / max(1, parties)
        self._interval = 1 / rate
        self._slack = (max(1.0, burst) - 1) / rate

    async def turn(self, alone: str = "") -> None:
        """Waits until this caller may go. Whoever came first goes first."""
        while True:
            await self.wait_out(alone)
            await self.slot()
            if not self.pause(alone):
                return

    def pause(self, alone: str = "") -> float:
        """Seconds that the system still asks everybody to stay away; or, for a call that goes by a name of its own, that one."""
        until = self._alone_until.get(alone, -math.inf) if alone else self._paused_until
        return max(0.0, until - self._clock())

    def stay_away(self, seconds: float, alone: str = "") -> None:
        """Nobody goes before these seconds are over. A longer pause that was asked before stands.

        Who goes by a name of their own is held back only by what was said under that name.
        """
        now = self._clock()
        until = now + min(seconds, LONGEST_PAUSE)
        self._paused_until = max(self._paused_until, until)
        if alone:
            still = {name: end for name, end in self._alone_until.items() if end > now}
            self._alone_until = still | {alone: max(still.get(alone, until), until)}

    async def wait_out(self, alone: str = "") -> None:
        while pause := self.pause(alone):
            await self._sleep(pause)

    async def slot(self) -> None:
        """Waits until the rate has room. Those who waited out a pause queue here, so that they do not all go in the same instant."""
        if not self._interval:
            return
        now = self._clock()
        due = max(self._next, now - self._slack)
        self._next = due + self._interval
        if due > now:
            await self._sleep(due - now)
