"""Every implementation of `Remote`, standing before the same small world."""

from __future__ import annotations

import time
from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import AbstractAsyncContextManager, AsyncExitStack, asynccontextmanager
from dataclasses import dataclass, field
from typing import Any

import httpx
import pytest

from bascule.connectors import Observation, Operation, Order, Remote
from bascule.connectors.contract import verb_named
from bascule.connectors.http import HttpRemote, Timeouts
from bascule.connectors.openapi import served_as
from bascule.facts import GeFacts, View
from bascule.model import Cabinet, System
from sandbox.app import create_app

CABINETS = tuple(
    Cabinet(
        code=code,
        name=name,
        siren=siren,
        entity="CAB",
        admin_email=email,
        default_profile="Collaborateur",
        default_group="Général",
        terms_signatory="Anne Lefèvre",
    )
    for code, name, siren, email in (
        ("C0001", "Cabinet Lefèvre", "732829320", "anne@lefevre.example"),
        ("C0002", "Cabinet Œuvrard", "552100554", "marc@oeuvrard.example"),
    )
)

CLIENT = "D-1"
COLLEAGUE = {"email": "paul@lefevre.example", "collaborateur": "PAUL", "role": "collaborateur"}


def world() -> dict[str, Any]:
    named = ("code", "name", "siren", "entity", "admin_email", "default_profile", "default_group", "terms_signatory")
    lines = [{name: getattr(cabinet, name) for name in named} for cabinet in CABINETS]
    people = {"users": [COLLEAGUE], "assignments": [{"client": CLIENT, "email": COLLEAGUE["email"]}]}
    return {"seed": 7, "cabinets": [{**line, **people, "size": "small"} for line in lines]}


class Clock:
    """The sandbox's: it can be put forward."""

    def __init__(self) -> None:
        self.ahead = 0.0

    def __call__(self) -> float:
        return time.time() + self.ahead


class Recorder(httpx.AsyncBaseTransport):
    """Keeps what passes: each request, and the answer to it."""

    def __init__(self, inner: httpx.AsyncBaseTransport) -> None:
        self.passed: list[tuple[httpx.Request, httpx.Response]] = []
        self._inner = inner

    async def handle_async_request(self, request: httpx.Request) -> httpx.Response:
        answer = await self._inner.handle_async_request(request)
        unpacked = await answer.aread()
        for name in ("content-encoding", "content-length"):
            answer.headers.pop(name, None)
        copy = httpx.Response(answer.status_code, headers=answer.headers, content=unpacked)
        self.passed.append((request, copy))
        return copy


@dataclass
class Stage:
    """A world, and the remotes of one implementation that stand before it."""

    remotes: Mapping[System, Remote]
    tester: httpx.AsyncClient
    clock: Clock
    recorder: Recorder
    fence: int = 1
    keys: int = field(default=0, init=False)

    async def observe(self, view: View, cabinet: Cabinet = CABINETS[0]) -> Observation:
        return await self.remotes[view.system].observe(cabinet, view)

    async def act(self, verb: str, cabinet: Cabinet = CABINETS[0], **payload: Any) -> Operation:
        return await self.remotes[verb_named[verb].system].act(cabinet, self.order(verb, **payload))

    def order(self, verb: str, **payload: Any) -> Order:
        self.keys += 1
        return Order(verb=verb, payload=payload, key=f"key-{self.keys}", fence=self.fence, timeout=1.0)

    async def faults(self, *faults: dict[str, Any]) -> None:
        (await self.tester.put("/sandbox/faults", json={"faults": faults})).raise_for_status()

    async def journal(self) -> list[dict[str, Any]]:
        journal: list[dict[str, Any]] = (await self.tester.get("/sandbox/journal")).json()
        return journal

    async def walk(self, cabinet: Cabinet = CABINETS[0], *, until: str | None = None) -> None:
        """Carries the cabinet through the procedure, up to and without this verb."""
        for verb, payload in await self._road(cabinet):
            if verb == until:
                return
            await self.act(verb, cabinet, **payload)
            self.clock.ahead += 60  # whatever takes time is over

    async def _road(self, cabinet: Cabinet) -> list[tuple[str, dict[str, Any]]]:
        facts = await self.observe(View.GE, cabinet)
        assert isinstance(facts, GeFacts)
        question = {"question": facts.key_question}
        return [
            ("admin-sage", {"email": cabinet.admin_email}),
            ("compute-key", question),
            ("enter-key", question),
            ("restart", {}),
            ("connect", {"entity": cabinet.entity, "name": cabinet.name, "siren": cabinet.siren, "siret": None}),
            ("defaults", {"profile": cabinet.default_profile, "group": cabinet.default_group}),
            ("sign-up", {"name": cabinet.name, "siren": cabinet.siren, "email": cabinet.admin_email}),
            ("billing", {}),
            ("terms", {"signatory": cabinet.terms_signatory}),
            ("return-to-ge", {}),
            ("open-exe", {}),
            ("backup", {}),
            ("lock-out", {}),
            ("synchronise", {}),
            ("reopen", {}),
            ("users", {"users": [COLLEAGUE]}),
            ("assignments", {"assignments": [{"client": CLIENT, "email": COLLEAGUE["email"]}]}),
        ]


@asynccontextmanager
async def over_http(transport: httpx.AsyncBaseTransport) -> AsyncIterator[Mapping[System, Remote]]:
    async with AsyncExitStack() as open_ones:
        remotes: dict[System, Remote] = {}
        for system in System:
            remote = HttpRemote(
                system,
                f"http://sandbox/{served_as(system)}",
                client_id="bascule",
                transport=transport,
                timeouts=Timeouts(answer=2, lists=5),
            )
            remotes[system] = await open_ones.enter_async_context(remote)
        yield remotes


Opened = Callable[[httpx.AsyncBaseTransport], AbstractAsyncContextManager[Mapping[System, Remote]]]

IMPLEMENTATIONS: Mapping[str, Opened] = {"http": over_http}


@pytest.fixture(params=IMPLEMENTATIONS)
async def stage(request: pytest.FixtureRequest) -> AsyncIterator[Stage]:
    clock = Clock()
    app = create_app(world(), {"sync_seconds": 0.5}, clock=clock)
    recorder = Recorder(httpx.ASGITransport(app))
    async with (
        httpx.AsyncClient(transport=httpx.ASGITransport(app), base_url="http://sandbox") as tester,
        IMPLEMENTATIONS[request.param](recorder) as remotes,
    ):
        yield Stage(remotes, tester, clock, recorder)
