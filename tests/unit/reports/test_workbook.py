"""The workbook of a wave, read back as Excel would."""

from __future__ import annotations

import zipfile
from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from io import BytesIO

import pytest
from openpyxl import Workbook, load_workbook

from bascule.checks.reconciliation import Compared, Difference, Reconciliation
from bascule.ledger import EntryKind, Ledger
from bascule.model import Lifecycle, Outcome, State
from bascule.reports.account import account_of
from bascule.reports.language import language_named
from bascule.reports.workbook import LONGEST, workbook
from tests.unit.reports.histories import History, acted, began, blocked, ended, judged, line, ok, planned, proved, write

LATER = datetime(2027, 1, 1, 12, 30, tzinfo=UTC)
TABS = "Summary Cabinets Steps Errors Findings Approvals Durations Reconciliation Differences Runs Audit".split()


def written(ledger: Ledger, language: str = "en") -> bytes:
    return workbook(account_of(ledger, "pilot", now=LATER), language_named(language))


def opened(content: bytes) -> Workbook:
    return load_workbook(BytesIO(content))


def column(book: Workbook, tab: str, heading: str) -> list[object]:
    header, *rows = book[tab].iter_rows(values_only=True)
    return [row[header.index(heading)] for row in rows]


def partial(code: str, told: Reconciliation) -> History:
    verdict = judged(code, "reconcile", State.FAILED, "not the same", evidence={"reconciled": told.as_json()})
    return [*began(code), *verdict, *ended(code, Outcome.PARTIAL)]


def compared(missing: Sequence[str]) -> Reconciliation:
    lost = tuple(Difference(key=key) for key in missing)
    return Reconciliation((Compared(what="dossier", source=9, target=9 - len(lost), missing=lost),))


def said(code: str, reason: str) -> History:
    return [*began(code), *ended(code, Outcome.FAILED, reason=reason)]


def test_there_is_a_tab_for_each_subject_also_of_a_wave_that_never_ran(ledger: Ledger) -> None:
    write(ledger, planned("C0001"))
    assert opened(written(ledger)).sheetnames == TABS
    assert opened(written(ledger, "fr")).sheetnames[:3] == ["Synthèse", "Cabinets", "Étapes"]


def test_every_tab_has_filters_and_a_header_that_stays(ledger: Ledger) -> None:
    write(ledger, planned("C0001"), ok("C0001"))
    book = opened(written(ledger))
    for tab in TABS[1:]:
        assert book[tab].freeze_panes is not None, tab
        assert book[tab].auto_filter.ref is not None, tab


def test_instants_are_dates_in_utc_and_durations_are_durations(ledger: Ledger) -> None:
    times = acted("C0001", "connect", seconds=5400)
    write(ledger, planned("C0001"), began("C0001"), times, ended("C0001", Outcome.OK))
    book = opened(written(ledger))
    began_at = column(book, "Steps", "Began (UTC)")
    assert times[0].at.replace(tzinfo=None) in began_at
    assert timedelta(minutes=90) in column(book, "Steps", "First attempt to last end")
    assert column(book, "Durations", "P50: half took at most") == [timedelta(minutes=90)]


@pytest.mark.parametrize(
    "hostile", ["=cmd|' /C calc'!A0", "+1", "@SUM(A1)", "<b>&amp;</b>", "https://evil.example", "007"]
)
def test_what_looks_like_a_formula_markup_or_a_link_is_text(ledger: Ledger, hostile: str) -> None:
    write(ledger, planned("C0001", evidence={"name": hostile}), said("C0001", hostile))
    book = opened(written(ledger))
    names = next(book["Cabinets"].iter_rows(min_row=2, max_row=2))
    shown = [cell for cell in names if cell.value == hostile]
    assert len(shown) == 2
    assert all(cell.data_type in ("s", "inlineStr") and cell.hyperlink is None for cell in shown)


def test_formulas_are_none_but_those_that_count_again(ledger: Ledger) -> None:
    write(ledger, planned("C0001", evidence={"name": "=1+1"}), ok("C0001"))
    with zipfile.ZipFile(BytesIO(written(ledger))) as parts:
        sheets = {name: parts.read(name) for name in parts.namelist() if name.startswith("xl/worksheets/sheet")}
    with_formulas = [name for name, content in sheets.items() if b"<f>" in content]
    assert with_formulas == ["xl/worksheets/sheet1.xml"]


def test_nothing_in_a_name_hides_or_turns_what_stands_around_it_and_the_book_still_opens(ledger: Ledger) -> None:
    name = "A\x00B\x0bC\ufffe \u202egnp.exe\u2066 \x85\u200bZ"
    write(ledger, planned("C0001", evidence={"name": name}), ok("C0001"))
    content = written(ledger)
    shown = "A⟨0000⟩B⟨000B⟩C ⟨202E⟩gnp.exe⟨2066⟩ ⟨0085⟩⟨200B⟩Z"
    assert column(opened(content), "Cabinets", "Name") == [shown]
    with zipfile.ZipFile(BytesIO(content)) as parts:
        written_out = "".join(parts.read(part).decode() for part in parts.namelist())
    assert not set(written_out) & set("\u202e\u2066\x85\u200b")


def test_a_wave_with_too_many_differences_names_some_of_each_cabinet_and_says_how_many_it_does_not(
    ledger: Ledger, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("bascule.reports.workbook.DIFFERENCES", 5)
    many, few = (compared([f"D{number}" for number in range(count)]) for count in (9, 2))
    write(ledger, planned("C0001"), planned("C0002"), partial("C0001", many), partial("C0002", few))
    book = opened(written(ledger))
    told = list(zip(column(book, "Differences", "Cabinet"), column(book, "Differences", "Which"), strict=True))
    assert told == [
        *(("C0001", f"D{number}") for number in range(3)),
        *(("C0002", f"D{number}") for number in range(2)),
        ("… and 6 more rows that this tab cannot hold: see report.json", None),
    ]


def test_a_text_longer_than_a_cell_is_cut_and_says_so(ledger: Ledger) -> None:
    write(ledger, planned("C0001"), said("C0001", "\N{GRINNING FACE}" * LONGEST))
    (reason,) = column(opened(written(ledger)), "Cabinets", "Reason")
    assert isinstance(reason, str)
    assert reason.endswith("[cut off: longer than a cell can hold]")
    assert len(reason.encode("utf-16-le")) <= 2 * LONGEST


def test_the_first_tab_counts_its_figures_again(ledger: Ledger) -> None:
    answer = line("C0001", EntryKind.ANSWERED, who="anne", operation="C0001-terms", evidence={"result": "done"})
    write(ledger, *(planned(f"C000{n}") for n in range(1, 4)), ok("C0001"), blocked("C0002"), [answer])
    content = written(ledger)
    computed = load_workbook(BytesIO(content), data_only=True)["Summary"]
    figures = {str(row[0]).strip(): row[1:4] for row in computed.iter_rows(min_row=10, values_only=True) if row[3]}
    assert figures["Cabinets planned"] == (3, 3, "yes")
    assert figures["blocked"] == (1, 1, "yes")
    assert figures["Answers, approvals, decisions"] == (1, 1, "yes")
    assert {agrees for _, _, agrees in figures.values()} == {"yes"}


def test_users_who_are_out_stand_above_the_figures(ledger: Ledger) -> None:
    out = [*began("C0001"), *proved("C0001", "lock-out"), *ended("C0001", Outcome.FAILED, step="synchronise")]
    write(ledger, planned("C0001"), planned("C0002"), out)
    first = [str(row[0]) for row in opened(written(ledger))["Summary"].iter_rows(values_only=True)]
    alarm = next(place for place, told in enumerate(first) if told.startswith("USERS LOCKED OUT since"))
    assert "bascule unlock CODE" in first[alarm + 1]
    assert first.index("The wave is open: not all its cabinets have ended.") < alarm < first.index("Figure")
    assert first.index("Cabinets planned") == first.index("Figure") + 1


def test_an_open_wave_says_so(ledger: Ledger) -> None:
    write(ledger, planned("C0001"), planned("C0002"), ok("C0001"))
    told = [cell for row in opened(written(ledger))["Summary"].iter_rows(values_only=True) for cell in row]
    assert "The wave is open: not all its cabinets have ended." in told
    write(ledger, ok("C0002"))
    told = [cell for row in opened(written(ledger))["Summary"].iter_rows(values_only=True) for cell in row]
    assert "The wave is open: not all its cabinets have ended." not in told


def test_steps_and_answers_stand_in_the_readers_words_on_every_tab(ledger: Ledger) -> None:
    found = line(
        "C0001", EntryKind.FINDING, step="contacts", reason="one", evidence={"level": "note", "rule": "CON-01"}
    )
    answered = line(
        "C0001", EntryKind.ANSWERED, step="terms", operation="C0001-terms", evidence={"result": "done", "evidence": {}}
    )
    stops = line("@pilot", EntryKind.COMMAND, evidence={"word": "drain"})
    write(ledger, planned("C0001"), began("C0001"), acted("C0001", "admin-rights"), [found, answered, stops])
    write(ledger, ended("C0001", Outcome.FAILED, step="users"))
    book = opened(written(ledger, "fr"))
    assert column(book, "Cabinets", "Étape") == ["Utilisateurs"]
    assert column(book, "Étapes", "Étape")[:2] == ["Droits de l’AdminSage", "AdminSage déclaré"]
    assert column(book, "Constats", "Étape") == ["Contacts"]
    assert column(book, "Durées", "Étape") == ["Droits de l’AdminSage"]
    assert column(book, "Approbations", "Étape")[0] == "Conditions générales"
    assert column(book, "Approbations", "Réponse")[0] == "fait"
    assert column(book, "Approbations", "Objet") == ["C0001-terms", "arrêt après l’étape en cours"]


def test_only_a_cabinet_that_has_ended_has_an_end(ledger: Ledger) -> None:
    waits = ended("C0002", Outcome.NONE, lifecycle=Lifecycle.WAITING)
    write(ledger, planned("C0001"), planned("C0002"), ok("C0001"), began("C0002"), waits)
    over, waiting = column(opened(written(ledger)), "Cabinets", "Ended (UTC)")
    assert isinstance(over, datetime)
    assert waiting is None


def test_how_often_a_cabinet_was_taken_up_has_one_name_and_the_attempts_of_a_step_another(ledger: Ledger) -> None:
    write(ledger, planned("C0001"), ok("C0001"))
    book = opened(written(ledger, "fr"))
    assert column(book, "Cabinets", "Prises en charge") == [1]
    assert column(book, "Étapes", "Tentatives")[0] == 1
    assert "Prises en charge" in [row[0] for row in book["Synthèse"].iter_rows(values_only=True)]
    assert language_named("fr").word("grid.attempts") == "Prises en charge"
