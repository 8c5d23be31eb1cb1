"""One wave that a storm meets: runs are started again as fast as they are killed, then calm returns and one may end."""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Callable, Collection, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime

from bascule.model import Cabinet, Outcome
from bascule.procedure import PROCEDURE
from tests.chaos.ledgers import is_being_written
from tests.chaos.oracle import outcomes_of
from tests.chaos.processes import ALL_OK, DEFECT, Life, Systems
from tests.chaos.storm import Gust, Strikes

CALM_RUNS = 6
"""Undisturbed runs within which every cabinet must be ok: what a fault has blocked is mended by running again."""

STUCK_AFTER = 900.0
"""Seconds after which an undisturbed run counts as hanging. One that has lost its Prefect server takes minutes to say so."""

LOOKS_EVERY = 0.02


@dataclass
class Ordeal:
    systems: Systems
    ledger_url: str
    start_run: Callable[[], Life]
    cut_ledger: Callable[[], None] = lambda: None
    kill_cockpit: Callable[[], None] = lambda: None
    patience: float = 3.0
    """Seconds without progress after which a gust blows all the same."""
    lied_about: Collection[str] = ()
    """Cabinets that may end otherwise than ok."""
    holds_up: bool = False
    """A run may wait for longer than anybody has: it is begun anew when calm returns."""

    runs: int = 0
    strikes: Counter[Strikes] = field(default_factory=Counter)
    problems: list[str] = field(default_factory=list)
    tale: list[str] = field(default_factory=list)
    """What happened when, for who looks into a broken promise."""
    _at_work: list[Life] = field(default_factory=list)
    """The oldest first."""
    _stalled: list[tuple[float, Life]] = field(default_factory=list)
    """With when they go on."""

    @contextmanager
    def under_way(self) -> Iterator[None]:
        self.systems.start()
        try:
            yield
        finally:
            for life in (*self._at_work, *(life for _, life in self._stalled)):
                life.kill()
            self.systems.kill()

    def meet(self, gust: Gust) -> None:
        road = sum(writes_of(cabinet) for cabinet in self.systems.cabinets)
        self._go_on_until(gust.at * road)
        self.strikes[gust.strikes] += 1
        self._tell(f"{gust.strikes} is struck at {self.systems.written()} writes of {road}: {gust}")
        match gust.strikes:
            case Strikes.RUN:
                self._at_work.pop(0).kill()
            case Strikes.COMPANY:
                self._begin()
            case Strikes.STALL:
                self._stall(gust)
            case Strikes.SANDBOX:
                self.systems.kill()
                time.sleep(gust.lasts)
                self.systems.start()
            case Strikes.FAULTS:
                self.systems.put(*gust.faults)
            case Strikes.LEDGER:
                self.cut_ledger()
            case Strikes.COCKPIT:
                self.kill_cockpit()

    def _stall(self, gust: Gust) -> None:
        life = self._at_work.pop(0)
        life.stall()
        until = time.monotonic() + self.patience
        while not gust.anywhere and self._is_kept_from_others() and time.monotonic() < until:
            life.go_on()
            time.sleep(0.005)
            life.stall()
        self._stalled.append((time.monotonic() + gust.lasts, life))

    def _is_kept_from_others(self) -> bool:
        """The ledger. Who is alive and writes lets go of it within moments."""
        return all(is_being_written(self.ledger_url) for _ in range(10))

    def end_in_calm(self) -> None:
        """The runs that are under way have their chance, the stalled ones too, then come fresh ones, one by one."""
        self._tell("calm")
        self.systems.put()
        if self.holds_up:
            while self._at_work:
                self._at_work.pop().kill()
        codes: list[int] = []
        for _ in range(CALM_RUNS + bool(self._at_work or self._stalled)):
            self._keep_running()
            until, codes = time.monotonic() + STUCK_AFTER, []
            while self._at_work or self._stalled:
                if time.monotonic() > until:
                    self.problems.append(f"an undisturbed run has not ended in {STUCK_AFTER:.0f} s")
                    return
                time.sleep(LOOKS_EVERY)
                codes += self._how_they_ended()
            if ALL_OK in codes or self._is_as_good_as_it_gets():
                return
        self.problems.append(f"after {CALM_RUNS} undisturbed runs not every cabinet is ok (exit code {codes[-1]})")

    def _is_as_good_as_it_gets(self) -> bool:
        """All are ok but those that were lied about."""
        if not self.lied_about:
            return False
        ended = outcomes_of(self.ledger_url)
        return all(
            ended.get(one.code) is Outcome.OK for one in self.systems.cabinets if one.code not in self.lied_about
        )

    def _go_on_until(self, written: float) -> None:
        last, until = 0, time.monotonic() + self.patience
        while True:
            self._how_they_ended()
            self._keep_running()
            if (so_far := self.systems.written()) > last:
                last, until = so_far, time.monotonic() + self.patience
            if so_far >= written or time.monotonic() > until:
                return
            time.sleep(LOOKS_EVERY)

    def _keep_running(self) -> None:
        if not self._at_work:
            self._begin()

    def _begin(self) -> None:
        self.runs += 1
        self._tell(f"run {self.runs} begins")
        self._at_work.append(self.start_run())

    def _how_they_ended(self) -> list[int]:
        """The exit codes of those that have since the last look. Who has been stalled for long enough goes on."""
        for at, life in list(self._stalled):
            if time.monotonic() >= at:
                self._stalled.remove((at, life))
                self._at_work.append(life)
                self._tell("a stalled run goes on")
                life.go_on()
        ended = [(life, code) for life in self._at_work if (code := life.code()) is not None]
        for life, code in ended:
            self._at_work.remove(life)
            self._tell(f"a run has ended with exit code {code}, after {self.systems.written()} writes")
            if code == DEFECT or code < 0:
                self.problems.append(f"a run that nobody killed ended with exit code {code}")
        return [code for _, code in ended]

    def _tell(self, what: str) -> None:
        self.tale.append(f"{datetime.now(UTC):%H:%M:%S.%f} {what}")


def writes_of(cabinet: Cabinet) -> int:
    """How many a cabinet takes when nobody disturbs it."""
    return sum(len(step.acts) for step in PROCEDURE if step.needed(cabinet))
