"""Lets users in again whom a run left locked out, whatever became of it: at the start of every wave, and on a schedule."""

from __future__ import annotations

from typing import Any

from prefect import flow
from prefect.client.schemas.objects import State
from prefect.states import Completed, Failed

from bascule.engine.reaping import Reaped
from config.reaping import let_users_in
from config.settings import read_settings
from config.wiring import open_ledger
from flows.interrupt import interruptible


@flow(name="reap", persist_result=False, retries=0)
async def reap_lock_outs(environment: str | None = None) -> State[Any]:
    """Looks at every lock-out that is owed a reopen, and lets users in where no synchronisation runs and nobody has it in hand.

    Args:
        environment: sandbox, production, or the path of a TOML file.
    """
    settings = read_settings(environment)
    with open_ledger(settings) as ledger, interruptible() as stop:
        return shown(await let_users_in(settings, ledger, stop))


def shown(reaped: Reaped) -> State[None]:
    """Red where somebody has to see to a cabinet, or users should have been back by now."""
    told = [f"users let in: {', '.join(sorted(reaped.let_in))}"] if reaped.let_in else []
    told += [f"overdue: {', '.join(sorted(reaped.overdue))}"] if reaped.overdue else []
    told += [f"{code}: {why}" for code, why in sorted({**reaped.stuck, **reaped.left}.items())]
    message = "; ".join(told) or "nobody is locked out"
    return Failed(message=message) if reaped.stuck or reaped.overdue else Completed(message=message)
