"""A wave as a table: who needs somebody first, the others counted."""

from __future__ import annotations

from collections import Counter

from rich.table import Table

from bascule.reports import WaveStatus
from bascule.reports.status import needing_somebody, word_of

COLOURS = {"ok": "green", "waiting": "yellow", "paused": "yellow", "ok-with-reservations": "cyan", "blocked": "magenta"}
SHOWN = 40
"""Rows at most; the files have them all."""


def wave_in_words(status: WaveStatus) -> Table:
    accounted = sum(status.outcomes.values())
    totals = ", ".join(
        f"{count} {word}" for word, count in Counter(word_of(cabinet) for cabinet in status.cabinets).most_common()
    )
    table = Table(
        title=f"Wave {status.wave}: {accounted} of {status.planned} accounted for ({totals}); grade {status.grade}",
        title_justify="left",
    )
    for column in ("cabinet", "stands", "at step", "why", "next"):
        table.add_column(column, overflow="fold")
    needing = needing_somebody(status)
    for cabinet in needing[:SHOWN]:
        word = word_of(cabinet)
        colour = COLOURS.get(word, "red")
        # Text that comes from outside is shown as it is, never read as markup.
        cells = [cabinet.step or "", cabinet.reason or "", cabinet.next_action or ""]
        table.add_row(cabinet.code, f"[{colour}]{word}[/]", *(cell.replace("[", r"\[") for cell in cells))
    if len(needing) > SHOWN:
        table.add_row("…", f"{len(needing) - SHOWN} more", "", "", "see failed.csv")
    fine = len(status.cabinets) - len(needing)
    if fine:
        table.add_row(
            f"{fine} other{'s' if fine > 1 else ''}" if needing else f"all {fine}", "[green]ok[/]", "", "", ""
        )
    return table
