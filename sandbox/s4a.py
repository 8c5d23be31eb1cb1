"""S4A: the sign-up, the workspace, and what Client Management holds."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property

from pydantic import TypeAdapter

from sandbox import synchronisation
from sandbox.cabinet import Cabinet, Refused
from sandbox.clock import instant, instant_or_none
from sandbox.ge import running_course
from sandbox.snapshot import Frozen
from sandbox.standing import Invited, Transfer
from sandbox.wire import (
    AcceptTerms,
    AssignClients,
    Assigned,
    Collaborateur,
    Contact,
    Dossier,
    Group,
    InviteUsers,
    Nothing,
    Right,
    S4aFacts,
    SignUp,
    User,
)
from sandbox.world import Lists

PROCESSING = 0.5
"""How long S4A processes after the terms were accepted, in `sync_seconds`."""

ACTIVATION = 0.2
"""How long an invited person takes to accept, in `sync_seconds`."""


def facts(cabinet: Cabinet, now: float) -> S4aFacts:
    s4a = cabinet.standing.s4a
    return S4aFacts(
        cabinet=cabinet.code,
        taken_at=instant(now),
        signed_up_at=instant_or_none(s4a.signed_up_at),
        signed_up_siren=s4a.signed_up_siren,
        billing_given_at=instant_or_none(s4a.billing_given_at),
        terms_accepted_at=instant_or_none(s4a.terms_accepted_at),
        terms_signatory=s4a.terms_signatory,
        workspace="absent" if s4a.workspace_ready_at is None else "ready" if is_ready(cabinet, now) else "processing",
        synchronised_at=instant_or_none(s4a.synchronised_at),
    )


def is_ready(cabinet: Cabinet, now: float) -> bool:
    ready_at = cabinet.standing.s4a.workspace_ready_at
    return ready_at is not None and now >= ready_at


# What Client Management holds


@dataclass(frozen=True)
class Received:
    """What synchronisations brought: the long part of the lists."""

    groups: tuple[Group, ...]
    dossiers: tuple[Dossier, ...]
    collaborateurs: tuple[Collaborateur, ...]
    rights: tuple[Right, ...]

    @cached_property
    def frozen(self) -> Frozen:
        return Frozen(_json_of_received.dump_json(self))


NOTHING_RECEIVED = Received((), (), (), ())


@dataclass(frozen=True)
class Entered:
    """What was entered in Client Management itself. Contacts of GE never flow there, nor these to GE."""

    contacts: tuple[Contact, ...]
    users: tuple[User, ...]
    assignments: tuple[Assigned, ...]
    default_profile: str | None
    default_group: str | None


def received(cabinet: Cabinet, now: float) -> Received:
    transfers = _transfers(cabinet, now)
    if not transfers:
        return NOTHING_RECEIVED
    lists = cabinet.clean
    if cabinet.received is None or cabinet.received[1] is not lists or cabinet.received[0] != transfers:
        cabinet.received = transfers, lists, _brought_by(transfers, lists)
    return cabinet.received[2]


def _brought_by(transfers: list[Transfer], lists: Lists) -> Received:
    lacking, admin = set(transfers[-1].without_rights), lists.collaborateurs[0].code
    return Received(
        groups=lists.groups,
        dossiers=tuple(dossier for transfer in transfers for dossier in _dossiers(lists, transfer)),
        collaborateurs=lists.collaborateurs,
        rights=tuple(r for r in lists.rights if r.collaborateur != admin or (r.group, r.right) not in lacking),
    )


def _transfers(cabinet: Cabinet, now: float) -> list[Transfer]:
    """All that counts: a later transfer stands for the one before, unless it brought everything once more."""
    course = running_course(cabinet)
    transfers = list(cabinet.standing.s4a.transfers)
    if course and now >= course.transfers_from:
        if transfers and not transfers[-1].complete:
            transfers.pop()
        so_far = course.transfer
        transfers.append(
            Transfer(
                dossiers=synchronisation.arrived(course, now),
                without_groups=so_far.without_groups,
                without_dossiers=so_far.without_dossiers,
                without_rights=so_far.without_rights,
                complete=False,
                again=so_far.again,
            )
        )
    kept: list[Transfer] = []
    for transfer in transfers:
        if kept and not transfer.again:
            kept.pop()
        kept.append(transfer)
    return kept


def _dossiers(lists: Lists, transfer: Transfer) -> Iterator[Dossier]:
    groups, codes = set(transfer.without_groups), set(transfer.without_dossiers)
    return (d for d in lists.dossiers[: transfer.dossiers] if d.group not in groups and d.code not in codes)


def entered(cabinet: Cabinet, now: float) -> Entered:
    s4a, shows_defaults = cabinet.standing.s4a, not cabinet.faults.named("null-defaults", now)
    return Entered(
        contacts=tuple(_contacts(cabinet, now)),
        users=users(cabinet, now),
        assignments=tuple(Assigned(client=client, email=email) for client, email in s4a.assignments),
        default_profile=s4a.default_profile if shows_defaults else None,
        default_group=s4a.default_group if shows_defaults else None,
    )


def users(cabinet: Cabinet, now: float) -> tuple[User, ...]:
    pending = cabinet.faults.named("invitation-pending", now) is not None
    return tuple(
        User(
            email=user.email,
            collaborateur=user.collaborateur,
            role=user.role,
            status="invited" if pending or now < user.active_from else "active",
        )
        for user in cabinet.standing.s4a.users
    )


def _contacts(cabinet: Cabinet, now: float) -> Iterator[Contact]:
    if cabinet.standing.s4a.synchronised_at is not None and cabinet.faults.named("contact-created-in-s4a", now):
        yield Contact(
            id="CM00001",
            name="Océane Lacœuilhe",
            email="oceane.lacoeuilhe@client-management.example",
            entity=None,
            dossier=cabinet.clean.dossiers[0].code,
            collaborateur=None,
        )


_json_of_received = TypeAdapter(Received)
json_of_entered = TypeAdapter(Entered)


# What is written


def sign_up(cabinet: Cabinet, order: SignUp, now: float) -> bool:
    if not cabinet.standing.ge.wizard_finished:
        raise Refused("not-connected", "GE is not connected to Sage for Accountants yet.")
    if cabinet.faults.strikes("email-already-linked", now, lambda fault: fault.hits_write("sign-up")):
        raise Refused(
            "email-already-linked", "The e-mail is already linked to another Sage account.", email=order.email
        )
    cabinet.standing.s4a.signed_up_at, cabinet.standing.s4a.signed_up_siren = now, order.siren
    return True


def give_billing(cabinet: Cabinet, _order: Nothing, now: float) -> bool:
    s4a = cabinet.standing.s4a
    if s4a.signed_up_at is None:
        raise Refused("not-signed-up", "The cabinet is not registered yet.")
    if s4a.billing_given_at is not None:
        return False
    s4a.billing_given_at = now
    return True


def accept_terms(cabinet: Cabinet, order: AcceptTerms, now: float) -> bool:
    s4a = cabinet.standing.s4a
    if s4a.billing_given_at is None:
        raise Refused("billing-missing", "Billing parameters come before the terms.")
    s4a.terms_accepted_at, s4a.terms_signatory = now, order.signatory
    if s4a.workspace_ready_at is None:
        s4a.workspace_ready_at = now + PROCESSING * cabinet.scenario.sync_seconds
    return True


def invite_users(cabinet: Cabinet, order: InviteUsers, now: float) -> bool:
    if not is_ready(cabinet, now):
        raise Refused("workspace-not-ready", "The workspace is not ready yet.")
    s4a = cabinet.standing.s4a
    known = {user.email.casefold() for user in s4a.users}
    new = [user for user in order.users if user.email.casefold() not in known]
    if new and cabinet.faults.strikes("email-already-linked", now, lambda fault: fault.hits_write("users")):
        raise Refused(
            "email-already-linked", "The e-mail is already linked to another Sage account.", email=new[0].email
        )
    active_from = now + ACTIVATION * cabinet.scenario.sync_seconds
    s4a.users.extend(Invited(user.email, user.collaborateur, user.role, active_from) for user in new)
    return bool(new)


def assign_clients(cabinet: Cabinet, order: AssignClients, now: float) -> bool:
    if not is_ready(cabinet, now):
        raise Refused("workspace-not-ready", "The workspace is not ready yet.")
    s4a = cabinet.standing.s4a
    emails = {user.email.casefold() for user in s4a.users}
    clients = {word for dossier in received(cabinet, now).dossiers for word in (dossier.code, dossier.name)}
    for wanted in order.assignments:
        if wanted.client not in clients:
            raise Refused("unknown-client", f"Client Management has no {wanted.client!r}.", client=wanted.client)
        if wanted.email.casefold() not in emails:
            raise Refused("unknown-user", f"Nobody is invited as {wanted.email}.", email=wanted.email)
    assigned = {(client, email.casefold()) for client, email in s4a.assignments}
    new = [(w.client, w.email) for w in order.assignments if (w.client, w.email.casefold()) not in assigned]
    s4a.assignments.extend(new)
    return bool(new)
