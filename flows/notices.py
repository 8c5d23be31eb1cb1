"""Messages to people, looked for on a schedule: what is overdue at three in the morning waits for no wave's end."""

from __future__ import annotations

from typing import Any

from prefect import flow
from prefect.client.schemas.objects import State

from tasks.noticing import send_due


@flow(name="send_notices", persist_result=False, retries=0)
async def send_notices(environment: str | None = None) -> State[Any]:
    """Tells operators and their team what is due: work orders, alarms, waves that ended.

    Args:
        environment: sandbox, production, or the path of a TOML file.
    """
    looked = await send_due(environment)
    # A state of its own: handed a task's, Prefect would say "All states completed".
    return State(type=looked.type, message=looked.message)
