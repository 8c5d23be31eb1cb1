"""A schedule takes up again those for whom something may have come, and leaves alone whom a person still has to answer for."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

from bascule.waves.resuming import LOOKS_AGAIN_AFTER, worth_resuming
from bascule.workorders import Answer, Approval, Result, WorkOrder

NOW = datetime(2026, 12, 1, 20, tzinfo=UTC)
SINCE = NOW - timedelta(minutes=10)


def order(answer: Answer | None = None, *, four_eyes: bool = False, approval: Approval | None = None) -> WorkOrder:
    return WorkOrder(
        id="C0001-connect",
        cabinet="C0001",
        wave="pilot",
        key="k",
        verbs=("connect",),
        opened_at=SINCE - timedelta(days=1),
        expires_at=NOW + timedelta(days=9),
        four_eyes=four_eyes,
        answer=answer,
        approval=approval,
    )


def answered(at: datetime) -> Answer:
    return Answer(by="anne", at=at, result=Result.DONE)


def test_whose_order_nobody_has_answered_is_left_alone_however_long() -> None:
    assert worth_resuming({"C0001": SINCE}, [order()], NOW + timedelta(days=3)) == ()


def test_an_answer_that_came_since_is_taken_up_at_once() -> None:
    assert worth_resuming({"C0001": SINCE}, [order(answered(NOW))], NOW) == ("C0001",)


def test_an_answer_that_still_needs_an_approval_is_not_enough() -> None:
    assert worth_resuming({"C0001": SINCE}, [order(answered(NOW), four_eyes=True)], NOW) == ()
    approved = order(answered(NOW), four_eyes=True, approval=Approval(by="paul", at=NOW))
    assert worth_resuming({"C0001": SINCE}, [approved], NOW) == ("C0001",)


def test_who_waits_for_time_or_a_file_is_looked_at_again_now_and_then() -> None:
    read_already = order(answered(SINCE - timedelta(hours=2)))
    assert worth_resuming({"C0001": SINCE}, [read_already], NOW) == ()
    assert worth_resuming({"C0001": SINCE}, [read_already], SINCE + LOOKS_AGAIN_AFTER) == ("C0001",)


def test_orders_of_cabinets_that_do_not_wait_are_nobodys_business() -> None:
    assert worth_resuming({}, [order(answered(NOW))], NOW) == ()
