"""Which notices are due: a pure decision over all work orders, the lock-outs, the runs that ended, what was told, and the hour."""

from __future__ import annotations

import hashlib
import json
from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import StrEnum

from bascule.model import Outcome, grade
from bascule.notices.hearers import Hearers
from bascule.notices.quiet import QuietHours
from bascule.workorders import OrderState, WorkOrder

ALARM_AGAIN_AFTER = timedelta(hours=1)
LATEST_NEWS = timedelta(days=7)
"""A run that ended longer ago is no news: a ledger with a past does not flood who switches notices on. Longer than quiet days last."""


class Topic(StrEnum):
    """What a notice is about, in the order in which people read it."""

    LOCKED_OUT = "locked-out"
    """A run locked users out, and their deadline has passed: an alarm, whatever the hour."""
    OVERDUE = "overdue"
    """Users should be able to connect again, and nobody has said that they are: an alarm, whatever the hour."""
    TO_APPROVE = "to-approve"
    NEW = "new-orders"
    REMINDER = "reminder"
    ON_HOLD = "on-hold"
    """Nobody answered in time. Told again like what waits: a hold is never an answer."""
    ENDED = "wave-ended"


@dataclass(frozen=True, slots=True, kw_only=True)
class KeptOut:
    """A cabinet whose users a run locked out, and whom nobody has let in, as far as the ledger knows."""

    cabinet: str
    wave: str
    owner: str | None
    since: datetime
    deadline: datetime


@dataclass(frozen=True, slots=True, kw_only=True)
class EndedRun:
    """The last run of a wave that ended, and where the wave has stood since."""

    wave: str
    run: str
    at: datetime
    whole: bool
    """It took up the whole wave. A run of a few cabinets (a re-run, a schedule that carries on after an answer) is news only if it changed something."""
    outcomes: Mapping[Outcome, int]
    """Of all planned cabinets."""
    needing: tuple[tuple[str, Outcome, str], ...]
    """Who needs somebody, worst first: cabinet, outcome, step. Never a reason: those may hold an address."""

    @property
    def grade(self) -> Outcome:
        return grade(self.outcomes)

    @property
    def picture(self) -> str:
        """The same as long as the same cabinets need somebody, and the wave is as finished as it was."""
        needing = [(code, outcome) for code, outcome, _ in self.needing if outcome is not Outcome.NONE]
        return _digest(sorted(needing), not self.outcomes.get(Outcome.NONE))


@dataclass(frozen=True, slots=True)
class Told:
    at: datetime
    occurrence: str


@dataclass(frozen=True, slots=True)
class Matter:
    """One thing to tell."""

    topic: Topic
    of: WorkOrder | KeptOut | EndedRun
    occurrence: str = ""
    """What tells it from the last time that the same happened to the same: an order may be answered, declined, answered again."""

    @property
    def about(self) -> str:
        return f"{self.topic} {self._name}"

    @property
    def wave(self) -> str:
        return self.of.wave

    @property
    def _name(self) -> str:
        match self.of:
            case EndedRun():
                return self.of.wave
            case KeptOut():
                return self.of.cabinet
            case WorkOrder():
                return self.of.id


@dataclass(frozen=True, slots=True)
class Notice:
    """One message for one hearer: an alarm, or everything else that is due in one digest."""

    to: str
    to_a_person: bool
    alarm: bool
    matters: tuple[Matter, ...]
    at: datetime

    @property
    def kind(self) -> str:
        return "alarm" if self.alarm else "digest"

    @property
    def key(self) -> str:
        return _digest(self.to, self.kind, [(m.about, m.occurrence) for m in self.matters], self.at.isoformat())


TellsOf = Mapping[tuple[str, str], Told]
"""What was told last, by hearer and by what it was about."""


def due(
    orders: Iterable[WorkOrder],
    kept_out: Iterable[KeptOut],
    runs: Iterable[EndedRun],
    told: TellsOf,
    hearers: Hearers,
    *,
    now: datetime,
    quiet: QuietHours,
    remind_after: timedelta,
) -> tuple[Notice, ...]:
    """Alarms first. In quiet hours nothing else; what became due then is in one digest when they end."""
    alarms: defaultdict[str, list[Matter]] = defaultdict(list)
    digests: defaultdict[str, list[Matter]] = defaultdict(list)
    for out in kept_out:
        for to, matter in _of_lock_out(out, told, hearers, now):
            alarms[to].append(matter)
    for order in orders:
        for to, matter in _of_order(order, told, hearers, now, remind_after):
            (alarms if matter.topic is Topic.OVERDUE else digests)[to].append(matter)
    for run in runs:
        for to in hearers.team:
            news = _of_run(run, told.get((to, f"{Topic.ENDED} {run.wave}")))
            if news is not None and now - run.at <= LATEST_NEWS:
                digests[to].append(news)
    if quiet.at(now):
        digests.clear()
    return tuple(
        Notice(
            to,
            to in hearers.operators,
            alarm,
            tuple(sorted(matters, key=lambda matter: list(Topic).index(matter.topic))),
            now,
        )
        for alarm, by_hearer in ((True, alarms), (False, digests))
        for to, matters in by_hearer.items()
    )


def _of_lock_out(out: KeptOut, told: TellsOf, hearers: Hearers, now: datetime) -> Iterator[tuple[str, Matter]]:
    """Once each: who reads it has to act, and `status` goes on saying it."""
    if now < out.deadline:
        return
    matter = Matter(Topic.LOCKED_OUT, out, out.since.isoformat())
    for hearer in hearers.of_alarm(out.owner):
        before = told.get((hearer, matter.about))
        if before is None or before.occurrence != matter.occurrence:
            yield hearer, matter


def _of_order(
    order: WorkOrder, told: TellsOf, hearers: Hearers, now: datetime, remind_after: timedelta
) -> Iterator[tuple[str, Matter]]:
    if order.is_overdue(now):
        yield from _again(Matter(Topic.OVERDUE, order), hearers.of_alarm(order.owner), told, now, ALARM_AGAIN_AFTER)
    elif order.is_on_hold(now):
        yield from _again(Matter(Topic.ON_HOLD, order), hearers.of_owner(order.owner), told, now, remind_after)
    elif order.state is OrderState.TO_APPROVE:
        answered = order.answer.at.isoformat() if order.answer is not None else ""
        first = Matter(Topic.TO_APPROVE, order, answered)
        yield from _once_then_again(first, hearers.of_approval(order), told, now, remind_after)
    elif order.state.needs_somebody:
        declined = order.refusal.at.isoformat() if order.refusal is not None else ""
        first = Matter(Topic.NEW, order, declined)
        yield from _once_then_again(first, hearers.of_owner(order.owner), told, now, remind_after)


def _once_then_again(
    first: Matter, to: Iterable[str], told: TellsOf, now: datetime, after: timedelta
) -> Iterator[tuple[str, Matter]]:
    """The first time as what it is; from then on as a reminder."""
    reminder = Matter(Topic.REMINDER, first.of)
    for hearer in to:
        before = told.get((hearer, first.about))
        reminded = told.get((hearer, reminder.about))
        if before is None or before.occurrence != first.occurrence:
            yield hearer, first
        elif now - max(before.at, reminded.at if reminded else before.at) >= after:
            yield hearer, reminder


def _again(
    matter: Matter, to: Iterable[str], told: TellsOf, now: datetime, after: timedelta
) -> Iterator[tuple[str, Matter]]:
    for hearer in to:
        before = told.get((hearer, matter.about))
        if before is None or now - before.at >= after:
            yield hearer, matter


def _of_run(run: EndedRun, before: Told | None) -> Matter | None:
    matter = Matter(Topic.ENDED, run, f"{run.run} {run.picture}")
    if before is None:
        return matter
    told_of, _, picture = before.occurrence.partition(" ")
    is_news = picture != run.picture or (run.whole and told_of != run.run)
    return matter if is_news and told_of != run.run else None


def _digest(*parts: object) -> str:
    return hashlib.sha256(json.dumps(parts, default=str).encode()).hexdigest()[:16]
