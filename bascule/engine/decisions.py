"""Every decision the engine takes from the ledger alone. Pure: the same entries give the same answer."""

from __future__ import annotations

import random
import re
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from enum import StrEnum
from typing import Any

from bascule.checks.reconciliation import Reconciliation
from bascule.connectors import Basis, OperationStatus
from bascule.connectors.contract import VERBS
from bascule.facts import View
from bascule.ledger import Entry, EntryKind, orders_of
from bascule.model import ErrorClass, Kind, Lifecycle, Outcome, State
from bascule.procedure import (
    LOCK_OUT,
    OUR_NAME,
    PROCEDURE,
    REOPEN,
    SYNCHRONISE,
    SecondSynchronisation,
    Step,
    steps_written_by,
)
from bascule.workorders import OrderState, Result, WorkOrder

History = Sequence[Entry]


class Answer(StrEnum):
    """What is known of an act after its intent; kept in the effect's evidence."""

    REFUSED = "refused"
    """The remote said no before it changed anything."""
    NEVER_RECEIVED = "never-received"
    """The remote says that it never saw the intent's key."""
    NOT_BEGUN = "not-begun"
    """The remote began nothing, or put everything back."""
    UNDERWAY = "underway"
    AWAITED = "awaited"
    """A person was asked."""
    SUCCEEDED = "succeeded"
    INTERRUPTED = "interrupted"
    UNANSWERED = "unanswered"

    @property
    def is_undone(self) -> bool:
        """Proven to have changed nothing: the act may be done again."""
        return self in (Answer.REFUSED, Answer.NEVER_RECEIVED, Answer.NOT_BEGUN)

    @property
    def needs_reading_back(self) -> bool:
        return self in (Answer.UNANSWERED, Answer.UNDERWAY, Answer.AWAITED)


ANSWER_OF_OPERATION = {
    OperationStatus.ACCEPTED: Answer.UNDERWAY,
    OperationStatus.RUNNING: Answer.UNDERWAY,
    OperationStatus.AWAITED: Answer.AWAITED,
    OperationStatus.SUCCEEDED: Answer.SUCCEEDED,
    OperationStatus.NOT_BEGUN: Answer.NOT_BEGUN,
    OperationStatus.INTERRUPTED: Answer.INTERRUPTED,
}


@dataclass(frozen=True)
class Intended:
    """An act that was announced, and what has become known of it."""

    step: str
    verb: str
    key: str
    at: datetime
    answer: Answer
    operation: str | None
    silent_since: datetime | None
    """Since when nobody has said what became of it, be it that an error came: the request may still be on its way."""


# What is proven

PROOF_KINDS = (EntryKind.PROOF, EntryKind.NOTE, EntryKind.RETRACTED)
"""What `proven` decides by: proofs, and what people said that ends one."""


def proven(
    history: History, now: datetime, procedure: tuple[Step, ...] = PROCEDURE, *, trust: timedelta | None
) -> frozenset[str]:
    """The steps that need not be looked at again.

    A proof counts while it is newer than the proofs it stands on, and, for one that expires, while it is young or the
    synchronisation has taken place. A lock-out's proof ends with the reopen that follows it. `trust`: a proof older than
    that is looked at again, where the synchronisation is still to come; None: none is.
    """
    proofs = _last_proofs(history)
    if trust is not None and SYNCHRONISE not in proofs:
        # Looked at again is not done again: what still holds is proven anew.
        proofs = {step: proof for step, proof in proofs.items() if now - proof.at <= trust}
    standing: dict[str, int] = {}
    synchronised = _stands(SYNCHRONISE, proofs, standing, procedure, now, True)
    standing = {}
    for step in procedure:
        _stands(step.name, proofs, standing, procedure, now, synchronised)
    return frozenset(name for name, seq in standing.items() if seq)


def _stands(
    name: str,
    proofs: Mapping[str, Entry],
    standing: dict[str, int],
    procedure: tuple[Step, ...],
    now: datetime,
    synchronised: bool,
) -> bool:
    if name in standing:
        return bool(standing[name])
    step = next((step for step in procedure if step.name == name), None)
    proof = proofs.get(name)
    standing[name] = 0
    if step is None or proof is None:
        return False
    if not all(
        _stands(before, proofs, standing, procedure, now, synchronised) and standing[before] < proof.seq
        for before in step.after
    ):
        return False
    if step.lasts is not None and not synchronised and now - holds_from(proof) > step.lasts:
        return False
    reopened = proofs.get(REOPEN)
    if name == LOCK_OUT and not synchronised and reopened is not None and reopened.seq > proof.seq:
        return False
    standing[name] = proof.seq
    return True


def holds_from(proof: Entry) -> datetime:
    """Since when what was proven holds: a backup was made before it was observed."""
    told = proof.evidence.get("since")
    return datetime.fromisoformat(told) if told else proof.at


def _last_proofs(history: History) -> dict[str, Entry]:
    """The last proof of each step, but for what a person ordered to be done again since, or took their answer back on."""
    proofs: dict[str, Entry] = {}
    for entry in history:
        for step in steps_retracted(entry):
            proofs.pop(step, None)
        if entry.step is None:
            continue
        if entry.kind is EntryKind.PROOF:
            proofs[entry.step] = entry
        elif orders_again(entry):
            proofs.pop(entry.step, None)
    return proofs


def orders_again(entry: Entry) -> bool:
    return entry.kind is EntryKind.NOTE and bool(entry.evidence.get("again"))


def is_ordered_again(step: str, history: History) -> bool:
    return word_for_again(step, history) is not None


def word_for_again(step: str, history: History) -> Entry | None:
    """A person's order that this step is to be done again, while it is not used up.

    It is, once an act of the step was announced since, or a person has said since that it took place, or was cut: also
    where that answer was taken back, for then nobody knows.
    """
    said = [place for place, entry in enumerate(history) if entry.step == step and orders_again(entry)]
    if not said:
        return None
    orders = orders_of(history)
    for entry in history[said[-1] + 1 :]:
        if entry.step == step and entry.kind is EntryKind.INTENT:
            return None
        if entry.kind in (EntryKind.ANSWERED, EntryKind.APPROVED):
            order = orders[entry.operation or ""]
            begun = order.answer is not None and order.answer.evidence.get("synchronisation_begun")
            if step in order.verbs and (order.state in (OrderState.DONE, OrderState.RETRACTED) or begun):
                return None
    return history[said[-1]]


def second_synchronisation(history: History) -> SecondSynchronisation | None:
    """The last that took place, or was begun, by a person's order; None where none was, or the order is not used up."""
    ordered = [place for place, entry in enumerate(history) if entry.step == SYNCHRONISE and orders_again(entry)]
    if not ordered or is_ordered_again(SYNCHRONISE, history):
        return None
    order, since = history[ordered[-1]], history[ordered[-1] :]
    proof = next((entry for entry in since if entry.step == SYNCHRONISE and entry.kind is EntryKind.PROOF), order)
    before = next((e for e in reversed(history[: ordered[-1]]) if "reconciled" in e.evidence), None)
    doubled = Reconciliation.from_json(before.evidence["reconciled"]).doubled if before is not None else 0
    return SecondSynchronisation(by=order.who, at=proof.at, doubled_before=doubled)


# What people say


def said_of(verb: str, history: History) -> WorkOrder | None:
    """The last work order that covers this write and was answered done, approved or not."""
    said = (OrderState.DONE, OrderState.TO_APPROVE)
    done = (order for order in orders_of(history).values() if verb in order.verbs and order.state in said)
    return max(done, key=lambda order: order.opened_at, default=None)


def claimed(steps: Iterable[Step], history: History) -> WorkOrder | None:
    """A work order by which a person says that some of these steps is done, since it was last proven, or ordered again."""
    orders = orders_of(history)
    for step in steps:
        verbs = {act.verb for act in step.acts}
        for entry in reversed(history):
            if entry.step == step.name and (entry.kind is EntryKind.PROOF or orders_again(entry)):
                break
            order = (
                orders.get(entry.operation or "") if entry.kind in (EntryKind.ANSWERED, EntryKind.APPROVED) else None
            )
            if order is not None and order.state is OrderState.DONE and verbs & set(order.verbs):
                return order
    return None


def steps_retracted(entry: Entry) -> tuple[str, ...]:
    """The steps that are unknown from this entry on, as an answer that covers them was taken back in it."""
    return steps_written_by(entry.evidence["verbs"]) if entry.kind is EntryKind.RETRACTED else ()


def unrepeatable(steps: Iterable[Step]) -> tuple[Step, ...]:
    """Those that nobody may do twice."""
    return tuple(step for step in steps if step.kind is Kind.ONCE or step.irreversible)


def retracted(steps: Iterable[Step], history: History) -> WorkOrder | None:
    """The work order whose answer for one of these steps was taken back, while nothing has settled it since.

    A proof does, a person's order to do the step again, and their decision to have it asked for anew.
    """
    for step in steps:
        for entry in reversed(history):
            if entry.step == step.name and (entry.kind is EntryKind.PROOF or orders_again(entry)):
                break
            if step.name in steps_retracted(entry):
                order = orders_of(history)[entry.operation or ""]
                if order.state is OrderState.RETRACTED and not entry.evidence.get("ask_again"):
                    return order
                break
    return None


def what_to_decide(order: WorkOrder) -> str:
    """What a person does about an answer that was taken back, where nothing can be observed to hold."""
    look = "look at both systems; if it is not done, and only then"
    if SYNCHRONISE in order.verbs:
        return f"{look}: bascule rerun --cabinet {order.cabinet} --again synchronise --because TEXT --by NAME"
    return f"{look}, have it asked for anew: bascule withdraw {order.id} --answer --ask-again --because TEXT --by NAME"


def unapproved(step: Step, history: History) -> WorkOrder | None:
    """The work order by which people were asked for this step since its last proof, where that takes two and a second has not approved.

    None where an agent did it since. What nobody said they did, under an order that is closed, takes two only where there is
    no way back. A reopen never waits for an approval.
    """
    if step.name == REOPEN:
        return None
    orders, verbs = orders_of(history), {act.verb for act in step.acts}
    last: WorkOrder | None = None
    for entry in history:
        if entry.kind is EntryKind.ORDERED:
            order = orders[entry.operation or ""]
            last = order if order.four_eyes and verbs & set(order.verbs) else last
        elif entry.step == step.name and (
            entry.kind is EntryKind.PROOF or orders_again(entry) or _was_done_by_agent(entry, orders)
        ):
            last = None
    if last is None or last.state in (OrderState.DONE, OrderState.RETRACTED):
        # Two have spoken. What they said and took back is decided by what can be observed.
        return None
    is_claimed = last.claim is not None and last.claim.result is Result.DONE
    return last if is_claimed or last.state.needs_somebody or step.irreversible else None


def _was_done_by_agent(entry: Entry, orders: Collection[str]) -> bool:
    """`orders`: the numbers of those by which people were asked."""
    succeeded = entry.kind is EntryKind.EFFECT and entry.evidence.get("answer") == Answer.SUCCEEDED
    return succeeded and entry.operation not in orders


def sent_last(view: View, effects: Iterable[Entry], asked: Collection[str]) -> tuple[datetime, str] | None:
    """When a write that a remote carried out last changed this list, and which. `asked`: keys for which people were asked instead."""
    changing = {verb.name for verb in VERBS if view in verb.changes}
    done = [
        entry
        for entry in effects
        if entry.verb in changing and entry.key not in asked and entry.evidence.get("answer") == Answer.SUCCEEDED
    ]
    return max(((entry.at, f"{entry.verb} was done at {entry.at:%Y-%m-%d %H:%M} UTC") for entry in done), default=None)


def in_words(order: WorkOrder) -> str:
    """Who says so: for the ledger's readers."""
    assert order.answer is not None
    missing = ", approved by nobody" if order.four_eyes else ""
    approved = f", approved by {order.approval.by}" if order.approval is not None else missing
    return f"done by {order.answer.by}{approved} (work order {order.id})"


# What was intended


def intended(step: str, history: History) -> tuple[Intended, ...]:
    """The acts of a step that were announced and not proven undone, since its last proof or a person's order, oldest first."""
    found: dict[str, Intended] = {}
    for entry in history:
        if step in steps_retracted(entry) and entry.evidence.get("ask_again"):
            found.clear()
        if entry.step != step:
            continue
        if entry.kind is EntryKind.PROOF or orders_again(entry):
            found.clear()
        elif entry.kind is EntryKind.INTENT and entry.key and entry.verb:
            found[entry.key] = Intended(
                step, entry.verb, entry.key, entry.at, Answer.UNANSWERED, None, silent_since=entry.at
            )
        elif entry.kind is EntryKind.EFFECT and entry.key in found:
            answer = Answer(entry.evidence["answer"])
            if answer.is_undone:
                del found[entry.key]
            else:
                silent_since = entry.at if answer is Answer.UNANSWERED else None
                known = found[entry.key]
                found[entry.key] = replace(
                    known, answer=answer, operation=entry.operation or known.operation, silent_since=silent_since
                )
    return tuple(found.values())


def owes_reopen(history: History) -> bool:
    """The ledger holds a lock-out intent, or a person's word that users are still out, newer than the last proven reopen.

    A reopen whose answer was taken back proves nothing.
    """
    is_known = True
    for entry in reversed(history):
        is_known = is_known and REOPEN not in steps_retracted(entry)
        if is_known and entry.step == REOPEN and entry.kind is EntryKind.PROOF:
            return False
        if entry.verb == LOCK_OUT and entry.kind is EntryKind.INTENT:
            return True
        if entry.kind is EntryKind.ANSWERED and entry.evidence.get("evidence", {}).get("users_back") is False:
            return True
    return False


@dataclass(frozen=True, slots=True)
class KeptLists:
    """One side's lists, as the last synchronisation's entries name them."""

    hash: str
    basis: Basis
    locked_out: bool
    """GE's users were kept out by us when these were kept; where people synchronised, they are back by then."""


def kept_lists(history: History) -> dict[str, KeptLists]:
    """By what they are."""
    kept: dict[str, KeptLists] = {}
    for entry in history:
        if SYNCHRONISE in steps_retracted(entry):
            kept.clear()
        if entry.step == SYNCHRONISE and orders_again(entry):
            kept.clear()
        elif entry.step == SYNCHRONISE:
            # An intent is written under our lock-out only: the step requires it.
            out = entry.kind is EntryKind.INTENT or _ge_shown(entry).get("locked_out_by") == OUR_NAME
            basis = entry.evidence.get("basis", {})
            kept |= {
                what: KeptLists(name, Basis(basis.get(what, Basis.AGENT)), out)
                for what, name in entry.evidence.get("kept", {}).items()
            }
    return kept


def _ge_shown(entry: Entry) -> Mapping[str, Any]:
    shown: Mapping[str, Any] = entry.evidence.get("observed", {}).get(View.GE.value, {})
    return shown


# Trying again


@dataclass(frozen=True)
class RetryPolicy:
    """How often an attempt that time may mend is made again, and after how long."""

    attempts: int = 5
    first: float = 1.0
    factor: float = 2.0
    longest: float = 60.0
    jitter: float = 0.5

    def worth_another(self, verdict: Entry) -> bool:
        return self.may_mend(verdict.error_class, verdict.attempt)

    def may_mend(self, error_class: ErrorClass | None, attempt: int) -> bool:
        """Whether time may mend what this attempt, counted from 1, ended with."""
        return error_class in (ErrorClass.TRANSIENT, ErrorClass.THROTTLED) and attempt < self.attempts

    def pause(self, verdict: Entry, chance: random.Random) -> float:
        return self.pause_after(verdict.attempt, verdict.evidence.get("retry_after"), chance)

    def pause_after(self, attempt: int, asked: float | None, chance: random.Random) -> float:
        """Seconds. What the remote asked for, if it asked; else exponential, with jitter so that cabinets do not return together."""
        planned = min(self.longest, self.first * self.factor ** (attempt - 1))
        return max(float(asked or 0.0), planned * (1 - self.jitter + 2 * self.jitter * chance.random()))


# Where a cabinet stands


@dataclass(frozen=True)
class Standing:
    """What a run makes of a cabinet when it lets go of it."""

    lifecycle: Lifecycle
    outcome: Outcome
    step: str | None
    reason: str
    error_class: ErrorClass | None = None
    error_signature: str | None = None
    remedy: str | None = None


def standing_in(ended: Entry) -> Standing:
    """The standing that an entry of kind *ended* tells of."""
    return Standing(
        ended.lifecycle or Lifecycle.ENDED,
        ended.outcome or Outcome.NONE,
        ended.step,
        ended.reason,
        ended.error_class,
        ended.error_signature,
        ended.evidence.get("remedy"),
    )


_GRAVITY = (State.UNKNOWN, State.FAILED, State.WAITING)
_WORST_FAILURE = (Outcome.FAILED, Outcome.PARTIAL, Outcome.BLOCKED)


def standing(last: Mapping[str, Entry], *, open_steps: Iterable[str], reserved: bool, stopped: str) -> Standing:
    """A cabinet's standing from its steps' last entries: the gravest counts, never the average.

    `open_steps` are those neither done nor tried; `reserved`: some finding is a reservation; `stopped`: why the run began nothing more.
    """
    for state in _GRAVITY:
        entries = [entry for entry in last.values() if entry.state is state]
        if not entries:
            continue
        worst = min(
            entries, key=lambda entry: _WORST_FAILURE.index(entry.outcome) if entry.outcome in _WORST_FAILURE else 0
        )
        told = (worst.step, worst.reason, worst.error_class, worst.error_signature, worst.evidence.get("remedy"))
        if state is State.WAITING:
            return Standing(Lifecycle.WAITING, Outcome.NONE, *told)
        outcome = Outcome.UNKNOWN if state is State.UNKNOWN else worst.outcome or Outcome.FAILED
        return Standing(Lifecycle.ENDED, outcome, *told)
    first_open = next(iter(open_steps), None)
    if first_open is not None:
        return Standing(Lifecycle.PAUSED, Outcome.NONE, first_open, stopped or "not tried in this run")
    return Standing(Lifecycle.ENDED, Outcome.OK_WITH_RESERVATIONS if reserved else Outcome.OK, None, "")


# Signatures

_VARIABLE = (
    (re.compile(r"[\w.+-]+@[\w-]+(\.[\w-]+)*"), "<e-mail>"),
    (
        re.compile(
            r"\b[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}\b|\b[0-9a-f]{12,}\b", re.IGNORECASE
        ),
        "<id>",
    ),
    (re.compile(r"'[^']*'|\"[^\"]*\"|«[^»]*»"), "<name>"),
    (re.compile(r"\b[A-Z][A-Z0-9_-]*\d[A-Z0-9_-]*\b"), "<code>"),
    (re.compile(r"\d+([.,:]\d+)*"), "<n>"),
    # One of them is the same error as several.
    (re.compile(r"<n> ([a-z]{4,})s\b"), r"<n> \1"),
)


def signature_of(step: str | None, code: str, said: str) -> str:
    """An error without what differs from cabinet to cabinet, so that the same error is seen to be the same."""
    for pattern, word in _VARIABLE:
        said = pattern.sub(word, said)
    return ": ".join(part for part in (step, code, said[:200]) if part)
