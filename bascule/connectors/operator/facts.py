"""What the systems are, as far as people have said: the answers of a cabinet's work orders, put together as facts.

An answer counts once it is complete: done, and approved where somebody has to approve. Nothing else is known.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any

from bascule.facts import (
    AdminSage,
    AdminSageStatus,
    Entity,
    GeFacts,
    MySageFacts,
    S4aFacts,
    Synchronisation,
    SynchronisationStatus,
    View,
    WorkspaceStatus,
)
from bascule.workorders import OrderState, Result, WorkOrder

CHANGES = {
    View.GE_LISTS: (("lock-out", "locked_out_at", "users have been kept out since"),),
    View.S4A_LISTS: (
        ("synchronise", "synchronised_at", "the synchronisation ended at"),
        ("users", "users_invited_at", "users were invited at"),
        ("assignments", "assigned_at", "clients were assigned at"),
    ),
}
"""What makes a list that was exported before it a thing of the past: the write, its instant in the evidence, and in words."""


WATCH = timedelta(minutes=1)
"""How exactly a person reads the time: a list exported in the same minute counts as exported after."""


def my_sage_facts(cabinet: str, taken_at: datetime, orders: Sequence[WorkOrder]) -> MySageFacts:
    declared, key = _Said.of(orders, "admin-sage"), _Said.of(orders, "compute-key")
    return MySageFacts(
        cabinet=cabinet,
        taken_at=taken_at,
        admin_sages=(AdminSage(email=declared.text("email"), status=AdminSageStatus.VALIDATED),) if declared else (),
        key_question=key.text("key_question") if key else None,
        key_computed_at=key.at if key else None,
    )


def ge_facts(cabinet: str, taken_at: datetime, orders: Sequence[WorkOrder]) -> GeFacts:
    key, entered = _Said.of(orders, "compute-key"), _Said.of(orders, "enter-key")
    restarted, connected = _Said.of(orders, "restart"), _Said.of(orders, "connect")
    defaults, backed_up = _Said.of(orders, "defaults"), _Said.of(orders, "backup")
    returned, opened = _Said.of(orders, "return-to-ge"), _Said.of(orders, "open-exe")
    out = _keeps_users_out(orders)
    return GeFacts(
        cabinet=cabinet,
        taken_at=taken_at,
        key_question=key.text("key_question") if key else "",
        key_entered_at=entered.instant("key_entered_at") if entered else None,
        licensed=entered is not None,
        restarted_at=restarted.instant("restarted_at") if restarted else None,
        tab_visible=restarted is not None,
        connected_entity=_entity(connected) if connected else None,
        connected_at=connected.instant("connected_at") if connected else None,
        default_profile=defaults.text("profile_chosen") if defaults else None,
        default_group=defaults.text("group_chosen") if defaults else None,
        wizard_finished=defaults is not None,
        returned_at=returned.instant("returned_at") if returned else None,
        exe_opened_at=opened.instant("exe_opened_at") if opened else None,
        sql_backup_at=backed_up.instant("sql_backup_at") if backed_up else None,
        mongo_backup_at=backed_up.instant("mongo_backup_at") if backed_up else None,
        locked_out_by=f"work order {out.id}" if out else None,
        locked_out_at=out.opened_at if out else None,
        sessions=(),
        synchronisation=_synchronisation(orders),
    )


def s4a_facts(cabinet: str, taken_at: datetime, orders: Sequence[WorkOrder]) -> S4aFacts:
    signed_up, billing, terms = (_Said.of(orders, verb) for verb in ("sign-up", "billing", "terms"))
    synchronisation = _synchronisation(orders)
    done = synchronisation is not None and synchronisation.status is SynchronisationStatus.DONE
    return S4aFacts(
        cabinet=cabinet,
        taken_at=taken_at,
        signed_up_at=signed_up.instant("signed_up_at") if signed_up else None,
        signed_up_siren=signed_up.text("siren_given") if signed_up else None,
        billing_given_at=billing.at if billing else None,
        terms_accepted_at=terms.instant("accepted_at") if terms else None,
        terms_signatory=terms.text("accepted_by") if terms else None,
        workspace=WorkspaceStatus.READY if terms else WorkspaceStatus.ABSENT,
        synchronised_at=synchronisation.ended_at if synchronisation is not None and done else None,
    )


def changed_last(view: View, orders: Iterable[WorkOrder]) -> tuple[datetime, str] | None:
    """Since when an exported list is out of date, as people say, and why; None: nothing is known to have changed it."""
    orders = tuple(orders)
    found = [
        (said.instant(name) - WATCH, f"{words} {said.instant(name):%Y-%m-%d %H:%M} UTC (work order {said.order.id})")
        for verb, name, words in CHANGES.get(view, ())
        if (said := _Said.of(orders, verb)) is not None
    ]
    return max(found, default=None)


def agreed_from(orders: Sequence[WorkOrder]) -> datetime | None:
    """From when on the guarded section may be offered, as operator and cabinet agreed when the backup was made."""
    for order in reversed(orders):
        if "backup" in order.verbs and order.state is OrderState.DONE and order.answer is not None:
            agreed = order.answer.evidence.get("section_from")
            if agreed:
                return _parsed(agreed)
    return None


@dataclass(frozen=True, slots=True)
class _Said:
    """The last complete answer that covers a write."""

    order: WorkOrder
    evidence: dict[str, Any]
    at: datetime

    @classmethod
    def of(cls, orders: Sequence[WorkOrder], verb: str) -> _Said | None:
        for order in reversed(orders):
            if verb in order.verbs and order.state is OrderState.DONE and order.answer is not None:
                return cls(order, dict(order.answer.evidence), order.answer.at)
        return None

    def text(self, name: str) -> str:
        return str(self.evidence[name])

    def instant(self, name: str) -> datetime:
        return _parsed(self.evidence[name])


def _parsed(text: str) -> datetime:
    return datetime.fromisoformat(text).astimezone(UTC)


def _entity(connected: _Said) -> Entity:
    row = connected.order.values
    return Entity(id=row["entity"], name=row["name"], siren=connected.text("siren_shown"), siret=None, address="")


def _synchronisation(orders: Sequence[WorkOrder]) -> Synchronisation | None:
    """The last one that a person says has taken place, or was cut. While one is in somebody's hands, none is known."""
    for order in reversed(orders):
        if "synchronise" not in order.verbs:
            continue
        if order.state.needs_somebody:
            return None
        answer = order.answer
        if answer is None or order.state in (OrderState.WITHDRAWN, OrderState.RETRACTED):
            continue
        if answer.result is Result.DONE:
            ended = _parsed(answer.evidence["synchronised_at"])
            return Synchronisation(
                status=SynchronisationStatus.DONE, operation=order.id, progress=1.0, started_at=ended, ended_at=ended
            )
        if answer.evidence.get("synchronisation_begun"):
            return Synchronisation(
                status=SynchronisationStatus.INTERRUPTED,
                operation=order.id,
                progress=0.0,
                started_at=order.opened_at,
                ended_at=answer.at,
            )
    return None


def _keeps_users_out(orders: Sequence[WorkOrder]) -> WorkOrder | None:
    """The order under which users are, or may be, kept out: by the last word of whoever had them out, or for want of any."""
    for order in reversed(orders):
        if not {"lock-out", "reopen"} & set(order.verbs) or order.state.needs_somebody:
            continue
        if order.state is OrderState.RETRACTED:
            # Nobody knows whether users are back: an order that kept nobody out leaves that to what was said before it.
            if order.locks_users_out:
                return order
            continue
        if order.answer is None:
            # Withdrawn: whoever had it in hand may have begun.
            return order if order.locks_users_out else None
        if order.answer.result is Result.DONE:
            return None
        if "users_back" in order.answer.evidence:
            return None if order.answer.evidence["users_back"] else order
    return None
