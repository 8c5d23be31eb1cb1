"""How a wave would go if every cabinet went well: the governor's own decisions, played ahead. An estimate, and no promise."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta

from bascule.model import Lifecycle, Outcome
from bascule.waves.governor import Rules, Standing, decide

LOOKS_AHEAD = timedelta(days=400)


@dataclass(frozen=True, slots=True, kw_only=True)
class Forecast:
    """By code: who begins and ends when, in UTC; who never would, and why."""

    begins: Mapping[str, datetime]
    ends: Mapping[str, datetime]
    never: Mapping[str, str]


def forecast(rules: Rules, takes: Mapping[str, timedelta], now: datetime, *, done: Collection[str] = ()) -> Forecast:
    """`takes`: how long a cabinet is in flight; `done`: cabinets with nothing left to do.

    Every cabinet ends ok, and another wave that must come first has. One that its window cuts off goes on in the next.
    """
    rules = replace(rules, settings=rules.settings.model_copy(update={"requires": None}))
    playing = _Playing(rules, takes, now, done)
    while playing.goes_on():
        pass
    return Forecast(begins=playing.begins, ends=playing.ends, never=playing.never)


@dataclass(slots=True)
class _Playing:
    rules: Rules
    takes: Mapping[str, timedelta]
    now: datetime
    done: Collection[str]
    begins: dict[str, datetime] = field(default_factory=dict)
    ends: dict[str, datetime] = field(default_factory=dict)
    never: dict[str, str] = field(default_factory=dict)
    _left: dict[str, timedelta] = field(default_factory=dict)
    _due: dict[str, datetime] = field(default_factory=dict)
    """When those in flight end."""
    _standings: dict[str, Standing] = field(default_factory=dict)
    _until: datetime = field(init=False)

    def __post_init__(self) -> None:
        self._until = self.now + LOOKS_AHEAD
        self._left = dict(self.takes)
        for code in self.done:
            self._stand(code, Lifecycle.ENDED, Outcome.OK)

    def goes_on(self) -> bool:
        """One turn, up to the next instant at which something may change."""
        decision = decide(self.rules, self._standings, (), self.now)
        if decision.finish_step:
            for code in decision.finish_step:
                self._left[code] = self._due.pop(code) - self.now
                self._stand(code, Lifecycle.PAUSED)
            # Decided anew at this instant: they are to start again now.
            return True
        for code in decision.start:
            self.begins.setdefault(code, self.now)
            self._due[code] = self.now + self._left[code]
            self._stand(code, Lifecycle.RUNNING)
        instants = [*self._due.values(), *([decision.look_again_at] if decision.look_again_at else [])]
        if not instants or min(instants) > self._until:
            self.never = dict(decision.not_yet)
            return False
        self.now = min(instants)
        for code in [code for code, at in self._due.items() if at <= self.now]:
            self.ends[code] = self._due.pop(code)
            self._stand(code, Lifecycle.ENDED, Outcome.OK)
        return True

    def _stand(self, code: str, lifecycle: Lifecycle, outcome: Outcome = Outcome.NONE) -> None:
        self._standings[code] = Standing(lifecycle=lifecycle, since=self.now, outcome=outcome)
