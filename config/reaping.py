"""One look at everybody who is locked out, each cabinet with its own connectors."""

from __future__ import annotations

import asyncio
from collections.abc import Collection
from itertools import groupby

from bascule.engine.reaping import Reaped, owing, reap
from bascule.ledger import Ledger
from config.settings import Settings
from config.wiring import now, run_on


async def let_users_in(
    settings: Settings, ledger: Ledger, stop: asyncio.Event, besides: Collection[str] = ()
) -> Reaped:
    """One look, whatever the cabinets' waves. `besides`: codes of those that are looked after otherwise."""
    reaped = Reaped()
    owed = sorted((one for one in owing(ledger, now()) if one.code not in besides), key=lambda one: one.wave)
    for wave, of_wave in groupby(owed, key=lambda one: one.wave):
        async with run_on(settings, ledger, wave=wave) as run:
            run.stop = stop
            async with run.heartbeat():
                reaped += await reap(run, of_wave)
    return reaped
