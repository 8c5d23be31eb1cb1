"""When a wave's window is open for a cabinet: its hours are local, daylight saving included."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from zoneinfo import ZoneInfo

from bascule.inventory import Window

LOOKED_AHEAD = 16
"""Days. The one night of the year whose hours are skipped may be a weekly window's next: then the one after is."""

DAYS = ("mon", "tue", "wed", "thu", "fri", "sat", "sun")


def opening(window: Window, zone: ZoneInfo, now: datetime) -> tuple[datetime, datetime]:
    """When the window that is open now, or else the next, opens and closes, in UTC. A window belongs to the day it opens on."""
    today = now.astimezone(zone).date()
    for ahead in range(-1, LOOKED_AHEAD):
        day = today + timedelta(days=ahead)
        if window.days and DAYS[day.weekday()] not in window.days:
            continue
        ends_on = day if window.to > window.from_ else day + timedelta(days=1)
        opens, closes = (
            datetime.combine(date, at, zone).astimezone(UTC) for date, at in ((day, window.from_), (ends_on, window.to))
        )
        if now < closes and opens < closes:
            return opens, closes
    raise AssertionError("a window opens at least every other week")
