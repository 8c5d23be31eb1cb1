"""Agents that are away or ask for patience: for how long a run waits for them, and who asks whether they are back."""

from __future__ import annotations

import asyncio
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta

from bascule.connectors import Agent
from bascule.model import ErrorClass, System


@dataclass
class Outages:
    """The agents of a run. One cabinet asks for all whether an agent is back."""

    agents: Mapping[System, Agent] = field(default_factory=dict)
    waited_for: dict[System, datetime] = field(default_factory=dict)
    """The agents that cabinets wait for now, and since when they were found away."""
    _since: dict[System, datetime] = field(default_factory=dict)
    _asked: dict[System, tuple[datetime, bool]] = field(default_factory=dict)
    _asking: asyncio.Lock = field(default_factory=asyncio.Lock)

    def away(self, systems: Iterable[System]) -> System | None:
        """The first of these whose agent answers nobody, as far as anything was asked of it."""
        return next((system for system in systems if (agent := self.agents.get(system)) and agent.is_away), None)

    def since(self, system: System, now: datetime) -> datetime:
        """Since when an agent that is away is known to be: now, unless it was before and nobody was answered in between."""
        return self._since.setdefault(system, now)

    def is_over(self, system: System) -> bool:
        """Somebody was answered again; the next outage is another one."""
        if self.away([system]) is not None:
            return False
        self._since.pop(system, None)
        return True

    def paused(self, systems: Iterable[System]) -> tuple[System, float] | None:
        """Which of these asks longest that ordinary work stays away, and for how many seconds more."""
        pauses = [(agent.pause(), system) for system in systems if (agent := self.agents.get(system))]
        seconds, system = max(pauses, default=(0.0, System.GE))
        return (system, seconds) if seconds else None

    async def is_back(self, system: System, now: datetime, every: float) -> bool:
        """Whether it says anything when asked how it is; asked at most once in so many seconds, whoever wants to know."""
        async with self._asking:
            at, answered = self._asked.get(system, (now - timedelta(days=1), False))
            if not timedelta() <= now - at < timedelta(seconds=every):
                error = (await self.agents[system].health()).error
                answered = error is None or error.error_class is not ErrorClass.TRANSIENT
                self._asked[system] = now, answered
            return answered
