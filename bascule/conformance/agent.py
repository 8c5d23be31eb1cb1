"""One system of an agent, as the conformance suite speaks to it: leniently, so that one broken promise hides no other."""

from __future__ import annotations

import asyncio
import json
import ssl
import uuid
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from functools import partial
from typing import TYPE_CHECKING, Any, Literal
from urllib.parse import quote, urlencode

import httpx

from bascule.conformance.exchange import Exchange, Kind
from bascule.conformance.verdict import NotTried
from bascule.connectors.contract import REQUEST_ID
from bascule.connectors.http.answers import shown
from bascule.connectors.http.line import LONGEST_ANSWER, patience
from bascule.facts import View
from bascule.model import System

if TYPE_CHECKING:
    from bascule.conformance.drive import Drive

NOBODY = "NOBODY-0-0"
"""A cabinet's code, well formed, that no agent answers for."""

SLOWER = 4
"""How many times longer lists and writes may take than other calls."""

LONGEST_PATIENCE = 60.0
"""Seconds of a `Retry-After` that the suite waits out, and at most so often:"""
PATIENT = 5


@dataclass(frozen=True, kw_only=True)
class CheckRequest:
    """What somebody asks the suite to check, and with what."""

    url: str
    system: System | None = None
    """Which system answers at the URL; None: what `/health` says."""
    cabinet: str | None = None
    other: str | None = None
    """A second cabinet, which is only read."""
    writes: bool = False
    client_id: str = "bascule"
    secret: str | None = field(default=None, repr=False)
    timeout: float = 30.0
    """Seconds until an answer that has not come is missing."""
    long: float = 900.0
    """Seconds that a synchronisation, a validation or a workspace may take."""


@dataclass(frozen=True, kw_only=True)
class Surroundings:
    """Time and network, handed in."""

    now: Callable[[], datetime] = lambda: datetime.now(UTC)
    pause: Callable[[float], Awaitable[None]] = asyncio.sleep
    transport: httpx.AsyncBaseTransport | None = None
    """None: the network."""
    verify: ssl.SSLContext | Literal[True] = True


@dataclass
class Agent:
    """The suite's side of one system. Each call has a connection of its own, so that no answer spoils the next verdict."""

    system: System
    base_url: httpx.URL
    request: CheckRequest
    surroundings: Surroundings
    client: httpx.AsyncClient
    drive: Drive | None = None
    """The writes on the test cabinet, shared by all systems; None: only reads are tried."""
    exchanges: list[Exchange] = field(default_factory=list)
    """Everything that was sent, in order."""
    token: str | None = None
    _token_until: float = 0.0
    _kept: dict[str, Exchange] = field(default_factory=dict)

    @property
    def cabinet(self) -> str:
        if self.request.cabinet is None:
            raise NotTried("no cabinet was named: give --cabinet")
        return self.request.cabinet

    @property
    def has_lists(self) -> bool:
        return self.system is not System.MY_SAGE

    @property
    def facts_view(self) -> View:
        return View(self.system.value.replace("_", "-"))

    @property
    def lists_view(self) -> View:
        if not self.has_lists:
            raise NotTried("My Sage has no lists")
        return View(f"{self.facts_view}-lists")

    # What the contract asks

    async def ask_token(self, form: Mapping[str, str] | None = None) -> Exchange:
        complete = {"grant_type": "client_credentials", "client_id": self.request.client_id}
        if self.request.secret is not None:
            complete["client_secret"] = self.request.secret
        sent = complete if form is None else form
        return await self.send(
            "token",
            "POST",
            "/token",
            headers={"Content-Type": "application/x-www-form-urlencoded"},
            content=urlencode(sent).encode("ascii"),
            shown_as=f"a form with {', '.join(sent) or 'nothing in it'}",
            bearer=None,
        )

    async def granted(self) -> Exchange:
        """The first token's answer, kept."""
        if "token" not in self._kept:
            self._keep_token(await self.ask_token())
        return self._kept["token"]

    def _keep_token(self, exchange: Exchange) -> None:
        self._kept.setdefault("token", exchange)
        token, life = exchange.fields.get("access_token"), exchange.fields.get("expires_in")
        self.token = token if exchange.status == 200 and isinstance(token, str) and is_sendable(token) else None
        seconds = min(life, 86400) if isinstance(life, int | float) and life > 0 else 300
        self._token_until = self.surroundings.now().timestamp() + 0.9 * seconds

    async def bearer(self, *, instead_of: str | None = None) -> str:
        await self.granted()
        if self.token and (instead_of == self.token or self.surroundings.now().timestamp() > self._token_until):
            self._keep_token(await self.ask_token())
        if not self.token:
            raise NotTried("no token was granted")
        return self.token

    async def health(self) -> Exchange:
        if "health" not in self._kept:
            self._kept["health"] = await self.send("health", "GET", "/health", bearer=None)
        return self._kept["health"]

    async def facts(self) -> Exchange:
        """Of the cabinet, read once and kept."""
        if "facts" not in self._kept:
            self._kept["facts"] = await self.read_facts()
        return self._kept["facts"]

    async def readable_facts(self) -> Exchange:
        return _readable(await self.facts(), "facts")

    async def lists(self) -> Exchange:
        """Of the cabinet, read once without compression, and kept."""
        if "lists" not in self._kept:
            self._kept["lists"] = await self.read_lists()
        return self._kept["lists"]

    async def readable_lists(self) -> Exchange:
        return _readable(await self.lists(), "lists")

    async def read_facts(self, cabinet: str | None = None) -> Exchange:
        return await self.get("facts", path_of(cabinet or self.cabinet))

    async def read_lists(self, **headers: str) -> Exchange:
        _ = self.lists_view
        sent = {name.replace("_", "-"): value for name, value in headers.items()}
        return await self.get("lists", path_of(self.cabinet, "lists"), headers={"Accept-Encoding": "identity", **sent})

    async def find(self, key: str, *, fence: int | None = None) -> Exchange:
        headers = {} if fence is None else {"Bascule-Fence": str(fence)}
        path = f"{path_of(self.cabinet, 'operations')}?{urlencode({'key': key})}"
        return await self.get("find", path, headers=headers)

    async def read_operation(self, identifier: str) -> Exchange:
        return await self.get("operation", path_of(self.cabinet, "operations", identifier))

    async def get(self, kind: Kind, path: str, *, headers: Mapping[str, str] | None = None) -> Exchange:
        """Under our token; once more under a new one where it was not accepted."""
        bearer = await self.bearer()
        exchange = await self.send(kind, "GET", path, headers=headers or {}, bearer=bearer)
        if exchange.status == 401:
            exchange = await self.send(
                kind, "GET", path, headers=headers or {}, bearer=await self.bearer(instead_of=bearer)
            )
        return exchange

    async def post(
        self, verb: str, content: bytes, headers: Mapping[str, str], *, bearer: str | None = None
    ) -> Exchange:
        return await self.send(
            "write",
            "POST",
            path_of(self.cabinet, verb),
            headers={"Content-Type": "application/json", **headers},
            content=content,
            shown_as=", ".join((*(f"{name}: {value}" for name, value in headers.items()), content.decode())),
            bearer=bearer or await self.bearer(),
        )

    # How it is sent

    async def send(
        self,
        kind: Kind,
        method: str,
        path: str,
        *,
        bearer: str | None,
        headers: Mapping[str, str] | None = None,
        content: bytes = b"",
        shown_as: str = "",
    ) -> Exchange:
        """Sends it, and again where the agent asks for patience: a request that is answered 429 was not carried out."""
        once = partial(self._once, kind, method, path, bearer, headers or {}, content, shown_as)
        exchange = await once()
        for _ in range(PATIENT):
            wait = patience(httpx.Headers(dict(exchange.headers))) if exchange.status == 429 else None
            if wait is None or wait > LONGEST_PATIENCE:
                break
            await self.surroundings.pause(wait)
            exchange = await once()
        return exchange

    async def _once(
        self,
        kind: Kind,
        method: str,
        path: str,
        bearer: str | None,
        headers: Mapping[str, str],
        content: bytes,
        shown_as: str,
    ) -> Exchange:
        identifier = uuid.uuid4().hex
        within = self.request.timeout * (SLOWER if kind in ("lists", "write") else 1)
        request = httpx.Request(
            method,
            self.base_url.copy_with(raw_path=self.base_url.raw_path.rstrip(b"/") + path.encode("ascii")),
            headers=self.headers(identifier, bearer, headers),
            content=content,
            extensions={"timeout": httpx.Timeout(within).as_dict()},
        )
        line = shown(f"{method} {path}{f', {shown_as}' if shown_as else ''}", 300)
        known: dict[str, Any] = {
            "kind": kind,
            "sent": line,
            "request_id": identifier,
            "sent_at": self.surroundings.now(),
        }
        try:
            async with asyncio.timeout(within):
                known |= await self._answer(request)
        except (httpx.HTTPError, TimeoutError, OSError) as error:
            known["trouble"] = _trouble(error)
        exchange = Exchange(**known, received_at=self.surroundings.now())
        self.exchanges.append(exchange)
        return exchange

    async def _answer(self, request: httpx.Request) -> dict[str, Any]:
        response = await self.client.send(request, stream=True)
        try:
            headers = {name.lower(): value for name, value in response.headers.items()}
            come = {"status": response.status_code, "headers": headers}
            try:
                return {**come, "body": await _body(response)}
            except httpx.HTTPError as error:
                return {**come, "trouble": _trouble(error)}
        finally:
            await response.aclose()

    def headers(self, identifier: str, bearer: str | None, own: Mapping[str, str]) -> dict[str, str]:
        access = {"Authorization": f"Bearer {bearer}"} if bearer else {}
        return {
            "Accept": "application/json",
            "Accept-Encoding": "identity",
            "User-Agent": "bascule-agent-check",
            REQUEST_ID: identifier,
            **access,
            **own,
        }


def path_of(cabinet: str, *parts: str) -> str:
    return "/".join(("/cabinets", *(quote(part, safe="", errors="replace") for part in (cabinet, *parts))))


def to_bytes(payload: object) -> bytes:
    return json.dumps(payload, ensure_ascii=False).encode("utf-8", "replace")


def is_sendable(token: str) -> bool:
    """It can stand in a header, as RFC 6750 has it: visible ASCII, no blank."""
    return bool(token) and all("!" <= letter <= "~" for letter in token)


def _readable(exchange: Exchange, what: str) -> Exchange:
    if exchange.status != 200 or not exchange.fields or exchange.codes:
        raise NotTried(f"the {what} cannot be read")
    return exchange


async def _body(response: httpx.Response) -> bytes:
    body = bytearray()
    async for part in response.aiter_bytes():
        body += part
        if len(body) > LONGEST_ANSWER:
            raise httpx.ReadError(f"it has more than {LONGEST_ANSWER >> 20} MiB")
    return bytes(body)


def _trouble(error: Exception) -> str:
    if isinstance(error, httpx.DecodingError):
        return "what came cannot be unpacked"
    if isinstance(error, TimeoutError | httpx.TimeoutException):
        return "no answer in time"
    if isinstance(error, httpx.ConnectError):
        return "nothing answers"
    return f"the answer was cut: {shown(error)}" if str(error) else "the answer was cut"
