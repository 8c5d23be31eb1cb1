"""Measures a wave through Prefect, bare Prefect tasks of the same number, and the wave by plain asyncio; prints ratios."""

from __future__ import annotations

import asyncio
import json
import os
import tempfile
import time
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any

import typer
from prefect import flow, task
from prefect.cache_policies import NO_CACHE
from prefect.runtime import flow_run
from rich.console import Console
from rich.table import Table

from bascule.engine import Conducted, Run, conduct
from benchmarks.sandboxed import plain_cabinets, run_on_sandbox
from config.cockpit import ensure_server
from config.own_server import Home
from flows.stored import until_stored
from tasks.migrating import brake, migrate_in_prefect

AIM = 1.5
"""Times the bare tasks: what a wave may cost."""

WARM_UP = 3
"""Cabinets that go first, unmeasured: imports, connections and caches are not what a wave costs."""

STORED_WITHIN = 300.0
"""Seconds until Prefect must have stored everything, or there is no figure."""


@dataclass(frozen=True)
class Cost:
    """Seconds, until stored."""

    wall: float
    own_cpu: float
    server_cpu: float

    @property
    def cpu(self) -> float:
        return self.own_cpu + self.server_cpu


@dataclass(frozen=True)
class Bench:
    """The three ways, on one Prefect server, each on fresh ground."""

    server_pid: int
    slots: int
    folder: Path

    async def by_prefect(self, cabinets: int) -> tuple[Cost, int]:
        """What the wave costs, and how many task runs it started."""
        planned = plain_cabinets(cabinets)

        @flow(name="bench_wave", persist_result=False)
        async def wave(run: Any) -> None:
            before = brake.started
            require_all_ok(
                await conduct(run, planned, slots=self.slots, migrate=migrate_in_prefect),
                cabinets,
            )
            await require_stored(brake.started - before)

        async with run_on_sandbox(planned, self._fresh("prefect", cabinets)) as run:
            before = brake.started
            cost = await self._cost_of(lambda: wave(run))
            return cost, brake.started - before

    async def by_bare_tasks(self, cabinets: int, task_runs: int) -> Cost:
        """As many task runs as the wave started: one for each cabinet, the others spread evenly below."""
        each, some = divmod(task_runs - cabinets, cabinets)

        @flow(name="bench_bare", persist_result=False)
        async def bare() -> None:
            await asyncio.gather(*(start_parent(each + (number < some)) for number in range(cabinets)))
            await require_stored(task_runs)

        return await self._cost_of(bare)

    async def by_asyncio(self, cabinets: int) -> Cost:
        planned = plain_cabinets(cabinets)

        async def wave(run: Run) -> None:
            require_all_ok(await conduct(run, planned, slots=self.slots), cabinets)

        async with run_on_sandbox(planned, self._fresh("asyncio", cabinets)) as run:
            return await self._cost_of(lambda: wave(run))

    async def _cost_of(self, work: Callable[[], Awaitable[None]]) -> Cost:
        # Everybody begins with a full brake. The server may still be busy with the events of who came before: its share is blurred.
        await asyncio.sleep(brake.burst / brake.per_second + 1)
        wall, own, server = time.perf_counter(), time.process_time(), cpu_of(self.server_pid)
        await work()
        return Cost(
            time.perf_counter() - wall,
            time.process_time() - own,
            cpu_of(self.server_pid) - server,
        )

    def _fresh(self, way: str, cabinets: int) -> Path:
        return Path(tempfile.mkdtemp(prefix=f"{way}-{cabinets}-", dir=self.folder)) / "ledger"


@task(name="parent", cache_policy=NO_CACHE)
async def parent(children: int) -> None:
    for _ in range(children):
        await brake.let_go()
        await child()


@task(name="child", cache_policy=NO_CACHE)
async def child() -> None:
    pass


async def start_parent(children: int) -> None:
    await brake.let_go()
    await parent(children)


async def require_stored(task_runs: int) -> None:
    stored = await until_stored(flow_run.id, task_runs, timeout=STORED_WITHIN)
    assert stored.is_complete, str(stored)


def require_all_ok(conducted: Conducted, cabinets: int) -> None:
    assert conducted.outcomes == {"ok": cabinets}, f"Not a plain wave: {conducted.outcomes} {conducted.defects}"


def cpu_of(pid: int) -> float:
    """Seconds of processor time that a process has used so far."""
    after_its_name = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    user, system = after_its_name[11:13]
    return (int(user) + int(system)) / os.sysconf("SC_CLK_TCK")


async def measured(bench: Bench, cabinets: int) -> tuple[Cost, Cost, Cost, int]:
    _, few = await bench.by_prefect(WARM_UP)
    await bench.by_bare_tasks(WARM_UP, few)
    await bench.by_asyncio(WARM_UP)
    wave, task_runs = await bench.by_prefect(cabinets)
    return wave, await bench.by_bare_tasks(cabinets, task_runs), await bench.by_asyncio(cabinets), task_runs


def table_of(wave: Cost, bare: Cost, plain: Cost, title: str) -> Table:
    table = Table("", "wall s", "CPU s", "own", "Prefect's server", title=title)
    for column in table.columns[1:]:
        column.justify = "right"
    for name, cost in {"wave": wave, "bare tasks": bare, "plain asyncio": plain}.items():
        table.add_row(
            name,
            *(f"{seconds:.2f}" for seconds in (cost.wall, cost.cpu, cost.own_cpu, cost.server_cpu)),
        )
    table.add_section()
    for name, other in {f"wave / bare tasks (aim: {AIM})": bare, "wave / plain asyncio": plain}.items():
        table.add_row(name, f"{wave.wall / other.wall:.2f}", f"{wave.cpu / other.cpu:.2f}")
    return table


def bench(
    cabinets: Annotated[int, typer.Option(min=1, help="Cabinets of the wave.")] = 200,
    slots: Annotated[int, typer.Option(min=1, help="Cabinets at once.")] = 50,
) -> None:
    """Prints what a wave costs until it is stored, beside bare Prefect tasks and plain asyncio."""
    with tempfile.TemporaryDirectory(prefix="bascule-bench-") as temporary:
        folder = Path(temporary)
        with ensure_server(folder / "server") as server:
            assert server.home is not None, "no other server was named"
            told = Bench(pid_of(server.home), slots, folder)
            wave, bare, plain, task_runs = asyncio.run(measured(told, cabinets))
    title = f"{cabinets} cabinets, {slots} at once, {task_runs} task runs; seconds until stored"
    Console().print(table_of(wave, bare, plain, title))


def pid_of(home: Home) -> int:
    return int(json.loads((home.folder / "server.json").read_text())["pid"])


if __name__ == "__main__":
    typer.run(bench)
