"""What the ledger's entries, and nothing else, make the engine decide."""

from __future__ import annotations

import random
from collections.abc import Sequence
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bascule.engine.decisions import (
    Answer,
    RetryPolicy,
    intended,
    is_ordered_again,
    owes_reopen,
    proven,
    signature_of,
    standing,
)
from bascule.ledger import Entry, EntryKind
from bascule.model import ErrorClass, Lifecycle, Outcome, State
from bascule.procedure import PROCEDURE

NOW = datetime(2026, 12, 1, 20, 0, tzinfo=UTC)
ALL = frozenset(step.name for step in PROCEDURE)
ORDER = tuple(step.name for step in PROCEDURE)


def entry(kind: EntryKind, step: str | None, **changes: Any) -> Entry:
    return replace(Entry(cabinet="C0001", kind=kind, at=NOW, who="ops", wave="pilot", run="R1", step=step), **changes)


def proof(step: str, **changes: Any) -> Entry:
    return entry(EntryKind.PROOF, step, state=State.DONE, **changes)


def intent(step: str, key: str = "K1", **changes: Any) -> Entry:
    return entry(EntryKind.INTENT, step, verb=step, key=key, **changes)


def effect(step: str, answer: Answer, key: str = "K1", **evidence: Any) -> Entry:
    return entry(EntryKind.EFFECT, step, verb=step, key=key, evidence={"answer": answer.value, **evidence})


def again(step: str) -> Entry:
    return entry(EntryKind.NOTE, step, evidence={"again": True})


def in_order(*entries: Entry) -> Sequence[Entry]:
    return [replace(e, seq=seq) for seq, e in enumerate(entries, start=1)]


def up_to(step: str) -> list[Entry]:
    return [proof(name) for name in ORDER[: ORDER.index(step) + 1]]


# What is proven


def test_proofs_in_the_procedures_order_prove_every_step() -> None:
    assert proven(in_order(*up_to(ORDER[-1])), NOW, trust=None) == ALL


def test_a_proof_older_than_what_it_stands_on_does_not_count() -> None:
    history = in_order(*up_to("connect"), proof("activation-key"))
    assert proven(history, NOW, trust=None) == {"admin-rights", "admin-sage", "activation-key"}


def test_a_backup_expires_after_a_day_and_what_stands_on_it_with_it() -> None:
    history = in_order(*up_to("lock-out"))
    assert {"backup", "lock-out"} <= proven(history, NOW + timedelta(hours=24), trust=None)
    late = proven(history, NOW + timedelta(hours=24, seconds=1), trust=None)
    assert not late & {"backup", "lock-out"}
    assert "consistency" in late


def test_a_backup_never_expires_once_the_synchronisation_has_taken_place() -> None:
    assert proven(in_order(*up_to(ORDER[-1])), NOW + timedelta(days=400), trust=None) == ALL


def test_a_lock_out_ends_with_the_reopen_that_follows_it() -> None:
    assert "lock-out" not in proven(in_order(*up_to("lock-out"), proof("reopen")), NOW, trust=None)


def test_a_lock_out_before_a_proven_synchronisation_still_counts_after_the_reopen() -> None:
    assert {"lock-out", "synchronise", "reopen"} <= proven(in_order(*up_to("reopen")), NOW, trust=None)


def test_what_a_person_ordered_again_is_unproven_with_all_that_stands_on_it() -> None:
    left = proven(in_order(*up_to(ORDER[-1]), again("synchronise")), NOW, trust=None)
    assert not left & {"synchronise", "reopen", "reconcile", "users", "assignments", "contacts"}
    assert "backup" in left


# What was intended


def test_an_intent_without_an_effect_is_unanswered_since_it_was_written() -> None:
    (act,) = intended("connect", in_order(intent("connect")))
    assert (act.answer, act.silent_since) == (Answer.UNANSWERED, NOW)
    assert act.answer.needs_reading_back


@pytest.mark.parametrize("answer", [answer for answer in Answer if answer.is_undone])
def test_an_act_proven_undone_is_forgotten(answer: Answer) -> None:
    assert intended("connect", in_order(intent("connect"), effect("connect", answer))) == ()


@pytest.mark.parametrize("answer", [answer for answer in Answer if not answer.is_undone])
def test_an_act_that_may_have_taken_effect_is_remembered(answer: Answer) -> None:
    (act,) = intended("connect", in_order(intent("connect"), effect("connect", answer)))
    assert act.answer is answer


def test_an_operations_name_outlasts_later_effects_that_do_not_tell_it() -> None:
    underway = replace(effect("synchronise", Answer.UNDERWAY), operation="OP1")
    (act,) = intended("synchronise", in_order(intent("synchronise"), underway, effect("synchronise", Answer.SUCCEEDED)))
    assert act.operation == "OP1"


def test_a_proof_and_a_persons_order_each_begin_anew() -> None:
    assert intended("connect", in_order(intent("connect"), proof("connect"))) == ()
    assert intended("connect", in_order(intent("connect"), again("connect"))) == ()


def test_an_order_to_do_a_step_again_holds_until_it_is_intended() -> None:
    ordered = in_order(proof("synchronise"), again("synchronise"))
    assert is_ordered_again("synchronise", ordered)
    assert not is_ordered_again("connect", ordered)
    assert not is_ordered_again("synchronise", in_order(*ordered, intent("synchronise", "K2")))


# What is owed


def test_a_reopen_is_owed_from_the_lock_outs_intent_to_the_reopens_proof() -> None:
    assert not owes_reopen([])
    assert owes_reopen(in_order(intent("lock-out")))
    assert owes_reopen(in_order(intent("lock-out"), effect("lock-out", Answer.UNANSWERED), intent("reopen", "K2")))
    assert not owes_reopen(in_order(intent("lock-out"), proof("reopen")))
    assert owes_reopen(in_order(intent("lock-out"), proof("reopen"), intent("lock-out", "K3")))


# Trying again


@pytest.mark.parametrize("error_class", list(ErrorClass))
def test_only_what_time_may_mend_is_tried_again_and_not_for_ever(error_class: ErrorClass) -> None:
    policy = RetryPolicy(attempts=3)
    verdict = entry(EntryKind.VERDICT, "connect", error_class=error_class, attempt=2)
    assert policy.worth_another(verdict) is (error_class in (ErrorClass.TRANSIENT, ErrorClass.THROTTLED))
    assert not policy.worth_another(replace(verdict, attempt=3))


@given(attempt=st.integers(1, 30), asked=st.none() | st.floats(0, 1e4), seed=st.integers())
def test_a_pause_is_never_shorter_than_what_the_remote_asked_for(attempt: int, asked: float | None, seed: int) -> None:
    policy = RetryPolicy()
    verdict = entry(EntryKind.VERDICT, "connect", attempt=attempt, evidence={"retry_after": asked})
    pause = policy.pause(verdict, random.Random(seed))
    assert (asked or 0) <= pause <= max(asked or 0, policy.longest * (1 + policy.jitter))


# Where a cabinet stands

UNDONE = {
    State.UNKNOWN: (Outcome.UNKNOWN,),
    State.FAILED: (Outcome.FAILED, Outcome.PARTIAL, Outcome.BLOCKED),
    State.WAITING: (None,),
}
verdicts = st.sampled_from(
    [entry(EntryKind.VERDICT, None, state=state, outcome=outcome) for state in UNDONE for outcome in UNDONE[state]]
    + [entry(EntryKind.PROOF, None, state=State.DONE)]
)
WORST_FIRST = list(Outcome)


@given(
    last=st.dictionaries(st.sampled_from(ORDER), verdicts, max_size=6),
    reserved=st.booleans(),
    stopped=st.sampled_from(["", "the run was stopped"]),
)
def test_a_cabinet_is_never_better_than_its_worst_step(last: dict[str, Entry], reserved: bool, stopped: str) -> None:
    last = {name: replace(verdict, step=name) for name, verdict in last.items()}
    found = standing(last, open_steps=(), reserved=reserved, stopped=stopped)
    told = [e.outcome or (Outcome.NONE if e.state is State.WAITING else Outcome.OK) for e in last.values()]
    worst = min(told, key=WORST_FIRST.index, default=Outcome.OK)
    assert WORST_FIRST.index(found.outcome) <= WORST_FIRST.index(worst)
    assert found.step in last or found.step is None


def test_steps_that_were_not_tried_leave_a_cabinet_paused_with_the_reason() -> None:
    found = standing({}, open_steps=["connect"], reserved=False, stopped="the run was stopped")
    assert (found.lifecycle, found.outcome, found.step) == (Lifecycle.PAUSED, Outcome.NONE, "connect")
    assert found.reason == "the run was stopped"


# Signatures


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ("connected to GE: 'PAUL'", "connected to GE: 'MARIE'"),
        ("anne@one.example lacks 3 rights on G12", "marc.b@two.example lacks 14 rights on H7-A"),
        ("operation 0123456789abcdef failed", "operation fedcba987654321000 failed"),
        ("1 dossier missing", "14 dossiers missing"),
    ],
)
def test_the_same_error_of_two_cabinets_has_one_signature(one: str, other: str) -> None:
    assert signature_of("connect", "x", one) == signature_of("connect", "x", other)


def test_different_steps_and_codes_have_different_signatures() -> None:
    assert len({signature_of(step, code, "no") for step in ("connect", "terms") for code in ("a", "b")}) == 4


def test_a_proof_that_is_old_is_looked_at_again_until_the_synchronisation_has_taken_place() -> None:
    week = timedelta(days=7)
    proofs = [proof(step.name, seq=seq) for seq, step in enumerate(PROCEDURE, start=1)]
    synchronise = next(place for place, step in enumerate(PROCEDURE) if step.name == "synchronise")
    before = proofs[: synchronise - 3]
    later = proofs[0].at + timedelta(days=8)
    assert proven(before, later, trust=None) >= {"admin-rights", "admin-sage"}
    assert proven(before, later, trust=week) == frozenset()
    assert proven(proofs, later, trust=week) == {step.name for step in PROCEDURE}
