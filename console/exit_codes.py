"""How a command ends. Where several apply, the first of `BY_GRAVITY` is told."""

from __future__ import annotations

from enum import IntEnum

from bascule.engine import Conducted
from bascule.model import Lifecycle, Outcome
from bascule.waves.governor import WindowClosed


class Exit(IntEnum):
    OK = 0
    DEFECT = 1
    USAGE = 2
    RESERVATIONS = 3
    NOT_OK = 4
    WAITING = 5
    BREAKER = 6
    WINDOW = 7
    INTERRUPTED = 130


BY_GRAVITY = (
    Exit.USAGE,
    Exit.INTERRUPTED,
    Exit.BREAKER,
    Exit.WINDOW,
    Exit.DEFECT,
    Exit.NOT_OK,
    Exit.WAITING,
    Exit.RESERVATIONS,
    Exit.OK,
)


def exit_of(conducted: Conducted) -> Exit:
    """What a run's cabinets, as it left them, make of its exit code."""
    outcomes = conducted.outcomes
    applying = {Exit.OK}
    if isinstance(conducted.stop, WindowClosed):
        applying.add(Exit.WINDOW)
    elif conducted.stop is not None:
        applying.add(Exit.BREAKER)
    elif conducted.stopped:
        applying.add(Exit.INTERRUPTED)
    if conducted.defects:
        applying.add(Exit.DEFECT)
    if any(outcomes.get(outcome) for outcome in (Outcome.FAILED, Outcome.UNKNOWN, Outcome.PARTIAL, Outcome.BLOCKED)):
        applying.add(Exit.NOT_OK)
    if conducted.taken or any(standing.lifecycle is not Lifecycle.ENDED for standing in conducted.standings.values()):
        applying.add(Exit.WAITING)
    if outcomes.get(Outcome.OK_WITH_RESERVATIONS):
        applying.add(Exit.RESERVATIONS)
    return next(code for code in BY_GRAVITY if code in applying)
