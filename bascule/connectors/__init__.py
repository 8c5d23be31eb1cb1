"""How one reads a system and acts on it: the promises every connector keeps, whatever stands behind it."""

from __future__ import annotations

from collections.abc import Mapping
from contextvars import ContextVar
from dataclasses import dataclass, field
from datetime import datetime
from enum import StrEnum
from typing import Annotated, Any, Protocol

from pydantic import Field

from bascule.errors import RemoteError
from bascule.facts import GeFacts, GeLists, MySageFacts, Progress, S4aFacts, S4aLists, Strict, View
from bascule.model import Cabinet, System

users_wait: ContextVar[bool] = ContextVar("users_wait", default=False)
"""Users are kept out until what is asked here is answered: no pause that another call was told holds it back."""

Observation = MySageFacts | GeFacts | GeLists | S4aFacts | S4aLists


class OperationStatus(StrEnum):
    ACCEPTED = "accepted"
    RUNNING = "running"
    AWAITED = "awaited"
    """A person was asked. Nobody polls: the next run looks again."""
    SUCCEEDED = "succeeded"
    NOT_BEGUN = "not-begun"
    """Proven undone: the remote says that it changed nothing, or that it put everything back."""
    INTERRUPTED = "interrupted"
    """It began and stopped midway; how much was done is for a person to find out."""

    @property
    def is_over(self) -> bool:
        return self not in (OperationStatus.ACCEPTED, OperationStatus.RUNNING, OperationStatus.AWAITED)


class Basis(StrEnum):
    """Who says what was observed, hence by whose clock."""

    AGENT = "agent"
    """The system itself, by its own clock."""
    LISTS = "lists"
    """Exported files, by the clock of whoever wrote them."""
    PEOPLE = "people"
    """Answers to work orders, by the clocks that people look at."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Operation(Strict):
    """What a remote says of one write that it received."""

    # Described in the types, as docstrings do not travel to who inherits.
    id: Annotated[str, Field(description="Unique in the system, for good.")]
    verb: Annotated[str, Field(description="The write, by its name in the path.")]
    key: Annotated[str, Field(description="The Idempotency-Key under which it was received.")]
    status: Annotated[OperationStatus, Field(description="How far it is.")]
    progress: Annotated[Progress, Field(description="From 0 to 1, never less than before; of what has begun only.")] = (
        1.0
    )
    phase: Annotated[
        str | None, Field(description="What it is at, for people; null where there is nothing to say.")
    ] = None
    error_code: Annotated[
        str | None, Field(description="Why it did not begin, or was interrupted; null while neither is so.")
    ] = None
    message: Annotated[str | None, Field(description="The same for people; null where there is nothing to add.")] = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Again:
    """A person's word that something, done before, is to be done once more."""

    by: str
    because: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Order:
    """One write, as it is sent: what, with which values, under which intent."""

    verb: str
    payload: Mapping[str, Any]
    key: str
    """The intent's key: new for each intent, the same when one request is sent again."""
    fence: int
    """The lease's fencing number; a remote that has seen a higher one refuses."""
    timeout: float
    """Seconds until an answer that has not come is *unknown*."""
    step: str = ""
    """The step of the procedure that it is for: what people call it."""
    again: Again | None = None
    done: tuple[str, ...] = ()
    """The writes of its sitting that the systems show to be done: people are asked what is true of these, and to do nothing."""
    names: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    """For people who are asked: by the inventory's column, by what else they may know what stands there."""


class Remote(Protocol):
    """A connector in use, for one system.

    Promises, each held on every implementation by tests/contract/test_remotes.py:

    1. `observe` changes nothing and answers for this cabinet only, with what is true at the time of the call.
    2. `act` sends the order at most once. It returns what the remote answered, or raises an error of
       `bascule.errors` that says whether the order may have had an effect.
    3. `find` returns every operation the remote received under this key, also those whose answer was lost. From then on
       what comes under a lower fencing number is refused: "never received" stays true.
    4. A word that the contract does not know is an error, never a success.
    5. Where a person is asked, `act` returns at once with an operation that is *awaited*, and one key asks once.
    """

    @property
    def system(self) -> System: ...

    @property
    def live(self) -> bool:
        """Whether looking again within minutes may show something new: not where it is people and files that tell."""

    def asks(self, cabinet: Cabinet, verb: str) -> bool:
        """Whether a person is asked for this write."""

    def basis(self, view: View) -> Basis:
        """Who says what `observe` returns of this view."""

    async def observe(self, cabinet: Cabinet, view: View) -> Observation: ...

    async def act(self, cabinet: Cabinet, order: Order) -> Operation: ...

    async def operation(self, cabinet: Cabinet, operation_id: str) -> Operation: ...

    async def find(self, cabinet: Cabinet, key: str, *, fence: int = 0) -> tuple[Operation, ...]: ...


@dataclass(frozen=True, slots=True)
class Health:
    """What a system answers when asked how it is."""

    system: System
    ok: bool
    says: str
    clock: datetime | None = None
    error: RemoteError | None = None
    """What the question ended with, where no answer came of it. Its class says whether asking again may help."""


class Agent(Protocol):
    """What answers for all cabinets of one system, as far as it can be away or ask for patience as a whole."""

    @property
    def is_away(self) -> bool:
        """Nothing that was asked of any cabinet was answered since something was last left without an answer."""

    def pause(self) -> float:
        """Seconds for which it asks that ordinary work stays away."""

    async def health(self) -> Health: ...
