"""When a cabinet of a wave may begin, until when, and what is too late to begin. Hours are the cabinet's own."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime, time, timedelta
from enum import StrEnum
from zoneinfo import ZoneInfo

from bascule.errors import BasculeError
from bascule.inventory import WaveSettings
from bascule.waves.window import opening

WINDOWS_LOOKED_AT = 60
"""How many windows ahead a place is sought for work that does not fit the next one."""


class NeverOpens(BasculeError):
    """The wave's hours leave no instant at which it may begin."""


class Rule(StrEnum):
    """What keeps a cabinet from beginning, by the name of its setting."""

    START_AFTER = "start_after"
    COMPLETE_BY = "complete_by"
    BLACKOUT = "blackout"
    WINDOW = "window"
    LAST_SAFE_START = "last-safe-start"


@dataclass(frozen=True, slots=True)
class ClosedDays:
    """Whole days, first and last included, by the calendar on each cabinet's own wall."""

    name: str
    first: date
    last: date

    def __post_init__(self) -> None:
        if self.last < self.first:
            raise ValueError(f"{self.name} ends before it begins")

    def within(self, zone: ZoneInfo) -> tuple[datetime, datetime]:
        """From when until when, in UTC."""
        return local(self.first, time(), zone), local(self.last + timedelta(days=1), time(), zone)


@dataclass(frozen=True, slots=True)
class ClosedHours:
    """From one instant until another, the same for every cabinet."""

    name: str
    begins: datetime
    ends: datetime

    def __post_init__(self) -> None:
        if self.begins.tzinfo is None or self.ends.tzinfo is None:
            raise ValueError(f"{self.name} needs a time zone")
        if self.ends <= self.begins:
            raise ValueError(f"{self.name} ends before it begins")

    def within(self, zone: ZoneInfo) -> tuple[datetime, datetime]:
        """From when until when, in UTC."""
        return self.begins.astimezone(UTC), self.ends.astimezone(UTC)


Blackout = ClosedDays | ClosedHours


@dataclass(frozen=True, slots=True, kw_only=True)
class Opening:
    """Whether a cabinet may begin now. Instants are in UTC."""

    at: datetime | None
    """The first instant, from now on, at which it may begin; None if there is none any more."""
    closes: datetime | None
    """Until when work may then go on; None if nothing ends it."""
    rule: Rule | None = None
    """What keeps it from beginning now; None if it may."""
    why: str = ""

    @property
    def is_now(self) -> bool:
        return self.rule is None

    def last_safe_start(self, expected: timedelta) -> datetime | None:
        """The last instant at which work that takes so long can begin and still end in time; None if any will do."""
        return None if self.closes is None else self.closes - expected


@dataclass(frozen=True, slots=True)
class _Against:
    rule: Rule
    why: str
    until: datetime | None


def may_begin(settings: WaveSettings, blackouts: Sequence[Blackout], zone: ZoneInfo, now: datetime) -> Opening:
    """Whether a cabinet may begin now, and if not: why, and from when. A blackout wins over the window, whatever the run."""
    first = against = _against(settings, blackouts, zone, now)
    at = now.astimezone(UTC)
    # Each turn leaves one rule behind for good, or the night before: so it ends.
    while against and against.until:
        at = against.until
        against = _against(settings, blackouts, zone, at)
    rule, why = (first.rule, first.why) if first else (None, "")
    if against:
        never = why if against == first else f"{why}; and then {against.why}"
        return Opening(at=None, closes=None, rule=rule, why=never)
    return Opening(at=at, closes=window_closes(settings, blackouts, zone, at), rule=rule, why=why)


def window_closes(
    settings: WaveSettings, blackouts: Sequence[Blackout], zone: ZoneInfo, now: datetime
) -> datetime | None:
    """Until when work that may go on now may go on: the window, a blackout or `complete_by` ends it, whichever is first."""
    ends = [begins for begins, _ in (blackout.within(zone) for blackout in blackouts) if begins > now]
    if settings.window:
        ends.append(opening(settings.window, zone, now)[1])
    if settings.complete_by:
        ends.append(settings.complete_by.replace(tzinfo=zone).astimezone(UTC))
    return min(ends, default=None)


def may_begin_with(
    expected: timedelta, settings: WaveSettings, blackouts: Sequence[Blackout], zone: ZoneInfo, now: datetime
) -> Opening:
    """As `may_begin`, for work that must also end before its window closes."""
    first = None
    for opened in _openings(settings, blackouts, zone, now):
        first = first or opened
        if opened.at is None:
            break
        last = opened.last_safe_start(expected)
        if last is None or opened.at <= last:
            if first.is_now and opened is not first:
                return Opening(
                    at=opened.at, closes=opened.closes, rule=Rule.LAST_SAFE_START, why=_late(first, expected, zone)
                )
            return Opening(at=opened.at, closes=opened.closes, rule=first.rule, why=first.why)
    assert first is not None, "there is always a first answer, if only that it is too late"
    if first.at is None:
        return first
    return Opening(
        at=None, closes=None, rule=Rule.LAST_SAFE_START, why=_late(first, expected, zone) + ", nor in a later window"
    )


def require_opening(
    settings: WaveSettings, blackouts: Sequence[Blackout], zone: ZoneInfo, now: datetime, wave: str
) -> None:
    """Before a wave is planned: some instant must be left at which it may begin. Raises NeverOpens."""
    opened = may_begin(settings, blackouts, zone, now)
    if opened.at is None:
        raise NeverOpens(
            f"Wave {wave!r} may never begin for cabinets of {zone.key}: {opened.why}",
            remedy="correct its `window`, `start_after`, `complete_by` or `blackout`; "
            "or run it outside its hours: bascule run --any-hour --because TEXT",
        )


def local(day: date, at: time, zone: ZoneInfo) -> datetime:
    """An hour on the wall, in UTC. One that comes twice is the first of the two; one that is skipped is as much later."""
    return datetime.combine(day, at, zone).astimezone(UTC)


def told(instant: datetime, zone: ZoneInfo) -> str:
    """An instant as people of that zone read it."""
    return f"{instant.astimezone(zone):%a %d %b %Y %H:%M} ({zone.key})"


def _openings(
    settings: WaveSettings, blackouts: Sequence[Blackout], zone: ZoneInfo, now: datetime
) -> Iterator[Opening]:
    for _ in range(WINDOWS_LOOKED_AT):
        opened = may_begin(settings, blackouts, zone, now)
        yield opened
        if opened.closes is None:
            return
        now = opened.closes


def _against(settings: WaveSettings, blackouts: Sequence[Blackout], zone: ZoneInfo, now: datetime) -> _Against | None:
    """The first rule against beginning now. One that stands for good comes before those that time lifts."""
    if settings.complete_by and now >= (end := settings.complete_by.replace(tzinfo=zone)):
        return _Against(Rule.COMPLETE_BY, f"the wave was to be complete by {told(end, zone)}", None)
    if settings.start_after and now < (start := settings.start_after.replace(tzinfo=zone)):
        return _Against(Rule.START_AFTER, f"the wave starts after {told(start, zone)}", start.astimezone(UTC))
    for blackout in blackouts:
        begins, ends = blackout.within(zone)
        if begins <= now < ends:
            return _Against(Rule.BLACKOUT, f"blackout: {blackout.name}, until {told(ends, zone)}", ends)
    if settings.window:
        opens, _ = opening(settings.window, zone, now)
        if now < opens:
            return _Against(Rule.WINDOW, f"the window is closed until {told(opens, zone)}", opens)
    return None


def _late(opened: Opening, expected: timedelta, zone: ZoneInfo) -> str:
    assert opened.closes is not None, "what never closes is never too late"
    minutes = -(-expected // timedelta(minutes=1))
    return f"{minutes} minutes from lock-out to reopen do not fit before {told(opened.closes, zone)}"
