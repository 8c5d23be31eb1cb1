"""What the engine asks of a system, put as calls of the contract."""

from __future__ import annotations

import asyncio
import contextlib
import re
import ssl
import time
from collections import Counter
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from types import TracebackType
from typing import Any, Literal, Self, TypeVar, cast
from urllib.parse import quote, urlencode

import httpx
from pydantic import TypeAdapter, ValidationError

from bascule.connectors import Basis, Health, Observation, Operation, Order, users_wait
from bascule.connectors.contract import VERSION, AgentOperation, HealthBody, Operations, Token, error_coded, verb_named
from bascule.connectors.http.answers import adapter, meaning, shown, strangeness
from bascule.connectors.http.bearer import Bearer, Held
from bascule.connectors.http.line import Answer, Call, Line
from bascule.connectors.http.pace import Pace
from bascule.errors import (
    RemoteDenies,
    RemoteError,
    RemoteFailing,
    RemoteRefuses,
    RemoteThrottles,
    RemoteUnintelligible,
    RemoteUnreachable,
)
from bascule.facts import View, type_of_view
from bascule.model import Cabinet, ErrorClass, System

T = TypeVar("T")

NAMES = {system: system.display_name for system in System}

SKEW = timedelta(seconds=30)
"""By how much an agent's clock may differ from ours before the doctor says so."""


NOBODY = "@bascule-doctor"
"""No cabinet's code begins so."""

LETS_IN = frozenset({"reopen"})
"""Writes that users are waiting for."""

SENDABLE = re.compile(r"[!-~]+")
"""What a token must be made of to stand in a header: ASCII that shows, without blanks."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Timeouts:
    """Seconds, each for the whole of a call: its turn in the queue, its token, its answer. A write has its order's own."""

    connect: float = 5.0
    answer: float = 30.0
    lists: float = 120.0


class HttpRemote:
    """A `Remote`. It asks, reads and says what happened; whether to try again is for the engine to decide.

    Two calls are repeated here, because they cannot have had an effect: one that the remote did not carry out for want of
    a valid token, and a read that met a connection just being closed.
    """

    live = True

    def __init__(
        self,
        system: System,
        base_url: str,
        *,
        client_id: str,
        secret: Callable[[], str] | None = None,
        transport: httpx.AsyncBaseTransport | None = None,
        max_connections: int = 20,
        rate: float | None = None,
        timeouts: Timeouts | None = None,
        verify: ssl.SSLContext | Literal[True] = True,
        now: Callable[[], datetime] = lambda: datetime.now(UTC),
        clock: Callable[[], float] = time.monotonic,
        sleep: Callable[[float], Awaitable[None]] = asyncio.sleep,
    ) -> None:
        """`secret` is asked each time a token is fetched, and not kept. `rate`: calls a second, None for no limit.
        `clock` and `sleep`: by which pauses are waited out.

        Raises ValueError for a base URL that cannot be an agent's.
        """
        self.system = system
        self._name = NAMES[system]
        self._client_id = client_id
        self._secret = secret
        self._timeouts = timeouts or Timeouts()
        self._now = now
        self._pace = Pace(rate, clock=clock, sleep=sleep)
        self._bearer = Bearer(self._fetch_token)
        self._is_away = False
        self._line = Line(
            self._name,
            base_url,
            pace=self._pace,
            max_connections=max_connections,
            connect_timeout=self._timeouts.connect,
            transport=transport,
            verify=verify,
        )

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        await self.close()

    async def close(self) -> None:
        await self._line.close()

    @property
    def calls(self) -> Counter[str]:
        """Requests sent so far, by kind: token, health, observe, act, operation, find."""
        return self._line.calls

    def asks(self, cabinet: Cabinet, verb: str) -> bool:
        return False

    @property
    def is_away(self) -> bool:
        """Nothing that was asked of any cabinet was answered since something was last left without an answer."""
        return self._is_away

    def pause(self) -> float:
        """Seconds for which it asks that ordinary work stays away."""
        return self._pace.pause()

    def share_among(self, parties: int) -> None:
        """So many processes ask this system: each keeps to its part of the rate."""
        self._pace.share_among(parties)

    def basis(self, view: View) -> Basis:
        return Basis.AGENT

    async def observe(self, cabinet: Cabinet, view: View) -> Observation:
        lists = view in (View.GE_LISTS, View.S4A_LISTS)
        call = Call(
            kind="observe",
            what=f"observe {view}",
            method="GET",
            path=_path(cabinet, "lists") if lists else _path(cabinet),
            alone=f"{cabinet.code} observe {view}" if users_wait.get() else "",
        )
        within = self._timeouts.lists if lists else self._timeouts.answer
        observation = cast("Observation", await self._ask(call, type_of_view[view], within=within))
        if observation.cabinet != cabinet.code:
            raise self._stranger(call, "another cabinet")
        return observation

    async def act(self, cabinet: Cabinet, order: Order) -> Operation:
        call = Call(
            kind="act",
            what=order.verb,
            method="POST",
            path=_path(cabinet, order.verb),
            headers={
                "Content-Type": "application/json",
                "Idempotency-Key": order.key,
                "Bascule-Fence": str(order.fence),
            },
            content=self._payload(order),
            alone=f"{cabinet.code} {order.verb}" if order.verb in LETS_IN else "",
        )
        operation = await self._ask(call, AgentOperation, within=order.timeout)
        if (operation.cabinet, operation.verb, operation.key) != (cabinet.code, order.verb, order.key):
            raise self._stranger(call, "another order")
        return self._known(operation, call)

    async def operation(self, cabinet: Cabinet, operation_id: str) -> Operation:
        call = Call(
            kind="operation",
            what="read the operation",
            method="GET",
            path=_path(cabinet, "operations", operation_id),
            alone=f"{cabinet.code} {operation_id}",
        )
        operation = await self._ask(call, AgentOperation, within=self._timeouts.answer)
        if (operation.cabinet, operation.id) != (cabinet.code, operation_id):
            raise self._stranger(call, "another operation")
        return self._known(operation, call)

    async def find(self, cabinet: Cabinet, key: str, *, fence: int = 0) -> tuple[Operation, ...]:
        call = Call(
            kind="find",
            what="find the operation",
            method="GET",
            path=f"{_path(cabinet, 'operations')}?{urlencode({'key': key})}",
            headers={"Bascule-Fence": str(fence)},
            alone=f"{cabinet.code} find {key}",
        )
        found = await self._ask(call, Operations, within=self._timeouts.answer)
        whose = {(found.cabinet, key), *((operation.cabinet, operation.key) for operation in found.operations)}
        if whose != {(cabinet.code, key)}:
            raise self._stranger(call, "another cabinet or key")
        return tuple(self._known(operation, call) for operation in found.operations)

    async def health(self) -> Health:
        """Whether the agent is there, is the right one, speaks our contract, has the right time and accepts us."""
        asked_at = self._now()
        try:
            call = Call(kind="health", what="health", method="GET", path="/health", alone="health")
            body = await self._exchange(call, HealthBody, deadline=_in(self._timeouts.answer))
        except RemoteError as error:
            return Health(self.system, ok=False, says=_with_remedy(error), error=error)
        apart = body.time - asked_at
        took = self._now() - asked_at
        if body.system is not self.system:
            says = f"{NAMES[body.system]} answers at the URL that is set for {self._name}."
        elif body.contract != VERSION:
            says = f"{self._name} speaks version {shown(body.contract)!r} of the contract, Bascule {VERSION!r}."
        elif not -SKEW <= apart <= SKEW + took:
            says = f"The clock of {self._name} is {abs(apart.total_seconds()):.0f} s {'behind' if apart < timedelta() else 'ahead of'} ours."
        else:
            try:
                await self._try_token()
            except RemoteError as error:
                return Health(self.system, ok=False, says=_with_remedy(error), clock=body.time, error=error)
            return Health(self.system, ok=True, says=f"answers, contract {VERSION}", clock=body.time)
        return Health(self.system, ok=False, says=says, clock=body.time)

    async def _try_token(self) -> None:
        """Fetches a token and asks what needs one, of a cabinet that nobody has: any word of the contract but a denial is good."""
        call = Call(
            kind="health",
            what="find an operation",
            method="GET",
            path=f"/cabinets/{NOBODY}/operations?{urlencode({'key': NOBODY})}",
            alone="health",
        )
        with contextlib.suppress(RemoteRefuses):
            await self._under_token(call, Operations, deadline=_in(self._timeouts.answer))

    async def _ask(self, call: Call, wanted: type[T], *, within: float) -> T:
        try:
            answer = await self._under_token(call, wanted, deadline=_in(within))
        except RemoteError as error:
            if error.error_class is not ErrorClass.THROTTLED:  # it may not even have been asked
                self._is_away = error.error_class is ErrorClass.TRANSIENT
            raise
        self._is_away = False
        return answer

    async def _under_token(self, call: Call, wanted: type[T], *, deadline: float) -> T:
        """Asks under our token; under a new one where the remote did not accept it, and then nothing was done.

        All cabinets share a token, so the next may have been refused as well before we got it: only one that was fetched
        since our first refusal is a new one.
        """
        refused_at: int | None = None
        held = await self._token(deadline)
        while True:
            try:
                return await self._exchange(_bearing(held.token, call), wanted, deadline=deadline)
            except RemoteDenies as denied:
                if (
                    denied.code != "unauthorised"
                    or denied.may_have_acted
                    or (refused_at is not None and held.number > refused_at)
                ):
                    raise
            refused_at = self._bearer.fetches if refused_at is None else refused_at
            held = await self._token(deadline, instead_of=held.token)

    async def _exchange(self, call: Call, wanted: type[T], *, deadline: float) -> T:
        answer = await self._line.carry(call, deadline=deadline)
        return self._understood(answer, wanted, call)

    def _understood(self, answer: Answer, wanted: type[T], call: Call) -> T:
        try:
            return meaning(answer, wanted, call=call, name=self._name)
        except (RemoteThrottles, RemoteFailing) as patience:
            if patience.retry_after is not None:
                self._pace.stay_away(patience.retry_after, call.alone)
            raise

    async def _token(self, deadline: float, *, instead_of: str | None = None) -> Held:
        try:
            async with asyncio.timeout_at(deadline):
                return await self._bearer.token(instead_of=instead_of)
        except TimeoutError:
            raise RemoteUnreachable(f"{self._name} did not give a token in time.") from None

    async def _fetch_token(self) -> Token:
        form = {"grant_type": "client_credentials", "client_id": self._client_id}
        if self._secret is not None:
            form["client_secret"] = self._secret()
        call = Call(
            kind="token",
            what="token",
            method="POST",
            path="/token",
            headers={"Content-Type": "application/x-www-form-urlencoded"},
            content=urlencode(form).encode("ascii"),
            alone="token",
        )
        answer = await self._line.carry(call, deadline=_in(self._timeouts.answer))
        if answer.status in (400, 401, 403):
            raise RemoteDenies(
                f"{self._name} does not accept our credentials (HTTP {answer.status}).",
                remedy="Check the client id, and the secret that the settings refer to.",
            )
        token = self._understood(answer, Token, call)
        if token.expires_in is not None and token.expires_in <= 0:
            raise RemoteUnintelligible(f"{self._name} gave a token that has expired already.", may_have_acted=False)
        if not SENDABLE.fullmatch(token.access_token):
            raise RemoteUnintelligible(
                f"{self._name} gave a token that cannot be sent: it is empty, or holds a blank, a line break or a letter beyond ASCII.",
                may_have_acted=False,
                remedy="See what the agent's /token answers; RFC 6750 says what a token may be made of.",
            )
        return token

    def _payload(self, order: Order) -> bytes:
        """What the remote would refuse as `invalid` is refused here, before it is sent."""
        verb = verb_named.get(order.verb)
        if verb is None or verb.system is not self.system:
            raise self._unsendable(f"{self._name} has no `{order.verb}`")
        payload: TypeAdapter[Any] = adapter(verb.payload)
        try:
            return payload.dump_json(payload.validate_python(dict(order.payload)))
        except ValidationError as error:
            raise self._unsendable(f"the payload of `{order.verb}` holds {strangeness(error)}") from None

    def _unsendable(self, why: str) -> RemoteRefuses:
        return RemoteRefuses(f"Nothing was sent: {why}.", code="invalid", error_class=ErrorClass.BUG)

    def _known(self, operation: Operation, call: Call) -> Operation:
        if operation.error_code is not None and operation.error_code not in error_coded:
            raise RemoteUnintelligible(
                f"{self._name} says that `{shown(operation.verb)}` ended with {shown(operation.error_code)!r}, "
                "which the contract does not know.",
                may_have_acted=call.writes,
            )
        return operation

    def _stranger(self, call: Call, whose: str) -> RemoteUnintelligible:
        return RemoteUnintelligible(
            f"{self._name} answered `{call.what}` with what belongs to {whose}.", may_have_acted=call.writes
        )


def _path(cabinet: Cabinet, *parts: str) -> str:
    return "/".join(("/cabinets", *(quote(part, safe="") for part in (cabinet.code, *parts))))


def _bearing(token: str, call: Call) -> Call:
    return replace(call, headers={**call.headers, "Authorization": f"Bearer {token}"})


def _in(seconds: float) -> float:
    return asyncio.get_running_loop().time() + seconds


def _with_remedy(error: RemoteError) -> str:
    return f"{error} {error.remedy}".strip()
