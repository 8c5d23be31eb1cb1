"""Users whom an earlier run left locked out are let in by the next run, also by one that takes up other cabinets."""

from __future__ import annotations

from pathlib import Path

from bascule.engine import conduct, pay_what_is_owed
from tests.builders import cabinets, stage


async def test_a_run_of_other_cabinets_lets_in_whom_a_stopped_run_left_locked_out(tmp_path: Path) -> None:
    (left,) = cabinets(1)
    async with stage(tmp_path, [left]) as on:
        stopped = on.run()
        stopped.progress = lambda cabinet, step, operation: stopped.stop.set()
        await conduct(stopped, [left], slots=1)
        assert (await on.state(left.code))["ge"]["locked_out"] is True
        assert on.ledger.owing_a_reopen() == (left.code,)

        await on.time.sleep(60)
        await pay_what_is_owed(on.run(), [left])

        assert (await on.state(left.code))["ge"]["locked_out"] is False
        assert on.ledger.owing_a_reopen() == ()
        assert [line["verb"] for line in await on.journal(left.code)].count("synchronise") == 1
