"""Where a wave stands."""

from __future__ import annotations

import asyncio
import json
import tempfile
import time
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sqlalchemy import Engine, event

from bascule.errors import StillRunning
from bascule.ledger import EntryKind, Ledger, StoredInventory, this_process
from bascule.model import Lifecycle, Outcome
from bascule.reports import CabinetStatus, DoesNotAddUp, NoSuchWave, WaveStatus, status_of, wave_table
from bascule.reports.status import locked_out_in_words
from tests.unit.reports.histories import (
    History,
    acted,
    began,
    blocked,
    ended,
    line,
    ok,
    planned,
    proved,
    take_up,
    write,
)


def test_three_cabinets_are_told_as_the_interface_promises(ledger: Ledger) -> None:
    write(ledger, planned("C0001"), planned("C0002"), planned("C0003"), ok("C0001"), blocked("C0002"))
    told = status_of(ledger, "pilot").as_json()
    assert {name: told[name] for name in ("wave", "planned", "grade", "outcomes")} == {
        "wave": "pilot",
        "planned": 3,
        "grade": "blocked",
        "outcomes": {"blocked": 1, "none": 1, "ok": 1},
    }
    done, stuck, fresh = told["cabinets"]
    assert (
        list(done)
        == (
            "code lifecycle outcome step reason error_class error_signature next_action owner attempts started_at ended_at since slow locked_out_since last_not_done"
        ).split()
    )
    assert (done["lifecycle"], done["outcome"], done["step"], done["reason"]) == ("ended", "ok", None, None)
    assert (done["next_action"], done["owner"], done["attempts"]) == (None, "claire", 1)
    assert (stuck["step"], stuck["next_action"]) == ("admin-rights", "give the rights in GE")
    assert stuck["reason"].endswith("SOCIAL")
    assert (fresh["lifecycle"], fresh["outcome"], fresh["started_at"]) == ("planned", "none", None)
    assert fresh["next_action"] == "run the wave"
    assert json.loads(json.dumps(told)) == told
    assert done["started_at"].endswith("Z")


def test_the_last_run_counts_and_the_first_one_began_it(ledger: Ledger) -> None:
    first, second = blocked("C0001"), ok("C0001")
    write(ledger, planned("C0001"), first, second)
    (cabinet,) = status_of(ledger, "pilot").cabinets
    assert (cabinet.outcome, cabinet.attempts, cabinet.error_class) == (Outcome.OK, 2, None)
    assert (cabinet.started_at, cabinet.ended_at) == (first[0].at, second[-1].at)


def test_a_cabinet_that_a_live_process_holds_is_running(ledger: Ledger) -> None:
    write(ledger, planned("C0001"), began("C0001"))
    take_up(ledger, ["C0001"])
    (cabinet,) = status_of(ledger, "pilot").cabinets
    assert (cabinet.lifecycle, cabinet.outcome, cabinet.ended_at) == (Lifecycle.RUNNING, Outcome.NONE, None)


def test_a_cabinet_whose_process_is_gone_is_paused_and_to_be_run_again(ledger: Ledger) -> None:
    write(ledger, planned("C0001"), blocked("C0001"), began("C0001"))
    (cabinet,) = status_of(ledger, "pilot").cabinets
    assert (cabinet.lifecycle, cabinet.outcome, cabinet.ended_at) == (Lifecycle.PAUSED, Outcome.NONE, None)
    assert cabinet.reason
    assert "killed" in cabinet.reason
    assert cabinet.next_action
    assert "run again" in cabinet.next_action
    assert cabinet.error_signature is None


def test_a_change_of_the_inventory_after_the_run_does_not_hide_how_it_ended(ledger: Ledger) -> None:
    write(ledger, planned("C0001"), blocked("C0001"), planned("C0001", evidence={"owner": "paul"}))
    (cabinet,) = status_of(ledger, "pilot").cabinets
    assert (cabinet.outcome, cabinet.owner) == (Outcome.BLOCKED, "paul")


def test_an_excluded_cabinet_is_accounted_for_and_never_counts_in_the_grade(ledger: Ledger) -> None:
    out = planned("C0002", evidence={"excluded": True}, reason="moved to the next wave")
    write(ledger, planned("C0001"), planned("C0002"), ok("C0001"), blocked("C0002"), out)
    status = status_of(ledger, "pilot")
    assert (status.planned, status.grade) == (2, Outcome.OK)
    assert status.outcomes == {Outcome.OK: 1, Outcome.EXCLUDED: 1}
    assert status.cabinets[1].reason == "moved to the next wave"


@pytest.mark.parametrize("outcome", [outcome for outcome in Outcome if outcome not in {Outcome.OK, Outcome.EXCLUDED}])
def test_whoever_is_not_ok_has_something_to_do_next(ledger: Ledger, outcome: Outcome) -> None:
    lifecycle = Lifecycle.WAITING if outcome is Outcome.NONE else Lifecycle.ENDED
    write(ledger, planned("C0001"), began("C0001"), ended("C0001", outcome, lifecycle=lifecycle))
    (cabinet,) = status_of(ledger, "pilot").cabinets
    assert cabinet.next_action


def test_another_wave_is_another_matter(ledger: Ledger) -> None:
    write(ledger, planned("C0001"), ok("C0001"))
    write(ledger, planned("C0002"), blocked("C0002"), wave="second")
    assert status_of(ledger, "pilot").grade is Outcome.OK
    assert status_of(ledger, "second").grade is Outcome.BLOCKED


def test_an_unknown_wave_names_those_there_are(ledger: Ledger) -> None:
    write(ledger, planned("C0001"))
    with pytest.raises(NoSuchWave, match="'pilote'; did you mean 'pilot'") as refused:
        status_of(ledger, "pilote")
    assert "pilot" in refused.value.remedy


def test_an_empty_ledger_says_how_to_begin(ledger: Ledger) -> None:
    with pytest.raises(NoSuchWave) as refused:
        status_of(ledger, "pilot")
    assert "bascule run" in refused.value.remedy


def test_a_cabinet_counted_twice_stops_every_report(ledger: Ledger) -> None:
    write(ledger, planned("C0001"), planned("C0002"))
    first, _ = status_of(ledger, "pilot").cabinets
    with pytest.raises(DoesNotAddUp):
        WaveStatus(wave="pilot", planned=2, cabinets=(first, first))
    with pytest.raises(DoesNotAddUp):
        WaveStatus(wave="pilot", planned=2, cabinets=(first,))


def histories() -> st.SearchStrategy[list[str]]:
    """What may befall a cabinet, in any order."""
    words = [*(outcome.value for outcome in Outcome if outcome is not Outcome.EXCLUDED), "began", "planned", "excluded"]
    return st.lists(st.sampled_from(words), max_size=6)


def history_of(code: str, words: list[str]) -> History:
    told = planned(code)
    for word in words:
        match word:
            case "began":
                told += began(code)
            case "planned":
                told += planned(code)
            case "excluded":
                told += planned(code, evidence={"excluded": True})
            case outcome:
                told += [*began(code), *ended(code, Outcome(outcome))]
    return told


@given(st.lists(histories(), min_size=1, max_size=12))
@settings(max_examples=40, deadline=None)
def test_planned_is_the_sum_of_all_outcomes_whatever_happened(befell: list[list[str]]) -> None:
    with tempfile.TemporaryDirectory() as folder, Ledger(f"sqlite:///{Path(folder) / 'ledger.db'}") as ledger:
        write(ledger, *(history_of(f"C{number:04}", words) for number, words in enumerate(befell)))
        status = status_of(ledger, "pilot")
        assert status.planned == sum(status.outcomes.values()) == len(befell)
        assert all(status.outcomes.values())
        counted = [outcome for outcome in status.outcomes if outcome is not Outcome.EXCLUDED]
        assert status.grade is (min(counted, key=list(Outcome).index) if counted else Outcome.OK)


def test_prefects_table_is_bounded_and_begins_with_the_worst(ledger: Ledger) -> None:
    codes = [f"C{number:04}" for number in range(10)]
    write(ledger, *map(planned, codes), *map(ok, codes[:5]), *map(blocked, codes[5:9]))
    table = wave_table(status_of(ledger, "pilot"), limit=3)
    assert [row["cabinet"] for row in table] == ["all 10", "C0005", "C0006", "C0007", "… and 2 more"]
    assert table[0]["outcome"] == "4 blocked, 1 none, 5 ok"
    assert json.loads(json.dumps(table)) == table
    assert len({tuple(row) for row in table}) == 1


def test_five_thousand_cabinets_are_told_within_a_second_or_two(ledger: Ledger) -> None:
    codes = [f"C{number:05}" for number in range(5_000)]
    write(
        ledger, *map(planned, codes), *(ok(code) if number % 3 else blocked(code) for number, code in enumerate(codes))
    )
    began_at = time.perf_counter()
    status = status_of(ledger, "pilot")
    took = time.perf_counter() - began_at
    assert status.planned == 5_000
    assert took < 4, f"{took:.2f} s; on a quiet machine less than one"


def test_the_number_of_queries_does_not_grow_with_the_wave(ledger: Ledger) -> None:
    sent: list[str] = []

    def note(_connection: object, _cursor: object, statement: str, *_: object) -> None:
        sent.append(statement)

    codes = [f"C{number:04}" for number in range(300)]
    write(ledger, *map(planned, codes), *map(ok, codes))
    event.listen(Engine, "before_cursor_execute", note)
    try:
        status_of(ledger, "pilot")
    finally:
        event.remove(Engine, "before_cursor_execute", note)
    assert len([statement for statement in sent if statement.startswith("SELECT")]) == 4


def test_a_run_that_wrote_nothing_of_a_cabinet_changes_nothing(ledger: Ledger) -> None:
    write(ledger, planned("C0001"), ok("C0001"))
    before = status_of(ledger, "pilot")
    asyncio.run(
        ledger.record(line("@pilot", EntryKind.RUN_BEGAN, run="R2"), line("@pilot", EntryKind.RUN_ENDED, run="R2"))
    )
    assert status_of(ledger, "pilot") == before
    assert isinstance(before.cabinets[0], CabinetStatus)


def lock_out(ledger: Ledger, code: str) -> None:
    """As a run does before it locks out, in the ledger's own rows."""

    async def hold() -> None:
        now = datetime.now(UTC)
        fence = await ledger.take_lease(code, this_process(), now)
        await ledger.hold_lock_out(code, this_process(), fence, now, now + timedelta(hours=4))
        ledger.let_go(code, fence, now)
        await ledger.settle()

    asyncio.run(hold())


def test_a_run_killed_in_the_lock_out_is_told_with_its_step_and_the_users_who_wait(ledger: Ledger) -> None:
    write(ledger, planned("C0001"), planned("C0002"), began("C0001"), acted("C0001", "lock-out"), ok("C0002"))
    lock_out(ledger, "C0001")
    status = status_of(ledger, "pilot")
    killed, fine = status.cabinets
    assert killed.step == "lock-out"
    assert killed.locked_out_since is not None
    assert killed.next_action
    assert "bascule unlock C0001" in killed.next_action
    assert fine.locked_out_since is None
    headline, lets_in = locked_out_in_words(status)
    assert headline.startswith("USERS LOCKED OUT since")
    assert headline.endswith("(1 cabinet: C0001)")
    assert all(words in lets_in for words in ("bascule rerun --wave pilot", "bascule reap", "bascule unlock"))
    assert status.as_json()["locked_out"] == ["C0001"]


def test_a_wave_of_the_stored_inventory_that_never_ran_is_known_and_told_how_it_is_run(ledger: Ledger) -> None:
    content = {"cabinets": [{"code": "C0001", "wave": "future"}], "waves": {}, "source": "inv.csv"}
    stored = StoredInventory(digest="d", at=datetime.now(UTC), who="ops", source="inv.csv", content=content)
    asyncio.run(ledger.store_inventory(stored))
    with pytest.raises(NoSuchWave, match="stands in the stored inventory") as refused:
        status_of(ledger, "future")
    assert refused.value.remedy == "bascule run --inventory FILE --wave future"


def test_the_command_of_a_partial_cabinet_can_be_typed_as_it_stands(ledger: Ledger) -> None:
    write(ledger, planned("C0001"), began("C0001"), ended("C0001", Outcome.PARTIAL), wave="first night")
    (cabinet,) = status_of(ledger, "first night").cabinets
    assert cabinet.next_action == "see what differs, then: bascule rerun --wave 'first night' --only partial"


def test_who_has_not_begun_is_told_to_wait_while_a_run_is_at_work(ledger: Ledger) -> None:
    write(ledger, planned("C0001"))
    assert status_of(ledger, "pilot").cabinets[0].next_action == "run the wave"
    asyncio.run(ledger.sign_on("R1", this_process(), datetime.now(UTC)))
    waits = "wait: the wave is running, and begins it in its turn"
    assert status_of(ledger, "pilot").cabinets[0].next_action == waits


def test_where_users_are_back_nobody_is_told_to_be_locked_out(ledger: Ledger) -> None:
    out = [*began("C0001"), *proved("C0001", "lock-out"), *proved("C0001", "reopen"), *ended("C0001", Outcome.FAILED)]
    write(ledger, planned("C0001"), out)
    status = status_of(ledger, "pilot")
    assert (status.locked_out, locked_out_in_words(status)) == ([], ())


def test_a_synchronisation_left_running_is_no_riddle_and_an_unlock_shows(ledger: Ledger) -> None:
    runs = StillRunning("synchronise is still running; the next run resumes watching it")
    left = ended(
        *("C0001", Outcome.UNKNOWN),
        step="synchronise",
        reason=str(runs),
        error_signature=f"synchronise: {runs.code}",
        remedy=runs.remedy,
    )
    write(ledger, planned("C0001"), began("C0001"), proved("C0001", "lock-out"), left)
    (cabinet,) = status_of(ledger, "pilot").cabinets
    assert cabinet.next_action == "run again soon: users are let in when it ends"
    note = line("C0001", EntryKind.NOTE, who="anne", step="reopen", reason="closed by hand", evidence={"unlock": True})
    asyncio.run(ledger.record(note, *proved("C0001", "reopen")))
    (cabinet,) = status_of(ledger, "pilot").cabinets
    assert cabinet.locked_out_since is None
    assert cabinet.reason
    assert cabinet.reason.endswith("by anne: closed by hand")
    assert cabinet.next_action == "run again: it carries on"


def noted(governs: str, **evidence: object) -> History:
    return [line("@pilot", EntryKind.NOTE, run="R1", evidence={"governs": governs, **evidence})]


@pytest.mark.parametrize(
    ("told", "says"),
    [
        (noted("Trip", rule="failures", why="3 cabinets failed", common=["3 with site LYON"]), "3 with site LYON"),
        (noted("StageHeld", why="stage 1 failed"), "bascule rerun --wave pilot --only not-started --because TEXT"),
        (noted("WindowClosed", why="the window is closed", opens="2026-12-02T19:00:00+00:00"), "2026-12-02 19:00 UTC"),
        (noted("Told", why="anne told the wave to pause", word="pause"), "bascule resume --wave pilot"),
        (noted("Told", why="anne told the wave to stop", word="stop"), "bascule rerun --wave pilot"),
    ],
)
def test_why_the_last_run_started_no_more_is_told_with_what_goes_on(ledger: Ledger, told: History, says: str) -> None:
    write(ledger, planned("C0001"), told)
    [why] = status_of(ledger, "pilot").halts
    assert says in why
    assert told[0].evidence["why"] in why


def test_a_new_run_forgets_why_the_one_before_it_stopped(ledger: Ledger) -> None:
    write(ledger, planned("C0001"), noted("StageHeld", why="stage 1 failed"))
    write(ledger, run="R2")
    assert status_of(ledger, "pilot").halts == ()


def test_a_run_at_any_hour_says_so_and_why(ledger: Ledger) -> None:
    write(ledger, planned("C0001"))
    began_at = line("@pilot", EntryKind.RUN_BEGAN, run="R2", reason="Sage asked for it", evidence={"any_hour": True})
    asyncio.run(ledger.record(began_at))
    [why] = status_of(ledger, "pilot").halts
    assert "Sage asked for it" in why


def test_a_cabinet_that_waits_waits_for_the_same_person_after_its_row_was_corrected(ledger: Ledger) -> None:
    until = {"expires_at": "2099-01-01T00:00:00+00:00", "deadline": None}
    told: dict[str, Any] = {"verbs": ["terms"], "four_eyes": True, "owner": "anne", "minutes": 5, "values": {}, **until}
    order = [line("C0001", EntryKind.ORDERED, step="terms", operation="C0001-terms", key="K", evidence=told)]
    waits = ended("C0001", Outcome.NONE, lifecycle=Lifecycle.WAITING)
    write(ledger, planned("C0001"), began("C0001"), order, waits)
    before = status_of(ledger, "pilot").cabinets[0]
    assert before.next_action == "bascule inbox --order C0001-terms"
    write(ledger, planned("C0001", evidence={"owner": "claire"}))
    after = status_of(ledger, "pilot").cabinets[0]
    assert (after.reason, after.next_action) == (before.reason, before.next_action)
