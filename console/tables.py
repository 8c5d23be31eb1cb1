"""A wave as a table: who needs somebody first, the others counted."""

from __future__ import annotations

from collections import Counter

from rich.console import Group
from rich.table import Table
from rich.text import Text

from bascule.model import Lifecycle
from bascule.reports import WaveStatus
from bascule.reports.status import needing_somebody, word_of

COLOURS = {"ok": "green", "waiting": "yellow", "paused": "yellow", "ok-with-reservations": "cyan", "blocked": "magenta"}
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
    table = Table()
    for column in ("cabinet", "stands", "at step", "why", "next"):
        table.add_column(column, overflow="fold")
    everyone = needing_somebody(status)
    not_begun = [cabinet for cabinet in everyone if cabinet.lifecycle is Lifecycle.PLANNED]
    needing = [cabinet for cabinet in everyone if cabinet not in not_begun] if len(not_begun) > FEW else everyone
    for cabinet in needing[:SHOWN]:
        word = word_of(cabinet)
        colour = COLOURS.get(word, "red")
        # Text that comes from outside is shown as it is, never read as markup.
        cells = [cabinet.step or "", cabinet.reason or "", cabinet.next_action or ""]
        table.add_row(cabinet.code, f"[{colour}]{word}[/]", *(cell.replace("[", r"\[") for cell in cells))
    if len(needing) > SHOWN:
        table.add_row("…", f"{len(needing) - SHOWN} more", "", "", "see failed.csv")
    if len(not_begun) > FEW:
        named = ", ".join(cabinet.code for cabinet in not_begun[:FEW])
        table.add_row(f"{len(not_begun)} not begun", "planned", "", f"{named} …", not_begun[0].next_action or "")
    fine = len(status.cabinets) - len(everyone)
    if fine:
        table.add_row(
            f"{fine} other{'s' if fine > 1 else ''}" if everyone else f"all {fine}", "[green]ok[/]", "", "", ""
        )
    told = f"Wave {status.wave}: {accounted} of {status.planned} accounted for ({totals}); grade {status.grade}"
    return Group(Text(told, style="italic"), table)
