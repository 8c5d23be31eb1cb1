"""`bascule doctor --extracts`: what was found, understood, left out, and how old it is."""

from __future__ import annotations

import io
from dataclasses import asdict, replace
from datetime import UTC, datetime, timedelta
from pathlib import Path

from rich.console import Console

from bascule.connectors.extracts import read_mapping
from bascule.model import Cabinet
from console.extracts_examined import SHOWN, ExaminedList, as_table, examine_extracts
from tests.unit.connectors.extracts.exported import CABINET, GE, S4A, put, written_at

NOW = datetime(2026, 12, 2, 8, 0, tzinfo=UTC)
OURS = read_mapping()


def examined(root: Path, *cabinets: Cabinet) -> list[ExaminedList]:
    return examine_extracts(root, OURS, cabinets or (CABINET,), oldest=timedelta(hours=24), now=NOW)


def lists_of(root: Path) -> Path:
    for system, lists in (("ge", GE), ("s4a", S4A)):
        written_at(put(root / "C0001" / system, lists), NOW - timedelta(hours=5))
    return root


def shown(rows: list[ExaminedList]) -> str:
    console = Console(width=250, file=io.StringIO())
    with console.capture() as told:
        console.print(as_table(rows, OURS))
    return told.get()


def test_every_list_has_a_row_with_its_file_its_rows_and_its_age(tmp_path: Path) -> None:
    rows = examined(lists_of(tmp_path))

    assert [row.list for row in rows][:3] == ["ge/entites", "ge/profils", "ge/collaborateurs"]
    assert len(rows) == 14
    assert asdict(rows[5]) == {
        "cabinet": "C0001",
        "list": "ge/dossiers",
        "file": "dossiers.csv",
        "rows": 3,
        "age": "5 hours",
        "stale": False,
        "unused": ("Régime",),
        "problems": (),
        "notes": (),
    }
    assert all(row.ok for row in rows)


def test_what_rests_on_a_supposition_or_cannot_be_compared_is_said(tmp_path: Path) -> None:
    notes = {row.list: row.notes for row in examined(lists_of(tmp_path)) if row.notes}

    assert notes["ge/droits"] == (
        "all rights are taken to be the 2 that occur; ge.droits.all of the mapping can name them",
    )
    assert notes["s4a/groupes"] == ("not exported: cannot be compared",)


def test_what_is_missing_or_wrong_or_stale_is_not_ok(tmp_path: Path) -> None:
    folder = lists_of(tmp_path) / "C0001" / "ge"
    (folder / "groupes.csv").unlink()
    (folder / "profils.csv").write_bytes(b"Code;Nom\r\n")
    written_at(tmp_path / "C0001" / "s4a", NOW - timedelta(days=3))

    not_ok = {row.list: row for row in examined(tmp_path) if not row.ok}

    assert set(not_ok) == {"ge/groupes", "ge/profils", "s4a/clients", "s4a/utilisateurs", "s4a/contacts"}
    [missing] = not_ok["ge/groupes"].problems
    assert missing == (
        "ge/groupes: is not there. "
        "Export it as .csv or .xlsx under a name that begins with `groupes` or `groups` or `dossier groups`."
    )
    assert len(not_ok["ge/profils"].problems) == 2
    assert not_ok["s4a/clients"].age == "3 days"


def test_a_cabinet_without_lists_of_ge_is_told_what_is_wanted(tmp_path: Path) -> None:
    ge, s4a = examined(tmp_path)

    assert not ge.ok
    assert ge.problems[0].endswith("wanted: entites, profils, collaborateurs, groupes, droits, dossiers, contacts")
    assert s4a.ok  # before the sign-up there is nothing to export there
    assert s4a.notes[0].endswith("wanted: clients, utilisateurs, contacts")


def test_a_file_that_is_no_list_is_named(tmp_path: Path) -> None:
    put(lists_of(tmp_path) / "C0001" / "ge", {"missions": [["Code"]]})

    assert [row.file for row in examined(tmp_path) if row.list == "ge"] == ["missions.csv"]


def test_text_from_files_is_shown_as_it_is(tmp_path: Path) -> None:
    dossiers = [GE["dossiers"][0], [*GE["dossiers"][1][:5], "[bold]fini[/]", ""]]
    written_at(put(tmp_path / "C0001" / "ge", {**GE, "dossiers": dossiers}), NOW)

    assert "`[bold]fini[/]` is not known as a word here" in shown(examined(tmp_path))


def test_of_many_rows_those_that_need_somebody_are_shown_and_the_others_counted(tmp_path: Path) -> None:
    lists_of(tmp_path)
    rows = examined(tmp_path, *(replace(CABINET, code=f"C{number:04}") for number in range(1, 101)))

    told = shown(rows)

    assert len(rows) == 14 + 99 * 2
    assert told.count("no list in") == SHOWN
    assert "113 in order, 39 more not: see --json" in told
