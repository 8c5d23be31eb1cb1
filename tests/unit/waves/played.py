"""A wave played on a clock of its own: what the governor says is done, and chance says how each cabinet ends."""

from __future__ import annotations

import random
from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta

from bascule.model import Lifecycle, Outcome
from bascule.waves.breaker import FAILURES
from bascule.waves.governor import Command, Decision, Rules, Standing, decide


@dataclass
class Played:
    """What came of it: who started when, how each ended, and every decision, in order."""

    starts: list[tuple[datetime, str]] = field(default_factory=list)
    standings: dict[str, Standing] = field(default_factory=dict)
    decisions: list[tuple[datetime, Decision]] = field(default_factory=list)
    most_in_flight: int = 0

    @property
    def failures(self) -> int:
        return sum(standing.outcome in FAILURES for standing in self.standings.values())

    @property
    def last(self) -> Decision:
        return self.decisions[-1][1]


def play(
    rules: Rules, *, begins: datetime, chance: random.Random, bad: float, commands: Sequence[Command] = ()
) -> Played:
    """Until nothing is in flight and nothing starts. Cabinets take 5 to 60 minutes, and some end at the same instant."""
    played, now, ends = Played(), begins, dict[str, datetime]()
    while True:
        decision = decide(rules, played.standings, [c for c in commands if c.at <= now], now)
        played.decisions.append((now, decision))
        for code in decision.start:
            assert played.standings.get(code) is None, "nobody starts twice"
            played.starts.append((now, code))
            played.standings[code] = Standing(lifecycle=Lifecycle.RUNNING, since=now)
            ends[code] = now + timedelta(minutes=5 * chance.randint(1, 12))
        played.most_in_flight = max(played.most_in_flight, len(ends))
        if not ends:
            return played
        now = min(ends.values())
        for code in [code for code, at in ends.items() if at == now]:
            del ends[code]
            outcome = chance.choice(sorted(FAILURES)) if chance.random() < bad else Outcome.OK
            played.standings[code] = Standing(lifecycle=Lifecycle.ENDED, since=now, outcome=outcome)
