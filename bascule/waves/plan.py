"""A wave's plan: what would be done, for people to read and sign, and what it stands on, so that a change since shows.

A plan shows no whole e-mail, no SIREN, and of the names in what would be written the initials. What it stands on is kept
as fingerprints, so that what changed can be named without the plan holding it.
"""

from __future__ import annotations

import hashlib
import hmac
import json
import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass
from datetime import datetime
from pathlib import Path
from typing import Any, Literal

from pydantic import BaseModel, ConfigDict, ValidationError

from bascule.errors import BasculeError
from bascule.inventory.waves import Breaker
from bascule.model import Kind, System

FORMAT = "bascule-plan-1"
"""Raised with every change of what a plan holds: an older one is then refused by name."""
LARGEST = 200 * 1024**2
SHOWN = 20
"""Changes named at most; the others are counted."""
NAMED = 5
"""Of those that changed alike, so many are named."""

PARTS = {
    "inventory": "the inventory's rows",
    "wave": "the wave's settings",
    "procedure": "the procedure",
    "configuration": "the configuration",
}
"""What a plan stands on, as people call it."""

MADE_OF = {"inventory": "rows", "wave": "settings", "procedure": "steps", "configuration": "settings"}
"""What stands in each part, as people count it."""

Fingerprints = Mapping[str, Mapping[str, str]]
"""By part, then by what stands in it: `C0042 admin_email`, `window`, `connect`, `ge.url`."""


class PlanUnreadable(BasculeError):
    """The file is no plan that this version can read."""


class PlanEdited(BasculeError):
    """The plan is not what was drawn up: it was changed by hand, or is damaged."""


class PlanOfAnotherLedger(BasculeError):
    """The plan was drawn up on another ledger."""


class PlanOutdated(BasculeError):
    """What the plan stands on has changed since it was drawn up."""


class Told(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


class PlannedWrite(Told):
    """One write: sent to an agent, or `asked` of a person. The payload is masked."""

    verb: str
    system: System
    payload: dict[str, Any]
    asked: bool


class PlannedStep(Told):
    step: str
    kind: Kind
    irreversible: bool
    writes: tuple[PlannedWrite, ...]
    because: str
    """Why nothing would be written, or not yet."""
    stops: bool
    """As things are now, the cabinet would go no further."""
    p50: float | None
    """Seconds; None for what only people and remotes know."""
    p90: float | None
    told_by: str
    """Where the durations come from."""


class Hours(Told):
    """The first window in which the cabinet can be moved. ISO 8601, in the cabinet's own zone; None: without limit."""

    opens: str | None
    closes: str | None
    last_safe_start: str | None
    """No lock-out begins later."""
    why: str
    """Why it cannot begin now."""


class PlannedCabinet(Told):
    code: str
    stage: int
    """Of the ramp, from 1."""
    timezone: str
    site: str | None
    size: str | None
    dossiers: int | None
    hours: Hours
    fits: bool
    begins: str | None
    """Estimated, in the cabinet's own zone; None if it never does, or has nothing to do."""
    ends: str | None
    proven: tuple[str, ...]
    steps: tuple[PlannedStep, ...]

    @property
    def is_done(self) -> bool:
        """Every step is proven: a run starts it no more, and counts it in its stage as one that ended well."""
        return not self.steps


class Estimate(Told):
    """When the wave ends if every cabinet goes well and people take up at once what they are asked. ISO 8601, UTC."""

    begins: str | None
    ends: str | None
    ends_if_slow: str | None
    """The same, if everything takes as long as in the slowest tenth."""


class AskedFor(Told):
    """What the plan was drawn up for, as it was typed: paths are read from the folder in which it is applied."""

    inventory: str
    waves: str | None
    users: str | None
    assignments: str | None
    concurrency: int | None
    ignore_unsupported: bool
    environment: str


class OfLedger(Told):
    """Which ledger: by the hash of its address, and of its first run, if it had one."""

    address: str
    first_run: str | None


class Plan(Told):
    format: Literal["bascule-plan-1"] = "bascule-plan-1"
    bascule: str
    wave: str
    drawn_up_at: datetime
    by: str
    asked: AskedFor
    ledger: OfLedger
    slots: int
    stages: tuple[int, ...]
    may_fail: int
    """At most, before the breaker has stopped the wave: those in flight included."""
    settings: dict[str, Any]
    estimate: Estimate
    not_known: tuple[str, ...]
    cabinets: tuple[PlannedCabinet, ...]
    """In the order in which they start."""
    digests: dict[str, str]
    """Of each part that the plan stands on."""
    digest: str
    """Of all of them."""
    fingerprints: dict[str, dict[str, str]]
    hash: str = ""
    """Of the whole plan: what people sign."""

    @property
    def to_do(self) -> tuple[PlannedCabinet, ...]:
        return tuple(cabinet for cabinet in self.cabinets if not cabinet.is_done)

    @property
    def may_still_fail(self) -> int:
        """As `may_fail`, of those to do: what is done fails no more."""
        return min(self.may_fail, len(self.to_do))


# Drawn up, written, read


def sealed(plan: Plan) -> Plan:
    """The plan with its hash."""
    return plan.model_copy(update={"hash": _hash_of(plan)})


def as_text(plan: Plan) -> str:
    return json.dumps(plan.model_dump(mode="json"), ensure_ascii=False, indent=1) + "\n"


def read_plan(path: Path) -> Plan:
    """Raises PlanUnreadable, or PlanEdited."""
    anew = "draw up a new one: bascule plan --inventory FILE -o plan.json"
    try:
        if path.stat().st_size > LARGEST:
            raise PlanUnreadable(f"{path}: larger than any plan", remedy=anew)
        content = json.loads(path.read_bytes())
    except OSError as trouble:
        raise PlanUnreadable(f"{path}: cannot be read ({trouble.strerror})", remedy="check the path") from None
    except (ValueError, RecursionError) as broken:
        raise PlanUnreadable(f"{path}: is no plan: it is no JSON ({broken})", remedy=anew) from None
    told = content.get("format") if isinstance(content, dict) else None
    if told != FORMAT:
        what = f"is of another version of Bascule: {told!r}, not {FORMAT!r}" if told else "is no plan of Bascule"
        raise PlanUnreadable(f"{path}: {what}", remedy=anew)
    try:
        plan = Plan.model_validate(content)
    except ValidationError as wrong:
        first = wrong.errors()[0]
        place = ".".join(str(part) for part in first["loc"])
        raise PlanEdited(f"{path}: {place}: {first['msg']}", remedy=anew) from None
    if not hmac.compare_digest(plan.hash, _hash_of(plan)):
        raise PlanEdited(
            f"{path}: the plan does not have the hash that it bears: it was edited after it was drawn up", remedy=anew
        )
    return plan


def _hash_of(plan: Plan) -> str:
    return _sha256(plan.model_dump(mode="json", exclude={"hash"}))


# What it stands on


def fingerprints(parts: Mapping[str, Mapping[str, object]], key: str) -> dict[str, dict[str, str]]:
    """Keyed, so that the same value has another fingerprint in another ledger's plans."""
    return {
        part: {
            name: hmac.new(key.encode(), _canonical([part, name, said]), hashlib.sha256).hexdigest()[:16]
            for name, said in sorted(items.items())
        }
        for part, items in parts.items()
    }


def digests(prints: Fingerprints) -> dict[str, str]:
    return {part: _sha256(items) for part, items in prints.items()}


def digest(prints: Fingerprints) -> str:
    return _sha256(digests(prints))


def require_same_ledger(plan: Plan, address: str, first_run: str | None) -> None:
    """A ledger that had seen no run may have been used since. Raises PlanOfAnotherLedger."""
    here = of_ledger(address, first_run)
    if plan.ledger.address != here.address or plan.ledger.first_run not in (None, here.first_run):
        raise PlanOfAnotherLedger(
            "The plan was drawn up on another ledger",
            remedy="check BASCULE_LEDGER_URL and the folder you are in, or draw up a new plan",
        )


def of_ledger(address: str, first_run: str | None) -> OfLedger:
    return OfLedger(address=_sha256(address), first_run=_sha256(first_run) if first_run else None)


@dataclass(frozen=True, slots=True)
class Change:
    """In one part: what was added, removed or changed."""

    part: str
    what: str
    how: str

    def __str__(self) -> str:
        return f"{PARTS.get(self.part, self.part)}: {self.what} {self.how}"


def changes(before: Fingerprints, after: Fingerprints) -> tuple[Change, ...]:
    """A row that came or went is one change, not one for each of its fields."""
    return tuple(change for part in PARTS for change in _changes(part, before.get(part, {}), after.get(part, {})))


def require_unchanged(plan: Plan, now: Fingerprints) -> None:
    """Raises PlanOutdated, which names what changed."""
    found = changes(plan.fingerprints, now)
    if not found:
        return
    more = [f"… and {len(found) - SHOWN} more"] if len(found) > SHOWN else []
    listed = "\n".join(f"  {line}" for line in [*map(str, found[:SHOWN]), *more])
    raise PlanOutdated(
        f"The plan of {plan.drawn_up_at:%Y-%m-%d %H:%M} UTC is out of date:\n{listed}",
        remedy="draw up a new plan, and compare the two: bascule plan diff OLD NEW",
    )


def _changes(part: str, before: Mapping[str, str], after: Mapping[str, str]) -> Iterator[Change]:
    rows_before, rows_after = ({name.partition(" ")[0] for name in told} for told in (before, after))
    told = set[str]()
    for name in sorted({*before, *after}):
        if before.get(name) == after.get(name):
            continue
        row = name.partition(" ")[0]
        if row in rows_before and row in rows_after:
            yield Change(part, name, _how(name, before, after))
        elif row not in told:
            told.add(row)
            yield Change(part, row, "was removed" if row in rows_before else "was added")


def _how(name: str, before: Mapping[str, str], after: Mapping[str, str]) -> str:
    if name not in after:
        return "was removed"
    return "changed" if name in before else "was added"


# How much it is


def beyond_reach(breaker: Breaker, plan: Plan) -> tuple[str, ...]:
    """The limits that could not be reached if all that is left to do went wrong. What is done counts towards a share as ended well."""
    left, of = len(plan.to_do), len(plan.cabinets)
    # 0.1 of 30 is 3, not 3.0000000000000004.
    needed = {name: round(limit * of, 9) if name == "share" else limit for name, limit in limits_of(breaker).items()}
    return tuple(f"`{name}: {limit:g}`" for name, limit in limits_of(breaker).items() if needed[name] > left)


def limits_of(breaker: Breaker) -> dict[str, float]:
    """Those that are set, by name."""
    limits: dict[str, float] = breaker.model_dump(exclude={"strict"}, exclude_none=True)
    return limits


# Two plans


@dataclass(frozen=True, slots=True)
class PlanDiff:
    """`stands_on`: what changed below them; `would_do`: what changed in what would be done, by cabinet."""

    stands_on: tuple[Change, ...]
    would_do: tuple[tuple[str, str], ...]

    def __str__(self) -> str:
        alike: dict[str, list[str]] = {}
        for what, how in self.would_do:
            alike.setdefault(how, []).append(what)
        lines = [*_folded(self.stands_on), *(f"{_some(what, 'cabinets')}: {how}" for how, what in alike.items())]
        return "\n".join(lines) or "no difference"

    def as_json(self) -> dict[str, Any]:
        return {
            "stands_on": [asdict(change) for change in self.stands_on],
            "would_do": [{"what": what, "how": how} for what, how in self.would_do],
        }


def _some(names: Sequence[str], what: str) -> str:
    """Those that change alike, on one line."""
    return ", ".join(names) if len(names) <= NAMED else f"{len(names)} {what} ({', '.join(names[:NAMED])} …)"


def _folded(found: Sequence[Change]) -> Iterator[str]:
    """A line each; where many of a part changed alike, one line, in the place of the first."""
    alike: dict[tuple[str, str, str], list[str]] = {}
    for change in found:
        alike.setdefault(_likeness(change), []).append(_one_of(change))
    told = set[tuple[str, str, str]]()
    for change in found:
        part, field, how = likeness = _likeness(change)
        if len(alike[likeness]) <= NAMED:
            yield str(change)
        elif likeness not in told:
            told.add(likeness)
            some = _some(alike[likeness], MADE_OF[part])
            yield f"{PARTS[part]}: " + (f"{field} {how} in {some}" if field else f"{some} {how.replace('was', 'were')}")


def _likeness(change: Change) -> tuple[str, str, str]:
    """Rows change alike where the same field does. The procedure's version is none of its steps."""
    if change.part == "inventory":
        return change.part, change.what.partition(" ")[2], change.how
    return change.part, change.what if (change.part, change.what) == ("procedure", "version") else "", change.how


def _one_of(change: Change) -> str:
    return change.what.partition(" ")[0] if change.part == "inventory" else change.what


def compare(old: Plan, new: Plan) -> PlanDiff:
    """Raises PlanOfAnotherLedger."""
    if old.ledger.address != new.ledger.address:
        raise PlanOfAnotherLedger(
            "The two plans are of different ledgers: what they stand on cannot be compared",
            remedy="draw both up on one ledger",
        )
    return PlanDiff(changes(old.fingerprints, new.fingerprints), tuple(_done_otherwise(old, new)))


def _done_otherwise(old: Plan, new: Plan) -> Iterator[tuple[str, str]]:
    for name in ("wave", "slots", "stages", "may_fail"):
        before, after = getattr(old, name), getattr(new, name)
        if before != after:
            yield name, f"{_plain(before)} -> {_plain(after)}"
    cabinets, others = ({one.code: one for one in plan.cabinets} for plan in (old, new))
    for code in dict.fromkeys([*cabinets, *others]):
        before, after = cabinets.get(code), others.get(code)
        if before is None or after is None:
            yield code, "is planned anew" if before is None else "is no longer planned"
        else:
            yield from ((code, how) for how in _moved_otherwise(before, after))
    if [*cabinets] != [*others] and {*cabinets} == {*others}:
        yield "order", "the cabinets start in another order"


def _moved_otherwise(before: PlannedCabinet, after: PlannedCabinet) -> Iterator[str]:
    for name in ("stage", "size", "fits"):
        if getattr(before, name) != getattr(after, name):
            yield f"{name}: {_plain(getattr(before, name))} -> {_plain(getattr(after, name))}"
    if proven := [name for name in after.proven if name not in before.proven]:
        yield f"proven since: {', '.join(proven)}"
    steps = {step.step: step for step in after.steps}
    for step in before.steps:
        now = steps.get(step.step)
        if now is None:
            continue
        if now.writes != step.writes:
            yield f"{step.step}: writes {_verbs(step)} -> {_verbs(now)}"
        if now.because != step.because:
            yield f"{step.step}: {step.because or 'nothing in the way'} -> {now.because or 'nothing in the way'}"
    opened = [name for name in (step.step for step in after.steps) if name in before.proven]
    if opened:
        yield f"open again: {', '.join(opened)}"


def _verbs(step: PlannedStep) -> str:
    return (
        ", ".join(f"{write.verb} {json.dumps(write.payload, ensure_ascii=False)}" for write in step.writes) or "nothing"
    )


def _plain(value: object) -> str:
    if isinstance(value, tuple):
        return ", ".join(map(str, value))
    return "unknown" if value is None else str(value)


# Masks

SHOWN_AS_IT_IS = frozenset({"entity", "profile", "group", "role", "question"})
"""What a payload says of nobody in particular."""

_EMAIL = re.compile(r"([\w.+'-])[\w.+'-]*@([\w-]+(?:\.[\w-]+)*)")
_SIREN = re.compile(r"\b\d{6}(?:\d{5})?(\d{3})\b")


def masked(payload: Mapping[str, Any]) -> dict[str, Any]:
    """A payload that tells nobody who is meant, but lets those who know them check it."""
    return {name: _mask(name, value) for name, value in payload.items()}


def masked_text(text: str) -> str:
    """A sentence without whole e-mails, SIREN and SIRET; what else it names, whoever mends it must read."""
    return _SIREN.sub(r"…\1", _EMAIL.sub(r"\1…@\2", text))


def _mask(name: str, value: Any) -> Any:
    if value is None or name in SHOWN_AS_IT_IS:
        return value
    if isinstance(value, Mapping):
        return masked(value)
    if isinstance(value, list | tuple):
        return [_mask(name, one) for one in value]
    text = str(value)
    hidden = masked_text(text)
    return hidden if hidden != text else " ".join(f"{word[:1]}…" for word in text.split())


def _canonical(value: object) -> bytes:
    return json.dumps(value, ensure_ascii=False, sort_keys=True, separators=(",", ":"), default=str).encode()


def _sha256(value: object) -> str:
    return hashlib.sha256(_canonical(value)).hexdigest()
