"""`python -m tests.integration.engine.one_of_two LEDGER SANDBOX COUNT`: a run on a wave that another process works on too."""

from __future__ import annotations

import asyncio
import sys
from contextlib import AsyncExitStack

from bascule.connectors.http import HttpRemote
from bascule.connectors.openapi import served_as
from bascule.engine import Pace, RetryPolicy, Run, conduct
from bascule.engine.opening import begin, end
from bascule.ledger import Ledger, this_process
from bascule.model import System
from tests.builders import cabinets

QUICK = Pace(act_timeout=20, settle=0.5, look=0.5, poll=0.2, patience_at_most=60, retry=RetryPolicy(first=0.1))


async def main(ledger_url: str, sandbox: str, count: int) -> None:
    wave = cabinets(count)
    async with AsyncExitStack() as open_ones:
        ledger = open_ones.enter_context(Ledger(ledger_url))
        remotes = {
            system: await open_ones.enter_async_context(
                HttpRemote(system, f"{sandbox}/{served_as(system)}", client_id="bascule", max_connections=6)
            )
            for system in System
        }
        run = Run(
            wave="pilot",
            who="ops",
            ledger=ledger,
            owner=this_process(),
            remote=lambda _, system: remotes[system],
            pace=QUICK,
            plays_person=True,
        )
        await begin(run, wave, {})
        async with run.heartbeat():
            conducted = await conduct(run, wave, slots=20)
        await end(run, conducted)


if __name__ == "__main__":
    asyncio.run(main(sys.argv[1], sys.argv[2], int(sys.argv[3])))
