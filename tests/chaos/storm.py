"""What befalls a wave, as a seed draws it."""

from __future__ import annotations

import random
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Any

Fault = dict[str, Any]


class Strikes(StrEnum):
    RUN = "run"
    """kill -9 of the process that is at work; of several, the one that has been for longest."""
    COMPANY = "company"
    """Another run begins beside the one that is at work, on the same ledger."""
    STALL = "stall"
    """SIGSTOP of the process that is at work, another in its place, and SIGCONT when its leases have been taken over."""
    SANDBOX = "sandbox"
    """kill -9 of the three systems, which come back on the same port with what they had kept."""
    FAULTS = "faults"
    """Other faults from now on."""
    LEDGER = "ledger"
    """The server ends connections to the ledger. On PostgreSQL only."""
    COCKPIT = "cockpit"
    """kill -9 of the Prefect server."""


@dataclass(frozen=True)
class Gust:
    """One blow. `at`: after which share of the writes of an uninterrupted wave; `lasts`: seconds until what was struck is back."""

    at: float
    strikes: Strikes
    lasts: float = 0.0
    anywhere: bool = False
    """Stalls the run in a write to the ledger, too, which it then keeps from all others: nobody takes its cabinets over."""
    faults: tuple[Fault, ...] = ()


@dataclass(frozen=True)
class Storm:
    seed: int
    gusts: tuple[Gust, ...]
    honour_keys: bool
    """Whether the systems deduplicate writes by their keys; nobody promises that Sage would."""
    chance: random.Random = field(default_factory=random.Random, compare=False)
    """For what is drawn while it blows."""


PASSING: tuple[tuple[str, tuple[Fault, ...]], ...] = (
    ("late-commit", ({}, {"at": "synchronise"}, {"at": "lock-out"})),
    ("commit-then-drop", ({}, {"on": "any"}, {"at": "synchronise"}, {"at": "reopen"})),
    ("server-error", ({}, {"on": "any"}, {"after": True}, {"at": "synchronise", "after": True})),
    ("error-in-200", ({}, {"on": "any"}, {"after": True}, {"at": "synchronise", "after": True})),
    ("throttled", ({}, {"on": "any"})),
    ("slow", ({}, {"on": "any"}, {"at": "synchronise"})),
    ("unknown-word", ({}, {"on": "any"})),
    ("token-expired", ({}, {"on": "any"})),
    ("consent-revoked", ({}, {"at": "reopen"})),
    ("users-connected", ({},)),
    ("user-connects-midway", ({},)),
    ("tab-absent", ({},)),
    ("exe-too-early", ({},)),
    ("admin-pending", ({},)),
    ("anomaly", ({},)),
    ("email-already-linked", ({"at": "sign-up"},)),
)
"""Faults that leave the same end state once they are gone. The sandbox's others call for a person: rights that are missed by
a synchronisation, dossiers that stay behind, a synchronisation that was cut."""

SELDOM_LONGER_THAN = 2.5
"""Seconds that an answer or a late commit takes: about what a run waits for an answer, so that both happen."""

STALLED = (4.0, 7.0)
"""Seconds. Longer than a lease of the storm's runs, so that others have taken its cabinets over."""


def storm(seed: int, *, may_strike: Sequence[Strikes]) -> Storm:
    """Always kills the run twice at least; the rest is as it comes."""
    draw = random.Random(f"chaos/{seed}")
    strikes = [Strikes.FAULTS, Strikes.RUN, Strikes.RUN, *draw.choices(may_strike, k=draw.randint(2, 6))]
    draw.shuffle(strikes)
    instants = sorted(draw.uniform(0, 0.95) for _ in strikes)
    gusts = tuple(_gust(draw, at, strike) for at, strike in zip(instants, strikes, strict=True))
    return Storm(seed, gusts, honour_keys=draw.random() < 0.25, chance=draw)


def _gust(draw: random.Random, at: float, strikes: Strikes) -> Gust:
    # A late commit is always among them: it is what a blind repeat would double.
    fall = [PASSING[0], *draw.choices(PASSING, k=draw.randint(1, 4))] if strikes is Strikes.FAULTS else []
    lasts = draw.uniform(*(STALLED if strikes is Strikes.STALL else (0, 0.8)))
    return Gust(
        at, strikes, lasts=lasts, anywhere=draw.random() < 0.25, faults=tuple(_fault(draw, *one) for one in fall)
    )


def _fault(draw: random.Random, name: str, ways: Sequence[Fault]) -> Fault:
    drawn: dict[str, Callable[[], Any]] = {
        "share": lambda: round(draw.uniform(0.05, 0.6), 3),
        "times": lambda: draw.randint(1, 3),
    }
    if name in ("late-commit", "slow"):
        drawn["seconds"] = lambda: round(draw.uniform(0.1, SELDOM_LONGER_THAN), 2)
    return {"fault": name, **draw.choice(ways), **{field: value() for field, value in drawn.items()}}
