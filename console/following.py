"""The verb that goes on looking: watch."""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Sequence
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Annotated

import typer

from console.running import Environment
from console.telling import as_text, say, say_where

if TYPE_CHECKING:
    from rich.text import Text

    from bascule.reports import CabinetStatus, WaveStatus


WIDEST = (21, 21, 16, 7)
"""Of a cabinet's line: code, word, step, for how long, each as wide as it needs to be. What is left is for why and what next."""


def register(app: typer.Typer) -> None:
    app.command()(watch)


def watch(
    wave: Annotated[str, typer.Option("--wave", "-w", help="The wave, as the ledger knows it.")],
    every: Annotated[float, typer.Option("--every", min=0.5, help="Seconds between two looks.")] = 2.0,
    environment: Environment = None,
) -> None:
    """Go on showing where a wave stands, until no run is at work on it any more. Ctrl-C ends the looking, not the wave.

    Reads the ledger and nothing else, from any terminal. Where the output is no terminal it is shown once.

    Example: bascule watch --wave pilot
    """
    from rich.console import Console
    from rich.live import Live

    from bascule.reports import status_of
    from config.settings import read_settings
    from config.wiring import open_ledger
    from console.watching import show

    settings = read_settings(environment)
    say_where(settings)
    out = Console()
    with open_ledger(settings, read_only=True) as ledger:

        def look() -> Text:
            width, height = out.size
            return picture(status_of(ledger, wave, settings.expected.sizes), width, height - 1, datetime.now(UTC))

        if not out.is_terminal:
            show(status_of(ledger, wave, settings.expected.sizes))
            return
        try:
            with Live(look(), console=out, auto_refresh=False, screen=False) as live:
                while ledger.running(wave, datetime.now(UTC)):
                    time.sleep(every)
                    live.update(look(), refresh=True)
                live.update(look(), refresh=True)
        except KeyboardInterrupt:
            return
    say(f"No run is at work on wave {wave}. bascule status --wave {wave} says what needs somebody.")


def picture(status: WaveStatus, width: int, height: int, now: datetime) -> Text:
    """As many lines as there is room for, none longer than the terminal is wide; who needs somebody first, worst first."""
    from rich.text import Text

    from bascule.model import Lifecycle
    from bascule.reports.status import GRAVITY, locked_out_in_words, needing_somebody, word_of
    from console.tables import grade_in_words

    words = Counter(word_of(cabinet) for cabinet in status.cabinets)
    totals = ", ".join(f"{count} {word}" for word, count in words.most_common())
    over = sum(cabinet.lifecycle is Lifecycle.ENDED for cabinet in status.cabinets)
    head = [
        as_text(f"Wave {status.wave}, {grade_in_words(status)}: {totals}", style="bold"),
        _bar(over, status.planned, width),
        *(as_text(line, style="bold red") for line in locked_out_in_words(status)),
        *(as_text(line, style="yellow") for line in status.halts),
    ]
    rows = [one for one in needing_somebody(status) if one.started_at is not None]
    rows.sort(key=lambda one: (GRAVITY.index(one.outcome), one.slow is None))
    room = max(1, height - len(head))
    shown = rows if len(rows) <= room else _worst_and_under_way(rows, room - 1)
    cells = [_cells(one, now) for one in shown]
    sizes = [
        min(widest, 2 + max((len(of_one[place]) for of_one in cells), default=0)) for place, widest in enumerate(WIDEST)
    ]
    lines = [*head, *(_line(one, of_one, sizes) for one, of_one in zip(shown, cells, strict=True))]
    if len(shown) < len(rows):
        lines.append(as_text(f"… and {len(rows) - len(shown)} more: bascule status --wave {status.wave}", style="dim"))
    for line in lines:
        line.truncate(width, overflow="ellipsis")
    return Text("\n").join(lines[:height])


def _worst_and_under_way(rows: Sequence[CabinetStatus], room: int) -> list[CabinetStatus]:
    """Of more than there is room for: half went wrong, so that who is at work stays in sight however many failed."""
    from bascule.model import Outcome
    from bascule.reports.status import GRAVITY

    went_wrong = [one for one in rows if GRAVITY.index(one.outcome) < GRAVITY.index(Outcome.NONE)]
    others = rows[len(went_wrong) :]
    half = max(room - room // 2, room - len(others))
    worst = went_wrong[:half]
    return [*worst, *others[: room - len(worst)]]


def _bar(over: int, planned: int, width: int) -> Text:
    from rich.text import Text

    told = f" {over} of {planned} ended"
    room = max(10, width - len(told))
    full = room * over // planned if planned else 0
    return Text("━" * full, style="green") + Text("─" * (room - full), style="dim") + Text(told)


def _cells(cabinet: CabinetStatus, now: datetime) -> tuple[str, ...]:
    from bascule.reports.status import word_of
    from console.tables import for_how_long

    return cabinet.code, word_of(cabinet), cabinet.step or "", for_how_long(cabinet, now)


def _line(cabinet: CabinetStatus, cells: Sequence[str], sizes: Sequence[int]) -> Text:
    """One line, whatever it says."""
    from rich.text import Text

    from console.tables import COLOURS

    line = Text()
    for cell, size, style in zip(cells, sizes, ("bold", COLOURS.get(cells[1], "red"), "", ""), strict=True):
        line.append(f"{cell[: size - 1]:{size}}", style=style)
    if cabinet.slow:
        line.append(f"SLOW {cabinet.slow}; ", style="yellow")
    why = " → ".join(told for told in (cabinet.reason, cabinet.next_action) if told)
    return line.append(as_text(" ".join(why.split())))
