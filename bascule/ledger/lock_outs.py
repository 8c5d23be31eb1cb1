"""Whose users are kept out now, by whom, since when and until when at the latest.

Beside the lease of the cabinet, because it ends later: a run may let go of a cabinet whose users are still out. A row says that
they are, as far as the ledger was told; it goes when they are back.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime, timedelta

from sqlalchemy import Connection, delete, insert, select, update

from bascule.errors import LeaseLost
from bascule.ledger.entries import Entry, EntryKind
from bascule.ledger.leases import owned_by, owner_of
from bascule.ledger.owners import Owner, is_provably_dead
from bascule.ledger.tables import lease, lock_out


@dataclass(frozen=True, slots=True, kw_only=True)
class LockOut:
    cabinet: str
    owner: Owner
    fence: int
    """The number under which the cabinet was held when this owner locked out, or took over from one who had."""
    since: datetime
    """When the first of its owners locked out: users have been waiting since then."""
    deadline: datetime
    heartbeat_at: datetime
    is_orphaned: bool
    """Its owner is provably dead, or has given no sign for longer than a lease: whoever looks next looks after it."""


def hold(
    connection: Connection, cabinet: str, owner: Owner, fence: int, now: datetime, deadline: datetime, seconds: float
) -> None:
    """Raises LeaseLost unless this is still the cabinet's number. Who takes over takes over the beginning and the deadline too."""
    newest = connection.execute(select(lease.c.fence).where(lease.c.cabinet == cabinet)).scalar()
    if newest != fence:
        raise LeaseLost(f"{cabinet}: another process took this cabinet over; its users were not locked out")
    holding = {
        "fence": fence,
        **owned_by(owner),
        "heartbeat_at": now,
        "expires_at": now + timedelta(seconds=seconds),
    }
    taken_over = connection.execute(update(lock_out).where(lock_out.c.cabinet == cabinet).values(**holding))
    if taken_over.rowcount == 0:
        connection.execute(insert(lock_out).values(cabinet=cabinet, since=now, deadline=deadline, **holding))


def let_go(connection: Connection, cabinet: str, fence: int) -> None:
    """Users are back. Who lost the cabinet since cannot say so."""
    connection.execute(delete(lock_out).where(lock_out.c.cabinet == cabinet, lock_out.c.fence <= fence))


def end_with(connection: Connection, entries: Iterable[Entry]) -> None:
    """What proves that users are back ends the lock-out, in the same transaction: nobody dies in between."""
    for entry in entries:
        if entry.kind is EntryKind.PROOF and entry.step == "reopen":
            let_go(connection, entry.cabinet, entry.fence)


def held(connection: Connection, now: datetime) -> tuple[LockOut, ...]:
    """The longest first."""
    return tuple(
        LockOut(
            cabinet=row.cabinet,
            owner=owner_of(row),
            fence=row.fence,
            since=row.since,
            deadline=row.deadline,
            heartbeat_at=row.heartbeat_at,
            is_orphaned=row.expires_at <= now or is_provably_dead(owner_of(row)),
        )
        for row in connection.execute(select(lock_out).order_by(lock_out.c.since, lock_out.c.cabinet))
    )
