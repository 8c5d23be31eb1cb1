"""kill -9 at any moment: the next run, started at once, ends as if nothing had happened."""

from __future__ import annotations

import json
import random
import subprocess
import sys
from collections import Counter
from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest

from bascule.ledger import Ledger, first_broken
from tests.builders import ONE_TIME, world
from tests.integration.engine.one_run import CABINETS

ROOT = Path(__file__).parents[3]


@pytest.fixture
def sandbox(tmp_path: Path) -> Iterator[str]:
    """A process of its own; its address."""
    given = tmp_path / "world.json"
    given.write_text(json.dumps(world(CABINETS)), encoding="utf-8")
    command = [
        sys.executable,
        "-m",
        "sandbox",
        "--world",
        str(given),
        "--port",
        "0",
        "--state",
        str(tmp_path / "state"),
    ]
    with subprocess.Popen(command, cwd=ROOT, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        yield process.stdout.readline().split()[-1]
        process.terminate()


@pytest.mark.parametrize("seed", range(2))
def test_a_killed_run_is_ended_by_the_next_and_doubles_nothing(tmp_path: Path, sandbox: str, seed: int) -> None:
    draw = random.Random(seed)
    ledger_url = f"sqlite:///{tmp_path / 'ledger.db'}"
    command = [sys.executable, "-m", "tests.integration.engine.one_run", ledger_url, sandbox]
    for _ in range(2):
        with subprocess.Popen(command, cwd=ROOT) as process:
            try:
                process.wait(draw.uniform(1.2, 3))
            except subprocess.TimeoutExpired:
                process.kill()
    subprocess.run(command, cwd=ROOT, check=True, timeout=60)

    journal = httpx.get(f"{sandbox}/sandbox/journal", trust_env=False).json()
    written = Counter((j["cabinet"], j["verb"]) for j in journal if j["outcome"] in ("applied", "dropped"))
    with Ledger(ledger_url, read_only=True) as ledger:
        for cabinet in CABINETS:
            assert {verb: written[cabinet.code, verb] for verb in ONE_TIME} == dict.fromkeys(ONE_TIME, 1)
            state = httpx.get(f"{sandbox}/sandbox/state/{cabinet.code}", trust_env=False).json()
            assert not state["ge"]["locked_out"]
            assert sorted(state["s4a"]["dossiers"]) == sorted(state["ge"]["dossiers"])
            assert first_broken(ledger.history(cabinet.code)) is None
