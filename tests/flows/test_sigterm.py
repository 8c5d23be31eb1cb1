"""SIGTERM is `stop`, at whatever moment: in time, nothing new begun, nobody kept out unnamed, no child and no port left."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import httpx
import pytest

from bascule.errors import LedgerUnreachable
from bascule.inventory import sample, write_inventory
from bascule.ledger import Ledger
from config.own_server import Home, Process, family_of
from console.sandbox_process import READY, SandboxProcess, start_sandbox

BASCULE = [sys.executable, "-c", "from console.cli import main; main()"]
WITHIN = 25.0
WAVE = sample(4, seed=3)
ONCE = ("admin-sage", "connect", "sign-up", "terms", "synchronise")
LONG = bool(os.environ.get("HOSTILE"))
"""`make hostile`: ten moments each."""

WRITES = (0, 1, 4, 8, 12, 16, 20, 24, 30, 36)
SECONDS = (0.1, 0.3, 0.6, 1, 2, 3, 4, 6, 8, 12) if LONG else (0.2,)


@pytest.fixture
def place(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    write_inventory(WAVE, tmp_path / "inv.csv")
    monkeypatch.setenv("BASCULE_LEDGER_URL", f"sqlite:///{tmp_path}/ledger.db")
    monkeypatch.setenv("BASCULE_OUT", str(tmp_path / "runs"))
    return tmp_path


@pytest.fixture
def sandbox(place: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[SandboxProcess]:
    with start_sandbox(WAVE, scenario={"sync_seconds": 3}) as running:
        for system, base in (("MY_SAGE", "my-sage"), ("GE", "ge"), ("S4A", "s4a")):
            monkeypatch.setenv(f"BASCULE_{system}__URL", f"{running.url}/{base}")
        yield running


@pytest.mark.skipif(not LONG, reason="make hostile; the short form is the next test")
@pytest.mark.usefixtures("prefect_server")
@pytest.mark.parametrize("writes", WRITES)
def test_a_run_that_is_told_to_end_begins_nothing_new_and_the_next_one_goes_on(
    sandbox: SandboxProcess, place: Path, writes: int
) -> None:
    run = Started("run", "--inventory", "inv.csv")
    run.wait_until(lambda: len(journal(sandbox)) >= writes)

    told = run.is_told_to_end()

    written = len(journal(sandbox))
    assert run.code in (130, 0) or writes == 0, told
    assert all(code in told for code in locked_out(place))
    time.sleep(0.2)
    assert len(journal(sandbox)) == written
    assert_that_the_next_run_does_the_rest_and_nothing_twice(sandbox)


@pytest.mark.usefixtures("prefect_server")
def test_a_synchronisation_that_runs_is_named_and_taken_up_and_who_watches_may_go(
    sandbox: SandboxProcess, place: Path
) -> None:
    run = Started("run", "--inventory", "inv.csv")
    run.wait_until(lambda: len(locked_out(place)) == len(WAVE.cabinets))
    watch = Started("watch", "--wave", "default", FORCE_COLOR="1")
    watch.wait_until(lambda: bool(watch.said.stat().st_size))

    told = run.is_told_to_end()
    watch.is_told_to_end()

    assert run.code == 130, told
    assert (out := locked_out(place))
    assert all(code in told for code in out)
    if LONG:
        assert_that_the_next_run_does_the_rest_and_nothing_twice(sandbox)
        assert locked_out(place) == set()


@pytest.mark.parametrize("seconds", SECONDS)
def test_the_server_that_a_run_has_started_ends_with_it_also_before_it_is_ready(
    sandbox: SandboxProcess, place: Path, monkeypatch: pytest.MonkeyPatch, seconds: float
) -> None:
    monkeypatch.delenv("BASCULE_PREFECT__URL", raising=False)
    home = Home(place / ".bascule" / "prefect")
    run = Started("run", "--inventory", "inv.csv")
    if not LONG:
        run.wait_until((home.folder / "server.json").exists)
    time.sleep(seconds)

    told = run.is_told_to_end()

    assert run.code in ((130, 0, -15) if LONG else (130,)), told
    assert not (home.folder / "server.json").exists()


@pytest.mark.skipif(not LONG, reason="make hostile; the short form is in test_road")
@pytest.mark.parametrize("seconds", [0.5, 2, 5, 8, 12, 16, 20, 25, 30, 40])
def test_the_server_of_a_team_ends_with_its_worker_and_its_port(
    place: Path, monkeypatch: pytest.MonkeyPatch, seconds: float
) -> None:
    monkeypatch.delenv("BASCULE_PREFECT__URL", raising=False)
    serving = Started("server", "--port", "0")
    time.sleep(seconds)

    told = serving.is_told_to_end()

    assert serving.code in (0, 130, -15), told
    assert not (place / ".bascule" / "prefect" / "server.json").exists()


@pytest.mark.parametrize("seconds", SECONDS if LONG else (None,))
def test_a_sandbox_that_is_told_to_end_leaves_no_child_and_no_port(place: Path, seconds: float | None) -> None:
    serving = Started("sandbox", "--inventory", "inv.csv", "--port", "0")
    if seconds is None:
        serving.wait_until(lambda: READY in serving.said.read_text())
    else:
        time.sleep(seconds)

    told = serving.is_told_to_end()

    assert serving.code in (0, 130, -15), told
    if READY in told:
        with pytest.raises(httpx.ConnectError):
            httpx.get(told.partition(READY)[2].split()[0], trust_env=False)


class Started:
    """A command as a process of its own, and what it started in turn."""

    def __init__(self, *words: str, **environment: str) -> None:
        self.said = Path(f"said-{words[0]}")
        with self.said.open("wb") as said:
            self._process = subprocess.Popen(
                [*BASCULE, *words], stdout=said, stderr=said, env={**os.environ, **environment}
            )

    @property
    def code(self) -> int | None:
        return self._process.returncode

    def wait_until(self, holds: Callable[[], bool]) -> None:
        deadline = time.monotonic() + 90
        while not holds():
            assert self._process.poll() is None, self.said.read_text()
            assert time.monotonic() < deadline, self.said.read_text()
            time.sleep(0.02)

    def is_told_to_end(self) -> str:
        """What it has said when it is gone, with all that it started."""
        family: tuple[Process, ...] = family_of(self._process.pid)
        self._process.terminate()
        try:
            self._process.wait(WITHIN)
        finally:
            self._process.kill()
            self._process.wait()
        told = self.said.read_text()
        assert not [process for process in family if process.is_alive()], told
        assert "Traceback" not in told
        return told


def journal(sandbox: SandboxProcess) -> list[dict[str, Any]]:
    lines: list[dict[str, Any]] = httpx.get(f"{sandbox.url}/sandbox/journal", trust_env=False).json()
    return lines


def locked_out(place: Path) -> set[str]:
    try:
        with Ledger(f"sqlite:///{place}/ledger.db", read_only=True) as ledger:
            return {one.cabinet for one in ledger.lock_outs(datetime.now(UTC))}
    except LedgerUnreachable:
        return set()


def assert_that_the_next_run_does_the_rest_and_nothing_twice(sandbox: SandboxProcess) -> None:
    ended = subprocess.run(
        [*BASCULE, "run", "--inventory", "inv.csv", "--json"], capture_output=True, text=True, timeout=110, check=False
    )
    assert ended.returncode == 0, ended.stderr
    assert json.loads(ended.stdout)["outcomes"] == {"ok": len(WAVE.cabinets)}
    done = [
        (line["cabinet"], line["verb"])
        for line in journal(sandbox)
        if line["verb"] in ONCE and line["outcome"] in ("applied", "dropped")
    ]
    assert sorted(done) == sorted((cabinet.code, verb) for cabinet in WAVE.cabinets for verb in ONCE)
