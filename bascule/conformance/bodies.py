"""What of a body is not as the contract has it, by sort: a field, a word, an instant."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime
from enum import StrEnum
from typing import Any

from pydantic import ValidationError

from bascule.conformance.exchange import Exchange
from bascule.conformance.verdict import NotTried
from bascule.connectors.http.answers import adapter, oddity
from bascule.facts import Instant


class Sort(StrEnum):
    """Which promise a part of a body breaks."""

    FIELD = "field"
    WORD = "word"
    INSTANT = "instant"
    PROGRESS = "progress"


def oddities(exchange: Exchange, wanted: type) -> dict[Sort, str]:
    """The first of each sort."""
    try:
        adapter(wanted).validate_json(exchange.body, strict=True)
    except ValidationError as error:
        found: dict[Sort, str] = {}
        for detail in error.errors(include_url=False):
            found.setdefault(_sort_of(detail["type"], detail["loc"]), oddity(detail))
        return found
    return {}


def _sort_of(kind: str, place: tuple[int | str, ...]) -> Sort:
    if kind in ("enum", "literal_error"):
        return Sort.WORD
    if kind.startswith(("datetime", "timezone")) or kind == "value_error":
        return Sort.INSTANT
    if "progress" in place:
        return Sort.PROGRESS
    return Sort.FIELD


def instant_of(exchange: Exchange, name: str) -> datetime:
    instant = as_instant(exchange.fields.get(name))
    if instant is None:
        raise NotTried(f"`{name}` cannot be read")
    return instant


def as_instant(value: object) -> datetime | None:
    """None where it is no instant with its offset."""
    try:
        instant: datetime = adapter(Instant).validate_python(value)
    except ValidationError:
        return None
    return instant if isinstance(value, str) else None


def instants_in(value: Any, place: str = "") -> Iterator[tuple[str, datetime]]:
    """Every instant below a body, with its place."""
    match value:
        case dict():
            for name, inner in value.items():
                yield from instants_in(inner, f"{place}.{name}" if place else str(name))
        case list():
            for number, inner in enumerate(value):
                yield from instants_in(inner, f"{place}[{number}]")
        case str() if place.endswith(("_at", ".since")) and (instant := as_instant(value)):
            yield place, instant


LIVING = frozenset({"taken_at", "sessions", "synchronisation", "unknown"})
"""What may change between two reads without anybody writing."""


def changes(before: Exchange, after: Exchange) -> list[str]:
    """Names of fields of two reads that differ, where only a write can have changed them."""
    first, second = before.fields, after.fields
    return [
        name
        for name in {**first, **second}
        if name not in LIVING and _settled(name, first.get(name)) != _settled(name, second.get(name))
    ]


def _settled(name: str, value: Any) -> Any:
    """Who is invited becomes active without anybody writing."""
    if name != "users" or not isinstance(value, list):
        return value
    return [row.get("email") for row in value if isinstance(row, dict)]
