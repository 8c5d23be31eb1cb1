"""What another process does to a ledger: `python -m tests.integration.ledger.another_process VERB URL WHO TIMES`."""

from __future__ import annotations

import asyncio
import resource
import sys
from datetime import UTC, datetime

from bascule.errors import LedgerFull
from bascule.ledger import Ledger, this_process
from tests.unit.ledger.lines import line


async def append(url: str, who: str, times: int) -> None:
    """Entries in a chain that others write in too, and in one of its own."""
    with Ledger(url) as ledger:
        say("open")
        for number in range(times):
            await asyncio.gather(
                ledger.record(line(who=who, reason=str(number))), ledger.record(line(f"OWN-{who}", reason=str(number)))
            )


async def hold(url: str, who: str, times: int) -> None:
    """Takes the lease of a cabinet and lives until it is killed."""
    with Ledger(url) as ledger:
        say(str(await ledger.take_lease("C0001", this_process(), datetime.now(UTC))))
        await asyncio.to_thread(sys.stdin.read)


async def fill(url: str, who: str, times: int) -> None:
    """Writes until there is no room left."""
    with Ledger(url) as ledger:
        await ledger.record(line(who=who, reason="fits"))
        resource.setrlimit(resource.RLIMIT_FSIZE, (300_000, 300_000))
        try:
            for _ in range(times):
                await ledger.record(line(who=who, reason="x" * 10_000))
        except LedgerFull as full:
            say(f"{full} | {full.remedy}")


def say(what: str) -> None:
    sys.stdout.write(f"{what}\n")
    sys.stdout.flush()


if __name__ == "__main__":
    verb, url, who, times = sys.argv[1:]
    asyncio.run({"append": append, "hold": hold, "fill": fill}[verb](url, who, int(times)))
