"""A promise of the contract, and what became of it when it was tried."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from enum import StrEnum

from bascule.conformance.agent import Agent
from bascule.model import System


class Needs(StrEnum):
    """What a promise can be tried with."""

    NOTHING = "nothing"
    CABINET = "cabinet"
    WRITES = "writes"


@dataclass(frozen=True, slots=True, kw_only=True)
class Promise:
    """A sentence of the contract that an agent keeps or breaks."""

    number: str
    section: str
    sentence: str
    needs: Needs
    try_at: Callable[[Agent], Awaitable[None]]
    """Raises `PromiseBroken` or `NotTried`; otherwise the promise was kept."""
    observed: bool = False
    """Judged by every answer of the whole check, hence after everything else."""


class PromiseOutcome(StrEnum):
    """What became of a promise, from bad to good."""

    FAILED = "failed"
    NOT_TRIED = "not-tried"
    PASSED = "passed"


@dataclass(frozen=True, slots=True, kw_only=True)
class PromiseResult:
    """What became of one promise at one system."""

    promise: Promise
    system: System
    outcome: PromiseOutcome
    found: str = ""
    """What is not as promised, or why it was not tried."""
    sent: str = ""
    came: str = ""
