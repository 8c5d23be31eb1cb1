"""The right to run a cabinet now. The fencing number rises with every new holder and never falls."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Any

from sqlalchemy import Connection, Row, insert, select, update

from bascule.errors import CabinetTaken
from bascule.ledger.owners import Owner, is_provably_dead
from bascule.ledger.tables import lease, lock_out

LEASE_SECONDS = 60.0
HEARTBEAT_SECONDS = 15.0

RUN = "@"
"""Before a run's id, where the lease is of the run itself. No cabinet's code begins so."""


def take(connection: Connection, cabinet: str, owner: Owner, now: datetime, seconds: float = LEASE_SECONDS) -> int:
    """The new fencing number. Raises CabinetTaken while another holder may be alive."""
    held = connection.execute(select(lease).where(lease.c.cabinet == cabinet)).one_or_none()
    if held is not None and held.expires_at > now and held.owner != owner.id and not is_provably_dead(owner_of(held)):
        raise CabinetTaken(
            f"{cabinet}: process {held.pid} on {held.host} is working on this cabinet",
            until=(held.expires_at - now).total_seconds(),
        )
    values = {
        "fence": (held.fence if held is not None else 0) + 1,
        **owned_by(owner),
        "heartbeat_at": now,
        "expires_at": now + timedelta(seconds=seconds),
    }
    if held is None:
        connection.execute(insert(lease).values(cabinet=cabinet, **values))
        return 1
    # The fence in the condition: of two who read the same row, only one changes it.
    changed = connection.execute(
        update(lease).where(lease.c.cabinet == cabinet, lease.c.fence == held.fence).values(**values)
    )
    if changed.rowcount != 1:
        raise CabinetTaken(f"{cabinet}: another process took this cabinet at the same moment", until=seconds)
    return int(held.fence) + 1


def renew(connection: Connection, owner: Owner, now: datetime, seconds: float = LEASE_SECONDS) -> None:
    """A heartbeat for everything that this owner holds, lock-outs too. What lasts longer already is not cut short."""
    until = now + timedelta(seconds=seconds)
    for table in (lease, lock_out):
        connection.execute(
            update(table)
            .where(table.c.owner == owner.id, table.c.expires_at < until, table.c.expires_at > now)
            .values(heartbeat_at=now, expires_at=until)
        )


def outlive(connection: Connection, cabinet: str, fence: int, until: datetime) -> None:
    """Makes a lease last at least until then: before an act that may take longer than the lease."""
    connection.execute(
        update(lease)
        .where(lease.c.cabinet == cabinet, lease.c.fence == fence, lease.c.expires_at < until)
        .values(expires_at=until)
    )


def let_go(connection: Connection, cabinet: str, fence: int, now: datetime) -> None:
    """Ends a lease. The row stays: it remembers the fencing number."""
    connection.execute(update(lease).where(lease.c.cabinet == cabinet, lease.c.fence == fence).values(expires_at=now))


def held(connection: Connection, now: datetime) -> frozenset[str]:
    """The cabinets whose lease has not expired and whose owner is not provably dead."""
    return frozenset(row.cabinet for row in _alive(connection, now) if not row.cabinet.startswith(RUN))


def owners(connection: Connection, now: datetime) -> int:
    """How many runs hold a cabinet now, and may be alive."""
    return len({row.owner for row in _alive(connection, now) if not row.cabinet.startswith(RUN)})


def runs(connection: Connection, now: datetime) -> frozenset[str]:
    """The runs that have given a sign of life within a lease, and are not provably dead."""
    return frozenset(row.cabinet.removeprefix(RUN) for row in _alive(connection, now) if row.cabinet.startswith(RUN))


def of_run(run: str) -> str:
    """What a run holds while it lives, whether or not it has a cabinet at hand."""
    return RUN + run


def _alive(connection: Connection, now: datetime) -> list[Row[Any]]:
    rows = connection.execute(select(lease).where(lease.c.expires_at > now))
    return [row for row in rows if not is_provably_dead(owner_of(row))]


def owned_by(owner: Owner) -> dict[str, Any]:
    return {
        "owner": owner.id,
        "host": owner.host,
        "boot": owner.boot,
        "pid": owner.pid,
        "process_started": owner.process_started,
    }


def owner_of(row: Row[Any]) -> Owner:
    return Owner(id=row.owner, host=row.host, boot=row.boot, pid=row.pid, process_started=row.process_started)
