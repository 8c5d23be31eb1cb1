"""rerun --again: what it may double is said, each cabinet's code is typed, and outside the sandbox somebody else approves it."""

from __future__ import annotations

import io
import sys
from dataclasses import replace
from pathlib import Path

import pytest

from bascule.checks.reconciliation import compare
from bascule.ledger import Desk, Entry, EntryKind, Ledger
from bascule.model import Outcome
from bascule.workorders import OrderState, WorkOrder
from tests.builders import cabinet
from tests.unit.checks.lists import dossier, ge, s4a
from tests.unit.console.conftest import Bascule
from tests.unit.reports.histories import WHEN, began, ended, line, planned, proved, write

AGAIN = ("rerun", "--again", "synchronise", "--by", "anne", "--because", "3 are missing")


@pytest.fixture
def ledger_url(tmp_path: Path) -> str:
    """Two cabinets of which one dossier of four is missing."""
    (tmp_path / ".bascule").mkdir()
    url = f"sqlite:///{tmp_path}/.bascule/ledger.db"
    source = ge(dossiers=[dossier(code) for code in ("D1", "D2", "D3", "D4")])
    target = s4a(source, dossiers=[dossier(code) for code in ("D1", "D2", "D3")])
    told = compare(source, target, cabinet()).as_json()
    with Ledger(url) as ledger:
        for code in ("C0001", "C0002"):
            reconciled = line(code, EntryKind.RECONCILED, step="reconcile", evidence={"reconciled": told})
            history = [*planned(code), *began(code), *proved(code, "synchronise"), *ended(code, Outcome.PARTIAL)]
            write(ledger, [*history, replace(reconciled, at=WHEN)])
    return url


@pytest.fixture
def office(tmp_path: Path, ledger_url: str) -> str:
    """An environment that is not the sandbox."""
    path = tmp_path / "office.toml"
    path.write_text(f'ledger_url = "{ledger_url}"\noperators = ["anne", "paul"]\n', encoding="utf-8")
    return str(path)


def ordered(ledger_url: str, code: str = "C0001") -> list[Entry]:
    with Ledger(ledger_url, read_only=True) as ledger:
        return [entry for entry in ledger.history(code) if entry.evidence.get("again")]


def decisions(ledger_url: str) -> list[WorkOrder]:
    with Ledger(ledger_url, read_only=True) as ledger:
        return list(Desk(ledger, lambda: WHEN).everything())


def types(monkeypatch: pytest.MonkeyPatch, text: str) -> None:
    terminal = io.StringIO(text)
    monkeypatch.setattr(terminal, "isatty", lambda: True)
    monkeypatch.setattr(sys, "stdin", terminal)


@pytest.mark.parametrize(
    "confirmed", [(), ("--confirm", "C0002"), ("--confirm", "c1"), ("--confirm", "C0001", "--dry-run")]
)
def test_without_the_cabinets_code_it_is_refused_and_nothing_is_written(
    bascule: Bascule, ledger_url: str, confirmed: tuple[str, ...]
) -> None:
    told = bascule(*AGAIN, "--cabinet", "C0001", *confirmed)
    assert told.code == 2
    assert ordered(ledger_url) == []


def test_it_says_what_it_may_double_and_how_many(bascule: Bascule, ledger_url: str) -> None:
    told = bascule(*AGAIN, "--cabinet", "C0001")
    assert "C0001: 1 are missing there, and 3 dossiers are in Client Management already" in told.err
    assert "may list all of them twice" in told.err
    assert "--confirm C0001" in told.err


def test_a_wrong_code_at_the_prompt_orders_nothing(
    bascule: Bascule, ledger_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    types(monkeypatch, "C0002\n")
    told = bascule(*AGAIN, "--cabinet", "C0001")
    assert told.code == 2
    assert "'C0002' is not C0001: nothing was ordered" in told.err
    assert ordered(ledger_url) == []


def test_the_code_at_the_prompt_orders_it_on_the_sandbox(
    bascule: Bascule, ledger_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    types(monkeypatch, "C0001\n")
    bascule(*AGAIN, "--cabinet", "C0001")  # no inventory is stored: the run itself is refused
    [order] = ordered(ledger_url)
    assert (order.kind, order.step, order.who) == (EntryKind.NOTE, "synchronise", "anne")


def test_of_several_cabinets_each_is_confirmed_or_none_is_ordered(bascule: Bascule, ledger_url: str) -> None:
    both = ("--cabinet", "C0001", "--cabinet", "C0002")
    told = bascule(*AGAIN, *both, "--confirm", "C0001")
    assert told.code == 2
    assert ordered(ledger_url) == ordered(ledger_url, "C0002") == []
    bascule(*AGAIN, *both, "--confirm", "C0001", "--confirm", "C0002")
    assert len(ordered(ledger_url)) == len(ordered(ledger_url, "C0002")) == 1


def test_outside_the_sandbox_it_is_an_order_that_somebody_else_approves(
    bascule: Bascule, ledger_url: str, office: str
) -> None:
    there = ("--environment", office)
    told = bascule(*AGAIN, "--cabinet", "C0001", "--confirm", "C0001", *there)
    assert told.code == 0, told.err
    assert "C0001-synchronise-again: a second synchronisation, ordered by anne" in told.out
    assert ordered(ledger_url) == []
    shown = bascule("inbox", "--order", "C0001-synchronise-again", *there)
    assert "may list all of them there twice" in " ".join(shown.out.split())
    own = bascule("approve", "C0001-synchronise-again", "--by", "anne", "--because", "Sure", *there)
    assert own.code == 2
    assert ordered(ledger_url) == []
    done = bascule("approve", "C0001-synchronise-again", "--by", "paul", "--because", "Looked", *there)
    assert done.code == 0, done.err
    assert "bascule rerun --cabinet C0001" in done.err
    [order] = ordered(ledger_url)
    assert (order.who, order.evidence["approved_by"]) == ("anne", "paul")
    assert [one.state for one in decisions(ledger_url)] == [OrderState.DONE]


def test_who_is_no_operator_orders_nothing(bascule: Bascule, ledger_url: str, office: str) -> None:
    words = ("rerun", "--again", "synchronise", "--by", "eve", "--because", "x", "--cabinet", "C0001")
    told = bascule(*words, "--confirm", "C0001", "--environment", office)
    assert told.code == 2
    assert "no operator" in told.err
    assert decisions(ledger_url) == []
