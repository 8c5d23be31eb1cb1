"""The tables behind the reports. A frame in, a frame out, a column a line.

`told` is the frame that `told_frame` makes of `told_rows`: a row an entry, in the order in which each cabinet's were written.
"""

from __future__ import annotations

from collections.abc import Iterable
from itertools import product

import pandas as pd

from bascule.checks.findings import Level
from bascule.ledger import Entry, EntryKind
from bascule.model import Lifecycle, Outcome, State
from bascule.procedure import PROCEDURE, steps_written_by
from bascule.reports.status import CabinetStatus, WaveStatus

TOLD_KINDS = (
    *(EntryKind.INTENT, EntryKind.PROOF, EntryKind.VERDICT, EntryKind.FINDING, EntryKind.NOTE),
    EntryKind.RETRACTED,
)
"""The kinds of entry that these tables are made of."""
ATTEMPT_ENDS = (EntryKind.PROOF.value, EntryKind.VERDICT.value)
MOVES_A_STEP = (EntryKind.INTENT.value, EntryKind.NOTE.value, EntryKind.RETRACTED.value, *ATTEMPT_ENDS)

CABINET_COLUMNS = list(CabinetStatus.__dataclass_fields__)
STEP_COLUMNS = "code step state reason attempts started_at ended_at error_class error_signature".split()
TOLD_COLUMNS = "code step kind at run state reason error_class error_signature locked_out_for by_later_run".split()

UNDER_WAY = "under way"
CUT_OFF = "an act was announced, and the run was cut off before its end was recorded; the next run reads back what became of it"


def cabinets_frame(status: WaveStatus) -> pd.DataFrame:
    """One row a cabinet; the columns are those of `bascule status --json`."""
    rows = (cabinet.as_json() | {"last_not_done": _in_words(cabinet)} for cabinet in status.cabinets)
    frame = pd.DataFrame(rows, columns=CABINET_COLUMNS)
    return frame.astype({"attempts": "int64"})


def _in_words(cabinet: CabinetStatus) -> str | None:
    return str(cabinet.last_not_done) if cabinet.last_not_done is not None else None


def failed_frame(cabinets: pd.DataFrame) -> pd.DataFrame:
    """All that are not ok: what `bascule rerun --from` reads. Who is excluded is not to be moved, so it is not there."""
    return cabinets[~cabinets["outcome"].isin([Outcome.OK.value, Outcome.EXCLUDED.value])]


def told_rows(entries: Iterable[Entry]) -> list[tuple[object, ...]]:
    """What the ledger tells of steps. `entries`: each cabinet's oldest first; the wave may be another."""
    # Of what people noted, only an order to do a step again changes where it stands.
    return [
        _told(entry, step)
        for entry in entries
        if entry.kind in TOLD_KINDS and (entry.kind is not EntryKind.NOTE or entry.evidence.get("again"))
        for step in _steps(entry)
    ]


def told_frame(rows: Iterable[tuple[object, ...]]) -> pd.DataFrame:
    frame = pd.DataFrame(rows, columns=TOLD_COLUMNS)
    return frame.assign(at=pd.to_datetime(frame["at"], utc=True))


def steps_frame(status: WaveStatus, told: pd.DataFrame) -> pd.DataFrame:
    """One row for every cabinet and step. What no entry speaks of is pending; what was proven in an earlier run is done.

    `attempts` counts the attempts that ended; `started_at` is the first, `ended_at` the end of the last.
    """
    moved = told[told["kind"].isin(MOVES_A_STEP)]
    ended = told[told["kind"].isin(ATTEMPT_ENDS)]
    # Not `groupby().last()`, which looks past what is missing: a proof would take over an earlier verdict's error.
    last = moved.drop_duplicates(["code", "step"], keep="last").set_index(["code", "step"])
    at_work = {cabinet.code for cabinet in status.cabinets if cabinet.lifecycle is Lifecycle.RUNNING}
    open_act = last["kind"] == EntryKind.INTENT.value
    under_way = open_act & last.index.get_level_values("code").isin(at_work)
    cut_off = open_act & ~under_way
    grid = pd.MultiIndex.from_tuples(
        list(product((c.code for c in status.cabinets), (s.name for s in PROCEDURE))), names=["code", "step"]
    )
    frame = pd.DataFrame(index=grid)
    frame["state"] = last["state"].mask(cut_off, State.UNKNOWN.value).reindex(grid).fillna(State.PENDING.value)
    frame["reason"] = last["reason"].mask(under_way, UNDER_WAY).mask(cut_off, CUT_OFF).reindex(grid)
    frame["attempts"] = ended.groupby(["code", "step"]).size().reindex(grid, fill_value=0)
    frame["started_at"] = _instants(moved.groupby(["code", "step"])["at"].min().reindex(grid))
    frame["ended_at"] = _instants(last["at"].where(last["kind"].isin(ATTEMPT_ENDS)).reindex(grid))
    frame["error_class"] = last["error_class"].reindex(grid)
    frame["error_signature"] = last["error_signature"].reindex(grid)
    return frame.reset_index()[STEP_COLUMNS]


def errors_frame(cabinets: pd.DataFrame, told: pd.DataFrame) -> pd.DataFrame:
    """The same error on several cabinets is one row, the most frequent first.

    Columns: error_signature, error_class, cabinets (how many), codes (the first five), first_seen (UTC), owners, remedy
    (of the first cabinet).
    """
    grouped = cabinets.groupby("error_signature")
    frame = pd.DataFrame(
        {
            "error_class": grouped["error_class"].first(),
            "cabinets": grouped["code"].count(),
            "codes": grouped["code"].agg(_first_five),
            "owners": grouped["owner"].agg(_names),
            "remedy": grouped["next_action"].first(),
        }
    )
    frame.insert(3, "first_seen", told.groupby("error_signature")["at"].min().reindex(frame.index))
    return frame.reset_index().sort_values(["cabinets", "error_signature"], ascending=[False, True])


def reservations_frame(cabinets: pd.DataFrame, findings: pd.DataFrame) -> pd.DataFrame:
    """What somebody still has to take care of where a cabinet is ok but for it. `findings`: what each step's last run found.

    Columns: rule, says, remedy, cabinets (how many), codes (the first five).
    """
    reserved = cabinets.loc[cabinets["outcome"] == Outcome.OK_WITH_RESERVATIONS.value, "code"]
    open_ones = findings[(findings["level"] == Level.RESERVATION.value) & findings["code"].isin(reserved)]
    grouped = open_ones.groupby(["rule", "says", "remedy"], dropna=False)["code"]
    return pd.DataFrame({"cabinets": grouped.nunique(), "codes": grouped.agg(_first_five)}).reset_index()


def durations_frame(told: pd.DataFrame) -> pd.DataFrame:
    """Seconds from the first intent to the proof of the same run, for steps that acted, in the procedure's order.

    Index: step. Columns: p50, p90, p95, cabinets (how many it is drawn from).
    """
    key = ["code", "step", "run"]
    began = told[told["kind"] == EntryKind.INTENT.value].groupby(key)["at"].min()
    proven = told[told["kind"] == EntryKind.PROOF.value].drop_duplicates(["code", "step"], keep="last")
    took = (proven.set_index(key)["at"] - began).dropna().dt.total_seconds()
    by_step = took.groupby(level="step")
    shares = {"p50": by_step.quantile(0.5), "p90": by_step.quantile(0.9), "p95": by_step.quantile(0.95)}
    frame = pd.DataFrame({**shares, "cabinets": by_step.count()})
    return frame.reindex([step.name for step in PROCEDURE if step.name in frame.index])


def lock_outs_frame(told: pd.DataFrame) -> pd.DataFrame:
    """Whose users were out longer than nine in ten of the wave's cabinets, or were let in by a later run; the longest first.

    Columns: code, minutes, let_in_by. A cabinet's last lock-out counts.
    """
    out = told[told["locked_out_for"].notna()].drop_duplicates("code", keep="last")
    seconds = out["locked_out_for"].astype("float64")
    by_later_run = out["by_later_run"].astype("bool")
    frame = pd.DataFrame({"code": out["code"], "minutes": (seconds / 60).round(1)})
    frame["let_in_by"] = by_later_run.map({True: "a later run", False: "the run that locked them out"})
    told_of = by_later_run | (seconds > seconds.quantile(0.9))
    return frame[told_of].sort_values(["minutes", "code"], ascending=[False, True])


def _steps(entry: Entry) -> tuple[str, ...]:
    """Those that it speaks of: an answer that was taken back covers several."""
    if entry.kind is EntryKind.RETRACTED:
        return steps_written_by(entry.evidence["verbs"])
    return (entry.step,) if entry.step else ()


def _told(entry: Entry, step: str) -> tuple[object, ...]:
    evidence = entry.evidence
    return (
        entry.cabinet,
        step,
        entry.kind.value,
        entry.at,
        entry.run,
        entry.state.value if entry.state else None,
        entry.reason or None,
        entry.error_class.value if entry.error_class else None,
        entry.error_signature,
        evidence.get("locked_out_for"),
        evidence.get("by_later_run"),
    )


def _first_five(codes: pd.Series) -> str:
    some = codes.drop_duplicates()
    return ", ".join(some.head(5)) + (" …" if len(some) > 5 else "")


def _names(names: pd.Series) -> str:
    return ", ".join(sorted(set(names.dropna())))


def _instants(at: pd.Series) -> pd.Series:
    """ISO 8601 in UTC."""
    text: pd.Series = at.dt.strftime("%Y-%m-%dT%H:%M:%S.%fZ")
    return text
