"""Writes in groups: whatever waits is written in one transaction, and nobody is told "written" before it is on disk."""

from __future__ import annotations

import asyncio
import logging
import queue
import threading
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from time import monotonic, sleep
from typing import Any

from sqlalchemy import Connection, Engine, func, insert, select
from sqlalchemy.exc import DBAPIError

from bascule.errors import BasculeError, LeaseLost, LedgerUnreachable
from bascule.ledger import lock_outs, tables
from bascule.ledger.entries import GENESIS, Entry, chained
from bascule.ledger.rows import row_of
from bascule.ledger.trouble import in_words, is_collision, is_lost, is_nobodys_fault

log = logging.getLogger("bascule.ledger")

Answers = list[tuple[Any, BaseException | None]]
"""What each write of a group comes to: its result, or why it was refused."""

Deliver = Callable[[Any, BaseException | None], None]

TRIES = 5
"""Attempts at one group that collides with what others do to the same database at the same moment."""

GROUP = 500
"""Writes taken into one transaction at most, so that nobody waits for somebody else's flood."""


@dataclass(slots=True)
class Append:
    """Entries that belong together. Refused whole when their lease is lost."""

    entries: Sequence[Entry]
    deliver: Deliver | None


@dataclass(slots=True)
class Call:
    """Any other write: taking a lease, keeping a list. One that appends no entry can be done twice: it may have to be."""

    run: Callable[[Connection], Any]
    deliver: Deliver | None


class Writer:
    """The one thread that writes. Entries keep the order in which they were handed over.

    A database that is lost is waited for, `patience` seconds for each group, and nothing is written twice meanwhile.
    """

    def __init__(self, engine: Engine, patience: float) -> None:
        self._engine = engine
        self._patience = patience
        self._queue: queue.SimpleQueue[Append | Call | None] = queue.SimpleQueue()
        self._lost: dict[str, BaseException] = {}
        """What could not be written while nobody waited for it, by cabinet."""
        self._thread = threading.Thread(target=self._work, name="ledger-writer", daemon=True)
        self._thread.start()

    async def append(self, entries: Sequence[Entry]) -> tuple[Entry, ...]:
        """Returns when the entries are on disk, as they stand there. Raises LeaseLost, or what is wrong with the ledger."""
        future, deliver = _promise()
        self._queue.put(Append(entries, deliver))
        written: tuple[Entry, ...] = await future
        return written

    def append_later(self, entries: Sequence[Entry]) -> None:
        """Written with the next group. What goes wrong is raised to who next waits for this cabinet, or settles."""
        self._queue.put(Append(entries, None))

    async def call(self, run: Callable[[Connection], Any]) -> Any:
        future, deliver = _promise()
        self._queue.put(Call(run, deliver))
        return await future

    def call_later(self, run: Callable[[Connection], Any]) -> None:
        self._queue.put(Call(run, None))

    async def settle(self) -> None:
        """Returns when everything handed over is on disk. Raises what was lost, but for lost leases: those concern one cabinet."""
        await self.call(lambda _: None)
        of_all = [cabinet for cabinet, error in self._lost.items() if not isinstance(error, LeaseLost)]
        lost = [self._lost.pop(cabinet) for cabinet in of_all]
        if lost:
            raise lost[0]

    def close(self) -> None:
        self._queue.put(None)
        self._thread.join()
        for cabinet, error in self._lost.items():
            log.error("%s: not written to the ledger: %s", cabinet or "a list", error)

    def _work(self) -> None:
        open_still = True
        while open_still:
            group: list[Append | Call] = []
            open_still = self._take(group)
            if group:
                self._write(group)

    def _take(self, group: list[Append | Call]) -> bool:
        """Waits for one write, then takes what else is there. False once told to close."""
        item = self._queue.get()
        while item is not None:
            group.append(item)
            if len(group) >= GROUP:
                return True
            try:
                item = self._queue.get_nowait()
            except queue.Empty:
                return True
        return False

    def _write(self, group: list[Append | Call]) -> None:
        try:
            answers = self._in_one_transaction(group)
        except Exception as trouble:  # noqa: BLE001  # whatever it is, it is delivered to those who wait, who raise it
            if len(group) > 1 and not is_nobodys_fault(trouble):
                # One of them may be at fault; the others must not suffer for it.
                for item in group:
                    self._write([item])
                return
            answers = [(None, in_words(trouble))] * len(group)
        for item, (result, error) in zip(group, answers, strict=True):
            cabinet = item.entries[0].cabinet if isinstance(item, Append) and item.entries else ""
            if item.deliver is not None:
                item.deliver(result, error or self._lost.pop(cabinet or "-", None))
            elif error is not None:
                self._lost[cabinet] = error

    def _in_one_transaction(self, group: list[Append | Call]) -> Answers:
        """Whatever happens to the connection, at the commit too, the group is written once, or known not to be, or told."""
        answers: Answers = []
        tries, until = 0, monotonic() + self._patience
        while True:
            tries += 1
            try:
                with self._engine.begin() as connection:
                    # Who writes has the ledger to itself: the transaction that was cut off has ended, one way or the other.
                    if not _are_on_record(connection, answers):
                        answers.clear()
                        answers.extend(_carry_out(connection, group))
                return answers
            except DBAPIError as trouble:
                if is_lost(trouble) and monotonic() >= until and answers:
                    raise _untold(trouble) from trouble
                if is_lost(trouble) and monotonic() < until:
                    sleep(min(0.02 * 2**tries, 1))
                elif not is_collision(trouble) or tries >= TRIES:
                    raise


def _are_on_record(connection: Connection, answers: Answers) -> bool:
    """Whether the transaction that came to these answers was committed: it was as a whole, so one of its entries tells."""
    placed = next((entry for result, _ in answers if isinstance(result, tuple) for entry in result), None)
    if placed is None:
        return False
    found = connection.execute(
        select(tables.entry.c.hash).where(tables.entry.c.cabinet == placed.cabinet, tables.entry.c.seq == placed.seq)
    )
    return bool(found.scalar() == placed.hash)


def _untold(trouble: DBAPIError) -> LedgerUnreachable:
    return LedgerUnreachable(
        f"The connection to the ledger was lost in the middle of a write, and did not come back: whether the last entries are on record is not known ({str(trouble.orig).strip()})",
        remedy="see that PostgreSQL runs and can be reached, then run the same command again: it goes by what is on record",
    )


def _carry_out(connection: Connection, group: list[Append | Call]) -> Answers:
    answers: Answers = []
    start = 0
    while start < len(group):
        item = group[start]
        if isinstance(item, Call):
            try:
                answers.append((item.run(connection), None))
            except BasculeError as refused:
                answers.append((None, refused))
            start += 1
            continue
        stop = start
        while stop < len(group) and isinstance(group[stop], Append):
            stop += 1
        answers.extend(_append(connection, [item for item in group[start:stop] if isinstance(item, Append)]))
        start = stop
    return answers


def append_in(connection: Connection, entries: Sequence[Entry]) -> tuple[Entry, ...]:
    """Appends within a transaction that is open. Raises LeaseLost."""
    if not entries:
        return ()
    [(written, refused)] = _append(connection, [Append(entries, None)])
    if refused is not None:
        raise refused
    placed: tuple[Entry, ...] = written
    return placed


def _append(connection: Connection, items: list[Append]) -> Answers:
    cabinets = {entry.cabinet for item in items for entry in item.entries}
    heads = heads_of(connection, cabinets)
    fences = _fences_of(connection, {entry.cabinet for item in items for entry in item.entries if entry.fence})
    answers: Answers = []
    rows: list[dict[str, Any]] = []
    for item in items:
        stale = [entry for entry in item.entries if entry.fence and fences.get(entry.cabinet) != entry.fence]
        if stale:
            answers.append(
                (
                    None,
                    LeaseLost(
                        f"{stale[0].cabinet}: another process took this cabinet over; nothing more was written for it"
                    ),
                )
            )
            continue
        placed = []
        for entry in item.entries:
            seq, previous = heads.get(entry.cabinet, (0, GENESIS))
            whole = chained(entry, seq + 1, previous)
            heads[entry.cabinet] = (whole.seq, whole.hash)
            placed.append(whole)
            rows.append(row_of(whole))
        answers.append((tuple(placed), None))
    if rows:
        connection.execute(insert(tables.entry), rows)
        lock_outs.end_with(connection, (entry for placed, _ in answers for entry in placed or ()))
    return answers


def heads_of(connection: Connection, cabinets: set[str]) -> dict[str, tuple[int, str]]:
    """The last entry's number and hash of each chain."""
    last = (
        select(tables.entry.c.cabinet, func.max(tables.entry.c.seq).label("seq"))
        .where(tables.entry.c.cabinet.in_(cabinets))
        .group_by(tables.entry.c.cabinet)
        .subquery()
    )
    found = connection.execute(
        select(tables.entry.c.cabinet, tables.entry.c.seq, tables.entry.c.hash).join(
            last, (tables.entry.c.cabinet == last.c.cabinet) & (tables.entry.c.seq == last.c.seq)
        )
    )
    return {row.cabinet: (row.seq, row.hash) for row in found}


def _fences_of(connection: Connection, cabinets: set[str]) -> dict[str, int]:
    if not cabinets:
        return {}
    found = connection.execute(
        select(tables.lease.c.cabinet, tables.lease.c.fence).where(tables.lease.c.cabinet.in_(cabinets))
    )
    return {row.cabinet: row.fence for row in found}


def _promise() -> tuple[asyncio.Future[Any], Deliver]:
    loop = asyncio.get_running_loop()
    future: asyncio.Future[Any] = loop.create_future()

    def settle(result: Any, error: BaseException | None) -> None:
        if future.done():
            return
        if error is not None:
            future.set_exception(error)
        else:
            future.set_result(result)

    def deliver(result: Any, error: BaseException | None) -> None:
        # The loop may be gone when a run was torn down; then nobody waits any more.
        if not loop.is_closed():
            loop.call_soon_threadsafe(settle, result, error)

    return future, deliver
