"""Where a wave stands, as the ledger has it. Four queries at most, whatever its size: entries, leases, and what waits for people."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from typing import Any

from bascule.errors import BasculeError
from bascule.ledger import Desk, Entry, EntryKind, Ledger
from bascule.model import Lifecycle, Outcome, grade
from bascule.waves.choosing import did_you_mean
from bascule.workorders import OrderState, WorkOrder, in_words

RUN_KINDS = (EntryKind.PLANNED, EntryKind.BEGAN, EntryKind.ENDED)

NEXT_ACTION: dict[Lifecycle | Outcome, str] = {
    Lifecycle.PLANNED: "run the wave",
    Lifecycle.READY: "run the wave",
    Lifecycle.RUNNING: "wait: a run is at work on it",
    Lifecycle.WAITING: "see to what it waits for, then re-run",
    Lifecycle.PAUSED: "run again: what is proven is not done twice",
    Outcome.UNKNOWN: "look at both systems and decide, then re-run",
    Outcome.FAILED: "see the reason, then re-run",
    Outcome.PARTIAL: "see what is missing, then: bascule rerun --only partial",
    Outcome.BLOCKED: "mend what the reason names, then re-run",
    Outcome.OK_WITH_RESERVATIONS: "see to the reservations: summary.md lists them",
}
"""What to do where no remedy was recorded; an outcome's word goes before a lifecycle's."""
GRAVITY = tuple(Outcome)
"""From worst to best: what needs somebody comes first."""


class DoesNotAddUp(BasculeError):
    """The outcomes of a wave do not add up to its planned cabinets. Nothing is reported rather than something wrong."""


class NoSuchWave(BasculeError):
    """The ledger knows no such wave."""


@dataclass(frozen=True, slots=True, kw_only=True)
class CabinetStatus:
    """One cabinet. `attempts` counts how often a run took it up; instants are those of its first and its last run."""

    code: str
    lifecycle: Lifecycle
    outcome: Outcome
    step: str | None
    reason: str | None
    error_class: str | None
    error_signature: str | None
    next_action: str | None
    owner: str | None
    attempts: int
    started_at: datetime | None
    ended_at: datetime | None

    def as_json(self) -> dict[str, Any]:
        plain: dict[str, Any] = {name: getattr(self, name) for name in self.__dataclass_fields__}
        return plain | {"started_at": _instant(self.started_at), "ended_at": _instant(self.ended_at)}


@dataclass(frozen=True, slots=True, kw_only=True)
class WaveStatus:
    """A wave. That planned = the sum of all outcomes is checked when it is made."""

    wave: str
    planned: int
    cabinets: tuple[CabinetStatus, ...]

    def __post_init__(self) -> None:
        if self.planned != sum(self.outcomes.values()) or self.planned != len({c.code for c in self.cabinets}):
            raise DoesNotAddUp(
                f"Wave {self.wave}: {self.planned} cabinets planned, {sum(self.outcomes.values())} accounted for"
            )

    @property
    def outcomes(self) -> dict[Outcome, int]:
        """How many cabinets ended how, worst first; words that no cabinet has are left out."""
        counted = Counter(cabinet.outcome for cabinet in self.cabinets)
        return {outcome: counted[outcome] for outcome in GRAVITY if counted[outcome]}

    @property
    def grade(self) -> Outcome:
        return grade(self.outcomes)

    def as_json(self) -> dict[str, Any]:
        return {
            "wave": self.wave,
            "planned": self.planned,
            "grade": self.grade.value,
            "outcomes": {outcome.value: count for outcome, count in self.outcomes.items()},
            "cabinets": [cabinet.as_json() for cabinet in self.cabinets],
        }


def status_of(ledger: Ledger, wave: str) -> WaveStatus:
    """Cabinets in the order of their codes. Raises NoSuchWave, or DoesNotAddUp."""
    entries = ledger.of_wave(wave, RUN_KINDS)
    planned = {entry.cabinet: entry for entry in entries if entry.kind is EntryKind.PLANNED}
    if not planned:
        raise _no_such_wave(wave, ledger.waves())
    of_cabinet: dict[str, list[Entry]] = {code: [] for code in planned}
    for entry in entries:
        if entry.kind in (EntryKind.BEGAN, EntryKind.ENDED) and entry.cabinet in of_cabinet:
            of_cabinet[entry.cabinet].append(entry)
    at_work = ledger.at_work()
    cabinets = tuple(
        _cabinet(planned[code], runs, at_work=code in at_work) for code, runs in sorted(of_cabinet.items())
    )
    if any(cabinet.lifecycle is Lifecycle.WAITING for cabinet in cabinets):
        orders = {order.cabinet: order for order in Desk(ledger, lambda: datetime.now(UTC)).open_ones()}
        said = ledger.last_words()
        ended = {code: runs[-1].seq if runs else 0 for code, runs in of_cabinet.items()}
        cabinets = tuple(
            _waiting_for(cabinet, orders.get(cabinet.code), has_news=said.get(cabinet.code, 0) > ended[cabinet.code])
            for cabinet in cabinets
        )
    return WaveStatus(wave=wave, planned=len(planned), cabinets=cabinets)


def known_wave(ledger: Ledger, wave: str) -> None:
    """Raises NoSuchWave, with the one that was perhaps meant."""
    known = ledger.waves()
    if wave not in known:
        raise _no_such_wave(wave, known)


def wave_table(status: WaveStatus, limit: int = 200) -> list[dict[str, Any]]:
    """For Prefect's pages: the totals, then who needs somebody, worst first, at most `limit` of them."""
    needing = needing_somebody(status)
    totals = {
        "cabinet": f"all {status.planned}",
        "outcome": _totals(status),
        "step": "",
        "reason": "",
        "next": f"grade: {status.grade}",
    }
    rows = [
        {
            "cabinet": c.code,
            "outcome": word_of(c),
            "step": c.step or "",
            "reason": c.reason or "",
            "next": c.next_action or "",
        }
        for c in needing[:limit]
    ]
    rest = len(needing) - len(rows)
    more = (
        [{"cabinet": f"… and {rest} more", "outcome": "", "step": "", "reason": "", "next": "see failed.csv"}]
        if rest
        else []
    )
    return [totals, *rows, *more]


def needing_somebody(status: WaveStatus) -> list[CabinetStatus]:
    """Who is neither ok nor excluded, worst first."""
    needing = [cabinet for cabinet in status.cabinets if cabinet.outcome not in (Outcome.OK, Outcome.EXCLUDED)]
    return sorted(needing, key=lambda cabinet: (GRAVITY.index(cabinet.outcome), cabinet.code))


def word_of(cabinet: CabinetStatus) -> str:
    """One word for people: the outcome, or where the cabinet is while it has none."""
    return cabinet.outcome.value if cabinet.outcome is not Outcome.NONE else cabinet.lifecycle.value


def _totals(status: WaveStatus) -> str:
    return ", ".join(f"{count} {outcome}" for outcome, count in status.outcomes.items())


def _cabinet(planned: Entry, runs: Sequence[Entry], *, at_work: bool) -> CabinetStatus:
    began = [entry for entry in runs if entry.kind is EntryKind.BEGAN]
    last = runs[-1] if runs else planned
    lifecycle, outcome = last.lifecycle or Lifecycle.PLANNED, last.outcome or Outcome.NONE
    step, reason = last.step, last.reason
    if last.kind is EntryKind.BEGAN and not at_work:
        lifecycle, reason = Lifecycle.PAUSED, "its run ended without a word: killed, or the machine went down"
    if planned.evidence.get("excluded") and planned.seq >= last.seq:
        lifecycle, outcome, reason = Lifecycle.ENDED, Outcome.EXCLUDED, planned.reason
    nothing_to_do = outcome in (Outcome.OK, Outcome.EXCLUDED)
    next_action = last.evidence.get("remedy") or NEXT_ACTION.get(outcome) or NEXT_ACTION.get(lifecycle)
    return CabinetStatus(
        code=planned.cabinet,
        lifecycle=lifecycle,
        outcome=outcome,
        step=step,
        reason=reason or None,
        error_class=last.error_class.value if last.error_class else None,
        error_signature=last.error_signature,
        next_action=None if nothing_to_do else next_action,
        owner=planned.evidence.get("owner"),
        attempts=len(began),
        started_at=began[0].at if began else None,
        ended_at=last.at if last.kind is EntryKind.ENDED else None,
    )


def _waiting_for(cabinet: CabinetStatus, order: WorkOrder | None, *, has_news: bool) -> CabinetStatus:
    """What has become of what a cabinet waits for, since the run that let go of it."""
    if cabinet.lifecycle is not Lifecycle.WAITING:
        return cabinet
    if order is not None:
        verb = "approve" if order.state is OrderState.TO_APPROVE else "inbox --order"
        return replace(cabinet, reason=in_words(order, datetime.now(UTC)), next_action=f"bascule {verb} {order.id}")
    if has_news:
        return replace(cabinet, reason="its work order was answered", next_action="run again: it carries on")
    return cabinet


def _no_such_wave(wave: str, known: Sequence[str]) -> NoSuchWave:
    remedy = (
        f"waves in this ledger: {', '.join(known)}"
        if known
        else "this ledger holds no wave yet: bascule run --inventory FILE"
    )
    return NoSuchWave(f"The ledger knows no wave {wave!r}{did_you_mean(wave, known)}", remedy=remedy)


def _instant(at: datetime | None) -> str | None:
    return at.astimezone(UTC).isoformat(timespec="seconds").replace("+00:00", "Z") if at else None
