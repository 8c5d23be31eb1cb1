"""What a check found."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum


class Level(StrEnum):
    BLOCK = "block"
    """The cabinet must not be synchronised before this is mended, or waived by a person."""
    RESERVATION = "reservation"
    """The cabinet can be moved; something of it cannot, and its outcome says so."""
    NOTE = "note"
    """Worth knowing. Changes nothing."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Finding:
    """One thing that a rule objects to. `about` is the code of a dossier, group, collaborateur or entity."""

    rule: str
    level: Level
    about: str
    says: str
    remedy: str
