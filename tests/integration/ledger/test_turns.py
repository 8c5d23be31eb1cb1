"""Who writes has the ledger to itself, on either database: the others wait their turn, and say so when it does not come."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import replace
from datetime import timedelta
from time import monotonic

import pytest
from sqlalchemy import Connection, Engine, create_engine, text

from bascule.errors import LeaseLost, LedgerBusy
from bascule.ledger import Entry, EntryKind, Ledger, leases, this_process
from bascule.ledger.schema import engine_for
from tests.unit.ledger.lines import WHEN, line


@contextmanager
def somebody_else_writes(url: str, busy_seconds: float = 30) -> Iterator[Connection]:
    engine = engine_for(url, writes=True, busy_seconds=busy_seconds)
    try:
        with engine.begin() as connection:
            yield connection
    finally:
        engine.dispose()


async def test_a_second_writer_waits_for_the_first(ledger: Ledger, ledger_url: str) -> None:
    with somebody_else_writes(ledger_url):
        writing = asyncio.create_task(ledger.record(line(reason="second")))
        _, waits = await asyncio.wait([writing], timeout=0.3)
        assert waits
        assert ledger.history("C0001") == ()  # reading goes on

    await writing

    assert [entry.reason for entry in ledger.history("C0001")] == ["second"]


async def test_a_ledger_held_too_long_is_said_to_be_busy_once_for_all_who_wait(ledger_url: str) -> None:
    with Ledger(ledger_url, busy_seconds=0.3) as ledger:
        with somebody_else_writes(ledger_url):
            began = monotonic()
            answers = await asyncio.gather(*(ledger.record(line()) for _ in range(20)), return_exceptions=True)
            took = monotonic() - began
        await ledger.record(line(reason="written"))

        assert {type(answer) for answer in answers} == {LedgerBusy}
        assert all(
            "run the same command again" in answer.remedy for answer in answers if isinstance(answer, LedgerBusy)
        )
        assert took < 1
        assert [entry.reason for entry in ledger.history("C0001")] == ["written"]


async def test_a_number_that_is_taken_over_while_an_entry_under_it_waits_is_refused(
    ledger: Ledger, ledger_url: str
) -> None:
    old = await ledger.take_lease("C0001", replace(this_process(), process_started=1), WHEN)
    with somebody_else_writes(ledger_url) as connection:
        leases.take(connection, "C0001", this_process(), WHEN + timedelta(seconds=1))
        stalled = asyncio.create_task(ledger.record(line(fence=old)))
        await asyncio.wait([stalled], timeout=0.2)

    with pytest.raises(LeaseLost):
        await stalled
    assert ledger.history("C0001") == ()


async def test_of_two_who_decide_at_once_the_second_sees_what_the_first_wrote(ledger_url: str) -> None:
    def unless_there(who: str) -> Callable[[Mapping[str, Sequence[Entry]]], Sequence[Entry]]:
        return lambda found: [] if found["C0001"] else [line(who=who)]

    with Ledger(ledger_url) as one, Ledger(ledger_url) as other:
        written = await asyncio.gather(
            *(
                ledger.decide(["C0001"], [EntryKind.NOTE], unless_there(who))
                for who, ledger in (("one", one), ("other", other))
                for _ in range(10)
            )
        )

        assert sum(len(entries) for entries in written) == 1
        assert len(one.history("C0001")) == 1


async def test_a_writer_that_is_cut_off_in_its_turn_gives_it_up_before_the_others_do(postgresql_url: str) -> None:
    with Ledger(postgresql_url, busy_seconds=5) as ledger:
        engine = engine_for(postgresql_url, writes=True, busy_seconds=0.3)
        with engine.connect() as cut_off:
            cut_off.execute(text("SELECT 1"))  # and is not heard of again

            await ledger.record(line())

            cut_off.invalidate()
        engine.dispose()
        assert len(ledger.history("C0001")) == 1


async def test_a_deadlock_with_another_program_is_tried_again(postgresql_url: str) -> None:
    asked = 0

    def decided(_: Mapping[str, Sequence[Entry]]) -> list[Entry]:
        nonlocal asked
        asked += 1
        return [line(fence=fence)]

    with Ledger(postgresql_url) as ledger:
        fence = await ledger.take_lease("C0001", this_process(), WHEN)
        other = create_engine(postgresql_url)
        with other.begin() as connection:
            connection.execute(text("SET deadlock_timeout = '60s'"))  # the ledger's own second comes first
            connection.execute(text("LOCK TABLE lease"))  # which it reads after its entries
            writing = asyncio.create_task(ledger.decide(["C0001"], [EntryKind.NOTE], decided))
            awaited = text("SELECT count(*) FROM pg_locks WHERE relation = 'lease'::regclass AND NOT granted")
            while not connection.scalar(awaited):
                await asyncio.sleep(0.02)
            await asyncio.to_thread(connection.execute, text("LOCK TABLE entry"))
        written = await writing
        other.dispose()

        assert asked == 2
        assert ledger.history("C0001") == written


async def test_a_server_that_would_rather_be_strict_makes_no_difference(
    postgresql_url: str, postgresql_room: Engine
) -> None:
    name = postgresql_room.url.database
    with postgresql_room.connect() as connection:
        connection.exec_driver_sql(f"ALTER DATABASE {name} SET default_transaction_isolation = 'serializable'")
    try:
        with Ledger(postgresql_url) as one, Ledger(postgresql_url) as other:
            await asyncio.gather(*(ledger.record(line()) for _ in range(50) for ledger in (one, other)))
            assert len(one.history("C0001")) == 100
    finally:
        with postgresql_room.connect() as connection:
            connection.exec_driver_sql(f"ALTER DATABASE {name} RESET default_transaction_isolation")
