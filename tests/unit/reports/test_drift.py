"""Whether source and target come closer to each other, or drift apart."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from bascule.checks.reconciliation import Compared, Difference, Reconciliation
from bascule.ledger import Entry, EntryKind
from bascule.model import State
from bascule.reports.drift import TREND_COLUMNS, trend
from tests.unit.reports.histories import line


def told(**listed: int) -> dict[str, Any]:
    """So many dossiers missing, extra, different or tolerated."""
    lists: dict[str, Any] = {
        name: tuple(Difference(key=f"D{n}") for n in range(count)) for name, count in listed.items()
    }
    return {"reconciled": Reconciliation((Compared(what="dossier", source=9, target=9, **lists),)).as_json()}


def compared(code: str, kind: EntryKind = EntryKind.RECONCILED, **listed: int) -> Entry:
    return line(code, kind, step="reconcile", state=State.DONE, evidence=told(**listed))


def column(entries: Sequence[Entry], name: str) -> list[Any]:
    return trend(entries)[name].tolist()


def test_each_comparison_is_told_beside_the_one_before() -> None:
    entries = [
        compared("C1", EntryKind.VERDICT, missing=3),
        compared("C1", EntryKind.PROOF, missing=1, tolerated=2),
        compared("C1", extra=1),
        compared("C1", extra=1, different=1),
    ]

    frame = trend(entries)

    assert list(frame.columns) == TREND_COLUMNS == "code at missing extra different tolerated since_last".split()
    assert frame["at"].tolist() == [entry.at for entry in entries]
    assert frame["missing"].tolist() == [3, 1, 0, 0]
    assert frame["tolerated"].tolist() == [0, 2, 0, 0]
    assert frame["since_last"].tolist() == [None, "better", "same", "worse"]


def test_each_cabinet_has_its_own_trend() -> None:
    entries = [compared("C1", missing=1), compared("C2"), compared("C1"), compared("C2", missing=1)]

    assert column(entries, "since_last") == [None, None, "better", "worse"]


def test_what_is_tolerated_makes_nothing_worse() -> None:
    assert column([compared("C1"), compared("C1", tolerated=5)], "since_last") == [None, "same"]


def test_what_could_not_be_read_and_what_compares_nothing_is_passed_over() -> None:
    entries = [
        line("C1", EntryKind.VERDICT, step="reconcile", state=State.FAILED, reason="2 dossiers missing: D1, D2"),
        compared("C1", missing=2),
        line("C1", EntryKind.RECONCILED, step="reconcile", state=State.UNKNOWN, reason="GE cannot be reached"),
        line("C1", EntryKind.PROOF, step="contacts", state=State.DONE),
        compared("C1", missing=1),
    ]

    assert column(entries, "since_last") == [None, "better"]


def test_differences_beyond_those_that_are_listed_count_too() -> None:
    many = Compared(what="right", source=9_000, target=0, missing=(Difference(key="R1"),), more={"missing": 8_999})
    entry = line("C1", EntryKind.RECONCILED, evidence={"reconciled": Reconciliation((many,)).as_json()})

    assert column([entry], "missing") == [9_000]


def test_where_nothing_was_ever_compared_there_is_no_trend() -> None:
    frame = trend([])

    assert frame.empty
    assert list(frame.columns) == TREND_COLUMNS
