"""My Sage: who is AdminSage, and the keys it computes for GE's questions."""

from __future__ import annotations

from sandbox.cabinet import Cabinet, Refused
from sandbox.clock import instant, instant_or_none
from sandbox.standing import Declared
from sandbox.wire import AdminSage, DeclareAdminSage, KeyQuestion, MySageFacts

VALIDATION = 0.2
"""How long a validation takes, in `sync_seconds`. Half of it is spent before anybody takes it up."""


def facts(cabinet: Cabinet, now: float) -> MySageFacts:
    my_sage = cabinet.standing.my_sage
    admin_sage = admin_sage_of(cabinet, now)
    return MySageFacts(
        cabinet=cabinet.code,
        taken_at=instant(now),
        admin_sages=(admin_sage,) if admin_sage else (),
        key_question=my_sage.key_question,
        key_computed_at=instant_or_none(my_sage.key_computed_at),
    )


def admin_sage_of(cabinet: Cabinet, now: float) -> AdminSage | None:
    declared = cabinet.standing.my_sage.admin_sage
    if declared is None:
        return None
    if now < declared.taken_up_at:
        return AdminSage(email=declared.email, status="requested")
    if now < declared.validated_at or cabinet.faults.named("admin-pending", now):
        return AdminSage(email=declared.email, status="in-progress")
    return AdminSage(email=declared.email, status="validated")


def declare_admin_sage(cabinet: Cabinet, order: DeclareAdminSage, now: float) -> bool:
    my_sage = cabinet.standing.my_sage
    if my_sage.admin_sage is None:
        whole = VALIDATION * cabinet.scenario.sync_seconds
        my_sage.admin_sage = Declared(email=order.email, taken_up_at=now + whole / 2, validated_at=now + whole)
    elif my_sage.admin_sage.email != order.email:
        raise Refused("admin-sage-exists", f"The AdminSage is {my_sage.admin_sage.email}, and that choice is final.")
    return True


def compute_key(cabinet: Cabinet, order: KeyQuestion, now: float) -> bool:
    """For any question: a wrong one shows when the key is entered."""
    admin_sage = admin_sage_of(cabinet, now)
    if admin_sage is None or admin_sage.status != "validated":
        cabinet.faults.strikes("admin-pending", now)
        raise Refused("admin-sage-pending", "The AdminSage is not validated yet.")
    my_sage = cabinet.standing.my_sage
    if my_sage.key_question == order.question:
        return False
    my_sage.key_question, my_sage.key_computed_at = order.question, now
    return True
