"""The bench, small."""

from __future__ import annotations

import subprocess
import sys

import pytest


@pytest.mark.timeout(230)  # 45 s of a machine of its own
def test_the_bench_prints_what_a_wave_costs_beside_bare_tasks_and_plain_asyncio() -> None:
    ended = subprocess.run(
        [sys.executable, "-m", "benchmarks", "--cabinets", "5"],
        capture_output=True,
        text=True,
        timeout=220,
        check=False,
    )

    assert ended.returncode == 0, ended.stderr
    for told in ("5 cabinets", "wave / bare tasks", "wave / plain asyncio"):
        assert told in ended.stdout
