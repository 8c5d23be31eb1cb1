"""summary.md: what is told of a wave to whoever reads it as it stands in the file."""

from __future__ import annotations

import re
import shlex
from datetime import timedelta
from html import unescape
from typing import Any

import pytest
import typer

from bascule.checks.reconciliation import Compared, Difference, Reconciliation
from bascule.ledger import EntryKind, Ledger
from bascule.model import Lifecycle, Outcome, State
from bascule.reports.account import Account, account_of
from bascule.reports.page import html_page
from bascule.reports.summary import summary
from console.cli import app
from tests.unit.reports.histories import WHEN, History, began, blocked, ended, line, ok, planned, proved, write

WAVE = "pilot_2__b"
USAGE: Any = typer.BadParameter.__base__
"""What the command line says to what it does not understand."""


def account(ledger: Ledger, wave: str = "pilot") -> Account:
    return account_of(ledger, wave, now=WHEN + timedelta(days=1))


def again(code: str, lost: int) -> History:
    """Both sides compared once more, after the move."""
    keys = tuple(Difference(key=f"D{number}") for number in range(lost))
    told = Reconciliation((Compared(what="dossier", source=9, target=9 - lost, missing=keys),)).as_json()
    return [line(code, EntryKind.RECONCILED, step="reconcile", state=State.FAILED, evidence={"reconciled": told})]


def test_what_differs_since_the_move_is_drift_and_says_when_it_was_found(ledger: Ledger) -> None:
    drifted = again("C0002", 2)
    write(ledger, planned("C0001"), planned("C0002"), ok("C0001"), ok("C0002"), again("C0001", 0), drifted)
    told = summary(account(ledger))
    section = told.partition("## Drift: differences since the move")[2].partition("\n## ")[0]
    assert f"| C0002 | 2 | 0 | 0 | {drifted[0].at:%Y-%m-%d %H:%M:%S} UTC |" in section
    assert "C0001" not in section
    assert "bascule reconcile --wave pilot" in section


def test_where_nothing_differs_since_the_move_nothing_is_said_of_drift(ledger: Ledger) -> None:
    write(ledger, planned("C0001"), ok("C0001"), again("C0001", 0))
    assert "rift" not in summary(account(ledger))


@pytest.mark.parametrize("name", ["*x*", "_x_", "__x__", "a_ b", "[x](y)", "<b>", "`x`", "a|b", "# x", "- x", "a\\b"])
def test_nothing_in_a_name_is_markup(ledger: Ledger, name: str) -> None:
    write(
        ledger, planned("C0001", evidence={"owner": name}), began("C0001"), ended("C0001", Outcome.FAILED, reason=name)
    )
    row = next(row for row in summary(account(ledger)).splitlines() if row.startswith("| C0001 |"))
    reason = re.split(r"(?<!\\) \| ", row)[3]
    marks = re.sub(r"\\.", "", reason)
    assert not set(marks) & set("*_[]<>`|#\\"), reason
    assert re.sub(r"\\(.)", r"\1", reason) == name


def test_a_run_that_was_killed_gives_no_sign_of_life(ledger: Ledger) -> None:
    write(ledger, planned("C0001"), ok("C0001"))
    assert re.search(r"^\| [\d-]+ [\d:]+ UTC \| no sign of life \| ops \|", summary(account(ledger)), re.MULTILINE)


def kept_out(code: str) -> History:
    """Its users are out."""
    return [*began(code), *proved(code, "lock-out"), *ended(code, Outcome.FAILED, step="synchronise")]


def of_every_kind() -> list[History]:
    """A cabinet each, as a run leaves them without a remedy of their own."""
    outcomes = [one for one in Outcome if one is not Outcome.NONE]
    over = [[*began(f"C_{one:02}"), *ended(f"C_{one:02}", outcome)] for one, outcome in enumerate(outcomes)]
    open_ones = [
        [*began(f"D_{one}"), *ended(f"D_{one}", Outcome.NONE, lifecycle=lifecycle)]
        for one, lifecycle in enumerate((Lifecycle.WAITING, Lifecycle.PAUSED, Lifecycle.READY))
    ]
    histories = [*over, *open_ones, began("E_1"), kept_out("E_2"), blocked("E_3")]
    return [[*planned(history[0].cabinet), *history] for history in histories]


def halted(governs: str, **told: object) -> History:
    evidence = {"governs": governs, "why": "one failed", "rule": "failures", **told}
    return [line(f"@{WAVE}", EntryKind.RUN_BEGAN), line(f"@{WAVE}", EntryKind.NOTE, evidence=evidence)]


@pytest.mark.parametrize(
    "halts",
    [halted("Trip"), halted("StageHeld"), halted("WindowClosed"), halted("Told", word="pause"), halted("Drained")],
    ids=["breaker", "ramp", "window", "pause", "drain"],
)
def test_every_command_that_is_shown_can_be_typed_as_it_stands(ledger: Ledger, halts: History) -> None:
    write(ledger, halts, *of_every_kind(), [again("C_06", 1)[0]], wave=WAVE)
    told = account(ledger, WAVE)
    shown = {
        *commands(summary(told)),
        *commands(
            unescape(re.sub(r"<(script|style).*?</\1>|<[^>]+>", "\n", html_page(told, "fr").decode(), flags=re.DOTALL))
        ),
    }
    assert {command.split()[1] for command in shown} >= {"rerun", "unlock", "reconcile"}
    assert {command: wrong for command in shown if (wrong := what_is_wrong_with(command))} == {}


def commands(text: str) -> list[str]:
    """Up to where the sentence goes on."""
    found = re.findall(r"\bbascule [a-z]+(?: (?!which\b|or\b|takes\b)[^\s,;|()*]+)*", text)
    return [one.rstrip(".:") for one in found]


def what_is_wrong_with(command: str) -> str:
    """As the command line reads it, and that it says which wave wherever it can."""
    _, verb, *rest = shlex.split(command)
    group: Any = typer.main.get_command(app)
    known = group.commands[verb]
    try:
        known.make_context(verb, [*rest])
    except USAGE as wrong:
        return str(wrong)
    asks = any("--wave" in one.opts for one in known.params)
    return "says no wave" if asks and WAVE not in rest else ""


def test_an_open_wave_says_that_it_is_and_no_longer_once_all_have_ended(ledger: Ledger) -> None:
    write(ledger, planned("C0001"), planned("C0002"), ok("C0001"))
    assert "The wave is open: 1 of them has not ended" in summary(account(ledger))
    write(ledger, ok("C0002"))
    assert "The wave is open" not in summary(account(ledger))
