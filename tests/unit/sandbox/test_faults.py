"""Each fault by its name, as the caller meets it."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import httpx
import pytest

from sandbox.scenario import ANOMALIES, FAULTS
from tests.unit.sandbox.conftest import CODE, Opened, Road, code_of, world


async def synchronised(road: Road) -> dict[str, Any]:
    answer = await road.write("synchronise")
    road.time.passes(5)
    operation: dict[str, Any] = (await road.call("GET", "ge", f"/operations/{answer.json()['id']}")).json()
    return operation


def instant_of(told: Mapping[str, str], field: str = "taken_at") -> datetime:
    return datetime.fromisoformat(told[field])


async def test_users_connected_keep_the_lock_out_and_the_synchronisation_from_beginning(road: Road) -> None:
    await road.walk(until="lock-out")
    await road.faults({"fault": "users-connected"})
    assert code_of(await road.write("lock-out")) == "users-connected"
    assert code_of(await road.write("synchronise")) == "users-connected"
    await road.faults()
    assert (await road.write("lock-out")).status_code == 200


async def test_users_who_connect_leave_after_so_many_refusals(road: Road) -> None:
    await road.faults({"fault": "users-connected", "times": 2})
    codes = [(await road.write("lock-out")).status_code for _ in range(3)]
    assert codes == [409, 409, 200]


async def test_a_user_who_connects_midway_ends_it_with_everything_put_back(road: Road) -> None:
    await road.walk(until="synchronise")
    await road.faults({"fault": "user-connects-midway", "times": 1})
    assert (await synchronised(road))["error_code"] == "user-connected"
    assert (await road.state())["s4a"]["dossiers"] == []
    assert (await synchronised(road))["status"] == "succeeded"
    assert await road.outcomes("synchronise") == ["failed", "applied"]


async def test_missing_rights_leave_dossiers_out_without_a_word(road: Road) -> None:
    await road.walk(until="synchronise")
    before = await road.lists("ge")
    await road.faults({"fault": "missing-group-right"})
    during = await road.lists("ge")
    missing = {r["group"] for r in before["rights"] if r not in during["rights"]}
    assert 1 <= len(missing) < len(before["groups"])
    assert (await synchronised(road))["status"] == "succeeded"
    await road.faults()
    there = {dossier["code"] for dossier in (await road.lists("s4a"))["dossiers"]}
    assert there == {d["code"] for d in before["dossiers"] if d["group"] not in missing}
    assert await road.lists("ge") | {"taken_at": ""} == before | {"taken_at": ""}


async def test_the_admin_email_that_differs_differs_a_little_and_brings_nothing_over(road: Road) -> None:
    await road.walk(until="synchronise")
    await road.faults({"fault": "admin-email-differs"})
    lists = await road.lists("ge")
    emails = {person["email"] for person in lists["collaborateurs"]}
    assert "claire.martin@c0001.example" not in emails
    assert "claire.martin@c0001.example" not in {contact["email"] for contact in lists["contacts"]}
    assert (await synchronised(road))["status"] == "succeeded"
    assert (await road.state())["s4a"]["dossiers"] == []


async def test_an_admin_sage_that_is_pending_stays_so_while_the_fault_stands(road: Road) -> None:
    await road.faults({"fault": "admin-pending"})
    await road.write("admin-sage")
    road.time.passes(60)
    assert (await road.facts("my_sage"))["admin_sages"][0]["status"] == "in-progress"
    await road.faults()
    assert (await road.facts("my_sage"))["admin_sages"][0]["status"] == "validated"


async def test_an_absent_tab_stays_away_whatever_is_restarted(road: Road) -> None:
    await road.faults({"fault": "tab-absent"})
    await road.walk(until="connect")
    assert not (await road.facts("ge"))["tab_visible"]
    assert code_of(await road.write("connect")) == "tab-absent"


async def test_an_exe_opened_too_early_has_to_be_opened_once_more(road: Road) -> None:
    await road.faults({"fault": "exe-too-early"})
    await road.walk(until="open-exe")
    facts = await road.facts("ge")
    assert facts["exe_opened_at"] < facts["returned_at"]
    assert code_of(await road.write("synchronise")) == "wrong-order"
    await road.write("open-exe")
    facts = await road.facts("ge")
    assert facts["exe_opened_at"] > facts["returned_at"]


@pytest.mark.parametrize("verb", ["sign-up", "users"])
async def test_a_linked_email_is_refused_where_it_is_said_to_be(road: Road, verb: str) -> None:
    await road.faults({"fault": "email-already-linked", "at": verb, "times": 1})
    await road.walk(until=verb)
    assert code_of(await road.write(verb)) == "email-already-linked"
    assert (await road.write(verb)).status_code == 200


async def test_an_invitation_that_is_pending_makes_nobody_active(road: Road) -> None:
    await road.faults({"fault": "invitation-pending"})
    await road.walk(until="the end")
    assert (await road.lists("s4a"))["users"][0]["status"] == "invited"
    await road.faults()
    assert (await road.lists("s4a"))["users"][0]["status"] == "active"


async def test_a_contact_created_in_s4a_is_not_known_to_ge(road: Road) -> None:
    await road.faults({"fault": "contact-created-in-s4a"})
    await road.walk(until="the end")
    (contact,) = (await road.lists("s4a"))["contacts"]
    assert contact not in (await road.lists("ge"))["contacts"]


@pytest.mark.parametrize("rule", ANOMALIES)
async def test_an_anomaly_ends_the_synchronisation_before_it_began(road: Road, rule: str) -> None:
    await road.walk(until="synchronise")
    await road.faults({"fault": "anomaly", "rule": rule})
    operation = await synchronised(road)
    assert (operation["status"], operation["error_code"]) == ("not-begun", "inconsistent")
    assert await road.outcomes("synchronise") == ["failed"]
    await road.faults()
    assert (await synchronised(road))["status"] == "succeeded"


@pytest.mark.parametrize("then", ["resume", "restart"])
async def test_after_a_cut_the_next_synchronisation_brings_the_rest_and_nothing_twice(road: Road, then: str) -> None:
    await road.walk(until="synchronise")
    await road.faults({"fault": "cut-mid-sync", "times": 1, "then": then})
    operation = await synchronised(road)
    assert operation["status"] == "interrupted"
    assert 0 < operation["progress"] < 1
    state = await road.state()
    assert 0 < len(state["s4a"]["dossiers"]) < len(state["ge"]["dossiers"])
    begun = (await road.write("synchronise")).json()
    assert (begun["progress"] > 0) == (then == "resume")
    road.time.passes(5)
    state = await road.state()
    assert state["s4a"]["dossiers"] == state["ge"]["dossiers"]
    assert state["s4a"]["synchronise"]["times"] == 1


async def test_a_partial_transfer_loses_dossiers_of_one_group(road: Road) -> None:
    await road.walk(until="synchronise")
    await road.faults({"fault": "partial-transfer"})
    assert (await synchronised(road))["status"] == "succeeded"
    ge, s4a = await road.lists("ge"), await road.lists("s4a")
    lost = [dossier for dossier in ge["dossiers"] if dossier not in s4a["dossiers"]]
    assert lost
    assert len({dossier["group"] for dossier in lost}) == 1


@pytest.mark.parametrize(
    ("fault", "status", "code", "outcome"),
    [
        ("token-expired", 401, "unauthorised", "refused"),
        ("consent-revoked", 403, "consent-revoked", "refused"),
        ("throttled", 429, "too-many-requests", "refused"),
        ("server-error", 500, "internal", "failed"),
        ("error-in-200", 200, "unavailable", "failed"),
    ],
)
async def test_a_write_that_fails_before_it_is_done_does_nothing(
    road: Road, fault: str, status: int, code: str, outcome: str
) -> None:
    await road.faults({"fault": fault, "times": 1})
    answer = await road.write("backup")
    assert (answer.status_code, code_of(answer)) == (status, code)
    assert (await road.facts("ge"))["sql_backup_at"] is None
    assert (await road.write("backup")).json()["status"] == "succeeded"
    assert await road.outcomes("backup") == [outcome, "applied"]


@pytest.mark.parametrize("fault", ["server-error", "error-in-200"])
async def test_a_write_that_fails_after_it_was_done_is_dropped(road: Road, fault: str) -> None:
    await road.faults({"fault": fault, "times": 1, "after": True})
    assert "errors" in (await road.write("backup", key="k")).json()
    assert (await road.facts("ge"))["sql_backup_at"] is not None
    assert await road.outcomes("backup") == ["dropped"]
    assert [operation["status"] for operation in await road.found("k")] == ["succeeded"]


async def test_throttling_says_how_long_to_wait(road: Road) -> None:
    await road.faults({"fault": "throttled", "times": 1})
    assert (await road.write("backup")).headers["retry-after"] == "0.2"


async def test_an_unknown_word_stands_in_the_answer_to_what_was_done(road: Road) -> None:
    await road.faults({"fault": "unknown-word", "times": 1})
    assert (await road.write("backup", key="k")).json()["status"] == "perhaps"
    assert (await road.found("k"))[0]["status"] == "succeeded"


async def test_a_slow_answer_comes_after_its_seconds(road: Road) -> None:
    await road.faults({"fault": "slow", "times": 1, "seconds": 0.05})
    assert (await road.write("backup")).elapsed.total_seconds() >= 0.05


async def test_a_dropped_answer_is_a_cut_connection_and_the_write_is_done(road: Road) -> None:
    await road.walk(until="connect")
    await road.faults({"fault": "commit-then-drop", "at": "connect", "times": 1})
    with pytest.raises(httpx.RemoteProtocolError):
        await road.write("connect", key="k")
    assert await road.outcomes("connect") == ["dropped"]
    assert [operation["status"] for operation in await road.found("k")] == ["succeeded"]
    assert (await road.state())["ge"]["connect"] == {"times": 1}


async def test_a_late_commit_fails_at_once_and_is_done_later(road: Road) -> None:
    await road.walk(until="connect")
    await road.faults({"fault": "late-commit", "at": "connect", "times": 1, "seconds": 3})
    assert (await road.write("connect", key="k")).status_code == 503
    assert [operation["status"] for operation in await road.found("k")] == ["accepted"]
    assert (await road.facts("ge"))["connected_at"] is None
    road.time.passes(4)
    assert [operation["status"] for operation in await road.found("k")] == ["succeeded"]
    assert (await road.state())["ge"]["connect"] == {"times": 1}
    assert await road.outcomes("connect") == ["dropped"]


async def test_a_late_synchronisation_runs_when_its_time_has_come(road: Road) -> None:
    await road.walk(until="synchronise")
    await road.faults({"fault": "late-commit", "at": "synchronise", "times": 1, "seconds": 3})
    await road.write("synchronise", key="k")
    road.time.passes(3.1)
    assert [operation["status"] for operation in await road.found("k")] == ["running"]
    road.time.passes(5)
    assert (await road.state())["s4a"]["synchronise"] == {"times": 1, "status": "done"}


async def test_throttling_for_an_hour_is_told_in_whole_seconds(road: Road) -> None:
    await road.faults({"fault": "throttled", "at": "synchronise", "times": 1, "seconds": 3600})
    assert (await road.write("synchronise")).headers["retry-after"] == "3600"


@pytest.mark.parametrize("system", ["ge", "s4a"])
async def test_old_lists_are_those_of_when_the_fault_was_put_and_say_so(road: Road, system: str) -> None:
    await road.walk(until="synchronise")
    before = await road.lists(system)
    await road.faults({"fault": "old-lists", "system": system, "times": 2}, {"fault": "anomaly", "seconds": 1})
    road.time.passes(1.1)
    await synchronised(road)
    old = [await road.lists(system) for _ in range(2)]
    now = await road.lists(system)
    assert old[0] == old[1]
    assert before["taken_at"] < old[0]["taken_at"] < now["taken_at"]
    assert old[0]["dossiers"] != now["dossiers"]
    assert (await road.facts(system))["taken_at"] > old[0]["taken_at"]


async def test_lists_may_be_said_to_be_so_many_seconds_old(road: Road) -> None:
    await road.faults({"fault": "old-lists", "system": "ge", "seconds": 90})
    told, now = instant_of(await road.lists("ge")), instant_of(await road.lists("s4a"))
    assert 89 < (now - told).total_seconds() < 91


async def test_stale_lists_are_stamped_as_new(road: Road) -> None:
    await road.walk(until="synchronise")
    await road.faults({"fault": "stale-as-new", "system": "s4a"})
    await synchronised(road)
    lists, facts = await road.lists("s4a"), await road.facts("s4a")
    assert lists["dossiers"] == []
    assert (instant_of(facts) - instant_of(lists)).total_seconds() < 1


@pytest.mark.parametrize("to", ["2030-01-01T00:00:00Z", "0001-01-01T00:00+14:00", "soon"])
async def test_a_wrong_instant_is_passed_on_as_it_is(road: Road, to: str) -> None:
    await road.faults(
        {"fault": "wrong-instant", "field": "sql_backup_at", "to": to},
        {"fault": "wrong-instant", "field": "lists.taken_at", "to": to, "system": "s4a"},
        {"fault": "wrong-instant", "field": "synchronisation.ended_at", "to": to, "times": 1},
    )
    ge = await road.facts("ge")
    assert (ge["sql_backup_at"], ge["mongo_backup_at"], ge["synchronisation"]) == (to, None, None)
    assert (await road.lists("s4a"))["taken_at"] == to
    assert to not in ((await road.facts("s4a"))["taken_at"], (await road.lists("ge"))["taken_at"])
    await road.walk(until="reopen")
    assert [(await road.facts("ge"))["synchronisation"]["ended_at"] == to for _ in range(2)] == [True, False]


@pytest.mark.parametrize("off", [3600, -3600])
async def test_a_clock_that_is_off_moves_every_instant_of_its_system(road: Road, off: float) -> None:
    await road.walk(until="reopen")
    right = await road.facts("ge")
    await road.faults({"fault": "clock", "system": "ge", "seconds": off})
    wrong = await road.facts("ge")
    for told in (wrong, wrong["synchronisation"]):
        there = right if told is wrong else right["synchronisation"]
        for field in [name for name in told if name.endswith("_at") and name != "taken_at" and there[name]]:
            assert (instant_of(told, field) - instant_of(there, field)).total_seconds() == off, field
    assert abs((instant_of(await road.lists("ge")) - instant_of(await road.lists("s4a"))).total_seconds() - off) < 1
    health = {system: (await road.tester.get(f"/{system}/health")).json() for system in ("ge", "s4a")}
    assert round((instant_of(health["ge"], "time") - instant_of(health["s4a"], "time")).total_seconds()) == off


async def test_a_dossier_created_just_before_the_lock_out_stays_behind(road: Road) -> None:
    await road.walk(until="lock-out")
    before = (await road.state())["ge"]["dossiers"]
    await road.faults({"fault": "late-dossier"})
    assert (await road.state())["ge"]["dossiers"] == before
    await road.write("lock-out")
    await road.faults()
    await synchronised(road)
    state = await road.state()
    assert len(state["ge"]["dossiers"]) == len(before) + 1
    assert state["s4a"]["dossiers"] == before
    assert {"groups", "rights", "collaborateurs", "defaults"} <= {
        name for name in state["ge"] if state["ge"][name] == state["s4a"].get(name)
    }


async def test_null_defaults_show_none_though_some_were_chosen(road: Road) -> None:
    await road.walk(until="the end")
    await road.faults({"fault": "null-defaults"})
    lists = await road.lists("s4a")
    assert (lists["default_profile"], lists["default_group"]) == (None, None)
    await road.faults()
    assert (await road.lists("s4a"))["default_group"] == "Portefeuille général"


async def test_codes_may_be_unlike_the_labels_that_the_inventory_names(road: Road) -> None:
    await road.faults({"fault": "codes-for-labels"})
    await road.walk(until="the end")
    facts, ge, s4a = await road.facts("ge"), await road.lists("ge"), await road.lists("s4a")
    assert (facts["default_profile"], facts["default_group"]) == ("PRF-00", "GRP-00")
    assert (s4a["default_profile"], s4a["default_group"]) == ("PRF-00", "GRP-00")
    assert [group["label"] for group in ge["groups"] if group["code"] == "GRP-00"] == ["Portefeuille général"]
    assert {dossier["group"] for dossier in ge["dossiers"]} == {group["code"] for group in ge["groups"]}
    assert {right["group"] for right in ge["rights"]} <= {group["code"] for group in ge["groups"]}
    assert (ge["dossiers"], ge["groups"], ge["rights"]) == (s4a["dossiers"], s4a["groups"], s4a["rights"])
    assert (await road.write("defaults", profile="PRF-00", group="GRP-00")).status_code == 200
    assert await road.outcomes("defaults") == ["applied", "already"]


@pytest.mark.parametrize("answer", ["silence", "unavailable"])
async def test_what_is_in_flight_is_not_found_before_it_is_done(road: Road, answer: str) -> None:
    await road.walk(until="connect")
    await road.faults({"fault": "in-flight", "at": "connect", "times": 1, "seconds": 3, "answer": answer})
    if answer == "silence":
        with pytest.raises(httpx.RemoteProtocolError):
            await road.write("connect", key="k")
    else:
        assert (await road.write("connect", key="k")).status_code == 503
    number = len(await road.journal())
    assert await road.found("k") == []
    assert (await road.call("GET", "ge", f"/operations/op-{number:06d}")).status_code == 404
    assert (await road.facts("ge"))["connected_at"] is None
    road.time.passes(3.1)
    assert [operation["status"] for operation in await road.found("k")] == ["succeeded"]
    assert (await road.state())["ge"]["connect"] == {"times": 1}
    assert await road.outcomes("connect") == ["dropped"]


@pytest.mark.parametrize("echoed", [True, False])
async def test_a_swapped_answer_is_about_another_cabinet(open_sandbox: Opened, echoed: bool) -> None:
    road = open_sandbox(world("C0001", "C0002"))
    swapped = {"fault": "swapped-answer", "on": "any", "times": 5, "echoed": echoed}
    await road.faults(swapped)
    mine = {"Bascule-Request": "mine", "Idempotency-Key": "k", "Bascule-Fence": "1"}
    answers = [await road.call("POST", "ge", "/backup", headers=mine, json={})]
    answers += [
        await road.call("GET", "ge", path, headers={"Bascule-Request": "mine"})
        for path in ("", "/lists", "/operations?key=k", "/operations/op-000001")
    ]
    assert [answer.status_code for answer in answers] == [200] * 5
    assert [answer.json()["cabinet"] for answer in answers] == ["C0002"] * 5
    assert [answer.headers["bascule-request"] == "mine" for answer in answers] == [echoed] * 5
    assert answers[0].json()["status"] == "succeeded"
    assert (await road.facts("ge"))["sql_backup_at"] is not None
    road.code = "C0002"
    assert (await road.facts("ge"))["sql_backup_at"] is None


async def test_lists_that_are_known_are_not_sent_again_and_tell_of_when_they_are(road: Road) -> None:
    await road.walk(until="synchronise")
    tag = ""
    for system in ("ge", "s4a"):
        tag = (await road.call("GET", system, "/lists")).headers["etag"]
        again = await road.call("GET", system, "/lists", headers={"If-None-Match": tag})
        assert (again.status_code, again.content, again.headers["etag"]) == (304, b"", tag)
        later = await road.lists(system)
        assert again.headers["bascule-taken-at"] < later["taken_at"]
        assert instant_of(later) - instant_of(again.headers, "bascule-taken-at") < timedelta(seconds=1)
    await road.faults({"fault": "old-lists", "system": "s4a"})
    await synchronised(road)
    old = await road.call("GET", "s4a", "/lists", headers={"If-None-Match": tag})
    assert (old.status_code, old.headers["bascule-taken-at"]) == (304, (await road.lists("s4a"))["taken_at"])
    await road.faults()
    assert (await road.call("GET", "s4a", "/lists", headers={"If-None-Match": tag})).status_code == 200


async def test_a_fault_at_a_step_that_only_looks_hits_its_reads(road: Road) -> None:
    await road.faults({"fault": "server-error", "at": "workspace", "times": 1})
    assert (await road.call("GET", "ge", "")).status_code == 200
    assert [(await road.call("GET", "s4a", "")).status_code for _ in range(2)] == [500, 200]


async def test_a_fault_lasts_no_longer_than_its_seconds(road: Road) -> None:
    await road.faults({"fault": "consent-revoked", "seconds": 10})
    assert (await road.write("backup")).status_code == 403
    road.time.passes(11)
    assert (await road.write("backup")).status_code == 200


async def test_a_share_is_rounded_up_and_the_same_for_the_same_seed(open_sandbox: Opened) -> None:
    codes = [f"C{n:04d}" for n in range(1, 22)]
    hit = []
    for order in (codes, codes[::-1]):
        road = open_sandbox(world(*order))
        await road.faults({"fault": "consent-revoked", "share": 0.2}, {"fault": "slow", "share": 0.1, "seconds": 0})
        struck = set()
        for road.code in codes:
            if (await road.write("backup")).status_code == 403:
                struck.add(road.code)
        hit.append(struck)
    assert hit[0] == hit[1]
    assert len(hit[0]) == 5


@pytest.mark.parametrize(
    ("scenario", "says"),
    [
        ({"faults": [{"fault": "sever-error", "cabinets": [CODE]}]}, "did you mean 'server-error'"),
        ({"faults": [{"fault": "slow", "cabinets": ["C001"]}]}, "did you mean 'C0001'"),
        ({"faults": [{"fault": "slow", "cabinets": [CODE], "tmies": 1}]}, "did you mean 'times'"),
        ({"faults": [{"fault": "slow", "cabinets": [CODE], "at": "conect"}]}, "did you mean 'connect'"),
        ({"faults": [{"fault": "slow", "cabinets": [CODE], "then": "resume"}]}, "`then` says nothing for slow"),
        ({"faults": [{"fault": "tab-absent", "cabinets": [CODE], "at": "backup"}]}, "happens at restart or connect"),
        ({"faults": [{"fault": "slow"}]}, "needs either"),
        ({"faults": [{"fault": "slow", "cabinets": [CODE], "seconds": -1}]}, "cannot last, or come after, -1 seconds"),
        ({"faults": [{"fault": "in-flight", "cabinets": [CODE], "at": "workspace"}]}, "in-flight is for writes only"),
        (
            {"faults": [{"fault": "old-lists", "cabinets": [CODE], "at": "reconcile"}]},
            "`at` says nothing for old-lists",
        ),
        ({"faults": [{"fault": "old-lists", "cabinets": [CODE], "system": "my_sage"}]}, "My Sage has no lists"),
        ({"faults": [{"fault": "clock", "cabinets": [CODE]}]}, "clock needs `seconds`"),
        ({"faults": [{"fault": "wrong-instant", "cabinets": [CODE]}]}, "needs `field` and `to`"),
        (
            {"faults": [{"fault": "wrong-instant", "cabinets": [CODE], "field": "sql_backup", "to": "2030"}]},
            "did you mean 'sql_backup_at'",
        ),
        ({"faults": [{"fault": "swapped-answer", "cabinets": [CODE]}]}, "needs a second cabinet"),
        ({"sede": 1}, "did you mean 'seed'"),
        ({"sync_seconds": "soon"}, "sync_seconds"),
        ([], "the scenario"),
    ],
)
async def test_a_scenario_with_a_mistake_is_refused_by_name_and_changes_nothing(
    road: Road, scenario: object, says: str
) -> None:
    await road.faults({"fault": "tab-absent"})
    answer = await road.tester.put("/sandbox/faults", json=scenario)
    assert answer.status_code == 422
    assert says in answer.text
    assert (await road.tester.get("/sandbox/faults")).json()["faults"][0]["fault"] == "tab-absent"


def test_every_fault_is_documented() -> None:
    text = Path("docs/sandbox.md").read_text(encoding="utf-8")
    assert [name for name in FAULTS if f"`{name}`" not in text] == []


# What stands between, and agents that are not there


@pytest.mark.parametrize("status", [200, 502])
async def test_a_web_page_comes_instead_of_the_answer_to_what_was_done(road: Road, status: int) -> None:
    await road.faults({"fault": "web-page", "status": status, "on": "any", "times": 2})
    answer = await road.write("backup")
    assert (answer.status_code, answer.text[:15]) == (status, "<!doctype html>")
    assert (await road.call("GET", "ge", "")).headers["content-type"].startswith("text/html")
    assert await road.outcomes("backup") == ["dropped"]
    assert (await road.facts("ge"))["sql_backup_at"]


async def test_half_of_a_truncated_answer_comes(road: Road) -> None:
    whole = (await road.call("GET", "ge", "")).content
    await road.faults({"fault": "truncated", "on": "reads", "times": 1})
    part = await road.call("GET", "ge", "")
    assert len(part.content) == len(whole) // 2 < int(part.headers["content-length"])


async def test_an_agent_that_is_away_answers_nobody_until_it_is_back(road: Road) -> None:
    await road.call("GET", "ge", "")
    await road.faults({"fault": "away", "system": "ge", "seconds": 60})
    for path in ("/ge/health", "/ge/cabinets/C0001"):
        with pytest.raises(httpx.RemoteProtocolError):
            await road.tester.get(path)
    with pytest.raises(httpx.RemoteProtocolError):
        await road.write("backup")
    assert (await road.tester.get("/s4a/health")).status_code == 200
    assert await road.journal() == []
    road.time.passes(61)
    assert (await road.write("backup")).status_code == 200

    await road.faults({"fault": "away", "status": 503})
    assert (await road.tester.get("/s4a/health")).status_code == 503


@pytest.mark.parametrize("path", ["token", "health"])
@pytest.mark.parametrize("status", [429, 500, 200])
async def test_the_first_calls_of_a_failing_path_fail(road: Road, path: str, status: int) -> None:
    await road.faults({"fault": f"{path}-fails", "system": "ge", "status": status, "times": 1, "seconds": 7})
    form = {"grant_type": "client_credentials", "client_id": "tests"}

    async def asked() -> httpx.Response:
        answer = road.tester.post("/ge/token", data=form) if path == "token" else road.tester.get("/ge/health")
        return await answer

    first = await asked()
    assert first.status_code == status
    assert first.headers.get("retry-after") == ("7" if status == 429 else None)
    assert ("html" in first.headers["content-type"]) is (status == 200)
    assert (await asked()).json()


@pytest.mark.parametrize(
    ("fault", "says"),
    [
        ({"fault": "away", "cabinets": [CODE]}, "hits whole systems"),
        ({"fault": "away", "at": "connect"}, "`at` says nothing for away"),
        ({"fault": "away", "status": 200}, "has status 503, not 200"),
        ({"fault": "slow", "cabinets": [CODE], "system": "ge"}, "`system` says nothing for slow"),
    ],
)
async def test_a_fault_of_a_whole_system_says_what_it_takes(road: Road, fault: dict[str, Any], says: str) -> None:
    answer = await road.tester.put("/sandbox/faults", json={"faults": [fault]})
    assert answer.status_code == 422
    assert says in answer.text
