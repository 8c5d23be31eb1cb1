"""`python -m tests.integration.engine.one_run LEDGER SANDBOX`: one wave of six cabinets, to be killed."""

from __future__ import annotations

import asyncio
import sys
from contextlib import AsyncExitStack

from bascule.connectors.http import HttpRemote
from bascule.connectors.openapi import served_as
from bascule.engine import Pace, RetryPolicy, Run, conduct
from bascule.ledger import Ledger, this_process
from bascule.model import Outcome, System
from tests.builders import cabinets

QUICK = Pace(act_timeout=5, settle=0.5, poll=0.05, patience_at_most=10, retry=RetryPolicy(first=0.1))
CABINETS = cabinets(6)


async def main(ledger_url: str, sandbox: str) -> bool:
    async with AsyncExitStack() as open_ones:
        ledger = open_ones.enter_context(Ledger(ledger_url))
        remotes = {
            system: await open_ones.enter_async_context(
                HttpRemote(system, f"{sandbox}/{served_as(system)}", client_id="bascule")
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
        async with run.heartbeat():
            return (await conduct(run, CABINETS, slots=6)).outcomes == {Outcome.OK: len(CABINETS)}


if __name__ == "__main__":
    sys.exit(0 if asyncio.run(main(*sys.argv[1:])) else 1)
