from __future__ import annotations

import json
from pathlib import Path

import pytest

from tests.unit.console.conftest import Bascule


@pytest.fixture
def broken(inventory: Path, tmp_path: Path) -> Path:
    path = tmp_path / "broken.csv"
    path.write_text(inventory.read_text(encoding="utf-8").replace("C0002", "c 2"), encoding="utf-8")
    return path


def test_an_inventory_without_an_error_is_told_so(bascule: Bascule, inventory: Path) -> None:
    ended = bascule("inventory", "check", str(inventory))
    assert (ended.code, ended.err) == (0, "")
    assert "3 cabinets, no error" in ended.out


def test_an_error_is_told_with_its_line_column_value_and_remedy(bascule: Bascule, broken: Path) -> None:
    ended = bascule("inventory", "check", str(broken))
    assert ended.code == 2
    for told in ("broken.csv:3:code", "`c 2`", "Did you mean `C-2`?", "1 error; nothing was stored"):
        assert told in ended.err


def test_what_programs_read_is_json_all_the_way_down(bascule: Bascule, inventory: Path, broken: Path) -> None:
    fine = bascule("inventory", "check", str(inventory), "--json")
    assert json.loads(fine.out)["problems"] == []
    refused = bascule("inventory", "check", str(broken), "--json")
    assert refused.code == 2
    assert json.loads(refused.out)["problems"][0]["line"] == 3


def test_an_annotated_copy_is_written_beside_the_refusal(bascule: Bascule, broken: Path, tmp_path: Path) -> None:
    assert bascule("inventory", "check", str(broken), "-o", "annotated.csv").code == 2
    assert "c 2" in (tmp_path / "annotated.csv").read_text(encoding="utf-8-sig")


@pytest.mark.parametrize(
    "words",
    [
        ("sample", "-o", "nowhere/inventory.csv"),
        ("sample", "-o", "nowhere/inventory.yaml"),
        ("template", "-o", "nowhere/inventory.xlsx"),
        ("check", "broken.csv", "-o", "nowhere/annotated.csv"),
    ],
)
def test_a_file_that_cannot_be_written_is_no_defect_of_bascule(
    bascule: Bascule, broken: Path, words: tuple[str, ...]
) -> None:
    ended = bascule("inventory", *words)
    assert ended.code == 2
    assert "nowhere/" in ended.err
    assert "give another -o" in ended.err


@pytest.mark.parametrize(
    ("name", "content", "told"),
    [
        ("empty.csv", b"", "empty"),
        ("folder.csv", None, "is a folder"),
        ("missing.csv", ..., "does not exist"),
        ("inventory.docx", b"PK", "inventory.docx"),
    ],
)
def test_a_file_that_is_no_inventory_is_refused_by_name(
    bascule: Bascule, tmp_path: Path, name: str, content: object, told: str
) -> None:
    if isinstance(content, bytes):
        (tmp_path / name).write_bytes(content)
    elif content is None:
        (tmp_path / name).mkdir()
    ended = bascule("inventory", "check", name)
    assert ended.code == 2
    assert name in ended.err
    assert told in ended.err


def test_the_same_seed_gives_the_same_file(bascule: Bascule, tmp_path: Path) -> None:
    for name in ("one.csv", "two.csv"):
        assert bascule("inventory", "sample", "--cabinets", "5", "--seed", "3", "-o", name).code == 0
    assert (tmp_path / "one.csv").read_bytes() == (tmp_path / "two.csv").read_bytes()


@pytest.mark.parametrize("ending", ["csv", "xlsx", "yaml"])
def test_a_template_can_be_had_in_every_format(bascule: Bascule, tmp_path: Path, ending: str) -> None:
    assert bascule("inventory", "template", "-o", f"inventory.{ending}", "--language", "en").code == 0
    assert (tmp_path / f"inventory.{ending}").stat().st_size > 0


def test_a_language_that_we_do_not_speak_is_refused(bascule: Bascule) -> None:
    assert bascule("inventory", "template", "-o", "t.csv", "--language", "de").code == 2


def test_a_stored_inventory_is_what_a_file_is_compared_with(bascule: Bascule, inventory: Path) -> None:
    assert "There is no ledger yet" in bascule("inventory", "diff", str(inventory)).err
    assert bascule("inventory", "import", str(inventory)).code == 0
    same = bascule("inventory", "diff", str(inventory))
    assert same.code == 0
    assert "Compared with the version that" in same.err
    bascule("inventory", "sample", "--cabinets", "4", "--seed", "1", "-o", "four.csv")
    assert "+ C0004" in bascule("inventory", "diff", "four.csv").out


def test_a_difference_is_json_for_programs(bascule: Bascule, inventory: Path) -> None:
    bascule("inventory", "sample", "--cabinets", "4", "--seed", "1", "-o", "four.csv")
    ended = bascule("inventory", "diff", str(inventory), "four.csv", "--json")
    assert json.loads(ended.out)["added"] == ["C0004"]


def test_nothing_is_stored_of_an_inventory_with_an_error(bascule: Bascule, broken: Path, tmp_path: Path) -> None:
    assert bascule("inventory", "import", str(broken)).code == 2
    assert not (tmp_path / ".bascule" / "ledger.db").exists()
