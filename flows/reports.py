"""A wave's reports, written again from the ledger."""

from __future__ import annotations

from prefect import flow

from tasks.reporting import publish_wave


@flow(name="publish_reports", flow_run_name="{wave}", persist_result=False, retries=0)
async def publish_reports(wave: str, environment: str | None = None) -> str:
    """Writes the run folder of a wave's last run and its table on Prefect's pages.

    Args:
        wave: the wave's name.
        environment: sandbox, production, or the path of a TOML file.
    """
    return str(await publish_wave(wave, environment=environment))
