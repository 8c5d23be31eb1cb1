"""report.html: one file that holds a whole wave, asks nothing of any network, and can be sent by mail.

What must be known at once is plain HTML; the grid is drawn by the page's script from the figures that stand in it.
"""

from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime
from itertools import groupby
from typing import Any

import pandas as pd
from markupsafe import Markup

from bascule.checks.findings import Level
from bascule.checks.reconciliation import KINDS, LISTED
from bascule.model import Outcome, State
from bascule.procedure import PROCEDURE
from bascule.reports.account import Account
from bascule.reports.charts import charts_of
from bascule.reports.frames import UNDER_WAY
from bascule.reports.language import Language, language_named
from bascule.reports.self_contained import asset, in_script, policy, shown, templates
from bascule.reports.status import CabinetStatus, locked_out_in_words, needing_somebody, word_of
from bascule.reports.summary import rerun_command
from bascule.reports.times import SPENT

SHOWN = 200
"""Rows of a table at most: what nobody reads to the end. The workbook and the CSV files hold them all."""
FIRST = 20
"""Of those that need somebody, as many as one sees without asking."""
NAMED = 500
"""Things named of one list at most."""
AT_WORK = "underway"
"""A step that a run is at now. The ledger has no state for it: it is pending, and under way."""
STATES = (*State, AT_WORK)
OF_THE_SCRIPT = ("grid", "outcome", "lifecycle", "state", "step", "spent", "size", "class", "listed")
"""The tables of words that the script asks for."""


def html_page(account: Account, language: str) -> bytes:
    """In UTF-8. The same account and language are the same bytes."""
    said = language_named(language)
    style, script = asset("report.css"), asset("report.js")
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
            findings=_gravest_first(account.findings),
            rows=_rows,
            first=FIRST,
            shown=SHOWN,
            listed=LISTED,
            by_kind=_by_kind(account),
            not_the_same=_not_the_same(account),
            differences=_named(account.differences),
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
    for column in ("started_at", "ended_at", "since"):
        cabinets[column] = pd.to_datetime(cabinets[column], utc=True)
    records = [
        {name: kept for name, value in row.items() if (kept := _compact(value)) is not None} | {"steps": of_one}
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
        "texts": [shown(text) for text in texts],
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


def _compact(value: Any) -> Any:
    """None for what is left out."""
    if isinstance(value, str):
        return shown(value)
    if value is None or value is pd.NaT or value != value:  # noqa: PLR0124  # what is not a number is not itself
        return None
    if isinstance(value, datetime):
        return int(value.timestamp())
    return round(value, 1) if isinstance(value, float) else value


def _gravest_first(findings: pd.DataFrame) -> list[dict[str, Any]]:
    levels = {level.value: place for place, level in enumerate(Level)}
    return _rows(findings.sort_values("level", key=lambda told: told.map(levels), kind="stable"))


def _by_kind(account: Account) -> list[dict[str, Any]]:
    """What the last comparison of each cabinet counted, summed over the wave, a row a kind of thing."""
    told = account.reconciled.assign(not_compared=account.reconciled["not_compared"] != "")
    counted = told.groupby("what", sort=False)[["source", "target", *LISTED, "not_compared"]].sum()
    return _rows(counted.reset_index())


def _not_the_same(account: Account) -> list[dict[str, Any]]:
    told = account.reconciled.groupby("code")[list(KINDS)].sum()
    differ = told[told.sum(axis=1) > 0].reset_index()
    reasons = account.cabinets[["code", "reason"]]
    return _rows(differ.merge(reasons, on="code"))


def _named(differences: pd.DataFrame) -> list[dict[str, Any]]:
    """What exactly differs: a row for each cabinet, kind of thing and kind of difference, with NAMED of its keys at most."""
    told = differences["key"] + (" (" + differences["detail"] + ")").where(differences["detail"] != "", "")
    grouped = told.groupby([differences[name] for name in ("code", "what", "kind")], sort=False)
    some = grouped.agg(lambda keys: ", ".join(keys.head(NAMED))).rename("which").reset_index()
    return _rows(some.assign(left_out=(grouped.size() - NAMED).clip(lower=0).to_list()))


def _rows(frame: pd.DataFrame) -> list[dict[str, Any]]:
    """Each a row by the names of its columns; None where a cell is empty."""
    records = frame.to_dict("records")
    return [{str(name): None if _is_empty(value) else value for name, value in row.items()} for row in records]


def _is_empty(value: Any) -> bool:
    return value is None or value is pd.NaT or (isinstance(value, float) and value != value)  # noqa: PLR0124


def _word_for(cabinet: CabinetStatus, language: Language) -> str:
    table = "lifecycle" if cabinet.outcome is Outcome.NONE else "outcome"
    return language.word(f"{table}.{word_of(cabinet)}")
