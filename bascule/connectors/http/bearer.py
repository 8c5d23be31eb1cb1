"""The token of one system: fetched once for everybody who waits for it, before it expires."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field

from bascule.connectors.contract import Token
from bascule.errors import RemoteError

MARGIN = 30.0
"""Seconds before its end from which a token is no longer used; a tenth of its life if that is shorter."""

USUAL_LIFE = 300.0
"""Seconds that a token is used whose life nobody tells: RFC 6749 only recommends to tell it."""


@dataclass(frozen=True, slots=True)
class Held:
    """A token in use."""

    token: str = field(repr=False)
    number: int
    """Which fetch brought it, counted from 1."""
    until: float


class Bearer:
    def __init__(self, fetch: Callable[[], Awaitable[Token]], *, clock: Callable[[], float] = time.monotonic) -> None:
        self.fetches = 0
        """How many fetches have begun. A token with a higher number was asked for later than now."""
        self._fetch = fetch
        self._clock = clock
        self._lock = asyncio.Lock()
        self._held: Held | None = None
        self._failures = 0
        self._failure: RemoteError | None = None

    async def token(self, *, instead_of: str | None = None) -> Held:
        """The token to go with; a new one where the remote did not accept `instead_of`.

        Whoever waits while another fetches shares what that one gets, also its failure: a token endpoint that is down
        is asked once, not once by every cabinet.
        """
        if held := self._good(instead_of):
            return held
        failures = self._failures
        async with self._lock:
            if held := self._good(instead_of):
                return held
            if self._failure and self._failures != failures:
                raise self._failure
            asked_at = self._clock()
            self.fetches += 1
            number = self.fetches
            try:
                token = await self._fetch()
            except RemoteError as failure:
                self._failure = failure
                self._failures += 1
                raise
            life = USUAL_LIFE if token.expires_in is None else token.expires_in
            self._held = Held(token.access_token, number, asked_at + life - min(MARGIN, life / 10))
            return self._held

    def _good(self, instead_of: str | None) -> Held | None:
        held = self._held
        return held if held and held.token != instead_of and self._clock() < held.until else None
