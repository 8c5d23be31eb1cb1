"""Where a cabinet's time went: nothing is counted twice, and nothing is lost."""

from __future__ import annotations

from datetime import timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bascule.ledger import Entry, EntryKind
from bascule.model import Lifecycle, Outcome, State
from bascule.reports.times import Times, times_of
from tests.unit.reports.histories import WHEN, line


def at(minute: float, kind: EntryKind, **fields: object) -> Entry:
    return line("C0001", kind, **{"at": WHEN + timedelta(minutes=minute), **fields})


def let_go(minute: float, lifecycle: Lifecycle, outcome: Outcome = Outcome.NONE) -> Entry:
    return at(minute, EntryKind.ENDED, lifecycle=lifecycle, outcome=outcome)


def answered(minute: float, answer: str, key: str = "K") -> Entry:
    return at(minute, EntryKind.EFFECT, key=key, evidence={"answer": answer})


def minutes(history: list[Entry], now: float, *, at_work: bool = False) -> dict[str, float]:
    times = times_of(history, "pilot", WHEN + timedelta(minutes=now), at_work=at_work)
    return {name: getattr(times, name) / 60 for name in Times.__dataclass_fields__}


PLANNED = at(0, EntryKind.PLANNED)


def test_a_slot_the_work_a_remote_and_a_person_are_told_apart() -> None:
    history = [
        PLANNED,
        at(5, EntryKind.BEGAN),
        at(6, EntryKind.INTENT, key="K"),
        answered(7, "underway"),
        answered(16, "succeeded"),
        let_go(20, Lifecycle.WAITING),
        at(50, EntryKind.ANSWERED, state=State.DONE),
        at(60, EntryKind.BEGAN),
        let_go(61, Lifecycle.ENDED, Outcome.OK),
    ]
    assert minutes(history, now=500) == {"turn": 15, "working": 6, "remote": 10, "person": 30}


def test_an_answer_that_waits_for_approval_is_still_a_persons() -> None:
    history = [
        PLANNED,
        at(0, EntryKind.BEGAN),
        let_go(1, Lifecycle.WAITING),
        at(11, EntryKind.ANSWERED, state=State.WAITING),
        at(21, EntryKind.APPROVED),
    ]
    assert minutes(history, now=31) == {"turn": 10, "working": 1, "remote": 0, "person": 20}


def test_operations_at_the_same_time_are_waited_for_once() -> None:
    history = [
        PLANNED,
        at(0, EntryKind.BEGAN),
        at(1, EntryKind.INTENT, key="A"),
        at(2, EntryKind.INTENT, key="B"),
        answered(4, "succeeded", "A"),
        answered(6, "refused", "B"),
        let_go(10, Lifecycle.ENDED, Outcome.OK),
    ]
    assert minutes(history, now=10) == {"turn": 0, "working": 5, "remote": 5, "person": 0}


def test_a_run_that_was_killed_worked_until_its_last_word() -> None:
    history = [PLANNED, at(0, EntryKind.BEGAN), at(3, EntryKind.PROOF), at(10, EntryKind.BEGAN)]
    assert minutes(history, now=12, at_work=True) == {"turn": 7, "working": 5, "remote": 0, "person": 0}


def test_what_failed_waits_for_whoever_mends_it_and_no_longer_than_it_takes() -> None:
    history = [PLANNED, at(0, EntryKind.BEGAN), let_go(2, Lifecycle.ENDED, Outcome.FAILED)]
    assert minutes(history, now=1000)["person"] == 0
    again = [*history, at(32, EntryKind.BEGAN), let_go(33, Lifecycle.ENDED, Outcome.OK)]
    assert minutes(again, now=1000) == {"turn": 0, "working": 3, "remote": 0, "person": 30}


@pytest.mark.parametrize("at_work", [True, False])
@given(
    st.lists(
        st.tuples(
            st.floats(-1, 30),
            st.sampled_from(
                [
                    (EntryKind.BEGAN, {}),
                    (EntryKind.INTENT, {"key": "A"}),
                    (EntryKind.INTENT, {"key": "B"}),
                    (EntryKind.EFFECT, {"key": "A", "evidence": {"answer": "succeeded"}}),
                    (EntryKind.EFFECT, {"key": "B", "evidence": {"answer": "underway"}}),
                    (EntryKind.PROOF, {}),
                    (EntryKind.ENDED, {"lifecycle": Lifecycle.WAITING, "outcome": Outcome.NONE}),
                    (EntryKind.ENDED, {"lifecycle": Lifecycle.PAUSED, "outcome": Outcome.NONE}),
                    (EntryKind.ANSWERED, {"state": State.DONE}),
                    (EntryKind.APPROVED, {}),
                ]
            ),
        ),
        max_size=30,
    )
)
def test_every_second_is_counted_once_while_a_cabinet_has_not_ended(
    at_work: bool, told: list[tuple[float, tuple[EntryKind, dict[str, object]]]]
) -> None:
    minute, history = 0.0, [PLANNED]
    for step, (kind, fields) in told:
        minute = max(0.0, minute + step)
        history.append(at(minute, kind, **fields))
    latest = max(entry.at for entry in history)
    times = times_of(history, "pilot", latest, at_work=at_work)
    assert times.total == pytest.approx((latest - WHEN).total_seconds(), abs=1e-3)
    assert min(times.working, times.turn, times.person, times.remote) >= -1e-6
