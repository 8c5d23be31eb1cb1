"""report.html as a person meets it: in a real browser, with no network, light and dark, with a keyboard, and without script."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from dataclasses import replace
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest

from bascule.checks.reconciliation import Change, Compared, Difference, Reconciliation
from bascule.ledger import EntryKind, Ledger
from bascule.model import Outcome
from bascule.reports.account import account_of
from bascule.reports.page import html_page
from bascule.reports.proces_verbal import proces_verbaux
from tests.browser.chromium import Tab, browser, installed
from tests.browser.waves import HOSTILE, wave
from tests.unit.reports.histories import WHEN, began, ended, line, planned, proved, write

CHROMIUM = installed()
pytestmark = [
    pytest.mark.skipif(CHROMIUM is None, reason="no Chromium on this machine (Debian: apt-get install chromium)"),
    pytest.mark.xdist_group("browser"),
]
AXE = Path(__file__).with_name("axe-core") / "axe.min.js"
CABINETS = 410
"""More than two times what the page draws between two frames."""
DRAWN = f"document.querySelectorAll('#cabinets .rows .row').length === {CABINETS}"

TOO_WIDE = "[...document.querySelectorAll('body, section, .scroll, .over, #cabinets, table')].filter((one) => one.scrollWidth > one.clientWidth + 1)"
A4 = 703
"""Pixels between the margins of the paper."""


@pytest.fixture(scope="module")
def reports(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    folder = tmp_path_factory.mktemp("report")
    with Ledger(f"sqlite:///{folder / 'ledger.db'}") as ledger:
        wave(ledger, 30, "april", WHEN - timedelta(days=20))
        wave(ledger, CABINETS)
        account = account_of(ledger, "pilot", now=WHEN + timedelta(days=1))
    for language in ("fr", "en"):
        (folder / f"{language}.html").write_bytes(html_page(account, language))
    return {language: folder / f"{language}.html" for language in ("fr", "en")}


@pytest.fixture(scope="module")
def tab() -> Iterator[Tab]:
    assert CHROMIUM is not None
    with browser(CHROMIUM) as tab:
        yield tab


@pytest.fixture
def page(tab: Tab, reports: dict[str, Path]) -> Tab:
    tab.open(reports["fr"])
    tab.until(DRAWN)
    return tab


def codes(tab: Tab) -> list[str]:
    found: list[str] = tab.value(
        "[...document.querySelectorAll('#cabinets .rows .row')].map((row) => row.dataset.code)"
    )
    return found


def test_it_opens_offline_without_a_complaint_and_asks_for_nothing(page: Tab, reports: dict[str, Path]) -> None:
    assert page.complaints == []
    assert page.asked_for == [reports["fr"].as_uri()]
    assert page.value("document.title") == "Vague pilot – rapport Bascule"


@pytest.mark.parametrize("language", ["fr", "en"])
def test_nothing_needs_a_sideways_scroll_on_an_ordinary_screen(
    tab: Tab, reports: dict[str, Path], language: str
) -> None:
    tab.open(reports[language])
    tab.until(DRAWN)
    assert tab.value(f"{TOO_WIDE}.map((one) => one.id || one.className || one.tagName)") == []
    assert tab.value("document.documentElement.scrollWidth") <= 1280


@pytest.mark.parametrize("language", ["fr", "en"])
def test_an_outcome_is_read_whole_and_a_heading_stands_over_its_step(
    tab: Tab, reports: dict[str, Path], language: str
) -> None:
    tab.open(reports[language])
    tab.until(DRAWN)
    outcomes = "[...document.querySelectorAll('.c-outcome')]"
    assert tab.value(f"{outcomes}.filter((one) => one.scrollWidth > one.clientWidth).length") == 0
    middle = "(one) => one.getBoundingClientRect().x + one.getBoundingClientRect().width / 2"
    headings = tab.value(f"[...document.querySelectorAll('.headings .c-step span')].map({middle})")
    steps = tab.value(f"[...document.querySelectorAll('[data-code=P0000] .c-step')].map({middle})")
    assert steps == pytest.approx(headings, abs=2)


def test_on_a_telephone_a_table_moves_in_its_own_place_and_words_are_not_broken(
    tab: Tab, reports: dict[str, Path]
) -> None:
    tab.open(reports["fr"], width=420)
    tab.until(DRAWN)
    assert tab.value("document.documentElement.scrollWidth") <= 420
    assert tab.value("getComputedStyle(document.querySelector('#needs td:nth-child(4)')).width.slice(0, -2) > 120")
    over = "document.querySelector('#needs .over')"
    assert tab.value(f"{over}.scrollWidth > {over}.clientWidth && {over}.tabIndex === 0")
    needs = "document.querySelector('#needs')"
    assert tab.value(f"{needs}.scrollWidth === {needs}.clientWidth")


def test_every_cabinet_and_every_step_is_drawn_with_a_shape_and_a_word(page: Tab) -> None:
    assert codes(page) == [f"P{number:04}" for number in range(CABINETS)]
    failed = "document.querySelector('[data-code=P0004] .s-failed')"
    assert page.value(f"{failed}.getAttribute('aria-label')") == "Inscription\u00a0: échec"
    assert "✕" in page.value(f"getComputedStyle({failed}, '::before').content")
    assert page.value("document.querySelectorAll('[data-code=P0004] .c-step').length") == 20


def test_the_filter_and_the_address_say_which_rows_are_shown(page: Tab, reports: dict[str, Path]) -> None:
    page.press("/")
    page.write("lacks rights")
    page.until("document.querySelectorAll('#cabinets .rows .row').length < 20")
    assert codes(page) == [f"P{number:04}" for number in range(1, CABINETS, 25)]
    page.value(
        "const outcome = document.querySelector('select[name=outcome]'); outcome.value = 'failed'; outcome.dispatchEvent(new Event('change'))"
    )
    assert codes(page) == []
    assert page.value("document.querySelector('.nothing').checkVisibility()")
    assert page.value("location.hash") == "#q=lacks+rights&outcome=failed"
    page.value("location.hash = '#outcome=partial&sort=code&down=1'")
    page.until("document.querySelector('.row[data-code=P0005]') !== null")
    assert codes(page) == [f"P{number:04}" for number in reversed(range(5, CABINETS, 25))]


def test_an_error_leads_to_its_cabinets(page: Tab) -> None:
    page.value(
        "[...document.querySelectorAll('#errors tr')].find((row) => row.innerText.includes('e-mail is taken')).querySelector('a').click()"
    )
    page.until("document.querySelectorAll('#cabinets .rows .row').length < 20")
    assert codes(page) == [f"P{number:04}" for number in range(4, CABINETS, 25)]


def test_a_heading_sorts_up_then_down_then_not_at_all(page: Tab) -> None:
    heading = "[...document.querySelectorAll('#cabinets [role=columnheader] button')].find((button) => button.innerText === '{}')"
    inscription = heading.format("Inscription")
    page.value(f"{inscription}.click()")
    page.until("document.querySelector('.rows .row').dataset.code === 'P0004'")
    assert page.value("document.querySelectorAll('#cabinets [aria-sort=ascending]').length") == 1
    page.value(f"{inscription}.click()")
    assert page.value("document.querySelector('.rows .row').dataset.code") == "P0000"
    assert page.value(f"{inscription}.parentElement.ariaSort") == "descending"
    page.value(f"{inscription}.click()")
    assert page.value("location.hash") in {"", "#="}
    assert codes(page)[:3] == ["P0000", "P0001", "P0002"]


def test_the_keyboard_alone_finds_what_became_of_a_step(page: Tab, tmp_path: Path) -> None:
    page.value("document.querySelector('.rows [tabindex=\"0\"]').focus()")
    for key in ("ArrowDown", "ArrowDown", *["ArrowRight"] * 8, "Enter"):
        page.press(key)
    page.until("document.getElementById('detail').open")
    told = page.value("document.getElementById('detail').innerText")
    for part in ("P0002", "GE did not answer: the connection was cut", "look at both systems and decide", "passagère"):
        assert part in told
    chosen = page.value("document.querySelector('#detail .chosen').innerText")
    assert "Connexion à l’entité" in chosen
    assert "inconnu" in chosen
    page.picture(tmp_path / "detail.png")
    page.press("Escape")
    page.until("!document.getElementById('detail').open")
    assert page.value("document.activeElement.parentElement.dataset.code") == "P0002"
    assert page.complaints == []


def test_the_headings_stay_in_sight_where_the_last_cabinet_is(page: Tab) -> None:
    page.value(
        f"document.querySelector('[data-code=P{CABINETS - 1:04}]').scrollIntoView({{behavior: 'instant', block: 'end'}})"
    )
    assert page.value("document.querySelector('.headings').getBoundingClientRect().top") == 0


def test_the_last_cabinet_is_reached_before_it_is_drawn(tab: Tab, reports: dict[str, Path]) -> None:
    tab.open(reports["fr"])
    tab.value(f"goTo({CABINETS - 1}, 0)")
    assert tab.value("document.activeElement.parentElement.dataset.code") == f"P{CABINETS - 1:04}"


def test_the_charts_are_there_and_say_their_figures(page: Tab) -> None:
    names = ["outcomes", "spent", "durations", "lock-outs", "arrivals", "earlier"]
    assert page.value("[...document.querySelectorAll('#charts figure')].map((one) => one.id)") == [
        f"chart-{name}" for name in names
    ]
    for name in names:
        figure = f"document.getElementById('chart-{name}')"
        assert page.value(f"{figure}.querySelector('svg[role=img]').getBoundingClientRect().height") > 60
        assert page.value(f"{figure}.querySelector('svg title').textContent") == page.value(
            f"{figure}.querySelector('h3').textContent"
        )
        assert page.value(f"{figure}.querySelectorAll('details tbody tr').length") > 0
    ids = page.value("[...document.querySelectorAll('[id]')].map((one) => one.id)")
    assert len(ids) == len(set(ids))


@pytest.mark.parametrize("dark", [False, True], ids=["light", "dark"])
def test_nobody_is_kept_out_by_how_it_looks_or_is_built(
    tab: Tab, reports: dict[str, Path], tmp_path: Path, dark: bool
) -> None:
    tab.open(reports["fr"], dark=dark)
    tab.until(DRAWN)
    tab.picture(tmp_path / "top.png")
    tab.value("document.getElementById('grid').scrollIntoView({behavior: 'instant'})")
    tab.picture(tmp_path / "grid.png")
    tab.value("document.getElementById('charts').scrollIntoView({behavior: 'instant'})")
    tab.picture(tmp_path / "charts.png")
    # What holds for twenty rows holds for all, and axe looks at each.
    tab.value("location.hash = '#q=P001'")
    tab.until("document.querySelectorAll('#cabinets .rows .row').length === 10")
    tab.value(AXE.read_text(encoding="utf-8") + "; 0")
    assert _grave(tab, "document") == []
    tab.value("open({row: 0, column: 5}); 0")
    assert _grave(tab, "'#detail'") == []


@pytest.fixture(scope="module")
def alarming(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A wave of a name that nobody should give, whose breaker tripped with a hundred cabinets locked out."""
    folder = tmp_path_factory.mktemp("alarm")
    name = f"{HOSTILE}{'W' * 300}"
    trip = {"governs": "Trip", "rule": "failures", "why": f"GE said {HOSTILE}{'x' * 400}", "common": ["A" * 200]}
    halted = [line("@", EntryKind.RUN_BEGAN), line("@", EntryKind.NOTE, evidence=trip)]
    out = [
        [*planned(code), *began(code), *proved(code, "lock-out"), *ended(code, Outcome.FAILED, step="synchronise")]
        for code in (f"C{number:019}" for number in range(100))
    ]
    told = Reconciliation(
        (
            Compared(
                what="dossier",
                source=400,
                target=100,
                missing=tuple(Difference(key=f"D{number}", group="SOCIAL") for number in range(300)),
                extra=(Difference(key="D" * 400),),
                different=(Difference(key="D1", changes=(Change(field="name", was=HOSTILE, now="N" * 400),)),),
            ),
        )
    ).as_json()
    apart = [line("C" + "0" * 19, EntryKind.RECONCILED, step="reconcile", evidence={"reconciled": told})]
    with Ledger(f"sqlite:///{folder / 'ledger.db'}") as ledger:
        write(ledger, [replace(entry, cabinet=f"@{name}") for entry in halted], *out, apart, wave=name)
        account = account_of(ledger, name, now=WHEN + timedelta(days=1))
    page = folder / "alarm.html"
    page.write_bytes(html_page(account, "fr"))
    return page


@pytest.mark.parametrize("dark", [False, True], ids=["light", "dark"])
def test_who_is_locked_out_is_on_the_first_screen_whatever_the_names_and_keeps_nobody_out(
    tab: Tab, alarming: Path, tmp_path: Path, dark: bool
) -> None:
    tab.open(alarming, dark=dark)
    tab.until("document.querySelectorAll('#cabinets .rows .row').length === 100")
    tab.picture(tmp_path / "alarm.png")
    assert (tab.complaints, tab.asked_for) == ([], [alarming.as_uri()])
    alarm = "document.querySelector('.alarm')"
    assert tab.value(f"{alarm}.innerText").startswith("Les utilisateurs de 100 cabinets sont sans accès depuis le ")
    assert tab.value(f"{alarm}.querySelectorAll('bdi').length") == 20
    assert "019 et 80 autres" in tab.value(f"{alarm}.innerText")
    assert tab.value(f"{alarm}.getBoundingClientRect().bottom") < 900
    assert tab.value(f"{TOO_WIDE}.map((one) => one.id || one.className || one.tagName)") == []
    assert tab.value("document.documentElement.scrollWidth") <= 1280
    assert "trip" in tab.value("document.querySelector('.open').innerText")
    tab.value("for (const one of document.querySelectorAll('details')) one.open = true; 0")
    assert tab.value(f"{TOO_WIDE}.map((one) => one.id || one.className || one.tagName)") == []
    tab.value("document.getElementById('reconciliation').scrollIntoView({behavior: 'instant'})")
    tab.picture(tmp_path / "drift.png")
    tab.value("open({row: 0, column: 5}); 0")
    assert "Écarts apparus après (dérive)" in tab.value("document.getElementById('detail').innerText")
    tab.press("Escape")
    tab.value(f"location.hash = '#q=C{'0' * 17}1'")
    tab.until("document.querySelectorAll('#cabinets .rows .row').length === 10")
    tab.value(AXE.read_text(encoding="utf-8") + "; 0")
    assert _grave(tab, "document") == []


def _grave(tab: Tab, where: str) -> list[Any]:
    """What axe calls serious or critical; contrast must be among what it looked at."""
    found = json.loads(
        tab.value(
            f"axe.run({where}).then((told) => JSON.stringify([told.passes.map((one) => one.id), told.violations]))"
        )
    )
    assert "color-contrast" in found[0]
    return [
        (one["id"], [node["html"][:200] for node in one["nodes"][:3]])
        for one in found[1]
        if one["impact"] in {"serious", "critical"}
    ]


def test_what_must_be_known_reads_without_script(tab: Tab, reports: dict[str, Path]) -> None:
    tab.open(reports["fr"], script=False)
    text = re.sub(r"<script.*?</script>", "", tab.text(), flags=re.DOTALL)
    for part in (
        "bascule rerun --wave pilot",
        "admin-rights: the AdminSage lacks rights",
        "P0002",
        "give the rights in GE",
        "La grille est dessinée par le script",
    ):
        assert part in text
    assert re.search(rf'<data value="{CABINETS}" data-total="planned">{CABINETS}</data>', text)
    assert tab.complaints == []


def test_the_command_is_copied_by_its_button(page: Tab) -> None:
    page.value("document.getElementById('copy').click()")
    page.until("document.getElementById('copy').textContent === 'Copié'")
    assert page.value("getSelection().toString()") == "bascule rerun --wave pilot"


def test_a_hostile_name_is_read_and_does_nothing(page: Tab) -> None:
    page.value("document.querySelector('[data-code=P0003] .c-code').click()")
    shown = page.value("document.getElementById('detail-title').innerText")
    assert shown == f"P0003 {HOSTILE}".replace("\u202e", "⟨202E⟩").replace("\x07", "⟨0007⟩")
    assert page.value("document.title") == "Vague pilot – rapport Bascule"
    assert page.complaints == []


def test_on_paper_it_fits_an_a4_page(tab: Tab, reports: dict[str, Path], tmp_path: Path) -> None:
    tab.open(reports["fr"], width=A4)
    tab.until(DRAWN)
    tab.paint(paper=True)
    assert tab.value(f"{TOO_WIDE}.map((one) => one.id || one.className || one.tagName)") == []
    assert not tab.value("document.querySelector('.filters').checkVisibility()")
    assert tab.value("document.querySelector('[data-code=P0004] .s-failed').checkVisibility()")
    tab.print_to(tmp_path / "report.pdf")
    tab.paint()
    assert (tmp_path / "report.pdf").read_bytes().startswith(b"%PDF")


@pytest.mark.parametrize("dark", [False, True], ids=["light", "dark"])
def test_a_proces_verbal_opens_offline_fits_its_page_and_keeps_nobody_out(
    tab: Tab, reports: dict[str, Path], tmp_path: Path, dark: bool
) -> None:
    with Ledger(f"sqlite:///{reports['fr'].with_name('ledger.db')}", read_only=True) as ledger:
        [made] = proces_verbaux(ledger, "pilot", ["P0005"])
    page = tmp_path / "P0005.html"
    page.write_bytes(made.page())
    tab.open(page, dark=dark, width=A4)
    tab.picture(tmp_path / "proces-verbal.png")
    assert (tab.complaints, tab.asked_for) == ([], [page.as_uri()])
    assert tab.value(f"{TOO_WIDE}.map((one) => one.className || one.tagName)") == []
    tab.value(AXE.read_text(encoding="utf-8") + "; 0")
    assert _grave(tab, "document") == []
