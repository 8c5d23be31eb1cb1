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

    # Described in the type, as a docstring does not travel to who inherits.
    cabinet: Annotated[str, Field(description="The cabinet's code, as the path has it.")]
    taken_at: Annotated[
        Instant,
        Field(
            description=(
                "When all of this was read, together, by the clock of the system it was read from, with its offset: "
                "never when it was sent, or taken from a cache. Nothing else in the answer is later."
            )
        ),
    ]


class AdminSageStatus(StrEnum):
    REQUESTED = "requested"
    IN_PROGRESS = "in-progress"
    VALIDATED = "validated"


@dataclass(frozen=True, slots=True, kw_only=True)
class AdminSage(Strict):
    """A declared AdminSage. The choice is final; it counts once *validated* (Sage confirms by e-mail)."""

    email: str
    """The e-mail address under which it was declared, letter by letter."""
    status: AdminSageStatus
    """How far Sage is with it."""


@dataclass(frozen=True, slots=True, kw_only=True)
class MySageFacts(Snapshot):
    """My Sage: who is AdminSage, and for which question an activation key was computed. The key itself is never read."""

    admin_sages: tuple[AdminSage, ...]
    """Every AdminSage that is declared; empty where none is. Sage allows one."""
    key_question: str | None
    """The question of GE's for which a key was computed last; null where none was."""
    key_computed_at: Instant | None
    """When that was, by My Sage's clock; null where none was."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Entity(Strict):
    """An entité of GE: the cabinet, or one of its offices."""

    id: str
    """Its identifier in GE, unique on the site."""
    name: str
    """Its raison sociale, as GE shows it."""
    siren: str
    """Nine digits, without blanks."""
    siret: str | None
    """Fourteen digits, without blanks; null where GE has none."""
    address: str
    """On one line, as GE shows it; empty where GE has none."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Session(Strict):
    """Somebody connected to GE. `ours` is the one session that will synchronise."""

    user: str
    """The collaborateur's code, or the Windows user's name where GE knows no more."""
    since: Instant
    """When the session began, by GE's clock."""
    ours: bool
    """True for the one session that will synchronise, under which the agent itself is connected; false for everybody else's."""


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
    """How it stands."""
    operation: str
    """The operation's id where the agent began it; else any name that is the same each time, never empty."""
    progress: Progress
    """From 0 to 1. What an earlier, interrupted one brought counts."""
    started_at: Instant
    """When GE began it, by GE's clock."""
    ended_at: Instant | None
    """When it ended, by GE's clock; null while it runs."""


@dataclass(frozen=True, slots=True, kw_only=True)
class GeFacts(Snapshot):
    """GE, the cheap part: where the wizards stand, and who is connected."""

    key_question: str
    """GE's current question, four groups of four upper-case letters; it changes with every new module."""
    key_entered_at: Instant | None
    """When the activation key was entered, by GE's clock; null where none was."""
    licensed: bool
    """The module Sage for Accountants is licensed by the key that was entered."""
    restarted_at: Instant | None
    """When GE was last opened through IntuiSage, by GE's clock; null where it is not known to have been since the key."""
    tab_visible: bool
    """The tab Sage for Accountants shows."""
    connected_entity: Entity | None
    """The entity that the wizard connected; null where none is connected."""
    connected_at: Instant | None
    """When it was, by GE's clock; null where none is."""
    default_profile: str | None
    """The profile chosen in the wizard, by its code or its label (either names it); null where none is set."""
    default_group: str | None
    """The dossier group chosen in the wizard, by its code or its label (either names it); null where none is set."""
    wizard_finished: bool
    """The connection wizard was ended by *Terminer*."""
    returned_at: Instant | None
    """When somebody returned from the sign-up to GE, by GE's clock; null where nobody has."""
    exe_opened_at: Instant | None
    """When espaceexpertclient.exe was last opened, by GE's clock; null where it never was."""
    sql_backup_at: Instant | None
    """When the newest complete backup of GE's SQL databases was begun, by GE's clock; null where there is none."""
    mongo_backup_at: Instant | None
    """The same of GE's Mongo databases; null where there is none."""
    locked_out_by: str | None
    """Who keeps the users out: `bascule` when it is us, else a name. Null when users can connect."""
    locked_out_at: Instant | None
    """Since when users are kept out, by GE's clock; null when they can connect."""
    sessions: tuple[Session, ...]
    """Everybody connected now; empty where nobody is."""
    synchronisation: Synchronisation | None
    """GE's last synchronisation, whoever started it; null where there was none."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Profile(Strict):
    code: str
    """Unique in its entity."""
    label: str
    """As people read it."""
    entity: str
    """The id of its entity."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Collaborateur(Strict):
    code: str
    """Unique on the site."""
    last_name: str
    """As GE shows it; empty where GE has none."""
    first_name: str
    """As GE shows it; empty where GE has none."""
    email: str | None
    """Null where GE has none. Compared without regard to case."""
    profile: str
    """The code of a profile."""
    entity: str
    """The id of an entity."""
    active: bool
    """False for one who can connect no more; they go along all the same."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Group(Strict):
    """A dossier group (groupe de dossiers): what rights are held on."""

    code: str
    """Unique on the site."""
    label: str
    """As people read it."""
    entity: str
    """The id of its entity."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Right(Strict):
    """One right that one collaborateur holds on one dossier group."""

    collaborateur: str
    """The code of a collaborateur."""
    group: str
    """The code of a dossier group."""
    right: str
    """Its name, one of `right_names`."""


class DossierStatus(StrEnum):
    OPEN = "open"
    CLOSED = "closed"
    ARCHIVED = "archived"


@dataclass(frozen=True, slots=True, kw_only=True)
class Dossier(Strict):
    code: str
    """Unique in the cabinet. Client Management keeps it letter by letter."""
    name: str
    """As people read it."""
    group: str | None
    """The code of a dossier group; null where it is in none."""
    siren: str | None
    """Nine digits; null where there is none, as for a private person."""
    siret: str | None
    """Fourteen digits; null where there is none."""
    status: DossierStatus
    """Whatever it is, the dossier goes along."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Contact(Strict):
    """A contact of an entity or of a dossier. `collaborateur` where the contact is one of the cabinet's own people."""

    id: str
    """Unique in its system; never the same in both."""
    name: str
    """First and last name, as people read it."""
    email: str | None
    """Null where there is none."""
    entity: str | None
    """The id of the entity whose contact it is; null for a contact of a dossier."""
    dossier: str | None
    """The code of the dossier whose contact it is; null for a contact of an entity."""
    collaborateur: str | None
    """The code of the collaborateur who it is; null where it is nobody of the cabinet's."""


@dataclass(frozen=True, slots=True, kw_only=True)
class GeLists(Snapshot):
    """Everything that GE holds and that the synchronisation is to carry over, read as one consistent snapshot."""

    right_names: tuple[str, ...]
    """Every right that exists on a dossier group; *all rights* means all of these."""
    entities: tuple[Entity, ...]
    """Every entity of the cabinet's site; the one to be connected is among them."""
    profiles: tuple[Profile, ...]
    """Every profile of these entities."""
    collaborateurs: tuple[Collaborateur, ...]
    """Every collaborateur of these entities, active or not. All of them go along."""
    groups: tuple[Group, ...]
    """Every dossier group of these entities. All of them go along."""
    rights: tuple[Right, ...]
    """Every right that is held; one that is not listed is not held."""
    dossiers: tuple[Dossier, ...]
    """Every dossier of the cabinet, whatever its status. All of them go along."""
    contacts: tuple[Contact, ...]
    """Every contact of the entities and of the dossiers. None of them goes along: they are read to find the AdminSage, and to name what is on one side only."""


class WorkspaceStatus(StrEnum):
    ABSENT = "absent"
    PROCESSING = "processing"
    READY = "ready"


@dataclass(frozen=True, slots=True, kw_only=True)
class S4aFacts(Snapshot):
    """S4A, the cheap part: how far the sign-up is. Never bank data: only *that* billing was given."""

    signed_up_at: Instant | None
    """When the cabinet was registered, by S4A's clock; null where it is not."""
    signed_up_siren: str | None
    """The SIREN under which it was, nine digits; null where it is not."""
    billing_given_at: Instant | None
    """When billing parameters were given, by S4A's clock; null where they were not."""
    terms_accepted_at: Instant | None
    """When the general terms were accepted, by S4A's clock; null where they were not."""
    terms_signatory: str | None
    """By whom, first and last name; null where they were not."""
    workspace: WorkspaceStatus
    """Whether it can be opened."""
    synchronised_at: Instant | None
    """When S4A finished receiving the last synchronisation, by S4A's clock; null if it never did. Never earlier than its sign-up and terms."""


class UserStatus(StrEnum):
    INVITED = "invited"
    ACTIVE = "active"


@dataclass(frozen=True, slots=True, kw_only=True)
class User(Strict):
    """A user of S4A. Invited is not active."""

    email: str
    """Under which they are invited. Compared without regard to case."""
    collaborateur: str | None
    """The code of the collaborateur who it is; null where S4A does not say."""
    role: str
    """The role's name, as Client Management shows it in the cabinet's language."""
    status: UserStatus
    """Invited is not active."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Assigned(Strict):
    client: str
    """The code of the dossier, or the client's name where Client Management shows no code."""
    email: str
    """Of the user."""


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
    """Every dossier group that arrived."""
    dossiers: tuple[Dossier, ...]
    """Every client's dossier, whoever made it; one that is there twice is listed twice."""
    collaborateurs: tuple[Collaborateur, ...]
    """Every collaborateur that arrived."""
    rights: tuple[Right, ...]
    """Every right that arrived."""
    contacts: tuple[Contact, ...]
    """Every contact of Client Management."""
    users: tuple[User, ...]
    """Everybody who is invited or active."""
    assignments: tuple[Assigned, ...]
    """Who looks after which client."""
    default_profile: str | None
    """By its code or its label (either names it); null: not set, unless `unknown` names it."""
    default_group: str | None
    """By its code or its label (either names it); null: not set, unless `unknown` names it."""
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
