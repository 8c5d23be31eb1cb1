"""A wave as a table: who needs somebody first, the others counted."""

from __future__ import annotations

from collections import Counter
from datetime import UTC, datetime

from rich import box
from rich.console import Group
from rich.table import Table
from rich.text import Text

from bascule.model import Lifecycle, Outcome
from bascule.reports import CabinetStatus, WaveStatus
from bascule.reports.status import needing_somebody, word_of
from console.telling import as_text

COLOURS = {
    "ok": "green",
    "running": "blue",
    "waiting": "yellow",
    "paused": "yellow",
    "ok-with-reservations": "cyan",
    "blocked": "magenta",
}
SHOWN = 40
"""Rows at most; the files have them all."""
FEW = 3
"""Cabinets not begun that have a row each; more of them say the same on one."""


def wave_in_words(status: WaveStatus) -> Group:
    """The totals on a line of their own, which no table's width folds; then who needs somebody."""
    accounted = sum(status.outcomes.values())
    totals = ", ".join(
        f"{count} {word}" for word, count in Counter(word_of(cabinet) for cabinet in status.cabinets).most_common()
    )
    now = datetime.now(UTC)
    table = Table(box=box.SIMPLE_HEAD, padding=(0, 1, 0, 0))
    for column in ("cabinet", "stands", "why, and what next"):
        table.add_column(column, overflow="fold")
    everyone = needing_somebody(status)
    not_begun = [cabinet for cabinet in everyone if cabinet.lifecycle is Lifecycle.PLANNED]
    begun = [cabinet for cabinet in everyone if cabinet.lifecycle is not Lifecycle.PLANNED]
    needing = begun if len(not_begun) > FEW else everyone
    for cabinet in needing[:SHOWN]:
        table.add_row(cabinet.code, _stands(cabinet, now), _why_and_next(cabinet))
    if len(needing) > SHOWN:
        table.add_row("…", f"{len(needing) - SHOWN} more", "see failed.csv")
    if len(not_begun) > FEW:
        named = ", ".join(cabinet.code for cabinet in not_begun[:FEW])
        table.add_row(
            f"{len(not_begun)} not begun", "planned", as_text(f"{named} … → {not_begun[0].next_action or ''}")
        )
    fine = len(status.cabinets) - len(everyone)
    if fine:
        others = f"{fine} other{'s' if fine > 1 else ''}" if everyone else f"all {fine}"
        table.add_row(others, Text("ok", style="green"), "")
    told = f"Wave {status.wave}: {accounted} of {status.planned} accounted for ({totals}); {grade_in_words(status)}"
    return Group(as_text(told, style="italic"), table)


def grade_in_words(status: WaveStatus) -> str:
    told = {Outcome.NONE: "not known yet", Outcome.UNKNOWN: "unknown (some cabinet's outcome is unknown)"}
    return f"grade {told.get(status.grade, status.grade.value)}"


def _stands(cabinet: CabinetStatus, now: datetime) -> Text:
    """In one word, at which step, and for how long where somebody may be waiting for it."""
    word = word_of(cabinet)
    lines = [
        (word, COLOURS.get(word, "red")),
        *([(f"at {cabinet.step}", "dim")] if cabinet.step else []),
        *([(f"for {how_long}", "dim")] if (how_long := for_how_long(cabinet, now)) else []),
    ]
    return Text("\n").join(as_text(line, style=style) for line, style in lines)


def _why_and_next(cabinet: CabinetStatus) -> Text:
    not_done = str(cabinet.last_not_done) if cabinet.last_not_done is not None else None
    told = [one for one in (cabinet.reason, not_done, cabinet.slow) if one]
    told += [f"→ {cabinet.next_action}"] if cabinet.next_action else []
    return as_text("\n".join(told))


def for_how_long(cabinet: CabinetStatus, now: datetime) -> str:
    """Empty where nobody waits for it."""
    if cabinet.since is None or cabinet.lifecycle not in (Lifecycle.RUNNING, Lifecycle.WAITING, Lifecycle.PAUSED):
        return ""
    # Clocks of two machines may differ.
    minutes = max(0, int((now - cabinet.since).total_seconds() // 60))
    return f"{minutes // 1440} d" if minutes >= 2880 else f"{minutes // 60} h" if minutes >= 120 else f"{minutes} min"
