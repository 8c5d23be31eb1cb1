"""The files of a run folder. Written under another name first, so that nobody ever reads half a report."""

from __future__ import annotations

import csv
import hashlib
import json
import logging
import os
import re
from collections.abc import Collection, Iterable, Iterator, Mapping
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pandas as pd

from bascule.checks.reconciliation import KINDS
from bascule.errors import BasculeError
from bascule.inventory.rules import code
from bascule.ledger import Ledger
from bascule.ledger.anchor import require_held
from bascule.private import make_folder, open_file
from bascule.reports.account import Account, account_of
from bascule.reports.frames import failed_frame
from bascule.reports.language import language_named
from bascule.reports.status import WaveStatus
from bascule.reports.summary import summary
from bascule.reports.visible import visible
from bascule.reports.workbook import workbook
from bascule.tables.cells import Cell
from bascule.tables.from_csv import read_csv
from bascule.tables.opening import Accepted, content_of, text_of
from bascule.tables.problems import Broken, Problem
from bascule.waves.sizes import Sizes

log = logging.getLogger("bascule.reports")

FORMULA = re.compile(r"(\A|[;\t\n])(?=\s*[=+\-@＝＋－＠])|\A(?=[\t\n])")
"""Before what Excel takes for a formula: at the beginning of a cell, and after what is a separator somewhere."""
LONGEST_NAME = 80
PDFS = 1_000
"""Cabinets of a wave up to which every procès-verbal is set as a PDF too: 25 ms each. Of more, `bascule report --cabinet`."""
FAILED = Accepted(bytes=20 * 1024**2, rows=20_000, endings=".csv", if_empty="Take it from the run folder again")
"""What is read of a failed.csv."""


class ReportNotWritten(BasculeError):
    """The report could not be written."""


class NotAFailedFile(BasculeError):
    """The file is not a failed.csv."""


@dataclass(frozen=True)
class Published:
    folder: Path
    files: tuple[Path, ...]
    account: Account
    without_pdf: tuple[str, ...] = ()
    """Whose procès-verbal has its page only: no PDF could be set of it."""

    @property
    def status(self) -> WaveStatus:
        return self.account.status


def publish(
    ledger: Ledger, wave: str, out: Path, run: str | None = None, *, sizes: Sizes | None = None, language: str = "fr"
) -> Published:
    """Writes the folder `out/<wave>/<run>` of a run, the last one by default.

    Raises NoSuchWave, DoesNotAddUp, ReportNotWritten; HeadsLost where the folder is there already and has seen more.
    """
    account = account_of(ledger, wave, run, sizes=sizes, now=datetime.now(UTC))
    folder = out / safe_name(wave) / safe_name(account.run)
    without_pdf: list[str] = []
    try:
        require_held(ledger, folder)
        made = _files(ledger, account, language, without_pdf)
        files = tuple(dict.fromkeys(write_whole(folder / name, content) for name, content in made))
        _clear(folder, files)
        sums = write_whole(folder / "SHA256SUMS", _sums(files, folder))
    except OSError as trouble:
        raise ReportNotWritten(
            f"The report could not be written to {folder} ({trouble.strerror or trouble})",
            remedy=f"make room or choose another place (BASCULE_OUT), then: bascule report --wave {wave}; the ledger has everything",
        ) from trouble
    return Published(folder, (*files, sums), account, tuple(without_pdf))


def _files(ledger: Ledger, account: Account, language: str, without_pdf: list[str]) -> Iterator[tuple[str, bytes]]:
    """Made one after the other, so that no two large ones are in memory at once; one twice, where there is more to tell."""
    named = account.cabinets.merge(account.more[["code", "name"]], on="code", how="left")
    yield "cabinets.csv", as_csv(named)
    yield "steps.csv", as_csv(account.steps)
    yield "failed.csv", as_csv(failed_frame(named))
    yield "summary.md", summary(account).encode()
    yield "status.json", as_json(account.status.as_json())
    yield "report.json", _whole(account)
    # matplotlib takes a second to import: only who writes a report waits for it.
    from bascule.reports.page import html_page
    from bascule.reports.proces_verbal import PdfNotSet, proces_verbaux
    from bascule.reports.seals import SEALS, name_of, seal_of, seals_file

    yield "report.html", html_page(account, language)
    yield "report.xlsx", workbook(account, language_named(language))
    yield "heads.json", as_json(_heads(account))
    seals: dict[str, Mapping[str, Any]] = {}
    pdfs = account.status.planned <= PDFS
    for one in proces_verbaux(ledger, account.wave, [cabinet.code for cabinet in account.status.cabinets]):
        page, pdf = one.page(), None
        yield name_of(one.record.code, "html"), page
        if pdfs:
            try:
                pdf = one.pdf()
            except PdfNotSet as refused:
                log.warning("%s; %s", refused, refused.remedy)
                without_pdf.append(one.record.code)
            else:
                yield name_of(one.record.code, "pdf"), pdf
        seals[one.record.code] = seal_of(one, page, pdf)
    yield SEALS, as_json(seals_file(account.wave, seals))
    if without_pdf:
        yield "summary.md", summary(account, without_pdf).encode()


def _whole(account: Account) -> bytes:
    """Differences may be many hundred thousand: a line each, and never all of them as objects at once."""
    is_one = account.differences["kind"].isin(KINDS)
    rest = as_json(replace(account, differences=account.differences[~is_one]).as_json())
    lines: str = account.differences[is_one].to_json(orient="records", lines=True, force_ascii=False)
    listed = lines.rstrip("\n").replace("\n", ",\n  ").encode()
    return rest.replace(b'"differences": []', b'"differences": [' + listed + b"]", 1)


def _clear(folder: Path, made: Collection[Path]) -> None:
    """A folder that is written anew keeps no procès-verbal of a cabinet that is under way again: nothing seals it."""
    from bascule.reports.seals import left_behind

    for path in left_behind(folder, made):
        path.unlink()


def read_failed(path: Path) -> tuple[str, ...]:
    """The codes of a failed.csv in its order, also after Excel saved it in its own way. Raises NotAFailedFile."""
    problems: list[Problem] = []
    try:
        table = read_csv(text_of(content_of(path, FAILED)), str(path), problems, at_most=FAILED.rows)
    except Broken as broken:
        raise NotAFailedFile(f"{path}: {broken.rule}", remedy="give the failed.csv of a run folder") from None
    if problems:
        first = problems[0]
        raise NotAFailedFile(f"{path}: line {first.line}: {first.rule}", remedy=first.fix)
    if "code" not in table.headers:
        raise NotAFailedFile(
            f"{path}: line {table.header_line}: no column `code`",
            remedy="give the failed.csv of a run folder, unchanged in its first line",
        )
    column = table.headers.index("code")
    return tuple(dict.fromkeys(_code_in(path, row.cells[column]) for row in table.rows))


def safe_name(name: str) -> str:
    """A folder's name that is one folder's name on any system; two names never share one."""
    safe = re.sub(r"[^\w-]+", "_", name)[:LONGEST_NAME] or "_"
    return safe if safe == name else f"{safe}-{hashlib.sha256(name.encode()).hexdigest()[:8]}"


def as_json(told: object) -> bytes:
    return json.dumps(told, ensure_ascii=False, indent=1).encode() + b"\n"


def as_csv(frame: pd.DataFrame) -> bytes:
    """Commas, texts in quotes, UTF-8 with the mark that makes Excel read it as such. No cell is a formula in Excel, whatever
    it splits lines at, and nothing in one hides.
    """
    text = frame.select_dtypes(include=["object", "string"]).columns
    safe = frame.assign(**{column: frame[column].map(_harmless, na_action="ignore") for column in text})
    written = safe.to_csv(index=False, lineterminator="\r\n", quoting=csv.QUOTE_NONNUMERIC)
    return ("\ufeff" + written).encode()


def _harmless(cell: object) -> object:
    return FORMULA.sub(r"\1'", visible(cell)) if isinstance(cell, str) else cell


def _code_in(path: Path, cell: Cell) -> str:
    try:
        return code(cell.text.strip())
    except Broken as broken:
        raise NotAFailedFile(
            f"{path}: line {cell.line}: {cell.text!r}: {broken.rule}", remedy="mend the line or take it out"
        ) from None


def _heads(account: Account) -> dict[str, dict[str, object]]:
    """Where each chain ended when this was written: what is cut off later shows against it."""
    by_chain = account.audit.sort_values("chain").to_dict("records")
    return {str(row["chain"]): {"seq": row["seq"], "hash": row["hash"]} for row in by_chain}


def _sums(files: Iterable[Path], folder: Path) -> bytes:
    """As `sha256sum --check` reads it."""
    lines = (
        f"{hashlib.sha256(path.read_bytes()).hexdigest()}  {path.relative_to(folder).as_posix()}" for path in files
    )
    return ("\n".join(lines) + "\n").encode()


def write_whole(path: Path, content: bytes) -> Path:
    """Nobody ever reads half of it. Makes the folder."""
    make_folder(path.parent)
    beside = path.with_name(f".{path.name}.{os.getpid()}")
    try:
        with open_file(beside) as file:
            file.write(content)
        return beside.replace(path)
    finally:
        beside.unlink(missing_ok=True)
