"""What is asked of the ledger: histories, who owes a reopen, inventories, lists that were kept."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest
from sqlalchemy import Engine, text

from bascule.ledger import Entry, EntryKind, Ledger, StoredInventory
from bascule.model import Lifecycle, Outcome
from bascule.reports import status_of
from tests.integration.ledger.test_writing import WITHOUT_TRIGGERS
from tests.unit.ledger.lines import WHEN, line


async def test_the_histories_of_a_wave_take_few_queries(ledger: Ledger, statements: list[str]) -> None:
    codes = [f"C{number:04}" for number in range(1_200)]
    await ledger.record(*(line(code, reason=reason) for code in codes for reason in "ab"))
    statements.clear()

    histories = ledger.histories([*codes, "NOBODY"])

    assert len([statement for statement in statements if "FROM entry" in statement]) <= 3
    assert all([entry.reason for entry in histories[code]] == ["a", "b"] for code in codes)
    assert histories["NOBODY"] == ()


async def test_a_group_of_writes_takes_few_statements(ledger: Ledger, statements: list[str]) -> None:
    await ledger.record(*(line(f"C{number:04}") for number in range(400)))

    assert len([statement for statement in statements if statement.startswith(("SELECT", "INSERT"))]) <= 3


async def test_histories_may_be_of_some_kinds_only(ledger: Ledger) -> None:
    await ledger.record(line(kind=EntryKind.INTENT), line(kind=EntryKind.EFFECT), line(kind=EntryKind.PROOF))

    (history,) = ledger.histories(["C0001"], kinds=[EntryKind.INTENT, EntryKind.PROOF]).values()

    assert [entry.kind for entry in history] == [EntryKind.INTENT, EntryKind.PROOF]


async def test_a_wave_is_read_in_the_order_of_its_instants(ledger: Ledger) -> None:
    def at(second: int, cabinet: str, **fields: Any) -> Entry:
        return line(cabinet, at=WHEN + timedelta(seconds=second), **fields)

    await ledger.record(at(3, "C0002", reason="c"), at(1, "C0001", reason="a"), at(4, "C0002", wave="main"))
    await ledger.record(at(5, "C0002", reason="d", kind=EntryKind.PROOF), at(2, "C0001", reason="b"))

    assert [entry.reason for entry in ledger.of_wave("pilot")] == ["a", "b", "c", "d"]
    assert [entry.reason for entry in ledger.of_wave("pilot", kinds=[EntryKind.PROOF])] == ["d"]


async def test_a_clock_that_was_set_back_changes_the_order_of_no_chain(ledger: Ledger) -> None:
    await ledger.record(line(reason="a"), line(reason="b", at=WHEN - timedelta(hours=1)), line("C0002", reason="c"))

    assert [entry.reason for entry in ledger.of_wave("pilot")] == ["a", "b", "c"]


async def test_the_numbers_of_the_rows_say_nothing(ledger: Ledger, database: Engine) -> None:
    """No hash holds them: whoever swaps two must not turn what failed into what is ok."""
    began, ended = (
        {"kind": EntryKind.BEGAN, "lifecycle": Lifecycle.RUNNING},
        {"kind": EntryKind.ENDED, "lifecycle": Lifecycle.ENDED},
    )
    for run, outcome in (("R1", Outcome.OK), ("R2", Outcome.FAILED)):
        await ledger.record(line("@pilot", kind=EntryKind.RUN_BEGAN, run=run))
        await ledger.record(line(kind=EntryKind.PLANNED, run=run), line(run=run, **began))
        await ledger.record(line(run=run, outcome=outcome, **ended))

    with database.begin() as connection:
        for statement in WITHOUT_TRIGGERS[database.dialect.name]:
            connection.execute(text(statement))
        connection.execute(text("UPDATE entry SET id = -id"))

    assert [entry.run for entry in ledger.of_wave("pilot", [EntryKind.ENDED])] == ["R1", "R2"]
    assert ledger.last_run("pilot") == "R2"
    assert status_of(ledger, "pilot").outcomes == {Outcome.FAILED: 1}


async def test_the_waves_are_those_that_were_planned_or_run(ledger: Ledger) -> None:
    await ledger.record(line(kind=EntryKind.PLANNED), line(kind=EntryKind.PLANNED, wave="main"), line(wave="no wave"))

    assert ledger.waves() == ("main", "pilot")


async def test_the_last_run_of_a_wave_is_the_one_that_began_last(ledger: Ledger) -> None:
    assert ledger.last_run("pilot") is None

    for run in ("R9", "R10"):
        await ledger.record(line("@pilot", kind=EntryKind.RUN_BEGAN, run=run))
    await ledger.record(line("@main", kind=EntryKind.RUN_BEGAN, run="R11", wave="main"))

    assert ledger.last_run("pilot") == "R10"


async def test_the_heads_are_number_and_hash_of_each_chains_last_entry(ledger: Ledger) -> None:
    *_, last = await ledger.record(line("C0001"), line("C0001", reason="b"))

    assert ledger.heads(["C0001", "C0002"]) == {"C0001": (2, last.hash)}


LOCK_OUT = line(kind=EntryKind.INTENT, step="lock-out", verb="lock-out")
REOPENED = line(kind=EntryKind.PROOF, step="reopen")
REOPENING = line(kind=EntryKind.INTENT, step="reopen", verb="reopen")


@pytest.mark.parametrize(
    ("history", "owes"),
    [
        ([], False),
        ([LOCK_OUT], True),
        ([LOCK_OUT, REOPENING], True),
        ([LOCK_OUT, REOPENED], False),
        ([LOCK_OUT, REOPENED, LOCK_OUT], True),
        ([LOCK_OUT, LOCK_OUT, REOPENED], False),
        ([REOPENED], False),
        ([line(kind=EntryKind.PROOF, step="lock-out")], False),
    ],
)
async def test_who_owes_a_reopen(ledger: Ledger, history: list[Entry], owes: bool) -> None:
    await ledger.record(*history, line("C0002"))

    assert ledger.owing_a_reopen() == (("C0001",) if owes else ())


async def test_a_reopen_of_one_cabinet_does_not_pay_for_another(ledger: Ledger) -> None:
    await ledger.record(LOCK_OUT, replace(LOCK_OUT, cabinet="C0002"), REOPENED)

    assert ledger.owing_a_reopen() == ("C0002",)


def stored(digest: str, **content: str) -> StoredInventory:
    return StoredInventory(digest=digest, at=WHEN, who="ops", source="wave.csv", content=content)


async def test_the_newest_inventory_is_read_and_older_ones_by_their_digest(ledger: Ledger) -> None:
    assert ledger.inventory() is None

    await ledger.store_inventory(stored("a", nom="Société Générale"))
    await ledger.store_inventory(replace(stored("b"), at=WHEN - timedelta(days=1)))

    assert ledger.inventory() == replace(stored("b"), at=WHEN - timedelta(days=1))
    assert ledger.inventory("a") == stored("a", nom="Société Générale")
    assert ledger.inventory("c") is None


async def test_an_inventory_that_comes_back_is_the_newest_again(ledger: Ledger, statements: list[str]) -> None:
    for digest in "aabba":
        await ledger.store_inventory(stored(digest))

    assert len([statement for statement in statements if statement.startswith("INSERT INTO inventory")]) == 3
    newest = ledger.inventory()
    assert newest is not None
    assert newest.digest == "a"


async def test_a_list_is_kept_once_and_read_by_its_hash(ledger: Ledger) -> None:
    content = "dossiers; é œ €\n".encode() * 10_000

    name = ledger.keep("C0001", "ge-lists", content, WHEN)
    assert ledger.keep("C0001", "ge-lists", content, WHEN) == name
    await ledger.settle()

    assert ledger.kept(name) == content
    assert ledger.kept("f" * 64) is None


async def test_a_list_is_on_disk_before_an_entry_that_names_it(ledger: Ledger) -> None:
    name = ledger.keep("C0001", "ge-lists", b"{}", WHEN)
    await ledger.record(line(evidence={"lists": name}))

    assert ledger.kept(name) == b"{}"
