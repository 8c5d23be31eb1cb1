"""Which waiting cabinets a schedule takes up again: those for which something may have come, and no others."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from datetime import datetime, timedelta

from bascule.workorders import WorkOrder

LOOKS_AGAIN_AFTER = timedelta(hours=1)
"""Where no answer is awaited, but time, a file or a remote: each look is a few lines of the ledger for good."""


def worth_resuming(waiting: Mapping[str, datetime], orders: Iterable[WorkOrder], now: datetime) -> tuple[str, ...]:
    """Of the waiting cabinets, with the instant since when, those to look at again, by code. An order on hold is a person's to take up."""
    awaited: set[str] = set()
    news: set[str] = set()
    for order in orders:
        since = waiting.get(order.cabinet)
        if since is None:
            continue
        if order.state.needs_somebody:
            awaited.add(order.cabinet)
        if order.settled_at is not None and order.settled_at >= since:
            news.add(order.cabinet)
    return tuple(
        sorted(
            code
            for code, since in waiting.items()
            if code not in awaited and (code in news or now - since >= LOOKS_AGAIN_AFTER)
        )
    )
