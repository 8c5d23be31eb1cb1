"""A breaker trips at its limit as read, stays tripped, and says what the failed cabinets have in common."""

from __future__ import annotations

import random
from collections import Counter
from dataclasses import replace
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bascule.inventory.waves import Breaker
from bascule.model import Outcome
from bascule.waves.breaker import (
    FAILURES,
    BreakerContradicts,
    Ended,
    bound_of_failures,
    contradictions,
    may_start,
    out_of_reach,
    require_sound,
    tripped,
)
from tests.unit.waves.ended import ended


@pytest.mark.parametrize(
    ("limits", "planned", "letters", "rule"),
    [
        ({"failures": 3}, 100, "FF", None),
        ({"failures": 3}, 100, "FFF", "failures"),
        ({"failures": 3}, 100, "F.U..P", "failures"),
        ({"failures": 1}, 100, "B", "failures"),
        ({"failures": 1}, 100, "..X..", None),
        ({"consecutive": 3}, 100, "FF.FF", None),
        ({"consecutive": 3}, 100, "FF.FFF", "consecutive"),
        ({"consecutive": 2}, 100, "FXF", "consecutive"),  # an excluded cabinet was not tried
        ({"share": 0.1}, 500, "F", None),  # 1 of 1 counts as 1 of 20
        ({"share": 0.1}, 500, "FF", "share"),
        ({"share": 0.1}, 500, "." * 20 + "FF", None),
        ({"share": 0.1}, 500, "." * 20 + "FFF", "share"),  # 3 of 23
        ({"share": 0.5}, 4, "F.", None),
        ({"share": 0.5}, 4, "FF", "share"),
        ({"share": 1.0}, 3, "FFF", "share"),
        ({"share": 1.0}, 3, "FF.", None),
        ({"share": 0.1}, 30, "." * 27 + "FFF", "share"),  # exactly a tenth, though 0.1 * 30 > 3
    ],
)
def test_a_limit_is_reached_as_read(limits: dict[str, Any], planned: int, letters: str, rule: str | None) -> None:
    trip = tripped(Breaker(**limits), ended(letters), planned=planned)
    assert (trip and trip.rule) == rule


def test_the_same_error_on_several_cabinets_trips_where_as_many_different_ones_do_not() -> None:
    breaker = Breaker(same_signature=3)
    different = [replace(cabinet, signature=f"connect: {cabinet.code}") for cabinet in ended("FFFF")]
    alike = [replace(cabinet, signature="connect: server-error") for cabinet in ended("F.F.F")]
    assert tripped(breaker, different, planned=100) is None
    trip = tripped(breaker, alike, planned=100)
    assert trip
    assert trip.rule == "same_signature"
    assert trip.why == "3 cabinets failed alike (connect: server-error); the limit is 3, at C0005"


@pytest.mark.parametrize("limits", [{"consecutive": 2}, {"share": 0.5}, {"failures": 2}])
def test_what_ends_well_after_the_trip_does_not_take_it_back(limits: dict[str, Any]) -> None:
    breaker = Breaker(**limits)
    assert tripped(breaker, ended("FF" + "." * 10), planned=4)
    assert may_start(breaker, ended("FF" + "." * 10), in_flight=0, planned=4) == 0


def test_cabinets_are_taken_in_the_order_in_which_they_ended_not_in_which_they_are_told() -> None:
    told_backwards = list(reversed(ended("FFF.")))
    trip = tripped(Breaker(consecutive=3), told_backwards, planned=100)
    assert trip
    assert trip.failed == ("C0001", "C0002", "C0003")


def test_a_trip_says_what_most_of_the_failed_have_in_common_and_the_others_have_not() -> None:
    in_lyon = ended("FFFF", site="lyon", entity="CAB", step="connect")
    in_nantes = [replace(cabinet, code="C0009") for cabinet in ended(".", site="nantes", entity="CAB")]
    trip = tripped(Breaker(failures=4), [*in_lyon, *in_nantes], planned=100)
    assert trip
    assert [str(shared) for shared in trip.common] == ["4 with site lyon", "4 with step connect"]
    assert trip.go_on.startswith("mend the cause, then `bascule rerun`"), "true also once the run has ended"
    assert "while cabinets are still in flight, `bascule resume --because TEXT`" in trip.go_on


def test_one_cabinet_has_nothing_in_common_with_itself() -> None:
    trip = tripped(Breaker(failures=1), ended("F", site="lyon"), planned=100)
    assert trip
    assert trip.common == ()


# How many may be in flight


@pytest.mark.parametrize(
    ("limits", "letters", "in_flight", "more"),
    [
        ({"failures": 3}, "", 0, None),
        ({"failures": 3, "strict": True}, "", 0, 3),
        ({"failures": 3, "strict": True}, "", 3, 0),
        ({"failures": 3, "strict": True}, "FF", 0, 1),
        ({"failures": 3, "strict": True}, "FF", 2, 0),
        ({"failures": 3, "strict": True}, "FFF", 0, 0),
        ({"failures": 9, "consecutive": 3, "strict": True}, "FF.", 0, 3),
        ({"failures": 9, "consecutive": 3, "strict": True}, "FF", 0, 1),
        ({"share": 0.1, "strict": True}, "", 0, 2),
        ({"share": 1.0, "strict": True}, ".", 0, None),
    ],
)
def test_strict_never_lets_more_in_flight_than_failures_still_allowed(
    limits: dict[str, Any], letters: str, in_flight: int, more: int | None
) -> None:
    assert may_start(Breaker(**limits), ended(letters), in_flight, planned=100) == more


@pytest.mark.parametrize(
    ("limits", "slots", "planned", "bound"),
    [
        (None, 20, 500, 500),
        ({"failures": 3}, 20, 500, 22),
        ({"failures": 3, "strict": True}, 20, 500, 3),
        ({"failures": 3}, 20, 10, 10),
        ({"share": 0.1}, 20, 500, 69),
        ({"share": 0.1, "strict": True}, 20, 500, 50),
        ({"failures": 5, "share": 0.1}, 20, 500, 24),
        ({"consecutive": 3}, 20, 500, 500),  # every other one may fail
    ],
)
def test_the_bound_counts_those_in_flight(limits: dict[str, Any] | None, slots: int, planned: int, bound: int) -> None:
    breaker = Breaker(**limits) if limits else None
    assert bound_of_failures(breaker, slots, planned=planned) == bound


limits = st.builds(
    Breaker,
    failures=st.none() | st.integers(1, 12),
    share=st.none() | st.sampled_from([0.05, 0.1, 0.25, 1 / 3, 0.5, 1.0]),
    consecutive=st.none() | st.integers(1, 6),
    same_signature=st.none() | st.integers(1, 6),
    strict=st.booleans(),
)


@given(limits, st.integers(1, 60), st.integers(1, 25), st.integers(0, 10_000))
def test_no_wave_ever_fails_more_often_than_the_bound_and_starts_nothing_after_the_trip(
    breaker: Breaker, planned: int, slots: int, seed: int
) -> None:
    over, after_the_trip = play(breaker, planned, slots, random.Random(seed))
    failures = sum(cabinet.outcome in FAILURES for cabinet in over)
    assert failures <= bound_of_failures(breaker, slots, planned=planned)
    assert after_the_trip == 0
    if breaker.strict:
        alike = Counter(cabinet.signature for cabinet in over if cabinet.outcome in FAILURES)
        assert not breaker.same_signature or max(alike.values(), default=0) <= breaker.same_signature


def play(breaker: Breaker, planned: int, slots: int, chance: random.Random) -> tuple[list[Ended], int]:
    """A wave whose cabinets end in any order, some of them at once."""
    how_bad = chance.random()
    to_start, late = list(ended("." * planned)), 0
    in_flight: list[Ended] = []
    over: list[Ended] = []
    while True:
        more = may_start(breaker, over, len(in_flight), planned=planned)
        free = min(slots - len(in_flight), len(to_start) if more is None else more)
        trip = tripped(breaker, over, planned=planned)
        late += bool(trip and free)
        in_flight += to_start[:free]
        del to_start[:free]
        if not in_flight:
            return over, late
        for _ in range(chance.randint(1, len(in_flight))):
            one = in_flight.pop(chance.randrange(len(in_flight)))
            bad = chance.random() < how_bad
            outcome = chance.choice(sorted(FAILURES)) if bad else Outcome.OK
            at = one.at.replace(hour=13, minute=len(over))
            over.append(replace(one, at=at, outcome=outcome, signature=chance.choice("abc") if bad else None))


# What cannot be meant


@pytest.mark.parametrize(
    ("limits", "sentence"),
    [
        ({}, "the breaker sets no limit: it would never trip"),
        ({"strict": True}, "`strict` has no limit to keep: it would never trip"),
        ({"share": 1.0, "strict": True}, "`share: 1.0` with `strict`"),
        ({"failures": 3, "consecutive": 4}, "`consecutive: 4` is never reached: `failures: 3` trips before"),
        ({"failures": 3, "same_signature": 5}, "`same_signature: 5` is never reached"),
    ],
)
def test_a_breaker_that_contradicts_itself_is_refused_by_name(limits: dict[str, Any], sentence: str) -> None:
    with pytest.raises(BreakerContradicts, match="wave 'pilot'") as refused:
        require_sound(Breaker(**limits), "pilot")
    assert sentence in str(refused.value)
    assert refused.value.remedy


def test_the_breaker_of_the_interface_is_sound() -> None:
    of_the_interface = Breaker(failures=5, share=0.1, consecutive=3, same_signature=3)
    assert contradictions(of_the_interface) == ()
    require_sound(None, "pilot")


def test_a_limit_that_a_small_wave_cannot_reach_is_named() -> None:
    assert out_of_reach(Breaker(failures=5, share=0.1), planned=3) == (
        "`failures: 5` is out of reach: the wave has 3 cabinets",
    )
    assert out_of_reach(Breaker(failures=3), planned=3) == ()
