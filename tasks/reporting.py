"""A run's folder, and the wave's table on Prefect's pages."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

from prefect import task
from prefect.artifacts import acreate_table_artifact
from prefect.cache_policies import NO_CACHE

from bascule.reports import wave_table
from bascule.reports.publishing import Published
from config.settings import read_settings
from config.wiring import published


@task(name="reports", task_run_name="reports", cache_policy=NO_CACHE)
async def publish_wave(wave: str, run: str | None = None, environment: str | None = None) -> Path:
    return await shown(published(read_settings(environment), wave, run))


async def shown(report: Published) -> Path:
    await acreate_table_artifact(**artifact_of(report))
    return report.folder


def artifact_of(report: Published) -> dict[str, Any]:
    status = report.status
    key = re.sub(r"[^a-z0-9]+", "-", status.wave.lower()).strip("-") or "unnamed"
    told = f"{sum(status.outcomes.values())} of {status.planned} cabinets accounted for; grade {status.grade}. Files: {report.folder}"
    return {"key": f"wave-{key}", "table": wave_table(status), "description": told}
