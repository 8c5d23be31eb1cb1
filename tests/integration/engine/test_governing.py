"""A wave under its rules: it holds back, trips, closes and listens, and every word of it is in the ledger."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

import pytest

from bascule.engine import Conducted, Standing, conduct, migrate
from bascule.engine.commanding import Answered, command
from bascule.engine.conduct import planned
from bascule.engine.opening import begin, end
from bascule.engine.run import Run
from bascule.errors import STILL_RUNNING
from bascule.inventory import WaveSettings, Window
from bascule.ledger import Entry, EntryKind, Ledger, Owner, this_process
from bascule.model import Cabinet, Lifecycle, Outcome
from bascule.waves.breaker import Trip
from bascule.waves.governor import Rules, Told, WindowClosed, Word
from config.wiring import Hours, not_before
from tests.builders import Stage, assert_moved, cabinets, stage

PARIS = ZoneInfo("Europe/Paris")
BLOCKED = ("C0002", "C0004", "C0006")


@pytest.fixture
async def twelve(tmp_path: Path) -> AsyncIterator[Stage]:
    async with stage(tmp_path, cabinets(12)) as on:
        yield on


def rules(on: Stage, slots: int = 2, **settings: Any) -> Rules:
    told = WaveSettings.model_validate(settings)
    return Rules(settings=told, cabinets=tuple(planned(one) for one in on.cabinets), slots=slots)


async def governed(on: Stage, under: Rules, **changes: Any) -> Conducted:
    run = on.run(**changes)
    await begin(run, on.cabinets, {})
    conducted = await conduct(run, on.cabinets, rules=under)
    await end(run, conducted)
    return conducted


async def test_the_breaker_trips_at_the_limit_as_read_and_says_what_the_cabinets_have_in_common(twelve: Stage) -> None:
    await twelve.faults({"fault": "missing-group-right", "cabinets": list(BLOCKED)})
    conducted = await governed(twelve, rules(twelve, 1, breaker={"failures": 2}))
    assert isinstance(conducted.stop, Trip)
    assert conducted.stop.failed == BLOCKED[:2]
    assert [str(one) for one in conducted.stop.common if one.what == "step"] == ["2 with step admin-rights"]
    assert set(conducted.standings) == {"C0001", "C0002", "C0003", "C0004"}
    [note] = [entry for entry in twelve.ledger.history("@pilot") if entry.kind is EntryKind.NOTE]
    assert (note.evidence["governs"], note.evidence["rule"]) == ("Trip", "failures")
    await twelve.faults()
    conducted = await governed(twelve, rules(twelve, 4, breaker={"failures": 2}))
    assert (conducted.stop, conducted.outcomes) == (None, {Outcome.OK: 12})


async def test_a_ramp_starts_the_next_stage_only_when_the_one_before_is_good(twelve: Stage) -> None:
    ended_before: list[int] = []
    """How many had ended when each began, in the order in which they began."""

    async def watched(run: Run, cabinet: Cabinet) -> Standing:
        ended_before.append(len(run.ledger.of_wave("pilot", [EntryKind.ENDED])))
        return await migrate(run, cabinet)

    run = twelve.run()
    conducted = await conduct(run, twelve.cabinets, rules=rules(twelve, 20, ramp=[1, 5, "rest"]), migrate=watched)
    assert conducted.outcomes == {Outcome.OK: 12}
    canary, second, rest = ended_before[:1], ended_before[1:6], ended_before[6:]
    assert canary == [0]
    assert set(second) == {1}
    assert len(rest) == 6
    assert min(rest) >= 6


async def test_a_first_cabinet_that_fails_holds_the_ramp(twelve: Stage) -> None:
    await twelve.faults({"fault": "missing-group-right", "cabinets": ["C0001"]})
    conducted = await governed(twelve, rules(twelve, 20, ramp=[1, "rest"]))
    assert conducted.outcomes == {Outcome.BLOCKED: 1}
    assert conducted.stop is not None
    assert "stage 1 of 2" in conducted.stop.why


def closing_in(on: Stage, minutes: float) -> Window:
    local = on.time.now().astimezone(PARIS).replace(second=0, microsecond=0)
    return Window(from_=(local - timedelta(hours=2)).time(), to=(local + timedelta(minutes=minutes)).time())


async def test_a_window_that_closes_in_mid_wave_starts_nothing_more_and_leaves_nobody_locked_out(
    twelve: Stage,
) -> None:
    window = closing_in(twelve, 10)

    async def slow(run: Run, cabinet: Cabinet) -> Standing:
        await twelve.time.sleep(200)
        return await migrate(run, cabinet)

    run = twelve.run()
    under = rules(twelve, 1, window=window.model_dump(by_alias=True, mode="json"))
    conducted = await conduct(run, twelve.cabinets, rules=under, migrate=slow)
    assert isinstance(conducted.stop, WindowClosed)
    assert 0 < len(conducted.standings) < 12
    for one in twelve.cabinets:
        assert not (await twelve.state(one.code))["ge"]["locked_out"]
    await twelve.time.sleep(24 * 3600 - 2 * 3600)
    again = await conduct(twelve.run(), twelve.cabinets, rules=rules(twelve, 4))
    assert again.outcomes == {Outcome.OK: 12}


async def test_no_lock_out_begins_that_could_not_end_before_the_window_closes(twelve: Stage) -> None:
    settings = WaveSettings(window=closing_in(twelve, 30))
    [first, *_] = twelve.cabinets
    desk: Any = NoOrders()
    run = twelve.run(not_now=not_before(desk, Hours(settings, (), lambda _: timedelta(minutes=45), twelve.time.now)))
    standing = (await conduct(run, [first], slots=1)).standings[first.code]
    assert (standing.lifecycle, standing.step) == (Lifecycle.WAITING, "lock-out")
    assert "45 minutes from lock-out to reopen do not fit" in standing.reason
    assert "lock-out" not in [line["verb"] for line in await twelve.journal(first.code)]
    run = twelve.run(not_now=not_before(desk, Hours(settings, (), lambda _: timedelta(minutes=20), twelve.time.now)))
    assert (await conduct(run, [first], slots=1)).outcomes == {Outcome.OK: 1}


class NoOrders:
    async def of(self, _cabinet: str) -> tuple[()]:
        return ()


async def told(on: Stage, word: Word, because: str = "") -> Answered:
    return await command(on.ledger, wave="pilot", word=word, by="anne", because=because)


async def test_a_paused_wave_starts_nothing_until_it_is_resumed(twelve: Stage) -> None:
    async def patient(seconds: float) -> None:
        await asyncio.sleep(0.01)

    first_ended = asyncio.Event()

    async def watched(run: Run, cabinet: Cabinet) -> Standing:
        standing = await migrate(run, cabinet)
        first_ended.set()
        await asyncio.sleep(0.2)
        return standing

    run = twelve.run(sleep=patient)
    await begin(run, twelve.cabinets, {})
    going = asyncio.create_task(conduct(run, twelve.cabinets, rules=rules(twelve, 2), migrate=watched))
    await first_ended.wait()
    paused = await told(twelve, Word.PAUSE, because="lunch")
    assert paused.by_run == run.id
    assert "anne told the wave to pause: lunch" in paused.says
    await asyncio.sleep(1)
    began = len(twelve.ledger.of_wave("pilot", [EntryKind.BEGAN]))
    await asyncio.sleep(1)
    assert len(twelve.ledger.of_wave("pilot", [EntryKind.BEGAN])) == began < 12
    assert not going.done()
    assert "goes on" in (await told(twelve, Word.RESUME)).says
    assert (await going).outcomes == {Outcome.OK: 12}


@pytest.mark.parametrize("word", [Word.DRAIN, Word.STOP])
async def test_a_wave_that_is_told_to_end_leaves_nobody_locked_out_but_by_a_synchronisation_and_goes_on_when_run_again(
    twelve: Stage, word: Word
) -> None:
    first = asyncio.Event()

    async def watched(run: Run, cabinet: Cabinet) -> Standing:
        first.set()
        return await migrate(run, cabinet)

    run = twelve.run()
    await begin(run, twelve.cabinets, {})
    going = asyncio.create_task(conduct(run, twelve.cabinets, rules=rules(twelve, 2), migrate=watched))
    await first.wait()
    await told(twelve, word)
    conducted = await going
    assert isinstance(conducted.stop, Told)
    assert len(conducted.standings) < 12
    left_running = {code for code, standing in conducted.standings.items() if standing.outcome is Outcome.UNKNOWN}
    # A word to drain lets a guarded section end; one to stop may come while its synchronisation runs.
    assert word is Word.STOP or not left_running
    for one in twelve.cabinets:
        assert (await twelve.state(one.code))["ge"]["locked_out"] == (one.code in left_running)
    assert {conducted.standings[code].error_signature for code in left_running} <= {f"synchronise: {STILL_RUNNING}"}
    assert (await twelve.wave()).outcomes == {Outcome.OK: 12}
    for one in twelve.cabinets:
        await assert_moved(twelve, one.code)


async def test_a_word_that_was_said_before_a_run_began_is_not_for_it(twelve: Stage) -> None:
    await command(twelve.ledger, wave="pilot", word=Word.STOP, by="anne", patience=0)
    assert (await governed(twelve, rules(twelve, 4))).outcomes == {Outcome.OK: 12}


async def test_which_runs_are_at_work_is_known_also_after_one_died(twelve: Stage) -> None:
    here = this_process()
    dead = Owner(id="x", host=here.host, boot=here.boot, pid=here.pid, process_started=1)
    await begin(twelve.run(owner=dead), twelve.cabinets, {})
    assert twelve.ledger.running("pilot", twelve.time.now()) == ()
    run = twelve.run()
    await begin(run, twelve.cabinets, {})
    assert twelve.ledger.running("pilot", twelve.time.now()) == (run.id,)
    await end(run, Conducted())
    assert twelve.ledger.running("pilot", twelve.time.now()) == ()


async def test_a_run_that_died_unseen_on_another_machine_takes_no_share_of_the_slots(twelve: Stage) -> None:
    last_year = datetime(2025, 1, 1, tzinfo=UTC)
    for number in range(3):
        elsewhere = Owner(id=f"x{number}", host=f"worker-{number}", boot="b", pid=1, process_started=1)
        await begin(twelve.run(owner=elsewhere, clock=lambda: last_year), twelve.cabinets, {})
    assert twelve.ledger.running("pilot", twelve.time.now()) == ()
    in_flight, most = 0, 0

    async def watched(run: Run, cabinet: Cabinet) -> Standing:
        nonlocal in_flight, most
        in_flight += 1
        most = max(most, in_flight)
        await asyncio.sleep(0.05)
        standing = await migrate(run, cabinet)
        in_flight -= 1
        return standing

    run = twelve.run()
    await begin(run, twelve.cabinets, {})
    await conduct(run, twelve.cabinets, rules=rules(twelve, 8), migrate=watched)
    assert most == 8


async def test_a_run_that_is_not_seen_for_a_while_and_comes_back_counts_again(twelve: Stage) -> None:
    run = twelve.run()
    await begin(run, twelve.cabinets, {})
    await twelve.ledger.sign_on(run.id, run.owner, datetime.now(UTC) - timedelta(minutes=5))
    assert twelve.ledger.running("pilot", twelve.time.now()) == ()
    seen: list[tuple[str, ...]] = []

    async def watched(run: Run, cabinet: Cabinet) -> Standing:
        seen.append(run.ledger.running("pilot", twelve.time.now()))
        return await migrate(run, cabinet)

    await conduct(run, twelve.cabinets, rules=rules(twelve, 2), migrate=watched)
    assert set(seen) == {(run.id,)}


# Whatever the clocks of those who speak


async def say_at(on: Stage, at: datetime, word: Word, because: str = "") -> None:
    """As a machine would whose clock shows `at`."""
    evidence = {"word": word.value}
    await on.ledger.record(
        Entry(
            cabinet="@pilot",
            kind=EntryKind.COMMAND,
            at=at,
            who="anne",
            wave="pilot",
            run="",
            reason=because,
            evidence=evidence,
        )
    )


async def test_a_resume_from_a_machine_that_is_behind_takes_a_pause_back(twelve: Stage) -> None:
    run = twelve.run()
    await begin(run, twelve.cabinets, {})
    await say_at(twelve, twelve.time.now(), Word.PAUSE)
    await say_at(twelve, twelve.time.now() - timedelta(minutes=20), Word.RESUME)
    conducted = await asyncio.wait_for(conduct(run, twelve.cabinets, rules=rules(twelve, 12)), 30)
    assert conducted.outcomes == {Outcome.OK: 12}


async def test_a_resume_from_a_machine_that_is_ahead_accepts_nothing_that_fails_afterwards(twelve: Stage) -> None:
    await twelve.faults({"fault": "missing-group-right", "cabinets": ["C0002"]})
    run = twelve.run()
    await begin(run, twelve.cabinets, {})
    await say_at(twelve, twelve.time.now() + timedelta(hours=4), Word.RESUME, "mended")
    conducted = await conduct(run, twelve.cabinets, rules=rules(twelve, 1, breaker={"failures": 1}))
    assert isinstance(conducted.stop, Trip)
    assert set(conducted.standings) == {"C0001", "C0002"}


async def test_a_run_on_a_machine_that_is_behind_is_heard(twelve: Stage) -> None:
    run = twelve.run(clock=lambda: datetime.now(UTC) - timedelta(seconds=30))
    await begin(run, twelve.cabinets, {})
    going = asyncio.create_task(conduct(run, twelve.cabinets, rules=rules(twelve, 1)))
    said = await told(twelve, Word.DRAIN)
    assert said.by_run == run.id
    assert "told the wave to drain" in said.says
    await going


async def test_two_runs_share_a_wave_and_each_cabinet_is_run_once(twelve: Stage) -> None:
    async def slow(run: Run, cabinet: Cabinet) -> Standing:
        await asyncio.sleep(0.05)
        return await migrate(run, cabinet)

    async def one(ledger: Ledger) -> Conducted:
        run = replace(twelve.run(), ledger=ledger)
        await begin(run, twelve.cabinets, {})
        return await conduct(run, twelve.cabinets, rules=rules(twelve, 4), migrate=slow)

    with Ledger(twelve.ledger.url) as other:
        first, second = await asyncio.gather(one(twelve.ledger), one(other))
    began = twelve.ledger.of_wave("pilot", [EntryKind.BEGAN])
    assert sorted(entry.cabinet for entry in began) == [one.code for one in twelve.cabinets]
    assert len({entry.run for entry in began}) == 2
    assert {**first.outcomes, **second.outcomes} == {Outcome.OK: 12}
