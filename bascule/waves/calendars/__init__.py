"""Blackout calendars: YAML of our own, or ICS as any calendar program exports it. A file is read in full or refused."""

from bascule.waves.calendars.reading import (
    Calendar,
    CalendarRefused,
    calendars_of,
    read_calendar,
    read_calendars,
    with_calendars,
)

__all__ = ["Calendar", "CalendarRefused", "calendars_of", "read_calendar", "read_calendars", "with_calendars"]
