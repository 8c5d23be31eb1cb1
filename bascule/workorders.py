"""Work orders: what a person is asked to do, what they answered, and who may answer or approve. Nothing here expires by itself into a yes."""

from __future__ import annotations

import unicodedata
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from enum import StrEnum
from itertools import takewhile
from typing import Any

SYNCHRONISE_AGAIN = "synchronise-again"
"""What an order covers that is no write: one person's decision for a second synchronisation, which another approves."""


class Result(StrEnum):
    """What a person says became of a work order."""

    DONE = "done"
    NOT_DONE = "not-done"
    """Not now: the next run asks again."""
    CANNOT = "cannot"
    """Something must be mended first: the cabinet is blocked."""


class OrderState(StrEnum):
    OPEN = "open"
    TO_APPROVE = "to-approve"
    """Answered done, and irreversible: somebody else has to approve."""
    DONE = "done"
    NOT_DONE = "not-done"
    CANNOT = "cannot"
    WITHDRAWN = "withdrawn"
    RETRACTED = "retracted"
    """What was answered was taken back: nobody knows any more whether it is done."""

    @property
    def needs_somebody(self) -> bool:
        return self in (OrderState.OPEN, OrderState.TO_APPROVE)


@dataclass(frozen=True, slots=True, kw_only=True)
class Answer:
    by: str
    at: datetime
    result: Result
    because: str = ""
    evidence: Mapping[str, Any] = field(default_factory=dict)
    """As JSON holds it; instants are ISO 8601 in UTC. Which names: `bascule.connectors.operator.forms`."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Approval:
    by: str
    at: datetime
    because: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Withdrawal:
    by: str
    at: datetime
    because: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Retraction:
    """A person takes back what was answered *done*, their own answer or another's, approved or not."""

    by: str
    at: datetime
    because: str
    ask_again: bool = False
    """They decide too that the next run asks for it anew, where it cannot be observed to hold."""


@dataclass(frozen=True, slots=True, kw_only=True)
class WorkOrder:
    """What one person does in one sitting, for one cabinet."""

    id: str
    """The cabinet's code and the sitting's name, such as `C0042-connect`; a later one of the same name ends in its number."""
    cabinet: str
    wave: str
    key: str
    """The intent's."""
    verbs: tuple[str, ...]
    """The writes of the contract that it covers, in their order."""
    opened_at: datetime
    expires_at: datetime
    """From then on it is on hold: no answer counts any more, and the next run asks anew."""
    deadline: datetime | None = None
    """When users must be able to connect again, where the order locks them out. Missing it is an alarm, never a reopen."""
    owner: str | None = None
    four_eyes: bool = False
    """Something in it is irreversible: an answer needs a comment, and *done* counts once somebody else has approved."""
    minutes: int = 0
    """How long it usually takes; an estimate of ours."""
    values: Mapping[str, str] = field(default_factory=dict)
    """The cabinet's row, as far as the instructions and the form speak of it."""
    answer: Answer | None = None
    approval: Approval | None = None
    refusal: Approval | None = None
    """Who last declined to approve, and why: the order is then open again."""
    withdrawal: Withdrawal | None = None
    retraction: Retraction | None = None
    """Who took the answer back last. Before its approval the question is open again; after it the order stays closed."""

    @property
    def state(self) -> OrderState:
        if self.withdrawal is not None:
            return OrderState.WITHDRAWN
        if self.answer is not None and self.retraction is not None:
            return OrderState.RETRACTED
        if self.answer is None:
            return OrderState.OPEN
        if self.answer.result is Result.DONE and self.four_eyes and self.approval is None:
            return OrderState.TO_APPROVE
        return OrderState(self.answer.result.value)

    def is_on_hold(self, now: datetime) -> bool:
        """It needs somebody, and it is too late for them to speak."""
        return self.state.needs_somebody and now >= self.expires_at

    def is_expired(self, now: datetime) -> bool:
        """On hold and never answered: it may be asked anew. What was answered, and not approved in time, a person withdraws first."""
        return self.answer is None and self.is_on_hold(now)

    def is_overdue(self, now: datetime) -> bool:
        """Users should be back by now, and nobody has said that they are."""
        return self.answer is None and self.state.needs_somebody and self.deadline is not None and now >= self.deadline

    @property
    def locks_users_out(self) -> bool:
        return "lock-out" in self.verbs

    @property
    def is_decision(self) -> bool:
        """It asks nobody to do anything, but somebody else to approve what one person decided."""
        return SYNCHRONISE_AGAIN in self.verbs

    @property
    def is_not_done(self) -> bool:
        """Answered, and what it asks for was not done."""
        return self.answer is not None and self.answer.result is not Result.DONE


@dataclass(frozen=True, slots=True, kw_only=True)
class LastNotDone:
    """The last answer *not-done* or *cannot* to what is asked for still."""

    by: str
    at: datetime
    result: Result
    because: str
    times: int
    """How often the same was so answered, this time included."""

    def __str__(self) -> str:
        often = f", for the {nth(self.times)} time" if self.times > 1 else ""
        return f"last answered {self.result} by {self.by} at {_at(self.at)}{often}: {self.because}"


def last_not_done(orders: Sequence[WorkOrder]) -> LastNotDone | None:
    """`orders`: one cabinet's, oldest first. None where the last answer says that it is done."""
    answered = [order for order in orders if order.answer is not None and not order.is_decision]
    if not answered or not answered[-1].is_not_done:
        return None
    last = answered[-1]
    assert last.answer is not None
    same = [order for order in answered if set(order.verbs) & set(last.verbs)]
    since_done = takewhile(lambda order: order.is_not_done, reversed(same))
    said = last.answer
    return LastNotDone(by=said.by, at=said.at, result=said.result, because=said.because, times=len(list(since_done)))


def why_no_answer(order: WorkOrder, answer: Answer, now: datetime) -> str | None:
    """Why this answer does not count; None if it does."""
    if order.withdrawal is not None:
        return f"{order.id} was withdrawn by {order.withdrawal.by} at {_at(order.withdrawal.at)}: {order.withdrawal.because}"
    if order.answer is not None:
        return f"{order.id} was answered before, by {order.answer.by} at {_at(order.answer.at)}: {order.answer.result}"
    if order.is_on_hold(now):
        return f"{order.id} expired at {_at(order.expires_at)} and is on hold; run the wave again, and it is asked anew"
    if answer.result is not Result.DONE and not answer.because.strip():
        return f"{order.id}: {answer.result} needs a reason"
    if order.four_eyes and not answer.because.strip():
        return f"{order.id} is irreversible: say in a sentence what was done and seen"
    return None


def why_no_approval(order: WorkOrder, by: str, now: datetime) -> str | None:
    """Why this person's approval does not count; None if it does."""
    if order.withdrawal is not None:
        return f"{order.id} was withdrawn by {order.withdrawal.by} at {_at(order.withdrawal.at)}: {order.withdrawal.because}"
    if not order.four_eyes:
        return f"{order.id} needs no approval: nothing in it is irreversible"
    if order.approval is not None:
        return f"{order.id} was approved before, by {order.approval.by} at {_at(order.approval.at)}"
    if order.answer is None:
        return f"{order.id} cannot be approved: nobody has answered it yet"
    if order.state is OrderState.RETRACTED:
        return f"{order.id} cannot be approved: {retracted_in_words(order)}"
    if order.answer.result is not Result.DONE:
        return f"{order.id} was answered {order.answer.result}: there is nothing to approve"
    if order.is_on_hold(now):
        return (
            f"{order.id} expired at {_at(order.expires_at)} and is on hold; withdraw it (bascule withdraw {order.id}),"
            " and the next run asks anew whether it is done"
        )
    if is_requester(order, by):
        did = "answered" if is_same_person(order.answer.by, by) else "ordered"
        return f"{order.id} was {did} by {by}, who therefore cannot approve it: it takes a second person"
    return None


def why_no_retraction(order: WorkOrder, retraction: Retraction) -> str | None:
    """Why the answer cannot be taken back; None if it can."""
    if order.is_decision:
        return f"{order.id} asks for no work: there is no answer to take back"
    if order.withdrawal is not None or order.answer is None:
        return f"{order.id} is {order.state}: there is no answer to take back"
    if order.answer.result is not Result.DONE:
        return (
            f"{order.id} was answered {order.answer.result}: nothing stands on that answer, and the next run asks anew"
        )
    before = order.retraction
    if before is not None and (before.ask_again or not retraction.ask_again):
        more = "" if before.ask_again else "; to have it asked for anew, add --ask-again"
        return f"the answer to {order.id} was taken back before, by {before.by} at {_at(before.at)}{more}"
    if retraction.ask_again and "synchronise" in order.verbs:
        return (
            f"{order.id} covers the synchronisation, which is never asked for again on this word: "
            f"bascule rerun --cabinet {order.cabinet} --again synchronise --because TEXT --by NAME"
        )
    return None


def is_requester(order: WorkOrder, by: str) -> bool:
    """Whether this person answered the order, or ordered what it asks for: then somebody else approves."""
    asked = (order.answer.by if order.answer is not None else "", order.values.get("ordered_by", ""))
    return any(name and is_same_person(name, by) for name in asked)


def in_words(order: WorkOrder, now: datetime) -> str:
    """Where an order stands, as it is told to whoever asks why a cabinet waits."""
    asked = f"{order.owner or 'an operator'} was asked at {_at(order.opened_at)}: work order {order.id}"
    answer = order.answer
    if order.withdrawal is not None:
        return f"work order {order.id} was withdrawn by {order.withdrawal.by}: {order.withdrawal.because}"
    if order.state is OrderState.RETRACTED:
        return retracted_in_words(order)
    if order.is_on_hold(now):
        return f"{asked}; on hold since {_at(order.expires_at)}, as nobody {'answered' if answer is None else 'approved'} in time"
    if answer is None:
        late = f"; OVERDUE since {_at(order.deadline)}: users may still be locked out" if order.deadline else ""
        return f"{asked}{late if order.is_overdue(now) else ''}"
    if order.state is OrderState.TO_APPROVE and order.is_decision:
        return f"{answer.by} ordered a second synchronisation: somebody else has to approve work order {order.id}"
    if order.state is OrderState.TO_APPROVE:
        return f"{answer.by} answered done: somebody else has to approve work order {order.id}"
    return (
        f"{answer.by} answered {answer.result}{f': {answer.because}' if answer.because else ''} (work order {order.id})"
    )


def retracted_in_words(order: WorkOrder) -> str:
    """Whose answer no longer counts, and who says so."""
    assert order.answer is not None
    assert order.retraction is not None
    approved = f" and {order.approval.by} approved" if order.approval is not None else ""
    took = f"{order.retraction.by} took back at {_at(order.retraction.at)}: {order.retraction.because}"
    return f"{order.answer.by} answered done{approved} (work order {order.id}), which {took}"


def nth(number: int) -> str:
    suffix = "th" if number % 100 in (11, 12, 13) else {1: "st", 2: "nd", 3: "rd"}.get(number % 10, "th")
    return f"{number}{suffix}"


def is_same_person(one: str, other: str) -> bool:
    return _folded(one) == _folded(other)


def _folded(name: str) -> str:
    return " ".join(unicodedata.normalize("NFKC", name).split()).casefold()


def _at(instant: datetime) -> str:
    return f"{instant:%Y-%m-%d %H:%M} UTC"
