"""What was told, as entries: a claim before a message is sent, and its end after. Names and numbers only, no address, no text."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import datetime, timedelta
from enum import StrEnum

from bascule.ledger import Entry, EntryKind
from bascule.notices.due import Notice, TellsOf, Told

CHAIN = "@notices"
TAKEN_OVER_AFTER = timedelta(minutes=10)
"""Longer than any sending takes: whoever claimed a message and left no end is dead."""


class Said(StrEnum):
    SENDING = "sending"
    SENT = "sent"
    FAILED = "failed"


def entries_of(notice: Notice, said: Said, *, at: datetime, who: str, reason: str = "") -> list[Entry]:
    """One a wave that the message speaks of, so that each wave's entries tell what was told of it."""
    return [
        Entry(
            cabinet=CHAIN,
            kind=EntryKind.NOTE,
            at=at,
            who=who,
            wave=wave,
            run="",
            reason=reason,
            evidence={
                "notice": notice.kind,
                "to": notice.to,
                "key": notice.key,
                "said": said.value,
                "about": [[m.about, m.occurrence] for m in notice.matters if m.wave == wave],
            },
        )
        for wave in dict.fromkeys(matter.wave for matter in notice.matters)
    ]


def told_by(entries: Iterable[Entry], now: datetime) -> TellsOf:
    """By the entries of the chain, in their order. What somebody claimed and may still be sending counts as told."""
    told: dict[tuple[str, str], Told] = {}
    claims: dict[tuple[str, str], tuple[str, Told]] = {}
    for entry in entries:
        evidence = entry.evidence
        # A wave may be called `notices`: what its runs note in the same chain is none of ours.
        if "notice" not in evidence:
            continue
        for about, occurrence in evidence["about"]:
            place, this = (evidence["to"], about), Told(entry.at, occurrence)
            if evidence["said"] == Said.SENDING:
                claims[place] = (evidence["key"], this)
                continue
            if evidence["said"] == Said.SENT:
                told[place] = this
            if place in claims and claims[place][0] == evidence["key"]:
                del claims[place]
    under_way = {place: this for place, (_, this) in claims.items() if now - this.at < TAKEN_OVER_AFTER}
    return told | under_way
