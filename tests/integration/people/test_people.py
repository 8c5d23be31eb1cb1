"""The whole road with people as connectors: asked once, answering with evidence, and holding nothing while they are awaited."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

import pytest

from bascule.connectors import Remote
from bascule.engine import conduct
from bascule.engine.opening import order_again
from bascule.inventory import Window
from bascule.ledger import EntryKind, NotAccepted, first_broken
from bascule.model import Cabinet, Lifecycle, Outcome, State, System
from bascule.procedure import PROCEDURE
from bascule.workorders import OrderState, Result, Withdrawal
from tests.builders import assert_moved, cabinet, cabinets, with_people
from tests.office import Office, office

SITTINGS = ["admin-sage", "activation-key", "connect", "sign-up", "backup", "lock-out"]
"""What a person is asked for, in turn, when the inventory names nobody to invite."""


async def brought_to(at: Office, step: str, code: str = "C0001") -> None:
    """Runs and answers until this cabinet's order for this step is open."""
    for _ in range(10):
        await at.wave()
        if any(order.id == f"{code}-{step}" for order in at.open_orders()):
            return
        await at.work_through()
    raise AssertionError(f"{step} was never asked for")


async def test_cabinets_are_moved_by_people_alone_each_sitting_asked_for_once(tmp_path: Path) -> None:
    async with office(tmp_path, cabinets(3)) as at:
        asked: list[str] = []
        conducted = await at.wave()
        while conducted.outcomes == {Outcome.NONE: 3} and len(asked) < 30:
            assert {standing.lifecycle for standing in conducted.standings.values()} == {Lifecycle.WAITING}
            asked += [order.id for order in await at.work_through()]
            conducted = await at.wave()
        assert conducted.outcomes == {Outcome.OK: 3}
        assert sorted(asked) == sorted(f"{one.code}-{step}" for one in at.on.cabinets for step in SITTINGS)
        for one in at.on.cabinets:
            await assert_moved(at.on, one.code)


async def test_how_long_users_were_kept_out_by_people_is_told_as_they_say(tmp_path: Path) -> None:
    async with office(tmp_path, cabinets(1)) as at:
        for _ in range(30):
            if (await at.wave()).outcomes == {Outcome.OK: 1}:
                break
            for order in at.open_orders():
                await at.do(order)
                earlier = (at.on.time.now() - timedelta(minutes=2)).isoformat()
                changes: dict[str, Any] = {"locked_out_at": earlier} if "lock-out" in order.verbs else {}
                await at.answer(order, **changes)
                if order.four_eyes:
                    await at.approve(order)
        found = at.on.entries("C0001", EntryKind.FINDING, "reopen")
        assert [entry.evidence["locked_out_for"] for entry in found] == [120.0]
        assert found[0].evidence["by_later_run"] is False


async def test_a_waiting_cabinet_holds_no_lease_and_another_run_asks_nobody_twice(tmp_path: Path) -> None:
    async with office(tmp_path, cabinets(5)) as at:
        await at.wave()
        assert at.on.ledger.at_work(at.on.time.now()) == frozenset()
        before = at.desk.everything()
        conducted = await at.wave()
        assert at.desk.everything() == before
        assert {order.id for order in before} == {f"{one.code}-admin-sage" for one in at.on.cabinets}
        assert all("work order" in standing.reason for standing in conducted.standings.values())


async def test_the_ledger_tells_who_did_and_who_approved_each_step(tmp_path: Path) -> None:
    async with office(tmp_path, [cabinet()]) as at:
        for _ in range(8):
            await at.wave()
            await at.work_through()
        proofs = {entry.step: entry.reason for entry in at.on.entries("C0001", EntryKind.PROOF)}
        assert set(proofs) == {step.name for step in PROCEDURE}
        assert proofs["connect"] == proofs["defaults"] == "done by anne (work order C0001-connect)"
        for step in ("lock-out", "synchronise", "reopen"):
            assert proofs[step] == "done by anne, approved by paul (work order C0001-lock-out)"
        assert first_broken(at.on.ledger.history("C0001")) is None


async def test_users_and_assignments_are_asked_for_where_the_inventory_names_them(tmp_path: Path) -> None:
    async with office(tmp_path, [with_people()]) as at:
        await brought_to(at, "users")
        [order] = at.open_orders()
        assert "paul@cabinet1.example — PAUL — collaborateur" in order.values["users"]
        payload = [{"email": "paul@cabinet1.example", "collaborateur": "PAUL", "role": "collaborateur"}]
        await at.on.tester.post("/sandbox/hands/C0001/users", json={"users": payload})
        await at.answer(order)
        await at.wave()
        [order] = at.open_orders()
        await at.on.tester.post(
            "/sandbox/hands/C0001/assignments",
            json={"assignments": [{"client": "D-1", "email": "paul@cabinet1.example"}]},
        )
        await at.answer(order)
        assert (await at.wave()).outcomes == {Outcome.OK: 1}


async def test_an_irreversible_step_goes_on_only_when_somebody_else_has_approved(tmp_path: Path) -> None:
    async with office(tmp_path, [cabinet()]) as at:
        await at.wave()
        [order] = at.open_orders()
        await at.do(order)
        await at.answer(order)
        await at.wave()
        assert at.open_orders()[0].state is OrderState.TO_APPROVE
        assert not at.on.entries("C0001", EntryKind.PROOF, "admin-sage")
        with pytest.raises(NotAccepted, match="a second person"):
            await at.approve(order, by="Anne")
        assert [entry.who for entry in at.on.entries("C0001", EntryKind.REFUSED)] == ["Anne"]
        await at.wave()
        assert not at.on.entries("C0001", EntryKind.PROOF, "admin-sage")
        await at.approve(order)
        await at.wave()
        assert at.on.entries("C0001", EntryKind.PROOF, "admin-sage")


async def test_not_done_is_asked_again_with_its_reason_and_cannot_blocks_the_cabinet(tmp_path: Path) -> None:
    async with office(tmp_path, [cabinet()]) as at:
        await at.wave()
        [order] = at.open_orders()
        await at.answer(order, Result.NOT_DONE, "nobody at the cabinet picks up")
        await at.wave()
        [again] = at.open_orders()
        assert again.id == "C0001-admin-sage-2"
        assert "nobody at the cabinet picks up" in again.values["last_reason"]
        await at.answer(again, Result.CANNOT, "the e-mail is not the director's")
        conducted = await at.wave()
        standing = conducted.standings["C0001"]
        assert (standing.outcome, standing.step) == (Outcome.BLOCKED, "admin-sage")
        assert "the e-mail is not the director's" in standing.reason
        assert at.open_orders() == []
        await at.wave()
        assert [order.id for order in at.open_orders()] == ["C0001-admin-sage-3"]


async def test_an_order_that_nobody_answered_in_time_is_asked_anew_saying_to_look_first(tmp_path: Path) -> None:
    async with office(tmp_path, [cabinet()]) as at:
        await at.wave()
        [order] = at.open_orders()
        await at.on.time.sleep(timedelta(days=15).total_seconds())
        with pytest.raises(NotAccepted, match="on hold"):
            await at.answer(order)
        await at.wave()
        [again] = at.open_orders()
        assert (again.id, again.values["first_look"]) == ("C0001-admin-sage-2", "yes")
        states = {one.id: one.state for one in at.desk.everything()}
        assert states["C0001-admin-sage"] is OrderState.WITHDRAWN


async def test_an_answer_that_nobody_approved_in_time_is_no_approval_and_stays_on_hold_until_a_person_withdraws_it(
    tmp_path: Path,
) -> None:
    async with office(tmp_path, [cabinet()]) as at:
        await at.wave()
        [order] = at.open_orders()
        await at.do(order)
        await at.answer(order)
        await at.on.time.sleep(timedelta(days=15).total_seconds())
        with pytest.raises(NotAccepted, match="on hold"):
            await at.approve(order)
        conducted = await at.wave()
        assert [one.id for one in at.open_orders()] == ["C0001-admin-sage"]
        assert "on hold" in conducted.standings["C0001"].reason
        assert not at.on.entries("C0001", EntryKind.PROOF, "admin-sage")
        withdrawal = Withdrawal(by="paul", at=at.on.time.now(), because="asked too late")
        await at.desk.withdraw([order.id], withdrawal)
        await at.wave()
        [again] = at.open_orders()
        assert (again.id, again.values["first_look"]) == ("C0001-admin-sage-2", "yes")


async def test_what_came_true_without_an_answer_is_not_asked_for_any_more(tmp_path: Path) -> None:
    async with office(tmp_path, [cabinet()]) as at:
        await brought_to(at, "backup")
        [order] = at.open_orders()
        await at.do(order)
        run = at.on.run(plays_person=False)
        people = at.remote_for(run.id)
        run.remote = lambda one, system: at.on.remotes[system] if system.value == "ge" else people(one, system)
        await conduct(run, at.on.cabinets, slots=1)
        assert {one.id: one.state for one in at.desk.everything()}[order.id] is OrderState.WITHDRAWN


async def test_a_changed_row_of_the_inventory_withdraws_what_was_asked_with_the_old_one(tmp_path: Path) -> None:
    async with office(tmp_path, [cabinet()]) as at:
        await brought_to(at, "connect")
        changed = cabinet(default_profile="Assistant")
        await at.wave([changed])
        orders = {one.id: one for one in at.desk.everything()}
        assert orders["C0001-connect"].state is OrderState.WITHDRAWN
        assert "C0001-connect-2" not in orders  # GE has no such profile: nobody is sent into the wizard
        assert at.on.entries("C0001", EntryKind.VERDICT, "connect")[-1].outcome is Outcome.BLOCKED


async def test_while_a_person_has_the_section_in_hand_no_run_touches_it(tmp_path: Path) -> None:
    async with office(tmp_path, [cabinet()]) as at:
        await brought_to(at, "lock-out")
        [order] = at.open_orders()
        await at.on.tester.post("/sandbox/hands/C0001/lock-out", json={})
        conducted = await at.wave()
        assert conducted.standings["C0001"].lifecycle is Lifecycle.WAITING
        assert not at.on.entries("C0001", EntryKind.PROOF, "reopen")
        assert [one.id for one in at.open_orders()] == [order.id]
        assert order.deadline is not None
        await at.on.time.sleep(5 * 3600)
        conducted = await at.wave()
        assert "OVERDUE" in conducted.standings["C0001"].reason
        assert (await at.on.state("C0001"))["ge"]["locked_out"] is True


async def test_users_who_are_still_locked_out_are_asked_for_until_they_are_in(tmp_path: Path) -> None:
    async with office(tmp_path, [cabinet()]) as at:
        await brought_to(at, "lock-out")
        [order] = at.open_orders()
        await at.on.tester.post("/sandbox/hands/C0001/lock-out", json={})
        await at.answer(order, Result.CANNOT, "GE hangs", users_back="no", synchronisation_begun="no")
        conducted = await at.wave()
        assert conducted.standings["C0001"].outcome is Outcome.UNKNOWN
        [reopen] = at.open_orders()
        assert (reopen.verbs, reopen.four_eyes) == (("reopen",), False)
        assert reopen.deadline is not None
        await at.do(reopen)
        await at.answer(reopen)
        conducted = await at.wave()
        assert at.on.entries("C0001", EntryKind.PROOF, "reopen")
        assert at.on.ledger.owing_a_reopen() == ("C0001",)  # the section is offered anew, and owes again
        assert [one.id for one in at.open_orders()] == ["C0001-lock-out-2"]


async def test_a_synchronisation_cut_in_a_persons_hands_is_never_asked_for_again_by_itself(tmp_path: Path) -> None:
    async with office(tmp_path, [cabinet()]) as at:
        await brought_to(at, "lock-out")
        [order] = at.open_orders()
        await at.answer(order, Result.CANNOT, "cut at 60 %", users_back="yes", synchronisation_begun="yes")
        await at.wave()
        conducted = await at.wave()
        standing = conducted.standings["C0001"]
        assert standing.outcome is Outcome.UNKNOWN
        assert "cut midway" in standing.reason
        assert at.open_orders() == []
        await order_again(
            at.on.ledger, wave="pilot", code="C0001", step="synchronise", by="anne", because="Sage says so"
        )
        await at.wave()
        assert [one.id for one in at.open_orders()] == ["C0001-lock-out-2"]
        await at.work_through()
        assert (await at.wave()).outcomes == {Outcome.OK: 1}


async def test_a_second_synchronisation_by_people_is_a_new_order_and_a_new_proof(tmp_path: Path) -> None:
    async with office(tmp_path, [cabinet()]) as at:
        for _ in range(8):
            await at.wave()
            await at.work_through()
        await order_again(
            at.on.ledger, wave="pilot", code="C0001", step="synchronise", by="anne", because="Sage says so"
        )
        await at.wave()
        [order] = at.open_orders()
        assert order.id == "C0001-lock-out-2"
        conducted = await at.wave()
        assert conducted.standings["C0001"].lifecycle is Lifecycle.WAITING
        await at.work_through()
        await at.wave()
        assert len(at.on.entries("C0001", EntryKind.PROOF, "synchronise")) == 2


async def test_who_orders_a_second_synchronisation_does_not_approve_it(tmp_path: Path) -> None:
    async with office(tmp_path, [cabinet()]) as at:
        for _ in range(8):
            await at.wave()
            await at.work_through()
        await order_again(
            at.on.ledger, wave="pilot", code="C0001", step="synchronise", by="paul", because="Sage says so"
        )
        await at.wave()
        [order] = at.open_orders()
        assert (order.values["ordered_by"], order.values["ordered_because"]) == ("paul", "Sage says so")
        await at.do(order)
        await at.answer(order)
        with pytest.raises(NotAccepted, match="was ordered by Paul"):
            await at.approve(order, by="Paul")
        assert [entry.who for entry in at.on.entries("C0001", EntryKind.REFUSED)] == ["Paul"]
        await at.approve(order, by="zoe")


async def test_a_number_read_off_the_wizard_that_the_lists_do_not_bear_out_is_a_reservation(tmp_path: Path) -> None:
    async with office(tmp_path, [cabinet()]) as at:
        await brought_to(at, "lock-out")
        [order] = at.open_orders()
        await at.do(order)
        await at.answer(order, dossiers_shown="1")
        await at.approve(order)
        conducted = await at.wave()
        assert conducted.standings["C0001"].outcome is Outcome.OK_WITH_RESERVATIONS
        [finding] = at.on.entries("C0001", EntryKind.FINDING, "synchronise")
        assert "with 1 dossiers; Client Management lists" in finding.reason


async def test_the_section_is_offered_only_when_window_and_operator_agree(tmp_path: Path) -> None:
    async with office(tmp_path, [cabinet()]) as at:
        await brought_to(at, "backup")
        [order] = at.open_orders()
        await at.do(order)
        agreed = at.on.time.now() + timedelta(hours=3)
        await at.answer(order, section_from=agreed.isoformat())
        conducted = await at.wave()
        assert "agreed for" in conducted.standings["C0001"].reason
        assert at.open_orders() == []
        await at.on.time.sleep(3 * 3600)
        local = at.on.time.now().astimezone(ZoneInfo("Europe/Paris"))
        at.window = Window(from_=(local + timedelta(hours=1)).time(), to=(local + timedelta(hours=9)).time())
        conducted = await at.wave()
        assert "the window is closed until" in conducted.standings["C0001"].reason
        assert at.open_orders() == []
        assert not at.on.ledger.owing_a_reopen(), "what was not begun owes nothing"
        await at.on.time.sleep(7 * 3600)
        await at.wave()
        [section] = at.open_orders()
        assert section.deadline is not None
        assert abs(section.deadline - section.opened_at - timedelta(hours=2)) < timedelta(minutes=1)


async def test_a_lie_that_the_lists_do_not_bear_out_ends_partial_and_names_the_dossiers(tmp_path: Path) -> None:
    async with office(tmp_path, [cabinet()]) as at:
        await brought_to(at, "lock-out")
        [order] = at.open_orders()
        await at.on.faults({"fault": "partial-transfer", "cabinets": ["C0001"], "dossiers": 2})
        await at.do(order)
        await at.answer(order, because="everything is there")
        await at.approve(order)
        conducted = await at.wave()
        standing = conducted.standings["C0001"]
        assert standing.outcome is Outcome.PARTIAL
        assert "2 dossiers missing" in standing.reason
        state = await at.on.state("C0001")
        for gone in set(state["ge"]["dossiers"]) - set(state["s4a"]["dossiers"]):
            assert gone in standing.reason


async def test_an_answer_that_the_systems_contradict_is_a_finding_and_no_pass(tmp_path: Path) -> None:
    async with office(tmp_path, [with_people()]) as at:
        await brought_to(at, "users")
        [order] = at.open_orders()
        await at.answer(order, because="invited")
        conducted = await at.wave()
        assert conducted.standings["C0001"].lifecycle is Lifecycle.WAITING
        [finding] = at.on.entries("C0001", EntryKind.FINDING, "users")
        assert finding.evidence["rule"] == "ANS-01"
        assert (
            "done by anne (work order C0001-users), but some of the named collaborateurs are not invited"
            in finding.reason
        )
        assert [one.id for one in at.open_orders()] == ["C0001-users-2"]


async def test_a_once_step_that_a_person_says_is_done_and_that_does_not_show_is_unknown(tmp_path: Path) -> None:
    async with office(tmp_path, [cabinet()]) as at:
        await brought_to(at, "connect")
        [order] = at.open_orders()
        await at.answer(order, because="connected")
        run = at.on.run(plays_person=False)
        people = at.remote_for(run.id)

        def remote(one: Cabinet, system: System) -> Remote:
            composed = people(one, system)
            return replace(composed, reads=at.on.remotes[system]) if system is System.GE else composed

        run.remote = remote
        conducted = await conduct(run, at.on.cabinets, slots=1)
        assert conducted.standings["C0001"].step == "connect"
        assert conducted.standings["C0001"].outcome is Outcome.UNKNOWN
        assert at.on.entries("C0001", EntryKind.VERDICT, "connect")[-1].state is State.UNKNOWN
        assert at.open_orders() == []
