"""Which instants of a snapshot cannot be: the one place that judges them, whatever connector read them."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, fields, is_dataclass
from datetime import UTC, datetime, timedelta

from bascule.connectors import Basis, Observation
from bascule.facts import CLOCKS_DIFFER, EARLIEST, GeFacts, GeLists, S4aFacts, S4aLists

IN_ORDER: Mapping[type, tuple[tuple[str, str], ...]] = {
    GeFacts: (("synchronisation.started_at", "synchronisation.ended_at"),),
    S4aFacts: (
        ("signed_up_at", "billing_given_at"),
        ("signed_up_at", "terms_accepted_at"),
        ("signed_up_at", "synchronised_at"),
        ("terms_accepted_at", "synchronised_at"),
    ),
}
"""By kind of facts: what must have come first, and what can only come after it."""


@dataclass(frozen=True, slots=True)
class ImpossibleInstant:
    """An instant that cannot be, and the rule that it breaks."""

    field: str
    at: datetime
    rule: str

    def __str__(self) -> str:
        return f"`{self.field}` is {in_words(self.at)}, which {self.rule}"


def impossible_instant(seen: Observation, basis: Basis, now: datetime) -> ImpossibleInstant | None:
    """The first instant of a snapshot that cannot be. `now`: by our clock, when the answer was there."""
    return next(_impossible_instants(seen, own_tolerance(basis), now), None)


def outdated(seen: Observation, asked_at: datetime) -> ImpossibleInstant | None:
    """Whether facts were read before they were asked for. Lists may be older, and are judged by what they are to prove."""
    if isinstance(seen, GeLists | S4aLists) or seen.taken_at >= asked_at - CLOCKS_DIFFER:
        return None
    rule = f"lies before they were asked for ({in_words(asked_at)} by our clock): they come from a cache, or its clock is slow"
    return ImpossibleInstant("taken_at", seen.taken_at, rule)


def own_tolerance(basis: Basis) -> timedelta:
    """By how much instants of one snapshot may be out of order: people read them off several clocks, an agent off one."""
    return CLOCKS_DIFFER if basis is Basis.PEOPLE else timedelta()


def in_words(instant: datetime) -> str:
    return f"{instant.astimezone(UTC):%Y-%m-%d %H:%M:%S} UTC"


def _impossible_instants(seen: Observation, tolerance: timedelta, now: datetime) -> Iterator[ImpossibleInstant]:
    instants = {"taken_at": seen.taken_at, **_instants_of(seen)}
    for field, at in instants.items():
        if at < EARLIEST:
            yield ImpossibleInstant(field, at, f"lies before {EARLIEST.year}")
    if seen.taken_at > now + CLOCKS_DIFFER:
        yield ImpossibleInstant("taken_at", seen.taken_at, f"lies in the future: our clock shows {in_words(now)}")
    for field, at in instants.items():
        if at > seen.taken_at + tolerance:
            yield ImpossibleInstant(field, at, f"is later than {in_words(seen.taken_at)}, when it was read")
    for first, second in IN_ORDER.get(type(seen), ()):
        if first in instants and second in instants and instants[second] < instants[first] - tolerance:
            rule = f"lies before `{first}` ({in_words(instants[first])}), which comes first"
            yield ImpossibleInstant(second, instants[second], rule)


def _instants_of(seen: Observation) -> dict[str, datetime]:
    """By field. Rows of lists tell none."""
    return {} if isinstance(seen, GeLists | S4aLists) else dict(_instants_in(seen))


def _instants_in(part: object, path: str = "") -> Iterator[tuple[str, datetime]]:
    if isinstance(part, datetime):
        yield path, part
    elif isinstance(part, tuple):
        for place, one in enumerate(part):
            yield from _instants_in(one, f"{path}[{place}]")
    elif is_dataclass(part):
        for field in fields(part):
            yield from _instants_in(getattr(part, field.name), f"{path}.{field.name}".lstrip("."))
