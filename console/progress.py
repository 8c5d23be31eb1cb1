"""What ops see while a wave runs, and when it has ended."""

from __future__ import annotations

from collections import Counter
from types import TracebackType
from typing import Self

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, SpinnerColumn, TextColumn, TimeElapsedColumn
from rich.progress import Progress as Bar

from bascule.connectors import Operation
from bascule.engine import Standing
from bascule.model import Cabinet, Outcome
from bascule.reports import WaveStatus, status_of
from bascule.reports.status import word_of
from bascule.reports.visible import visible
from bascule.waves.breaker import Trip
from bascule.waves.governor import GateShut, StageHeld, Stop, WindowClosed
from config.settings import Settings
from config.wiring import open_ledger
from console.tables import wave_in_words
from console.telling import as_text
from flows.preparing import Prepared
from flows.watching import Watch


class Progress(Watch):
    """A bar on a terminal; a line a cabinet where the output is no terminal."""

    def __init__(self, *, quiet: bool = False) -> None:
        super().__init__()
        self._console = Console(stderr=True, quiet=quiet)
        self._bar = Bar(
            SpinnerColumn(),
            TextColumn("{task.description}", markup=False),
            BarColumn(),
            MofNCompleteColumn(),
            TextColumn("{task.fields[words]}"),
            TimeElapsedColumn(),
            console=self._console,
            disable=quiet or not self._console.is_terminal,
        )
        self._words: Counter[str] = Counter()
        self._task = self._bar.add_task("preparing", total=None, words="")

    def __enter__(self) -> Self:
        self._bar.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._bar.stop()

    def begins(self, prepared: Prepared) -> None:
        self._bar.update(self._task, description=visible(f"wave {prepared.wave}"), total=len(prepared.cabinets))
        if not self._console.is_terminal:
            self._console.print(
                as_text(f"wave {prepared.wave}: {len(prepared.cabinets)} cabinets, {prepared.rules.slots} at once")
            )

    def stands(self, cabinet: Cabinet, standing: Standing) -> None:
        word = standing.outcome.value if standing.outcome is not Outcome.NONE else standing.lifecycle.value
        self._words[word] += 1
        self._bar.update(
            self._task, advance=1, words=", ".join(f"{count} {word}" for word, count in self._words.items())
        )
        if not self._console.is_terminal and word != Outcome.OK.value:
            told = ": ".join(part for part in (standing.step, standing.reason) if part)
            self._console.print(as_text(f"  {cabinet.code} {word}{told and f': {told}'}"))

    def goes_on(self, cabinet: Cabinet, step: str, operation: Operation) -> None:
        if operation.phase:
            told = f"{cabinet.code} {step}: {operation.phase} {operation.progress:.0%}"
            self._bar.update(self._task, description=visible(told))

    def status(self, settings: Settings) -> WaveStatus:
        assert self.prepared is not None
        with open_ledger(settings, read_only=True) as ledger:
            return status_of(ledger, self.prepared.wave)

    def tell(self, status: WaveStatus) -> None:
        """The wave as it stands: who needs somebody, then the totals."""
        out = Console()
        out.print(wave_in_words(status))
        if self.conducted is not None and self.conducted.stop is not None:
            for line in why_it_stopped(self.conducted.stop, status.wave):
                out.print(as_text(line), soft_wrap=True)
        elif self.conducted is not None and self.conducted.stopped:
            out.print("Stopped.", highlight=False)
        if self.conducted is not None and (self.conducted.stop is not None or self.conducted.stopped):
            out.print(as_text(what_goes_on(status)), soft_wrap=True)
        if (of_these := self._of_the_selection(status)) is not None:
            out.print(of_these, highlight=False, soft_wrap=True)
        out.print(as_text(f"Report: {self.folder}"), soft_wrap=True)
        says_how = self.conducted is not None and self.conducted.stop is not None
        if status.grade not in (Outcome.OK, Outcome.OK_WITH_RESERVATIONS) and not says_how:
            out.print(as_text(f"Once mended or answered: bascule rerun --wave {status.wave}"), soft_wrap=True)

    def _of_the_selection(self, status: WaveStatus) -> str | None:
        """What became of the cabinets that this run took up, where they are not all: the exit code speaks of these."""
        if self.prepared is None or len(self.prepared.cabinets) == status.planned:
            return None
        taken_up = {cabinet.code for cabinet in self.prepared.cabinets}
        words = Counter(word_of(cabinet) for cabinet in status.cabinets if cabinet.code in taken_up)
        told = ", ".join(f"{count} {word}" for word, count in words.most_common())
        return f"Of the {len(taken_up)} that this run was for: {told}."


def why_it_stopped(stop: Stop, wave: str) -> list[str]:
    """What ended a wave before its end: which rule, what the cabinets have in common, and how to go on."""
    again = f"bascule rerun --wave {wave}"
    match stop:
        case Trip():
            told = [f"The breaker tripped ({stop.rule}): {stop.why}."]
            told += [f"In common: {', '.join(str(one) for one in stop.common)}."] if stop.common else []
            return [*told, f"To go on: mend the cause, then {again}"]
        case WindowClosed():
            opens = f" It opens at {stop.opens:%Y-%m-%d %H:%M} UTC." if stop.opens else " It does not open any more."
            anyway = f"Outside these hours: {again} --any-hour --because TEXT"
            return [f"Not started: {stop.why}.{opens}", f"Then: {again}", anyway]
        case StageHeld():
            anyway = f"To start the next stage all the same: {again} --only not-started --because TEXT"
            return [f"The ramp holds: {stop.why}.", f"To go on: see to that stage, then {again}", anyway]
        case GateShut():
            return [f"Not started: {stop.why}.", f"Then: {again}"]
        case _:
            return [f"{stop.why}.", f"To go on: {again}"]


def what_goes_on(status: WaveStatus) -> str:
    """Of what a run that ended before its end has begun: all is over, or users wait for somebody."""
    out = [cabinet.code for cabinet in status.locked_out]
    if not out:
        return "What was begun has been ended and recorded; nobody is locked out."
    many = "the users of 1 cabinet stay" if len(out) == 1 else f"the users of {len(out)} cabinets stay"
    return (
        f"What was begun is recorded, but {many} locked out until the next run, reap or schedule sees the synchronisation"
        f" end: {', '.join(out)}. Soon: bascule rerun --wave {status.wave}"
    )
