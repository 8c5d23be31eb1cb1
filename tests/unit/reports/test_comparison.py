"""Waves beside each other."""

from __future__ import annotations

from dataclasses import replace

import pytest

from bascule.ledger import EntryKind, Ledger
from bascule.model import Lifecycle, Outcome
from bascule.reports.comparison import comparison
from bascule.reports.status import RUN_KINDS
from tests.unit.reports.histories import History, began, blocked, ended, line, ok, planned, write


def of(ledger: Ledger) -> dict[str, dict[str, object]]:
    frame = comparison(ledger.of_kinds([*RUN_KINDS, EntryKind.RUN_BEGAN]))
    return {str(row["wave"]): {str(name): told for name, told in row.items()} for row in frame.to_dict("records")}


def excluded(code: str) -> History:
    [entry] = planned(code, reason="left")
    return [replace(entry, evidence={**entry.evidence, "excluded": True}, lifecycle=Lifecycle.ENDED)]


def test_who_arrived_and_who_did_at_once_are_counted_apart(ledger: Ledger) -> None:
    write(ledger, planned("C0001"), planned("C0002"), planned("C0003"), ok("C0001"), blocked("C0002"), blocked("C0003"))
    write(ledger, ok("C0002"), run="R2")
    told = of(ledger)["pilot"]
    assert (told["planned"], told["arrived"], told["runs"]) == (3, 2, 2)
    assert told["success_rate"] == pytest.approx(2 / 3)
    assert told["first_time_rate"] == pytest.approx(1 / 3)


def test_the_cause_that_stopped_most_cabinets_is_told_also_when_it_was_mended(ledger: Ledger) -> None:
    write(ledger, planned("C0001"), planned("C0002"), blocked("C0001"), blocked("C0002"), blocked("C0002"), ok("C0001"))
    told = of(ledger)["pilot"]
    assert (told["top_cause"], told["top_cause_cabinets"]) == ("admin-rights: the AdminSage lacks rights", 2)


def test_who_is_excluded_lowers_no_rate_and_a_wave_of_none_is_left_out(ledger: Ledger) -> None:
    write(ledger, planned("C0001"), excluded("C0002"), ok("C0001"))
    write(ledger, excluded("C0003"), wave="empty")
    assert {wave: told["success_rate"] for wave, told in of(ledger).items()} == {"pilot": 1.0}


def test_who_arrived_has_arrived_also_when_the_inventory_was_corrected_since(ledger: Ledger) -> None:
    write(ledger, planned("C0001"), ok("C0001"), planned("C0001", evidence={"owner": "paul"}))
    told = of(ledger)["pilot"]
    assert (told["arrived"], told["first_time_rate"], told["p50"]) == (1, 1.0, 4.0)


def test_waves_stand_in_the_order_in_which_they_first_ran(ledger: Ledger) -> None:
    write(ledger, planned("C0001"), ok("C0001"), wave="z-first")
    write(ledger, planned("C0002"), ok("C0002"), wave="a-second")
    assert list(of(ledger)) == ["z-first", "a-second"]


def test_time_in_hand_leaves_out_what_lies_between_two_runs(ledger: Ledger) -> None:
    first = [*began("C0001"), *ended("C0001", Outcome.NONE, lifecycle=Lifecycle.WAITING)]
    for _ in range(100):
        line("C0009", EntryKind.NOTE)  # a hundred seconds go by
    write(ledger, planned("C0001"), first, [*began("C0001"), *ended("C0001", Outcome.OK)])
    assert of(ledger)["pilot"]["p50"] == 2.0
