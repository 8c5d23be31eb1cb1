"""Which wave, and which of its cabinets. Nothing is ever meant by an empty selection."""

from __future__ import annotations

import difflib
from collections.abc import Iterable, Mapping, Sequence
from typing import Protocol

from bascule.errors import BasculeError
from bascule.model import Cabinet, ErrorClass, Lifecycle, Outcome

DONE = frozenset({Outcome.OK, Outcome.OK_WITH_RESERVATIONS, Outcome.EXCLUDED, Outcome.PARTIAL})
"""Outcomes that a re-run leaves alone unless it is told otherwise."""

WAITING, PAUSED, NOT_STARTED = "waiting", "paused", "not-started"
WORDS = (*(outcome.value for outcome in Outcome if outcome is not Outcome.NONE), WAITING, PAUSED, NOT_STARTED)
"""What `--only` understands."""
CLASSES = tuple(kind.value for kind in ErrorClass)
"""What `--class` understands."""


class NotChosen(BasculeError):
    """The selection names nothing that exists."""


class Stands(Protocol):
    """Where a cabinet stands, as the ledger has it."""

    @property
    def lifecycle(self) -> Lifecycle: ...

    @property
    def outcome(self) -> Outcome: ...

    @property
    def error_class(self) -> str | None: ...


def wave_of(cabinets: Sequence[Cabinet], asked: str | None) -> str:
    """The wave that was asked for, or the only one there is."""
    waves = sorted({cabinet.wave for cabinet in cabinets})
    if asked is None:
        if len(waves) == 1:
            return waves[0]
        raise NotChosen(f"The inventory has {len(waves)} waves: {', '.join(waves)}", remedy="say which with --wave")
    if asked not in waves:
        raise NotChosen(
            f"The inventory has no wave {asked!r}{did_you_mean(asked, waves)}", remedy=f"waves: {', '.join(waves)}"
        )
    return asked


def in_wave(cabinets: Iterable[Cabinet], wave: str) -> tuple[Cabinet, ...]:
    return tuple(cabinet for cabinet in cabinets if cabinet.wave == wave)


def selected(
    cabinets: Sequence[Cabinet],
    standing: Mapping[str, Stands],
    *,
    only: Sequence[str] = (),
    classes: Sequence[str] = (),
    codes: Sequence[str] = (),
) -> tuple[Cabinet, ...]:
    """A re-run's cabinets: those named, else those the words name, else all that are not done; of these, those whose error
    is of one of the classes, where some are named. Raises NotChosen."""
    unknown_class = next((word for word in classes if word not in CLASSES), None)
    if unknown_class is not None:
        raise NotChosen(
            f"--class does not know {unknown_class!r}{did_you_mean(unknown_class, CLASSES)}",
            remedy=f"classes: {', '.join(CLASSES)}",
        )
    unknown = [word for word in only if word not in WORDS]
    if unknown:
        raise NotChosen(
            f"--only does not know {unknown[0]!r}{did_you_mean(unknown[0], WORDS)}",
            remedy=f"words: {', '.join(WORDS)}",
        )
    asked_for = named(cabinets, codes) if codes else tuple(cabinets)
    chosen = tuple(one for one in asked_for if not classes or standing[one.code].error_class in classes)
    if only:
        chosen = tuple(one for one in chosen if _word_of(standing[one.code]) in only)
    elif not codes:
        chosen = tuple(one for one in chosen if standing[one.code].outcome not in DONE)
    if codes and not chosen:
        wanted = " and ".join(", ".join(words) for words in (only, classes) if words)
        found = [f"{one.code} is {_told_of(standing[one.code])}" for one in asked_for]
        raise NotChosen(
            f"None of the cabinets named is {wanted}: {_some(found)}",
            remedy="leave --only or --class out to take up those that are named, whatever became of them",
        )
    return chosen


def named(cabinets: Iterable[Cabinet], codes: Iterable[str]) -> tuple[Cabinet, ...]:
    """The cabinets of these codes, in this order, each once. Raises NotChosen."""
    known = {cabinet.code: cabinet for cabinet in cabinets}
    missing = next((code for code in codes if code not in known), None)
    if missing is not None:
        raise NotChosen(
            f"No cabinet {missing!r} here{did_you_mean(missing, known)}", remedy=f"codes: {_some(sorted(known))}"
        )
    return tuple(known[code] for code in dict.fromkeys(codes))


def _some(codes: Sequence[str]) -> str:
    return ", ".join(codes[:10]) + (" …" if len(codes) > 10 else "")


def _told_of(standing: Stands) -> str:
    return _word_of(standing) + (f" ({standing.error_class})" if standing.error_class else "")


def _word_of(standing: Stands) -> str:
    if standing.outcome is not Outcome.NONE:
        return standing.outcome.value
    match standing.lifecycle:
        case Lifecycle.WAITING:
            return WAITING
        case Lifecycle.PAUSED | Lifecycle.RUNNING:
            return PAUSED
        case _:
            return NOT_STARTED


def did_you_mean(word: str, known: Iterable[str]) -> str:
    near = difflib.get_close_matches(word, list(known), n=1)
    return f"; did you mean {near[0]!r}?" if near else ""
