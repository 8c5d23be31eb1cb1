"""`python -m tests.chaos engine|prefect`: many seeds, each a storm of its own; stops at the first broken promise, or goes on."""

from __future__ import annotations

import argparse
import os
import shutil
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence
from concurrent.futures import FIRST_COMPLETED, Future, ThreadPoolExecutor, wait
from dataclasses import dataclass, replace
from itertools import islice
from pathlib import Path
from typing import Any

from tests.chaos.forms import Form, by_command, by_engine
from tests.chaos.ledgers import PostgreSql, postgresql
from tests.chaos.oracle import untrue
from tests.chaos.processes import Systems, some_cabinets
from tests.chaos.promises import States, broken, states_of
from tests.chaos.storm import UNDETECTABLE, Strikes, storm

OFTEN = [Strikes.RUN, Strikes.RUN, Strikes.FAULTS, Strikes.FAULTS, Strikes.SANDBOX]
SEVERAL = [Strikes.COMPANY, Strikes.STALL] * 2
TAKEN_OVER = "another process took this cabinet over"


@dataclass(frozen=True)
class Way:
    form: Form
    on_postgresql: int
    """Every how many seeds the ledger is there."""
    may_strike: Sequence[Strikes]

    def without(self, left_out: Collection[Strikes]) -> Way:
        return replace(self, may_strike=[strikes for strikes in self.may_strike if strikes not in left_out])


WAYS = {
    "engine": Way(by_engine, 5, [*OFTEN, Strikes.SANDBOX, *SEVERAL]),
    "prefect": Way(by_command, 2, [*OFTEN, Strikes.COCKPIT, Strikes.COCKPIT]),
}


@dataclass(frozen=True)
class Told:
    """What became of one seed."""

    seed: int
    where: str
    runs: int
    strikes: Counter[Strikes]
    faults: Counter[str]
    """Faults that were put, by name."""
    taken_over: int
    """Times that a run which lived, after all, found that a cabinet of its own was another's."""
    seconds: float
    problems: tuple[str, ...]

    def __str__(self) -> str:
        told = f"seed {self.seed}: {self.runs} runs, ledger on {self.where}, {self.seconds:.1f} s; struck: {counted(self.strikes)}; {self.taken_over} taken over"
        return "\n".join((told, *(f"  BROKEN: {problem}" for problem in self.problems)))


def main() -> int:
    given = _parser().parse_args()
    way, wave, began = WAYS[given.way].without(given.without), some_cabinets(given.cabinets), time.monotonic()
    seeds = [given.seed] if given.seed is not None else range(given.seeds)
    struck, faults, taken_over, done, bad = Counter[Strikes](), Counter[str](), 0, 0, 0
    with postgresql() as server, ThreadPoolExecutor(1) as aside:
        if isinstance(server, str):
            say(f"Every ledger is on SQLite, as there is no PostgreSQL: {server}.")
        calm = aside.submit(undisturbed, len(wave))
        for told in some_at_once(lambda seed: survived(seed, way, len(wave), server, calm), seeds, given.together):
            say(str(told))
            if told.problems:
                left_out = "".join(f" --without {strikes}" for strikes in given.without)
                say(
                    f"This seed alone: python -m tests.chaos {given.way} --cabinets {len(wave)} --seed {told.seed}{left_out}"
                )
                bad += 1
                if not given.keep_going:
                    return 1
            done += 1
            struck += told.strikes
            faults += told.faults
            taken_over += told.taken_over
    kept = f"promises broken by {bad} of them" if bad else "every promise kept"
    say(
        f"{done} seeds × {len(wave)} cabinets ({given.way}) in {time.monotonic() - began:.0f} s: {kept}. Struck: {counted(struck)}. Faults: {counted(faults)}. Taken over from the living: {taken_over}."
    )
    return 1 if bad else 0


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m tests.chaos", description=__doc__)
    parser.add_argument("way", choices=WAYS, help="the engine by itself, or `bascule run`")
    parser.add_argument("--seeds", type=_at_least_one, default=100, help="how many, from 0 on")
    parser.add_argument("--seed", type=int, help="this one alone")
    parser.add_argument("--without", choices=list(Strikes), action="append", default=[], help="what is not to strike")
    parser.add_argument("--keep-going", action="store_true", help="past broken promises, to the last seed")
    parser.add_argument("--cabinets", type=_at_least_one, default=40)
    parser.add_argument("--together", type=_at_least_one, default=os.cpu_count(), help="seeds at once")
    return parser


def _at_least_one(text: str) -> int:
    if text.isdecimal() and int(text):
        return int(text)
    raise argparse.ArgumentTypeError(f"{text!r} is no number from 1 on")


def undisturbed(count: int) -> States:
    """Where the cabinets stand after a run that nobody disturbed."""
    folder = Path(tempfile.mkdtemp(prefix="bascule-calm-"))
    systems = Systems(folder, some_cabinets(count), honour_keys=False)
    ordeal = by_engine(folder, systems, f"sqlite:///{folder / 'ledger.db'}")
    with ordeal.under_way():
        ordeal.end_in_calm()
        calm = states_of(systems)
        problems = [*ordeal.problems, *broken(ordeal.ledger_url, systems, calm)]
    assert not problems, "\n".join((f"a wave that nobody disturbed went wrong, see {folder}:", *problems))
    shutil.rmtree(folder)
    return calm


def survived(seed: int, way: Way, count: int, server: PostgreSql | str, calm: Future[States]) -> Told:
    """What it leaves behind is kept where a promise was broken."""
    began, folder = time.monotonic(), Path(tempfile.mkdtemp(prefix=f"bascule-chaos-{seed}-"))
    to_cut = server if isinstance(server, PostgreSql) and seed % way.on_postgresql == way.on_postgresql - 1 else None
    wave = some_cabinets(count)
    may_strike = [*way.may_strike, *([Strikes.LEDGER] * 3 if to_cut else [])]
    weather = storm(seed, may_strike=may_strike, codes=[cabinet.code for cabinet in wave])
    ledger_url = to_cut.new_ledger() if to_cut else f"sqlite:///{folder / 'ledger.db'}"
    systems = Systems(folder, wave, weather.honour_keys)
    ordeal = way.form(folder, systems, ledger_url)
    ordeal.lied_about, ordeal.holds_up = weather.told_of(), weather.holds_up
    undetectable = weather.told_of(*UNDETECTABLE)
    if to_cut:
        ordeal.cut_ledger = lambda: to_cut.cut(ledger_url, weather.chance)
    try:
        with ordeal.under_way():
            for gust in weather.gusts:
                ordeal.meet(gust)
            ordeal.problems += untrue(ledger_url, systems, undetectable=undetectable)
            ordeal.end_in_calm()
            ordeal.problems += broken(
                ledger_url, systems, calm.result(), lied_about=ordeal.lied_about, undetectable=undetectable
            )
    except Exception as trouble:  # noqa: BLE001  # told with the seed that met it
        ordeal.problems.append(f"{type(trouble).__name__}: {trouble}")
    taken_over = (folder / "runs.log").read_text(encoding="utf-8", errors="replace").count(TAKEN_OVER)
    if ordeal.problems:
        (folder / "tale.txt").write_text("\n".join(ordeal.tale), encoding="utf-8")
        ordeal.problems.append(
            f"what happened when, logs, ledger and the systems' state are in {folder}; the ledger is {ledger_url}"
        )
    else:
        ordeal.kill_cockpit()
        shutil.rmtree(folder)
        if to_cut:
            to_cut.drop(ledger_url)
    where = "PostgreSQL" if to_cut else "SQLite"
    faults = Counter(str(fault["fault"]) for gust in weather.gusts for fault in gust.faults)
    seconds = time.monotonic() - began
    return Told(seed, where, ordeal.runs, ordeal.strikes, faults, taken_over, seconds, tuple(ordeal.problems))


def some_at_once(survive: Callable[[int], Told], seeds: Iterable[int], together: int) -> Iterator[Told]:
    """As each comes to its end. Who stops listening still waits for those that have begun."""
    waiting = iter(seeds)
    with ThreadPoolExecutor(together) as pool:
        begun: set[Future[Told]] = {pool.submit(survive, seed) for seed in islice(waiting, together)}
        while begun:
            ended, begun = wait(begun, return_when=FIRST_COMPLETED)
            for one in ended:
                yield one.result()
            begun |= {pool.submit(survive, seed) for seed in islice(waiting, len(ended))}


def counted(what: Mapping[Any, int]) -> str:
    return ", ".join(f"{name} {count}" for name, count in sorted(what.items()))


def say(line: str) -> None:
    sys.stdout.write(f"{line}\n")
    sys.stdout.flush()


if __name__ == "__main__":
    sys.exit(main())
