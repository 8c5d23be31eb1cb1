"""What a procès-verbal states of one cabinet: a pure function of its entries, sealed by a hash.

The same entries make the same record and the same seal, whatever the day, the language or the machine.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass
from datetime import datetime
from typing import Any

from bascule.checks.findings import Level
from bascule.checks.reconciliation import KINDS, LISTED, Reconciliation
from bascule.connectors import OperationStatus
from bascule.ledger import Entry, EntryKind, orders_of, standing_findings
from bascule.model import Cabinet, Lifecycle, Outcome, State
from bascule.procedure import PROCEDURE, Kept, Step, steps_written_by
from bascule.reports.basis import basis_of
from bascule.reports.status import RUN_KINDS, instant_in_utc, stands_by
from bascule.workorders import OrderState, Result, WorkOrder

FORM = 2
"""Rises when a record of the same entries would be another one: seals of an older form are told, and not made again."""
NAMED = 200
"""Things of one list that are named; the ledger has them all."""
ENDS = (EntryKind.PROOF, EntryKind.VERDICT)
SUCCEEDED = OperationStatus.SUCCEEDED.value
DECISIONS = (EntryKind.NOTE, EntryKind.REFUSED)


@dataclass(frozen=True, slots=True, kw_only=True)
class StepRecord:
    step: str
    state: State
    at: str | None
    """When it was proven, or last tried."""
    reason: str
    run_by: str | None
    """Whose run it was."""
    asked_by: str | None
    """The last work order by which people were asked for it; None where none was."""
    done_by: str | None
    """The person who did it, where a person was asked and answered."""
    takes_two: bool
    """What was done needs a second person's approval."""
    approved_by: str | None
    refused_by: str | None
    """Who did not approve the answer; a later approval may stand beside it."""
    proof: str | None
    """The hash of the entry that proves it."""
    rests_on: tuple[Mapping[str, str], ...]
    """Who says what the proof observed: basis, system, and `at` of exported lists, `by` of answers."""
    attempts: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Record:
    """Instants are ISO 8601 in UTC, to the second."""

    form: int
    code: str
    name: str
    siren: str | None
    entity: str | None
    wave: str
    lifecycle: Lifecycle
    outcome: Outcome
    reason: str
    remedy: str
    """What is to be done, where something is."""
    planned_at: str
    began_at: str | None
    ended_at: str | None
    runs: tuple[Mapping[str, str | None], ...]
    """run, who, began, ended, outcome; because, where the run was given a reason."""
    steps: tuple[StepRecord, ...]
    """All of the procedure, in its order."""
    troubles: tuple[Mapping[str, str], ...]
    """at, step, reason: attempts that did not end with a proof, the last NAMED of them."""
    locked_out_seconds: tuple[float, ...]
    """Each time that users were kept out."""
    reconciled: Mapping[str, Any] | None
    """at, read (source, then target: at, under_lock_out), and by kind of thing how many, and which (NAMED of each list);
    as the step compared them."""
    drift: tuple[Mapping[str, Any], ...]
    """at, missing, extra, different, not_compared: what was found when both sides were compared again later."""
    reservations: tuple[Mapping[str, str], ...]
    """rule, level, about, says, remedy: what the last look of each step found and somebody has to see to."""
    decisions: tuple[Mapping[str, str], ...]
    """at, who, what, because: what people decided beside answers and approvals; also answers that were taken back."""
    seq: int
    """How many entries the chain had."""
    head: str
    """The hash of the last of them."""

    @property
    def seal(self) -> str:
        """SHA-256 of the record as JSON: names sorted, no blanks, UTF-8."""
        return hashlib.sha256(self.canonical().encode()).hexdigest()

    def canonical(self) -> str:
        return json.dumps(asdict(self), ensure_ascii=False, sort_keys=True, separators=(",", ":"))


def record_of(history: Sequence[Entry], wave: str, row: Cabinet | None) -> Record | None:
    """`history`: the cabinet's whole chain. None where this wave did not end it: there is nothing to sign yet.

    `row`: as the inventory had it when the wave last planned it; None where no stored version has one.
    """
    of_wave = [entry for entry in history if entry.wave == wave]
    planned = [entry for entry in of_wave if entry.kind is EntryKind.PLANNED]
    ended = [entry for entry in of_wave if entry.kind in (EntryKind.BEGAN, EntryKind.ENDED)]
    if not planned or not ended or ended[-1].lifecycle is not Lifecycle.ENDED:
        return None
    last = stands_by([entry for entry in of_wave if entry.kind in RUN_KINDS])
    orders = tuple(orders_of(history).values())
    return Record(
        form=FORM,
        code=last.cabinet,
        name=row.name if row is not None else str(planned[-1].evidence.get("name") or last.cabinet),
        siren=row.siren if row is not None else None,
        entity=row.entity if row is not None else None,
        wave=wave,
        lifecycle=Lifecycle.ENDED,
        outcome=last.outcome or Outcome.NONE,
        reason=last.reason,
        remedy=str(last.evidence.get("remedy") or ""),
        planned_at=instant_in_utc(planned[0].at),
        began_at=next((instant_in_utc(entry.at) for entry in ended if entry.kind is EntryKind.BEGAN), None),
        ended_at=instant_in_utc(ended[-1].at),
        runs=tuple(_runs(ended)),
        steps=tuple(_step(step, history, orders) for step in PROCEDURE),
        troubles=tuple(_troubles(history))[-NAMED:],
        locked_out_seconds=tuple(
            float(entry.evidence["locked_out_for"]) for entry in history if "locked_out_for" in entry.evidence
        ),
        reconciled=_reconciled(history),
        drift=tuple(_drift(history)),
        reservations=tuple(_reservations(history)),
        decisions=tuple(_decisions(history, orders)),
        seq=history[-1].seq,
        head=history[-1].hash,
    )


def _runs(ended: Sequence[Entry]) -> Iterator[dict[str, str | None]]:
    began: Entry | None = None
    for entry in ended:
        if entry.kind is EntryKind.BEGAN:
            if began is not None:
                yield _run(began, None)
            began = entry
        elif began is not None:
            yield _run(began, entry)
            began = None


def _run(began: Entry, ended: Entry | None) -> dict[str, str | None]:
    told = None
    if ended is not None:
        told = ended.lifecycle if ended.outcome in (None, Outcome.NONE) else ended.outcome
    return {
        "run": began.run,
        "who": began.who,
        "began": instant_in_utc(began.at),
        "ended": instant_in_utc(ended.at) if ended is not None else None,
        "outcome": told,
        **({"because": str(because)} if (because := began.evidence.get("because")) else {}),
    }


def _step(step: Step, history: Sequence[Entry], orders: Sequence[WorkOrder]) -> StepRecord:
    told = [entry for entry in history if entry.step == step.name]
    ends = [entry for entry in told if entry.kind in ENDS]
    last = _last_said(step, history)
    order = _asked_for(step, told, orders, last) if last is not None else None
    # Nobody is named for what they said they could not do.
    claim = order.claim if order is not None and _is_claimed(order) else None
    return StepRecord(
        step=step.name,
        state=last.state or State.UNKNOWN if last is not None else State.PENDING,
        at=instant_in_utc(last.at) if last is not None else None,
        reason=last.reason if last is not None else "",
        run_by=last.who if last is not None and last.kind in ENDS else None,
        asked_by=order.id if order is not None else None,
        done_by=claim.by if claim is not None else None,
        takes_two=order is not None and order.four_eyes,
        approved_by=order.approval.by if order is not None and order.approval is not None else None,
        refused_by=order.refusal.by if order is not None and order.refusal is not None else None,
        proof=last.hash if last is not None and last.kind is EntryKind.PROOF else None,
        rests_on=basis_of(last, orders) if last is not None and last.kind is EntryKind.PROOF else (),
        attempts=len(ends),
    )


def _last_said(step: Step, history: Sequence[Entry]) -> Entry | None:
    """The last proof or verdict; or that an answer which covers the step was taken back since."""
    for entry in reversed(history):
        if entry.kind is EntryKind.RETRACTED and step.name in steps_written_by(entry.evidence["verbs"]):
            return entry
        if entry.step == step.name and entry.kind in ENDS:
            return entry
    return None


def _asked_for(step: Step, told: Sequence[Entry], orders: Sequence[WorkOrder], last: Entry) -> WorkOrder | None:
    """The work order on which a step's proof stands, or for whose approval it waits; None where no person did it."""
    verbs, numbers = {act.verb for act in step.acts}, {order.id for order in orders}
    by_agent = [
        entry.at
        for entry in told
        if entry.kind is EntryKind.EFFECT
        and entry.operation not in numbers
        and entry.evidence.get("answer") == SUCCEEDED
    ]
    asked = [
        order
        for order in orders
        if verbs & set(order.verbs)
        and order.state is not OrderState.RETRACTED
        and order.opened_at <= last.at
        and all(at < order.opened_at for at in by_agent)
    ]
    order = next(iter([*reversed([one for one in asked if _is_claimed(one)]), *reversed(asked)]), None)
    if last.kind is EntryKind.PROOF or order is None:
        return order
    return order if order.claim is not None and order.state.needs_somebody else None


def _is_claimed(order: WorkOrder) -> bool:
    return order.claim is not None and order.claim.result is Result.DONE


def _troubles(history: Sequence[Entry]) -> Iterator[dict[str, str]]:
    for entry in history:
        if entry.kind is EntryKind.VERDICT and entry.state is not State.WAITING:
            yield {"at": instant_in_utc(entry.at), "step": entry.step or "", "reason": entry.reason}


def _reconciled(history: Sequence[Entry]) -> dict[str, Any] | None:
    told = [entry for entry in history if entry.kind in ENDS and "reconciled" in entry.evidence]
    if not told:
        return None
    compared = Reconciliation.from_json(told[-1].evidence["reconciled"]).compared
    return {
        "at": instant_in_utc(told[-1].at),
        "read": [_read(told[-1], kept) for kept in Kept],
        "compared": [
            {
                "what": one.what,
                "source": one.source,
                "target": one.target,
                "not_compared": one.not_compared,
                **{kind: one.count(kind) for kind in LISTED},
                "which": {
                    kind: [str(it) for it in getattr(one, kind)[:NAMED]] for kind in LISTED if getattr(one, kind)
                },
            }
            for one in compared
        ],
    }


def _read(entry: Entry, kept: Kept) -> dict[str, Any]:
    """at, under_lock_out: of one side's lists; None where the entry, an older one, does not tell."""
    observed = entry.evidence.get("observed", {}).get(kept.value, {})
    taken_at = observed.get("taken_at")
    return {
        "at": instant_in_utc(datetime.fromisoformat(taken_at)) if taken_at else None,
        "under_lock_out": observed.get("under_lock_out"),
    }


def _drift(history: Sequence[Entry]) -> Iterator[dict[str, Any]]:
    for entry in history:
        if entry.kind is EntryKind.RECONCILED:
            told = entry.evidence.get("reconciled")
            counts = Reconciliation.from_json(told) if told else None
            unsaid = (
                [one.what for one in counts.not_compared] if counts else list(entry.evidence.get("not_compared", {}))
            )
            yield {
                "at": instant_in_utc(entry.at),
                **{kind: counts.count(kind) if counts else None for kind in KINDS},
                "not_compared": unsaid,
            }


def _reservations(history: Sequence[Entry]) -> Iterator[dict[str, str]]:
    for entry in standing_findings(history):
        level = entry.evidence.get("level")
        if level in (Level.RESERVATION, Level.BLOCK):
            yield {
                "rule": str(entry.evidence.get("rule") or ""),
                "level": str(level),
                "about": ", ".join(str(one) for one in entry.evidence.get("about") or []),
                "says": entry.reason,
                "remedy": str(entry.evidence.get("remedy") or ""),
            }


def _decisions(history: Sequence[Entry], orders: Sequence[WorkOrder]) -> Iterator[dict[str, str]]:
    by_id = {order.id: order for order in orders}
    named: set[str] = set()
    for entry in history:
        if entry.kind is EntryKind.RETRACTED:
            order = by_id[entry.operation or ""]
            if order.id not in named and order.state is OrderState.RETRACTED:
                named.add(order.id)
                yield from _said_before(order)
            because = str(entry.evidence["because"])
            yield {
                "at": instant_in_utc(entry.at),
                "who": entry.who,
                "what": f"retracted {order.id}",
                "because": because,
            }
        elif entry.kind in DECISIONS:
            told = entry.evidence
            what = "unlock" if told.get("unlock") else "again" if told.get("again") else entry.operation or ""
            refused = entry.kind is EntryKind.REFUSED
            yield {
                "at": instant_in_utc(entry.at),
                "who": entry.who,
                "what": f"refused {what}".strip() if refused else what,
                "because": entry.reason,
            }


def _said_before(order: WorkOrder) -> Iterator[dict[str, str]]:
    """The answer that was taken back, and its approval if it had one."""
    for did, word in (("answered", order.answer), ("approved", order.approval)):
        if word is not None:
            at = instant_in_utc(word.at)
            yield {"at": at, "who": word.by, "what": f"{did} {order.id}", "because": word.because}
