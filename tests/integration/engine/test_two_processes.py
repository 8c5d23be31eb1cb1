"""A wave that two processes work on at once, over one ledger on PostgreSQL."""

from __future__ import annotations

import json
import subprocess
import sys
from collections import Counter
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path

import httpx
import pytest

from bascule.ledger import EntryKind, Ledger, first_broken
from bascule.model import Outcome
from bascule.reports import status_of
from tests.builders import ONE_TIME, cabinets, world

ROOT = Path(__file__).parents[3]
COUNT = 300
WAVE = cabinets(COUNT)
SCENARIO = {
    "sync_seconds": 0.3,
    "faults": [{"fault": "commit-then-drop", "share": 0.02, "at": "connect", "times": 1}],
}


@pytest.fixture
def sandbox(tmp_path: Path) -> Iterator[str]:
    """A process of its own; its address."""
    given, told = tmp_path / "world.json", tmp_path / "scenario.json"
    given.write_text(json.dumps(world(WAVE)), encoding="utf-8")
    told.write_text(json.dumps(SCENARIO), encoding="utf-8")
    command = [sys.executable, "-m", "sandbox", "--world", str(given), "--scenario", str(told), "--port", "0"]
    with subprocess.Popen(command, cwd=ROOT, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        yield process.stdout.readline().split()[-1]
        process.terminate()


@pytest.mark.timeout(300)  # 40 s of two cores, which other tests may want too
def test_two_processes_on_one_postgresql_share_a_wave_of_300_and_run_no_cabinet_twice(
    postgresql_url: str, sandbox: str
) -> None:
    command = [sys.executable, "-m", "tests.integration.engine.one_of_two", postgresql_url, sandbox, str(COUNT)]
    Ledger(postgresql_url).close()  # both then find its tables
    with ExitStack() as at_work:
        two = [at_work.enter_context(subprocess.Popen(command, cwd=ROOT)) for _ in range(2)]
        for one in two:
            at_work.callback(one.kill)
        assert [one.wait(timeout=240) for one in two] == [0, 0]

    journal = httpx.get(f"{sandbox}/sandbox/journal", trust_env=False, timeout=60).json()
    written = Counter((line["cabinet"], line["verb"]) for line in journal if line["outcome"] in ("applied", "dropped"))
    once = {(cabinet.code, verb): 1 for cabinet in WAVE for verb in ONE_TIME}
    assert {place: count for place, count in written.items() if place[1] in ONE_TIME} == once
    with Ledger(postgresql_url, read_only=True) as ledger:
        began = ledger.of_wave("pilot", [EntryKind.BEGAN])
        assert sorted(entry.cabinet for entry in began) == [cabinet.code for cabinet in WAVE]
        shares = Counter(entry.run for entry in began)
        assert len(shares) == 2
        assert min(shares.values()) >= COUNT / 10, shares
        assert {outcome: count for outcome, count in status_of(ledger, "pilot").outcomes.items() if count} == {
            Outcome.OK: COUNT
        }
        assert not ledger.owing_a_reopen()
        histories = ledger.histories([cabinet.code for cabinet in WAVE])
        assert all(first_broken(history) is None for history in histories.values())
