"""From settings to objects: the only place that picks an implementation."""

from __future__ import annotations

import asyncio
import contextlib
import getpass
import os
import uuid
from collections.abc import AsyncIterator, Awaitable, Callable, Collection, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Any
from zoneinfo import ZoneInfo

from bascule.connectors import Health, Remote
from bascule.connectors.composed import ComposedRemote
from bascule.connectors.contract import VERBS, verb_named
from bascule.connectors.operator.facts import agreed_from, changed_last
from bascule.connectors.operator.remote import Asking, OperatorRemote
from bascule.engine import Pace, RetryPolicy, Run
from bascule.engine.decisions import sent_last
from bascule.engine.outages import Outages
from bascule.errors import BasculeError, RemoteThrottles, RemoteUnreachable
from bascule.facts import View
from bascule.inventory import Inventory, WaveSettings
from bascule.inventory.stored import to_plain
from bascule.ledger import Desk, EntryKind, Ledger, StoredInventory, this_process
from bascule.model import Cabinet, Kind, System
from bascule.procedure import LOCK_OUT, SYNCHRONISE
from bascule.waves.governor import Rules
from bascule.waves.when import Blackout, may_begin_with, told, window_closes
from config import prefect_environment
from config.expecting import expecting
from config.settings import PaceSettings, Settings, SystemSettings

if TYPE_CHECKING:
    from bascule.connectors.http import HttpRemote
    from bascule.reports.publishing import Published

HTTP, OPERATOR, EXTRACTS = "http", "operator", "extracts"


def now() -> datetime:
    return datetime.now(UTC)


class NotConfigured(BasculeError):
    """A setting is missing."""


def open_ledger(settings: Settings, *, read_only: bool = False, makes_one: bool = True) -> Ledger:
    return Ledger(ledger_url(settings), read_only=read_only, makes_one=makes_one)


def ledger_url(settings: Settings) -> str:
    if settings.ledger_url is None:
        raise NotConfigured(f"The environment {settings.environment} has no ledger", remedy="set BASCULE_LEDGER_URL")
    return settings.ledger_url


def ledger_file(settings: Settings) -> Path | None:
    """Where the ledger is, if it is a file of this machine."""
    from bascule.ledger.schema import file_of

    return file_of(settings.ledger_url) if settings.ledger_url else None


@contextlib.asynccontextmanager
async def run_on(
    settings: Settings, ledger: Ledger, *, wave: str, rules: Rules | None = None, clock: Callable[[], datetime] = now
) -> AsyncIterator[Run]:
    """A run of this process on a wave. Its remotes are shared by all cabinets, and closed at the end."""
    run, who = uuid.uuid4().hex, current_user()
    reach_secrets(settings)
    async with contextlib.AsyncExitStack() as stack:
        http = {
            system: await stack.enter_async_context(_http(system, chosen))
            for system in System
            if (chosen := settings.system(system)).url is not None
        }
        desk = Desk(ledger, clock)
        of_wave = rules.settings if rules is not None and not rules.at_any_hour else WaveSettings()
        blackouts = rules.blackouts if rules is not None and not rules.at_any_hour else ()
        bounded = bool(of_wave.window or of_wave.complete_by or blackouts)
        expected = await asyncio.to_thread(expecting, ledger, settings.expected) if bounded else None

        def section_of(cabinet: Cabinet) -> timedelta:
            return expected.section(ledger.history(cabinet.code)) if expected is not None else timedelta()

        hours = Hours(of_wave, blackouts, section_of, clock)
        asking = Asking(
            wave=wave,
            run=run,
            who=who,
            clock=clock,
            lasts=timedelta(days=settings.orders.expire_days),
            language=settings.orders.language,
            asks=lambda cabinet, verb: verb in _asked_for(settings, cabinet, verb_named[verb].system),
            reads=lambda cabinet, system: connectors_of(settings, cabinet, system)[1],
            closes=hours.close,
        )
        extracts = _Extracts(settings, ledger, desk, clock)
        put_together: dict[tuple[System, str, str], Remote] = {}

        def remote_of(cabinet: Cabinet, system: System) -> Remote:
            acts, reads = connectors_of(settings, cabinet, system)
            if (system, acts, reads) not in put_together:
                people = OperatorRemote(system, desk, asking)
                by_word: dict[str, Remote] = {OPERATOR: people}
                if system in http:
                    by_word[HTTP] = http[system]
                if EXTRACTS in (acts, reads):
                    by_word[EXTRACTS] = extracts.remote(system)
                asked_for = _asked_for(settings, cabinet, system)
                put_together[system, acts, reads] = (
                    by_word[acts]
                    if acts == reads and not asked_for
                    else ComposedRemote(
                        system=system,
                        acts=by_word[acts],
                        reads=by_word[acts if reads == EXTRACTS else reads],
                        reads_lists=by_word[reads],
                        people=people,
                        asks_for=asked_for,
                        synchronised_by_agent=lambda cabinet: was_sent_to_an_agent(ledger, cabinet.code),
                    )
                )
            return put_together[system, acts, reads]

        def share_among(runs: int) -> None:
            for remote in http.values():
                remote.share_among(runs)

        yield Run(
            id=run,
            wave=wave,
            who=who,
            ledger=ledger,
            owner=this_process(),
            remote=remote_of,
            pace=replace(pace_of(settings.pace), agent_away=60 * settings.agent_away_minutes),
            plays_person=settings.plays_person,
            tolerate=frozenset(settings.reconciliation.tolerate),
            clock=clock,
            not_now=not_before(desk, hours),
            closes=hours.close,
            last_safe_start=hours.last_safe_start,
            outages=Outages(http),
            share_among=share_among,
        )


def was_sent_to_an_agent(ledger: Ledger, code: str) -> bool:
    """Whether a synchronisation of this cabinet was announced that no person was asked for."""
    found = ledger.histories([code], (EntryKind.INTENT, EntryKind.ORDERED))[code]
    asked = {entry.key for entry in found if entry.kind is EntryKind.ORDERED}
    return any(entry.verb == SYNCHRONISE and entry.key not in asked for entry in found)


@dataclass(frozen=True)
class Hours:
    """When users may be kept out, for the cabinets of a wave."""

    settings: WaveSettings
    blackouts: Sequence[Blackout]
    section: Callable[[Cabinet], timedelta]
    """How long they are, from lock-out to reopen, in nine of ten cases: no lock-out begins unless it can end in time."""
    clock: Callable[[], datetime]

    def close(self, cabinet: Cabinet) -> datetime | None:
        return window_closes(self.settings, self.blackouts, ZoneInfo(cabinet.timezone), self.clock())

    def last_safe_start(self, cabinet: Cabinet) -> datetime | None:
        closes = self.close(cabinet)
        return None if closes is None else closes - self.section(cabinet)

    def why_not_now(self, cabinet: Cabinet) -> str | None:
        zone = ZoneInfo(cabinet.timezone)
        opens = may_begin_with(self.section(cabinet), self.settings, self.blackouts, zone, self.clock())
        return None if opens.is_now else opens.why


def not_before(desk: Desk, hours: Hours) -> Callable[[Cabinet, str], Awaitable[str | None]]:
    """The guarded section is begun only where it fits into the wave's hours, and not before the hour that was agreed for it."""

    async def why_not_now(cabinet: Cabinet, step: str) -> str | None:
        if step != LOCK_OUT:
            return None
        agreed = agreed_from(await desk.of(cabinet.code))
        if agreed is not None and hours.clock() < agreed:
            return f"the synchronisation was agreed for {told(agreed, ZoneInfo(cabinet.timezone))}"
        return hours.why_not_now(cabinet)

    return why_not_now


async def health_of(settings: Settings, systems: Collection[System] = tuple(System)) -> tuple[Health, ...]:
    """What each of these systems answers when asked how it is, where it has an address."""
    reach_secrets(settings)
    async with contextlib.AsyncExitStack() as stack:
        opened = [
            await stack.enter_async_context(_http(s, settings.system(s))) for s in systems if settings.system(s).url
        ]
        return tuple(await asyncio.gather(*(remote.health() for remote in opened)))


def what_to_do(settings: Settings, health: Health) -> str:
    """Where to look after what a system answered, in this environment."""
    if settings.environment == "sandbox" and isinstance(health.error, RemoteUnreachable):
        return "start it with: bascule sandbox --inventory FILE"
    asked = health.error.retry_after if isinstance(health.error, RemoteThrottles) else None
    later = f"it asks for patience for {asked:.0f} s: run again then; or " if asked else ""
    url = settings.system(health.system).url
    return f"{later}see what answers at {url} (setting BASCULE_{health.system.value.upper()}__URL)"


def connectors_of(settings: Settings, cabinet: Cabinet, system: System) -> tuple[str, str]:
    """Who acts on this cabinet's system, and who reads it, as the row or else the environment says. Raises NotConfigured."""
    chosen = settings.system(system)
    connector = cabinet.connectors.get(system) or chosen.connector
    variable = f"BASCULE_{system.value.upper()}"
    if connector is None:
        raise NotConfigured(
            f"{cabinet.code}: no connector for {system.value} in the environment {settings.environment}",
            remedy=f"name one in the inventory's column {system.value}, or set {variable}__CONNECTOR",
        )
    acts, _, reads = connector.partition("+")
    reads = reads or acts
    if HTTP in (acts, reads) and chosen.url is None:
        raise NotConfigured(
            f"{cabinet.code}: the http connector for {system.value} has no address", remedy=f"set {variable}__URL"
        )
    if EXTRACTS in (acts, reads) and system is System.MY_SAGE:
        raise NotConfigured(
            f"{cabinet.code}: My Sage exports no lists, so extracts cannot read it", remedy="use operator or http"
        )
    if reads == OPERATOR and (acts != OPERATOR or system is not System.MY_SAGE):
        raise NotConfigured(
            f"{cabinet.code}: {connector!r} for {system.value} leaves open who reads it: people are not asked for lists",
            remedy="use operator+extracts (lists exported into a folder) or operator+http",
        )
    if acts == OPERATOR and not settings.operators:
        raise NotConfigured(
            f"{cabinet.code}: people are to be asked, and nobody may answer",
            remedy=f"name operators in the environment {settings.environment}, or set BASCULE_OPERATORS",
        )
    return acts, reads


def _asked_for(settings: Settings, cabinet: Cabinet, system: System) -> frozenset[str]:
    """The writes on this cabinet's system for which a person is asked: all where people act, else what only people may do."""
    acts, _ = connectors_of(settings, cabinet, system)
    return frozenset(
        verb.name
        for verb in VERBS
        if verb.system is system and (acts == OPERATOR or (verb.kind is Kind.HUMAN and not settings.plays_person))
    )


class _Extracts:
    """Reads exported lists, and knows since when they are out of date: from what people said, and from what was sent."""

    def __init__(self, settings: Settings, ledger: Ledger, desk: Desk, clock: Callable[[], datetime]) -> None:
        self._settings = settings.extracts
        self._ledger = ledger
        self._desk = desk
        self._clock = clock

    def remote(self, system: System) -> Remote:
        from bascule.connectors.extracts import ExtractsRemote, read_mapping

        return ExtractsRemote(
            system,
            self._settings.root,
            read_mapping(self._settings.mapping),
            oldest=timedelta(hours=self._settings.oldest_hours),
            not_before=self._changed,
            clock=self._clock,
        )

    async def _changed(self, cabinet: Cabinet, view: View) -> tuple[datetime, str] | None:
        orders = await self._desk.of(cabinet.code)
        effects = self._ledger.histories([cabinet.code], [EntryKind.EFFECT])[cabinet.code]
        changes = (changed_last(view, orders), sent_last(view, effects, {order.key for order in orders}))
        return max((change for change in changes if change is not None), default=None)


def pace_of(pace: PaceSettings) -> Pace:
    return Pace(
        act_timeout=pace.act_timeout,
        settle=pace.settle,
        poll=pace.poll,
        patience_at_most=pace.patience_at_most,
        target_within=pace.target_within,
        trust=timedelta(days=pace.trust_days),
        retry=RetryPolicy(attempts=pace.retry.attempts, first=pace.retry.first, longest=pace.retry.longest),
    )


def published(settings: Settings, wave: str, run: str | None = None) -> Published:
    """A wave's run folder, written from the ledger as it stands now."""
    from bascule.reports.publishing import publish

    with open_ledger(settings, read_only=True) as ledger:
        return publish(ledger, wave, settings.out, run, sizes=settings.expected.sizes, language=settings.language)


def stored_version(inventory: Inventory, *, at: datetime, who: str) -> StoredInventory:
    """An inventory as a version that the ledger keeps."""
    return StoredInventory(
        digest=inventory.digest, at=at, who=who, source=inventory.source, content=to_plain(inventory)
    )


def current_user() -> str:
    """Who is at the keyboard, as the machine knows them."""
    try:
        return getpass.getuser()
    except (KeyError, OSError):
        return f"uid {os.getuid()}"


def _http(system: System, chosen: SystemSettings) -> HttpRemote:
    # httpx takes a while to import: commands that only read the ledger do not wait for it.
    from bascule.connectors.http import HttpRemote

    assert chosen.url is not None
    reference = chosen.client_secret
    try:
        return HttpRemote(
            system,
            chosen.url,
            client_id=chosen.client_id,
            secret=(lambda: secret_behind(reference)) if reference else None,
            max_connections=chosen.connections,
            rate=chosen.requests_per_second,
        )
    except ValueError as wrong:
        raise NotConfigured(
            f"The address of {system.value} is not right: {wrong}", remedy=f"set BASCULE_{system.value.upper()}__URL"
        ) from wrong


def reach_secrets(settings: Settings) -> None:
    """Before secrets are read: Prefect, where it is configured, may keep some."""
    from config.cockpit import reach_configured

    of_notices = (settings.notices.smtp.password, *settings.notices.webhooks)
    references = [settings.system(system).client_secret for system in System]
    if any(reference and reference.startswith("prefect:") for reference in (*references, *of_notices)):
        reach_configured(settings.prefect_home, settings.prefect)


def secret_behind(reference: str) -> str:
    """The secret that a reference names; never kept, never logged."""
    kind, _, name = reference.partition(":")
    if kind == "env":
        if not os.environ.get(name):
            raise NotConfigured(f"The secret {reference} is not set", remedy=f"export {name}")
        return os.environ[name]
    return _prefect_secret(name)


def _prefect_secret(block: str) -> str:
    from concurrent.futures import ThreadPoolExecutor

    if not prefect_environment.is_entered():
        raise NotConfigured(
            f"The secret prefect:{block} is kept by a Prefect server, and none is configured",
            remedy="set prefect.url (BASCULE_PREFECT__URL), or take env:NAME",
        )
    from prefect.blocks.system import Secret

    # Asked for from inside an event loop, Prefect would answer with a coroutine: in a thread of its own it answers with the block.
    with ThreadPoolExecutor(1) as thread:
        loaded: Any = thread.submit(lambda: Secret.load(block)).result()
    return str(loaded.get())
