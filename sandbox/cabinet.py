"""A cabinet of the sandbox: what it holds, where it stands, what is written to it, which faults it meets."""

from __future__ import annotations

from dataclasses import dataclass, field
from functools import cached_property
from typing import TYPE_CHECKING

from sandbox import distortions
from sandbox.faults import FaultsOfCabinet
from sandbox.scenario import Scenario
from sandbox.standing import Standing, Transfer, Write
from sandbox.world import CabinetLine, Lists, drawn, question_of

if TYPE_CHECKING:
    from sandbox.s4a import Received


class Refused(Exception):
    """Sage says no. Nothing was changed."""

    def __init__(self, code: str, message: str, **details: str) -> None:
        super().__init__(message)
        self.code = code
        self.details = details


@dataclass
class Cabinet:
    line: CabinetLine
    seed: int
    faults: FaultsOfCabinet
    scenario: Scenario
    standing: Standing = field(default_factory=Standing)
    writes: list[Write] = field(default_factory=list)
    received: tuple[list[Transfer], Lists, Received] | None = None
    """What S4A holds, put together once for these transfers of these lists."""

    @property
    def code(self) -> str:
        return self.line.code

    @property
    def clean(self) -> Lists:
        """What GE holds where no fault of the world distorts it."""
        return self._coded if self.faults.has("codes-for-labels") else self._drawn

    @cached_property
    def _drawn(self) -> Lists:
        return drawn(self.seed, self.line)

    @cached_property
    def _coded(self) -> Lists:
        return distortions.coded(self._drawn, self.line)

    @cached_property
    def question(self) -> str:
        return question_of(self.seed, self.code)

    def lists(self, now: float) -> Lists:
        """What GE holds now."""
        wanted = distortions.standing_now(self.faults, now)
        if self.standing.ge.late_dossier:
            wanted |= {distortions.LATE_DOSSIER}
        if not wanted:
            return self.clean
        clean = self.clean
        wanted_of = (wanted, clean is self._drawn)
        if wanted_of not in self._distorted:
            self._distorted[wanted_of] = distortions.distorted(clean, wanted, self.seed, self.line)
        return self._distorted[wanted_of]

    @cached_property
    def _distorted(self) -> dict[tuple[frozenset[str], bool], Lists]:
        return {}

    def last_synchronisation(self) -> Write | None:
        """The last one that began, whatever became of it."""
        return next(
            (w for w in reversed(self.writes) if w.verb == "synchronise" and w.operation and w.operation.course), None
        )

    def is_synchronising(self) -> bool:
        last = self.last_synchronisation()
        return last is not None and last.operation is not None and last.operation.status == "running"

    def times(self, verb: str) -> int:
        return sum(write.verb == verb and write.is_effective for write in self.writes)
