"""A wave as a workbook, a tab a subject. Instants are dates in UTC, because Excel has no zones; durations are fractions of a day."""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from io import BytesIO
from typing import Any, Literal

import pandas as pd
from xlsxwriter import Workbook
from xlsxwriter.format import Format
from xlsxwriter.utility import quote_sheetname, xl_range_abs
from xlsxwriter.worksheet import Worksheet

from bascule.checks.reconciliation import KINDS
from bascule.model import Lifecycle
from bascule.reports.account import Account
from bascule.reports.language import Language
from bascule.reports.sparing import some_of_each
from bascule.reports.status import locked_out_in_words
from bascule.reports.times import SPENT
from bascule.reports.visible import visible

Kind = Literal["text", "number", "instant", "duration"]
CellValue = str | float | None

DAY = 86_400
EPOCH = pd.Timestamp("1899-12-30", tz="UTC")
"""Where Excel begins to count days."""
SHAPES: dict[Kind, dict[str, Any]] = {
    "text": {},
    "number": {"num_format": "#,##0"},
    "instant": {"num_format": "dd/mm/yyyy hh:mm:ss", "align": "left"},
    "duration": {"num_format": "[h]:mm:ss"},
}
OPTIONS = {
    "constant_memory": True,
    "strings_to_formulas": False,
    "strings_to_numbers": False,
    "strings_to_urls": False,
}
MOST_ROWS = 1_048_575
"""What a tab holds below its header."""
DIFFERENCES = 100_000
"""Differences that are named: of so many, nobody looks for one in a tab, and each ten thousand take a second. report.json has all."""
LONGEST = 32_767
"""UTF-16 units that Excel takes in one cell."""
FORBIDDEN = re.compile("[^\\t\\n\\x20-\\ud7ff\\ue000-\\ufffd\\U00010000-\\U0010ffff]")
"""What XML cannot hold."""
FORMULA = ("=", "+", "-", "@", "\t", "\r")
"""What Excel would take for a formula if somebody edited the cell."""

GOOD, CALM, POOR, BAD, ODD, FAINT = "#CDEBD3", "#D3ECF0", "#FFE9B8", "#F8CFCB", "#E6D5F2", "#E8E8E8"
COLOURS: dict[str, dict[str, str]] = {
    "outcome": {
        "ok": GOOD,
        "ok-with-reservations": CALM,
        "partial": POOR,
        "failed": BAD,
        "blocked": BAD,
        "unknown": ODD,
        "none": FAINT,
        "excluded": FAINT,
    },
    "state": {"done": GOOD, "waiting": POOR, "failed": BAD, "unknown": ODD, "pending": FAINT},
    "level": {"block": BAD, "reservation": POOR},
}
HEADER = {"bold": True, "font_color": "#FFFFFF", "bg_color": "#24405C", "text_wrap": True, "valign": "vcenter"}
HEADER_HEIGHT = 32
BAR = "#7FA7CF"


@dataclass(frozen=True, slots=True)
class Column:
    name: str
    width: int
    kind: Kind = "text"
    words: str = ""
    """The table of the language's words that stand for its values; those of no table stand as they are."""
    bar: bool = False
    heading: str = ""
    """The word that stands above it, where it is not the one of its name."""


@dataclass(frozen=True, slots=True)
class Sheet:
    """`frozen`: columns that stay in sight. `fitting`: of all rows, those that the tab holds."""

    name: str
    columns: tuple[Column, ...]
    rows: Callable[[Account], pd.DataFrame]
    frozen: int = 1
    fitting: Callable[[pd.DataFrame], pd.DataFrame] = lambda rows: rows.head(MOST_ROWS - 1)


def _counts(*names: str, width: int = 12) -> tuple[Column, ...]:
    return tuple(Column(name, width, "number") for name in names)


SHEETS = (
    Sheet(
        "cabinets",
        (
            Column("code", 14),
            Column("name", 30),
            Column("outcome", 17, words="outcome"),
            Column("lifecycle", 13, words="lifecycle"),
            Column("step", 22, words="step"),
            Column("reason", 50),
            Column("next_action", 40),
            Column("owner", 14),
            Column("site", 12),
            Column("size", 9, words="size"),
            Column("dossiers", 10, "number"),
            Column("attempts", 10, "number", heading="taken_up"),
            Column("started_at", 19, "instant"),
            Column("ended_at", 19, "instant"),
            Column("since", 19, "instant"),
            Column("slow", 24),
            *(Column(name, 14, "duration", bar=True) for name in (*SPENT, "locked_out")),
            *_counts(*KINDS),
            Column("error_class", 14, words="class"),
            Column("error_signature", 40),
        ),
        lambda account: _ended(account.cabinets).merge(account.more, on="code"),
        frozen=2,
    ),
    Sheet(
        "steps",
        (
            Column("code", 14),
            Column("step", 22, words="step"),
            Column("state", 12, words="state"),
            Column("reason", 60),
            Column("attempts", 9, "number"),
            Column("started_at", 19, "instant"),
            Column("ended_at", 19, "instant"),
            Column("took", 16, "duration", bar=True),
            Column("error_class", 14, words="class"),
            Column("error_signature", 40),
        ),
        lambda account: _with_durations(account.steps),
        frozen=2,
    ),
    Sheet(
        "errors",
        (
            Column("error_signature", 55),
            Column("error_class", 14, words="class"),
            Column("cabinets", 10, "number"),
            Column("codes", 40),
            Column("first_seen", 19, "instant"),
            Column("owners", 22),
            Column("remedy", 50),
        ),
        lambda account: account.errors,
    ),
    Sheet(
        "findings",
        (
            Column("code", 14),
            Column("step", 22, words="step"),
            Column("rule", 12),
            Column("level", 12, words="level"),
            Column("about", 30),
            Column("says", 60),
            Column("remedy", 45),
            Column("at", 19, "instant"),
            Column("run", 24),
        ),
        lambda account: account.findings,
    ),
    Sheet(
        "approvals",
        (
            Column("code", 14),
            Column("at", 19, "instant"),
            Column("who", 16),
            Column("did", 20, words="did"),
            Column("about", 28, words="about"),
            Column("step", 22, words="step"),
            Column("result", 12, words="result"),
            Column("because", 60),
        ),
        lambda account: account.approvals,
    ),
    Sheet(
        "durations",
        (
            Column("step", 22, words="step"),
            *(Column(name, 18, "duration", bar=True) for name in ("p50", "p90", "p95")),
            Column("cabinets", 12, "number"),
        ),
        lambda account: account.durations.reset_index(),
    ),
    Sheet(
        "reconciliation",
        (
            Column("code", 14),
            Column("at", 19, "instant"),
            Column("live", 12, words="workbook.live"),
            Column("what", 22, words="what"),
            *_counts("source", "target", "missing", "extra", "different", "tolerated", "expected"),
            Column("not_compared", 40),
        ),
        lambda account: account.reconciled,
    ),
    Sheet(
        "differences",
        (
            Column("code", 14),
            Column("what", 22, words="what"),
            Column("kind", 14, words="listed"),
            Column("key", 34),
            Column("group", 16),
            Column("detail", 60),
        ),
        lambda account: account.differences,
        fitting=lambda differences: some_of_each(differences, DIFFERENCES),
    ),
    Sheet(
        "runs",
        (
            Column("run", 30),
            Column("began_at", 19, "instant"),
            Column("ended_at", 19, "instant"),
            Column("stands", 24, words="run"),
            Column("who", 16),
            Column("because", 45),
            Column("plan", 20),
            Column("bascule", 12),
            Column("inventory", 20),
            Column("environment", 14),
        ),
        lambda account: account.runs,
    ),
    Sheet(
        "audit",
        (Column("chain", 16), Column("seq", 10, "number"), Column("hash", 70)),
        lambda account: account.audit,
    ),
)
SUMMARY = "summary"


def workbook(account: Account, language: Language) -> bytes:
    """Every figure of the first tab stands beside a formula that counts it again in the other tabs."""
    out = BytesIO()
    with Workbook(out, OPTIONS) as book:
        book.set_properties({"title": language.word("workbook.title", wave=_clean(account.wave))})
        pen = _Pen(book, language)
        # The first tab is written last, since it is counted from the others.
        front = book.add_worksheet(_tab(SUMMARY, language))
        tabs = {sheet.name: pen.write(sheet, sheet.rows(account)) for sheet in SHEETS}
        pen.write_front(front, account, _figures(account, tabs, language))
    return out.getvalue()


@dataclass(frozen=True, slots=True)
class _Figure:
    says: str
    value: int | float
    formula: str
    counted: int | float
    kind: Kind = "number"


@dataclass(frozen=True, slots=True)
class _Tab:
    """A tab as it was written: what its cells hold, by column."""

    title: str
    places: dict[str, int]
    cells: dict[str, list[CellValue]]

    def count(self, column: str, word: str) -> tuple[str, int]:
        return f'=COUNTIF({self._range(column)},"{word}")', self.cells[column].count(word)

    def rows(self, column: str) -> tuple[str, int]:
        return f"=COUNTA({self._range(column)})", sum(cell is not None for cell in self.cells[column])

    def sum(self, column: str) -> tuple[str, float]:
        return f"=SUM({self._range(column)})", sum(cell for cell in self.cells[column] if isinstance(cell, int | float))

    def _range(self, column: str) -> str:
        place, last = self.places[column], max(len(self.cells[column]), 1)
        return f"{quote_sheetname(self.title)}!{xl_range_abs(1, place, last, place)}"


def _figures(account: Account, tabs: dict[str, _Tab], language: Language) -> list[_Figure]:
    totals = account.totals

    def says(name: str) -> str:
        return language.word(f"workbook.total.{name}")

    outcomes = [
        (outcome, count, tabs["cabinets"].count("outcome", language.word(f"outcome.{outcome}")))
        for outcome, count in totals.outcomes.items()
    ]
    return [
        _Figure(says("planned"), totals.planned, *tabs["cabinets"].rows("code")),
        *(_Figure(f"   {language.word(f'outcome.{word}')}", count, *counted) for word, count, counted in outcomes),
        _Figure(says("runs"), totals.runs, *tabs["runs"].rows("run")),
        _Figure(says("attempts"), totals.attempts, *tabs["cabinets"].sum("attempts")),
        _Figure(says("steps_done"), totals.steps_done, *tabs["steps"].count("state", language.word("state.done"))),
        _Figure(says("errors"), totals.errors, *tabs["errors"].rows("error_signature")),
        _Figure(says("findings"), totals.findings, *tabs["findings"].rows("code")),
        _Figure(says("said"), totals.said, *tabs["approvals"].rows("code")),
        _Figure(says("missing"), totals.missing, *tabs["reconciliation"].sum("missing")),
        _Figure(
            says("locked_out_seconds"),
            totals.locked_out_seconds / DAY,
            *tabs["cabinets"].sum("locked_out"),
            kind="duration",
        ),
    ]


class _Pen:
    """Writes into one book, with its formats."""

    def __init__(self, book: Workbook, language: Language) -> None:
        self._book = book
        self._language = language
        self._header = book.add_format(HEADER)
        self._shapes = {kind: book.add_format({"valign": "top", **shape}) for kind, shape in SHAPES.items()}
        # As if typed after an apostrophe: it stays text when somebody edits the cell.
        self._quoted = book.add_format({"valign": "top", "quote_prefix": True})
        self._fills: dict[str, Format] = {}

    def write(self, sheet: Sheet, frame: pd.DataFrame) -> _Tab:
        page = self._book.add_worksheet(_tab(sheet.name, self._language))
        self._set_up(page, [(self._heading(column), column.width) for column in sheet.columns])
        shown = sheet.fitting(frame)
        cells = {column.name: _cells(column, shown[column.name], self._language) for column in sheet.columns}
        shapes = [self._shapes[column.kind] for column in sheet.columns]
        for number, row in enumerate(zip(*cells.values(), strict=True), start=1):
            for place, (value, shape) in enumerate(zip(row, shapes, strict=True)):
                self._put(page, number, place, value, shape)
        if len(shown) < len(frame):
            rest = self._language.word("workbook.more", count=len(frame) - len(shown))
            page.write_string(len(shown) + 1, 0, rest)
        page.freeze_panes(1, sheet.frozen)
        page.autofilter(0, 0, max(len(shown), 1), len(sheet.columns) - 1)
        for place, column in enumerate(sheet.columns):
            self._colour(page, place, len(shown), column)
        places = {column.name: place for place, column in enumerate(sheet.columns)}
        return _Tab(page.get_name(), places, cells)

    def write_front(self, page: Worksheet, account: Account, figures: Sequence[_Figure]) -> None:
        word = self._language.word
        page.set_column(0, 0, 42)
        page.set_column(1, 2, 22)
        page.set_column(3, 3, 14)
        page.hide_gridlines(2)
        self._print_well(page)
        text, strong = self._shapes["text"], self._book.add_format({"bold": True})
        title = self._book.add_format({"bold": True, "font_size": 16})
        page.write_string(0, 0, _fit(word("workbook.title", wave=account.wave), self._language), title)
        told = [("run", account.run), ("bascule", account.bascule), ("grade", word(f"outcome.{account.totals.grade}"))]
        for number, (name, value) in enumerate(told, start=2):
            page.write_string(number, 0, word(f"workbook.front.{name}"), text)
            self._put(page, number, 1, _fit(value, self._language), strong)
        page.write_string(5, 0, word("workbook.front.at"), text)
        page.write_number(5, 1, _day_number(account.at), self._shapes["instant"])
        alarm = self._book.add_format({"bold": True, "color": "#A03020"})
        notes = [word("workbook.front.open")] if account.is_open else []
        notes += [*locked_out_in_words(account.status), *account.status.halts]
        for number, note in enumerate(notes, start=6):
            page.write_string(number, 0, _fit(note, self._language), alarm)
        head = 8 + max(len(notes) - 1, 0)
        page.set_row(head, HEADER_HEIGHT)
        for place, name in enumerate(("figure", "value", "counted", "agrees")):
            page.write_string(head, place, word(f"workbook.front.{name}"), self._header)
        agrees, differs = word("workbook.front.yes"), word("workbook.front.no")
        for number, figure in enumerate(figures, start=head + 1):
            shape = self._shapes[figure.kind]
            page.write_string(number, 0, figure.says, text)
            page.write_number(number, 1, figure.value, shape)
            page.write_formula(number, 2, figure.formula, shape, figure.counted)
            # To the second: what is rounded for people may differ by less.
            same = abs(figure.value - figure.counted) < 1 / DAY
            check = f'=IF(ABS(B{number + 1}-C{number + 1})<1/{DAY},"{agrees}","{differs}")'
            page.write_formula(number, 3, check, text, agrees if same else differs)
        last = head + len(figures)
        page.conditional_format(head + 1, 3, last, 3, _equal_to(differs, self._fill(BAD)))
        page.conditional_format(head + 1, 3, last, 3, _equal_to(agrees, self._fill(GOOD)))
        page.write_string(last + 2, 0, word("workbook.front.utc"), text)

    def _set_up(self, page: Worksheet, headings: Sequence[tuple[str, int]]) -> None:
        page.set_row(0, HEADER_HEIGHT)
        for place, (heading, width) in enumerate(headings):
            page.set_column(place, place, width)
            page.write_string(0, place, heading, self._header)
        page.repeat_rows(0)
        self._print_well(page)

    def _print_well(self, page: Worksheet) -> None:
        page.set_landscape()
        page.set_paper(9)  # A4
        page.fit_to_pages(1, 0)
        page.set_footer("&L&A&R&P / &N")

    def _heading(self, column: Column) -> str:
        name = column.heading or column.name
        says = self._language.word(f"spent.{name}" if name in SPENT else f"workbook.column.{name}")
        return f"{says} (UTC)" if column.kind == "instant" else says

    def _put(self, page: Worksheet, row: int, place: int, value: CellValue, shape: Format) -> None:
        if isinstance(value, str):
            page.write_string(row, place, value, self._quoted if value.startswith(FORMULA) else shape)
        elif value is not None:
            page.write_number(row, place, value, shape)

    def _colour(self, page: Worksheet, place: int, last: int, column: Column) -> None:
        if not last:
            return
        for value, colour in COLOURS.get(column.words, {}).items():
            rule = _equal_to(self._language.word(f"{column.words}.{value}"), self._fill(colour))
            page.conditional_format(1, place, last, place, rule)
        if column.bar:
            bar = {"type": "data_bar", "bar_color": BAR, "min_type": "num", "min_value": 0}
            page.conditional_format(1, place, last, place, bar)

    def _fill(self, colour: str) -> Format:
        return self._fills.setdefault(colour, self._book.add_format({"bg_color": colour}))


def _equal_to(word: str, shape: Format) -> dict[str, Any]:
    return {"type": "cell", "criteria": "==", "value": f'"{word}"', "format": shape}


def _tab(name: str, language: Language) -> str:
    return language.word(f"workbook.tab.{name}")


def _ended(cabinets: pd.DataFrame) -> pd.DataFrame:
    """With the end of those only that have ended: not of a run that left a cabinet waiting."""
    return cabinets.assign(ended_at=cabinets["ended_at"].where(cabinets["lifecycle"] == Lifecycle.ENDED.value))


def _with_durations(steps: pd.DataFrame) -> pd.DataFrame:
    """`took`: seconds from the first attempt to the end of the last."""
    took = _instants(steps["ended_at"]) - _instants(steps["started_at"])
    return steps.assign(took=took.dt.total_seconds())


def _instants(told: pd.Series) -> pd.Series:
    """Of ISO 8601, or of instants."""
    at: pd.Series = pd.to_datetime(told, utc=True, format="ISO8601")
    return at


def _day_number(at: Any) -> float:
    return float((pd.Timestamp(at) - EPOCH) / pd.Timedelta(days=1))


def _cells(column: Column, values: pd.Series, language: Language) -> list[CellValue]:
    match column.kind:
        case "instant":
            return _numbers((_instants(values) - EPOCH) / pd.Timedelta(days=1))
        case "duration":
            return _numbers(values.astype("float64") / DAY)
        case "number":
            return _numbers(values.astype("float64"))
        case "text":
            said = {value: _said(value, column.words, language) for value in values.dropna().unique()}
            return [said.get(value) for value in values]


def _numbers(values: pd.Series) -> list[CellValue]:
    return [None if value != value else value for value in values.tolist()]  # noqa: PLR0124  # NaN is not itself


def _said(value: object, words: str, language: Language) -> str | None:
    text = str(value)
    if words:
        text = language.words.get(f"{words}.{text.lower().replace(' ', '-')}", text)
    return _fit(text, language) or None


def _fit(text: str, language: Language) -> str:
    """What a cell can hold; what was cut off is said."""
    clean = _clean(text)
    units = clean.encode("utf-16-le")
    if len(units) <= 2 * LONGEST:
        return clean
    cut = language.word("workbook.cut")
    return units[: 2 * (LONGEST - len(cut))].decode("utf-16-le", errors="ignore") + cut


def _clean(text: str) -> str:
    return FORBIDDEN.sub("", visible(text))
