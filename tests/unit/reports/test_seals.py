"""The seals of a run folder: what was forged is named, what another version made is told."""

from __future__ import annotations

import asyncio
import hashlib
import json
import sqlite3
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from bascule.inventory import Inventory
from bascule.inventory.stored import to_plain
from bascule.ledger import Ledger, StoredInventory
from bascule.model import Lifecycle, Outcome
from bascule.reports.proces_verbal import PdfNotSet, ProcesVerbal
from bascule.reports.publishing import publish
from bascule.reports.record import FORM
from bascule.reports.seals import SealsSeen, seals_in
from tests.builders import cabinet
from tests.unit.reports.histories import WHEN, acted, began, blocked, ended, ok, planned, write


def folder_of(ledger: Ledger, out: Path) -> Path:
    """Of two cabinets that ended and one that did not."""
    rows = Inventory(cabinets=tuple(map(cabinet, (1, 2, 3))), waves={}, warnings=(), source="inv.csv")
    stored = StoredInventory(digest=rows.digest, at=WHEN, who="ops", source="inv.csv", content=to_plain(rows))
    asyncio.run(ledger.store_inventory(stored))
    codes = ("C0001", "C0002", "C0003")
    plans = [planned(code, evidence={"inventory": rows.digest}) for code in codes]
    write(ledger, *plans, ok("C0001"), blocked("C0002"), acted("C0003", "connect"))
    return publish(ledger, "pilot", out).folder


def edit(folder: Path, change: Callable[[dict[str, Any]], object]) -> None:
    told = json.loads((folder / "seals.json").read_text())
    change(told)
    (folder / "seals.json").write_text(json.dumps(told))


def sealed_anew(folder: Path, code: str, ending: str, content: bytes) -> None:
    """A file, with the hash that stands for it."""
    (folder / f"proces-verbaux/{code}.{ending}").write_bytes(content)
    name = "page" if ending == "html" else "pdf"
    edit(folder, lambda told: told["seals"][code].update({name: hashlib.sha256(content).hexdigest()}))


def said(seen: SealsSeen) -> list[tuple[str, str]]:
    return [(flaw.of, flaw.wrong) for flaw in seen.flaws]


def test_who_has_ended_has_a_page_and_a_pdf_and_the_seals_hold(ledger: Ledger, tmp_path: Path) -> None:
    folder = folder_of(ledger, tmp_path)
    names = sorted(path.name for path in (folder / "proces-verbaux").iterdir())
    assert names == ["C0001.html", "C0001.pdf", "C0002.html", "C0002.pdf"]
    seen = seals_in(folder, ledger)
    assert (seen.there, seen.compared, seen.flaws, seen.not_set_again) == (2, ("C0001", "C0002"), (), ())


def test_a_chain_that_goes_on_breaks_no_seal(ledger: Ledger, tmp_path: Path) -> None:
    folder = folder_of(ledger, tmp_path)
    write(ledger, ok("C0002"), run="R2")
    seen = seals_in(folder, ledger)
    assert (seen.flaws, seen.not_set_again) == ((), ())


def test_a_chain_that_is_broken_anyway_is_left_out(ledger: Ledger, tmp_path: Path) -> None:
    folder = folder_of(ledger, tmp_path)
    edit(folder, lambda told: told["seals"]["C0002"].update(seal="0" * 64))
    seen = seals_in(folder, ledger, but={"@pilot", "C0002"})
    assert (seen.there, seen.compared, seen.flaws) == (2, ("C0001",), ())
    assert said(seals_in(folder, ledger)) == [("seal of C0002", "changed")]


def test_a_pdf_that_cannot_be_set_leaves_its_page_sealed(
    ledger: Ledger, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    def refuse(_: ProcesVerbal) -> bytes:
        raise PdfNotSet("C0001 cannot be set")

    monkeypatch.setattr(ProcesVerbal, "pdf", refuse)
    folder = folder_of(ledger, tmp_path)
    assert "C0001 cannot be set" in caplog.text
    assert sorted(path.name for path in (folder / "proces-verbaux").iterdir()) == ["C0001.html", "C0002.html"]
    assert seals_in(folder, ledger).flaws == ()


# What was forged


def another_figure(folder: Path) -> None:
    page = folder / "proces-verbaux/C0001.html"
    page.write_bytes(page.read_bytes().replace(b"prouv", b"Prouv", 1))


def another_figure_sealed_anew(folder: Path) -> None:
    another_figure(folder)
    sealed_anew(folder, "C0001", "html", (folder / "proces-verbaux/C0001.html").read_bytes())


def another_pdf(folder: Path) -> None:
    (folder / "proces-verbaux/C0001.pdf").write_bytes(b"%PDF-1.7 forged")


def another_pdf_sealed_anew(folder: Path) -> None:
    sealed_anew(folder, "C0001", "pdf", b"%PDF-1.7 forged")


def no_page(folder: Path) -> None:
    (folder / "proces-verbaux/C0001.html").unlink()


def another_seal(folder: Path) -> None:
    edit(folder, lambda told: told["seals"]["C0001"].update(seal="0" * 64))


@pytest.mark.parametrize(
    "forge", [another_figure, another_figure_sealed_anew, another_pdf, another_pdf_sealed_anew, no_page, another_seal]
)
def test_a_proces_verbal_that_was_touched_is_named(
    ledger: Ledger, tmp_path: Path, forge: Callable[[Path], None]
) -> None:
    folder = folder_of(ledger, tmp_path)
    forge(folder)
    assert ["C0001" in flaw.of for flaw in seals_in(folder, ledger).flaws] == [True]


@pytest.mark.parametrize(
    ("forge", "files"),
    [
        (lambda told: told["seals"].pop("C0001"), ["C0001.html", "C0001.pdf"]),
        (lambda told: told["seals"]["C0001"].update(pdf=None), ["C0001.pdf"]),
    ],
)
def test_a_proces_verbal_without_a_seal_is_named(
    ledger: Ledger, tmp_path: Path, forge: Callable[[dict[str, Any]], object], files: list[str]
) -> None:
    folder = folder_of(ledger, tmp_path)
    another_pdf(folder)
    edit(folder, forge)
    unsealed = [(f"file proces-verbaux/{name}", "unlisted") for name in files]
    assert said(seals_in(folder, ledger)) == unsealed
    assert said(seals_in(folder, ledger, but={"C0002"})) == unsealed


def test_a_folder_whose_seals_were_taken_away_has_only_files_without_a_seal(ledger: Ledger, tmp_path: Path) -> None:
    folder = folder_of(ledger, tmp_path)
    (folder / "seals.json").unlink()
    assert {wrong for _, wrong in said(seals_in(folder, ledger))} == {"unlisted"}
    assert len(seals_in(folder, ledger).flaws) == 4


def test_a_seal_of_a_cabinet_that_the_ledger_does_not_know_is_named(ledger: Ledger, tmp_path: Path) -> None:
    folder = folder_of(ledger, tmp_path)
    edit(folder, lambda told: told["seals"].update(C0009=told["seals"]["C0001"]))
    assert said(seals_in(folder, ledger)) == [("seal of C0009", "vanished")]


@pytest.mark.parametrize(
    "tampering",
    [
        "content = '{broken'",
        "content = '{}'",
        "content = '[]'",
        "content = 'null'",
        "content = x'ff00'",
        "content = CAST(x'22ff22' AS TEXT)",
        "content = replace(content, 'Europe/Paris', 'Europe/Atlantis')",
        "at = 'yesterday'",
    ],
)
def test_an_inventory_that_cannot_be_read_breaks_the_seals_that_stand_on_it_and_is_no_defect(
    ledger: Ledger, tmp_path: Path, tampering: str
) -> None:
    folder = folder_of(ledger, tmp_path)
    with sqlite3.connect(tmp_path / "ledger.db") as database:
        database.execute("DROP TRIGGER inventory_no_update")
        database.execute(f"UPDATE inventory SET {tampering}")
    database.close()
    assert said(seals_in(folder, ledger)) == [("seal of C0001", "unreadable"), ("seal of C0002", "unreadable")]


@pytest.mark.parametrize(
    "tampering", ["kind = 'xx'", "evidence = '{{'", "at = 'yesterday'", "who = CAST(x'ff' AS TEXT)"]
)
def test_a_chain_that_cannot_be_read_breaks_its_own_seal_only(ledger: Ledger, tmp_path: Path, tampering: str) -> None:
    folder = folder_of(ledger, tmp_path)
    with sqlite3.connect(tmp_path / "ledger.db") as database:
        database.execute("DROP TRIGGER entry_no_update")
        database.execute(f"UPDATE entry SET {tampering} WHERE cabinet = 'C0001' AND seq = 2")
    database.close()
    assert said(seals_in(folder, ledger)) == [("seal of C0001", "unreadable")]


# What another version made


@pytest.fixture
def folder_of_another_version(ledger: Ledger, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """It set every page and every PDF otherwise."""
    page, pdf = ProcesVerbal.page, ProcesVerbal.pdf
    with monkeypatch.context() as then:
        then.setattr("bascule.reports.seals.version", lambda _: "0.0.9")
        then.setattr(ProcesVerbal, "page", lambda one: page(one).replace(b"<main>", b'<main class="old">'))
        then.setattr(ProcesVerbal, "pdf", lambda one: pdf(one) + b"\n")
        return folder_of(ledger, tmp_path)


def test_what_another_version_set_otherwise_is_told_and_compared_with_its_hash(
    ledger: Ledger, folder_of_another_version: Path
) -> None:
    seen = seals_in(folder_of_another_version, ledger)
    assert seen.flaws == ()
    assert seen.not_set_again == tuple(f"proces-verbaux/C000{n}.{kind}" for n in (1, 2) for kind in ("html", "pdf"))
    assert seen.made_with["bascule"] == seen.made_with["typst"] == "0.0.9"
    assert seen.made_with.keys() >= {"bascule", "typst", "babel", "tzdata"}
    another_pdf(folder_of_another_version)
    assert said(seals_in(folder_of_another_version, ledger)) == [("file proces-verbaux/C0001.pdf", "changed")]


def test_a_page_of_another_version_is_held_to_its_seal(ledger: Ledger, folder_of_another_version: Path) -> None:
    folder = folder_of_another_version
    page = (folder / "proces-verbaux/C0001.html").read_bytes()
    seal = json.loads((folder / "seals.json").read_text())["seals"]["C0001"]["seal"]
    sealed_anew(folder, "C0001", "html", page.replace(seal.encode(), b"0" * 64))
    assert [flaw.says for flaw in seals_in(folder, ledger).flaws] == ["carries another seal"]


def test_who_says_that_another_version_made_what_he_forged_is_told_of(ledger: Ledger, tmp_path: Path) -> None:
    folder = folder_of(ledger, tmp_path)
    edit(folder, lambda told: told["made_with"].update(typst="0.0.1"))
    assert seals_in(folder, ledger).not_set_again == ()
    another_pdf_sealed_anew(folder)
    seen = seals_in(folder, ledger)
    assert (seen.flaws, seen.not_set_again) == ((), ("proces-verbaux/C0001.pdf",))
    another_figure_sealed_anew(folder)
    assert said(seals_in(folder, ledger)) == [("file proces-verbaux/C0001.html", "changed")]


def test_records_of_another_form_are_not_made_again_and_told(ledger: Ledger, folder_of_another_version: Path) -> None:
    folder = folder_of_another_version
    edit(folder, lambda told: told.update(form=FORM - 1))
    edit(folder, lambda told: told["seals"]["C0001"].update(seq=1))
    seen = seals_in(folder, ledger)
    assert (seen.flaws, seen.form, len(seen.not_set_again)) == ((), FORM - 1, 4)
    another_figure(folder)
    assert said(seals_in(folder, ledger)) == [("file proces-verbaux/C0001.html", "changed")]


def test_this_version_makes_no_other_form(ledger: Ledger, tmp_path: Path) -> None:
    folder = folder_of(ledger, tmp_path)
    edit(folder, lambda told: told.update(form=FORM + 1))
    assert said(seals_in(folder, ledger)) == [("file seals.json", "changed")]


# A folder that is written again


def test_a_cabinet_that_is_under_way_again_leaves_no_proces_verbal_behind(ledger: Ledger, tmp_path: Path) -> None:
    folder = folder_of(ledger, tmp_path)
    (folder / "proces-verbaux/C0002-signed.pdf").write_bytes(b"a scan")
    write(
        ledger,
        [
            replace(entry, run="R2")
            for entry in [*began("C0002"), *ended("C0002", Outcome.NONE, lifecycle=Lifecycle.WAITING)]
        ],
        run="R2",
    )
    assert publish(ledger, "pilot", tmp_path, "R1").folder == folder
    names = sorted(path.name for path in (folder / "proces-verbaux").iterdir())
    assert names == ["C0001.html", "C0001.pdf", "C0002-signed.pdf"]
    assert said(seals_in(folder, ledger)) == [("file proces-verbaux/C0002-signed.pdf", "unlisted")]
