"""The faults in force: whom they hit, and how often they still will."""

from __future__ import annotations

import hashlib
import math
from collections import Counter
from collections.abc import Callable, Collection, Iterator, Mapping
from typing import get_args

from sandbox.scenario import Fault, Scenario
from sandbox.wire import System


class Faults:
    """What a scenario does to the cabinets, since it was put."""

    def __init__(self, scenario: Scenario, codes: Collection[str], put_at: float, spent: Mapping[str, int]) -> None:
        self.scenario = scenario
        self.put_at = put_at
        self.spent = Counter(spent)
        """How often each fault has struck each cabinet, by `number of the fault/code`."""
        self._of_cabinet: dict[str, list[tuple[int, Fault]]] = {code: [] for code in codes}
        seen: Counter[tuple[str, str | None]] = Counter()
        for number, fault in enumerate(scenario.faults):
            # Drawn by what the fault is, not by where it stands: striking one out leaves the others where they were.
            salt = f"{scenario.seed}/{fault.fault}/{fault.at}/{seen[fault.fault, fault.at]}"
            seen[fault.fault, fault.at] += 1
            for system in (
                ((fault.system,) if fault.system else get_args(System)) if fault.name.sort == "system" else ()
            ):
                self._of_cabinet.setdefault(_place_of(system), []).append((number, fault))
            for code in fault.cabinets if fault.cabinets is not None else _drawn(codes, fault.share or 0, salt):
                self._of_cabinet[code].append((number, fault))

    def of(self, code: str) -> FaultsOfCabinet:
        return FaultsOfCabinet(self, code)

    def strikes_system(self, system: System, name: str, now: float) -> Fault | None:
        """A fault that hits all that is asked of a system, if it does so now; counted."""
        return FaultsOfCabinet(self, _place_of(system)).strikes(name, now)

    def hitting(self, code: str, now: float) -> Iterator[tuple[int, Fault]]:
        for number, fault in self._of_cabinet.get(code, ()):
            lapsed = fault.seconds is not None and fault.name.seconds is None and now > self.put_at + fault.seconds
            used_up = fault.times is not None and self.spent[f"{number}/{code}"] >= fault.times
            if not lapsed and not used_up:
                yield number, fault

    def any_of(self, code: str, name: str | None = None) -> bool:
        return any(name in (None, fault.fault) for _, fault in self._of_cabinet[code])


class FaultsOfCabinet:
    """The faults in force, as one cabinet meets them."""

    def __init__(self, faults: Faults, code: str) -> None:
        self._faults = faults
        self._code = code

    @property
    def put_at(self) -> float:
        return self._faults.put_at

    def named(self, name: str, now: float, where: Callable[[Fault], bool] = lambda _: True) -> Fault | None:
        """The fault, if it stands now."""
        standing = (fault for _, fault in self._faults.hitting(self._code, now))
        return next((fault for fault in standing if fault.fault == name and where(fault)), None)

    def strikes(self, name: str, now: float, where: Callable[[Fault], bool] = lambda _: True) -> Fault | None:
        """The same, and counted."""
        return next(self.striking(name, now, where), None)

    def striking(self, name: str, now: float, where: Callable[[Fault], bool] = lambda _: True) -> Iterator[Fault]:
        """All that stand now under this name, each counted when it comes up."""
        for number, fault in self._faults.hitting(self._code, now):
            if fault.fault == name and where(fault):
                yield self._count(number, fault)

    def has(self, name: str) -> bool:
        """Whether the scenario names this fault for the cabinet, whenever that is."""
        return self._faults.any_of(self._code, name)

    def __bool__(self) -> bool:
        return self._faults.any_of(self._code)

    def _count(self, number: int, fault: Fault) -> Fault:
        if fault.times is not None:
            self._faults.spent[f"{number}/{self._code}"] += 1
        return fault


def _place_of(system: System) -> str:
    """Where a system's own faults are kept, beside the cabinets'. No code begins so."""
    return f"@{system}"


def _drawn(codes: Collection[str], share: float, salt: str) -> list[str]:
    """Rounded up; the same whatever the order of the cabinets."""
    ranked = sorted(codes, key=lambda code: hashlib.sha256(f"{salt}/{code}".encode()).digest())
    return ranked[: math.ceil(round(share * len(ranked), 9))]
