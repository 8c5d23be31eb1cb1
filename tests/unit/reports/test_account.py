"""What a wave's documents are made of."""

from __future__ import annotations

import asyncio
from datetime import UTC, datetime
from typing import Any

import pandas as pd
import pytest

from bascule.ledger import EntryKind, Ledger, this_process
from bascule.model import Outcome, State
from bascule.reports import NoSuchWave, status_of
from bascule.reports.account import Account, account_of
from tests.unit.reports.histories import (
    History,
    acted,
    began,
    blocked,
    ended,
    judged,
    line,
    ok,
    planned,
    proved,
    take_up,
    write,
)

LATER = datetime(2027, 1, 1, tzinfo=UTC)


def account(ledger: Ledger, wave: str = "pilot") -> Account:
    return account_of(ledger, wave, now=LATER)


def rows(frame: Any, *columns: str) -> list[tuple[object, ...]]:
    return list(frame[list(columns)].itertuples(index=False, name=None))


def compared(missing: list[str], **more: Any) -> dict[str, Any]:
    dossiers = {
        "what": "dossier",
        "source": 10,
        "target": 10 - len(missing),
        "missing": [{"key": key} for key in missing],
    }
    return {"reconciled": {"compared": [dossiers]}, **more}


def found(code: str, step: str, rule: str, about: str, run: str = "R1") -> History:
    told = {"rule": rule, "level": "reservation", "about": [about], "remedy": "see to it"}
    return [line(code, EntryKind.FINDING, step=step, reason=f"about {about}", evidence=told, run=run)]


def test_an_unknown_wave_is_named_with_the_one_that_was_meant(ledger: Ledger) -> None:
    write(ledger, planned("C0001"))
    with pytest.raises(NoSuchWave, match="pilot"):
        account(ledger, "pilott")


def test_it_says_of_every_cabinet_what_status_says(ledger: Ledger) -> None:
    write(ledger, *(planned(f"C000{n}") for n in range(1, 5)), ok("C0001"), blocked("C0002"), began("C0003"))
    take_up(ledger, ["C0003"])
    assert account_of(ledger, "pilot", now=datetime.now(UTC)).status == status_of(ledger, "pilot")


def test_only_what_the_last_run_of_a_step_found_stands(ledger: Ledger) -> None:
    first, second = found("C0001", "contacts", "CON-01", "41"), found("C0001", "contacts", "CON-01", "42", run="R2")
    write(ledger, planned("C0001"), began("C0001"), first, second, found("C0001", "reconcile", "REC-01", "rights"))
    told = account(ledger)
    assert rows(told.findings, "step", "about") == [("contacts", "42"), ("reconcile", "rights")]
    assert told.totals.findings == 2


def test_a_later_look_that_finds_nothing_takes_back_what_an_earlier_one_found(ledger: Ledger) -> None:
    seen = {"observed": {"s4a-lists": {"dossiers": 4}}}
    first = [*found("C0001", "consistency", "DOS-01", "D1"), *judged("C0001", "consistency", State.FAILED, "bad")]
    cut_off = judged("C0001", "consistency", State.FAILED, "the remote is gone", run="R2")
    write(ledger, planned("C0001"), began("C0001"), first, cut_off)
    assert rows(account(ledger).findings, "about") == [("D1",)]
    write(ledger, judged("C0001", "consistency", State.WAITING, "another reason", run="R3", evidence=seen))
    assert rows(account(ledger).findings, "about") == []


def test_what_another_wave_did_to_a_cabinet_is_that_waves_to_tell(ledger: Ledger) -> None:
    told = {"rule": "LCK-02", "level": "note", "about": [], "locked_out_for": 60.0, "by_later_run": False}
    out = [*began("C0001"), line("C0001", EntryKind.FINDING, step="reopen", evidence=told), *ok("C0001")]
    write(ledger, planned("C0001"), out, found("C0001", "contacts", "CON-01", "42"), wave="first", run="R0")
    write(ledger, planned("C0001"))
    first, never_run = account(ledger, "first").totals, account(ledger).totals
    assert (first.locked_out_seconds, first.findings) == (60.0, 2)
    assert (never_run.locked_out_seconds, never_run.findings) == (0, 0)


def test_a_detail_keeps_the_brackets_that_are_its_own(ledger: Ledger) -> None:
    told = compared([])
    told["reconciled"]["compared"][0]["different"] = [
        {"key": "D7 (old)", "changes": [{"field": "name", "was": "Dupont", "now": "Dupont (SARL)"}]},
        {"key": "D8 (new)"},
    ]
    write(ledger, planned("C0001"), began("C0001"), judged("C0001", "reconcile", State.FAILED, "", evidence=told))
    assert rows(account(ledger).differences, "detail") == [("name: Dupont -> Dupont (SARL)",), ("",)]


def test_what_people_said_stands_in_the_order_of_time_the_waves_commands_too(ledger: Ledger) -> None:
    answer = line("C0001", EntryKind.ANSWERED, who="anne", operation="C0001-terms", evidence={"result": "done"})
    pause = line("@pilot", EntryKind.COMMAND, who="claire", reason="a call", evidence={"word": "pause"})
    approval = line("C0001", EntryKind.APPROVED, who="paul", operation="C0001-terms", reason="seen")
    write(ledger, planned("C0001"), began("C0001"), [answer, pause, approval])
    assert rows(account(ledger).approvals, "code", "who", "did", "about") == [
        ("C0001", "anne", "answered", "C0001-terms"),
        ("pilot", "claire", "told the wave", "pause"),
        ("C0001", "paul", "approved", "C0001-terms"),
    ]


def test_the_last_comparison_counts_and_says_whether_it_was_made_later(ledger: Ledger) -> None:
    step = judged("C0001", "reconcile", State.FAILED, "2 missing", evidence=compared(["D1", "D2"]))
    later = [line("C0001", EntryKind.RECONCILED, state=State.FAILED, reason="drift", evidence=compared(["D1"]))]
    write(ledger, planned("C0001"), planned("C0002"), began("C0001"), step, ended("C0001", Outcome.PARTIAL))
    assert rows(account(ledger).reconciled, "code", "what", "live", "missing") == [("C0001", "dossier", False, 2)]
    write(ledger, later)
    told = account(ledger)
    assert rows(told.reconciled, "code", "what", "live", "missing") == [("C0001", "dossier", True, 1)]
    assert told.totals.missing == 1


def test_every_thing_that_differs_is_named_and_how(ledger: Ledger) -> None:
    told = compared(["D1", "D2"])
    told["reconciled"]["compared"][0]["different"] = [
        {"key": "D7", "group": "SOCIAL", "changes": [{"field": "name", "was": "A", "now": "B"}]}
    ]
    step = judged("C0001", "reconcile", State.FAILED, "not the same", evidence=told)
    write(ledger, planned("C0001"), began("C0001"), step)
    assert rows(account(ledger).differences, "code", "what", "kind", "key", "detail") == [
        ("C0001", "dossier", "missing", "D1", ""),
        ("C0001", "dossier", "missing", "D2", ""),
        ("C0001", "dossier", "different", "D7", "name: A -> B"),
    ]


def test_texts_that_were_tolerated_and_contacts_that_were_expected_are_named_too(ledger: Ledger) -> None:
    told = compared([])
    told["reconciled"]["compared"][0]["tolerated"] = [
        {"key": "D7", "changes": [{"field": "name", "was": "Café", "now": "CAFE"}]}
    ]
    told["reconciled"]["compared"].append({"what": "contact", "source": 1, "target": 0, "expected": [{"key": "41"}]})
    write(ledger, planned("C0001"), began("C0001"), proved("C0001", "reconcile", evidence=told))
    assert rows(account(ledger).differences, "what", "kind", "key", "detail") == [
        ("dossier", "tolerated", "D7", "name: Café -> CAFE"),
        ("contact", "expected", "41", ""),
    ]


def test_runs_say_who_ran_them_why_and_under_which_plan(ledger: Ledger) -> None:
    write(ledger, planned("C0001"), ok("C0001"))
    told = {"plan": "abc", "version": "0.1.0", "inventory": "f" * 64, "environment": "sandbox"}
    second = line("@pilot", EntryKind.RUN_BEGAN, who="claire", reason="mended", run="R2", evidence=told)
    over = line("@pilot", EntryKind.RUN_ENDED, run="R2")
    write(ledger, [second, over], run="R1")
    last = account(ledger).runs.iloc[-1]
    assert (last["run"], last["who"], last["because"], last["plan"]) == ("R2", "claire", "mended", "abc")
    assert last["ended_at"] == over.at


def test_a_run_that_did_not_say_that_it_ended_is_at_work_only_while_it_gives_a_sign_of_life(ledger: Ledger) -> None:
    write(ledger, planned("C0001"), ok("C0001"))
    assert rows(account(ledger).runs, "run", "stands") == [("R1", "no sign of life")]
    asyncio.run(ledger.sign_on("R1", this_process(), datetime.now(UTC)))
    now = account_of(ledger, "pilot", now=datetime.now(UTC))
    assert rows(now.runs, "run", "stands") == [("R1", "at work")]
    write(ledger, [line("@pilot", EntryKind.RUN_ENDED)], run="R2")
    assert rows(account(ledger).runs, "run", "stands") == [("R1", "ended"), ("R2", "no sign of life")]


def test_how_long_users_were_out_adds_up_over_several_lock_outs(ledger: Ledger) -> None:
    def out(seconds: float) -> History:
        told = {"rule": "LCK-02", "level": "note", "about": [], "locked_out_for": seconds, "by_later_run": False}
        return [line("C0001", EntryKind.FINDING, step="reopen", evidence=told)]

    write(ledger, planned("C0001"), began("C0001"), out(60), out(90.5), proved("C0001", "reopen"))
    assert account(ledger).totals.locked_out_seconds == 150.5


def test_a_wave_is_open_until_the_last_cabinet_has_ended(ledger: Ledger) -> None:
    write(ledger, planned("C0001"), planned("C0002"), ok("C0001"))
    assert account(ledger).is_open
    write(ledger, acted("C0002", "connect"), began("C0002"), ended("C0002", Outcome.OK))
    assert not account(ledger).is_open


def test_who_arrived_did_so_when_they_first_did_and_not_when_a_later_run_found_them_there(ledger: Ledger) -> None:
    first, again = ok("C0001"), ok("C0001")
    write(ledger, planned("C0001"), planned("C0002"), first, again, ok("C0002"), blocked("C0002"))
    more = account(ledger).more
    arrived = dict(zip(more["code"], more["arrived_at"], strict=True))
    assert arrived["C0001"] == first[-1].at
    assert pd.isna(arrived["C0002"])
