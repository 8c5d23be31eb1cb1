"""The short form of `make chaos`: few seeds, few cabinets."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[3]


@pytest.mark.timeout(300)
def test_whatever_is_killed_every_cabinet_arrives_once_and_lets_its_users_in(
    capsys: pytest.CaptureFixture[str],
) -> None:
    command = [sys.executable, "-m", "tests.chaos", "engine", "--seeds", "3", "--cabinets", "20", "--together", "3"]
    ended = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)

    with capsys.disabled():
        sys.stdout.write(f"\n{ended.stdout}")
    assert ended.returncode == 0, ended.stdout + ended.stderr
    done = ended.stdout.splitlines()[-1]
    assert "3 seeds × 20 cabinets" in done
    assert all(f" {struck} " in done for struck in ("run", "company", "sandbox", "faults")), done
