"""report.html: one file that holds a whole wave, asks nothing of any network, and can be sent by mail.

What must be known at once is plain HTML; the grid is drawn by the page's script from the figures that stand in it.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from datetime import datetime
from itertools import groupby
from typing import Any

import pandas as pd
from markupsafe import Markup, escape

from bascule.checks.findings import Level
from bascule.checks.reconciliation import KINDS, LISTED, Listed
from bascule.model import Lifecycle, Outcome, State
from bascule.procedure import PROCEDURE
from bascule.reports.account import Account
from bascule.reports.charts import charts_of
from bascule.reports.frames import UNDER_WAY
from bascule.reports.language import Language, language_named
from bascule.reports.self_contained import asset, in_script, policy, shown, templates
from bascule.reports.sparing import A_LIST, differing, some_of_each
from bascule.reports.status import CabinetStatus, locked_out_in_words, needing_somebody, word_of
from bascule.reports.summary import reconcile_command, rerun_command
from bascule.reports.times import SPENT
from bascule.reports.visible import visible
from bascule.reports.workbook import DIFFERENCES

SHOWN = 200
"""Rows of a table at most: what nobody reads to the end. The workbook and the CSV files hold them all."""
FIRST = 20
"""Of those that need somebody, as many as one sees without asking."""
NAMED = 500
"""Things named of one list at most."""
NAMED_BYTES = 500_000
"""What all differences that are named may take of the page; as much again what was tolerated, and what was expected."""
LONGEST = 600
"""Characters of a text that are shown: what a system said may be longer. The workbook has all of it."""
AT_WORK = "underway"
"""A step that a run is at now. The ledger has no state for it: it is pending, and under way."""
STATES = (*State, AT_WORK)
OF_THE_SCRIPT = ("grid", "outcome", "lifecycle", "state", "step", "spent", "size", "class", "listed")
"""The tables of words that the script asks for."""


def html_page(account: Account, language: str) -> bytes:
    """In UTF-8. The same account and language are the same bytes."""
    said = language_named(language)
    style, script = asset("report.css"), asset("report.js")
    apart = _rows(differing(account.reconciled).merge(account.cabinets[["code", "outcome", "reason"]], on="code"))
    page = (
        templates()
        .get_template("report.html.j2")
        .render(
            account=account,
            totals=account.totals,
            said=said,
            word=said.word,
            style=Markup(style),  # noqa: S704  # our own files
            script=Markup(script),  # noqa: S704
            policy=policy(style, script),
            grid=in_script(grid_of(account, said)),
            charts=charts_of(account, said),
            lets_in=next(iter(locked_out_in_words(account.status)[1:]), ""),
            needing=needing_somebody(account.status),
            word_for=lambda cabinet: _word_for(cabinet, said),
            command=rerun_command(account.status),
            compare_again=reconcile_command(account.wave),
            findings=_gravest_first(account.findings),
            rows=_rows,
            first=FIRST,
            shown=SHOWN,
            listed=LISTED,
            brief=lambda text: _brief(text, said),
            by_kind=_by_kind(account),
            not_the_same=[one for one in apart if not one["live"]],
            drift=[one for one in apart if one["live"]],
            differences=_named(account, KINDS),
            tolerated=_named(account, ("tolerated",)),
            expected=_named(account, ("expected",)),
            all_named_in="report.xlsx" if len(account.differences) <= DIFFERENCES else "report.json",
            chains="\n".join(f"{row.chain} {row.seq} {row.hash}" for row in account.audit.itertuples()),
        )
    )
    return page.encode()


def grid_of(account: Account, language: Language) -> dict[str, Any]:
    """What the script draws: instants in seconds since `since`, texts by their place in `texts`, states in STATES.

    A step of which nothing was ever written is 0; of the others what comes last and is empty is left out.
    """
    texts: dict[str, int] = {}
    steps = list(_steps(account.steps, texts))
    cabinets = account.cabinets.merge(account.more, on="code", how="left")
    apart = differing(account.reconciled)
    cabinets["drift"] = cabinets["code"].isin(apart.loc[apart["live"], "code"]).map({True: 1, False: None})
    cabinets["ended_at"] = cabinets["ended_at"].where(cabinets["lifecycle"] == Lifecycle.ENDED.value)
    for column in ("started_at", "ended_at", "since"):
        cabinets[column] = pd.to_datetime(cabinets[column], utc=True)
    records = [
        {name: kept for name, value in row.items() if (kept := _compact(value, language)) is not None}
        | {"steps": of_one}
        for row, of_one in zip(cabinets.to_dict("records"), steps, strict=True)
    ]
    words = {key: word for key, word in language.words.items() if key.partition(".")[0] in OF_THE_SCRIPT}
    return {
        "language": language.code,
        "states": list(STATES),
        "outcomes": list(Outcome),
        "steps": [step.name for step in PROCEDURE],
        "spent": list(SPENT),
        "kinds": list(KINDS),
        "words": words,
        "texts": [shown(_brief(text, language)) for text in texts],
        "cabinets": records,
    }


def _steps(steps: pd.DataFrame, texts: dict[str, int]) -> Iterator[list[Any]]:
    """The steps of each cabinet in turn."""
    columns = [
        steps["code"],
        steps["state"].where(steps["reason"] != UNDER_WAY, AT_WORK).map(STATES.index),
        steps["attempts"],
        _seconds(steps["started_at"]),
        _seconds(steps["ended_at"]),
        *(_places(steps[name], texts) for name in ("reason", "error_class", "error_signature")),
    ]
    rows = zip(*(column.to_list() for column in columns), strict=True)
    for _, of_one in groupby(rows, key=lambda row: row[0]):
        yield [_short(row[1:]) for row in of_one]


def _seconds(instants: pd.Series[Any]) -> pd.Series[Any]:
    """Since 1970, whole; None where there is none."""
    at = pd.to_datetime(instants, utc=True, format="ISO8601")
    seconds = at.astype("int64") // 10**6 if at.dt.unit == "us" else at.astype("int64") // 10**9
    return seconds.astype("object").where(at.notna(), None)


def _places(told: pd.Series[Any], texts: dict[str, int]) -> pd.Series[Any]:
    places = {text: texts.setdefault(text, len(texts)) for text in told.dropna().unique()}
    return told.map(places).astype("object").where(told.notna(), None)


def _short(step: tuple[Any, ...]) -> Any:
    values = [None if value is None else int(value) for value in step]
    while values and values[-1] is None:
        values.pop()
    return 0 if values == [0, 0] else values


def _compact(value: Any, language: Language) -> Any:
    """None for what is left out."""
    if isinstance(value, str):
        return shown(_brief(value, language))
    if value is None or value is pd.NaT or value != value:  # noqa: PLR0124  # what is not a number is not itself
        return None
    if isinstance(value, datetime):
        return int(value.timestamp())
    return round(value, 1) if isinstance(value, float) else value


def _brief(text: str | None, language: Language) -> str | None:
    return f"{text[:LONGEST]} {language.word('page.cut')}" if text and len(text) > LONGEST else text


def _gravest_first(findings: pd.DataFrame) -> list[dict[str, Any]]:
    levels = {level.value: place for place, level in enumerate(Level)}
    return _rows(findings.sort_values("level", key=lambda told: told.map(levels), kind="stable"))


def _by_kind(account: Account) -> list[dict[str, Any]]:
    """What the last comparison of each cabinet counted, summed over the wave, a row a kind of thing."""
    told = account.reconciled.assign(not_compared=account.reconciled["not_compared"] != "")
    counted = told.groupby("what", sort=False)[["source", "target", *LISTED, "not_compared"]].sum()
    return _rows(counted.reset_index())


def _named(account: Account, kinds: Sequence[Listed]) -> list[dict[str, Any]]:
    """What exactly differs: a row for each cabinet, kind of thing and kind of difference.

    `which`: as many of the first SHOWN rows as NAMED and NAMED_BYTES let be named; `left_out`: of those that the ledger
    names, how many are not; `unlisted`: how many more the ledger counted. `live`: as in `differing`.
    """
    differences = account.differences[account.differences["kind"].isin(kinds)]
    lists = differences.groupby(A_LIST, sort=False)
    some = differences[(lists.ngroup() < SHOWN) & (lists.cumcount() < NAMED)]
    told = some["key"] + (" (" + some["detail"] + ")").where(some["detail"] != "", "")
    takes = told.map(lambda text: len(escape(visible(text)).encode()) + len(", "))
    named = some_of_each(some.assign(told=told), NAMED_BYTES, takes).groupby(A_LIST, sort=False)["told"]
    rows = lists.size().rename("listed").reset_index()
    rows = rows.merge(named.agg(which=", ".join, named="size").reset_index(), how="left", on=A_LIST)
    rows = rows.merge(_counted(account, kinds), how="left", on=A_LIST)
    rows["left_out"] = rows["listed"] - rows["named"].fillna(0).astype("int64")
    rows["unlisted"] = (rows["counted"].fillna(0).astype("int64") - rows["listed"]).clip(lower=0)
    return _rows(rows)


def _counted(account: Account, kinds: Sequence[Listed]) -> pd.DataFrame:
    """A_LIST, live, counted."""
    return account.reconciled.melt(["code", "what", "live"], list(kinds), var_name="kind", value_name="counted")


def _rows(frame: pd.DataFrame) -> list[dict[str, Any]]:
    """Each a row by the names of its columns; None where a cell is empty."""
    records = frame.to_dict("records")
    return [{str(name): None if _is_empty(value) else value for name, value in row.items()} for row in records]


def _is_empty(value: Any) -> bool:
    return value is None or value is pd.NaT or (isinstance(value, float) and value != value)  # noqa: PLR0124


def _word_for(cabinet: CabinetStatus, language: Language) -> str:
    table = "lifecycle" if cabinet.outcome is Outcome.NONE else "outcome"
    return language.word(f"{table}.{word_of(cabinet)}")
