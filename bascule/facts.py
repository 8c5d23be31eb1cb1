"""What the three systems say now. Plain frozen values; the http contract and its JSON Schema are generated from them.

All instants are time-zone-aware UTC. A word that is not listed here is not guessed: whoever parses it says so.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from enum import StrEnum
from functools import cache
from typing import Annotated, Any, ClassVar

from pydantic import AfterValidator, AwareDatetime, ConfigDict, Field, TypeAdapter

from bascule.model import System


def _in_utc(instant: datetime) -> datetime:
    try:
        return instant.astimezone(UTC)
    except OverflowError:
        raise ValueError("no such instant in UTC") from None


Instant = Annotated[AwareDatetime, AfterValidator(_in_utc)]
"""Read in any zone, kept in UTC; a naive one is refused."""

CLOCKS_DIFFER = timedelta(minutes=5)
"""How far two clocks may be apart: those of two systems, of a system and ours, of two machines of a team, of a person and ours."""

EARLIEST = datetime(2020, 1, 1, tzinfo=UTC)
"""Before it nothing happened that Bascule asks about: an earlier instant is a mistake."""

Progress = Annotated[float, Field(ge=0, le=1)]


class View(StrEnum):
    """A part of a system that is read in one go. Lists are dear (thousands of rows), the rest is cheap."""

    MY_SAGE = "my-sage"
    GE = "ge"
    GE_LISTS = "ge-lists"
    S4A = "s4a"
    S4A_LISTS = "s4a-lists"

    @property
    def system(self) -> System:
        return System(self.value.removesuffix("-lists").replace("-", "_"))


@dataclass(frozen=True, slots=True, kw_only=True)
class Strict:
    """A body that holds exactly these fields."""

    __pydantic_config__: ClassVar[ConfigDict] = ConfigDict(extra="forbid", use_attribute_docstrings=True)


@dataclass(frozen=True, slots=True, kw_only=True)
class Snapshot(Strict):
    """What every answer to a read begins with: of whom it speaks, and when it was true."""

    cabinet: str
    """The cabinet's code, as the path has it."""
    taken_at: Instant
    """When all of this was read, together, by the clock of the system it was read from: never when it was sent, or taken from a cache."""


class AdminSageStatus(StrEnum):
    REQUESTED = "requested"
    IN_PROGRESS = "in-progress"
    VALIDATED = "validated"


@dataclass(frozen=True, slots=True, kw_only=True)
class AdminSage(Strict):
    """A declared AdminSage. The choice is final; it counts once *validated* (Sage confirms by e-mail)."""

    email: str
    status: AdminSageStatus


@dataclass(frozen=True, slots=True, kw_only=True)
class MySageFacts(Snapshot):
    """My Sage: who is AdminSage, and for which question an activation key was computed. The key itself is never read."""

    admin_sages: tuple[AdminSage, ...]
    key_question: str | None
    key_computed_at: Instant | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Entity(Strict):
    """An entité of GE: the cabinet, or one of its offices."""

    id: str
    name: str
    siren: str
    siret: str | None
    address: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Session(Strict):
    """Somebody connected to GE. `ours` is the one session that will synchronise."""

    user: str
    since: Instant
    ours: bool


class SynchronisationStatus(StrEnum):
    RUNNING = "running"
    DONE = "done"
    NOT_BEGUN = "not-begun"
    """Refused by GE's own consistency check, or aborted and undone: nothing was transferred."""
    INTERRUPTED = "interrupted"
    """Cut midway. Whether the next one resumes or restarts is not known publicly."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Synchronisation(Strict):
    """GE's last synchronisation, whoever started it."""

    status: SynchronisationStatus
    operation: str
    progress: Progress
    started_at: Instant
    ended_at: Instant | None


@dataclass(frozen=True, slots=True, kw_only=True)
class GeFacts(Snapshot):
    """GE, the cheap part: where the wizards stand, and who is connected."""

    key_question: str
    """GE's current question, four groups of four upper-case letters; it changes with every new module."""
    key_entered_at: Instant | None
    licensed: bool
    """The module Sage for Accountants is licensed by the key that was entered."""
    restarted_at: Instant | None
    tab_visible: bool
    connected_entity: Entity | None
    connected_at: Instant | None
    default_profile: str | None
    default_group: str | None
    wizard_finished: bool
    """The connection wizard was ended by *Terminer*."""
    returned_at: Instant | None
    exe_opened_at: Instant | None
    sql_backup_at: Instant | None
    mongo_backup_at: Instant | None
    locked_out_by: str | None
    """Who keeps the users out: `bascule` when it is us, else a name. None when users can connect."""
    locked_out_at: Instant | None
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
    """A dossier group (groupe de dossiers): what rights are held on."""

    code: str
    label: str
    entity: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Right(Strict):
    """One right that one collaborateur holds on one dossier group."""

    collaborateur: str
    group: str
    right: str


class DossierStatus(StrEnum):
    OPEN = "open"
    CLOSED = "closed"
    ARCHIVED = "archived"


@dataclass(frozen=True, slots=True, kw_only=True)
class Dossier(Strict):
    code: str
    name: str
    group: str | None
    siren: str | None
    siret: str | None
    status: DossierStatus


@dataclass(frozen=True, slots=True, kw_only=True)
class Contact(Strict):
    """A contact of an entity or of a dossier. `collaborateur` where the contact is one of the cabinet's own people."""

    id: str
    name: str
    email: str | None
    entity: str | None
    dossier: str | None
    collaborateur: str | None


@dataclass(frozen=True, slots=True, kw_only=True)
class GeLists(Snapshot):
    """Everything that GE holds and that the synchronisation is to carry over, read as one consistent snapshot."""

    right_names: tuple[str, ...]
    """Every right that exists on a dossier group; *all rights* means all of these."""
    entities: tuple[Entity, ...]
    profiles: tuple[Profile, ...]
    collaborateurs: tuple[Collaborateur, ...]
    groups: tuple[Group, ...]
    rights: tuple[Right, ...]
    dossiers: tuple[Dossier, ...]
    contacts: tuple[Contact, ...]


class WorkspaceStatus(StrEnum):
    ABSENT = "absent"
    PROCESSING = "processing"
    READY = "ready"


@dataclass(frozen=True, slots=True, kw_only=True)
class S4aFacts(Snapshot):
    """S4A, the cheap part: how far the sign-up is. Never bank data: only *that* billing was given."""

    signed_up_at: Instant | None
    signed_up_siren: str | None
    billing_given_at: Instant | None
    terms_accepted_at: Instant | None
    terms_signatory: str | None
    workspace: WorkspaceStatus
    synchronised_at: Instant | None
    """When S4A finished receiving a synchronisation; None if it never did."""


class UserStatus(StrEnum):
    INVITED = "invited"
    ACTIVE = "active"


@dataclass(frozen=True, slots=True, kw_only=True)
class User(Strict):
    """A user of S4A. Invited is not active."""

    email: str
    collaborateur: str | None
    role: str
    status: UserStatus


@dataclass(frozen=True, slots=True, kw_only=True)
class Assigned(Strict):
    client: str
    email: str


class Untold(StrEnum):
    """A part of the target's lists that a reader may be unable to tell."""

    GROUPS = "groups"
    DOSSIERS = "dossiers"
    COLLABORATEURS = "collaborateurs"
    RIGHTS = "rights"
    CONTACTS = "contacts"
    USERS = "users"
    ASSIGNMENTS = "assignments"
    DEFAULT_PROFILE = "default_profile"
    DEFAULT_GROUP = "default_group"


@dataclass(frozen=True, slots=True, kw_only=True)
class S4aLists(Snapshot):
    """What Client Management holds, read as one consistent snapshot. Groups and dossiers keep GE's codes."""

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
    """What the reader cannot tell: empty or null here, and saying nothing. What is empty or null and not named here *is* empty, or not set."""


type_of_view: dict[View, type] = {
    View.MY_SAGE: MySageFacts,
    View.GE: GeFacts,
    View.GE_LISTS: GeLists,
    View.S4A: S4aFacts,
    View.S4A_LISTS: S4aLists,
}


@cache
def _adapter(view: View) -> TypeAdapter[Any]:
    """Made when it is first asked for: commands that read no facts start sooner."""
    return TypeAdapter(type_of_view[view])


def to_json(view: View, observation: object) -> bytes:
    return _adapter(view).dump_json(observation)


def to_plain(view: View, observation: object) -> dict[str, Any]:
    """As JSON would hold it: for the ledger's evidence."""
    plain: dict[str, Any] = _adapter(view).dump_python(observation, mode="json")
    return plain


def from_json(view: View, content: bytes) -> Any:
    """Raises pydantic's ValidationError on a word or field that is not known here."""
    return _adapter(view).validate_json(content)
