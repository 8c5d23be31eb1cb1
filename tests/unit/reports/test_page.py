"""report.html as bytes: what stands in it, and what nothing in it can do. How it looks and answers: tests/browser."""

from __future__ import annotations

import json
import re
import time
from dataclasses import replace
from datetime import datetime, timedelta
from html.parser import HTMLParser
from typing import Any

import pandas as pd
import pytest

from bascule.checks.reconciliation import Compared, Difference, Reconciliation
from bascule.ledger import EntryKind, Ledger
from bascule.model import Outcome, State
from bascule.procedure import PROCEDURE
from bascule.reports.account import DIFFERENCE_COLUMNS, RECONCILED_COLUMNS, Account, account_of
from bascule.reports.language import LANGUAGES
from bascule.reports.page import STATES, html_page
from tests.browser.waves import HOSTILE, wave
from tests.unit.reports.histories import (
    WHEN,
    History,
    began,
    blocked,
    ended,
    from_the_beginning,
    judged,
    line,
    ok,
    planned,
    proved,
    write,
)

NOW = WHEN + timedelta(days=1)


class Read(HTMLParser):
    """What a browser would make of it, as far as these tests ask."""

    def __init__(self, page: bytes) -> None:
        super().__init__()
        self.tags: list[tuple[str, dict[str, str | None]]] = []
        self.texts: list[str] = []
        self.scripts: list[str] = []
        self._in = ""
        self.feed(page.decode())

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append((tag, dict(attrs)))
        self._in = tag

    def handle_endtag(self, tag: str) -> None:
        self._in = ""

    def handle_data(self, data: str) -> None:
        (self.scripts if self._in in {"script", "style"} else self.texts).append(data)

    @property
    def totals(self) -> dict[str, str]:
        told = [attributes for tag, attributes in self.tags if tag == "data"]
        return {str(one["data-total"]): str(one["value"]) for one in told}

    @property
    def text(self) -> str:
        return " ".join(" ".join(self.texts).split())

    @property
    def figures(self) -> dict[str, Any]:
        told: dict[str, Any] = next(json.loads(script) for script in self.scripts if script.startswith("{"))
        return told


def account(ledger: Ledger, now: datetime = NOW) -> Account:
    return account_of(ledger, "pilot", now=now)


@pytest.mark.parametrize("language", LANGUAGES)
def test_every_total_of_the_account_stands_in_the_page(ledger: Ledger, language: str) -> None:
    wave(ledger, 60)
    told = account(ledger)
    totals = told.totals.as_json()
    outcomes = {f"outcomes.{outcome}": count for outcome, count in totals.pop("outcomes").items()}
    assert Read(html_page(told, language)).totals == {name: str(value) for name, value in (totals | outcomes).items()}


def test_an_open_wave_says_so_and_a_closed_one_does_not(ledger: Ledger) -> None:
    write(ledger, planned("C0001"), planned("C0002"), ok("C0001"))
    assert "The wave is open" in Read(html_page(account(ledger), "en")).text
    write(ledger, ok("C0002"))
    assert "The wave is open" not in Read(html_page(account(ledger), "en")).text


def test_users_who_are_out_and_why_nothing_more_starts_are_the_first_thing_that_is_read(ledger: Ledger) -> None:
    out = [*began("C0001"), *proved("C0001", "lock-out"), *ended("C0001", Outcome.FAILED, step="synchronise")]
    trip = {"governs": "Trip", "rule": "failures", "why": "1 cabinet failed", "common": []}
    begun, note = line("@pilot", EntryKind.RUN_BEGAN), line("@pilot", EntryKind.NOTE, evidence=trip)
    write(ledger, planned("C0001"), planned("C0002"), [begun, note], out)
    told = Read(html_page(account(ledger), "fr")).text
    assert "Les utilisateurs de 1 cabinet sont sans accès depuis le" in told
    assert "The breaker tripped (failures)" in told
    assert "bascule unlock CODE" in told
    write(ledger, proved("C0001", "reopen"), ok("C0002"))
    assert "sont sans accès" not in Read(html_page(account(ledger), "fr")).text


def test_a_wave_that_was_never_run_has_a_page_too(ledger: Ledger) -> None:
    write(ledger, planned("C0001"))
    read = Read(html_page(account(ledger), "en"))
    assert read.totals["outcomes.none"] == "1"
    assert read.figures["cabinets"][0]["steps"] == [0] * len(PROCEDURE)


def test_the_command_takes_up_what_is_not_done_and_is_left_out_where_all_is(ledger: Ledger) -> None:
    write(ledger, planned("C0001"), blocked("C0001"))
    assert "bascule rerun --wave pilot" in Read(html_page(account(ledger), "fr")).text
    write(ledger, ok("C0001"))
    assert "rerun" not in Read(html_page(account(ledger), "fr")).text


def test_who_ran_it_why_and_on_what_plan(ledger: Ledger) -> None:
    wave(ledger, 3)
    text = Read(html_page(account(ledger), "en")).text
    assert "ops , the first wave of December" in text.replace(" ,", " ,")
    assert "4f1d2c4f1d2c" in text


def test_a_run_that_was_killed_is_not_at_work(ledger: Ledger) -> None:
    write(ledger, planned("C0001"), ok("C0001"))
    page = Read(html_page(account(ledger), "en"))
    assert page.text.count("no sign of life: killed, or its machine went down") == 2
    assert "at work" not in page.text


def test_the_grid_knows_each_step_as_the_ledger_does(ledger: Ledger) -> None:
    write(ledger, planned("C0001"), planned("C0002"), ok("C0001"), blocked("C0002"))
    told = Read(html_page(account(ledger), "fr")).figures
    first, second = told["cabinets"]
    state, attempts, *_, reason, error_class, signature = second["steps"][0]
    assert (STATES[state], attempts) == ("failed", 1)
    assert [told["texts"][place] for place in (reason, error_class, signature)] == [
        "the AdminSage lacks rights on some dossier groups: SOCIAL",
        "data",
        "admin-rights: the AdminSage lacks rights",
    ]
    assert [STATES[step[0]] for step in first["steps"][:2]] == ["done", "done"]
    began_at, ended_at = first["steps"][1][2:]
    assert WHEN.timestamp() < began_at <= ended_at
    assert first["steps"][2:] == [0] * (len(PROCEDURE) - 2)


def test_a_long_list_is_folded_then_cut_and_says_where_the_rest_is(ledger: Ledger) -> None:
    codes = [f"C{number:04}" for number in range(230)]
    write(ledger, *map(planned, codes), *map(blocked, codes))
    text = Read(html_page(account(ledger), "en")).text
    assert "210 more" in text
    assert "… and 30 more, in failed.csv." in text


def partial(code: str, *compared: Compared) -> History:
    told = {"reconciled": Reconciliation(compared).as_json()}
    return [
        *began(code),
        *judged(code, "reconcile", State.FAILED, "not the same", evidence=told),
        *ended(code, Outcome.PARTIAL, step="reconcile", reason="not the same"),
    ]


def again(code: str, *compared: Compared) -> History:
    """Both sides compared once more, after the move."""
    told = {"reconciled": Reconciliation(compared).as_json(), "because": "a week after"}
    return [
        line(code, EntryKind.RECONCILED, step="reconcile", state=State.FAILED, reason="not the same", evidence=told)
    ]


def missing(count: int, **more: Any) -> Compared:
    lost = tuple(Difference(key=f"D{number:04}", group="SOCIAL") for number in range(count))
    return Compared(what="dossier", source=count, target=0, missing=lost, **more)


def reconciliation(page: bytes) -> str:
    """What that section says."""
    section = page.decode().partition('<section id="reconciliation">')[2].partition("</section>")[0]
    return Read(section.encode()).text


@pytest.mark.parametrize("language", LANGUAGES)
def test_a_long_list_of_differences_is_cut_and_says_where_the_rest_is(ledger: Ledger, language: str) -> None:
    write(ledger, planned("C0001"), partial("C0001", missing(600, more={"missing": 40})))
    told = reconciliation(html_page(account(ledger), language))
    assert "D0499" in told
    assert "D0500" not in told
    rest = {
        "fr": "… et 100 de plus, dans report.xlsx … et 40 que le registre a comptés sans les nommer",
        "en": "… and 100 more, in report.xlsx … and 40 that the ledger has counted but not named",
    }
    assert rest[language] in told


def test_of_more_differences_than_the_page_can_name_some_of_every_cabinet_are_named(
    ledger: Ledger, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("bascule.reports.page.NAMED_BYTES", 5 * len("D0000, "))
    write(ledger, planned("C0001"), planned("C0002"), partial("C0001", missing(9)), partial("C0002", missing(2)))
    told = reconciliation(html_page(account(ledger), "en"))
    assert "D0000, D0001, D0002 … and 6 more, in report.xlsx" in told
    assert told.count("D0001") == 2
    monkeypatch.setattr("bascule.reports.page.DIFFERENCES", 10)
    assert "… and 6 more, in report.json" in reconciliation(html_page(account(ledger), "en"))


def test_what_differs_since_the_move_is_drift_and_says_when_it_was_found(ledger: Ledger) -> None:
    drifted = again("C0002", missing(2))
    write(ledger, planned("C0001"), planned("C0002"), partial("C0001", missing(1)), ok("C0002"), drifted)
    told = reconciliation(html_page(account(ledger), "en"))
    which, _, drift = told.partition("Drift: differences since the move")
    assert "C0001 1 0 0 not the same" in which
    assert "C0002" not in which
    assert f"C0002 ok 2 0 0 {drifted[0].at:%d/%m/%Y %H:%M:%S} UTC" in drift
    assert "C0002 dossiers missing drift D0000, D0001" in drift
    assert "Dérive" in reconciliation(html_page(account(ledger), "fr"))
    first, second = Read(html_page(account(ledger), "en")).figures["cabinets"]
    assert "drift" not in first
    assert second["drift"] == 1


def test_a_wave_that_was_not_compared_again_tells_of_no_drift(ledger: Ledger) -> None:
    write(ledger, planned("C0001"), partial("C0001", missing(1)))
    assert "rift" not in reconciliation(html_page(account(ledger), "en"))


def test_nothing_is_called_the_same_where_something_was_not_compared(ledger: Ledger) -> None:
    same = "Source and target are the same"
    write(ledger, planned("C0001"), partial("C0001", Compared(what="right", source=1, target=1)))
    assert same in reconciliation(html_page(account(ledger), "en"))
    write(ledger, partial("C0001", Compared(what="right", source=1, target=0, not_compared="no list tells them")))
    assert same not in reconciliation(html_page(account(ledger), "en"))


def test_texts_that_were_allowed_to_differ_are_named(ledger: Ledger) -> None:
    write(ledger, planned("C0001"), ok("C0001"))
    row = ("C0001", "dossier", "tolerated", "D0007", "SOCIAL", "name: Café -> CAFE")
    told = replace(account(ledger), differences=pd.DataFrame([row], columns=DIFFERENCE_COLUMNS))
    compared = [("C0001", WHEN, False, "dossier", 9, 9, 0, 0, 0, 1, 0, "")]
    told = replace(told, reconciled=pd.DataFrame(compared, columns=RECONCILED_COLUMNS))
    said = reconciliation(html_page(told, "en"))
    assert "Source and target are the same" in said
    assert "Texts that differ, and were allowed to" in said
    assert "C0001 dossiers tolerated D0007 (name: Café -> CAFE)" in said


def test_a_text_without_an_end_is_cut_and_says_where_all_of_it_is(ledger: Ledger) -> None:
    reason = "S4A refused: " + "<&>" * 5_000
    note = {"rule": "DOS-04", "level": "note", "about": [f"D{number:04}" for number in range(4_000)]}
    found = line("C0001", EntryKind.FINDING, step="consistency", reason="closed dossiers", evidence=note)
    over = ended("C0001", Outcome.FAILED, step="sign-up", reason=reason, error_signature="sign-up: refused")
    write(ledger, planned("C0001"), began("C0001"), [found], judged("C0001", "sign-up", State.FAILED, reason), over)
    page = html_page(account(ledger), "en")
    assert "… (whole in report.xlsx)" in Read(page).text
    assert "D3999" not in page.decode()
    assert len(page) < 200_000


def test_nothing_in_it_is_fetched_and_nothing_else_may_run(ledger: Ledger) -> None:
    wave(ledger, 30)
    page = html_page(account(ledger), "fr")
    read = Read(page)
    policy = next(attributes["content"] for _, attributes in read.tags if attributes.get("http-equiv"))
    assert policy is not None
    assert policy.startswith("default-src 'none'; style-src 'sha256-")
    assert "unsafe" not in policy
    asking = {"src", "srcset", "data", "action", "background", "poster", "style", "ping"}
    assert [(tag, attributes) for tag, attributes in read.tags if asking & attributes.keys()] == []
    assert {tag for tag, _ in read.tags} & {"link", "img", "iframe", "object", "embed", "base", "form"} == set()
    links = [str(attributes["href"]) for _, attributes in read.tags if "href" in attributes]
    assert [link for link in links if not link.startswith("#")] == []
    assert [name for _, attributes in read.tags for name in attributes if name.startswith("on")] == []
    assert re.findall(r"https?://|url\((?!#)|@import", page.decode()) == []


def test_a_hostile_name_is_a_name(ledger: Ledger) -> None:
    reason = f"S4A refused {HOSTILE}\u2066\x1b[31m"
    over = ended("C0001", Outcome.FAILED, step="sign-up", reason=reason, remedy=HOSTILE, error_signature=HOSTILE)
    write(ledger, planned("C0001", evidence={"name": HOSTILE, "owner": HOSTILE, "site": HOSTILE}), began("C0001"), over)
    page = html_page(account(ledger), "fr")
    read = Read(page)
    seen = HOSTILE.replace("\u202e", "⟨202E⟩").replace("\x07", "⟨0007⟩")
    assert read.figures["cabinets"][0]["name"] == seen
    assert seen in read.text
    assert len([tag for tag, _ in read.tags if tag == "script"]) == 2
    assert not set(page.decode()) & set("\u202e\u2066\x07\x1b\x00")


def test_a_hostile_wave_is_a_wave_too(ledger: Ledger) -> None:
    name = '</title><script>alert(1)</script>"; rm -rf ~'
    write(ledger, planned("C0001"), blocked("C0001"), wave=name)
    read = Read(html_page(account_of(ledger, name, now=NOW), "fr"))
    assert len([tag for tag, _ in read.tags if tag == "script"]) == 2
    assert f"bascule rerun --wave '{name}'" in " ".join(read.texts)


def test_the_same_account_is_the_same_page(ledger: Ledger) -> None:
    wave(ledger, 30)
    told = account(ledger)
    assert html_page(told, "fr") == html_page(told, "fr")


def test_a_chart_with_nothing_to_show_is_left_out(ledger: Ledger) -> None:
    write(ledger, planned("C0001"))
    told = html_page(account(ledger, WHEN + timedelta(days=365)), "en").decode()
    assert re.findall(r'<figure id="chart-([\w-]+)"', told) == ["outcomes", "spent"]


def test_the_figures_of_a_chart_are_those_of_the_account(ledger: Ledger) -> None:
    wave(ledger, 30, "april", WHEN - timedelta(days=20))
    wave(ledger, 60)
    told = account(ledger)
    page = html_page(told, "en").decode()
    charts = dict(re.findall(r'<figure id="chart-([\w-]+)".*?<tbody>(.*?)</tbody>', page, flags=re.DOTALL))
    rows = {name: [re.sub("<[^>]+>", "|", row) for row in table.split("</tr>")[:-1]] for name, table in charts.items()}
    assert len(rows["durations"]) == len(told.durations)
    assert sum(int(row.strip("|").split("|")[-1]) for row in rows["outcomes"]) == 60
    assert sum(int(row.strip("|").split("|")[-1]) for row in rows["lock-outs"]) == int(
        (told.more["locked_out"] > 0).sum()
    )
    assert [row.strip("|").split("|")[0] for row in rows["earlier"]] == ["april", "pilot"]
    assert rows["arrivals"][-1].rstrip("|").split("|")[-1] == str(
        sum(told.totals.outcomes[one] for one in (Outcome.OK, Outcome.OK_WITH_RESERVATIONS))
    )


def drawn_on(told: Account, name: str) -> str:
    """The SVG of one chart."""
    chart = re.search(rf'<figure id="chart-{name}">.*?</svg>', html_page(told, "en").decode(), re.DOTALL)
    assert chart is not None
    return chart[0]


@pytest.mark.parametrize("seconds", [0, 0.4, 3, 43, 200, 1_500, 3 * 3_600, 30 * 3_600, 12 * 86_400, 400 * 86_400])
def test_arrivals_are_told_by_the_clock_however_short_or_long_the_wave(ledger: Ledger, seconds: float) -> None:
    from_the_beginning()
    first, last = (ended(code, Outcome.OK) for code in ("C0001", "C0002"))
    last = [replace(last[0], at=first[0].at + timedelta(seconds=seconds))]
    write(ledger, planned("C0001"), planned("C0002"), began("C0001"), began("C0002"), first, last)
    drawn = drawn_on(account(ledger, WHEN + timedelta(days=500)), "arrivals")
    ticks = re.findall(r">(?:\d\d:\d\d(?::\d\d)?|\d\d/\d\d)</text>", drawn)
    assert (1 if seconds < 1 else 2) <= len(ticks) <= 8
    assert len(set(ticks)) == len(ticks)
    assert f"{WHEN:%B %Y}" in drawn
    assert "(UTC)" in drawn


def test_two_lines_that_are_the_same_are_both_seen(ledger: Ledger) -> None:
    for number in range(3):
        write(ledger, planned(f"C{number}"), ok(f"C{number}"), wave=f"w{number}", run=f"R{number}")
    for chart in ("earlier", "arrivals"):
        drawn = drawn_on(account_of(ledger, "w2", now=NOW), chart)
        lines = re.findall(r'<path [^>]*class="l-(?:main|other)"[^>]*stroke-width="2"[^>]*>', drawn)
        # What is drawn later lies above: dashes on a line.
        assert ["stroke-dasharray" in one for one in lines][:2] == [False, True], chart


def waves_beside(ledger: Ledger, name: str) -> list[list[str]]:
    """The rows of the chart that holds waves against each other, read back from its figures; none where it is left out."""
    page = html_page(account_of(ledger, name, now=NOW), "en").decode()
    figure = re.search(r'<figure id="chart-earlier">.*?</figure>', page, re.DOTALL)
    body = figure[0].partition("<tbody>")[2] if figure is not None else ""
    return [re.sub(r"<[^>]+>", "|", row).strip("|").replace("||||", "|").split("|") for row in body.split("</tr>")[:-1]]


def test_a_wave_is_held_against_those_before_it_and_never_against_later_ones(ledger: Ledger) -> None:
    for number in range(10):
        moved, closed = f"C{number}1", planned(f"C{number}2", evidence={"excluded": True})
        write(ledger, planned(moved), ok(moved), closed, wave=f"w{number}", run=f"R{number}")
    assert [row[0] for row in waves_beside(ledger, "w3")] == ["w0", "w1", "w2", "w3"]
    assert [row[0] for row in waves_beside(ledger, "w9")] == [f"w{number}" for number in range(10)]
    assert waves_beside(ledger, "w0") == []
    drawn = re.search(
        r'<figure id="chart-earlier">.*?</svg>', html_page(account_of(ledger, "w9", now=NOW), "en").decode(), re.DOTALL
    )
    assert drawn is not None
    assert re.findall(r">(w\d)</text>", drawn[0]) == [f"w{number}" for number in range(2, 10)]


def test_who_is_excluded_is_planned_and_is_not_among_those_to_be_moved(ledger: Ledger) -> None:
    write(ledger, planned("C0001"), ok("C0001"), wave="april")
    write(ledger, planned("C0002"), ok("C0002"), planned("C0003", evidence={"excluded": True}))
    page = Read(html_page(account(ledger), "en"))
    assert page.totals["planned"] == "2"
    assert [row[:2] for row in waves_beside(ledger, "pilot")] == [["april", "1"], ["pilot", "1"]]
    assert "to be moved (excluded not counted)" in page.text


def test_a_thousand_cabinets_with_much_to_name_are_a_page_of_less_than_five_megabytes(ledger: Ledger) -> None:
    wave(ledger, 1_000)
    told = account(ledger)
    codes = told.cabinets["code"].to_list()[:400]
    changed = [
        (
            code,
            "dossier",
            kind,
            f"D{number:06}",
            "SOCIAL",
            f"name: L’Œuvre \u202e<b>& Fils {number} -> L'OEUVRE {number}",
        )
        for code in codes
        for kind in ("different", "tolerated")
        for number in range(500)
    ]
    compared = [(code, WHEN, False, "dossier", 500, 500, 0, 0, 500, 500, 0, "") for code in codes]
    told = replace(
        told,
        differences=pd.DataFrame(changed, columns=DIFFERENCE_COLUMNS),
        reconciled=pd.DataFrame(compared, columns=RECONCILED_COLUMNS),
    )
    began_at = time.perf_counter()
    page = html_page(told, "fr")
    took = time.perf_counter() - began_at
    assert len(page) < 5_000_000, f"{len(page) / 1e6:.1f} MB"
    assert took < 10, f"{took:.1f} s"
