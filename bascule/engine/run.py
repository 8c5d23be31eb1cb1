"""What a run brings along: ledger, remotes, pace, clock, and the word to stop."""

from __future__ import annotations

import asyncio
import contextlib
import logging
import random
import uuid
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Any

from bascule.checks.sameness import Tolerated
from bascule.connectors import Operation, Remote
from bascule.engine.decisions import RetryPolicy
from bascule.engine.outages import Outages
from bascule.ledger import HEARTBEAT_SECONDS, Entry, EntryKind, Ledger, Owner
from bascule.model import Cabinet, System

log = logging.getLogger("bascule.engine")


@dataclass(frozen=True, slots=True, kw_only=True)
class Pace:
    """How long the engine waits for what. All in seconds."""

    act_timeout: float = 30.0
    settle: float = 30.0
    """How long after silence a remote is asked whether it ever received the request."""
    look: float = 2.0
    """Between two looks at what people, and other processes, have written of the wave."""
    poll: float = 5.0
    """Between two looks at a long operation, and at what time will change."""
    trust: timedelta = timedelta(days=7)
    """How long a proof is taken as it stands while the synchronisation is still to come; then it is looked at again."""
    patience_at_most: float = 900.0
    """Bounds each step's own patience."""
    target_within: float = 180.0
    """How long users may stay locked out while lists of the source, or of the target after the synchronisation, cannot be had of now."""
    agent_away: float = 1800.0
    """How long the cabinets of a run wait for an agent that answers nobody, before they end as it left them."""
    retry: RetryPolicy = field(default_factory=RetryPolicy)

    @property
    def longest_pause(self) -> float:
        """What users who are kept out can be kept waiting for besides. A longer pause is told, and not waited for under a lock-out."""
        return min(self.act_timeout, self.target_within)


async def never_too_early(_cabinet: Cabinet, _step: str) -> str | None:
    return None


async def nobody_to_tell() -> None:
    return None


@dataclass(kw_only=True)
class Run:
    """One process at work on one wave."""

    wave: str
    who: str
    ledger: Ledger
    owner: Owner
    remote: Callable[[Cabinet, System], Remote]
    pace: Pace = field(default_factory=Pace)
    plays_person: bool = False
    """The sandbox does what a person would do. Only its environment may set this."""
    tolerate: frozenset[Tolerated] = frozenset()
    """In what texts may differ between source and target without being a difference."""
    id: str = field(default_factory=lambda: uuid.uuid4().hex)
    because: str = ""
    """Why it is run, where somebody said so."""
    clock: Callable[[], datetime] = lambda: datetime.now(UTC)
    sleep: Callable[[float], Awaitable[None]] = asyncio.sleep
    new_key: Callable[[], str] = lambda: uuid.uuid4().hex
    chance: random.Random = field(default_factory=random.Random)
    stop: asyncio.Event = field(default_factory=asyncio.Event)
    """Set: begin nothing more, end what is begun, let users in again."""
    finishing: dict[str, str] = field(default_factory=dict)
    """Cabinets that end the step at hand, and a guarded section that has begun, and begin nothing else; and why, by code."""
    not_now: Callable[[Cabinet, str], Awaitable[str | None]] = never_too_early
    """Why this step, by its name, may not act on this cabinet yet, though all it requires holds; None where it may."""
    closes: Callable[[Cabinet], datetime | None] = lambda cabinet: None
    """When the hours end in which this cabinet's users may be kept out; None: nothing ends them."""
    last_safe_start: Callable[[Cabinet], datetime | None] = lambda cabinet: None
    """The last instant at which a lock-out can begin and still end within these hours; None: nothing ends them."""
    outages: Outages = field(default_factory=Outages)
    alarm: Callable[[], Awaitable[object]] = nobody_to_tell
    """Tells people of an alarm that was just recorded."""
    share_among: Callable[[int], None] = lambda runs: None
    """Told at each heartbeat how many runs are at work, on whatever wave: they share what the systems may be asked."""
    heads: dict[str, int] = field(default_factory=dict)
    """Where each cabinet's chain ended when this run began: what came later was written meanwhile."""
    progress: Callable[[Cabinet, str, Operation], None] = lambda cabinet, step, operation: None

    async def say_away(self, system: System, since: datetime) -> None:
        """Once for an outage, in the log and in the wave's chain: the run waits for this agent."""
        if system in self.outages.waited_for:
            return
        self.outages.waited_for[system] = since
        await self._say(
            f"{system.display_name} answers nobody since {since:%Y-%m-%d %H:%M} UTC: the run waits for it, and begins no cabinet",
            {"waits_for": system.value, "since": since.isoformat()},
        )

    def waits_for_an_agent(self) -> bool:
        """Some agent is away, and the time for which it is waited for is not over."""
        longest = timedelta(seconds=self.pace.agent_away)
        return any(self.clock() < since + longest for since in self.outages.waited_for.values())

    async def say_back(self, system: System) -> None:
        if self.outages.waited_for.pop(system, None) is not None:
            await self._say(f"{system.display_name} answers again: the run goes on", {"waits_for": None})

    async def _say(self, told: str, evidence: Mapping[str, Any]) -> None:
        log.warning("wave %s: %s", self.wave, told)
        await self.ledger.record(self.wave_entry(EntryKind.NOTE, told, evidence))

    def wave_entry(self, kind: EntryKind, reason: str, evidence: Mapping[str, Any]) -> Entry:
        """A line of the chain of what concerns the whole wave."""
        return Entry(
            cabinet=f"@{self.wave}",
            kind=kind,
            at=self.clock(),
            who=self.who,
            wave=self.wave,
            run=self.id,
            reason=reason,
            evidence=evidence,
        )

    async def pause(self, seconds: float) -> None:
        """Sleeps, but not past the word to stop."""
        sleeping = asyncio.ensure_future(self.sleep(seconds))
        stopping = asyncio.ensure_future(self.stop.wait())
        try:
            await asyncio.wait((sleeping, stopping), return_when=asyncio.FIRST_COMPLETED)
        finally:
            for waiting in (sleeping, stopping):
                waiting.cancel()

    @contextlib.asynccontextmanager
    async def heartbeat(self) -> AsyncIterator[None]:
        """Keeps this run's leases alive while the block lasts."""
        beating = asyncio.create_task(self._beat())
        try:
            yield
        finally:
            beating.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                await beating

    async def _beat(self) -> None:
        while True:
            await asyncio.sleep(HEARTBEAT_SECONDS)
            try:
                await self.ledger.renew_leases(self.owner, self.clock())
                self.share_among(await asyncio.to_thread(self.ledger.runs_at_work, self.clock()))
            except Exception:
                # A missed heartbeat is not a lost lease yet: the next one may come in time, and every write checks the fence.
                log.exception("the leases could not be renewed")
