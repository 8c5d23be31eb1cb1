"""What must be right before a wave begins. Nothing runs and nothing is stored while one thing is wrong."""

from __future__ import annotations

import asyncio
import logging
import math
import random
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime
from itertools import count
from pathlib import Path

from bascule.connectors import Health
from bascule.engine import RetryPolicy
from bascule.engine.conduct import planned
from bascule.errors import BasculeError, RemoteUnreachable
from bascule.inventory import Inventory, WaveSettings, read_inventory, unsupported
from bascule.inventory.stored import from_plain
from bascule.inventory.waves import REST
from bascule.ledger import EntryKind, Ledger
from bascule.model import Cabinet, Outcome, System
from bascule.reports import NoSuchWave, status_of
from bascule.waves.breaker import out_of_reach, require_sound
from bascule.waves.calendars import Calendar, calendars_of, with_calendars
from bascule.waves.choosing import in_wave, selected, wave_of
from bascule.waves.earlier import KINDS, PAST_HELD_STAGE, Earlier, earlier, held_stage
from bascule.waves.governor import Rules
from bascule.waves.order import in_order
from bascule.waves.ramp import going_on
from bascule.waves.when import require_opening
from config.settings import Settings
from config.wiring import HTTP, connectors_of, health_of, now, pace_of, what_to_do

log = logging.getLogger("bascule.flows")

ENFORCED = frozenset(WaveSettings.model_fields)
"""Settings of a wave that this version keeps: all of them. One that is not kept is refused by name, unless people accept that."""


LONGEST_JITTER = 1.5
"""What a pause of the retry policy is multiplied with at most. What an agent asks for beyond that is not waited for before a run."""


class NotReady(BasculeError):
    """The wave cannot begin."""


@dataclass(frozen=True, kw_only=True)
class Asked:
    """What people ask of a run: which cabinets, and how."""

    wave: str | None = None
    inventory: Path | None = None
    """None: the version that the ledger holds."""
    waves: Path | None = None
    users: Path | None = None
    assignments: Path | None = None
    rerun: bool = False
    """Only what is not done, or what `only` and `cabinets` name."""
    only: tuple[str, ...] = ()
    classes: tuple[str, ...] = ()
    cabinets: tuple[str, ...] = ()
    concurrency: int | None = None
    ignore_unsupported: bool = False
    because: str = ""
    any_hour: bool = False
    """Outside window and blackout too: a person takes that upon themselves, and says why."""
    plan: str = ""
    """The hash of the plan that is applied, if one is."""


@dataclass(frozen=True, kw_only=True)
class Prepared:
    """A wave that can begin."""

    wave: str
    inventory: Inventory
    planned: tuple[Cabinet, ...]
    """All cabinets of the wave."""
    cabinets: tuple[Cabinet, ...]
    """Those that this run takes up."""
    settings: WaveSettings
    """The wave's, as the inventory has them."""
    rules: Rules
    """What governs this run, from them and from what was begun before."""
    over_http: frozenset[System] = frozenset()
    """The systems that these cabinets are read from, or acted on, by an http agent."""
    ignored: tuple[str, ...] = ()
    """Settings of the wave that nothing enforces yet."""
    calendars: tuple[Calendar, ...] = ()
    """Those that the wave's `blackout` names, in this order."""
    told: tuple[str, ...] = ()
    """What whoever runs it should know beforehand, a sentence each."""
    because: str = ""
    evidence: Mapping[str, object] = field(default_factory=dict)


def prepare(asked: Asked, settings: Settings, ledger: Ledger, clock: Callable[[], datetime] = now) -> Prepared:
    """Raises a BasculeError that says what is wrong, where, and what to do."""
    inventory = _inventory(asked, ledger)
    inventory, kept = with_kept_rules(inventory, ledger)
    wave = wave_of(inventory.cabinets, asked.wave)
    of_the_wave = in_wave(inventory.cabinets, wave)
    of_wave = inventory.waves.get(wave, WaveSettings())
    ignored = unsupported(of_wave, ENFORCED)
    if ignored and not asked.ignore_unsupported:
        raise NotReady(
            f"Wave {wave!r} sets {', '.join(ignored)}, which this version of Bascule does not enforce yet",
            remedy="take them out of the wave's settings, or accept that with --ignore-unsupported",
        )
    require_sound(of_wave.breaker, wave)
    cabinets = _selected(asked, in_order(of_the_wave, of_wave.priority, wave), ledger, wave)
    over_http = {
        system for cabinet in cabinets for system in System if HTTP in connectors_of(settings, cabinet, system)
    }
    calendars = calendars_of(inventory, of_wave.blackout)
    before = earlier(ledger.of_wave(wave, KINDS), {cabinet.code for cabinet in of_the_wave})
    rules = _rules(asked, wave, of_wave, calendars, cabinets, settings, ledger, before, wave_size=len(of_the_wave))
    _require_opening(rules, ledger, wave, clock())
    past = _past_held_stage(asked, wave, of_wave, cabinets, before, wave_size=len(of_the_wave))
    by_code = {cabinet.code: cabinet for cabinet in cabinets}
    return Prepared(
        wave=wave,
        inventory=inventory,
        planned=of_the_wave,
        cabinets=tuple(by_code[one.code] for one in rules.cabinets),
        settings=of_wave,
        rules=rules,
        over_http=frozenset(over_http),
        ignored=ignored,
        calendars=calendars,
        told=(
            *([_told_of_kept(wave, kept[wave], of_wave)] if wave in kept else []),
            *(out_of_reach(of_wave.breaker, len(of_the_wave)) if of_wave.breaker else ()),
        ),
        because=asked.because,
        evidence={
            "inventory": inventory.digest,
            "environment": settings.environment,
            "selected": [cabinet.code for cabinet in cabinets] if asked.rerun else "all",
            "ignored": list(ignored),
            "any_hour": asked.any_hour,
            **({"plan": asked.plan} if asked.plan else {}),
            **({"rules_of": kept[wave]} if wave in kept else {}),
            **({PAST_HELD_STAGE: past} if past else {}),
        },
    )


def _rules(
    asked: Asked,
    wave: str,
    of_wave: WaveSettings,
    calendars: Sequence[Calendar],
    cabinets: Sequence[Cabinet],
    settings: Settings,
    ledger: Ledger,
    before: Earlier,
    *,
    wave_size: int,
) -> Rules:
    """Raises what is wrong with the wave's settings."""
    if asked.any_hour and not asked.because.strip():
        raise NotReady("A run at any hour needs a reason", remedy="give --because; it is kept in the ledger")
    begun = frozenset(before.begun)
    in_turn = sorted(cabinets, key=lambda cabinet: cabinet.code not in begun)
    if of_wave.ramp:
        taken_up = sum(cabinet.code in begun for cabinet in in_turn)
        ramp = going_on(of_wave.ramp, wave_size, len(begun), taken_up)
        of_wave = of_wave.model_copy(update={"ramp": ramp if sum(ramp) >= len(in_turn) else (*ramp, REST)})
    return Rules(
        settings=of_wave,
        cabinets=tuple(
            replace(
                planned(cabinet), systems=frozenset(s for s in System if HTTP in connectors_of(settings, cabinet, s))
            )
            for cabinet in in_turn
        ),
        slots=asked.concurrency or of_wave.concurrency or settings.concurrency,
        blackouts=tuple(closed for calendar in calendars for closed in calendar.closed),
        required=_outcomes_of(ledger, of_wave.requires.wave) if of_wave.requires else None,
        at_any_hour=asked.any_hour,
    )


def _require_opening(rules: Rules, ledger: Ledger, wave: str, at: datetime) -> None:
    """Raises NeverOpens. While users may be locked out a run begins all the same: it starts nothing, and lets them in."""
    if rules.at_any_hour or ledger.owing_a_reopen():
        return
    for zone in dict.fromkeys(cabinet.zone for cabinet in rules.cabinets):
        require_opening(rules.settings, rules.blackouts, zone, at, wave)


def _past_held_stage(
    asked: Asked, wave: str, of_wave: WaveSettings, cabinets: Sequence[Cabinet], before: Earlier, *, wave_size: int
) -> str:
    """Which stage of the ramp a person goes past, and why it is held; empty where none is. Raises NotReady without a reason."""
    new = [cabinet.code for cabinet in cabinets if cabinet.code not in before.begun]
    taken_up = {cabinet.code for cabinet in cabinets}
    held = held_stage(of_wave, wave_size, before, taken_up) if new else None
    if held is None:
        return ""
    if not asked.because.strip():
        raise NotReady(
            f"The ramp of wave {wave!r} holds {len(new)} cabinets that have not begun: {held.why}",
            remedy=f"see to that stage, then: bascule rerun --wave {wave}; or go past it with --because TEXT, which is recorded",
        )
    return held.why


def _outcomes_of(ledger: Ledger, wave: str) -> dict[Outcome, int]:
    """None of a wave that the ledger does not know: then it has shown nothing."""
    try:
        return status_of(ledger, wave).outcomes
    except NoSuchWave:
        return {}


async def require_answers(
    settings: Settings, prepared: Prepared, sleep: Callable[[float], Awaitable[None]] = asyncio.sleep
) -> None:
    """Every system that is reached over HTTP answers. Asked before a run begins; while it runs, silence is a cabinet's affair.

    What time may mend is asked again, as the engine would. Raises NotReady.
    """
    retry, chance = pace_of(settings.pace).retry, random.Random()  # noqa: S311  # spaces out attempts, keeps no secret
    systems = [system for system in System if system in prepared.over_http]
    for attempt in count(1):
        silent = [health for health in await health_of(settings, systems) if not health.ok]
        if not silent:
            return
        pauses = [_pause(settings, health, retry, attempt, chance) for health in silent]
        pause = max(pauses)
        if pause > retry.longest * LONGEST_JITTER:
            raise _not_ready(settings, silent[pauses.index(pause)], silent)
        for health in silent:
            log.warning("%s; asked again in %.0f s", health.says.rstrip("."), pause)
        await sleep(pause)
        systems = [health.system for health in silent]


def _pause(settings: Settings, health: Health, retry: RetryPolicy, attempt: int, chance: random.Random) -> float:
    """Seconds until it is asked again; infinite where that cannot help. A sandbox that nobody started does not start by itself."""
    error = health.error
    if error is None or not retry.may_mend(error.error_class, attempt):
        return math.inf
    if settings.environment == "sandbox" and isinstance(error, RemoteUnreachable):
        return math.inf
    return retry.pause_after(attempt, error.retry_after, chance)


def _not_ready(settings: Settings, worst: Health, silent: Sequence[Health]) -> NotReady:
    names = ", ".join(health.system.value for health in silent)
    did = "cannot be reached" if isinstance(worst.error, RemoteUnreachable) else "cannot be used"
    return NotReady(
        f"{names} {did} at {settings.system(worst.system).url}: {worst.says}",
        remedy=f"{what_to_do(settings, worst)}; bascule doctor tells more",
    )


def _inventory(asked: Asked, ledger: Ledger) -> Inventory:
    if asked.inventory is None:
        return stored_inventory(ledger, asked.wave)
    read = read_inventory(asked.inventory, waves=asked.waves, users=asked.users, assignments=asked.assignments)
    of_wave = read.waves.get(wave_of(read.cabinets, asked.wave), WaveSettings())
    return with_calendars(read, asked.waves or asked.inventory, needed=of_wave.blackout)


def with_kept_rules(inventory: Inventory, ledger: Ledger) -> tuple[Inventory, dict[str, str]]:
    """Where nothing is said of a wave's rules, those hold that the ledger has: who leaves the waves file out escapes no blackout.

    Also, by wave, the version that they are of.
    """
    kept: dict[str, str] = {}
    for wave in sorted({cabinet.wave for cabinet in inventory.cabinets} - inventory.waves.keys()):
        of_wave = _version_with_rules(ledger, wave)
        if of_wave is not None and of_wave.waves[wave] != WaveSettings():
            rules, needed = of_wave.waves[wave], of_wave.waves[wave].blackout
            texts = {name: text for name, text in of_wave.calendars.items() if name in needed}
            inventory = replace(
                inventory,
                waves={**inventory.waves, wave: rules},
                calendars={**texts, **inventory.calendars},
            )
            kept[wave] = of_wave.digest
    return inventory, kept


def _version_with_rules(ledger: Ledger, wave: str) -> Inventory | None:
    """The newest version, if it says anything of this wave's rules; else the one that it was last run with which does."""
    runs = ledger.of_wave(wave, [EntryKind.RUN_BEGAN])
    for digest in (None, *dict.fromkeys(str(run.evidence.get("inventory")) for run in reversed(runs))):
        stored = ledger.inventory(digest)
        if stored is not None and wave in stored.content["waves"]:
            return from_plain(stored.content)
    return None


def _told_of_kept(wave: str, version: str, rules: WaveSettings) -> str:
    names = ", ".join(rules.model_dump(exclude_defaults=True))
    return (
        f"no rules were given for wave {wave}: those of version {version[:12]} in the ledger hold ({names}); "
        f"to drop them, give --waves with `waves: {{{wave}: {{}}}}`"
    )


def stored_inventory(ledger: Ledger, wave: str | None) -> Inventory:
    """The newest version that the ledger holds; where that is of other waves, the version that this one was last run with."""
    stored = ledger.inventory()
    if stored is None:
        raise NotReady(
            "The ledger holds no inventory yet", remedy="bascule inventory import FILE, or bascule run --inventory FILE"
        )
    newest = from_plain(stored.content)
    if wave is None or in_wave(newest.cabinets, wave):
        return newest
    began = ledger.of_wave(wave, [EntryKind.RUN_BEGAN])
    of_wave = ledger.inventory(str(began[-1].evidence.get("inventory"))) if began else None
    return from_plain(of_wave.content) if of_wave is not None else newest


def waves_of(ledger: Ledger, codes: Sequence[str]) -> tuple[str, ...]:
    """The waves in which these cabinets were last planned."""
    planned = ledger.histories(codes, [EntryKind.PLANNED]).values()
    return tuple(sorted({entries[-1].wave for entries in planned if entries}))


def _selected(asked: Asked, planned: Sequence[Cabinet], ledger: Ledger, wave: str) -> tuple[Cabinet, ...]:
    if not asked.rerun:
        return tuple(planned)
    standing = {cabinet.code: cabinet for cabinet in status_of(ledger, wave).cabinets}
    known = [cabinet for cabinet in planned if cabinet.code in standing]
    return selected(known, standing, only=asked.only, classes=asked.classes, codes=asked.cabinets)
