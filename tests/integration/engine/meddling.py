"""Remotes that do, at one call of a cabinet's, what a test wants: before it, or after it and before its answer; and processes that die."""

from __future__ import annotations

import os
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from datetime import datetime
from typing import Any, TypeVar

from bascule.connectors import Basis, Observation, Operation, Order, Remote
from bascule.facts import View
from bascule.ledger import Entry, Ledger, Owner, this_process
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


class ForgetfulLedger(Ledger):
    """Loses, as a killed process would at worst, everything that nobody waited for."""

    _unwritten: list[Callable[[], Any]]

    async def record(self, *entries: Entry) -> tuple[Entry, ...]:
        self.write_all()
        return await super().record(*entries)

    def record_later(self, *entries: Entry) -> None:
        self._later(lambda: super(ForgetfulLedger, self).record_later(*entries))

    def outlive(self, cabinet: str, fence: int, until: datetime) -> None:
        self._later(lambda: super(ForgetfulLedger, self).outlive(cabinet, fence, until))

    def let_go(self, cabinet: str, fence: int, now: datetime) -> None:
        self._later(lambda: super(ForgetfulLedger, self).let_go(cabinet, fence, now))

    def _later(self, write: Callable[[], Any]) -> None:
        self.__dict__.setdefault("_unwritten", []).append(write)

    def write_all(self) -> None:
        for write in self.__dict__.pop("_unwritten", []):
            write()


US = this_process()
DEAD = Owner(id="dead", host=US.host, boot=US.boot, pid=os.getpid(), process_started=1)
"""A process that had our number before us: provably dead."""
