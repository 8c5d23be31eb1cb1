"""Whether source and target come closer to each other, or drift apart."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from bascule.checks.reconciliation import Compared, Difference, Reconciliation, What
from bascule.ledger import Entry, EntryKind
from bascule.model import State
from bascule.reports.drift import TREND_COLUMNS, Drift, drift, trend
from tests.unit.reports.histories import line


def told(**listed: int) -> dict[str, Any]:
    """So many dossiers missing, extra, different or tolerated."""
    lists: dict[str, Any] = {
        name: tuple(Difference(key=f"D{n}") for n in range(count)) for name, count in listed.items()
    }
    return {"reconciled": Reconciliation((Compared(what="dossier", source=9, target=9, **lists),)).as_json()}


def compared(code: str, kind: EntryKind = EntryKind.RECONCILED, **listed: int) -> Entry:
    return line(code, kind, step="reconcile", state=State.DONE, evidence=told(**listed))


def not_told(code: str, *whats: What, rights: int = 0) -> Entry:
    """Of these kinds nothing could be said; of the others, so many rights are missing."""
    kinds: tuple[What, ...] = ("dossier", "right")
    lost = {"dossier": (), "right": tuple(Difference(key=f"R{n}") for n in range(rights))}
    one_each = tuple(
        Compared(what=what, source=9, target=0, not_compared="no list tells them")
        if what in whats
        else Compared(what=what, source=9, target=9, missing=lost[what])
        for what in kinds
    )
    return line(code, EntryKind.RECONCILED, evidence={"reconciled": Reconciliation(one_each).as_json()})


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

    assert (
        list(frame.columns)
        == TREND_COLUMNS
        == "code at missing extra different tolerated not_compared since_last".split()
    )
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


def test_what_was_not_compared_is_named_and_makes_nothing_better() -> None:
    entries = [compared("C1", missing=3), not_told("C1", "dossier"), compared("C1", missing=3)]

    assert column(entries, "not_compared") == ["", "dossiers", ""]
    assert column(entries, "since_last") == [None, None, None], "no kind of thing was compared twice in a row"


def test_better_or_worse_is_said_of_what_was_compared_both_times() -> None:
    entries = [not_told("C1", "dossier", rights=2), not_told("C1", rights=1), not_told("C1", "right")]

    assert column(entries, "since_last") == [None, "better", "same"]


def test_drift_is_told_since_its_first_day_against_the_step_that_found_both_sides_the_same() -> None:
    step, same, first, again = (
        compared("C1", EntryKind.PROOF),
        compared("C1"),
        compared("C1", extra=1),
        compared("C1", extra=2),
    )

    assert drift([step, same, first, again]) == Drift(since=first.at, same_until=same.at, against=step)


def test_what_never_was_the_same_differs_since_the_step_found_it() -> None:
    step = compared("C1", EntryKind.VERDICT, missing=3)

    assert drift([step, compared("C1", missing=3)]) == Drift(since=step.at, same_until=None, against=step)


def test_what_is_the_same_again_is_no_drift_and_drifts_anew_from_then_on() -> None:
    step, first, same, anew = (
        compared("C1", EntryKind.PROOF),
        compared("C1", missing=1),
        compared("C1"),
        compared("C1", extra=1),
    )

    assert drift([step, first, same]) is None
    assert drift([step, first, same, anew]) == Drift(since=anew.at, same_until=same.at, against=step)


def test_a_look_that_could_not_tell_what_differs_ends_no_drift() -> None:
    first, blind = not_told("C1", rights=1), not_told("C1", "right")

    assert drift([first, blind, not_told("C1", rights=1)]) == Drift(since=first.at, same_until=None, against=None)
    assert drift([first, blind]) is None
    assert drift([]) is None


def test_where_nothing_was_ever_compared_there_is_no_trend() -> None:
    frame = trend([])

    assert frame.empty
    assert list(frame.columns) == TREND_COLUMNS
