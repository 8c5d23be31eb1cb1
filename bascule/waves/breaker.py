"""When a wave stops by itself. Limits are inclusive as read: `failures: 3` trips at the third."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime

from bascule.errors import BasculeError
from bascule.inventory.waves import Breaker
from bascule.model import Outcome

FAILURES = frozenset({Outcome.FAILED, Outcome.UNKNOWN, Outcome.PARTIAL, Outcome.BLOCKED})
"""What counts: the outcomes that exit code 4 stands for. *Blocked* too, since one wrong setting can block a whole night."""

SHARE_OF_AT_LEAST = 20
"""A share is of the cabinets that ended, but of this many at least, or of the whole wave if it is smaller: 1 of 1 is not 100 %."""

GO_ON = (
    "mend the cause, then `bascule rerun` takes up what is left and counts anew; "
    "while cabinets are still in flight, `bascule resume --because TEXT` accepts what happened and the wave goes on"
)


class BreakerContradicts(BasculeError):
    """The limits of the breaker cannot be meant together."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Ended:
    """A cabinet that ended, and what it may have in common with others."""

    code: str
    outcome: Outcome
    at: datetime
    signature: str | None = None
    traits: Mapping[str, str | None] = field(default_factory=dict)
    """By what people call them: step, site, entity, owner ..."""


@dataclass(frozen=True, slots=True)
class Shared:
    """What most of the failed cabinets have in common, and the others have not."""

    what: str
    value: str
    cabinets: int

    def __str__(self) -> str:
        return f"{self.cabinets} with {self.what} {self.value}"


@dataclass(frozen=True, slots=True, kw_only=True)
class Trip:
    """The breaker tripped: no further cabinet starts until a person says so."""

    rule: str
    """The setting that was reached."""
    why: str
    failed: tuple[str, ...]
    """Codes of all that failed so far, in order of ending."""
    common: tuple[Shared, ...] = ()
    go_on: str = GO_ON


def tripped(breaker: Breaker, ended: Sequence[Ended], *, planned: int) -> Trip | None:
    """The first limit that was reached, in order of ending. What ended since does not take it back."""
    tally = _Tally()
    for cabinet in _tried(ended):
        tally.count(cabinet)
        reached = next(_reached(breaker, tally, planned), None)
        if reached:
            rule, why = reached
            failures = _failures(ended)
            return Trip(
                rule=rule,
                why=f"{why}, at {cabinet.code}",
                failed=tuple(failure.code for failure in failures),
                common=_in_common(failures, ended),
            )
    return None


def may_start(breaker: Breaker | None, ended: Sequence[Ended], in_flight: int, *, planned: int) -> int | None:
    """How many more may start for all the breaker minds; None: any number.

    With `strict` never more are in flight than failures are still allowed: were all of them to fail, the limit would be
    reached and not exceeded.
    """
    if breaker is None:
        return None
    if tripped(breaker, ended, planned=planned):
        return 0
    if not breaker.strict:
        return None
    allowed = _still_allowed(breaker, ended, planned)
    return None if allowed is None else max(0, allowed - in_flight)


def bound_of_failures(breaker: Breaker | None, slots: int, *, planned: int) -> int:
    """How many cabinets may fail in all before the breaker has stopped the wave, those in flight at that instant included."""
    bounds = [planned]
    if breaker:
        limits = [breaker.failures] if breaker.failures else []
        if breaker.share:
            limits.append(math.ceil(_exactly(breaker.share * planned)))
        bounds += [limit if breaker.strict else limit - 1 + slots for limit in limits]
    return min(bounds)


def contradictions(breaker: Breaker) -> tuple[str, ...]:
    """What cannot be meant, a sentence each."""
    limits = {name: limit for name, limit in _limits(breaker).items() if limit is not None}
    said = []
    if not limits:
        what = "`strict` has no limit to keep" if breaker.strict else "the breaker sets no limit"
        said.append(f"{what}: it would never trip")
    if breaker.strict and set(limits) == {"share"} and breaker.share == 1:
        said.append("`share: 1.0` with `strict`: after the first cabinet that is ok, all can no longer fail")
    said += [
        f"`{name}: {limit:g}` is never reached: `failures: {breaker.failures}` trips before"
        for name, limit in limits.items()
        if name in ("consecutive", "same_signature") and breaker.failures and limit > breaker.failures
    ]
    return tuple(said)


def out_of_reach(breaker: Breaker, planned: int) -> tuple[str, ...]:
    """Limits that this wave is too small to reach, a sentence each: fit for a warning, as settings are shared by waves."""
    return tuple(
        f"`{name}: {limit:g}` is out of reach: the wave has {planned} cabinets"
        for name, limit in _limits(breaker).items()
        if limit is not None and name != "share" and limit > planned
    )


def require_sound(breaker: Breaker | None, wave: str) -> None:
    """Raises BreakerContradicts."""
    said = contradictions(breaker) if breaker else ()
    if said:
        raise BreakerContradicts(
            f"The breaker of wave {wave!r} contradicts itself: {'; '.join(said)}",
            remedy="correct `breaker` in the wave's settings",
        )


@dataclass(slots=True)
class _Tally:
    ended: int = 0
    failed: int = 0
    in_a_row: int = 0
    by_signature: Counter[str] = field(default_factory=Counter)

    def count(self, cabinet: Ended) -> None:
        self.ended += 1
        if cabinet.outcome not in FAILURES:
            self.in_a_row = 0
            return
        self.failed += 1
        self.in_a_row += 1
        if cabinet.signature:
            self.by_signature[cabinet.signature] += 1


def _tried(ended: Sequence[Ended]) -> list[Ended]:
    """In order of ending. Excluded cabinets were not tried."""
    tried = (cabinet for cabinet in ended if cabinet.outcome is not Outcome.EXCLUDED)
    return sorted(tried, key=lambda cabinet: (cabinet.at, cabinet.code))


def _reached(breaker: Breaker, tally: _Tally, planned: int) -> Iterator[tuple[str, str]]:
    if breaker.failures and tally.failed >= breaker.failures:
        yield "failures", f"{tally.failed} cabinets failed; the limit is {breaker.failures}"
    if breaker.consecutive and tally.in_a_row >= breaker.consecutive:
        yield "consecutive", f"{tally.in_a_row} cabinets failed one after the other; the limit is {breaker.consecutive}"
    if breaker.same_signature and tally.by_signature:
        signature, count = tally.by_signature.most_common(1)[0]
        if count >= breaker.same_signature:
            yield (
                "same_signature",
                f"{count} cabinets failed alike ({signature}); the limit is {breaker.same_signature}",
            )
    if breaker.share and tally.failed >= _exactly(breaker.share * (of := _share_of(tally.ended, planned))):
        yield "share", f"{tally.failed} cabinets failed, of {of} that count; the limit is {breaker.share:.0%}"


def _still_allowed(breaker: Breaker, ended: Sequence[Ended], planned: int) -> int | None:
    """How many more failures reach the nearest limit; None if there is no limit within reach."""
    tally = _Tally()
    for cabinet in _tried(ended):
        tally.count(cabinet)
    allowed = []
    if breaker.failures:
        allowed.append(breaker.failures - tally.failed)
    if breaker.consecutive:
        allowed.append(breaker.consecutive - tally.in_a_row)
    if breaker.same_signature:
        allowed.append(breaker.same_signature - max(tally.by_signature.values(), default=0))
    if breaker.share:
        more = (
            more
            for more in range(1, planned - tally.ended + 1)
            if tally.failed + more >= _exactly(breaker.share * _share_of(tally.ended + more, planned))
        )
        allowed += [first] if (first := next(more, None)) else []
    return min(allowed, default=None)


def _share_of(ended: int, planned: int) -> int:
    return max(ended, min(SHARE_OF_AT_LEAST, planned))


def _exactly(product: float) -> float:
    """0.1 of 30 is 3, not 3.0000000000000004, which three failures would not reach."""
    return round(product, 9)


def _limits(breaker: Breaker) -> dict[str, float | None]:
    return {
        "failures": breaker.failures,
        "share": breaker.share,
        "consecutive": breaker.consecutive,
        "same_signature": breaker.same_signature,
    }


def _failures(ended: Sequence[Ended]) -> list[Ended]:
    return [cabinet for cabinet in _tried(ended) if cabinet.outcome in FAILURES]


def _in_common(failures: Sequence[Ended], ended: Sequence[Ended]) -> tuple[Shared, ...]:
    """What more than half of them share, at least two, and what not every other cabinet shares as well."""
    others = [cabinet for cabinet in ended if cabinet.outcome not in FAILURES]
    shared = []
    for what in ("signature", *dict.fromkeys(trait for cabinet in failures for trait in cabinet.traits)):
        values = Counter(value for cabinet in failures if (value := _trait(cabinet, what)))
        if not values:
            continue
        value, count = values.most_common(1)[0]
        everywhere = bool(others) and all(_trait(cabinet, what) == value for cabinet in others)
        if count >= 2 and 2 * count > len(failures) and not everywhere:
            shared.append(Shared(what, value, count))
    return tuple(shared)


def _trait(cabinet: Ended, what: str) -> str | None:
    return cabinet.signature if what == "signature" else cabinet.traits.get(what)
