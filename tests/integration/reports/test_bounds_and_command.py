"""What stays small however large a wave is; and that the command tells all that the run folder does."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

from bascule.ledger import Ledger
from bascule.model import Lifecycle, Outcome
from bascule.reports.publishing import publish
from bascule.reports.status import status_of, wave_table
from tasks.reporting import files_of
from tests.unit.reports.histories import began, blocked, ended, ok, planned, write


def test_prefects_pages_stay_small_however_large_the_wave(tmp_path: Path) -> None:
    with Ledger(f"sqlite:///{tmp_path}/ledger.db") as ledger:
        codes = [f"C{number:04}" for number in range(1_200)]
        waits = [[*began(code), *ended(code, Outcome.NONE, lifecycle=Lifecycle.WAITING)] for code in codes]
        write(ledger, *map(planned, codes), *waits)
        status = status_of(ledger, "pilot")
        published = publish(ledger, "pilot", tmp_path / "runs")
    assert len(wave_table(status)) == 202
    assert len(files_of(published)["markdown"]) < 5_000


def test_what_the_command_tells_is_what_the_run_folder_tells_word_for_word(tmp_path: Path) -> None:
    url = f"sqlite:///{tmp_path}/ledger.db"
    with Ledger(url) as ledger:
        write(ledger, planned("C0001"), planned("C0002"), planned("C0003"), ok("C0001"), blocked("C0002"))
        published = publish(ledger, "pilot", tmp_path / "runs")
    told = subprocess.run(
        [sys.executable, "-c", "from console.cli import main; main()", "status", "--wave", "pilot", "--json"],
        capture_output=True,
        check=True,
        text=True,
        env={"BASCULE_LEDGER_URL": url, "PYTHONPATH": str(Path(__file__).parents[3]), "PATH": ""},
        cwd=tmp_path,
    )
    assert json.loads(told.stdout) == json.loads((published.folder / "status.json").read_text(encoding="utf-8"))
