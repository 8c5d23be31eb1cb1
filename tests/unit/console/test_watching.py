from __future__ import annotations

import json
import signal
import socket
import subprocess
import sys
from pathlib import Path

import httpx
import pytest

from bascule.inventory import sample
from bascule.ledger import Ledger
from bascule.model import Outcome
from console.sandbox_process import SandboxNotStarted, start_sandbox
from tests.unit.console.conftest import Bascule
from tests.unit.reports.histories import began, blocked, ended, ok, planned, proved, write


@pytest.fixture
def a_wave(tmp_path: Path) -> None:
    """One cabinet ok, one blocked, one not begun."""
    (tmp_path / ".bascule").mkdir()
    with Ledger(f"sqlite:///{tmp_path}/.bascule/ledger.db") as ledger:
        write(ledger, *(planned(code) for code in ("C0001", "C0002", "C0003")), ok("C0001"), blocked("C0002"))


@pytest.mark.usefixtures("a_wave")
def test_status_says_who_needs_somebody_and_why(bascule: Bascule) -> None:
    told = bascule("status", "--wave", "pilot")
    assert told.code == 0
    assert "3 of 3 accounted for" in told.out
    assert "C0002" in told.out
    assert "blocked" in told.out
    assert "\x1b[" not in told.out


@pytest.mark.usefixtures("a_wave")
def test_status_for_programs_is_what_the_interface_promises(bascule: Bascule) -> None:
    status = json.loads(bascule("status", "--wave", "pilot", "--json").out)
    assert {"wave", "planned", "grade", "outcomes", "cabinets"} <= set(status)
    assert status["planned"] == sum(status["outcomes"].values()) == 3
    assert [cabinet["outcome"] for cabinet in status["cabinets"]] == ["ok", "blocked", "none"]


def test_status_without_a_wave_lists_the_waves_a_line_each(bascule: Bascule, tmp_path: Path) -> None:
    (tmp_path / ".bascule").mkdir()
    with Ledger(f"sqlite:///{tmp_path}/.bascule/ledger.db") as ledger:
        write(ledger, planned("C0001"), ok("C0001"))
        write(ledger, planned("C0002"), blocked("C0002"), planned("C0003"), wave="second", run="R2")
    told = bascule("status")
    assert told.code == 0
    assert "pilot: 1 planned (1 ok); grade ok" in told.out
    assert "second: 2 planned (1 blocked, 1 not ended); grade blocked" in told.out
    waves = json.loads(bascule("status", "--json").out)
    assert [(one["wave"], one["planned"]) for one in waves] == [("pilot", 1), ("second", 2)]


def test_many_that_have_not_begun_do_not_bury_the_one_that_matters(bascule: Bascule, tmp_path: Path) -> None:
    codes = [f"C{number:04}" for number in range(1, 22)]
    (tmp_path / ".bascule").mkdir()
    with Ledger(f"sqlite:///{tmp_path}/.bascule/ledger.db") as ledger:
        write(ledger, *map(planned, codes), blocked("C0021"))
    told = bascule("status", "--wave", "pilot").out
    assert "20 not begun" in told
    assert "C0021" in told
    assert "C0015" not in told
    assert told.splitlines()[0] == "Wave pilot: 21 of 21 accounted for (20 planned, 1 blocked); grade blocked"


def test_users_who_are_locked_out_are_the_first_thing_told(bascule: Bascule, tmp_path: Path) -> None:
    (tmp_path / ".bascule").mkdir()
    with Ledger(f"sqlite:///{tmp_path}/.bascule/ledger.db") as ledger:
        write(ledger, planned("C0001"), began("C0001"), proved("C0001", "lock-out"))
    told = bascule("status", "--wave", "pilot")
    assert told.out.startswith("USERS LOCKED OUT since")
    assert "bascule unlock CODE" in told.out.splitlines()[1]
    (tells,) = json.loads(bascule("status", "--wave", "pilot", "--json").out)["cabinets"]
    assert tells["locked_out_since"]


def test_what_a_system_said_is_never_read_as_markup(bascule: Bascule, tmp_path: Path) -> None:
    (tmp_path / ".bascule").mkdir()
    with Ledger(f"sqlite:///{tmp_path}/.bascule/ledger.db") as ledger:
        said = ended("C0001", Outcome.FAILED, step="connect", reason="[red]no[/nothing]")
        write(ledger, planned("C0001"), began("C0001"), said)
    told = bascule("status", "--wave", "pilot")
    assert told.code == 0
    assert "[red]no[/nothing]" in "".join(told.out.split())


@pytest.mark.usefixtures("a_wave")
def test_a_wave_that_the_ledger_does_not_know_is_refused_with_those_it_knows(bascule: Bascule) -> None:
    for verb in ("status", "report"):
        told = bascule(verb, "--wave", "pilto")
        assert told.code == 2
        assert "pilto" in told.err
        assert "pilot" in told.err


@pytest.mark.usefixtures("a_wave")
def test_a_report_is_written_again_where_it_is_asked(bascule: Bascule, tmp_path: Path) -> None:
    told = bascule("report", "--wave", "pilot", "-o", "elsewhere")
    assert told.code == 0
    written = {Path(line).name for line in told.out.splitlines()}
    assert {"cabinets.csv", "steps.csv", "failed.csv", "summary.md"} <= written
    assert all((tmp_path / line).exists() for line in told.out.splitlines())


def test_a_doctor_who_finds_no_system_says_how_to_start_one(bascule: Bascule, monkeypatch: pytest.MonkeyPatch) -> None:
    for system, path in (("MY_SAGE", "my-sage"), ("GE", "ge"), ("S4A", "s4a")):
        monkeypatch.setenv(f"BASCULE_{system}__URL", f"http://127.0.0.1:{free_port()}/{path}")
    told = bascule("doctor", "--json")
    assert told.code == 2
    wrong = {found["what"]: found["remedy"] for found in json.loads(told.out) if not found["ok"]}
    assert set(wrong) == {"my_sage", "ge", "s4a"}
    assert "bascule sandbox" in wrong["ge"]


def test_a_doctor_finds_nothing_wrong_beside_a_sandbox(bascule: Bascule, monkeypatch: pytest.MonkeyPatch) -> None:
    with start_sandbox(sample(2, seed=1)) as sandbox:
        for system, path in (("MY_SAGE", "my-sage"), ("GE", "ge"), ("S4A", "s4a")):
            monkeypatch.setenv(f"BASCULE_{system}__URL", f"{sandbox.url}/{path}")
        told = bascule("doctor")
    assert told.code == 0
    assert "WRONG" not in told.out


def test_a_ledger_can_be_upgraded_any_number_of_times(bascule: Bascule, inventory: Path) -> None:
    bascule("inventory", "import", str(inventory))
    for _ in range(2):
        told = bascule("ledger", "upgrade")
        assert told.code == 0
        assert "is up to date" in told.out


def test_a_sandbox_ends_with_its_block() -> None:
    with start_sandbox(sample(2, seed=1)) as sandbox:
        assert httpx.get(f"{sandbox.url}/sandbox/health").status_code == 200
    assert sandbox.process.returncode is not None


def test_a_port_that_is_taken_is_named() -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = taken.getsockname()[1]
        with (
            pytest.raises(SandboxNotStarted, match=f"{port}.*choose another --port"),
            start_sandbox(sample(1, seed=1), port=port),
        ):
            pass


def test_a_scenario_that_cannot_be_read_is_named(bascule: Bascule, inventory: Path) -> None:
    told = bascule("sandbox", "--inventory", str(inventory), "--port", "0", "--scenario", "faults.yaml")
    assert told.code == 2
    assert "faults.yaml" in told.err


@pytest.mark.parametrize("end", [signal.SIGINT, signal.SIGTERM])
def test_the_sandbox_ends_cleanly_when_it_is_told_to(inventory: Path, end: signal.Signals) -> None:
    command = [sys.executable, "-c", "from console.cli import main; main()", "sandbox", "-i", str(inventory)]
    with subprocess.Popen(
        [*command, "--port", "0"], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    ) as served:
        assert served.stdout is not None
        url = served.stdout.readline().rpartition(" ")[2].strip()
        assert httpx.get(f"{url}/sandbox/health").status_code == 200
        served.send_signal(end)
        _, said = served.communicate(timeout=20)
    assert served.returncode == 0
    assert "Traceback" not in said
    with pytest.raises(httpx.ConnectError):
        httpx.get(f"{url}/sandbox/health")


def free_port() -> int:
    with socket.socket() as asked:
        asked.bind(("127.0.0.1", 0))
        port: int = asked.getsockname()[1]
        return port
