"""The words of the documents: both languages say the same things, and say nothing that no document says."""

from __future__ import annotations

import re
from datetime import UTC, datetime
from pathlib import Path
from string import Formatter
from typing import Any, get_args
from zoneinfo import ZoneInfo

import pandas as pd
import pytest

import bascule.reports
from bascule.checks.consistency import RULES
from bascule.checks.findings import Level
from bascule.checks.reconciliation import LISTED, What
from bascule.engine.overdue import DEADLINE_MISSED
from bascule.engine.walk import LOCKED_OUT_FOR
from bascule.model import ErrorClass, Lifecycle, Outcome, State, System
from bascule.procedure import PROCEDURE
from bascule.reports.account import AT_WORK, ENDED, NO_SIGN, SAID
from bascule.reports.language import LANGUAGES, NoSuchLanguage, language_named
from bascule.reports.times import SPENT
from bascule.waves.governor import Word
from bascule.workorders import Result

REPORTS = Path(bascule.reports.__file__).parent
OF_THE_CODE: dict[str, list[str]] = {
    "outcome": list(Outcome),
    "lifecycle": list(Lifecycle),
    "state": list(State),
    "step": [step.name for step in PROCEDURE],
    "run": [stands.replace(" ", "-") for stands in (ENDED, AT_WORK, NO_SIGN)],
    "level": list(Level),
    "system": list(System),
    "rule": [
        *(rule.id for rule in RULES),
        "REC-01",
        "CON-01",
        "ANS-01",
        "ANS-02",
        "ANS-03",
        DEADLINE_MISSED,
        LOCKED_OUT_FOR,
    ],
    "spent": list(SPENT),
    "what": [what.replace(" ", "-") for what in get_args(What)],
    "listed": list(LISTED),
    "class": list(ErrorClass),
    "size": ["small", "medium", "large"],
    "result": list(Result),
    "about": [*Word, "unlock", "again"],
    "did": [did.replace(" ", "-") for did in SAID.values()],
}
"""Tables that hold a word for each of the code's, which documents ask for by name."""
AT = datetime(2026, 12, 1, 23, 4, 41, tzinfo=UTC)


def places(text: str) -> set[str]:
    return {name for _, name, _, _ in Formatter().parse(text) if name}


def test_both_languages_say_the_same_things() -> None:
    french, english = language_named("fr").words, language_named("en").words
    assert french.keys() == english.keys()
    assert [key for key in french if places(french[key]) != places(english[key])] == []


@pytest.mark.parametrize("code", LANGUAGES)
def test_every_word_of_the_code_has_one_for_people(code: str) -> None:
    words = language_named(code).words
    told = {table: {key.partition(".")[2] for key in words if key.startswith(f"{table}.")} for table in OF_THE_CODE}
    assert told == {table: set(names) for table, names in OF_THE_CODE.items()}


def test_the_english_words_of_a_rule_are_those_of_the_catalogue() -> None:
    english = language_named("en")
    assert {rule.id: english.rule(rule.id) for rule in RULES} == {rule.id: rule.sentence for rule in RULES}


def test_no_word_is_written_for_nobody() -> None:
    sources = "\n".join(
        path.read_text(encoding="utf-8") for path in REPORTS.rglob("*") if path.suffix in {".py", ".j2", ".typ", ".js"}
    )
    names = set(re.findall(r"[\w-]+", sources))

    def is_asked_for(key: str) -> bool:
        """By its whole key, or as a name put behind its table, which stands as `table.{` or as a text of its own."""
        table, _, name = key.rpartition(".")
        whole = re.search(rf"\b{re.escape(key)}\b", sources) is not None
        return whole or (name in names and (f"{table}.{{" in sources or f'"{table}"' in sources))

    keys = {re.sub(r"\.(one|other)$", "", key) for key in language_named("fr").words}
    assert sorted(key for key in keys if key.partition(".")[0] not in OF_THE_CODE and not is_asked_for(key)) == []


ASKED = re.compile(
    r"""\bword\(\s*f?(?P<quote>["'])(?P<key>(?:(?!(?P=quote)).)+)(?P=quote)(?P<rest>[^()]*(?:\([^()]*\)[^()]*)*)\)"""
)
"""A word that is asked for; what is put in by `{}` or `~` stands for any name."""


def asked_for(source: str) -> list[tuple[str, bool]]:
    """As a pattern of keys, and whether a number goes with it."""
    found = []
    for one in ASKED.finditer(source):
        parts = [re.escape(part) for part in re.split(r"\{[^}]*\}", one["key"])]
        open_ended = ".+" if one["rest"].lstrip().startswith(("~", "+")) else ""
        found.append((".+".join(parts) + open_ended, re.search(r"\bcount=", one["rest"]) is not None))
    return found


def test_every_word_that_is_asked_for_is_there_with_a_plural_where_a_number_goes_with_it() -> None:
    words = language_named("fr").words
    bare = {key for key in words if not re.search(r"\.(one|other)$", key)}
    plural = {key.removesuffix(".one") for key in words if f"{key.removesuffix('.one')}.other" in words}
    asked = {
        (path.name, pattern, counted)
        for path in REPORTS.rglob("*")
        if path.suffix in {".py", ".j2", ".js"}
        for pattern, counted in asked_for(path.read_text(encoding="utf-8"))
    }
    lost = {one for one in asked if not any(re.fullmatch(one[1], key) for key in (plural if one[2] else bare))}
    assert lost == set()
    assert {("report.html.j2", r"page\.others", True), ("workbook.py", r"workbook\.more", True)} <= asked


def test_a_language_nobody_speaks_is_refused_with_those_that_are() -> None:
    with pytest.raises(NoSuchLanguage) as refused:
        language_named("de")
    assert refused.value.remedy == "one of: en, fr"


@pytest.mark.parametrize(
    ("seconds", "french", "english"),
    [
        (0, "0 s", "0s"),
        (1.24, "1,2 s", "1.2s"),
        (59.6, "1 min", "1m"),
        (243, "4 min 3 s", "4m 3s"),
        (3_600, "1 h", "1h"),
        (7_500, "2 h 5 min", "2h 5m"),
        (93_600, "1 j 2 h", "1d 2h"),
        (None, "–", "–"),
        (float("nan"), "–", "–"),
    ],
)
def test_durations_are_told_in_their_two_largest_units(seconds: float | None, french: str, english: str) -> None:
    told = [language_named(code).duration(seconds) for code in ("fr", "en")]
    assert [" ".join(one.split()) for one in told] == [french, english]


def test_figures_are_written_as_the_language_writes_them() -> None:
    french, english = language_named("fr"), language_named("en")
    assert (french.number(12_345.67, 1), english.number(12_345.67, 1)) == ("12\u202f345,7", "12,345.7")
    assert (french.percent(0.931), english.percent(0.9314, 1)) == ("93\u202f%", "93.1%")
    assert french.number(float("nan")) == "–"


@pytest.mark.parametrize(
    ("share", "digits", "written"),
    [
        (199 / 200, 0, "99%"),
        (1_999 / 2_000, 1, "99.9%"),
        (9_999 / 10_000, 1, "99.9%"),
        (1 / 10_000, 0, "1%"),
        (1 / 10_000, 1, "0.1%"),
        (0.5, 0, "50%"),
        (0, 0, "0%"),
        (1, 1, "100.0%"),
        (1.2, 0, "120%"),
    ],
)
def test_only_all_is_a_hundred_in_a_hundred_and_only_nothing_is_none(share: float, digits: int, written: str) -> None:
    assert language_named("en").percent(share, digits) == written


def test_an_instant_is_that_of_the_zone_asked_for() -> None:
    french, paris = language_named("fr"), ZoneInfo("Europe/Paris")
    assert french.instant(AT) == "01/12/2026 23:04:41"
    assert french.instant(AT, paris) == "02/12/2026 00:04:41"
    assert (french.date(AT), french.date(AT, paris)) == ("1 décembre 2026", "2 décembre 2026")
    never: Any = pd.NaT
    assert french.instant(never) == "–"


def test_french_is_set_as_a_printer_would() -> None:
    words = language_named("fr").words.values()
    assert [word for word in words if re.search(r" [:;?!»%]|« ", word) or "'" in word] == []
