"""The outer edge: how a command ends, and what it says first."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from console import running
from console.telling import masked
from tests.unit.console.conftest import Bascule

HEAVY = ("pandas", "sqlalchemy", "prefect", "httpx", "pydantic_settings", "openpyxl")


def test_help_waits_for_nothing_heavy() -> None:
    program = f"import sys, console.cli; print([name for name in {HEAVY} if name in sys.modules])"
    told = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    assert told.stdout.strip() == "[]"


def test_the_version_is_told(bascule: Bascule) -> None:
    assert bascule("--version").out.startswith("bascule ")


def test_a_verb_that_does_not_exist_is_a_matter_of_usage(bascule: Bascule) -> None:
    assert bascule("migrate").code == 2


def test_a_defect_is_told_as_one_with_the_trace_in_a_file(
    bascule: Bascule, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    def break_down(*_: object, **__: object) -> int:
        raise ZeroDivisionError("a bug")

    monkeypatch.setattr(running, "carry_out", break_down)
    ended = bascule("run", "--inventory", "inventory.csv")
    assert ended.code == 1
    assert "A defect in Bascule: ZeroDivisionError: a bug" in ended.err
    (trace,) = (tmp_path / ".bascule").glob("crash-*.txt")
    assert trace.name in ended.err
    assert "break_down" in trace.read_text(encoding="utf-8")


def test_an_interrupted_command_ends_with_130(bascule: Bascule, monkeypatch: pytest.MonkeyPatch) -> None:
    def interrupt(*_: object, **__: object) -> int:
        raise KeyboardInterrupt

    monkeypatch.setattr(running, "carry_out", interrupt)
    assert bascule("run", "--inventory", "inventory.csv").code == 130


def test_a_reader_who_has_read_enough_is_no_error(inventory: Path) -> None:
    command = f"{sys.executable} -c 'from console.cli import main; main()' inventory check {inventory} --json | true"
    ended = subprocess.run(["bash", "-c", command], capture_output=True, text=True, check=False)
    assert ended.stderr == ""


@pytest.mark.parametrize(
    ("variable", "value", "told"),
    [
        ("BASCULE_LEDGERURL", "x", "did you mean BASCULE_LEDGER_URL?"),
        ("BASCULE_ENVIRONMENT", "prodution", "did you mean production?"),
        ("BASCULE_LEDGER_URL", "nonsense", "'nonsense' is not a database address"),
        ("BASCULE_LEDGER_URL", "sqlite:////proc/ledger.db", "check BASCULE_LEDGER_URL"),
    ],
)
def test_a_wrong_setting_is_named_with_its_remedy(
    bascule: Bascule, inventory: Path, monkeypatch: pytest.MonkeyPatch, variable: str, value: str, told: str
) -> None:
    monkeypatch.setenv(variable, value)
    ended = bascule("inventory", "import", str(inventory))
    assert ended.code == 2
    assert told in ended.err


def test_production_has_no_ledger_until_somebody_names_one(bascule: Bascule) -> None:
    ended = bascule("status", "--wave", "pilot", "--environment", "production")
    assert ended.code == 2
    assert "set BASCULE_LEDGER_URL" in ended.err


@pytest.mark.parametrize(
    ("url", "shown"),
    [
        ("postgresql+psycopg://ops:secret@db/bascule", "postgresql+psycopg://ops:***@db/bascule"),
        ("postgresql+psycopg://ops:s@cr@t@db/bascule", "postgresql+psycopg://ops:***@db/bascule"),
        ("postgresql+psycopg://ops@db/bascule", "postgresql+psycopg://ops@db/bascule"),
        ("sqlite:///.bascule/ledger.db", "sqlite:///.bascule/ledger.db"),
    ],
)
def test_no_password_is_ever_shown(url: str, shown: str) -> None:
    assert masked(url) == shown
