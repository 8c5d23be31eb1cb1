"""A workplace at a sandbox in this process, for tests of what people do there."""

from __future__ import annotations

import asyncio
from typing import Any

import httpx

from console.workplace import Workplace
from sandbox.app import create_app
from tests.unit.sandbox.conftest import world


class InThisProcess(httpx.BaseTransport):
    def __init__(self, app: Any) -> None:
        self._app = httpx.ASGITransport(app)

    def handle_request(self, request: httpx.Request) -> httpx.Response:
        async def answered() -> httpx.Response:
            answer = await self._app.handle_async_request(request)
            return httpx.Response(answer.status_code, headers=answer.headers, content=await answer.aread())

        return asyncio.run(answered())


class Place:
    """A workplace, and what testers may ask of the same sandbox."""

    def __init__(self, *codes: str, **scenario: Any) -> None:
        app = create_app(world(*codes), {"sync_seconds": 0.05, **scenario})
        self._sandbox = app.state.sandbox
        self.tester = httpx.Client(transport=InThisProcess(app), base_url="http://sandbox")
        self.workplace = Workplace(self.tester)

    def faults(self, *faults: dict[str, Any]) -> None:
        answer = self.tester.put("/sandbox/faults", json={"sync_seconds": 0.05, "faults": list(faults)})
        assert answer.status_code == 200, answer.text

    def journal(self) -> list[dict[str, Any]]:
        journal: list[dict[str, Any]] = self.tester.get("/sandbox/journal").json()
        return journal

    def applied(self) -> list[str]:
        return [entry["verb"] for entry in self.journal() if entry["outcome"] == "applied"]

    def state(self, code: str = "C0001") -> dict[str, Any]:
        state: dict[str, Any] = self.tester.get(f"/sandbox/state/{code}").json()
        return state

    def lists(self, system: str, code: str = "C0001") -> bytes:
        """As the contract tells them."""
        body: bytes = self._sandbox.lists(self._sandbox.cabinets[code], system, gzip=False).body
        return body
