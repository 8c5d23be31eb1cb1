"""A wave as a gate to another: the pilot must have ended, and ended well."""

from __future__ import annotations

from collections.abc import Mapping

from bascule.inventory.waves import Requires
from bascule.model import Outcome, grade

_ACCEPTED = {
    Outcome.OK: (Outcome.OK,),
    Outcome.OK_WITH_RESERVATIONS: (Outcome.OK, Outcome.OK_WITH_RESERVATIONS),
}


def shut_by(requires: Requires, outcomes: Mapping[Outcome, int]) -> str:
    """Why the wave must not begin, from the outcomes of the wave that it requires; empty if it may.

    A wave of which nothing was run, or everything excluded, has shown nothing, whatever its grade.
    """
    tried = sum(count for outcome, count in outcomes.items() if outcome is not Outcome.EXCLUDED)
    if not tried:
        return f"wave {requires.wave!r}, which must come first, has run no cabinet yet"
    if open_ := outcomes.get(Outcome.NONE, 0):
        return f"wave {requires.wave!r}, which must come first, has not ended: {open_} of {tried} are open"
    reached = grade(outcomes)
    if reached in _ACCEPTED[requires.grade]:
        return ""
    return f"wave {requires.wave!r} ended {reached.value}; at least {requires.grade.value} is required"
