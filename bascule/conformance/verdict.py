"""How a trial of a promise ends, where it was not kept."""

from __future__ import annotations

from bascule.conformance.exchange import Exchange


class PromiseBroken(Exception):
    """An answer is not what the contract says."""

    def __init__(self, exchange: Exchange, found: str) -> None:
        super().__init__(found)
        self.exchange = exchange
        self.found = found


class NotTried(Exception):
    """The promise cannot be tried here; the reason is a sentence for whoever writes the agent."""


def require(kept: object, exchange: Exchange, found: str) -> None:
    if not kept:
        raise PromiseBroken(exchange, found)
