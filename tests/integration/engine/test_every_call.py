"""Whatever happens at whichever call of a cabinet's road, running again ends it, and nothing is done twice.

One cabinet a call: the first is struck at its first call, the second at its second, up to the end of the road.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from dataclasses import replace
from pathlib import Path

import pytest

from bascule.engine import Run, Standing, migrate
from bascule.errors import RemoteDenies, RemoteSilent
from bascule.model import Outcome
from tests.builders import Stage, assert_moved, cabinets, stage
from tests.integration.engine.meddling import DEAD, ForgetfulLedger, Meddling

ROAD = 46
"""More calls than a cabinet's road has."""

NOW_OR_LATER = pytest.mark.parametrize("after", [False, True], ids=["before-the-call", "after-the-call"])


@asynccontextmanager
async def struck_at_every_call(
    folder: Path, meddle: Callable[[Run], Awaitable[None]], *, after: bool
) -> AsyncIterator[tuple[Stage, list[Standing]]]:
    async with stage(folder, cabinets(ROAD)) as scene:
        jobs, strokes = [], []
        for at, cabinet in enumerate(scene.cabinets, start=1):
            run = scene.run()
            stroke = Meddling(scene.remote, at, lambda run=run: meddle(run), after=after)  # type: ignore[misc]  # bound now
            strokes.append(stroke)
            jobs.append(migrate(replace(run, remote=stroke), cabinet))
        standings = await asyncio.gather(*jobs)
        assert not strokes[-1].where, "the road is longer than was thought: raise ROAD"
        yield scene, standings


async def assert_ends_well(scene: Stage) -> None:
    again = await scene.wave()
    assert again.outcomes == {Outcome.OK: ROAD}
    assert not again.defects
    for cabinet in scene.cabinets:
        await assert_moved(scene, cabinet.code)


@NOW_OR_LATER
async def test_a_silence_at_any_call_never_costs_a_second_write(tmp_path: Path, after: bool) -> None:
    async def fall_silent(_: Run) -> None:
        raise RemoteSilent

    async with struck_at_every_call(tmp_path, fall_silent, after=after) as (scene, standings):
        assert [standing.outcome for standing in standings] == [Outcome.OK] * ROAD
        await assert_ends_well(scene)


async def test_a_refused_token_at_any_call_leaves_nobody_locked_out_and_is_mended_by_running_again(
    tmp_path: Path,
) -> None:
    async def deny(_: Run) -> None:
        raise RemoteDenies

    async with struck_at_every_call(tmp_path, deny, after=False) as (scene, standings):
        for cabinet, standing in zip(scene.cabinets, standings, strict=True):
            assert standing.outcome in (Outcome.OK, Outcome.BLOCKED, Outcome.UNKNOWN, Outcome.NONE)
            assert not (await scene.state(cabinet.code))["ge"]["locked_out"], cabinet.code
        await assert_ends_well(scene)


async def test_the_word_to_stop_at_any_call_lets_users_in_unless_a_synchronisation_runs(tmp_path: Path) -> None:
    async def stop(run: Run) -> None:
        run.stop.set()

    async with struck_at_every_call(tmp_path, stop, after=True) as (scene, standings):
        for cabinet, standing in zip(scene.cabinets, standings, strict=True):
            if cabinet.code in scene.ledger.owing_a_reopen():
                assert standing.outcome is Outcome.UNKNOWN
                assert standing.remedy == "run again soon: users are let in when it ends"
                assert "synchronise" in await scene.effective(cabinet.code), "locked out for nothing"
        await assert_ends_well(scene)


@NOW_OR_LATER
async def test_a_process_that_dies_at_any_call_leaves_nothing_that_the_next_one_cannot_end(
    tmp_path: Path, after: bool
) -> None:
    async with stage(tmp_path, cabinets(ROAD)) as scene:
        dying = []
        ledgers = []
        for at, cabinet in enumerate(scene.cabinets, start=1):
            died = asyncio.Event()

            async def die(died: asyncio.Event = died) -> None:
                died.set()
                await asyncio.Event().wait()

            ledger = ForgetfulLedger(scene.ledger.url)
            ledgers.append(ledger)
            run = scene.run(owner=DEAD, ledger=ledger, remote=Meddling(scene.remote, at, die, after=after))
            life = asyncio.create_task(migrate(run, cabinet))
            await asyncio.wait([life, death := asyncio.create_task(died.wait())], return_when=asyncio.FIRST_COMPLETED)
            death.cancel()
            dying.append(life)
        await assert_ends_well(scene)
        for life in dying:
            life.cancel()
        for ledger in ledgers:
            ledger.close()
