"""Reads lists until they prove something, for a bounded time."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import datetime, timedelta

from bascule.connectors import Basis
from bascule.engine.observing import Observations
from bascule.engine.run import Run
from bascule.facts import GeLists, S4aLists, View

Lists = GeLists | S4aLists
LONGEST_PAUSE = 30.0
"""Seconds between two reads of lists that are too old: thousands of rows each."""


@dataclass(frozen=True, slots=True)
class ComparedLists:
    """One side's lists as they are compared."""

    lists: Lists
    basis: Basis
    under_lock_out: bool = False
    """Read after GE's users were locked out, or after the synchronisation had ended, and before we let them in again."""
    unproven: str = ""
    """Why they prove nothing of the synchronisation."""


@dataclass(slots=True)
class BoundedWait:
    """For lists that may still come. A run that is told to stop waits no longer."""

    run: Run
    until: datetime = field(init=False)
    seconds: float = field(init=False)

    def __post_init__(self) -> None:
        self.until = self.run.clock() + timedelta(seconds=self.run.pace.target_within)
        self.seconds = self.run.pace.poll

    def is_over(self, at_least: float | None = None) -> bool:
        """Whether another read, after so many seconds, would come too late."""
        next_read = self.run.clock() + timedelta(seconds=at_least or self.seconds)
        return next_read >= self.until or self.run.stop.is_set()

    async def pause(self, at_least: float | None = None) -> None:
        await self.run.pause(at_least or self.seconds)
        self.seconds = min(2 * self.seconds, LONGEST_PAUSE)


async def read_lists(observations: Observations, view: View) -> Lists:
    """Raises RemoteError."""
    lists = (await observations.read((view,)))[view]
    assert isinstance(lists, GeLists | S4aLists)
    return lists


async def read_until_proven(
    observations: Observations, view: View, run: Run, *, live: bool, why_unproven: Callable[[Lists], str]
) -> tuple[Lists, str]:
    """The lists, and why they prove nothing, where they still do not in the end. Raises RemoteError."""
    wait = BoundedWait(run)
    while True:
        lists = await read_lists(observations, view)
        unproven = why_unproven(lists)
        if not unproven or not live or wait.is_over():
            return lists, unproven
        await wait.pause()
        observations.forget((view,))
