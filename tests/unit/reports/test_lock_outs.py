"""How long users were locked out, where that is worth a line of the summary."""

from __future__ import annotations

from pathlib import Path

from bascule.ledger import EntryKind, Ledger
from bascule.reports.frames import lock_outs_frame, told_frame, told_rows
from bascule.reports.publishing import publish
from tests.unit.reports.histories import History, line, ok, planned, write


def locked_out(code: str, minutes: float, *, by_later_run: bool = False) -> History:
    told = {"rule": "LCK-02", "level": "note", "locked_out_for": minutes * 60, "by_later_run": by_later_run}
    return [
        line(code, EntryKind.FINDING, step="reopen", reason=f"users were locked out for {minutes} min", evidence=told)
    ]


def test_the_longest_of_ten_is_told_and_so_is_who_was_let_in_by_a_later_run() -> None:
    entries = [entry for n in range(10) for entry in locked_out(f"C{n:04d}", 3 + n, by_later_run=n == 2)]
    frame = lock_outs_frame(told_frame(told_rows(entries)))
    assert frame.to_dict("records") == [
        {"code": "C0009", "minutes": 12.0, "let_in_by": "the run that locked them out"},
        {"code": "C0002", "minutes": 5.0, "let_in_by": "a later run"},
    ]


def test_a_cabinets_last_lock_out_counts() -> None:
    entries = [*locked_out("C0001", 200, by_later_run=True), *locked_out("C0001", 4), *locked_out("C0002", 4)]
    assert lock_outs_frame(told_frame(told_rows(entries))).empty


def test_the_summary_says_whose_users_were_out_longest_and_nothing_where_nobody_stands_out(
    ledger: Ledger, tmp_path: Path
) -> None:
    write(ledger, planned("C0001"), planned("C0002"), ok("C0001"), locked_out("C0001", 34, by_later_run=True))
    told = (publish(ledger, "pilot", tmp_path).folder / "summary.md").read_text(encoding="utf-8")
    assert "## Users were locked out longest" in told
    assert "| C0001 | 34.0 | a later run |" in told
    write(ledger, planned("C0003", wave="other"), ok("C0003"), locked_out("C0003", 3), wave="other")
    assert "locked out longest" not in (publish(ledger, "other", tmp_path).folder / "summary.md").read_text("utf-8")
