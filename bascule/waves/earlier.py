"""What earlier runs of a wave showed, as far as its ramp goes on from there."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass

from bascule.inventory import WaveSettings
from bascule.ledger import Entry, EntryKind
from bascule.model import Lifecycle, Outcome
from bascule.waves.breaker import Ended
from bascule.waves.governor import StageHeld, Word
from bascule.waves.ramp import Verdict, promotion, stages

PAST_HELD_STAGE = "past_held_stage"
"""In the evidence of a run's beginning: which stage a person went past, and why it was held."""

KINDS = (EntryKind.RUN_BEGAN, EntryKind.COMMAND, EntryKind.BEGAN, EntryKind.ENDED)


@dataclass(frozen=True, slots=True)
class Earlier:
    """The cabinets of a wave that have begun, in the order in which they first did."""

    begun: tuple[str, ...]
    ended: Mapping[str, Entry]
    """How a run last let go of them. Who is not there is in flight, or its run died."""
    accepted: frozenset[str]
    """Those of whom a person has accepted what became of them."""


def earlier(entries: Iterable[Entry], cabinets: Collection[str]) -> Earlier:
    """`entries`: those of the wave of these `KINDS`, in the order of the ledger. Who is no longer among its cabinets shows nothing."""
    begun: dict[str, None] = {}
    ended: dict[str, Entry] = {}
    accepted: set[str] = set()
    for entry in entries:
        if _accepts(entry):
            accepted |= ended.keys()
        elif entry.cabinet in cabinets and entry.kind is EntryKind.BEGAN:
            begun.setdefault(entry.cabinet)
            ended.pop(entry.cabinet, None)
            accepted.discard(entry.cabinet)
        elif entry.cabinet in cabinets and entry.kind is EntryKind.ENDED:
            ended[entry.cabinet] = entry
    return Earlier(tuple(begun), ended, frozenset(accepted))


def held_stage(settings: WaveSettings, planned: int, before: Earlier, taken_up: Collection[str]) -> StageHeld | None:
    """The stage that keeps cabinets which have not begun from beginning, if one does.

    Who is taken up again is judged by what becomes of it then, and so is a stage that is still being filled, unless what it has
    shown holds it already. The last stage keeps nobody. Raises RampDoesNotCover.
    """
    sizes, come = stages(settings.ramp, planned), 0
    for number, size in enumerate(sizes[:-1], start=1):
        stage = before.begun[come : come + size]
        come += size
        judged = [code for code in stage if code not in taken_up and code not in before.accepted]
        ended = [before.ended[code] for code in judged if code in before.ended]
        over = [entry for entry in ended if entry.lifecycle is Lifecycle.ENDED]
        waiting = sum(entry.lifecycle is Lifecycle.WAITING for entry in ended)
        promoted = promotion(
            settings.breaker,
            [_shown(entry) for entry in over],
            waiting=waiting,
            unsettled=len(judged) - len(over) - waiting,
        )
        is_being_filled, has_a_later_one = len(stage) < size, len(before.begun) > come
        holds = {
            Verdict.PROMOTED: False,
            Verdict.HELD: True,
            Verdict.NOT_YET: not is_being_filled,
            Verdict.ASK: not is_being_filled and not has_a_later_one,
        }
        if holds[promoted.verdict]:
            return StageHeld(number, promoted.verdict, f"stage {number} of {len(sizes)} comes first: {promoted.why}")
    return None


def _accepts(entry: Entry) -> bool:
    if entry.kind is EntryKind.RUN_BEGAN:
        return PAST_HELD_STAGE in entry.evidence
    is_resume = entry.kind is EntryKind.COMMAND and entry.evidence.get("word") == Word.RESUME
    return is_resume and bool(entry.reason.strip())


def _shown(entry: Entry) -> Ended:
    return Ended(
        code=entry.cabinet, outcome=entry.outcome or Outcome.NONE, at=entry.at, signature=entry.error_signature
    )
