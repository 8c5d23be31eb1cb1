"""The audit says whether the ledger is what was written, and names the first entry that is not."""

from __future__ import annotations

import hashlib
import json
import sqlite3
import zlib
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import Engine, create_engine, insert, text

from bascule.errors import LedgerUnreachable
from bascule.inventory import read_inventory, sample, write_inventory
from bascule.inventory.stored import from_plain, to_plain
from bascule.ledger import EntryKind, Ledger, StoredInventory, tables
from bascule.ledger.audit import Audited, Flaw, Head, Row, Selection, Wrong, audit, chains, exported
from bascule.ledger.entries import GENESIS, chained
from bascule.ledger.rows import row_of
from tests.integration.ledger.test_writing import FULL, WITHOUT_TRIGGERS
from tests.unit.ledger.lines import WHEN, chain, line


def force(database: Engine, *statements: str) -> None:
    """Past the triggers, as somebody with the owner's rights could."""
    with database.begin() as connection:
        for statement in (*WITHOUT_TRIGGERS[database.dialect.name], *statements):
            connection.execute(text(statement))


def only(audited: Audited) -> Flaw:
    (flaw,) = audited.flaws
    return flaw


async def three_entries(ledger: Ledger) -> dict[str, Head]:
    """Of one cabinet; and what a run folder would keep of it."""
    await ledger.record(*(line(reason=reason, evidence={"é": 1.5, "seen": reason}) for reason in "abc"))
    return {name: Head(*head) for name, head in ledger.heads(["C0001"]).items()}


async def test_a_ledger_that_was_left_alone_is_intact(ledger: Ledger) -> None:
    on_the_second = replace(FULL, at=WHEN.replace(microsecond=0), evidence={})
    await ledger.record(FULL, on_the_second, line("C0001"), line("@pilot"))

    audited = audit(ledger.url)

    looked_at = frozenset({FULL.cabinet, "C0001", "@pilot"})
    assert audited == Audited(looked_at=looked_at, chains=3, entries=4, lists=0, inventories=0, flaws=(), not_kept=())


async def test_an_empty_ledger_is_intact(ledger: Ledger) -> None:
    assert audit(ledger.url).flaws == ()


def test_what_was_hashed_once_has_the_same_hash_for_ever() -> None:
    assert chained(FULL, 1, GENESIS).hash == "1f965f1d551f1bb712dbc7bb1437b5e27f81876413ef5c54ab671671a52ce298"


@pytest.mark.parametrize(
    ("tampering", "seq", "wrong", "says"),
    [
        (["UPDATE entry SET reason = 'nothing happened' WHERE seq = 2"], 2, Wrong.CHANGED, "was changed"),
        (["DELETE FROM entry WHERE seq = 1"], 2, Wrong.REMOVED, "entry 1 before it was removed"),
        (["DELETE FROM entry WHERE seq < 3"], 3, Wrong.REMOVED, "entries 1 to 2 before it were removed"),
        (
            ["DELETE FROM entry WHERE seq = 2", "UPDATE entry SET seq = 2 WHERE seq = 3"],
            2,
            Wrong.MOVED,
            "it was entry 3",
        ),
        (
            [f"UPDATE entry SET seq = {now} WHERE seq = {was}" for was, now in ((2, 99), (3, 2), (99, 3))],
            2,
            Wrong.MOVED,
            "it was entry 3",
        ),
        (["UPDATE entry SET kind = 'prove' WHERE seq = 2"], 2, Wrong.UNREADABLE, "its kind is no word"),
        (["UPDATE entry SET error_class = 'bad' WHERE seq = 2"], 2, Wrong.UNREADABLE, "its error class is no word"),
        (["UPDATE entry SET evidence = '[]' WHERE seq = 2"], 2, Wrong.UNREADABLE, "its evidence is no JSON object"),
    ],
)
async def test_the_first_broken_entry_is_named_with_what_is_wrong(
    ledger: Ledger, database: Engine, tampering: list[str], seq: int, wrong: Wrong, says: str
) -> None:
    await three_entries(ledger)
    await ledger.record(line("C0002"))
    force(database, *tampering)

    flaw = only(audit(ledger.url))

    assert (flaw.of, flaw.seq, flaw.wrong, flaw.who) == ("C0001", seq, wrong, "ops")
    assert flaw.at == "2026-12-01T20:00:00.123456+00:00"
    assert says in flaw.says


@pytest.mark.parametrize(
    "same",
    [
        """evidence = replace(evidence, '": ', '":')""",
        """evidence = replace(evidence, '1.5', '1.50')""",
        """evidence = replace(evidence, '1.5', '15e-1')""",
        """evidence = replace(evidence, 'u00e9', 'u00E9')""",
        """evidence = '{"seen": "b", ' || substr(evidence, 2)""",
        "evidence = evidence || ' '",
        "step = ''",
        "outcome = ''",
        "hash = upper(hash)",
        "previous = upper(previous)",
        "kind = upper(kind)",
        "reason = reason || ' '",
    ],
)
async def test_a_change_that_says_the_same_is_found_too(ledger: Ledger, database: Engine, same: str) -> None:
    await three_entries(ledger)
    if database.dialect.name == "postgresql":
        same = same.replace("(evidence", "(evidence::text").replace("= evidence", "= evidence::text")
        same = f"evidence = ({same.removeprefix('evidence = ')})::json" if same.startswith("evidence") else same
    force(database, f"UPDATE entry SET {same} WHERE seq = 2")

    assert only(audit(ledger.url)).seq == 2


@pytest.mark.parametrize(
    "strange",
    [
        "at = replace(at, ' ', 'T')",
        "at = substr(at, 1, 19)",
        "at = 'yesterday'",
        "at = 1",
        "who = CAST(who AS BLOB)",
        "who = CAST(x'ff' AS TEXT)",
        "reason = x'00'",
        "seq = 'two'",
        "seq = 2.5",
        "fence = 'none'",
        "kind = x'6e6f7465'",
        "evidence = ''",
        "evidence = '{\"seen\": '",
        "evidence = x'7b7d'",
        "evidence = 1",
        f"evidence = '{'[' * 100_000}'",
        f"evidence = '{{\"seen\": {'9' * 10_000}}}'",
        'evidence = \'{"seen": "\\ud800"}\'',
    ],
)
async def test_what_only_sqlite_would_take_is_a_broken_entry_and_no_defect(tmp_path: Path, strange: str) -> None:
    path = tmp_path / "ledger.db"
    with Ledger(f"sqlite:///{path}") as ledger:
        await three_entries(ledger)
    with sqlite3.connect(path) as database:
        database.execute("DROP TRIGGER entry_no_update")
        database.execute(f"UPDATE entry SET {strange} WHERE seq = 2")
    database.close()

    flaws = audit(f"sqlite:///{path}").flaws

    assert [flaw.of for flaw in flaws] == ["C0001"]
    assert flaws[0].seq == {"seq = 'two'": 3, "seq = 2.5": None}.get(strange, 2)
    assert list(exported(f"sqlite:///{path}"))


async def test_an_instant_before_christ_is_not_taken_for_ours(postgresql_url: str) -> None:
    with Ledger(postgresql_url) as ledger:
        await three_entries(ledger)
    database = create_engine(postgresql_url)
    for at in ("2026-12-01 20:00:00.123456+00 BC", "infinity", "12026-12-01 20:00:00.123456+00"):
        force(database, f"UPDATE entry SET at = '{at}' WHERE seq = 2")
        assert only(audit(postgresql_url)).seq == 2
    database.dispose()


async def test_an_entry_that_stands_twice_is_found(postgresql_url: str) -> None:
    """Where the database no longer forbids it."""
    with Ledger(postgresql_url) as ledger:
        await three_entries(ledger)
    database = create_engine(postgresql_url)
    names = ", ".join(name for name in Row._fields if name != "id")
    again = f"INSERT INTO entry ({names}) SELECT {names} FROM entry WHERE seq = 2"
    force(database, "ALTER TABLE entry DROP CONSTRAINT entry_has_one_place", again)
    database.dispose()

    flaw = only(audit(postgresql_url))

    assert (flaw.seq, flaw.wrong) == (2, Wrong.MOVED)
    assert "twice" in flaw.says


async def test_who_changes_an_entry_and_its_hash_is_found_at_the_next_one(ledger: Ledger, database: Engine) -> None:
    await three_entries(ledger)
    first, second, _ = ledger.history("C0001")
    forged = chained(replace(second, reason="nothing happened"), 2, first.hash)
    force(database, f"UPDATE entry SET reason = 'nothing happened', hash = '{forged.hash}' WHERE seq = 2")

    flaw = only(audit(ledger.url))

    assert (flaw.seq, flaw.wrong) == (3, Wrong.UNLINKED)


async def test_rows_that_were_numbered_anew_are_found_though_nothing_is_read_in_their_order(
    ledger: Ledger, database: Engine
) -> None:
    (first, second, third) = chain(line(), line(reason="b"), line(reason="c"))
    with database.begin() as connection:
        connection.execute(insert(tables.entry), [row_of(one) for one in (third, first, second)])

    flaw = only(audit(ledger.url))

    assert (flaw.seq, flaw.wrong) == (3, Wrong.MOVED)
    assert "row number 1, the entry before it 3" in flaw.says
    assert ledger.history("C0001") == (first, second, third)


async def test_each_broken_chain_is_named_once(ledger: Ledger, database: Engine) -> None:
    for code in ("C0001", "C0002", "C0003"):
        await ledger.record(*(line(code, reason=reason) for reason in "abc"))
    force(database, "UPDATE entry SET reason = 'x' WHERE cabinet <> 'C0002' AND seq > 1")

    assert [(flaw.of, flaw.seq) for flaw in audit(ledger.url).flaws] == [("C0001", 2), ("C0003", 2)]


# Against a run folder


async def test_a_ledger_that_went_on_stands_against_what_was_seen_of_it(ledger: Ledger) -> None:
    heads = await three_entries(ledger)
    await ledger.record(line(reason="d"), line("C0002"))

    assert audit(ledger.url, anchor=heads).flaws == ()


async def test_a_chain_whose_end_was_cut_off_is_found_by_what_was_seen_of_it(ledger: Ledger, database: Engine) -> None:
    heads = await three_entries(ledger)
    force(database, "DELETE FROM entry WHERE seq = 3")

    assert audit(ledger.url).flaws == ()
    flaw = only(audit(ledger.url, anchor=heads))

    assert (flaw.of, flaw.seq, flaw.wrong) == ("C0001", 2, Wrong.CUT)
    assert "has seen entry 3" in flaw.says


async def test_a_chain_that_was_written_anew_is_found_by_what_was_seen_of_it(ledger: Ledger, database: Engine) -> None:
    heads = await three_entries(ledger)
    force(database, "DELETE FROM entry WHERE seq > 1")
    await ledger.record(line(reason="never happened"), line(reason="nor this"), line(reason="nor that"))

    assert audit(ledger.url).flaws == ()
    flaw = only(audit(ledger.url, anchor=heads))

    assert (flaw.of, flaw.seq, flaw.wrong) == ("C0001", 3, Wrong.REPLACED)


async def test_a_chain_that_vanished_is_found_by_what_was_seen_of_it(ledger: Ledger, database: Engine) -> None:
    heads = await three_entries(ledger)
    await ledger.record(line("C0002"))
    force(database, "DELETE FROM entry WHERE cabinet = 'C0001'")

    for selection in (Selection(), Selection(wave="pilot"), Selection(cabinets=("C0001",))):
        flaw = only(audit(ledger.url, selection, anchor=heads))
        assert (flaw.of, flaw.wrong) == ("C0001", Wrong.VANISHED)
    assert audit(ledger.url, Selection(cabinets=("C0002",)), anchor=heads).flaws == ()


async def test_what_was_seen_of_another_wave_is_not_missed_where_only_one_is_looked_at(ledger: Ledger) -> None:
    heads = await three_entries(ledger)
    await ledger.record(line("@main", wave="main"), line("C0002", wave="main"))

    assert audit(ledger.url, Selection(wave="main"), anchor=heads).flaws == ()


async def test_an_entry_that_was_taken_out_of_the_middle_is_not_called_an_end(ledger: Ledger, database: Engine) -> None:
    heads = await three_entries(ledger)
    await ledger.record(line(reason="d"))
    force(database, "DELETE FROM entry WHERE seq = 3")

    flaw = only(audit(ledger.url, anchor=heads))

    assert (flaw.seq, flaw.wrong) == (4, Wrong.REMOVED)


# What is looked at


async def two_waves(ledger: Ledger) -> None:
    await ledger.record(line("@pilot"), line("C0001"), line("C0001", reason="b"))
    await ledger.record(*(line(code, wave="main") for code in ("@main", "C0002", "C0003")))


@pytest.mark.parametrize(
    ("selection", "seen"),
    [
        (Selection(), (5, 6)),
        (Selection(wave="pilot"), (2, 3)),
        (Selection(cabinets=("C0001", "C0003")), (2, 3)),
        (Selection(wave="main", cabinets=("C0001",)), (4, 5)),
    ],
)
async def test_only_the_chains_that_were_asked_for_are_looked_at(
    ledger: Ledger, selection: Selection, seen: tuple[int, int]
) -> None:
    await two_waves(ledger)

    audited = audit(ledger.url, selection)

    assert (audited.chains, audited.entries) == seen
    assert sum(1 for _ in exported(ledger.url, selection)) == seen[1]


async def test_all_chains_are_known_by_name(ledger: Ledger) -> None:
    await two_waves(ledger)

    assert chains(ledger.url) == {"@pilot", "@main", "C0001", "C0002", "C0003"}


def test_a_ledger_that_cannot_be_reached_is_told_in_words(tmp_path: Path) -> None:
    with pytest.raises(LedgerUnreachable):
        audit(f"sqlite:///{tmp_path}")


async def test_a_ledger_that_may_only_be_read_is_audited(tmp_path: Path) -> None:
    path = tmp_path / "ledger.db"
    with Ledger(f"sqlite:///{path}") as ledger:
        await three_entries(ledger)

    assert audit(f"sqlite:///file:{path}?mode=ro&uri=true").entries == 3


# What is kept beside the entries


async def kept(ledger: Ledger, content: bytes = b'{"dossiers": []}') -> str:
    name = ledger.keep("C0001", "ge-lists", content, WHEN)
    await ledger.record(line(kind=EntryKind.PROOF, evidence={"kept": {"source-lists": name}}))
    return name


async def test_lists_that_were_kept_are_what_their_names_say(ledger: Ledger) -> None:
    await kept(ledger)
    await kept(ledger, b"x" * 5_000_000)

    audited = audit(ledger.url)

    assert (audited.lists, audited.flaws, audited.not_kept) == (2, (), ())


@pytest.mark.parametrize(
    "forged", [zlib.compress(b'{"dossiers": [1]}'), b"no list", b"", zlib.compress(b'{"dossiers": []}') + b"x"]
)
async def test_a_list_whose_content_was_changed_is_named(ledger: Ledger, database: Engine, forged: bytes) -> None:
    name = await kept(ledger)
    with database.begin() as connection:
        connection.execute(text("UPDATE evidence SET content = :forged"), {"forged": forged})

    flaw = only(audit(ledger.url, Selection(cabinets=("C0001",))))

    assert (flaw.of, flaw.wrong) == (f"list {name}", Wrong.CHANGED)
    assert "C0001" in flaw.says


async def test_a_list_that_is_not_kept_any_more_is_told_and_no_flaw(ledger: Ledger, database: Engine) -> None:
    name = await kept(ledger)
    with database.begin() as connection:
        connection.execute(text("DELETE FROM evidence"))

    audited = audit(ledger.url)

    assert audited.flaws == ()
    assert audited.not_kept == (f"C0001: source-lists {name}",)


def digest_of_stored(content: Any) -> str:
    return from_plain(content).digest


async def an_inventory(ledger: Ledger, folder: Path) -> str:
    inventory = read_inventory(write_inventory(sample(3, seed=1), folder / "inventory.csv")[0])
    stored = StoredInventory(
        digest=inventory.digest, at=WHEN, who="ops", source="inventory.csv", content=to_plain(inventory)
    )
    await ledger.store_inventory(stored)
    await ledger.record(line("@pilot", kind=EntryKind.RUN_BEGAN, evidence={"inventory": inventory.digest}))
    return inventory.digest


async def test_an_inventory_is_what_its_digest_says(ledger: Ledger, tmp_path: Path) -> None:
    await an_inventory(ledger, tmp_path)

    audited = audit(ledger.url, inventory_digest=digest_of_stored)

    assert (audited.inventories, audited.flaws) == (1, ())


INVENTORY_WITHOUT_TRIGGERS = {
    "sqlite": ["DROP TRIGGER inventory_no_update", "DROP TRIGGER inventory_no_delete"],
    "postgresql": ["ALTER TABLE inventory DISABLE TRIGGER USER"],
}


@pytest.mark.parametrize(
    ("tampering", "wrong"),
    [
        ("UPDATE inventory SET content = :one_less", Wrong.CHANGED),
        ("UPDATE inventory SET content = '{\"cabinets\": 1}'", Wrong.UNREADABLE),
        ("UPDATE inventory SET content = '7'", Wrong.UNREADABLE),
        ("DELETE FROM inventory", Wrong.VANISHED),
    ],
)
async def test_an_inventory_that_was_changed_or_removed_is_named(
    ledger: Ledger, database: Engine, tmp_path: Path, tampering: str, wrong: Wrong
) -> None:
    digest = await an_inventory(ledger, tmp_path)
    stored = ledger.inventory()
    assert stored is not None
    one_less = json.dumps({**stored.content, "cabinets": stored.content["cabinets"][1:]})
    with database.begin() as connection:
        for statement in INVENTORY_WITHOUT_TRIGGERS[database.dialect.name]:
            connection.execute(text(statement))
        connection.execute(text(tampering), {"one_less": one_less} if "one_less" in tampering else {})

    flaw = only(audit(ledger.url, inventory_digest=digest_of_stored))

    assert (flaw.of, flaw.wrong) == (f"inventory {digest}", wrong)


# What is carried away


def verified_by_a_stranger(lines: Sequence[str]) -> list[str]:
    """The chains that are whole, by the words of docs/audit.md alone."""
    heads: dict[str, tuple[int, str]] = {}
    broken = set()
    for text_line in lines:
        entry = json.loads(text_line)
        values = [value for name, value in entry.items() if name != "hash"]
        canonical = json.dumps(values, ensure_ascii=False, sort_keys=True, separators=(",", ":"))
        seq, previous = heads.get(entry["cabinet"], (0, "0" * 64))
        if (entry["seq"], entry["previous"]) != (seq + 1, previous) or hashlib.sha256(
            canonical.encode()
        ).hexdigest() != entry["hash"]:
            broken.add(entry["cabinet"])
        heads[entry["cabinet"]] = entry["seq"], entry["hash"]
    return sorted(heads.keys() - broken)


async def test_what_was_exported_can_be_verified_without_bascule(ledger: Ledger, database: Engine) -> None:
    await ledger.record(FULL, replace(FULL, reason="again"), line("C0001"), line("C0001", reason="b"))

    assert verified_by_a_stranger([json.dumps(entry) for entry in exported(ledger.url)]) == ["C0001", "C0042"]

    force(database, "UPDATE entry SET who = 'nobody' WHERE cabinet = 'C0042' AND seq = 2")
    assert verified_by_a_stranger([json.dumps(entry) for entry in exported(ledger.url)]) == ["C0001"]
