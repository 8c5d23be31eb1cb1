"""The contract that an http agent implements: every write, its payload, what repeating it does, how it can fail.

The contract is ours. Sage publishes no interface for this migration, and nothing here claims otherwise.
`docs/contract/` is generated from this file.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Literal

from bascule.connectors import Operation, OperationStatus
from bascule.facts import Instant, Strict, View
from bascule.model import ErrorClass, Kind, System

VERSION = "2"


@dataclass(frozen=True, slots=True, kw_only=True)
class Nothing(Strict):
    """No payload: the cabinet is in the path."""


@dataclass(frozen=True, slots=True, kw_only=True)
class DeclareAdminSage(Strict):
    email: str
    """Of the collaborateur who becomes AdminSage: identical to the one in the entity's contacts."""


@dataclass(frozen=True, slots=True, kw_only=True)
class KeyQuestion(Strict):
    """GE's question. The answer travels between My Sage and GE, never through Bascule."""

    question: str
    """Four groups of four upper-case letters, as GE shows it."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Connect(Strict):
    entity: str
    """The entity's id in GE."""
    name: str
    """Its raison sociale, as the inventory has it."""
    siren: str
    """Nine digits."""
    siret: str | None
    """Fourteen digits; null where the inventory has none: then it is not compared."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Defaults(Strict):
    profile: str
    """Code or label of a profile of the connected entity."""
    group: str
    """Code or label of one of its dossier groups."""


@dataclass(frozen=True, slots=True, kw_only=True)
class SignUp(Strict):
    name: str
    """The cabinet's raison sociale."""
    siren: str
    """Nine digits."""
    email: str
    """The AdminSage's."""


@dataclass(frozen=True, slots=True, kw_only=True)
class AcceptTerms(Strict):
    signatory: str
    """First and last name of who accepted them, and is entitled to."""


@dataclass(frozen=True, slots=True, kw_only=True)
class InvitedUser(Strict):
    email: str
    """Where the invitation goes."""
    collaborateur: str
    """The code of the collaborateur who is invited."""
    role: str
    """The role's name, as Client Management shows it in the cabinet's language."""


@dataclass(frozen=True, slots=True, kw_only=True)
class InviteUsers(Strict):
    users: tuple[InvitedUser, ...]
    """Whom to invite. One that is refused refuses the whole write."""


@dataclass(frozen=True, slots=True, kw_only=True)
class AssignedClient(Strict):
    client: str
    """The code of a dossier, or the client's name as Client Management shows it."""
    email: str
    """Of a user who is invited or active."""


@dataclass(frozen=True, slots=True, kw_only=True)
class AssignClients(Strict):
    assignments: tuple[AssignedClient, ...]
    """Whom to assign. One that is refused refuses the whole write."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Verb:
    """One write of the contract."""

    name: str
    system: System
    kind: Kind
    summary: str
    payload: type = Nothing
    refuses: tuple[str, ...] = ()
    """Codes of `ERRORS` with which this write may be refused, beside those that any call may meet."""
    changes: frozenset[View] = frozenset()
    """What this write changes beside the cheap view of its own system, which every write changes."""
    long: bool = False
    """Answers *accepted* at once and goes on; its progress is read at the operation."""


VERBS: tuple[Verb, ...] = (
    Verb(
        name="admin-sage",
        system=System.MY_SAGE,
        kind=Kind.HUMAN,
        payload=DeclareAdminSage,
        summary="Declare the cabinet's AdminSage. Irreversible: one AdminSage, for good; validated later, by e-mail.",
        refuses=("admin-sage-exists",),
    ),
    Verb(
        name="compute-key",
        system=System.MY_SAGE,
        kind=Kind.HUMAN,
        payload=KeyQuestion,
        summary="Compute the activation key for the question that GE shows.",
        refuses=("admin-sage-pending",),
    ),
    Verb(
        name="enter-key",
        system=System.GE,
        kind=Kind.HUMAN,
        payload=KeyQuestion,
        summary="Enter in GE the key that My Sage computed for this question.",
        refuses=("wrong-key",),
    ),
    Verb(
        name="restart",
        system=System.GE,
        kind=Kind.REPEATABLE,
        summary="Close GE and open it again through IntuiSage; the tab Sage for Accountants then shows.",
    ),
    Verb(
        name="connect",
        system=System.GE,
        kind=Kind.ONCE,
        payload=Connect,
        summary="Lancer la connexion: confirm, choose the entity, check what the wizard shows of the cabinet.",
        refuses=("tab-absent", "unknown-entity", "entity-differs", "already-connected"),
    ),
    Verb(
        name="defaults",
        system=System.GE,
        kind=Kind.REPEATABLE,
        payload=Defaults,
        summary="Choose default profile and default dossier group, then Terminer.",
        refuses=("not-connected", "unknown-profile", "unknown-group"),
    ),
    Verb(
        name="sign-up",
        system=System.S4A,
        kind=Kind.ONCE,
        payload=SignUp,
        summary="Register the cabinet in Sage for Accountants.",
        refuses=("not-connected", "email-already-linked"),
    ),
    Verb(
        name="billing",
        system=System.S4A,
        kind=Kind.HUMAN,
        summary="Say that billing parameters were given. Bank data never travels here.",
        refuses=("not-signed-up",),
    ),
    Verb(
        name="terms",
        system=System.S4A,
        kind=Kind.HUMAN,
        payload=AcceptTerms,
        summary="Record that this person accepted the general terms. Irreversible.",
        refuses=("billing-missing",),
    ),
    Verb(
        name="return-to-ge",
        system=System.GE,
        kind=Kind.REPEATABLE,
        summary="Retour à Génération Experts, from the page that ends the sign-up.",
        refuses=("workspace-not-ready",),
    ),
    Verb(
        name="open-exe",
        system=System.GE,
        kind=Kind.REPEATABLE,
        summary="Ouvrir espaceexpertclient.exe. Only after return-to-ge.",
        refuses=("wrong-order",),
    ),
    Verb(
        name="backup",
        system=System.GE,
        kind=Kind.HUMAN,
        summary="Back up GE's SQL and Mongo databases.",
    ),
    Verb(
        name="lock-out",
        system=System.GE,
        kind=Kind.REPEATABLE,
        summary="Keep GE's users out. Nobody is thrown out: with somebody connected it is refused.",
        refuses=("users-connected",),
    ),
    Verb(
        name="synchronise",
        system=System.GE,
        kind=Kind.ONCE,
        changes=frozenset({View.S4A, View.S4A_LISTS}),
        long=True,
        summary=(
            "Lancer la synchronisation: GE's consistency check, the transfer, Terminer, Quitter. It succeeded only after the last of them. "
            "Anomalies found by the check, or a user who connects, end it *not-begun*, with everything put back."
        ),
        refuses=("wrong-order", "not-connected", "users-connected", "already-running"),
    ),
    Verb(
        name="reopen",
        system=System.GE,
        kind=Kind.REPEATABLE,
        summary="Let GE's users connect again. Refused while a synchronisation runs.",
        refuses=("already-running",),
    ),
    Verb(
        name="users",
        system=System.S4A,
        kind=Kind.REPEATABLE,
        payload=InviteUsers,
        changes=frozenset({View.S4A_LISTS}),
        summary="Invite collaborateurs with their role. Who is invited or active already is left as is.",
        refuses=("workspace-not-ready", "email-already-linked"),
    ),
    Verb(
        name="assignments",
        system=System.S4A,
        kind=Kind.REPEATABLE,
        payload=AssignClients,
        changes=frozenset({View.S4A_LISTS}),
        summary="Assign clients and prospects to users. What is assigned already is left as is.",
        refuses=("workspace-not-ready", "unknown-client", "unknown-user"),
    ),
)

REQUEST_ID = "Bascule-Request"
"""The header that names a request. Every answer but a token and a health echoes it: an answer that does not is another's."""

TAKEN_AT = "Bascule-Taken-At"
"""The header by which lists that have not changed say when they were read anew."""

verb_named = {verb.name: verb for verb in VERBS}


@dataclass(frozen=True, slots=True, kw_only=True)
class ErrorCode:
    """A refusal or failure that an agent may answer with."""

    code: str
    status: int
    error_class: ErrorClass
    meaning: str
    may_have_acted: bool = False


# A table reads across.
# fmt: off
ERRORS: tuple[ErrorCode, ...] = (
    # Any call may meet these.
    ErrorCode(code="unauthorised", status=401, error_class=ErrorClass.AUTH, meaning="The token is missing, wrong or expired: fetch a new one, once."),
    ErrorCode(code="consent-revoked", status=403, error_class=ErrorClass.AUTH, meaning="A person withdrew the agent's access; a person must give it again."),
    ErrorCode(code="unknown-cabinet", status=404, error_class=ErrorClass.CONFIG, meaning="The agent does not answer for this cabinet."),
    ErrorCode(code="unknown-operation", status=404, error_class=ErrorClass.UNKNOWN, meaning="No such operation of this cabinet."),
    ErrorCode(code="unknown-verb", status=404, error_class=ErrorClass.CONFIG, meaning="The agent does not carry out this write."),
    ErrorCode(code="invalid", status=422, error_class=ErrorClass.BUG, meaning="The payload or a header does not follow the contract."),
    ErrorCode(code="stale-fence", status=409, error_class=ErrorClass.EXTERNAL, meaning="Another process took the cabinet over: a higher fencing number was seen."),
    ErrorCode(code="too-many-requests", status=429, error_class=ErrorClass.THROTTLED, meaning="Too many requests; Retry-After says how long to wait, in seconds."),
    ErrorCode(code="unavailable", status=503, error_class=ErrorClass.TRANSIENT, meaning="Not available now; whether a write took effect is unknown.", may_have_acted=True),
    ErrorCode(code="internal", status=500, error_class=ErrorClass.TRANSIENT, meaning="Failed inside; whether a write took effect is unknown.", may_have_acted=True),
    # One write's own.
    ErrorCode(code="admin-sage-exists", status=409, error_class=ErrorClass.DATA, meaning="Another AdminSage is declared, and that choice is final."),
    ErrorCode(code="admin-sage-pending", status=409, error_class=ErrorClass.HUMAN, meaning="The AdminSage is not validated yet."),
    ErrorCode(code="wrong-key", status=409, error_class=ErrorClass.DATA, meaning="No key was computed for the question that GE shows now."),
    ErrorCode(code="tab-absent", status=409, error_class=ErrorClass.HUMAN, meaning="The tab Sage for Accountants does not show."),
    ErrorCode(code="unknown-entity", status=422, error_class=ErrorClass.DATA, meaning="GE has no entity of this identifier."),
    ErrorCode(code="entity-differs", status=409, error_class=ErrorClass.DATA, meaning="The entity's name or SIREN is not the one given."),
    ErrorCode(code="already-connected", status=409, error_class=ErrorClass.DATA, meaning="GE is connected to another entity."),
    ErrorCode(code="not-connected", status=409, error_class=ErrorClass.BUG, meaning="GE is not connected to Sage for Accountants yet."),
    ErrorCode(code="unknown-profile", status=422, error_class=ErrorClass.DATA, meaning="The entity has no such profile."),
    ErrorCode(code="unknown-group", status=422, error_class=ErrorClass.DATA, meaning="The entity has no such dossier group."),
    ErrorCode(code="email-already-linked", status=409, error_class=ErrorClass.DATA, meaning="The e-mail is already linked to another Sage account."),
    ErrorCode(code="not-signed-up", status=409, error_class=ErrorClass.BUG, meaning="The cabinet is not registered yet."),
    ErrorCode(code="billing-missing", status=409, error_class=ErrorClass.BUG, meaning="Billing parameters come before the terms."),
    ErrorCode(code="workspace-not-ready", status=409, error_class=ErrorClass.BUG, meaning="The workspace is not ready yet."),
    ErrorCode(code="wrong-order", status=409, error_class=ErrorClass.BUG, meaning="A step that must come before has not been done."),
    ErrorCode(code="users-connected", status=409, error_class=ErrorClass.HUMAN, meaning="Somebody is connected to GE."),
    ErrorCode(code="already-running", status=409, error_class=ErrorClass.EXTERNAL, meaning="A synchronisation is running."),
    ErrorCode(code="unknown-client", status=422, error_class=ErrorClass.DATA, meaning="Client Management has no such client."),
    ErrorCode(code="unknown-user", status=422, error_class=ErrorClass.DATA, meaning="Nobody is registered or invited with this e-mail."),
    # How a long operation may end.
    ErrorCode(code="inconsistent", status=200, error_class=ErrorClass.DATA, meaning="GE's consistency check found anomalies; the synchronisation did not begin."),
    ErrorCode(code="user-connected", status=200, error_class=ErrorClass.HUMAN, meaning="A user connected meanwhile; the synchronisation was aborted and put back."),
    ErrorCode(code="interrupted", status=200, error_class=ErrorClass.EXTERNAL, meaning="The synchronisation was cut midway.", may_have_acted=True),
)
# How people end what they were asked to do: no words of an agent's.
OF_PEOPLE: tuple[ErrorCode, ...] = (
    ErrorCode(code="not-done", status=200, error_class=ErrorClass.HUMAN, meaning="A person was asked, and did not do it."),
    ErrorCode(code="cannot", status=200, error_class=ErrorClass.DATA, meaning="A person was asked, and says that something must be mended first."),
)
# fmt: on

CANNOT = "cannot"
"""A person's word that stops a cabinet, where other refusals are only remembered."""
TAKEN_BACK = "taken-back"
"""A person's answer no longer counts: what became of the write is not known, and only the facts tell."""

error_coded = {error.code: error for error in ERRORS}
ending_coded = error_coded | {error.code: error for error in OF_PEOPLE}


@dataclass(frozen=True, slots=True, kw_only=True)
class Said(Strict):
    """An error, in the body of any status: also of 200, as Sage's own cloud interface does."""

    code: str
    """One of those listed here."""
    message: str
    """For people; in any language, at most 4,000 characters. Empty where there is nothing to add."""
    details: dict[str, str] = field(default_factory=dict)
    """What people need to find it: names and values as text."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ErrorBody(Strict):
    errors: tuple[Said, ...]
    """At least one."""


@dataclass(frozen=True, slots=True, kw_only=True)
class AgentOperation(Operation):
    """What an agent says of one write that it received. It never asks a person: so no `awaited`."""

    cabinet: str
    """The cabinet's code, as the path of the write had it."""
    status: Literal[
        OperationStatus.ACCEPTED,
        OperationStatus.RUNNING,
        OperationStatus.SUCCEEDED,
        OperationStatus.NOT_BEGUN,
        OperationStatus.INTERRUPTED,
    ]
    """How far it is."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Operations(Strict):
    """Every operation that was received under one key, oldest first; none if the key was never seen."""

    cabinet: str
    """The cabinet's code, as the path has it."""
    operations: tuple[AgentOperation, ...]
    """Oldest first."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Token(Strict):
    access_token: str = field(repr=False)
    """Printable ASCII without blanks."""
    token_type: Literal["Bearer"]
    """How it is sent."""
    expires_in: int
    """Seconds."""


@dataclass(frozen=True, slots=True, kw_only=True)
class HealthBody(Strict):
    status: Literal["ok"]
    """The agent works, and reaches its system."""
    system: System
    """Which system this is."""
    contract: str
    """The version of this contract that the agent speaks."""
    time: Instant
    """The system's own time, with its offset: the clock of every instant that it tells."""
