"""The sandbox as an agent, in process, with a clock that no test waits for."""

from __future__ import annotations

import time
from collections.abc import Callable
from datetime import UTC, datetime
from typing import Any

import httpx

from bascule.conformance import CheckRequest, CheckResult, Surroundings, check_agent
from sandbox.app import create_app
from tests.contract.conftest import CABINETS, world

CABINET, OTHER = (cabinet.code for cabinet in CABINETS)

Wrap = Callable[[httpx.AsyncBaseTransport], httpx.AsyncBaseTransport]


class Clock:
    """The sandbox's and the suite's: to wait is to put it forward."""

    def __init__(self) -> None:
        self.ahead = 0.0

    def __call__(self) -> float:
        return time.time() + self.ahead

    def now(self) -> datetime:
        return datetime.fromtimestamp(self(), UTC)

    async def pause(self, seconds: float) -> None:
        self.ahead += seconds


async def checked(
    wrap: Wrap = lambda transport: transport, *, honour_keys: bool = True, faults: tuple[Any, ...] = (), **asked: Any
) -> CheckResult:
    """The sandbox, checked, with a defect between."""
    clock = Clock()
    scenario = {"sync_seconds": 2, "honour_keys": honour_keys, "faults": faults}
    transport = wrap(httpx.ASGITransport(create_app(world(), scenario, clock=clock)))
    request = CheckRequest(**{"url": "http://localhost", "cabinet": CABINET, "long": 20, **asked})
    return await check_agent(request, Surroundings(now=clock.now, pause=clock.pause, transport=transport))
