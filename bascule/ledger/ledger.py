"""The ledger: the only door to the database, and the only truth about what was done."""

from __future__ import annotations

import asyncio
import hashlib
import zlib
from collections import defaultdict
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import datetime
from functools import partial
from itertools import groupby
from typing import Any, Self, TypeVar

from sqlalchemy import Connection, Engine, Row, Select, func, insert, select, tuple_
from sqlalchemy.exc import DBAPIError

from bascule.errors import LedgerBroken
from bascule.ledger import leases, lock_outs, tables
from bascule.ledger.entries import SAID_OF_ORDERS, Entry, EntryKind, going_on
from bascule.ledger.lock_outs import LockOut
from bascule.ledger.owners import Owner
from bascule.ledger.rows import entry_of
from bascule.ledger.schema import BUSY_SECONDS, engine_for, ensure_revision
from bascule.ledger.trouble import in_words, is_lost
from bascule.ledger.writer import Writer, append_in, heads_of
from bascule.model import State

T = TypeVar("T")

AT_ONCE = 500
"""Codes named in one query: SQLite and PostgreSQL both bound the number of parameters."""


@dataclass(frozen=True, slots=True, kw_only=True)
class StoredInventory:
    """A version of the inventory, as it was parsed when it was stored."""

    digest: str
    at: datetime
    who: str
    source: str
    content: Mapping[str, Any]


class Ledger:
    """Opened once a process. Reads are plain calls; writes go through one thread and come back when they are on disk."""

    def __init__(
        self, url: str, *, read_only: bool = False, makes_one: bool = True, busy_seconds: float = BUSY_SECONDS
    ) -> None:
        """`makes_one`: where there is no ledger yet, unless it is only to be read."""
        self.url = url
        self._reading = engine_for(url, writes=False, busy_seconds=busy_seconds)
        self._writing: Engine | None = None if read_only else engine_for(url, writes=True, busy_seconds=busy_seconds)
        self._writer: Writer | None = None
        try:
            ensure_revision(self._writing or self._reading, makes_one=makes_one and not read_only)
        except BaseException:
            self.close()
            raise
        if self._writing is not None:
            self._writer = Writer(self._writing, patience=busy_seconds)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        """Writes what still waits, then closes."""
        if self._writer is not None:
            self._writer.close()
            self._writer = None
        for engine in (self._writing, self._reading):
            if engine is not None:
                engine.dispose()

    # Writing entries

    async def record(self, *entries: Entry) -> tuple[Entry, ...]:
        """On disk when it returns. Raises LeaseLost if the entries carry a fencing number that is no longer the cabinet's."""
        return await self._open_writer.append(entries)

    async def decide(
        self,
        cabinets: Sequence[str],
        kinds: Iterable[EntryKind],
        decided: Callable[[Mapping[str, Sequence[Entry]]], Sequence[Entry]],
    ) -> tuple[Entry, ...]:
        """Appends what `decided` makes of these cabinets' entries, read in the same transaction: nobody comes in between.

        On disk when it returns. What `decided` raises is raised here, and nothing is written. It may be called again where
        another process wrote to one of the chains at the same moment.
        """
        wanted = [kind.value for kind in kinds]

        def write(connection: Connection) -> tuple[Entry, ...]:
            found: dict[str, list[Entry]] = {code: [] for code in cabinets}
            for codes in _in_groups(sorted(found)):
                query = select(tables.entry).where(tables.entry.c.cabinet.in_(codes), tables.entry.c.kind.in_(wanted))
                for row in connection.execute(query.order_by(tables.entry.c.cabinet, tables.entry.c.seq)):
                    found[row.cabinet].append(entry_of(row))
            return append_in(connection, decided(found))

        written: tuple[Entry, ...] = await self._open_writer.call(write)
        return written

    def record_later(self, *entries: Entry) -> None:
        """On disk with the next write that is waited for, or at `settle`. Only for what reading back would show again."""
        self._open_writer.append_later(entries)

    async def settle(self) -> None:
        """Returns when everything handed over so far is on disk; raises what went wrong with it."""
        await self._open_writer.settle()

    def keep(self, cabinet: str, what: str, content: bytes, at: datetime) -> str:
        """Keeps a list, written with the next group, before any entry that is recorded after it. Returns its SHA-256."""
        name = hashlib.sha256(content).hexdigest()

        def store(connection: Connection) -> None:
            known = connection.execute(select(tables.evidence.c.hash).where(tables.evidence.c.hash == name)).first()
            if known is None:
                connection.execute(
                    insert(tables.evidence).values(
                        hash=name, cabinet=cabinet, what=what, at=at, content=zlib.compress(content, 3)
                    )
                )

        self._open_writer.call_later(store)
        return name

    async def store_inventory(self, stored: StoredInventory) -> None:
        """Rows are added, never changed: the same content stored again is a new row only if another came between."""

        def store(connection: Connection) -> None:
            newest = connection.execute(
                select(tables.inventory.c.digest).order_by(tables.inventory.c.id.desc()).limit(1)
            ).scalar()
            if newest != stored.digest:
                connection.execute(
                    insert(tables.inventory).values(
                        digest=stored.digest,
                        at=stored.at,
                        who=stored.who,
                        source=stored.source,
                        content=dict(stored.content),
                    )
                )

        await self._open_writer.call(store)

    # Leases

    async def take_lease(self, cabinet: str, owner: Owner, now: datetime, seconds: float = leases.LEASE_SECONDS) -> int:
        """The fencing number under which this owner may now act. Raises CabinetTaken."""
        fence: int = await self._open_writer.call(
            lambda connection: leases.take(connection, cabinet, owner, now, seconds)
        )
        return fence

    async def sign_on(self, run: str, owner: Owner, now: datetime) -> None:
        """From now on the run counts as alive, as long as `renew_leases` is called for its owner."""
        await self._open_writer.call(lambda connection: leases.take(connection, leases.of_run(run), owner, now))

    async def renew_leases(self, owner: Owner, now: datetime, seconds: float = leases.LEASE_SECONDS) -> None:
        await self._open_writer.call(lambda connection: leases.renew(connection, owner, now, seconds))

    def outlive(self, cabinet: str, fence: int, until: datetime) -> None:
        self._open_writer.call_later(lambda connection: leases.outlive(connection, cabinet, fence, until))

    def let_go(self, cabinet: str, fence: int, now: datetime) -> None:
        """Written after every entry handed over before it."""
        self._open_writer.call_later(lambda connection: leases.let_go(connection, cabinet, fence, now))

    async def hold_lock_out(
        self,
        cabinet: str,
        owner: Owner,
        fence: int,
        now: datetime,
        deadline: datetime,
        seconds: float = leases.LEASE_SECONDS,
    ) -> None:
        """On disk before anybody is locked out; `renew_leases` keeps it alive. Held already, whoever by: taken over, with
        the beginning and the deadline that it had. Raises LeaseLost."""
        await self._open_writer.call(
            lambda connection: lock_outs.hold(connection, cabinet, owner, fence, now, deadline, seconds)
        )

    def let_lock_out_go(self, cabinet: str, fence: int) -> None:
        """Users are back. Written after every entry handed over before it."""
        self._open_writer.call_later(lambda connection: lock_outs.let_go(connection, cabinet, fence))

    # Reading

    def lock_outs(self, now: datetime) -> tuple[LockOut, ...]:
        """Every lock-out that nobody has let go, the longest first."""
        return self._ask(partial(lock_outs.held, now=now))

    def history(self, cabinet: str) -> tuple[Entry, ...]:
        """Every entry of one cabinet, oldest first."""
        query = select(tables.entry).where(tables.entry.c.cabinet == cabinet)
        return tuple(self._entries(query.order_by(tables.entry.c.seq)))

    async def history_soon(self, cabinet: str) -> tuple[Entry, ...]:
        """The same, without holding up the event loop."""
        return await asyncio.to_thread(self.history, cabinet)

    def histories(
        self, cabinets: Sequence[str], kinds: Iterable[EntryKind] = tuple(EntryKind)
    ) -> dict[str, tuple[Entry, ...]]:
        """The same for many cabinets, in few queries. Who has no entry has an empty history."""
        found: defaultdict[str, list[Entry]] = defaultdict(list)
        wanted = [kind.value for kind in kinds]
        for codes in _in_groups(cabinets):
            query = select(tables.entry).where(tables.entry.c.cabinet.in_(codes), tables.entry.c.kind.in_(wanted))
            for entry in self._entries(query.order_by(tables.entry.c.cabinet, tables.entry.c.seq)):
                found[entry.cabinet].append(entry)
        return {code: tuple(found[code]) for code in cabinets}

    def each_history(self, cabinets: Sequence[str]) -> Iterator[tuple[str, tuple[Entry, ...]]]:
        """Every entry of each of these cabinets, by code; a few hundred cabinets in memory at a time. Who has no entry is left out."""
        for codes in _in_groups(sorted(cabinets)):
            query = select(tables.entry).where(tables.entry.c.cabinet.in_(codes))
            rows = self._rows(query.order_by(tables.entry.c.cabinet, tables.entry.c.seq))
            for code, of_one in groupby(rows, key=lambda row: str(row.cabinet)):
                with _as_written():
                    history = tuple(entry_of(row) for row in of_one)
                yield code, history

    def of_wave(
        self,
        wave: str,
        kinds: Iterable[EntryKind] = tuple(EntryKind),
        since: datetime | None = None,
        steps: Sequence[str] = (),
    ) -> list[Entry]:
        """The entries of a wave's cabinets: each chain's in its order, those of several in the order of their instants.

        `since`: only those of this instant and later. `steps`: only those that name one of these.
        """
        query = select(tables.entry).where(
            tables.entry.c.wave == wave, tables.entry.c.kind.in_([kind.value for kind in kinds])
        )
        if since is not None:
            query = query.where(tables.entry.c.at >= since)
        if steps:
            query = query.where(tables.entry.c.step.in_(steps))
        return _in_time(self._entries(query))

    def of_kinds(self, kinds: Iterable[EntryKind]) -> list[Entry]:
        """The entries of these kinds, whatever the wave, each cabinet's in its order."""
        query = select(tables.entry).where(tables.entry.c.kind.in_([kind.value for kind in kinds]))
        return self._entries(query.order_by(tables.entry.c.cabinet, tables.entry.c.seq))

    def of_open_orders(self, kinds: Iterable[EntryKind]) -> list[Entry]:
        """The entries of these kinds that tell of work orders which nothing has closed, each cabinet's in its order."""
        closing = tables.entry.alias()
        is_closed = (
            select(closing.c.id)
            .where(
                closing.c.operation == tables.entry.c.operation,
                closing.c.kind.in_((EntryKind.APPROVED.value, EntryKind.WITHDRAWN.value))
                | ((closing.c.kind == EntryKind.ANSWERED.value) & (closing.c.state == State.DONE.value)),
            )
            .exists()
        )
        query = select(tables.entry).where(tables.entry.c.kind.in_([kind.value for kind in kinds]), ~is_closed)
        return list(self._entries(query.order_by(tables.entry.c.cabinet, tables.entry.c.seq)))

    def last_words(self) -> dict[str, int]:
        """The place in its chain at which something was last said of a cabinet's work orders, by cabinet."""
        query = (
            select(tables.entry.c.cabinet, func.max(tables.entry.c.seq).label("seq"))
            .where(tables.entry.c.kind.in_([kind.value for kind in SAID_OF_ORDERS]))
            .group_by(tables.entry.c.cabinet)
        )
        return {row.cabinet: row.seq for row in self._rows(query)}

    def waves(self) -> tuple[str, ...]:
        """The waves that have been planned or run, by name."""
        known = (EntryKind.PLANNED.value, EntryKind.RUN_BEGAN.value)
        query = select(tables.entry.c.wave).where(tables.entry.c.kind.in_(known)).distinct()
        return tuple(row.wave for row in self._rows(query.order_by(tables.entry.c.wave)))

    def last_run(self, wave: str) -> str | None:
        query = select(tables.entry.c.run).where(
            tables.entry.c.wave == wave, tables.entry.c.kind == EntryKind.RUN_BEGAN.value
        )
        return next((row.run for row in self._rows(query.order_by(tables.entry.c.seq.desc()).limit(1))), None)

    def heads(self, cabinets: Sequence[str]) -> dict[str, tuple[int, str]]:
        """Number and hash of the last entry of each chain."""
        found: dict[str, tuple[int, str]] = {}
        for codes in _in_groups(cabinets):
            found |= self._ask(partial(heads_of, cabinets=set(codes)))
        return found

    def hashes_at(self, places: Mapping[str, int]) -> dict[str, str]:
        """The hash of each chain's entry in that place. Chains that have none there are left out."""
        found: dict[str, str] = {}
        named = tuple_(tables.entry.c.cabinet, tables.entry.c.seq)
        for codes in _in_groups(sorted(places)):
            query = select(tables.entry.c.cabinet, tables.entry.c.hash)
            rows = self._rows(query.where(named.in_([(code, places[code]) for code in codes])))
            found |= {row.cabinet: row.hash for row in rows}
        return found

    def at_work(self, now: datetime) -> frozenset[str]:
        """Cabinets that a process, as far as can be known, is working on now."""
        return self._ask(partial(leases.held, now=now))

    def runs_at_work(self, now: datetime) -> int:
        """How many runs, whatever their wave, hold a cabinet now."""
        return self._ask(partial(leases.owners, now=now))

    def live_runs(self, now: datetime) -> frozenset[str]:
        """Runs that have given a sign of life of late, ended or not."""
        return self._ask(partial(leases.runs, now=now))

    def running(self, wave: str, now: datetime) -> tuple[str, ...]:
        """Runs of a wave that have not ended and still give signs of life. One that died unseen counts for a minute more."""
        return going_on(self.of_wave(wave, (EntryKind.RUN_BEGAN, EntryKind.RUN_ENDED)), self.live_runs(now))

    def owing_a_reopen(self) -> tuple[str, ...]:
        """Cabinets whose last lock-out intent no reopen proof follows, or whose reopen a person said, who took that back."""
        column = tables.entry.c
        locks = (column.verb == "lock-out") & (column.kind == EntryKind.INTENT.value)
        takes_back = (column.verb == "reopen") & (column.kind == EntryKind.RETRACTED.value)
        locked = self._last_seq(locks | takes_back)
        opened = self._last_seq((column.step == "reopen") & (column.kind == EntryKind.PROOF.value))
        query = (
            select(locked.c.cabinet)
            .join(opened, locked.c.cabinet == opened.c.cabinet, isouter=True)
            .where((opened.c.seq.is_(None)) | (opened.c.seq < locked.c.seq))
            .order_by(locked.c.cabinet)
        )
        return tuple(row.cabinet for row in self._rows(query))

    def inventory(self, digest: str | None = None) -> StoredInventory | None:
        """A stored version, or the newest."""
        query = select(tables.inventory).order_by(tables.inventory.c.id.desc()).limit(1)
        if digest is not None:
            query = query.where(tables.inventory.c.digest == digest)
        row = next(iter(self._rows(query)), None)
        if row is None:
            return None
        return StoredInventory(digest=row.digest, at=row.at, who=row.who, source=row.source, content=row.content)

    def kept(self, name: str) -> bytes | None:
        """A list by its hash; None if it was purged."""
        rows = self._rows(select(tables.evidence.c.content).where(tables.evidence.c.hash == name))
        return zlib.decompress(rows[0].content) if rows else None

    def _entries(self, query: Select[Any]) -> list[Entry]:
        return self._ask(lambda connection: [entry_of(row) for row in connection.execute(query)])

    def _rows(self, query: Select[Any]) -> Sequence[Row[Any]]:
        return self._ask(lambda connection: connection.execute(query).all())

    def _last_seq(self, condition: Any) -> Any:
        return (
            select(tables.entry.c.cabinet, func.max(tables.entry.c.seq).label("seq"))
            .where(condition)
            .group_by(tables.entry.c.cabinet)
            .subquery()
        )

    def _ask(self, question: Callable[[Connection], T]) -> T:
        """Asked once more where the connection is lost over it."""
        for last in (False, True):
            try:
                with self._reading.connect() as connection, _as_written():
                    return question(connection)
            except DBAPIError as trouble:
                if last or not is_lost(trouble):
                    raise in_words(trouble) from trouble
        raise AssertionError("unreachable")

    @property
    def _open_writer(self) -> Writer:
        if self._writer is None:
            raise RuntimeError("This ledger was opened for reading, or is closed")
        return self._writer


def _in_time(entries: Iterable[Entry]) -> list[Entry]:
    """A chain's own order goes before its instants: clocks are set back. Row numbers have no say, as no hash holds them."""
    reached: dict[str, datetime] = {}

    def when(entry: Entry) -> datetime:
        reached[entry.cabinet] = max(reached.get(entry.cabinet, entry.at), entry.at)
        return reached[entry.cabinet]

    return sorted(sorted(entries, key=lambda entry: (entry.cabinet, entry.seq)), key=when)


@contextmanager
def _as_written() -> Iterator[None]:
    """Raises LedgerBroken where what is read is nothing that Bascule writes."""
    try:
        yield
    except (ValueError, TypeError) as unlike:
        raise LedgerBroken(
            f"The ledger cannot be read: something in it is not as Bascule wrote it ({unlike})",
            remedy="bascule audit verify names what it is; then restore the ledger from its backup",
        ) from unlike


def _in_groups(cabinets: Sequence[str]) -> Iterator[Sequence[str]]:
    for start in range(0, len(cabinets), AT_ONCE):
        yield cabinets[start : start + AT_ONCE]
