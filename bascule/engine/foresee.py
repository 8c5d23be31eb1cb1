"""A dry run: what each open step would do now. Reads, and does nothing else: no write, no lease, no entry."""

from __future__ import annotations

import asyncio
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, fields
from itertools import chain
from typing import Any

from bascule.connectors import Basis, Observation
from bascule.connectors.contract import verb_named
from bascule.engine.cabinet import first_unmet
from bascule.engine.decisions import (
    Answer,
    intended,
    is_ordered_again,
    proven,
    retracted,
    unapproved,
    unrepeatable,
)
from bascule.engine.observing import Observations
from bascule.engine.run import Run
from bascule.errors import RemoteError
from bascule.facts import GeLists, View
from bascule.ledger import Entry
from bascule.model import Cabinet, Kind, System
from bascule.procedure import (
    PROCEDURE,
    SYNCHRONISE,
    Act,
    Facts,
    Kept,
    Reading,
    Step,
    in_one_sitting,
    required_of,
)
from bascule.waves.sizes import dossiers_told
from bascule.workorders import in_words, retracted_in_words

LATER = "(known when its turn comes)"


@dataclass(frozen=True, slots=True, kw_only=True)
class Write:
    """One write of the contract, as it would be sent; or, where a person is `asked` for it, as the work order would say it."""

    verb: str
    system: System
    payload: Mapping[str, Any]
    asked: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Foreseen:
    """One open step: what it would write, and why nothing would be written, or not yet."""

    step: str
    writes: tuple[Write, ...] = ()
    because: str = ""
    stops: bool = False
    """The cabinet would go no further for now; `writes` come once that is settled."""

    @property
    def does(self) -> tuple[str, ...]:
        """What would be sent now."""
        return () if self.stops else tuple(write.verb for write in self.writes if not write.asked)


@dataclass(frozen=True, slots=True, kw_only=True)
class Foresight:
    """What a run would make of one cabinet: every open step, in the procedure's order."""

    steps: tuple[Foreseen, ...]
    proven: tuple[str, ...]
    """Steps that are left out, in the procedure's order."""
    dossiers: int | None
    """How many GE holds; None if no list of it was ever read."""

    @property
    def until_stop(self) -> tuple[Foreseen, ...]:
        """The steps up to the first that would stop the cabinet."""
        stop = next((place for place, step in enumerate(self.steps) if step.stops), len(self.steps))
        return self.steps[: stop + 1]


async def foresee_all(
    run: Run,
    cabinets: Collection[Cabinet],
    histories: Mapping[str, Sequence[Entry]],
    *,
    at_once: int,
    procedure: tuple[Step, ...] = PROCEDURE,
) -> dict[str, Foresight]:
    """By code, in the order given; so many cabinets are read at the same time."""
    places = asyncio.Semaphore(at_once)

    async def one(cabinet: Cabinet) -> Foresight:
        async with places:
            return await foresee(run, cabinet, histories[cabinet.code], procedure)

    foreseen = await asyncio.gather(*(one(cabinet) for cabinet in cabinets))
    return {cabinet.code: foresight for cabinet, foresight in zip(cabinets, foreseen, strict=True)}


async def foresee(
    run: Run, cabinet: Cabinet, history: Sequence[Entry], procedure: tuple[Step, ...] = PROCEDURE
) -> Foresight:
    """What earlier writes will change cannot be read yet: after the first write, the procedure alone tells."""
    looking = _Looking(run, cabinet, history)
    done = proven(history, run.clock(), procedure, trust=run.pace.trust)
    steps: list[Foreseen] = []
    ahead_of_facts = False
    for step in procedure:
        if step.name in done:
            continue
        foreseen = looking.later(step) if ahead_of_facts else await looking.now(step)
        steps.append(foreseen)
        ahead_of_facts = ahead_of_facts or foreseen.stops or bool(foreseen.writes)
    return Foresight(
        steps=tuple(steps),
        proven=tuple(step.name for step in procedure if step.name in done),
        dossiers=looking.dossiers(),
    )


class _Looking:
    """At one cabinet."""

    def __init__(self, run: Run, cabinet: Cabinet, history: Sequence[Entry]) -> None:
        self._run = run
        self._cabinet = cabinet
        self._history = history
        self._observations = Observations(cabinet, run.remote, run.clock)
        self._again = frozenset({SYNCHRONISE} if is_ordered_again(SYNCHRONISE, history) else ())

    async def now(self, step: Step) -> Foreseen:
        """What the step would do on the facts of now."""
        if not step.needed(self._cabinet):
            return Foreseen(step=step.name, because="nothing to do: the inventory names none")
        if because := self._left_open(step):
            return self._stopped(step, because)
        try:
            return await self._on_facts(step)
        except RemoteError as error:
            return self._stopped(step, f"cannot be observed: {error}")

    def later(self, step: Step) -> Foreseen:
        """What the step writes, whatever the writes before it will have changed."""
        if not step.needed(self._cabinet):
            return Foreseen(step=step.name, because="nothing to do: the inventory names none")
        writes = self._writes(step.acts, self._known())
        return Foreseen(
            step=step.name,
            writes=writes,
            because=_asked(writes) if writes else "looked at when the steps before are done",
        )

    def dossiers(self) -> int | None:
        lists = self._observations.latest(View.GE_LISTS)
        return len(lists.dossiers) if isinstance(lists, GeLists) else dossiers_told(self._history)

    def _left_open(self, step: Step) -> str:
        acts = [act for act in intended(step.name, self._history) if act.answer.needs_reading_back]
        if not acts:
            return ""
        if acts[0].answer is Answer.AWAITED:
            return f"waits for work order {acts[0].operation}"
        return "would first find out what became of an earlier attempt"

    async def _on_facts(self, step: Step) -> Foreseen:
        together = in_one_sitting(step, self._asks)
        required = required_of(together)
        readings = step.reads | step.reads_before | frozenset(chain.from_iterable(c.reads for c in required))
        await self._observations.read(reading for reading in readings if isinstance(reading, View))
        facts = self._known()
        if any(isinstance(reading, Kept) for reading in step.reads):
            return Foreseen(step=step.name, because="compares the lists kept under the lock-out")
        again = step.name in self._again
        unmet = first_unmet(step.ensures, facts)
        if unmet is None and not again and (order := unapproved(step, self._history)) is not None:
            return self._stopped(step, f"done, not approved: {in_words(order, self._run.clock())}")
        if unmet is None and not again:
            return Foreseen(step=step.name, because="already true")
        if not again and (taken_back := retracted(unrepeatable(together), self._history)) is not None:
            return self._stopped(step, f"{retracted_in_words(taken_back)}: nobody would be asked again")
        lacking = first_unmet(required, facts)
        if lacking is not None:
            return self._stopped(step, lacking.why_not(facts))
        open_acts = tuple(act for act in step.acts if again or not act.unless.holds(facts))
        writes = self._writes(open_acts, facts)
        if any(write.asked for write in writes):
            return Foreseen(step=step.name, writes=writes, because=_asked(writes), stops=True)
        if step.kind is Kind.HUMAN and not self._run.plays_person:
            return self._stopped(step, f"a person must do this: {step.says}")
        if not writes and unmet is not None:
            return Foreseen(step=step.name, because=unmet.why_not(facts), stops=True)
        return Foreseen(step=step.name, writes=writes)

    def _stopped(self, step: Step, because: str) -> Foreseen:
        return Foreseen(step=step.name, writes=self._writes(step.acts, self._known()), because=because, stops=True)

    def _writes(self, acts: Iterable[Act], facts: Facts) -> tuple[Write, ...]:
        return tuple(
            Write(verb=act.verb, system=act.system, payload=_payload(act, facts), asked=self._asks(act.verb))
            for act in acts
        )

    def _asks(self, verb: str) -> bool:
        return self._run.remote(self._cabinet, verb_named[verb].system).asks(self._cabinet, verb)

    def _known(self) -> Facts:
        """Everything that was read so far."""
        latest: dict[Reading, Observation] = {
            view: seen for view in View if (seen := self._observations.latest(view)) is not None
        }
        basis: dict[Reading, Basis] = {
            view: self._run.remote(self._cabinet, view.system).basis(view) for view in View if view in latest
        }
        return Facts(self._run.clock(), self._cabinet, latest, self._again, self._run.tolerate, basis)


def _asked(writes: Iterable[Write]) -> str:
    asked = [write.verb for write in writes if write.asked]
    return f"a person would be asked: {', '.join(asked)}" if asked else ""


def _payload(act: Act, facts: Facts) -> Mapping[str, Any]:
    try:
        return act.payload(facts)
    except KeyError:
        # It stands on what has not been read, as only the writes before it make it readable.
        return {field.name: LATER for field in fields(verb_named[act.verb].payload)}
