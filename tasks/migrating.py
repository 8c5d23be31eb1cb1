"""A cabinet is a task run named by its code; each of its steps is a child task run (`C0042 / connect`)."""

from __future__ import annotations

from contextvars import ContextVar
from dataclasses import dataclass
from typing import Any

from prefect import task
from prefect.client.schemas.objects import State as PrefectState
from prefect.client.schemas.objects import TaskRun
from prefect.states import Completed, Failed
from prefect.tasks import Task

from bascule.engine import CabinetRun, Run, Standing, migrate
from bascule.errors import BasculeError
from bascule.ledger import Entry
from bascule.model import Cabinet, Lifecycle, Outcome, State
from bascule.procedure import Step, step_named
from tasks.brake import Brake
from tasks.once import ONCE

brake = Brake()


class TryAgain(Exception):
    """Time may mend what went wrong: the step is attempted again."""


@dataclass
class Job:
    """A cabinet in the hands of a task. Tasks take names, not objects: Prefect looks through every parameter."""

    run: Run
    cabinet: Cabinet
    cabinet_run: CabinetRun | None = None
    standing: Standing | None = None
    error: BaseException | None = None


current_job: ContextVar[Job] = ContextVar("current_job")


async def migrate_in_prefect(run: Run, cabinet: Cabinet) -> Standing:
    """What `conduct` calls for each cabinet. Raises what `migrate` raises."""
    job = Job(run, cabinet)
    current_job.set(job)
    await brake.let_go()
    await _state_of(take_through_procedure, cabinet.code)
    if job.error is not None:
        raise job.error
    assert job.standing is not None
    return job.standing


async def perform_in_prefect(cabinet_run: CabinetRun, step: Step) -> Entry:
    """What `walk` calls for each step."""
    job = current_job.get()
    job.cabinet_run = cabinet_run
    await brake.let_go()
    carry_out = carry_out_step.with_options(retries=cabinet_run.run.pace.retry.attempts - 1)
    state = await _state_of(carry_out, cabinet_run.cabinet.code, step.name)
    error = await _error_of(state)
    if error is not None:
        raise error
    return cabinet_run.last[step.name]


@task(name="cabinet", task_run_name="{code}", **ONCE)
async def take_through_procedure(code: str) -> PrefectState[None]:
    return shown_standing(await _migrated(current_job.get()))


async def is_worth_another(task: Task[..., Any], task_run: TaskRun, state: PrefectState[Any]) -> bool:
    # Async, because Prefect hands an async task's state to a plain function without its result (docs/prefect.md).
    return isinstance(await state.aresult(raise_on_failure=False), TryAgain)


@task(name="step", task_run_name="{code} / {step_name}", retry_condition_fn=is_worth_another, **ONCE)
async def carry_out_step(code: str, step_name: str) -> PrefectState[None]:
    return shown_entry(await _carried_out(current_job.get(), step_named(step_name)))


def shown_standing(job: Job) -> PrefectState[None]:
    """A cabinet's standing, as people see it in Prefect: failed ones red, waiting ones named Waiting."""
    if job.standing is None:
        return Failed(message=str(job.error))
    standing = job.standing
    told = ": ".join(part for part in (standing.step, standing.reason) if part)
    if standing.lifecycle is Lifecycle.WAITING:
        return Completed(name="Waiting", message=told)
    if standing.lifecycle is Lifecycle.PAUSED:
        return Completed(name="Paused", message=told)
    if standing.outcome in (Outcome.OK, Outcome.OK_WITH_RESERVATIONS):
        return Completed(message=told or standing.outcome.value)
    return Failed(name=standing.outcome.value.capitalize(), message=told)


def shown_entry(entry: Entry) -> PrefectState[None]:
    match entry.state:
        case State.DONE:
            return Completed(message=entry.reason or "proven")
        case State.WAITING:
            return Completed(name="Waiting", message=entry.reason)
        case State.UNKNOWN:
            return Failed(name="Unknown", message=entry.reason)
        case _:
            return Failed(message=entry.reason)


async def _migrated(job: Job) -> Job:
    try:
        job.standing = await migrate(job.run, job.cabinet, perform_in_prefect)
    except Exception as error:  # noqa: BLE001  # raised again by who started the task
        job.error = error
    return job


async def _carried_out(job: Job, step: Step) -> Entry:
    """One attempt. Raises TryAgain where another is worth it, once the pause before it is over."""
    assert job.cabinet_run is not None
    entry = await job.cabinet_run.carry_out(step)
    if await job.cabinet_run.may_try_again(step, entry):
        raise TryAgain(entry.reason)
    return entry


async def _state_of(started: Task[..., Any], *names: str) -> PrefectState[Any]:
    """Runs a task to its end; a task that failed is a state here, not an exception."""
    running: Any = started(*names, return_state=True)
    state: PrefectState[Any] = await running
    return state


async def _error_of(state: PrefectState[Any]) -> BaseException | None:
    """What stopped the attempt itself: the ledger's errors. A verdict is no error."""
    if not state.is_failed() and not state.is_crashed():
        return None
    result = await state.aresult(raise_on_failure=False)
    return result if isinstance(result, BasculeError) else None
