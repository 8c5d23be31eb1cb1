"""A wave as it runs: nothing starts after a trip, at a closed hour, or before its stage; and it never just stands still."""

from __future__ import annotations

import random
from datetime import UTC, date, datetime, timedelta
from typing import Any
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bascule.inventory import WaveSettings
from bascule.model import Lifecycle, Outcome
from bascule.waves.breaker import Trip, bound_of_failures
from bascule.waves.governor import (
    Command,
    GateShut,
    Rules,
    StageHeld,
    Standing,
    Told,
    WindowClosed,
    Word,
    decide,
)
from bascule.waves.order import Planned
from bascule.waves.ramp import Verdict
from bascule.waves.when import ClosedDays
from tests.unit.waves.played import play

PARIS, REUNION = ZoneInfo("Europe/Paris"), ZoneInfo("Indian/Reunion")
NIGHT = {"from": "20:00", "to": "06:00"}


def at(text: str) -> datetime:
    return datetime.fromisoformat(text).replace(tzinfo=PARIS).astimezone(UTC)


EVENING = at("2026-12-01T21:00")


def rules(count: int = 4, slots: int = 20, zone: ZoneInfo = PARIS, **settings: Any) -> Rules:
    cabinets = tuple(Planned(code=f"C{number}", zone=zone) for number in range(1, count + 1))
    return Rules(settings=WaveSettings(**settings), cabinets=cabinets, slots=slots)


def stand(lifecycle: Lifecycle, outcome: Outcome = Outcome.NONE, since: datetime = EVENING) -> Standing:
    return Standing(lifecycle=lifecycle, outcome=outcome, since=since)


RUNNING, WAITING = stand(Lifecycle.RUNNING), stand(Lifecycle.WAITING)
OK, FAILED = stand(Lifecycle.ENDED, Outcome.OK), stand(Lifecycle.ENDED, Outcome.FAILED)


def told(word: Word, because: str = "", minutes: int = 1) -> Command:
    return Command(word=word, at=EVENING + timedelta(minutes=minutes), by="anne", because=because)


LATER = EVENING + timedelta(minutes=30)


# Slots


def test_a_wave_without_settings_fills_its_slots() -> None:
    decision = decide(rules(4, slots=3), {}, [], EVENING)
    assert decision.start == ("C1", "C2", "C3")
    assert decision.not_yet == {"C4": "all 3 slots are taken"}
    assert (decision.stops, decision.look_again_at) == (None, None)


def test_whoever_waits_for_a_person_holds_no_slot() -> None:
    assert decide(rules(4, slots=1), {"C1": WAITING}, [], EVENING).start == ("C2",)


def test_a_wave_in_which_nothing_is_left_stops_for_no_reason() -> None:
    decision = decide(rules(2), {"C1": OK, "C2": FAILED}, [], EVENING)
    assert (decision.start, decision.stops, decision.not_yet) == ((), None, {})


# Hours


def test_before_the_window_nothing_starts_and_it_is_said_when() -> None:
    decision = decide(rules(2, window=NIGHT), {}, [], at("2026-12-01T19:00"))
    assert decision.start == ()
    assert isinstance(decision.stops, WindowClosed)
    assert decision.stops.opens == decision.look_again_at == at("2026-12-01T20:00")
    assert decision.not_yet["C1"] == "the window is closed until Tue 01 Dec 2026 20:00 (Europe/Paris)"


def test_a_window_that_closes_lets_those_in_flight_finish_their_step_and_starts_none() -> None:
    decision = decide(rules(2, window=NIGHT), {"C1": RUNNING}, [], at("2026-12-02T06:00"))
    assert decision.finish_step == ("C1",)
    assert isinstance(decision.stops, WindowClosed)
    assert decision.start == ()


def test_an_open_window_is_looked_at_again_when_it_closes() -> None:
    assert decide(rules(1, window=NIGHT), {"C1": RUNNING}, [], EVENING).look_again_at == at("2026-12-02T06:00")


def test_cabinets_of_several_zones_each_keep_their_own_hours() -> None:
    wave = Rules(
        settings=WaveSettings.model_validate({"window": NIGHT}),
        cabinets=(Planned(code="PARIS", zone=PARIS), Planned(code="REUNION", zone=REUNION)),
        slots=2,
    )
    late_afternoon = decide(wave, {}, [], at("2026-12-01T17:00"))
    assert (late_afternoon.start, late_afternoon.stops) == (("REUNION",), None)
    small_hours = decide(wave, {"PARIS": RUNNING, "REUNION": RUNNING}, [], at("2026-12-02T03:00"))
    assert small_hours.finish_step == ("REUNION",)


def test_where_the_window_is_closed_for_some_zones_only_it_is_said_for_which_and_how_many_cabinets() -> None:
    wave = Rules(
        settings=WaveSettings.model_validate({"window": NIGHT}),
        cabinets=(*(Planned(code=f"P{n}", zone=PARIS) for n in (1, 2)), Planned(code="R1", zone=REUNION)),
        slots=2,
    )
    told = "Europe/Paris (2 of 3 cabinets): the window is closed until Tue 01 Dec 2026 20:00 (Europe/Paris)"
    paris_alone = decide(wave, {"R1": RUNNING}, [], at("2026-12-01T17:00"))
    assert isinstance(paris_alone.stops, WindowClosed)
    assert (paris_alone.stops.why, paris_alone.finish_step) == (told, ())
    both = decide(wave, {}, [], at("2026-12-01T12:00"))
    assert isinstance(both.stops, WindowClosed)
    reunion = "Indian/Reunion (1 of 3 cabinets): the window is closed until Tue 01 Dec 2026 20:00 (Indian/Reunion)"
    assert both.stops.why == f"{reunion}; {told}", "the first to open is named first"


def test_what_is_said_of_a_closed_window_stays_the_same_while_those_in_flight_end() -> None:
    wave = Rules(
        settings=WaveSettings.model_validate({"window": NIGHT}),
        cabinets=(*(Planned(code=f"P{n}", zone=PARIS) for n in (1, 2, 3)), Planned(code="R1", zone=REUNION)),
        slots=4,
    )
    morning, paused = at("2026-12-02T07:00"), stand(Lifecycle.PAUSED)
    before = decide(wave, {"P1": RUNNING, "P2": RUNNING, "R1": OK}, [], morning)
    after = decide(wave, {"P1": paused, "P2": OK, "R1": OK}, [], morning)
    assert before.stops == after.stops
    assert isinstance(after.stops, WindowClosed)


def test_who_would_not_be_back_before_the_window_closes_does_not_begin() -> None:
    long, short = (Planned(code=f"H{hours}", zone=PARIS, expected=timedelta(hours=hours)) for hours in (3, 1))
    wave = Rules(settings=WaveSettings.model_validate({"window": NIGHT}), cabinets=(long, short), slots=5)
    decision = decide(wave, {}, [], at("2026-12-02T04:00"))
    assert decision.start == ("H1",)
    assert "180 minutes from lock-out to reopen do not fit" in decision.not_yet["H3"]


def test_a_blackout_closes_ad_hoc_runs_too_unless_a_person_takes_it_upon_themselves() -> None:
    wave = rules(1)
    closed = Rules(
        settings=wave.settings,
        cabinets=wave.cabinets,
        slots=1,
        blackouts=(ClosedDays("CFE", date(2026, 12, 1), date(2026, 12, 1)),),
    )
    decision = decide(closed, {}, [], EVENING)
    assert isinstance(decision.stops, WindowClosed)
    assert decision.stops.why.startswith("blackout: CFE")
    taken_on = Rules(
        **{name: getattr(closed, name) for name in ("settings", "cabinets", "slots", "blackouts")}, at_any_hour=True
    )
    assert decide(taken_on, {}, [], EVENING).start == ("C1",)


# Ramp


def test_a_stage_begins_when_the_one_before_it_is_good() -> None:
    wave = rules(7, ramp=[1, 2, "rest"])
    first = decide(wave, {}, [], EVENING)
    assert first.start == ("C1",)
    assert first.not_yet["C2"] == "stage 1 of 3 comes first: 1 of the stage have not ended"
    assert decide(wave, {"C1": RUNNING}, [], EVENING).start == ()
    assert decide(wave, {"C1": OK}, [], EVENING).start == ("C2", "C3")
    assert decide(wave, {"C1": OK, "C2": OK, "C3": OK}, [], EVENING).start == ("C4", "C5", "C6", "C7")


def test_a_stage_that_failed_holds_the_next_until_a_person_resumes_with_a_reason() -> None:
    wave, so_far = rules(7, ramp=[1, 2, "rest"]), {"C1": OK, "C2": OK, "C3": FAILED}
    held = decide(wave, so_far, [], LATER)
    assert isinstance(held.stops, StageHeld)
    assert (held.stops.stage, held.stops.verdict, held.start) == (2, Verdict.HELD, ())
    assert decide(wave, so_far, [told(Word.RESUME)], LATER).start == ()
    assert decide(wave, so_far, [told(Word.RESUME, "known, no matter")], LATER).start == ("C4", "C5", "C6", "C7")


def test_what_fails_after_the_resume_is_news() -> None:
    news = stand(Lifecycle.ENDED, Outcome.FAILED, since=LATER)
    decision = decide(
        rules(7, ramp=[1, 2, "rest"]), {"C1": OK, "C2": FAILED, "C3": news}, [told(Word.RESUME, "known")], LATER
    )
    assert isinstance(decision.stops, StageHeld)


def test_a_stage_in_which_some_wait_is_asked_about_once() -> None:
    wave, so_far = rules(7, ramp=[1, 2, "rest"]), {"C1": OK, "C2": OK, "C3": WAITING}
    asked = decide(wave, so_far, [], LATER)
    assert isinstance(asked.stops, StageHeld)
    assert asked.stops.verdict is Verdict.ASK
    assert decide(wave, so_far, [told(Word.RESUME, "go on without")], LATER).start == ("C4", "C5", "C6", "C7")
    still_waiting = stand(Lifecycle.WAITING, since=LATER)
    begun = {**so_far, "C3": still_waiting, "C4": RUNNING}
    assert decide(wave, begun, [told(Word.RESUME, "go on without")], LATER).start == ("C5", "C6", "C7")


# Breaker


def test_a_trip_starts_none_and_lets_those_in_flight_finish_their_step() -> None:
    decision = decide(rules(6, breaker={"failures": 2}), {"C1": FAILED, "C2": FAILED, "C3": RUNNING}, [], LATER)
    assert isinstance(decision.stops, Trip)
    assert (decision.start, decision.finish_step) == ((), ("C3",))
    assert decision.not_yet["C4"] == "2 cabinets failed; the limit is 2, at C2"


def test_a_resume_with_a_reason_accepts_what_failed_and_counts_anew() -> None:
    wave, so_far = rules(6, breaker={"failures": 2}), {"C1": FAILED, "C2": FAILED}
    assert isinstance(decide(wave, so_far, [told(Word.RESUME)], LATER).stops, Trip)
    assert isinstance(decide(wave, so_far, [told(Word.RESUME, " ")], LATER).stops, Trip)
    assert decide(wave, so_far, [told(Word.RESUME, "mended")], LATER).start == ("C3", "C4", "C5", "C6")


def test_strict_says_why_slots_stay_free() -> None:
    decision = decide(rules(9, slots=9, breaker={"failures": 3, "strict": True}), {"C1": FAILED}, [], LATER)
    assert decision.start == ("C2", "C3")
    assert decision.not_yet["C4"] == "strict: no more may be in flight than may still fail, which is 2"


# What people say


@pytest.mark.parametrize(
    ("commands", "start", "finish_step", "in_force"),
    [
        ([], ("C2",), (), None),
        ([told(Word.PAUSE)], (), (), Word.PAUSE),
        ([told(Word.DRAIN)], (), ("C1",), Word.DRAIN),
        ([told(Word.STOP, "wrong night")], (), ("C1",), Word.STOP),
        ([told(Word.PAUSE), told(Word.RESUME, minutes=2)], ("C2",), (), None),
        ([told(Word.PAUSE, minutes=2), told(Word.RESUME)], ("C2",), (), None),  # whatever the clocks of who says it
        ([told(Word.RESUME, minutes=2), told(Word.PAUSE)], (), (), Word.PAUSE),
        ([told(Word.STOP), told(Word.RESUME, "no", minutes=2)], (), ("C1",), Word.STOP),  # stays dead
    ],
)
def test_a_command_does_what_it_says(
    commands: list[Command], start: tuple[str, ...], finish_step: tuple[str, ...], in_force: Word | None
) -> None:
    decision = decide(rules(2), {"C1": RUNNING}, commands, LATER)
    assert (decision.start, decision.finish_step) == (start, finish_step)
    assert isinstance(decision.stops, Told) == (in_force is not None)
    if isinstance(decision.stops, Told):
        assert decision.stops.command.word is in_force
        assert decision.stops.why.startswith(f"anne told the wave to {in_force}")


def test_a_wave_does_not_begin_before_the_one_it_requires() -> None:
    wave = rules(2, requires={"wave": "pilot"})
    shut = decide(wave, {}, [], EVENING)
    assert isinstance(shut.stops, GateShut)
    assert shut.start == ()
    opened = Rules(settings=wave.settings, cabinets=wave.cabinets, slots=2, required={Outcome.OK: 3})
    assert decide(opened, {}, [], EVENING).start == ("C1", "C2")


# Whole waves, on a thousand seeds


STRICT = {"failures": 3, "strict": True}


@pytest.mark.parametrize("breaker", [STRICT, {"failures": 3}])
def test_on_a_thousand_seeds_no_wave_fails_more_often_than_its_bound_and_none_starts_after_the_trip(
    breaker: dict[str, Any],
) -> None:
    wave = rules(30, slots=20, breaker=breaker)
    bound = bound_of_failures(wave.settings.breaker, 20, planned=30)
    assert bound == (3 if breaker is STRICT else 22)
    most = trips = 0
    for seed in range(1_000):
        chance = random.Random(seed)
        played = play(wave, begins=EVENING, chance=chance, bad=chance.random() ** 2)
        assert played.failures <= bound, f"seed {seed}"
        tripped = [when for when, decision in played.decisions if isinstance(decision.stops, Trip)]
        assert bool(tripped) == (played.failures >= 3), f"seed {seed}"
        if tripped:
            assert max(when for when, _ in played.starts) < min(tripped), f"seed {seed}"
        most, trips = max(most, played.failures), trips + bool(tripped)
    assert most > 10 or breaker is STRICT
    assert 300 < trips < 1_000


@pytest.mark.parametrize(("night", "hours"), [("2026-10-24", 11), ("2027-03-27", 9), ("2026-12-01", 10)])
def test_a_window_that_closes_in_mid_wave_is_as_long_as_that_night(night: str, hours: int) -> None:
    begins = at(f"{night}T20:00")
    closes = begins + timedelta(hours=hours)
    played = play(rules(60, slots=2, window=NIGHT), begins=begins, chance=random.Random(7), bad=0)
    assert closes - timedelta(hours=1) < max(when for when, _ in played.starts) < closes
    assert isinstance(played.last.stops, WindowClosed)
    assert played.last.not_yet


waves = st.fixed_dictionaries(
    {},
    optional={
        "window": st.just(NIGHT),
        "ramp": st.sampled_from([[1, 5, "20%", "rest"], ["50%", "rest"], [3, "rest"]]),
        "breaker": st.sampled_from([STRICT, {"failures": 2}, {"share": 0.1}, {"consecutive": 2, "strict": True}]),
        "limits": st.sampled_from([{"site": 2}, {"site": 5}]),
        "complete_by": st.just("2026-12-02T00:30"),
    },
)


@given(waves, st.integers(1, 40), st.integers(1, 25), st.floats(0, 0.5), st.integers(0, 10_000))
def test_a_wave_stands_still_only_when_it_is_over_or_says_why(
    settings: dict[str, Any], count: int, slots: int, bad: float, seed: int
) -> None:
    chance = random.Random(seed)
    cabinets = tuple(
        Planned(code=f"C{number}", zone=PARIS, site=chance.choice(["lyon", "nantes", None])) for number in range(count)
    )
    wave = Rules(settings=WaveSettings(**settings), cabinets=cabinets, slots=slots)
    played = play(wave, begins=EVENING, chance=chance, bad=bad)
    left = [cabinet.code for cabinet in cabinets if cabinet.code not in played.standings]
    assert played.most_in_flight <= slots
    assert set(played.last.not_yet) == set(left)
    assert all(played.last.not_yet.values())
    assert not left or played.last.stops is not None
    breaker = wave.settings.breaker
    assert played.failures <= bound_of_failures(breaker, slots, planned=count)
