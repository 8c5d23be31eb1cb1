"""The verbs that look: status, doctor; and the ledger's upgrade."""

from __future__ import annotations

import asyncio
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from console.running import Environment, Json
from console.telling import as_text, masked, print_json, say_where, tell

if TYPE_CHECKING:
    from bascule.inventory import Inventory
    from bascule.reports import WaveStatus
    from config.settings import Settings

Wave = Annotated[str, typer.Option("--wave", "-w", help="The wave, as the ledger knows it.")]

ledger_app = typer.Typer(no_args_is_help=True, help="The ledger itself.")


def register(app: typer.Typer) -> None:
    app.command()(status)
    app.command()(doctor)
    app.add_typer(ledger_app, name="ledger")


def status(
    wave: Annotated[
        str | None, typer.Option("--wave", "-w", help="As the ledger knows it; left out: every wave, a line each.")
    ] = None,
    json: Json = False,
    environment: Environment = None,
) -> None:
    """Show where a wave stands: who needs somebody, why, and what to do next. Without --wave: which waves there are.

    Example: bascule status --wave pilot --json
    """
    from bascule.reports import status_of
    from config.settings import read_settings
    from config.wiring import open_ledger

    settings = read_settings(environment)
    say_where(settings)
    with open_ledger(settings, read_only=True) as ledger:
        if wave is None:
            _tell_waves([status_of(ledger, name, settings.expected.sizes) for name in ledger.waves()], as_json=json)
            return
        found = status_of(ledger, wave, settings.expected.sizes)
    if json:
        print_json(found.as_json())
    else:
        show(found)


def show(status: WaveStatus) -> None:
    """Who is locked out and why the last run started no more, before all else; then the wave."""
    from rich.console import Console

    from bascule.reports.status import locked_out_in_words
    from console.tables import wave_in_words

    out = Console()
    for said in (*locked_out_in_words(status), *status.halts):
        out.print(as_text(said), soft_wrap=True)
    out.print(wave_in_words(status))


def _tell_waves(found: list[WaveStatus], *, as_json: bool) -> None:
    """A line each, and what is graver than any line: users who are locked out."""
    from bascule.model import Outcome
    from bascule.reports.status import locked_out_in_words
    from console.tables import grade_in_words

    if as_json:
        counted = ("wave", "planned", "grade", "outcomes", "locked_out", "halts")
        print_json([{name: told for name, told in one.as_json().items() if name in counted} for one in found])
        return
    if not found:
        typer.echo("This ledger holds no wave yet: bascule run --inventory FILE")
    for one in found:
        outcomes = ", ".join(
            f"{count} {'not ended' if outcome is Outcome.NONE else outcome}" for outcome, count in one.outcomes.items()
        )
        tell(f"{one.wave}: {one.planned} planned ({outcomes}); {grade_in_words(one)}")
        for said in locked_out_in_words(one)[:1]:
            tell(f"  {said}")
    if found:
        typer.echo("One of them: bascule status --wave W")


def doctor(
    extracts: Annotated[
        bool, typer.Option("--extracts", help="Look at the lists exported from GE and Client Management instead.")
    ] = False,
    inventory: Annotated[
        Path | None, typer.Option("--inventory", "-i", help="With --extracts: whose lists; left out, the ledger's.")
    ] = None,
    cabinet: Annotated[
        list[str] | None, typer.Option("--cabinet", "-c", help="With --extracts: only this one; may be repeated.")
    ] = None,
    json: Json = False,
    environment: Environment = None,
) -> None:
    """Look whether a run could begin: settings, ledger, the three systems, Prefect. Or what was understood of exported lists.

    Example: bascule doctor --extracts --inventory inventory.csv --cabinet C0042
    """
    from config.settings import read_settings
    from console.examining import examine

    settings = read_settings(environment)
    say_where(settings)
    if extracts:
        raise typer.Exit(_examine_extracts(settings, inventory, cabinet or [], as_json=json))
    found = asyncio.run(examine(settings))
    if json:
        print_json([{"what": f.what, "ok": f.ok, "says": f.says, "remedy": f.remedy} for f in found])
    else:
        for finding in found:
            typer.secho(f"{'ok   ' if finding.ok else 'WRONG'} ", fg="green" if finding.ok else "red", nl=False)
            tell(f"{finding.what}: {finding.says}{f' -> {finding.remedy}' if finding.remedy else ''}")
    raise typer.Exit(0 if all(finding.ok for finding in found) else 2)


def _examine_extracts(settings: Settings, file: Path | None, codes: list[str], *, as_json: bool) -> int:
    from dataclasses import asdict
    from datetime import UTC, datetime, timedelta

    from rich.console import Console

    from bascule.connectors.extracts import read_mapping
    from bascule.inventory import read_inventory
    from bascule.waves.choosing import named
    from console.extracts_examined import as_table, examine_extracts

    cabinets = (read_inventory(file) if file is not None else _stored_inventory(settings)).cabinets
    of = settings.extracts
    mapping = read_mapping(of.mapping)
    chosen = named(cabinets, codes) if codes else cabinets
    oldest = timedelta(hours=of.oldest_hours)
    rows = examine_extracts(of.root, mapping, chosen, oldest=oldest, now=datetime.now(UTC))
    if as_json:
        print_json([asdict(row) | {"ok": row.ok} for row in rows])
    else:
        Console().print(as_table(rows, mapping))
    return 0 if all(row.ok for row in rows) else 2


def _stored_inventory(settings: Settings) -> Inventory:
    from bascule.inventory.stored import from_plain
    from config.wiring import NotConfigured, open_ledger

    with open_ledger(settings, read_only=True) as ledger:
        stored = ledger.inventory()
    if stored is None:
        raise NotConfigured("The ledger holds no inventory", remedy="give one with --inventory FILE")
    return from_plain(stored.content)


@ledger_app.command()
def upgrade(environment: Environment = None) -> None:
    """Bring a ledger to the revision of this version of Bascule. Back it up before.

    Example: bascule ledger upgrade --environment production
    """
    from bascule.ledger.schema import engine_for, upgrade
    from config.settings import read_settings
    from config.wiring import ledger_url

    settings = read_settings(environment)
    say_where(settings)
    engine = engine_for(ledger_url(settings), writes=True)
    try:
        upgrade(engine)
    finally:
        engine.dispose()
    typer.echo(f"{masked(ledger_url(settings))} is up to date.")
