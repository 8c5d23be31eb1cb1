"""What must be right before a wave begins. Nothing runs and nothing is stored while one thing is wrong."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path

from bascule.engine.conduct import planned
from bascule.errors import BasculeError
from bascule.inventory import Inventory, WaveSettings, read_inventory, unsupported
from bascule.inventory.stored import from_plain
from bascule.inventory.waves import REST
from bascule.ledger import EntryKind, Ledger
from bascule.model import Cabinet, Outcome, System
from bascule.reports import NoSuchWave, status_of
from bascule.waves.breaker import require_sound
from bascule.waves.calendars import read_calendars
from bascule.waves.choosing import in_wave, selected, wave_of
from bascule.waves.governor import Rules
from bascule.waves.order import in_order
from bascule.waves.ramp import going_on
from config.settings import Settings
from config.wiring import HTTP, connectors_of, health_of

ENFORCED = frozenset(WaveSettings.model_fields)
"""Settings of a wave that this version keeps: all of them. One that is not kept is refused by name, unless people accept that."""


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
    because: str = ""
    evidence: Mapping[str, object] = field(default_factory=dict)


def prepare(asked: Asked, settings: Settings, ledger: Ledger) -> Prepared:
    """Raises a BasculeError that says what is wrong, where, and what to do."""
    inventory = _inventory(asked, ledger)
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
    rules = _rules(asked, wave, of_wave, cabinets, settings, ledger, wave_size=len(of_the_wave))
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
        because=asked.because,
        evidence={
            "inventory": inventory.digest,
            "environment": settings.environment,
            "selected": [cabinet.code for cabinet in cabinets] if asked.rerun else "all",
            "ignored": list(ignored),
            "any_hour": asked.any_hour,
            **({"plan": asked.plan} if asked.plan else {}),
        },
    )


def _rules(
    asked: Asked,
    wave: str,
    of_wave: WaveSettings,
    cabinets: Sequence[Cabinet],
    settings: Settings,
    ledger: Ledger,
    *,
    wave_size: int,
) -> Rules:
    """Raises what is wrong with the wave's settings, or with a calendar that they name."""
    if asked.any_hour and not asked.because.strip():
        raise NotReady("A run at any hour needs a reason", remedy="give --because; it is kept in the ledger")
    calendars = read_calendars(of_wave.blackout, beside=asked.waves or asked.inventory)
    begun = {entry.cabinet for entry in ledger.of_wave(wave, [EntryKind.BEGAN])}
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


def _outcomes_of(ledger: Ledger, wave: str) -> dict[Outcome, int]:
    """None of a wave that the ledger does not know: then it has shown nothing."""
    try:
        return status_of(ledger, wave).outcomes
    except NoSuchWave:
        return {}


async def require_answers(settings: Settings, prepared: Prepared) -> None:
    """Every system that is reached over HTTP answers. Asked before a run begins; while it runs, silence is a cabinet's affair."""
    silent = [health for health in await health_of(settings, prepared.over_http) if not health.ok]
    if silent:
        first = silent[0]
        where = settings.system(first.system).url
        remedy = "start it with: bascule sandbox --inventory FILE" if settings.plays_person else "see: bascule doctor"
        raise NotReady(
            f"{', '.join(s.system.value for s in silent)} cannot be reached at {where}: {first.says}", remedy=remedy
        )


def _inventory(asked: Asked, ledger: Ledger) -> Inventory:
    if asked.inventory is not None:
        return read_inventory(asked.inventory, waves=asked.waves, users=asked.users, assignments=asked.assignments)
    return stored_inventory(ledger, asked.wave)


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
