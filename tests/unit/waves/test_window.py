"""A window is open at local hours, and belongs to the day on which it opens."""

from __future__ import annotations

from datetime import datetime, time
from zoneinfo import ZoneInfo

import pytest

from bascule.inventory import Window
from bascule.waves.window import opening

PARIS = ZoneInfo("Europe/Paris")
NIGHT = Window(from_=time(20), to=time(6))


def at(text: str, zone: ZoneInfo = PARIS) -> datetime:
    return datetime.fromisoformat(text).replace(tzinfo=zone)


@pytest.mark.parametrize(
    ("now", "opens", "closes"),
    [
        ("2026-12-01T19:59", "2026-12-01T20:00", "2026-12-02T06:00"),
        ("2026-12-01T20:00", "2026-12-01T20:00", "2026-12-02T06:00"),
        ("2026-12-02T05:59", "2026-12-01T20:00", "2026-12-02T06:00"),
        ("2026-12-02T06:00", "2026-12-02T20:00", "2026-12-03T06:00"),
    ],
)
def test_a_window_over_midnight_is_one_window(now: str, opens: str, closes: str) -> None:
    assert opening(NIGHT, PARIS, at(now)) == (at(opens), at(closes))


def test_a_night_that_opens_on_friday_lasts_into_saturday_where_saturday_is_no_day_of_it() -> None:
    weekdays = Window(from_=time(20), to=time(6), days=("mon", "tue", "wed", "thu", "fri"))
    saturday_morning, saturday_noon = at("2026-12-05T03:00"), at("2026-12-05T12:00")
    assert opening(weekdays, PARIS, saturday_morning) == (at("2026-12-04T20:00"), at("2026-12-05T06:00"))
    assert opening(weekdays, PARIS, saturday_noon)[0] == at("2026-12-07T20:00")


def test_hours_are_the_cabinets_own() -> None:
    reunion = ZoneInfo("Indian/Reunion")
    opens, _ = opening(NIGHT, reunion, at("2026-12-01T15:00"))
    assert opens == at("2026-12-01T20:00", reunion)
    assert (at("2026-12-01T20:00") - opens).total_seconds() == 3 * 3600


@pytest.mark.parametrize(("night", "hours"), [("2026-10-24", 11), ("2027-03-27", 9)])
def test_on_the_nights_when_the_clock_changes_a_window_is_as_long_as_that_night(night: str, hours: int) -> None:
    opens, closes = opening(NIGHT, PARIS, at(f"{night}T21:00"))
    assert (closes - opens).total_seconds() == hours * 3600


def test_a_weekly_window_whose_hours_are_skipped_one_night_opens_a_week_later() -> None:
    skipped = Window(from_=time(2), to=time(3), days=("sun",))
    for day in range(22, 29):
        opens, closes = opening(skipped, PARIS, at(f"2027-03-{day}T12:00"))
        assert (opens, closes) == (at("2027-04-04T02:00"), at("2027-04-04T03:00"))
