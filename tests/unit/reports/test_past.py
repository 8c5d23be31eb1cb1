"""What past waves tell of durations: by size, and only where enough cabinets tell."""

from __future__ import annotations

from bascule.reports.past import ENOUGH, Took, took
from tests.unit.reports.histories import acted


def test_steps_are_told_apart_by_the_size_of_the_cabinet() -> None:
    small = {f"C{number}": 10.0 * number for number in range(1, 12)}
    large = {f"L{number}": 3600.0 for number in range(ENOUGH)}
    entries = [e for code, seconds in (small | large).items() for e in acted(code, "synchronise", seconds)]
    sizes = dict.fromkeys(small, "small") | dict.fromkeys(large, "large")
    assert took(entries, sizes) == {
        ("small", "synchronise"): Took(60.0, 100.0, 11),
        ("large", "synchronise"): Took(3600.0, 3600.0, ENOUGH),
    }


def test_too_few_cabinets_and_those_of_unknown_size_tell_nothing() -> None:
    entries = [e for number in range(20) for e in acted(f"C{number}", "connect", 5)]
    assert took(entries, {f"C{number}": "small" for number in range(ENOUGH - 1)}) == {}
    assert took(entries, {}) == {}
    assert took([], {}) == {}
