"""A `Remote` behind which lie exported lists: it reads them, says when they prove nothing any more, and never acts."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from datetime import datetime, timedelta
from pathlib import Path

from bascule.connectors import Basis, Observation, Operation, Order
from bascule.connectors.extracts.mapping import ExtractsMapping
from bascule.connectors.extracts.reading import READERS, ExtractsUnreadable, Found, files_in, needed_in
from bascule.errors import RemoteRefuses
from bascule.facts import GeFacts, GeLists, S4aFacts, S4aLists, View, WorkspaceStatus
from bascule.model import Cabinet, ErrorClass, System

UNREADABLE, STALE = "extracts-unreadable", "extracts-stale"
CABINETS_KEPT = 20
"""Those looked at last: their lists stay in memory, so that looking at the same files again costs nothing."""

Lists = GeLists | S4aLists
ChangedLast = Callable[[Cabinet, View], Awaitable[tuple[datetime, str] | None]]
"""When something last happened after which older lists prove nothing, and what it was."""

LISTS = (View.GE_LISTS, View.S4A_LISTS)


def nothing_known(view: View, cabinet: str, taken_at: datetime) -> Observation:
    """Lists say who and what there is. How far a wizard is, they do not."""
    if view is View.S4A:
        return S4aFacts(
            cabinet=cabinet,
            taken_at=taken_at,
            signed_up_at=None,
            signed_up_siren=None,
            billing_given_at=None,
            terms_accepted_at=None,
            terms_signatory=None,
            workspace=WorkspaceStatus.ABSENT,
            synchronised_at=None,
        )
    return GeFacts(
        cabinet=cabinet,
        taken_at=taken_at,
        key_question="",
        key_entered_at=None,
        licensed=False,
        restarted_at=None,
        tab_visible=False,
        connected_entity=None,
        connected_at=None,
        default_profile=None,
        default_group=None,
        wizard_finished=False,
        returned_at=None,
        exe_opened_at=None,
        sql_backup_at=None,
        mongo_backup_at=None,
        locked_out_by=None,
        locked_out_at=None,
        sessions=(),
        synchronisation=None,
    )


@dataclass(frozen=True, slots=True)
class Kept:
    """Lists, and the files that they were read from."""

    files: tuple[Found, ...]
    lists: Lists

    @property
    def as_they_say(self) -> str:
        """Where the files were written later than the lists say that they were made."""
        return (
            ""
            if any(file.modified_at <= self.lists.taken_at for file in self.files)
            else " by what they say themselves"
        )


class ExtractsRemote:
    """Stands for one system. The lists of a cabinet lie in `<root>/<code>/<system>`; who exports them, writes them there."""

    live = False

    def __init__(
        self,
        system: System,
        root: Path,
        mapping: ExtractsMapping,
        *,
        oldest: timedelta,
        not_before: ChangedLast,
        clock: Callable[[], datetime],
    ) -> None:
        """`oldest`: how old lists may be."""
        self.system = system
        self._root = root
        self._mapping = mapping
        self._oldest = oldest
        self._not_before = not_before
        self._clock = clock
        self._kept: dict[tuple[str, str], Kept] = {}

    def asks(self, cabinet: Cabinet, verb: str) -> bool:
        return False

    def basis(self, view: View) -> Basis:
        return Basis.LISTS

    async def observe(self, cabinet: Cabinet, view: View) -> Observation:
        if view not in LISTS:
            return nothing_known(view, cabinet.code, self._clock())
        key = (cabinet.code, cabinet.siren)
        kept = await asyncio.to_thread(self._read, cabinet, self._kept.pop(key, None))
        self._kept[key] = kept
        while len(self._kept) > CABINETS_KEPT:
            del self._kept[next(iter(self._kept))]
        await self._refuse_stale(cabinet, view, kept)
        return kept.lists

    async def act(self, cabinet: Cabinet, order: Order) -> Operation:
        raise RemoteRefuses(
            f"{cabinet.code}: exported lists are read, and cannot {order.verb}",
            code="extracts-never-act",
            error_class=ErrorClass.CONFIG,
            remedy="name an acting connector, such as operator+extracts",
        )

    async def operation(self, cabinet: Cabinet, operation_id: str) -> Operation:
        raise RemoteRefuses(
            f"{cabinet.code}: there is no operation {operation_id}: exported lists never act",
            code="unknown-operation",
            error_class=ErrorClass.UNKNOWN,
        )

    async def find(self, cabinet: Cabinet, key: str, *, fence: int = 0) -> tuple[Operation, ...]:
        return ()

    def _folder(self, cabinet: Cabinet) -> Path:
        return folder_of(self._root, cabinet, self.system)

    def _read(self, cabinet: Cabinet, kept: Kept | None) -> Kept:
        folder = self._folder(cabinet)
        files = files_in(folder)
        if not files:
            raise _unreadable(
                f"{cabinet.code}: there are no exported lists in {folder}",
                f"export these lists into {folder}: {needed_in(self.system, self._mapping)}",
            )
        if kept is not None and kept.files == files:
            return kept
        try:
            lists = READERS[self.system](folder, self._mapping, cabinet)
        except ExtractsUnreadable as unreadable:
            raise _unreadable(str(unreadable), unreadable.remedy) from None
        if files_in(folder) != files:
            raise _unreadable(
                f"{cabinet.code}: the exported lists in {folder} changed while they were read",
                "wait until they are exported, and look again",
            )
        return Kept(files, lists)

    async def _refuse_stale(self, cabinet: Cabinet, view: View, kept: Kept) -> None:
        taken_at = kept.lists.taken_at
        now, folder = self._clock(), self._folder(cabinet)
        changed = await self._not_before(cabinet, view)
        if changed is not None and taken_at < changed[0]:
            why = f"and since then: {changed[1]} ({changed[0]:%Y-%m-%d %H:%M} UTC)"
        elif taken_at < now - self._oldest:
            why = f"and lists may be {in_words(self._oldest)} old"
        else:
            return
        raise RemoteRefuses(
            f"{cabinet.code}: the exported lists in {folder} are {in_words(now - taken_at)} old{kept.as_they_say}, {why}",
            code=STALE,
            error_class=ErrorClass.HUMAN,
            remedy=f"export all of them again into {folder}: {needed_in(self.system, self._mapping)}",
        )


def folder_of(root: Path, cabinet: Cabinet, system: System) -> Path:
    return root / cabinet.code / system.value


def in_words(age: timedelta) -> str:
    """`3 days`, `30 hours`, `12 minutes`."""
    minutes = max(0, int(age.total_seconds() // 60))
    if minutes >= 48 * 60:
        count, unit = minutes // (24 * 60), "day"
    elif minutes >= 60:
        count, unit = minutes // 60, "hour"
    else:
        count, unit = minutes, "minute"
    return f"{count} {unit}{'' if count == 1 else 's'}"


def _unreadable(message: str, remedy: str) -> RemoteRefuses:
    return RemoteRefuses(message, code=UNREADABLE, error_class=ErrorClass.HUMAN, remedy=remedy)
