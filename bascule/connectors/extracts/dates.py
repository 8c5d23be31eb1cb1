"""When an exported list was made, as it says itself. A date without an hour is taken for the end of its day."""

from __future__ import annotations

import re
from datetime import UTC, date, datetime, time
from pathlib import Path
from zoneinfo import ZoneInfo

from bascule.tables.problems import Broken

SIDECAR = "exported-at.txt"
"""Beside the lists: one line that says when all of them were exported."""

NO_INSTANT = Broken("is no date and time", "Write it as 2026-12-01T20:14")

_FORMS = ("%Y-%m-%d %H:%M:%S", "%Y-%m-%d %H:%M", "%d/%m/%Y %H:%M:%S", "%d/%m/%Y %H:%M")
_DAYS = ("%Y-%m-%d", "%d/%m/%Y")


def instant_in(text: str, zone: ZoneInfo) -> datetime:
    """In UTC; where the text names no zone, the cabinet's is meant. Raises Broken."""
    text = " ".join(text.split())
    try:
        told = datetime.fromisoformat(text) if re.search(r"\d[T ]\d", text) and text[4:5] == "-" else _by_hand(text)
        return (told if told.tzinfo else told.replace(tzinfo=zone)).astimezone(UTC)
    except (ValueError, OverflowError):
        raise NO_INSTANT from None


def sidecar_in(folder: Path, zone: ZoneInfo) -> datetime | None:
    """None where there is none. Raises Broken."""
    try:
        text = (folder / SIDECAR).read_text(encoding="utf-8-sig")[:200]
    except FileNotFoundError:
        return None
    except (OSError, UnicodeDecodeError):
        raise NO_INSTANT from None
    return instant_in(text, zone)


def _by_hand(text: str) -> datetime:
    for form in _FORMS:
        try:
            return datetime.strptime(text, form)  # noqa: DTZ007  the zone is the cabinet's
        except ValueError:
            continue
    for form in _DAYS:
        try:
            day: date = datetime.strptime(text, form).date()  # noqa: DTZ007  the zone is the cabinet's
        except ValueError:
            continue
        return datetime.combine(day, time(23, 59, 59))
    raise ValueError(text)
