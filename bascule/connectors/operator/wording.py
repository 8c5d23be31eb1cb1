"""What a person reads who holds a work order: put together from a piece for each write, with the cabinet's own values.

The pieces are `wording.toml`. They say what Sage's fiche and its products' own help say; where these say nothing, so do the pieces.
"""

from __future__ import annotations

import tomllib
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import datetime
from importlib import resources
from typing import Any, Literal

from bascule.connectors.operator.forms import Form, FormField, fields_of, zone_of
from bascule.workorders import Result, WorkOrder, nth

LANGUAGES = ("fr", "en")
TEXTS: Mapping[str, Any] = tomllib.loads(
    resources.files(__package__).joinpath("wording.toml").read_text(encoding="utf-8")
)


BEFOREHAND = {
    "ordered_again": "ordered_by",
    "first_look": "first_look",
    "asked_before": "nth_time",
    "last_reason": "last_reason",
}
"""What is said before all else, by the value that the order then holds."""


@dataclass(frozen=True, slots=True)
class Instructions:
    """One text for one sitting, in one language. What comes from the inventory stands in it as it is: escape it for where it is shown."""

    language: str
    title: str
    steps: tuple[str, ...]
    """To be numbered from 1. A list inside a step has a line each."""
    look_at: tuple[str, ...]
    never: tuple[str, ...]
    form: Mapping[str, str]
    """What each piece of evidence is, by its name, whatever the result."""
    takes: str
    headings: Mapping[str, str]
    """What stands over `do`, `look_at`, `never` and `evidence`."""


def instructions(order: WorkOrder) -> Instructions:
    language = language_of(order)
    around, pieces = TEXTS["around"][language], [TEXTS[verb][language] for verb in order.verbs]
    row = _row(order)
    answering = around["answer_four_eyes" if order.four_eyes else "answer"]
    steps = [
        *(around[name].format_map(row) for name, needs in BEFOREHAND.items() if needs in row),
        *_lines(pieces, "steps", row),
        answering.format_map(row),
    ]
    title = ", ".join(piece["title"] for piece in pieces)
    return Instructions(
        language=language,
        title=title[0].upper() + title[1:],
        steps=tuple(steps),
        look_at=_lines(pieces, "look_at", row),
        never=_lines(pieces, "never", row),
        form={name: TEXTS["form"][name][language] for name in evidence_of(order)},
        takes=around["takes"].format_map(row),
        headings={part: around[part] for part in ("do", "look_at", "never", "evidence")},
    )


def language_of(order: WorkOrder) -> str:
    said = order.values.get("language")
    return said if said in LANGUAGES else "en"


def evidence_of(*orders: WorkOrder) -> dict[str, FormField]:
    """Every piece of evidence that some answer to one of these orders asks for; last, what may go with any answer."""
    asked: dict[str, FormField] = {}
    for verbs in dict.fromkeys(order.verbs for order in orders):
        for field in (field for result in Result for field in fields_of(verbs, result)):
            asked.setdefault(field.name, field)
    return dict(sorted(asked.items(), key=lambda item: item[0] in Form.model_fields))


def example_of(field: FormField) -> str:
    example: str = TEXTS["form"][field.name].get("example") or TEXTS["example"][field.kind]
    return example


class _Row(dict[str, str]):
    """What an order of an earlier version did not keep is said to be unknown."""

    def __missing__(self, name: str) -> str:
        return f"({name}?)"


def _row(order: WorkOrder) -> _Row:
    row = _Row({name: printable(value) for name, value in order.values.items() if value})
    row |= {"order": order.id, "minutes": str(order.minutes), "code": order.cabinet, "timezone": zone_of(order).key}
    if "nth_time" in row:
        number = int(row["nth_time"])
        row["nth_time"] = f"{number}e" if language_of(order) == "fr" else nth(number)
    for system in ("ge", "s4a"):
        if order.values.get(f"{system}_reads") == "extracts":
            row[f"{system}_exported"] = "yes"
    if order.deadline is not None:
        row["deadline"] = local(order.deadline, order)
    return row


def local(instant: datetime, order: WorkOrder) -> str:
    """An instant as the cabinet's clocks show it."""
    zone = zone_of(order)
    return f"{instant.astimezone(zone):%Y-%m-%d %H:%M} ({zone.key})"


def _lines(pieces: list[Mapping[str, Any]], part: Literal["steps", "look_at", "never"], row: _Row) -> tuple[str, ...]:
    """Two pieces may say the same; it is said once."""
    return tuple(dict.fromkeys(line for piece in pieces for line in _said(piece[part], row)))


def _said(lines: list[str | Mapping[str, str]], row: _Row) -> Iterator[str]:
    for line in lines:
        if isinstance(line, str):
            yield line.format_map(row)
        elif line["when"] in row if "when" in line else line["unless"] not in row:
            yield line["says"].format_map(row)


def printable(value: str) -> str:
    """Line breaks stay; what would act on a terminal, or hide, is shown by its code."""
    return "".join(c if c.isprintable() or c == "\n" else c.encode("unicode_escape").decode() for c in value)
