"""When two spellings are the same thing, and how to name many things in few words."""

from __future__ import annotations

import re
from collections.abc import Collection, Iterable
from enum import StrEnum
from itertools import islice
from unicodedata import combining, normalize


class Tolerated(StrEnum):
    """In what a label or a name may differ without being another one. Keys, numbers, status and membership never may."""

    CASE = "case"
    ACCENTS = "accents"
    """Apostrophes, dashes and ligatures too."""


def plain(text: str) -> str:
    """As people read it: NFC, no blanks around, one blank between words whatever kind of blank it was (NBSP included)."""
    return " ".join(normalize("NFC", text).split())


def as_ge_compares(text: str) -> str:
    """GE's database tells accents apart, but not upper from lower case (SQL_Latin1_General_CP1_CI_AS)."""
    return plain(text).casefold()


def how_names_differ(ours: str, theirs: str) -> str | None:
    """None when they are one name. A difference that the eye skips is named, so that nobody hunts for it."""
    ours, theirs = plain(ours), plain(theirs)
    if ours == theirs:
        return None
    if ours.casefold() == theirs.casefold():
        return "only upper and lower case differ"
    if without_marks(ours.casefold()) == without_marks(theirs.casefold()):
        return "only accents, apostrophes or dashes differ"
    return "they differ"


def read_with(tolerate: Collection[Tolerated], text: str) -> str:
    """Two texts that are read alike differ only as they may."""
    text = without_marks(text) if Tolerated.ACCENTS in tolerate else text
    return text.casefold() if Tolerated.CASE in tolerate else text


def named(things: Iterable[str], at_most: int) -> str:
    """`D001, D002 and 14 more`."""
    rest = iter(things)
    first = ", ".join(islice(rest, at_most))
    more = sum(1 for _ in rest)
    return f"{first} and {more} more" if more else first


def without_marks(text: str) -> str:
    """Without accents; apostrophes and dashes of one kind each; ligatures taken apart."""
    taken_apart = normalize("NFD", text.translate(_LOOKALIKES))
    bare = "".join(letter for letter in taken_apart if not combining(letter))
    return _INITIAL.sub(lambda found: _LIGATURES[ord(found[0])].title(), bare).translate(_LIGATURES)


_LOOKALIKES = str.maketrans({"’": "'", "‘": "'", "`": "'", "´": "'", "–": "-", "—": "-", "‐": "-", "‑": "-", "−": "-"})
_LIGATURES = str.maketrans({"œ": "oe", "æ": "ae", "Œ": "OE", "Æ": "AE"})
_INITIAL = re.compile("[ŒÆ](?=[a-z])")
"""Œuvre is Oeuvre, where ŒUVRE is OEUVRE."""
