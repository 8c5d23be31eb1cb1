"""A `Remote` behind which stands a person: `act` opens a work order and returns, `observe` tells what was answered."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Protocol

from bascule.connectors import Basis, Observation, Operation, OperationStatus, Order
from bascule.connectors.contract import CANNOT, TAKEN_BACK
from bascule.connectors.operator.facts import ge_facts, my_sage_facts, s4a_facts
from bascule.connectors.operator.sittings import IRREVERSIBLE, MINUTES, REOPEN_LASTS, SECTION_LASTS, sitting_of
from bascule.errors import RemoteRefuses
from bascule.facts import View
from bascule.model import Cabinet, ErrorClass, System
from bascule.workorders import (
    ALREADY_DONE,
    CLAIMED_BY,
    REFUSED_BECAUSE,
    REFUSED_BY,
    OrderState,
    Result,
    Withdrawal,
    WorkOrder,
    in_words,
    retracted_in_words,
)

KEEPS_USERS_OUT = frozenset({"lock-out", "synchronise", "reopen"})

FACTS: Mapping[View, Callable[[str, datetime, Sequence[WorkOrder]], Observation]] = {
    View.MY_SAGE: my_sage_facts,
    View.GE: ge_facts,
    View.S4A: s4a_facts,
}

CLOSED = {
    OrderState.DONE: (OperationStatus.SUCCEEDED, None),
    OrderState.NOT_DONE: (OperationStatus.NOT_BEGUN, "not-done"),
    OrderState.CANNOT: (OperationStatus.NOT_BEGUN, CANNOT),
    OrderState.WITHDRAWN: (OperationStatus.NOT_BEGUN, "not-done"),
    OrderState.RETRACTED: (OperationStatus.INTERRUPTED, TAKEN_BACK),
}


class WorkOrders(Protocol):
    """Where work orders are kept. The ledger's desk is one.

    Promises, held by tests/integration/ledger/test_orders.py:

    1. What was opened, answered or withdrawn is kept before the call returns.
    2. Under one key one order is opened, however often it is asked for.
    3. A number, once given, is never given again.
    """

    async def of(self, cabinet: str) -> tuple[WorkOrder, ...]: ...

    async def open(self, order: WorkOrder, *, step: str, run: str, who: str, fence: int) -> WorkOrder: ...

    async def withdraw(self, numbers: Sequence[str], withdrawal: Withdrawal, *, run: str) -> tuple[WorkOrder, ...]: ...


@dataclass(frozen=True, slots=True, kw_only=True)
class Asking:
    """On whose behalf people are asked."""

    wave: str
    run: str
    who: str
    clock: Callable[[], datetime]
    lasts: timedelta
    """How long an order stays open before it is on hold."""
    asks: Callable[[Cabinet, str], bool]
    """Whether people are asked for this write of this cabinet, whatever its system."""
    reads: Callable[[Cabinet, System], str]
    """By what a system of this cabinet is read."""
    language: str | None = None
    """Of the operators; None: the cabinet's."""
    closes: Callable[[Cabinet], datetime | None] = lambda cabinet: None
    """Until when users of this cabinet may be kept out: its wave's hours; None: nothing ends them."""


class OperatorRemote:
    """Stands for one system. Opening an order is its only write; nobody waits at it for a person."""

    live = False

    def __init__(self, system: System, orders: WorkOrders, asking: Asking) -> None:
        self.system = system
        self._orders = orders
        self._asking = asking

    def asks(self, cabinet: Cabinet, verb: str) -> bool:
        return True

    def basis(self, view: View) -> Basis:
        return Basis.PEOPLE

    async def observe(self, cabinet: Cabinet, view: View) -> Observation:
        if view not in FACTS:
            raise RemoteRefuses(
                f"{cabinet.code}: people are not asked for lists",
                code="no-lists",
                error_class=ErrorClass.CONFIG,
                remedy=f"name who reads them, such as {self.system.value} = operator+extracts",
            )
        return FACTS[view](cabinet.code, self._asking.clock(), await self._orders.of(cabinet.code))

    async def act(self, cabinet: Cabinet, order: Order) -> Operation:
        known = await self._orders.of(cabinet.code)
        now = self._asking.clock()
        covering = [one for one in known if order.verb in one.verbs]
        in_hand = next((one for one in covering if _has_in_hand(one, order.verb) and not one.is_expired(now)), None)
        if in_hand is not None:
            return self._as_operation(in_hand, order.verb, order.key)
        verbs = order.done or sitting_of(order.verb, lambda verb: self._asking.asks(cabinet, verb))
        on_hold = [one.id for one in covering if one.is_expired(now)]
        if on_hold:
            withdrawal = Withdrawal(by=self._asking.who, at=now, because="not answered in time; asked anew")
            await self._orders.withdraw(on_hold, withdrawal, run=self._asking.run)
        opened = await self._orders.open(
            self._drawn_up(cabinet, order, verbs, covering, now),
            step=order.step or order.verb,
            run=self._asking.run,
            who=self._asking.who,
            fence=order.fence,
        )
        return self._as_operation(opened, order.verb, order.key)

    async def operation(self, cabinet: Cabinet, operation_id: str) -> Operation:
        for one in await self._orders.of(cabinet.code):
            if one.id != operation_id:
                continue
            if one.state is OrderState.OPEN and _tells_otherwise(one, self._row(cabinet)):
                withdrawal = Withdrawal(
                    by=self._asking.who, at=self._asking.clock(), because="the inventory changed; asked anew"
                )
                [one] = await self._orders.withdraw([one.id], withdrawal, run=self._asking.run)  # noqa: PLW2901
            return self._as_operation(one, one.verbs[0], one.key)
        raise RemoteRefuses(
            f"{cabinet.code}: there is no work order {operation_id}",
            code="unknown-operation",
            error_class=ErrorClass.UNKNOWN,
        )

    async def find(self, cabinet: Cabinet, key: str, *, fence: int = 0) -> tuple[Operation, ...]:
        known = await self._orders.of(cabinet.code)
        return tuple(self._as_operation(one, one.verbs[0], key) for one in known if one.key == key)

    def _as_operation(self, order: WorkOrder, verb: str, key: str) -> Operation:
        now = self._asking.clock()
        if order.state.needs_somebody and not order.is_expired(now):
            status, code = OperationStatus.AWAITED, None
        elif order.state.needs_somebody:
            status, code = OperationStatus.NOT_BEGUN, "not-done"
        else:
            status, code = CLOSED[order.state]
        return Operation(id=order.id, verb=verb, key=key, status=status, error_code=code, message=in_words(order, now))

    def _drawn_up(
        self, cabinet: Cabinet, order: Order, verbs: tuple[str, ...], before: Sequence[WorkOrder], now: datetime
    ) -> WorkOrder:
        left_open = _left_open(before) if order.again is None else None
        asks_what_is_true = bool(order.done) or left_open is not None
        keeps_users_out = bool(KEEPS_USERS_OUT & set(verbs)) and not asks_what_is_true
        return WorkOrder(
            id="",
            cabinet=cabinet.code,
            wave=self._asking.wave,
            key=order.key,
            verbs=verbs,
            opened_at=now,
            expires_at=now + self._asking.lasts,
            deadline=self._deadline(cabinet, now, verbs) if keeps_users_out else None,
            owner=cabinet.owner,
            four_eyes=asks_what_is_true or bool(IRREVERSIBLE & set(verbs)),
            minutes=sum(MINUTES[verb] for verb in verbs),
            values=self._values(cabinet, order, before) | (_in_question(left_open) if asks_what_is_true else {}),
        )

    def _deadline(self, cabinet: Cabinet, now: datetime, verbs: tuple[str, ...]) -> datetime:
        if verbs == ("reopen",):
            return now + REOPEN_LASTS
        closes = self._asking.closes(cabinet)
        return min(closes, now + SECTION_LASTS) if closes else now + SECTION_LASTS

    def _values(self, cabinet: Cabinet, order: Order, before: Sequence[WorkOrder]) -> dict[str, str]:
        """What the instructions and the form speak of."""
        told = {
            "ge_reads": self._asking.reads(cabinet, System.GE),
            "s4a_reads": self._asking.reads(cabinet, System.S4A),
            "language": self._asking.language or cabinet.language,
        }
        if order.again is not None:
            told |= {"ordered_by": order.again.by, "ordered_because": order.again.because}
        else:
            nth_time = str(len(before) + 1) if before else ""
            told |= {"first_look": "yes" if before else "", "nth_time": nth_time, "last_reason": _last_reason(before)}
        told |= {f"{column}_names": "\n".join(names) for column, names in order.names.items()}
        return self._row(cabinet) | {name: value for name, value in told.items() if value}

    def _row(self, cabinet: Cabinet) -> dict[str, str]:
        """No more of the row than a text speaks of: the ledger keeps it for good."""
        users = "\n".join(f"{one.email} — {one.collaborateur} — {one.role}" for one in cabinet.invitations)
        row = {
            "code": cabinet.code,
            "name": cabinet.name,
            "siren": cabinet.siren,
            "siret": cabinet.siret,
            "entity": cabinet.entity,
            "admin_email": cabinet.admin_email,
            "default_profile": cabinet.default_profile,
            "default_group": cabinet.default_group,
            "terms_signatory": cabinet.terms_signatory,
            "timezone": cabinet.timezone,
            "users": users,
            "assignments": "\n".join(f"{one.client} — {one.email}" for one in cabinet.assignments),
        }
        return {name: value for name, value in row.items() if value}


SPEAKS_OF = {
    "admin-sage": ("admin_email",),
    "connect": ("entity", "name", "siren", "siret"),
    "defaults": ("default_profile", "default_group"),
    "sign-up": ("name", "siren", "admin_email"),
    "terms": ("terms_signatory",),
    "users": ("users",),
    "assignments": ("assignments",),
}
"""The columns of the row on which a write's instructions depend. The guarded section's depend on none: nobody is called off midway."""


def _tells_otherwise(order: WorkOrder, row: Mapping[str, str]) -> bool:
    columns = [column for verb in order.verbs for column in SPEAKS_OF.get(verb, ())]
    return any(order.values.get(column) != row.get(column) for column in columns)


def _has_in_hand(order: WorkOrder, verb: str) -> bool:
    """Who answered, or is asked what is true, lets nobody in: a reopen never waits for an approval."""
    return order.state.needs_somebody and not (verb == "reopen" and order.was_let_go)


def _left_open(before: Sequence[WorkOrder]) -> WorkOrder | None:
    """The order that was answered done and withdrawn unapproved, where nobody has said since what is true."""
    for order in reversed(before):
        if order.state is not OrderState.WITHDRAWN:
            return None
        if order.claim is not None:
            return order if order.claim.result is Result.DONE else None
    return None


def _in_question(claimed: WorkOrder | None) -> dict[str, str]:
    """What an order holds that asks what is true. `claimed`: the one that was answered before it."""
    told = {ALREADY_DONE: "yes"}
    if claimed is not None:
        told[CLAIMED_BY] = claimed.claimed_by
        if claimed.refusal is not None:
            told |= {REFUSED_BY: claimed.refusal.by, REFUSED_BECAUSE: claimed.refusal.because}
    return told


def _last_reason(before: Sequence[WorkOrder]) -> str:
    """Why what was answered last is asked for once more."""
    answers = [(one, one.answer) for one in before if one.answer is not None]
    if not answers:
        return ""
    order, answer = answers[-1]
    if order.state is OrderState.RETRACTED:
        return retracted_in_words(order)
    if order.state is OrderState.DONE:
        return f"{answer.by}: {answer.result} ({order.id})"
    return f"{answer.by}: {answer.because}"
