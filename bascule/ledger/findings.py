"""Which findings of a chain still stand: those that the last look of their step made."""

from __future__ import annotations

from collections.abc import Sequence

from bascule.ledger.entries import Entry, EntryKind


def standing_findings(history: Sequence[Entry]) -> tuple[Entry, ...]:
    """A later look that finds nothing takes back what an earlier one found. An attempt that could not look takes nothing back."""
    looks = {entry.step: (place, entry) for place, entry in enumerate(history) if _is_look(entry)}

    def stands(place: int, found: Entry) -> bool:
        if found.step not in looks:
            return True
        when, look = looks[found.step]
        return place > when or (found.run, found.attempt) == (look.run, look.attempt)

    found = [(place, entry) for place, entry in enumerate(history) if entry.kind is EntryKind.FINDING]
    standing = [entry for place, entry in found if stands(place, entry)]
    # Where no look came to its end, two runs may have found the same.
    last_run = {entry.step: entry.run for entry in standing}
    return tuple(entry for entry in standing if entry.run == last_run[entry.step])


def _is_look(entry: Entry) -> bool:
    """What a step ends with once it has read what its findings are made of."""
    return entry.kind is EntryKind.PROOF or (entry.kind is EntryKind.VERDICT and "observed" in entry.evidence)
