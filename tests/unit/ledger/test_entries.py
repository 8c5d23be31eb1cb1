"""A chain of entries tells whether one of them was touched."""

from __future__ import annotations

from dataclasses import fields, replace
from datetime import datetime, timedelta, timezone
from typing import Any

import pytest

from bascule.ledger.entries import EntryKind, chained, digest, first_broken
from bascule.model import ErrorClass, Lifecycle, Outcome, State
from tests.unit.ledger.lines import LINE, WHEN, chain, line

CHANGES: dict[str, Any] = {
    "cabinet": "C0002",
    "kind": EntryKind.PROOF,
    "at": WHEN + timedelta(microseconds=1),
    "who": "somebody else",
    "wave": "main",
    "run": "R2",
    "step": "connect",
    "attempt": 1,
    "state": State.DONE,
    "reason": "because",
    "lifecycle": Lifecycle.ENDED,
    "outcome": Outcome.OK,
    "error_class": ErrorClass.DATA,
    "error_signature": "E1",
    "verb": "connect",
    "key": "k",
    "operation": "op-1",
    "fence": 1,
    "evidence": {"seen": 1},
    "seq": 9,
    "previous": "f" * 64,
    "hash": "f" * 64,
}


def test_a_chain_that_was_left_alone_is_whole() -> None:
    assert first_broken(chain(line(), line(reason="b"), line(reason="c"))) is None
    assert first_broken(()) is None


def test_every_field_can_be_told_to_have_changed() -> None:
    assert set(CHANGES) == {field.name for field in fields(LINE)}


@pytest.mark.parametrize("name", CHANGES)
def test_an_entry_that_was_changed_is_found(name: str) -> None:
    first, second, third = chain(line(), line(reason="b"), line(reason="c"))
    changed = replace(second, **{name: CHANGES[name]})

    assert first_broken((first, changed, third)) == changed


@pytest.mark.parametrize("name", sorted(CHANGES.keys() - {"hash", "seq", "previous"}))
def test_an_entry_changed_by_somebody_who_knows_the_hash_is_found_at_the_next_one(name: str) -> None:
    first, second, third = chain(line(), line(reason="b"), line(reason="c"))
    forged = replace(second, **{name: CHANGES[name]})

    assert first_broken((first, replace(forged, hash=digest(forged)), third)) == third


def test_an_entry_that_was_removed_is_missed_by_the_next_one() -> None:
    first, _, third = chain(line(), line(reason="b"), line(reason="c"))

    assert first_broken((first, third)) == third


def test_a_chain_without_its_beginning_is_broken() -> None:
    _, second = chain(line(), line(reason="b"))

    assert first_broken((second,)) == second


def test_entries_in_another_order_are_found() -> None:
    first, second, third = chain(line(), line(reason="b"), line(reason="c"))

    assert first_broken((first, third, second)) == third


def test_an_entry_that_was_put_in_between_is_found() -> None:
    first, second = chain(line(), line(reason="b"))
    slipped_in = chained(line(reason="never happened"), 2, first.hash)

    assert first_broken((first, slipped_in, replace(second, seq=3))) is not None


def test_the_same_instant_has_the_same_hash_in_every_zone() -> None:
    paris = timezone(timedelta(hours=1))

    assert digest(line(at=WHEN.astimezone(paris))) == digest(line())


def test_an_instant_without_a_zone_is_refused() -> None:
    with pytest.raises(ValueError, match="time zone"):
        line(at=datetime(2026, 12, 1, 20, 0))  # noqa: DTZ001  # that is what is refused


def test_the_order_of_evidence_does_not_matter_but_its_values_do() -> None:
    assert digest(line(evidence={"a": 1, "b": 2})) == digest(line(evidence={"b": 2, "a": 1}))
    assert digest(line(evidence={"a": 1})) != digest(line(evidence={"a": "1"}))
