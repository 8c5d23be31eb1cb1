"""The verbs that say beforehand what a wave would do: plan, which writes it down, and apply, which does that and nothing else."""

from __future__ import annotations

import asyncio
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from console.running import AnyHour, Because, Concurrency, Environment, IgnoreUnsupported, Json
from console.telling import print_json, say

if TYPE_CHECKING:
    from bascule.waves.plan import Plan
    from flows.preparing import Asked

app = typer.Typer(invoke_without_command=True)


def register(cli: typer.Typer) -> None:
    cli.add_typer(app, name="plan")
    cli.command()(apply)


@app.callback()
def plan(
    context: typer.Context,
    inventory: Annotated[Path | None, typer.Option("--inventory", "-i", help="CSV, XLSX or YAML. Needed.")] = None,
    wave: Annotated[str | None, typer.Option("--wave", "-w", help="Needed where the inventory has several.")] = None,
    waves: Annotated[Path | None, typer.Option("--waves", help="Wave settings beside a CSV.")] = None,
    users: Annotated[Path | None, typer.Option("--users", help="Users beside a CSV.")] = None,
    assignments: Annotated[Path | None, typer.Option("--assignments", help="Assignments beside a CSV.")] = None,
    output: Annotated[
        Path | None, typer.Option("--output", "-o", help="Where to write it, .json; a page beside it, .md.")
    ] = None,
    concurrency: Concurrency = None,
    ignore_unsupported: IgnoreUnsupported = False,
    json: Json = False,
    environment: Environment = None,
) -> None:
    """Write down what a wave would do, to be read, signed and applied: every write, in order, with hours and durations.

    Example: bascule plan --inventory inventory.csv --wave pilot -o plan.json
    """
    from flows.preparing import Asked, NotReady

    if context.invoked_subcommand is not None:
        if inventory or wave or output:
            raise NotReady(
                "--inventory, --wave and --output are for drawing a plan up",
                remedy=f"leave them out, or leave out {context.invoked_subcommand!r}",
            )
        return
    if inventory is None:
        raise NotReady(
            "Which cabinets are planned?", remedy="give --inventory FILE; to compare two: bascule plan diff A B"
        )
    if output is not None and output.suffix != ".json":
        raise NotReady(
            f"{output}: a plan is written as .json", remedy="for example -o plan.json; plan.md comes beside it"
        )
    asked = Asked(
        inventory=inventory,
        wave=wave,
        waves=waves,
        users=users,
        assignments=assignments,
        concurrency=concurrency,
        ignore_unsupported=ignore_unsupported,
    )
    drawn_up = draw_up_plan(asked, environment)
    if output is not None:
        write(drawn_up, output)
    if json:
        print_json(drawn_up.model_dump(mode="json"))
    elif output is None:
        from bascule.reports.plan_page import plan_page

        typer.echo(plan_page(drawn_up))


def draw_up_plan(asked: Asked, environment: str | None) -> Plan:
    from config.settings import read_settings
    from config.wiring import now, open_ledger
    from console.telling import say_connectors, say_where
    from flows.planning import draw_up
    from flows.preparing import prepare

    settings = read_settings(environment)
    say_where(settings)
    with open_ledger(settings) as ledger:
        prepared = prepare(asked, settings, ledger)
        say_connectors(settings, prepared.cabinets)
        for told in prepared.told:
            say(f"warning: {told}")
        chosen = environment or settings.environment
        return asyncio.run(draw_up(asked, prepared, settings, ledger, environment=chosen, now=now()))


def write(plan: Plan, path: Path) -> None:
    """The plan, and its page beside it."""
    from bascule.reports.plan_page import plan_page
    from bascule.waves.plan import PlanUnreadable, as_text

    page = path.with_suffix(".md")
    try:
        path.write_text(as_text(plan), encoding="utf-8")
        page.write_text(plan_page(plan), encoding="utf-8")
    except OSError as trouble:
        raise PlanUnreadable(
            f"{trouble.filename}: cannot be written ({trouble.strerror})", remedy="give another place with -o"
        ) from None
    say(
        f"Written: {path}, and {page} to read and sign. Nothing else was written. Carry it out with: bascule apply {path}"
    )


def apply(
    file: Annotated[Path, typer.Argument(metavar="PLAN", help="As bascule plan wrote it.")],
    because: Because = "",
    any_hour: AnyHour = False,
    json: Json = False,
) -> None:
    """Carry a plan out as it was drawn up; refused, with the names of what changed, if it no longer holds.

    Example: bascule apply plan.json
    """
    from bascule.waves.plan import read_plan
    from config.settings import read_settings
    from config.wiring import open_ledger
    from console.running import carry_out
    from flows.planning import asked_by, require_current
    from flows.preparing import prepare

    drawn_up = read_plan(file)
    asked = replace(asked_by(drawn_up, because), any_hour=any_hour)
    settings = read_settings(drawn_up.asked.environment)
    with open_ledger(settings, read_only=True) as ledger:
        require_current(drawn_up, prepare(asked, settings, ledger), settings, ledger)
    say(f"The plan of {drawn_up.drawn_up_at:%Y-%m-%d %H:%M} UTC holds: {drawn_up.hash}")
    raise typer.Exit(carry_out(asked, environment=drawn_up.asked.environment, dry_run=False, as_json=json))


@app.command()
def diff(
    old: Annotated[Path, typer.Argument(metavar="A", help="A plan.")],
    new: Annotated[Path, typer.Argument(metavar="B", help="Another.")],
    json: Json = False,
) -> None:
    """Say in what two plans differ: what they stand on, and what they would do.

    Example: bascule plan diff monday.json tuesday.json
    """
    from bascule.waves.plan import compare, read_plan

    found = compare(read_plan(old), read_plan(new))
    if json:
        print_json(found.as_json())
    else:
        typer.echo(str(found))
