"""A re-run takes what is named, and nothing is ever meant by an empty or unknown word."""

from __future__ import annotations

from dataclasses import dataclass

import pytest

from bascule.model import Lifecycle, Outcome
from bascule.waves.choosing import NotChosen, selected
from tests.builders import cabinets


@dataclass(frozen=True)
class Stood:
    outcome: Outcome
    error_class: str | None = None
    lifecycle: Lifecycle = Lifecycle.ENDED


FOUR = cabinets(4)
STANDING = {
    "C0001": Stood(Outcome.OK),
    "C0002": Stood(Outcome.FAILED, "transient"),
    "C0003": Stood(Outcome.BLOCKED, "rights"),
    "C0004": Stood(Outcome.PARTIAL, "data"),
}


def codes(**asked: tuple[str, ...]) -> list[str]:
    return [cabinet.code for cabinet in selected(FOUR, STANDING, **asked)]


def test_without_a_word_it_is_what_is_not_done() -> None:
    assert codes() == ["C0002", "C0003"]


def test_a_class_of_errors_takes_those_that_are_not_done_and_failed_so() -> None:
    assert codes(classes=("transient",)) == ["C0002"]
    assert codes(classes=("transient", "data")) == ["C0002"]
    assert codes(classes=("data",), only=("partial",)) == ["C0004"]


def test_of_the_cabinets_named_only_those_of_the_class_are_taken_and_where_none_is_it_says_why() -> None:
    assert codes(codes=("C0003", "C0002"), classes=("transient",)) == ["C0002"]
    with pytest.raises(NotChosen, match=r"None of the cabinets named is transient: C0004 is partial \(data\)"):
        codes(codes=("C0004",), classes=("transient",))
    with pytest.raises(NotChosen, match="is unknown: C0001 is ok, C0002 is failed"):
        codes(codes=("C0001", "C0002"), only=("unknown",))


@pytest.mark.parametrize(
    ("asked", "says"),
    [
        ({"classes": ("transiant",)}, "did you mean 'transient'"),
        ({"only": ("faild",)}, "did you mean 'failed'"),
        ({"codes": ("C00O1",)}, "did you mean 'C0001'"),
    ],
)
def test_a_misspelt_word_is_named_and_takes_nobody(asked: dict[str, tuple[str, ...]], says: str) -> None:
    with pytest.raises(NotChosen, match=says):
        codes(**asked)
