"""Quiet hours go by the clock on the wall."""

from __future__ import annotations

from datetime import UTC, datetime, time, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bascule.notices import QuietHours
from tests.unit.notices.happenings import PARIS

NEW_YEAR = datetime(2026, 1, 1, tzinfo=UTC)
NIGHT = QuietHours(PARIS, time(21), time(7))
LUNCH = QuietHours(PARIS, time(12), time(14))
WEEKEND = QuietHours(PARIS, time(21), time(7), frozenset({"sat", "sun"}))

any_instant = st.integers(0, 2 * 366 * 24 * 60).map(lambda minutes: NEW_YEAR + timedelta(minutes=minutes))


@pytest.mark.parametrize(
    ("local", "quiet"),
    [("20:59", False), ("21:00", True), ("23:59", True), ("00:00", True), ("06:59", True), ("07:00", False)],
)
def test_a_night_begins_with_its_first_minute_and_ends_before_its_last(local: str, quiet: bool) -> None:
    assert NIGHT.at(datetime.fromisoformat(f"2026-12-01T{local}").replace(tzinfo=PARIS)) is quiet


@pytest.mark.parametrize(("local", "quiet"), [("11:59", False), ("12:00", True), ("13:59", True), ("14:00", False)])
def test_hours_within_one_day_are_quiet_too(local: str, quiet: bool) -> None:
    assert LUNCH.at(datetime.fromisoformat(f"2026-12-01T{local}").replace(tzinfo=PARIS)) is quiet


@pytest.mark.parametrize(
    ("local", "quiet"),
    [
        ("2026-12-04T20:00", False),
        ("2026-12-05T00:00", True),
        ("2026-12-05T12:00", True),
        ("2026-12-06T20:59", True),
        ("2026-12-07T06:59", True),
        ("2026-12-07T07:00", False),
    ],
)
def test_a_quiet_day_is_quiet_from_midnight_to_midnight_beside_the_nights(local: str, quiet: bool) -> None:
    assert WEEKEND.at(datetime.fromisoformat(local).replace(tzinfo=PARIS)) is quiet


@pytest.mark.parametrize(
    ("utc", "quiet"),
    [
        # In the night to 2026-03-29 the clock goes from 2:00 to 3:00: 7:00 in Paris is 5:00 UTC, and was 6:00 the day before.
        ("2026-03-28T05:59", True),
        ("2026-03-28T06:00", False),
        ("2026-03-29T04:59", True),
        ("2026-03-29T05:00", False),
        # In the night to 2026-10-25 the hour from 2:00 comes twice, and both are quiet.
        ("2026-10-24T19:00", True),
        ("2026-10-25T00:30", True),
        ("2026-10-25T01:30", True),
        ("2026-10-25T05:59", True),
        ("2026-10-25T06:00", False),
    ],
)
def test_the_days_on_which_the_clock_is_changed_have_their_nights(utc: str, quiet: bool) -> None:
    assert NIGHT.at(datetime.fromisoformat(utc).replace(tzinfo=UTC)) is quiet


@given(any_instant)
def test_quiet_hours_and_the_hours_between_them_make_up_the_day(instant: datetime) -> None:
    assert NIGHT.at(instant) is not QuietHours(PARIS, time(7), time(21)).at(instant)


@given(any_instant)
def test_every_night_ends(instant: datetime) -> None:
    assert any(not NIGHT.at(instant + timedelta(hours=hour)) for hour in range(12))


@given(any_instant)
def test_without_hours_or_days_no_hour_is_quiet(instant: datetime) -> None:
    assert not QuietHours(PARIS).at(instant)
