"""Runs at work on one wave, over one ledger, share its slots."""

from __future__ import annotations

import asyncio
from pathlib import Path

import pytest

from bascule.engine import Conducted, Run, Standing, conduct
from bascule.engine.opening import begin, end
from bascule.ledger import Ledger
from bascule.model import Cabinet, Lifecycle, Outcome
from tests.builders import cabinets, stage

EIGHT = cabinets(8)


class Counted:
    """Cabinets in flight, of all runs together; each stays so until others have had the time to begin."""

    def __init__(self) -> None:
        self.in_flight: set[str] = set()
        self.at_most = 0
        self.by_run: dict[str, int] = {}

    async def migrate(self, run: Run, cabinet: Cabinet) -> Standing:
        fence = await run.ledger.take_lease(cabinet.code, run.owner, run.clock())
        self.in_flight.add(cabinet.code)
        self.at_most = max(self.at_most, len(self.in_flight))
        self.by_run[run.id] = self.by_run.get(run.id, 0) + 1
        await asyncio.sleep(0.03)
        self.in_flight.remove(cabinet.code)
        run.ledger.let_go(cabinet.code, fence, run.clock())
        return Standing(Lifecycle.ENDED, Outcome.OK, None, "")


@pytest.mark.parametrize("slots", [2, 3, 4])
async def test_two_runs_together_never_have_more_cabinets_in_flight_than_the_wave_has_slots(
    tmp_path: Path, slots: int
) -> None:
    async with stage(tmp_path, EIGHT) as scene:
        counted = Counted()

        async def at_work(run: Run) -> Conducted:
            conducted = await conduct(run, EIGHT, slots=slots, migrate=counted.migrate)
            await end(run, conducted)
            return conducted

        with Ledger(scene.ledger.url) as other:
            runs = [scene.run(), scene.run(ledger=other)]
            for run in runs:
                await begin(run, EIGHT, {})
            await asyncio.gather(*(at_work(run) for run in runs))
        assert counted.at_most == slots
        assert len(counted.by_run) == 2
