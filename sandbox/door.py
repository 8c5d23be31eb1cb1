"""What stands before each system: tokens, and how many calls it takes."""

from __future__ import annotations

import secrets


class Door:
    """Of one system. Tokens are not kept: after a restart, everybody fetches a new one."""

    def __init__(self) -> None:
        self._expiry: dict[str, float] = {}
        self._room = 0.0
        self._last_call = 0.0

    def token(self, now: float, lifetime: float) -> str:
        self._expiry = {token: expiry for token, expiry in self._expiry.items() if expiry > now}
        token = secrets.token_urlsafe(24)
        self._expiry[token] = now + lifetime
        return token

    def admits(self, authorization: str, now: float) -> bool:
        scheme, _, token = authorization.partition(" ")
        return scheme.lower() == "bearer" and self._expiry.get(token, 0) > now

    def seconds_to_wait(self, now: float, rate: float | None) -> float:
        """0 if the call may come in. A second's worth of calls may come at once."""
        if rate is None:
            return 0
        self._room = min(max(rate, 1), self._room + (now - self._last_call) * rate)
        self._last_call = now
        if self._room < 1:
            return (1 - self._room) / rate
        self._room -= 1
        return 0
