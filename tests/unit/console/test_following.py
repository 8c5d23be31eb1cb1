"""watch: a picture that fits its terminal, and a loop that ends with the wave's runs."""

from __future__ import annotations

import asyncio
import os
import pty
import select
import subprocess
import sys
import time
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from bascule.ledger import EntryKind, Ledger, this_process
from bascule.model import ErrorClass, Lifecycle, Outcome
from bascule.reports import CabinetStatus, WaveStatus
from console.following import picture
from tests.unit.console.conftest import Bascule
from tests.unit.reports.histories import began, blocked, line, ok, planned, write

NOW = datetime(2026, 12, 1, 21, 0, tzinfo=UTC)


def standing(number: int) -> CabinetStatus:
    lifecycle, outcome = (
        (Lifecycle.ENDED, Outcome.FAILED),
        (Lifecycle.RUNNING, Outcome.NONE),
        (Lifecycle.WAITING, Outcome.NONE),
        (Lifecycle.ENDED, Outcome.OK),
        (Lifecycle.PLANNED, Outcome.NONE),
    )[number % 5]
    begun = lifecycle is not Lifecycle.PLANNED
    return CabinetStatus(
        code=f"C{number:05}",
        lifecycle=lifecycle,
        outcome=outcome,
        step="synchronise" if begun else None,
        reason="[bold]a reason[/] that goes on and on, " * 5,
        error_class=ErrorClass.EXTERNAL.value if outcome is Outcome.FAILED else None,
        error_signature=None,
        next_action="see to it",
        owner=None,
        attempts=1,
        started_at=NOW - timedelta(hours=1) if begun else None,
        ended_at=NOW if lifecycle is Lifecycle.ENDED else None,
        since=NOW - timedelta(minutes=12),
        locked_out_since=None,
        not_approved=None,
        slow="at work for 12 min; 95 in 100 small cabinets take 4 at most" if number == 1 else None,
    )


LARGE = WaveStatus(wave="pilot", planned=5_000, cabinets=tuple(standing(number) for number in range(5_000)))


@pytest.mark.parametrize(("width", "height"), [(80, 24), (160, 50), (40, 6)])
def test_a_wave_of_5000_fits_the_terminal_that_it_is_watched_in(width: int, height: int) -> None:
    lines = picture(LARGE, width, height, NOW).plain.split("\n")
    assert len(lines) == height
    assert max(map(len, lines)) <= width
    assert "1000 failed" in picture(LARGE, 200, height, NOW).plain.split("\n")[0]
    assert lines[-1].startswith("… and 2")


def test_who_failed_stands_first_then_who_is_slow() -> None:
    few = WaveStatus(wave="pilot", planned=5, cabinets=tuple(standing(number) for number in range(5)))
    told = picture(few, 160, 24, NOW).plain.split("\n")[2:]
    assert [row.split()[:2] for row in told] == [["C00000", "failed"], ["C00001", "running"], ["C00002", "waiting"]]
    assert "SLOW at work for 12 min" in told[1]
    assert "12 min" in told[2]
    assert "[bold]a reason[/]" in told[0]


def test_however_many_failed_who_is_at_work_stays_in_sight() -> None:
    words = [row.split()[1] for row in picture(LARGE, 80, 24, NOW).plain.split("\n")[2:-1]]
    assert words == ["failed"] * 11 + ["running", "waiting"] * 5


def test_a_reservation_comes_after_who_is_at_work() -> None:
    reserved = replace(standing(0), outcome=Outcome.OK_WITH_RESERVATIONS)
    two = WaveStatus(wave="pilot", planned=2, cabinets=(reserved, standing(1)))
    head, _, *rows = picture(two, 160, 24, NOW).plain.split("\n")
    assert head.startswith("Wave pilot, grade not known yet: ")
    assert [row.split()[0] for row in rows] == ["C00001", "C00000"]


@pytest.fixture
def ledger_file(tmp_path: Path) -> Path:
    (tmp_path / ".bascule").mkdir()
    return tmp_path / ".bascule" / "ledger.db"


def test_where_there_is_no_terminal_it_is_shown_once(bascule: Bascule, ledger_file: Path) -> None:
    with Ledger(f"sqlite:///{ledger_file}") as ledger:
        write(ledger, planned("C0001"), planned("C0002"), ok("C0001"), blocked("C0002"))
    told = bascule("watch", "--wave", "pilot")
    assert told.code == 0
    assert "C0002" in told.out
    assert told.out == bascule("status", "--wave", "pilot").out
    assert bascule("watch", "--wave", "pilott").code == 2


def test_on_a_terminal_it_goes_on_until_the_run_has_ended(ledger_file: Path) -> None:
    with Ledger(f"sqlite:///{ledger_file}") as ledger:
        write(ledger, planned("C0001"), began("C0001"))
        asyncio.run(ledger.sign_on("R1", this_process(), datetime.now(UTC)))
        ours, theirs = pty.openpty()
        watching = subprocess.Popen(
            [sys.executable, "-c", "from console.cli import main; main()", "watch", "-w", "pilot", "--every", "0.5"],
            stdin=theirs,
            stdout=theirs,
            stderr=subprocess.DEVNULL,
            cwd=ledger_file.parent.parent,
            env={**os.environ, "PYTHONPATH": str(Path(__file__).parents[3]), "COLUMNS": "100", "LINES": "24"},
        )
        os.close(theirs)
        seen = read_until(ours, "1 paused")
        assert "C0001" in seen
        asyncio.run(ledger.record(*ok("C0001")))
        assert "1 ok" in read_until(ours, "1 ok")
        assert watching.poll() is None, "the run has not ended"
        asyncio.run(ledger.record(line("@pilot", EntryKind.RUN_ENDED)))
        assert watching.wait(timeout=20) == 0
        os.close(ours)


def read_until(terminal: int, wanted: str) -> str:
    seen, until = "", time.monotonic() + 30
    while wanted not in seen and time.monotonic() < until:
        if select.select([terminal], [], [], 0.5)[0]:
            seen += os.read(terminal, 65536).decode(errors="replace")
    assert wanted in seen, seen
    return seen
