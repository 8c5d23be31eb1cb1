"""One look at what people are to be told. Never an error: who could not be told today is told at the next look."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from prefect import task
from prefect.client.schemas.objects import State as PrefectState
from prefect.states import Completed, Failed

from bascule.notices import Posted
from config.messengers import send_what_is_due
from config.settings import read_settings
from tasks.migrating import brake
from tasks.once import ONCE


async def send_due(environment: str | None = None) -> PrefectState[Any]:
    """For the end of a flow. Where notices are off it is no task run, and takes no time."""
    if not read_settings(environment).notices.enabled:
        return Completed(message="notices are off")
    await brake.let_go()
    running: Any = send_notices(environment, return_state=True)
    state: PrefectState[Any] = await running
    return state


@task(name="notices", task_run_name="notices", **ONCE)
async def send_notices(environment: str | None = None) -> PrefectState[None]:
    return shown_posted(await send_what_is_due(read_settings(environment)))


def shown_posted(posted: Sequence[Posted]) -> PrefectState[None]:
    """Red where somebody could not be told."""
    failed = [f"{one.notice.to}: {one.failed}" for one in posted if one.failed]
    told = f"{len(posted) - len(failed)} sent"
    return Failed(message="; ".join([told, *failed])) if failed else Completed(message=told)
