"""Whoever looks next lets in whom a dead run left locked out, unless a synchronisation runs; and a person's word does it anyway."""

from __future__ import annotations

import asyncio
import logging
import os
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any, TypeVar

import pytest

from bascule.connectors import Observation, Remote
from bascule.engine import migrate, opening
from bascule.engine.reaping import DEADLINE_MISSED, NothingOwed, Reaped, owing, reap, unlock
from bascule.engine.walk import LOCKED_OUT_FOR
from bascule.errors import CabinetTaken, RemoteUnintelligible
from bascule.facts import GeFacts, Synchronisation, SynchronisationStatus, View
from bascule.inventory import Inventory
from bascule.inventory.stored import to_plain
from bascule.ledger import Entry, EntryKind, Ledger, LockOut, Owner, StoredInventory, this_process
from bascule.model import Cabinet, Lifecycle, Outcome, State, System
from bascule.procedure import LOCK_OUT, REOPEN, SYNCHRONISE
from bascule.workorders import OrderState
from tests.builders import PACE, Stage, assert_moved, cabinets, stage
from tests.integration.engine.meddling import ForgetfulLedger, Meddling
from tests.office import Office, office

CODE = "C0001"
HOUR = 3600.0
PATIENT = replace(PACE, poll=60)

T = TypeVar("T")

US = this_process()
DEAD = Owner(id="dead", host=US.host, boot=US.boot, pid=os.getpid(), process_started=1)
ELSEWHERE = replace(this_process(), id="elsewhere", host="elsewhere")
"""What cannot be proven dead is alive."""


@dataclass
class Fatal(Meddling):
    """Its process never sees the answer to the first call of this kind, or never gets to ask. `meddle`: before the lock-out."""

    what: str = ""
    died: asyncio.Event = field(default_factory=asyncio.Event)

    async def call(self, what: str, ask: Callable[[], Awaitable[T]]) -> T:
        if what == LOCK_OUT:
            await self.meddle()
        if what != self.what or self.died.is_set():
            return await ask()
        if self.after:
            await ask()
        self.died.set()
        return await asyncio.Event().wait()  # type: ignore[return-value]  # never returns


async def planned(on: Stage) -> None:
    """As a wave begins: the inventory is stored, and each cabinet planned from it."""
    inventory = Inventory(cabinets=on.cabinets, waves={}, warnings=(), source="inventory.csv")
    stored = StoredInventory(
        digest=inventory.digest, at=on.time.now(), who="ops", source=inventory.source, content=to_plain(inventory)
    )
    await on.ledger.store_inventory(stored)
    await opening.begin(on.run(), on.cabinets, {"inventory": inventory.digest})


@asynccontextmanager
async def killed(
    folder: Path,
    at: str,
    *,
    owner: Owner = DEAD,
    after: bool = False,
    sync_seconds: float = HOUR,
    ledger_url: str | None = None,
) -> AsyncIterator[Stage]:
    """A run that was killed at this call, with whatever it had not waited for."""
    async with stage(folder, cabinets(1), ledger_url=ledger_url) as on:
        on.pace = PATIENT
        await planned(on)

        async def takes_long() -> None:
            await on.faults(sync_seconds=sync_seconds)

        ledger = ForgetfulLedger(on.ledger.url)
        fatal = Fatal(on.remote, 0, takes_long, after=after, what=at)
        life = asyncio.create_task(migrate(on.run(owner=owner, ledger=ledger, remote=fatal), on.cabinets[0]))
        death = asyncio.create_task(fatal.died.wait())
        await asyncio.wait([life, death], return_when=asyncio.FIRST_COMPLETED)
        assert not life.done(), life.result()
        try:
            yield on
        finally:
            life.cancel()
            ledger.close()


async def looked(on: Stage, **changes: Any) -> Reaped:
    return await reap(on.run(who="reaper", **changes), owing(on.ledger, on.time.now()))


async def is_locked_out(on: Stage) -> bool:
    return bool((await on.state(CODE))["ge"]["locked_out"])


def noted(on: Stage, rule: str) -> list[Entry]:
    return [entry for entry in on.entries(CODE, EntryKind.FINDING) if entry.evidence["rule"] == rule]


# kill -9


async def test_users_whom_a_killed_run_left_out_before_the_synchronisation_are_let_in_at_once(
    tmp_path: Path, ledger_url: str
) -> None:
    async with killed(tmp_path, SYNCHRONISE, ledger_url=ledger_url) as on:
        assert await is_locked_out(on)
        await on.time.sleep(20 * 60)

        assert (await looked(on)).let_in == [CODE]

        assert not await is_locked_out(on)
        assert on.ledger.owing_a_reopen() == ()
        assert on.ledger.lock_outs(on.time.now()) == ()
        (how_long,) = noted(on, LOCKED_OUT_FOR)
        assert how_long.evidence["by_later_run"] is True
        assert 20 * 60 <= how_long.evidence["locked_out_for"] < 21 * 60
        assert (await on.effective(CODE))[SYNCHRONISE] == 0
        assert (await on.wave()).outcomes == {Outcome.OK: 1}
        await assert_moved(on, CODE)


@pytest.mark.parametrize("at", [SYNCHRONISE, "operation"])
async def test_while_a_synchronisation_runs_whose_run_was_killed_users_stay_out_and_then_are_let_in(
    tmp_path: Path, at: str
) -> None:
    async with killed(tmp_path, at, after=True) as on:
        written = []
        for _ in range(3):
            await on.time.sleep(5 * 60)
            looks = await looked(on)
            assert (looks.let_in, list(looks.left), looks.stuck) == ([], [CODE], {})
            assert await is_locked_out(on)
            written.append(len(on.ledger.history(CODE)))
        assert len(set(written)) == 1, "each look left a line"

        await on.time.sleep(2 * HOUR)
        assert (await looked(on)).let_in == [CODE]

        assert not await is_locked_out(on)
        assert (await on.wave()).outcomes == {Outcome.OK: 1}
        await assert_moved(on, CODE)


async def test_a_run_that_takes_the_synchronisation_up_says_how_long_users_were_out(tmp_path: Path) -> None:
    async with killed(tmp_path, "operation") as on:
        assert (await on.wave()).outcomes == {Outcome.OK: 1}
        await assert_moved(on, CODE)
        (how_long,) = noted(on, LOCKED_OUT_FOR)
        assert how_long.evidence["by_later_run"] is True
        assert how_long.evidence["locked_out_for"] > HOUR / 2
        assert on.ledger.lock_outs(on.time.now()) == ()


async def test_a_plain_wave_says_how_long_users_were_out_and_owes_nobody_a_look(tmp_path: Path) -> None:
    async with stage(tmp_path, cabinets(1), sync_seconds=1) as on:
        await planned(on)
        assert (await on.wave()).outcomes == {Outcome.OK: 1}
        (how_long,) = noted(on, LOCKED_OUT_FOR)
        assert how_long.evidence["by_later_run"] is False
        assert on.ledger.lock_outs(on.time.now()) == ()
        calls, lines = on.calls(), len(on.ledger.history(CODE))
        assert await looked(on) == Reaped()
        assert (on.calls(), len(on.ledger.history(CODE))) == (calls, lines)


# Who is left alone, and who is not


async def test_a_process_that_may_live_is_left_to_it_until_its_lease_expires(tmp_path: Path, ledger_url: str) -> None:
    async with killed(tmp_path, SYNCHRONISE, owner=ELSEWHERE, ledger_url=ledger_url) as on:
        first = await looked(on)
        assert list(first.left) == [CODE]
        assert "elsewhere" in first.left[CODE]
        assert await is_locked_out(on)
        await on.time.sleep(120)
        assert (await looked(on)).let_in == [CODE]


async def test_what_a_person_has_in_hand_is_left_to_them(tmp_path: Path) -> None:
    async with office(tmp_path, cabinets(1)) as desk:
        await planned(desk.on)
        while not any("lock-out" in order.verbs for order in desk.open_orders()):
            await desk.wave()
            for order in desk.open_orders():
                if "lock-out" not in order.verbs:
                    await desk.do(order)
                    await desk.answer(order)
                    if order.four_eyes:
                        await desk.approve(order)
        (order,) = desk.open_orders()
        lines = len(desk.on.ledger.history(CODE))
        run = desk.on.run(plays_person=False)
        run.remote = desk.remote_for(run.id)

        reaped = await reap(run, owing(desk.on.ledger, desk.on.time.now()))

        assert reaped.left == {CODE: "a person has it in hand"}
        assert [one.id for one in desk.open_orders()] == [order.id]
        assert len(desk.on.ledger.history(CODE)) == lines
        assert desk.on.ledger.lock_outs(desk.on.time.now()) == ()


async def test_a_cabinet_that_is_in_no_inventory_of_today_is_found_by_the_row_it_was_planned_with(
    tmp_path: Path,
) -> None:
    async with killed(tmp_path, SYNCHRONISE) as on:
        today = Inventory(cabinets=cabinets(3)[1:], waves={}, warnings=(), source="today.csv")
        await on.ledger.store_inventory(
            StoredInventory(
                digest=today.digest, at=on.time.now(), who="ops", source=today.source, content=to_plain(today)
            )
        )
        (owed,) = owing(on.ledger, on.time.now())
        assert (owed.wave, owed.cabinet) == ("pilot", on.cabinets[0])
        assert (await looked(on)).let_in == [CODE]


async def test_a_cabinet_whose_row_nobody_stored_is_named(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    async with stage(tmp_path, cabinets(1)) as on:
        stopped = on.run()
        stopped.progress = lambda cabinet, step, operation: stopped.stop.set()
        await migrate(stopped, on.cabinets[0])
        assert list((await looked(on)).stuck) == [CODE]
        assert "C0001: users may be locked out, and no stored inventory has its row" in caplog.text


async def test_users_stay_out_where_nobody_can_see_whether_a_synchronisation_runs_and_the_ledger_is_told_once(
    tmp_path: Path,
) -> None:
    async with killed(tmp_path, SYNCHRONISE) as on:
        blind = {"remote": Blind(on.remote)}
        await looked(on, **blind)
        lines = len(on.ledger.history(CODE))
        again = await looked(on, **blind)
        assert "cannot be observed" in again.stuck[CODE]
        assert len(on.ledger.history(CODE)) == lines
        assert await is_locked_out(on)


async def test_a_reopen_that_fails_in_passing_is_sent_again_in_the_same_look(tmp_path: Path) -> None:
    async with killed(tmp_path, SYNCHRONISE) as on:
        await on.faults({"fault": "server-error", "share": 1, "at": REOPEN, "times": 2}, sync_seconds=HOUR)
        assert (await looked(on)).let_in == [CODE]
        assert not await is_locked_out(on)


async def test_two_who_look_at_once_send_one_reopen(tmp_path: Path, ledger_url: str) -> None:
    async with killed(tmp_path, SYNCHRONISE, ledger_url=ledger_url) as on:
        # With a writer and a connection of their own, as processes have them.
        with Ledger(on.ledger.url) as theirs:
            first, second = await asyncio.gather(looked(on), looked(on, ledger=theirs))
        assert [*first.let_in, *second.let_in] == [CODE]
        assert (await on.effective(CODE))[REOPEN] == 1


async def test_who_comes_when_another_has_let_users_in_does_not_say_that_a_person_has_it_in_hand(
    tmp_path: Path,
) -> None:
    async with killed(tmp_path, SYNCHRONISE) as on:
        seen_before = owing(on.ledger, on.time.now())
        assert (await looked(on)).let_in == [CODE]
        late = await reap(on.run(who="reaper"), seen_before)
        assert (late.let_in, late.left, late.stuck) == ([], {}, {})
        assert (await on.effective(CODE))[REOPEN] == 1


# The deadline


async def test_a_missed_deadline_is_an_alarm_at_every_look_and_one_line_and_never_a_reopen(
    tmp_path: Path, ledger_url: str, caplog: pytest.LogCaptureFixture
) -> None:
    async with killed(tmp_path, SYNCHRONISE, after=True, sync_seconds=10 * HOUR, ledger_url=ledger_url) as on:
        await on.time.sleep(3 * HOUR)
        assert (await looked(on)).overdue == []
        await on.time.sleep(2 * HOUR)
        caplog.set_level(logging.ERROR)
        for _ in range(2):
            assert (await looked(on)).overdue == [CODE]
        assert caplog.text.count("users should have been back by") == 2
        (alarm,) = noted(on, DEADLINE_MISSED)
        assert "bascule unlock C0001" in alarm.evidence["remedy"]
        assert await is_locked_out(on)
        await on.time.sleep(10 * HOUR)
        assert (await looked(on)).overdue == []
        assert not await is_locked_out(on)


@pytest.mark.parametrize(("closes_in", "deadline_in"), [(90, 90), (600, 240), (None, 240)])
async def test_users_should_be_back_when_the_window_closes_and_after_four_hours_at_the_latest(
    tmp_path: Path, closes_in: int | None, deadline_in: int
) -> None:
    async with stage(tmp_path, cabinets(1), sync_seconds=1) as on:
        began = on.time.now()
        closes = began + timedelta(minutes=closes_in) if closes_in is not None else None
        held: list[LockOut] = []

        def look(*_: object) -> None:
            held.extend(on.ledger.lock_outs(on.time.now()))

        assert (await on.wave(progress=look, closes=lambda _: closes)).outcomes == {Outcome.OK: 1}
        assert held
        assert abs(held[0].deadline - began - timedelta(minutes=deadline_in)) < timedelta(minutes=2)


async def test_what_a_run_left_behind_that_died_before_it_locked_out_is_no_beginning_of_the_next_lock_out(
    tmp_path: Path, ledger_url: str
) -> None:
    async with stage(tmp_path, cabinets(1), sync_seconds=1, ledger_url=ledger_url) as on:
        fence = await on.ledger.take_lease(CODE, DEAD, on.time.now())
        long_ago = on.time.now() - timedelta(days=2)
        await on.ledger.hold_lock_out(CODE, DEAD, fence, long_ago, long_ago + timedelta(hours=4))
        held: list[LockOut] = []

        def look(*_: object) -> None:
            held.extend(on.ledger.lock_outs(on.time.now()))

        assert (await on.wave(progress=look)).outcomes == {Outcome.OK: 1}
        assert held
        assert all(out.since > long_ago + timedelta(days=1) for out in held)


async def test_a_lock_out_that_a_dead_run_ended_and_could_not_say_so_is_off_the_record_with_the_next_run(
    tmp_path: Path, ledger_url: str
) -> None:
    async with stage(tmp_path, cabinets(1), ledger_url=ledger_url) as on:
        assert (await on.wave()).outcomes == {Outcome.OK: 1}
        fence = await on.ledger.take_lease(CODE, DEAD, on.time.now())
        since = on.time.now() - timedelta(minutes=5)
        await on.ledger.hold_lock_out(CODE, DEAD, fence, since, since + timedelta(hours=4))
        assert (await migrate(on.run(), on.cabinets[0])).outcome is Outcome.OK
        await on.ledger.settle()
        assert on.ledger.lock_outs(on.time.now()) == ()


async def test_a_lock_out_that_a_dead_run_announced_and_never_began_is_off_the_record_with_the_next_look(
    tmp_path: Path, ledger_url: str
) -> None:
    async with stage(tmp_path, cabinets(1), ledger_url=ledger_url) as on:
        fence = await on.ledger.take_lease(CODE, DEAD, on.time.now())
        await on.ledger.hold_lock_out(CODE, DEAD, fence, on.time.now(), on.time.now() + timedelta(hours=4))
        await planned(on)
        reaped = await looked(on)
        assert (reaped.let_in, reaped.left, reaped.stuck) == ([], {}, {})
        assert on.ledger.lock_outs(on.time.now()) == ()
        assert await on.journal() == []


# A user who connects


async def test_a_user_who_connects_midway_ends_it_and_the_next_run_goes_on(tmp_path: Path) -> None:
    async with stage(
        tmp_path, cabinets(1), {"fault": "user-connects-midway", "share": 1, "times": 1}, sync_seconds=5
    ) as on:
        await planned(on)
        standing = (await on.wave()).standings[CODE]
        assert (standing.lifecycle, standing.step) == (Lifecycle.WAITING, SYNCHRONISE)
        state = await on.state(CODE)
        assert (state["ge"]["locked_out"], state["s4a"]["dossiers"]) == (False, [])
        assert on.ledger.lock_outs(on.time.now()) == ()
        assert (await looked(on)) == Reaped()
        before = await on.effective(CODE)

        assert (await on.wave()).outcomes == {Outcome.OK: 1}

        state, after = await on.state(CODE), await on.effective(CODE)
        assert sorted(state["s4a"]["dossiers"]) == sorted(state["ge"]["dossiers"])
        assert not state["ge"]["locked_out"]
        again = {verb for verb, times in after.items() if times > before[verb] and before[verb]}
        assert again <= {LOCK_OUT, SYNCHRONISE, REOPEN}
        assert len(noted(on, LOCKED_OUT_FOR)) == 2


# A person's word


@dataclass
class Blind:
    """The systems tell nothing that can be understood."""

    remote: Callable[[Cabinet, System], Remote]

    def __call__(self, cabinet: Cabinet, system: System) -> Any:
        return _Reads(self.remote(cabinet, system), self.seen)

    def seen(self, observation: Observation) -> Observation:
        raise RemoteUnintelligible("said what the contract does not know")


class SeemsToRun(Blind):
    """GE shows a synchronisation that does not exist."""

    def seen(self, observation: Observation) -> Observation:
        assert isinstance(observation, GeFacts)
        return replace(observation, synchronisation=RUNNING)


RUNNING = Synchronisation(
    status=SynchronisationStatus.RUNNING,
    operation="1",
    progress=0.5,
    started_at=datetime(2026, 12, 1, tzinfo=UTC),
    ended_at=None,
)


@dataclass
class _Reads:
    remote: Remote
    seen: Callable[[Observation], Observation]

    def __getattr__(self, name: str) -> Any:
        return getattr(self.remote, name)

    async def observe(self, cabinet: Cabinet, view: View) -> Observation:
        return self.seen(await self.remote.observe(cabinet, view))


async def told_to_unlock(on: Stage, **changes: Any) -> Entry:
    return await unlock(on.run(**changes), on.cabinets[0], by="anne", because="the wizard was closed by hand")


async def test_a_persons_word_lets_users_in_although_a_synchronisation_seems_to_run(tmp_path: Path) -> None:
    async with killed(tmp_path, SYNCHRONISE) as on:
        seems = {"remote": SeemsToRun(on.remote)}
        assert list((await looked(on, **seems)).left) == [CODE]
        assert (await told_to_unlock(on, **seems)).state is State.DONE
        assert not await is_locked_out(on)
        (note,) = on.entries(CODE, EntryKind.NOTE)
        assert (note.who, note.reason, note.step) == ("anne", "the wizard was closed by hand", REOPEN)
        assert (await on.effective(CODE))[REOPEN] == 1
        assert on.ledger.lock_outs(on.time.now()) == ()


async def test_what_the_system_says_to_a_persons_word_is_told(tmp_path: Path) -> None:
    async with killed(tmp_path, "operation") as on:
        entry = await told_to_unlock(on)
        assert (entry.state, entry.evidence["code"]) == (State.FAILED, "already-running")
        assert await is_locked_out(on)


async def test_a_persons_word_is_sent_once_where_nothing_can_be_read_and_the_next_look_proves_it(
    tmp_path: Path,
) -> None:
    async with killed(tmp_path, SYNCHRONISE) as on:
        entry = await told_to_unlock(on, remote=Blind(on.remote))
        assert entry.state is not State.DONE
        assert not await is_locked_out(on)
        assert (await on.effective(CODE))[REOPEN] == 1
        assert on.ledger.owing_a_reopen() == (CODE,)

        assert (await looked(on)).let_in == [CODE]
        assert (await on.effective(CODE))[REOPEN] == 1


async def test_nobody_unlocks_what_is_not_locked_or_what_another_process_is_at_work_on(
    tmp_path: Path, ledger_url: str
) -> None:
    async with killed(tmp_path, SYNCHRONISE, owner=ELSEWHERE, ledger_url=ledger_url) as on:
        with pytest.raises(CabinetTaken, match="on elsewhere is working on this cabinet"):
            await told_to_unlock(on)
        assert await is_locked_out(on)
        await on.time.sleep(120)
        assert (await told_to_unlock(on)).state is State.DONE
        lines = len(on.ledger.history(CODE))
        with pytest.raises(NothingOwed, match="GE shows none of ours"):
            await told_to_unlock(on)
        with pytest.raises(NothingOwed, match="GE cannot be read"):
            await told_to_unlock(on, remote=Blind(on.remote))
        assert len(on.ledger.history(CODE)) == lines


async def test_where_people_act_unlocking_asks_them_to_let_users_in(tmp_path: Path) -> None:
    async with killed(tmp_path, SYNCHRONISE) as on:
        desk = Office(on)
        run = on.run(plays_person=False)
        asks = desk.remote_for(run.id)
        run.remote = lambda cabinet, system: replace(asks(cabinet, system), reads=on.remotes[system])
        entry = await unlock(run, on.cabinets[0], by="anne", because="users must work")
        assert entry.state is State.WAITING
        (order,) = desk.open_orders()
        assert (order.state, order.verbs) == (OrderState.OPEN, (REOPEN,))
        assert (await reap(run, owing(on.ledger, on.time.now()))).left == {CODE: "a person has it in hand"}
        lines = len(on.ledger.history(CODE))
        await reap(run, owing(on.ledger, on.time.now()))
        assert len(on.ledger.history(CODE)) == lines
