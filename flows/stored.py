"""Waits until Prefect has stored what a flow run did: task runs reach it as events, some time after they ended."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any
from uuid import UUID

import httpx
from prefect.client.orchestration import PrefectClient, get_client
from prefect.client.schemas.objects import TERMINAL_STATES
from prefect.exceptions import PrefectException

from config.prefect_environment import give_up
from tasks.showing import WITHIN

ENDED = [state.value for state in TERMINAL_STATES]

FIRST_LOOK, LAST_LOOK = 0.1, 1.0
"""Seconds between two looks: short at first, as little is usually missing, and longer for what takes long."""


@dataclass(frozen=True)
class Stored:
    """How much of a flow run Prefect has stored. What it lacks is lacking in its pages only: the ledger has it all."""

    expected: int
    ended: int
    known: int
    problem: str = ""
    """Why Prefect could not be asked any further."""

    @property
    def is_complete(self) -> bool:
        return self.ended >= self.expected

    def __str__(self) -> str:
        if self.is_complete:
            return f"Prefect has stored all {self.expected} task runs."
        absent, running = self.expected - self.known, self.known - self.ended
        return (
            f"Prefect has stored {self.ended} of {self.expected} task runs: {absent} are absent from its pages and"
            f" {running} are shown as running. The ledger and the report are complete."
            + (f" ({self.problem})" if self.problem else "")
        )


async def until_stored(flow_run_id: UUID, expected_task_runs: int, timeout: float = 60.0) -> Stored:
    """Waits until as many task runs of a flow run as were started have ended in Prefect's eyes, or the time is up.

    Task runs of task runs count too.
    """
    deadline = time.monotonic() + timeout
    pause = FIRST_LOOK
    ended = known = 0
    try:
        async with get_client() as client:
            while (
                ended := await _count(client, flow_run_id, ENDED)
            ) < expected_task_runs and time.monotonic() < deadline:
                await asyncio.sleep(pause)
                pause = min(pause * 1.5, LAST_LOOK)
            known = ended if ended >= expected_task_runs else await _count(client, flow_run_id)
    except (httpx.HTTPError, PrefectException, TimeoutError, ValueError, TypeError, RuntimeError) as error:
        # A server that is gone, frozen or no longer Prefect costs a picture, not a run.
        give_up()
        return Stored(expected_task_runs, ended, max(known, ended), problem=f"{type(error).__name__}: {error}")
    return Stored(expected_task_runs, ended, known)


async def _count(client: PrefectClient, flow_run_id: UUID, states: Sequence[str] | None = None) -> int:
    of_the_flow: Mapping[str, Any] = {"flow_runs": {"id": {"any_": [str(flow_run_id)]}}}
    in_the_states: Mapping[str, Any] = {"task_runs": {"state": {"type": {"any_": list(states)}}}} if states else {}
    async with asyncio.timeout(WITHIN):
        answer = await client.request("POST", "/task_runs/count", json={**of_the_flow, **in_the_states})
    return int(answer.json())
