"""A dry run: what each open step would do now. Reads, and does nothing else: no write, no lease, no entry."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from bascule.engine.cabinet import first_unmet
from bascule.engine.decisions import Answer, intended, is_ordered_again, proven
from bascule.engine.observing import Observations
from bascule.engine.run import Run
from bascule.errors import RemoteError
from bascule.facts import View
from bascule.ledger import Entry
from bascule.model import Cabinet, Kind
from bascule.procedure import PROCEDURE, SYNCHRONISE, Facts, Step, WhenFalse


@dataclass(frozen=True, slots=True)
class Foreseen:
    """One open step. `does` names its writes; `because` says why it would wait or fail, or why nothing is to do."""

    step: str
    does: tuple[str, ...] = ()
    because: str = ""


async def foresee(
    run: Run, cabinet: Cabinet, history: Sequence[Entry], procedure: tuple[Step, ...] = PROCEDURE
) -> list[Foreseen]:
    """The open steps in order, up to the first that would stop the cabinet. What earlier writes will change cannot be read yet."""
    done = proven(history, run.clock(), procedure)
    observations = Observations(cabinet, run.remote)
    foreseen: list[Foreseen] = []
    ahead_of_facts = False
    for step in procedure:
        if step.name in done:
            continue
        if not step.needed(cabinet):
            foreseen.append(Foreseen(step.name, because="nothing to do: the inventory names none"))
            continue
        verbs = tuple(act.verb for act in step.acts)
        if ahead_of_facts:
            foreseen.append(Foreseen(step.name, verbs, "" if verbs else "looked at when the steps before are done"))
            continue
        try:
            now, stops = await _now(run, cabinet, step, observations, history)
        except RemoteError as error:
            return [*foreseen, Foreseen(step.name, because=f"cannot be observed: {error}")]
        foreseen.append(now)
        if stops:
            return foreseen
        ahead_of_facts = bool(now.does)
    return foreseen


async def _now(
    run: Run, cabinet: Cabinet, step: Step, observations: Observations, history: Sequence[Entry]
) -> tuple[Foreseen, bool]:
    """What the step would do on the facts of now, and whether the cabinet would stop there."""
    open_acts = [act for act in intended(step.name, history) if act.answer.needs_reading_back]
    if open_acts:
        awaited = open_acts[0].answer is Answer.AWAITED
        told = (
            f"waits for work order {open_acts[0].operation}"
            if awaited
            else "would first find out what became of an earlier attempt"
        )
        return Foreseen(step.name, because=told), True
    views = [reading for reading in step.reads | step.reads_before if isinstance(reading, View)]
    observed = await observations.read(views)
    again = {SYNCHRONISE} if is_ordered_again(SYNCHRONISE, history) else ()
    facts = Facts(run.clock(), cabinet, {view: observed[view] for view in views}, frozenset(again))
    kept = [reading for reading in step.reads if reading not in facts.read]
    if kept:
        return Foreseen(step.name, because="compares the lists kept under the lock-out"), False
    unmet = first_unmet(step.ensures, facts)
    if unmet is None:
        return Foreseen(step.name, because="already true"), False
    required = first_unmet(step.requires, facts)
    if required is not None:
        return Foreseen(step.name, because=required.why_not(facts)), True
    asked = [act.verb for act in step.acts if run.remote(cabinet, act.system).asks(cabinet, act.verb)]
    if asked:
        return Foreseen(step.name, because=f"a person would be asked: {', '.join(asked)}"), True
    if step.kind is Kind.HUMAN and not run.plays_person:
        return Foreseen(step.name, because=f"a person must do this: {step.says}"), True
    verbs = tuple(act.verb for act in step.acts if not act.unless.holds(facts))
    if not verbs:
        return Foreseen(
            step.name, because=unmet.why_not(facts)
        ), unmet.when_false is not WhenFalse.WAITS or not step.acts
    return Foreseen(step.name, verbs), False
