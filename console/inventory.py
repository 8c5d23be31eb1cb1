"""The verbs of the inventory: check, template, sample, import, diff."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Iterable, Iterator
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from bascule.errors import BasculeError
from console.telling import print_json, say, say_where

if TYPE_CHECKING:
    from bascule.inventory import Inventory
    from bascule.tables.problems import Problem

app = typer.Typer(no_args_is_help=True, help="Who is planned, with what parameters.")

File = Annotated[Path, typer.Argument(help="CSV, XLSX or YAML.")]
Waves = Annotated[Path | None, typer.Option("--waves", help="Wave settings beside a CSV.")]
Users = Annotated[Path | None, typer.Option("--users", help="Users beside a CSV.")]
Assignments = Annotated[Path | None, typer.Option("--assignments", help="Assignments beside a CSV.")]
Output = Annotated[Path, typer.Option("--output", "-o", help="Ends in .csv, .xlsx or .yaml.")]
Json = Annotated[bool, typer.Option("--json", help="For programs.")]


class NotWritten(BasculeError):
    """A file could not be written."""


@app.command()
def check(
    file: File,
    waves: Waves = None,
    users: Users = None,
    assignments: Assignments = None,
    output: Annotated[
        Path | None, typer.Option("--output", "-o", help="An annotated copy, .csv or .xlsx, for Excel.")
    ] = None,
    json: Json = False,
) -> None:
    """Name every error of an inventory at once: line, column, value, rule, how to mend it.

    Example: bascule inventory check inventory.xlsx -o inventory-annotated.xlsx
    """
    from bascule.inventory import InventoryRefused, annotate, read_inventory
    from bascule.tables.problems import render

    try:
        inventory = read_inventory(file, waves=waves, users=users, assignments=assignments)
    except InventoryRefused as refused:
        if output is not None:
            with _writing(output):
                annotate(file, refused.problems, output)
        if json:
            print_json({"file": str(file), "ok": False, "problems": _plain(refused.problems)})
        else:
            say(render(refused.problems))
            errors = sum(problem.level == "error" for problem in refused.problems)
            say(f"{file}: {errors} error{'s' if errors != 1 else ''}; nothing was stored.")
        raise typer.Exit(2) from None
    if json:
        told = {
            "cabinets": len(inventory.cabinets),
            "digest": inventory.digest,
            "waves": sorted({c.wave for c in inventory.cabinets}),
        }
        print_json({"file": str(file), "ok": True, **told, "problems": _plain(inventory.warnings)})
        return
    if inventory.warnings:
        say(render(inventory.warnings))
    typer.echo(f"{file}: {len(inventory.cabinets)} cabinets, no error, {len(inventory.warnings)} warnings.")


@app.command()
def template(output: Output, language: Annotated[str, typer.Option("--language", help="fr or en.")] = "fr") -> None:
    """Write an empty inventory to fill in; as XLSX with drop-downs and a comment on each column.

    Example: bascule inventory template -o inventory.xlsx
    """
    from bascule.inventory import write_template

    if language not in ("fr", "en"):
        raise typer.BadParameter(f"{language!r} is neither fr nor en")
    with _writing(output):
        write_template(output, "fr" if language == "fr" else "en")
    typer.echo(f"{output}: fill it in, then: bascule inventory check {output}")


@app.command()
def sample(
    output: Output,
    cabinets: Annotated[int, typer.Option("--cabinets", min=1, max=100_000, help="How many.")] = 24,
    seed: Annotated[int, typer.Option("--seed", help="The same seed, the same file.")] = 1,
    wave: Annotated[str | None, typer.Option("--wave", help="The wave all of them are in.")] = None,
    pilot: Annotated[
        int,
        typer.Option("--pilot", min=0, help="The first so many are in the wave pilot instead: a wave may require it."),
    ] = 0,
) -> None:
    """Write an inventory of synthetic French cabinets, with valid numbers.

    Example: bascule inventory sample --cabinets 200 --seed 1 -o inv.csv
    """
    from bascule.inventory import sample as drawn
    from bascule.inventory import write_inventory

    with _writing(output):
        written = write_inventory(drawn(cabinets, seed, wave, pilot=pilot), output)
    for path in written:
        typer.echo(str(path))


@app.command("import")
def import_(
    file: File,
    waves: Waves = None,
    users: Users = None,
    assignments: Assignments = None,
    environment: Annotated[str | None, typer.Option("--environment", "-e", help="Whose ledger.")] = None,
) -> None:
    """Store a version of the inventory in the ledger, from where `rerun` and the deployments take it.

    Example: bascule inventory import inventory.xlsx
    """
    from datetime import UTC, datetime

    from bascule.inventory import read_inventory
    from bascule.waves.calendars import with_calendars
    from config.settings import read_settings
    from config.wiring import current_user, open_ledger, stored_version
    from flows.preparing import with_kept_rules

    inventory = with_calendars(
        read_inventory(file, waves=waves, users=users, assignments=assignments), beside=waves or file
    )
    settings = read_settings(environment)
    say_where(settings)
    with open_ledger(settings) as ledger:
        inventory, kept = with_kept_rules(inventory, ledger)
        asyncio.run(ledger.store_inventory(stored_version(inventory, at=datetime.now(UTC), who=current_user())))
    for wave, version in kept.items():
        say(f"warning: no rules were given for wave {wave}: those of version {version[:12]} stay")
    typer.echo(f"{len(inventory.cabinets)} cabinets stored as version {inventory.digest[:12]}.")


@app.command()
def diff(
    old: File,
    new: Annotated[
        Path | None, typer.Argument(help="Left out: the file is compared with what the ledger holds.")
    ] = None,
    json: Json = False,
    environment: Annotated[str | None, typer.Option("--environment", "-e", help="Whose ledger.")] = None,
) -> None:
    """Say what changed: cabinets added, removed, and each field that differs.

    Example: bascule inventory diff monday.csv tuesday.csv
    """
    from bascule.inventory import diff as compare
    from bascule.inventory import read_inventory

    given = read_inventory(old)
    before, after = (given, read_inventory(new)) if new is not None else (_stored(environment), given)
    found = compare(before, after)
    if json:
        typer.echo(found.as_json())
    else:
        typer.echo(str(found) or "No difference.")


def _stored(environment: str | None) -> Inventory:
    from bascule.inventory.stored import from_plain
    from config.settings import read_settings
    from config.wiring import NotConfigured, open_ledger

    settings = read_settings(environment)
    say_where(settings)
    with open_ledger(settings, read_only=True) as ledger:
        stored = ledger.inventory()
    if stored is None:
        raise NotConfigured("The ledger holds no inventory", remedy="bascule inventory import FILE, or give two files")
    say(f"Compared with the version that {stored.who} stored at {stored.at:%Y-%m-%d %H:%M} UTC")
    return from_plain(stored.content)


def _plain(problems: Iterable[Problem]) -> list[dict[str, Any]]:
    return [asdict(problem) for problem in problems]


@contextlib.contextmanager
def _writing(path: Path) -> Iterator[None]:
    from xlsxwriter.exceptions import FileCreateError

    try:
        yield
    except (OSError, FileCreateError) as trouble:
        raise NotWritten(
            f"{path}: cannot be written ({trouble})",
            remedy="give another -o, in a folder that exists and may be written",
        ) from trouble
