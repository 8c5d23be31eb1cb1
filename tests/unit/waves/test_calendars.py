"""A blackout calendar is understood in full or refused at its place: nobody finds out at night that a day was not read."""

from __future__ import annotations

import textwrap
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from zoneinfo import ZoneInfo

import pytest

from bascule.inventory import WaveSettings, read_inventory, sample, write_inventory
from bascule.waves.breaker import require_sound
from bascule.waves.calendars import Calendar, CalendarRefused, read_calendar, read_calendars
from bascule.waves.ramp import stages
from bascule.waves.when import ClosedDays, ClosedHours, Rule, may_begin

PARIS = ZoneInfo("Europe/Paris")
REPOSITORY = Path(__file__).parents[3]
TAX_FR = REPOSITORY / "config/calendars/tax-fr.yaml"


def written(tmp_path: Path, text: str, name: str = "calendar.yaml") -> Calendar:
    (tmp_path / name).write_text(textwrap.dedent(text), encoding="utf-8")
    return read_calendar(tmp_path / name)


def refusal(tmp_path: Path, text: str, name: str = "calendar.yaml") -> str:
    with pytest.raises(CalendarRefused) as refused:
        written(tmp_path, text, name)
    assert refused.value.remedy
    assert str(tmp_path / name) in str(refused.value)
    return str(refused.value)


# YAML


def test_days_are_the_cabinets_and_hours_are_those_of_the_zone_that_is_named(tmp_path: Path) -> None:
    calendar = written(
        tmp_path,
        """
        name: Closures
        zone: Europe/Paris
        closed:
          - {name: Christmas, source: our own, year: 2026, days: [2026-12-24/2026-12-26, 2027-01-01]}
          - {name: upkeep, from: 2026-12-05T20:00, to: 2026-12-06T02:00}
        """,
    )
    assert calendar.name == "Closures"
    assert calendar.closed == (
        ClosedDays("Christmas", date(2026, 12, 24), date(2026, 12, 26)),
        ClosedDays("Christmas", date(2027, 1, 1), date(2027, 1, 1)),
        ClosedHours("upkeep", datetime(2026, 12, 5, 20, tzinfo=PARIS), datetime(2026, 12, 6, 2, tzinfo=PARIS)),
    )


@pytest.mark.parametrize(
    ("text", "sentence"),
    [
        ("", "is empty"),
        ("just words", "is no calendar"),
        ("name: x\nclosed: [", ": cannot be parsed as YAML"),
        ("name: x\nclosed: []", "closes nothing"),
        ("name: x", "calendar.yaml:1:closed: is needed"),
        ("closed: []", "name: is needed"),
        ("name: x\nclosd: []\nclosed: []", "closd: is nothing that is read here. Did you mean `closed`?"),
        ("name: x\nclosed:\n  - {name: y, dais: [2026-12-24]}", "3:closed.1.dais: is nothing that is read here. Did"),
        ("name: x\nclosed:\n  - name: y", "calendar.yaml:3:closed.1: closes nothing. Give it `days`"),
        ("name: x\nclosed:\n  - {name: y, days: [24/12/2026]}", "3:closed.1.days.1: `24/12/2026` is no day"),
        ("name: x\nclosed:\n  - {name: y, days: [2026-02-30]}", "`2026-02-30` is no day"),
        ("name: x\nclosed:\n  - {name: y, days: [2026-12-26/2026-12-24]}", "ends before it begins"),
        ("name: x\nclosed:\n  - {name: y, days: 2026-12-24}", "closed.1.days: `2026-12-24` is not right"),
        ("name: x\nclosed:\n  - {name: y, from: 2026-12-05T20:00}", "has only one of `from` and `to`"),
        ("name: x\nclosed:\n  - {name: y, from: 2026-12-05T20:00, to: 2026-12-06T02:00}", "without a time zone"),
        ("name: x\nzone: Paris\nclosed: []", "calendar.yaml:2:zone: `Paris` is no time zone"),
        ("name: x\nzone: ../../etc/passwd\nclosed: []", "is no time zone"),
        (
            "name: x\nzone: Europe/Paris\nclosed:\n  - {name: y, from: 2026-12-06T02:00, to: 2026-12-05T20:00}",
            "calendar.yaml:4:closed.1: ends before it begins",
        ),
        (
            "name: x\nzone: Europe/Paris\nclosed:\n  - {name: y, from: 2026-12-06T02:00+01:00, to: 2026-12-07T02:00}",
            "is no local date and time",
        ),
        ("name: x\nclosed: []\nclosed: []", "says `closed` twice"),
        ("a: &a [1]\nb: *a", "aliases"),
        ("[" * 5000, "levels deep"),
        ("? [a, b]\n: c", "has a list where a word should be, on line 1"),
        ("name: x\nclosed: [{name: y, days: [9999-12-31]}]", "closes 'y' outside the years 2000 to 2100"),
    ],
)
def test_a_calendar_that_cannot_be_meant_is_refused_at_its_line(tmp_path: Path, text: str, sentence: str) -> None:
    assert sentence in refusal(tmp_path, text)


def test_every_problem_of_a_calendar_is_told_at_once(tmp_path: Path) -> None:
    told = refusal(tmp_path, "name: x\nclosed:\n  - {name: y, days: [never]}\n  - {name: z, days: [2026-13-01]}")
    assert "calendar.yaml:3" in told
    assert "calendar.yaml:4" in told


# ICS


def ics(*events: str) -> str:
    written = "".join(
        f"BEGIN:VEVENT\nUID:{number}\nDTSTAMP:20260101T000000Z\nSUMMARY:Closed {number}\n{event}\nEND:VEVENT\n"
        for number, event in enumerate(events, start=1)
    )
    return f"BEGIN:VCALENDAR\nVERSION:2.0\nPRODID:-//x//y\nX-WR-CALNAME:Closures\n{written}END:VCALENDAR\n"


def test_events_of_whole_days_and_of_hours_are_imported(tmp_path: Path) -> None:
    calendar = written(
        tmp_path,
        ics(
            "DTSTART;VALUE=DATE:20261224\nDTEND;VALUE=DATE:20261227",
            "DTSTART;VALUE=DATE:20270101",
            "DTSTART;TZID=Europe/Paris:20261205T200000\nDURATION:PT6H",
            "DTSTART;TZID=Romance Standard Time:20261205T200000\nDTEND;TZID=Romance Standard Time:20261205T210000",
            "DTSTART:20261205T190000Z\nDTEND:20261205T200000Z",
            "DTSTART:20261205T190000Z\nDTEND:20261205T200000Z\nSTATUS:CANCELLED",
        ),
        "c.ics",
    )
    assert calendar.name == "Closures"
    eight = datetime(2026, 12, 5, 20, tzinfo=PARIS)
    assert [closed.within(PARIS) for closed in calendar.closed] == [
        ClosedDays("", date(2026, 12, 24), date(2026, 12, 26)).within(PARIS),
        ClosedDays("", date(2027, 1, 1), date(2027, 1, 1)).within(PARIS),
        (eight, eight + timedelta(hours=6)),
        (eight, eight + timedelta(hours=1)),
        (eight, eight + timedelta(hours=1)),
    ]


def test_an_event_that_repeats_closes_each_time_at_the_same_hour_on_the_wall(tmp_path: Path) -> None:
    calendar = written(
        tmp_path,
        ics(
            "DTSTART;TZID=Europe/Paris:20261018T200000\nDURATION:PT2H\nRRULE:FREQ=WEEKLY;COUNT=3\n"
            "EXDATE;TZID=Europe/Paris:20261101T200000",
            "DTSTART;VALUE=DATE:20260115\nDTEND;VALUE=DATE:20260125\nRRULE:FREQ=MONTHLY;UNTIL=20260320",
        ),
        "c.ics",
    )
    begin = [closed.within(PARIS)[0] for closed in calendar.closed]
    assert begin[:2] == [datetime(2026, 10, 18, 18, tzinfo=UTC), datetime(2026, 10, 25, 19, tzinfo=UTC)]
    assert [(c.first, c.last) for c in calendar.closed if isinstance(c, ClosedDays)] == [
        (date(2026, month, 15), date(2026, month, 24)) for month in (1, 2, 3)
    ]


def test_a_series_without_end_is_laid_out_for_years(tmp_path: Path) -> None:
    calendar = written(tmp_path, ics("DTSTART;VALUE=DATE:20260124\nRRULE:FREQ=MONTHLY"), "c.ics")
    assert len(calendar.closed) == 14 * 12


@pytest.mark.parametrize(
    ("text", "sentence"),
    [
        ("hello", "cannot be read as ICS"),
        ("BEGIN:VCALENDAR\nBEGIN:VEVENT\n", "cannot be read as ICS"),
        ("BEGIN:VEVENT\nEND:VEVENT", "cannot be read as ICS"),
        (ics(), "closes nothing"),
        (ics("DTSTART:hello"), "event 1: `Closed 1` cannot be read: DTSTART"),
        (ics("DTEND:20261224T100000Z"), "event 1: `Closed 1` cannot be read"),
        (ics("DTSTART:20261224T120000Z\nDTEND:20261224T100000Z"), "ends before it begins"),
        (ics("DTSTART:20261224T120000Z"), "has no length"),
        (ics("DTSTART:20261224T120000\nDTEND:20261224T130000"), "is at an hour without a time zone"),
        (ics("DTSTART;TZID=Mars/Phobos:20261224T120000\nDURATION:PT1H"), "not known: Mars/Phobos"),
        (ics("DTSTART;VALUE=DATE:20260115\nRRULE:FREQ=OFTEN"), "cannot be read: RRULE"),
        (ics("DTSTART:20260115T120000Z\nDURATION:PT1M\nRRULE:FREQ=MINUTELY"), "repeats more often than daily"),
        (ics("DTSTART;VALUE=DATE:20260115\nRRULE:FREQ=DAILY;INTERVAL=0"), "repeats more often than daily"),
        (ics("DTSTART;VALUE=DATE:20010101\nRRULE:FREQ=DAILY"), "repeats more than 10,000 times"),
        (ics("DTSTART;TZID=Europe/Paris:20260115T120000\nDURATION:PT1H\nRRULE:FREQ=DAILY;UNTIL=20260120"), "UNTIL"),
    ],
)
def test_an_ics_that_cannot_be_understood_is_refused_by_its_event(tmp_path: Path, text: str, sentence: str) -> None:
    assert sentence in refusal(tmp_path, text, "c.ics")


# Finding them


def test_a_calendar_is_found_beside_the_waves_file_or_in_the_working_folder(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    text = "name: {}\nclosed: [{{name: y, days: [2026-12-24]}}]"
    (tmp_path / "waves").mkdir()
    (tmp_path / "waves/near.yaml").write_text(text.format("near"))
    (tmp_path / "far.yaml").write_text(text.format("far"))
    monkeypatch.chdir(tmp_path)
    found = read_calendars(["near.yaml", "far.yaml"], beside=tmp_path / "waves/waves.yaml")
    assert [calendar.name for calendar in found] == ["near", "far"]


@pytest.mark.parametrize(
    ("name", "sentence"), [("nowhere.yaml", "does not exist"), (".", "are not read"), ("a.docx", "are not read")]
)
def test_a_calendar_that_is_not_there_is_named(name: str, sentence: str) -> None:
    with pytest.raises(CalendarRefused, match=sentence):
        read_calendars([name])


# What ships


def test_the_french_tax_calendar_says_the_source_and_year_of_every_entry() -> None:
    text = TAX_FR.read_text(encoding="utf-8")
    entries = text.count("- name:")
    assert entries == text.count("source:") == text.count("year: 2026") + text.count("year: 2027")
    assert {closed.first.year for closed in read_calendar(TAX_FR).closed if isinstance(closed, ClosedDays)} == {
        2026,
        2027,
    }


@pytest.mark.parametrize(
    ("day", "open_"),
    [
        ("2026-12-01", True),
        ("2026-12-14", True),
        ("2026-12-15", False),
        ("2026-12-24", False),
        ("2026-12-28", True),
        ("2026-03-16", False),
        ("2026-05-12", False),
        ("2027-05-04", False),
        ("2027-06-15", False),
        ("2027-01-07", True),
    ],
)
def test_accountants_are_left_alone_on_their_deadlines(day: str, open_: bool) -> None:
    noon = datetime.fromisoformat(f"{day}T12:00").replace(tzinfo=PARIS)
    opened = may_begin(WaveSettings(), read_calendar(TAX_FR).closed, PARIS, noon)
    assert opened.is_now is open_
    assert open_ or opened.rule is Rule.BLACKOUT


def test_the_example_waves_can_be_planned(tmp_path: Path) -> None:
    write_inventory(sample(1, seed=1), tmp_path / "i.csv")
    example = REPOSITORY / "config/waves/example.yaml"
    waves = read_inventory(tmp_path / "i.csv", waves=example).waves
    assert set(waves) == {"pilot", "lyon"}
    for name, settings in waves.items():
        require_sound(settings.breaker, name)
        assert sum(stages(settings.ramp, 40)) == 40
        assert read_calendars(settings.blackout, beside=example)
