"""A wrong answer is taken back, approved or not: what it covers is unknown until it is observed again, and nothing is done twice."""

from __future__ import annotations

from collections.abc import Callable, Collection
from dataclasses import replace
from functools import partial
from pathlib import Path

import pytest

from bascule.connectors import Remote
from bascule.engine import Conducted, conduct
from bascule.engine.cabinet import CabinetRun
from bascule.engine.decisions import proven
from bascule.engine.foresee import foresee
from bascule.engine.opening import begin
from bascule.engine.walk import migrate, perform
from bascule.ledger import Entry, EntryKind, NotAccepted, first_broken
from bascule.ledger.audit import audit
from bascule.model import Cabinet, Lifecycle, Outcome, System
from bascule.procedure import PROCEDURE, Step
from bascule.reports import status_of
from bascule.reports.proces_verbal import ProcesVerbal
from bascule.reports.record import record_of
from bascule.workorders import OrderState, Result, Retraction, Withdrawal, WorkOrder
from tests.builders import ONE_TIME, assert_moved, cabinet
from tests.integration.people.test_people import brought_to
from tests.office import Office, office


async def planned(at: Office) -> None:
    """As a command does it: status tells of nothing that was not planned."""
    await begin(at.on.run(), at.on.cabinets, {})


async def moved(at: Office) -> None:
    """By people, to its end."""
    for _ in range(8):
        await at.wave()
        await at.work_through()
    assert (await at.wave()).outcomes == {Outcome.OK: 1}


async def taken_back(at: Office, number: str, *, by: str = "zoe", ask_again: bool = False) -> WorkOrder:
    retraction = Retraction(by=by, at=at.on.time.now(), because="It was another cabinet", ask_again=ask_again)
    [order] = await at.desk.retract([number], retraction)
    return order


async def wave_read_by_http(at: Office, systems: Collection[System] = (System.GE, System.S4A)) -> Conducted:
    """People act, and agents read these systems."""
    run = at.on.run(plays_person=False)
    people: Callable[[Cabinet, System], Remote] = at.remote_for(run.id)

    def remote(one: Cabinet, system: System) -> Remote:
        composed = people(one, system)
        return replace(composed, reads=at.on.remotes[system]) if system in systems else composed  # type: ignore[type-var]

    run.remote = remote
    return await conduct(run, at.on.cabinets, slots=1)


def stands(at: Office) -> tuple[Outcome, str | None]:
    [one] = status_of(at.on.ledger, "pilot").cabinets
    return one.outcome, one.step


def steps_proven(at: Office) -> frozenset[str]:
    return proven(at.on.ledger.history("C0001"), at.on.time.now(), trust=None)


# What only people tell


async def test_what_only_people_tell_is_unknown_once_the_answer_is_taken_back_until_a_person_has_it_asked_anew(
    tmp_path: Path,
) -> None:
    async with office(tmp_path, [cabinet()]) as at:
        await planned(at)
        await moved(at)
        order = await taken_back(at, "C0001-admin-sage")
        assert order.state is OrderState.RETRACTED
        assert stands(at) == (Outcome.UNKNOWN, "admin-sage")
        assert steps_proven(at) == {"admin-rights"}, "what stood on it is looked at again"
        run = at.on.run(plays_person=False)
        run.remote = at.remote_for(run.id)
        foresight = await foresee(run, at.on.cabinets[0], at.on.ledger.history("C0001"))
        assert "nobody would be asked again" in foresight.steps[0].because
        standing = (await at.wave()).standings["C0001"]
        assert (standing.outcome, standing.step) == (Outcome.UNKNOWN, "admin-sage")
        assert "which zoe took back" in standing.reason
        assert standing.remedy is not None
        assert "--answer --ask-again" in standing.remedy
        assert at.open_orders() == []
        effective = await at.on.effective("C0001")
        assert {verb: effective[verb] for verb in ONE_TIME} == dict.fromkeys(ONE_TIME, 1)
        documents_show_both(at, tmp_path)

        await taken_back(at, "C0001-admin-sage", ask_again=True)
        await at.wave()
        [again] = at.open_orders()
        assert (again.id, again.values["first_look"]) == ("C0001-admin-sage-2", "yes")
        assert "zoe took back" in again.values["last_reason"]
        await at.answer(again, because="it was declared all along")
        await at.approve(again)
        assert (await at.wave()).outcomes == {Outcome.OK: 1}
        assert at.open_orders() == []
        proofs = {step.name: len(at.on.entries("C0001", EntryKind.PROOF, step.name)) for step in PROCEDURE}
        assert proofs.pop("admin-rights") == 1
        assert set(proofs.values()) == {2}, "what stood on it is proven anew"
        assert stands(at) == (Outcome.OK, None)
        await assert_moved(at.on, "C0001")


def documents_show_both(at: Office, folder: Path) -> None:
    """Ledger and procès-verbal have the answer, its approval, and that it was taken back."""
    history = at.on.ledger.history("C0001")
    assert first_broken(history) is None
    assert audit(f"sqlite:///{folder / 'ledger.db'}").flaws == ()
    record = record_of(history, "pilot", at.on.cabinets[0])
    assert record is not None
    assert record.outcome is Outcome.UNKNOWN
    decided = [(one["who"], one["what"]) for one in record.decisions]
    assert decided == [
        ("anne", "answered C0001-admin-sage"),
        ("paul", "approved C0001-admin-sage"),
        ("zoe", "retracted C0001-admin-sage"),
    ]
    [step] = [one for one in record.steps if one.step == "admin-sage"]
    assert (step.state, step.done_by, step.proof) == ("unknown", None, None)
    page = ProcesVerbal(record, at.on.cabinets[0]).page().decode()
    assert "a repris la réponse à C0001-admin-sage" in page


# Lists that were exported


async def test_a_guarded_section_that_never_took_place_is_not_gone_through_again_and_users_are_asked_after(
    tmp_path: Path,
) -> None:
    async with office(tmp_path, [cabinet()]) as at:
        await planned(at)
        await brought_to(at, "lock-out")
        [order] = at.open_orders()
        await at.answer(order, because="all done")
        await at.approve(order)
        standing = (await at.wave()).standings["C0001"]
        assert (standing.outcome, standing.step) == (Outcome.NONE, "reconcile")
        assert standing.reason.endswith("they are old, or it carried nothing over")
        await taken_back(at, order.id)
        assert at.on.ledger.owing_a_reopen() == ("C0001",)
        [told] = status_of(at.on.ledger, "pilot").cabinets
        assert told.locked_out_since is not None, "nobody knows whether users are back"
        standing = (await at.wave()).standings["C0001"]
        assert standing.outcome in (Outcome.UNKNOWN, Outcome.NONE)
        [reopen] = at.open_orders()
        assert reopen.verbs == ("reopen",)
        await at.answer(reopen)
        standing = (await at.wave()).standings["C0001"]
        assert (standing.outcome, standing.step) == (Outcome.UNKNOWN, "lock-out")
        assert "--again synchronise" in (standing.remedy or "")
        assert at.open_orders() == []
        assert (await at.on.effective("C0001"))["synchronise"] == 0
        with pytest.raises(NotAccepted, match="--again synchronise"):
            await taken_back(at, order.id, ask_again=True)


# An agent that reads


async def test_what_an_agent_shows_to_hold_all_the_same_is_proven_anew_and_nobody_is_asked(tmp_path: Path) -> None:
    async with office(tmp_path, [cabinet()]) as at:
        await planned(at)
        await moved(at)
        await at.on.time.sleep(3 * 24 * 3600)  # the backup is old by now, and nobody needs another
        await taken_back(at, "C0001-connect")
        assert stands(at) == (Outcome.UNKNOWN, "connect")
        assert (await wave_read_by_http(at)).outcomes == {Outcome.OK: 1}
        assert at.open_orders() == []
        proof = at.on.entries("C0001", EntryKind.PROOF, "connect")[-1]
        assert proof.reason.startswith("observed: it holds all the same, though anne answered done")
        await assert_moved(at.on, "C0001")


async def test_what_an_agent_does_not_show_is_unknown_and_never_asked_again_by_itself(tmp_path: Path) -> None:
    async with office(tmp_path, [cabinet()]) as at:
        await planned(at)
        await brought_to(at, "connect")
        [order] = at.open_orders()
        await at.answer(order, because="connected")
        await taken_back(at, order.id)  # before any run has seen the answer
        for _ in range(2):
            standing = (await wave_read_by_http(at, [System.GE])).standings["C0001"]
            assert (standing.outcome, standing.step) == (Outcome.UNKNOWN, "connect")
            assert "GE is not connected" in standing.reason
            assert at.open_orders() == []
        await taken_back(at, order.id, ask_again=True)
        await wave_read_by_http(at, [System.GE])
        assert [one.id for one in at.open_orders()] == ["C0001-connect-2"]


async def test_what_may_be_repeated_is_asked_for_again_with_a_look_first(tmp_path: Path) -> None:
    async with office(tmp_path, [cabinet()]) as at:
        await brought_to(at, "connect")
        await taken_back(at, "C0001-activation-key")
        assert (await at.wave()).standings["C0001"].lifecycle is Lifecycle.WAITING
        again = at.open_orders()[-1]
        assert again.id == "C0001-activation-key-2"
        assert again.values["first_look"] == "yes"


async def test_what_is_taken_back_while_a_run_is_at_work_ends_unknown_though_the_run_had_read_the_answer(
    tmp_path: Path,
) -> None:
    async with office(tmp_path, [cabinet()]) as at:
        await planned(at)
        await brought_to(at, "lock-out")
        await at.work_through()

        async def while_it_runs(cabinet_run: CabinetRun, step: Step) -> Entry:
            if step.name == "contacts":
                await taken_back(at, "C0001-connect")
            return await perform(cabinet_run, step)

        run = at.on.run(plays_person=False)
        run.remote = at.remote_for(run.id)
        conducted = await conduct(run, at.on.cabinets, slots=1, migrate=partial(migrate, perform=while_it_runs))
        standing = conducted.standings["C0001"]
        assert (standing.outcome, standing.step) == (Outcome.UNKNOWN, "connect")
        assert stands(at) == (Outcome.UNKNOWN, "connect")


# Who, and what the documents say


async def test_what_nobody_had_approved_yet_is_asked_again_and_takes_two_people_still(tmp_path: Path) -> None:
    async with office(tmp_path, [cabinet()]) as at:
        await at.wave()
        [order] = at.open_orders()
        await at.answer(order)
        back = await taken_back(at, order.id, by="anne")
        assert back.state is OrderState.TO_DECIDE
        with pytest.raises(NotAccepted, match="took its answer back"):
            await at.approve(order)
        with pytest.raises(NotAccepted, match="cannot withdraw it and the missing approval with it"):
            await at.desk.withdraw([order.id], Withdrawal(by="anne", at=at.on.time.now(), because="no longer needed"))
        await at.do(order)
        await at.answer(order)
        await at.approve(order)
        await at.wave()
        assert at.on.entries("C0001", EntryKind.PROOF, "admin-sage")


async def test_an_answer_is_taken_back_once_and_only_where_something_stands_on_it(tmp_path: Path) -> None:
    async with office(tmp_path, [cabinet()]) as at:
        await at.wave()
        [order] = at.open_orders()
        with pytest.raises(NotAccepted, match="there is no answer to take back"):
            await taken_back(at, order.id)
        await at.answer(order, Result.NOT_DONE, "the administrator is away")
        with pytest.raises(NotAccepted, match="the next run asks anew"):
            await taken_back(at, order.id)
        await at.wave()
        [order] = at.open_orders()
        await at.answer(order)
        await at.approve(order)
        await taken_back(at, order.id)
        with pytest.raises(NotAccepted, match="was taken back before, by zoe"):
            await taken_back(at, order.id)


# What was not done


async def test_how_often_and_why_it_was_not_done_stands_in_status_and_in_the_next_order(tmp_path: Path) -> None:
    async with office(tmp_path, [cabinet()]) as at:
        await planned(at)
        for because in ("the administrator is away", "away until Monday"):
            await at.wave()
            [order] = at.open_orders()
            await at.answer(order, Result.NOT_DONE, because)
        await at.wave()
        [order] = at.open_orders()
        assert (order.values["nth_time"], order.values["last_reason"]) == ("3", "anne: away until Monday")
        [told] = status_of(at.on.ledger, "pilot").as_json()["cabinets"]
        last = told["last_not_done"]
        assert (last["by"], last["because"], last["times"]) == ("anne", "away until Monday", 2)
        await at.do(order)
        await at.answer(order)
        await at.approve(order)
        await at.wave()
        [told] = status_of(at.on.ledger, "pilot").as_json()["cabinets"]
        assert told["last_not_done"] is None
