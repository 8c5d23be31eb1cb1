"""What is wrong with a file of a person: where, what stands there, which rule it breaks and how to mend it."""

from __future__ import annotations

import bisect
import difflib
import functools
import json
from collections.abc import Iterable
from dataclasses import asdict, dataclass
from typing import Literal

Level = Literal["error", "warning"]

SHOWN_VALUE = 60
NEIGHBOURS = 50


@dataclass(frozen=True, slots=True)
class Problem:
    """One thing to mend. `line` counts from 1 and is that of the file or sheet; None means the file as a whole."""

    file: str
    line: int | None
    column: str | None
    value: str | None
    rule: str
    fix: str
    level: Level = "error"
    sheet: str | None = None

    def __str__(self) -> str:
        sheet = f" [{self.sheet}]" if self.sheet else ""
        place = ":".join(str(part) for part in (self.file + sheet, self.line, self.column) if part is not None)
        value = f" {shown(self.value)}" if self.value is not None else ""
        warning = "warning: " if self.level == "warning" else ""
        return f"{place}:{value} {warning}{self.rule}. {self.fix}" + ("" if self.fix.endswith("?") else ".")


class Broken(ValueError):
    """A value breaks a rule. Neither sentence ends in a full stop."""

    def __init__(self, rule: str, fix: str) -> None:
        super().__init__(rule)
        self.rule = rule
        self.fix = fix


def render(problems: Iterable[Problem], at_most: int | None = None) -> str:
    """Plain lines for people, one a problem, in the order given."""
    lines = [str(problem) for problem in problems]
    hidden = len(lines) - at_most if at_most is not None else 0
    return "\n".join(lines[:at_most] + ([f"... and {hidden} more"] if hidden > 0 else []))


def as_json(problems: Iterable[Problem]) -> str:
    return json.dumps([asdict(problem) for problem in problems], ensure_ascii=False, indent=2)


def did_you_mean(word: str, known: Iterable[str], otherwise: str) -> str:
    """A remedy for a word that is not among the known ones. For many words, give the same frozenset again."""
    close = _closest(word.casefold(), frozenset(known)) if len(word) <= SHOWN_VALUE else None
    return f"Did you mean `{close}`?" if close else otherwise


@functools.lru_cache(maxsize=1_000)
def _closest(word: str, known: frozenset[str]) -> str | None:
    candidates = _sorted(known)
    if len(candidates) > 2 * NEIGHBOURS:  # comparing all with all would take minutes on a file full of misspelt words
        place = bisect.bisect(candidates, (word, ""))
        candidates = candidates[max(0, place - NEIGHBOURS) : place + NEIGHBOURS]
    by_folded = dict(candidates)
    close = difflib.get_close_matches(word, by_folded, n=1, cutoff=0.6)
    return by_folded[close[0]] if close else None


@functools.lru_cache(maxsize=8)
def _sorted(known: frozenset[str]) -> list[tuple[str, str]]:
    return sorted((word.casefold(), word) for word in known)


def shown(value: str) -> str:
    """A value as a terminal can bear it: quoted, escaped where it does not print, shortened."""
    printable = "".join(c if c.isprintable() else c.encode("unicode_escape").decode() for c in value[: SHOWN_VALUE + 1])
    return f"`{printable[:SHOWN_VALUE]}…`" if len(printable) > SHOWN_VALUE else f"`{printable}`"
