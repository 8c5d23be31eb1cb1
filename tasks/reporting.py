"""A run's folder, and what Prefect's pages show of a wave: a table, the files, how far it is. Bounded, however large the wave."""

from __future__ import annotations

import hashlib
import re
from pathlib import Path
from typing import Any

from prefect import task
from prefect.artifacts import acreate_markdown_artifact, acreate_table_artifact

from bascule.reports import wave_table
from bascule.reports.publishing import Published
from bascule.reports.summary import rerun_command
from bascule.reports.visible import visible
from config.settings import read_settings
from config.wiring import published
from tasks.once import ONCE
from tasks.showing import only_shown

FILES, PROGRESS = "-files", "-progress"
"""How the keys of a wave's other pages end."""


@task(name="reports", task_run_name="reports", **ONCE)
async def publish_wave(wave: str, run: str | None = None, environment: str | None = None) -> Path:
    report = published(read_settings(environment), wave, run)
    async with only_shown("the wave's table"):
        await acreate_table_artifact(**artifact_of(report))
        await acreate_markdown_artifact(**files_of(report))
    return report.folder


def artifact_of(report: Published) -> dict[str, Any]:
    status = report.status
    told = f"{sum(status.outcomes.values())} of {status.planned} cabinets accounted for; grade {status.grade}. Files: {report.folder}"
    table = [{name: visible(cell) for name, cell in row.items()} for row in wave_table(status)]
    return {"key": key_of(status.wave), "table": table, "description": visible(told)}


def files_of(report: Published) -> dict[str, Any]:
    """Where the documents are; of the procès-verbaux only how many."""
    folder = report.folder.resolve()
    of_the_run = [path for path in report.files if path.parent == report.folder]
    signed = len({path.stem for path in report.files if path.parent != report.folder})
    lines = [f"- [{path.name}]({folder.joinpath(path.name).as_uri()})" for path in of_the_run]
    again = rerun_command(report.status)
    markdown = "\n".join(
        [
            f"# Wave {report.status.wave}, run `{report.account.run}`",
            "",
            f"In `{folder}`, on the machine of the worker; {signed} procès-verbaux in `proces-verbaux`.",
            "",
            *lines,
            *(["", "Once what failed is mended:", "", f"    {again}"] if again else []),
        ]
    )
    return {
        "key": key_of(report.status.wave) + FILES,
        "markdown": visible(markdown),
        "description": visible(str(folder)),
    }


def key_of(wave: str) -> str:
    """As Prefect has it: lower-case letters, digits and dashes. Two waves never share one."""
    name = re.sub(r"[^a-z0-9]+", "-", wave.lower()).strip("-")
    if name == wave and not wave.endswith((FILES, PROGRESS)):
        return f"wave-{name}"
    return f"wave-{name or 'unnamed'}-{hashlib.sha256(wave.encode()).hexdigest()[:8]}"
