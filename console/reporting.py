"""The verbs that write documents of a wave, and that hold waves against each other."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from bascule.errors import BasculeError
from console.running import Environment, Json
from console.telling import as_text, print_json, say, say_where, tell

if TYPE_CHECKING:
    import pandas as pd

    from bascule.ledger import Ledger
    from bascule.reports.proces_verbal import ProcesVerbal
    from config.settings import Settings


app = typer.Typer(invoke_without_command=True)


class NothingToReport(BasculeError):
    """There is nothing that could be written."""


def register(cli: typer.Typer) -> None:
    cli.add_typer(app, name="report")


@app.callback()
def report(
    context: typer.Context,
    wave: Annotated[str | None, typer.Option("--wave", "-w", help="The wave, as the ledger knows it. Needed.")] = None,
    cabinet: Annotated[
        list[str] | None,
        typer.Option("--cabinet", "-c", help="Only this cabinet's procès-verbal, page and PDF; may be repeated."),
    ] = None,
    language: Annotated[
        str | None,
        typer.Option("--language", help="fr or en, instead of the setting; a procès-verbal has its cabinet's."),
    ] = None,
    output: Annotated[
        Path | None,
        typer.Option(
            "--output", "-o", help="Where run folders go, instead of the setting's place; with --cabinet: here."
        ),
    ] = None,
    environment: Environment = None,
) -> None:
    """Write the run folder of a wave's last run again, from the ledger: page, workbook, tables, procès-verbaux.

    Example: bascule report --wave pilot --language en
    """
    from bascule.reports.language import language_named
    from config.settings import read_settings
    from config.wiring import open_ledger

    if context.invoked_subcommand is not None:
        if wave or cabinet or output:
            raise NothingToReport(
                "--wave, --cabinet and --output are for writing a report",
                remedy=f"leave them out, or leave out {context.invoked_subcommand!r}",
            )
        return
    if wave is None:
        raise NothingToReport(
            "Which wave?",
            remedy="give --wave W (bascule status lists them); to hold several against each other: "
            "bascule report compare W1 W2",
        )
    settings = read_settings(environment)
    of_people = language_named(language or settings.language).code
    say_where(settings)
    with open_ledger(settings, read_only=True) as ledger:
        if cabinet:
            written: Sequence[Path] = _proces_verbaux(ledger, wave, cabinet, output or Path())
        else:
            written = _folder(ledger, wave, output or settings.out, settings, of_people)
            # Of a wave they are many: where they are is enough.
            folder = written[0].parent
            written = tuple(dict.fromkeys(folder / path.relative_to(folder).parts[0] for path in written))
    for path in written:
        typer.echo(str(path))


@app.command()
def compare(
    waves: Annotated[list[str], typer.Argument(help="Two waves or more, as the ledger knows them.", metavar="W1 W2 …")],
    json: Json = False,
    environment: Environment = None,
) -> None:
    """Hold waves against each other, in the order of their first run: how many arrived, at once or not, how long it took.

    Example: bascule report compare pilot main
    """
    from bascule.ledger import EntryKind
    from bascule.reports.comparison import comparison
    from bascule.reports.status import RUN_KINDS, known_wave
    from config.settings import read_settings
    from config.wiring import open_ledger

    if len(set(waves)) < 2:
        raise NothingToReport("One wave has nothing to be held against", remedy="name two or more")
    settings = read_settings(environment)
    say_where(settings)
    with open_ledger(settings, read_only=True) as ledger:
        for wave in waves:
            known_wave(ledger, wave)
        told = comparison(ledger.of_kinds([*RUN_KINDS, EntryKind.RUN_BEGAN]))
    told = told[told["wave"].isin(waves)]
    left_out = sorted(set(waves) - set(told["wave"]))
    if json:
        from bascule.reports.account import records

        print_json(records(told))
    else:
        _tell(told)
    still_open = told[told["not_ended"] > 0]
    for wave, count in zip(still_open["wave"], still_open["not_ended"], strict=True):
        say(f"warning: wave {wave} is open: {count} of its cabinets have not ended, and its figures may still change")
    if left_out:
        say(f"warning: no cabinet of {', '.join(left_out)} was to be moved, so nothing is compared")


def _folder(ledger: Ledger, wave: str, out: Path, settings: Settings, language: str) -> tuple[Path, ...]:
    from bascule.reports.publishing import publish

    published = publish(ledger, wave, out, sizes=settings.expected.sizes, language=language)
    if published.account.run == "no-run":
        say(f"warning: wave {wave} was planned and never run")
    if published.account.is_open:
        say(f"warning: wave {wave} is open: not all of its cabinets have ended")
    return published.files


def _proces_verbaux(ledger: Ledger, wave: str, codes: list[str], out: Path) -> list[Path]:
    from bascule.reports.proces_verbal import proces_verbaux
    from bascule.reports.publishing import write_whole
    from bascule.reports.status import status_of
    from bascule.waves.choosing import did_you_mean
    from flows.preparing import waves_of

    known = {cabinet.code for cabinet in status_of(ledger, wave).cabinets}
    wanted = [code.strip().upper() for code in codes]
    for code in wanted:
        if code not in known:
            elsewhere = waves_of(ledger, [code])
            told = f": it is in {', '.join(elsewhere)}" if elsewhere else did_you_mean(code, sorted(known))
            raise NothingToReport(f"Wave {wave} has no cabinet {code!r}{told}")
    made = list(proces_verbaux(ledger, wave, wanted))
    if len(made) < len(set(wanted)):
        open_ones = sorted(set(wanted) - {one.record.code for one in made})
        raise NothingToReport(
            f"{', '.join(open_ones)} has not ended: there is nothing to sign yet",
            remedy=f"bascule status --wave {wave}",
        )
    try:
        return [write_whole(out / name, content) for one in made for name, content in _both(one)]
    except OSError as trouble:
        raise NothingToReport(
            f"The procès-verbal could not be written to {out} ({trouble.strerror or trouble})",
            remedy="choose another -o",
        ) from trouble


def _both(made: ProcesVerbal) -> Iterator[tuple[str, bytes]]:
    """The page; and the PDF, where it can be set."""
    from bascule.reports.proces_verbal import PdfNotSet

    yield f"{made.record.code}.html", made.page()
    try:
        yield f"{made.record.code}.pdf", made.pdf()
    except PdfNotSet as refused:
        say(f"warning: {refused}\n  {refused.remedy}")


def _tell(told: pd.DataFrame) -> None:
    """A row a figure, a column a wave: which reads at any width that the waves' names leave."""
    from rich.console import Console
    from rich.table import Table

    from bascule.reports.language import language_named

    said = language_named("en")
    rows = told.to_dict("records")
    figures = {
        "first run (UTC)": [said.instant(row["first_run"])[:16] for row in rows],
        "planned": [said.number(row["planned"]) for row in rows],
        "not ended": [said.number(row["not_ended"]) for row in rows],
        "arrived": [f"{said.number(row['arrived'])} ({said.percent(row['success_rate'])})" for row in rows],
        "in one run": [said.percent(row["first_time_rate"]) for row in rows],
        "runs": [said.number(row["runs"]) for row in rows],
        "time in hand, P50": [said.duration(row["p50"]) for row in rows],
        "time in hand, P90": [said.duration(row["p90"]) for row in rows],
        "stopped most": [
            f"{row['top_cause_cabinets']} × {row['top_cause']}" if row["top_cause"] else "–" for row in rows
        ],
    }
    table = Table()
    table.add_column("")
    for row in rows:
        table.add_column(as_text(str(row["wave"])), overflow="fold")
    for name, cells in figures.items():
        table.add_row(name, *(as_text(cell) for cell in cells))
    Console().print(table)
    if len(rows) > 1:
        first, last = rows[0], rows[-1]
        gained = last["first_time_rate"] - first["first_time_rate"]
        tell(f"From {first['wave']} to {last['wave']}: {round(gained * 100, 1):+g} points arrive in one run.")
