"""The AdminSage in GE: known by the identical e-mail, with every right on every dossier group."""

from __future__ import annotations

from dataclasses import replace

import pytest

from bascule.checks.rights import admin_problem, in_words, missing_rights
from tests.unit.checks.lists import ADMIN, ADMIN_CONTACT, CABINET, RIGHTS, cabinet, ge, group, holds, person


def test_an_admin_with_the_identical_email_and_all_rights_is_no_problem() -> None:
    assert admin_problem(ge(), CABINET) is None
    assert missing_rights(ge(), CABINET) == ()


def test_an_email_that_differs_only_in_case_is_said_to_do_so() -> None:
    problem = admin_problem(ge(contacts=(replace(ADMIN_CONTACT, email="Anne.Lefevre@lefevre.fr"),)), CABINET)

    assert problem is not None
    assert "'Anne.Lefevre@lefevre.fr'" in problem
    assert "only upper and lower case differ" in problem


def test_a_blank_after_the_email_is_said_to_be_the_difference() -> None:
    problem = admin_problem(ge(contacts=(replace(ADMIN_CONTACT, email=f"{CABINET.admin_email} "),)), CABINET)

    assert problem is not None
    assert "blanks" in problem


def test_a_misspelt_email_is_a_problem_that_names_the_nearest_one() -> None:
    problem = admin_problem(ge(), cabinet(admin_email="ane.lefevre@lefevre.fr"))

    assert (
        problem
        == "No contact of entity E1 has the e-mail ane.lefevre@lefevre.fr; the nearest is anne.lefevre@lefevre.fr"
    )


def test_a_collaborateur_who_is_not_in_the_contacts_is_not_enough() -> None:
    problem = admin_problem(ge(contacts=()), CABINET)

    assert problem == "Collaborateur AL has the e-mail anne.lefevre@lefevre.fr, but the contacts of entity E1 do not"


def test_the_contact_of_another_entity_does_not_count() -> None:
    assert admin_problem(ge(contacts=(replace(ADMIN_CONTACT, entity="E2"),)), CABINET) is not None


def test_a_contact_who_is_no_collaborateur_cannot_be_the_admin() -> None:
    lists = ge(contacts=(replace(ADMIN_CONTACT, collaborateur="GONE"),))

    assert (
        admin_problem(lists, CABINET)
        == "anne.lefevre@lefevre.fr is a contact of entity E1, but of no collaborateur of it"
    )


def test_a_contact_that_names_no_collaborateur_is_matched_by_its_email() -> None:
    lists = ge(contacts=(replace(ADMIN_CONTACT, collaborateur=None),))

    assert admin_problem(lists, CABINET) is None
    assert missing_rights(lists, CABINET) == ()


def test_an_email_of_two_collaborateurs_is_a_problem() -> None:
    lists = ge(
        collaborateurs=(ADMIN, person("AL2")),
        contacts=(ADMIN_CONTACT, replace(ADMIN_CONTACT, id="K2", collaborateur="AL2")),
    )

    problem = admin_problem(lists, CABINET)

    assert problem is not None
    assert problem.endswith("several collaborateurs of entity E1: AL, AL2")


def test_a_collaborateur_who_has_left_cannot_be_the_admin() -> None:
    assert "not active" in (admin_problem(ge(collaborateurs=(replace(ADMIN, active=False),)), CABINET) or "")


def test_a_collaborateur_whose_own_email_is_another_is_a_problem() -> None:
    lists = ge(collaborateurs=(replace(ADMIN, email="a.lefevre@lefevre.fr"),))

    assert "the collaborateur a.lefevre@lefevre.fr" in (admin_problem(lists, CABINET) or "")


@pytest.mark.parametrize("missing", [{"groups": ()}, {"right_names": ()}])
def test_lists_without_groups_or_rights_prove_nothing(missing: dict[str, tuple[str, ...]]) -> None:
    assert "cannot be checked" in (admin_problem(ge(**missing), CABINET) or "")


def test_missing_rights_are_named_for_every_group_also_of_another_entity() -> None:
    lists = ge(
        groups=(group("G1"), group("G2"), group("G3", entity="E2")),
        rights=(*holds("AL", "G1"), *holds("AL", "G2", rights=("saisie",))),
    )

    assert missing_rights(lists, CABINET) == (
        ("G2", "consultation"),
        ("G2", "suppression"),
        ("G3", "consultation"),
        ("G3", "saisie"),
        ("G3", "suppression"),
    )


def test_the_rights_of_somebody_else_do_not_count() -> None:
    assert len(missing_rights(ge(rights=holds("OTHER", "G1", "G2")), CABINET)) == 6


def test_codes_are_compared_as_ge_compares_them() -> None:
    assert missing_rights(ge(rights=holds("al", "g1", "g2")), CABINET) == ()


def test_without_an_admin_all_rights_are_missing() -> None:
    assert len(missing_rights(ge(contacts=()), CABINET)) == 6


def test_missing_rights_in_words_are_grouped() -> None:
    missing = (("G1", "saisie"), ("G1", "suppression"), ("G2", "saisie"))

    assert in_words(missing) == "group G1: saisie, suppression; group G2: saisie"


def test_many_missing_rights_are_counted_in_few_words() -> None:
    said = in_words(tuple((f"G{number:02}", right) for number in range(40) for right in RIGHTS))

    assert said.startswith("group G00: consultation, saisie, suppression; group G01")
    assert said.endswith("; and 102 rights on 34 more")
    assert len(said) < 500
