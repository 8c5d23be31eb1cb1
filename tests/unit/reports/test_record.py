"""What a procès-verbal states, before it is set."""

from __future__ import annotations

from typing import Any

from bascule.ledger import EntryKind, Ledger
from bascule.model import Outcome, State
from bascule.reports.record import Record, record_of
from tests.unit.reports.histories import History, began, ended, judged, line, planned, proved, write

CODE = "C0001"


def made_of(ledger: Ledger, *histories: History) -> Record:
    write(ledger, planned(CODE), *histories)
    record = record_of(ledger.history(CODE), "pilot", None)
    assert record is not None
    return record


def answered(result: str) -> History:
    """Anne's answer to the order for the terms, which Paul approves."""
    until = {"expires_at": "2027-01-01T00:00:00+00:00", "deadline": None}
    order: dict[str, Any] = {"verbs": ["terms"], "four_eyes": True, "owner": None, "minutes": 5, "values": {}, **until}
    told = {"result": result, "evidence": {}}
    return [
        line(CODE, EntryKind.ORDERED, step="terms", operation="C0001-terms", key="K", evidence=order),
        line(CODE, EntryKind.ANSWERED, who="anne", operation="C0001-terms", evidence=told, state=State.WAITING),
        line(CODE, EntryKind.APPROVED, who="paul", operation="C0001-terms", reason="seen"),
    ]


def test_nobody_is_named_for_what_they_could_not_do(ledger: Ledger) -> None:
    came_true = proved(CODE, "terms", reason="already true")
    record = made_of(ledger, began(CODE), answered("cannot"), came_true, ended(CODE, Outcome.OK))
    terms = next(step for step in record.steps if step.step == "terms")
    assert (terms.state, terms.done_by, terms.approved_by) == (State.DONE, None, None)


def test_nobody_is_named_for_what_is_not_proven(ledger: Ledger) -> None:
    failed = judged(CODE, "terms", State.FAILED, "not accepted")
    record = made_of(ledger, began(CODE), answered("done"), failed, ended(CODE, Outcome.FAILED))
    terms = next(step for step in record.steps if step.step == "terms")
    assert (terms.state, terms.done_by, terms.approved_by) == (State.FAILED, None, None)


def test_that_somebody_was_waited_for_is_no_attempt_without_proof(ledger: Ledger) -> None:
    waits, failed = (judged(CODE, "terms", state, state.value) for state in (State.WAITING, State.FAILED))
    record = made_of(ledger, began(CODE), waits, failed, ended(CODE, Outcome.FAILED))
    assert [trouble["reason"] for trouble in record.troubles] == ["failed"]


def test_what_a_later_look_did_not_find_is_no_reservation_any_more(ledger: Ledger) -> None:
    told = {"rule": "DOS-01", "level": "block", "about": ["D1"], "remedy": "mend it"}
    found = line(CODE, EntryKind.FINDING, step="consistency", reason="twice", evidence=told)
    first = [found, *judged(CODE, "consistency", State.FAILED, "1 anomaly", evidence={"observed": {}})]
    later = proved(CODE, "consistency", run="R2")
    record = made_of(ledger, began(CODE), first, later, ended(CODE, Outcome.OK))
    assert record.reservations == ()
