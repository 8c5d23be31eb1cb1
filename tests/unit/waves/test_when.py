"""A cabinet begins inside its window, outside every blackout, between the wave's first and last instant, by its own clock."""

from __future__ import annotations

from datetime import UTC, date, datetime, time, timedelta
from typing import Any
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bascule.inventory import WaveSettings, Window
from bascule.waves.when import (
    ClosedDays,
    ClosedHours,
    NeverOpens,
    Rule,
    may_begin,
    may_begin_with,
    require_opening,
    window_closes,
)

PARIS = ZoneInfo("Europe/Paris")
REUNION = ZoneInfo("Indian/Reunion")
NIGHT = Window(from_=time(20), to=time(6))
CHRISTMAS = ClosedDays("Christmas", date(2026, 12, 24), date(2026, 12, 26))


def at(text: str, zone: ZoneInfo = PARIS) -> datetime:
    return datetime.fromisoformat(text).replace(tzinfo=zone).astimezone(UTC)


def wave(**settings: Any) -> WaveSettings:
    return WaveSettings(**settings)


def test_a_wave_that_says_nothing_may_begin_and_never_closes() -> None:
    opened = may_begin(wave(), (), PARIS, at("2026-12-01T12:00"))
    assert (opened.is_now, opened.at, opened.closes) == (True, at("2026-12-01T12:00"), None)
    assert opened.last_safe_start(timedelta(days=400)) is None


@pytest.mark.parametrize(
    ("settings", "now", "rule", "from_when", "closes"),
    [
        ({"window": NIGHT}, "2026-12-01T19:59", Rule.WINDOW, "2026-12-01T20:00", "2026-12-02T06:00"),
        ({"window": NIGHT}, "2026-12-01T20:00", None, "2026-12-01T20:00", "2026-12-02T06:00"),
        ({"window": NIGHT}, "2026-12-02T06:00", Rule.WINDOW, "2026-12-02T20:00", "2026-12-03T06:00"),
        ({"start_after": "2026-12-01T20:00"}, "2026-12-01T19:59", Rule.START_AFTER, "2026-12-01T20:00", None),
        ({"start_after": "2026-12-01T20:00"}, "2026-12-01T20:00", None, "2026-12-01T20:00", None),
        (
            {"start_after": "2026-12-01T12:00", "window": NIGHT},
            "2026-12-01T03:00",
            Rule.START_AFTER,
            "2026-12-01T20:00",
            "2026-12-02T06:00",
        ),
        (
            {"complete_by": "2026-12-02T02:00", "window": NIGHT},
            "2026-12-01T21:00",
            None,
            "2026-12-01T21:00",
            "2026-12-02T02:00",
        ),
        ({"complete_by": "2026-12-02T02:00", "window": NIGHT}, "2026-12-02T02:00", Rule.COMPLETE_BY, None, None),
        ({"complete_by": "2026-12-01T19:00", "window": NIGHT}, "2026-12-01T12:00", Rule.WINDOW, None, None),
    ],
)
def test_each_rule_says_from_when(
    settings: dict[str, Any], now: str, rule: Rule | None, from_when: str | None, closes: str | None
) -> None:
    opened = may_begin(wave(**settings), (), PARIS, at(now))
    assert (opened.rule, opened.at, opened.closes) == (rule, from_when and at(from_when), closes and at(closes))


def test_hours_are_the_cabinets_own() -> None:
    settings = wave(window=NIGHT, start_after="2026-12-01T20:00")
    five_in_the_evening_in_paris = at("2026-12-01T17:00")
    assert may_begin(settings, (), REUNION, five_in_the_evening_in_paris).is_now
    assert may_begin(settings, (), PARIS, five_in_the_evening_in_paris).at == at("2026-12-01T20:00")


# Blackouts


@pytest.mark.parametrize(
    ("now", "is_now", "from_when"),
    [
        ("2026-12-23T23:59", True, "2026-12-23T23:59"),
        ("2026-12-24T00:00", False, "2026-12-27T00:00"),  # Saturday night's window is open until six
        ("2026-12-26T23:59", False, "2026-12-27T00:00"),
        ("2026-12-25T12:00", False, "2026-12-27T00:00"),
    ],
)
def test_a_blackout_wins_over_the_window(now: str, is_now: bool, from_when: str) -> None:
    opened = may_begin(wave(window=NIGHT), [CHRISTMAS], PARIS, at(now))
    assert (opened.is_now, opened.at) == (is_now, at(from_when))


def test_who_is_kept_out_is_told_by_what() -> None:
    opened = may_begin(wave(window=NIGHT), [CHRISTMAS], PARIS, at("2026-12-25T21:00"))
    assert opened.rule is Rule.BLACKOUT
    assert opened.why == "blackout: Christmas, until Sun 27 Dec 2026 00:00 (Europe/Paris)"


def test_work_that_has_begun_ends_when_a_blackout_does_begin() -> None:
    assert window_closes(wave(window=NIGHT), [CHRISTMAS], PARIS, at("2026-12-23T21:00")) == at("2026-12-24T00:00")


def test_a_closed_day_is_the_day_on_the_cabinets_wall_and_a_closed_hour_is_everybodys() -> None:
    noon_in_paris = at("2026-12-23T21:30")  # half past midnight on the 24th in La Réunion
    assert may_begin(wave(), [CHRISTMAS], PARIS, noon_in_paris).is_now
    assert not may_begin(wave(), [CHRISTMAS], REUNION, noon_in_paris).is_now
    upkeep = ClosedHours("S4A upkeep", at("2026-12-23T21:00"), at("2026-12-23T22:00"))
    assert may_begin(wave(), [upkeep], PARIS, noon_in_paris).at == at("2026-12-23T22:00")
    assert may_begin(wave(), [upkeep], REUNION, noon_in_paris).at == at("2026-12-23T22:00")


def test_blackouts_that_follow_each_other_are_one() -> None:
    fifteenth = ClosedDays("VAT", date(2026, 12, 15), date(2026, 12, 24))
    assert may_begin(wave(window=NIGHT), [CHRISTMAS, fifteenth], PARIS, at("2026-12-15T21:00")).at == at(
        "2026-12-27T00:00"
    )


def test_a_wave_that_is_blacked_out_until_its_end_never_begins() -> None:
    opened = may_begin(wave(complete_by="2026-12-25T20:00"), [CHRISTMAS], PARIS, at("2026-12-24T12:00"))
    assert opened.at is None
    assert opened.why.startswith("blackout: Christmas")
    assert "and then the wave was to be complete by Fri 25 Dec 2026 20:00" in opened.why


def test_a_wave_whose_hours_leave_no_instant_is_refused_before_it_is_planned() -> None:
    between_two_nights = wave(window=NIGHT, start_after="2026-12-02T07:00", complete_by="2026-12-02T19:00")
    with pytest.raises(
        NeverOpens, match="'pilot' may never begin for cabinets of Europe/Paris: the wave starts after"
    ) as refused:
        require_opening(between_two_nights, (), PARIS, at("2026-12-01T12:00"), "pilot")
    assert "--any-hour --because" in (refused.value.remedy or "")
    require_opening(wave(window=NIGHT), [CHRISTMAS], PARIS, at("2026-12-25T12:00"), "pilot")


def test_a_closed_period_that_ends_before_it_begins_or_has_no_zone_is_no_period() -> None:
    with pytest.raises(ValueError, match="ends before it begins"):
        ClosedDays("back to front", date(2026, 12, 26), date(2026, 12, 24))
    with pytest.raises(ValueError, match="needs a time zone"):
        ClosedHours("somewhere", datetime(2026, 12, 1), datetime(2026, 12, 2))  # noqa: DTZ001


# The nights when the clock changes


@pytest.mark.parametrize(("night", "hours"), [("2026-10-24", 11), ("2027-03-27", 9)])
def test_the_last_safe_start_knows_how_long_that_night_is(night: str, hours: int) -> None:
    opened = may_begin(wave(window=NIGHT), (), PARIS, at(f"{night}T20:00"))
    assert opened.last_safe_start(timedelta(hours=hours)) == at(f"{night}T20:00")


@pytest.mark.parametrize(
    ("window", "now_utc", "opens_utc", "closes_utc"),
    [
        # 2026-10-25: 02:00 to 03:00 comes twice, at 00:00 UTC and at 01:00 UTC. The first of the two counts.
        (("02:30", "05:00"), "2026-10-24T22:00", "2026-10-25T00:30", "2026-10-25T04:00"),
        (("22:00", "02:30"), "2026-10-24T22:00", "2026-10-24T22:00", "2026-10-25T00:30"),
        # 2027-03-28: 02:00 to 03:00 does not come. What would have begun then begins as much later.
        (("02:30", "05:00"), "2027-03-27T22:00", "2027-03-28T01:30", "2027-03-28T03:00"),
        (("22:00", "02:30"), "2027-03-27T22:00", "2027-03-27T22:00", "2027-03-28T01:30"),
        # A window that lies in the hour that is skipped, but for its end, is not held that night.
        (("02:30", "03:15"), "2027-03-27T22:00", "2027-03-29T00:30", "2027-03-29T01:15"),
    ],
)
def test_an_hour_that_comes_twice_or_never(
    window: tuple[str, str], now_utc: str, opens_utc: str, closes_utc: str
) -> None:
    opens, closes = (datetime.fromisoformat(text).replace(tzinfo=UTC) for text in (opens_utc, closes_utc))
    now = datetime.fromisoformat(now_utc).replace(tzinfo=UTC)
    opened = may_begin(wave(window={"from": window[0], "to": window[1]}), (), PARIS, now)
    assert (opened.at, opened.closes) == (opens, closes)


# What fits


def test_what_no_longer_fits_tonight_begins_tomorrow() -> None:
    opened = may_begin_with(timedelta(hours=2), wave(window=NIGHT), (), PARIS, at("2026-12-02T04:01"))
    assert (opened.rule, opened.at) == (Rule.LAST_SAFE_START, at("2026-12-02T20:00"))
    assert "120 minutes from lock-out to reopen do not fit" in opened.why
    assert may_begin_with(timedelta(hours=2), wave(window=NIGHT), (), PARIS, at("2026-12-02T04:00")).is_now


def test_what_fits_no_window_is_said_never_to_fit() -> None:
    opened = may_begin_with(timedelta(hours=12), wave(window=NIGHT), (), PARIS, at("2026-12-01T21:00"))
    assert (opened.rule, opened.at) == (Rule.LAST_SAFE_START, None)
    assert opened.why.endswith("nor in a later window")


def test_what_fits_only_the_longest_night_of_the_year_waits_for_it() -> None:
    opened = may_begin_with(timedelta(hours=11), wave(window=NIGHT), (), PARIS, at("2026-10-20T21:00"))
    assert opened.at == at("2026-10-24T20:00")


def test_what_does_not_fit_before_the_waves_end_is_too_late() -> None:
    settings = wave(window=NIGHT, complete_by="2026-12-02T05:00")
    assert may_begin_with(timedelta(hours=2), settings, (), PARIS, at("2026-12-02T04:00")).at is None


# For any settings


@st.composite
def governed(draw: st.DrawFn) -> tuple[WaveSettings, list[ClosedDays | ClosedHours], ZoneInfo, datetime]:
    start = datetime(2026, 10, 20, tzinfo=UTC) + timedelta(minutes=draw(st.integers(0, 12 * 24 * 60)))
    clock = st.builds(time, st.integers(0, 23), st.sampled_from([0, 15, 30]))
    opens, closes = draw(st.lists(clock, min_size=2, max_size=2, unique=True))
    days = tuple(draw(st.sets(st.sampled_from(("mon", "tue", "sat", "sun")))))
    blackouts: list[ClosedDays | ClosedHours] = []
    for offset, length in draw(st.lists(st.tuples(st.integers(-2, 9), st.integers(0, 5)), max_size=4)):
        first = date(2026, 10, 22) + timedelta(days=offset)
        blackouts.append(ClosedDays("closed", first, first + timedelta(days=length)))
        blackouts.append(ClosedHours("shut", start, start + timedelta(hours=length + 1)))
    zone = ZoneInfo(draw(st.sampled_from(["Europe/Paris", "Indian/Reunion", "America/Martinique", "Pacific/Auckland"])))
    settings = wave(
        window=draw(st.none() | st.just({"from": f"{opens:%H:%M}", "to": f"{closes:%H:%M}", "days": days})),
        start_after=draw(st.none() | st.just("2026-10-25T02:30")),
        complete_by=draw(st.none() | st.just("2026-11-03T02:30")),
    )
    return settings, blackouts, zone, start


@given(governed())
def test_the_instant_that_is_promised_is_one_at_which_it_may_begin_and_none_before_is(
    case: tuple[WaveSettings, list[ClosedDays | ClosedHours], ZoneInfo, datetime],
) -> None:
    settings, blackouts, zone, now = case
    opened = may_begin(settings, blackouts, zone, now)
    assert opened.is_now == (opened.at == now)
    if opened.at is None:
        assert opened.why
        return
    then = may_begin(settings, blackouts, zone, opened.at)
    assert then.is_now
    assert then.closes == opened.closes
    assert opened.closes is None or opened.at < opened.closes
    for quarter in range(1, 40):
        earlier = now + quarter * (opened.at - now) / 40
        assert earlier >= opened.at or not may_begin(settings, blackouts, zone, earlier).is_now
    if opened.closes:
        just_before = opened.closes - timedelta(microseconds=1)
        assert may_begin(settings, blackouts, zone, just_before).is_now
        assert may_begin(settings, blackouts, zone, opened.closes).rule is not None or settings.window is not None
