"""Where a wave stands, as the ledger has it. Eight queries at most, whatever its size."""

from __future__ import annotations

import shlex
from collections import Counter, defaultdict
from collections.abc import Collection, Mapping, Sequence
from dataclasses import asdict, dataclass, field, replace
from datetime import UTC, datetime
from statistics import quantiles
from typing import Any

from bascule.errors import STILL_RUNNING, BasculeError
from bascule.ledger import ORDER_KINDS, Desk, Entry, EntryKind, Ledger, going_on, orders_of
from bascule.model import ARRIVED, Lifecycle, Outcome, grade
from bascule.procedure import LOCK_OUT, REOPEN, steps_written_by
from bascule.reports.halted import why_it_halts
from bascule.waves.choosing import DONE, did_you_mean
from bascule.waves.sizes import Sizes, dossiers_told
from bascule.workorders import LastNotDone, OrderState, WorkOrder, in_words, last_not_done

RUN_KINDS = (EntryKind.PLANNED, EntryKind.BEGAN, EntryKind.ENDED, EntryKind.RETRACTED)
"""What tells how a cabinet stands: an answer that was taken back makes it unknown until a run takes it up."""
CHAIN_KINDS = (EntryKind.RUN_BEGAN, EntryKind.RUN_ENDED, EntryKind.NOTE)
"""What the chain of a whole wave tells of why it stands."""
DOOR_KINDS = (EntryKind.PROOF, EntryKind.NOTE)
"""What tells, at the steps of `DOOR`, that users went out or came in."""
DOOR = (LOCK_OUT, REOPEN)

NEXT_ACTION: dict[Lifecycle | Outcome, str] = {
    Lifecycle.PLANNED: "run the wave",
    Lifecycle.READY: "run the wave",
    Lifecycle.RUNNING: "wait: a run is at work on it",
    Lifecycle.WAITING: "see to what it waits for, then re-run",
    Lifecycle.PAUSED: "run again: what is proven is not done twice",
    Outcome.UNKNOWN: "look at both systems and decide, then re-run",
    Outcome.FAILED: "see the reason, then re-run",
    Outcome.PARTIAL: "see what differs, then: bascule rerun --wave {wave} --only partial",
    Outcome.BLOCKED: "mend what the reason names, then re-run",
    Outcome.OK_WITH_RESERVATIONS: "see to the reservations of the report",
}
"""What to do in a wave where no remedy was recorded; an outcome's word goes before a lifecycle's."""
SETTLED = (Outcome.OK, Outcome.EXCLUDED)
"""Where nobody has anything to see to."""
GRAVITY = tuple(Outcome)
"""From worst to best: what needs somebody comes first."""
ENOUGH = 20
"""Cabinets of one size that must have ended before one of them is called slow: of fewer, P95 is the slowest."""


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
    since: datetime | None
    """Since when it stands as it does."""
    slow: str | None
    """For a cabinet at work: how it compares, where it takes longer than 95 in 100 of its size."""
    locked_out_since: datetime | None
    """Since when its users are, or may be, kept out."""
    last_not_done: LastNotDone | None = None
    """The last answer *not-done* or *cannot* to what it is still asked for."""

    def as_json(self) -> dict[str, Any]:
        plain: dict[str, Any] = {name: getattr(self, name) for name in self.__dataclass_fields__}
        instants = ("started_at", "ended_at", "since", "locked_out_since")
        told = self.last_not_done
        return (
            plain
            | {name: plain[name] and instant_in_utc(plain[name]) for name in instants}
            | {"last_not_done": asdict(told) | {"at": instant_in_utc(told.at)} if told is not None else None}
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class Seen:
    """What the ledger tells of a wave's cabinets at one instant."""

    now: datetime
    runs: Mapping[str, Sequence[Entry]]
    """By code: how the wave planned it, took it up and let go of it, in the order written."""
    at_work: Collection[str]
    orders: Mapping[str, WorkOrder]
    """By code: the work order that needs somebody."""
    last_words: Mapping[str, int]
    """By code: the place in its chain at which something was last said of its work orders."""
    dossiers: Mapping[str, int | None]
    """By code, of those at work."""
    begun: Mapping[str, str] = field(default_factory=dict)
    """By code, of those a run took up and did not let go of: the step that was begun last."""
    door: Mapping[str, Sequence[Entry]] = field(default_factory=dict)
    """By code: its entries of DOOR_KINDS at the steps of DOOR, in the order written."""
    held: Mapping[str, datetime] = field(default_factory=dict)
    """By code: since when the ledger holds a lock-out that nobody has let go."""
    decisions: Mapping[str, WorkOrder] = field(default_factory=dict)
    """By code: a second synchronisation that one person ordered, and that another has to approve."""
    not_done: Mapping[str, LastNotDone] = field(default_factory=dict)
    """By code, where the last answer to what is asked for was *not-done* or *cannot*."""
    chain: Sequence[Entry] = ()
    """The wave's own entries, of CHAIN_KINDS at least."""
    at_work_on_wave: Collection[str] = ()
    """Runs of the wave that go on; told only where some cabinet has not begun."""


@dataclass(frozen=True, slots=True, kw_only=True)
class WaveStatus:
    """A wave. That planned = the sum of all outcomes is checked when it is made."""

    wave: str
    planned: int
    cabinets: tuple[CabinetStatus, ...]
    halts: tuple[str, ...] = ()
    """Why its last run started no more, and what it took upon itself, a sentence each."""

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

    @property
    def locked_out(self) -> list[CabinetStatus]:
        """Whose users are kept out now, the longest first."""
        out = [(cabinet.locked_out_since, cabinet) for cabinet in self.cabinets if cabinet.locked_out_since]
        return [cabinet for _, cabinet in sorted(out, key=lambda pair: (pair[0], pair[1].code))]

    def as_json(self) -> dict[str, Any]:
        return {
            "wave": self.wave,
            "planned": self.planned,
            "grade": self.grade.value,
            "outcomes": {outcome.value: count for outcome, count in self.outcomes.items()},
            "locked_out": [cabinet.code for cabinet in self.locked_out],
            "halts": list(self.halts),
            "cabinets": [cabinet.as_json() for cabinet in self.cabinets],
        }


def status_of(ledger: Ledger, wave: str, sizes: Sizes | None = None) -> WaveStatus:
    """Cabinets in the order of their codes. Raises NoSuchWave, or DoesNotAddUp."""
    now = datetime.now(UTC)
    runs = runs_of(ledger.of_wave(wave, RUN_KINDS))
    if not runs:
        raise no_such_wave(ledger, wave)
    at_work = ledger.at_work(now) & runs.keys()
    last = {code: stands_by(of_one) for code, of_one in runs.items()}
    waiting = {code for code, entry in last.items() if entry.lifecycle is Lifecycle.WAITING}
    some_need_somebody = any(entry.outcome not in SETTLED for entry in last.values() if entry.kind is EntryKind.ENDED)
    open_ones = Desk(ledger, lambda: now).open_ones() if some_need_somebody else ()
    orders = {order.cabinet: order for order in open_ones if not order.is_decision}
    taken_up = sorted(at_work | {code for code, entry in last.items() if entry.kind is EntryKind.BEGAN})
    under_way = ledger.histories(taken_up, [EntryKind.PROOF, EntryKind.INTENT])
    unsettled = any(entry.kind is not EntryKind.PLANNED and is_unsettled(entry) for entry in last.values())
    chain = ledger.histories([f"@{wave}"], CHAIN_KINDS)[f"@{wave}"]
    has_more_to_begin = any(entry.kind is EntryKind.PLANNED for entry in last.values())
    seen = Seen(
        now=now,
        runs=runs,
        at_work=at_work,
        orders=orders,
        # Asked of the whole ledger, and news only of those that nobody is asked about any more.
        last_words=ledger.last_words() if waiting - orders.keys() else {},
        dossiers={code: dossiers_told(told) for code, told in under_way.items()},
        begun={code: step for code, told in under_way.items() if (step := last_begun(told))},
        door=_by_code(ledger.of_wave(wave, DOOR_KINDS, steps=DOOR)) if unsettled else {},
        held={out.cabinet: out.since for out in ledger.lock_outs(now)},
        decisions={order.cabinet: order for order in open_ones if order.is_decision},
        not_done=_not_done(ledger.of_wave(wave, ORDER_KINDS)) if unsettled else {},
        chain=chain,
        at_work_on_wave=going_on(chain, ledger.live_runs(now)) if has_more_to_begin else (),
    )
    return status_in(wave, seen, sizes or Sizes())


def runs_of(entries: Sequence[Entry]) -> dict[str, list[Entry]]:
    """By code, those that were planned; what was written before the first planning of one is left out."""
    runs: dict[str, list[Entry]] = {}
    for entry in entries:
        if entry.kind is EntryKind.PLANNED or entry.cabinet in runs:
            runs.setdefault(entry.cabinet, []).append(entry)
    return runs


def last_begun(history: Sequence[Entry]) -> str | None:
    """The step of the last act that was announced."""
    return next((entry.step for entry in reversed(history) if entry.kind is EntryKind.INTENT), None)


def stands_by(of_one: Sequence[Entry]) -> Entry:
    """How a run last took it up or let go of it, also where it was planned anew since; how it was planned where none ever did.

    Or that an answer was taken back since a run last took it up: what that run then said of it is no more known.
    """
    taken_up = next((place for place, entry in enumerate(reversed(of_one), 1) if entry.kind is EntryKind.BEGAN), 0)
    last = {entry.kind: entry for entry in of_one[-taken_up:] if entry.kind is not EntryKind.RETRACTED or entry.outcome}
    if EntryKind.ENDED not in last and EntryKind.BEGAN in last:
        return last[EntryKind.BEGAN]
    by_word = (EntryKind.RETRACTED, EntryKind.ENDED, EntryKind.PLANNED)
    return next((last[kind] for kind in by_word if kind in last), of_one[-1])


def is_excluded(of_one: Sequence[Entry]) -> bool:
    """As `runs_of` has it: it was planned as one that is not to be moved, and nothing was done to it since."""
    planned = [entry for entry in of_one if entry.kind is EntryKind.PLANNED][-1]
    return bool(planned.evidence.get("excluded")) and planned.seq >= of_one[-1].seq


def status_in(wave: str, seen: Seen, sizes: Sizes) -> WaveStatus:
    """The same, of what was read. Raises DoesNotAddUp."""
    usual = _usual(seen.runs, sizes)
    cabinets = tuple(_cabinet(code, seen, sizes, usual) for code in sorted(seen.runs))
    return WaveStatus(wave=wave, planned=len(seen.runs), cabinets=cabinets, halts=why_it_halts(seen.chain, wave))


def locked_out_in_words(status: WaveStatus, named: int = 10) -> tuple[str, ...]:
    """The first thing to be read, and what lets users in; nothing where nobody is kept out."""
    out = status.locked_out
    if not out:
        return ()
    assert out[0].locked_out_since is not None
    codes = ", ".join(cabinet.code for cabinet in out[:named]) + (
        f" and {len(out) - named} more" if out[named:] else ""
    )
    since = f"{out[0].locked_out_since.astimezone(UTC):%Y-%m-%d %H:%M} UTC"
    headline = f"USERS LOCKED OUT since {since} ({len(out)} cabinet{'s' if len(out) > 1 else ''}: {codes})"
    if all(cabinet.lifecycle is Lifecycle.RUNNING for cabinet in out):
        return (headline, "A run is at work on them and lets them in.")
    lets_in = (
        f"Let in by: bascule rerun --wave {shlex.quote(status.wave)}, which goes on; or bascule reap, which only looks"
    )
    return (headline, f"{lets_in}; by hand: bascule unlock CODE --because TEXT --by NAME")


def known_wave(ledger: Ledger, wave: str) -> None:
    """Raises NoSuchWave, with the one that was perhaps meant."""
    if wave not in ledger.waves():
        raise no_such_wave(ledger, wave)


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


def _cabinet(code: str, seen: Seen, sizes: Sizes, usual: Mapping[str, float]) -> CabinetStatus:
    runs = [entry for entry in seen.runs[code] if entry.kind is not EntryKind.PLANNED]
    planned = [entry for entry in seen.runs[code] if entry.kind is EntryKind.PLANNED][-1]
    began = [entry for entry in runs if entry.kind is EntryKind.BEGAN]
    last = stands_by(seen.runs[code])
    lifecycle, outcome = last.lifecycle or Lifecycle.PLANNED, last.outcome or Outcome.NONE
    reason = last.reason
    step = last.step
    if last.kind is EntryKind.BEGAN:
        step = seen.begun.get(code)
    elif last.kind is EntryKind.RETRACTED:
        step = next(iter(steps_written_by(last.evidence["verbs"])), None)
    if last.kind is EntryKind.BEGAN and code not in seen.at_work:
        lifecycle, reason = Lifecycle.PAUSED, "its run ended without a word: killed, or the machine went down"
    if is_excluded(seen.runs[code]):
        lifecycle, outcome, reason = Lifecycle.ENDED, Outcome.EXCLUDED, planned.reason
    nothing_to_do = outcome in (Outcome.OK, Outcome.EXCLUDED)
    in_general = NEXT_ACTION.get(outcome) or NEXT_ACTION.get(lifecycle) or ""
    if lifecycle is Lifecycle.PLANNED and seen.at_work_on_wave:
        in_general = "wait: the wave is running, and begins it in its turn"
    next_action = last.evidence.get("remedy") or in_general.format(wave=shlex.quote(planned.wave)) or None
    cabinet = CabinetStatus(
        code=code,
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
        since=last.at,
        slow=None,
        locked_out_since=None if outcome in DONE else _locked_out_since(code, seen),
        last_not_done=None if outcome in DONE else seen.not_done.get(code),
    )
    if lifecycle is Lifecycle.RUNNING:
        size = sizes.of(seen.dossiers.get(code))
        return replace(cabinet, slow=_slow((seen.now - last.at).total_seconds(), size, usual))
    cabinet = _to_decide(cabinet, seen)
    cabinet = _waiting_for(cabinet, seen, has_news=seen.last_words.get(code, 0) > last.seq)
    return _at_the_door(cabinet, last, seen.door.get(code, ()))


def is_unsettled(last: Entry) -> bool:
    """Taken up, and not known to have ended well."""
    return last.outcome not in DONE


def _locked_out_since(code: str, seen: Seen) -> datetime | None:
    """As the ledger holds it; where a person locked out, since that was proven."""
    since = last = None
    taken_back = [entry for entry in seen.runs[code] if entry.kind is EntryKind.RETRACTED and entry.verb == REOPEN]
    for entry in sorted((*seen.door.get(code, ()), *taken_back), key=lambda entry: entry.seq):
        if entry.kind is EntryKind.RETRACTED:
            # Who said that users were back does not say so any more.
            since = since or last or entry.at
        elif entry.kind is EntryKind.PROOF:
            since = (since or entry.at) if entry.step == LOCK_OUT else None
            last = since or last
    return seen.held.get(code, since)


def _at_the_door(cabinet: CabinetStatus, last: Entry, door: Sequence[Entry]) -> CabinetStatus:
    """What lets users in that are out; or that they were let in since the run that left them."""
    if cabinet.lifecycle is Lifecycle.WAITING:
        return cabinet
    if cabinet.locked_out_since is not None:
        if STILL_RUNNING in (cabinet.error_signature or ""):
            return cabinet
        by_hand = f"bascule unlock {cabinet.code} --because TEXT --by NAME"
        return replace(cabinet, next_action=f"users are locked out: run again, or {by_hand}")
    since = [entry for entry in door if entry.seq > last.seq and entry.step == REOPEN]
    back = next((entry for entry in since if entry.kind is EntryKind.PROOF), None)
    if back is None:
        return cabinet
    unlocked = next((entry for entry in since if entry.evidence.get("unlock")), None)
    by = f" by {unlocked.who}: {unlocked.reason}" if unlocked is not None else ""
    return replace(
        cabinet,
        reason=f"users were let in at {back.at.astimezone(UTC):%Y-%m-%d %H:%M} UTC{by}",
        next_action="run again: it carries on",
    )


def _waiting_for(cabinet: CabinetStatus, seen: Seen, *, has_news: bool) -> CabinetStatus:
    """What has become of what a cabinet waits for, since the run that let go of it."""
    if cabinet.lifecycle is not Lifecycle.WAITING:
        return cabinet
    order = seen.orders.get(cabinet.code)
    if order is not None:
        verb = "approve" if order.state is OrderState.TO_APPROVE else "inbox --order"
        return replace(cabinet, reason=in_words(order, seen.now), next_action=f"bascule {verb} {order.id}")
    if has_news:
        return replace(cabinet, reason="its work order was answered", next_action="run again: it carries on")
    return cabinet


def _to_decide(cabinet: CabinetStatus, seen: Seen) -> CabinetStatus:
    order = seen.decisions.get(cabinet.code)
    if order is None or cabinet.lifecycle is not Lifecycle.ENDED:
        return cabinet
    reason = "; ".join(filter(None, (cabinet.reason, in_words(order, seen.now))))
    return replace(cabinet, reason=reason, next_action=f"bascule approve {order.id}, or bascule withdraw {order.id}")


def _by_code(entries: Sequence[Entry]) -> dict[str, list[Entry]]:
    found: defaultdict[str, list[Entry]] = defaultdict(list)
    for entry in entries:
        found[entry.cabinet].append(entry)
    return found


def _not_done(entries: Sequence[Entry]) -> dict[str, LastNotDone]:
    """`entries`: of ORDER_KINDS."""
    told = {code: last_not_done(list(orders_of(of_one).values())) for code, of_one in _by_code(entries).items()}
    return {code: one for code, one in told.items() if one is not None}


def _usual(runs: Mapping[str, Sequence[Entry]], sizes: Sizes) -> dict[str, float]:
    """By size: seconds within which 95 in 100 of the cabinets ended that needed one run."""
    took: defaultdict[str, list[float]] = defaultdict(list)
    for of_one in runs.values():
        attempts = [entry for entry in of_one if entry.kind is not EntryKind.PLANNED]
        if [entry.kind for entry in attempts] != [EntryKind.BEGAN, EntryKind.ENDED]:
            continue
        size = sizes.of(attempts[-1].evidence.get("dossiers"))
        if size is not None and attempts[-1].outcome in ARRIVED:
            took[size].append((attempts[-1].at - attempts[0].at).total_seconds())
    return {size: quantiles(some, n=20, method="inclusive")[-1] for size, some in took.items() if len(some) >= ENOUGH}


def _slow(seconds: float, size: str | None, usual: Mapping[str, float]) -> str | None:
    if size is None or seconds <= usual.get(size, seconds):
        return None
    return f"at work for {seconds / 60:.0f} min; 95 in 100 {size} cabinets take {usual[size] / 60:.0f} at most"


def no_such_wave(ledger: Ledger, wave: str) -> NoSuchWave:
    stored = ledger.inventory()
    if stored is not None and any(row.get("wave") == wave for row in stored.content.get("cabinets", ())):
        run = f"bascule run --inventory FILE --wave {shlex.quote(wave)}"
        return NoSuchWave(f"The wave {wave!r} stands in the stored inventory, and no run of it has begun", remedy=run)
    known = ledger.waves()
    remedy = (
        f"waves in this ledger: {', '.join(known)}"
        if known
        else "this ledger holds no wave yet: bascule run --inventory FILE"
    )
    return NoSuchWave(f"The ledger knows no wave {wave!r}{did_you_mean(wave, known)}", remedy=remedy)


def instant_in_utc(at: datetime) -> str:
    """As all that programs read tells it: ISO 8601, to the second, `Z`."""
    return at.astimezone(UTC).isoformat(timespec="seconds").replace("+00:00", "Z")
