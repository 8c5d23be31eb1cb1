"""The human road, rehearsed: work orders, people who answer, exported lists, and runs that end while a person is awaited."""

from __future__ import annotations

import asyncio
import json
import os
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import httpx
import pytest
from prefect.client.orchestration import get_client
from prefect.client.schemas.objects import TERMINAL_STATES, StateType

from bascule.inventory import Inventory, sample, write_inventory
from bascule.ledger import EntryKind, Ledger, first_broken
from bascule.model import Outcome, System
from bascule.procedure import PROCEDURE
from bascule.reports import status_of
from console.sandbox_process import SandboxProcess, start_sandbox
from flows.resuming import resume_waiting

BASCULE = [sys.executable, "-c", "from console.cli import main; main()"]
BY_PEOPLE = {System.MY_SAGE: "operator", System.GE: "operator+extracts", System.S4A: "operator+extracts"}
ROUNDS = 9
"""More than a cabinet has sittings."""

LIAR = "C0007"
REHEARSED = int(os.environ.get("REHEARSAL", "11"))
"""Cabinets that people take all the way: `make rehearsal` takes 31."""


def by_people(cabinets: int) -> Inventory:
    drawn = sample(cabinets, seed=3, wave="pilot")
    return replace(drawn, cabinets=tuple(replace(one, connectors=BY_PEOPLE, owner="anne") for one in drawn.cabinets))


@pytest.fixture
def place(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("BASCULE_LEDGER_URL", f"sqlite:///{tmp_path}/ledger.db")
    monkeypatch.setenv("BASCULE_OUT", str(tmp_path / "runs"))
    return tmp_path


@pytest.fixture
def sandbox(request: pytest.FixtureRequest, place: Path) -> Iterator[SandboxProcess]:
    inventory = by_people(request.param)
    write_inventory(inventory, place / "inv.csv")
    with start_sandbox(inventory, scenario={"sync_seconds": 0.2}) as running:
        yield running


def bascule(*arguments: str) -> str:
    ended = subprocess.run([*BASCULE, *arguments], capture_output=True, text=True, timeout=110, check=False)
    assert ended.returncode in (0, 4, 5), (arguments, ended.stderr)
    return ended.stdout


def dossiers_missing_at(sandbox: SandboxProcess, code: str) -> set[str]:
    state: dict[str, Any] = httpx.get(f"{sandbox.url}/sandbox/state/{code}").json()
    return set(state["ge"]["dossiers"]) - set(state["s4a"]["dossiers"])


async def open_runs() -> set[str]:
    """Flow runs and task runs that Prefect does not see ended, by id; a page of them, which is enough to say that there are any."""
    going_on = [state.value for state in set(StateType) - TERMINAL_STATES]
    goes_on = {"state": {"type": {"any_": going_on}}}
    async with get_client() as client:
        flows = await client.request("POST", "/flow_runs/filter", json={"flow_runs": goes_on})
        tasks = await client.request("POST", "/task_runs/filter", json={"task_runs": goes_on})
    return {run["id"] for run in (*flows.json(), *tasks.json())}


async def until_none_is_open(besides: set[str]) -> None:
    """Prefect stores what it was told a little later; what is still open after that was left open.

    `besides`: what was open before, as other tests that share the server kill runs and plan some.
    """
    for _ in range(60):
        if not await open_runs() - besides:
            return
        await asyncio.sleep(0.5)
    raise AssertionError(f"open: {await open_runs() - besides}")


@pytest.mark.timeout(300)
@pytest.mark.usefixtures("prefect_server")
@pytest.mark.parametrize("sandbox", [REHEARSED], indirect=True)
async def test_a_wave_by_people_alone_is_moved_proven_and_signed_and_a_lie_is_found_out(
    sandbox: SandboxProcess, place: Path
) -> None:
    before = await open_runs()
    bascule("sandbox", "export", "--all", "--output", "extracts", "--url", sandbox.url)
    bascule("run", "--inventory", "inv.csv")
    with Ledger(f"sqlite:///{place}/ledger.db") as ledger:
        for _ in range(ROUNDS):
            await until_none_is_open(before)
            assert ledger.at_work(datetime.now(UTC)) == frozenset()
            if not json.loads(bascule("inbox", "--json")):
                break
            bascule(
                *("sandbox", "operator", "--by", "anne", "--approver", "paul", "--extracts", "extracts"),
                *("--url", sandbox.url, "--lies", f"synchronise={LIAR}", "--mistakes", "0.1"),
            )
            await resume_waiting(return_state=True)

        status = status_of(ledger, "pilot")
        assert status.outcomes == {Outcome.OK: REHEARSED - 1, Outcome.PARTIAL: 1}
        lied = next(cabinet for cabinet in status.cabinets if cabinet.code == LIAR)
        missing = dossiers_missing_at(sandbox, LIAR)
        assert len(missing) == 2
        assert "2 dossiers missing" in (lied.reason or "")
        assert all(code in (lied.reason or "") for code in missing)

        for cabinet in status.cabinets:
            history = ledger.history(cabinet.code)
            assert first_broken(history) is None
            proofs = {entry.step: entry.reason for entry in history if entry.kind is EntryKind.PROOF}
            assert cabinet.code == LIAR or set(proofs) == {step.name for step in PROCEDURE}
            assert "done by anne, approved by paul" in proofs["synchronise"]
            assert {e.who for e in history if e.kind is EntryKind.ANSWERED} == {"anne"}
            assert {e.who for e in history if e.kind is EntryKind.APPROVED} == {"paul"}


@pytest.mark.timeout(300)
@pytest.mark.usefixtures("prefect_server")
@pytest.mark.parametrize("sandbox", [300], indirect=True)
async def test_three_hundred_cabinets_wait_for_people_and_nothing_runs(sandbox: SandboxProcess, place: Path) -> None:
    before = await open_runs()
    bascule("sandbox", "export", "--all", "--output", "extracts", "--url", sandbox.url)
    status = json.loads(bascule("run", "--inventory", "inv.csv", "--json"))
    assert {cabinet["lifecycle"] for cabinet in status["cabinets"]} == {"waiting"}
    assert len(json.loads(bascule("inbox", "--json"))) == 300
    await until_none_is_open(before)
    with Ledger(f"sqlite:///{place}/ledger.db", read_only=True) as ledger:
        assert ledger.at_work(datetime.now(UTC)) == frozenset()
