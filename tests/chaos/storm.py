"""What befalls a wave, as a seed draws it."""

from __future__ import annotations

import random
from collections.abc import Callable, Iterator, Sequence
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

    def told_of(self, *names: str) -> frozenset[str]:
        """Cabinets of which a system tells tales by these faults; by any, where none is named."""
        tales = (fault for gust in self.gusts for fault in gust.faults if "cabinets" in fault and fault != AN_HOUR)
        return frozenset(code for fault in tales if not names or fault["fault"] in names for code in fault["cabinets"])

    @property
    def holds_up(self) -> bool:
        """A run may have been asked for more patience than it has life."""
        return any(
            fault["fault"] == AN_HOUR["fault"] and "cabinets" in fault for gust in self.gusts for fault in gust.faults
        )


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
    ("in-flight", ({}, {"at": "synchronise"}, {"at": "lock-out"}, {"answer": "unavailable"})),
    ("doubled-answer", ({}, {"on": "any"})),
    ("swapped-answer", ({}, {"on": "any"}, {"on": "any", "echoed": True}, {"at": "synchronise", "echoed": True})),
)
"""Faults that leave the same end state once they are gone. The sandbox's others call for a person: rights that are missed by
a synchronisation, dossiers that stay behind, a synchronisation that was cut."""

TOO_EARLY, LONG_AGO, NEVER = "1999-12-31T23:59:59Z", "0001-01-01T00:00+14:00", "9999-12-31T23:59:59-14:00"
IN_2030 = "2030-01-01T00:00:00Z"

TALES: tuple[tuple[Fault, ...], ...] = (
    # GE's lists leave out what was lost: whoever believes that they are new calls it ok.
    ({"fault": "old-lists", "system": "ge"}, {"fault": "late-dossier"}),
    ({"fault": "old-lists", "system": "ge", "seconds": 3600}, {"fault": "late-dossier"}),
    ({"fault": "old-lists", "system": "s4a"},),
    ({"fault": "old-lists"},),
    ({"fault": "late-dossier"},),
    ({"fault": "null-defaults"},),
    tuple({"fault": "wrong-instant", "field": f"{what}_backup_at", "to": IN_2030} for what in ("sql", "mongo")),
    tuple({"fault": "wrong-instant", "field": f"{what}_backup_at", "to": LONG_AGO} for what in ("sql", "mongo")),
    ({"fault": "wrong-instant", "field": "synchronisation.ended_at", "to": TOO_EARLY},),
    ({"fault": "wrong-instant", "field": "synchronised_at", "to": TOO_EARLY},),
    ({"fault": "wrong-instant", "field": "synchronised_at", "to": NEVER},),
    ({"fault": "wrong-instant", "field": "locked_out_at", "to": LONG_AGO},),
    ({"fault": "wrong-instant", "field": "lists.taken_at", "to": IN_2030}, {"fault": "late-dossier"}),
    ({"fault": "wrong-instant", "field": "taken_at", "to": NEVER},),
    ({"fault": "clock", "system": "ge", "seconds": -90},),
    ({"fault": "clock", "system": "ge", "seconds": 90},),
    ({"fault": "clock", "system": "s4a", "seconds": -90},),
    ({"fault": "clock", "system": "s4a", "seconds": 90},),
    # What nobody can detect: an old list that is stamped now.
    ({"fault": "stale-as-new", "system": "ge"}, {"fault": "late-dossier"}),
    ({"fault": "stale-as-new", "system": "s4a"},),
)
"""What a system says that is not so, and what it hides, told of a few cabinets. They need not end ok; called ok they must be so,
unless nobody can know better."""

UNDETECTABLE = frozenset({"stale-as-new"})

AN_HOUR = {"fault": "throttled", "at": "synchronise", "times": 1, "seconds": 3600}

SELDOM_LONGER_THAN = 2.5
"""Seconds that an answer or a late commit takes: about what a run waits for an answer, so that both happen."""

ARRIVES_WITHIN = 0.5
"""Seconds that a request is in flight: less than a run waits before it takes one for never received."""

STALLED = (4.0, 7.0)
"""Seconds. Longer than a lease of the storm's runs, so that others have taken its cabinets over."""


def storm(seed: int, *, may_strike: Sequence[Strikes], codes: Sequence[str]) -> Storm:
    """Always kills the run twice at least; the rest is as it comes."""
    draw = random.Random(f"chaos/{seed}")
    strikes = [Strikes.FAULTS, Strikes.RUN, Strikes.RUN, *draw.choices(may_strike, k=draw.randint(2, 6))]
    draw.shuffle(strikes)
    instants = sorted(draw.uniform(0, 0.95) for _ in strikes)
    tales = tuple(_tales(draw, codes))
    gusts = tuple(_gust(draw, at, strike, codes, tales) for at, strike in zip(instants, strikes, strict=True))
    return Storm(seed, gusts, honour_keys=draw.random() < 0.25, chance=draw)


def _gust(draw: random.Random, at: float, strikes: Strikes, codes: Sequence[str], tales: tuple[Fault, ...]) -> Gust:
    lasts = draw.uniform(*(STALLED if strikes is Strikes.STALL else (0, 0.8)))
    faults = (*_faults(draw, codes), *tales) if strikes is Strikes.FAULTS else ()
    return Gust(at, strikes, lasts=lasts, anywhere=draw.random() < 0.25, faults=faults)


def _faults(draw: random.Random, codes: Sequence[str]) -> Iterator[Fault]:
    # A late commit is always among them: it is what a blind repeat would double.
    for one in (PASSING[0], *draw.choices(PASSING, k=draw.randint(1, 4))):
        yield _fault(draw, *one)
    if draw.random() < 0.1:
        yield {**AN_HOUR, "cabinets": draw.sample(codes, 1)}


def _tales(draw: random.Random, codes: Sequence[str]) -> Iterator[Fault]:
    """In force from the first faults on, until calm returns."""
    for tale in draw.choices(TALES, k=draw.randint(1, 4)):
        about, times = draw.sample(codes, min(2, len(codes))), draw.choice(({}, {"times": draw.randint(1, 4)}))
        for fault in tale:
            yield {**fault, **(times if fault["fault"] != "late-dossier" else {}), "cabinets": about}


def _fault(draw: random.Random, name: str, ways: Sequence[Fault]) -> Fault:
    drawn: dict[str, Callable[[], Any]] = {
        "share": lambda: round(draw.uniform(0.05, 0.6), 3),
        "times": lambda: draw.randint(1, 3),
    }
    longest = {"late-commit": SELDOM_LONGER_THAN, "slow": SELDOM_LONGER_THAN, "in-flight": ARRIVES_WITHIN}
    if name in longest:
        drawn["seconds"] = lambda: round(draw.uniform(0.1, longest[name]), 2)
    return {"fault": name, **draw.choice(ways), **{field: value() for field, value in drawn.items()}}
