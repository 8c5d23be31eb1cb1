"""The verb that compares both sides again, at any time after: reconcile."""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum
from typing import TYPE_CHECKING, Annotated, Any

import typer

from bascule.errors import BasculeError
from console.running import Because, Concurrency, Environment, Json
from console.telling import as_text, print_json, say_connectors, say_where

if TYPE_CHECKING:
    import pandas as pd
    from rich.table import Table

    from bascule.ledger import Entry, Ledger
    from bascule.model import Cabinet
    from config.settings import Settings


class NothingToCompare(BasculeError):
    """No cabinet of the selection is synchronised."""


class Result(StrEnum):
    SAME = "same"
    DRIFT = "drift"
    UNKNOWN = "unknown"
    """One side could not be read, or does not tell its dossiers."""
    NOT_COMPARED = "not-compared"
    """It was not looked at: its synchronisation is not proven, say."""


SHOWN = 40
"""Of those that are the same, rows at most; `--json` has them all."""
NAMED = 3
"""Of those of whom the same is to be said, as many are named."""
GRAVEST = (Result.DRIFT, Result.UNKNOWN, Result.NOT_COMPARED)
LAST_TIME = ("at", "missing", "extra", "different", "tolerated", "not_compared")
SINCE = {"better": "better", "worse": "worse", "same": "unchanged"}
COLOURS = {Result.SAME: "green", Result.DRIFT: "red", Result.UNKNOWN: "magenta", Result.NOT_COMPARED: "yellow"}


@dataclass(frozen=True, slots=True, kw_only=True)
class Told:
    """What is told of one cabinet."""

    code: str
    result: Result
    says: str
    next_action: str | None = None
    since_last: str | None = None
    """better, same or worse than the last time; None where nobody compared before, or nothing could be compared now."""
    last: Mapping[str, Any] | None = None
    """When it was compared before, how many things were missing, extra, different and tolerated then, and what was not compared."""
    not_compared: tuple[Mapping[str, str], ...] = ()
    """what, why: of a cabinet that was looked at, the kinds of things of which nothing can be said."""
    drift: Mapping[str, Any] | None = None
    """since when, until when they were the same, and against which proof (at, hash, kind) or verdict of the step."""
    has_reservations: bool = False
    """Some list that could be had was not there."""
    reconciled: Mapping[str, Any] | None = None

    def as_json(self) -> dict[str, Any]:
        return {name: getattr(self, name) for name in self.__dataclass_fields__}


@dataclass(frozen=True, slots=True)
class Chosen:
    """The cabinets to compare, and the others with the reason why not."""

    cabinets: tuple[Cabinet, ...]
    others: Mapping[str, str]


def register(app: typer.Typer) -> None:
    app.command()(reconcile)


def reconcile(
    wave: Annotated[str, typer.Option("--wave", "-w", help="The wave, as the ledger knows it.")],
    cabinet: Annotated[
        list[str] | None, typer.Option("--cabinet", "-c", help="A cabinet's code; may be given several times.")
    ] = None,
    history: Annotated[
        bool, typer.Option("--history", help="Tell how it was each time before; reads no system, writes nothing.")
    ] = False,
    because: Because = "",
    concurrency: Concurrency = None,
    json: Json = False,
    environment: Environment = None,
) -> None:
    """Compare GE and Client Management as they are now, for every cabinet that is synchronised; what differs is drift.

    Changes no outcome; the ledger keeps what was found. Ends 0 where all are the same; 3 where they are as far as they could be
    compared, as no list told the groups, say; 4 where some differ, cannot be read, or tell no dossiers.

    Example: bascule reconcile --wave pilot --because "A week after"
    """
    from config.settings import read_settings
    from config.wiring import open_ledger

    settings = read_settings(environment)
    say_where(settings)
    codes = tuple(cabinet or ())
    with open_ledger(settings, read_only=history) as ledger:
        if history:
            _tell_history(_history(ledger, wave, codes), wave, as_json=json)
            return
        chosen = choose(ledger, wave, codes)
        say_connectors(settings, chosen.cabinets)
        slots = concurrency or settings.concurrency
        entries = asyncio.run(_reconciled(settings, ledger, wave, chosen, because=because.strip(), at_once=slots))
        found = told_of(entries, chosen, _told_before(ledger, entries))
    if json:
        print_json(_as_json(wave, found))
    else:
        from rich.console import Console

        Console().print(as_table(wave, found))
    raise typer.Exit(exit_code_of(found))


# Which cabinets


def choose(ledger: Ledger, wave: str, codes: Sequence[str]) -> Chosen:
    """Raises NoSuchWave, NotChosen, or NothingToCompare."""
    from datetime import UTC, datetime

    from bascule.engine.decisions import PROOF_KINDS
    from bascule.engine.reconciling import is_synchronised
    from bascule.waves.choosing import in_wave
    from flows.preparing import stored_inventory

    wanted = codes_of(ledger, wave, codes)
    rows = {one.code: one for one in in_wave(stored_inventory(ledger, wave).cabinets, wave)}
    histories = ledger.histories(wanted, PROOF_KINDS)
    now = datetime.now(UTC)
    others = {
        code: "its synchronisation is not proven" if code in rows else "the inventory does not name it any more"
        for code in wanted
        if code not in rows or not is_synchronised(histories[code], now)
    }
    if len(others) == len(wanted):
        raise NothingToCompare(
            f"No cabinet of wave {wave!r} can be compared: {'; '.join(sorted(set(others.values())))}",
            remedy=f"see where they stand: bascule status --wave {wave}",
        )
    return Chosen(tuple(rows[code] for code in wanted if code not in others), others)


def codes_of(ledger: Ledger, wave: str, codes: Sequence[str]) -> list[str]:
    """Those named, in whatever case, else all of the wave. Raises NoSuchWave, or NotChosen."""
    from bascule.reports import status_of
    from bascule.waves.choosing import NotChosen, did_you_mean

    codes = [code.strip().upper() for code in codes]
    planned = [cabinet.code for cabinet in status_of(ledger, wave).cabinets]
    stranger = next((code for code in codes if code not in planned), None)
    if stranger is not None:
        raise NotChosen(
            f"Wave {wave!r} has no cabinet {stranger!r}{did_you_mean(stranger, planned)}",
            remedy=f"see which it has: bascule status --wave {wave}",
        )
    return list(dict.fromkeys(codes)) or planned


# What is found


async def _reconciled(
    settings: Settings, ledger: Ledger, wave: str, chosen: Chosen, *, because: str, at_once: int
) -> dict[str, Entry]:
    from bascule.engine.reconciling import reconcile_all
    from bascule.model import System
    from config.wiring import connectors_of, run_on

    for cabinet in chosen.cabinets:
        # What is not configured is refused before anything is read.
        for system in (System.GE, System.S4A):
            connectors_of(settings, cabinet, system)
    async with run_on(settings, ledger, wave=wave) as run:
        return await reconcile_all(run, chosen.cabinets, because=because, at_once=at_once)


def _trend_of(ledger: Ledger, codes: Sequence[str]) -> pd.DataFrame:
    from bascule.reports.drift import TREND_KINDS, trend

    return trend(entry for entries in ledger.histories(codes, TREND_KINDS).values() for entry in entries)


def _told_before(ledger: Ledger, entries: Mapping[str, Entry]) -> dict[str, list[Entry]]:
    """What tells of comparisons up to the one just made: another process may have compared one of them since."""
    from bascule.reports.drift import TREND_KINDS

    histories = ledger.histories(list(entries), TREND_KINDS)
    return {code: [entry for entry in histories[code] if entry.at <= last.at] for code, last in entries.items()}


def told_of(entries: Mapping[str, Entry], chosen: Chosen, histories: Mapping[str, Sequence[Entry]]) -> list[Told]:
    """What needs somebody first; then by code. `histories`: up to the entries, these included."""
    from bascule.reports.drift import trend

    frame = trend(entry for history in histories.values() for entry in history)
    by_code = dict(iter(frame.groupby("code")))
    told = [_told(entry, histories[code], _rows(by_code.get(code, frame.head(0)))) for code, entry in entries.items()]
    told += [Told(code=code, result=Result.NOT_COMPARED, says=why) for code, why in chosen.others.items()]
    gravity = (Result.UNKNOWN, Result.DRIFT, Result.NOT_COMPARED, Result.SAME)
    return sorted(told, key=lambda one: (gravity.index(one.result), not one.has_reservations, one.code))


def _told(entry: Entry, history: Sequence[Entry], rows: Sequence[Mapping[str, Any]]) -> Told:
    """`rows`: each time this cabinet was compared, this time included where it could be."""
    from bascule.checks.reconciliation import Reconciliation

    reconciled = entry.evidence.get("reconciled")
    told = Reconciliation.from_json(reconciled) if reconciled else None
    unsaid = (
        {one.what: one.not_compared for one in told.not_compared} if told else entry.evidence.get("not_compared", {})
    )
    before = rows[:-1] if reconciled else rows
    last = before[-1] if before else None
    return Told(
        code=entry.cabinet,
        result=_result_of(entry),
        says=entry.reason,
        next_action=entry.evidence.get("remedy"),
        since_last=rows[-1]["since_last"] if reconciled else None,
        last={name: last[name] for name in LAST_TIME} if last else None,
        not_compared=tuple({"what": what, "why": why} for what, why in unsaid.items()),
        drift=_drift(history) if _result_of(entry) is Result.DRIFT else None,
        has_reservations=told is not None and told.has_reservations,
        reconciled=reconciled,
    )


def _drift(history: Sequence[Entry]) -> dict[str, Any] | None:
    from bascule.reports.drift import drift

    stands = drift(history)
    assert stands is not None
    step = stands.against
    return {
        "since": stands.since.isoformat(),
        "same_until": stands.same_until.isoformat() if stands.same_until else None,
        "against": {"at": step.at.isoformat(), "hash": step.hash, "kind": step.kind.value} if step else None,
    }


def _result_of(entry: Entry) -> Result:
    from bascule.engine.reconciling import DRIFT, SAME

    if entry.state is SAME:
        return Result.SAME
    return Result.DRIFT if entry.state is DRIFT else Result.UNKNOWN


def _rows(trend: pd.DataFrame) -> list[dict[str, Any]]:
    """As JSON holds it."""
    rows = trend.assign(at=trend["at"].map(lambda at: at.isoformat())).to_dict("records")
    return [{str(name): cell for name, cell in row.items()} for row in rows]


def exit_code_of(found: Sequence[Told]) -> int:
    from console.exit_codes import Exit

    if {Result.DRIFT, Result.UNKNOWN} & {one.result for one in found}:
        return Exit.NOT_OK
    return Exit.RESERVATIONS if any(one.has_reservations for one in found) else Exit.OK


def _as_json(wave: str, found: Sequence[Told]) -> dict[str, Any]:
    counted = Counter(one.result for one in found)
    return {
        "wave": wave,
        "results": {result.value: counted[result] for result in Result if counted[result]},
        "cabinets": [one.as_json() for one in found],
    }


def as_table(wave: str, found: Sequence[Told]) -> Table:
    from rich.table import Table

    counted = Counter(one.result for one in found)
    results = ", ".join(f"{counted[result]} {result}" for result in Result if counted[result])
    table = Table(title=as_text(f"Wave {wave}, as it is now: {results}"), title_justify="left")
    for column in ("cabinet", "both sides", "what", "last time"):
        table.add_column(column, overflow="fold")
    same = [one for one in found if one.result is Result.SAME]
    alike: dict[tuple[str, ...], list[str]] = {}
    for one in sorted(
        (one for one in found if one.result is not Result.SAME), key=lambda one: GRAVEST.index(one.result)
    ):
        # Who drifts is a row, whatever others do.
        alone = one.code if one.result is Result.DRIFT else ""
        alike.setdefault((one.result, _in_words(one), _last_time(one), alone), []).append(one.code)
    for (result, says, last_time, _), codes in alike.items():
        more = f" and {len(codes) - NAMED} more" if len(codes) > NAMED else ""
        table.add_row(
            ", ".join(codes[:NAMED]) + more, as_text(result, COLOURS[Result(result)]), as_text(says), last_time
        )
    for one in same[:SHOWN]:
        table.add_row(one.code, as_text(one.result, COLOURS[one.result]), as_text(_in_words(one)), _last_time(one))
    if len(same) > SHOWN:
        unsaid = _reservations_in_words(same[SHOWN:])
        table.add_row(f"{len(same) - SHOWN} others", as_text(Result.SAME, COLOURS[Result.SAME]), unsaid, "")
    return table


def _in_words(told: Told) -> str:
    next_action = f"Next: {told.next_action}" if told.next_action else ""
    return "\n".join(filter(None, (told.says, _drift_in_words(told), next_action)))


def _last_time(told: Told) -> str:
    """`2026-12-08: 3 missing; since then better`."""
    if told.last is None:
        return ""
    counts = [f"{told.last[kind]} {kind}" for kind in ("missing", "extra", "different") if told.last[kind]]
    unsaid = f"; not compared: {told.last['not_compared']}" if told.last["not_compared"] else ""
    since = f"; since then {SINCE[told.since_last]}" if told.since_last else ""
    return f"{told.last['at'][:10]}: {', '.join(counts) or 'no difference'}{unsaid}{since}"


def _drift_in_words(told: Told) -> str:
    """`Drift since 2026-12-08 09:00 UTC; the same until 2026-12-07 09:00 UTC; against the step's proof of … (1a2b3c4d5e6f)`."""
    if told.drift is None:
        return ""
    against, until = told.drift["against"], told.drift["same_until"]
    same = f"the same until {_minute(until)}" if until else "never found the same"
    held = "no proof: the step reconcile has not compared them"
    if against:
        held = f"the step's {against['kind']} of {_minute(against['at'])} ({against['hash'][:12]})"
    return f"Drift since {_minute(told.drift['since'])}; {same}; against {held}"


def _minute(instant: str) -> str:
    return f"{instant[:16].replace('T', ' ')} UTC"


def _reservations_in_words(same: Sequence[Told]) -> str:
    from bascule.checks.reconciliation import NOT_SHOWN

    some = [one for one in same if one.has_reservations]
    kinds = sorted({one["what"] for told in some for one in told.not_compared if one["why"] != NOT_SHOWN})
    return f"{len(some)} of them not compared whole: {', '.join(kinds)}" if some else ""


# How it was


def _history(ledger: Ledger, wave: str, codes: Sequence[str]) -> pd.DataFrame:
    return _trend_of(ledger, codes_of(ledger, wave, codes))


def _tell_history(trend: pd.DataFrame, wave: str, *, as_json: bool) -> None:
    rows = _rows(trend)
    if as_json:
        print_json(rows)
        return
    from rich.console import Console
    from rich.table import Table

    table = Table(title=as_text(f"Wave {wave}: each time both sides were compared"), title_justify="left")
    # Most waves are compared whole: the column would only be narrow and empty.
    shown = [column for column in trend.columns if column != "not_compared" or trend[column].any()]
    for column in shown:
        table.add_column("when (UTC)" if column == "at" else column.replace("_", " "), overflow="fold")
    for row in rows:
        told = row | {"at": row["at"][:16].replace("T", " ")}
        table.add_row(*("" if told[column] is None else str(told[column]) for column in shown))
    Console().print(table)
