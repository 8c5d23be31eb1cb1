"""Reads the systems for one cabinet: each part once, shared by the steps that stand on it, until a write changes it."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from datetime import datetime

from bascule.checks.instants import ImpossibleInstant, impossible_instant, outdated
from bascule.connectors import Basis, Observation, Remote, users_wait
from bascule.connectors.contract import verb_named
from bascule.errors import RemoteImplausible
from bascule.facts import View
from bascule.model import Cabinet, System

MEND: dict[Basis, str] = {
    Basis.AGENT: "have the clock, or the answer, of its agent mended, then re-run",
    Basis.LISTS: "export the lists again, with a clock that is right, then re-run",
    Basis.PEOPLE: "correct the answer of the work order that tells it, then re-run",
}


@dataclass(frozen=True, slots=True)
class ReadView:
    """What was read, who says so, and what about its instants cannot be."""

    observation: Observation
    basis: Basis
    outdated: ImpossibleInstant | None
    impossible: ImpossibleInstant | None

    def wrong(self, *, any_instants: bool) -> ImpossibleInstant | None:
        return self.outdated or (None if any_instants else self.impossible)


class Observations:
    def __init__(
        self,
        cabinet: Cabinet,
        remote: Callable[[Cabinet, System], Remote],
        clock: Callable[[], datetime],
        are_users_waiting: Callable[[], bool] = lambda: False,
    ) -> None:
        self._cabinet = cabinet
        self._remote = remote
        self._clock = clock
        self._are_users_waiting = are_users_waiting
        self._reads: dict[View, asyncio.Future[ReadView]] = {}

    async def read(
        self, views: Iterable[View], anew: Iterable[View] = (), *, any_instants: bool = False
    ) -> dict[View, Observation]:
        """All of them, at the same time. `anew`: also where it was read before. Raises RemoteError.

        What tells an instant that cannot be is not believed. `any_instants`: it is, for a question that no instant answers,
        as long as it was read when it was asked for.
        """
        self.forget(anew)
        reads = {view: self._reading(view) for view in views}
        await asyncio.gather(*reads.values(), return_exceptions=True)
        return {view: self._believed(view, read.result(), any_instants) for view, read in reads.items()}

    def forget(self, views: Iterable[View]) -> None:
        for view in views:
            self._reads.pop(view, None)

    def forget_after(self, verb: str) -> None:
        """What a write may have changed is read again when it is next needed."""
        written = verb_named[verb]
        self.forget({View(written.system.value.replace("_", "-")), *written.changes})

    def latest(self, view: View) -> Observation | None:
        """What was last read, however old; None if it was not, or could not be."""
        read = self._latest(view)
        return read.observation if read is not None else None

    def _latest(self, view: View) -> ReadView | None:
        read = self._reads.get(view)
        return (
            read.result()
            if read is not None and read.done() and not read.cancelled() and read.exception() is None
            else None
        )

    def _believed(self, view: View, read: ReadView, any_instants: bool) -> Observation:
        wrong = read.wrong(any_instants=any_instants)
        if wrong is None:
            return read.observation
        what = "lists" if view is not View(view.system.value.replace("_", "-")) else "facts"
        raise RemoteImplausible(
            f"{self._cabinet.code}: of the {what} of {view.system.display_name}, {wrong}",
            code="impossible-instant",
            remedy=MEND[read.basis],
        )

    def _reading(self, view: View) -> asyncio.Future[ReadView]:
        read, known = self._reads.get(view), self._latest(view)
        is_of_use = known is not None and known.wrong(any_instants=False) is None
        if read is None or (read.done() and not is_of_use):
            before = users_wait.set(self._are_users_waiting())
            read = asyncio.ensure_future(self._observe(view))
            users_wait.reset(before)
            self._reads[view] = read
        return read

    async def _observe(self, view: View) -> ReadView:
        remote, asked_at = self._remote(self._cabinet, view.system), self._clock()
        observation = await remote.observe(self._cabinet, view)
        basis = remote.basis(view)
        return ReadView(
            observation,
            basis,
            outdated(observation, asked_at),
            impossible_instant(observation, basis, self._clock()),
        )
