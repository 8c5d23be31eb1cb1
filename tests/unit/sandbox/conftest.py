"""A sandbox in process with a clock that is put forward by hand, and a person who walks its road."""

from __future__ import annotations

import itertools
from collections.abc import AsyncIterator, Callable
from dataclasses import dataclass, field
from typing import Any

import httpx
import pytest

from sandbox.app import BASES, create_app
from sandbox.scenario import FAULTS
from sandbox.verbs import VERBS

CODE = "C0001"


def line(code: str = CODE, **changes: Any) -> dict[str, Any]:
    mail = f"{code.lower()}.example"
    return {
        "code": code,
        "name": f"Cabinet Éon {code}",
        "siren": "732829320",
        "siret": None,
        "entity": f"ENT-{code}",
        "admin_email": f"claire.martin@{mail}",
        "default_profile": "Collaborateur confirmé",
        "default_group": "Portefeuille général",
        "contact_email": None,
        "terms_signatory": "Claire Martin",
        "timezone": "Europe/Paris",
        "users": [{"email": f"paul.durand@{mail}", "collaborateur": "PDURAN", "role": "gestionnaire"}],
        "assignments": [{"client": "Boulangerie du Pont", "email": f"paul.durand@{mail}"}],
        "size": "small",
        **changes,
    }


def world(*codes: str) -> dict[str, Any]:
    return {"seed": 7, "cabinets": [line(code) for code in codes or (CODE,)]}


def hits_others(fault: dict[str, Any]) -> bool:
    return "share" in fault or FAULTS[fault["fault"]].sort == "system"


@dataclass
class Time:
    now: float = 1_800_000_000.0

    def __call__(self) -> float:
        return self.now

    def passes(self, seconds: float) -> None:
        self.now += seconds


@dataclass
class Road:
    """What a pipeline would do with one sandbox, a call at a time."""

    tester: httpx.AsyncClient
    time: Time
    code: str = CODE
    fence: int = 1
    tokens: dict[str, str] = field(default_factory=dict)
    keys: Any = field(default_factory=itertools.count)

    async def call(self, method: str, system: str, path: str, **more: Any) -> httpx.Response:
        base = BASES[system]  # type: ignore[index] # the three words
        if base not in self.tokens:
            form = {"grant_type": "client_credentials", "client_id": "tests"}
            self.tokens[base] = (await self.tester.post(f"{base}/token", data=form)).json()["access_token"]
        headers = {"Authorization": f"Bearer {self.tokens[base]}", **more.pop("headers", {})}
        return await self.tester.request(method, f"{base}/cabinets/{self.code}{path}", headers=headers, **more)

    async def write(self, verb: str, *, key: str = "", fence: int | None = None, **payload: Any) -> httpx.Response:
        headers = {"Idempotency-Key": key or f"key-{next(self.keys)}", "Bascule-Fence": str(fence or self.fence)}
        payload = payload or self.usual(verb)
        return await self.call("POST", VERBS[verb].system, f"/{verb}", headers=headers, json=payload)

    def usual(self, verb: str) -> dict[str, Any]:
        cabinet = line(self.code)
        question = {"question": self._question} if hasattr(self, "_question") else {}
        return {
            "admin-sage": {"email": cabinet["admin_email"]},
            "compute-key": question,
            "enter-key": question,
            "connect": {name: cabinet[name] for name in ("entity", "name", "siren", "siret")},
            "defaults": {"profile": cabinet["default_profile"], "group": cabinet["default_group"]},
            "sign-up": {"name": cabinet["name"], "siren": cabinet["siren"], "email": cabinet["admin_email"]},
            "terms": {"signatory": cabinet["terms_signatory"]},
            "users": {"users": cabinet["users"]},
            "assignments": {"assignments": cabinet["assignments"]},
        }.get(verb, {})

    async def facts(self, system: str) -> dict[str, Any]:
        facts: dict[str, Any] = (await self.call("GET", system, "")).json()
        return facts

    async def lists(self, system: str) -> dict[str, Any]:
        lists: dict[str, Any] = (await self.call("GET", system, "/lists")).json()
        return lists

    async def walk(self, *, until: str) -> None:
        """Every write of the procedure before this one, each accepted."""
        self._question = (await self.facts("ge"))["key_question"]
        for verb in ROAD[: ROAD.index(until)]:
            answer = await self.write(verb)
            assert answer.status_code in (200, 202), f"{verb}: {answer.text}"
            self.time.passes(1)

    async def faults(self, *faults: dict[str, Any], **scenario: Any) -> None:
        full = [fault if hits_others(fault) else {"cabinets": [self.code], **fault} for fault in faults]
        answer = await self.tester.put("/sandbox/faults", json={"faults": full, **scenario})
        assert answer.status_code == 200, answer.text

    async def journal(self) -> list[dict[str, Any]]:
        journal: list[dict[str, Any]] = (await self.tester.get("/sandbox/journal")).json()
        return journal

    async def outcomes(self, verb: str) -> list[str]:
        return [entry["outcome"] for entry in await self.journal() if entry["verb"] == verb]

    async def state(self) -> dict[str, Any]:
        state: dict[str, Any] = (await self.tester.get(f"/sandbox/state/{self.code}")).json()
        return state

    async def found(self, key: str, system: str = "ge") -> list[dict[str, Any]]:
        answer = await self.call("GET", system, "/operations", params={"key": key})
        found: list[dict[str, Any]] = answer.json()["operations"]
        return found


ROAD = (
    "admin-sage", "compute-key", "enter-key", "restart", "connect", "defaults", "sign-up", "billing", "terms",
    "return-to-ge", "open-exe", "backup", "lock-out", "synchronise", "reopen", "users", "assignments", "the end",
)  # fmt: skip

Opened = Callable[..., Road]


@pytest.fixture
async def open_sandbox() -> AsyncIterator[Opened]:
    clients: list[httpx.AsyncClient] = []

    def opened(document: object = None, *, time: Time | None = None, **options: Any) -> Road:
        time = time or Time()
        app = create_app(document or world(), clock=time, **options)
        clients.append(httpx.AsyncClient(transport=httpx.ASGITransport(app), base_url="http://sandbox"))
        return Road(clients[-1], time)

    yield opened
    for client in clients:
        await client.aclose()


@pytest.fixture
def road(open_sandbox: Opened) -> Road:
    return open_sandbox()


def code_of(answer: httpx.Response) -> str:
    code: str = answer.json()["errors"][0]["code"]
    return code
