"""The tables behind the reports. A frame in, a frame out, a column a line."""

from __future__ import annotations

from collections.abc import Sequence

import pandas as pd

from bascule.ledger import Entry, EntryKind
from bascule.model import Outcome, State
from bascule.procedure import PROCEDURE
from bascule.reports.status import CabinetStatus, WaveStatus

STEP_KINDS = (EntryKind.INTENT, EntryKind.PROOF, EntryKind.VERDICT)
CABINET_COLUMNS = list(CabinetStatus.__dataclass_fields__)
STEP_COLUMNS = [
    "code",
    "step",
    "state",
    "reason",
    "attempts",
    "started_at",
    "ended_at",
    "error_class",
    "error_signature",
]


def cabinets_frame(status: WaveStatus) -> pd.DataFrame:
    """One row a cabinet; the columns are those of `bascule status --json`."""
    frame = pd.DataFrame([cabinet.as_json() for cabinet in status.cabinets], columns=CABINET_COLUMNS)
    return frame.astype({"attempts": "int64"})


def failed_frame(cabinets: pd.DataFrame) -> pd.DataFrame:
    """All that are not ok: what `bascule rerun --from` reads."""
    return cabinets[~cabinets["outcome"].isin([Outcome.OK.value, Outcome.EXCLUDED.value])]


def steps_frame(status: WaveStatus, entries: Sequence[Entry]) -> pd.DataFrame:
    """One row for every cabinet and step. What no entry speaks of is pending.

    `entries`: those of the wave's cabinets of `STEP_KINDS`, also from other waves, in the order they were written.
    """
    grid = pd.MultiIndex.from_product(
        [[c.code for c in status.cabinets], [s.name for s in PROCEDURE]], names=["code", "step"]
    )
    told = pd.DataFrame(
        [
            (
                e.cabinet,
                e.step,
                e.kind.value,
                e.at,
                e.state and e.state.value,
                e.reason,
                e.run,
                e.attempt,
                e.error_class,
                e.error_signature,
            )
            for e in entries
        ],
        columns=["code", "step", "kind", "at", "state", "reason", "run", "attempt", "error_class", "error_signature"],
    )
    by_step = told.groupby(["code", "step"], sort=False)
    ended = told[told["kind"] != EntryKind.INTENT.value]
    last = ended.groupby(["code", "step"], sort=False).last()
    frame = pd.DataFrame(index=grid)
    frame["state"] = last["state"].reindex(grid).fillna(State.PENDING.value)
    frame["reason"] = last["reason"].reindex(grid)
    frame["attempts"] = ended.groupby(["code", "step"])["at"].count().reindex(grid).fillna(0).astype("int64")
    frame["started_at"] = _instants(by_step["at"].min().reindex(grid))
    frame["ended_at"] = _instants(last["at"].reindex(grid))
    frame["error_class"] = last["error_class"].reindex(grid)
    frame["error_signature"] = last["error_signature"].reindex(grid)
    return frame.reset_index()[STEP_COLUMNS]


def errors_frame(cabinets: pd.DataFrame) -> pd.DataFrame:
    """The same error on several cabinets is one row: signature, cabinets, first_seen, reason, next_action; most frequent first."""
    wrong = cabinets.dropna(subset=["error_signature"])
    grouped = wrong.groupby("error_signature", as_index=False).agg(
        cabinets=("code", "count"),
        codes=("code", lambda codes: ", ".join(codes.head(5)) + (" …" if len(codes) > 5 else "")),
        first_seen=("ended_at", "min"),
        reason=("reason", "first"),
        next_action=("next_action", "first"),
    )
    return grouped.sort_values(["cabinets", "error_signature"], ascending=[False, True])


def durations_frame(steps: pd.DataFrame) -> pd.DataFrame:
    """Seconds from a step's first intent to its proof, as P50 and P90 over the cabinets, in the procedure's order."""
    done = steps[steps["state"] == State.DONE.value]
    took = pd.to_datetime(done["ended_at"], utc=True) - pd.to_datetime(done["started_at"], utc=True)
    seconds = took.dt.total_seconds().groupby(done["step"])
    frame = pd.DataFrame({"p50": seconds.quantile(0.5), "p90": seconds.quantile(0.9), "cabinets": seconds.count()})
    return frame.reindex([step.name for step in PROCEDURE]).dropna(subset=["cabinets"])


def _instants(at: pd.Series) -> pd.Series:
    return pd.to_datetime(at, utc=True).dt.strftime("%Y-%m-%dT%H:%M:%S.%fZ")
