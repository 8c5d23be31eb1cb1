"""Carries on where a person has answered: started by a schedule, so that nobody has to start a run after each answer."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import UTC, datetime
from typing import Any

from prefect import flow
from prefect.client.schemas.objects import State
from prefect.states import Completed

from bascule.ledger import Desk, Ledger
from bascule.model import Lifecycle
from bascule.reports import status_of
from bascule.waves.resuming import worth_resuming
from config.settings import read_settings
from config.wiring import now, open_ledger
from flows.wave import migrate_wave
from tasks.noticing import send_due


@flow(name="resume_waiting", persist_result=False)
async def resume_waiting(wave: str | None = None, environment: str | None = None) -> State[Any]:
    """Takes up the waiting cabinets whose work orders were answered, and ends; what still waits is left alone.

    Args:
        wave: only this one; empty: every wave that the ledger knows.
        environment: sandbox, production, or the path of a TOML file.
    """
    with open_ledger(read_settings(environment)) as ledger:
        resumed = to_resume(ledger, [wave] if wave else ledger.waves(), now())
    for name, codes in resumed.items():
        await migrate_wave(
            wave=name,
            cabinets=list(codes),
            because="a work order was answered",
            environment=environment,
            return_state=True,
        )
    if not resumed:
        # A wave sends its own at its end.
        await send_due(environment)
    told = ", ".join(f"{name}: {len(codes)} taken up" for name, codes in resumed.items())
    return Completed(message=told or "nothing to carry on with")


def to_resume(ledger: Ledger, waves: Iterable[str], at: datetime) -> dict[str, tuple[str, ...]]:
    """The cabinets to take up again, by wave; waves without any are left out."""
    orders = Desk(ledger, now).everything()
    found = {
        wave: worth_resuming(
            {
                cabinet.code: cabinet.ended_at or datetime.min.replace(tzinfo=UTC)
                for cabinet in status_of(ledger, wave).cabinets
                if cabinet.lifecycle is Lifecycle.WAITING
            },
            orders,
            at,
        )
        for wave in waves
    }
    return {wave: codes for wave, codes in found.items() if codes}
