"""Every promise has a planted defect that it finds, and that no other promise is blamed for."""

from __future__ import annotations

import httpx
import pytest

from bascule.conformance import PROMISES, PromiseOutcome, answers
from bascule.model import System
from tests.conformance.conftest import checked
from tests.conformance.defects import DEFECTS, Defect, Spoilt


@pytest.mark.parametrize("defect", DEFECTS, ids=lambda defect: defect.name)
async def test_a_broken_promise_is_found_and_no_other_is_blamed(defect: Defect) -> None:
    def wrap(transport: httpx.AsyncBaseTransport) -> httpx.AsyncBaseTransport:
        return Spoilt(transport, defect.hook()) if defect.hook else transport

    asked = dict(defect.asked)
    if "system" in asked:
        asked["system"] = System(asked["system"])
    result = await checked(wrap, **asked, **defect.scenario)
    failed = {one.promise.try_at.__name__: f"{one.found} · {one.sent} · {one.came}" for one in result.failed}
    assert set(failed) == {defect.breaks.__name__, *(other.__name__ for other in defect.also)}, failed


def test_every_promise_has_a_planted_defect() -> None:
    planted = {defect.breaks for defect in DEFECTS} | {answers.nothing_unasked_is_on_the_connection}
    assert [promise.number for promise in PROMISES if promise.try_at not in planted] == []


def test_promises_are_numbered_in_order_and_each_says_something_else() -> None:
    assert [promise.number for promise in PROMISES] == [f"P{number:02d}" for number in range(1, len(PROMISES) + 1)]
    assert len({promise.sentence for promise in PROMISES}) == len(PROMISES)
    assert len({promise.try_at for promise in PROMISES}) == len(PROMISES)
    assert PromiseOutcome.FAILED.value == "failed"
