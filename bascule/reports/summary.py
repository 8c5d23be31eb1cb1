"""A wave in words, for whoever is called at two in the morning: what needs somebody, why, and what to type."""

from __future__ import annotations

import re
import shlex
from collections.abc import Sequence
from datetime import datetime
from typing import Any

import pandas as pd

from bascule.checks.reconciliation import KINDS
from bascule.model import Outcome
from bascule.reports.account import Account
from bascule.reports.sparing import differing
from bascule.reports.status import WaveStatus, locked_out_in_words, needing_somebody, word_of
from bascule.reports.visible import visible
from bascule.waves.choosing import DONE

SHOWN = 50
"""Rows of a table at most; the CSV files hold them all."""

MARKUP = re.compile(r"[\\`*\[\]<>|]|^[#+-]|(?<!\w)_++|(?<!_)_++(?![^\W_])")
"""A line inside a word is none."""


def summary(account: Account, without_pdf: Sequence[str] = ()) -> str:
    """Markdown. `without_pdf`: whose procès-verbal has its page only."""
    status = account.status
    lines = [f"# Wave {_plain(status.wave)}", ""]
    for said in (*locked_out_in_words(status), *status.halts):
        lines += [f"**{_plain(said)}**", ""]
    lines += _totals(status, account.run)
    needing = needing_somebody(status)
    if needing:
        rows = [[c.code, word_of(c), c.step or "", c.reason or "", c.next_action or ""] for c in needing]
        lines += _section("What needs somebody", ["cabinet", "stands", "at step", "why", "next"], rows, "failed.csv")
        lines += ["", "Once that is mended:", "", f"    {rerun_command(status)}"] if rerun_command(status) else []
    lines += _drift(account)
    errors = account.errors[["cabinets", "error_signature", "codes", "first_seen"]]
    lines += _section("The same error", ["cabinets", "error", "which", "first seen"], _rows(errors), "failed.csv")
    reservations = account.reservations[["rule", "says", "cabinets", "codes", "remedy"]]
    lines += _section("Reservations", ["rule", "what", "cabinets", "which", "next"], _rows(reservations), "report.xlsx")
    out = _rows(account.lock_outs)
    lines += _section("Users were locked out longest", ["cabinet", "minutes", "let in by"], out, "report.xlsx")
    durations = account.durations.round(1).reset_index()[["step", "p50", "p90", "cabinets"]]
    lines += _section("Seconds a step took", ["step", "P50", "P90", "cabinets"], _rows(durations), "steps.csv")
    ended = account.runs["ended_at"].where(account.runs["ended_at"].notna(), account.runs["stands"])
    pages_only = [[code, "print its page to a PDF from a browser: it says the same"] for code in without_pdf]
    lines += _section("No PDF could be set of these procès-verbaux", ["cabinet", "next"], pages_only, "seals.json")
    runs = account.runs.assign(ended=ended)[["began_at", "ended", "who", "because", "plan"]]
    lines += _section("Runs", ["began", "ended", "who", "why", "plan"], _rows(runs), "report.json")
    return visible("\n".join(lines)) + "\n"


def rerun_command(status: WaveStatus) -> str:
    """What takes up again what is not done; empty where a re-run would change nothing."""
    command = f"bascule rerun --wave {shlex.quote(status.wave)}"
    if any(outcome not in DONE for outcome in status.outcomes):
        return command
    return f"{command} --only {Outcome.PARTIAL}" if Outcome.PARTIAL in status.outcomes else ""


def reconcile_command(wave: str) -> str:
    return f"bascule reconcile --wave {shlex.quote(wave)}"


def _drift(account: Account) -> list[str]:
    """What was found when both sides were compared again; the outcomes stand."""
    apart = differing(account.reconciled)
    later = apart.loc[apart["live"], ["code", *KINDS, "at"]]
    lines = _section("Drift: differences since the move", ["cabinet", *KINDS, "found"], _rows(later), "report.xlsx")
    return [*lines, "", "Compare again:", "", f"    {reconcile_command(account.wave)}"] if lines else []


def _totals(status: WaveStatus, run: str) -> list[str]:
    accounted = sum(status.outcomes.values())
    began = [c.started_at for c in status.cabinets if c.started_at]
    ended = [c.ended_at for c in status.cabinets if c.ended_at and c.outcome is not Outcome.NONE]
    left = status.outcomes.get(Outcome.NONE, 0)
    is_open = [
        f"The wave is open: {left} of them {'has' if left == 1 else 'have'} not ended (`none`). This tells how it stands.",
        "",
    ]
    when = f" First cabinet begun {min(began):%Y-%m-%d %H:%M} UTC" if began else ""
    when += f", last one ended {max(ended):%Y-%m-%d %H:%M} UTC." if ended else "." if began else ""
    counts = [[outcome.value, str(count)] for outcome, count in status.outcomes.items()]
    return [
        f"**{accounted} of {status.planned} cabinets accounted for. Grade: {status.grade}.**",
        "",
        *(is_open if left else ()),
        f"Run `{run}`.{when}",
        "",
        *_table(["outcome", "cabinets"], counts),
    ]


def _section(title: str, header: list[str], rows: list[list[str]], rest_in: str) -> list[str]:
    """Nothing, where there is nothing to tell."""
    if not rows:
        return []
    more = [f"… and {len(rows) - SHOWN} more, see {rest_in}."] if len(rows) > SHOWN else []
    return ["", f"## {title}", "", *_table(header, rows[:SHOWN]), *(["", *more] if more else [])]


def _rows(frame: pd.DataFrame) -> list[list[str]]:
    return [[_cell(value) for value in row] for row in frame.itertuples(index=False)]


def _cell(value: Any) -> str:
    if pd.isna(value):
        return ""
    return f"{value:%Y-%m-%d %H:%M:%S} UTC" if isinstance(value, datetime) else str(value)


def _table(header: list[str], rows: list[list[str]]) -> list[str]:
    ruled = [header, ["---"] * len(header), *([_plain(cell) for cell in row] for row in rows)]
    return [f"| {' | '.join(row)} |" for row in ruled]


def _plain(text: str) -> str:
    """What would be markup is shown as it is written; a command can still be typed as it stands in the file."""
    return MARKUP.sub(lambda found: re.sub(r"(.)", r"\\\1", found.group()), " ".join(text.split()))
