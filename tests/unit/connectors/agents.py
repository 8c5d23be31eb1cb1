"""An agent that answers as a test says, and a remote that speaks to it."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Callable
from typing import Any

import httpx

from bascule.connectors import Order
from bascule.connectors.contract import REQUEST_ID
from bascule.connectors.http import HttpRemote
from bascule.model import Cabinet, System

Said = httpx.Response | Exception | Callable[[httpx.Request], httpx.Response]

CABINET = Cabinet(
    code="C0001",
    name="Cabinet Lefèvre",
    siren="732829320",
    entity="E1",
    admin_email="anne@lefevre.example",
    default_profile="Comptable",
    default_group="Général",
)

CONNECT = Order(
    verb="connect",
    payload={"entity": "E1", "name": "Cabinet Lefèvre", "siren": "732829320", "siret": None},
    key="k1",
    fence=7,
    timeout=5,
)

OPERATION = {"cabinet": "C0001", "id": "o1", "verb": "connect", "key": "k1", "status": "succeeded"}

GE_FACTS: dict[str, Any] = {
    "cabinet": "C0001",
    "taken_at": "2026-12-01T20:00:00Z",
    "key_question": "ABCD-EFGH-IJKL-MNOP",
    "key_entered_at": None,
    "licensed": False,
    "restarted_at": None,
    "tab_visible": False,
    "connected_entity": None,
    "connected_at": None,
    "default_profile": None,
    "default_group": None,
    "wizard_finished": False,
    "returned_at": None,
    "exe_opened_at": None,
    "sql_backup_at": None,
    "mongo_backup_at": None,
    "locked_out_by": None,
    "locked_out_at": None,
    "sessions": [],
    "synchronisation": None,
}


def said(code: str, status: int, **headers: str) -> httpx.Response:
    body = {"errors": [{"code": code, "message": "", "details": {}}]}
    return httpx.Response(status, json=body, headers={name.replace("_", "-"): value for name, value in headers.items()})


class Agent(httpx.AsyncBaseTransport):
    """Gives its answers in order, the last one again and again. Tokens are `token-1`, `token-2`, …, unless told otherwise."""

    def __init__(self, *answers: Said, token: Said | None = None, echoes: bool = True) -> None:
        self.received: list[httpx.Request] = []
        self.tokens_given = 0
        self._answers = list(answers)
        self._echoes = echoes
        self._token = token or self._next_token

    async def handle_async_request(self, request: httpx.Request) -> httpx.Response:
        await asyncio.sleep(0)
        if request.url.path.endswith("/token"):
            self.tokens_given += 1
            return self._give(self._token, request)
        self.received.append(request)
        return self._give(self._answers.pop(0) if len(self._answers) > 1 else self._answers[0], request)

    def _give(self, answer: Said, request: httpx.Request) -> httpx.Response:
        if isinstance(answer, Exception):
            raise answer
        response = answer if isinstance(answer, httpx.Response) else answer(request)
        # What is not JSON comes from something that stands before the agent, and knows nothing of the contract.
        if self._echoes and "json" in response.headers.get("Content-Type", ""):
            response.headers[REQUEST_ID] = request.headers[REQUEST_ID]
        return response

    def _next_token(self, _: httpx.Request) -> httpx.Response:
        body = {"access_token": f"token-{self.tokens_given}", "token_type": "Bearer", "expires_in": 300}
        return httpx.Response(200, json=body)


def ge(agent: httpx.AsyncBaseTransport, **settings: Any) -> HttpRemote:
    settings = {"client_id": "bascule", "secret": lambda: "s3cret", **settings}
    return HttpRemote(System.GE, "https://agent.example/ge", transport=agent, **settings)


def sent(request: httpx.Request) -> Any:
    return json.loads(request.content)
