"""Lets users in again whom a run left locked out, whatever became of it: at the start of every wave, and on a schedule."""

from __future__ import annotations

import asyncio
from collections.abc import Collection
from itertools import groupby
from typing import Any

from prefect import flow
from prefect.client.schemas.objects import State
from prefect.states import Completed, Failed

from bascule.engine.reaping import Reaped, owing, reap
from bascule.ledger import Ledger
from config.settings import Settings, read_settings
from config.wiring import open_ledger, run_on
from flows.interrupt import interruptible


@flow(name="reap", persist_result=False)
async def reap_lock_outs(environment: str | None = None) -> State[Any]:
    """Looks at every lock-out that is owed a reopen, and lets users in where no synchronisation runs and nobody has it in hand.

    Args:
        environment: sandbox, production, or the path of a TOML file.
    """
    settings = read_settings(environment)
    with open_ledger(settings) as ledger, interruptible() as stop:
        return shown(await let_users_in(settings, ledger, stop))


async def let_users_in(
    settings: Settings, ledger: Ledger, stop: asyncio.Event, besides: Collection[str] = ()
) -> Reaped:
    """One look, whatever the cabinets' waves. `besides`: codes of those that are looked after otherwise."""
    reaped = Reaped()
    owed = sorted((one for one in owing(ledger) if one.code not in besides), key=lambda one: one.wave)
    for wave, of_wave in groupby(owed, key=lambda one: one.wave):
        async with run_on(settings, ledger, wave=wave) as run:
            run.stop = stop
            async with run.heartbeat():
                reaped += await reap(run, of_wave)
    return reaped


def shown(reaped: Reaped) -> State[None]:
    """Red where somebody has to see to a cabinet, or users should have been back by now."""
    told = [f"users let in: {', '.join(sorted(reaped.let_in))}"] if reaped.let_in else []
    told += [f"overdue: {', '.join(sorted(reaped.overdue))}"] if reaped.overdue else []
    told += [f"{code}: {why}" for code, why in sorted({**reaped.stuck, **reaped.left}.items())]
    message = "; ".join(told) or "nobody is locked out"
    return Failed(message=message) if reaped.stuck or reaped.overdue else Completed(message=message)
