"""How a wave would go if every cabinet went well: slots, stages and windows as the governor keeps them."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any
from zoneinfo import ZoneInfo

from bascule.inventory import WaveSettings
from bascule.waves.forecast import Forecast, forecast
from bascule.waves.governor import Rules
from bascule.waves.order import Planned
from bascule.waves.when import ClosedDays

PARIS, NOUMEA = ZoneInfo("Europe/Paris"), ZoneInfo("Pacific/Noumea")
HOUR = timedelta(hours=1)
NIGHT = {"from": "20:00", "to": "06:00"}


def at(text: str) -> datetime:
    return datetime.fromisoformat(text).replace(tzinfo=PARIS).astimezone(UTC)


EVENING = at("2026-12-01T20:00")


def foretold(
    count: int = 4,
    *,
    slots: int = 2,
    each: timedelta = HOUR,
    now: datetime = EVENING,
    zone: ZoneInfo = PARIS,
    section: timedelta = HOUR / 2,
    blackouts: tuple[ClosedDays, ...] = (),
    done: tuple[str, ...] = (),
    **settings: Any,
) -> Forecast:
    cabinets = tuple(Planned(code=f"C{number}", zone=zone, expected=section) for number in range(1, count + 1))
    rules = Rules(settings=WaveSettings(**settings), cabinets=cabinets, slots=slots, blackouts=blackouts)
    return forecast(rules, {cabinet.code: each for cabinet in cabinets}, now, done=done)


def test_slots_slide_and_nobody_waits_for_the_others() -> None:
    told = foretold(5, slots=2)
    assert [(at - EVENING) / HOUR for at in told.begins.values()] == [0, 0, 1, 1, 2]
    assert max(told.ends.values()) == EVENING + 3 * HOUR


def test_a_stage_begins_when_the_one_before_has_ended() -> None:
    told = foretold(4, slots=4, ramp=(1, "rest"))
    assert [(at - EVENING) / HOUR for at in told.begins.values()] == [0, 1, 1, 1]


def test_what_the_night_does_not_hold_begins_in_the_next() -> None:
    told = foretold(12, slots=1, window=NIGHT)
    assert told.begins["C10"] == at("2026-12-02T05:00")
    assert told.begins["C11"] == at("2026-12-02T20:00")
    assert told.ends["C12"] == at("2026-12-02T22:00")


def test_who_is_cut_off_by_the_window_goes_on_in_the_next() -> None:
    told = foretold(1, each=12 * HOUR, window=NIGHT)
    assert told.begins["C1"] == EVENING
    assert told.ends["C1"] == at("2026-12-02T22:00")


def test_the_night_is_the_cabinets_own() -> None:
    told = foretold(1, zone=NOUMEA, window=NIGHT)
    assert told.begins["C1"].astimezone(NOUMEA).hour == 20


def test_a_blackout_is_waited_out() -> None:
    day = at("2026-12-02T12:00").date()
    told = foretold(1, window=NIGHT, blackouts=(ClosedDays("Closed", day - timedelta(days=1), day),))
    assert told.begins["C1"] == at("2026-12-03T00:00")


def test_who_can_never_begin_is_named_with_the_reason() -> None:
    told = foretold(2, section=11 * HOUR, window=NIGHT)
    assert set(told.never) == {"C1", "C2"}
    assert "do not fit" in told.never["C1"]


def test_nothing_left_to_do_takes_no_time_and_no_slot() -> None:
    told = foretold(3, slots=1, done=("C1", "C2"))
    assert set(told.begins) == {"C3"}
    assert told.ends == {"C3": EVENING + HOUR}


def test_a_wave_that_must_come_first_is_taken_to_have_come() -> None:
    told = foretold(1, requires={"wave": "pilot", "grade": "ok"})
    assert told.ends == {"C1": EVENING + HOUR}
