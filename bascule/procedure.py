"""The procedure of Sage's fiche, as code: twenty steps, what each stands on, and what is true when it is done.

A step is a change: what it requires, how it acts, what it ensures. `docs/procedure.md` is generated from here.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from enum import StrEnum
from functools import cached_property
from itertools import chain
from typing import Any, TypeVar

from bascule.checks.consistency import anomalies
from bascule.checks.entity import (
    client_named,
    entity_problem,
    group_exists,
    names_of_defaults,
    profile_exists,
    same_group,
    same_profile,
)
from bascule.checks.findings import Finding, Level
from bascule.checks.list_age import Bound
from bascule.checks.received import began_before_lock_out, synchronisation_problem
from bascule.checks.reconciliation import NO_LIST, Reconciliation, compare, contacts_to_enter
from bascule.checks.rights import admin_problem, in_words, missing_rights
from bascule.checks.sameness import Tolerated, as_ge_compares
from bascule.connectors import Basis, Observation
from bascule.connectors.contract import verb_named
from bascule.connectors.operator.sittings import sitting_of
from bascule.facts import (
    AdminSageStatus,
    Assigned,
    GeFacts,
    GeLists,
    MySageFacts,
    S4aFacts,
    S4aLists,
    SynchronisationStatus,
    View,
    WorkspaceStatus,
)
from bascule.model import Assignment, Cabinet, Kind, Outcome, System

BACKUP_LASTS = timedelta(hours=24)
OUR_NAME = "bascule"
"""The name under which GE shows a lock-out of ours."""


class Kept(StrEnum):
    """A list that was read under the lock-out and kept, so that both sides are compared as they stood then."""

    SOURCE = "source-lists"
    TARGET = "target-lists"

    @property
    def view(self) -> View:
        return View.GE_LISTS if self is Kept.SOURCE else View.S4A_LISTS


Reading = View | Kept
T = TypeVar("T", bound=Observation)


@dataclass(frozen=True, slots=True, kw_only=True)
class SecondSynchronisation:
    """One that Bascule carried out, or had carried out, by a person's decision, after another."""

    by: str
    """Who ordered it."""
    at: datetime
    """When it was proven; where it never was, when it was ordered."""
    doubled_before: int = 0
    """Dossiers that were there more than once before it, as the last comparison until then says: not its doing."""

    def __str__(self) -> str:
        return f"Bascule's own second synchronisation of {self.at:%Y-%m-%d %H:%M} UTC, ordered by {self.by}"


@dataclass(frozen=True)
class Facts:
    """What is known of one cabinet at one instant. Holds what the step at hand reads, and nothing else."""

    now: datetime
    cabinet: Cabinet
    read: Mapping[Reading, Observation]
    again: frozenset[str] = frozenset()
    """Steps that a person ordered to be done once more, and that have not been since."""
    tolerate: frozenset[Tolerated] = frozenset()
    """In what texts may differ between source and target."""
    basis: Mapping[Reading, Basis] = field(default_factory=dict)
    """Who says what was read."""
    unproven: Mapping[Kept, str] = field(default_factory=dict)
    """Of the lists to be compared, those that prove nothing of the synchronisation, and why."""
    under_lock_out: frozenset[Kept] = frozenset()
    """Of the kept lists, those that were read while GE's users were kept out; the others were read when they were in."""
    second_synchronisation: SecondSynchronisation | None = None
    """The last that there was."""

    @property
    def my_sage(self) -> MySageFacts:
        return self._the(View.MY_SAGE, MySageFacts)

    @property
    def ge(self) -> GeFacts:
        return self._the(View.GE, GeFacts)

    @property
    def ge_lists(self) -> GeLists:
        return self._the(View.GE_LISTS, GeLists)

    @property
    def s4a(self) -> S4aFacts:
        return self._the(View.S4A, S4aFacts)

    @property
    def s4a_lists(self) -> S4aLists:
        return self._the(View.S4A_LISTS, S4aLists)

    @property
    def source(self) -> GeLists:
        return self._the(Kept.SOURCE, GeLists)

    @property
    def target(self) -> S4aLists:
        return self._the(Kept.TARGET, S4aLists)

    @cached_property
    def reconciled(self) -> Reconciliation:
        """Source and target as they were kept. Looked at by several conditions, and dear."""
        unproven = "; ".join(dict.fromkeys(self.unproven.values()))
        return compare(self.source, self.target, self.cabinet, tolerate=self.tolerate, unproven=unproven)

    def _the(self, reading: Reading, kind: type[T]) -> T:
        observation = self.read[reading]
        assert isinstance(observation, kind)
        return observation


class WhenFalse(StrEnum):
    """What it means for the cabinet that a condition does not hold."""

    WAITS = "waits"
    """Time or a person changes it."""
    BLOCKS = "blocks"
    """Data or rights must be mended first."""
    IS_PARTIAL = "is-partial"
    """The migration took place, but not all of it."""
    FAILS = "fails"


@dataclass(frozen=True)
class Condition:
    """A yes-or-no question to the facts, and what to say when it is no."""

    reads: frozenset[Reading]
    otherwise: str | Callable[[Facts], str]
    holds: Callable[[Facts], bool]
    when_false: WhenFalse = WhenFalse.WAITS
    remedy: str | Callable[[Facts], str] = ""
    awaits: frozenset[View] = frozenset()
    """What is read again, for as long as users may be kept waiting, until it holds."""

    def why_not(self, facts: Facts) -> str:
        return self.otherwise if isinstance(self.otherwise, str) else self.otherwise(facts)

    def what_to_do(self, facts: Facts) -> str:
        return self.remedy if isinstance(self.remedy, str) else self.remedy(facts)


@dataclass(frozen=True)
class Act:
    """One write, left out where `unless` already holds."""

    verb: str
    unless: Condition
    payload: Callable[[Facts], dict[str, Any]] = lambda facts: {}
    names: Callable[[Facts], Mapping[str, tuple[str, ...]]] = lambda facts: {}
    """By the inventory's column: by what else people may know what stands there."""
    never_while: tuple[Condition, ...] = ()
    """What makes this act a person's decision, whoever brought it about."""

    @property
    def system(self) -> System:
        return verb_named[self.verb].system


@dataclass(frozen=True, kw_only=True)
class Step:
    name: str
    kind: Kind
    says: str
    """One sentence for people: what this step is for."""
    after: tuple[str, ...] = ()
    requires: tuple[Condition, ...] = ()
    acts: tuple[Act, ...] = ()
    ensures: tuple[Condition, ...] = ()
    irreversible: bool = False
    any_instants: bool = False
    """It asks for no instant that a system tells: one that cannot be does not hold it up."""
    anew: frozenset[Reading] = frozenset()
    """What this step reads again, however recently it was read."""
    patience: float = 0.0
    """Seconds to go on looking, after acting, before the step ends waiting."""
    lasts: timedelta | None = None
    """How long its proof counts while the synchronisation is still to come; None: for good."""
    since: Callable[[Facts], datetime | None] = lambda facts: None
    """From when on that time is counted; None: from the proof."""
    keeps_before: Kept | None = None
    keeps_after: Kept | None = None
    findings: Callable[[Facts], tuple[Finding, ...]] = lambda facts: ()
    tells: Callable[[Facts], Mapping[str, Any]] = lambda facts: {}
    """What its proof, or its verdict, keeps as evidence besides what was observed."""
    remarks: Callable[[Facts], str] = lambda facts: ""
    """What its proof says, where people have to know how it was come by."""
    needed: Callable[[Cabinet], bool] = lambda cabinet: True

    @property
    def reads(self) -> frozenset[Reading]:
        """What must be read to tell whether it is done."""
        return frozenset(chain.from_iterable(condition.reads for condition in self.ensures))

    @property
    def reads_before(self) -> frozenset[Reading]:
        """What must be read besides, to tell whether it may act, and on what."""
        conditions = (*self.requires, *(act.unless for act in self.acts))
        return frozenset(chain.from_iterable(condition.reads for condition in conditions))

    @property
    def systems(self) -> tuple[System, ...]:
        views = {reading.view if isinstance(reading, Kept) else reading for reading in self.reads}
        touched = {view.system for view in views} | {act.system for act in self.acts}
        return tuple(system for system in System if system in touched)


# What the conditions read

MY_SAGE: frozenset[Reading] = frozenset({View.MY_SAGE})
GE: frozenset[Reading] = frozenset({View.GE})
GE_LISTS: frozenset[Reading] = frozenset({View.GE_LISTS})
S4A: frozenset[Reading] = frozenset({View.S4A})
S4A_LISTS: frozenset[Reading] = frozenset({View.S4A_LISTS})
KEPT: frozenset[Reading] = frozenset({Kept.SOURCE, Kept.TARGET})

MAKE_FRESH = "see that its agent tells lists as they are now, not from a cache, or have them exported anew"

# What one step ensures and the next requires

admin_is_in_contacts = Condition(
    GE_LISTS,
    lambda f: admin_problem(f.ge_lists, f.cabinet) or "",
    lambda f: admin_problem(f.ge_lists, f.cabinet) is None,
    WhenFalse.BLOCKS,
    "correct the e-mail in GE (contacts of the entity) or in the inventory: the two must be identical",
)
has_all_rights = Condition(
    GE_LISTS,
    lambda f: f"the AdminSage lacks rights: {in_words(missing_rights(f.ge_lists, f.cabinet))}",
    lambda f: not missing_rights(f.ge_lists, f.cabinet),
    WhenFalse.BLOCKS,
    "in GE, give the AdminSage's collaborateur every right on these dossier groups (tab Droits sur les groupes de dossiers)",
)
no_other_admin_sage = Condition(
    MY_SAGE,
    lambda f: (
        f"another AdminSage is declared ({', '.join(a.email for a in f.my_sage.admin_sages if a.email != f.cabinet.admin_email)}), and that choice is final"
    ),
    lambda f: all(admin.email == f.cabinet.admin_email for admin in f.my_sage.admin_sages),
    WhenFalse.BLOCKS,
    "correct admin_email in the inventory, or have Sage change the AdminSage",
)
admin_sage_is_declared = Condition(
    MY_SAGE,
    "the AdminSage is not declared in My Sage",
    lambda f: any(admin.email == f.cabinet.admin_email for admin in f.my_sage.admin_sages),
)
admin_sage_is_validated = Condition(
    MY_SAGE,
    "Sage has not validated the AdminSage yet",
    lambda f: any(
        a.email == f.cabinet.admin_email and a.status is AdminSageStatus.VALIDATED for a in f.my_sage.admin_sages
    ),
    remedy="wait for Sage's e-mail, then re-run",
)
key_is_computed = Condition(
    MY_SAGE | GE,
    "My Sage has computed no key for the question that GE shows",
    lambda f: f.ge.key_entered_at is not None or f.my_sage.key_question == f.ge.key_question,
)
key_is_entered = Condition(
    GE, "the activation key has not been entered in GE", lambda f: f.ge.key_entered_at is not None
)
is_licensed = Condition(
    GE,
    "GE does not show the module Sage for Accountants as licensed",
    lambda f: f.ge.licensed,
    remedy="check the key's question, then enter the key again",
)
is_restarted = Condition(
    GE,
    "GE has not been restarted since the key was entered",
    lambda f: (
        f.ge.key_entered_at is not None and f.ge.restarted_at is not None and f.ge.restarted_at >= f.ge.key_entered_at
    ),
)
tab_shows = Condition(
    GE,
    "the tab Sage for Accountants does not show in GE",
    lambda f: f.ge.tab_visible,
    remedy="close GE and open it through IntuiSage; if the tab stays absent, check the key with Sage",
)
entity_is_the_right_one = Condition(
    GE_LISTS,
    lambda f: entity_problem(f.ge_lists, f.cabinet) or "",
    lambda f: entity_problem(f.ge_lists, f.cabinet) is None,
    WhenFalse.BLOCKS,
    "correct the entity in GE or the row in the inventory, then re-run",
)
is_connected = Condition(GE, "GE is not connected to Sage for Accountants", lambda f: f.ge.connected_entity is not None)
right_entity_is_connected = Condition(
    GE,
    lambda f: (
        f"GE is connected to another entity ({f.ge.connected_entity.id if f.ge.connected_entity else 'none'}, not {f.cabinet.entity})"
    ),
    lambda f: (
        f.ge.connected_entity is not None
        and f.ge.connected_entity.id == f.cabinet.entity
        and f.ge.connected_entity.siren == f.cabinet.siren
    ),
    WhenFalse.BLOCKS,
    "have Sage undo the connection: Bascule never does",
)
default_profile_exists = Condition(
    GE_LISTS,
    lambda f: f"the entity has no profile {f.cabinet.default_profile!r}",
    lambda f: profile_exists(f.ge_lists, f.cabinet),
    WhenFalse.BLOCKS,
    "correct default_profile in the inventory, or create the profile in GE",
)
default_group_exists = Condition(
    GE_LISTS,
    lambda f: f"the entity has no dossier group {f.cabinet.default_group!r}",
    lambda f: group_exists(f.ge_lists, f.cabinet),
    WhenFalse.BLOCKS,
    "correct default_group in the inventory, or create the group in GE",
)
defaults_are_set = Condition(
    GE | GE_LISTS,
    "default profile and default dossier group are not set as the inventory says",
    lambda f: (
        same_profile(f.cabinet.default_profile, f.ge.default_profile, f.ge_lists, f.cabinet)
        and same_group(f.cabinet.default_group, f.ge.default_group, f.ge_lists, f.cabinet)
    ),
)
wizard_is_finished = Condition(GE, "the connection wizard was not ended by Terminer", lambda f: f.ge.wizard_finished)
is_signed_up = Condition(
    S4A, "the cabinet is not registered in Sage for Accountants", lambda f: f.s4a.signed_up_at is not None
)
is_signed_up_as_itself = Condition(
    S4A,
    lambda f: f"Sage for Accountants holds another SIREN for this cabinet ({f.s4a.signed_up_siren})",
    lambda f: f.s4a.signed_up_siren == f.cabinet.siren,
    WhenFalse.BLOCKS,
    "clear this up with Sage before anything else is done",
)
billing_is_given = Condition(
    S4A, "the billing parameters have not been given", lambda f: f.s4a.billing_given_at is not None
)
signatory_is_named = Condition(
    frozenset(),
    "nobody is named who may accept the terms",
    lambda f: bool(f.cabinet.terms_signatory),
    WhenFalse.BLOCKS,
    "fill in terms_signatory (signataire_cg) in the inventory",
)
terms_are_accepted = Condition(
    S4A, "the general terms have not been accepted", lambda f: f.s4a.terms_accepted_at is not None
)
workspace_is_ready = Condition(
    S4A,
    "Sage for Accountants is still preparing the workspace",
    lambda f: f.s4a.workspace is WorkspaceStatus.READY,
    remedy="re-run later",
)
is_back_in_ge = Condition(GE, "nobody has returned from the sign-up to GE", lambda f: f.ge.returned_at is not None)
exe_is_opened = Condition(
    GE,
    "espaceexpertclient.exe has not been opened since the return to GE",
    lambda f: (
        f.ge.returned_at is not None and f.ge.exe_opened_at is not None and f.ge.exe_opened_at >= f.ge.returned_at
    ),
)
is_backed_up = Condition(
    GE,
    "GE's SQL and Mongo databases have no backup of the last 24 hours",
    lambda f: all(
        at is not None and _backup_counts_at(f) - at <= BACKUP_LASTS
        for at in (f.ge.sql_backup_at, f.ge.mongo_backup_at)
    ),
    remedy="back both databases up, then re-run",
)
is_consistent = Condition(
    GE_LISTS,
    lambda f: _anomalies_in_words(_blocking(f)),
    lambda f: not _blocking(f),
    WhenFalse.BLOCKS,
    "mend the anomalies in GE, then re-run",
)
is_synchronised = Condition(
    GE | S4A,
    lambda f: synchronisation_problem(f.ge, f.s4a, OUR_NAME),
    lambda f: not synchronisation_problem(f.ge, f.s4a, OUR_NAME),
    WhenFalse.FAILS,
)
nobody_is_connected = Condition(
    GE | S4A,
    lambda f: f"connected to GE: {', '.join(sorted(s.user for s in f.ge.sessions if not s.ours))}",
    lambda f: all(session.ours for session in f.ge.sessions) or _nobody_need_be_kept_out(f),
    remedy="have everybody leave GE, then re-run",
)
is_locked_out_by_us = Condition(
    GE | S4A,
    "GE's users are not kept out",
    lambda f: f.ge.locked_out_by == OUR_NAME or _nobody_need_be_kept_out(f),
)


def _source_before_lock_out(facts: Facts) -> str:
    """That GE's lists are of before our lock-out, in words; else empty."""
    ge = facts.ge
    if ge.locked_out_by != OUR_NAME or ge.locked_out_at is None:
        return ""
    lock_out = Bound(ge.locked_out_at, "the lock-out", facts.basis[View.GE])
    return lock_out.why_too_old(facts.ge_lists, facts.basis[View.GE_LISTS])


source_is_of_the_lock_out = Condition(
    GE | GE_LISTS,
    _source_before_lock_out,
    lambda f: not _source_before_lock_out(f),
    remedy=f"{MAKE_FRESH}, then re-run",
    awaits=frozenset({View.GE_LISTS}),
)
synchronisation_was_cut = Condition(
    GE,
    "a synchronisation was cut midway; whether another one would resume it or start afresh is not known publicly",
    lambda f: f.ge.synchronisation is not None and f.ge.synchronisation.status is SynchronisationStatus.INTERRUPTED,
    remedy=lambda f: (
        f"look at both sides, then: bascule rerun --cabinet {f.cabinet.code} --again synchronise --because TEXT --by NAME"
    ),
)
synchronisation_is_of_before = Condition(
    GE,
    lambda f: began_before_lock_out(f.ge, OUR_NAME),
    lambda f: bool(began_before_lock_out(f.ge, OUR_NAME)),
    remedy=lambda f: (
        f"look at both sides; if it has to be done once more: bascule rerun --cabinet {f.cabinet.code} --again synchronise --because TEXT --by NAME"
    ),
)
users_can_connect = Condition(
    GE,
    "GE's users are still kept out",
    lambda f: f.ge.locked_out_by is None,
    remedy="re-run; if users must work before that, end the lock-out in GE by hand",
)


def _read_with_users_in(facts: Facts) -> str:
    """Which lists were not read under the lock-out, and when they were: what was made since may look missing, or extra."""
    sides = (("GE", Kept.SOURCE, facts.source.taken_at), ("Client Management", Kept.TARGET, facts.target.taken_at))
    told = [f"{name} of {at:%Y-%m-%d %H:%M} UTC" for name, kept, at in sides if kept not in facts.under_lock_out]
    return f"not read under the lock-out: the lists of {' and of '.join(told)}" if told else ""


is_the_same_on_both_sides = Condition(
    KEPT,
    lambda f: differences_in_words(f.reconciled),
    lambda f: not f.reconciled.differs,
    WhenFalse.IS_PARTIAL,
    lambda f: "; ".join(
        filter(None, (what_to_do_about(f.reconciled, f.second_synchronisation), _read_with_users_in(f)))
    ),
)
dossiers_are_compared = Condition(
    KEPT,
    lambda f: f"the dossiers were not compared: {f.reconciled.of('dossier').not_compared}",
    lambda f: f.reconciled.tells_dossiers,
    remedy=lambda f: (
        f"{MAKE_FRESH}, then re-run" if f.unproven else "export the dossiers of Client Management, then re-run"
    ),
)
users_are_invited = Condition(
    S4A_LISTS,
    "some of the named collaborateurs are not invited with their role",
    lambda f: (
        {(i.email.casefold(), i.role) for i in f.cabinet.invitations}
        <= {(u.email.casefold(), u.role) for u in f.s4a_lists.users}
    ),
)


def _assigned(assignments: Iterable[Assignment | Assigned], lists: S4aLists) -> set[tuple[str, str]]:
    """Client and e-mail; a client by the code that Client Management has for it, where it has one."""
    codes = {one.client: client_named(one.client, lists.dossiers) for one in assignments}
    return {
        (as_ge_compares(client.code if (client := codes[one.client]) else one.client), as_ge_compares(one.email))
        for one in assignments
    }


clients_are_assigned = Condition(
    S4A_LISTS,
    "some clients are not assigned as the inventory says",
    lambda f: _assigned(f.cabinet.assignments, f.s4a_lists) <= _assigned(f.s4a_lists.assignments, f.s4a_lists),
)
contacts_are_listed = Condition(GE_LISTS | S4A_LISTS, "", lambda f: True)


PROCEDURE: tuple[Step, ...] = (
    Step(
        name="admin-rights",
        kind=Kind.CHECK,
        says="The collaborateur who is to be AdminSage has the identical e-mail in the entity's contacts, and every right on every dossier group.",
        ensures=(admin_is_in_contacts, has_all_rights),
    ),
    Step(
        name="admin-sage",
        kind=Kind.HUMAN,
        irreversible=True,
        says="The AdminSage is declared in My Sage and validated by Sage.",
        after=("admin-rights",),
        requires=(no_other_admin_sage,),
        acts=(Act("admin-sage", admin_sage_is_declared, lambda f: {"email": f.cabinet.admin_email}),),
        ensures=(no_other_admin_sage, admin_sage_is_declared, admin_sage_is_validated),
        patience=600,
    ),
    Step(
        name="activation-key",
        kind=Kind.HUMAN,
        says="My Sage computes the activation key for GE's question, and it is entered in GE.",
        after=("admin-sage",),
        acts=(
            Act("compute-key", key_is_computed, lambda f: {"question": f.ge.key_question}),
            Act("enter-key", key_is_entered, lambda f: {"question": f.ge.key_question}),
        ),
        ensures=(key_is_entered, is_licensed),
    ),
    Step(
        name="restart",
        kind=Kind.REPEATABLE,
        says="GE is closed and opened again through IntuiSage; the tab Sage for Accountants shows.",
        after=("activation-key",),
        acts=(Act("restart", is_restarted),),
        ensures=(is_restarted, tab_shows),
    ),
    Step(
        name="connect",
        kind=Kind.ONCE,
        says="GE is connected to Sage for Accountants, for the right entity.",
        after=("restart",),
        requires=(admin_is_in_contacts, has_all_rights, entity_is_the_right_one),
        anew=GE_LISTS,
        acts=(
            Act(
                "connect",
                is_connected,
                lambda f: {
                    "entity": f.cabinet.entity,
                    "name": f.cabinet.name,
                    "siren": f.cabinet.siren,
                    "siret": f.cabinet.siret,
                },
            ),
        ),
        ensures=(is_connected, right_entity_is_connected),
    ),
    Step(
        name="defaults",
        kind=Kind.REPEATABLE,
        says="Default profile and default dossier group are chosen, and the wizard is ended by Terminer.",
        after=("connect",),
        requires=(default_profile_exists, default_group_exists),
        acts=(
            Act(
                "defaults",
                Condition(GE | GE_LISTS, "", lambda f: defaults_are_set.holds(f) and wizard_is_finished.holds(f)),
                lambda f: {"profile": f.cabinet.default_profile, "group": f.cabinet.default_group},
                names=lambda f: names_of_defaults(f.ge_lists, f.cabinet) if View.GE_LISTS in f.read else {},
            ),
        ),
        ensures=(defaults_are_set, wizard_is_finished),
    ),
    Step(
        name="sign-up",
        kind=Kind.ONCE,
        says="The cabinet is registered in Sage for Accountants.",
        after=("defaults",),
        acts=(
            Act(
                "sign-up",
                is_signed_up,
                lambda f: {"name": f.cabinet.name, "siren": f.cabinet.siren, "email": f.cabinet.admin_email},
            ),
        ),
        ensures=(is_signed_up, is_signed_up_as_itself),
    ),
    Step(
        name="billing",
        kind=Kind.HUMAN,
        says="The billing parameters are given. Only that they are given is kept: never bank data.",
        after=("sign-up",),
        acts=(Act("billing", billing_is_given),),
        ensures=(billing_is_given,),
    ),
    Step(
        name="terms",
        kind=Kind.HUMAN,
        irreversible=True,
        says="A named person who is entitled to accepts the general terms.",
        after=("billing",),
        requires=(signatory_is_named,),
        acts=(Act("terms", terms_are_accepted, lambda f: {"signatory": f.cabinet.terms_signatory}),),
        ensures=(terms_are_accepted,),
    ),
    Step(
        name="workspace",
        kind=Kind.CHECK,
        says="Sage for Accountants has finished processing; the workspace opens.",
        after=("terms",),
        ensures=(workspace_is_ready,),
        patience=900,
    ),
    Step(
        name="return",
        kind=Kind.REPEATABLE,
        says="Back to GE from the sign-up, and only then espaceexpertclient.exe is opened.",
        after=("workspace",),
        acts=(Act("return-to-ge", is_back_in_ge), Act("open-exe", exe_is_opened)),
        ensures=(is_back_in_ge, exe_is_opened),
    ),
    Step(
        name="backup",
        kind=Kind.HUMAN,
        says="GE's SQL and Mongo databases are backed up, less than 24 hours before the lock-out.",
        after=("return",),
        acts=(Act("backup", is_backed_up),),
        ensures=(is_backed_up,),
        lasts=BACKUP_LASTS,
        since=lambda f: min((at for at in (f.ge.sql_backup_at, f.ge.mongo_backup_at) if at is not None), default=None),
    ),
    Step(
        name="consistency",
        kind=Kind.CHECK,
        says="GE's lists hold no blocking anomaly; read again under the lock-out.",
        after=("return",),
        ensures=(is_consistent,),
        findings=lambda f: anomalies(f.ge_lists, f.cabinet),
    ),
    Step(
        name="lock-out",
        kind=Kind.REPEATABLE,
        says="Nobody is connected to GE but the session that will synchronise, and nobody can connect.",
        after=("backup", "consistency"),
        requires=(is_backed_up, nobody_is_connected),
        anew=GE,
        acts=(Act("lock-out", is_locked_out_by_us),),
        ensures=(is_locked_out_by_us, nobody_is_connected),
    ),
    Step(
        name="synchronise",
        kind=Kind.ONCE,
        irreversible=True,
        says="GE checks its data and carries them over to Sage for Accountants; Terminer, Quitter.",
        after=("lock-out",),
        requires=(is_backed_up, is_locked_out_by_us, nobody_is_connected, source_is_of_the_lock_out, is_consistent),
        anew=GE | GE_LISTS,
        acts=(
            Act("synchronise", is_synchronised, never_while=(synchronisation_was_cut, synchronisation_is_of_before)),
        ),
        ensures=(is_synchronised,),
        keeps_before=Kept.SOURCE,
        keeps_after=Kept.TARGET,
    ),
    Step(
        name="reopen",
        kind=Kind.REPEATABLE,
        says="GE's users can connect again. Owed after every lock-out, whatever happened.",
        after=("synchronise",),
        any_instants=True,
        anew=GE,
        acts=(Act("reopen", users_can_connect),),
        ensures=(users_can_connect,),
    ),
    Step(
        name="reconcile",
        kind=Kind.CHECK,
        says="Dossier groups, dossiers, collaborateurs and rights are the same sets on both sides, as read under the lock-out where they could be; so are the default profile and group.",
        after=("reopen",),
        ensures=(is_the_same_on_both_sides, dossiers_are_compared),
        findings=lambda f: tuple(
            Finding(
                rule="REC-01",
                level=Level.RESERVATION,
                about=one.in_general,
                says=f"{one.in_general} were not compared: {one.not_compared}",
                remedy="compare them by eye; or export them too, then: bascule reconcile",
            )
            for one in f.reconciled.not_compared
            if one.not_compared == NO_LIST
        ),
        tells=lambda f: {"reconciled": f.reconciled.as_json()} if f.reconciled.tells_anything else {},
        remarks=_read_with_users_in,
    ),
    Step(
        name="users",
        kind=Kind.REPEATABLE,
        says="The collaborateurs that the inventory names are invited with their role. Invited is not active.",
        after=("reconcile",),
        acts=(
            Act(
                "users",
                users_are_invited,
                lambda f: {
                    "users": [
                        {"email": i.email, "collaborateur": i.collaborateur, "role": i.role}
                        for i in f.cabinet.invitations
                    ]
                },
            ),
        ),
        ensures=(users_are_invited,),
        needed=lambda cabinet: bool(cabinet.invitations),
    ),
    Step(
        name="assignments",
        kind=Kind.REPEATABLE,
        says="Clients and prospects are assigned to users as the inventory says.",
        after=("users",),
        acts=(
            Act(
                "assignments",
                clients_are_assigned,
                lambda f: {"assignments": [{"client": a.client, "email": a.email} for a in f.cabinet.assignments]},
            ),
        ),
        ensures=(clients_are_assigned,),
        needed=lambda cabinet: bool(cabinet.assignments),
    ),
    Step(
        name="contacts",
        kind=Kind.CHECK,
        says="Contacts created in Client Management are listed for entry in GE: they do not synchronise, and this is never repaired.",
        after=("reconcile",),
        ensures=(contacts_are_listed,),
        findings=lambda f: tuple(
            Finding(
                rule="CON-01",
                level=Level.RESERVATION,
                about=contact.id,
                says=f"the contact {contact.name} exists in Client Management only",
                remedy="enter it in GE: contacts of Client Management do not synchronise",
            )
            for contact in contacts_to_enter(f.ge_lists, f.s4a_lists)
        ),
    ),
)

# The guarded section: it opens only while the synchronisation is unproven, and its reopen is owed whatever happens.
LOCK_OUT, SYNCHRONISE, REOPEN = "lock-out", "synchronise", "reopen"
RECONCILE = "reconcile"

_by_name = {step.name: step for step in PROCEDURE}


def step_named(name: str) -> Step:
    return _by_name[name]


def steps_written_by(verbs: Iterable[str]) -> tuple[str, ...]:
    """The steps that these writes belong to, in the procedure's order."""
    written = set(verbs)
    return tuple(step.name for step in PROCEDURE if any(act.verb in written for act in step.acts))


def in_one_sitting(
    step: Step, asks: Callable[[str], bool], procedure: tuple[Step, ...] = PROCEDURE
) -> tuple[Step, ...]:
    """This step, and those that a person is asked to do together with it. `asks`: whether a person is asked for a write."""
    asked = next((act.verb for act in step.acts if asks(act.verb)), None)
    if asked is None:
        return (step,)
    verbs = sitting_of(asked, asks)
    return (step, *(other for other in procedure if other != step and any(act.verb in verbs for act in other.acts)))


def required_of(steps: tuple[Step, ...]) -> tuple[Condition, ...]:
    """What must hold before these steps begin, taken as one: what one of them ensures, a later one need not find."""
    required: list[Condition] = []
    ensured: list[Condition] = []
    for step in steps:
        required += [condition for condition in step.requires if condition not in (*required, *ensured)]
        ensured += step.ensures
    return tuple(required)


OUTCOME_WHEN_FALSE: dict[WhenFalse, Outcome] = {
    WhenFalse.BLOCKS: Outcome.BLOCKED,
    WhenFalse.IS_PARTIAL: Outcome.PARTIAL,
    WhenFalse.FAILS: Outcome.FAILED,
}


def _nobody_need_be_kept_out(facts: Facts) -> bool:
    """The guarded section opens only while the synchronisation is to come."""
    return is_synchronised.holds(facts) and SYNCHRONISE not in facts.again


def _backup_counts_at(facts: Facts) -> datetime:
    """When a backup must be young: now; once the synchronisation has taken place, when it began, so that nobody makes one after."""
    last = facts.ge.synchronisation
    if last is None or last.status is not SynchronisationStatus.DONE or SYNCHRONISE in facts.again:
        return facts.now
    return last.started_at


def _blocking(facts: Facts) -> tuple[Finding, ...]:
    return tuple(finding for finding in anomalies(facts.ge_lists, facts.cabinet) if finding.level is Level.BLOCK)


def what_to_do_about(reconciled: Reconciliation, second: SecondSynchronisation | None = None) -> str:
    """Where source and target differ: after what we doubled, or what is missing, the rest often explains itself."""
    if second is not None and (doubled := reconciled.doubled - second.doubled_before) > 0:
        there = f"{doubled} dossier{'s are' if doubled > 1 else ' is'} in Client Management more than once"
        mends = "have Sage remove the doubles, which Bascule never does; do not order another"
        missing = reconciled.of("dossier").count("missing")
        still = f"; {missing} dossiers are missing all the same, and the report names them" if missing else ""
        return f"{there}: {second} made them; {mends}{still}"
    group = reconciled.group_left_behind
    if group is not None:
        return f"the report names what is missing: all those dossiers are of the group {group!r}; see whether the AdminSage held every right on it"
    if reconciled.count("missing"):
        return "the report names what is missing; in most cases the AdminSage lacked rights on a dossier group"
    if reconciled.count("extra"):
        return "the report names what Client Management has besides; see who made it there"
    return "the report names what differs; put it right on the side that is wrong"


def differences_in_words(reconciled: Reconciliation, limit: int = 5) -> str:
    """What differs, then what nobody can tell."""
    unsaid = reconciled.not_compared_in_words() if reconciled.has_reservations else ""
    return reconciled.in_words(limit) + (f"; not compared: {unsaid}" if unsaid else "")


def _anomalies_in_words(found: tuple[Finding, ...]) -> str:
    first = "; ".join(f"{finding.about}: {finding.says}" for finding in found[:3])
    rest = f" … and {len(found) - 3} more" if len(found) > 3 else ""
    return f"blocking anomalies in GE's lists ({len(found)}): {first}{rest}"
