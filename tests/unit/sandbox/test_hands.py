"""What a person does at the screens: the same world, without token, key or fence."""

from __future__ import annotations

from typing import Any

import httpx
import pytest

from tests.unit.sandbox.conftest import ROAD, Road, code_of, line

CHOSEN: dict[str, dict[str, Any]] = {
    "admin-sage": {"email": line()["admin_email"]},
    "connect": {"entity": line()["entity"]},
    "defaults": {"profile": line()["default_profile"], "group": line()["default_group"]},
    "terms": {"signatory": "Claire Martin"},
}
"""What no screen tells. All else may be left out."""


async def by_hand(road: Road, verb: str, **payload: Any) -> httpx.Response:
    return await road.tester.post(f"/sandbox/hands/{road.code}/{verb}", json=payload or CHOSEN.get(verb, {}))


async def screens(road: Road) -> dict[str, Any]:
    shown: dict[str, Any] = (await road.tester.get(f"/sandbox/screens/{road.code}")).json()
    return shown


async def test_a_person_walks_the_whole_road_and_the_journal_tells_it(road: Road) -> None:
    for verb in ROAD[:-1]:
        answer = await by_hand(road, verb)
        assert answer.status_code in (200, 202), f"{verb}: {answer.text}"
        road.time.passes(1)
    journal = await road.journal()
    assert [(entry["verb"], entry["outcome"]) for entry in journal] == [(verb, "applied") for verb in ROAD[:-1]]
    assert all(entry["key"].startswith("hands-") for entry in journal)
    assert len({entry["key"] for entry in journal}) == len(journal)
    state = await road.state()
    assert state["s4a"]["dossiers"] == state["ge"]["dossiers"]
    assert [user["email"] for user in state["s4a"]["users"]] == [user["email"] for user in line()["users"]]


async def test_hands_leave_the_fence_to_the_machines(road: Road) -> None:
    await road.write("backup", fence=5)
    assert (await by_hand(road, "backup")).status_code == 200
    assert (await road.write("backup", fence=5)).status_code == 200


async def test_a_person_is_refused_as_a_connector_is(road: Road) -> None:
    assert code_of(await by_hand(road, "compute-key")) == "admin-sage-pending"
    await road.faults({"fault": "users-connected"})
    refused = await by_hand(road, "lock-out")
    assert (refused.status_code, code_of(refused)) == (409, "users-connected")
    assert await road.outcomes("lock-out") == ["refused"]


async def test_a_fault_of_an_answer_does_not_meet_a_person(road: Road) -> None:
    await road.faults({"fault": "server-error"}, {"fault": "token-expired"}, {"fault": "commit-then-drop"})
    assert (await by_hand(road, "backup")).status_code == 200
    assert await road.outcomes("backup") == ["applied"]


async def test_what_stands_on_a_screen_may_be_left_out_and_may_be_typed_wrong(road: Road) -> None:
    await by_hand(road, "admin-sage")
    road.time.passes(1)
    await by_hand(road, "compute-key")
    assert (await screens(road))["my_sage"]["key_question"] == (await screens(road))["ge"]["key_question"]
    assert code_of(await by_hand(road, "enter-key", question="AAAA BBBB CCCC DDDD")) == "wrong-key"


async def test_what_is_chosen_must_be_said(road: Road) -> None:
    assert code_of(await road.tester.post("/sandbox/hands/C0001/terms")) == "invalid"
    assert code_of(await road.tester.post("/sandbox/hands/C0001/connect", content=b"[")) == "invalid"
    assert code_of(await road.tester.post("/sandbox/hands/C0001/connect", json=[])) == "invalid"


async def test_screens_show_progress_and_what_the_wizard_said(road: Road) -> None:
    await road.walk(until="synchronise")
    await road.faults({"fault": "anomaly"}, sync_seconds=10)
    await by_hand(road, "synchronise")
    assert (await screens(road))["ge"]["synchronisation"]["status"] == "running"
    road.time.passes(10)
    assert (await screens(road))["ge"]["synchronisation"]["status"] == "not-begun"
    assert (await screens(road))["wizard"]["code"] == "inconsistent"


@pytest.mark.parametrize(
    ("path", "says"),
    [
        ("C001/connect", "did you mean 'C0001'?"),
        ("C0001/conect", "did you mean 'connect'?"),
    ],
)
async def test_an_unknown_cabinet_or_write_is_named(road: Road, path: str, says: str) -> None:
    answer = await road.tester.post(f"/sandbox/hands/{path}")
    assert answer.status_code == 404
    assert says in answer.text


async def test_so_many_dossiers_go_missing_as_the_fault_says(road: Road) -> None:
    await road.faults({"fault": "partial-transfer", "dossiers": 2})
    await road.walk(until="the end")
    state = await road.state()
    assert len(set(state["ge"]["dossiers"]) - set(state["s4a"]["dossiers"])) == 2
