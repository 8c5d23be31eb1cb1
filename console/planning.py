"""The verbs that say beforehand what a wave would do: plan, which writes it down, and apply, which does that and nothing else."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator, Sequence
from dataclasses import replace
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from console.running import AnyHour, Because, Concurrency, Environment, IgnoreUnsupported, Json
from console.telling import print_json, say, tell

if TYPE_CHECKING:
    from bascule.waves.plan import Plan
    from flows.preparing import Asked, Prepared

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
    any_hour: Annotated[
        bool, typer.Option("--any-hour", hidden=True, help="Refused: it is for apply and run, on the night itself.")
    ] = False,
    because: Annotated[str, typer.Option("--because", hidden=True, help="Refused with --any-hour.")] = "",
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
    if any_hour or because:
        raise NotReady(
            "A plan keeps to the wave's hours: it holds until something changes, and leave to go outside them is given for one run",
            remedy="draw it up without --any-hour and --because; then: bascule apply plan.json --any-hour --because TEXT",
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
    drawn_up, first = draw_up_plan(asked, environment)
    if output is not None:
        write(drawn_up, first, output)
    if json:
        for line in first:
            say(line)
        print_json(drawn_up.model_dump(mode="json"))
    else:
        if output is None:
            tell(page_of(drawn_up, first))
        # Beside a page on standard output, which may go into a file.
        (say if output is None else tell)("\n".join([*first, *in_short(drawn_up)]))
    if output is not None:
        say(
            f"Written: {output}, and {output.with_suffix('.md')} to read and sign. Nothing else was written. "
            f"Carry it out with: bascule apply {output}"
        )


def draw_up_plan(asked: Asked, environment: str | None) -> tuple[Plan, tuple[str, ...]]:
    """And what whoever reads it must know before all else."""
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
        drawn_up = asyncio.run(draw_up(asked, prepared, settings, ledger, environment=chosen, now=now()))
    return drawn_up, tuple(_first(prepared, drawn_up))


def write(plan: Plan, first: Sequence[str], path: Path) -> None:
    """The plan, and its page beside it."""
    from bascule.waves.plan import PlanUnreadable, as_text

    page = path.with_suffix(".md")
    try:
        path.write_text(as_text(plan), encoding="utf-8")
        page.write_text(page_of(plan, first), encoding="utf-8")
    except OSError as trouble:
        raise PlanUnreadable(
            f"{trouble.filename}: cannot be written ({trouble.strerror})", remedy="give another place with -o"
        ) from None


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


# What is told of a plan


def _first(prepared: Prepared, plan: Plan) -> Iterator[str]:
    """What makes it idle to apply the plan as it is, or leaves it without what was to stop it."""
    from bascule.waves.plan import beyond_reach, limits_of

    if why := prepared.rules.shut:
        yield f"Wave {plan.wave} must not begin yet: {why}. Applied before, it starts nothing (exit 6)."
    breaker = prepared.settings.breaker
    if breaker and plan.to_do and (beyond := beyond_reach(breaker, plan)):
        never = "can never trip" if len(beyond) == len(limits_of(breaker)) else "trips by its other limits only"
        yield f"The breaker {never}: {', '.join(beyond)} cannot be reached with {_cabinets(len(plan.to_do))} to do."


def page_of(plan: Plan, first: Sequence[str]) -> str:
    """The page, and above it what must be known first."""
    from bascule.reports.plan_page import plan_page

    above = [f"> **{line}**" for line in first]
    if done := len(plan.cabinets) - len(plan.to_do):
        above.append(
            f"> {done} of {_cabinets(len(plan.cabinets))} {'is' if done == 1 else 'are'} done already: not started again, "
            f"counted in the stage as ended well. Of those to do, at most {plan.may_still_fail} may fail."
        )
    return "\n>\n".join(above) + "\n\n" * bool(above) + plan_page(plan)


def in_short(plan: Plan) -> list[str]:
    """Its totals, a line each."""
    writes = [write for cabinet in plan.cabinets for step in cabinet.steps for write in step.writes]
    asked = sum(write.asked for write in writes)
    to_do = len(plan.to_do)
    estimate = plan.estimate
    told = {
        "cabinets": f"{len(plan.cabinets)}: {to_do} to do, {len(plan.cabinets) - to_do} already done",
        "stages": ", ".join(_stage(plan, number) for number in range(1, len(plan.stages) + 1)),
        "write calls": f"{len(writes) - asked} to send, {asked} to ask of people",
        "takes": f"{_between(estimate.begins, estimate.ends)} (P50), {_between(estimate.begins, estimate.ends_if_slow)} (P90)",
        "begins": _utc(estimate.begins),
        "ends": f"{_utc(estimate.ends)} (P50), {_utc(estimate.ends_if_slow)} (P90)",
        "do not fit": _some([cabinet.code for cabinet in plan.to_do if not cabinet.fits]) or "none",
        "may fail": f"at most {plan.may_still_fail}, {_bounded(plan)}",
    }
    if not to_do:
        told |= dict.fromkeys(("takes", "begins", "ends"), "nothing is left to do")
    return [f"  {name:11}  {value}" for name, value in told.items()]


def _stage(plan: Plan, number: int) -> str:
    of_it = [cabinet for cabinet in plan.cabinets if cabinet.stage == number]
    done = sum(cabinet.is_done for cabinet in of_it)
    return f"{len(of_it)} ({done} done)" if done else f"{len(of_it)}"


def _bounded(plan: Plan) -> str:
    return (
        "those in flight when the breaker trips included" if "breaker" in plan.settings else "for there is no breaker"
    )


def _some(codes: Sequence[str], named: int = 5) -> str:
    return f"{len(codes)} ({', '.join(codes[:named])}{' …' if len(codes) > named else ''})" if codes else ""


def _cabinets(count: int) -> str:
    return "1 cabinet" if count == 1 else f"{count} cabinets"


def _utc(instant: str | None) -> str:
    return f"{datetime.fromisoformat(instant):%Y-%m-%d %H:%M} UTC" if instant else "not known"


def _between(begins: str | None, ends: str | None) -> str:
    if begins is None or ends is None:
        return "not known"
    minutes = int((datetime.fromisoformat(ends) - datetime.fromisoformat(begins)).total_seconds() // 60)
    hours, rest = divmod(minutes, 60)
    if not minutes:
        return "under a minute"
    return f"{hours} h {rest} min" if hours else f"{rest} min"


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
        tell(str(found))
