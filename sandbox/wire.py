"""The bodies of the contract, declared a second time: the sandbox imports nothing of Bascule.

`tests/contract` holds every answer of the sandbox against the published schemas.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import ClassVar, Literal

from pydantic import AwareDatetime, ConfigDict

VERSION = "2"
REQUEST_ID = "bascule-request"
"""The header that names a request, and that its answer echoes."""
System = Literal["my_sage", "ge", "s4a"]
Untold = Literal[
    "groups",
    "dossiers",
    "collaborateurs",
    "rights",
    "contacts",
    "users",
    "assignments",
    "default_profile",
    "default_group",
]


@dataclass(frozen=True, slots=True, kw_only=True)
class Strict:
    __pydantic_config__: ClassVar[ConfigDict] = ConfigDict(extra="forbid")


# My Sage


@dataclass(frozen=True, slots=True, kw_only=True)
class AdminSage(Strict):
    email: str
    status: Literal["requested", "in-progress", "validated"]


@dataclass(frozen=True, slots=True, kw_only=True)
class MySageFacts(Strict):
    cabinet: str
    taken_at: AwareDatetime
    admin_sages: tuple[AdminSage, ...]
    key_question: str | None
    key_computed_at: AwareDatetime | None


# GE


@dataclass(frozen=True, slots=True, kw_only=True)
class Entity(Strict):
    id: str
    name: str
    siren: str
    siret: str | None
    address: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Session(Strict):
    user: str
    since: AwareDatetime
    ours: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class Synchronisation(Strict):
    status: Literal["running", "done", "not-begun", "interrupted"]
    operation: str
    progress: float
    started_at: AwareDatetime
    ended_at: AwareDatetime | None


@dataclass(frozen=True, slots=True, kw_only=True)
class GeFacts(Strict):
    cabinet: str
    taken_at: AwareDatetime
    key_question: str
    key_entered_at: AwareDatetime | None
    licensed: bool
    restarted_at: AwareDatetime | None
    tab_visible: bool
    connected_entity: Entity | None
    connected_at: AwareDatetime | None
    default_profile: str | None
    default_group: str | None
    wizard_finished: bool
    returned_at: AwareDatetime | None
    exe_opened_at: AwareDatetime | None
    sql_backup_at: AwareDatetime | None
    mongo_backup_at: AwareDatetime | None
    locked_out_by: str | None
    locked_out_at: AwareDatetime | None
    sessions: tuple[Session, ...]
    synchronisation: Synchronisation | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Profile(Strict):
    code: str
    label: str
    entity: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Collaborateur(Strict):
    code: str
    last_name: str
    first_name: str
    email: str | None
    profile: str
    entity: str
    active: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class Group(Strict):
    code: str
    label: str
    entity: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Right(Strict):
    collaborateur: str
    group: str
    right: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Dossier(Strict):
    code: str
    name: str
    group: str | None
    siren: str | None
    siret: str | None
    status: Literal["open", "closed", "archived"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Contact(Strict):
    id: str
    name: str
    email: str | None
    entity: str | None
    dossier: str | None
    collaborateur: str | None


@dataclass(frozen=True, slots=True, kw_only=True)
class GeLists(Strict):
    cabinet: str
    taken_at: AwareDatetime
    right_names: tuple[str, ...]
    entities: tuple[Entity, ...]
    profiles: tuple[Profile, ...]
    collaborateurs: tuple[Collaborateur, ...]
    groups: tuple[Group, ...]
    rights: tuple[Right, ...]
    dossiers: tuple[Dossier, ...]
    contacts: tuple[Contact, ...]


# S4A


@dataclass(frozen=True, slots=True, kw_only=True)
class S4aFacts(Strict):
    cabinet: str
    taken_at: AwareDatetime
    signed_up_at: AwareDatetime | None
    signed_up_siren: str | None
    billing_given_at: AwareDatetime | None
    terms_accepted_at: AwareDatetime | None
    terms_signatory: str | None
    workspace: Literal["absent", "processing", "ready"]
    synchronised_at: AwareDatetime | None


@dataclass(frozen=True, slots=True, kw_only=True)
class User(Strict):
    email: str
    collaborateur: str | None
    role: str
    status: Literal["invited", "active"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Assigned(Strict):
    client: str
    email: str


@dataclass(frozen=True, slots=True, kw_only=True)
class S4aLists(Strict):
    cabinet: str
    taken_at: AwareDatetime
    groups: tuple[Group, ...]
    dossiers: tuple[Dossier, ...]
    collaborateurs: tuple[Collaborateur, ...]
    rights: tuple[Right, ...]
    contacts: tuple[Contact, ...]
    users: tuple[User, ...]
    assignments: tuple[Assigned, ...]
    default_profile: str | None
    default_group: str | None
    unknown: tuple[Untold, ...] = ()


# What a write carries


@dataclass(frozen=True, slots=True, kw_only=True)
class Nothing(Strict):
    pass


@dataclass(frozen=True, slots=True, kw_only=True)
class DeclareAdminSage(Strict):
    email: str


@dataclass(frozen=True, slots=True, kw_only=True)
class KeyQuestion(Strict):
    question: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Connect(Strict):
    entity: str
    name: str
    siren: str
    siret: str | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Defaults(Strict):
    profile: str
    group: str


@dataclass(frozen=True, slots=True, kw_only=True)
class SignUp(Strict):
    name: str
    siren: str
    email: str


@dataclass(frozen=True, slots=True, kw_only=True)
class AcceptTerms(Strict):
    signatory: str


@dataclass(frozen=True, slots=True, kw_only=True)
class InvitedUser(Strict):
    email: str
    collaborateur: str
    role: str


@dataclass(frozen=True, slots=True, kw_only=True)
class InviteUsers(Strict):
    users: tuple[InvitedUser, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class AssignedClient(Strict):
    client: str
    email: str


@dataclass(frozen=True, slots=True, kw_only=True)
class AssignClients(Strict):
    assignments: tuple[AssignedClient, ...]


# What is said of a write, and of everything that went wrong

OperationStatus = Literal["accepted", "running", "succeeded", "not-begun", "interrupted"]
Phase = Literal["consistency", "transfer", "finishing"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Operation(Strict):
    cabinet: str
    id: str
    verb: str
    key: str
    status: OperationStatus
    progress: float
    phase: str | None
    error_code: str | None
    message: str | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Operations(Strict):
    cabinet: str
    operations: tuple[Operation, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Said(Strict):
    code: str
    message: str
    details: dict[str, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True, kw_only=True)
class ErrorBody(Strict):
    errors: tuple[Said, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Token(Strict):
    access_token: str
    token_type: Literal["Bearer"]
    expires_in: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Health(Strict):
    status: Literal["ok"]
    system: System
    contract: str
    time: AwareDatetime


# For whoever tests

JournalOutcome = Literal["applied", "already", "refused", "failed", "dropped"]


@dataclass(frozen=True, slots=True, kw_only=True)
class JournalLine(Strict):
    at: AwareDatetime
    system: System
    cabinet: str
    verb: str
    key: str | None
    outcome: JournalOutcome
    code: str | None
    """Why it was refused or failed, in a word of the contract."""
