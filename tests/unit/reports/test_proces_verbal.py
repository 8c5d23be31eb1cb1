"""The procès-verbal of a cabinet: what it states, how it is sealed, and that no name is more than a name."""

from __future__ import annotations

import asyncio
import html
import json
import re
import shutil
import subprocess
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

import pytest
import typst

from bascule.inventory import Inventory
from bascule.inventory.stored import to_plain
from bascule.ledger import Entry, EntryKind, Ledger, StoredInventory
from bascule.model import Cabinet, Lifecycle, Outcome, State
from bascule.procedure import PROCEDURE
from bascule.reports import proces_verbal
from bascule.reports.language import LANGUAGES, language_named
from bascule.reports.proces_verbal import IN_EVERY_FONT, PdfNotSet, ProcesVerbal, proces_verbaux, view
from bascule.reports.record import NAMED, Record, record_of
from tests.builders import cabinet
from tests.unit.reports.histories import (
    History,
    began,
    blocked,
    ended,
    judged,
    line,
    ok,
    planned,
    proved,
    write,
)

CODE = "C0001"
PDFTOTEXT = shutil.which("pdftotext")
A4_POINTS = 595


def record(ledger: Ledger, row: Cabinet | None = None, wave: str = "pilot") -> Record:
    made = record_of(ledger.history(CODE), wave, row)
    assert made is not None
    return made


def shown(made: Record, row: Cabinet | None = None) -> str:
    """What a person reads on the page."""
    page = ProcesVerbal(made, row).page().decode()
    body = page.partition("<main>")[2].partition("</main>")[0]
    return " ".join(html.unescape(re.sub(r"<[^>]+>", " ", body)).split())


def with_differences(keys: list[str]) -> dict[str, Any]:
    listed = {"what": "dossier", "source": len(keys), "target": 0, "missing": [{"key": key} for key in keys]}
    return {"reconciled": {"compared": [listed]}}


def partial(keys: list[str]) -> History:
    return [
        *began(CODE),
        *judged(CODE, "reconcile", State.FAILED, f"{len(keys)} dossiers missing", evidence=with_differences(keys)),
        *ended(CODE, Outcome.PARTIAL, remedy="see which", reason=f"{len(keys)} dossiers missing"),
    ]


def test_a_cabinet_that_has_not_ended_has_nothing_to_sign(ledger: Ledger) -> None:
    waits = ended(CODE, Outcome.NONE, lifecycle=Lifecycle.WAITING)
    write(ledger, planned(CODE), began(CODE), waits)
    assert record_of(ledger.history(CODE), "pilot", None) is None
    write(ledger, planned("C0002"))
    assert [one.record.code for one in proces_verbaux(ledger, "pilot", [CODE, "C0002"])] == []


def test_every_step_has_its_proof_and_the_people_who_did_and_approved_it(ledger: Ledger) -> None:
    until = {"expires_at": "2027-01-01T00:00:00+00:00", "deadline": None}
    order: dict[str, Any] = {"verbs": ["terms"], "four_eyes": True, "owner": None, "minutes": 5, "values": {}, **until}
    asked = [
        line(CODE, EntryKind.ORDERED, step="terms", operation="C0001-terms", key="K", evidence=order),
        line(
            CODE,
            EntryKind.ANSWERED,
            who="anne",
            operation="C0001-terms",
            evidence={"result": "done", "evidence": {}},
            state=State.WAITING,
        ),
        line(CODE, EntryKind.APPROVED, who="paul", operation="C0001-terms", reason="seen"),
    ]
    write(ledger, planned(CODE), began(CODE), asked, proved(CODE, "terms"), ended(CODE, Outcome.OK))
    made = record(ledger)
    terms = next(step for step in made.steps if step.step == "terms")
    proof = next(entry for entry in ledger.history(CODE) if entry.kind is EntryKind.PROOF)
    assert (terms.done_by, terms.approved_by, terms.proof) == ("anne", "paul", proof.hash)
    assert "fait par anne, approuvé par paul" in shown(made)
    assert proof.hash in shown(made)


def test_what_nobody_approved_or_answered_for_is_not_said_to_be_bascules(ledger: Ledger) -> None:
    until = {"expires_at": "2027-01-01T00:00:00+00:00", "deadline": None}
    asked: list[Entry] = []
    for step, says in (("admin-sage", "declined"), ("terms", "answered"), ("lock-out", ""), ("backup", "alone")):
        number, two = f"C0001-{step}", says != "alone"
        order: dict[str, Any] = {"verbs": [step], "four_eyes": two, "owner": None, "minutes": 5, "values": {}, **until}
        asked.append(line(CODE, EntryKind.ORDERED, step=step, operation=number, key=step, evidence=order))
        if says:
            told = {"result": "done", "evidence": {}}
            asked.append(line(CODE, EntryKind.ANSWERED, who="anne", operation=number, evidence=told))
        if says == "declined":
            asked.append(line(CODE, EntryKind.DECLINED, who="paul", operation=number, reason="no"))
            asked.append(line(CODE, EntryKind.APPROVED, who="zoe", operation=number, reason="yes"))
    proofs = [entry for step in ("admin-sage", "terms", "lock-out", "backup") for entry in proved(CODE, step)]
    write(ledger, planned(CODE), began(CODE), asked, proofs, ended(CODE, Outcome.OK))
    told_in = {
        code: {row[0]: row[3] for row in view(record(ledger), language_named(code), ZoneInfo("UTC"))["steps"]}
        for code in ("fr", "en")
    }
    by = {
        step: told_in["en"][language_named("en").word(f"step.{step}")]
        for step in ("admin-sage", "terms", "lock-out", "backup")
    }
    assert by == {
        "admin-sage": "done by anne, not approved by paul, approved by zoe",
        "terms": "done by anne, approved by nobody",
        "lock-out": "done by somebody who has not said so (C0001-lock-out), approved by nobody",
        "backup": "done by anne",
    }
    assert "fait par anne, approuvé par personne" in told_in["fr"].values()


def test_each_proof_says_what_it_rests_on_in_both_languages(ledger: Ledger) -> None:
    exported = {"taken_at": "2026-12-01T19:05:00+00:00"}
    evidence = {
        "observed": {"ge": {}, "s4a": {}, "s4a-lists": exported},
        "basis": {"ge": "agent", "s4a": "agent", "s4a-lists": "lists"},
    }
    older: dict[str, Any] = {"observed": {"ge": {}}}
    steps = [proved(CODE, "users", evidence=evidence), proved(CODE, "restart", evidence=older)]
    write(ledger, planned(CODE), began(CODE), *steps, ended(CODE, Outcome.OK))
    made = record(ledger)
    by_step = {one.step: one.rests_on for one in made.steps}
    assert by_step["users"] == (
        {"basis": "agent", "system": "ge"},
        {"basis": "agent", "system": "s4a"},
        {"basis": "lists", "system": "s4a", "at": "2026-12-01T19:05:00Z"},
    )
    assert by_step["restart"] == by_step["terms"] == (), "nothing is invented for what no evidence tells"
    assert "Selon des listes exportées de Sage for Accountants, établies le 01/12/2026 20:05:00" in shown(made)
    english = view(made, language_named("en"), ZoneInfo("Europe/Paris"))
    assert english["basis"][0] == ["As the agent of GE says", "Users"]


@pytest.mark.parametrize("outcome", [Outcome.PARTIAL, Outcome.FAILED, Outcome.BLOCKED, Outcome.UNKNOWN])
def test_what_did_not_arrive_does_not_look_as_if_it_had(ledger: Ledger, outcome: Outcome) -> None:
    write(ledger, planned(CODE), began(CODE), ended(CODE, outcome, reason="why", remedy="what to do"))
    made = record(ledger)
    assert 'class="verdict bad"' in ProcesVerbal(made, None).page().decode()
    assert "achevée" not in shown(made)
    assert "why" in shown(made)
    assert "what to do" in shown(made)


def test_exactly_the_missing_dossiers_are_named_and_of_many_how_many_more(ledger: Ledger) -> None:
    keys = [f"D{number:04d}" for number in range(NAMED + 50)]
    write(ledger, planned(CODE), partial(keys))
    told = shown(record(ledger))
    assert all(key in told for key in keys[:NAMED])
    assert keys[NAMED] not in told
    assert "et 50 de plus" in told


def test_what_was_compared_later_is_drift_and_changes_nothing_of_what_the_step_found(ledger: Ledger) -> None:
    write(ledger, planned(CODE), partial(["D1", "D2"]))
    before = record(ledger).reconciled
    later = line(CODE, EntryKind.RECONCILED, step="reconcile", state=State.FAILED, evidence=with_differences(["D1"]))
    write(ledger, [later])
    assert record(ledger).reconciled == before
    assert [one["missing"] for one in record(ledger).drift] == [1]


def read_at(minute: int, *, under_lock_out: bool) -> dict[str, Any]:
    return {"taken_at": f"2026-12-01T19:{minute:02}:00+00:00", "under_lock_out": under_lock_out}


@pytest.mark.parametrize(
    ("under_lock_out", "says"),
    [
        (True, "Cible : listes lues le 01/12/2026 20:05:00, GE étant fermé à ses utilisateurs."),
        (False, "Cible : listes lues le 01/12/2026 20:05:00, hors de la fermeture."),
    ],
)
def test_when_the_lists_were_read_and_whether_users_were_locked_out_is_what_the_entry_tells(
    ledger: Ledger, under_lock_out: bool, says: str
) -> None:
    observed = {
        "source-lists": read_at(1, under_lock_out=True),
        "target-lists": read_at(5, under_lock_out=under_lock_out),
    }
    evidence = {"observed": observed, "reconciled": {"compared": [{"what": "dossier", "source": 1, "target": 1}]}}
    write(ledger, planned(CODE), began(CODE), proved(CODE, "reconcile", evidence=evidence), ended(CODE, Outcome.OK))
    told = shown(record(ledger))
    assert "Source : listes lues le 01/12/2026 20:01:00, GE étant fermé à ses utilisateurs." in told
    assert says in told


def test_an_older_entry_that_does_not_tell_when_lists_were_read_makes_the_page_claim_nothing(ledger: Ledger) -> None:
    write(ledger, planned(CODE), partial(["D1"]))
    assert "listes lues" not in shown(record(ledger))
    assert "fermeture" not in shown(record(ledger))


def test_what_could_not_be_compared_later_is_named_and_no_number_stands_for_it(ledger: Ledger) -> None:
    write(ledger, planned(CODE), partial(["D1"]))
    unsaid = {"not_compared": {"dossier": "no list", "right": "no list"}}
    write(ledger, [line(CODE, EntryKind.RECONCILED, step="reconcile", state=State.UNKNOWN, evidence=unsaid)])
    told = shown(record(ledger))
    assert "manquants –, en trop –, différents –. Non comparé : dossiers, droits." in told
    assert "manquants 0" not in told


def test_what_was_the_same_as_far_as_it_was_compared_names_the_rest(ledger: Ledger) -> None:
    unsaid = {"what": "right", "source": 9, "target": 0, "not_compared": "no list of Client Management tells them"}
    evidence = {"reconciled": {"compared": [{"what": "dossier", "source": 9, "target": 9}, unsaid]}}
    end = ended(CODE, Outcome.OK_WITH_RESERVATIONS)
    write(ledger, planned(CODE), began(CODE), proved(CODE, "reconcile", evidence=evidence), end)
    assert "aucun écart, hormis ceux qui étaient attendus. Non comparé : droits." in shown(record(ledger))


DONE = [entry for step in PROCEDURE for entry in proved(CODE, step.name)]
NOT_COMPARED = {"what": "default profile", "source": 1, "target": 0, "not_compared": "no list tells it"}


def test_steps_that_are_not_done_are_left_to_do_and_say_how_they_stand(ledger: Ledger) -> None:
    write(ledger, planned(CODE), partial(["D1"]))
    told = shown(record(ledger)).partition("Réserves et ce qui reste à faire")[2]
    assert "Rapprochement (échec), Utilisateurs, Affectations, Contacts." in told
    assert "Aucune réserve" not in told


def test_no_reservation_is_only_said_where_all_is_done_and_compared(ledger: Ledger) -> None:
    write(ledger, planned(CODE), began(CODE), DONE, ended(CODE, Outcome.OK))
    assert "Aucune réserve" in shown(record(ledger))
    same = {"what": "dossier", "source": 9, "target": 9}
    again = proved(CODE, "reconcile", evidence={"reconciled": {"compared": [same, NOT_COMPARED]}})
    write(ledger, began(CODE), again, ended(CODE, Outcome.OK))
    told = shown(record(ledger)).partition("Réserves et ce qui reste à faire")[2]
    assert told.startswith(" Non comparé : profil par défaut.")
    assert "Aucune réserve" not in told


def test_what_a_later_comparison_did_compare_is_not_left_and_one_that_failed_says_so(ledger: Ledger) -> None:
    evidence = {"reconciled": {"compared": [NOT_COMPARED]}}
    write(ledger, planned(CODE), began(CODE), [*DONE, *proved(CODE, "reconcile", evidence=evidence)])
    failed = line(CODE, EntryKind.RECONCILED, step="reconcile", state=State.FAILED, reason="GE did not answer")
    write(ledger, ended(CODE, Outcome.OK), [failed])
    assert "la comparaison n’a pas abouti" in shown(record(ledger))
    assert "Aucune réserve" not in shown(record(ledger))
    both = {"reconciled": {"compared": [{"what": "default profile", "source": 1, "target": 1}]}}
    write(ledger, [line(CODE, EntryKind.RECONCILED, step="reconcile", state=State.DONE, evidence=both)])
    assert "Aucune réserve" in shown(record(ledger))


def test_nothing_is_left_to_do_of_who_is_excluded(ledger: Ledger) -> None:
    write(ledger, planned(CODE), began(CODE), ended(CODE, Outcome.EXCLUDED))
    assert "Reste à faire" not in shown(record(ledger))


def test_an_instant_stands_only_beside_what_was_proven_then(ledger: Ledger) -> None:
    write(ledger, planned(CODE), partial(["D1"]))
    page = ProcesVerbal(record(ledger), None).page().decode()
    [row] = re.findall(r"<tr><th scope=.row.><bdi>Rapprochement</bdi></th>.*", page)
    assert re.findall(r"<bdi>([^<]*)</bdi>", row)[1:3] == ["échec", "–"]
    assert "Prouvé le" in page


def test_runs_are_told_with_who_what_came_of_them_and_why(ledger: Ledger) -> None:
    first = [*began(CODE), *ended(CODE, Outcome.FAILED)]
    again = [*began(CODE, evidence={"because": "the name was mended"}), *ended(CODE, Outcome.OK)]
    write(ledger, planned(CODE), first, again)
    told = shown(record(ledger)).partition("Exécutions")[2]
    assert told.startswith(" Début Fin Par Résultat Pourquoi ")
    assert "ops échec –" in told
    assert "ops réussi the name was mended" in told


def test_what_people_decided_is_said_in_the_readers_words(ledger: Ledger) -> None:
    unlocked = line(CODE, EntryKind.NOTE, who="anne", reason="the wizard hung", evidence={"unlock": True})
    refused = line(CODE, EntryKind.REFUSED, who="paul", operation="WO-7", reason="no evidence")
    write(ledger, planned(CODE), began(CODE), [unlocked, refused], ended(CODE, Outcome.FAILED))
    told = shown(record(ledger)).partition("Décisions de personnes")[2]
    assert "anne réouverture forcée the wizard hung" in told
    assert "paul refusé : WO-7 no evidence" in told


@pytest.mark.skipif(PDFTOTEXT is None, reason="no pdftotext (poppler-utils) to measure with")
def test_a_long_name_without_blanks_stays_on_the_paper(ledger: Ledger, tmp_path: Path) -> None:
    write(ledger, planned(CODE), ok(CODE))
    row = cabinet(name="Cabinet" + "x" * 173)
    (tmp_path / "pv.pdf").write_bytes(ProcesVerbal(record(ledger, row), row).pdf())
    told = subprocess.check_output([str(PDFTOTEXT), "-bbox", tmp_path / "pv.pdf", "-"], text=True)
    assert max(float(x) for x in re.findall(r'xMax="([\d.]+)"', told)) < A4_POINTS - 50


def test_the_seal_is_the_same_in_every_language_and_another_one_for_any_other_entry(ledger: Ledger) -> None:
    write(ledger, planned(CODE), ok(CODE))
    made = record(ledger)
    for code in LANGUAGES:
        assert made.seal in ProcesVerbal(made, cabinet(language=code)).page().decode()
    history = list(ledger.history(CODE))
    for place, entry in enumerate(history):
        other = [*history[:place], replace(entry, hash="f" * 64), *history[place + 1 :]]
        if entry.kind is EntryKind.PROOF or place == len(history) - 1:
            changed = record_of(other, "pilot", None)
            assert changed is not None
            assert changed.seal != made.seal


def test_the_record_in_the_page_is_what_the_seal_is_of(ledger: Ledger) -> None:
    write(ledger, planned(CODE), ok(CODE))
    made = record(ledger)
    page = ProcesVerbal(made, None).page().decode()
    told = re.search(r'<script type="application/json" id="record">(.*?)</script>', page, re.DOTALL)
    assert told is not None
    assert (
        json.dumps(json.loads(told[1]), ensure_ascii=False, sort_keys=True, separators=(",", ":")) == made.canonical()
    )


HOSTILE = "L’Œuf </script><b>#evil[$x$] *a* _b_ \\ `c` =cmd|' /C calc'!A0 \u202edlog\u202c \x07é"


def test_a_hostile_name_is_a_name_in_the_page_and_in_the_pdf(ledger: Ledger) -> None:
    write(ledger, planned(CODE), began(CODE), ended(CODE, Outcome.FAILED, reason=HOSTILE))
    row = cabinet(name=HOSTILE)
    one = ProcesVerbal(record(ledger, row), row)
    page = one.page().decode()
    assert page.count("<script") == page.count("</script>") == 1
    assert "<b>#evil" not in page
    assert "\u202e" not in page.partition("<script")[0]
    assert "\x07" not in page
    assert one.pdf().startswith(b"%PDF-")


@pytest.mark.parametrize(
    ("name", "by_code"),
    [
        ("Cabinet 👍 Conseil", "Cabinet ⟨1F44D⟩ Conseil"),
        ("中文 & Fils", "⟨4E2D⟩⟨6587⟩ &amp; Fils"),
        ("ไทย", "⟨0E44⟩⟨0E17⟩⟨0E22⟩"),
        ("\ue000", "⟨E000⟩"),
        ("\U0010ffff", "⟨10FFFF⟩"),
        # Each of these has a glyph, and together they have none.
        ("N° 1\ufe0f\u20e3", "N° 1⟨FE0F⟩⟨20E3⟩"),
        ("Œuvrard & Łódź, שלום", "Œuvrard &amp; Łódź, שלום"),
    ],
)
def test_what_no_font_has_is_shown_by_its_code_in_the_pdf_and_as_it_is_on_the_page(
    ledger: Ledger, name: str, by_code: str
) -> None:
    write(ledger, planned(CODE), ok(CODE))
    row = cabinet(name=name)
    one = ProcesVerbal(record(ledger, row), row)
    assert f"Procès-verbal de migration · {by_code}".encode() in one.pdf()
    assert name in shown(one.record, row)


def test_what_nobody_asks_the_typesetter_for_has_a_glyph() -> None:
    assert proces_verbal._can_be_set("".join(sorted(IN_EVERY_FONT)))


def test_a_pdf_that_cannot_be_set_is_refused_with_the_way_round(
    ledger: Ledger, monkeypatch: pytest.MonkeyPatch
) -> None:
    def never(*_: object) -> bytes:
        raise typst.TypstError("no", "")

    write(ledger, planned(CODE), ok(CODE))
    monkeypatch.setattr(proces_verbal, "_set", never)
    with pytest.raises(PdfNotSet, match=CODE) as refused:
        ProcesVerbal(record(ledger), None).pdf()
    assert "page" in refused.value.remedy


@pytest.mark.parametrize(
    ("language", "cause"),
    [
        ("fr", "Cause : 19 dossiers manquants, 1 droit en trop, profil par défaut différent."),
        ("en", "Cause: 19 dossiers missing, 1 right extra, default profile different."),
    ],
)
def test_why_a_migration_is_partial_is_told_in_the_readers_language(ledger: Ledger, language: str, cause: str) -> None:
    one = {"key": "X"}
    differ = [
        {"what": "dossier", "source": 40, "target": 21, "missing": [{"key": f"D{n}"} for n in range(19)]},
        {"what": "right", "source": 1, "target": 2, "extra": [one]},
        {"what": "default profile", "source": 1, "target": 1, "different": [one]},
    ]
    evidence = {"reconciled": {"compared": differ}}
    judgement = judged(CODE, "reconcile", State.FAILED, "19 dossiers missing: D0", evidence=evidence)
    end = ended(CODE, Outcome.PARTIAL, reason="19 dossiers missing: D0", remedy="see which")
    write(ledger, planned(CODE), began(CODE), judgement, end)
    row = cabinet(language=language)
    page = ProcesVerbal(record(ledger, row), row).page().decode()
    assert cause in " ".join(page.split())
    assert page.index(cause.replace("Cause :", "Cause\u00a0:")) < page.index(
        'lang="en" class="small">19 dossiers missing'
    )


def test_figures_are_no_cause_where_it_was_not_they_that_ended_it(ledger: Ledger) -> None:
    end = ended(CODE, Outcome.FAILED, step="users", reason="the server refused")
    write(ledger, planned(CODE), partial(["D1"]), began(CODE), end)
    assert "Cause" not in shown(record(ledger))


def test_the_ledgers_own_words_are_marked_as_english(ledger: Ledger) -> None:
    write(ledger, planned(CODE), blocked(CODE))
    page = ProcesVerbal(record(ledger), None).page().decode()
    reason = "the AdminSage lacks rights on some dossier groups"
    said = re.findall(rf"<(\w+)([^>]*)>(?:<bdi>)?{reason}", page.partition("<script")[0])
    assert said == [("span", ' lang="en"'), ("td", ' lang="en"')]


@pytest.mark.parametrize("outcome", list(Outcome))
@pytest.mark.parametrize("language", LANGUAGES)
def test_every_outcome_has_a_sentence_in_every_language(ledger: Ledger, outcome: Outcome, language: str) -> None:
    write(ledger, planned(CODE), began(CODE), ended(CODE, outcome))
    row = cabinet(language=language)
    assert record(ledger, row).outcome is outcome
    assert f'lang="{language}"' in ProcesVerbal(record(ledger, row), row).page().decode()


def test_instants_are_the_cabinets_own(ledger: Ledger) -> None:
    write(ledger, planned(CODE), ok(CODE))
    row = cabinet(timezone="America/Martinique")
    made = record(ledger, row)
    assert made.ended_at is not None
    local = datetime.fromisoformat(made.ended_at).astimezone(ZoneInfo(row.timezone))
    assert f"{local:%d/%m/%Y %H:%M:%S}" in shown(made, row)
    assert "America/Martinique" in shown(made, row)


def test_the_same_record_is_the_same_bytes(ledger: Ledger) -> None:
    write(ledger, planned(CODE), ok(CODE))
    one = ProcesVerbal(record(ledger), cabinet())
    assert (one.page(), one.pdf()) == (one.page(), one.pdf())


def test_the_row_is_the_one_that_the_wave_was_planned_with(ledger: Ledger) -> None:
    async def store(name: str) -> str:
        rows = Inventory(cabinets=(cabinet(name=name),), waves={}, warnings=(), source="inv.csv")
        at = datetime.now(UTC)
        await ledger.store_inventory(
            StoredInventory(digest=rows.digest, at=at, who="ops", source="inv.csv", content=to_plain(rows))
        )
        return rows.digest

    digest = asyncio.run(store("Then"))
    asyncio.run(store("Since"))
    write(ledger, planned(CODE, evidence={"inventory": digest}), ok(CODE))
    assert [one.record.name for one in proces_verbaux(ledger, "pilot", [CODE])] == ["Then"]
