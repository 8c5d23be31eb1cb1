"""Takes a wave's cabinets through the procedure, as `bascule.waves.governor` decides: who starts, who goes no further, when to look again.

The shell around a pure decision: it starts and awaits, and reads from the ledger what people and other processes have written.
"""

from __future__ import annotations

import asyncio
import logging
from collections import Counter
from collections.abc import Awaitable, Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import timedelta
from typing import Any
from zoneinfo import ZoneInfo

from bascule.engine.decisions import PROOF_KINDS, Standing, proven, standing_in
from bascule.engine.overdue import in_words, raise_alarms
from bascule.engine.run import Run
from bascule.engine.walk import DefectInBascule, migrate
from bascule.errors import CabinetTaken, LeaseLost
from bascule.facts import CLOCKS_DIFFER
from bascule.inventory import WaveSettings
from bascule.ledger import LEASE_SECONDS, Entry, EntryKind
from bascule.model import Cabinet, Lifecycle, Outcome, grade
from bascule.procedure import PROCEDURE, Step
from bascule.waves import governor
from bascule.waves.breaker import Trip
from bascule.waves.governor import Command, Decision, Rules, Stop, Told, WindowClosed, Word, decide
from bascule.waves.order import Planned

log = logging.getLogger("bascule.engine")

Migrate = Callable[[Run, Cabinet], Awaitable[Standing]]


@dataclass
class Conducted:
    """What a run made of its cabinets."""

    standings: dict[str, Standing] = field(default_factory=dict)
    taken: dict[str, str] = field(default_factory=dict)
    """Cabinets that another process kept to itself, with what it is."""
    defects: list[str] = field(default_factory=list)
    stopped: bool = False
    """Told to end by a signal, or by a person's `stop`."""
    stop: Stop | None = None
    """What ended the wave before all of it was taken up."""

    @property
    def outcomes(self) -> dict[Outcome, int]:
        return dict(Counter(standing.outcome for standing in self.standings.values()))

    @property
    def grade(self) -> Outcome:
        return grade(self.outcomes)


async def conduct(
    run: Run,
    cabinets: Sequence[Cabinet],
    *,
    slots: int = 20,
    rules: Rules | None = None,
    migrate: Migrate = migrate,
    procedure: tuple[Step, ...] = PROCEDURE,
    on_standing: Callable[[Cabinet, Standing], None] = lambda cabinet, standing: None,
) -> Conducted:
    """Every cabinet once, unless what governs the wave ends it before. One cabinet's failure never stops another; what stops
    them all is raised (the ledger's errors). Without `rules`: in the order given, so many at once."""
    rules = rules or Rules(settings=WaveSettings(), cabinets=tuple(planned(one) for one in cabinets), slots=slots)
    conductor = _Conductor(run, cabinets, rules, migrate, on_standing)
    run.heads = {code: seq for code, (seq, _) in run.ledger.heads([run_chain(run), *conductor.cabinets]).items()}
    run.heads[run_chain(run)] = _began_at(run) or run.heads.get(run_chain(run), 0)
    for cabinet, standing in already_standing(run, cabinets, procedure):
        if standing is not None:
            conductor.settle(cabinet.code, standing)
    return await conductor.conduct()


def planned(cabinet: Cabinet, *, expected: timedelta = timedelta()) -> Planned:
    """A cabinet as far as starting it goes."""
    return Planned(
        code=cabinet.code,
        zone=ZoneInfo(cabinet.timezone),
        site=cabinet.site,
        expected=expected,
        traits={"entity": cabinet.entity, "owner": cabinet.owner},
    )


def run_chain(run: Run) -> str:
    """The chain of what concerns a whole wave."""
    return f"@{run.wave}"


def _began_at(run: Run) -> int:
    """The place of this run's beginning in its wave's chain: what people told the wave before was for others."""
    began = (entry.seq for entry in run.ledger.of_wave(run.wave, [EntryKind.RUN_BEGAN]) if entry.run == run.id)
    return max(began, default=0)


class _Conductor:
    def __init__(
        self,
        run: Run,
        cabinets: Sequence[Cabinet],
        rules: Rules,
        migrate: Migrate,
        on_standing: Callable[[Cabinet, Standing], None],
    ) -> None:
        self.cabinets = {cabinet.code: cabinet for cabinet in cabinets}
        self._run = run
        self._rules = rules
        self._migrate = migrate
        self._on_standing = on_standing
        self._conducted = Conducted()
        self._known: dict[str, governor.Standing] = {}
        """As the governor sees them; who is not there is still to start."""
        self._at_work: dict[asyncio.Task[None], str] = {}
        self._elsewhere: dict[str, str] = {}
        """Cabinets that another process is at work on, and what it is."""
        self._commands: dict[int, Command] = {}
        """By their place in the wave's chain, and in its order."""
        self._share = rules.slots
        """Our part of the wave's slots, which the runs at work on it share."""
        self._said: tuple[Stop | None, int] = (None, 0)
        """What was last told: what stops the wave, and up to which command."""
        self._since = run.clock() - CLOCKS_DIFFER
        self._alarms: set[asyncio.Task[None]] = set()
        """People being told that users should be back."""
        self._looked_at: float | None = None
        self._alone_since: float | None = None

    async def conduct(self) -> Conducted:
        try:
            while await self._goes_on():
                pass
        except BaseException:
            for task in self._at_work:
                task.cancel()
            await asyncio.gather(*self._at_work, return_exceptions=True)
            raise
        await asyncio.gather(*self._alarms)
        await self._run.ledger.settle()
        self._conducted.stopped = self._run.stop.is_set()
        self._conducted.taken = {
            code: who for code, who in self._elsewhere.items() if code not in self._conducted.standings
        }
        return self._conducted

    def settle(self, code: str, standing: Standing) -> None:
        self._known[code] = governor.Standing(
            # What was not ended for no reason of ours must not be taken up again and again.
            lifecycle=Lifecycle.WAITING if self._ends_nowhere(code, standing) else standing.lifecycle,
            since=self._run.clock(),
            outcome=standing.outcome,
            step=standing.step,
            error_class=standing.error_class,
            signature=standing.error_signature,
        )
        self._conducted.standings[code] = standing
        self._on_standing(self.cabinets[code], standing)

    async def _goes_on(self) -> bool:
        """One turn: look, decide, start, wait. False when nothing more is to be done."""
        await self._look()
        decision = decide(self._rules, self._as_known(), tuple(self._commands.values()), self._run.clock())
        await self._tell(decision)
        self._run.finishing = dict.fromkeys(decision.finish_step, self._why(decision))
        if isinstance(decision.stops, Told) and decision.stops.command.word is Word.STOP:
            self._run.stop.set()
        if not self._run.stop.is_set():
            holds = self._at_work and self._run.waits_for_an_agent()
            free = 0 if holds else self._share - len(self._at_work)
            for code in decision.start[: max(0, free)]:
                self._start(code)
        if self._at_work:
            await self._wait(decision)
            return True
        if self._run.stop.is_set() or not self._to_start() or self._has_ended_before_its_end(decision):
            self._conducted.stop = decision.stops if self._to_start() else None
            return False
        # Others are at work on what is left, or hold the slots; or a person told the wave to pause.
        await self._run.pause(self._run.pace.look)
        return True

    def _has_ended_before_its_end(self, decision: Decision) -> bool:
        if isinstance(decision.stops, Told) and decision.stops.command.word is Word.PAUSE:
            return False
        if decision.stops is not None:
            return True
        return self._has_waited_for_others_long_enough()

    def _has_waited_for_others_long_enough(self) -> bool:
        """Their process may be dead somewhere we cannot see: then its leases expire."""
        now = self._run.clock().timestamp()
        if self._alone_since is None:
            self._alone_since = now
            told = "%s: held by another process; waiting up to %.0f s for its leases to expire"
            log.warning(told, ", ".join(sorted(self._elsewhere)) or "some cabinets", LEASE_SECONDS)
        return now - self._alone_since > LEASE_SECONDS

    def _to_start(self) -> list[str]:
        return [code for code in self.cabinets if self._is_open(code)]

    def _is_open(self, code: str) -> bool:
        known = self._known.get(code)
        return known is None or known.lifecycle is Lifecycle.PAUSED

    def _ends_nowhere(self, code: str, standing: Standing) -> bool:
        return standing.lifecycle is Lifecycle.PAUSED and code not in self._run.finishing

    def _as_known(self) -> Mapping[str, governor.Standing]:
        running = (*self._at_work.values(), *(code for code in self._elsewhere if self._is_open(code)))
        now = self._run.clock()
        return self._known | {code: governor.Standing(lifecycle=Lifecycle.RUNNING, since=now) for code in running}

    # At work

    def _start(self, code: str) -> None:
        self._alone_since = None
        self._known.pop(code, None)
        self._at_work[asyncio.create_task(self._one(self.cabinets[code]))] = code

    async def _one(self, cabinet: Cabinet) -> None:
        try:
            self.settle(cabinet.code, await self._migrate(self._run, cabinet))
            self._elsewhere.pop(cabinet.code, None)
        except (CabinetTaken, LeaseLost) as taken:
            log.info("%s", taken)
            self._elsewhere[cabinet.code] = str(taken)
        except DefectInBascule as defect:
            self._conducted.defects.append(str(defect))
            self.settle(cabinet.code, defect.standing)

    async def _wait(self, decision: Decision) -> None:
        """Until a cabinet ends, or it is time to look."""
        ended, _ = await asyncio.wait(self._at_work, timeout=self._run.pace.look, return_when=asyncio.FIRST_COMPLETED)
        for task in ended:
            del self._at_work[task]
            task.result()

    # What others have written

    async def _look(self) -> None:
        """At most once in a while: what people told this wave, and what other processes make of its cabinets."""
        loop = asyncio.get_running_loop()
        if self._looked_at is not None and self._at_work and loop.time() - self._looked_at < self._run.pace.look:
            return
        self._looked_at = loop.time()
        ledger, chain, now = self._run.ledger, run_chain(self._run), self._run.clock()
        kinds = (EntryKind.BEGAN, EntryKind.ENDED)
        written = await asyncio.to_thread(ledger.of_wave, self._run.wave, kinds, self._since)
        # Whatever the clock of who said it: people's words are few, and all of them are read.
        said = await asyncio.to_thread(ledger.histories, [chain], [EntryKind.COMMAND])
        for entry in (*written, *said[chain]):
            if entry.seq > self._run.heads.get(entry.cabinet, 0):
                self._take_note(entry)
        if self._run.id not in await asyncio.to_thread(ledger.live_runs, now):
            # Its sign of life was missed for a while, or nobody has begun it: it is alive.
            await ledger.sign_on(self._run.id, self._run.owner, now)
        self._share = share_of(
            self._run.id, await asyncio.to_thread(ledger.running, self._run.wave, now), self._rules.slots
        )
        if self._elsewhere:
            at_work = await asyncio.to_thread(ledger.at_work, now)
            self._elsewhere = {code: who for code, who in self._elsewhere.items() if code in at_work}
        await self._raise_alarms()

    async def _raise_alarms(self) -> None:
        """Once a lock-out: its deadline has passed, and the run that looks after it goes on. People are told beside that."""
        late, new = await raise_alarms(self._run, dict.fromkeys(self._at_work.values(), self._run.wave))
        for out in late:
            if out in new:
                log.error("%s: %s", out.cabinet, in_words(out))
        if new:
            self._alarms.add(asyncio.create_task(self._sound()))

    async def _sound(self) -> None:
        try:
            await self._run.alarm()
        except Exception:
            # Whoever looks next tells them: the wave does not end for it.
            log.exception("wave %s: nobody could be told of users who should be back", self._run.wave)

    def _take_note(self, entry: Entry) -> None:
        if entry.kind is EntryKind.COMMAND:
            if entry.seq not in self._commands:
                word, now = Word(entry.evidence["word"]), self._run.clock()
                self._commands[entry.seq] = Command(word=word, at=now, by=entry.who, because=entry.reason)
        elif entry.run == self._run.id or entry.cabinet not in self.cabinets or entry.cabinet in self._at_work.values():
            return
        elif entry.kind is EntryKind.BEGAN:
            self._elsewhere.setdefault(entry.cabinet, f"{entry.cabinet}: run {entry.run[:8]} is at work on it")
        elif self._is_open(entry.cabinet):
            self._elsewhere.pop(entry.cabinet, None)
            self.settle(entry.cabinet, standing_in(entry))

    # What is told

    async def _tell(self, decision: Decision) -> None:
        """Into the wave's chain: what a person's word did, and why nothing more starts."""
        answered = max(self._commands, default=0)
        if (decision.stops, answered) == self._said:
            return
        self._said = (decision.stops, answered)
        in_flight, left = len(self._at_work), len(self._to_start())
        if decision.stops is None:
            told = f"the wave goes on: {in_flight} in flight, {left} still to start"
        else:
            goes_on = "go on" if len(decision.finish_step) < in_flight else "finish their step"
            busy = f"{in_flight} in flight {goes_on}" if in_flight else "nothing is in flight"
            told = f"{decision.stops.why}; {busy}, {left} are not started"
        log.warning("wave %s: %s", self._run.wave, told)
        evidence: dict[str, Any] = {
            "governs": type(decision.stops).__name__ if decision.stops else None,
            "answers": answered,
        }
        if decision.stops is not None:
            evidence["why"] = decision.stops.why
        if isinstance(decision.stops, Told):
            evidence["word"] = decision.stops.command.word.value
        if isinstance(decision.stops, WindowClosed) and decision.stops.opens is not None:
            evidence["opens"] = decision.stops.opens.isoformat()
        if isinstance(decision.stops, Trip):
            evidence |= {
                "rule": decision.stops.rule,
                "common": [str(one) for one in decision.stops.common],
                "remedy": decision.stops.go_on,
            }
        await self._run.ledger.record(self._run.wave_entry(EntryKind.NOTE, told, evidence))

    def _why(self, decision: Decision) -> str:
        return decision.stops.why if decision.stops is not None else "its window has closed"


def share_of(run: str, running: Sequence[str], slots: int) -> int:
    """A run's part of the slots: all runs' parts are as many as there are, and those that came first have what is left over."""
    place = running.index(run) if run in running else 0
    each, left_over = divmod(slots, max(1, len(running)))
    return each + (place < left_over)


def already_standing(
    run: Run, cabinets: Sequence[Cabinet], procedure: tuple[Step, ...] = PROCEDURE
) -> Iterable[tuple[Cabinet, Standing | None]]:
    """For each cabinet its standing if every step is proven and nothing is owed; None if there is something to do."""
    histories = run.ledger.histories([cabinet.code for cabinet in cabinets], kinds=(*PROOF_KINDS, EntryKind.ENDED))
    owing = set(run.ledger.owing_a_reopen())
    everything = {step.name for step in procedure}
    for cabinet in cabinets:
        history = histories[cabinet.code]
        if cabinet.code in owing or proven(history, run.clock(), procedure, trust=run.pace.trust) != everything:
            yield cabinet, None
            continue
        ended = [entry for entry in history if entry.kind is EntryKind.ENDED]
        remembered = _remembered(ended[-1]) if ended else None
        if remembered is not None and ended[-1].wave != run.wave:
            # Proven in another wave: this one is told, so that it adds up.
            told = f"proven in wave {ended[-1].wave}"
            run.ledger.record_later(
                replace(ended[-1], at=run.clock(), who=run.who, wave=run.wave, run=run.id, reason=told, fence=0)
            )
        yield cabinet, remembered


def _remembered(ended: Entry) -> Standing | None:
    if ended.outcome not in (Outcome.OK, Outcome.OK_WITH_RESERVATIONS):
        return None
    return Standing(Lifecycle.ENDED, ended.outcome, None, ended.reason)
