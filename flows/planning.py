"""Draws a wave's plan up, and holds one that is applied against what it stands on. Reads; writes to no system and no ledger."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from importlib.metadata import version
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

from bascule import procedure
from bascule.engine.foresee import Foreseen, Foresight, foresee_all
from bascule.inventory.reading import said
from bascule.ledger import EntryKind, Ledger
from bascule.model import Cabinet
from bascule.procedure import PROCEDURE, SYNCHRONISE, Condition, Step, step_named
from bascule.waves.breaker import bound_of_failures
from bascule.waves.forecast import Forecast, forecast
from bascule.waves.governor import Rules
from bascule.waves.plan import (
    AskedFor,
    Estimate,
    Hours,
    Plan,
    PlannedCabinet,
    PlannedStep,
    PlannedWrite,
    digest,
    digests,
    fingerprints,
    masked,
    masked_text,
    of_ledger,
    require_same_ledger,
    require_unchanged,
    sealed,
)
from bascule.waves.ramp import stages
from bascule.waves.when import may_begin_with
from config.expecting import CONFIGURATION, NOBODY_KNOWS, SECTION, Expecting, expecting
from config.settings import Settings
from config.wiring import current_user, run_on
from flows.preparing import Asked, Prepared

SECRET = frozenset({"ledger_url", "client_secret", "password", "webhooks"})
"""Settings that are kept out of plans. Which ledger it is, is told apart from them."""


async def draw_up(
    asked: Asked, prepared: Prepared, settings: Settings, ledger: Ledger, *, environment: str, now: datetime
) -> Plan:
    """Reads the cabinets' systems, as many at once as the wave has slots."""
    rules = prepared.rules
    histories = ledger.histories([cabinet.code for cabinet in prepared.cabinets])
    async with run_on(settings, ledger, wave=prepared.wave, rules=rules) as run:
        foreseen = await foresee_all(run, prepared.cabinets, histories, at_once=rules.slots)
    expected = expecting(ledger, settings.expected)
    steps = {code: steps_of(foresight, expected) for code, foresight in foreseen.items()}
    sections = {code: section(told) for code, told in steps.items()}
    rules = replace(rules, cabinets=tuple(replace(one, expected=sections[one.code]) for one in rules.cabinets))
    done = {code for code, foresight in foreseen.items() if not foresight.steps}
    usual = forecast(rules, {code: in_flight(told, slow=False) for code, told in steps.items()}, now, done=done)
    slow = forecast(rules, {code: in_flight(told, slow=True) for code, told in steps.items()}, now, done=done)
    sizes = stages(rules.settings.ramp, len(rules.cabinets))
    stage_of = [number for number, size in enumerate(sizes, start=1) for _ in range(size)]
    planned = [
        _planned(cabinet, stage, foreseen[cabinet.code], steps[cabinet.code], rules, usual, expected, now)
        for cabinet, stage in zip(prepared.cabinets, stage_of, strict=True)
    ]
    begins = {code: usual.begins.get(code, datetime.max.replace(tzinfo=UTC)) for code in foreseen}
    address, first_run = identity_of(ledger)
    prints = fingerprints(stands_on(prepared, settings), address)
    return sealed(
        Plan(
            bascule=version("bascule"),
            wave=prepared.wave,
            drawn_up_at=now,
            by=current_user(),
            asked=_asked_for(asked, environment),
            ledger=of_ledger(address, first_run),
            slots=rules.slots,
            stages=sizes,
            # What is done counts towards the breaker's share, and fails no more.
            may_fail=min(
                bound_of_failures(rules.settings.breaker, rules.slots, planned=len(rules.cabinets)),
                len(foreseen) - len(done),
            ),
            settings=prepared.settings.model_dump(mode="json", by_alias=True, exclude_defaults=True),
            estimate=Estimate(
                begins=_utc(min(usual.begins.values(), default=None)),
                ends=_utc(_end(usual, steps)),
                ends_if_slow=_utc(_end(slow, steps)),
            ),
            not_known=tuple(_not_known(rules, planned, usual)),
            # Sorting keeps the wave's order among those that begin together.
            cabinets=tuple(sorted(planned, key=lambda one: (one.stage, begins[one.code]))),
            digests=digests(prints),
            digest=digest(prints),
            fingerprints=prints,
        )
    )


def asked_by(plan: Plan, because: str) -> Asked:
    """What `run` is asked when the plan is applied."""
    told = plan.asked
    return Asked(
        wave=plan.wave,
        inventory=Path(told.inventory),
        waves=Path(told.waves) if told.waves else None,
        users=Path(told.users) if told.users else None,
        assignments=Path(told.assignments) if told.assignments else None,
        concurrency=told.concurrency,
        ignore_unsupported=told.ignore_unsupported,
        because=because,
        plan=plan.hash,
    )


def require_current(plan: Plan, prepared: Prepared, settings: Settings, ledger: Ledger) -> None:
    """Raises PlanOfAnotherLedger, or PlanOutdated, which names what has changed."""
    address, first_run = identity_of(ledger)
    require_same_ledger(plan, address, first_run)
    require_unchanged(plan, fingerprints(stands_on(prepared, settings), address))


# What a plan stands on


def stands_on(prepared: Prepared, settings: Settings) -> dict[str, dict[str, object]]:
    of_wave = prepared.settings
    return {
        "inventory": {f"{one.code} {field}": told for one in prepared.planned for field, told in said(one).items()},
        "wave": {
            **of_wave.model_dump(mode="json", by_alias=True, exclude_defaults=True),
            **{
                f"blackout {name}": [str(closed) for closed in calendar.closed]
                for name, calendar in zip(of_wave.blackout, prepared.calendars, strict=True)
            },
        },
        "procedure": {"version": version("bascule"), **{step.name: _as_declared(step) for step in PROCEDURE}},
        "configuration": dict(_flat(settings.model_dump(mode="json", exclude={"ledger_url", "prefect"}))),
    }


def identity_of(ledger: Ledger) -> tuple[str, str | None]:
    """The ledger's address, without who uses it, and the hash of its first run; None if it has seen none."""
    scheme, _, place = ledger.url.partition("://")
    place = place.rpartition("@")[2]
    if scheme.startswith("sqlite"):
        place = str(Path(re.sub(r"^/", "", place)).resolve())
    first = min(ledger.of_kinds([EntryKind.RUN_BEGAN]), key=lambda entry: (entry.at, entry.hash), default=None)
    return f"{scheme.partition('+')[0]}://{place}", first.hash if first else None


def _as_declared(step: Step) -> list[object]:
    return [
        step.kind,
        step.irreversible,
        step.after,
        [_name_of(condition) for condition in step.requires],
        [[act.verb, _name_of(act.unless)] for act in step.acts],
        [_name_of(condition) for condition in step.ensures],
        step.lasts,
    ]


def _name_of(condition: Condition) -> str:
    """The name under which the procedure has it; empty for one that stands in a step only."""
    return next((name for name, value in vars(procedure).items() if value is condition), "")


def _flat(told: Mapping[str, Any], before: str = "") -> list[tuple[str, object]]:
    flat: list[tuple[str, object]] = []
    for name, value in told.items():
        if isinstance(value, dict):
            flat += _flat(value, f"{before}{name}.")
        elif name not in SECRET:
            flat.append((f"{before}{name}", value))
    return flat


# How long it takes


def steps_of(foresight: Foresight, expected: Expecting) -> tuple[PlannedStep, ...]:
    size = expected.size(foresight.dossiers)
    return tuple(_step(foreseen, size, expected) for foreseen in foresight.steps)


def in_flight(steps: Sequence[PlannedStep], *, slow: bool) -> timedelta:
    """How long a cabinet holds a slot. While a person is asked, it holds none."""
    seconds = ((step.p90 if slow else step.p50) or 0.0 for step in steps if not _is_asked(step))
    return timedelta(seconds=sum(seconds))


def by_people(steps: Sequence[PlannedStep]) -> timedelta:
    """The work that people are asked for, as if they took it up at once."""
    return timedelta(seconds=sum(step.p50 or 0.0 for step in steps if _is_asked(step)))


def section(steps: Sequence[PlannedStep]) -> timedelta:
    """From lock-out to reopen, in nine of ten cases where that is known; nothing where it is done."""
    return timedelta(seconds=sum(step.p90 or step.p50 or 0.0 for step in steps if step.step in SECTION))


def _end(foretold: Forecast, steps: Mapping[str, Sequence[PlannedStep]]) -> datetime | None:
    """When the last cabinet ends, people's work included; None if one never does."""
    ends = (at + by_people(steps[code]) for code, at in foretold.ends.items())
    return None if foretold.never else max(ends, default=None)


def _is_asked(step: PlannedStep) -> bool:
    return any(write.asked for write in step.writes)


# One cabinet


def _step(foreseen: Foreseen, size: str | None, expected: Expecting) -> PlannedStep:
    step = step_named(foreseen.step)
    takes = expected.takes(step, foreseen.writes, size)
    return PlannedStep(
        step=step.name,
        kind=step.kind,
        irreversible=step.irreversible,
        writes=tuple(
            PlannedWrite(verb=write.verb, system=write.system, payload=masked(write.payload), asked=write.asked)
            for write in foreseen.writes
        ),
        because=masked_text(foreseen.because),
        stops=foreseen.stops,
        p50=takes.p50,
        p90=takes.p90,
        told_by=takes.told_by,
    )


def _planned(
    cabinet: Cabinet,
    stage: int,
    foresight: Foresight,
    steps: tuple[PlannedStep, ...],
    rules: Rules,
    usual: Forecast,
    expected: Expecting,
    now: datetime,
) -> PlannedCabinet:
    zone = ZoneInfo(cabinet.timezone)
    takes = section(steps)
    opened = may_begin_with(takes, rules.settings, rules.blackouts, zone, now)
    last = opened.last_safe_start(takes)

    def local(at: datetime | None) -> str | None:
        return at.astimezone(zone).isoformat(timespec="minutes") if at else None

    return PlannedCabinet(
        code=cabinet.code,
        stage=stage,
        timezone=cabinet.timezone,
        site=cabinet.site,
        size=expected.size(foresight.dossiers),
        dossiers=foresight.dossiers,
        hours=Hours(opens=local(opened.at), closes=local(opened.closes), last_safe_start=local(last), why=opened.why),
        fits=opened.at is not None,
        begins=local(usual.begins.get(cabinet.code)),
        ends=local(usual.ends[cabinet.code] + by_people(steps)) if cabinet.code in usual.ends else None,
        proven=foresight.proven,
        steps=steps,
    )


def _not_known(rules: Rules, planned: Sequence[PlannedCabinet], usual: Forecast) -> list[str]:
    steps = [(cabinet.code, step) for cabinet in planned for step in cabinet.steps]
    unread = [code for code, step in steps if step.because.startswith("cannot be observed")]
    asked = [code for code, step in steps if _is_asked(step)]
    stopped = [code for code, step in steps if step.stops and code not in unread and not _is_asked(step)]
    unsized = [cabinet.code for cabinet in planned if cabinet.size is None]
    said = []
    if unread:
        said.append(f"what stands in the systems of {_some(unread)}: they cannot be read")
    if stopped:
        said.append(f"when what stops {_some(stopped)} is mended: the estimate takes it that it is")
    if asked:
        told = f"{len(asked)} steps are asked of them, and the estimate takes it that each is taken up at once"
        said.append(f"when people answer: {told}")
    if unsized:
        said.append(f"how large {_some(unsized)} are: they are taken for medium")
    if any(step.told_by == NOBODY_KNOWS for _, step in steps):
        said.append(
            "how long Sage takes to validate an AdminSage and to prepare a workspace: the estimate leaves it out"
        )
    if any(step.step == SYNCHRONISE and step.told_by.startswith(CONFIGURATION) for _, step in steps):
        said.append("how long a synchronisation takes: no past wave tells enough, so the configuration's guess is used")
    if rules.shut:
        said.append(f"when the wave may begin: {rules.shut}")
    for why in dict.fromkeys(usual.never.values()):
        never = [code for code, reason in usual.never.items() if reason == why]
        said.append(f"when {_some(never)} can be moved: {why}")
    return said


def _some(codes: Sequence[str]) -> str:
    each = list(dict.fromkeys(codes))
    return ", ".join(each[:5]) + (f" and {len(each) - 5} more" if len(each) > 5 else "")


def _asked_for(asked: Asked, environment: str) -> AskedFor:
    assert asked.inventory is not None, "a plan is drawn up from an inventory"
    return AskedFor(
        inventory=str(asked.inventory),
        waves=str(asked.waves) if asked.waves else None,
        users=str(asked.users) if asked.users else None,
        assignments=str(asked.assignments) if asked.assignments else None,
        concurrency=asked.concurrency,
        ignore_unsupported=asked.ignore_unsupported,
        environment=environment,
    )


def _utc(at: datetime | None) -> str | None:
    return at.astimezone(UTC).isoformat(timespec="minutes") if at else None
