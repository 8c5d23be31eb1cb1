"""The entity to be connected is the one the inventory means, with the defaults it names."""

from __future__ import annotations

from dataclasses import replace
from unicodedata import normalize

import pytest

from bascule.checks.entity import (
    client_named,
    defaults_problem,
    entity_problem,
    group_exists,
    group_named,
    profile_exists,
    same_profile,
)
from tests.unit.checks.lists import CABINET, cabinet, dossier, entity, ge, group, profile


def test_the_entity_that_the_inventory_describes_is_no_problem() -> None:
    assert entity_problem(ge(), CABINET) is None


@pytest.mark.parametrize(
    "name",
    [
        "Cabinet\u00a0Lefèvre & Associés",
        "  Cabinet  Lefèvre & Associés ",
        normalize("NFD", "Cabinet Lefèvre & Associés"),
    ],
)
def test_a_name_is_the_same_whatever_its_blanks_and_the_encoding_of_its_accents(name: str) -> None:
    assert entity_problem(ge(entities=(entity(name=name),)), CABINET) is None


@pytest.mark.parametrize(
    ("name", "how"),
    [
        ("CABINET LEFÈVRE & ASSOCIÉS", "only upper and lower case differ"),
        ("Cabinet Lefevre & Associes", "only accents, apostrophes or dashes differ"),
        ("Cabinet Lefort", "they differ"),
    ],
)
def test_another_name_is_a_problem_that_says_how_it_differs(name: str, how: str) -> None:
    problem = entity_problem(ge(entities=(entity(name=name),)), CABINET)

    assert problem is not None
    assert repr(name) in problem
    assert how in problem


def test_an_apostrophe_of_another_kind_is_said_to_be_the_difference() -> None:
    problem = entity_problem(ge(entities=(entity(name="L’Œil du comptable"),)), cabinet(name="L'Œil du comptable"))

    assert "apostrophes" in (problem or "")


def test_numbers_may_be_written_in_groups() -> None:
    lists = ge(entities=(entity(siren="732 829 320", siret="732 829 320 00074"),))

    assert entity_problem(lists, CABINET) is None


def test_every_difference_is_named_at_once() -> None:
    problem = entity_problem(ge(entities=(entity(name="Autre", siren="404833048", siret=None),)), CABINET)

    assert problem is not None
    assert "the name is 'Autre' in GE" in problem
    assert "the SIREN is 404833048 in GE, 732829320 in the inventory" in problem
    assert "the SIRET is missing in GE" in problem


def test_a_siret_that_the_inventory_does_not_give_is_not_compared() -> None:
    assert entity_problem(ge(entities=(entity(siret=None),)), cabinet(siret=None)) is None


def test_an_unknown_entity_is_answered_with_those_that_exist() -> None:
    assert entity_problem(ge(), cabinet(entity="E9")) == "GE has no entity E9; it has E1 (Cabinet Lefèvre & Associés)"


def test_an_entity_that_is_there_twice_is_nobodys() -> None:
    assert entity_problem(ge(entities=(entity(), entity("e1"))), CABINET) == "GE has several entities E1"


@pytest.mark.parametrize("word", ["COL", "col", "Collaborateur", "COLLABORATEUR "])
def test_a_profile_is_known_by_code_or_label_whatever_the_case(word: str) -> None:
    assert profile_exists(ge(), cabinet(default_profile=word))


def test_accents_tell_labels_apart_as_in_ge() -> None:
    lists = ge(groups=(group("G1", label="Créances"),))

    assert group_exists(lists, cabinet(default_group="CRÉANCES"))
    assert not group_exists(lists, cabinet(default_group="Creances"))


def test_the_group_of_another_entity_is_not_found() -> None:
    assert not group_exists(ge(groups=(group("G1", entity="E2"),)), CABINET)


def test_a_code_goes_before_a_label() -> None:
    wanted = group("G2", label="Paris")

    assert group_named("G2", ge(groups=(group("G1", label="G2"), wanted)), CABINET) == wanted


def test_a_label_of_two_groups_is_ambiguous_and_says_so() -> None:
    lists = ge(groups=(group("G1", label="Paris"), group("G2", label="paris")))

    problem = defaults_problem(lists, cabinet(default_group="Paris"))

    assert problem == "entity E1 has several dossier groups labelled 'Paris' (G1, G2): name one by its code"


def test_missing_defaults_are_answered_with_those_that_exist() -> None:
    lists = ge(profiles=(profile("MGR", label="Manager"),))

    assert defaults_problem(ge(), CABINET) is None
    assert defaults_problem(lists, CABINET) == "entity E1 has no profile 'COL'; it has MGR (Manager)"


def test_two_words_for_one_default_are_the_same() -> None:
    lists = ge(profiles=(profile("PRF", label="Collaborateur"), profile("MGR", label="Manager")))
    for one, other in (("PRF", "prf"), ("Collaborateur", "PRF"), ("PRF", "COLLABORATEUR"), ("new", "New")):
        assert same_profile(one, other, lists, CABINET), (one, other)
    for one, unlike in (("PRF", "MGR"), ("PRF", None), ("PRF", "new")):
        assert not same_profile(one, unlike, lists, CABINET), (one, unlike)


def test_a_client_is_found_by_its_code_or_by_the_name_that_one_alone_has() -> None:
    one, other, twin = dossier("D1"), dossier("D2"), dossier("D3")
    clients = (one, other, replace(twin, name=other.name))
    assert client_named("d1", clients) == client_named(one.name.upper(), clients) == one
    assert client_named(other.name, clients) is None
