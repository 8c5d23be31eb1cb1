"""Whatever happens at whichever call of a cabinet's road, running again ends it, and nothing is done twice."""

from __future__ import annotations

import asyncio
import os
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from bascule.engine import Run, Standing, migrate
from bascule.errors import RemoteDenies, RemoteError, RemoteFailing, RemoteSilent, RemoteUnreachable
from bascule.ledger import Entry, Ledger, Owner, this_process
from bascule.model import Cabinet, Outcome
from tests.builders import Stage, assert_moved, cabinets, stage
from tests.integration.engine.meddling import Meddling

CALLS = 60
"""More than a cabinet's road has."""


async def struck(stage: Stage, run: Run, cabinet: Cabinet, meddling: Meddling) -> Standing:
    return await migrate(replace(run, remote=meddling), cabinet)


@pytest.mark.parametrize("after", [False, True], ids=["before the call", "after the call"])
@pytest.mark.parametrize("error", [RemoteSilent, RemoteDenies], ids=lambda error: error.__name__)
async def test_an_error_at_any_call_never_costs_a_second_write(
    tmp_path: Path, error: Callable[[], RemoteError], after: bool
) -> None:
    async def fail() -> None:
        raise error()

    if after and error is not RemoteSilent:
        pytest.skip("a denial comes before anything is done")
    async with stage(tmp_path, cabinets(CALLS)) as scene:
        strokes = [Meddling(scene.remote, at, fail, after=after) for at in range(1, CALLS + 1)]
        standings = await asyncio.gather(
            *(struck(scene, scene.run(), c, m) for c, m in zip(scene.cabinets, strokes, strict=True))
        )
        for cabinet, stroke, standing in zip(scene.cabinets, strokes, standings, strict=True):
            if not (await scene.state(cabinet.code))["ge"]["locked_out"]:
                continue
            print("LOCKED", stroke.where, standing)
        for stroke, standing in zip(strokes, standings, strict=True):
            if standing.outcome is not Outcome.OK: print(stroke.at, stroke.where, standing)
        assert not all(stroke.where for stroke in strokes), "the road is longer than was thought"
        again = await scene.wave()
        assert again.outcomes == {Outcome.OK: CALLS}
        for cabinet in scene.cabinets:
            await assert_moved(scene, cabinet.code)
