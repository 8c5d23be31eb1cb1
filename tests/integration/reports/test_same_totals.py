"""The same totals wherever they are told: counted again from the ledger's entries and from each document, for random histories."""

from __future__ import annotations

import csv
import json
import re
import tempfile
from collections import Counter
from collections.abc import Callable, Iterable
from contextlib import chdir
from dataclasses import replace
from datetime import timedelta
from pathlib import Path
from typing import Any

import openpyxl
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st
from typer.testing import CliRunner

from bascule.ledger import Entry, EntryKind, Ledger
from bascule.model import Lifecycle, Outcome, State
from bascule.reports.language import language_named
from bascule.reports.publishing import Published, publish
from bascule.reports.status import CabinetStatus, status_of, wave_table
from console.cli import app
from tasks.reporting import artifact_of, files_of
from tests.unit.reports.histories import History, acted, began, blocked, ended, judged, line, ok, planned, proved, write

HOSTILE = [
    "Cabinet Œuvrard",
    "=cmd|' /C calc'!A0",
    "</script><script>alert(1)</script>",
    "a\tb \u202ec",
    "| *x* [y](z)",
]


def partial(code: str) -> History:
    keys = [{"key": "D1"}, {"key": "=D2"}]
    told = {"reconciled": {"compared": [{"what": "dossier", "source": 9, "target": 7, "missing": keys}]}}
    return [
        *began(code),
        *judged(code, "reconcile", State.FAILED, "2 dossiers missing: D1, =D2", evidence=told),
        *ended(code, Outcome.PARTIAL, step="reconcile", reason="2 dossiers missing: D1, =D2"),
    ]


def waiting(code: str) -> History:
    return [*began(code), *ended(code, Outcome.NONE, lifecycle=Lifecycle.WAITING, reason="a person must do this")]


def reserved(code: str) -> History:
    told = {"rule": "CON-01", "level": "reservation", "about": ["42", "43"], "remedy": "enter it"}
    return [
        *began(code),
        line(code, EntryKind.FINDING, step="contacts", reason="=a contact", evidence=told),
        *proved(code, "contacts"),
        *ended(code, Outcome.OK_WITH_RESERVATIONS),
    ]


def seen_clean(code: str) -> History:
    """Another look, which finds nothing any more."""
    return [*began(code), *proved(code, "contacts"), *ended(code, Outcome.OK)]


def locked_out(code: str) -> History:
    told = {"rule": "LCK-02", "level": "note", "about": [code], "locked_out_for": 61.5, "by_later_run": False}
    return [
        *began(code),
        *acted(code, "lock-out", 3),
        *acted(code, "reopen", 2),
        line(code, EntryKind.FINDING, step="reopen", evidence=told),
        *ended(code, Outcome.FAILED, error_signature="synchronise: =gone", reason="gone"),
    ]


def unlocked(code: str) -> History:
    return [
        line(code, EntryKind.NOTE, who="=anne", step="reopen", reason="the wizard was shut", evidence={"unlock": True})
    ]


def answered(code: str) -> History:
    number, told = f"{code}-terms", {"result": "done", "evidence": {}}
    return [
        line(code, EntryKind.ANSWERED, who="anne", operation=number, evidence=told),
        line(code, EntryKind.APPROVED, who="=paul", operation=number, reason="<b>seen</b>"),
    ]


def killed(code: str) -> History:
    return [*began(code), line(code, EntryKind.INTENT, step="lock-out", verb="lock-out", key=f"{code}-lock-out")]


def excluded(code: str) -> History:
    return planned(code, reason="it closes", evidence={"excluded": True})


RUNS = [ok, blocked, partial, waiting, killed, reserved, seen_clean, locked_out]
KINDS: list[Callable[[str], History]] = [*RUNS, unlocked, answered, excluded]
CABINETS = st.lists(
    st.tuples(
        st.sampled_from(HOSTILE),
        st.lists(st.sampled_from([blocked, partial, reserved, locked_out, answered]), max_size=2),
        st.lists(st.sampled_from(KINDS), max_size=3),
    ),
    min_size=3,
    max_size=8,
)
"""Of each cabinet: its name, what another wave did of it before, and what each run of this one did."""
Drawn = list[tuple[str, list[Callable[[str], History]], list[Callable[[str], History]]]]


@settings(
    max_examples=30,
    deadline=None,
    database=None,
    phases=[Phase.generate],
    suppress_health_check=list(HealthCheck),
)
@given(CABINETS)
def test_every_document_tells_the_same_totals(cabinets: Drawn) -> None:
    with tempfile.TemporaryDirectory() as place, Ledger(f"sqlite:///{place}/ledger.db") as ledger:
        live_through(ledger, cabinets)
        published = publish(ledger, "pilot", Path(place) / "runs", language="en")
        totals = json.loads((published.folder / "report.json").read_text(encoding="utf-8"))["totals"]
        expected = totals | {"to_see_to": without_done(totals["outcomes"])}
        codes = [cabinet.code for cabinet in published.status.cabinets]
        told = told_by(published) | {
            "the ledger": of_entries([entry for code in codes for entry in ledger.history(code)]),
            "bascule status --json": of_command(Path(place)),
        }
        assert len(codes) == len(cabinets) == totals["planned"] == sum(totals["outcomes"].values())
        for document, figures in told.items():
            assert {name: expected[name] for name in figures} == figures, document


def live_through(ledger: Ledger, cabinets: Drawn) -> None:
    """Another wave first, then each run of the pilot."""
    codes = [f"C{number:04}" for number in range(len(cabinets))]
    of_each = list(zip(codes, cabinets, strict=True))
    earlier = [[*planned(code), *kind(code)] for code, (_, before, _) in of_each for kind in before]
    write(ledger, planned("C0099"), ok("C0099"), *earlier, wave="another", run="R0")
    write(ledger, *(planned(code, evidence={"name": name}) for code, (name, _, _) in of_each))
    for number in range(3):
        of_the_run = [kinds[number](code) for code, (_, _, kinds) in of_each if len(kinds) > number]
        run = f"R{number + 2}"
        write(ledger, *([replace(entry, run=run) for entry in history] for history in of_the_run), run=run)


def told_by(published: Published) -> dict[str, dict[str, Any]]:
    """By document, each figure that it tells, as a reader counts it there."""
    folder = published.folder
    return {
        "report.json": of_json(folder),
        "status.json": of_status(json.loads((folder / "status.json").read_text(encoding="utf-8"))),
        "report.html": of_page((folder / "report.html").read_text(encoding="utf-8")),
        "report.xlsx": of_workbook(folder / "report.xlsx"),
        "cabinets.csv": of_cabinets(rows_of(folder / "cabinets.csv")),
        "steps.csv": {"steps_done": sum(row["state"] == "done" for row in rows_of(folder / "steps.csv"))},
        "failed.csv": {"to_see_to": dict(Counter(row["outcome"] for row in rows_of(folder / "failed.csv")))},
        "summary.md": of_summary((folder / "summary.md").read_text(encoding="utf-8")),
        "Prefect's table": of_table(artifact_of(published)),
    }


def without_done(outcomes: dict[str, int]) -> dict[str, int]:
    return {word: count for word, count in outcomes.items() if word not in ("ok", "excluded")}


def of_entries(entries: list[Entry]) -> dict[str, Any]:
    """Counted without any of the code that makes reports."""
    pilot = [entry for entry in entries if entry.wave == "pilot"]
    taken_up = {entry.cabinet for entry in pilot if entry.kind in (EntryKind.BEGAN, EntryKind.ENDED)}
    acts = [entry for entry in entries if entry.kind in (EntryKind.INTENT, EntryKind.PROOF, EntryKind.VERDICT)]
    steps = {(entry.cabinet, entry.step): entry.state for entry in acts}
    compared = {entry.cabinet: entry.evidence["reconciled"] for entry in entries if "reconciled" in entry.evidence}
    stands: dict[str, str] = {}
    for entry in pilot:
        if entry.kind is EntryKind.PLANNED and entry.evidence.get("excluded"):
            stands[entry.cabinet] = "excluded"
        elif entry.kind in (EntryKind.PLANNED, EntryKind.BEGAN):
            stands[entry.cabinet] = "none"
        elif entry.kind is EntryKind.ENDED:
            stands[entry.cabinet] = str(entry.outcome)
    return {
        "planned": len(stands),
        "outcomes": dict(Counter(stands.values())),
        "attempts": sum(entry.kind is EntryKind.BEGAN for entry in pilot),
        "steps_done": list(steps.values()).count(State.DONE),
        "findings": len(still_found(entry for entry in entries if entry.cabinet in taken_up)),
        "said": sum(entry.kind in (EntryKind.NOTE, EntryKind.ANSWERED, EntryKind.APPROVED) for entry in pilot),
        "missing": sum(
            len(one["missing"]) for code, told in compared.items() if code in taken_up for one in told["compared"]
        ),
        "locked_out_seconds": sum(entry.evidence.get("locked_out_for", 0) for entry in pilot),
    }


def still_found(entries: Iterable[Entry]) -> list[Entry]:
    """What the last look of each step found: here a run looks once, and proves what it looked at."""
    found: dict[tuple[str, str | None], list[Entry]] = {}
    for entry in entries:
        at = (entry.cabinet, entry.step)
        known = found.get(at, [])
        if entry.kind is EntryKind.FINDING:
            found[at] = [*(one for one in known if one.run == entry.run), entry]
        elif entry.kind is EntryKind.PROOF:
            found[at] = [one for one in known if one.run == entry.run]
    return [entry for of_one in found.values() for entry in of_one]


def of_command(place: Path) -> dict[str, Any]:
    url = f"sqlite:///{place}/ledger.db"
    with chdir(place):
        ended = CliRunner().invoke(app, ["status", "--wave", "pilot", "--json"], env={"BASCULE_LEDGER_URL": url})
    assert ended.exit_code == 0, ended.output
    return of_status(json.loads(ended.stdout))


def of_json(folder: Path) -> dict[str, Any]:
    """The totals that it tells are those of its own lists."""
    told = json.loads((folder / "report.json").read_text(encoding="utf-8"))
    counted = {
        **of_status({"planned": len(told["cabinets"]), "cabinets": told["cabinets"]}),
        "errors": len(told["errors"]),
        "findings": len(told["findings"]),
        "said": len(told["approvals"]),
        "runs": len(told["runs"]),
        "missing": sum(row["missing"] for row in told["reconciled"]),
        "locked_out_seconds": round(sum(row["locked_out"] for row in told["cabinets"]), 1),
    }
    assert {name: told["totals"][name] for name in counted} == counted
    assert sum(one["kind"] == "missing" for one in told["differences"]) == counted["missing"]
    return counted


def of_status(told: dict[str, Any]) -> dict[str, Any]:
    outcomes = Counter(cabinet["outcome"] for cabinet in told["cabinets"])
    assert told.get("outcomes", outcomes) == outcomes
    counted = {
        "planned": told["planned"],
        "outcomes": dict(outcomes),
        "attempts": sum(cabinet["attempts"] for cabinet in told["cabinets"]),
    }
    return counted | ({"grade": told["grade"]} if "grade" in told else {})


def of_page(page: str) -> dict[str, Any]:
    data = {name: value for value, name in re.findall(r'<data value="([^"]*)" data-total="([^"]*)">', page)}
    outcomes = {
        name.removeprefix("outcomes."): int(data.pop(name)) for name in list(data) if name.startswith("outcomes.")
    }
    grid = json.loads(re.search(r'<script type="application/json"[^>]*>(.*?)</script>', page, re.DOTALL)[1])  # type: ignore[index]
    assert Counter(cabinet["outcome"] for cabinet in grid["cabinets"]) == outcomes
    return {
        "outcomes": outcomes,
        "grade": data.pop("grade"),
        "locked_out_seconds": float(data.pop("locked_out_seconds")),
        **{name: int(value) for name, value in data.items()},
    }


def of_workbook(path: Path) -> dict[str, Any]:
    """The tabs counted, and each figure of the first tab held against what it tells."""
    word = language_named("en").word
    book = openpyxl.load_workbook(path, data_only=True)
    rows = {name: list(book[word(f"workbook.tab.{name}")].iter_rows(values_only=True)) for name in TABS}
    outcome = {word(f"outcome.{one}"): one.value for one in Outcome}
    heads = {name: [str(cell) for cell in of_one[0]] for name, of_one in rows.items()}

    def column(tab: str, key: str) -> list[Any]:
        title = word(f"workbook.column.{key}")
        place = next(number for number, head in enumerate(heads[tab]) if head.startswith(title))
        return [row[place] for row in rows[tab][1:] if row[0] is not None]

    counted = {
        "planned": len(column("cabinets", "code")),
        "attempts": sum(column("cabinets", "taken_up")),
        "steps_done": column("steps", "state").count(word("state.done")),
        "errors": len(column("errors", "error_signature")),
        "findings": len(column("findings", "code")),
        "said": len(column("approvals", "code")),
        "missing": sum(column("reconciliation", "missing")),
        "runs": len(column("runs", "run")),
        "locked_out_seconds": round(sum(column("cabinets", "locked_out"), timedelta()).total_seconds(), 1),
    }
    outcomes = dict(Counter(outcome[str(cell)] for cell in column("cabinets", "outcome")))
    assert column("differences", "kind").count(word("listed.missing")) == counted["missing"]
    front = [row for row in book.worksheets[0].iter_rows(values_only=True) if row[0] and row[1] is not None]
    told = {str(row[0]).strip(): row[1] for row in front}
    for name, figure in counted.items():
        value = told[word(f"workbook.total.{name}").strip()]
        assert (round(value.total_seconds(), 1) if isinstance(value, timedelta) else value) == figure, name
    assert {one: told[word(f"outcome.{one}")] for one in outcomes} == outcomes
    assert {row[3] for row in front if row[3]} == {word("workbook.front.agrees"), word("workbook.front.yes")}
    return {**counted, "outcomes": outcomes, "grade": outcome[str(told[word("workbook.front.grade")])]}


TABS = ("cabinets", "steps", "errors", "findings", "approvals", "reconciliation", "differences", "runs")


def rows_of(path: Path) -> list[dict[str, str]]:
    with path.open(encoding="utf-8-sig", newline="") as file:
        return list(csv.DictReader(file))


def of_cabinets(rows: list[dict[str, str]]) -> dict[str, Any]:
    return {
        "planned": len(rows),
        "outcomes": dict(Counter(row["outcome"] for row in rows)),
        "attempts": sum(int(row["attempts"]) for row in rows),
        "errors": len({row["error_signature"] for row in rows} - {""}),
    }


def of_summary(text: str) -> dict[str, Any]:
    accounted, planned_, grade = re.search(  # type: ignore[union-attr]
        r"\*\*(\d+) of (\d+) cabinets accounted for\. Grade: ([a-z-]+)\.\*\*", text
    ).groups()
    assert accounted == planned_
    counts = re.findall(rf"^\| ({'|'.join(Outcome)}) \| (\d+) \|$", text, re.MULTILINE)
    return {"planned": int(planned_), "grade": grade, "outcomes": {word: int(count) for word, count in counts}}


def of_table(artifact: dict[str, Any]) -> dict[str, Any]:
    first = artifact["table"][0]
    counts = (part.split(" ", 1) for part in str(first["outcome"]).split(", "))
    return {
        "planned": int(str(first["cabinet"]).removeprefix("all ")),
        "grade": str(first["next"]).removeprefix("grade: "),
        "outcomes": {word: int(count) for count, word in counts},
    }


def test_prefects_pages_stay_small_however_large_the_wave(tmp_path: Path) -> None:
    with Ledger(f"sqlite:///{tmp_path}/ledger.db") as ledger:
        codes = [f"C{number:04}" for number in range(1_200)]
        write(ledger, *map(planned, codes), *map(waiting, codes))
        status = status_of(ledger, "pilot")
        published = publish(ledger, "pilot", tmp_path / "runs")
    assert all(isinstance(cabinet, CabinetStatus) for cabinet in status.cabinets)
    assert len(wave_table(status)) == 202
    assert len(files_of(published)["markdown"]) < 5_000
