"""Nobody is kept out, and nothing stops for little: long pauses, agents that are away, synchronisations that never end."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any, TypeVar

import pytest

from bascule.engine import conduct, migrate
from bascule.engine.opening import begin
from bascule.engine.overdue import DEADLINE_MISSED
from bascule.engine.walk import LOCKED_OUT_FOR
from bascule.errors import RemoteSilent
from bascule.ledger import Entry, EntryKind
from bascule.model import Lifecycle, Outcome
from bascule.procedure import LOCK_OUT, REOPEN, SYNCHRONISE
from bascule.reports import WaveStatus, status_of
from tests.builders import PACE, Stage, assert_moved, cabinets, stage
from tests.integration.engine.meddling import Meddling

FIRST, SECOND, THIRD = "C0001", "C0002", "C0003"
HOUR = 3600.0

T = TypeVar("T")


@pytest.fixture
async def three(tmp_path: Path) -> AsyncIterator[Stage]:
    """Three cabinets, in a world where everything takes as long as it does."""
    async with stage(tmp_path, cabinets(3), sync_seconds=300) as on:
        # One cabinet's sleep puts the clock forward under another's feet: `settle` says from when on that is a stall.
        on.pace = replace(PACE, poll=20, settle=600, patience_at_most=900, agent_away=1800)
        await begin(on.run(), on.cabinets, {})
        yield on


def sleeping(on: Stage, look: Callable[[], Awaitable[None]]) -> Callable[[float], Awaitable[None]]:
    """A sleep in which a test looks around."""

    async def sleep(seconds: float) -> None:
        await on.time.sleep(seconds)
        await look()

    return sleep


@dataclass
class After(Meddling):
    """`meddle` happens after the first call of this kind was carried out; with `silent` its answer is lost too."""

    what: str = ""
    silent: bool = False

    async def call(self, what: str, ask: Callable[[], Awaitable[T]]) -> T:
        answer = await ask()
        if what == self.what and not self.where:
            self.where = what
            await self.meddle()
            if self.silent:
                raise RemoteSilent
        return answer


class Before(After):
    """`meddle` happens before the first call of this kind."""

    async def call(self, what: str, ask: Callable[[], Awaitable[T]]) -> T:
        if what == self.what and not self.where:
            self.where = what
            await self.meddle()
        return await ask()


def waits_under_lock_out(on: Stage, code: str) -> list[Entry]:
    """What was waited for while users were out."""
    out, waits = False, []
    for entry in on.ledger.history(code):
        if entry.kind is EntryKind.INTENT and entry.verb == LOCK_OUT:
            out = True
        elif entry.kind is EntryKind.PROOF and entry.step == REOPEN:
            out = False
        elif out and "held" in entry.evidence:
            waits.append(entry)
    return waits


def locked_out_for(on: Stage, code: str) -> list[float]:
    """Seconds, each time that users were let in again."""
    findings = on.entries(code, EntryKind.FINDING)
    return [one.evidence["locked_out_for"] for one in findings if one.evidence["rule"] == LOCKED_OUT_FOR]


def notes(on: Stage) -> list[Entry]:
    return [entry for entry in on.ledger.history("@pilot") if "waits_for" in entry.evidence]


# Long pauses


async def test_a_throttle_of_an_hour_keeps_nobody_out_and_the_wave_goes_on_by_itself(three: Stage) -> None:
    throttle = {"fault": "throttled", "cabinets": [FIRST], "at": SYNCHRONISE, "times": 1, "seconds": HOUR}
    await three.faults(throttle, sync_seconds=300)
    first, others = three.cabinets[0], three.cabinets[1:]
    seen: list[WaveStatus] = []

    async def until(step: str, kind: EntryKind) -> None:
        while not all(three.entries(one.code, kind, step) for one in others):
            await asyncio.sleep(0.005)

    async def look() -> None:
        if not seen and any(three.entries(FIRST, EntryKind.HELD)):
            seen.append(status_of(three.ledger, "pilot"))
            await until(REOPEN, EntryKind.PROOF)

    # The first is throttled while the others synchronise, and waits until their users are back.
    stroke = Before(three.remote, 0, lambda: until(SYNCHRONISE, EntryKind.EFFECT), what=SYNCHRONISE)
    throttled = three.run(remote=stroke, sleep=sleeping(three, look))
    theirs = three.run(outages=throttled.outages)
    standings = await asyncio.gather(migrate(throttled, first), *(migrate(theirs, one) for one in others))
    await three.ledger.settle()

    assert [standing.outcome for standing in standings] == [Outcome.OK] * 3
    [status] = seen
    [held] = [one for one in status.as_json()["cabinets"] if one["code"] == FIRST]
    for cabinet in three.cabinets:
        await assert_moved(three, cabinet.code)
        assert waits_under_lock_out(three, cabinet.code) == []
    for cabinet in others:
        [back] = three.entries(cabinet.code, EntryKind.PROOF, REOPEN)
        assert back.at < datetime.fromisoformat(held["held_until"]), "its users waited for another cabinet's pause"
    told = [line["outcome"] for line in await three.journal(FIRST) if line["verb"] == SYNCHRONISE]
    assert told == ["refused", "applied"]

    # What another process could see meanwhile.
    assert (held["held_by"], held["lifecycle"], held["step"]) == ("ge", "running", LOCK_OUT)
    assert held["reason"].startswith("GE asks for patience until")
    assert held["locked_out_since"] is None
    assert any(line.startswith("Held: C0001 wait for GE, until") for line in status.halts)
    assert all(one.held_by is None for one in status_of(three.ledger, "pilot").cabinets)


async def test_a_long_pause_is_told_once_a_cabinet_and_step(three: Stage) -> None:
    await three.faults({"fault": "throttled", "cabinets": [FIRST], "at": "backup", "times": 1, "seconds": HOUR})
    assert (await three.wave([three.cabinets[0]])).outcomes == {Outcome.OK: 1}
    told = three.entries(FIRST, EntryKind.HELD, "backup")
    assert ["held" in entry.evidence for entry in told] == [True, False]


async def test_no_lock_out_begins_during_a_pause_that_leaves_no_time_for_it(three: Stage) -> None:
    throttle = {"fault": "throttled", "cabinets": [FIRST], "at": SYNCHRONISE, "times": 1, "seconds": HOUR}
    await three.faults(throttle, sync_seconds=300)
    soon = three.time.now() + timedelta(minutes=50)
    conducted = await three.wave(three.cabinets[:1], last_safe_start=lambda _: soon)
    standing = conducted.standings[FIRST]
    assert (standing.lifecycle, standing.step) == (Lifecycle.WAITING, LOCK_OUT)
    assert "GE asks for patience until" in standing.reason
    assert (await three.effective())[LOCK_OUT] == 1
    assert not (await three.state(FIRST))["ge"]["locked_out"]


async def test_a_pause_does_not_outlast_the_word_to_stop(three: Stage) -> None:
    await three.faults({"fault": "throttled", "cabinets": [FIRST], "at": "backup", "seconds": HOUR})
    run = three.run()

    async def look() -> None:
        if any(three.entries(FIRST, EntryKind.HELD)):
            run.stop.set()

    run.sleep = sleeping(three, look)
    assert (await conduct(run, three.cabinets)).stopped
    [paused] = [entry for entry in three.entries(FIRST, EntryKind.HELD) if "held" in entry.evidence]
    assert three.entries(FIRST, EntryKind.ENDED)[-1].at < datetime.fromisoformat(paused.evidence["held"]["until"])


# Agents that are away


@pytest.mark.parametrize("status", [None, 503], ids=["cut", "503"])
async def test_an_agent_that_is_away_is_waited_for_and_the_run_goes_on_by_itself(
    three: Stage, status: int | None
) -> None:
    away = {"fault": "away", "system": "ge", "seconds": 900, **({"status": status} if status else {})}
    await three.faults(away, sync_seconds=300)
    began = three.time.now()
    conducted = await conduct(three.run(), three.cabinets, slots=2)
    assert conducted.outcomes == {Outcome.OK: 3}
    for cabinet in three.cabinets:
        await assert_moved(three, cabinet.code)
    first, second = notes(three)
    assert (first.evidence["waits_for"], second.evidence["waits_for"]) == ("ge", None)
    assert second.at - began >= timedelta(seconds=900)
    [third] = three.entries(THIRD, EntryKind.BEGAN)
    assert third.at - began >= timedelta(seconds=900), "a cabinet was begun while the agent was away"


async def test_what_was_in_doubt_when_the_agent_went_away_is_read_back_when_it_is_there_again(three: Stage) -> None:
    async def goes_away() -> None:
        await three.faults({"fault": "away", "system": "ge", "seconds": 900}, sync_seconds=300)

    run = three.run(remote=After(three.remote, 0, goes_away, what=SYNCHRONISE, silent=True))
    conducted = await conduct(run, three.cabinets[:1])
    assert conducted.outcomes == {Outcome.OK: 1}
    await assert_moved(three, FIRST)
    assert three.entries(FIRST, EntryKind.EFFECT, SYNCHRONISE)[0].evidence["answer"] == "unanswered"


async def test_nobody_is_kept_out_because_the_target_is_away(three: Stage) -> None:
    async def goes_away() -> None:
        await three.faults({"fault": "away", "system": "s4a", "seconds": HOUR / 3}, sync_seconds=300)

    run = three.run(remote=After(three.remote, 0, goes_away, what=LOCK_OUT))
    assert (await conduct(run, three.cabinets[:1])).outcomes == {Outcome.OK: 1}
    await assert_moved(three, FIRST)
    assert max(locked_out_for(three, FIRST)) < 15 * 60
    assert notes(three)[0].evidence["waits_for"] == "s4a"
    assert waits_under_lock_out(three, FIRST) == []


async def test_an_agent_that_stays_away_ends_the_cabinets_as_before_when_the_time_is_over(three: Stage) -> None:
    await three.faults({"fault": "away", "system": "ge"})
    began = three.time.now()
    conducted = await conduct(three.run(), three.cabinets, slots=2)
    assert conducted.outcomes == {Outcome.FAILED: 3}
    assert timedelta(minutes=30) <= three.time.now() - began < timedelta(minutes=35)
    assert {standing.error_class for standing in conducted.standings.values()} == {"transient"}
    [note] = notes(three)
    assert note.reason.startswith("GE answers nobody since")


async def test_an_agent_is_not_waited_for_past_the_last_safe_start(three: Stage) -> None:
    await three.faults({"fault": "away", "system": "ge"})
    began = three.time.now()
    soon = began + timedelta(minutes=5)
    conducted = await three.wave(last_safe_start=lambda _: soon)
    assert conducted.outcomes == {Outcome.FAILED: 3}
    assert three.time.now() - began < timedelta(minutes=7)


async def test_the_word_to_stop_ends_the_wait_for_an_agent_at_once(three: Stage) -> None:
    await three.faults({"fault": "away", "system": "ge"})
    run = three.run()

    async def look() -> None:
        if notes(three):
            run.stop.set()

    run.sleep = sleeping(three, look)
    began = three.time.now()
    assert (await conduct(run, three.cabinets)).stopped
    assert three.time.now() - began < timedelta(minutes=25)


async def test_one_cabinet_that_fails_while_others_are_answered_is_not_waited_for(three: Stage) -> None:
    await three.faults({"fault": "server-error", "cabinets": [SECOND], "on": "any"})
    conducted = await three.wave()
    assert conducted.standings[SECOND].outcome is Outcome.FAILED
    assert notes(three) == []


@pytest.mark.parametrize("fault", ["web-page", "truncated"])
async def test_garbled_answers_end_well_and_nothing_is_written_twice(three: Stage, fault: str) -> None:
    await three.faults({"fault": fault, "share": 1, "on": "any", "times": 3})
    assert (await three.wave()).outcomes == {Outcome.OK: 3}
    for cabinet in three.cabinets:
        await assert_moved(three, cabinet.code)


# A synchronisation that never ends


async def test_a_synchronisation_that_never_ends_is_an_alarm_once_and_goes_on_being_watched(three: Stage) -> None:
    three.pace = replace(three.pace, poll=600, look=0.01)

    async def takes_for_ever() -> None:
        await three.faults(sync_seconds=10_000_000)

    run = three.run(remote=After(three.remote, 0, takes_for_ever, what=LOCK_OUT))
    heard: list[datetime] = []
    polls: list[int] = []
    heard_enough = 5

    async def alarm() -> None:
        heard.append(run.clock())

    async def look() -> None:
        await asyncio.sleep(0.001)  # the wave looks by our clock, the cabinet polls by its own
        if heard:
            polls.append(three.calls())
        if len(polls) > heard_enough:
            run.stop.set()

    run.alarm, run.sleep = alarm, sleeping(three, look)
    conducted = await conduct(run, three.cabinets[:1])

    assert len(heard) == 1
    [finding] = [one for one in three.entries(FIRST, EntryKind.FINDING) if one.evidence["rule"] == DEADLINE_MISSED]
    assert finding.reason.startswith("users should have been back by")
    assert polls[-1] > polls[0], "nobody watched it any more"
    assert conducted.standings[FIRST].outcome is Outcome.UNKNOWN
    assert (await three.state(FIRST))["ge"]["locked_out"]
    assert three.ledger.owing_a_reopen() == (FIRST,)
    journal: list[dict[str, Any]] = await three.journal(FIRST)
    assert [line["verb"] for line in journal].count("reopen") == 0
