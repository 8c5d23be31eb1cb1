"""The verbs that move cabinets: run, rerun, and the demo that shows both."""

from __future__ import annotations

import asyncio
import logging
from collections import Counter
from collections.abc import Coroutine, Iterator, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from console.telling import say, say_connectors, say_locked_out, say_passed_over, say_where, tell

if TYPE_CHECKING:
    from bascule.engine.foresee import Foreseen, Foresight
    from bascule.ledger import Ledger
    from bascule.waves.governor import Decision
    from config.settings import Settings
    from console.progress import Progress
    from flows.preparing import Asked, Prepared

Environment = Annotated[
    str | None, typer.Option("--environment", "-e", help="sandbox, production, or the path of a TOML file.")
]
Json = Annotated[bool, typer.Option("--json", help="For programs.")]
DryRun = Annotated[bool, typer.Option("--dry-run", help="Say what each cabinet's open steps would do; write nothing.")]
Because = Annotated[str, typer.Option("--because", help="Why; kept in the ledger.")]
Concurrency = Annotated[int | None, typer.Option("--concurrency", min=1, help="Cabinets at once.")]
AnyHour = Annotated[
    bool, typer.Option("--any-hour", help="Outside window and blackout too; needs --because, which is recorded.")
]
IgnoreUnsupported = Annotated[
    bool,
    typer.Option("--ignore-unsupported", help="Run although the wave has settings that this version does not enforce."),
]


def register(app: typer.Typer) -> None:
    app.command()(run)
    app.command()(rerun)
    app.command()(demo)
    app.command()(server)


def run(
    inventory: Annotated[Path, typer.Option("--inventory", "-i", help="CSV, XLSX or YAML.")],
    wave: Annotated[str | None, typer.Option("--wave", "-w", help="Needed where the inventory has several.")] = None,
    waves: Annotated[Path | None, typer.Option("--waves", help="Wave settings beside a CSV.")] = None,
    users: Annotated[Path | None, typer.Option("--users", help="Users beside a CSV.")] = None,
    assignments: Annotated[Path | None, typer.Option("--assignments", help="Assignments beside a CSV.")] = None,
    concurrency: Concurrency = None,
    dry_run: DryRun = False,
    ignore_unsupported: IgnoreUnsupported = False,
    because: Because = "",
    any_hour: AnyHour = False,
    json: Json = False,
    environment: Environment = None,
) -> None:
    """Take a wave through the procedure: what is not yet proven done is done, what is proven is left alone.

    Example: bascule run --inventory inventory.csv --wave pilot
    """
    from flows.preparing import Asked

    asked = Asked(
        inventory=inventory,
        wave=wave,
        waves=waves,
        users=users,
        assignments=assignments,
        concurrency=concurrency,
        ignore_unsupported=ignore_unsupported,
        because=because,
        any_hour=any_hour,
    )
    raise typer.Exit(carry_out(asked, environment=environment, dry_run=dry_run, as_json=json))


def rerun(
    wave: Annotated[
        str | None,
        typer.Option("--wave", "-w", help="As the ledger knows it; left out: the wave of the cabinets named."),
    ] = None,
    only: Annotated[
        str | None,
        typer.Option(
            "--only",
            help="Words with commas between: failed, blocked, unknown, partial, waiting, paused, not-started, ok.",
        ),
    ] = None,
    classes: Annotated[
        str | None,
        typer.Option("--class", help="Classes of errors with commas between: transient, data, rights, human, …"),
    ] = None,
    cabinet: Annotated[
        list[str] | None, typer.Option("--cabinet", "-c", help="A cabinet's code; may be given several times.")
    ] = None,
    from_file: Annotated[Path | None, typer.Option("--from", help="The failed.csv of a run folder.")] = None,
    again: Annotated[
        str | None, typer.Option("--again", help="synchronise: order a second one, for the cabinets named.")
    ] = None,
    confirm: Annotated[
        list[str] | None,
        typer.Option("--confirm", help="With --again: the cabinet's code, instead of typing it; one for each."),
    ] = None,
    by: Annotated[str | None, typer.Option("--by", help="Who orders it.")] = None,
    because: Because = "",
    concurrency: Concurrency = None,
    dry_run: DryRun = False,
    ignore_unsupported: IgnoreUnsupported = False,
    any_hour: AnyHour = False,
    json: Json = False,
    environment: Environment = None,
) -> None:
    """Take up again what is not done: all of it, or what is selected.

    With --again, a second synchronisation: it may list every dossier in Client Management twice, so it says how many there are, and
    each cabinet's code is typed. Outside the environment sandbox somebody else approves it before a run sends it.

    Example: bascule rerun --wave pilot --only failed,blocked
    """
    from bascule.reports.publishing import read_failed
    from console.rerun_orders import order_rerun
    from flows.preparing import Asked, NotReady

    codes = tuple(cabinet or ())
    if from_file is not None:
        codes += read_failed(from_file)
        if not codes:
            say(f"{from_file} lists no cabinet: there is nothing to do.")
            raise typer.Exit(0)
    asked = Asked(
        wave=wave or wave_of_cabinets(codes, environment),
        rerun=True,
        only=words_in(only),
        classes=words_in(classes),
        cabinets=codes,
        concurrency=concurrency,
        ignore_unsupported=ignore_unsupported,
        because=because,
        any_hour=any_hour,
    )
    if (only is not None and not asked.only) or (classes is not None and not asked.classes):
        raise NotReady("The selection names nothing", remedy="give words, for example --only failed,blocked")
    if again is None and confirm:
        raise NotReady("--confirm goes with --again", remedy="leave it out")
    if again is not None:
        if dry_run:
            raise NotReady("--again writes an order, --dry-run writes nothing", remedy="give one of the two")
        if not order_rerun(asked, again, by, confirm or (), environment):
            raise typer.Exit(0)
    raise typer.Exit(carry_out(asked, environment=environment, dry_run=dry_run, as_json=json))


def words_in(text: str | None) -> tuple[str, ...]:
    return tuple(word.strip() for word in (text or "").split(",") if word.strip())


def wave_of_cabinets(codes: tuple[str, ...], environment: str | None) -> str | None:
    """The wave that these cabinets were last planned in; None without cabinets: then there must be but one."""
    from config.settings import read_settings
    from config.wiring import open_ledger
    from flows.preparing import NotReady, waves_of

    if not codes:
        return None
    with open_ledger(read_settings(environment), read_only=True) as ledger:
        waves = waves_of(ledger, codes)
    if len(waves) == 1:
        return waves[0]
    told = f"are in the waves {', '.join(waves)}" if waves else "are in no wave that the ledger knows"
    raise NotReady(f"The cabinets named {told}", remedy="say which with --wave; see: bascule status --wave W")


def carry_out(asked: Asked, *, environment: str | None, dry_run: bool, as_json: bool) -> int:
    """Refuses what is wrong before Prefect is even started; then runs the flow. The exit code."""
    from config.settings import read_settings
    from config.wiring import open_ledger
    from flows.preparing import prepare, require_answers

    settings = read_settings(environment)
    say_where(settings)
    with open_ledger(settings, makes_one=not asked.rerun) as ledger:
        prepared = prepare(asked, settings, ledger)
        say_connectors(settings, prepared.cabinets)
        asyncio.run(require_answers(settings, prepared))
        for name in prepared.ignored:
            say(f"warning: the wave's setting {name} is not enforced by this version")
        for told in prepared.told:
            say(f"warning: {told}")
        if not prepared.cabinets:
            say(f"Wave {prepared.wave}: nothing to do, {why_nothing(asked)}.")
            return 0
        if dry_run:
            return asyncio.run(_foresee(prepared, settings, ledger, as_json=as_json))
    return _run_flow(asked, settings, environment, as_json=as_json)


def why_nothing(asked: Asked) -> str:
    """Why a selection names no cabinet."""
    if asked.classes:
        among = f" among those that are {', '.join(asked.only)}" if asked.only else ""
        return f"no cabinet has an error of class {' or '.join(asked.classes)}{among}"
    if asked.only:
        return f"no cabinet is {' or '.join(asked.only)}"
    return "every cabinet that the selection names is done"


async def _foresee(prepared: Prepared, settings: Settings, ledger: Ledger, *, as_json: bool) -> int:
    from bascule.engine.foresee import foresee_all
    from bascule.model import Lifecycle, Outcome
    from bascule.waves.governor import Standing, decide
    from config.wiring import run_on
    from console.telling import print_json

    histories = ledger.histories([cabinet.code for cabinet in prepared.cabinets])
    async with run_on(settings, ledger, wave=prepared.wave, rules=prepared.rules) as run:
        foreseen = await foresee_all(run, prepared.cabinets, histories, at_once=prepared.rules.slots)
        at = run.clock()
        done = Standing(lifecycle=Lifecycle.ENDED, since=at, outcome=Outcome.OK)
        proven = {code: done for code, foresight in foreseen.items() if not foresight.steps}
        decision = decide(prepared.rules, proven, (), at)
    if not as_json:
        for line in _in_short(foreseen, decision):
            tell(line)
        for code, foresight in foreseen.items():
            say_foreseen(code, foresight.until_stop)
        say("Dry run: nothing was written, neither to a system nor to the ledger.")
        return 0
    told = [
        {
            "code": code,
            "steps": [
                {"step": step.step, "does": list(step.does), "because": step.because} for step in foresight.until_stop
            ],
        }
        for code, foresight in foreseen.items()
    ]
    print_json({"wave": prepared.wave, "dry_run": True, "cabinets": told})
    return 0


def _in_short(foreseen: Mapping[str, Foresight], decision: Decision) -> Iterator[str]:
    """How much it would be, and what of it could begin at this hour."""
    writes = sum(len(step.does) for foresight in foreseen.values() for step in foresight.until_stop)
    stopped = sum(any(step.stops for step in foresight.until_stop) for foresight in foreseen.values())
    yield f"{len(foreseen)} cabinets: {writes} writes would be sent; {stopped} would stop or wait on the way"
    reasons = Counter(decision.not_yet.values()).most_common(3)
    if not decision.start:
        when = f"; that may change at {decision.look_again_at:%Y-%m-%d %H:%M} UTC" if decision.look_again_at else ""
        yield f"Nothing would start now{when}:"
    else:
        yield f"{len(decision.start)} would start now{', the others later:' if reasons else ''}"
    yield from (f"  {count} of them: {why}" for why, count in reasons)


def say_foreseen(code: str, steps: Sequence[Foreseen]) -> None:
    tell(code if steps else f"{code}: every step is proven")
    for step in steps:
        does = f"would send {', '.join(step.does)}" if step.does else ""
        tell(f"  {step.step:15} {does}{' · ' if does and step.because else ''}{step.because}")


def _run_flow(asked: Asked, settings: Settings, environment: str | None, *, as_json: bool) -> int:
    from config.cockpit import CockpitUnreachable, ensure_server
    from console.progress import Progress
    from console.telling import print_json

    say_passed_over(settings)
    say("Starting Prefect's server, where none is configured or running …")
    # What could not be logged to Prefect is no news for the terminal: that it is lost is told once.
    logging.raiseExceptions = False
    with ensure_server(settings.prefect_home, settings.prefect) as prefect:
        from flows.watching import watch
        from flows.wave import migrate_wave

        say(prefect.how_to_look)
        progress = Progress(quiet=as_json)
        watch.set(progress)
        try:
            with progress:
                _until_ended(_ended(migrate_wave, _parameters(asked, environment)), progress)
        except KeyboardInterrupt:
            say_locked_out(settings)
            raise
    if progress.conducted is None:
        raise CockpitUnreachable("Prefect ended the run before the wave began", remedy=AGAIN)
    if progress.stored:
        say(f"warning: {progress.stored}")
    with_status = progress.status(settings)
    if as_json:
        print_json(with_status.as_json())
    else:
        progress.tell(with_status)
    from console.exit_codes import exit_of

    return exit_of(progress.conducted)


AGAIN = "run the same command again; if it stays so: bascule doctor"


def _until_ended(flow: Coroutine[Any, Any, None], progress: Progress) -> None:
    """What the cabinets came to counts, even if Prefect is gone by then: the ledger has it."""
    from config.cockpit import CockpitUnreachable

    try:
        asyncio.run(flow)
    except asyncio.CancelledError:
        raise KeyboardInterrupt from None
    except CockpitUnreachable as lost:
        # What stopped the wave itself is told before what Prefect could not be told of it.
        if progress.error is not None:
            raise progress.error from lost
        if progress.conducted is None:
            raise
        say(f"warning: {lost}; what was done is in the ledger")


async def _ended(flow: Any, parameters: dict[str, Any]) -> None:
    """Runs the flow to its end. What stopped it, if anything did, is raised here as it was there."""
    from prefect.exceptions import PrefectSignal

    from config.cockpit import CockpitUnreachable

    try:
        state = await flow(**parameters, return_state=True)
        result = await state.aresult(raise_on_failure=False)
    except (Exception, PrefectSignal) as lost:  # what stops the wave is a result: all else is Prefect's
        told = str(lost).partition("\n")[0] or type(lost).__name__
        raise CockpitUnreachable(f"Prefect's server was lost ({told})", remedy=AGAIN) from lost
    if isinstance(result, BaseException) and not type(result).__module__.startswith("prefect."):
        raise result


def _parameters(asked: Asked, environment: str | None) -> dict[str, Any]:
    """As the flow takes them: JSON, and paths that mean the same from everywhere."""
    paths = {
        name: str(path.resolve())
        for name in ("inventory", "waves", "users", "assignments")
        if (path := getattr(asked, name))
    }
    return {
        **paths,
        "wave": asked.wave,
        "rerun": asked.rerun,
        "only": list(asked.only),
        "classes": list(asked.classes),
        "cabinets": list(asked.cabinets),
        "concurrency": asked.concurrency,
        "ignore_unsupported": asked.ignore_unsupported,
        "because": asked.because,
        "any_hour": asked.any_hour,
        "plan": asked.plan,
        "environment": environment,
    }


DEMO_FAULTS = [
    {"fault": "missing-group-right", "cabinets": ["C0003", "C0011"]},
    {"fault": "admin-pending", "cabinets": ["C0005"]},
    {"fault": "users-connected", "cabinets": ["C0008"]},
    {"fault": "tab-absent", "cabinets": ["C0017"]},
    {"fault": "commit-then-drop", "cabinets": ["C0002", "C0014"], "at": "synchronise", "times": 1},
    {"fault": "server-error", "share": 0.2, "times": 1},
    {"fault": "throttled", "share": 0.2, "times": 1},
]
"""What goes wrong in the demo. The last three mend themselves; the others need somebody."""


def demo(
    cabinets: Annotated[int, typer.Option("--cabinets", min=20, max=500, help="How many.")] = 24,
    seed: Annotated[int, typer.Option("--seed", help="The same seed, the same demo.")] = 1,
) -> None:
    """See the whole road on the sandbox: a wave runs, some cabinets stop, what stopped them is mended, only those run again.

    Example: bascule demo
    """
    from console.demo import play

    raise typer.Exit(play(cabinets, seed))


def server(
    port: Annotated[int, typer.Option("--port", min=0, max=65535, help="0: any free one.")] = 4200,
) -> None:
    """Start Prefect's server, the deployments and a worker on this machine, to try as a team. Ctrl-C or SIGTERM ends them.

    Example: bascule server
    """
    from console.team import serve

    raise typer.Exit(serve(port))
