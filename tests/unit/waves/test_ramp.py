"""A ramp covers its wave to the last cabinet, and a stage that shows nothing promotes nothing."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bascule.inventory.waves import Breaker
from bascule.waves.ramp import RampDoesNotCover, Verdict, going_on, promotion, stages
from tests.unit.waves.ended import ended


@pytest.mark.parametrize(
    ("ramp", "planned", "sizes"),
    [
        ([1, 5, "20%", "rest"], 500, (1, 5, 100, 394)),
        ([1, 5, "20%", "rest"], 24, (1, 5, 5, 13)),  # 20 % of 24 is 4.8
        ([1, 5, "20%", "rest"], 6, (1, 5)),
        ([1, 5, "20%", "rest"], 4, (1, 3)),
        (["10%"] * 10, 7, (1,) * 7),
        (["100%"], 3, (3,)),
        ([], 8, (8,)),
        (["rest"], 0, ()),
    ],
)
def test_shares_are_rounded_up_and_never_take_more_than_is_left(
    ramp: list[int | str], planned: int, sizes: tuple[int, ...]
) -> None:
    assert stages(ramp, planned) == sizes


@pytest.mark.parametrize(("ramp", "left"), [([1, 5], 4), (["20%", "20%"], 6), ([1, "50%"], 4)])
def test_a_ramp_that_does_not_cover_the_wave_is_refused_with_the_number_left_over(
    ramp: list[int | str], left: int
) -> None:
    with pytest.raises(RampDoesNotCover, match=f"of 10 cabinets: {left} are left over") as refused:
        stages(ramp, 10)
    assert "`rest`" in refused.value.remedy


@given(st.lists(st.integers(1, 50) | st.integers(1, 100).map("{}%".format), max_size=8), st.integers(0, 700))
def test_with_rest_at_the_end_every_cabinet_is_in_exactly_one_stage(ramp: list[int | str], planned: int) -> None:
    sizes = stages([*ramp, "rest"], planned)
    assert sum(sizes) == planned
    assert all(sizes)


TOLERANT = Breaker(failures=5)
WARY = Breaker(share=0.1)


@pytest.mark.parametrize(
    ("breaker", "letters", "waiting", "unsettled", "verdict"),
    [
        (None, "", 0, 1, Verdict.NOT_YET),
        (None, "....X", 0, 0, Verdict.PROMOTED),
        (None, "....", 0, 1, Verdict.NOT_YET),
        (None, "....", 1, 0, Verdict.ASK),
        (None, "....F", 0, 0, Verdict.HELD),
        (None, "B", 0, 4, Verdict.HELD),  # no need to wait for the others
        (TOLERANT, "...FF", 0, 0, Verdict.PROMOTED),
        (TOLERANT, "..F", 2, 0, Verdict.ASK),
        (TOLERANT, "F", 0, 0, Verdict.HELD),  # the only one: nothing shows that the wave works
        (TOLERANT, "FF", 0, 3, Verdict.NOT_YET),
        (TOLERANT, "FFFFF...", 0, 0, Verdict.HELD),
        (WARY, "....F", 0, 0, Verdict.HELD),  # a fifth of this stage
        (WARY, "." * 11 + "F", 0, 0, Verdict.PROMOTED),
        (None, "XX", 0, 0, Verdict.PROMOTED),
    ],
)
def test_a_stage_is_judged_on_its_own(
    breaker: Breaker | None, letters: str, waiting: int, unsettled: int, verdict: Verdict
) -> None:
    judged = promotion(breaker, ended(letters), waiting=waiting, unsettled=unsettled)
    assert judged.verdict is verdict
    assert bool(judged.why) is (verdict is not Verdict.PROMOTED)


@pytest.mark.parametrize(
    ("begun", "taken_up", "stages_left"),
    [
        (0, 0, (1, 5, 20, 74)),
        (1, 1, (1, 5, 20, 74)),
        (1, 0, (5, 20, 74)),
        (4, 4, (4, 2, 20, 74)),
        (100, 30, (30,)),
        (6, 2, (2, 20, 74)),
    ],
)
def test_a_run_that_goes_on_has_who_began_as_one_stage_and_then_the_stages_not_reached(
    begun: int, taken_up: int, stages_left: tuple[int, ...]
) -> None:
    assert going_on([1, 5, "20%", "rest"], 100, begun, taken_up) == stages_left
