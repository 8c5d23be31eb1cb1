"""The bench, small."""

from __future__ import annotations

import subprocess
import sys

import pytest


@pytest.mark.timeout(110)
def test_the_bench_prints_what_a_wave_costs_beside_bare_tasks_and_plain_asyncio() -> None:
    ended = subprocess.run(
        [sys.executable, "-m", "benchmarks", "--cabinets", "5"],
        capture_output=True,
        text=True,
        timeout=100,
        check=False,
    )

    assert ended.returncode == 0, ended.stderr
    for told in ("5 cabinets", "wave / bare tasks", "wave / plain asyncio"):
        assert told in ended.stdout
