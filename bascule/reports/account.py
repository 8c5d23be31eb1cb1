"""Everything that is told of a wave, read once. Every page, sheet and file is made of it, so all hold the same figures."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime
from importlib.metadata import version
from typing import Any

import pandas as pd

from bascule.checks.reconciliation import KINDS, LISTED, Reconciliation
from bascule.ledger import SAID_OF_ORDERS, Entry, EntryKind, Ledger, going_on, orders_of, standing_findings
from bascule.model import ARRIVED, Outcome
from bascule.reports.basis import basis_of
from bascule.reports.comparison import comparison
from bascule.reports.frames import (
    cabinets_frame,
    durations_frame,
    errors_frame,
    lock_outs_frame,
    reservations_frame,
    steps_frame,
    told_frame,
    told_rows,
)
from bascule.reports.status import (
    DOOR,
    DOOR_KINDS,
    RUN_KINDS,
    Seen,
    WaveStatus,
    instant_in_utc,
    last_begun,
    no_such_wave,
    runs_of,
    status_in,
)
from bascule.reports.times import SPENT, Times, times_of
from bascule.waves.sizes import Sizes, dossiers_told
from bascule.workorders import LastNotDone, WorkOrder, last_not_done

SAID = {
    EntryKind.ANSWERED: "answered",
    EntryKind.APPROVED: "approved",
    EntryKind.DECLINED: "declined",
    EntryKind.WITHDRAWN: "withdrew",
    EntryKind.RETRACTED: "took back",
    EntryKind.REFUSED: "was refused",
    EntryKind.NOTE: "noted",
    EntryKind.COMMAND: "told the wave",
}
"""What people did, by the kind of entry that tells of it."""

MORE_COLUMNS = ["code", "name", "site", "size", "dossiers", "arrived_at", *SPENT, "locked_out", *KINDS]
FINDING_COLUMNS = "code step rule level about says remedy at run".split()
APPROVAL_COLUMNS = "code at who did about step result because".split()
RECONCILED_COLUMNS = "code at live what source target missing extra different tolerated expected not_compared".split()
PROOF_COLUMNS = "code step at rests_on".split()
DIFFERENCE_COLUMNS = "code what kind key group detail".split()
EXPECTED = 20
"""Expected things of a cabinet that are named: nobody has to see to them, and every cabinet has contacts."""
AUDIT_COLUMNS = ["chain", "seq", "hash"]
RUN_COLUMNS = "run began_at ended_at who because plan bascule inventory environment stands".split()
ENDED, AT_WORK, NO_SIGN = "ended", "at work", "no sign of life"
"""How a run stands: it said that it ended; it is at work; it did not, and is not: killed, or its machine went down."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Totals:
    """The figures that must be the same wherever they are told."""

    planned: int
    grade: Outcome
    outcomes: Mapping[Outcome, int]
    runs: int
    attempts: int
    """How often a run took a cabinet up."""
    steps_done: int
    errors: int
    """Error signatures that some cabinet stands at now."""
    findings: int
    """What the last look of each step found."""
    said: int
    """What people answered, approved, decided."""
    locked_out_seconds: float
    missing: int
    """What the last comparison of each cabinet found to be missing."""

    def as_json(self) -> dict[str, Any]:
        plain: dict[str, Any] = {name: getattr(self, name) for name in self.__dataclass_fields__}
        return plain | {
            "grade": self.grade.value,
            "outcomes": {outcome.value: count for outcome, count in self.outcomes.items()},
        }


@dataclass(frozen=True, slots=True, kw_only=True)
class Account:
    """A wave at one instant. Frames hold plain values: times are zone-aware UTC, durations are seconds."""

    wave: str
    run: str
    """The run it is told of: the last one unless another was asked for; `no-run` where none ever was."""
    at: datetime
    bascule: str
    """The version that tells it."""
    status: WaveStatus
    cabinets: pd.DataFrame
    """A row a cabinet: the fields of `bascule status --json`."""
    more: pd.DataFrame
    """A row a cabinet: MORE_COLUMNS; times in seconds, None where nothing tells."""
    steps: pd.DataFrame
    """A row for each cabinet and step, in the procedure's order: the columns of steps.csv."""
    errors: pd.DataFrame
    """error_signature, error_class, cabinets, codes, first_seen, owners, remedy; the most frequent first."""
    reservations: pd.DataFrame
    findings: pd.DataFrame
    """What the last look of each step found: FINDING_COLUMNS."""
    approvals: pd.DataFrame
    """What people did, in the order of time: APPROVAL_COLUMNS."""
    proofs: pd.DataFrame
    """The last proof of each step of each cabinet, and who says what it observed: PROOF_COLUMNS."""
    reconciled: pd.DataFrame
    """The last comparison of each cabinet, a row a kind of thing: RECONCILED_COLUMNS; `live`: made again after the step."""
    differences: pd.DataFrame
    """Every single thing that it found not to be the same, tolerated and expected ones too, as far as the ledger lists them: DIFFERENCE_COLUMNS."""
    durations: pd.DataFrame
    """Index step; p50, p90, p95 in seconds, cabinets."""
    lock_outs: pd.DataFrame
    """code, minutes, let_in_by: those worth a look, the longest first."""
    audit: pd.DataFrame
    """Where each chain ended: AUDIT_COLUMNS."""
    runs: pd.DataFrame
    """Every run of the wave: RUN_COLUMNS."""
    earlier: pd.DataFrame
    """The ledger's waves in the order of their first run, this one included: what `comparison` makes."""

    @property
    def is_open(self) -> bool:
        """Some cabinet has not ended."""
        return any(outcome is Outcome.NONE for outcome in self.status.outcomes)

    @property
    def totals(self) -> Totals:
        return Totals(
            planned=self.status.planned,
            grade=self.status.grade,
            outcomes=self.status.outcomes,
            runs=len(self.runs),
            attempts=int(self.cabinets["attempts"].sum()),
            steps_done=int((self.steps["state"] == "done").sum()),
            errors=len(self.errors),
            findings=len(self.findings),
            said=len(self.approvals),
            locked_out_seconds=round(float(self.more["locked_out"].sum()), 1),
            missing=int(self.reconciled["missing"].sum()),
        )

    def differences_as_json(self) -> dict[str, list[dict[str, Any]]]:
        """`differences` are those that somebody has to see to; what was tolerated or expected stands in lists of its own."""
        told = self.differences
        rest = {str(kind): records(told[told["kind"] == kind]) for kind in LISTED if kind not in KINDS}
        return {"differences": records(told[told["kind"].isin(KINDS)]), **rest}

    def as_json(self) -> dict[str, Any]:
        """For programs: the totals, then what stands behind them."""
        return {
            "wave": self.wave,
            "run": self.run,
            "at": instant_in_utc(self.at),
            "bascule": self.bascule,
            "open": self.is_open,
            "totals": self.totals.as_json(),
            "cabinets": records(self.cabinets.merge(self.more, on="code")),
            **{
                name: records(getattr(self, name)) for name in ("errors", "findings", "approvals", "reconciled", "runs")
            },
            **self.differences_as_json(),
            "durations": records(self.durations.reset_index()),
            "audit": records(self.audit),
        }


def account_of(
    ledger: Ledger, wave: str, run: str | None = None, *, sizes: Sizes | None = None, now: datetime
) -> Account:
    """Raises NoSuchWave, or DoesNotAddUp."""
    sizes = sizes or Sizes()
    everywhere = ledger.of_kinds([*RUN_KINDS, EntryKind.RUN_BEGAN])
    codes = sorted({entry.cabinet for entry in everywhere if entry.kind is EntryKind.PLANNED and entry.wave == wave})
    if not codes:
        raise no_such_wave(ledger, wave)
    at_work = ledger.at_work(now) & set(codes)
    reading = _Reading(wave=wave, now=now, at_work=at_work, sizes=sizes)
    for code, history in ledger.each_history(codes):
        reading.take(code, history)
    chain = ledger.history(f"@{wave}")
    going = going_on(chain, ledger.live_runs(now))
    runs = _runs(chain, going)
    held = {out.cabinet: out.since for out in ledger.lock_outs(now)}
    status = status_in(
        wave,
        replace(reading.seen(), held=held, chain=chain, at_work_on_wave=going),
        sizes,
    )
    cabinets = cabinets_frame(status)
    told = told_frame(reading.told)
    findings = pd.DataFrame(reading.findings, columns=FINDING_COLUMNS)
    steps = steps_frame(status, told)
    return Account(
        wave=wave,
        run=run or (runs["run"].iloc[-1] if len(runs) else "no-run"),
        at=now,
        bascule=version("bascule"),
        status=status,
        cabinets=cabinets,
        more=pd.DataFrame(reading.more, columns=MORE_COLUMNS),
        steps=steps,
        errors=errors_frame(cabinets, told),
        reservations=reservations_frame(cabinets, findings),
        findings=findings,
        approvals=_said(reading.said, chain),
        proofs=pd.DataFrame(reading.proofs, columns=PROOF_COLUMNS),
        reconciled=pd.DataFrame(reading.reconciled, columns=RECONCILED_COLUMNS),
        differences=pd.DataFrame(reading.differences, columns=DIFFERENCE_COLUMNS),
        durations=durations_frame(told),
        lock_outs=lock_outs_frame(told),
        audit=pd.DataFrame([_head(chain), *reading.heads] if chain else reading.heads, columns=AUDIT_COLUMNS),
        runs=runs,
        earlier=comparison(everywhere),
    )


@dataclass(slots=True, kw_only=True)
class _Reading:
    """What is kept of each cabinet's entries, one cabinet after the other."""

    wave: str
    now: datetime
    at_work: frozenset[str]
    sizes: Sizes
    runs: dict[str, list[Entry]] = field(default_factory=dict)
    orders: dict[str, WorkOrder] = field(default_factory=dict)
    last_words: dict[str, int] = field(default_factory=dict)
    decisions: dict[str, WorkOrder] = field(default_factory=dict)
    not_done: dict[str, LastNotDone] = field(default_factory=dict)
    dossiers: dict[str, int | None] = field(default_factory=dict)
    begun: dict[str, str] = field(default_factory=dict)
    door: dict[str, list[Entry]] = field(default_factory=dict)
    told: list[tuple[object, ...]] = field(default_factory=list)
    more: list[tuple[object, ...]] = field(default_factory=list)
    findings: list[tuple[object, ...]] = field(default_factory=list)
    said: list[tuple[object, ...]] = field(default_factory=list)
    proofs: list[tuple[object, ...]] = field(default_factory=list)
    reconciled: list[tuple[object, ...]] = field(default_factory=list)
    differences: list[tuple[object, ...]] = field(default_factory=list)
    heads: list[tuple[object, ...]] = field(default_factory=list)

    def take(self, code: str, history: Sequence[Entry]) -> None:
        self.runs |= runs_of([entry for entry in history if entry.wave == self.wave and entry.kind in RUN_KINDS])
        orders = list(orders_of(history).values())
        if (told := last_not_done([order for order in orders if order.wave == self.wave])) is not None:
            self.not_done[code] = told
        for order in orders:
            if order.state.needs_somebody:
                (self.decisions if order.is_decision else self.orders)[code] = order
        self.last_words[code] = max((entry.seq for entry in history if entry.kind in SAID_OF_ORDERS), default=0)
        self.dossiers[code] = dossiers_told(history)
        if step := last_begun(history):
            self.begun[code] = step
        self.door[code] = [
            entry for entry in history if entry.wave == self.wave and entry.kind in DOOR_KINDS and entry.step in DOOR
        ]
        self.told += told_rows(e for e in history if e.kind is not EntryKind.FINDING or e.wave == self.wave)
        # What other waves did to this cabinet is theirs to tell; how it stands is told by each that has taken it up.
        ours = [entry for entry in history if entry.wave == self.wave]
        was_taken_up = any(entry.kind in (EntryKind.BEGAN, EntryKind.ENDED) for entry in ours)
        self.findings += [_found(entry) for entry in standing_findings(history if was_taken_up else ())]
        self.said += [_person(entry) for entry in ours if entry.kind in SAID]
        self.proofs += _proofs(history)
        compared = last_comparison(history) if was_taken_up else None
        if compared is not None:
            self.reconciled += _compared(*compared)
            self.differences += _different(code, compared[1])
        self.heads.append(_head(history))
        times = times_of(history, self.wave, self.now, at_work=code in self.at_work)
        self.more.append(self._more(code, times, history, compared[1] if compared is not None else None))

    def _more(
        self, code: str, times: Times, history: Sequence[Entry], compared: Reconciliation | None
    ) -> tuple[object, ...]:
        planned = [entry for entry in self.runs[code] if entry.kind is EntryKind.PLANNED][-1].evidence
        outs = [
            float(entry.evidence.get("locked_out_for", 0))
            for entry in history
            if entry.kind is EntryKind.FINDING and entry.wave == self.wave
        ]
        return (
            code,
            planned.get("name"),
            planned.get("site"),
            self.sizes.of(self.dossiers[code]),
            self.dossiers[code],
            _arrived_at(self.runs[code]),
            *(round(getattr(times, what), 3) for what in SPENT),
            sum(outs),
            *(compared.count(kind) if compared is not None else None for kind in KINDS),
        )

    def seen(self) -> Seen:
        return Seen(
            now=self.now,
            runs=self.runs,
            at_work=self.at_work,
            orders=self.orders,
            last_words=self.last_words,
            decisions=self.decisions,
            not_done=self.not_done,
            dossiers=self.dossiers,
            begun=self.begun,
            door=self.door,
        )


def _proofs(history: Sequence[Entry]) -> Iterator[tuple[object, ...]]:
    orders = tuple(orders_of(history).values())
    last = {entry.step: entry for entry in history if entry.kind is EntryKind.PROOF}
    for proof in last.values():
        yield proof.cabinet, proof.step, proof.at, list(basis_of(proof, orders))


def _arrived_at(of_one: Sequence[Entry]) -> datetime | None:
    """Since when it is where it was to arrive: a later run that finds it there changes nothing. None where it is not there."""
    since = None
    for entry in of_one:
        if entry.kind in (EntryKind.ENDED, EntryKind.RETRACTED):
            since = (since or entry.at) if entry.outcome in ARRIVED else None
    return since


def last_comparison(history: Sequence[Entry]) -> tuple[Entry, Reconciliation] | None:
    """The newest that an entry tells of: the step's own, or of lists that somebody had read later."""
    told = next((entry for entry in reversed(history) if "reconciled" in entry.evidence), None)
    return (told, Reconciliation.from_json(told.evidence["reconciled"])) if told is not None else None


def _compared(entry: Entry, told: Reconciliation) -> Iterator[tuple[object, ...]]:
    live = entry.kind is EntryKind.RECONCILED
    for one in told.compared:
        counts = (one.count(listed) for listed in LISTED)
        yield (entry.cabinet, entry.at, live, one.what, one.source, one.target, *counts, one.not_compared)


def _different(code: str, told: Reconciliation) -> Iterator[tuple[object, ...]]:
    for one in told.compared:
        for kind in LISTED:
            for difference in getattr(one, kind)[: EXPECTED if kind == "expected" else None]:
                detail = str(difference)[len(f"{difference.key} (") : -len(")")]
                yield (code, one.what, kind, difference.key, difference.group, detail)


def _found(entry: Entry) -> tuple[object, ...]:
    told = entry.evidence
    about = told.get("about") or []
    return (
        entry.cabinet,
        entry.step,
        told.get("rule"),
        told.get("level"),
        ", ".join(str(one) for one in about),
        entry.reason,
        told.get("remedy") or "",
        entry.at,
        entry.run,
    )


def _person(entry: Entry) -> tuple[object, ...]:
    told = entry.evidence
    about = entry.operation or (
        "unlock" if told.get("unlock") else "again" if told.get("again") else told.get("word", "")
    )
    code = entry.cabinet.removeprefix("@")
    return (code, entry.at, entry.who, SAID[entry.kind], about, entry.step, told.get("result", ""), entry.reason)


def _said(said: list[tuple[object, ...]], chain: Sequence[Entry]) -> pd.DataFrame:
    rows = [*said, *(_person(entry) for entry in chain if entry.kind in SAID)]
    return pd.DataFrame(rows, columns=APPROVAL_COLUMNS).sort_values("at", kind="stable").reset_index(drop=True)


def _runs(chain: Iterable[Entry], going: Collection[str]) -> pd.DataFrame:
    rows: dict[str, list[object]] = {}
    for entry in chain:
        told = entry.evidence
        if entry.kind is EntryKind.RUN_BEGAN:
            which = [told.get(name) for name in ("plan", "version", "inventory", "environment")]
            stands = AT_WORK if entry.run in going else NO_SIGN
            rows[entry.run] = [entry.run, entry.at, None, entry.who, entry.reason, *which, stands]
        elif entry.kind is EntryKind.RUN_ENDED and entry.run in rows:
            rows[entry.run][2], rows[entry.run][-1] = entry.at, ENDED
    return pd.DataFrame(rows.values(), columns=RUN_COLUMNS)


def _head(history: Sequence[Entry]) -> tuple[object, ...]:
    return (history[-1].cabinet, history[-1].seq, history[-1].hash)


def records(frame: pd.DataFrame) -> list[dict[str, Any]]:
    """As JSON holds them: instants as text, what is missing as null."""
    return [{str(name): _plain(value) for name, value in row.items()} for row in frame.to_dict("records")]


def _plain(value: Any) -> Any:
    if value is None or value is pd.NaT or value != value:  # noqa: PLR0124  # what is not a number is not itself
        return None
    if isinstance(value, datetime):
        return instant_in_utc(value)
    return round(value, 3) if isinstance(value, float) else value
