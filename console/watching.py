"""The verbs that look: status, report, doctor; the sandbox; and the ledger's upgrade."""

from __future__ import annotations

import asyncio
from pathlib import Path
from typing import Annotated, Any

import typer

from console.telling import masked, print_json, say, say_where

Environment = Annotated[
    str | None, typer.Option("--environment", "-e", help="sandbox, production, or the path of a TOML file.")
]
Wave = Annotated[str, typer.Option("--wave", "-w", help="The wave, as the ledger knows it.")]
Json = Annotated[bool, typer.Option("--json", help="For programs.")]

ledger_app = typer.Typer(no_args_is_help=True, help="The ledger itself.")


def register(app: typer.Typer) -> None:
    app.command()(status)
    app.command()(report)
    app.command()(doctor)
    app.command()(sandbox)
    app.add_typer(ledger_app, name="ledger")


def status(wave: Wave, json: Json = False, environment: Environment = None) -> None:
    """Show where a wave stands: who needs somebody, why, and what to do next.

    Example: bascule status --wave pilot --json
    """
    from rich.console import Console

    from bascule.reports import status_of
    from config.settings import read_settings
    from config.wiring import open_ledger
    from console.tables import wave_in_words

    settings = read_settings(environment)
    say_where(settings)
    with open_ledger(settings, read_only=True) as ledger:
        found = status_of(ledger, wave)
    if json:
        print_json(found.as_json())
    else:
        Console().print(wave_in_words(found))


def report(
    wave: Wave,
    output: Annotated[
        Path | None, typer.Option("--output", "-o", help="Where run folders go, instead of the setting's place.")
    ] = None,
    environment: Environment = None,
) -> None:
    """Write the run folder of a wave's last run again, from the ledger.

    Example: bascule report --wave pilot
    """
    from bascule.reports import publish
    from config.settings import read_settings
    from config.wiring import open_ledger

    settings = read_settings(environment)
    say_where(settings)
    with open_ledger(settings, read_only=True) as ledger:
        published = publish(ledger, wave, output or settings.out)
    for path in published.files:
        typer.echo(str(path))


def doctor(json: Json = False, environment: Environment = None) -> None:
    """Look whether a run could begin: settings, ledger, the three systems, Prefect.

    Example: bascule doctor --environment production
    """
    from config.settings import read_settings
    from console.examining import examine

    settings = read_settings(environment)
    say_where(settings)
    found = asyncio.run(examine(settings))
    if json:
        print_json([{"what": f.what, "ok": f.ok, "says": f.says, "remedy": f.remedy} for f in found])
    else:
        for finding in found:
            typer.secho(f"{'ok   ' if finding.ok else 'WRONG'} ", fg="green" if finding.ok else "red", nl=False)
            typer.echo(f"{finding.what}: {finding.says}{f' -> {finding.remedy}' if finding.remedy else ''}")
    raise typer.Exit(0 if all(finding.ok for finding in found) else 2)


def sandbox(
    inventory: Annotated[Path, typer.Option("--inventory", "-i", help="The cabinets whose systems are emulated.")],
    scenario: Annotated[Path | None, typer.Option("--scenario", help="Times, limits and faults: YAML or JSON.")] = None,
    port: Annotated[int, typer.Option("--port", min=0, max=65535, help="0: any free one.")] = 8800,
    state: Annotated[
        Path | None, typer.Option("--state", help="Keep everything in this file, and go on from it.")
    ] = None,
) -> None:
    """Serve My Sage, GE and S4A for an inventory's cabinets, on this machine, until it is stopped.

    Example: bascule sandbox --inventory inv.csv --scenario faults.yaml
    """
    import signal

    from bascule.inventory import read_inventory
    from console.sandbox_process import READY, start_sandbox

    with start_sandbox(read_inventory(inventory), scenario=scenario, port=port, state=state) as running:
        signal.signal(signal.SIGTERM, _end)
        typer.echo(f"{READY}{running.url}")
        say("Ctrl-C ends it.")
        try:
            code = running.process.wait()
        except KeyboardInterrupt:
            return
    raise typer.Exit(max(0, code))


@ledger_app.command()
def upgrade(environment: Environment = None) -> None:
    """Bring a ledger to the revision of this version of Bascule. Back it up before.

    Example: bascule ledger upgrade --environment production
    """
    from bascule.ledger.schema import engine_for, upgrade
    from config.settings import read_settings
    from config.wiring import ledger_url

    settings = read_settings(environment)
    upgrade(engine_for(ledger_url(settings), writes=True))
    typer.echo(f"{masked(ledger_url(settings))} is up to date.")


def _end(*_: Any) -> None:
    raise KeyboardInterrupt
