"""Who starts next. Slots slide: whoever ends makes room for one more, and nobody waits for a batch to be over."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import timedelta
from zoneinfo import ZoneInfo

from bascule.errors import BasculeError
from bascule.inventory.waves import Limits
from bascule.model import Cabinet, System
from bascule.waves.choosing import did_you_mean


class PriorityUnknown(BasculeError):
    """The wave's `priority` names a cabinet that is not in the wave."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Planned:
    """A cabinet of a wave, as far as starting it goes."""

    code: str
    zone: ZoneInfo
    site: str | None = None
    systems: frozenset[System] = frozenset()
    """The systems on which it counts against the limits: those that an agent answers for."""
    expected: timedelta = timedelta()
    """What must still fit before its window closes for it to start; nothing if it may start at any time."""
    traits: Mapping[str, str | None] = field(default_factory=dict)
    """What it may have in common with others when it fails: entity, owner ..."""


@dataclass(frozen=True, slots=True)
class Chosen:
    start: tuple[str, ...]
    held: Mapping[str, str]
    """By code, which limit keeps one from starting; of the others there is no slot left."""


def in_order(cabinets: Sequence[Cabinet], priority: Sequence[str], wave: str) -> tuple[Cabinet, ...]:
    """The order in which a wave takes its cabinets: those of `priority`, then the others as the inventory has them. Raises PriorityUnknown."""
    by_code = {cabinet.code: cabinet for cabinet in cabinets}
    if unknown := next((code for code in priority if code not in by_code), None):
        raise PriorityUnknown(
            f"The `priority` of wave {wave!r} names {unknown}, which is not in the wave{did_you_mean(unknown, by_code)}",
            remedy="correct `priority`, or the cabinet's wave in the inventory",
        )
    return tuple(by_code[code] for code in dict.fromkeys([*priority, *by_code]))


def next_to_start(
    waiting: Sequence[Planned],
    in_flight: Sequence[Planned],
    *,
    slots: int,
    limits: Limits | None = None,
    priority: Sequence[str] = (),
) -> Chosen:
    """Who of those waiting, in the wave's order, takes the free slots.

    Those of `priority` come first. Then, slot by slot, comes the site with the fewest in flight, so that a large site does
    not keep the small ones waiting; within a site, and between sites alike, the order of the wave decides.
    """
    sites = Counter(cabinet.site for cabinet in in_flight)
    systems = Counter(system for cabinet in in_flight for system in cabinet.systems)
    limits = limits or Limits()
    queue = list(waiting)
    start: list[str] = []

    def full(cabinet: Planned) -> str:
        if limits.site and cabinet.site and sites[cabinet.site] >= limits.site:
            return f"site {cabinet.site} has its {limits.site} in flight"
        for system in sorted(cabinet.systems):
            most = getattr(limits, system.value)
            if most and systems[system] >= most:
                return f"{system.value} has its {most} in flight"
        return ""

    while queue and len(in_flight) + len(start) < slots:
        free = [cabinet for cabinet in queue if not full(cabinet)]
        if not free:
            break
        # min() takes the first of equals, which is the wave's order.
        chosen = min(free, key=lambda one: (0, 0) if one.code in priority else (1, sites[one.site]))
        queue.remove(chosen)
        start.append(chosen.code)
        sites[chosen.site] += 1
        systems.update(chosen.systems)
    return Chosen(tuple(start), {cabinet.code: why for cabinet in queue if (why := full(cabinet))})
