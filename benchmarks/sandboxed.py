"""A plain wave on a sandbox that lives in this process, with a ledger of its own."""

from __future__ import annotations

import contextlib
from collections.abc import AsyncIterator, Sequence
from pathlib import Path
from typing import Any

import httpx
from stdnum import luhn

from bascule.connectors.http import HttpRemote
from bascule.engine import Pace, RetryPolicy, Run
from bascule.ledger import Ledger, this_process
from bascule.model import Cabinet, System
from sandbox.app import create_app

PATHS = {System.MY_SAGE: "my-sage", System.GE: "ge", System.S4A: "s4a"}

PACE = Pace(
    poll=0.1,
    patience_at_most=5,
    settle=1,
    act_timeout=10,
    retry=RetryPolicy(attempts=6, first=0.2, longest=5),
)

OF_THE_WORLD = (
    "code name siren siret entity admin_email default_profile default_group contact_email terms_signatory timezone"
).split()


def plain_cabinets(count: int) -> list[Cabinet]:
    return [
        Cabinet(
            code=f"C{number:04}",
            name=f"Cabinet Numéro {number}",
            siren=_siren(number),
            entity=f"E{number}",
            admin_email=f"admin{number}@cabinet{number}.example",
            default_profile="Collaborateur",
            default_group="GENERAL",
            terms_signatory="Jeanne Dupont",
        )
        for number in range(1, count + 1)
    ]


@contextlib.asynccontextmanager
async def run_on_sandbox(cabinets: Sequence[Cabinet], folder: Path) -> AsyncIterator[Run]:
    """A run on a world that no run has touched."""
    transport = httpx.ASGITransport(create_app(_world(cabinets), None))
    async with contextlib.AsyncExitStack() as stack:
        remotes = {
            system: await stack.enter_async_context(
                HttpRemote(system, f"http://sandbox/{path}", client_id="bascule", transport=transport)
            )
            for system, path in PATHS.items()
        }
        ledger = stack.enter_context(Ledger(f"sqlite:///{folder / 'ledger.db'}"))
        run = Run(
            wave="bench",
            who="bench",
            ledger=ledger,
            owner=this_process(),
            remote=lambda cabinet, system: remotes[system],
            pace=PACE,
            plays_person=True,
        )
        async with run.heartbeat():
            yield run


def _world(cabinets: Sequence[Cabinet]) -> dict[str, Any]:
    return {"seed": 7, "cabinets": [_in_the_world(cabinet) for cabinet in cabinets]}


def _in_the_world(cabinet: Cabinet) -> dict[str, Any]:
    return {name: getattr(cabinet, name) for name in OF_THE_WORLD} | {"users": [], "assignments": [], "size": None}


def _siren(number: int) -> str:
    digits = f"{40_000_000 + number}"
    return digits + str(luhn.calc_check_digit(digits))
