"""How a wave grows: its stages, and what it takes to go on to the next."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from enum import StrEnum

from bascule.errors import BasculeError
from bascule.inventory.waves import REST, Breaker
from bascule.model import Outcome
from bascule.waves.breaker import FAILURES, Ended, tripped

Step = int | str
"""A number of cabinets, a share such as `20%`, or `rest`."""


class RampDoesNotCover(BasculeError):
    """The ramp ends before the wave does."""


class Verdict(StrEnum):
    PROMOTED = "promoted"
    NOT_YET = "not-yet"
    """Cabinets of the stage are still to start or in flight: time will tell."""
    ASK = "ask"
    """No cabinet failed, but some wait for a person: only a person can say that the stage is good enough."""
    HELD = "held"


@dataclass(frozen=True, slots=True)
class Promotion:
    """Whether the next stage may start, and why not."""

    verdict: Verdict
    why: str = ""


def stages(ramp: Sequence[Step], planned: int) -> tuple[int, ...]:
    """How many cabinets each stage has. Shares are of the whole wave, rounded up; no stage takes more than is left, none is empty.

    Raises RampDoesNotCover. No ramp is one stage.
    """
    left, sizes = planned, []
    for step in ramp or (REST,):
        sizes.append(min(left, _wanted(step, planned, left)))
        left -= sizes[-1]
    if left:
        raise RampDoesNotCover(
            f"The ramp {_written(ramp)} covers {planned - left} of {planned} cabinets: {left} are left over",
            remedy="end it with `rest`",
        )
    return tuple(size for size in sizes if size)


def going_on(ramp: Sequence[Step], planned: int, begun: int, taken_up: int) -> tuple[int, ...]:
    """The ramp for a run that goes on: who began in an earlier run is one stage, then come the stages that were not reached.

    `begun` cabinets of the wave have begun; `taken_up` of them are in this run, before all others. Raises RampDoesNotCover.
    """
    left, rest = begun, []
    for size in stages(ramp, planned):
        rest.append(max(0, size - left))
        left = max(0, left - size)
    return tuple(size for size in (taken_up, *rest) if size)


def promotion(breaker: Breaker | None, ended: Sequence[Ended], *, waiting: int, unsettled: int) -> Promotion:
    """What becomes of a stage: `ended`, in order of ending, `waiting` for a person, or `unsettled` (to start, or in flight).

    The stage is judged on its own by the wave's breaker, however small the stage is; without one, any failure holds it. A
    stage in which every cabinet failed proves nothing and is held, whatever the breaker tolerates.
    """
    failures = [cabinet for cabinet in ended if cabinet.outcome in FAILURES]
    counted = [cabinet for cabinet in ended if cabinet.outcome is not Outcome.EXCLUDED]
    if failures and breaker is None:
        return Promotion(Verdict.HELD, _of(len(failures), len(counted), "failed, and the wave has no breaker"))
    if breaker and (trip := tripped(breaker, counted, planned=len(counted) + waiting + unsettled)):
        return Promotion(Verdict.HELD, f"the stage alone trips the breaker: {trip.why}")
    if unsettled:
        return Promotion(Verdict.NOT_YET, f"{unsettled} of the stage have not ended")
    if failures and len(failures) == len(counted):
        return Promotion(Verdict.HELD, _of(len(failures), len(counted), "failed: none shows that the wave works"))
    if waiting:
        return Promotion(Verdict.ASK, _of(waiting, len(counted) + waiting, "wait for a person"))
    return Promotion(Verdict.PROMOTED)


def _wanted(step: Step, planned: int, left: int) -> int:
    if step == REST:
        return left
    if isinstance(step, str):
        return -(-planned * int(step.removesuffix("%")) // 100)
    return step


def _written(ramp: Sequence[Step]) -> str:
    return f"[{', '.join(map(str, ramp))}]"


def _of(some: int, all_: int, what: str) -> str:
    return f"{some} of {all_} {what}"
