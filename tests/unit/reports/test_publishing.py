"""The run folder: its tables, its summary, and what is read back from it."""

from __future__ import annotations

import csv
import json
import time
from pathlib import Path
from typing import Any

import pandas as pd
import pytest

from bascule.ledger import EntryKind, Ledger
from bascule.ledger.anchor import files_in
from bascule.model import Outcome, State
from bascule.procedure import PROCEDURE
from bascule.reports import DoesNotAddUp
from bascule.reports.proces_verbal import PdfNotSet, ProcesVerbal
from bascule.reports.publishing import NotAFailedFile, ReportNotWritten, as_csv, publish, read_failed, safe_name
from bascule.reports.summary import rerun_command
from bascule.reports.visible import UNSEEN
from tests.unit.reports.histories import (
    History,
    acted,
    began,
    blocked,
    ended,
    judged,
    line,
    ok,
    planned,
    proved,
    take_up,
    write,
)


def read(path: Path) -> pd.DataFrame:
    return pd.read_csv(path, encoding="utf-8-sig", dtype=str, keep_default_na=False)


def step_of(folder: Path, code: str, step: str) -> dict[str, str]:
    with (folder / "steps.csv").open(encoding="utf-8-sig", newline="") as file:
        return next(row for row in csv.DictReader(file) if (row["code"], row["step"]) == (code, step))


def with_reservation(code: str, contact: str) -> History:
    about = {"rule": "CON-01", "level": "reservation", "about": ["42"], "remedy": "enter it in GE"}
    says = f"the contact {contact} exists in Client Management only"
    return [
        *began(code),
        line(code, EntryKind.FINDING, step="contacts", reason=says, evidence=about),
        *proved(code, "contacts"),
        *ended(code, Outcome.OK_WITH_RESERVATIONS),
    ]


def test_a_run_folder_holds_what_was_promised(ledger: Ledger, tmp_path: Path) -> None:
    write(ledger, planned("C0001"), planned("C0002"), planned("C0003"), ok("C0001"), blocked("C0002"), run="R7")
    published = publish(ledger, "pilot", tmp_path / "runs")
    assert published.folder == tmp_path / "runs" / "pilot" / "R7"
    names = [
        "cabinets.csv",
        "steps.csv",
        "failed.csv",
        "summary.md",
        "status.json",
        "report.json",
        "report.html",
        "report.xlsx",
        "heads.json",
        *(f"proces-verbaux/{code}.{ending}" for code in ("C0001", "C0002") for ending in ("html", "pdf")),
        "seals.json",
        "SHA256SUMS",
    ]
    there = [path.relative_to(published.folder).as_posix() for path in published.folder.rglob("*") if path.is_file()]
    assert [path.relative_to(published.folder).as_posix() for path in published.files] == names
    assert sorted(there) == sorted(names)
    cabinets = read(published.folder / "cabinets.csv")
    assert list(cabinets["outcome"]) == ["ok", "blocked", "none"]
    assert list(cabinets.columns) == [*published.status.as_json()["cabinets"][0], "name"]
    assert list(cabinets["name"]) == ["Cabinet C0001", "Cabinet C0002", "Cabinet C0003"]
    assert list(read(published.folder / "failed.csv")["code"]) == ["C0002", "C0003"]
    assert list(read(published.folder / "steps.csv").columns) == (
        "code step state reason attempts started_at ended_at error_class error_signature".split()
    )


def test_whose_pdf_could_not_be_set_is_named_and_all_else_is_written(
    ledger: Ledger, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    as_ever = ProcesVerbal.pdf

    def not_the_first(made: ProcesVerbal) -> bytes:
        if made.record.code == "C0001":
            raise PdfNotSet
        return as_ever(made)

    monkeypatch.setattr(ProcesVerbal, "pdf", not_the_first)
    write(ledger, planned("C0001"), planned("C0002"), ok("C0001"), ok("C0002"))
    published = publish(ledger, "pilot", tmp_path)
    assert published.without_pdf == ("C0001",)
    names = {path.name for path in published.files}
    assert {"C0001.html", "C0002.html", "C0002.pdf", "seals.json", "SHA256SUMS"} <= names
    assert "C0001.pdf" not in names
    assert "## No PDF could be set" in (published.folder / "summary.md").read_text(encoding="utf-8")
    assert files_in(published.folder)[1] == ()


def test_every_cabinet_has_every_step_in_the_procedures_order(ledger: Ledger, tmp_path: Path) -> None:
    write(ledger, planned("C0001"), planned("C0002"), ok("C0001"))
    steps = read(publish(ledger, "pilot", tmp_path).folder / "steps.csv")
    names = [step.name for step in PROCEDURE]
    assert list(steps["step"]) == names * 2
    assert list(steps["state"]) == ["done", "done", *["pending"] * (len(names) * 2 - 2)]


def test_a_proof_takes_over_nothing_from_the_failures_before_it(ledger: Ledger, tmp_path: Path) -> None:
    write(ledger, planned("C0001"), blocked("C0001"), ok("C0001"))
    row = step_of(publish(ledger, "pilot", tmp_path).folder, "C0001", "admin-rights")
    assert (row["state"], row["reason"], row["attempts"]) == ("done", "", "2")
    assert (row["error_class"], row["error_signature"]) == ("", "")
    assert row["started_at"] < row["ended_at"]


def test_what_was_proven_in_another_wave_counts_as_done(ledger: Ledger, tmp_path: Path) -> None:
    write(ledger, planned("C0001"), ok("C0001"), wave="pilot")
    write(ledger, planned("C0001"), wave="second")
    assert step_of(publish(ledger, "second", tmp_path).folder, "C0001", "admin-sage")["state"] == "done"


def test_an_act_cut_off_is_unknown_and_one_at_work_is_under_way(ledger: Ledger, tmp_path: Path) -> None:
    intents = {
        code: line(code, EntryKind.INTENT, step="connect", verb="connect", key=code) for code in ("C0001", "C0002")
    }
    write(ledger, *map(planned, intents), *([*began(code), intent] for code, intent in intents.items()))
    take_up(ledger, ["C0002"])
    folder = publish(ledger, "pilot", tmp_path).folder
    cut_off, under_way = step_of(folder, "C0001", "connect"), step_of(folder, "C0002", "connect")
    assert (cut_off["state"], cut_off["ended_at"], cut_off["attempts"]) == ("unknown", "", "0")
    assert "reads back" in cut_off["reason"]
    assert (under_way["state"], under_way["reason"]) == ("pending", "under way")


def test_a_step_ordered_again_is_pending_and_an_ordinary_note_changes_nothing(ledger: Ledger, tmp_path: Path) -> None:
    note = line("C0001", EntryKind.NOTE, step="admin-sage", reason="seen")
    again = line("C0001", EntryKind.NOTE, step="synchronise", reason="half of it is missing", evidence={"again": True})
    write(ledger, planned("C0001"), ok("C0001"), acted("C0001", "synchronise"), [note, again])
    folder = publish(ledger, "pilot", tmp_path).folder
    assert step_of(folder, "C0001", "admin-sage")["state"] == "done"
    ordered = step_of(folder, "C0001", "synchronise")
    assert (ordered["state"], ordered["reason"]) == ("pending", "half of it is missing")


def test_report_json_lists_every_difference_whatever_is_in_it(ledger: Ledger, tmp_path: Path) -> None:
    hostile = '"differences": []\n\u2028\x85\\'
    lost = [{"key": hostile, "group": hostile}, {"key": "D2"}]
    told = {"reconciled": {"compared": [{"what": "dossier", "source": 2, "target": 0, "missing": lost}]}}
    compared = proved("C0001", "reconcile", evidence=told)
    write(ledger, planned("C0001", evidence={"name": hostile}), began("C0001"), compared, ended("C0001", Outcome.OK))
    published = publish(ledger, "pilot", tmp_path)
    listed = json.loads((published.folder / "report.json").read_text(encoding="utf-8"))
    assert [(one["key"], one["group"]) for one in listed["differences"]] == [(hostile, hostile), ("D2", None)]
    assert listed == json.loads(json.dumps(published.account.as_json()))


def test_the_summary_says_what_to_do_at_two_in_the_morning(ledger: Ledger, tmp_path: Path) -> None:
    codes = ["C0001", "C0002", "C0003"]
    write(ledger, *map(planned, codes), ok("C0001"), blocked("C0002", "SOCIAL"), blocked("C0003", "PAIE|*x*"))
    told = (publish(ledger, "pilot", tmp_path).folder / "summary.md").read_text(encoding="utf-8")
    assert "**3 of 3 cabinets accounted for. Grade: blocked.**" in told
    assert "give the rights in GE" in told
    assert r"PAIE\|\*x\*" in told
    assert "    bascule rerun --wave pilot\n" in told
    assert "| 2 | admin-rights: the AdminSage lacks rights | C0002, C0003 |" in told


def test_a_wave_that_is_ok_asks_for_nothing(ledger: Ledger, tmp_path: Path) -> None:
    write(ledger, planned("C0001"), ok("C0001"))
    told = (publish(ledger, "pilot", tmp_path).folder / "summary.md").read_text(encoding="utf-8")
    assert "Grade: ok" in told
    assert "rerun" not in told
    assert "Seconds a step took" in told


def test_a_long_list_is_cut_and_says_where_the_rest_is(ledger: Ledger, tmp_path: Path) -> None:
    codes = [f"C{number:04}" for number in range(60)]
    write(ledger, *map(planned, codes), *map(blocked, codes))
    folder = publish(ledger, "pilot", tmp_path).folder
    told = (folder / "summary.md").read_text(encoding="utf-8")
    assert "… and 10 more, see failed.csv." in told
    assert "C0049" in told
    assert "C0050" not in told
    assert len(read_failed(folder / "failed.csv")) == 60


def test_reservations_of_the_last_look_are_listed(ledger: Ledger, tmp_path: Path) -> None:
    mended = with_reservation("C0002", "Paul")
    later = [*began("C0002", run="R2"), *proved("C0002", "contacts", run="R2"), *ended("C0002", Outcome.OK, run="R2")]
    write(ledger, planned("C0001"), planned("C0002"), with_reservation("C0001", "Zoé"), mended, later)
    told = (publish(ledger, "pilot", tmp_path).folder / "summary.md").read_text(encoding="utf-8")
    assert "| CON-01 | the contact Zoé exists in Client Management only | 1 | C0001 | enter it in GE |" in told
    assert "Paul" not in told
    assert "rerun" not in told


@pytest.mark.parametrize(
    ("outcome", "command"),
    [
        (Outcome.BLOCKED, "bascule rerun --wave pilot"),
        (Outcome.PARTIAL, "bascule rerun --wave pilot --only partial"),
        (Outcome.OK_WITH_RESERVATIONS, ""),
        (Outcome.OK, ""),
    ],
)
def test_the_command_shown_is_one_that_changes_something(
    ledger: Ledger, tmp_path: Path, outcome: Outcome, command: str
) -> None:
    write(ledger, planned("C0001"), began("C0001"), ended("C0001", outcome))
    assert rerun_command(publish(ledger, "pilot", tmp_path).status) == command


def test_a_step_repaired_a_day_later_did_not_take_a_day(ledger: Ledger, tmp_path: Path) -> None:
    failed = [line("C0001", EntryKind.INTENT, step="connect", verb="connect", key="1")]
    failed += judged("C0001", "connect", State.FAILED, "no")
    write(ledger, planned("C0001"), failed, acted("C0001", "connect", seconds=5, run="R2"))
    told = (publish(ledger, "pilot", tmp_path).folder / "summary.md").read_text(encoding="utf-8")
    assert "| connect | 5.0 | 5.0 | 1 |" in told


def test_heads_are_those_of_every_chain_of_the_wave(ledger: Ledger, tmp_path: Path) -> None:
    write(ledger, planned("C0001"), planned("C0002"), ok("C0001"))
    heads = json.loads((publish(ledger, "pilot", tmp_path).folder / "heads.json").read_text(encoding="utf-8"))
    last = ledger.history("C0001")[-1]
    assert heads["C0001"] == {"seq": last.seq, "hash": last.hash}
    assert set(heads) == {"@pilot", "C0001", "C0002"}


def test_a_report_written_again_replaces_the_first(ledger: Ledger, tmp_path: Path) -> None:
    write(ledger, planned("C0001"), blocked("C0001"))
    first = publish(ledger, "pilot", tmp_path)
    again = publish(ledger, "pilot", tmp_path)
    assert again.files == first.files
    assert sorted(path for path in first.folder.rglob("*") if path.is_file()) == sorted(first.files)


def test_cells_that_excel_would_run_are_text(tmp_path: Path) -> None:
    frame = pd.DataFrame(
        {"reason": ['=HYPERLINK("http://x")', "+1", "-1", "@x", "\tx", "\n=1", "é = 1"], "attempts": [-1] * 7}
    )
    (tmp_path / "x.csv").write_bytes(as_csv(frame))
    assert (tmp_path / "x.csv").read_bytes().startswith(b"\xef\xbb\xbf")
    back = read(tmp_path / "x.csv")
    assert [cell[0] for cell in back["reason"]] == ["'"] * 6 + ["é"]
    assert set(back["attempts"]) == {"-1"}


def test_a_formula_within_a_text_is_none_for_an_excel_that_splits_lines_at_semicolons(tmp_path: Path) -> None:
    said = ["it said 1;=cmd|'/C calc'!A0;x", "a; +1", "a\t-1", "a\n@x", "＝1+1", " =1+1", "1 - 1; x = 1, -1"]
    (tmp_path / "x.csv").write_bytes(as_csv(pd.DataFrame({"reason": said, "attempts": [1] * len(said)})))
    told = ["it said 1;'=cmd|'/C calc'!A0;x", "a;' +1", "a\t'-1", "a\n'@x", "'＝1+1", "' =1+1", said[-1]]
    assert list(read(tmp_path / "x.csv")["reason"]) == told
    written = (tmp_path / "x.csv").read_text(encoding="utf-8-sig")
    assert written.startswith(f'"reason","attempts"\n"{told[0]}",1\n')


def test_what_would_hide_in_a_reason_is_seen_in_every_file_and_codes_stay_as_they_are(
    ledger: Ledger, tmp_path: Path
) -> None:
    evil = "boom \x1b]0;mine\x07\x1b[2J\x9b31m\u202egpj.exe"
    error: dict[str, Any] = {"reason": evil, "error_signature": evil}
    end = ended("C0001", Outcome.FAILED, step="connect", remedy=evil, **error)
    write(ledger, planned("C0001", evidence={"owner": evil}), began("C0001"), end)
    folder = publish(ledger, "pilot", tmp_path / "runs").folder
    for name in ("cabinets.csv", "steps.csv", "failed.csv", "summary.md"):
        assert UNSEEN.findall((folder / name).read_text(encoding="utf-8-sig")) == []
    assert read(folder / "failed.csv")["reason"][0].startswith("boom ⟨001B⟩]0;mine")
    assert "boom ⟨001B⟩" in (folder / "summary.md").read_text(encoding="utf-8")
    assert read_failed(folder / "failed.csv") == ("C0001",)


def test_figures_that_do_not_add_up_are_not_written(
    ledger: Ledger, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(*_: object) -> None:
        raise DoesNotAddUp

    write(ledger, planned("C0001"))
    monkeypatch.setattr("bascule.reports.account.status_in", refuse)
    with pytest.raises(DoesNotAddUp):
        publish(ledger, "pilot", tmp_path / "runs")
    assert not (tmp_path / "runs").exists()


def test_a_place_that_cannot_be_written_is_one_clear_error(ledger: Ledger, tmp_path: Path) -> None:
    write(ledger, planned("C0001"))
    (tmp_path / "file").write_text("in the way")
    with pytest.raises(ReportNotWritten, match="could not be written to") as refused:
        publish(ledger, "pilot", tmp_path / "file")
    assert "BASCULE_OUT" in refused.value.remedy


def test_names_of_folders_are_safe_and_never_shared() -> None:
    assert safe_name("pilote-été_2") == "pilote-été_2"
    odd = ["../../etc", "a/b", "a_b", "a b", "a.b", "..", ".", "", "C:", "x" * 300, "x" * 301]
    safe = [safe_name(name) for name in odd]
    assert len(set(safe)) == len(odd)
    assert not [name for name in safe if set(name) & set("/\\:. ") or len(name) > 100]


def test_failed_is_read_back_also_after_excel_saved_it(ledger: Ledger, tmp_path: Path) -> None:
    write(ledger, planned("C0001"), planned("C0002"), planned("C0003"), ok("C0001"), blocked("C0002", "PAYÉ"))
    failed = publish(ledger, "pilot", tmp_path).folder / "failed.csv"
    assert read_failed(failed) == ("C0002", "C0003")
    excel = tmp_path / "excel.csv"
    read(failed).to_csv(excel, sep=";", encoding="cp1252", index=False)
    assert read_failed(excel) == ("C0002", "C0003")


def test_an_empty_failed_names_nobody(ledger: Ledger, tmp_path: Path) -> None:
    write(ledger, planned("C0001"), ok("C0001"))
    assert read_failed(publish(ledger, "pilot", tmp_path).folder / "failed.csv") == ()


@pytest.mark.parametrize(
    ("content", "says"),
    [
        (b"", "is empty"),
        (b"codes,outcome\nC0001,failed\n", "line 1: no column `code`"),
        (b"code,outcome\nC0001,failed\n1,00E+05\n", "line 3: the row has|line 3: '1'"),
        (b"code\nC0001\nc 2\n", "line 3: 'c 2'"),
        (b'code,reason\nC0001,"open\n', "line 2: a quotation mark"),
        (b"PK\x03\x04....", "its content is not what its ending says"),
        (b"code\x00", "NUL"),
    ],
)
def test_what_is_no_failed_file_is_refused_with_its_place(tmp_path: Path, content: bytes, says: str) -> None:
    path = tmp_path / "failed.csv"
    path.write_bytes(content)
    with pytest.raises(NotAFailedFile, match=says) as refused:
        read_failed(path)
    assert str(path) in str(refused.value)
    assert refused.value.remedy


def test_a_file_that_is_not_there_is_said_so(tmp_path: Path) -> None:
    with pytest.raises(NotAFailedFile, match="does not exist"):
        read_failed(tmp_path / "nothing.csv")


def test_two_hundred_cabinets_are_published_within_seconds_proces_verbaux_and_all(
    ledger: Ledger, tmp_path: Path
) -> None:
    codes = [f"C{number:05}" for number in range(200)]
    whole = [
        [*began(code), *(e for s in PROCEDURE for e in acted(code, s.name)), *ended(code, Outcome.OK)] for code in codes
    ]
    write(ledger, *map(planned, codes), *whole)
    began_at = time.perf_counter()
    publish(ledger, "pilot", tmp_path)
    took = time.perf_counter() - began_at
    # 7 s on a machine of its own, of which 5 are 200 PDFs. 5,000 cabinets: benchmarks/folder.py.
    assert took < 30, f"{took:.2f} s"
