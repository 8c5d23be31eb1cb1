"""What a proof rests on: who said what was observed, and of exported lists, of when they are. As the proof's own evidence tells."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from datetime import datetime

from bascule.connectors import Basis
from bascule.connectors.contract import verb_named
from bascule.facts import View
from bascule.ledger import Entry
from bascule.model import System
from bascule.procedure import Kept, steps_written_by
from bascule.reports.status import instant_in_utc
from bascule.workorders import OrderState, WorkOrder


def basis_of(proof: Entry, orders: Sequence[WorkOrder]) -> tuple[Mapping[str, str], ...]:
    """basis, system; of exported lists `at`, of answers `by`. Nothing where the proof, an older one, does not tell."""
    told = (one for reading in _readings(proof) for one in _of(proof, reading, orders))
    return tuple({tuple(one.items()): one for one in told}.values())


def _readings(proof: Entry) -> Iterator[View | Kept]:
    observed = proof.evidence.get("observed", {})
    yield from (reading for reading in (*View, *Kept) if reading.value in observed)


def _of(proof: Entry, reading: View | Kept, orders: Sequence[WorkOrder]) -> Iterator[dict[str, str]]:
    basis = proof.evidence.get("basis", {}).get(reading.value)
    view = reading.view if isinstance(reading, Kept) else reading
    told = {"basis": str(basis), "system": view.system.value}
    if basis == Basis.LISTS:
        taken_at = datetime.fromisoformat(proof.evidence["observed"][reading.value]["taken_at"])
        yield {**told, "at": instant_in_utc(taken_at)}
    elif basis == Basis.PEOPLE:
        if people := _who_answered(proof, view.system, orders):
            yield {**told, "by": ", ".join(people)}
    elif basis == Basis.AGENT:
        yield told


def _who_answered(proof: Entry, system: System, orders: Sequence[WorkOrder]) -> tuple[str, ...]:
    """Who answered for the step by the time of its proof; where nobody was asked for it, all who answered for the system."""
    answers = [
        (order, order.answer.by)
        for order in orders
        if order.state is OrderState.DONE and order.answer is not None and order.answer.at <= proof.at
    ]
    of_system = [(order, by) for order, by in answers if any(verb_named[verb].system is system for verb in order.verbs)]
    of_step = [(order, by) for order, by in of_system if proof.step in steps_written_by(order.verbs)]
    return tuple(dict.fromkeys(by for _, by in of_step or of_system))
