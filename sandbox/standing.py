"""Where a cabinet stands in the three systems: all that is kept of it, small and plain. Instants are seconds since 1970.

What a cabinet's GE holds is not here: it is drawn again from the seed. What S4A holds is kept as transfers, for the
dossiers of a transfer can be told from it.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Literal

from sandbox.wire import JournalOutcome, OperationStatus, System


@dataclass
class Declared:
    """The AdminSage, on the way from asked for to confirmed by e-mail."""

    email: str
    taken_up_at: float
    validated_at: float


@dataclass
class MySage:
    admin_sage: Declared | None = None
    key_question: str | None = None
    key_computed_at: float | None = None


@dataclass
class Ge:
    key_entered_at: float | None = None
    restarted_at: float | None = None
    connected_entity: str | None = None
    connected_at: float | None = None
    default_profile: str | None = None
    default_group: str | None = None
    wizard_finished: bool = False
    returned_at: float | None = None
    exe_opened_at: float | None = None
    backed_up_at: float | None = None
    locked_out_at: float | None = None
    late_dossier: bool = False
    """Somebody created one just before the lock-out."""


@dataclass
class Invited:
    email: str
    collaborateur: str
    role: str
    active_from: float


@dataclass
class Transfer:
    """What one synchronisation brought to S4A."""

    dossiers: int
    """So many of GE's dossiers, in GE's order; less those below."""
    without_groups: list[str] = field(default_factory=list)
    without_dossiers: list[str] = field(default_factory=list)
    without_rights: list[tuple[str, str]] = field(default_factory=list)
    """Group and right that the AdminSage did not hold."""
    complete: bool = True
    resumable: bool = True
    """Where it is not complete: the next one goes on from there, or begins anew."""
    again: bool = False
    """Brought everything a second time: each dossier is there twice."""


@dataclass
class S4a:
    signed_up_at: float | None = None
    signed_up_siren: str | None = None
    billing_given_at: float | None = None
    terms_accepted_at: float | None = None
    terms_signatory: str | None = None
    workspace_ready_at: float | None = None
    synchronised_at: float | None = None
    default_profile: str | None = None
    default_group: str | None = None
    transfers: list[Transfer] = field(default_factory=list)
    users: list[Invited] = field(default_factory=list)
    assignments: list[tuple[str, str]] = field(default_factory=list)
    """Client and e-mail."""


@dataclass
class Standing:
    fence: int = 0
    """The highest fencing number seen."""
    my_sage: MySage = field(default_factory=MySage)
    ge: Ge = field(default_factory=Ge)
    s4a: S4a = field(default_factory=S4a)


@dataclass
class Course:
    """How a synchronisation will go. All of it is decided when it begins; from then on only the clock moves it."""

    began_at: float
    transfers_from: float
    """End of the consistency check."""
    finishes_from: float
    ends_at: float
    whole_at: float
    """When it would end if nothing came in between."""
    ends: Literal["succeeded", "not-begun", "interrupted"]
    first: int
    """Dossiers that were there when it began, from one that was cut."""
    last: int
    """Dossiers that are there when it ends."""
    total: int
    transfer: Transfer
    error_code: str | None = None
    intruder: str | None = None
    intruder_at: float | None = None


@dataclass
class Operation:
    """A write that was taken up, and what became of it."""

    status: OperationStatus
    payload: dict[str, object]
    commits_at: float | None = None
    """When a late commit takes effect."""
    in_flight: bool = False
    """Until it takes effect, nobody finds it."""
    course: Course | None = None
    error_code: str | None = None
    message: str | None = None


@dataclass
class Write:
    """A write that was received: one line of the journal. `operation` is None where it was turned away at the door."""

    n: int
    at: float
    system: System
    cabinet: str
    verb: str
    key: str | None
    outcome: JournalOutcome
    code: str | None = None
    operation: Operation | None = None

    @property
    def id(self) -> str:
        return f"op-{self.n:06d}"

    @property
    def is_found(self) -> bool:
        """Whoever asks for it is told of it."""
        return self.operation is not None and not (self.operation.in_flight and self.operation.status == "accepted")

    @property
    def is_effective(self) -> bool:
        """It changed something, whether or not the answer was sent."""
        return (
            self.outcome in ("applied", "dropped")
            and self.operation is not None
            and self.operation.status != "accepted"
        )
