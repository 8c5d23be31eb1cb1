"""Quiet hours: when nothing but alarms is sent."""

from __future__ import annotations

from collections.abc import Set
from dataclasses import dataclass
from datetime import datetime, time, tzinfo

DAYS = ("mon", "tue", "wed", "thu", "fri", "sat", "sun")


@dataclass(frozen=True, slots=True)
class QuietHours:
    """By the clock on the wall: on the two days a year when it is changed, a night is an hour shorter or longer."""

    zone: tzinfo
    begin: time | None = None
    end: time | None = None
    """An end before the beginning is the next morning."""
    days: Set[str] = frozenset()
    """Quiet from midnight to midnight."""

    def at(self, instant: datetime) -> bool:
        local = instant.astimezone(self.zone)
        if DAYS[local.weekday()] in self.days:
            return True
        if self.begin is None or self.end is None:
            return False
        now = local.time()
        if self.begin < self.end:
            return self.begin <= now < self.end
        return now >= self.begin or now < self.end
