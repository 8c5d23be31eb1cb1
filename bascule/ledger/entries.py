"""One line of the ledger, and the hash that ties it to the line before."""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from enum import StrEnum
from typing import Any

from bascule.model import ErrorClass, Lifecycle, Outcome, State

GENESIS = "0" * 64

HASHED = (
    *("cabinet", "seq", "previous", "kind", "at", "who", "wave", "run", "step", "attempt", "state", "reason"),
    *("lifecycle", "outcome", "error_class", "error_signature", "verb", "key", "operation", "fence", "evidence"),
)
"""What the hash of an entry is made of, in this order. It can never change: the ledgers that there are rely on it."""

FROM_OUTSIDE = ("who", "reason", "error_signature", "operation")
"""Where people and remotes are quoted, who may say anything."""

UNWRITABLE = re.compile("[\0\ud800-\udfff]")
"""Halves of characters, which are in no UTF-8; and NUL, which PostgreSQL has in no text."""


_canonical = json.JSONEncoder(ensure_ascii=False, sort_keys=True, separators=(",", ":")).encode


class EntryKind(StrEnum):
    RUN_BEGAN = "run-began"
    RUN_ENDED = "run-ended"
    PLANNED = "planned"
    """The cabinet was made part of a wave."""
    BEGAN = "began"
    """A run took the cabinet up."""
    INTENT = "intent"
    """On disk before the act it announces."""
    EFFECT = "effect"
    """What the remote answered."""
    PROOF = "proof"
    """What was then observed: the step is done."""
    VERDICT = "verdict"
    """An attempt at a step ended otherwise than by a proof."""
    FINDING = "finding"
    ENDED = "ended"
    """A run let go of the cabinet, with the lifecycle and outcome it then had."""
    NOTE = "note"
    """What a person did or decided, with the reason they gave."""
    ORDERED = "ordered"
    """A work order was opened. Its number is in `operation`, here and in the kinds below."""
    ANSWERED = "answered"
    APPROVED = "approved"
    DECLINED = "declined"
    """Somebody looked at an answer and did not approve it: the order is open again."""
    WITHDRAWN = "withdrawn"
    """Nobody is asked any more."""
    RETRACTED = "retracted"
    """An answer was taken back: what it covers is unknown until it is observed again."""
    COMMAND = "command"
    """What a person told a running wave: its word is in the evidence."""
    REFUSED = "refused"
    """Somebody tried what they may not do."""
    RECONCILED = "reconciled"
    """Both sides were compared as they were then, after the migration. Says nothing of the cabinet's outcome."""


SAID_OF_ORDERS = (
    *(EntryKind.ANSWERED, EntryKind.APPROVED, EntryKind.DECLINED, EntryKind.WITHDRAWN),
    EntryKind.RETRACTED,
)
"""What is said of a work order once it is open."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Entry:
    """One line. `seq`, `previous` and `hash` are the ledger's to fill in."""

    cabinet: str
    """The cabinet's code, or `@` and the wave's name for what concerns a whole run."""
    kind: EntryKind
    at: datetime
    who: str
    wave: str
    run: str
    step: str | None = None
    attempt: int = 0
    state: State | None = None
    reason: str = ""
    lifecycle: Lifecycle | None = None
    outcome: Outcome | None = None
    error_class: ErrorClass | None = None
    error_signature: str | None = None
    verb: str | None = None
    key: str | None = None
    operation: str | None = None
    fence: int = 0
    evidence: Mapping[str, Any] = field(default_factory=dict)
    seq: int = 0
    previous: str = ""
    hash: str = ""

    def __post_init__(self) -> None:
        if self.at.tzinfo is None:
            raise ValueError("An entry's instant needs a time zone")


def chained(entry: Entry, seq: int, previous: str) -> Entry:
    """The entry as it stands in its cabinet's chain."""
    # Through JSON once, so that what is hashed is what will be read.
    evidence = json.loads(_writable(json.dumps(dict(entry.evidence), ensure_ascii=False)))
    texts: dict[str, Any] = {
        name: _writable(text) for name in FROM_OUTSIDE if (text := getattr(entry, name)) is not None
    }
    placed = replace(entry, seq=seq, previous=previous, evidence=evidence, **texts)
    return replace(placed, hash=digest(placed))


def digest(entry: Entry) -> str:
    """SHA-256 over every field but the hash itself, the hash of the entry before included."""
    instant = entry.at.astimezone(UTC).isoformat(timespec="microseconds")
    return digest_of([instant if name == "at" else getattr(entry, name) for name in HASHED])


def digest_of(values: Sequence[Any]) -> str:
    """The same over plain values, in the order of `HASHED`: as JSON without spaces, names in evidence sorted, in UTF-8."""
    return hashlib.sha256(_canonical(values).encode()).hexdigest()


def _writable(text: str) -> str:
    return UNWRITABLE.sub("\ufffd", text)


def first_broken(entries: Iterable[Entry]) -> Entry | None:
    """The first entry of one cabinet's chain, in order, that was changed, moved, or lost its predecessor."""
    previous = GENESIS
    for seq, entry in enumerate(entries, start=1):
        if (entry.seq, entry.previous) != (seq, previous) or entry.hash != digest(entry):
            return entry
        previous = entry.hash
    return None


def going_on(entries: Sequence[Entry], live: Collection[str]) -> tuple[str, ...]:
    """Of the runs whose beginning these entries tell, those whose end they do not, and that are among the live ones."""
    ended = {entry.run for entry in entries if entry.kind is EntryKind.RUN_ENDED}
    return tuple(
        entry.run
        for entry in entries
        if entry.kind is EntryKind.RUN_BEGAN and entry.run in live and entry.run not in ended
    )
