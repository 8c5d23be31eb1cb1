"""Spaces out the starts of task runs: Prefect's server queues 10,000 events, and drops what comes on top without a word."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Awaitable, Callable

TASK_RUNS_PER_SECOND = 100.0
"""What a server with batched settings stores on two cores for as long as it lasts. docs/prefect.md has the measurement."""

BURST = 200
"""Task runs that may start at once after a pause: a wave's first cabinets need not queue. Each is three events."""


class Brake:
    """First come, first served; who is cancelled while queueing uses nothing up.

    One brake for one process, whatever its event loops: the server does not care where its events come from.
    """

    def __init__(
        self,
        per_second: float = TASK_RUNS_PER_SECOND,
        burst: int = BURST,
        *,
        clock: Callable[[], float] = time.monotonic,
        sleep: Callable[[float], Awaitable[None]] = asyncio.sleep,
    ) -> None:
        if per_second <= 0 or burst < 1:
            raise ValueError(f"A brake of {per_second} starts a second in bursts of {burst} would never let go.")
        self.per_second = per_second
        self.burst = burst
        self.started = 0
        """Starts let go so far."""
        self._clock = clock
        self._sleep = sleep
        self._free = float(burst)
        self._at = clock()
        self._loop: asyncio.AbstractEventLoop | None = None
        self._queue = asyncio.Lock()

    async def let_go(self) -> None:
        """Returns when the next task run may start."""
        async with self._queue_of_this_loop():
            self._refill()
            while self._free < 1:
                await self._sleep((1 - self._free) / self.per_second)
                self._refill()
            self._free -= 1
            self.started += 1

    def _refill(self) -> None:
        now = self._clock()
        self._free = min(self.burst, self._free + (now - self._at) * self.per_second)
        self._at = now

    def _queue_of_this_loop(self) -> asyncio.Lock:
        # asyncio's locks are first come, first served, skip who was cancelled, and belong to one loop.
        if (loop := asyncio.get_running_loop()) is not self._loop:
            self._loop, self._queue = loop, asyncio.Lock()
        return self._queue
