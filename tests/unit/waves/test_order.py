"""Slots slide, small sites do not wait for large ones, and the same wave always starts in the same order."""

from __future__ import annotations

from zoneinfo import ZoneInfo

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bascule.inventory.waves import Limits, Requires
from bascule.model import Outcome, System
from bascule.waves.gate import shut_by
from bascule.waves.order import Planned, PriorityUnknown, in_order, next_to_start
from tests.builders import cabinets

PARIS = ZoneInfo("Europe/Paris")


def at(*sites: str, systems: frozenset[System] = frozenset()) -> list[Planned]:
    """One cabinet at each of these sites, called after site and place in the wave: `lyon` third is `LYON3`."""
    return [
        Planned(code=f"{site.upper()}{number}", zone=PARIS, site=site or None, systems=systems)
        for number, site in enumerate(sites, start=1)
    ]


def test_free_slots_are_filled_and_those_in_flight_count() -> None:
    wave = at(*["lyon"] * 6)
    assert next_to_start(wave, [], slots=2).start == ("LYON1", "LYON2")
    assert next_to_start(wave[2:], wave[:1], slots=2).start == ("LYON3",)
    assert next_to_start(wave[2:], wave[:2], slots=2).start == ()


def test_a_large_site_does_not_keep_a_small_one_waiting() -> None:
    wave = at(*["lyon"] * 6, "nantes", "nantes")
    assert next_to_start(wave, [], slots=4).start == ("LYON1", "NANTES7", "LYON2", "NANTES8")


def test_those_of_priority_come_first_whatever_their_site() -> None:
    wave = at("lyon", "lyon", "nantes", "lyon")
    assert next_to_start(wave, [], slots=3, priority=["LYON1", "LYON2"]).start == ("LYON1", "LYON2", "NANTES3")


def test_a_limit_holds_its_own_and_lets_the_others_pass() -> None:
    wave = at("lyon", "lyon", "lyon", "nantes")
    chosen = next_to_start(wave, [], slots=9, limits=Limits(site=2))
    assert chosen.start == ("LYON1", "NANTES4", "LYON2")
    assert chosen.held == {"LYON3": "site lyon has its 2 in flight"}


def test_a_limit_on_a_system_counts_only_those_that_an_agent_answers_for() -> None:
    by_agent = at("", "", "", systems=frozenset({System.GE, System.S4A}))
    by_hand = [Planned(code="BYHAND", zone=PARIS)]
    chosen = next_to_start([*by_agent, *by_hand], [], slots=9, limits=Limits(ge=1, s4a=2))
    assert chosen.start == ("1", "BYHAND")
    assert set(chosen.held.values()) == {"ge has its 1 in flight"}


@given(
    st.lists(st.sampled_from(["lyon", "nantes", "brest", ""]), max_size=30),
    st.integers(0, 10),
    st.integers(1, 12),
    st.none() | st.integers(1, 4),
)
def test_no_slot_stays_free_that_somebody_may_take_and_no_limit_is_passed(
    sites: list[str], busy: int, slots: int, most: int | None
) -> None:
    wave = at(*sites)
    in_flight, waiting = wave[:busy], wave[busy:]
    chosen = next_to_start(waiting, in_flight, slots=slots, limits=Limits(site=most))
    assert chosen == next_to_start(waiting, in_flight, slots=slots, limits=Limits(site=most))
    assert len(set(chosen.start)) == len(chosen.start) <= max(0, slots - len(in_flight))
    after = [*in_flight, *(cabinet for cabinet in waiting if cabinet.code in chosen.start)]
    for site in ("lyon", "nantes", "brest"):
        there = sum(cabinet.site == site for cabinet in after)
        assert most is None or there <= max(most, sum(cabinet.site == site for cabinet in in_flight))
    left = [cabinet for cabinet in waiting if cabinet.code not in chosen.start]
    assert len(after) >= slots or all(cabinet.code in chosen.held for cabinet in left)


# The order of a wave


def test_the_order_is_that_of_the_inventory_after_those_of_priority() -> None:
    ordered = in_order(cabinets(4), ["C0003", "C0001", "C0003"], "pilot")
    assert [cabinet.code for cabinet in ordered] == ["C0003", "C0001", "C0002", "C0004"]


def test_a_priority_that_is_not_in_the_wave_is_named() -> None:
    with pytest.raises(PriorityUnknown, match="'pilot' names C0009, which is not in the wave; did you mean 'C0"):
        in_order(cabinets(4), ["C0009"], "pilot")


# The gate


@pytest.mark.parametrize(
    ("outcomes", "grade", "sentence"),
    [
        ({Outcome.OK: 3}, Outcome.OK, ""),
        ({Outcome.OK: 3, Outcome.EXCLUDED: 1}, Outcome.OK, ""),
        ({Outcome.OK: 2, Outcome.OK_WITH_RESERVATIONS: 1}, Outcome.OK, "ended ok-with-reservations; at least ok is"),
        ({Outcome.OK: 2, Outcome.OK_WITH_RESERVATIONS: 1}, Outcome.OK_WITH_RESERVATIONS, ""),
        ({Outcome.OK: 99, Outcome.PARTIAL: 1}, Outcome.OK_WITH_RESERVATIONS, "ended partial"),
        ({Outcome.OK: 2, Outcome.NONE: 1}, Outcome.OK, "has not ended: 1 of 3 are open"),
        ({Outcome.NONE: 3}, Outcome.OK, "has not ended"),
        ({}, Outcome.OK, "has run no cabinet yet"),
        ({Outcome.EXCLUDED: 2}, Outcome.OK, "has run no cabinet yet"),
    ],
)
def test_a_pilot_is_a_gate_until_it_ended_well(outcomes: dict[Outcome, int], grade: Outcome, sentence: str) -> None:
    shut = shut_by(Requires.model_validate({"wave": "pilot", "grade": grade}), outcomes)
    assert sentence in shut
    assert bool(sentence) == bool(shut)
