"""A request that is still on its way when its sender is told nothing: it is waited for, and never sent a second time."""

from __future__ import annotations

import asyncio
from collections import Counter
from pathlib import Path

import pytest

from bascule.engine import migrate
from bascule.model import Outcome
from tests.builders import ONE_TIME, PACE, Stage, assert_moved, cabinets, stage
from tests.integration.engine.meddling import DEAD, ForgetfulLedger

ARRIVES_AFTER = 0.8 * PACE.settle


def in_flight(scene: Stage, answer: str) -> list[dict[str, object]]:
    """One cabinet a write, each with that write still on its way for a while."""
    late = {"fault": "in-flight", "seconds": ARRIVES_AFTER, "times": 1, "answer": answer}
    return [
        {**late, "cabinets": [cabinet.code], "at": verb} for cabinet, verb in zip(scene.cabinets, ONE_TIME, strict=True)
    ]


async def assert_nothing_was_sent_twice(scene: Stage) -> None:
    received = Counter((line["cabinet"], line["verb"]) for line in await scene.journal())
    assert {place: count for place, count in received.items() if count > 1 and place[1] in ONE_TIME} == {}
    for cabinet in scene.cabinets:
        await assert_moved(scene, cabinet.code)


@pytest.mark.parametrize("answer", ["silence", "unavailable"])
async def test_a_write_that_is_found_only_later_is_waited_for_and_not_sent_again(tmp_path: Path, answer: str) -> None:
    async with stage(tmp_path, cabinets(len(ONE_TIME))) as scene:
        await scene.faults(*in_flight(scene, answer))
        assert (await scene.wave()).outcomes == {Outcome.OK: len(ONE_TIME)}
        await assert_nothing_was_sent_twice(scene)


async def test_a_write_that_a_dead_process_has_sent_is_waited_for_by_the_next_one(tmp_path: Path) -> None:
    """It dies while it waits, before the silence is on record."""
    async with stage(tmp_path, cabinets(len(ONE_TIME))) as scene:
        await scene.faults(*in_flight(scene, "silence"))
        dying, ledgers = [], []
        for cabinet in scene.cabinets:
            died = asyncio.Event()

            async def die_while_waiting(seconds: float, died: asyncio.Event = died) -> None:
                if seconds > 1:
                    died.set()
                    await asyncio.Event().wait()
                await scene.time.sleep(seconds)

            ledgers.append(ForgetfulLedger(scene.ledger.url))
            dies = scene.run(owner=DEAD, ledger=ledgers[-1], sleep=die_while_waiting)
            dying.append(life := asyncio.create_task(migrate(dies, cabinet)))
            await asyncio.wait([life, death := asyncio.create_task(died.wait())], return_when=asyncio.FIRST_COMPLETED)
            death.cancel()
            assert died.is_set(), "it did not wait"
        assert (await scene.wave()).outcomes == {Outcome.OK: len(ONE_TIME)}
        await assert_nothing_was_sent_twice(scene)
        for life in dying:
            life.cancel()
        for ledger in ledgers:
            ledger.close()
