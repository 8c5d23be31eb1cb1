"""The files of a run folder. Written under another name first, so that nobody ever reads half a report."""

from __future__ import annotations

import hashlib
import json
import os
import re
from dataclasses import dataclass
from pathlib import Path

import pandas as pd

from bascule.errors import BasculeError
from bascule.inventory.rules import code
from bascule.ledger import Ledger
from bascule.reports.frames import (
    TOLD_KINDS,
    cabinets_frame,
    failed_frame,
    steps_frame,
    told_frame,
)
from bascule.reports.status import WaveStatus, status_of
from bascule.reports.summary import summary
from bascule.tables.cells import Cell
from bascule.tables.from_csv import read_csv
from bascule.tables.opening import Accepted, content_of, text_of
from bascule.tables.problems import Broken, Problem

FORMULA = ("=", "+", "-", "@", "\t", "\r", "\n")
"""What Excel takes for the beginning of a formula, or strips before it looks for one."""
LONGEST_NAME = 80
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
    status: WaveStatus


def publish(ledger: Ledger, wave: str, out: Path, run: str | None = None) -> Published:
    """Writes the folder `out/<wave>/<run>` of a run, the last one by default. Raises NoSuchWave, DoesNotAddUp, ReportNotWritten."""
    status = status_of(ledger, wave)
    codes = [cabinet.code for cabinet in status.cabinets]
    told = told_frame(entry for history in ledger.histories(codes, TOLD_KINDS).values() for entry in history)
    cabinets = cabinets_frame(status)
    run = run or ledger.last_run(wave) or "no-run"
    folder = out / safe_name(wave) / safe_name(run)
    files = {
        "cabinets.csv": as_csv(cabinets),
        "steps.csv": as_csv(steps_frame(status, told)),
        "failed.csv": as_csv(failed_frame(cabinets)),
        "summary.md": summary(status, run, cabinets, told),
        "status.json": json.dumps(status.as_json(), ensure_ascii=False, indent=1) + "\n",
        "heads.json": json.dumps(_heads(ledger, wave, codes), indent=1) + "\n",
    }
    try:
        folder.mkdir(parents=True, exist_ok=True)
        for name, content in files.items():
            _write(folder / name, content)
    except OSError as trouble:
        raise ReportNotWritten(
            f"The report could not be written to {folder} ({trouble.strerror or trouble})",
            remedy=f"make room or choose another place (BASCULE_OUT), then: bascule report --wave {wave}; the ledger has everything",
        ) from trouble
    return Published(folder, tuple(folder / name for name in files), status)


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


def as_csv(frame: pd.DataFrame) -> str:
    """Commas, UTF-8 with the mark that makes Excel read it as such, and no cell that Excel would take for a formula."""
    text = frame.select_dtypes(include=["object", "string"]).columns
    safe = frame.assign(**{column: frame[column].map(_harmless, na_action="ignore") for column in text})
    return "\ufeff" + safe.to_csv(index=False, lineterminator="\r\n")


def _harmless(cell: object) -> object:
    return f"'{cell}" if isinstance(cell, str) and cell.startswith(FORMULA) else cell


def _code_in(path: Path, cell: Cell) -> str:
    try:
        return code(cell.text.strip())
    except Broken as broken:
        raise NotAFailedFile(
            f"{path}: line {cell.line}: {cell.text!r}: {broken.rule}", remedy="mend the line or take it out"
        ) from None


def _heads(ledger: Ledger, wave: str, codes: list[str]) -> dict[str, dict[str, object]]:
    """Where each chain ended when this was written: what is cut off later shows against it."""
    heads = ledger.heads([f"@{wave}", *codes])
    return {name: {"seq": seq, "hash": head} for name, (seq, head) in sorted(heads.items())}


def _write(path: Path, content: str) -> None:
    beside = path.with_name(f".{path.name}.{os.getpid()}")
    try:
        beside.write_text(content, encoding="utf-8", newline="")
        beside.replace(path)
    finally:
        beside.unlink(missing_ok=True)
