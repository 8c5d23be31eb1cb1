"""The desk: what WorkOrders promises, who may say what, and that two who speak at once are not both heard."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from functools import partial

import pytest

from bascule.ledger import Desk, EntryKind, Ledger, NotAccepted, first_broken
from bascule.ledger.orders import cabinet_of
from bascule.workorders import Answer, Approval, OrderState, Result, Withdrawal, WorkOrder
from tests.builders import work_order

OPENED = datetime(2026, 12, 1, 19, tzinfo=UTC)
LATER = OPENED + timedelta(hours=1)
EXPIRED = OPENED + timedelta(days=8)

NASTY = {"name": "=cmd|'/c calc'!A1 [red]{0}{name}[/] \u202e\x1b[2J\x00é", "users": "a\nb\tc"}


def desk_of(ledger: Ledger, now: datetime = LATER) -> Desk:
    return Desk(ledger, lambda: now)


async def opened(desk: Desk, order: WorkOrder | None = None, step: str = "connect") -> WorkOrder:
    return await desk.open(order or work_order(step), step=step, run="run-1", who="ops", fence=0)


def said(result: Result = Result.DONE, by: str = "anne", because: str = "Seen", at: datetime = LATER) -> Answer:
    return Answer(by=by, at=at, result=result, because=because, evidence={"connected_at": "2026-12-01T19:14:00+00:00"})


def by(name: str, because: str = "Looked at it") -> Approval:
    return Approval(by=name, at=LATER, because=because)


@pytest.fixture
def desk(ledger: Ledger) -> Desk:
    return desk_of(ledger)


# Opening


async def test_what_was_opened_answered_or_withdrawn_is_there_for_whoever_opens_the_ledger_next(
    desk: Desk, ledger_url: str
) -> None:
    values = {"siret": "73282932000074", "users": "paul@cabinet1.example — PAUL — collaborateur"}
    deadline = OPENED + timedelta(hours=4)
    asked = await opened(desk, work_order("lock-out", deadline=deadline, owner="anne", values=values), "lock-out")
    await opened(desk)
    await desk.answer({"C0001-connect": said()})
    withdrawal = Withdrawal(by="paul", at=LATER, because="Postponed")
    await desk.withdraw(["C0001-lock-out"], withdrawal, run="run-2")

    with Ledger(ledger_url, read_only=True) as reopened:
        wizard, section = desk_of(reopened).everything()

    assert section == replace(asked, withdrawal=withdrawal)
    assert wizard.answer == said()


async def test_under_one_key_one_order_is_opened_however_often_it_is_asked_for(desk: Desk, ledger: Ledger) -> None:
    first = await opened(desk)
    assert await opened(desk, replace(work_order(), minutes=99)) == first
    assert len(await desk.of("C0001")) == 1
    assert [entry.kind for entry in ledger.history("C0001")] == [EntryKind.ORDERED]


async def test_a_number_once_given_is_never_given_again(desk: Desk) -> None:
    numbers = [(await opened(desk, work_order(key=f"key-{n}"))).id for n in range(3)]
    await opened(desk, work_order("lock-out", key="other"), "lock-out")
    assert numbers == ["C0001-connect", "C0001-connect-2", "C0001-connect-3"]


@pytest.mark.parametrize("code", ["C0042", "2A", "CAB_1", "A-B-C", "12", "X-2"])
async def test_an_order_is_found_by_its_number_whatever_the_cabinets_code(desk: Desk, code: str) -> None:
    for step in ("connect", "return-to-ge", "open-exe"):
        order = await opened(desk, work_order(step, cabinet=code, key=step), step)
        again = await opened(desk, work_order(step, cabinet=code, key=f"{step} again"), step)
        assert cabinet_of(order.id) == cabinet_of(again.id) == code
        assert [one.id for one in await desk.answer({again.id: said()})] == [f"{code}-{step}-2"]


async def test_markup_formulas_braces_and_control_characters_are_kept_as_they_are(desk: Desk) -> None:
    order = await opened(desk, work_order(values=NASTY))
    # A text of PostgreSQL holds no NUL; what people say is one, and as_reason lets none in.
    answered = replace(said(), because=NASTY["name"].replace("\x00", ""))
    assert {**order.values} == {**work_order(values=NASTY).values}
    assert (await desk.answer({order.id: answered}))[0].answer == answered


# Answering


async def test_done_counts_at_once_where_nothing_is_irreversible(desk: Desk) -> None:
    order = await opened(desk)
    (after,) = await desk.answer({order.id: said(because="")})
    assert after.state is OrderState.DONE


@pytest.mark.parametrize("result", [Result.NOT_DONE, Result.CANNOT])
async def test_what_was_not_done_needs_a_reason_and_no_second_person(desk: Desk, result: Result) -> None:
    order = await opened(desk, step="admin-sage")
    with pytest.raises(NotAccepted, match="needs a reason"):
        await desk.answer({order.id: said(result, because="  ")})
    (after,) = await desk.answer({order.id: said(result, because="The page did not open")})
    assert after.state == OrderState(result.value)


async def test_an_irreversible_one_needs_a_comment(desk: Desk) -> None:
    order = await opened(desk, step="admin-sage")
    with pytest.raises(NotAccepted, match="irreversible"):
        await desk.answer({order.id: said(because="")})


async def test_an_order_is_answered_once(desk: Desk) -> None:
    order = await opened(desk)
    await desk.answer({order.id: said(by="anne")})
    with pytest.raises(NotAccepted, match="answered before, by anne at 2026-12-01 20:00 UTC: done"):
        await desk.answer({order.id: said(by="paul")})


async def test_an_answer_that_comes_late_is_refused_and_nobody_is_taken_to_have_agreed(
    desk: Desk, ledger: Ledger
) -> None:
    order = await opened(desk, step="admin-sage")
    late = desk_of(ledger, EXPIRED)
    with pytest.raises(NotAccepted, match="expired at 2026-12-08 19:00 UTC and is on hold"):
        await late.answer({order.id: said(at=EXPIRED)})
    await desk.answer({order.id: said()})
    with pytest.raises(NotAccepted, match="expired"):
        await late.approve([order.id], by("paul"))
    (left,) = await late.of("C0001")
    assert left.state is OrderState.TO_APPROVE
    assert left.is_on_hold(EXPIRED)


async def test_a_withdrawn_order_is_neither_answered_nor_approved_nor_withdrawn_again(desk: Desk) -> None:
    order = await opened(desk, step="admin-sage")
    withdrawal = Withdrawal(by="paul", at=LATER, because="The cabinet postponed")
    await desk.withdraw([order.id], withdrawal)
    with pytest.raises(NotAccepted, match="withdrawn by paul at 2026-12-01 20:00 UTC: The cabinet postponed"):
        await desk.answer({order.id: said()})
    with pytest.raises(NotAccepted, match="withdrawn by paul"):
        await desk.approve([order.id], by("paul"))
    with pytest.raises(NotAccepted, match="nothing to withdraw"):
        await desk.withdraw([order.id], withdrawal)


async def test_one_wrong_answer_among_many_and_none_is_stored(desk: Desk, ledger: Ledger) -> None:
    orders = [await opened(desk, work_order(number=number)) for number in (1, 2, 3)]
    await desk.answer({"C0002-connect": said()})
    before = {code: ledger.history(code) for code in ("C0001", "C0002", "C0003")}

    with pytest.raises(NotAccepted) as refused:
        await desk.answer({order.id: said() for order in orders} | {"C0009-connect": said()})

    assert "C0002-connect was answered before" in str(refused.value)
    assert "no work order 'C0009-connect'" in str(refused.value)
    assert {code: ledger.history(code) for code in before} == before


# Four eyes


async def test_who_answered_cannot_approve_and_the_attempt_is_in_the_chain(desk: Desk, ledger: Ledger) -> None:
    order = await opened(desk, step="admin-sage")
    await desk.answer({order.id: said(by="Anne")})

    for name in ("Anne", "anne", "  ANNE "):
        with pytest.raises(NotAccepted, match="takes a second person"):
            await desk.approve([order.id], by(name))

    attempts = [entry for entry in ledger.history("C0001") if entry.kind is EntryKind.REFUSED]
    assert [(entry.who.strip().casefold(), entry.operation) for entry in attempts] == [("anne", order.id)] * 3
    assert (await desk.of("C0001"))[0].state is OrderState.TO_APPROVE
    assert first_broken(ledger.history("C0001")) is None


async def test_a_second_person_approves_once(desk: Desk) -> None:
    order = await opened(desk, step="admin-sage")
    with pytest.raises(NotAccepted, match="nobody has answered it yet"):
        await desk.approve([order.id], by("paul"))
    await desk.answer({order.id: said(by="anne")})
    (after,) = await desk.approve([order.id], by("paul"))
    assert after.state is OrderState.DONE
    with pytest.raises(NotAccepted, match="approved before, by paul"):
        await desk.approve([order.id], by("lea"))


async def test_what_was_not_done_and_what_is_harmless_is_not_for_approval(desk: Desk) -> None:
    harmless, undone = await opened(desk), await opened(desk, step="admin-sage")
    await desk.answer({harmless.id: said(), undone.id: said(Result.CANNOT)})
    with pytest.raises(NotAccepted) as refused:
        await desk.approve([harmless.id, undone.id], by("paul"))
    assert "needs no approval" in str(refused.value)
    assert "answered cannot: there is nothing to approve" in str(refused.value)


async def test_an_answer_that_is_not_approved_opens_the_order_again_and_says_why(desk: Desk) -> None:
    order = await opened(desk, step="admin-sage")
    await desk.answer({order.id: said()})
    (after,) = await desk.approve([order.id], by("paul", "My Sage shows another address"), declines=True)
    assert after.state is OrderState.TO_DECIDE
    assert after.refusal == by("paul", "My Sage shows another address")
    await desk.answer({order.id: said(by="paul")})
    (after,) = await desk.approve([order.id], by("anne"))
    assert after.state is OrderState.DONE


# At once


def at_the_same_time(url: str, *acts: Callable[[Desk], object]) -> list[object]:
    """Each in a thread with a ledger and an event loop of its own, as two commands are. What was raised is an outcome."""

    def alone(act: Callable[[Desk], object]) -> object:
        with Ledger(url) as ledger:
            try:
                return asyncio.run(act(desk_of(ledger)))  # type: ignore[arg-type]
            except NotAccepted as refused:
                return refused

    with ThreadPoolExecutor(len(acts)) as threads:
        return list(threads.map(alone, acts))


def answering(answers: dict[str, Answer], desk: Desk) -> object:
    return desk.answer(answers)


async def test_of_two_who_answer_at_the_same_time_one_is_refused(desk: Desk, ledger: Ledger, ledger_url: str) -> None:
    for number in range(1, 6):
        order = await opened(desk, work_order(number=number))
        answers = said(by="anne"), said(Result.CANNOT, by="paul")
        acts = [partial(answering, {order.id: answer}) for answer in answers]
        told = await asyncio.to_thread(at_the_same_time, ledger_url, *acts)
        refused = [one for one in told if isinstance(one, NotAccepted)]
        assert len(refused) == 1
        assert "answered before" in str(refused[0])
        history = ledger.history(order.cabinet)
        assert [entry.kind for entry in history] == [EntryKind.ORDERED, EntryKind.ANSWERED]
        assert first_broken(history) is None


async def test_an_answer_and_a_withdrawal_at_the_same_time_do_not_both_count(
    desk: Desk, ledger: Ledger, ledger_url: str
) -> None:
    order = await opened(desk)
    told = await asyncio.to_thread(
        at_the_same_time,
        ledger_url,
        lambda d: d.answer({order.id: said()}),
        lambda d: d.withdraw([order.id], Withdrawal(by="paul", at=LATER, because="Postponed")),
    )
    assert sum(isinstance(one, NotAccepted) for one in told) == 1
    assert len(ledger.history("C0001")) == 2


async def test_two_who_open_under_one_key_at_the_same_time_open_one(
    desk: Desk, ledger: Ledger, ledger_url: str
) -> None:
    def opens(its: Desk) -> object:
        return its.open(work_order(), step="connect", run="run-1", who="ops", fence=0)

    await opened(desk, work_order("admin-sage"), "admin-sage")
    first, second = await asyncio.to_thread(at_the_same_time, ledger_url, opens, opens)
    assert first == second
    assert len(await desk.of("C0001")) == 2
    assert first_broken(ledger.history("C0001")) is None


# Many


async def test_the_whole_desk_is_read_in_a_query_or_two(desk: Desk, statements: list[str]) -> None:
    for number in range(1, 6):
        await opened(desk, work_order(number=number))
    await desk.answer({f"C000{number}-connect": said() for number in range(1, 6)})
    statements.clear()
    assert len(desk.everything()) == 5
    assert len([one for one in statements if one.lstrip().upper().startswith("SELECT")]) <= 2


async def test_two_hundred_orders_are_answered_in_one_transaction(desk: Desk, commits: list[str]) -> None:
    for number in range(1, 201):
        await opened(desk, work_order(number=number))
    commits.clear()
    after = await desk.answer({f"C{number:04d}-connect": said() for number in range(1, 201)})
    assert {order.state for order in after} == {OrderState.DONE}
    assert len(commits) == 1
