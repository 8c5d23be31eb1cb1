"""Each rule of the catalogue objects to what it is about, and to nothing else."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from bascule.checks.consistency import RULES, anomalies
from bascule.checks.findings import Finding, Level
from bascule.facts import DossierStatus, GeLists
from tests.unit.checks.lists import (
    ADMIN,
    ADMIN_CONTACT,
    CABINET,
    contact,
    dossier,
    entity,
    ge,
    group,
    holds,
    person,
    profile,
)


def found(lists: GeLists) -> list[tuple[str, str]]:
    return [(finding.rule, finding.about) for finding in anomalies(lists, CABINET)]


def only(lists: GeLists) -> Finding:
    (finding,) = anomalies(lists, CABINET)
    return finding


def people(*others: Any) -> GeLists:
    return ge(collaborateurs=(ADMIN, *others))


def dossiers(*rows: Any) -> GeLists:
    return ge(dossiers=rows)


def test_lists_that_hold_together_have_no_anomaly() -> None:
    assert anomalies(ge(), CABINET) == ()


def test_every_rule_has_an_id_of_its_own_and_says_what_it_rests_on() -> None:
    assert len({rule.id for rule in RULES}) == len(RULES)
    assert {rule.basis for rule in RULES} == {"Sage", "standard", "our proposal"}
    assert all(rule.sentence.endswith(".") and rule.remedy for rule in RULES)


@pytest.mark.parametrize(("spoilt", "lacks"), [({"name": " "}, "raison sociale"), ({"siren": ""}, "SIREN")])
def test_an_entity_needs_a_name_and_a_siren(spoilt: dict[str, str], lacks: str) -> None:
    finding = only(ge(entities=(entity(**spoilt),)))

    assert (finding.rule, finding.level, finding.about) == ("ENT-01", Level.BLOCK, "E1")
    assert finding.says == f"entity E1 has no {lacks}"


def test_another_office_may_be_without_a_siren() -> None:
    assert found(ge(entities=(entity(), entity("E2", siren="")))) == []


@pytest.mark.parametrize(
    "email",
    [
        None,
        " ",
        "no-at-sign",
        "jean@",
        "jean..petit@lefevre.fr",
        f"{'j' * 65}@lefevre.fr",
        f"jean@{'d' * 40}.{'d' * 40}.fr",
    ],
)
def test_a_person_without_a_usable_email_is_a_reservation_and_blocks_nobody_else(email: str | None) -> None:
    finding = only(people(person("JP", email=email)))

    assert (finding.rule, finding.level, finding.about) == ("COL-01", Level.RESERVATION, "JP")


def test_an_email_of_64_characters_before_the_at_is_usable() -> None:
    assert found(people(person("JP", email=f"{'j' * 64}@lefevre.fr"))) == []


def test_who_has_left_needs_no_email() -> None:
    assert found(people(person("JP", email=None, active=False))) == []


def test_an_email_of_two_people_blocks_whatever_the_case() -> None:
    finding = only(people(person("JP"), person("MD", email="JP@Lefevre.fr")))

    assert (finding.rule, finding.level, finding.about) == ("COL-02", Level.BLOCK, "MD")
    assert "JP" in finding.says


def test_an_email_may_pass_from_who_has_left_to_who_came() -> None:
    assert found(people(person("JP", active=False), person("MD", email="jp@lefevre.fr"))) == []


@pytest.mark.parametrize("email", ["contact@lefevre.fr", "Compta.Lyon@lefevre.fr", "accueil2@lefevre.fr"])
def test_a_shared_mailbox_is_noted(email: str) -> None:
    finding = only(people(person("JP", email=email)))

    assert (finding.rule, finding.level) == ("COL-03", Level.NOTE)


def test_a_name_that_begins_like_a_shared_mailbox_is_personal() -> None:
    assert found(people(person("JP", email="directeau@lefevre.fr"))) == []


def test_a_collaborateur_code_is_unique_whatever_the_case_and_across_entities() -> None:
    lists = ge(
        entities=(entity(), entity("E2")),
        collaborateurs=(ADMIN, person("JP"), person("jp", email="other@lefevre.fr", entity="E2")),
    )

    assert found(lists) == [("COL-04", "JP")]


def test_codes_that_differ_in_an_accent_are_two_codes() -> None:
    assert found(people(person("RENE", email="a@lefevre.fr"), person("RENÉ", email="b@lefevre.fr"))) == []


def test_a_dossier_needs_a_code_of_its_own() -> None:
    known = dossier("D1", siren="732829320")

    assert found(dossiers(known, replace(known, code="d1 "))) == [("DOS-01", "D1")]
    assert found(dossiers(replace(known, code=" ", name="Sans code"))) == [("DOS-01", "Sans code")]


@pytest.mark.parametrize("its_group", [None, "", "G9"])
def test_a_dossier_needs_a_group_that_exists(its_group: str | None) -> None:
    finding = only(dossiers(dossier("D1", siren="732829320", group=its_group)))

    assert (finding.rule, finding.level, finding.about) == ("DOS-02", Level.BLOCK, "D1")


@pytest.mark.parametrize(
    ("spoilt", "about"),
    [
        ({"groups": (group("G1"), group("G2"), group("G3", entity="E9"))}, "G3"),
        ({"groups": (group("G1"), group("G2"), group("g1"))}, "G1"),
        ({"profiles": (profile(), profile("MGR", entity="E9"))}, "MGR"),
        ({"collaborateurs": (ADMIN, person("JP", entity="E9"))}, "JP"),
        ({"collaborateurs": (ADMIN, person("JP", profile="NONE"))}, "JP"),
        ({"rights": (*holds("AL", "G1", "G2"), *holds("GONE", "G1"))}, "GONE"),
        ({"rights": (*holds("AL", "G1", "G2"), *holds("AL", "G9"))}, "G9"),
        ({"contacts": (ADMIN_CONTACT, contact("Zoé", dossier="D9"))}, "K-Zoé"),
    ],
)
def test_what_the_lists_refer_to_exists(spoilt: dict[str, Any], about: str) -> None:
    assert found(ge(**spoilt)) == [("DOS-02", about)]


@pytest.mark.parametrize(
    ("siren", "siret"),
    [
        ("732829321", None),
        ("73282932", None),
        ("000000000", None),
        ("732829320", "73282932000075"),
        ("732829320", "40483304800022"),
        ("356000000", "35600000049838"),
        (None, "00000000000000"),
    ],
)
def test_a_number_that_cannot_be_right_blocks(siren: str | None, siret: str | None) -> None:
    finding = only(dossiers(dossier("D1", siren=siren, siret=siret)))

    assert (finding.rule, finding.level, finding.about) == ("DOS-03", Level.BLOCK, "D1")


@pytest.mark.parametrize(
    ("siren", "siret"),
    [
        ("732829320", None),
        ("732 829 320", "732 829 320 00074"),
        (None, "73282932000074"),
        ("356000000", "35600000000048"),
        ("356000000", "35600000049837"),
    ],
)
def test_a_number_that_is_right_is_left_alone_also_la_postes(siren: str | None, siret: str | None) -> None:
    assert found(dossiers(dossier("D1", siren=siren, siret=siret))) == []


def test_a_number_of_monaco_is_noted_and_does_not_block() -> None:
    finding = only(dossiers(dossier("D1", siret="MONACOCONFO001")))

    assert (finding.rule, finding.level) == ("DOS-03-MONACO", Level.NOTE)


def test_a_siret_in_two_open_dossiers_is_noted_and_in_a_closed_one_ignored() -> None:
    one, two = (dossier(code, siret="73282932000074") for code in ("D1", "D2"))

    assert found(dossiers(one, two)) == [("DOS-03-TWICE", "D2")]
    assert ("DOS-03-TWICE", "D2") not in found(dossiers(one, replace(two, status=DossierStatus.CLOSED)))


def test_closed_and_archived_dossiers_are_one_note_with_the_count() -> None:
    finding = only(
        dossiers(
            dossier("D1", siren="732829320"),
            *(dossier(f"C{number}", status=DossierStatus.CLOSED) for number in range(30)),
            *(dossier(f"A{number}", status=DossierStatus.ARCHIVED) for number in range(12)),
        )
    )

    assert (finding.rule, finding.level, finding.about) == ("DOS-04", Level.NOTE, "C0001")
    assert finding.says.startswith("30 of 43 dossiers are closed and 12 archived")


def test_a_dossier_without_a_siren_is_noted() -> None:
    finding = only(dossiers(dossier("D1")))

    assert (finding.rule, finding.level, finding.about) == ("DOS-05", Level.NOTE, "D1")


@pytest.mark.parametrize(
    "name", ["x" * 51, "SociÃ©tÃ© Lefort", "Lâ€™Atelier", "Bou\x92langerie", "Soci?t?", "Caf\ufffd"]
)
def test_a_name_that_is_too_long_or_damaged_is_noted(name: str) -> None:
    finding = only(dossiers(dossier("D1", siren="732829320", name=name)))

    assert (finding.rule, finding.level, finding.about) == ("DOS-06", Level.NOTE, "D1")


@pytest.mark.parametrize(
    "name", ["L’Œuvre & Cie", "Où est Charlie ?", "SÃO PAULO IMPORT", "10 € tout rond", "Prêt-à-porter"]
)
def test_french_names_are_not_taken_for_damaged_ones(name: str) -> None:
    assert found(dossiers(dossier("D1", siren="732829320", name=name))) == []


def test_many_findings_of_one_rule_end_in_one_that_counts_the_rest() -> None:
    findings = anomalies(dossiers(*(dossier(f"D{number}", group="G9") for number in range(300))), CABINET)

    dangling = [finding for finding in findings if finding.rule == "DOS-02"]
    assert len(dangling) == 21
    assert dangling[-1].says == "280 more of the same"
    assert dangling[-1].level is Level.BLOCK
