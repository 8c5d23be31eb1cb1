"""One wave that a storm meets: runs are started again as fast as they are killed, then calm returns and one may end."""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime

from bascule.model import Cabinet
from bascule.procedure import PROCEDURE
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
    """Seconds without the awaited progress after which a gust blows all the same."""

    runs: int = 0
    strikes: Counter[Strikes] = field(default_factory=Counter)
    problems: list[str] = field(default_factory=list)
    tale: list[str] = field(default_factory=list)
    """What happened when, for who looks into a broken promise."""
    _life: Life | None = None

    @contextmanager
    def under_way(self) -> Iterator[None]:
        self.systems.start()
        try:
            yield
        finally:
            if self._life is not None:
                self._life.kill()
            self.systems.kill()

    def meet(self, gust: Gust) -> None:
        road = sum(writes_of(cabinet) for cabinet in self.systems.cabinets)
        self._go_on_until(gust.at * road)
        self.strikes[gust.strikes] += 1
        self._tell(f"{gust.strikes} is struck at {self.systems.written()} writes of {road}: {gust}")
        match gust.strikes:
            case Strikes.RUN:
                if self._life is not None:
                    self._life.kill()
                self._life = None
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

    def end_in_calm(self) -> None:
        """The run that is under way has its chance, then come fresh ones."""
        self._tell("calm")
        self.systems.put()
        code = None
        for _ in range(CALM_RUNS + (self._life is not None)):
            self._keep_running()
            until = time.monotonic() + STUCK_AFTER
            while (code := self._how_it_ended()) is None:
                if time.monotonic() > until:
                    self.problems.append(f"an undisturbed run has not ended in {STUCK_AFTER:.0f} s")
                    return
                time.sleep(LOOKS_EVERY)
            if code == ALL_OK:
                return
        self.problems.append(f"after {CALM_RUNS} undisturbed runs not every cabinet is ok (exit code {code})")

    def _go_on_until(self, written: float) -> None:
        until = time.monotonic() + self.patience
        while True:
            self._how_it_ended()
            self._keep_running()
            if self.systems.written() >= written or time.monotonic() > until:
                return
            time.sleep(LOOKS_EVERY)

    def _keep_running(self) -> None:
        if self._life is None:
            self.runs += 1
            self._tell(f"run {self.runs} begins")
            self._life = self.start_run()

    def _how_it_ended(self) -> int | None:
        code = self._life.code() if self._life is not None else None
        if code is not None:
            self._life = None
            self._tell(f"the run has ended with exit code {code}, after {self.systems.written()} writes")
            if code == DEFECT or code < 0:
                self.problems.append(f"a run that nobody killed ended with exit code {code}")
        return code

    def _tell(self, what: str) -> None:
        self.tale.append(f"{datetime.now(UTC):%H:%M:%S.%f} {what}")


def writes_of(cabinet: Cabinet) -> int:
    """How many a cabinet takes when nobody disturbs it."""
    return sum(len(step.acts) for step in PROCEDURE if step.needed(cabinet))
