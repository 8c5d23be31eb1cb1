"""A wave under its rules, as people meet it: the command, its exit code and its words, and a second terminal."""

from __future__ import annotations

import os
import re
import signal
import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from bascule.inventory import sample
from bascule.ledger import EntryKind, Ledger
from console.sandbox_process import SandboxProcess
from tests.flows.test_road import BASCULE, bascule, effective_once_writes, journal, place, sandbox, set_faults

__all__ = ["place", "sandbox"]

CODES = [cabinet.code for cabinet in sample(8, seed=3).cabinets]
TOO_LATE = 'waves: {default: {complete_by: "2026-01-02T06:00"}}'
CLOSED_FOR_YEARS = "{name: ours, closed: [{name: moratorium, days: [2020-01-01/2090-01-01]}]}"

pytestmark = pytest.mark.usefixtures("prefect_server")


def test_a_breaker_that_trips_ends_the_run_with_6_and_says_which_rule_what_is_common_and_how_to_go_on(
    sandbox: SandboxProcess, place: Path
) -> None:
    (place / "waves.yaml").write_text("waves: {default: {concurrency: 1, breaker: {failures: 2}}}")
    set_faults(sandbox, {"fault": "missing-group-right", "cabinets": CODES[1:4]})
    ended = bascule("run", "--inventory", "inv.csv", "--waves", "waves.yaml")
    assert ended.returncode == 6, ended.stderr
    said = " ".join(ended.stdout.split())
    assert f"The breaker tripped (failures): 2 cabinets failed; the limit is 2, at {CODES[2]}." in said
    assert "2 with step admin-rights" in said
    assert "To go on: mend the cause, then bascule rerun --wave default" in said
    assert {line["cabinet"] for line in journal(sandbox)} == {CODES[0]}


def test_outside_its_hours_neither_a_run_nor_a_rerun_of_named_cabinets_starts_anything(
    sandbox: SandboxProcess, place: Path
) -> None:
    (place / "waves.yaml").write_text("waves: {default: {blackout: [closed.yaml]}}")
    (place / "closed.yaml").write_text(CLOSED_FOR_YEARS)
    with_rules = ["run", "--inventory", "inv.csv", "--waves", "waves.yaml"]
    for words in (with_rules, ["run", "--inventory", "inv.csv"], ["rerun", "--cabinet", CODES[0]]):
        ended = bascule(*words)
        assert ended.returncode == 7, ended.stderr
        assert "blackout: moratorium, until Mon 02 Jan 2090 00:00 (Europe/Paris)" in ended.stdout
        assert "--any-hour --because TEXT" in ended.stdout
        (place / "closed.yaml").unlink(missing_ok=True)
    assert journal(sandbox) == []
    (place / "waves.yaml").write_text(TOO_LATE)
    never = bascule(*with_rules)
    assert never.returncode == 2, never.stderr
    assert "the wave was to be complete by Fri 02 Jan 2026 06:00 (Europe/Paris)" in " ".join(never.stderr.split())


def test_words_from_another_terminal_reach_a_running_wave_within_seconds(sandbox: SandboxProcess, place: Path) -> None:
    set_faults(sandbox, {"fault": "slow", "share": 1, "at": "connect", "times": 1, "seconds": 2})
    Ledger(f"sqlite:///{place}/ledger.db").close()  # so that it can be looked at from the first moment
    with at_work() as running:
        until_begun(place, 1)
        said, took = told("pause", "--because", "lunch")
        assert re.search(
            r"Wave default: \S+ told the wave to pause: lunch; 1 in flight go on, \d are not started", said
        )
        assert took < 10
        until_let_go(place)
        paused = begun(place)
        time.sleep(1.5)
        assert begun(place) == paused < len(CODES)
        said, took = told("resume")
        assert "Wave default: the wave goes on" in said
        assert took < 10
        until_begun(place, paused + 1)
        said, took = told("drain", "--because", "Sage announces maintenance")
        assert "told the wave to drain: Sage announces maintenance" in said
        assert "finish their step" in said
        assert took < 10
        out, err = running.communicate(timeout=30)
        assert running.returncode == 6, err
        assert "told the wave to drain: Sage announces maintenance." in " ".join(out.split())
        assert "To go on: bascule rerun --wave default" in " ".join(out.split())
    assert 0 < begun(place) < len(CODES)
    assert set(effective_once_writes(sandbox).values()) == {1}
    late = bascule("pause")
    assert (late.returncode, "Traceback" in late.stderr) == (2, False)
    assert "No wave is at work" in late.stderr


@contextmanager
def at_work() -> Iterator[subprocess.Popen[str]]:
    """`bascule run` of one cabinet after the other; it is ended with the block."""
    command = [*BASCULE, "run", "--inventory", "inv.csv", "--concurrency", "1"]
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True) as running:
        try:
            yield running
        finally:
            if running.poll() is None:
                os.kill(running.pid, signal.SIGKILL)


def told(*words: str) -> tuple[str, float]:
    """What the wave answers, and after how many seconds."""
    began = time.monotonic()
    ended = bascule(*words)
    assert ended.returncode == 0, ended.stderr
    return " ".join(ended.stdout.split()), time.monotonic() - began


def begun(place: Path) -> int:
    return written(place, EntryKind.BEGAN)


def written(place: Path, kind: EntryKind) -> int:
    with Ledger(f"sqlite:///{place}/ledger.db", read_only=True) as ledger:
        return len(ledger.of_wave("default", [kind]))


def until_begun(place: Path, count: int) -> None:
    deadline = time.monotonic() + 40
    while begun(place) < count:
        assert time.monotonic() < deadline, f"{begun(place)} cabinets began, {count} were to"
        time.sleep(0.1)


def until_let_go(place: Path) -> None:
    deadline = time.monotonic() + 40
    while begun(place) != written(place, EntryKind.ENDED):
        assert time.monotonic() < deadline, "the cabinet in flight does not end"
        time.sleep(0.1)
