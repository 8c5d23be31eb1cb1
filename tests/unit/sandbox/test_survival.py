"""What survives a restart, and what a reset forgets."""

from __future__ import annotations

from pathlib import Path

import pytest

from sandbox.store import StateRefused
from tests.unit.sandbox.conftest import Opened, line, world


async def test_a_restart_in_the_middle_of_a_synchronisation_loses_nothing(open_sandbox: Opened, tmp_path: Path) -> None:
    state = str(tmp_path / "state.db")
    before = open_sandbox(state=state)
    await before.walk(until="synchronise")
    operation = (await before.write("synchronise", key="k")).json()["id"]
    before.time.passes(0.2)

    after = open_sandbox(state=state, time=before.time)
    half = (await after.call("GET", "ge", f"/operations/{operation}")).json()
    assert half["status"] == "running"
    assert 0.2 < half["progress"] < 0.6
    after.time.passes(5)
    assert [found["status"] for found in await after.found("k")] == ["succeeded"]
    seen = await after.state()
    assert seen["s4a"]["dossiers"] == seen["ge"]["dossiers"]
    assert seen["s4a"]["synchronise"]["times"] == 1
    assert await after.journal() == await before.journal()


async def test_faults_and_how_often_they_struck_survive_a_restart(open_sandbox: Opened, tmp_path: Path) -> None:
    state = str(tmp_path / "state.db")
    before = open_sandbox(state=state)
    await before.faults({"fault": "server-error", "times": 2})
    assert (await before.write("backup")).status_code == 500
    after = open_sandbox(state=state, time=before.time)
    assert [(await after.write("backup")).status_code for _ in range(2)] == [500, 200]
    await after.faults({"fault": "server-error", "times": 1})
    assert [(await after.write("backup")).status_code for _ in range(2)] == [500, 200]


async def test_a_late_commit_survives_a_restart(open_sandbox: Opened, tmp_path: Path) -> None:
    state = str(tmp_path / "state.db")
    before = open_sandbox(state=state)
    await before.walk(until="sign-up")
    await before.faults({"fault": "late-commit", "seconds": 10})
    assert (await before.write("sign-up", key="k")).status_code == 503
    after = open_sandbox(state=state, time=before.time)
    after.time.passes(11)
    assert (await after.state())["s4a"]["sign_up"] == {"times": 1}


async def test_a_state_of_another_world_is_refused(open_sandbox: Opened, tmp_path: Path) -> None:
    state = str(tmp_path / "state.db")
    await open_sandbox(state=state).write("backup")
    with pytest.raises(StateRefused, match="seed 7, not 8"):
        open_sandbox({**world(), "seed": 8}, state=state)
    with pytest.raises(StateRefused, match="C0001 differs"):
        open_sandbox({"seed": 7, "cabinets": [line(name="Another")]}, state=state)


async def test_a_reset_is_as_at_the_start(open_sandbox: Opened, tmp_path: Path) -> None:
    road = open_sandbox(state=str(tmp_path / "state.db"), scenario={"sync_seconds": 1})
    await road.walk(until="synchronise")
    await road.faults({"fault": "tab-absent"})
    await road.tester.post("/sandbox/reset")
    assert await road.journal() == []
    scenario = (await road.tester.get("/sandbox/faults")).json()
    assert (scenario["faults"], scenario["sync_seconds"]) == ([], 1)
    await road.walk(until="the end")


async def test_a_scenario_that_is_given_wins_over_the_one_that_was_kept(open_sandbox: Opened, tmp_path: Path) -> None:
    state = str(tmp_path / "state.db")
    before = open_sandbox(state=state)
    await before.faults({"fault": "consent-revoked"})
    kept = open_sandbox(state=state, time=before.time)
    assert (await kept.write("backup")).status_code == 403
    given = open_sandbox(state=state, time=before.time, scenario={"honour_keys": True})
    assert (await given.write("backup")).status_code == 200
