"""One cabinet alone: the same procedure, as a flow run of its own."""

from __future__ import annotations

from typing import Any

from prefect import flow
from prefect.client.schemas.objects import State

from config.settings import read_settings
from config.wiring import open_ledger
from flows.preparing import Asked, prepare, require_answers
from flows.watching import watching
from flows.wave import carry_out_wave, shown


@flow(name="migrate_cabinet", flow_run_name="{code}", persist_result=False, retries=0)
async def migrate_cabinet(
    code: str, wave: str | None = None, because: str = "", environment: str | None = None
) -> State[Any]:
    """Takes one cabinet of a wave that was planned before as far as it will go now.

    Args:
        code: the cabinet's code.
        wave: its wave; empty: the only one of the stored inventory.
        because: why; kept in the ledger.
        environment: sandbox, production, or the path of a TOML file.
    """
    settings = read_settings(environment)
    with open_ledger(settings) as ledger:
        prepared = prepare(Asked(wave=wave, rerun=True, cabinets=(code,), because=because), settings, ledger)
        await require_answers(settings, prepared)
        return shown(await carry_out_wave(prepared, settings, ledger, watching()))
