"""A process that was stalled wakes up when another has taken its cabinets over, and what it was about to send goes out."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import TypeVar

import pytest

from bascule.engine import migrate
from bascule.errors import LeaseLost
from bascule.ledger import Entry, EntryKind, this_process
from bascule.model import Outcome
from tests.builders import ONE_TIME, assert_moved, cabinets, stage
from tests.integration.engine.meddling import Meddling

CODE = "C0001"
ELSEWHERE = replace(this_process(), id="elsewhere", host="elsewhere")
T = TypeVar("T")


@dataclass
class Held(Meddling):
    """Stalls before it sends the first request of this kind."""

    what: str = ""
    stalled: asyncio.Event = field(default_factory=asyncio.Event)
    goes_on: asyncio.Event = field(default_factory=asyncio.Event)
    sent: asyncio.Event = field(default_factory=asyncio.Event)

    async def call(self, what: str, ask: Callable[[], Awaitable[T]]) -> T:
        if what != self.what or self.stalled.is_set():
            return await ask()
        self.stalled.set()
        await self.goes_on.wait()
        try:
            return await ask()
        finally:
            self.sent.set()


@dataclass
class Wakes(Meddling):
    """Before it sends its first request of this kind, the stalled one goes on and sends its own."""

    held: Held | None = None

    async def call(self, what: str, ask: Callable[[], Awaitable[T]]) -> T:
        assert self.held is not None
        if what == self.held.what and not self.held.goes_on.is_set():
            self.held.goes_on.set()
            await self.held.sent.wait()
        return await ask()


@pytest.mark.parametrize("verb", ONE_TIME)
async def test_what_a_stalled_run_sends_after_it_was_taken_over_is_refused_though_the_other_has_sent_nothing_yet(
    tmp_path: Path, verb: str
) -> None:
    async with stage(tmp_path, cabinets(1), sync_seconds=1) as on:

        async def nothing() -> None: ...

        held = Held(on.remote, 0, nothing, what=verb)
        stalled = asyncio.create_task(migrate(on.run(owner=ELSEWHERE, remote=held), on.cabinets[0]))
        await held.stalled.wait()
        await on.time.sleep(120)
        taken_over = await on.wave(remote=Wakes(on.remote, 0, nothing, held=held))
        await asyncio.gather(stalled, return_exceptions=True)
        assert taken_over.outcomes == {Outcome.OK: 1}
        await assert_moved(on, CODE)


async def test_a_run_that_wakes_up_after_its_time_sends_nothing_any_more(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with stage(tmp_path, cabinets(1), sync_seconds=1) as on:
        record = on.ledger.record

        async def stalled(*entries: Entry) -> tuple[Entry, ...]:
            written = await record(*entries)
            if entries[0].kind is EntryKind.INTENT and entries[0].verb == "connect":
                await on.time.sleep(600)
            return written

        monkeypatch.setattr(on.ledger, "record", stalled)
        with pytest.raises(LeaseLost, match="does not send connect any more"):
            await migrate(on.run(), on.cabinets[0])
        assert (await on.effective(CODE))["connect"] == 0
        monkeypatch.setattr(on.ledger, "record", record)
        assert (await on.wave()).outcomes == {Outcome.OK: 1}
        await assert_moved(on, CODE)
