"""What a stranger's review asked of the human road: each sentence is a promise that was doubted."""

from __future__ import annotations

import asyncio
import unicodedata
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

import pytest
from sqlalchemy import Engine, event

from bascule.connectors import Observation, Remote
from bascule.connectors.operator.forms import EvidenceRefused, checked
from bascule.connectors.operator.remote import OperatorRemote
from bascule.engine import conduct
from bascule.engine.opening import begin, order_again
from bascule.errors import BasculeError, RemoteRefuses
from bascule.facts import View
from bascule.inventory import Inventory, WaveSettings, Window
from bascule.inventory.stored import to_plain
from bascule.ledger import Desk, Entry, EntryKind, Ledger, NotAccepted, StoredInventory
from bascule.model import Cabinet, ErrorClass, Lifecycle, System
from bascule.workorders import Answer, Approval, OrderState, Result, Withdrawal, WorkOrder, is_same_person
from config.settings import Settings, SystemSettings
from flows.preparing import Asked, prepare
from flows.resuming import to_resume
from tests.builders import cabinet, cabinets, work_order
from tests.databases import postgresql_server, postgresql_url
from tests.integration.people.test_people import brought_to
from tests.office import Office, office

OVER_HTTP = SystemSettings(connector="http", url="http://127.0.0.1:1/x")

__all__ = ["postgresql_server", "postgresql_url"]


async def ordered_again(at: Office, because: str = "Sage says so") -> None:
    await order_again(at.on.ledger, wave="pilot", code="C0001", step="synchronise", by="anne", because=because)


def answers_just_before(monkeypatch: pytest.MonkeyPatch, at: Office, order: WorkOrder) -> None:
    """Anne answers, and Paul approves, after a run has read the ledger and before it asks what became of the order."""
    asked, answered = OperatorRemote.operation, False

    async def operation(self: OperatorRemote, one: Cabinet, operation_id: str) -> Any:
        nonlocal answered
        if operation_id == order.id and not answered:
            answered = True
            await at.do(order)
            await at.answer(order)
            if order.four_eyes:
                await at.approve(order)
        return await asked(self, one, operation_id)

    monkeypatch.setattr(OperatorRemote, "operation", operation)


# Asked twice


@pytest.mark.parametrize("step", ["admin-sage", "lock-out"])
async def test_what_somebody_said_is_done_and_nobody_approved_in_time_is_never_asked_anew_without_a_look(
    tmp_path: Path, step: str
) -> None:
    async with office(tmp_path, [cabinet()]) as at:
        await brought_to(at, step)
        [order] = at.open_orders()
        await at.do(order)
        await at.answer(order)
        await at.on.time.sleep(timedelta(days=15).total_seconds())
        await at.wave()
        await at.work_through()  # a backup, older than a day by now
        await at.wave()
        for again in at.desk.everything():
            if again.verbs == order.verbs and again.id != order.id:
                assert again.values.get("first_look"), (
                    "Anne's work is asked for again, and nobody is told to look first"
                )


async def test_what_was_done_in_part_and_not_to_its_end_is_asked_for_with_a_look_first(tmp_path: Path) -> None:
    async with office(tmp_path, [cabinet()]) as at:
        await brought_to(at, "sign-up")
        [order] = at.open_orders()
        await at.answer(order, Result.NOT_DONE, "registered; the bank's data come tomorrow")
        await at.wave()
        [again] = at.open_orders()
        assert again.verbs == order.verbs
        assert again.values.get("first_look")


async def test_a_second_synchronisation_that_is_cut_again_is_not_asked_for_a_third_time(tmp_path: Path) -> None:
    async with office(tmp_path, [cabinet()]) as at:
        await brought_to(at, "lock-out")
        for number in (1, 2):
            [order] = at.open_orders()
            await at.answer(order, Result.CANNOT, "cut at 60 %", users_back="yes", synchronisation_begun="yes")
            await at.wave()
            await at.wave()
            assert at.open_orders() == [], f"asked for again after cut {number}, by nobody's word"
            if number == 1:
                await ordered_again(at)
                await at.wave()


async def test_one_word_said_twice_while_the_order_is_open_is_one_synchronisation(tmp_path: Path) -> None:
    async with office(tmp_path, [cabinet()]) as at:
        for _ in range(8):
            await at.wave()
            await at.work_through()
        await ordered_again(at)
        await at.wave()
        await ordered_again(at, "typed twice")
        await at.wave()
        await at.work_through()
        await at.wave()
        assert at.open_orders() == []


async def test_an_answer_that_comes_while_a_run_looks_leads_to_no_second_synchronisation(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with office(tmp_path, [cabinet()]) as at:
        for _ in range(8):
            await at.wave()
            await at.work_through()
        await ordered_again(at)
        await at.wave()
        [order] = at.open_orders()
        answers_just_before(monkeypatch, at, order)
        await at.wave()
        assert at.open_orders() == []


# Lost


@pytest.mark.parametrize("step", ["admin-sage", "connect", "backup", "lock-out"])
async def test_an_answer_that_comes_while_a_run_looks_stays_an_answer(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, step: str
) -> None:
    async with office(tmp_path, [cabinet()]) as at:
        await brought_to(at, step)
        [order] = at.open_orders()
        answers_just_before(monkeypatch, at, order)
        await at.wave()
        assert {one.id: one.state for one in at.desk.everything()}[order.id] is OrderState.DONE


# Users kept out


async def test_users_are_not_said_to_be_back_because_a_section_was_withdrawn(tmp_path: Path) -> None:
    async with office(tmp_path, [cabinet()]) as at:
        await brought_to(at, "lock-out")
        [order] = at.open_orders()
        await at.on.tester.post("/sandbox/hands/C0001/lock-out", json={})
        before = len(at.on.entries("C0001", EntryKind.PROOF, "reopen"))
        await at.desk.withdraw([order.id], Withdrawal(by="anne", at=at.on.time.now(), because="postponed"))
        local = at.on.time.now().astimezone(ZoneInfo("Europe/Paris"))
        at.window = Window(from_=(local + timedelta(hours=2)).time(), to=(local + timedelta(hours=9)).time())
        await at.wave()
        assert (await at.on.state("C0001"))["ge"]["locked_out"] is True
        assert len(at.on.entries("C0001", EntryKind.PROOF, "reopen")) == before, "proven by nobody's word"


async def test_a_row_that_changes_elsewhere_takes_no_section_out_of_somebodys_hands(tmp_path: Path) -> None:
    async with office(tmp_path, [cabinet()]) as at:
        await brought_to(at, "lock-out")
        [order] = at.open_orders()
        await at.on.tester.post("/sandbox/hands/C0001/lock-out", json={})
        await at.wave([cabinet(language="en")])
        assert {one.id: one.state for one in at.desk.everything()}[order.id] is OrderState.OPEN


async def test_a_value_taken_out_of_the_row_is_a_change_too(tmp_path: Path) -> None:
    async with office(tmp_path, [cabinet(siret="40000001401829")]) as at:
        await brought_to(at, "connect")
        [order] = at.open_orders()
        await at.wave([cabinet()])
        assert {one.id: one.state for one in at.desk.everything()}[order.id] is OrderState.WITHDRAWN


# Lists that are out of date


@dataclass
class NotExported:
    """Lists as `extracts` tells of them before anybody has exported any after the synchronisation."""

    system: System
    live: bool = False

    async def observe(self, one: Cabinet, view: View) -> Observation:
        raise RemoteRefuses(
            f"{one.code}: the exported lists are 3 hours old", code="extracts-stale", error_class=ErrorClass.HUMAN
        )


async def test_where_an_agent_synchronises_and_lists_are_still_to_be_exported_the_cabinet_waits(tmp_path: Path) -> None:
    async with office(tmp_path, [cabinet()]) as at:
        at.lists[System.S4A] = NotExported(System.S4A)  # type: ignore[assignment]  # it is only read
        standing = (await at.wave()).standings["C0001"]
        while not at.on.entries("C0001", EntryKind.INTENT, "synchronise"):
            await at.work_through()
            await at.on.time.sleep(900)
            run = at.on.run()
            people = at.remote_for(run.id)

            def remote(one: Cabinet, system: System, people: Any = people) -> Remote:
                return at.on.remotes[system] if system is System.GE else people(one, system)

            run.remote = remote
            standing = (await conduct(run, at.on.cabinets, slots=1)).standings["C0001"]
        assert standing.lifecycle is Lifecycle.WAITING, standing


async def test_an_hour_that_the_clocks_show_twice_is_not_guessed() -> None:
    order = work_order("users")
    now = datetime(2026, 10, 26, 12, tzinfo=UTC)
    with pytest.raises(EvidenceRefused):
        checked(order, Result.DONE, {"users_invited_at": "2026-10-25T02:30"}, now)
    kept = checked(order, Result.DONE, {"users_invited_at": "2026-10-25T02:30+01:00"}, now)
    assert kept["users_invited_at"] == "2026-10-25T01:30:00+00:00"


async def test_a_synchronisation_is_not_believed_to_have_ended_before_it_was_asked_for() -> None:
    order = work_order("lock-out")
    now = order.opened_at + timedelta(hours=2)
    day_before = {
        "locked_out_at": "2026-11-30T20:10",
        "synchronised_at": "2026-11-30T20:50",
        "reopened_at": "2026-11-30T20:55",
    }
    with pytest.raises(EvidenceRefused):
        checked(order, Result.DONE, day_before, now)


# Carrying on


def stored(at: Office, *inventory: Cabinet, waves: dict[str, WaveSettings] | None = None) -> StoredInventory:
    held = Inventory(cabinets=inventory, waves=waves or {}, source="test.csv", warnings=())
    return StoredInventory(
        digest=held.digest, at=at.on.time.now(), who="ops", source="test.csv", content=to_plain(held)
    )


async def test_one_cabinet_moved_to_another_wave_holds_up_no_other(tmp_path: Path) -> None:
    async with office(tmp_path, cabinets(2)) as at:
        await begin(at.on.run(), at.on.cabinets, {})
        await at.wave()
        await at.work_through()
        moved = (replace(cabinet(1), wave="pilot"), replace(cabinet(2), wave="later"))
        await at.on.ledger.store_inventory(stored(at, *moved))
        resumed = to_resume(at.on.ledger, ["pilot"], at.on.time.now())
        settings = Settings(environment="test", my_sage=OVER_HTTP, ge=OVER_HTTP, s4a=OVER_HTTP)
        prepare(Asked(wave="pilot", rerun=True, cabinets=resumed["pilot"]), settings, at.on.ledger)


async def test_a_wave_with_a_window_is_carried_on_with_by_the_schedule(tmp_path: Path) -> None:
    async with office(tmp_path, cabinets(1)) as at:
        await begin(at.on.run(), at.on.cabinets, {})
        await at.wave()
        await at.work_through()
        held = replace(cabinet(1), wave="pilot")
        window = WaveSettings.model_validate({"window": {"days": ["fri"], "from": "22:00", "to": "04:00"}})
        await at.on.ledger.store_inventory(stored(at, held, waves={"pilot": window}))
        resumed = to_resume(at.on.ledger, ["pilot"], at.on.time.now())
        settings = Settings(environment="test", my_sage=OVER_HTTP, ge=OVER_HTTP, s4a=OVER_HTTP)
        asked = Asked(wave="pilot", rerun=True, cabinets=resumed["pilot"], ignore_unsupported=True)
        prepare(asked, settings, at.on.ledger)


async def test_a_cabinet_that_waits_costs_the_ledger_few_questions(tmp_path: Path) -> None:
    async with office(tmp_path, cabinets(1)) as at:
        await brought_to(at, "lock-out")
        seen: list[str] = []

        def note(_connection: object, _cursor: object, statement: str, *_: object) -> None:
            seen.append(statement)

        event.listen(Engine, "before_cursor_execute", note)
        before = len(at.on.ledger.history("C0001"))
        await at.wave()
        await at.on.ledger.settle()
        event.remove(Engine, "before_cursor_execute", note)
        selects = [one for one in seen if one.startswith("SELECT") and "entry.cabinet IN" in one and "kind IN" in one]
        assert len(selects) <= 8
        assert len(at.on.ledger.history("C0001")) - before == 3


async def test_a_second_synchronisation_ordered_without_naming_the_wave_holds_up_no_schedule(tmp_path: Path) -> None:
    async with office(tmp_path, [cabinet()]) as at:
        await begin(at.on.run(), at.on.cabinets, {})
        await at.wave()
        await order_again(at.on.ledger, wave="", code="C0001", step="synchronise", by="anne", because="Sage says so")
        to_resume(at.on.ledger, at.on.ledger.waves(), at.on.time.now())


async def test_an_answer_that_comes_while_a_run_ends_is_taken_up_at_once(tmp_path: Path) -> None:
    async with office(tmp_path, [cabinet()]) as at:
        await begin(at.on.run(), at.on.cabinets, {})
        await at.on.ledger.store_inventory(stored(at, replace(cabinet(), wave="pilot")))
        await at.wave()
        [order] = at.open_orders()
        ended = at.on.entries("C0001", EntryKind.ENDED)[-1].at
        await at.do(order)
        evidence = checked(order, Result.DONE, at.evidence(order), at.on.time.now())
        said = Answer(
            by="anne", at=ended - timedelta(milliseconds=5), result=Result.DONE, because="x", evidence=evidence
        )
        await at.desk.answer({order.id: said})
        approval = Approval(by="paul", at=ended - timedelta(milliseconds=1), because="seen")
        await at.desk.approve([order.id], approval)
        assert to_resume(at.on.ledger, ["pilot"], at.on.time.now()) == {"pilot": ("C0001",)}


async def test_who_answers_that_users_are_in_again_is_heard_by_the_schedule(tmp_path: Path) -> None:
    async with office(tmp_path, [cabinet()]) as at:
        await begin(at.on.run(), at.on.cabinets, {})
        await at.on.ledger.store_inventory(stored(at, replace(cabinet(), wave="pilot")))
        await brought_to(at, "lock-out")
        [order] = at.open_orders()
        await at.answer(order, Result.CANNOT, "GE hangs", users_back="no", synchronisation_begun="no")
        await at.wave()
        [reopen] = at.open_orders()
        await at.answer(reopen)
        assert to_resume(at.on.ledger, ["pilot"], at.on.time.now()) == {"pilot": ("C0001",)}


async def test_a_backup_that_grew_too_old_for_the_section_is_asked_for_at_once(tmp_path: Path) -> None:
    async with office(tmp_path, [cabinet()]) as at:
        await brought_to(at, "backup")
        [order] = at.open_orders()
        await at.do(order)
        old = (at.on.time.now() - timedelta(hours=20)).isoformat()
        agreed = at.on.time.now() + timedelta(hours=5)
        with pytest.raises(EvidenceRefused, match="too old by then"):
            await at.answer(order, sql_backup_at=old, mongo_backup_at=old, section_from=agreed.isoformat())
        await at.answer(order, sql_backup_at=old, mongo_backup_at=old)
        local = agreed.astimezone(ZoneInfo("Europe/Paris"))
        at.window = Window(from_=local.time(), to=(local + timedelta(hours=3)).time())
        await at.wave()
        await at.on.time.sleep(5 * 3600)
        await at.wave()
        assert [one.verbs for one in at.open_orders()] == [("backup",)], "waits for a backup, and asks nobody for it"


# Two at once


async def test_on_postgresql_two_who_answer_at_once_are_not_both_heard(postgresql_url: str) -> None:
    """Paul answers after Anne's answer was judged, and before it is written."""
    at = datetime(2026, 12, 1, 20, tzinfo=UTC)
    spoken: list[str] = []

    def said(by: str) -> dict[str, Answer]:
        return {"C0001-connect": Answer(by=by, at=at, result=Result.DONE, because=by)}

    def paul() -> None:
        with suppress(BasculeError), Ledger(postgresql_url, busy_seconds=1) as other:
            asyncio.run(Desk(other, lambda: at).answer(said("paul")))

    class AnnesLedger(Ledger):
        async def decide(self, cabinets: Any, kinds: Any, decided: Callable[[Any], Any]) -> tuple[Entry, ...]:
            def meanwhile(found: Any) -> Any:
                entries = decided(found)
                if entries and entries[0].who == "anne" and not spoken:
                    spoken.append("paul")
                    with ThreadPoolExecutor(1) as thread:
                        thread.submit(paul).result()
                return entries

            return await super().decide(cabinets, kinds, meanwhile)

    with AnnesLedger(postgresql_url) as ledger:
        desk = Desk(ledger, lambda: at)
        await desk.open(work_order("connect"), step="connect", run="r", who="ops", fence=0)
        with suppress(NotAccepted):
            await desk.answer(said("anne"))
        assert len([entry for entry in ledger.history("C0001") if entry.kind is EntryKind.ANSWERED]) == 1


# Who is who


def test_one_name_typed_on_two_keyboards_is_one_person() -> None:
    assert is_same_person("Zoé", unicodedata.normalize("NFD", "Zoé"))


async def test_what_an_agent_sees_done_still_awaits_its_second_person(tmp_path: Path) -> None:
    async with office(tmp_path, [cabinet()]) as at:
        await at.wave()
        [order] = at.open_orders()
        await at.do(order)
        await at.on.time.sleep(900)
        await at.answer(order)
        run = at.on.run(plays_person=False)
        people = at.remote_for(run.id)

        def remote(one: Cabinet, system: System) -> Remote:
            composed = people(one, system)
            return replace(composed, reads=at.on.remotes[system]) if system is System.MY_SAGE else composed

        run.remote = remote
        await conduct(run, at.on.cabinets, slots=1)
        assert {one.id: one.state for one in at.desk.everything()}[order.id] is OrderState.TO_APPROVE
