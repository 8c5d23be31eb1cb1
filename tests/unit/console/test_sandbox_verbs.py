"""`bascule sandbox` serves; beside it, lists are exported as a person would."""

from __future__ import annotations

import csv
import time
from pathlib import Path

import httpx
import pytest

from bascule.inventory import sample
from console.sandbox_process import start_sandbox
from console.workplace import ListsNotWritten, NoSandbox, NotAtTheSandbox, Workplace
from tests.unit.console.at_the_workplace import Place
from tests.unit.console.conftest import Bascule


def test_lists_of_every_cabinet_are_exported_from_a_sandbox_that_serves(bascule: Bascule, tmp_path: Path) -> None:
    with start_sandbox(sample(2, seed=1)) as sandbox:
        told = bascule("sandbox", "export", "--all", "-o", "lists", "--url", sandbox.url)
        assert (told.code, told.out.count("7 lists in lists")) == (0, 2)
        again = bascule("sandbox", "export", "--cabinet", "C0002", "-o", "lists", "--url", sandbox.url)
        assert again.out == "C0002: 7 lists in lists/C0002\n"
        unknown = bascule("sandbox", "export", "--cabinet", "C002", "--url", sandbox.url)
        assert unknown.code == 2
        assert "did you mean 'C0002'?" in unknown.err
    assert sorted(path.name for path in (tmp_path / "lists" / "C0001" / "ge").iterdir()) == [
        "collaborateurs.csv", "contacts.csv", "dossiers.csv", "droits.csv", "entites.csv", "groupes.csv", "profils.csv",
    ]  # fmt: skip


@pytest.mark.parametrize(
    ("words", "says"),
    [
        ((), "--inventory FILE"),
        (("--port", "0"), "--inventory FILE"),
        (("--inventory", "inv.csv", "export", "--all"), "leave out 'export'"),
        (("export",), "--cabinet CODE"),
        (("export", "--cabinet", "C0001", "--all"), "--cabinet CODE"),
        (("export", "--all", "--url", "http://127.0.0.1:9"), "No sandbox answers at http://127.0.0.1:9"),
        (("export", "--all", "--url", "nonsense"), "No sandbox answers at nonsense"),
        (("operator", "--by", "anne", "--approver", "Anne"), "a second person"),
        (("operator", "--by", "anne", "--lies", "synchronize=C0007"), "did you mean 'synchronise'?"),
        (("operator",), "--by"),
    ],
)
def test_what_cannot_be_done_is_a_sentence(bascule: Bascule, words: tuple[str, ...], says: str) -> None:
    told = bascule("sandbox", *words)
    assert told.code == 2
    assert says in " ".join(told.err.split())


def test_an_export_is_written_whole_dated_now_and_leaves_other_files_alone(tmp_path: Path) -> None:
    place, before = Place(), time.time() - 1
    other = tmp_path / "C0001" / "ge" / "notes.txt"
    other.parent.mkdir(parents=True)
    other.write_text("mine", encoding="utf-8")
    place.workplace.export("C0001", tmp_path)
    written = place.workplace.export("C0001", tmp_path)
    assert [path for path in written if path.stat().st_mtime < before] == []
    assert sorted(path for path in other.parent.iterdir() if path != other) == sorted(written)
    assert other.read_text(encoding="utf-8") == "mine"
    with (tmp_path / "C0001" / "ge" / "dossiers.csv").open(encoding="cp1252", newline="") as text:
        assert [row["Code"] for row in csv.DictReader(text, delimiter=";")] == place.state()["ge"]["dossiers"]


def test_a_folder_that_cannot_be_written_is_named(tmp_path: Path) -> None:
    (tmp_path / "C0001").write_text("a file", encoding="utf-8")
    with pytest.raises(ListsNotWritten, match="C0001: Not a directory"):
        Place().workplace.export("C0001", tmp_path)


@pytest.mark.parametrize("code", ["C001", "../../etc", "c0001", ""])
def test_an_unknown_cabinet_is_named_and_nothing_is_written(tmp_path: Path, code: str) -> None:
    with pytest.raises(NotAtTheSandbox):
        Place().workplace.export(code, tmp_path / "lists")
    assert not (tmp_path / "lists").exists()


@pytest.mark.parametrize(
    "answer", [httpx.Response(200, html="<h1>hello</h1>"), httpx.Response(404, html="<h1>not here</h1>")]
)
def test_another_server_is_no_sandbox(tmp_path: Path, answer: httpx.Response) -> None:
    client = httpx.Client(transport=httpx.MockTransport(lambda _: answer), base_url="http://elsewhere")
    with pytest.raises(NoSandbox, match="http://elsewhere"):
        Workplace(client).export("C0001", tmp_path)
