"""Sage's rules, which the sandbox holds whoever calls."""

from __future__ import annotations

import pytest

from tests.unit.sandbox.conftest import ROAD, Opened, Road, code_of


async def test_the_whole_road_brings_everything_over(road: Road) -> None:
    await road.walk(until="the end")
    ge, s4a = await road.lists("ge"), await road.lists("s4a")
    for name in ("groups", "dossiers", "collaborateurs", "rights"):
        assert s4a[name] == ge[name]
    assert s4a["users"][0]["status"] == "active"
    assert s4a["contacts"] == []
    assert not (await road.state())["ge"]["locked_out"]


async def test_every_write_of_the_road_is_journalled_once_in_order(road: Road) -> None:
    await road.walk(until="the end")
    journal = await road.journal()
    assert [entry["verb"] for entry in journal] == list(ROAD[:-1])
    assert {entry["outcome"] for entry in journal} == {"applied"}


async def test_another_admin_sage_is_refused(road: Road) -> None:
    await road.write("admin-sage")
    assert code_of(await road.write("admin-sage", email="else@c0001.example")) == "admin-sage-exists"


async def test_an_admin_sage_is_requested_then_in_progress_then_validated(road: Road) -> None:
    await road.write("admin-sage")
    seen = []
    for _ in range(3):
        seen.append((await road.facts("my_sage"))["admin_sages"][0]["status"])
        road.time.passes(0.06)
    assert seen == ["requested", "in-progress", "validated"]


async def test_no_key_is_computed_before_the_admin_sage_is_validated(road: Road) -> None:
    await road.write("admin-sage")
    assert code_of(await road.write("compute-key", question="AAAA BBBB CCCC DDDD")) == "admin-sage-pending"


async def test_a_key_for_another_question_is_a_wrong_key(road: Road) -> None:
    await road.walk(until="compute-key")
    await road.write("compute-key", question="AAAA BBBB CCCC DDDD")
    assert code_of(await road.write("enter-key", question="AAAA BBBB CCCC DDDD")) == "wrong-key"


async def test_the_tab_shows_only_when_ge_is_restarted_after_the_key(road: Road) -> None:
    await road.write("restart")
    await road.walk(until="restart")
    assert not (await road.facts("ge"))["tab_visible"]
    assert code_of(await road.write("connect")) == "tab-absent"
    await road.write("restart")
    assert (await road.facts("ge"))["tab_visible"]


@pytest.mark.parametrize(
    ("given", "code"),
    [
        ({"entity": "NOWHERE"}, "unknown-entity"),
        ({"name": "Cabinet Un Autre"}, "entity-differs"),
        ({"siren": "552100554"}, "entity-differs"),
        ({"siret": "73282932000074"}, "entity-differs"),
    ],
)
async def test_the_entity_must_be_the_one_that_was_meant(road: Road, given: dict[str, str], code: str) -> None:
    await road.walk(until="connect")
    assert code_of(await road.write("connect", **{**road.usual("connect"), **given})) == code


@pytest.mark.parametrize(
    ("verb", "too_early", "code"),
    [
        ("defaults", "connect", "not-connected"),
        ("sign-up", "defaults", "not-connected"),
        ("billing", "sign-up", "not-signed-up"),
        ("terms", "billing", "billing-missing"),
        ("return-to-ge", "terms", "workspace-not-ready"),
        ("open-exe", "return-to-ge", "wrong-order"),
        ("synchronise", "defaults", "not-connected"),
        ("synchronise", "open-exe", "wrong-order"),
        ("users", "terms", "workspace-not-ready"),
        ("assignments", "synchronise", "unknown-client"),
    ],
)
async def test_a_write_that_comes_too_early_is_refused(road: Road, verb: str, too_early: str, code: str) -> None:
    await road.walk(until=too_early)
    answer = await road.write(verb)
    assert code_of(answer) == code
    assert (await road.outcomes(verb))[-1:] == ["refused"]


async def test_defaults_must_exist_in_the_entity(road: Road) -> None:
    await road.walk(until="defaults")
    assert code_of(await road.write("defaults", profile="Personne", group="Portefeuille général")) == "unknown-profile"
    assert code_of(await road.write("defaults", profile="Collaborateur confirmé", group="Rien")) == "unknown-group"


async def test_the_workspace_is_ready_some_time_after_the_terms(road: Road) -> None:
    await road.walk(until="terms")
    assert (await road.facts("s4a"))["workspace"] == "absent"
    await road.write("terms")
    assert (await road.facts("s4a"))["workspace"] == "processing"
    road.time.passes(0.3)
    assert (await road.facts("s4a"))["workspace"] == "ready"


async def test_a_synchronisation_takes_its_time_and_shows_how_far_it_is(road: Road) -> None:
    await road.walk(until="synchronise")
    answer = await road.write("synchronise")
    assert answer.status_code == 202
    phases, progress = [], []
    for _ in range(8):
        operation = (await road.call("GET", "ge", f"/operations/{answer.json()['id']}")).json()
        phases.append(operation["phase"])
        progress.append(operation["progress"])
        road.time.passes(0.08)
    assert list(dict.fromkeys(phases)) == ["consistency", "transfer", "finishing", None]
    assert progress == sorted(progress)
    assert (progress[0], progress[-1]) == (0, 1)


async def test_nobody_is_let_in_while_a_synchronisation_runs(road: Road) -> None:
    await road.walk(until="synchronise")
    await road.write("synchronise")
    assert code_of(await road.write("reopen")) == "already-running"
    assert code_of(await road.write("synchronise")) == "already-running"
    assert [session["ours"] for session in (await road.facts("ge"))["sessions"]] == [True]


async def test_without_a_lock_out_somebody_connects_midway(road: Road) -> None:
    await road.walk(until="lock-out")
    answer = await road.write("synchronise")
    road.time.passes(5)
    operation = (await road.call("GET", "ge", f"/operations/{answer.json()['id']}")).json()
    assert (operation["status"], operation["error_code"]) == ("not-begun", "user-connected")
    assert (await road.outcomes("synchronise")) == ["failed"]
    assert (await road.lists("s4a"))["dossiers"] == []


async def test_what_holds_already_is_not_done_again(road: Road) -> None:
    await road.walk(until="the end")
    for verb in ("restart", "defaults", "return-to-ge", "open-exe", "reopen", "users", "assignments"):
        assert (await road.write(verb)).status_code == 200
        assert (await road.outcomes(verb))[-1] == "already", verb


@pytest.mark.parametrize("verb", ["admin-sage", "connect", "sign-up", "terms"])
async def test_a_second_once_write_is_applied_again_and_counted(road: Road, verb: str) -> None:
    await road.walk(until="the end")
    await road.write(verb)
    assert await road.outcomes(verb) == ["applied", "applied"]
    state = await road.state()
    times = {
        "admin-sage": state["my_sage"]["admin_sage"]["times"],
        "connect": state["ge"]["connect"]["times"],
        "sign-up": state["s4a"]["sign_up"]["times"],
        "terms": state["s4a"]["terms"]["times"],
    }
    assert times[verb] == 2


async def test_a_second_synchronisation_shows_every_dossier_twice(road: Road) -> None:
    await road.walk(until="reopen")
    await road.write("synchronise")
    road.time.passes(5)
    state = await road.state()
    assert state["s4a"]["synchronise"] == {"times": 2, "status": "done"}
    assert sorted(state["s4a"]["dossiers"]) == sorted(state["ge"]["dossiers"] * 2)


async def test_keys_that_are_honoured_make_a_repeated_write_one(open_sandbox: Opened) -> None:
    road = open_sandbox(scenario={"honour_keys": True})
    await road.walk(until="connect")
    first, second = await road.write("connect", key="k"), await road.write("connect", key="k")
    assert first.json() == second.json()
    assert await road.outcomes("connect") == ["applied", "already"]
    assert (await road.state())["ge"]["connect"] == {"times": 1}


async def test_a_key_whose_write_was_refused_may_be_used_again(open_sandbox: Opened) -> None:
    road = open_sandbox(scenario={"honour_keys": True})
    assert code_of(await road.write("open-exe", key="k")) == "wrong-order"
    await road.walk(until="open-exe")
    assert (await road.write("open-exe", key="k")).status_code == 200


async def test_an_older_fencing_number_is_refused(road: Road) -> None:
    await road.write("backup", fence=5)
    assert code_of(await road.write("backup", fence=4)) == "stale-fence"
    assert (await road.write("backup", fence=5)).status_code == 200


async def test_who_shows_no_token_is_not_let_in(road: Road) -> None:
    assert (await road.call("GET", "ge", "", headers={"Authorization": "Bearer stale"})).status_code == 401


async def test_a_token_dies_after_its_lifetime(road: Road) -> None:
    assert (await road.call("GET", "ge", "")).status_code == 200
    road.time.passes(301)
    assert code_of(await road.call("GET", "ge", "")) == "unauthorised"


async def test_a_rate_limit_says_how_long_to_wait(open_sandbox: Opened) -> None:
    road = open_sandbox(scenario={"rate_per_second": 2})
    answers = [await road.call("GET", "ge", "") for _ in range(3)]
    assert [answer.status_code for answer in answers] == [200, 200, 429]
    assert float(answers[-1].headers["retry-after"]) == pytest.approx(0.5, abs=0.01)


@pytest.mark.parametrize(
    ("method", "path", "code"),
    [
        ("GET", "/operations/op-999999", "unknown-operation"),
        ("POST", "/dance", "unknown-verb"),
        ("GET", "/operations", "invalid"),
    ],
)
async def test_what_the_contract_does_not_know_is_refused_in_its_words(
    road: Road, method: str, path: str, code: str
) -> None:
    assert code_of(await road.call(method, "ge", path)) == code
    road.code = "NOBODY"
    assert code_of(await road.call(method, "ge", path)) == "unknown-cabinet"


async def test_a_write_without_key_fence_or_proper_payload_is_invalid(road: Road) -> None:
    assert code_of(await road.call("POST", "ge", "/backup", json={})) == "invalid"
    assert code_of(await road.write("backup", surprise=1)) == "invalid"
    assert await road.outcomes("backup") == ["refused", "refused"]
