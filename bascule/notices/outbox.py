"""Sends what is due, each message once as far as that can be had.

A message is claimed in the ledger, sent, and then told to be sent: at least once. Who looks at the same moment finds the
claim, in the transaction that would have made its own, and sends nothing. A claim without an end is taken over after
`TAKEN_OVER_AFTER`: if its process died between the server's answer and its own entry, that message arrives twice. The
other way round (told, then sent) an alarm could be lost, which is worse.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime

from bascule.errors import BasculeError
from bascule.ledger import Entry, EntryKind, Ledger
from bascule.notices.due import Notice, TellsOf
from bascule.notices.told import CHAIN, Said, entries_of, told_by

Due = Callable[[TellsOf, datetime], Sequence[Notice]]
Send = Callable[[Notice], Awaitable[None]]


class NotDelivered(BasculeError):
    """A message could not be sent. It is tried again at the next look."""


@dataclass(frozen=True, slots=True)
class Posted:
    notice: Notice
    failed: str = ""
    """Why it was not sent."""


class Outbox:
    def __init__(self, ledger: Ledger, clock: Callable[[], datetime], who: str = "bascule") -> None:
        self._ledger = ledger
        self._clock = clock
        self._who = who

    def waiting(self, due: Due) -> Sequence[Notice]:
        """What `post` would send now."""
        entries = self._ledger.histories([CHAIN], [EntryKind.NOTE])[CHAIN]
        now = self._clock()
        return due(told_by(entries, now), now)

    async def post(self, due: Due, send: Send) -> tuple[Posted, ...]:
        """One look: each hearer's alarm and digest once. `send` raises NotDelivered, which stops no other message."""
        posted: list[Posted] = []
        # Looking takes no write; most looks find nothing.
        while self.waiting(due) and (notice := await self._claimed(due, posted)) is not None:
            try:
                await send(notice)
            except NotDelivered as failed:
                posted.append(Posted(notice, str(failed)))
                await self._record(notice, Said.FAILED, str(failed))
            else:
                posted.append(Posted(notice))
                await self._record(notice, Said.SENT)
        return tuple(posted)

    async def _claimed(self, due: Due, posted: Sequence[Posted]) -> Notice | None:
        """The next message that is now ours to send: claimed one at a time, so that no claim grows old in a queue."""
        now = self._clock()
        tried = {(one.notice.to, one.notice.alarm) for one in posted}
        claimed: list[Notice] = []

        def decided(found: Mapping[str, Sequence[Entry]]) -> list[Entry]:
            open_still = [n for n in due(told_by(found[CHAIN], now), now) if (n.to, n.alarm) not in tried]
            claimed[:] = open_still[:1]
            return [entry for n in claimed for entry in entries_of(n, Said.SENDING, at=now, who=self._who)]

        await self._ledger.decide([CHAIN], [EntryKind.NOTE], decided)
        return claimed[0] if claimed else None

    async def _record(self, notice: Notice, said: Said, reason: str = "") -> None:
        await self._ledger.record(*entries_of(notice, said, at=self._clock(), who=self._who, reason=reason))
