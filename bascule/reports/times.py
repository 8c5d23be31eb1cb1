"""Where a cabinet's time went: being worked on, or waiting for its turn, for a person, for a remote. Every second is one of them."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta

from bascule.ledger import Entry, EntryKind
from bascule.model import Lifecycle, Outcome, State

WORKING, TURN, PERSON, REMOTE = "working", "turn", "person", "remote"
SPENT = (WORKING, TURN, PERSON, REMOTE)

HELD_BACK = (Lifecycle.PLANNED, Lifecycle.READY, Lifecycle.PAUSED)
"""Nothing keeps it from going on but that it is not its turn, or nobody runs the wave."""
UNFINISHED = ("underway", "unanswered", "interrupted")
"""Answers of a remote after which an act is not over."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Times:
    """Seconds. They add up to what passed from the first planning to the end, or to now where it has not ended."""

    working: float = 0.0
    turn: float = 0.0
    """Waiting for a slot, for its stage of the ramp, or for the next run."""
    person: float = 0.0
    """Waiting for what somebody has to do, approve or mend."""
    remote: float = 0.0
    """Waiting for an answer to a write, an operation that runs included."""

    @property
    def total(self) -> float:
        return self.working + self.turn + self.person + self.remote


def times_of(history: Iterable[Entry], wave: str, now: datetime, *, at_work: bool = False) -> Times:
    """`history`: one cabinet's entries, oldest first, those of other waves too; nothing is counted before this wave planned it.

    A run that ended without a word is worked on until its last entry. Who failed or is blocked waits for a person, until it is
    taken up again; where it never is, its time ended when it was let go.
    """
    counting: _Counting | None = None
    for entry in history:
        if counting is None:
            if entry.kind is EntryKind.PLANNED and entry.wave == wave:
                counting = _Counting(since=entry.at)
            continue
        counting.hear(entry, wave)
    if counting is None:
        return Times()
    return counting.until(now, at_work=at_work)


@dataclass(slots=True)
class _Counting:
    since: datetime
    doing: str = TURN
    is_over: bool = False
    """Nothing is awaited any more, unless somebody takes it up again."""
    last: datetime | None = None
    """The last entry of the run that has it in hand."""
    spent: dict[str, float] = field(default_factory=lambda: dict.fromkeys(SPENT, 0.0))
    acts: dict[str, datetime] = field(default_factory=dict)
    """By key: since when a remote is at it."""
    remote: list[tuple[datetime, datetime]] = field(default_factory=list)

    def hear(self, entry: Entry, wave: str) -> None:
        match entry.kind:
            case EntryKind.BEGAN if entry.wave == wave:
                if self.doing == WORKING:
                    self._let_go(self.last or self.since, TURN)
                self._turn_to(WORKING, entry.at)
                self.is_over = False
            case EntryKind.ENDED if entry.wave == wave and self.doing == WORKING:
                self._let_go(entry.at, _then(entry))
                self.is_over = entry.lifecycle is Lifecycle.ENDED
            case EntryKind.INTENT if self.doing == WORKING and entry.key:
                self.acts[entry.key] = entry.at
            case EntryKind.EFFECT if self.doing == WORKING and entry.key in self.acts:
                if entry.evidence.get("answer") not in UNFINISHED:
                    self.remote.append((self.acts.pop(entry.key), entry.at))
            case EntryKind.APPROVED | EntryKind.ANSWERED | EntryKind.WITHDRAWN if self.doing == PERSON:
                if entry.kind is not EntryKind.ANSWERED or entry.state is not State.WAITING:
                    self._turn_to(TURN, entry.at)
            case EntryKind.RETRACTED if entry.outcome is not None and self.doing != WORKING:
                self._turn_to(PERSON, entry.at)
                self.is_over = False
            case _:
                pass
        if self.doing == WORKING:
            self.last = entry.at

    def until(self, now: datetime, *, at_work: bool) -> Times:
        if self.doing == WORKING and not at_work:
            self._let_go(self.last or self.since, TURN)
        if self.doing == WORKING:
            self._let_go(now, TURN)
        elif not self.is_over:
            self._turn_to(self.doing, now)
        return Times(**self.spent)

    def _let_go(self, at: datetime, then: str) -> None:
        """A run's hands are off it: of the time it was in them, what a remote took is not work."""
        at = max(at, self.since)
        answered = _union([*self.remote, *((since, at) for since in self.acts.values())], self.since, at)
        self.spent[REMOTE] += answered
        self.spent[WORKING] -= answered
        self.remote, self.acts, self.last = [], {}, None
        self._turn_to(then, at)

    def _turn_to(self, what: str, at: datetime) -> None:
        # Clocks of two machines may differ: no time is negative.
        at = max(at, self.since)
        if not self.is_over or what == WORKING:
            self.spent[self.doing] += (at - self.since).total_seconds()
        self.doing, self.since = what, at


def _then(ended: Entry) -> str:
    if ended.lifecycle in HELD_BACK or ended.outcome is Outcome.OK:
        return TURN
    return PERSON


def _union(spans: Sequence[tuple[datetime, datetime]], first: datetime, last: datetime) -> float:
    """Seconds between `first` and `last` that at least one of the spans covers."""
    covered, reached = timedelta(), first
    for began, ended in sorted(spans):
        uncovered = min(ended, last) - max(began, reached)
        if uncovered > timedelta():
            covered += uncovered
            reached = min(ended, last)
    return covered.total_seconds()
