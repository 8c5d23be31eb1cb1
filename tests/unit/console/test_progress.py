"""What is told when a run has ended."""

from __future__ import annotations

from pathlib import Path

import pytest

from bascule.connectors import Operation, OperationStatus
from bascule.engine import Standing
from bascule.ledger import Ledger
from bascule.model import Lifecycle, Outcome
from bascule.reports import status_of
from console.progress import Progress, what_goes_on
from tests.builders import cabinet
from tests.unit.reports.histories import began, ended, ok, planned, proved, write


def test_a_stop_names_whose_users_stay_locked_out(tmp_path: Path) -> None:
    left = ended("C0001", Outcome.UNKNOWN, step="synchronise", reason="synchronise is still running")
    with Ledger(f"sqlite:///{tmp_path / 'ledger.db'}") as ledger:
        write(
            ledger, planned("C0001"), planned("C0002"), began("C0001"), proved("C0001", "lock-out"), left, ok("C0002")
        )
        told = what_goes_on(status_of(ledger, "pilot"))
    assert "the users of 1 cabinet stay locked out" in told
    assert "C0001" in told
    assert "bascule rerun --wave pilot" in told


def test_a_stop_that_left_nobody_out_says_so(tmp_path: Path) -> None:
    with Ledger(f"sqlite:///{tmp_path / 'ledger.db'}") as ledger:
        write(ledger, planned("C0001"), ok("C0001"))
        assert "nobody is locked out" in what_goes_on(status_of(ledger, "pilot"))


def test_what_a_system_calls_its_phase_is_no_markup(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("FORCE_COLOR", "1")
    running = Operation(
        id="1", verb="synchronise", key="K", status=OperationStatus.RUNNING, progress=0.5, phase="[/bold]\x1b[2J"
    )
    with Progress() as progress:
        progress.goes_on(cabinet(1), "synchronise", running)
    told = capsys.readouterr().err
    assert "synchronise: [/bold]⟨001B⟩[2J 50%" in told
    assert "\x1b[2J" not in told


def test_who_ended_without_a_reason_is_told_without_an_empty_one(capsys: pytest.CaptureFixture[str]) -> None:
    reserved = Standing(lifecycle=Lifecycle.ENDED, outcome=Outcome.OK_WITH_RESERVATIONS, step=None, reason="")
    with Progress() as progress:
        progress.stands(cabinet(1), reserved)
    assert "C0001 ok-with-reservations\n" in capsys.readouterr().err
