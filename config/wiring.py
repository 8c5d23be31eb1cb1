"""From settings to objects: the only place that picks an implementation."""

from __future__ import annotations

import asyncio
import contextlib
import getpass
import os
from collections.abc import AsyncIterator, Callable
from datetime import datetime
from typing import Any

from bascule.connectors import Health, Remote
from bascule.connectors.http import HttpRemote
from bascule.engine import Pace, RetryPolicy, Run
from bascule.errors import BasculeError
from bascule.inventory import Inventory
from bascule.inventory.stored import to_plain
from bascule.ledger import Ledger, StoredInventory, this_process
from bascule.model import Cabinet, System
from bascule.reports import Published, publish
from config.settings import PaceSettings, Settings, SystemSettings

RemoteOf = Callable[[Cabinet, System], Remote]


class NotConfigured(BasculeError):
    """A setting is missing."""


def open_ledger(settings: Settings, *, read_only: bool = False) -> Ledger:
    return Ledger(ledger_url(settings), read_only=read_only)


def ledger_url(settings: Settings) -> str:
    if settings.ledger_url is None:
        raise NotConfigured(f"The environment {settings.environment} has no ledger", remedy="set BASCULE_LEDGER_URL")
    return settings.ledger_url


@contextlib.asynccontextmanager
async def remotes(settings: Settings) -> AsyncIterator[RemoteOf]:
    """One http remote a system, shared by all cabinets, closed at the end."""
    async with contextlib.AsyncExitStack() as stack:
        opened: dict[System, HttpRemote] = {}
        for system in System:
            chosen = settings.system(system)
            if chosen.url is not None:
                opened[system] = await stack.enter_async_context(_http(system, chosen))

        def remote_of(cabinet: Cabinet, system: System) -> Remote:
            refuse_what_is_not_wired(settings, cabinet, system)
            return opened[system]

        yield remote_of


async def health_of(settings: Settings) -> tuple[Health, ...]:
    """What each configured system answers when asked how it is."""
    async with contextlib.AsyncExitStack() as stack:
        opened = [
            await stack.enter_async_context(_http(s, settings.system(s))) for s in System if settings.system(s).url
        ]
        return tuple(await asyncio.gather(*(remote.health() for remote in opened)))


def refuse_what_is_not_wired(settings: Settings, cabinet: Cabinet, system: System) -> None:
    """Raises NotConfigured unless this cabinet's system can be reached as the row or the environment says."""
    chosen = settings.system(system)
    connector = cabinet.connectors.get(system) or chosen.connector
    variable = f"BASCULE_{system.value.upper()}"
    if connector is None:
        raise NotConfigured(
            f"{cabinet.code}: no connector for {system.value} in the environment {settings.environment}",
            remedy=f"name one in the inventory's column {system.value}, or set {variable}__CONNECTOR",
        )
    if connector != "http":
        raise NotConfigured(
            f"{cabinet.code}: the connector {connector!r} for {system.value} is not available in this version",
            remedy="use http",
        )
    if chosen.url is None:
        raise NotConfigured(
            f"{cabinet.code}: the http connector for {system.value} has no address", remedy=f"set {variable}__URL"
        )


def run_of(settings: Settings, *, wave: str, ledger: Ledger, remote: RemoteOf, who: str | None = None) -> Run:
    return Run(
        wave=wave,
        who=who or current_user(),
        ledger=ledger,
        owner=this_process(),
        remote=remote,
        pace=pace_of(settings.pace),
        plays_person=settings.plays_person,
    )


def pace_of(pace: PaceSettings) -> Pace:
    return Pace(
        act_timeout=pace.act_timeout,
        settle=pace.settle,
        poll=pace.poll,
        patience_at_most=pace.patience_at_most,
        target_within=pace.target_within,
        retry=RetryPolicy(attempts=pace.retry.attempts, first=pace.retry.first, longest=pace.retry.longest),
    )


def published(settings: Settings, wave: str, run: str | None = None) -> Published:
    """A wave's run folder, written from the ledger as it stands now."""
    with open_ledger(settings, read_only=True) as ledger:
        return publish(ledger, wave, settings.out, run)


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

    from prefect.blocks.system import Secret

    # Asked for from inside an event loop, Prefect would answer with a coroutine: in a thread of its own it answers with the block.
    with ThreadPoolExecutor(1) as thread:
        loaded: Any = thread.submit(lambda: Secret.load(block)).result()
    return str(loaded.get())
