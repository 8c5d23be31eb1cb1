"""Whoever must be sure types audit: what it says, and what it says no to."""

from __future__ import annotations

import asyncio
import hashlib
import json
import re
import sqlite3
import subprocess
import sys
from collections.abc import Callable
from importlib.metadata import version
from pathlib import Path

import pytest

from bascule.inventory import Inventory
from bascule.ledger import EntryKind, Ledger
from bascule.model import Outcome
from config.wiring import stored_version
from console.exit_codes import Exit
from tests.builders import cabinet
from tests.unit.console.conftest import Bascule
from tests.unit.reports.histories import WHEN, blocked, from_the_beginning, line, ok, planned, write

DOCS = Path(__file__).parents[3] / "docs"


@pytest.fixture
def ledger_file(tmp_path: Path) -> Path:
    """A wave of two cabinets, one ok, one blocked; and another wave of one."""
    from_the_beginning()
    (tmp_path / ".bascule").mkdir()
    path = tmp_path / ".bascule" / "ledger.db"
    with Ledger(f"sqlite:///{path}") as ledger:
        write(ledger, planned("C0001"), planned("C0002"), ok("C0001"), blocked("C0002"))
        told = [
            line("@pilot", EntryKind.COMMAND, who="anne", reason="Sage calls", evidence={"word": "pause"}),
            line("@pilot", EntryKind.RUN_ENDED, evidence={"outcomes": {"ok": 1, "blocked": 1}}),
        ]
        write(ledger, planned("C0003"), wave="main")
        write(ledger, told)
    return path


Tamper = Callable[[str], None]


@pytest.fixture
def tamper(ledger_file: Path) -> Tamper:
    def run(statement: str) -> None:
        database = sqlite3.connect(ledger_file)
        with database:
            database.execute("DROP TRIGGER IF EXISTS entry_no_update")
            database.execute("DROP TRIGGER IF EXISTS entry_no_delete")
            database.execute(statement)
        database.close()

    return run


@pytest.fixture
def run_folder(bascule: Bascule, ledger_file: Path) -> Path:
    assert ledger_file.exists()
    return Path(bascule("report", "--wave", "pilot").out.splitlines()[0]).parent


# verify


@pytest.mark.usefixtures("ledger_file")
def test_a_ledger_that_was_left_alone_is_intact(bascule: Bascule) -> None:
    told = bascule("audit", "verify")
    assert told.code == 0
    assert re.match(r"Intact: 5 chains, \d+ entries", told.out)
    assert "--against" in told.err

    told = bascule("audit", "verify", "--wave", "pilot", "--cabinet", "c0003", "--json")
    found = json.loads(told.out)
    assert (told.code, found["intact"], found["chains"], found["broken"]) == (0, True, 4, [])


def test_a_broken_entry_is_named_and_the_command_ends_with_4(bascule: Bascule, tamper: Tamper) -> None:
    tamper("UPDATE entry SET reason = 'all is well' WHERE cabinet = 'C0002' AND seq = 3")

    told = bascule("audit", "verify")
    assert told.code == 4
    assert re.search(r"BROKEN C0002, entry 3 \(verdict, 2026-12-01T.*, by ops\): was changed", told.out)
    assert "1 broken: 5 chains" in told.out

    (broken,) = json.loads(bascule("audit", "verify", "--json").out)["broken"]
    assert (broken["of"], broken["seq"], broken["wrong"]) == ("C0002", 3, "changed")
    assert bascule("audit", "verify", "--cabinet", "C0001").code == 0
    assert bascule("audit", "verify", "--wave", "main").code == 0


def test_what_stands_in_a_broken_entry_steers_no_terminal(bascule: Bascule, tamper: Tamper) -> None:
    tamper("UPDATE entry SET who = CAST(x'1b5b316dff' AS TEXT), kind = '[red]x' WHERE cabinet = 'C0002' AND seq = 3")

    for words in (("verify",), ("verify", "--json"), ("show", "-c", "C0002"), ("show", "-c", "C0002", "--json")):
        told = bascule("audit", *words)
        assert told.code == (4 if words[0] == "verify" else 0)
        assert "\x1b" not in told.out
        assert "[red]x" in told.out
    exported = bascule("audit", "export", "-c", "C0002", "-o", "-").out
    assert len([json.loads(entry) for entry in exported.splitlines()]) == 4


def test_a_ledger_stands_against_the_run_folder_written_from_it(bascule: Bascule, run_folder: Path) -> None:
    told = bascule("audit", "verify", "--against", str(run_folder))
    assert told.code == 0
    files = sum(path.is_file() for path in run_folder.rglob("*")) - 1
    assert f"against 3 heads, {files} files and 2 seals of {run_folder}" in " ".join(told.out.split())


@pytest.mark.parametrize(
    ("statement", "wrong", "of"),
    [
        ("DELETE FROM entry WHERE cabinet = 'C0001' AND kind = 'ended'", "cut-off", "C0001"),
        ("DELETE FROM entry WHERE cabinet = 'C0001'", "vanished", "C0001"),
        ("DELETE FROM entry WHERE cabinet = '@pilot' AND seq > 1", "cut-off", "@pilot"),
    ],
)
def test_what_was_cut_off_shows_against_a_run_folder(
    bascule: Bascule, tamper: Tamper, run_folder: Path, statement: str, wrong: str, of: str
) -> None:
    tamper(statement)

    assert bascule("audit", "verify").code == 0
    told = bascule("audit", "verify", "--against", str(run_folder), "--json")
    assert told.code == 4
    assert [(flaw["of"], flaw["wrong"]) for flaw in json.loads(told.out)["broken"]] == [(of, wrong)]


def resealed(folder: Path) -> None:
    """As somebody would who can write the whole folder."""
    files = [path for path in sorted(folder.rglob("*")) if path.is_file() and path.name != "SHA256SUMS"]
    sums = (
        f"{hashlib.sha256(path.read_bytes()).hexdigest()}  {path.relative_to(folder).as_posix()}\n" for path in files
    )
    (folder / "SHA256SUMS").write_text("".join(sums))


@pytest.mark.parametrize(
    "statement",
    [
        "DELETE FROM entry WHERE cabinet = 'C0001' AND kind = 'ended'",
        "DELETE FROM entry WHERE cabinet = 'C0001'",
        "UPDATE entry SET hash = hex(zeroblob(32)) WHERE cabinet = 'C0001' AND kind = 'ended'",
    ],
)
def test_a_report_never_overwrites_a_folder_that_has_seen_what_the_ledger_no_longer_has(
    bascule: Bascule, tamper: Tamper, run_folder: Path, statement: str
) -> None:
    before = {path: path.read_bytes() for path in run_folder.rglob("*") if path.is_file()}
    tamper(statement)

    told = bascule("report", "--wave", "pilot")

    assert told.code == Exit.NOT_OK
    assert f"{run_folder} has seen what the ledger no longer has: C0001 (entry 6)" in " ".join(told.err.split())
    assert f"bascule audit verify --against {run_folder}" in told.err
    assert {path: path.read_bytes() for path in run_folder.rglob("*") if path.is_file()} == before
    assert bascule("audit", "verify", "--against", str(run_folder)).code == 4


def test_a_report_is_written_elsewhere_all_the_same(bascule: Bascule, tamper: Tamper, run_folder: Path) -> None:
    tamper("DELETE FROM entry WHERE cabinet = 'C0001' AND kind = 'ended'")

    assert bascule("report", "--wave", "pilot", "-o", "elsewhere").code == 0
    assert bascule("audit", "verify", "--against", str(run_folder)).code == 4


def test_a_folder_whose_heads_cannot_be_read_is_not_overwritten(bascule: Bascule, run_folder: Path) -> None:
    (run_folder / "heads.json").write_text("{}")

    told = bascule("report", "--wave", "pilot")

    assert told.code == Exit.NOT_OK
    assert "names no chain" in told.err
    assert "move the folder away" in told.err
    assert (run_folder / "heads.json").read_text() == "{}"


def test_a_report_is_written_again_where_the_ledger_went_on(
    bascule: Bascule, ledger_file: Path, run_folder: Path
) -> None:
    with Ledger(f"sqlite:///{ledger_file}") as ledger:
        asyncio.run(ledger.record(line("C0001", EntryKind.NOTE, reason="seen")))

    assert bascule("report", "--wave", "pilot").code == 0
    assert json.loads((run_folder / "heads.json").read_text())["C0001"]["seq"] == 7
    assert bascule("audit", "verify", "--against", str(run_folder)).code == 0


def test_a_selection_says_which_heads_were_compared(bascule: Bascule, tamper: Tamper, run_folder: Path) -> None:
    tamper("DELETE FROM entry WHERE cabinet = '@pilot' AND seq > 1")

    told = bascule("audit", "verify", "--cabinet", "C0001", "--against", str(run_folder))

    assert told.code == 0
    assert "against 1 of 3 heads (C0001)" in told.out
    found = json.loads(bascule("audit", "verify", "-c", "C0001", "--against", str(run_folder), "--json").out)
    assert (found["anchored"], found["seals"]) == (1, 2)
    assert found["compared"] == {"heads": ["C0001"], "of_heads": 3, "seals": ["C0001", "C0002"], "of_seals": 2}

    told = bascule("audit", "verify", "--cabinet", "C0003", "--against", str(run_folder))
    assert (told.code, "against 0 of 3 heads," in told.out) == (0, True)
    assert "The folder has no head of C0003" in told.err


@pytest.mark.parametrize("column", ["kind = 'xx'", "evidence = '{{'", "at = 'yesterday'"])
def test_a_chain_that_nobody_asked_for_and_that_cannot_be_read_breaks_its_seal_and_is_no_defect(
    bascule: Bascule, tamper: Tamper, run_folder: Path, column: str
) -> None:
    tamper(f"UPDATE entry SET {column} WHERE cabinet = 'C0002' AND seq = 2")

    told = bascule("audit", "verify", "--cabinet", "C0001", "--against", str(run_folder))
    assert told.code == 4
    assert re.findall("BROKEN (.*?): cannot be made again", told.out) == ["seal of C0002"]
    told = bascule("audit", "verify", "--against", str(run_folder))
    assert told.code == 4
    assert re.findall(r"BROKEN (\w+), entry (\d)", told.out) == [("C0002", "2")]
    assert "1 of 2 seals (C0001)" in told.out


@pytest.mark.parametrize("content", ["{broken", "{}", "[]"])
def test_an_inventory_that_is_none_is_named_and_no_defect(
    bascule: Bascule, ledger_file: Path, tamper: Tamper, content: str
) -> None:
    rows = Inventory(cabinets=(cabinet(),), waves={}, warnings=(), source="inv.csv")
    with Ledger(f"sqlite:///{ledger_file}") as ledger:
        asyncio.run(ledger.store_inventory(stored_version(rows, at=WHEN, who="ops")))
        write(ledger, planned("C0001", evidence={"inventory": rows.digest}), ok("C0001"))
    folder = Path(bascule("report", "--wave", "pilot").out.splitlines()[0]).parent
    tamper("DROP TRIGGER inventory_no_update")
    tamper(f"UPDATE inventory SET content = '{content}'")

    for words in ((), ("--cabinet", "C0001"), ("--wave", "pilot")):
        told = bascule("audit", "verify", *words, "--against", str(folder))
        assert told.code == 4
        assert "BROKEN seal of C0001: cannot be made again" in told.out


def test_what_was_taken_out_of_the_seals_is_named_though_the_sums_were_mended(
    bascule: Bascule, run_folder: Path
) -> None:
    seals = json.loads((run_folder / "seals.json").read_text())
    del seals["seals"]["C0001"]
    (run_folder / "seals.json").write_text(json.dumps(seals))
    resealed(run_folder)

    told = bascule("audit", "verify", "--against", str(run_folder))

    assert told.code == 4
    assert "BROKEN file proces-verbaux/C0001.html: has no seal in seals.json" in told.out
    assert "BROKEN file proces-verbaux/C0001.pdf: has no seal in seals.json" in told.out


def test_a_proces_verbal_said_to_be_of_another_version_is_told_and_the_whole_folder_has_one_hash(
    bascule: Bascule, run_folder: Path
) -> None:
    kept_elsewhere = hashlib.sha256((run_folder / "SHA256SUMS").read_bytes()).hexdigest()
    assert kept_elsewhere in bascule("audit", "verify", "--against", str(run_folder)).out
    pdf, seals = run_folder / "proces-verbaux/C0001.pdf", json.loads((run_folder / "seals.json").read_text())
    pdf.write_bytes(b"%PDF-1.7 forged")
    seals["made_with"]["bascule"] = "0.0.1"
    seals["seals"]["C0001"]["pdf"] = hashlib.sha256(pdf.read_bytes()).hexdigest()
    (run_folder / "seals.json").write_text(json.dumps(seals))
    resealed(run_folder)

    told = bascule("audit", "verify", "--against", str(run_folder))

    assert told.code == 0
    assert "not set again: proces-verbaux/C0001.pdf: made by" in told.out
    assert "bascule 0.0.1" in told.out
    assert kept_elsewhere not in told.out
    found = json.loads(bascule("audit", "verify", "--against", str(run_folder), "--json").out)
    assert (found["intact"], found["not_set_again"]) == (True, ["proces-verbaux/C0001.pdf"])


@pytest.mark.parametrize(
    ("tampering", "wrong", "of"),
    [
        (lambda folder: (folder / "summary.md").write_text("all is well"), "changed", "file summary.md"),
        (lambda folder: (folder / "steps.csv").unlink(), "vanished", "file steps.csv"),
        (lambda folder: (folder / "more.csv").write_text("x"), "unlisted", "file more.csv"),
        (lambda folder: (folder / "SHA256SUMS").unlink(), "unreadable", "file SHA256SUMS"),
        (lambda folder: append(folder / "SHA256SUMS", "nonsense\n"), "unreadable", "file SHA256SUMS"),
        (lambda folder: append(folder / "SHA256SUMS", f"{'0' * 64}  ../x\n"), "changed", "file SHA256SUMS"),
    ],
)
def test_a_file_of_the_run_folder_that_is_not_as_it_was_published_is_named(
    bascule: Bascule, run_folder: Path, tampering: Callable[[Path], object], wrong: str, of: str
) -> None:
    tampering(run_folder)

    told = bascule("audit", "verify", "--against", str(run_folder), "--json")

    assert told.code == 4
    assert [(flaw["of"], flaw["wrong"]) for flaw in json.loads(told.out)["broken"]] == [(of, wrong)]


def append(path: Path, text: str) -> None:
    path.write_text(path.read_text() + text)


@pytest.mark.parametrize(
    ("heads", "says"),
    [
        (None, "heads.json does not exist"),
        ("", "is empty"),
        ("no json", "is not as a run writes it"),
        ("[]", "is not as a run writes it"),
        ("{}", "names no chain"),
        ('{"C0001": {"seq": 0, "hash": "' + "0" * 64 + '"}}', "C0001.seq"),
        ('{"C0001": {"seq": 1, "hash": "x"}}', "C0001.hash"),
        ('{"K0001": {"seq": 1, "hash": "' + "0" * 64 + '"}}', "None of the 1 chains"),
    ],
)
@pytest.mark.usefixtures("ledger_file")
def test_a_folder_that_anchors_nothing_is_refused(
    bascule: Bascule, tmp_path: Path, heads: str | None, says: str
) -> None:
    folder = tmp_path / "folder"
    folder.mkdir()
    if heads is not None:
        (folder / "heads.json").write_text(heads)

    told = bascule("audit", "verify", "--against", str(folder))

    assert told.code == 2
    assert says in told.err


# show


@pytest.mark.usefixtures("ledger_file")
@pytest.mark.parametrize("width", ["80", "120"])
def test_a_chain_reads_in_a_terminal(bascule: Bascule, monkeypatch: pytest.MonkeyPatch, width: str) -> None:
    monkeypatch.setenv("COLUMNS", width)
    told = bascule("audit", "show", "--cabinet", "c0002")
    assert told.code == 0
    assert max(len(shown) for shown in told.out.splitlines()) <= int(width)
    read = " ".join(told.out.split())
    assert "Cabinet C0002: 4 entries" in read
    assert "when (UTC)" in read.replace("when (UTC) who", "when (UTC)")
    for word in ("planned", "began", "verdict:", "ended:", "ops", "2026-12-01"):
        assert word in read


def test_a_waves_own_chain_tells_who_ran_it_why_on_what_plan_and_with_which_version(
    bascule: Bascule, ledger_file: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    evidence = {"version": version("bascule"), "plan": "ab" * 32, "inventory": "cd" * 32, "environment": "sandbox"}
    with Ledger(f"sqlite:///{ledger_file}") as ledger:
        write(ledger, [line("@pilot", EntryKind.RUN_BEGAN, who="zoe", reason="go", evidence=evidence)])
    monkeypatch.setenv("COLUMNS", "200")
    told = " ".join(bascule("audit", "show", "--wave", "pilot").out.split())
    began = f"zoe run began go; version {version('bascule')}, plan abababab, inventory cdcdcdcd, environment sandbox"
    assert began in told
    assert "anne command: pause Sage calls" in told
    assert "ops run ended 1 ok, 1 blocked" in told


@pytest.mark.usefixtures("ledger_file")
def test_a_chain_is_shown_from_an_instant_on(bascule: Bascule) -> None:
    every = json.loads(bascule("audit", "show", "-c", "C0001", "--json").out)
    assert {entry["cabinet"] for entry in every} == {"C0001"}
    assert [entry["seq"] for entry in every] == list(range(1, len(every) + 1))
    assert every[-1]["outcome"] == Outcome.OK
    last = every[-1]["at"]
    assert json.loads(bascule("audit", "show", "-c", "C0001", "--since", last, "--json").out) == every[-1:]
    assert json.loads(bascule("audit", "show", "-c", "C0001", "--since", "2026-12-02", "--json").out) == []
    assert len(json.loads(bascule("audit", "show", "-c", "C0001", "--since", "2026-12-01", "--json").out)) == len(every)


# export


def test_a_stranger_verifies_what_was_exported_with_the_program_that_the_docs_give(
    bascule: Bascule, tmp_path: Path, tamper: Tamper
) -> None:
    page = (DOCS / "audit.md").read_text(encoding="utf-8")
    (program,) = re.findall(r"```python\n(.*?)```", page, re.DOTALL)
    (tmp_path / "verify.py").write_text(program, encoding="utf-8")

    def strangers_word() -> str:
        assert bascule("audit", "export", "-o", "all.jsonl").code == 0
        alone = [sys.executable, "-I", "verify.py", "all.jsonl"]
        return subprocess.run(alone, capture_output=True, text=True, check=True, cwd=tmp_path).stdout

    assert strangers_word() == "5 chains\n"
    tamper("UPDATE entry SET who = 'nobody' WHERE cabinet = 'C0002' AND seq = 3")
    assert strangers_word() == "C0002: entry 3 is broken\n5 chains\n"
    tamper("DELETE FROM entry WHERE cabinet = 'C0001' AND seq = 2")
    assert strangers_word() == "C0001: entry 3 is broken\nC0002: entry 3 is broken\n5 chains\n"


@pytest.mark.usefixtures("ledger_file")
def test_an_export_holds_the_chains_that_were_asked_for(bascule: Bascule, tmp_path: Path) -> None:
    told = bascule("audit", "export", "--wave", "main", "-o", "-")
    assert {json.loads(entry)["cabinet"] for entry in told.out.splitlines()} == {"@main", "C0003"}
    assert bascule("audit", "export", "-c", "C0001", "-o", "one.jsonl").code == 0
    assert {json.loads(one)["cabinet"] for one in (tmp_path / "one.jsonl").read_text().splitlines()} == {"C0001"}
    assert sorted(path.name for path in tmp_path.iterdir() if path.name.endswith("jsonl")) == ["one.jsonl"]


# No


@pytest.mark.usefixtures("ledger_file")
@pytest.mark.parametrize(
    ("words", "says"),
    [
        (("verify", "--wave", "pilto"), "no wave 'pilto'; did you mean 'pilot'?"),
        (("verify", "--cabinet", "C0009"), "no cabinet 'C0009'; did you mean"),
        (("verify", "--against", "nowhere"), "heads.json does not exist"),
        (("show", "--cabinet", "C00001"), "did you mean 'C0001'?"),
        (("show", "--wave", "C0001"), "no wave 'C0001'"),
        (("show",), "give either --cabinet C or --wave W"),
        (("show", "--cabinet", "C0001", "--wave", "pilot"), "give either"),
        (("show", "--cabinet", "C0001", "--since", "yesterday"), "'yesterday' is no date"),
        (("export", "--wave", "nothing", "-o", "-"), "waves: main, pilot"),
        (("export", "-o", "no/such/folder/x.jsonl"), "cannot be written to no/such/folder/x.jsonl"),
        (("export", "-o", "."), "cannot be written to ."),
    ],
)
def test_what_cannot_be_is_refused_with_what_to_do(bascule: Bascule, words: tuple[str, ...], says: str) -> None:
    told = bascule("audit", *words)
    assert told.code == 2
    assert says in told.err
    assert told.out == ""


def test_a_ledger_of_another_revision_is_refused(bascule: Bascule, tamper: Tamper) -> None:
    tamper("UPDATE alembic_version SET version_num = '0001'")
    assert "bascule ledger upgrade" in bascule("audit", "verify").err
    tamper("UPDATE alembic_version SET version_num = '9999'")
    told = bascule("audit", "verify")
    assert told.code == 2
    assert "newer version" in told.err


def test_a_ledger_that_may_only_be_read_is_enough(
    bascule: Bascule, ledger_file: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    ledger_file.chmod(0o400)
    monkeypatch.setenv("BASCULE_LEDGER_URL", f"sqlite:///file:{ledger_file}?mode=ro&uri=true")
    assert bascule("audit", "verify").code == 0
    assert bascule("audit", "show", "-c", "C0001").code == 0
    assert bascule("audit", "export", "-o", "-").code == 0


def test_where_there_is_no_ledger_nothing_is_claimed(bascule: Bascule) -> None:
    told = bascule("audit", "verify")
    assert told.code == 2
    assert "no ledger yet" in told.err
