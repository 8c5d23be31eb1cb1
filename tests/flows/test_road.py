"""The whole road, as people take it: real sandbox, real Prefect server, real worker, the command itself."""

from __future__ import annotations

import asyncio
import json
import signal
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest
from prefect.client.orchestration import get_client

from bascule.inventory import sample, write_inventory
from bascule.ledger import Ledger, first_broken
from config.cockpit import Server
from config.own_server import family_of
from console.sandbox_process import SandboxProcess, start_sandbox

ONCE = ("admin-sage", "connect", "sign-up", "terms", "synchronise")
BASCULE = [sys.executable, "-c", "from console.cli import main; main()"]


@pytest.fixture
def place(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder of its own to work in, as a user has."""
    monkeypatch.chdir(tmp_path)
    return tmp_path


@pytest.fixture
def sandbox(place: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[SandboxProcess]:
    inventory = sample(8, seed=3)
    write_inventory(inventory, place / "inv.csv")
    with start_sandbox(inventory, scenario={"sync_seconds": 0.5}) as running:
        for system, base in (("MY_SAGE", "my-sage"), ("GE", "ge"), ("S4A", "s4a")):
            monkeypatch.setenv(f"BASCULE_{system}__URL", f"{running.url}/{base}")
        monkeypatch.setenv("BASCULE_LEDGER_URL", f"sqlite:///{place}/ledger.db")
        monkeypatch.setenv("BASCULE_OUT", str(place / "runs"))
        yield running


def bascule(*arguments: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run([*BASCULE, *arguments], capture_output=True, text=True, timeout=110, check=False)


def journal(sandbox: SandboxProcess) -> list[dict[str, Any]]:
    lines: list[dict[str, Any]] = httpx.get(f"{sandbox.url}/sandbox/journal").json()
    return lines


def effective_once_writes(sandbox: SandboxProcess) -> Counter[tuple[str, str]]:
    return Counter(
        (line["cabinet"], line["verb"])
        for line in journal(sandbox)
        if line["verb"] in ONCE and line["outcome"] in ("applied", "dropped")
    )


def set_faults(sandbox: SandboxProcess, *faults: dict[str, Any]) -> None:
    httpx.put(f"{sandbox.url}/sandbox/faults", json={"faults": list(faults)}).raise_for_status()


@pytest.mark.usefixtures("prefect_server")
def test_a_wave_blocks_where_rights_are_missing_and_a_rerun_does_only_what_is_left(
    sandbox: SandboxProcess, place: Path
) -> None:
    set_faults(sandbox, {"fault": "missing-group-right", "cabinets": ["C0002"]})

    ended = bascule("run", "--inventory", "inv.csv", "--json")

    status = json.loads(ended.stdout)
    assert ended.returncode == 4, ended.stderr
    assert (status["planned"], status["outcomes"]) == (8, {"blocked": 1, "ok": 7})
    blocked = next(cabinet for cabinet in status["cabinets"] if cabinet["outcome"] == "blocked")
    assert (blocked["code"], blocked["step"]) == ("C0002", "admin-rights")
    assert "group" in blocked["reason"]
    assert not any(line["cabinet"] == "C0002" for line in journal(sandbox))

    set_faults(sandbox)
    before = len(journal(sandbox))
    again = bascule("rerun", "--wave", "default", "--only", "blocked")

    assert again.returncode == 0, again.stderr
    assert "Of the 1 that this run was for: 1 ok." in again.stdout
    assert {line["cabinet"] for line in journal(sandbox)[before:]} == {"C0002"}
    assert set(effective_once_writes(sandbox).values()) == {1}
    assert len(effective_once_writes(sandbox)) == 8 * len(ONCE)
    folder = max((place / "runs" / "default").iterdir(), key=lambda path: path.stat().st_mtime)
    assert "8 of 8 cabinets accounted for" in (folder / "summary.md").read_text()


@pytest.mark.usefixtures("prefect_server")
def test_a_run_that_is_killed_goes_on_and_does_nothing_twice(sandbox: SandboxProcess, place: Path) -> None:
    killed = subprocess.Popen(
        [*BASCULE, "run", "--inventory", "inv.csv"], stdout=subprocess.PIPE, stderr=subprocess.PIPE
    )
    deadline = time.monotonic() + 60
    while len(journal(sandbox)) < 60 and time.monotonic() < deadline:
        time.sleep(0.02)
    killed.kill()
    killed.communicate()
    assert journal(sandbox), "the run was killed before it began"

    ended = bascule("run", "--inventory", "inv.csv")

    assert ended.returncode == 0, ended.stderr
    assert len(effective_once_writes(sandbox)) == 8 * len(ONCE)
    assert set(effective_once_writes(sandbox).values()) == {1}
    for cabinet in sample(8, seed=3).cabinets:
        assert httpx.get(f"{sandbox.url}/sandbox/state/{cabinet.code}").json()["ge"]["locked_out"] is False
    with Ledger(f"sqlite:///{place}/ledger.db", read_only=True) as ledger:
        assert all(first_broken(ledger.history(cabinet.code)) is None for cabinet in sample(8, seed=3).cabinets)


@pytest.mark.usefixtures("prefect_server")
def test_ctrl_c_ends_a_wave_in_words_and_lets_users_in(sandbox: SandboxProcess) -> None:
    running = subprocess.Popen(
        [*BASCULE, "run", "--inventory", "inv.csv"], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    )
    deadline = time.monotonic() + 60
    while len(journal(sandbox)) < 40 and time.monotonic() < deadline:
        time.sleep(0.02)
    running.send_signal(signal.SIGINT)
    out, said = running.communicate(timeout=60)

    assert running.returncode == 130, said
    assert "Traceback" not in out + said
    for cabinet in sample(8, seed=3).cabinets:
        ge = httpx.get(f"{sandbox.url}/sandbox/state/{cabinet.code}").json()["ge"]
        synchronising = (
            httpx.get(f"{sandbox.url}/sandbox/state/{cabinet.code}").json()["s4a"]["synchronise"]["status"] == "running"
        )
        assert not ge["locked_out"] or synchronising or cabinet.code in out
    assert bascule("run", "--inventory", "inv.csv").returncode == 0
    assert set(effective_once_writes(sandbox).values()) == {1}


def serve() -> subprocess.Popen[str]:
    """A team's server, ready."""
    serving = subprocess.Popen([*BASCULE, "server"], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
    assert serving.stderr is not None
    while "ends server and worker" not in (line := serving.stderr.readline()):
        assert line, "bascule server has ended"
    return serving


async def test_a_wave_started_through_the_api_is_ended_by_a_worker(
    sandbox: SandboxProcess, place: Path, prefect_server: Server
) -> None:
    serving = serve()
    async with get_client() as client:
        deployment = await client.read_deployment_by_name("migrate_wave/wave")
        try:
            ended = await client.create_flow_run_from_deployment(
                deployment.id, parameters={"inventory": str(place / "inv.csv")}
            )
            deadline = time.monotonic() + 90
            while not (ended.state and ended.state.is_final()) and time.monotonic() < deadline:
                await asyncio.sleep(0.5)
                ended = await client.read_flow_run(ended.id)
        finally:
            family = family_of(serving.pid)
            serving.terminate()
            serving.communicate(timeout=25)
        of_the_wave = {"flow_runs": {"id": {"any_": [str(ended.id)]}}, "limit": 200}
        runs = (await client.request("POST", "/task_runs/filter", json=of_the_wave)).json()
    assert ended.state is not None
    assert (ended.state.name, ended.state.message) == ("Completed", "8 ok"), ended.state.message
    assert [(s.active, s.schedule.model_dump().get("timezone")) for s in deployment.schedules] == [
        (False, "Europe/Paris")
    ]
    names = {run["name"] for run in runs}
    assert {"C0003", "C0003 / connect", "reports"} <= names
    assert list((place / "runs" / "default").iterdir())
    assert serving.returncode == 0
    assert len(family) > 1
    assert not any(process.is_alive() for process in family)


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        (["run", "--inventory", "missing.csv"], "missing.csv"),
        (["run", "--inventory", "inv.csv", "--wave", "defualt"], "did you mean 'default'"),
        (["rerun", "--wave", "default", "--only", "faild"], "did you mean"),
        (["status", "--wave", "nowhere"], "no wave"),
    ],
)
@pytest.mark.usefixtures("sandbox")
def test_what_a_user_can_cause_is_said_in_words(arguments: list[str], says: str) -> None:
    ended = bascule(*arguments)

    assert ended.returncode == 2
    assert "Traceback" not in ended.stderr
    assert says in ended.stderr or "There is no ledger yet" in ended.stderr or "holds no inventory" in ended.stderr


@pytest.mark.usefixtures("place")
def test_a_sandbox_that_is_not_running_is_named_and_nothing_is_stored(monkeypatch: pytest.MonkeyPatch) -> None:
    write_inventory(sample(2, seed=1), Path("inv.csv"))
    for system in ("MY_SAGE", "GE", "S4A"):
        monkeypatch.setenv(f"BASCULE_{system}__URL", "http://127.0.0.1:9/x")

    ended = bascule("run", "--inventory", "inv.csv")

    assert ended.returncode == 2
    assert "bascule sandbox --inventory" in ended.stderr
