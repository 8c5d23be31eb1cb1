"""A schedule takes up again those for whom something may have come, and leaves alone whom a person still has to answer for."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

from bascule.ledger import Entry, EntryKind
from bascule.model import Lifecycle, Outcome
from bascule.waves.resuming import LOOKS_AGAIN_AFTER, last_runs, worth_resuming

NOW = datetime(2026, 12, 1, 20, tzinfo=UTC)
SINCE = NOW - timedelta(minutes=10)
ONE = "C0001"


def run(seq: int, lifecycle: Lifecycle = Lifecycle.WAITING, outcome: Outcome = Outcome.NONE) -> list[Entry]:
    """Began at this place of the chain, and ended five places later."""
    said = {"cabinet": ONE, "at": SINCE, "who": "ops", "wave": "pilot", "run": "r"}
    return [
        Entry(**said, kind=EntryKind.BEGAN, seq=seq),  # type: ignore[arg-type]  # named above
        Entry(**said, kind=EntryKind.ENDED, seq=seq + 5, lifecycle=lifecycle, outcome=outcome),  # type: ignore[arg-type]
    ]


def resumed(entries: list[Entry], *, awaited: bool = False, word: int = 0, now: datetime = NOW) -> bool:
    found = worth_resuming(last_runs(entries), {ONE} if awaited else set(), {ONE: word} if word else {}, now)
    return found == (ONE,)


def test_whose_order_needs_somebody_is_left_alone_however_long() -> None:
    assert not resumed(run(1), awaited=True, word=7, now=NOW + timedelta(days=3))


def test_an_answer_that_came_since_is_taken_up_at_once() -> None:
    assert resumed(run(1), word=7)


def test_an_answer_that_came_while_the_last_run_was_at_work_may_not_have_been_seen() -> None:
    assert resumed(run(2), word=4)
    assert not resumed(run(5), word=4)


def test_who_waits_for_time_or_a_file_is_looked_at_again_now_and_then() -> None:
    assert not resumed(run(1))
    assert resumed(run(1), now=SINCE + LOOKS_AGAIN_AFTER)


def test_who_ended_otherwise_is_taken_up_for_an_answer_only() -> None:
    unknown = run(1, Lifecycle.ENDED, Outcome.UNKNOWN)
    assert resumed(unknown, word=7)
    assert not resumed(unknown, now=NOW + timedelta(days=1))
    assert not resumed(run(1, Lifecycle.ENDED, Outcome.OK), word=7)


def test_whom_a_run_is_at_work_on_is_its_affair() -> None:
    assert not resumed([*run(1), run(10)[0]], word=7)
