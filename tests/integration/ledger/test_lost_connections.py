"""A connection to PostgreSQL may be lost at any instant: what was written is written once, and who waits is told the truth."""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager

import psycopg
import pytest
from sqlalchemy import Connection, Engine, create_engine, event, text

from bascule.errors import LedgerUnreachable
from bascule.ledger import Entry, EntryKind, Ledger, first_broken, this_process
from tests.integration.ledger.test_processes import another_process
from tests.unit.ledger.lines import WHEN, line


@pytest.fixture
def ledger_url(postgresql_url: str) -> str:
    return postgresql_url


@pytest.fixture
def cut(postgresql_room: Engine) -> Callable[[], None]:
    """Ends every connection of a ledger, as a restart of the server or a firewall would."""

    def cut() -> None:
        with postgresql_room.connect() as connection:
            connection.execute(
                text(
                    "SELECT pg_terminate_backend(pid, 5000) FROM pg_stat_activity"
                    " WHERE application_name = 'bascule' AND datname = current_database()"
                )
            )

    return cut


@contextmanager
def shut(room: Engine) -> Iterator[None]:
    """Nobody new comes in."""
    outside = create_engine(room.url.set(database="postgres"), isolation_level="AUTOCOMMIT")
    with outside.connect() as connection:
        connection.exec_driver_sql(f"ALTER DATABASE {room.url.database} ALLOW_CONNECTIONS false")
        try:
            yield
        finally:
            connection.exec_driver_sql(f"ALTER DATABASE {room.url.database} ALLOW_CONNECTIONS true")
    outside.dispose()


@contextmanager
def at_the_next_commit(do: Callable[[Connection], None]) -> Iterator[None]:
    waiting = [do]

    def once(connection: Connection) -> None:
        if waiting:
            waiting.pop()(connection)

    event.listen(Engine, "commit", once)
    yield
    event.remove(Engine, "commit", once)


def committed_and_lost(connection: Connection) -> None:
    driver = connection.connection.driver_connection
    assert isinstance(driver, psycopg.Connection)
    driver.commit()
    driver.close()


async def test_a_connection_that_was_cut_while_nobody_used_it_is_made_anew(
    ledger: Ledger, cut: Callable[[], None]
) -> None:
    await ledger.record(line(reason="a"))
    assert len(ledger.history("C0001")) == 1

    cut()
    await ledger.record(line(reason="b"))
    cut()

    assert [entry.reason for entry in ledger.history("C0001")] == ["a", "b"]


async def test_a_write_that_was_cut_before_its_commit_is_written_once(ledger: Ledger, cut: Callable[[], None]) -> None:
    asked = 0

    def decided(_: Mapping[str, Sequence[Entry]]) -> list[Entry]:
        nonlocal asked
        asked += 1
        if asked == 1:
            cut()
        return [line(reason="decided")]

    (written,) = await ledger.decide(["C0001"], [EntryKind.NOTE], decided)

    assert asked == 2
    assert ledger.history("C0001") == (written,)


async def test_a_commit_that_did_not_arrive_is_made_again(ledger: Ledger, cut: Callable[[], None]) -> None:
    with at_the_next_commit(lambda _: cut()):
        written = await ledger.record(line(reason="a"), line("C0002"))

    assert (ledger.history("C0001") + ledger.history("C0002")) == written


async def test_a_commit_whose_answer_was_lost_is_read_back_and_not_made_again(ledger: Ledger) -> None:
    fence = await ledger.take_lease("C0001", this_process(), WHEN)
    with at_the_next_commit(committed_and_lost):
        first, second = await asyncio.gather(
            ledger.record(line(reason="a", fence=fence)), ledger.record(line(reason="b", fence=fence))
        )

    assert ledger.history("C0001") == first + second


async def test_a_lease_whose_answer_was_lost_is_the_same_owners(ledger: Ledger) -> None:
    with at_the_next_commit(committed_and_lost):
        fence = await ledger.take_lease("C0001", this_process(), WHEN)

    await ledger.record(line(fence=fence))


async def test_a_database_that_is_away_for_a_moment_is_waited_for(
    ledger: Ledger, postgresql_room: Engine, cut: Callable[[], None]
) -> None:
    with shut(postgresql_room):
        cut()
        writing = asyncio.create_task(ledger.record(line(reason="a")))
        _, waits = await asyncio.wait([writing], timeout=0.3)
        assert waits

    await writing

    assert [entry.reason for entry in ledger.history("C0001")] == ["a"]


async def test_a_database_that_does_not_come_back_is_told_to_everybody_who_waits(
    ledger_url: str, postgresql_room: Engine, cut: Callable[[], None]
) -> None:
    with Ledger(ledger_url, busy_seconds=0.3) as ledger:
        with shut(postgresql_room):
            cut()
            answers = await asyncio.gather(*(ledger.record(line()) for _ in range(20)), return_exceptions=True)

        assert {type(answer) for answer in answers} == {LedgerUnreachable}
        await ledger.record(line(reason="after"))
        assert [entry.reason for entry in ledger.history("C0001")] == ["after"]


async def test_a_commit_that_cannot_be_read_back_is_told_to_be_unknown(
    ledger_url: str, postgresql_room: Engine, cut: Callable[[], None]
) -> None:
    with (
        Ledger(ledger_url, busy_seconds=0.3) as ledger,
        shut(postgresql_room),
        at_the_next_commit(lambda _: cut()),
        pytest.raises(LedgerUnreachable, match="is not known") as told,
    ):
        await ledger.record(line())

    assert "what is on record" in told.value.remedy


def test_a_connection_that_is_cut_while_reading_is_read_again(ledger_url: str, cut: Callable[[], None]) -> None:
    with Ledger(ledger_url) as ledger:
        asyncio.run(ledger.record(*(line(f"C{number:04}") for number in range(5_000))))
        cuts = [cut]

        def once(_connection: Connection, _cursor: object, statement: str, *_: object) -> None:
            if cuts and "FROM entry" in statement:
                cuts.pop()()

        event.listen(Engine, "before_cursor_execute", once)
        found = ledger.of_kinds([EntryKind.NOTE])
        event.remove(Engine, "before_cursor_execute", once)

    assert not cuts
    assert len(found) == 5_000


async def test_a_reader_that_is_cut_twice_is_told(
    ledger: Ledger, postgresql_room: Engine, cut: Callable[[], None]
) -> None:
    await ledger.record(line())
    with shut(postgresql_room):
        cut()
        with pytest.raises(LedgerUnreachable) as told:
            ledger.history("C0001")

    assert told.value.remedy


async def test_processes_that_are_cut_again_and_again_lose_nothing_and_write_nothing_twice(
    ledger_url: str, cut: Callable[[], None]
) -> None:
    Ledger(ledger_url).close()
    writers = [another_process("append", ledger_url, who, times=200) for who in "AB"]
    for writer in writers:
        assert writer.stdout
        writer.stdout.readline()  # has opened the ledger: who cannot is told at once
    cuts = 0
    while any(writer.poll() is None for writer in writers):
        cut()
        cuts += 1
        # Long enough for a busy machine to connect and write: who never can is told so, which is another test.
        await asyncio.sleep(0.1)
    for writer in writers:
        writer.communicate()

    assert cuts > 2
    assert [writer.returncode for writer in writers] == [0, 0]
    with Ledger(ledger_url, read_only=True) as ledger:
        histories = ledger.histories(["C0001", "OWN-A", "OWN-B"])
    assert Counter((entry.who, entry.reason) for entry in histories["C0001"]) == {
        (who, str(number)): 1 for who in "AB" for number in range(200)
    }
    assert [len(history) for history in histories.values()] == [400, 200, 200]
    assert all(first_broken(history) is None for history in histories.values())
