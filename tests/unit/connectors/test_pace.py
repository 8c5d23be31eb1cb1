"""How fast one system may be asked, shared by everybody who asks it."""

from __future__ import annotations

from bascule.connectors.http.pace import Pace


async def asked_for(pace: Pace, slept: list[float], calls: int) -> float:
    """Seconds that so many calls take."""
    for _ in range(calls):
        await pace.turn()
    return sum(slept)


def paced(rate: float) -> tuple[Pace, list[float]]:
    slept: list[float] = []

    async def sleep(seconds: float) -> None:
        slept.append(seconds)

    return Pace(rate, burst=1, clock=lambda: sum(slept), sleep=sleep), slept


async def test_two_runs_that_ask_one_system_ask_it_no_more_than_one_would() -> None:
    alone, slept_alone = paced(10)
    half, slept_half = paced(10)
    half.share_among(2)
    assert round(await asked_for(alone, slept_alone, 51), 6) == 5
    assert round(await asked_for(half, slept_half, 51), 6) == 10


async def test_who_is_alone_again_has_the_whole_rate_again() -> None:
    pace, slept = paced(10)
    pace.share_among(4)
    pace.share_among(1)
    assert round(await asked_for(pace, slept, 51), 6) == 5


async def test_without_a_rate_there_is_nothing_to_share() -> None:
    pace = Pace()
    pace.share_among(3)
    await pace.turn()
