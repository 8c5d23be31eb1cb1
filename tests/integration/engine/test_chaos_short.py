"""The short form of `make chaos`: few seeds with processes that are killed, a dozen in process, on a clock that costs nothing."""

from __future__ import annotations

import asyncio
import subprocess
import sys
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeVar

import pytest

from bascule.engine import conduct
from bascule.engine.opening import begin, end
from bascule.errors import RemoteSilent
from bascule.model import Outcome
from tests.builders import ONE_TIME, Stage, stage
from tests.chaos.oracle import not_so, untrue
from tests.chaos.processes import WAVE, some_cabinets
from tests.chaos.promises import broken
from tests.chaos.storm import UNDETECTABLE, Strikes, storm
from tests.integration.engine.meddling import DEAD, ForgetfulLedger, Meddling

ROOT = Path(__file__).parents[3]
CABINETS = some_cabinets(4)[1:]
CALM_RUNS = 6

T = TypeVar("T")


@pytest.mark.timeout(300)
def test_whatever_is_killed_every_cabinet_arrives_once_and_lets_its_users_in(
    capsys: pytest.CaptureFixture[str],
) -> None:
    command = [sys.executable, "-m", "tests.chaos", "engine", "--seeds", "3", "--cabinets", "20", "--together", "3"]
    ended = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)

    with capsys.disabled():
        sys.stdout.write(f"\n{ended.stdout}")
    assert ended.returncode == 0, ended.stdout + ended.stderr
    done = ended.stdout.splitlines()[-1]
    assert "3 seeds × 20 cabinets" in done
    assert all(f" {struck} " in done for struck in ("run", "company", "sandbox", "faults")), done


@dataclass
class Seen:
    """What the systems hold at one moment, as the oracle asks for it."""

    cabinets: tuple[Any, ...]
    states: dict[str, Any]
    lines: list[dict[str, Any]]

    def state(self, code: str) -> Any:
        return self.states[code]

    def journal(self) -> list[dict[str, Any]]:
        return self.lines


async def seen(scene: Stage) -> Any:
    scene.time.ahead += 60  # whatever takes its time is over
    states = {cabinet.code: await scene.state(cabinet.code) for cabinet in CABINETS}
    return Seen(CABINETS, states, await scene.journal())


@dataclass
class Dying(Meddling):
    """From one call on no answer comes back any more, whoever of the run asks."""

    async def call(self, what: str, ask: Callable[[], Awaitable[T]]) -> T:
        self.calls += 1
        if self.calls > self.at or (self.calls == self.at and not self.after):
            await self.meddle()
        answer = await ask()
        if self.calls >= self.at:
            await self.meddle()
        return answer


@pytest.fixture(scope="module")
def calm(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Any]:
    """Where the cabinets stand when nobody disturbs them."""

    async def undisturbed() -> dict[str, Any]:
        async with stage(tmp_path_factory.mktemp("calm"), CABINETS) as scene:
            assert (await scene.wave()).outcomes == {Outcome.OK: len(CABINETS)}
            states: dict[str, Any] = (await seen(scene)).states
            return states

    return asyncio.run(undisturbed())


async def one_run(scene: Stage, **changes: Any) -> set[Outcome]:
    run = scene.run(wave=WAVE, **changes)
    await begin(run, CABINETS, {})
    conducted = await conduct(run, CABINETS, slots=20)
    await end(run, conducted)
    assert not conducted.defects
    return set(conducted.outcomes)


async def survive(scene: Stage, seed: int, calm: dict[str, Any]) -> list[str]:
    """Runs that die one after the other while the systems err and lie; then calm. What is broken of the promises."""
    codes = [cabinet.code for cabinet in CABINETS]
    weather = storm(seed, may_strike=[Strikes.RUN, Strikes.FAULTS], codes=codes)
    lied_about, undetectable = weather.told_of(), weather.told_of(*UNDETECTABLE)
    dead, over = [], asyncio.Event()
    for gust in weather.gusts:
        if gust.strikes is Strikes.FAULTS:
            await scene.faults(*gust.faults, honour_keys=weather.honour_keys)
        died = asyncio.Event()

        async def die(died: asyncio.Event = died) -> None:
            died.set()
            await over.wait()
            raise RemoteSilent

        at, after = weather.chance.randint(20, 120), weather.chance.random() < 0.5
        ledger = ForgetfulLedger(scene.ledger.url)
        dying = Dying(scene.remote, at, die, after=after)
        life = asyncio.create_task(one_run(scene, ledger=ledger, owner=DEAD, remote=dying))
        await asyncio.wait([life, asyncio.create_task(died.wait())], return_when=asyncio.FIRST_COMPLETED)
        dead.append((life, ledger))
    problems = list(untrue(scene.ledger.url, await seen(scene), undetectable=undetectable))
    await scene.faults(honour_keys=weather.honour_keys)
    for _ in range(CALM_RUNS):
        if await one_run(scene) == {Outcome.OK}:
            break
    held = await seen(scene)
    problems += broken(
        scene.ledger.url, held, calm, lied_about=lied_about, undetectable=undetectable, now=scene.time.now()
    )
    over.set()
    for life, ledger in dead:
        life.cancel()
        await asyncio.gather(life, return_exceptions=True)
        ledger.close()
    return problems


# Among them 19, which finds an engine that believes old lists. The wait for what is in flight is held by test_in_flight.
@pytest.mark.parametrize("seed", range(12, 24))
async def test_whatever_systems_say_nothing_false_is_called_ok_and_nothing_is_done_twice(
    tmp_path: Path, seed: int, calm: dict[str, Any]
) -> None:
    async with stage(tmp_path, CABINETS) as scene:
        assert await survive(scene, seed, calm) == []


async def test_the_oracle_sees_what_is_not_so(tmp_path: Path) -> None:
    async with stage(tmp_path, CABINETS) as scene:
        await scene.wave()
        held = await seen(scene)
    cabinet = CABINETS[-1]
    written = {(cabinet.code, verb): 1 for verb in (*ONE_TIME, "backup")}
    assert list(not_so(cabinet, held.state(cabinet.code), written)) == []
    state = held.state(cabinet.code)
    state["s4a"]["dossiers"].pop()
    state["s4a"]["rights"].append(state["s4a"]["rights"][0])
    state["s4a"]["defaults"]["group"] = None
    state["s4a"]["users"].clear()
    del written[cabinet.code, "backup"]
    said = "; ".join(not_so(cabinet, state, written))
    for what in ("backup was never done", "the dossiers differ", "the rights differ", "the defaults are", "invited"):
        assert what in said
