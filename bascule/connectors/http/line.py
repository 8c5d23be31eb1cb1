"""The line to one system: one pool of connections, one pace for all. It carries calls and understands none of them."""

from __future__ import annotations

import asyncio
import logging
import math
import ssl
import time
import uuid
from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from typing import Literal

import httpx

from bascule.connectors.contract import REQUEST_ID
from bascule.connectors.http.pace import Pace
from bascule.errors import (
    RemoteError,
    RemoteRefuses,
    RemoteSilent,
    RemoteThrottles,
    RemoteUnintelligible,
    RemoteUnreachable,
)
from bascule.model import ErrorClass

LONGEST_ANSWER = 64 * 1024 * 1024
"""Bytes, unpacked. GE's lists of 4,000 dossiers are about 2 MiB."""

IDLE = 4.0
"""Seconds that an unused connection is kept. uvicorn closes its own after 5, and a write that meets the closing is in doubt."""

EVERY_CALL = {"Accept": "application/json", "Accept-Encoding": "gzip", "User-Agent": "bascule"}

log = logging.getLogger("bascule.connectors.http")


@dataclass(frozen=True, slots=True, kw_only=True)
class Call:
    """One request. Neither its content nor its headers are ever shown."""

    kind: str
    """Under what it is counted: token, health, observe, act, operation or find."""
    what: str
    """What people call it: the verb, or what is read."""
    method: Literal["GET", "POST"]
    path: str
    """Below the system's base URL, percent-encoded, with its query."""
    headers: Mapping[str, str] = field(default_factory=dict, repr=False)
    content: bytes = field(default=b"", repr=False)

    alone: str = ""
    """A name of its own, for a call that users are waiting for: no pause that another call was told holds it back."""

    @property
    def writes(self) -> bool:
        return self.kind == "act"

    @property
    def is_echoed(self) -> bool:
        """Its answer has to name the request. Those that come before anybody has spoken of the contract need not."""
        return self.kind not in ("token", "health")


@dataclass(frozen=True, slots=True, kw_only=True)
class Answer:
    status: int
    body: bytes = field(repr=False)
    content_type: str
    retry_after: float | None
    """Seconds."""
    is_echoed: bool
    """It names the request that it answers. Where it does not, it may be the answer to another one."""

    @property
    def is_garbled(self) -> bool:
        """It is not what an agent sends: a proxy's page, part of a body, nothing. Whether it is of the contract, who reads it says."""
        whole = self.body[:64].lstrip()[:1] in (b"{", b"[") and self.body[-64:].rstrip()[-1:] in (b"}", b"]")
        return not whole and not 300 <= self.status < 500 and self.retry_after is None


class AnswerCutShort(httpx.RemoteProtocolError):
    """Less came than was announced."""


class AnswerToAnother(httpx.RemoteProtocolError):
    """What came names another request."""


class Line:
    """Every call that fails raises an error of `bascule.errors` that says whether a write may have had an effect."""

    def __init__(
        self,
        name: str,
        base_url: str,
        *,
        pace: Pace,
        max_connections: int,
        connect_timeout: float,
        transport: httpx.AsyncBaseTransport | None = None,
        verify: ssl.SSLContext | Literal[True] = True,
    ) -> None:
        self.name = name
        self.calls: Counter[str] = Counter()
        """Requests sent, by kind of call."""
        self._pace = pace
        self._base_url = checked(base_url, name)
        self._connect_timeout = connect_timeout
        # Our own queue stands before the pool's: it is fair, costs nothing per waiter, and does not time out by itself.
        self._free = asyncio.Semaphore(max_connections)
        self._client = httpx.AsyncClient(
            transport=transport,
            verify=verify,
            follow_redirects=False,  # a token must not travel to where a redirect points
            limits=httpx.Limits(
                max_connections=max_connections, max_keepalive_connections=max_connections, keepalive_expiry=IDLE
            ),
            trust_env=self._base_url.host not in ("localhost", "127.0.0.1", "::1"),  # no proxy leads to this machine
        )

    async def close(self) -> None:
        await self._client.aclose()

    async def carry(self, call: Call, *, deadline: float) -> Answer:
        """Sends the call and brings the answer, whatever it says. `deadline`: of the event loop's clock."""
        sent = False
        try:
            async with asyncio.timeout_at(deadline):
                while True:
                    self._require_patience(call, deadline)
                    await self._pace.wait_out(call.alone)  # without a connection: others may need it who need not wait
                    async with self._free:
                        await self._pace.slot()
                        if not self._pace.pause(call.alone):
                            sent = True
                            return await self._exchange(call, deadline)
        except TimeoutError:
            if sent:
                raise self._silence(call, "did not answer in time") from None
            raise RemoteUnreachable(f"`{call.what}` did not get its turn at {self.name} in time.") from None

    def _require_patience(self, call: Call, deadline: float) -> None:
        if (pause := self._pace.pause(call.alone)) > deadline - asyncio.get_running_loop().time():
            raise RemoteThrottles(
                f"{self.name} asked for patience, longer than `{call.what}` may wait.", retry_after=pause
            )

    async def _exchange(self, call: Call, deadline: float) -> Answer:
        try:
            try:
                answer = await self._once(call, deadline)
                if call.writes or not answer.is_garbled:
                    return answer
            except (httpx.RemoteProtocolError, httpx.ReadError, httpx.WriteError):
                # Most often a pooled connection that the other side was just closing, or on which an answer was left.
                # Reading twice harms nobody.
                if call.writes:
                    raise
            return await self._once(call, deadline)
        except (httpx.TransportError, OSError) as error:
            raise self._failure(call, error) from error

    async def _once(self, call: Call, deadline: float) -> Answer:
        self.calls[call.kind] += 1
        began = time.perf_counter()
        left = max(0.001, deadline - asyncio.get_running_loop().time())
        # A connection that cannot be made is to be noticed as such, a little before the time is up for all.
        timeout = {"connect": min(self._connect_timeout, 0.9 * left), "read": left, "write": left, "pool": left}
        said: object = "no answer"
        response = None
        request = self._request(call, timeout)
        try:
            response = await self._client.send(request, stream=True)
            said = response.status_code
            echoed = response.headers.get(REQUEST_ID)
            body = await self._body(call, response)
            is_another = echoed not in (None, request.headers[REQUEST_ID])
            if is_another or (echoed is None and call.is_echoed):
                # What else waits on this connection answers other requests too.
                await _hang_up(response)
            if is_another:
                raise AnswerToAnother("answered another request", request=request)
            return Answer(
                status=response.status_code,
                body=body,
                content_type=response.headers.get("Content-Type", ""),
                retry_after=patience(response.headers),
                is_echoed=echoed is not None,
            )
        finally:
            if response is not None:
                await response.aclose()
            log.debug(
                "%s %s %s: %s in %.0f ms",
                self.name,
                call.method,
                call.path.partition("?")[0],
                said,
                (time.perf_counter() - began) * 1000,
            )

    def _request(self, call: Call, timeout: Mapping[str, float]) -> httpx.Request:
        # Made here and not by the client, which would add its cookies and costs twice as much.
        return httpx.Request(
            call.method,
            self._base_url.copy_with(raw_path=self._base_url.raw_path.rstrip(b"/") + call.path.encode("ascii")),
            headers={**EVERY_CALL, REQUEST_ID: uuid.uuid4().hex, **call.headers},
            content=call.content,
            extensions={"timeout": timeout},
        )

    async def _body(self, call: Call, response: httpx.Response) -> bytes:
        body = bytearray()
        streamed = not response.is_stream_consumed  # a transport of a test may bring it whole, and uncounted
        try:
            async for part in response.aiter_bytes():
                body += part
                if len(body) > LONGEST_ANSWER:
                    raise self._unintelligible(call, f"an answer of more than {LONGEST_ANSWER >> 20} MiB")
        except httpx.DecodingError as error:
            raise self._unintelligible(call, "an answer that cannot be unpacked") from error
        announced = response.headers.get("Content-Length", "")
        if streamed and announced.isdecimal() and int(announced) != response.num_bytes_downloaded:
            raise AnswerCutShort("cut short", request=response.request)
        return bytes(body)

    def _failure(self, call: Call, error: httpx.TransportError | OSError) -> RemoteError:
        match error:
            case httpx.ConnectError() if is_about_certificates(error):
                return RemoteRefuses(
                    f"{self.name} shows a certificate that is not trusted.",
                    code="untrusted-certificate",
                    error_class=ErrorClass.CONFIG,
                    remedy="Check the URL, and that this machine trusts the authority that issued the certificate.",
                )
            case httpx.ConnectError() | httpx.ConnectTimeout() | httpx.PoolTimeout() | httpx.ProxyError():
                return RemoteUnreachable(
                    f"{self.name} cannot be reached at {self._base_url}.",
                    remedy="Check the URL and that the agent is running; then run again.",
                )
            case httpx.LocalProtocolError():
                return RemoteRefuses(
                    f"`{call.what}` for {self.name} cannot be put into HTTP. Nothing was sent.",
                    code="invalid",
                    error_class=ErrorClass.BUG,
                )
            case httpx.TimeoutException():
                return self._silence(call, "did not answer in time")
            case AnswerCutShort():
                return self._silence(call, "cut its answer short")
            case AnswerToAnother():
                return self._silence(call, "answered another request")
            case _:
                return self._silence(call, "cut the connection")

    def _silence(self, call: Call, what_it_did: str) -> RemoteSilent:
        return RemoteSilent(f"{self.name} was asked `{call.what}` and {what_it_did}.", may_have_acted=call.writes)

    def _unintelligible(self, call: Call, with_what: str) -> RemoteUnintelligible:
        return RemoteUnintelligible(f"{self.name} answered `{call.what}` with {with_what}.", may_have_acted=call.writes)


def checked(base_url: str, name: str) -> httpx.URL:
    try:
        url = httpx.URL(base_url.rstrip("/"))
    except httpx.InvalidURL:
        url = httpx.URL()
    if url.scheme not in ("http", "https") or not url.host:
        raise ValueError(f"{name}: {base_url!r} is not the URL of an agent, such as https://agent.example/ge")
    if url.userinfo or url.query or url.fragment:
        raise ValueError(f"{name}: the URL of an agent holds no credentials, query or fragment")
    return url


async def _hang_up(response: httpx.Response) -> None:
    """Closes the connection under a response, so that the pool gives it to nobody any more."""
    stream = response.extensions.get("network_stream")
    if stream is not None:
        await stream.aclose()


def is_about_certificates(error: BaseException | None) -> bool:
    while error is not None:
        if isinstance(error, ssl.SSLCertVerificationError):
            return True
        error = error.__cause__ or error.__context__
    return False


def patience(headers: Mapping[str, str]) -> float | None:
    """Seconds that a Retry-After asks for: a number, or a date, which is compared to the clock of who sent it."""
    said = headers.get("Retry-After", "")
    try:
        seconds = float(said)
    except ValueError:
        until = http_date(said)
        if until is None:
            return None
        seconds = (until - (http_date(headers.get("Date", "")) or datetime.now(UTC))).total_seconds()
    return max(0.0, seconds) if math.isfinite(seconds) else None


def http_date(text: str) -> datetime | None:
    try:
        instant = parsedate_to_datetime(text)
    except ValueError:
        return None
    return instant if instant.tzinfo else instant.replace(tzinfo=UTC)
