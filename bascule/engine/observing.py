"""Reads the systems for one cabinet: each part once, shared by the steps that stand on it, until a write changes it."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterable

from bascule.connectors import Observation, Remote, users_wait
from bascule.connectors.contract import verb_named
from bascule.facts import View
from bascule.model import Cabinet, System


class Observations:
    def __init__(
        self,
        cabinet: Cabinet,
        remote: Callable[[Cabinet, System], Remote],
        are_users_waiting: Callable[[], bool] = lambda: False,
    ) -> None:
        self._cabinet = cabinet
        self._remote = remote
        self._are_users_waiting = are_users_waiting
        self._reads: dict[View, asyncio.Future[Observation]] = {}

    async def read(self, views: Iterable[View], anew: Iterable[View] = ()) -> dict[View, Observation]:
        """All of them, at the same time. `anew`: also where it was read before. Raises RemoteError."""
        self.forget(anew)
        reads = {view: self._reading(view) for view in views}
        await asyncio.gather(*reads.values(), return_exceptions=True)
        return {view: read.result() for view, read in reads.items()}

    def forget(self, views: Iterable[View]) -> None:
        for view in views:
            self._reads.pop(view, None)

    def forget_after(self, verb: str) -> None:
        """What a write may have changed is read again when it is next needed."""
        written = verb_named[verb]
        self.forget({View(written.system.value.replace("_", "-")), *written.changes})

    def latest(self, view: View) -> Observation | None:
        """What was last read, however old; None if it was not, or could not be."""
        read = self._reads.get(view)
        return (
            read.result()
            if read is not None and read.done() and not read.cancelled() and read.exception() is None
            else None
        )

    def _reading(self, view: View) -> asyncio.Future[Observation]:
        read = self._reads.get(view)
        if read is None or (read.done() and (read.cancelled() or read.exception() is not None)):
            before = users_wait.set(self._are_users_waiting())
            read = asyncio.ensure_future(self._remote(self._cabinet, view.system).observe(self._cabinet, view))
            users_wait.reset(before)
            self._reads[view] = read
        return read
