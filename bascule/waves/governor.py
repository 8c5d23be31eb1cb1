"""What a running wave does next: one pure decision over what the ledger and the clock say."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from enum import StrEnum
from functools import cache
from zoneinfo import ZoneInfo

from bascule.inventory import WaveSettings
from bascule.model import ErrorClass, Lifecycle, Outcome
from bascule.waves.breaker import FAILURES, Ended, Trip, may_start, tripped
from bascule.waves.gate import shut_by
from bascule.waves.order import Planned, next_to_start
from bascule.waves.ramp import Promotion, Verdict, promotion, stages
from bascule.waves.when import Blackout, Opening, may_begin_with

LONG_AGO, NEVER = datetime.min.replace(tzinfo=UTC), datetime.max.replace(tzinfo=UTC)


# What is known


@dataclass(frozen=True, slots=True, kw_only=True)
class Rules:
    """What governs this wave: its settings and calendars, and its cabinets in the order in which they start."""

    settings: WaveSettings
    cabinets: tuple[Planned, ...]
    slots: int
    blackouts: tuple[Blackout, ...] = ()
    required: Mapping[Outcome, int] | None = None
    """The outcomes of the wave that this one requires."""
    at_any_hour: bool = False
    """A person took it upon themselves, with a reason, to run outside window and blackout."""

    @property
    def shut(self) -> str:
        """Why the wave must not begin: another one must come first, and has not. Empty if it may."""
        return shut_by(self.settings.requires, self.required or {}) if self.settings.requires else ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Standing:
    """Where a cabinet stands in this run. One that is to be taken up again is planned, however it ended before."""

    lifecycle: Lifecycle
    since: datetime
    """When it ended, or began to wait."""
    outcome: Outcome = Outcome.NONE
    step: str | None = None
    error_class: ErrorClass | None = None
    signature: str | None = None


class Word(StrEnum):
    PAUSE = "pause"
    """None starts; those in flight go on, and so does the run."""
    DRAIN = "drain"
    """None starts; those in flight finish their step, and the run ends."""
    RESUME = "resume"
    """Takes back pause and drain. With a reason, it also accepts what went wrong until then: for the breaker, and for the ramp."""
    STOP = "stop"
    """As drain, without waiting for what the next run can resume. Final for this run."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Command:
    """What a person told a running wave."""

    word: Word
    at: datetime
    """When the run took note of it, by the clock that also tells when its cabinets ended."""
    by: str
    because: str = ""


# What follows


@dataclass(frozen=True, slots=True)
class Told:
    """A person told the wave to pause, drain or stop."""

    command: Command

    @property
    def why(self) -> str:
        because = f": {self.command.because}" if self.command.because else ""
        return f"{self.command.by} told the wave to {self.command.word.value}{because}"


@dataclass(frozen=True, slots=True)
class GateShut:
    """Another wave must come first."""

    why: str


@dataclass(frozen=True, slots=True)
class StageHeld:
    """The next stage of the ramp needs a person's `resume --because`."""

    stage: int
    verdict: Verdict
    why: str


@dataclass(frozen=True, slots=True)
class WindowClosed:
    """No cabinet whose turn it is may begin at this hour."""

    opens: datetime | None
    """When the first of them may; None if none ever may."""
    why: str


Stop = Told | Trip | GateShut | StageHeld | WindowClosed


@dataclass(frozen=True, slots=True, kw_only=True)
class Decision:
    """What to do now. It holds until a cabinet ends, a person says something, or `look_again_at`."""

    start: tuple[str, ...] = ()
    not_yet: Mapping[str, str] = field(default_factory=dict)
    """Why those still to start do not start now, by code."""
    finish_step: tuple[str, ...] = ()
    """Those in flight that finish their step (a guarded section: to its reopen) and go no further."""
    stops: Stop | None = None
    """Why none starts, where it is for all the same."""
    look_again_at: datetime | None = None
    """The next instant at which time alone may change the answer."""


def decide(rules: Rules, standings: Mapping[str, Standing], commands: Sequence[Command], now: datetime) -> Decision:
    """Commands are those given to this run, in the order of the ledger: no clock orders them. A cabinet that the standings do not name is still to start."""
    wave = _Wave(rules, standings, accepted=_accepted(commands))
    hours = _hours(rules, now)
    until = {cabinet.code: hours(cabinet.zone, timedelta()) for cabinet in wave.in_flight}
    overtime = tuple(code for code, opened in until.items() if not opened.is_now)
    later = [opened.closes for opened in until.values()]

    stop = _stop_for_all(wave, commands)
    if stop:
        return Decision(
            not_yet={cabinet.code: stop.why for cabinet in wave.to_start},
            finish_step=overtime if _lets_go_on(stop) else tuple(until),
            stops=stop,
            look_again_at=_next(later, now),
        )

    turn, held = wave.whose_turn()
    openings = {cabinet.code: hours(cabinet.zone, cabinet.expected) for cabinet in turn}
    later += [opened.at for opened in openings.values()]
    later += [opened.closes for opened in openings.values()]
    later += [openings[cabinet.code].last_safe_start(cabinet.expected) for cabinet in turn]
    begin = [cabinet for cabinet in turn if openings[cabinet.code].is_now]
    allowed = may_start(rules.settings.breaker, wave.news, len(wave.in_flight), planned=wave.planned)
    in_all = rules.slots if allowed is None else min(rules.slots, len(wave.in_flight) + allowed)
    chosen = next_to_start(
        begin, wave.in_flight, slots=in_all, limits=rules.settings.limits, priority=rules.settings.priority
    )
    no_slot = (
        f"all {rules.slots} slots are taken"
        if in_all == rules.slots
        else f"strict: no more may be in flight than may still fail, which is {in_all}"
    )
    return Decision(
        start=chosen.start,
        not_yet={
            cabinet.code: openings[cabinet.code].why or chosen.held.get(cabinet.code, no_slot)
            if cabinet.code in openings
            else (held.why if held else "")
            for cabinet in wave.to_start
            if cabinet.code not in chosen.start
        },
        finish_step=overtime,
        stops=_stop_for_now(wave, openings, held),
        look_again_at=_next(later, now),
    )


# How it follows

_NOT_BEGUN = Standing(lifecycle=Lifecycle.PLANNED, since=LONG_AGO)
_TO_START = frozenset({Lifecycle.PLANNED, Lifecycle.READY, Lifecycle.PAUSED})


class _Wave:
    """The wave by where its cabinets stand. What failed before a person accepted it is no news."""

    def __init__(self, rules: Rules, standings: Mapping[str, Standing], accepted: datetime) -> None:
        self.rules = rules
        self._standings = standings
        self._accepted = accepted
        self.to_start = tuple(c for c in rules.cabinets if self._of(c).lifecycle in _TO_START)
        self.in_flight = tuple(c for c in rules.cabinets if self._of(c).lifecycle is Lifecycle.RUNNING)
        ended = self._ended(rules.cabinets)
        self.news = [cabinet for cabinet in ended if cabinet.at > accepted]
        self.planned = len(rules.cabinets) - len(ended) + len(self.news)

    def whose_turn(self) -> tuple[tuple[Planned, ...], StageHeld | None]:
        """Those to start whose stage has come, and what keeps the next stage from coming."""
        sizes, come = stages(self.rules.settings.ramp, len(self.rules.cabinets)), 0
        for number, size in enumerate(sizes[:-1], start=1):
            stage = self.rules.cabinets[come : come + size]
            come += size
            judged = self._judged(stage)
            asked_before = judged.verdict is Verdict.ASK and self._has_begun(self.rules.cabinets[come:])
            if judged.verdict is not Verdict.PROMOTED and not asked_before:
                why = f"stage {number} of {len(sizes)} comes first: {judged.why}"
                turn = tuple(c for c in self.rules.cabinets[:come] if self._of(c).lifecycle in _TO_START)
                return turn, StageHeld(number, judged.verdict, why)
        return self.to_start, None

    def _judged(self, stage: Sequence[Planned]) -> Promotion:
        standings = [self._of(cabinet) for cabinet in stage]
        ended = self._ended(stage)
        waiting = [standing for standing in standings if standing.lifecycle is Lifecycle.WAITING]
        return promotion(
            self.rules.settings.breaker,
            [cabinet for cabinet in ended if cabinet.at > self._accepted or cabinet.outcome not in FAILURES],
            waiting=sum(standing.since > self._accepted for standing in waiting),
            unsettled=len(stage) - len(ended) - len(waiting),
        )

    def _has_begun(self, cabinets: Sequence[Planned]) -> bool:
        return any(self._of(cabinet).lifecycle not in _TO_START for cabinet in cabinets)

    def _ended(self, cabinets: Sequence[Planned]) -> list[Ended]:
        return [
            Ended(
                code=cabinet.code,
                outcome=standing.outcome,
                at=standing.since,
                signature=standing.signature,
                traits={
                    "step": standing.step,
                    "error class": standing.error_class,
                    "site": cabinet.site,
                    **cabinet.traits,
                },
            )
            for cabinet in cabinets
            if (standing := self._of(cabinet)).lifecycle is Lifecycle.ENDED
        ]

    def _of(self, cabinet: Planned) -> Standing:
        return self._standings.get(cabinet.code, _NOT_BEGUN)


def _stop_for_all(wave: _Wave, commands: Sequence[Command]) -> Stop | None:
    """What stops every start, whoever's turn it is; the gravest."""
    settings = wave.rules.settings
    told = _in_force(commands)
    if told and told.word is Word.STOP:
        return Told(told)
    if settings.breaker and (trip := tripped(settings.breaker, wave.news, planned=wave.planned)):
        return trip
    if told:
        return Told(told)
    return GateShut(wave.rules.shut) if wave.rules.shut else None


def _stop_for_now(wave: _Wave, openings: Mapping[str, Opening], held: StageHeld | None) -> Stop | None:
    """What lets none start, of those whose turn it is."""
    if openings and not any(opened.is_now for opened in openings.values()):
        first = min(openings.values(), key=_when)
        return WindowClosed(first.at, _closed(wave.rules.cabinets, openings) or first.why)
    if wave.to_start and not openings and held and held.verdict is not Verdict.NOT_YET:
        return held
    return None


def _closed(cabinets: Sequence[Planned], openings: Mapping[str, Opening]) -> str:
    """For which zones it is closed, the first to open first; empty where all of the run's cabinets are of one.

    Cabinets are counted whether or not they are still to start: told once, it stays the same while those in flight end.
    """
    of_zone = Counter(cabinet.zone.key for cabinet in cabinets)
    if len(of_zone) == 1:
        return ""
    closed: dict[str, Opening] = {}
    for cabinet in sorted((one for one in cabinets if one.code in openings), key=lambda one: _when(openings[one.code])):
        closed.setdefault(cabinet.zone.key, openings[cabinet.code])
    return "; ".join(
        f"{zone} ({of_zone[zone]} of {len(cabinets)} cabinets): {opened.why}" for zone, opened in closed.items()
    )


def _when(opened: Opening) -> datetime:
    return opened.at or NEVER


def _lets_go_on(stop: Stop) -> bool:
    """Whether those in flight go on to their end."""
    return isinstance(stop, GateShut) or (isinstance(stop, Told) and stop.command.word is Word.PAUSE)


def _in_force(commands: Sequence[Command]) -> Command | None:
    """The last word that is not taken back. A stop never is: who was told to stop does not come back to life."""
    in_force = None
    for command in commands:
        if in_force is None or in_force.word is not Word.STOP:
            in_force = None if command.word is Word.RESUME else command
    return in_force


def _accepted(commands: Sequence[Command]) -> datetime:
    """Until when a person has taken note of what went wrong."""
    resumed = [command.at for command in commands if command.word is Word.RESUME and command.because.strip()]
    return max(resumed, default=LONG_AGO)


def _hours(rules: Rules, now: datetime) -> Callable[[ZoneInfo, timedelta], Opening]:
    """When cabinets of a zone may begin; worked out once for all that are alike."""

    @cache
    def opening(zone: ZoneInfo, expected: timedelta) -> Opening:
        if rules.at_any_hour:
            return Opening(at=now, closes=None)
        return may_begin_with(expected, rules.settings, rules.blackouts, zone, now)

    return opening


def _next(instants: Iterable[datetime | None], now: datetime) -> datetime | None:
    return min((instant for instant in instants if instant and instant > now), default=None)
