"""The files of a run folder. Written under another name first, so that nobody ever reads half a report."""

from __future__ import annotations

import csv
import json
import os
import re
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

import pandas as pd

from bascule.errors import BasculeError
from bascule.ledger import Ledger
from bascule.model import Outcome
from bascule.reports.frames import STEP_KINDS, cabinets_frame, durations_frame, errors_frame, failed_frame, steps_frame
from bascule.reports.status import GRAVITY, WaveStatus, status_of, word_of

FORMULA = ("=", "+", "-", "@", "\t", "\r")
SHOWN = 50
"""Cabinets listed in the summary; the rest is in failed.csv."""


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
    histories = ledger.histories([cabinet.code for cabinet in status.cabinets], STEP_KINDS)
    cabinets = cabinets_frame(status)
    steps = steps_frame(status, [entry for history in histories.values() for entry in history])
    run = run or ledger.last_run(wave) or "no-run"
    folder = out / safe_name(wave) / safe_name(run)
    files = {
        "cabinets.csv": _csv(cabinets),
        "steps.csv": _csv(steps),
        "failed.csv": _csv(failed_frame(cabinets)),
        "summary.md": _summary(status, cabinets, steps),
        "status.json": json.dumps(status.as_json(), ensure_ascii=False, indent=1) + "\n",
        "heads.json": json.dumps(_heads(ledger, wave, status), indent=1) + "\n",
    }
    try:
        folder.mkdir(parents=True, exist_ok=True)
        for name, content in files.items():
            _write(folder / name, content)
    except OSError as trouble:
        raise ReportNotWritten(
            f"The report could not be written to {folder} ({trouble.strerror})",
            remedy=f"make room or choose another place (BASCULE_OUT), then: bascule report --wave {wave}; the ledger has everything",
        ) from trouble
    return Published(folder, tuple(folder / name for name in files), status)


def read_failed(path: Path) -> tuple[str, ...]:
    """The codes of a failed.csv, in its order. Raises NotAFailedFile."""
    try:
        with path.open(encoding="utf-8-sig", newline="") as file:
            rows = list(csv.DictReader(file, strict=True))
            header = rows[0].keys() if rows else _header_of(path)
    except (OSError, UnicodeDecodeError, csv.Error) as trouble:
        raise NotAFailedFile(
            f"{path}: cannot be read ({trouble})", remedy="give the failed.csv of a run folder"
        ) from trouble
    if "code" not in header:
        raise NotAFailedFile(
            f"{path}: line 1: no column 'code'",
            remedy="give the failed.csv of a run folder, unchanged in its first line",
        )
    for line, row in enumerate(rows, start=2):
        if not re.fullmatch(r"[A-Z0-9][A-Z0-9_-]{1,19}", row["code"] or ""):
            raise NotAFailedFile(
                f"{path}: line {line}: {row['code']!r} is not a cabinet's code", remedy="mend the line or take it out"
            )
    return tuple(row["code"] for row in rows)


def safe_name(name: str) -> str:
    """A folder's name that is one folder's name on any system."""
    return re.sub(r"[^\w.-]+", "_", name).strip(".") or "_"


def _header_of(path: Path) -> Iterable[str]:
    with path.open(encoding="utf-8-sig", newline="") as file:
        return next(csv.reader(file), [])


def _csv(frame: pd.DataFrame) -> str:
    """UTF-8 with a mark that makes Excel read it as such, and no cell that Excel would take for a formula."""
    text = frame.select_dtypes(include=["object", "string"]).columns
    safe = frame.assign(**{column: frame[column].map(_harmless, na_action="ignore") for column in text})
    return "\ufeff" + safe.to_csv(index=False, lineterminator="\r\n")


def _harmless(cell: object) -> object:
    return f"'{cell}" if isinstance(cell, str) and cell.startswith(FORMULA) else cell


def _heads(ledger: Ledger, wave: str, status: WaveStatus) -> dict[str, dict[str, object]]:
    """Where each chain ended when this was written: what is cut off later shows against it."""
    heads = ledger.heads([f"@{wave}", *(cabinet.code for cabinet in status.cabinets)])
    return {name: {"seq": seq, "hash": head} for name, (seq, head) in sorted(heads.items())}


def _write(path: Path, content: str) -> None:
    beside = path.with_name(f".{path.name}.{os.getpid()}")
    beside.write_text(content, encoding="utf-8", newline="")
    beside.replace(path)


def _summary(status: WaveStatus, cabinets: pd.DataFrame, steps: pd.DataFrame) -> str:
    accounted = sum(status.outcomes.values())
    lines = [
        f"# Wave {_cell(status.wave)}",
        "",
        f"**{accounted} of {status.planned} cabinets accounted for. Grade: {status.grade}.**",
        "",
        *_table(["outcome", "cabinets"], [[outcome.value, str(count)] for outcome, count in status.outcomes.items()]),
    ]
    needing = sorted(
        (cabinet for cabinet in status.cabinets if cabinet.outcome not in (Outcome.OK, Outcome.EXCLUDED)),
        key=lambda cabinet: (GRAVITY.index(cabinet.outcome), cabinet.code),
    )
    if needing:
        rows = [[c.code, word_of(c), c.step or "", c.reason or "", c.next_action or ""] for c in needing[:SHOWN]]
        rest = len(needing) - len(rows)
        lines += ["", "## What needs somebody", "", *_table(["cabinet", "outcome", "step", "reason", "next"], rows)]
        lines += ["", f"… and {rest} more: see failed.csv."] if rest else []
        lines += ["", "Once mended:", "", f"    bascule rerun --wave {status.wave}"]
    errors = errors_frame(cabinets)
    if len(errors):
        told = errors.head(SHOWN).fillna("").astype(str)
        rows = told[["cabinets", "error_signature", "codes", "first_seen"]].to_numpy().tolist()
        lines += ["", "## The same error", "", *_table(["cabinets", "error", "codes", "first seen"], rows)]
    durations = durations_frame(steps)
    if len(durations):
        told = durations.reset_index().astype({"cabinets": "int64"}).round(1).astype(str)
        rows = told[["step", "p50", "p90", "cabinets"]].to_numpy().tolist()
        lines += ["", "## Seconds a step", "", *_table(["step", "P50", "P90", "cabinets"], rows)]
    return "\n".join(lines) + "\n"


def _table(header: list[str], rows: list[list[str]]) -> list[str]:
    ruled = [header, ["---"] * len(header), *([_cell(cell) for cell in row] for row in rows)]
    return [f"| {' | '.join(row)} |" for row in ruled]


def _cell(text: str) -> str:
    """What would be markup is shown as it is written."""
    return re.sub(r"([\\`*_{}\[\]<>|#])", r"\\\1", " ".join(text.split()))
