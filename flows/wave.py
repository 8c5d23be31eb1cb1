"""A wave: who is planned, in which order, how many at once; at its end, the reports."""

from __future__ import annotations

from functools import partial
from pathlib import Path
from typing import Any

from prefect import flow
from prefect.client.schemas.objects import State
from prefect.runtime import flow_run
from prefect.states import Completed, Failed

from bascule.engine import Conducted, Standing, conduct, opening
from bascule.ledger import Ledger
from bascule.model import Cabinet, Lifecycle, Outcome
from config.messengers import send_what_is_due
from config.reaping import let_users_in
from config.settings import Settings, read_settings
from config.wiring import open_ledger, run_on, stored_version
from flows.interrupt import interruptible
from flows.preparing import Asked, Prepared, prepare, require_answers
from flows.progress import shown_progress
from flows.stored import until_stored
from flows.watching import Watch, watching
from tasks.migrating import brake, migrate_in_prefect
from tasks.noticing import send_due
from tasks.reporting import publish_wave


@flow(name="migrate_wave", flow_run_name="{wave}", persist_result=False, retries=0)
async def migrate_wave(
    wave: str | None = None,
    inventory: str | None = None,
    waves: str | None = None,
    users: str | None = None,
    assignments: str | None = None,
    rerun: bool = False,
    only: list[str] | None = None,
    classes: list[str] | None = None,
    cabinets: list[str] | None = None,
    concurrency: int | None = None,
    ignore_unsupported: bool = False,
    because: str = "",
    any_hour: bool = False,
    plan: str = "",
    environment: str | None = None,
) -> State[Any]:
    """Takes a wave's cabinets through the procedure, doing what is not yet proven done.

    Args:
        wave: the wave's name; empty: the only one of the inventory.
        inventory: CSV, XLSX or YAML, as a path on the worker; empty: the version that the ledger holds.
        waves: a file of wave settings beside a CSV inventory.
        users: a file of users beside a CSV inventory.
        assignments: a file of assignments beside a CSV inventory.
        rerun: take up only what is not done.
        classes: with rerun, classes of errors (transient, data, rights, …).
        only: with rerun, outcome words (failed, blocked, unknown, partial, …), or waiting, paused, not-started.
        cabinets: with rerun, the codes of the cabinets to take up.
        concurrency: cabinets at once; empty: what the wave or the environment says.
        ignore_unsupported: run although the wave has settings that this version does not enforce.
        because: why; kept in the ledger.
        any_hour: outside window and blackout too; needs a reason.
        plan: the hash of the plan that is applied, if one is; kept in the ledger.
        environment: sandbox, production, or the path of a TOML file.
    """
    asked = Asked(
        wave=wave,
        inventory=_path(inventory),
        waves=_path(waves),
        users=_path(users),
        assignments=_path(assignments),
        rerun=rerun or bool(only or classes or cabinets),
        only=tuple(only or ()),
        classes=tuple(classes or ()),
        cabinets=tuple(cabinets or ()),
        concurrency=concurrency,
        ignore_unsupported=ignore_unsupported,
        because=because,
        any_hour=any_hour,
        plan=plan,
    )
    with watching().over() as watch:
        return await take_wave(asked, watch, environment)


async def take_wave(asked: Asked, watch: Watch, environment: str | None) -> State[Any]:
    """From what was asked to reports and messages. Prefect may be lost at any time: it costs what it would have shown."""
    settings = read_settings(environment)
    before = brake.started
    with open_ledger(settings) as ledger:
        prepared = prepare(asked, settings, ledger)
        await require_answers(settings, prepared)
        conducted = await carry_out_wave(prepared, settings, ledger, watch)
    await brake.let_go()
    watch.folder = await publish_wave(prepared.wave, environment=environment)
    await send_due(environment)
    watch.stored = await _what_prefect_lacks(brake.started - before)
    return shown(conducted)


async def carry_out_wave(prepared: Prepared, settings: Settings, ledger: Ledger, watch: Watch) -> Conducted:
    with interruptible() as stop:
        async with run_on(settings, ledger, wave=prepared.wave, rules=prepared.rules) as run:
            run.stop = stop
            run.progress = watch.goes_on
            run.alarm = partial(send_what_is_due, settings)
            watch.prepared = prepared
            await ledger.store_inventory(stored_version(prepared.inventory, at=run.clock(), who=run.who))
            await opening.begin(run, prepared.planned, prepared.evidence, prepared.because)
            watch.begins(prepared)
            async with run.heartbeat(), shown_progress(prepared.wave, len(prepared.cabinets)) as one_more:

                def stands(cabinet: Cabinet, standing: Standing) -> None:
                    one_more()
                    watch.stands(cabinet, standing)

                await let_users_in(settings, ledger, stop)
                conducted = await conduct(
                    run, prepared.cabinets, rules=prepared.rules, migrate=migrate_in_prefect, on_standing=stands
                )
            await opening.end(run, conducted)
            watch.conducted = conducted
            return conducted


def shown(conducted: Conducted) -> State[None]:
    """A wave's end on Prefect's pages: red if a cabinet failed, Waiting if one waits for a person."""
    told = ", ".join(f"{count} {outcome}" for outcome, count in conducted.outcomes.items()) or "nothing to do"
    if conducted.defects or conducted.grade in (Outcome.FAILED, Outcome.UNKNOWN, Outcome.PARTIAL, Outcome.BLOCKED):
        return Failed(message=told)
    if conducted.stopped or conducted.stop is not None:
        why = f"; {conducted.stop.why}" if conducted.stop is not None else ""
        return Completed(name="Stopped", message=f"{told}{why}")
    if conducted.taken or any(standing.lifecycle is not Lifecycle.ENDED for standing in conducted.standings.values()):
        return Completed(name="Waiting", message=told)
    return Completed(message=told)


async def _what_prefect_lacks(task_runs: int) -> str:
    stored = await until_stored(flow_run.id, task_runs)
    return "" if stored.is_complete else str(stored)


def _path(name: str | None) -> Path | None:
    return Path(name) if name else None
