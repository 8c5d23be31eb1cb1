"""A calendar that a calendar program exports (RFC 5545): every event closes, unless it was cancelled."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import date, datetime, time, timedelta
from typing import TYPE_CHECKING

from dateutil.rrule import rrule, rruleset, rrulestr

from bascule.tables.problems import Broken, Problem
from bascule.waves.when import Blackout, ClosedDays, ClosedHours

if TYPE_CHECKING:
    from icalendar import Event

REPEATS_UNTIL = date(2040, 1, 1)
"""An event that repeats without end is laid out until here."""
REPEATS_AT_MOST = 10_000
FREQUENCIES = ("DAILY", "WEEKLY", "MONTHLY", "YEARLY")
"""What is laid out. An interval of nought, or a second of 30 February, would be looked for without end."""


def closed_by_ics(text: str, file: str, problems: list[Problem]) -> tuple[str, list[Blackout]]:
    """The calendar's name, and what it closes. Adds to `problems`; raises Broken where nothing can be made of the file."""
    import icalendar  # a tenth of a second, which a wave without such a calendar need not wait

    try:
        calendar = icalendar.Calendar.from_ical(text)
        if calendar.name != "VCALENDAR":
            raise ValueError("it does not begin with VCALENDAR")
    except (ValueError, KeyError, IndexError) as error:
        said = " ".join(str(error).split())[:100]
        raise Broken(f"cannot be read as ICS: {said}", "Export it again from the calendar program") from None
    closed: list[Blackout] = []
    for number, event in enumerate(calendar.events, start=1):
        name = str(event.get("SUMMARY", "")).strip() or f"event {number}"
        try:
            if str(event.get("STATUS", "")).upper() != "CANCELLED":
                closed += _occurrences(event, name)
        except Broken as broken:
            problems.append(Problem(file, None, f"event {number}", name, broken.rule, broken.fix))
    return str(calendar.get("X-WR-CALNAME", "")), closed


def _occurrences(event: Event, name: str) -> Iterator[Blackout]:
    """Each time the event takes place. One that was moved within its series closes both times: rather once too often."""
    try:
        if event.errors:
            raise Broken(f"cannot be read: {': '.join(map(str, event.errors[0]))}", "Correct the event")
        start, end = event.start, event.end
        for what, value in (("DTSTART", start), ("DTEND", end)):
            if isinstance(value, datetime) and value.tzinfo is None:
                raise _without_zone(event, what)
        if end <= start:
            raise Broken("ends before it begins" if end < start else "has no length", "Correct its end")
        for begins in _times(event, start):
            if isinstance(begins, datetime):
                yield ClosedHours(name, begins, begins + (end - start))
            else:
                yield ClosedDays(name, begins, begins + (end - start) - timedelta(days=1))
    except Broken:
        raise
    except (ValueError, TypeError, OverflowError) as error:
        raise Broken(f"cannot be read: {error}", "Correct the event, or export it again") from None


def _times(event: Event, start: date) -> Iterator[date]:
    """When each begins: days where the event lasts whole days. Hours stay what they are on the wall across daylight saving."""
    if not (event.rrules or event.rdates):
        yield start
        return
    times = rruleset()
    times.rdate(_instant(start))
    for rule in event.rrules:
        if rule["FREQ"][0] not in FREQUENCIES or min(rule.get("INTERVAL", [1])) < 1:
            raise Broken("repeats more often than daily", "Let it last longer, or repeat daily at most")
        series = rrulestr(rule.to_ical().decode(), dtstart=_instant(start))
        assert isinstance(series, rrule), "one rule is one series"
        times.rrule(series)
    for added, *_ in event.rdates:
        times.rdate(_instant(added))
    for left_out in event.exdates:
        times.exdate(_instant(left_out))
    for count, begins in enumerate(times):
        if begins.date() >= REPEATS_UNTIL:
            return
        if count == REPEATS_AT_MOST:
            raise Broken(f"repeats more than {REPEATS_AT_MOST:,} times", "Give the series an end")
        yield begins if isinstance(start, datetime) else begins.date()


def _instant(day: date) -> datetime:
    return day if isinstance(day, datetime) else datetime.combine(day, time())


def _without_zone(event: Event, what: str) -> Broken:
    zone = event[what].params.get("TZID") if what in event else None
    if zone:
        return Broken(f"is in a time zone that is not known: {zone}", "Use an IANA name such as Europe/Paris")
    return Broken(
        "is at an hour without a time zone", "Give it one, or let it last whole days: those are each cabinet's own"
    )
