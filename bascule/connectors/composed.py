"""A system that is read by one connector and acted on by another."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from datetime import datetime

from bascule.connectors import Basis, Observation, Operation, Order, Remote
from bascule.errors import RemoteRefuses
from bascule.facts import S4aFacts, S4aLists, View
from bascule.model import Cabinet, System

LISTS = (View.GE_LISTS, View.S4A_LISTS)


@dataclass(frozen=True, kw_only=True)
class ComposedRemote:
    """`Remote`, put together: who reads the cheap views, who reads lists, who acts, and which people are asked."""

    system: System
    acts: Remote
    reads: Remote
    reads_lists: Remote
    people: Remote
    asks_for: frozenset[str]
    """The writes for which people are asked; the others are `acts`'s."""
    synchronised_by_agent: Callable[[Cabinet], bool] = lambda cabinet: False
    """Whether a synchronisation was sent to an agent: then only lists exported since can tell that S4A has received it."""

    @property
    def live(self) -> bool:
        return self.reads.live

    def asks(self, cabinet: Cabinet, verb: str) -> bool:
        return verb in self.asks_for

    def basis(self, view: View) -> Basis:
        return (self.reads_lists if view in LISTS else self.reads).basis(view)

    async def observe(self, cabinet: Cabinet, view: View) -> Observation:
        if view in LISTS:
            return await self.reads_lists.observe(cabinet, view)
        seen = await self.reads.observe(cabinet, view)
        if isinstance(seen, S4aFacts) and not self.live and self.synchronised_by_agent(cabinet):
            return replace(seen, synchronised_at=await self._filled_at(cabinet))
        return seen

    async def act(self, cabinet: Cabinet, order: Order) -> Operation:
        return await (self.people if order.verb in self.asks_for else self.acts).act(cabinet, order)

    async def operation(self, cabinet: Cabinet, operation_id: str) -> Operation:
        try:
            return await self.people.operation(cabinet, operation_id)
        except RemoteRefuses:
            if self.acts is self.people:
                raise
            return await self.acts.operation(cabinet, operation_id)

    async def find(self, cabinet: Cabinet, key: str, *, fence: int = 0) -> tuple[Operation, ...]:
        asked = await self.people.find(cabinet, key, fence=fence)
        return asked if asked or self.acts is self.people else await self.acts.find(cabinet, key, fence=fence)

    async def _filled_at(self, cabinet: Cabinet) -> datetime | None:
        """When lists were exported that hold dossiers. Raises what keeps them from being read: somebody has to export them."""
        lists = await self.reads_lists.observe(cabinet, View.S4A_LISTS)
        return lists.taken_at if isinstance(lists, S4aLists) and lists.dossiers else None
