"""A ledger that a real run wrote: whatever byte of whatever entry is changed, the audit names that entry."""

from __future__ import annotations

import asyncio
import random
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass

import pytest
from sqlalchemy import Engine, event, insert, text
from sqlalchemy.exc import DBAPIError

from bascule.engine import conduct
from bascule.engine.opening import begin, end
from bascule.ledger import Entry, Ledger, tables
from bascule.ledger.audit import audit
from bascule.ledger.entries import HASHED
from bascule.ledger.rows import row_of
from tests.builders import cabinets, stage
from tests.integration.ledger.test_writing import WITHOUT_TRIGGERS

COLUMNS = (*HASHED, "hash", "id")

AS_ITS_TYPE = {
    "postgresql": {"at": "timestamptz", "evidence": "json"}
    | dict.fromkeys(("seq", "attempt"), "integer")
    | dict.fromkeys(("fence", "id"), "bigint"),
    "sqlite": {},
}


@pytest.fixture(scope="module")
def histories(tmp_path_factory: pytest.TempPathFactory) -> Sequence[Entry]:
    """What one run wrote of a cabinet, and of itself."""

    async def run_once() -> list[Entry]:
        async with stage(tmp_path_factory.mktemp("run"), cabinets(1)) as on:
            run = on.run()
            await begin(run, on.cabinets, {"environment": "sandbox"}, "to be audited")
            async with run.heartbeat():
                conducted = await conduct(run, on.cabinets, slots=1)
            await end(run, conducted)
            return [entry for name in ("@pilot", "C0001") for entry in on.ledger.history(name)]

    return asyncio.run(run_once())


@dataclass(frozen=True, slots=True)
class Place:
    """One value: a column of a row."""

    id: int
    hash: str
    cabinet: str
    seq: int
    is_last: bool
    column: str

    @property
    def row(self) -> str:
        return f"hash = '{self.hash}'" if self.column == "id" else f"id = {self.id}"


@dataclass(frozen=True)
class Tampering:
    """What somebody with the owner's rights and a database client could do."""

    database: Engine

    def places(self) -> list[Place]:
        rows = "SELECT id, hash, cabinet, seq, seq = max(seq) OVER (PARTITION BY cabinet) FROM entry ORDER BY id"
        with self.database.connect() as connection:
            found = connection.execute(text(rows)).all()
        return [
            Place(number, named, cabinet, seq, bool(is_last), column)
            for number, named, cabinet, seq, is_last in found
            for column in COLUMNS
        ]

    def value(self, place: Place) -> str | None:
        with self.database.connect() as connection:
            query = text(f"SELECT CAST({place.column} AS TEXT) FROM entry WHERE {place.row}")
            found: str | None = connection.execute(query).scalar_one()
            return found

    def write(self, place: Place, value: str | None) -> None:
        """PostgreSQL takes no JSON that is none, and spells an instant in its own way: then nothing was changed."""
        of_type = AS_ITS_TYPE[self.database.dialect.name].get(place.column)
        given = f"CAST(:value AS {of_type})" if of_type else ":value"
        with suppress(DBAPIError), self.database.begin() as connection:
            update = text(f"UPDATE entry SET {place.column} = {given} WHERE {place.row}")
            connection.execute(update, {"value": value})


@pytest.fixture
def tampering(ledger: Ledger, database: Engine, histories: Sequence[Entry]) -> Tampering:
    if database.dialect.name == "sqlite":
        # Thousands of changes, each committed: this disk need not survive a power cut.
        event.listen(database, "connect", lambda connection, _: connection.execute("PRAGMA synchronous=OFF"))
    with database.begin() as connection:
        connection.execute(insert(tables.entry), [row_of(entry) for entry in histories])
        for statement in WITHOUT_TRIGGERS[database.dialect.name]:
            connection.execute(text(statement))
    return Tampering(database)


def with_one_byte_changed(value: str | None, column: str, chance: random.Random) -> str:
    if not value:
        return chance.choice(["", "x"]) if value is None else "x"
    if column in {"seq", "id"}:
        # One that is free.
        return f"{chance.choice('9-') if column == 'id' else '9'}{value}"
    place = chance.randrange(len(value))
    return f"{value[:place]}{chr(ord(value[place]) ^ 1)}{value[place + 1 :]}"


def test_any_changed_byte_of_any_entry_is_found_and_the_entry_is_named(ledger: Ledger, tampering: Tampering) -> None:
    chance = random.Random(7)
    places = tampering.places()
    told = ledger.of_wave("pilot")
    assert len(places) > 50 * len(COLUMNS)
    tried = places if tampering.database.dialect.name == "sqlite" else chance.sample(places, 200)
    unchanged = 0
    for place in tried:
        before = tampering.value(place)
        after = with_one_byte_changed(before, place.column, chance)
        tampering.write(place, after)
        if tampering.value(place) == before:
            unchanged += 1
            continue

        named = {(flaw.of, flaw.seq) for flaw in audit(ledger.url).flaws}

        match place.column:
            case "seq":
                assert named == {(place.cabinet, int(after) if place.is_last else place.seq + 1)}, place
            case "cabinet":
                in_its_old_chain = set() if place.is_last else {(place.cabinet, place.seq + 1)}
                assert named == {(after, place.seq)} | in_its_old_chain, place
            case "id":
                out_of_turn = place.seq if int(after) < 0 else place.seq + 1
                is_at_an_end = place.seq == 1 if int(after) < 0 else place.is_last
                assert named == (set() if is_at_an_end else {(place.cabinet, out_of_turn)}), (place, after)
                assert ledger.of_wave("pilot") == told
            case _:
                assert named == {(place.cabinet, place.seq)}, (place, before, after)
        tampering.write(place, before)

    assert unchanged < len(tried) / 10
    assert audit(ledger.url).flaws == ()
