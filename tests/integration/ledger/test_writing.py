"""What was written can be read, in its order, as it was, and is never changed."""

from __future__ import annotations

import asyncio
from dataclasses import replace
from datetime import UTC, datetime, timedelta, timezone

import pytest
from sqlalchemy import Engine, text
from sqlalchemy.exc import DBAPIError

from bascule.errors import LeaseLost
from bascule.ledger import Entry, EntryKind, Ledger, StoredInventory, first_broken, this_process
from bascule.ledger.entries import GENESIS
from bascule.model import ErrorClass, Lifecycle, Outcome, State
from tests.unit.ledger.lines import WHEN, line

FULL = Entry(
    cabinet="C0042",
    kind=EntryKind.VERDICT,
    at=datetime(2026, 12, 1, 21, 0, 0, 1, tzinfo=timezone(timedelta(hours=1))),
    who="Zoé Lefèvre",
    wave="pilot",
    run="R1",
    step="synchronise",
    attempt=3,
    state=State.UNKNOWN,
    reason="L’opérateur n’a pas répondu: «\u00a0à revoir\u00a0»",
    lifecycle=Lifecycle.ENDED,
    outcome=Outcome.OK_WITH_RESERVATIONS,
    error_class=ErrorClass.THROTTLED,
    error_signature="s4a/429",
    verb="synchronise",
    key="k-1",
    operation="op-1",
    fence=0,
    evidence={"nom": "Société Générale d’Œuvres €", "list": [1, 2.5, None, True], "deep": {"\U0001f511": "\n\t\"'\\"}},
)

WITHOUT_TRIGGERS = {
    "sqlite": ["DROP TRIGGER entry_no_update", "DROP TRIGGER entry_no_delete"],
    "postgresql": ["ALTER TABLE entry DISABLE TRIGGER USER"],
}


async def test_what_is_read_is_what_was_written(ledger: Ledger) -> None:
    (written,) = await ledger.record(FULL)

    (read,) = ledger.history("C0042")

    assert read == written
    assert replace(read, seq=0, previous="", hash="") == FULL
    assert read.at.tzinfo is UTC
    assert (read.seq, read.previous) == (1, GENESIS)


async def test_what_is_read_is_still_there_when_the_ledger_is_opened_again(ledger_url: str) -> None:
    with Ledger(ledger_url) as first:
        written = await first.record(FULL, replace(FULL, reason="again"))

    with Ledger(ledger_url, read_only=True) as later:
        assert later.history("C0042") == written


@pytest.mark.parametrize("kind", EntryKind)
async def test_every_kind_of_entry_can_be_kept(ledger: Ledger, kind: EntryKind) -> None:
    await ledger.record(line(kind=kind))

    assert [entry.kind for entry in ledger.history("C0001")] == [kind]


async def test_each_cabinet_has_a_chain_of_its_own(ledger: Ledger) -> None:
    await ledger.record(line("C0001"), line("C0002"), line("C0001", reason="b"))
    await ledger.record(line("C0002", reason="b"))

    for cabinet in ("C0001", "C0002"):
        history = ledger.history(cabinet)
        assert [entry.seq for entry in history] == [1, 2]
        assert first_broken(history) is None


async def test_a_chain_goes_on_where_another_writer_left_it(ledger_url: str) -> None:
    with Ledger(ledger_url) as one, Ledger(ledger_url) as other:
        for number in range(10):
            await (one if number % 2 else other).record(line(reason=str(number)))

        history = one.history("C0001")

    assert [entry.reason for entry in history] == [str(number) for number in range(10)]
    assert first_broken(history) is None


async def test_writers_at_the_same_time_do_not_break_a_chain(ledger_url: str) -> None:
    with Ledger(ledger_url) as one, Ledger(ledger_url) as other:
        await asyncio.gather(*(ledger.record(line(reason=str(n))) for n in range(50) for ledger in (one, other)))

        history = one.history("C0001")

    assert len(history) == 100
    assert first_broken(history) is None


@pytest.mark.parametrize(
    "statement",
    [
        "UPDATE entry SET reason = 'nothing happened' WHERE seq = 2",
        "DELETE FROM entry WHERE seq = 2",
        "UPDATE inventory SET who = 'somebody else'",
        "DELETE FROM inventory",
    ],
)
async def test_rows_are_never_changed_or_removed(ledger: Ledger, database: Engine, statement: str) -> None:
    await ledger.record(line(), line(reason="b"))
    await ledger.store_inventory(StoredInventory(digest="d", at=WHEN, who="ops", source="wave.csv", content={}))

    with pytest.raises(DBAPIError, match="never changed"), database.begin() as connection:
        connection.execute(text(statement))

    assert [entry.reason for entry in ledger.history("C0001")] == ["", "b"]


@pytest.mark.parametrize(
    ("tampering", "found"),
    [
        (["UPDATE entry SET reason = 'nothing happened' WHERE seq = 2"], 2),
        (["UPDATE entry SET evidence = '{}' WHERE seq = 1"], 1),
        (["DELETE FROM entry WHERE seq = 2"], 3),
        (["DELETE FROM entry WHERE seq = 1"], 2),
        (["DELETE FROM entry WHERE seq = 2", "UPDATE entry SET seq = 2 WHERE seq = 3"], 2),
        ([f"UPDATE entry SET seq = {now} WHERE seq = {was}" for was, now in ((2, 99), (3, 2), (99, 3))], 2),
    ],
)
async def test_who_forces_a_change_is_found_out(
    ledger: Ledger, database: Engine, tampering: list[str], found: int
) -> None:
    await ledger.record(*(line(reason=reason, evidence={"seen": reason}) for reason in "abc"))
    with database.begin() as connection:
        for statement in (*WITHOUT_TRIGGERS[database.dialect.name], *tampering):
            connection.execute(text(statement))

    broken = first_broken(ledger.history("C0001"))

    assert broken is not None
    assert broken.seq == found


async def test_many_records_at_once_take_few_transactions(ledger: Ledger, commits: list[str]) -> None:
    await asyncio.gather(*(ledger.record(line(f"C{number:04}")) for number in range(400)))

    assert len(commits) <= 10
    assert len(ledger.histories([f"C{number:04}" for number in range(400)])) == 400


async def test_a_record_is_on_disk_when_it_returns(ledger: Ledger, database: Engine) -> None:
    await ledger.record(line())

    with database.connect() as connection:
        assert connection.execute(text("SELECT count(*) FROM entry")).scalar() == 1


async def test_what_is_handed_over_for_later_keeps_its_order_and_is_on_disk_after_settle(ledger: Ledger) -> None:
    ledger.record_later(line(reason="a"))
    ledger.record_later(line(reason="b"), line(reason="c"))
    await ledger.record(line(reason="d"))
    ledger.record_later(line(reason="e"))

    await ledger.settle()

    history = ledger.history("C0001")
    assert [entry.reason for entry in history] == ["a", "b", "c", "d", "e"]
    assert first_broken(history) is None


async def test_what_was_handed_over_for_later_is_written_when_the_ledger_is_closed(ledger_url: str) -> None:
    with Ledger(ledger_url) as ledger:
        ledger.record_later(*(line(reason=str(number)) for number in range(1_200)))

    with Ledger(ledger_url, read_only=True) as later:
        assert len(later.history("C0001")) == 1_200


async def test_who_stops_waiting_does_not_keep_others_waiting(ledger: Ledger) -> None:
    impatient = asyncio.create_task(ledger.record(line(reason="impatient")))
    await asyncio.sleep(0)
    impatient.cancel()

    await ledger.record(line(reason="patient"))

    with pytest.raises(asyncio.CancelledError):
        await impatient
    # What was handed over is written all the same: half a write does not exist.
    assert [entry.reason for entry in ledger.history("C0001")] == ["impatient", "patient"]


async def test_a_lost_lease_stops_its_own_entries_and_nobody_elses(ledger: Ledger) -> None:
    owner, other = this_process(), replace(this_process(), host="elsewhere")
    fence = await ledger.take_lease("C0001", owner, WHEN)
    await ledger.take_lease("C0001", other, WHEN + timedelta(hours=1))
    kept = await ledger.take_lease("C0002", owner, WHEN)

    stale, fresh, unleased = await asyncio.gather(
        ledger.record(line("C0001", fence=fence), line("C0003", reason="belongs to the stale one")),
        ledger.record(line("C0002", fence=kept)),
        ledger.record(line("C0003")),
        return_exceptions=True,
    )

    assert isinstance(stale, LeaseLost)
    assert "C0001" in str(stale)
    assert not isinstance(fresh, BaseException)
    assert not isinstance(unleased, BaseException)
    histories = ledger.histories(["C0001", "C0002", "C0003"])
    assert [len(history) for history in histories.values()] == [0, 1, 1]


async def test_a_lost_lease_of_something_written_later_is_told_to_who_next_waits_for_that_cabinet(
    ledger: Ledger,
) -> None:
    ledger.record_later(line(fence=7))
    await ledger.settle()

    with pytest.raises(LeaseLost):
        await ledger.record(line())


async def test_a_lost_lease_of_something_written_later_is_not_told_to_another_cabinet(ledger: Ledger) -> None:
    ledger.record_later(line("C0001", fence=7))

    await ledger.record(line("C0002"))


async def test_what_no_database_can_hold_is_kept_as_a_question_mark_and_breaks_no_chain(ledger: Ledger) -> None:
    (written,) = await ledger.record(
        line(reason="a\x00b \ud800 é", operation="\x00", evidence={"said": "a\x00b \ud800 é"})
    )

    (read,) = ledger.history("C0001")

    assert read == written
    assert (read.reason, read.operation) == ("a\ufffdb \ufffd é", "\ufffd")
    assert first_broken([read]) is None


async def test_evidence_with_numbers_for_keys_does_not_break_its_chain(ledger: Ledger) -> None:
    await ledger.record(line(evidence={"missing": {2: "b", 10: "a"}}))

    assert first_broken(ledger.history("C0001")) is None


async def test_evidence_that_is_no_json_is_refused_to_who_hands_it_over_and_to_nobody_else(ledger: Ledger) -> None:
    wrong, right = await asyncio.gather(
        ledger.record(line(evidence={"when": WHEN})), ledger.record(line("C0002")), return_exceptions=True
    )

    assert isinstance(wrong, TypeError)
    assert not isinstance(right, BaseException)
    assert [len(history) for history in ledger.histories(["C0001", "C0002"]).values()] == [0, 1]


async def test_a_ledger_opened_for_reading_does_not_write(ledger_url: str) -> None:
    Ledger(ledger_url).close()

    with Ledger(ledger_url, read_only=True) as reading, pytest.raises(RuntimeError, match="opened for reading"):
        await reading.record(line())
