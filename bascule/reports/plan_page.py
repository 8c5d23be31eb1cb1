"""A plan as a page: what people read before they sign it."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from datetime import datetime
from typing import Any

from bascule.waves.plan import PARTS, Plan, PlannedCabinet, PlannedStep, PlannedWrite

ASKED = "a person would be asked"


def plan_page(plan: Plan) -> str:
    """Markdown."""
    return "\n".join([*_head(plan), *_overview(plan), *(line for one in plan.cabinets for line in _cabinet(one)), ""])


def _head(plan: Plan) -> Iterator[str]:
    writes = [write for cabinet in plan.cabinets for step in cabinet.steps for write in step.writes]
    asked = sum(write.asked for write in writes)
    late = ", ".join(cabinet.code for cabinet in plan.cabinets if not cabinet.fits)
    estimate = plan.estimate
    yield f"# Plan of wave {plan.wave}"
    yield ""
    yield f"Drawn up {plan.drawn_up_at:%Y-%m-%d %H:%M} UTC by {plan.by}, with Bascule {plan.bascule}, in the environment {plan.asked.environment}."
    yield "Nothing was written to draw it up. E-mails, SIREN, and names in what would be written, are masked."
    yield ""
    done = len(plan.cabinets) - len(plan.to_do)
    to_do = "1 cabinet" if len(plan.to_do) == 1 else f"{len(plan.to_do)} cabinets"
    yield f"- **{to_do} to do**, {done} already done; {plan.slots} at once, in stages of {', '.join(map(str, plan.stages))}"
    yield f"- **{len(writes) - asked} writes** would be sent, **{asked}** asked of people"
    has_breaker = "breaker" in plan.settings
    until = (
        " in one run before the breaker has stopped it, those in flight included; a re-run counts anew"
        if has_breaker
        else ": there is no breaker"
    )
    yield f"- **At most {plan.may_fail}** may fail{until}"
    yield f"- **Estimated**: begins {_at(estimate.begins)}, ends {_at(estimate.ends)}; {_at(estimate.ends_if_slow)} if everything is slow (P90); in UTC"
    yield f"- **Does not fit its hours**: {late or 'none'}"
    if plan.settings:
        yield ""
        yield "| setting of the wave | value |"
        yield "| --- | --- |"
        yield from (f"| {name} | {_setting(value)} |" for name, value in sorted(plan.settings.items()))
    if plan.not_known:
        yield ""
        yield "The estimate is one. Not known:"
        yield ""
        yield from (f"- {what}" for what in plan.not_known)
    yield ""
    yield "`bascule apply` carries this plan out, and refuses if one of these has changed since:"
    yield ""
    yield "| what it stands on | SHA-256 |"
    yield "| --- | --- |"
    yield from (f"| {PARTS[part]} | `{plan.digests[part]}` |" for part in PARTS)
    yield f"| all four | `{plan.digest}` |"
    yield f"| **this plan** | **`{plan.hash}`** |"
    yield ""
    yield "Signed: ______________________  Signed: ______________________"
    yield ""


def _setting(value: Any) -> str:
    """As people say it: no braces, no quotes."""
    if isinstance(value, Mapping):
        return ", ".join(f"{name} {_setting(of_it)}" for name, of_it in value.items() if of_it is not None)
    if isinstance(value, list):
        return "; ".join(_setting(one) for one in value)
    return str(value).replace("|", r"\|")


def _overview(plan: Plan) -> Iterator[str]:
    yield "## Order"
    yield ""
    yield "Times are each cabinet's own."
    yield ""
    yield "| | cabinet | stage | size | window | last safe lock-out | begins | ends | remarks |"
    yield "| --- | --- | --- | --- | --- | --- | --- | --- | --- |"
    for number, one in enumerate(plan.cabinets, start=1):
        size = f"{one.size}, {one.dossiers} dossiers" if one.size else "unknown"
        hours = f"{_at(one.hours.opens)} – {_at(one.hours.closes)}" if one.hours.closes else "any hour"
        begins = _at(one.begins) if one.steps else "nothing to do"
        cells = [
            number,
            one.code,
            one.stage,
            size,
            hours if one.fits else "none that fits",
            _at(one.hours.last_safe_start),
            begins,
            _at(one.ends),
        ]
        yield f"| {' | '.join(map(str, cells))} | {_cell(_remarks(one))} |"
    yield ""


def _remarks(cabinet: PlannedCabinet) -> str:
    stop = next((step for step in cabinet.steps if step.stops), None)
    said = [f"stops at `{stop.step}`: {stop.because}"] if stop else []
    if cabinet.hours.why:
        said.append(cabinet.hours.why)
    return "; ".join(said)


def _cabinet(cabinet: PlannedCabinet) -> Iterator[str]:
    site = f", site {cabinet.site}" if cabinet.site else ""
    yield f"## {cabinet.code} ({cabinet.timezone}{site})"
    yield ""
    if cabinet.proven:
        yield f"Proven, and left out: {', '.join(cabinet.proven)}."
        yield ""
    if not cabinet.steps:
        return
    yield "| step | kind | what would be written | P50 | P90 | told by |"
    yield "| --- | --- | --- | --- | --- | --- |"
    for step in cabinet.steps:
        kind = f"{step.kind}, *irreversible*" if step.irreversible else step.kind.value
        yield f"| `{step.step}` | {kind} | {_cell(_written(step))} | {_took(step.p50)} | {_took(step.p90)} | {step.told_by} |"
    yield ""


def _written(step: PlannedStep) -> str:
    # That people are asked, each write says for itself.
    because = "" if step.because.startswith(ASKED) else f"**{step.because}**" if step.stops else step.because
    return "<br>".join(part for part in (because, *map(_write, step.writes)) if part)


def _write(write: PlannedWrite) -> str:
    who = ASKED if write.asked else write.system.value
    return f"{who}: `{write.verb}{_payload(write.payload)}`"


def _payload(payload: dict[str, Any]) -> str:
    return f" {json.dumps(payload, ensure_ascii=False)}" if payload else ""


def _took(seconds: float | None) -> str:
    if seconds is None:
        return "?"
    return f"{seconds:g} s" if seconds < 120 else f"{seconds / 60:.0f} min"


def _at(instant: str | None) -> str:
    """On the wall of whoever it is for, to the minute."""
    return f"{datetime.fromisoformat(instant):%Y-%m-%d %H:%M}" if instant else "–"


def _cell(text: str) -> str:
    return text.replace("|", "\\|").replace("\n", " ")
