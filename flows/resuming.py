"""Carries on where a person has answered: started by a schedule, so that nobody has to start a run after each answer."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import datetime
from typing import Any

from prefect import flow
from prefect.client.schemas.objects import State
from prefect.states import Completed, Failed

from bascule.errors import BasculeError
from bascule.ledger import Desk, EntryKind, Ledger
from bascule.waves.choosing import in_wave
from bascule.waves.resuming import last_runs, worth_resuming
from config.settings import read_settings
from config.wiring import now, open_ledger
from flows.preparing import stored_inventory
from flows.wave import migrate_wave
from tasks.noticing import send_due


@flow(name="resume_waiting", persist_result=False, retries=0)
async def resume_waiting(wave: str | None = None, environment: str | None = None) -> State[Any]:
    """Takes up the waiting cabinets whose work orders were answered, and ends; what still waits is left alone.

    Args:
        wave: only this one; empty: every wave that the ledger knows.
        environment: sandbox, production, or the path of a TOML file.
    """
    with open_ledger(read_settings(environment)) as ledger:
        resumed = to_resume(ledger, [wave] if wave else ledger.waves(), now())
    told: list[str] = []
    wrong: list[str] = []
    for name, codes in resumed.items():
        state = await migrate_wave(
            wave=name,
            cabinets=list(codes),
            # What the wave's own run was allowed to leave out, this one is too.
            ignore_unsupported=True,
            because="a work order was answered",
            environment=environment,
            return_state=True,
        )
        result = await state.aresult(raise_on_failure=False)
        (wrong if isinstance(result, BasculeError) else told).append(f"{name}: {len(codes)} taken up ({state.message})")
    if not resumed:
        # A wave sends its own at its end.
        await send_due(environment)
    if wrong:
        return Failed(message="; ".join([*wrong, *told]))
    return Completed(message="; ".join(told) or "nothing to carry on with")


def to_resume(ledger: Ledger, waves: Iterable[str], at: datetime) -> dict[str, tuple[str, ...]]:
    """The cabinets to take up again, by wave; waves without any are left out, and so is who is no more in the inventory's wave."""
    awaited = {order.cabinet for order in Desk(ledger, now).open_ones() if not order.is_decision}
    said = ledger.last_words()
    found = {}
    for wave in waves:
        runs = last_runs(ledger.of_wave(wave, (EntryKind.BEGAN, EntryKind.ENDED)))
        codes = worth_resuming(runs, awaited, said, at)
        planned = {cabinet.code for cabinet in in_wave(stored_inventory(ledger, wave).cabinets, wave)} if codes else ()
        found[wave] = tuple(code for code in codes if code in planned)
    return {wave: codes for wave, codes in found.items() if codes}
