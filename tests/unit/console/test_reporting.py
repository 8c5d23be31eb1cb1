"""report and report compare, as people type them."""

from __future__ import annotations

import json
import sqlite3
from pathlib import Path

import pytest

from bascule.ledger import Ledger
from bascule.model import Lifecycle, Outcome
from bascule.reports.proces_verbal import PdfNotSet, ProcesVerbal
from console.exit_codes import Exit
from tests.unit.console.conftest import Bascule
from tests.unit.reports.histories import began, blocked, ended, ok, planned, write


@pytest.fixture(autouse=True)
def ledger(tmp_path: Path) -> None:
    """Two waves that have run, one that waits, one that was only planned."""
    (tmp_path / ".bascule").mkdir()
    with Ledger(f"sqlite:///{tmp_path}/.bascule/ledger.db") as ledger:
        write(ledger, planned("C0001"), planned("C0002"), ok("C0001"), blocked("C0002"), wave="pilot")
        write(ledger, planned("C0003"), planned("C0004"), ok("C0003"), ok("C0004"), wave="main")
        waits = [*began("C0005"), *ended("C0005", Outcome.NONE, lifecycle=Lifecycle.WAITING)]
        write(ledger, planned("C0005"), waits, wave="waits")


def test_a_run_folder_is_written_in_the_language_that_is_asked_for(bascule: Bascule) -> None:
    french = Path(bascule("report", "--wave", "pilot").out.splitlines()[0]).parent / "report.html"
    assert 'lang="fr"' in french.read_text(encoding="utf-8")
    told = bascule("report", "--wave", "pilot", "--language", "en")
    assert told.code == 0
    assert 'lang="en"' in french.read_text(encoding="utf-8")


def test_the_files_of_a_run_folder_are_named_and_its_proces_verbaux_by_their_folder(bascule: Bascule) -> None:
    named = [Path(line).name for line in bascule("report", "--wave", "main").out.splitlines()]
    assert {"report.html", "report.xlsx", "summary.md", "SHA256SUMS"} <= set(named)
    assert named.count("proces-verbaux") == 1
    assert not any(name.startswith("C0003") for name in named)


def test_a_cabinet_of_another_wave_is_told_to_be_there(bascule: Bascule) -> None:
    told = bascule("report", "--wave", "pilot", "--cabinet", "C0003")
    assert "Wave pilot has no cabinet 'C0003': it is in main" in " ".join(told.err.split())


def test_a_report_on_an_open_wave_says_that_it_is(bascule: Bascule) -> None:
    told = bascule("report", "--wave", "waits")
    assert (told.code, "wave waits is open" in told.err) == (0, True)
    assert "is open" not in bascule("report", "--wave", "pilot").err


def test_one_cabinets_proces_verbal_is_written_where_it_is_asked_for(bascule: Bascule, tmp_path: Path) -> None:
    told = bascule("report", "--wave", "pilot", "--cabinet", "c0002", "-o", "signed")
    assert told.code == 0
    assert sorted(path.name for path in (tmp_path / "signed").iterdir()) == ["C0002.html", "C0002.pdf"]


def test_a_pdf_that_cannot_be_set_is_named_and_the_page_is_written(
    bascule: Bascule, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def never(made: ProcesVerbal) -> bytes:
        raise PdfNotSet(f"no PDF of {made.record.code}", remedy="print the page")

    monkeypatch.setattr(ProcesVerbal, "pdf", never)
    told = bascule("report", "--wave", "pilot", "--cabinet", "C0002", "-o", "signed")
    assert (told.code, told.out.split()) == (0, ["signed/C0002.html"])
    assert "no PDF of C0002" in told.err
    assert "print the page" in told.err


@pytest.mark.parametrize(
    ("typed", "refused"),
    [
        ((), "Which wave?"),
        (("--wave", "pilott"), "Did you mean"),
        (("--wave", "pilot", "--language", "de"), "'de' is not a language of the documents"),
        (("--wave", "pilot", "--cabinet", "C0009"), "Wave pilot has no cabinet 'C0009'"),
        (("--wave", "waits", "--cabinet", "C0005"), "C0005 has not ended"),
        (("--wave", "pilot", "-o", "a-file"), "The report could not be written"),
        (("--wave", "pilot", "-c", "C0001", "-o", "a-file"), "The procès-verbal could not be written"),
        (("compare", "pilot"), "One wave has nothing to be held against"),
        (("compare", "pilot", "mian"), "Did you mean"),
        (("--wave", "pilot", "compare", "pilot", "main"), "leave them out"),
    ],
)
def test_what_cannot_be_written_is_refused_in_words(
    bascule: Bascule, tmp_path: Path, typed: tuple[str, ...], refused: str
) -> None:
    (tmp_path / "a-file").write_text("in the way")
    told = bascule("report", *typed)
    assert told.code == 2
    assert refused.casefold() in " ".join(told.err.split()).casefold()


def test_a_small_gain_is_told_as_one(bascule: Bascule, tmp_path: Path) -> None:
    codes = [f"D{number:04}" for number in range(400)]
    with Ledger(f"sqlite:///{tmp_path}/.bascule/ledger.db") as ledger:
        write(ledger, *map(planned, codes[:200]), *map(ok, codes[1:200]), blocked(codes[0]), wave="before")
        write(ledger, *map(planned, codes[200:]), *map(ok, codes[200:]), wave="after")
    assert "From before to after: +0.5 points arrive in one run." in bascule("report", "compare", "before", "after").out


def test_who_did_not_arrive_is_never_rounded_away(bascule: Bascule, tmp_path: Path) -> None:
    codes = [f"D{number:04}" for number in range(200)]
    with Ledger(f"sqlite:///{tmp_path}/.bascule/ledger.db") as ledger:
        write(ledger, *map(planned, codes), *map(ok, codes[1:]), blocked(codes[0]), wave="large")
    told = bascule("report", "compare", "pilot", "large").out
    assert "199 (99%)" in told
    assert "100%" not in told


def test_a_wave_that_is_open_is_told_to_be_where_waves_are_compared(bascule: Bascule) -> None:
    told = bascule("report", "compare", "pilot", "waits")
    assert "wave waits is open: 1 of its cabinets have not ended" in " ".join(told.err.split())
    assert "pilot is open" not in told.err
    rows = json.loads(bascule("report", "compare", "pilot", "waits", "--json").out)
    assert {row["wave"]: row["not_ended"] for row in rows} == {"pilot": 0, "waits": 1}


def test_waves_are_held_against_each_other_in_the_order_in_which_they_ran(bascule: Bascule) -> None:
    rows = json.loads(bascule("report", "compare", "main", "pilot", "--json").out)
    assert [(row["wave"], row["arrived"], row["success_rate"]) for row in rows] == [("pilot", 1, 0.5), ("main", 2, 1.0)]
    told = bascule("report", "compare", "main", "pilot").out
    assert "1 × admin-rights: the AdminSage" in " ".join(told.split())
    assert "From pilot to main: +50 points arrive in one run." in told


@pytest.mark.parametrize(("column", "forged"), [("evidence", "{"), ("at", "2026-13-45"), ("outcome", "splendid")])
@pytest.mark.parametrize("verb", [("report",), ("status",), ("status", "--json")])
def test_a_ledger_that_another_hand_made_unreadable_is_told_in_words(
    bascule: Bascule, tmp_path: Path, verb: tuple[str, ...], column: str, forged: str
) -> None:
    with sqlite3.connect(tmp_path / ".bascule" / "ledger.db") as database:
        for (trigger,) in database.execute("SELECT name FROM sqlite_master WHERE type = 'trigger'").fetchall():
            database.execute(f"DROP TRIGGER {trigger}")
        database.execute(f"UPDATE entry SET {column} = ? WHERE cabinet = 'C0001' AND kind = 'ended'", [forged])
    database.close()
    told = bascule(*verb, "--wave", "pilot")
    assert told.code == Exit.NOT_OK
    assert "something in it is not as Bascule wrote it" in " ".join(told.err.split())
    assert "bascule audit verify" in told.err
    assert "defect" not in told.err
