"""What people wrote, and systems answered, is shown by every verb and steers no terminal."""

from __future__ import annotations

import io
import json
import re
from pathlib import Path
from typing import Any

import pytest
from rich.console import Console

from bascule.ledger import EntryKind, Ledger
from bascule.model import ErrorClass, Lifecycle, Outcome, State
from bascule.reports.visible import UNSEEN
from config.settings import PrefectSettings, Settings
from console.reconciling import Result, Told, as_table
from console.telling import as_text, say_passed_over
from tests.unit.console.conftest import Bascule
from tests.unit.reports.histories import began, ended, judged, line, ok, planned, write

EVIL = "boom \x1b]0;mine\x07\x1b[2J\x9b31m\u202egpj.exe\r[/bold]"
"""Sets a window's title, clears the screen, colours in eight bits, turns the line around."""
SHOWN = "boom ⟨001B⟩]0;mine⟨0007⟩⟨001B⟩[2J⟨009B⟩31m⟨202E⟩gpj.exe⟨000D⟩[/bold]"


@pytest.fixture(autouse=True)
def ledger(tmp_path: Path) -> None:
    (tmp_path / ".bascule").mkdir()
    error: dict[str, Any] = {"reason": EVIL, "error_signature": EVIL, "error_class": ErrorClass.EXTERNAL}
    failed = [
        *began("C0001"),
        *judged("C0001", "connect", State.FAILED, EVIL),
        *ended("C0001", Outcome.FAILED, step="connect", remedy=EVIL, **error),
    ]
    stopped = line("@pilot", EntryKind.NOTE, reason=EVIL, who=EVIL, evidence={"word": "stop", "because": EVIL})
    drift = line("C0002", EntryKind.RECONCILED, step="reconcile", state=State.FAILED, reason=EVIL)
    with Ledger(f"sqlite:///{tmp_path}/.bascule/ledger.db") as ledger:
        write(ledger, planned("C0001"), failed, planned("C0002"), ok("C0002"), [drift], [stopped])
        write(ledger, planned("C0003"), ok("C0003"), wave="main")
        write(
            ledger,
            planned("C0004"),
            [*began("C0004"), *ended("C0004", Outcome.NONE, lifecycle=Lifecycle.PAUSED, **error)],
            wave=EVIL[:12],
        )


@pytest.mark.parametrize(
    "typed",
    [
        ("status",),
        ("status", "--json"),
        ("status", "--wave", "pilot"),
        ("status", "--wave", "pilot", "--json"),
        ("status", "--wave", EVIL[:12]),
        ("status", "--wave", EVIL),
        ("watch", "--wave", "pilot"),
        ("report", "compare", "pilot", "main"),
        ("report", "compare", "pilot", EVIL[:12]),
        ("report", "compare", "pilot", "main", "--json"),
        ("audit", "show", "--cabinet", "C0001"),
        ("audit", "show", "--wave", "pilot"),
        ("audit", "show", "--wave", "pilot", "--json"),
        ("audit", "show", "--wave", EVIL[:12]),
        ("reconcile", "--wave", EVIL[:12], "--history"),
        ("inbox",),
    ],
)
def test_no_verb_passes_on_what_would_steer_a_terminal(bascule: Bascule, typed: tuple[str, ...]) -> None:
    told = bascule(*typed)
    assert UNSEEN.findall(told.out + told.err) == []
    assert "A defect" not in told.err


def test_it_is_shown_whole(bascule: Bascule) -> None:
    assert SHOWN in re.sub(r"\s*\n\s*", "", bascule("status", "--wave", "pilot").out).replace("boom⟨", "boom ⟨")


def test_programs_read_what_was_written(bascule: Bascule) -> None:
    failed = json.loads(bascule("status", "--wave", "pilot", "--json").out)["cabinets"][0]
    assert failed["reason"] == EVIL


def test_words_for_a_table_are_no_markup_either() -> None:
    out = io.StringIO()
    Console(file=out, force_terminal=True, width=200, color_system=None).print(as_text(f"{EVIL} [red]x[/nothing]"))
    assert out.getvalue() == f"{SHOWN} [red]x[/nothing]\n"


def test_what_differs_on_both_sides_is_shown_as_it_is() -> None:
    out = io.StringIO()
    drift = Told(code="C0001", result=Result.DRIFT, says=f"1 dossier different: D1 (name: {EVIL})", next_action=EVIL)
    Console(file=out, force_terminal=True, width=300, color_system=None).print(as_table(EVIL, [drift]))
    assert UNSEEN.findall(out.getvalue()) == []
    assert out.getvalue().count(SHOWN) == 3


def test_a_prefect_server_that_the_shell_names_is_told_as_not_used(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("PREFECT_API_URL", "https://elsewhere.example/api")
    elsewhere = PrefectSettings(url="https://elsewhere.example/api")
    say_passed_over(Settings(environment="sandbox", prefect=elsewhere))
    assert capsys.readouterr().err == ""

    say_passed_over(Settings(environment="sandbox"))

    assert "PREFECT_API_URL names https://elsewhere.example/api, which is not used" in capsys.readouterr().err
