"""Why a wave's last run started no more, of what the wave's own chain tells."""

from __future__ import annotations

import shlex
from collections.abc import Sequence
from datetime import UTC, datetime

from bascule.ledger import Entry, EntryKind
from bascule.waves.governor import Word


def why_it_halts(chain: Sequence[Entry], wave: str) -> tuple[str, ...]:
    """A sentence each; nothing where the last run went on to its end by its own rules."""
    began = next((entry for entry in reversed(chain) if entry.kind is EntryKind.RUN_BEGAN), None)
    if began is None:
        return ()
    since = [entry for entry in chain if entry.seq >= began.seq]
    ended = next((entry for entry in since if entry.kind is EntryKind.RUN_ENDED and entry.run == began.run), None)
    told = next((entry for entry in reversed(since) if "governs" in entry.evidence), None)
    said = [f"The last run kept to no hours, on the word of {began.who}: {began.reason}."] if _any_hour(began) else []
    if told is not None and told.evidence["governs"]:
        said.append(_in_words(told, shlex.quote(wave), has_ended=ended is not None))
    elif ended is not None and ended.evidence.get("stopped"):
        said.append(f"The last run was stopped by a signal at {_minute(ended.at)}.")
    return tuple(said)


def _any_hour(began: Entry) -> bool:
    return bool(began.evidence.get("any_hour"))


def _in_words(told: Entry, wave: str, *, has_ended: bool) -> str:
    """What stood in the way when the run last said so, and what is typed to go on."""
    evidence, again = told.evidence, f"bascule rerun --wave {wave}"
    why = evidence.get("why") or told.reason
    match evidence["governs"]:
        case "Trip":
            common = f" In common: {', '.join(evidence['common'])}." if evidence.get("common") else ""
            return f"The breaker tripped ({evidence['rule']}) at {_minute(told.at)}: {why}.{common} To go on: mend the cause, then {again}"
        case "StageHeld":
            return f"The ramp holds: {why}. To start the next stage all the same: {again} --only not-started --because TEXT"
        case "WindowClosed":
            opens = (
                f" It opens at {_minute(datetime.fromisoformat(evidence['opens']))}." if evidence.get("opens") else ""
            )
            return f"Not started: {why}.{opens} Then: {again}"
        case "Told" if evidence.get("word") == Word.PAUSE and not has_ended:
            return f"Paused since {_minute(told.at)}: {why}. To go on: bascule resume --wave {wave}"
        case _:
            return f"Nothing more was started from {_minute(told.at)}: {why}. To go on: {again}"


def _minute(at: datetime) -> str:
    return f"{at.astimezone(UTC):%Y-%m-%d %H:%M} UTC"
