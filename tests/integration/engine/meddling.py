"""Remotes that do, at one call of a cabinet's, what a test wants: before it, or after it and before its answer."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import TypeVar

from bascule.connectors import Basis, Observation, Operation, Order, Remote
from bascule.facts import View
from bascule.model import Cabinet, System

T = TypeVar("T")

Meddle = Callable[[], Awaitable[None]]


@dataclass
class Meddling:
    """`meddle` happens at the `at`-th call, counted over all systems from 1; `told` says what was asked of the remotes."""

    remote: Callable[[Cabinet, System], Remote]
    at: int
    meddle: Meddle
    after: bool = False
    calls: int = 0
    where: str = ""

    def __call__(self, cabinet: Cabinet, system: System) -> Remote:
        return _Meddled(self, self.remote(cabinet, system))

    async def call(self, what: str, ask: Callable[[], Awaitable[T]]) -> T:
        self.calls += 1
        strikes = self.calls == self.at
        if strikes:
            self.where = what
            if not self.after:
                await self.meddle()
        answer = await ask()
        if strikes and self.after:
            await self.meddle()
        return answer


class _Meddled:
    def __init__(self, meddling: Meddling, remote: Remote) -> None:
        self.system = remote.system
        self.live = remote.live
        self._meddling = meddling
        self._remote = remote

    def asks(self, cabinet: Cabinet, verb: str) -> bool:
        return self._remote.asks(cabinet, verb)

    def basis(self, view: View) -> Basis:
        return self._remote.basis(view)

    async def observe(self, cabinet: Cabinet, view: View) -> Observation:
        return await self._meddling.call(f"observe {view}", lambda: self._remote.observe(cabinet, view))

    async def act(self, cabinet: Cabinet, order: Order) -> Operation:
        return await self._meddling.call(order.verb, lambda: self._remote.act(cabinet, order))

    async def operation(self, cabinet: Cabinet, operation_id: str) -> Operation:
        return await self._meddling.call("operation", lambda: self._remote.operation(cabinet, operation_id))

    async def find(self, cabinet: Cabinet, key: str, *, fence: int = 0) -> tuple[Operation, ...]:
        return await self._meddling.call("find", lambda: self._remote.find(cabinet, key, fence=fence))
