"""What a large wave costs to look at: status, the whole run folder, the audit. `python -m benchmarks.folder --cabinets 5000`."""

from __future__ import annotations

import asyncio
import resource
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Annotated, Any

import typer

from bascule.inventory.stored import from_plain
from bascule.ledger import Entry, EntryKind, Ledger
from bascule.ledger.audit import Selection, audit
from bascule.model import ErrorClass, Lifecycle, Outcome, State
from bascule.procedure import PROCEDURE
from bascule.reports import status_of
from bascule.reports.publishing import publish

BEGAN = datetime(2026, 11, 20, 20, tzinfo=UTC)
LIMITS = {"status": 1.0, "run folder": 60.0, "audit": 10.0}
"""Seconds, for 5,000 cabinets and 100,000 entries on two cores."""
MEMORY = 1024.0
"""MiB at most."""
STOPPED_EVERY = 17
"""One cabinet in so many is blocked, at a step of its own."""


def main(cabinets: Annotated[int, typer.Option(help="How many.")] = 5_000) -> None:
    """Ends 1 where a limit is passed, whatever the number of cabinets."""
    with tempfile.TemporaryDirectory() as place:
        url = f"sqlite:///{place}/ledger.db"
        with Ledger(url) as ledger:
            asyncio.run(fill(ledger, cabinets))
        with Ledger(url, read_only=True) as ledger:
            entries = sum(seq for seq, _ in ledger.heads([_code(number) for number in range(cabinets)]).values())
            print(f"{cabinets} cabinets, {entries} entries")
            took = {
                "status": _seconds(lambda: status_of(ledger, "large")),
                "run folder": _seconds(lambda: publish(ledger, "large", Path(place))),
            }
        digest: Callable[[Any], str] = lambda content: from_plain(content).digest  # noqa: E731
        took["audit"] = _seconds(lambda: audit(url, Selection(), anchor={}, inventory_digest=digest))
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    for what, seconds in took.items():
        print(f"{what}: {seconds:.2f} s (limit {LIMITS[what]:.0f})")
    print(f"memory at most: {peak:.0f} MiB (limit {MEMORY:.0f})")
    if peak > MEMORY or any(seconds > LIMITS[what] for what, seconds in took.items()):
        sys.exit(1)


async def fill(ledger: Ledger, cabinets: int) -> None:
    began = Entry(cabinet="@large", kind=EntryKind.RUN_BEGAN, at=BEGAN, who="ops", wave="large", run="R1")
    await ledger.record(began)
    for number in range(cabinets):
        ledger.record_later(*_history(number))
        if number % 500 == 0:
            await ledger.settle()
    await ledger.settle()


def _history(number: int) -> Iterator[Entry]:
    code, at = _code(number), BEGAN + timedelta(seconds=number)

    def entry(kind: EntryKind, **fields: Any) -> Entry:
        nonlocal at
        at += timedelta(seconds=3)
        return Entry(cabinet=code, kind=kind, at=at, who="ops", wave="large", run="R1", **fields)

    planned = {"name": f"Cabinet Œuvre {number}", "owner": ("anne", "paul")[number % 2]}
    yield entry(EntryKind.PLANNED, lifecycle=Lifecycle.PLANNED, evidence=planned)
    yield entry(EntryKind.BEGAN, lifecycle=Lifecycle.RUNNING)
    lists = {"taken_at": "2026-11-20T20:00:00Z", "groups": 4, "dossiers": number % 2000, "rights": 100}
    stops = number % STOPPED_EVERY == 0
    steps = PROCEDURE[: 12 if stops else 15]
    for step in steps:
        if step.acts and step.name in ("admin-sage", "connect"):
            yield entry(EntryKind.INTENT, step=step.name, verb=step.name, key=f"{code}-{step.name}")
        yield entry(EntryKind.PROOF, step=step.name, state=State.DONE, evidence={"observed": {"ge-lists": lists}})
    error: dict[str, Any] = {}
    if stops:
        step = PROCEDURE[12]
        error = {"error_class": ErrorClass.DATA, "error_signature": f"{step.name}: cause {number % 5}"}
        yield entry(EntryKind.VERDICT, step=step.name, state=State.FAILED, reason="blocked", **error)
    outcome = Outcome.BLOCKED if stops else Outcome.OK
    told = {"dossiers": number % 2000}
    yield entry(EntryKind.ENDED, lifecycle=Lifecycle.ENDED, outcome=outcome, evidence=told, **error)


def _code(number: int) -> str:
    return f"C{number:05d}"


def _seconds(do: Callable[[], object]) -> float:
    began = time.perf_counter()
    do()
    return time.perf_counter() - began


if __name__ == "__main__":
    typer.run(main)
