"""What takes two people counts once both have spoken, whoever reads the systems; and a refusal reopens the question, never the act."""

from __future__ import annotations

from pathlib import Path

import pytest

from bascule.connectors.operator.wording import TEXTS, instructions
from bascule.engine import Conducted
from bascule.engine.opening import begin
from bascule.ledger import EntryKind, NotAccepted
from bascule.model import ErrorClass, Lifecycle, Outcome
from bascule.procedure import REOPEN
from bascule.reports.status import CabinetStatus, status_of
from bascule.workorders import Approval, OrderState, Result, Withdrawal, WorkOrder
from tests.builders import assert_moved, cabinet
from tests.office import Office, office

CODE = "C0001"
CONNECTORS = ["operator+extracts", "operator+http", "http"]
AGENT_READS = ["operator+http", "http"]


async def next_of_two(at: Office) -> tuple[Conducted, WorkOrder | None]:
    """Runs and answers all that takes one person, until something is asked for that takes two; None where the wave has ended."""
    for _ in range(12):
        conducted = await at.wave()
        orders = at.open_orders()
        if not orders:
            return conducted, None
        for order in orders:
            if order.four_eyes:
                return conducted, order
            await at.do(order)
            await at.answer(order)
    raise AssertionError("the wave does not come to its end")


async def brought_to(at: Office, step: str) -> WorkOrder:
    """This step's order, open. What takes two before it was done, answered and approved."""
    while (order := (await next_of_two(at))[1]) is not None:
        if order.id == f"{CODE}-{step}":
            return order
        await at.do(order)
        await at.on.time.sleep(900)
        await at.answer(order)
        await at.approve(order)
    raise AssertionError(f"{step} was never asked for")


async def done_and_answered(at: Office, step: str = "admin-sage") -> WorkOrder:
    """This step's order: done and answered by Anne, and approved by nobody."""
    order = await brought_to(at, step)
    await at.do(order)
    await at.on.time.sleep(900)
    await at.answer(order)
    return order


async def carried_on(at: Office) -> Conducted:
    """All that is asked for from now on is done, answered and approved."""
    while True:
        conducted, order = await next_of_two(at)
        if order is None:
            return conducted
        await at.do(order)
        await at.on.time.sleep(900)
        await at.answer(order)
        await at.approve(order)


def now(at: Office, order: WorkOrder) -> WorkOrder:
    return at.desk.named([order.id])[order.id]


def proven(at: Office) -> set[str]:
    return {entry.step or "" for entry in at.on.entries(CODE, EntryKind.PROOF)}


async def refused(at: Office, order: WorkOrder, by: str = "paul") -> None:
    said = Approval(by=by, at=at.on.time.now(), because="the screen shows another name")
    await at.desk.approve([order.id], said, declines=True)


def told_of(at: Office) -> CabinetStatus:
    [told] = status_of(at.on.ledger, "pilot").cabinets
    return told


# Held


@pytest.mark.parametrize("connector", CONNECTORS)
async def test_nothing_that_takes_two_is_proven_and_nothing_begins_after_it_until_the_second_has_approved(
    tmp_path: Path, connector: str
) -> None:
    async with office(tmp_path, [cabinet()]) as at:
        at.connector = connector
        waited_for = []
        while True:
            conducted, order = await next_of_two(at)
            if order is None:
                break
            await at.do(order)
            await at.on.time.sleep(900)
            await at.answer(order)
            before = proven(at)
            for _ in range(2):
                standing = (await at.wave()).standings[CODE]
                assert (standing.lifecycle, standing.error_class) == (Lifecycle.WAITING, ErrorClass.HUMAN), standing
                assert f"bascule approve {order.id}" in (standing.remedy or "")
                assert proven(at) - before <= {REOPEN}
                assert [one.id for one in at.open_orders()] == [order.id]
            waited_for.append(order.id)
            await at.approve(order)
        assert conducted.outcomes == {Outcome.OK: 1}
        steps = ["admin-sage", "billing"] if connector == "http" else ["admin-sage", "sign-up", "lock-out"]
        assert waited_for == [f"{CODE}-{step}" for step in steps]
        await assert_moved(at.on, CODE)


@pytest.mark.parametrize("connector", ["operator+extracts", "operator+http"])
async def test_a_reopen_waits_for_no_approval(tmp_path: Path, connector: str) -> None:
    async with office(tmp_path, [cabinet()]) as at:
        at.connector = connector
        order = await done_and_answered(at, "lock-out")
        await at.wave()
        assert proven(at) & {"lock-out", "synchronise", REOPEN} == {REOPEN}
        assert at.on.ledger.owing_a_reopen() == ()
        assert (
            at.on.entries(CODE, EntryKind.PROOF, REOPEN)[-1].reason
            == f"done by anne, approved by nobody (work order {order.id})"
        )
        await at.approve(order)
        assert (await carried_on(at)).outcomes == {Outcome.OK: 1}
        assert (
            at.on.entries(CODE, EntryKind.PROOF, REOPEN)[-1].reason
            == f"done by anne, approved by paul (work order {order.id})"
        )


async def test_users_whom_nobody_let_in_are_let_in_though_the_rest_is_not_approved(tmp_path: Path) -> None:
    async with office(tmp_path, [cabinet()]) as at:
        at.connector = "operator+http"
        order = await done_and_answered(at, "lock-out")
        await at.on.tester.post(f"/sandbox/hands/{CODE}/lock-out", json={})
        await at.wave()
        assert [(one.verbs, one.state) for one in at.open_orders()] == [
            (order.verbs, OrderState.TO_APPROVE),
            (("reopen",), OrderState.OPEN),
        ]
        reopen = at.open_orders()[-1]
        await at.do(reopen)
        await at.answer(reopen)
        await at.wave()
        assert REOPEN in proven(at)
        assert now(at, order).state is OrderState.TO_APPROVE


@pytest.mark.parametrize("connector", AGENT_READS)
async def test_what_was_done_without_a_word_still_takes_an_answer_and_an_approval(
    tmp_path: Path, connector: str
) -> None:
    async with office(tmp_path, [cabinet()]) as at:
        at.connector = connector
        await begin(at.on.run(), at.on.cabinets, {})
        _, order = await next_of_two(at)
        assert order is not None
        await at.do(order)
        await at.on.time.sleep(900)
        standing = (await at.wave()).standings[CODE]
        assert standing.lifecycle is Lifecycle.WAITING
        assert now(at, order).state is OrderState.OPEN
        assert "admin-sage" not in proven(at)
        assert (told_of(at).reason or "").startswith("done, not approved (admin-sage): an operator was asked at ")
        assert told_of(at).as_json()["not_approved"] == "admin-sage"
        await at.answer(order)
        await at.approve(order)
        await at.wave()
        assert "admin-sage" in proven(at)
        assert told_of(at).as_json()["not_approved"] is None


async def test_a_section_gone_through_without_a_word_keeps_nobody_out_and_is_not_proven(tmp_path: Path) -> None:
    async with office(tmp_path, [cabinet()]) as at:
        at.connector = "operator+http"
        await begin(at.on.run(), at.on.cabinets, {})
        order = await brought_to(at, "lock-out")
        await at.do(order)
        await at.wave()
        assert proven(at) & {"lock-out", "synchronise", REOPEN} == {REOPEN}
        assert now(at, order).state is OrderState.OPEN
        assert told_of(at).not_approved == "lock-out, synchronise"
        await at.answer(order)
        await at.approve(order)
        assert (await carried_on(at)).outcomes == {Outcome.OK: 1}
        await assert_moved(at.on, CODE)


async def test_while_somebody_has_the_section_in_hand_an_agent_that_sees_it_half_done_changes_nothing(
    tmp_path: Path,
) -> None:
    async with office(tmp_path, [cabinet()]) as at:
        at.connector = "operator+http"
        await begin(at.on.run(), at.on.cabinets, {})
        order = await brought_to(at, "lock-out")
        await at.on.tester.post(f"/sandbox/hands/{CODE}/lock-out", json={})
        before = proven(at)
        await at.wave()
        assert proven(at) == before
        assert told_of(at).locked_out_since is not None
        assert [one.id for one in at.open_orders()] == [order.id]
        assert (await at.on.state(CODE))["ge"]["locked_out"] is True


async def test_what_was_so_before_anybody_was_asked_is_nobodys_to_approve(tmp_path: Path) -> None:
    async with office(tmp_path, [cabinet()]) as at:
        at.connector = "operator+http"
        await at.on.tester.post(f"/sandbox/hands/{CODE}/admin-sage", json={"email": cabinet().admin_email})
        await at.on.time.sleep(900)
        await at.wave()
        [proof] = at.on.entries(CODE, EntryKind.PROOF, "admin-sage")
        assert proof.reason == "already true"


async def test_an_order_that_is_withdrawn_is_no_way_round_the_second_person(tmp_path: Path) -> None:
    async with office(tmp_path, [cabinet()]) as at:
        at.connector = "operator+http"
        order = await done_and_answered(at, "lock-out")
        with pytest.raises(NotAccepted, match="answered by Anne, who cannot withdraw it"):
            await at.desk.withdraw([order.id], Withdrawal(by="Anne", at=at.on.time.now(), because="never mind"))
        await at.desk.withdraw([order.id], Withdrawal(by="paul", at=at.on.time.now(), because="I was not there"))
        standing = (await at.wave()).standings[CODE]
        assert standing.lifecycle is Lifecycle.WAITING
        [question] = at.open_orders()
        assert (question.state, question.deadline, question.claimed_by) == (OrderState.TO_DECIDE, None, "anne")
        await at.answer(question)
        await at.wave()
        assert now(at, question).state is OrderState.TO_APPROVE
        assert "synchronise" not in proven(at)
        await at.approve(question)
        assert (await carried_on(at)).outcomes == {Outcome.OK: 1}
        await assert_moved(at.on, CODE)


async def test_what_an_order_that_was_put_off_left_done_is_not_asked_for_as_if_it_were_all_done(tmp_path: Path) -> None:
    async with office(tmp_path, [cabinet()]) as at:
        at.connector = "operator+http"
        order = await brought_to(at, "sign-up")
        await at.on.tester.post(f"/sandbox/hands/{CODE}/sign-up", json={})
        await at.answer(order, Result.NOT_DONE, "registered; the bank's data come tomorrow")
        await at.wave()
        [rest] = at.open_orders()
        assert (rest.verbs, rest.state) == (order.verbs[1:], OrderState.OPEN)
        await at.do(rest)
        await at.answer(rest)
        await at.approve(rest)
        await at.wave()
        assert {"sign-up", "billing", "terms"} <= proven(at)


# Refused


@pytest.mark.parametrize("connector", CONNECTORS)
async def test_what_is_refused_is_blocked_until_another_person_decides_and_leaves_a_reservation(
    tmp_path: Path, connector: str
) -> None:
    async with office(tmp_path, [cabinet()]) as at:
        at.connector = connector
        await begin(at.on.run(), at.on.cabinets, {})
        order = await done_and_answered(at)
        await refused(at, order)
        for _ in range(2):
            standing = (await at.wave()).standings[CODE]
            assert (standing.outcome, standing.step) == (Outcome.BLOCKED, "admin-sage"), standing
            assert "paul did not approve" in standing.reason
            assert "admin-sage" not in proven(at)
        assert told_of(at).next_action == f"bascule inbox --order {order.id}"
        with pytest.raises(NotAccepted, match="refused by paul"):
            await at.approve(order, by="paul")
        with pytest.raises(NotAccepted, match="a second person"):
            await at.approve(order, by="anne")
        await at.approve(order, by="zoe")
        assert told_of(at).next_action == "run again: it carries on"
        await at.wave()
        assert "admin-sage" in proven(at)
        [finding] = [one for one in at.on.entries(CODE, EntryKind.FINDING) if one.evidence["rule"] == "ANS-03"]
        assert "paul did not approve the answer of anne: the screen shows another name" in finding.reason
        if connector == "operator+http":
            assert (await carried_on(at)).outcomes == {Outcome.OK_WITH_RESERVATIONS: 1}
            await assert_moved(at.on, CODE)


@pytest.mark.parametrize("connector", ["operator+extracts", "operator+http"])
async def test_after_a_refusal_nobody_is_asked_to_do_anything_of_a_synchronised_cabinet(
    tmp_path: Path, connector: str
) -> None:
    async with office(tmp_path, [cabinet()]) as at:
        at.connector = connector
        order = await done_and_answered(at, "lock-out")
        await refused(at, order)
        await at.wave()
        [question] = at.open_orders()
        assert (question.id, question.state) == (order.id, OrderState.TO_DECIDE)
        told = instructions(question)
        acts = {line for verb in order.verbs for line in TEXTS[verb]["fr"]["steps"] if isinstance(line, str)}
        assert not acts & set(told.steps)
        assert told.title == "Dire ce qui est vrai : écarter les utilisateurs, synchroniser, rouvrir GE"
        assert "anne" in told.steps[0]
        assert "paul" in told.steps[0]
        assert not question.is_overdue(at.on.time.now())
        assert REOPEN in proven(at)


async def test_an_answer_given_anew_and_approved_decides_too(tmp_path: Path) -> None:
    async with office(tmp_path, [cabinet()]) as at:
        order = await done_and_answered(at, "lock-out")
        await refused(at, order)
        with pytest.raises(NotAccepted, match="somebody else to say that it is not-done"):
            await at.answer(order, Result.NOT_DONE, "never mind", users_back="yes", synchronisation_begun="no")
        await at.answer(order)
        await at.approve(order)
        assert (await carried_on(at)).outcomes == {Outcome.OK_WITH_RESERVATIONS: 1}
        await assert_moved(at.on, CODE)


async def test_who_finds_users_still_out_after_an_answer_has_them_let_in(tmp_path: Path) -> None:
    async with office(tmp_path, [cabinet()]) as at:
        order = await done_and_answered(at, "lock-out")
        await at.wave()
        await refused(at, order)
        out = {"users_back": "no", "synchronisation_begun": "no"}
        await at.answer(order, Result.CANNOT, "users are out, nothing was synchronised", by="paul", **out)
        await at.wave()
        assert [one.verbs for one in at.open_orders()] == [("reopen",)]
