"""The right to run a cabinet: one holder at a time, and a number that only rises."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta

import pytest

from bascule.errors import CabinetTaken, LeaseLost
from bascule.ledger import Ledger, this_process
from tests.unit.ledger.lines import WHEN, line

OURS = this_process()
ELSEWHERE = replace(this_process(), host="elsewhere")  # what cannot be proven dead is alive


def after(seconds: float) -> timedelta:
    return timedelta(seconds=seconds)


async def test_a_cabinet_is_held_by_one_owner(ledger: Ledger) -> None:
    await ledger.take_lease("C0001", ELSEWHERE, WHEN, seconds=60)

    with pytest.raises(CabinetTaken, match="C0001") as taken:
        await ledger.take_lease("C0001", OURS, WHEN + after(20))

    assert taken.value.until == 40
    assert "elsewhere" in str(taken.value)


async def test_two_runs_in_one_process_are_two_owners(ledger: Ledger) -> None:
    await ledger.take_lease("C0001", OURS, WHEN)

    with pytest.raises(CabinetTaken):
        await ledger.take_lease("C0001", this_process(), WHEN)


async def test_another_cabinet_is_free(ledger: Ledger) -> None:
    await ledger.take_lease("C0001", ELSEWHERE, WHEN)

    assert await ledger.take_lease("C0002", OURS, WHEN) == 1


async def test_the_fencing_number_rises_with_every_holder_and_survives_letting_go(ledger: Ledger) -> None:
    first = await ledger.take_lease("C0001", OURS, WHEN)
    ledger.let_go("C0001", first, WHEN + after(1))
    second = await ledger.take_lease("C0001", ELSEWHERE, WHEN + after(1), seconds=10)
    third = await ledger.take_lease("C0001", OURS, WHEN + after(11))

    assert (first, second, third) == (1, 2, 3)


async def test_a_lease_that_was_renewed_outlasts_its_first_expiry(ledger: Ledger) -> None:
    await ledger.take_lease("C0001", ELSEWHERE, WHEN, seconds=60)
    await ledger.renew_leases(ELSEWHERE, WHEN + after(50), seconds=60)

    with pytest.raises(CabinetTaken) as taken:
        await ledger.take_lease("C0001", OURS, WHEN + after(100))

    assert taken.value.until == 10


async def test_a_lease_that_expired_is_not_revived_by_a_late_heartbeat(ledger: Ledger) -> None:
    await ledger.take_lease("C0001", ELSEWHERE, WHEN, seconds=60)
    await ledger.renew_leases(ELSEWHERE, WHEN + after(61), seconds=60)

    assert await ledger.take_lease("C0001", OURS, WHEN + after(62)) == 2


async def test_a_lease_outlives_a_long_act_and_a_heartbeat_does_not_cut_it_short(ledger: Ledger) -> None:
    fence = await ledger.take_lease("C0001", ELSEWHERE, WHEN, seconds=60)
    ledger.outlive("C0001", fence, WHEN + after(600))
    await ledger.renew_leases(ELSEWHERE, WHEN + after(10), seconds=60)

    with pytest.raises(CabinetTaken) as taken:
        await ledger.take_lease("C0001", OURS, WHEN + after(500))

    assert taken.value.until == 100


async def test_who_lost_the_lease_can_neither_prolong_nor_end_the_new_holders(ledger: Ledger) -> None:
    old = await ledger.take_lease("C0001", ELSEWHERE, WHEN, seconds=10)
    await ledger.take_lease("C0001", OURS, WHEN + after(11), seconds=60)

    ledger.outlive("C0001", old, WHEN + after(10_000))
    ledger.let_go("C0001", old, WHEN + after(12))

    with pytest.raises(CabinetTaken) as taken:
        await ledger.take_lease("C0001", ELSEWHERE, WHEN + after(21))
    assert taken.value.until == 50


async def test_entries_under_an_old_number_are_refused_and_under_the_new_one_written(ledger: Ledger) -> None:
    old = await ledger.take_lease("C0001", ELSEWHERE, WHEN, seconds=10)
    new = await ledger.take_lease("C0001", OURS, WHEN + after(11))

    with pytest.raises(LeaseLost):
        await ledger.record(line(fence=old, reason="stalled"))
    await ledger.record(line(fence=new, reason="took over"))

    assert [entry.reason for entry in ledger.history("C0001")] == ["took over"]


async def test_what_was_handed_over_before_letting_go_is_written_before_it(ledger: Ledger) -> None:
    fence = await ledger.take_lease("C0001", OURS, WHEN)
    ledger.record_later(line(fence=fence, reason="last word"))
    ledger.let_go("C0001", fence, WHEN)
    await ledger.settle()

    assert [entry.reason for entry in ledger.history("C0001")] == ["last word"]
