"""The nouns everything else speaks of: a cabinet, what may be said of it, and the five states of a step."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum


class System(StrEnum):
    """The three systems that a migration touches."""

    MY_SAGE = "my_sage"
    GE = "ge"
    S4A = "s4a"

    @property
    def in_words(self) -> str:
        return "My Sage" if self is System.MY_SAGE else self.name


class Kind(StrEnum):
    """What repeating a step would do, hence what the engine may do on its own."""

    CHECK = "check"
    REPEATABLE = "repeatable"
    ONCE = "once"
    HUMAN = "human"


class State(StrEnum):
    """Drives the engine. What people read is the reason beside it."""

    PENDING = "pending"
    WAITING = "waiting"
    DONE = "done"
    FAILED = "failed"
    UNKNOWN = "unknown"


class Lifecycle(StrEnum):
    """Where a cabinet is on its way through a wave."""

    PLANNED = "planned"
    READY = "ready"
    RUNNING = "running"
    WAITING = "waiting"
    PAUSED = "paused"
    ENDED = "ended"


class Outcome(StrEnum):
    """How a cabinet ended; `none` while it has not. Ordered from worst to best: a wave's grade is its worst cabinet."""

    UNKNOWN = "unknown"
    FAILED = "failed"
    PARTIAL = "partial"
    BLOCKED = "blocked"
    NONE = "none"
    OK_WITH_RESERVATIONS = "ok-with-reservations"
    OK = "ok"
    EXCLUDED = "excluded"


ARRIVED = (Outcome.OK, Outcome.OK_WITH_RESERVATIONS)
"""What a cabinet came to whose data is on the other side."""


class ErrorClass(StrEnum):
    """Why something went wrong, which sets whether it is tried again."""

    TRANSIENT = "transient"
    THROTTLED = "throttled"
    AUTH = "auth"
    RIGHTS = "rights"
    DATA = "data"
    CONFIG = "config"
    HUMAN = "human"
    EXTERNAL = "external"
    BUG = "bug"
    UNKNOWN = "unknown"


@dataclass(frozen=True, slots=True, kw_only=True)
class Invitation:
    """A collaborateur to be invited to S4A, as the inventory names them."""

    email: str
    collaborateur: str
    role: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Assignment:
    """A client (or prospect) of the cabinet to be assigned to a user of S4A."""

    client: str
    email: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Cabinet:
    """An accounting firm to be moved, as the inventory describes it: one row, validated."""

    code: str
    name: str
    siren: str
    entity: str
    admin_email: str
    default_profile: str
    default_group: str
    siret: str | None = None
    wave: str = "default"
    owner: str | None = None
    contact_email: str | None = None
    terms_signatory: str | None = None
    timezone: str = "Europe/Paris"
    language: str = "fr"
    site: str | None = None
    connectors: Mapping[System, str] = field(default_factory=dict)
    """Connector by system where the row names one; a system that is absent uses the environment's."""
    invitations: tuple[Invitation, ...] = ()
    assignments: tuple[Assignment, ...] = ()


def grade(outcomes: Mapping[Outcome, int]) -> Outcome:
    """A wave's grade: the outcome of its worst cabinet. Excluded cabinets never count."""
    present = (outcome for outcome in Outcome if outcome is not Outcome.EXCLUDED and outcomes.get(outcome))
    return next(present, Outcome.OK)
