"""Work orders, kept as entries: each opening, answer, approval and withdrawal is a line of its cabinet's chain."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from dataclasses import replace
from datetime import datetime
from typing import Any

from bascule.errors import BasculeError
from bascule.ledger.entries import SAID_OF_ORDERS, Entry, EntryKind
from bascule.ledger.ledger import Ledger
from bascule.model import ErrorClass, Lifecycle, Outcome, State
from bascule.workorders import (
    Answer,
    Approval,
    OrderState,
    Result,
    Retraction,
    Withdrawal,
    WorkOrder,
    in_words,
    is_requester,
    retracted_in_words,
    why_no_answer,
    why_no_approval,
    why_no_retraction,
)

KINDS = (EntryKind.ORDERED, *SAID_OF_ORDERS)


class NotAccepted(BasculeError):
    """The answer or approval is not accepted. Nothing was stored."""


class Desk:
    """Where work orders are opened, answered, approved and withdrawn. All or nothing: one that is wrong, and none is written."""

    def __init__(self, ledger: Ledger, clock: Callable[[], datetime], seat: str = "") -> None:
        """`seat`: who is at the keyboard, as the machine knows them; kept beside the name they give."""
        self._ledger = ledger
        self._clock = clock
        self._seat = seat

    def everything(self) -> tuple[WorkOrder, ...]:
        """Every order of every cabinet, in two queries at most, oldest first."""
        return tuple(sorted(orders_of(self._ledger.of_kinds(KINDS)).values(), key=lambda one: (one.opened_at, one.id)))

    async def of(self, cabinet: str) -> tuple[WorkOrder, ...]:
        """A cabinet's orders, in the order in which they were opened."""
        return tuple(orders_of(self._ledger.histories([cabinet], KINDS)[cabinet]).values())

    def open_ones(self) -> tuple[WorkOrder, ...]:
        """Every order that needs somebody, in one query, oldest first."""
        found = orders_of(self._ledger.of_open_orders(KINDS)).values()
        return tuple(
            sorted((one for one in found if one.state.needs_somebody), key=lambda one: (one.opened_at, one.id))
        )

    def named(self, numbers: Sequence[str]) -> dict[str, WorkOrder]:
        """The orders of these numbers, by number; one that there is not is left out."""
        cabinets = sorted({cabinet_of(number) for number in numbers})
        known = orders_of(entry for entries in self._ledger.histories(cabinets, KINDS).values() for entry in entries)
        return {number: known[number] for number in numbers if number in known}

    async def open(self, order: WorkOrder, *, step: str, run: str, who: str, fence: int) -> WorkOrder:
        """Opens it once: under a key that was used, it is the order that was opened then. Its number is made here."""

        def decided(found: Mapping[str, Sequence[Entry]]) -> list[Entry]:
            known = orders_of(found[order.cabinet])
            if any(other.key == order.key for other in known.values()):
                return []
            numbered = _numbered(order, step, known)
            return [_opened(numbered, step=step, run=run, who=who, fence=fence)]

        await self._ledger.decide([order.cabinet], KINDS, decided)
        return next(known for known in await self.of(order.cabinet) if known.key == order.key)

    async def submit(self, decisions: Sequence[WorkOrder], answer: Answer) -> tuple[WorkOrder, ...]:
        """Opens what one person decided, for somebody else to approve. Raises NotAccepted where one of these is open already."""
        now = self._clock()

        def decided(found: Mapping[str, Sequence[Entry]]) -> list[Entry]:
            entries: list[Entry] = []
            for one in decisions:
                known = orders_of(found[one.cabinet])
                open_ones = [other for other in known.values() if other.is_decision and other.state.needs_somebody]
                if (asked := next((other for other in open_ones if not other.is_on_hold(now)), None)) is not None:
                    raise NotAccepted(
                        in_words(asked, now), remedy=f"bascule approve {asked.id}, or bascule withdraw {asked.id}"
                    )
                late = "not approved in time; ordered anew"
                entries += [_of_order(other, EntryKind.WITHDRAWN, answer.by, now, late) for other in open_ones]
                order = _numbered(one, one.verbs[0], known)
                entries.append(_opened(order, step=one.verbs[0], run="", who=answer.by, fence=0))
                entries.append(_answered(order, answer, self._seat))
            return entries

        await self._ledger.decide([one.cabinet for one in decisions], KINDS, decided)
        keys = {one.key for one in decisions}
        return tuple(order for order in self.open_ones() if order.key in keys)

    async def answer(self, answers: Mapping[str, Answer]) -> tuple[WorkOrder, ...]:
        """Answers by the order's number. Raises NotAccepted with every reason."""
        now = self._clock()

        def said(order: WorkOrder) -> tuple[str | None, Entry | None]:
            answer = answers[order.id]
            return why_no_answer(order, answer, now), _answered(order, answer, self._seat)

        return await self._write(list(answers), said)

    async def approve(
        self, numbers: Sequence[str], approval: Approval, *, declines: bool = False
    ) -> tuple[WorkOrder, ...]:
        """Raises NotAccepted with every reason. That somebody tried to approve their own answer is kept."""
        now = self._clock()
        kind = EntryKind.DECLINED if declines else EntryKind.APPROVED

        def said(order: WorkOrder) -> tuple[str | None, Entry | None]:
            entry = _of_order(order, kind, approval.by, approval.at, approval.because)
            return why_no_approval(order, approval.by, now), replace(entry, evidence={"seat": self._seat})

        def follows(order: WorkOrder) -> Entry | None:
            if not order.is_decision:
                return None
            return _refused(order, approval) if declines else _ordered_again(order, approval)

        try:
            return await self._write(numbers, said, follows)
        except NotAccepted:
            await self._keep_attempts(numbers, approval)
            raise

    async def withdraw(self, numbers: Sequence[str], withdrawal: Withdrawal, *, run: str = "") -> tuple[WorkOrder, ...]:
        def said(order: WorkOrder) -> tuple[str | None, Entry | None]:
            told = f"{order.id} is {order.state}: there is nothing to withdraw"
            entry = _of_order(order, EntryKind.WITHDRAWN, withdrawal.by, withdrawal.at, withdrawal.because)
            return None if order.state.needs_somebody else told, replace(entry, run=run)

        return await self._write(numbers, said)

    async def retract(self, numbers: Sequence[str], retraction: Retraction) -> tuple[WorkOrder, ...]:
        """Takes answers back. What they cover is unknown until it is observed again. Raises NotAccepted with every reason."""

        def said(order: WorkOrder) -> tuple[str | None, Entry | None]:
            why_not = why_no_retraction(order, retraction)
            return why_not, _retracted(order, retraction, self._seat) if why_not is None else None

        return await self._write(numbers, said)

    async def _write(
        self,
        numbers: Sequence[str],
        said: Callable[[WorkOrder], tuple[str | None, Entry | None]],
        follows: Callable[[WorkOrder], Entry | None] = lambda order: None,
    ) -> tuple[WorkOrder, ...]:
        """`said`: why an order does not allow it, or else the entry; `follows`: what is written behind that entry."""
        cabinets = sorted({cabinet_of(number) for number in numbers})

        def decided(found: Mapping[str, Sequence[Entry]]) -> list[Entry]:
            known = {number: order for entries in found.values() for number, order in orders_of(entries).items()}
            wrong = [f"there is no work order {number!r}" for number in numbers if number not in known]
            entries = []
            for number in numbers:
                if number in known:
                    why_not, entry = said(known[number])
                    if why_not is not None:
                        wrong.append(why_not)
                    else:
                        entries += [one for one in (entry, follows(known[number])) if one is not None]
            if wrong:
                raise NotAccepted("\n".join(wrong), remedy="nothing was stored; see: bascule inbox")
            return entries

        await self._ledger.decide(cabinets, KINDS, decided)
        return tuple(self.named(numbers).values())

    async def _keep_attempts(self, numbers: Sequence[str], approval: Approval) -> None:
        """For the audit: who tried to approve what they had answered, or ordered, themselves."""
        known = self.named(numbers)
        own = [
            order
            for order in known.values()
            if order.answer is not None and order.approval is None and is_requester(order, approval.by)
        ]
        told = "tried to approve what they had answered or ordered themselves"
        await self._ledger.record(
            *(_of_order(order, EntryKind.REFUSED, approval.by, approval.at, told) for order in own)
        )


def orders_of(entries: Iterable[Entry]) -> dict[str, WorkOrder]:
    """The orders that these entries tell of, by their numbers, in the order in which they were opened."""
    found: dict[str, WorkOrder] = {}
    for entry in entries:
        number = entry.operation or ""
        if entry.kind is EntryKind.ORDERED:
            found[number] = _order_of(entry)
        elif number in found:
            found[number] = replace(found[number], **_said(entry, found[number]))
    return found


def cabinet_of(number: str) -> str:
    """The cabinet that an order's number speaks of: a code is in capitals, a step is not."""
    parts = number.split("-")
    step = next((place for place, part in enumerate(parts) if part != part.upper()), len(parts))
    return "-".join(parts[:step])


def _said(entry: Entry, order: WorkOrder) -> dict[str, Any]:
    """What an entry makes of its order. Who closed it first has closed it: a withdrawal that comes after an answer says nothing."""
    match entry.kind:
        case EntryKind.ANSWERED:
            result, evidence = Result(entry.evidence["result"]), entry.evidence["evidence"]
            answer = Answer(by=entry.who, at=entry.at, result=result, because=entry.reason, evidence=evidence)
            return {"answer": answer, "retraction": None}
        case EntryKind.APPROVED:
            return {"approval": Approval(by=entry.who, at=entry.at, because=entry.reason)}
        case EntryKind.DECLINED:
            return {"answer": None, "refusal": Approval(by=entry.who, at=entry.at, because=entry.reason)}
        case EntryKind.WITHDRAWN if order.state.needs_somebody:
            return {"withdrawal": Withdrawal(by=entry.who, at=entry.at, because=entry.reason)}
        case EntryKind.RETRACTED:
            told = entry.evidence
            taken_back = Retraction(
                by=entry.who, at=entry.at, because=told["because"], ask_again=told.get("ask_again", False)
            )
            # What nobody had approved yet is asked anew; what was approved is closed for good.
            return {"retraction": taken_back} | ({"answer": None} if order.state is OrderState.TO_APPROVE else {})
        case _:
            return {}


def _opened(order: WorkOrder, *, step: str, run: str, who: str, fence: int) -> Entry:
    return Entry(
        cabinet=order.cabinet,
        kind=EntryKind.ORDERED,
        at=order.opened_at,
        who=who,
        wave=order.wave,
        run=run,
        step=step,
        verb=order.verbs[0],
        key=order.key,
        operation=order.id,
        fence=fence,
        evidence={
            "verbs": list(order.verbs),
            "expires_at": order.expires_at.isoformat(),
            "deadline": order.deadline.isoformat() if order.deadline else None,
            "owner": order.owner,
            "four_eyes": order.four_eyes,
            "minutes": order.minutes,
            "values": dict(order.values),
        },
    )


def _order_of(entry: Entry) -> WorkOrder:
    told = entry.evidence
    return WorkOrder(
        id=entry.operation or "",
        cabinet=entry.cabinet,
        wave=entry.wave,
        key=entry.key or "",
        verbs=tuple(told["verbs"]),
        opened_at=entry.at,
        expires_at=datetime.fromisoformat(told["expires_at"]),
        deadline=datetime.fromisoformat(told["deadline"]) if told["deadline"] else None,
        owner=told["owner"],
        four_eyes=told["four_eyes"],
        minutes=told["minutes"],
        values=told["values"],
    )


def _of_order(order: WorkOrder, kind: EntryKind, who: str, at: datetime, because: str) -> Entry:
    return Entry(
        cabinet=order.cabinet, kind=kind, at=at, who=who, wave=order.wave, run="", operation=order.id, reason=because
    )


def _answered(order: WorkOrder, answer: Answer, seat: str) -> Entry:
    entry = _of_order(order, EntryKind.ANSWERED, answer.by, answer.at, answer.because)
    told = {"result": answer.result.value, "evidence": dict(answer.evidence), "seat": seat}
    closes = answer.result is not Result.DONE or not order.four_eyes
    return replace(entry, evidence=told, state=State.DONE if closes else State.WAITING)


def _ordered_again(order: WorkOrder, approval: Approval) -> Entry:
    """The word of who ordered it, which counts from its approval on."""
    note = _of_order(
        order, EntryKind.NOTE, order.values["ordered_by"], approval.at, order.values.get("ordered_because", "")
    )
    return replace(note, step="synchronise", evidence={"again": True, "approved_by": approval.by})


def _refused(order: WorkOrder, approval: Approval) -> Entry:
    """A decision that is not approved is none: nobody is asked any more."""
    return _of_order(order, EntryKind.WITHDRAWN, approval.by, approval.at, approval.because)


def _retracted(order: WorkOrder, retraction: Retraction, seat: str) -> Entry:
    """Also how the cabinet stands until a run takes it up; but for an answer that nobody had approved: that is asked anew."""
    told = replace(order, retraction=retraction)
    entry = _of_order(order, EntryKind.RETRACTED, retraction.by, retraction.at, retracted_in_words(told))
    stands = order.state is not OrderState.TO_APPROVE
    return replace(
        entry,
        state=State.UNKNOWN,
        lifecycle=Lifecycle.ENDED if stands else None,
        outcome=Outcome.UNKNOWN if stands else None,
        error_class=ErrorClass.UNKNOWN,
        # The last of its writes: a guarded section ends with the reopen, and users may be locked out after all.
        verb=order.verbs[-1],
        evidence={
            "because": retraction.because,
            "verbs": list(order.verbs),
            "remedy": f"look at both systems, then: bascule rerun --cabinet {order.cabinet}",
            "seat": seat,
            **({"ask_again": True} if retraction.ask_again else {}),
        },
    )


def _numbered(order: WorkOrder, step: str, known: Collection[str]) -> WorkOrder:
    name = f"{order.cabinet}-{step}"
    again = sum(number == name or _is_numbered(number, name) for number in known)
    return replace(order, id=name if not again else f"{name}-{again + 1}")


def _is_numbered(number: str, name: str) -> bool:
    return number.startswith(f"{name}-") and number.removeprefix(f"{name}-").isdigit()
