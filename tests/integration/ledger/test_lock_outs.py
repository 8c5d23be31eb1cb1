"""Whose users are kept out is on record beside the cabinet's lease, with since when, until when, and whether anybody still cares."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta

import pytest

from bascule.errors import LeaseLost
from bascule.ledger import EntryKind, Ledger, this_process
from tests.unit.ledger.lines import WHEN, line

OURS = this_process()
ELSEWHERE = replace(this_process(), host="elsewhere")  # what cannot be proven dead is alive
DEAD = replace(this_process(), process_started=1)
DEADLINE = WHEN + timedelta(hours=4)


def after(seconds: float) -> timedelta:
    return timedelta(seconds=seconds)


async def test_a_lock_out_says_who_since_when_and_until_when(ledger: Ledger) -> None:
    fence = await ledger.take_lease("C0001", OURS, WHEN)
    await ledger.hold_lock_out("C0001", OURS, fence, WHEN, DEADLINE)

    (lock_out,) = ledger.lock_outs(WHEN + after(30))

    assert (lock_out.cabinet, lock_out.owner, lock_out.fence) == ("C0001", OURS, fence)
    assert (lock_out.since, lock_out.deadline, lock_out.heartbeat_at) == (WHEN, DEADLINE, WHEN)
    assert not lock_out.is_orphaned


async def test_a_lock_out_ends_when_it_is_let_go(ledger: Ledger) -> None:
    fence = await ledger.take_lease("C0001", OURS, WHEN)
    await ledger.hold_lock_out("C0001", OURS, fence, WHEN, DEADLINE)
    ledger.let_lock_out_go("C0001", fence)
    await ledger.settle()

    assert ledger.lock_outs(WHEN) == ()


async def test_the_entry_that_proves_the_reopen_ends_the_lock_out_whoever_dies_then(ledger: Ledger) -> None:
    fence = await ledger.take_lease("C0001", OURS, WHEN)
    await ledger.hold_lock_out("C0001", OURS, fence, WHEN, DEADLINE)
    await ledger.record(line(kind=EntryKind.PROOF, step="lock-out", fence=fence))
    assert len(ledger.lock_outs(WHEN)) == 1

    await ledger.record(line(kind=EntryKind.PROOF, step="reopen", fence=fence))

    assert ledger.lock_outs(WHEN) == ()


async def test_a_lock_out_outlasts_the_lease_of_its_cabinet(ledger: Ledger) -> None:
    fence = await ledger.take_lease("C0001", OURS, WHEN)
    await ledger.hold_lock_out("C0001", OURS, fence, WHEN, DEADLINE)
    ledger.let_go("C0001", fence, WHEN + after(1))
    await ledger.settle()

    assert [lock_out.cabinet for lock_out in ledger.lock_outs(WHEN + after(2))] == ["C0001"]


async def test_a_lock_out_whose_owner_gives_no_sign_is_orphaned_and_a_heartbeat_is_a_sign(ledger: Ledger) -> None:
    fence = await ledger.take_lease("C0001", ELSEWHERE, WHEN)
    await ledger.hold_lock_out("C0001", ELSEWHERE, fence, WHEN, DEADLINE)
    await ledger.renew_leases(ELSEWHERE, WHEN + after(30))

    (alive,) = ledger.lock_outs(WHEN + after(80))
    (silent,) = ledger.lock_outs(WHEN + after(91))

    assert alive.heartbeat_at == WHEN + after(30)
    assert (alive.is_orphaned, silent.is_orphaned) == (False, True)


async def test_a_lock_out_whose_process_is_dead_is_orphaned_at_once(ledger: Ledger) -> None:
    fence = await ledger.take_lease("C0001", DEAD, WHEN)
    await ledger.hold_lock_out("C0001", DEAD, fence, WHEN, DEADLINE)

    (lock_out,) = ledger.lock_outs(WHEN)

    assert lock_out.is_orphaned


async def test_who_takes_a_lock_out_over_takes_its_beginning_and_its_deadline_over(ledger: Ledger) -> None:
    old = await ledger.take_lease("C0001", DEAD, WHEN)
    await ledger.hold_lock_out("C0001", DEAD, old, WHEN, DEADLINE)
    new = await ledger.take_lease("C0001", OURS, WHEN + after(100))
    await ledger.hold_lock_out("C0001", OURS, new, WHEN + after(100), DEADLINE + after(100))

    (lock_out,) = ledger.lock_outs(WHEN + after(101))

    assert (lock_out.owner, lock_out.fence, lock_out.is_orphaned) == (OURS, new, False)
    assert (lock_out.since, lock_out.deadline) == (WHEN, DEADLINE)


async def test_who_lost_the_cabinet_can_neither_hold_its_lock_out_nor_end_the_new_holders(ledger: Ledger) -> None:
    old = await ledger.take_lease("C0001", DEAD, WHEN)
    new = await ledger.take_lease("C0001", OURS, WHEN + after(1))
    await ledger.hold_lock_out("C0001", OURS, new, WHEN + after(2), DEADLINE)

    with pytest.raises(LeaseLost, match="C0001"):
        await ledger.hold_lock_out("C0001", DEAD, old, WHEN + after(3), DEADLINE)
    ledger.let_lock_out_go("C0001", old)
    await ledger.settle()

    assert [lock_out.owner for lock_out in ledger.lock_outs(WHEN + after(4))] == [OURS]


async def test_who_paid_for_a_dead_process_ends_its_lock_out(ledger: Ledger) -> None:
    old = await ledger.take_lease("C0001", DEAD, WHEN)
    await ledger.hold_lock_out("C0001", DEAD, old, WHEN, DEADLINE)
    new = await ledger.take_lease("C0001", OURS, WHEN + after(1))
    ledger.let_lock_out_go("C0001", new)
    await ledger.settle()

    assert ledger.lock_outs(WHEN + after(2)) == ()


async def test_the_longest_lock_out_comes_first(ledger: Ledger) -> None:
    for code, minutes in (("C0001", 5), ("C0002", 1), ("C0003", 3)):
        fence = await ledger.take_lease(code, OURS, WHEN)
        await ledger.hold_lock_out(code, OURS, fence, WHEN + timedelta(minutes=minutes), DEADLINE)

    assert [lock_out.cabinet for lock_out in ledger.lock_outs(WHEN)] == ["C0002", "C0003", "C0001"]
