"""What people read: every write in both languages, with the cabinet's own values, and what the fiche warns of."""

from __future__ import annotations

import string
from collections.abc import Iterator
from datetime import UTC, datetime
from typing import Any

import pytest

from bascule.connectors.contract import verb_named
from bascule.connectors.operator.forms import FORM_OF, MUST_EQUAL, checked, fields_of
from bascule.connectors.operator.sittings import MINUTES, SITTINGS, sitting_of
from bascule.connectors.operator.wording import LANGUAGES, TEXTS, evidence_of, example_of, instructions
from bascule.procedure import PROCEDURE
from bascule.workorders import Result
from tests.builders import work_order

ASKED = tuple(act.verb for step in PROCEDURE for act in step.acts)
IN_THE_ROW = {
    "code", "name", "siren", "siret", "entity", "admin_email", "default_profile", "default_group", "terms_signatory",
    "users", "assignments", "last_reason", "order", "minutes", "deadline", "timezone", "ge_exported", "s4a_exported",
}  # fmt: skip
EXPORTED = {"ge_reads": "extracts", "s4a_reads": "extracts"}


def everything_said(step: str, **changes: Any) -> str:
    told = instructions(work_order(step, **changes))
    return "\n".join([told.title, *told.steps, *told.look_at, *told.never, *told.form.values(), told.takes])


def in_english(**values: str) -> dict[str, str]:
    return {"language": "en", **values}


def lines_of(verb: str, language: str) -> Iterator[str | dict[str, str]]:
    for part in ("steps", "look_at", "never"):
        yield from TEXTS[verb][language][part]


# The texts themselves


@pytest.mark.parametrize("verb", ASKED)
def test_every_write_of_the_procedure_has_words_a_form_and_minutes(verb: str) -> None:
    assert verb in verb_named
    assert verb in FORM_OF
    assert verb in MINUTES
    for language in LANGUAGES:
        assert TEXTS[verb][language]["title"]
        assert TEXTS[verb][language]["steps"]


@pytest.mark.parametrize("verb", ASKED)
def test_both_languages_say_the_same_lines_under_the_same_conditions(verb: str) -> None:
    def shape(language: str) -> list[Any]:
        return [
            [(line.get("when"), line.get("unless")) if isinstance(line, dict) else None for line in piece]
            for piece in (TEXTS[verb][language][part] for part in ("steps", "look_at", "never"))
        ]

    assert shape("fr") == shape("en")


@pytest.mark.parametrize("verb", ASKED)
def test_a_text_speaks_of_nothing_that_an_order_does_not_hold(verb: str) -> None:
    for language in LANGUAGES:
        for line in lines_of(verb, language):
            text = line["says"] if isinstance(line, dict) else line
            named = {name for _, name, _, _ in string.Formatter().parse(text) if name is not None}
            conditions = {line.get("when") or line.get("unless")} if isinstance(line, dict) else set()
            assert named | conditions <= IN_THE_ROW


@pytest.mark.parametrize("verb", ASKED)
def test_every_piece_of_evidence_says_in_both_languages_what_it_is(verb: str) -> None:
    for name in evidence_of(work_order(verb)):
        assert all(TEXTS["form"][name][language] for language in LANGUAGES)


@pytest.mark.parametrize("verb", ASKED)
def test_an_example_is_one_that_the_form_takes(verb: str) -> None:
    order = work_order(verb, values=dict.fromkeys(MUST_EQUAL.values(), ""))
    examples = {field.name: example_of(field) for field in fields_of(order.verbs)}
    assert set(checked(order, Result.DONE, examples, datetime(2026, 12, 2, tzinfo=UTC))) == set(examples)


def test_no_text_is_left_over_for_evidence_that_nothing_asks_for() -> None:
    asked = {field.name for verb in ASKED for result in Result for field in fields_of(sitting_of(verb), result)}
    assert set(TEXTS["form"]) == asked


# One sitting, one text


def test_a_sitting_of_several_writes_is_one_text_that_ends_with_the_answer() -> None:
    told = instructions(work_order("connect"))
    assert told.title == "Connecter GE à Sage for Accountants, choisir les valeurs par défaut"
    starts, ends = (
        next(place for place, step in enumerate(told.steps) if word in step)
        for word in ("Lancer la connexion", "Terminer")
    )
    assert starts < ends < len(told.steps) - 1
    assert "C0001-connect" in told.steps[-1]
    assert set(told.form) >= {"connected_at", "siren_shown", "profile_chosen", "group_chosen", "ticket"}


def test_half_a_sitting_is_the_half_that_is_left() -> None:
    told = instructions(work_order("defaults", verbs=("defaults",)))
    assert "Lancer la connexion" not in everything_said("defaults", verbs=("defaults",))
    assert "connected_at" not in told.form


def test_the_language_is_the_cabinets_and_another_one_is_told_in_english() -> None:
    assert instructions(work_order()).language == "fr"
    assert instructions(work_order(values={"language": "en"})).language == "en"
    assert instructions(work_order(values={"language": "de"})).language == "en"


@pytest.mark.parametrize("language", LANGUAGES)
@pytest.mark.parametrize("sitting", [*SITTINGS, ("admin-sage",), ("backup",), ("users",), ("assignments",)])
def test_nothing_is_left_unfilled(sitting: tuple[str, ...], language: str) -> None:
    text = everything_said(sitting[0], values={"language": language, "users": "a — b — c", "assignments": "D — e"})
    assert "{" not in text
    assert "?)" not in text


def test_a_value_that_an_order_of_an_earlier_version_did_not_keep_is_said_to_be_unknown() -> None:
    order = work_order("connect")
    bare = work_order("connect", values=dict.fromkeys(order.values, ""))
    assert "(entity?)" in "\n".join(instructions(bare).steps)


# The cabinet's own values


@pytest.mark.parametrize(
    ("step", "values"),
    [
        ("admin-sage", ["Cabinet Œuvrard 1", "anne@cabinet1.example"]),
        ("connect", ["Cabinet Œuvrard 1", "CAB", "Collaborateur", "Général"]),
        ("sign-up", ["Cabinet Œuvrard 1", "Anne Lefèvre"]),
        ("backup", ["Cabinet Œuvrard 1"]),
        ("lock-out", ["Cabinet Œuvrard 1"]),
    ],
)
@pytest.mark.parametrize("language", LANGUAGES)
def test_the_cabinets_own_values_stand_in_the_text(step: str, values: list[str], language: str) -> None:
    text = everything_said(step, values={"language": language})
    assert [value for value in values if value not in text] == []


def test_a_siret_is_compared_only_where_one_is_known() -> None:
    assert "SIRET" not in everything_said("connect")
    assert "SIRET 73282932000074" in everything_said("connect", values={"siret": "73282932000074"})


def test_the_users_to_invite_and_the_clients_to_assign_are_listed_a_line_each() -> None:
    users = "paul@cabinet1.example — PAUL — collaborateur\nlea@cabinet1.example — LEA — manager"
    assert users in everything_said("users", values={"users": users})
    clients = "D-1 — paul@cabinet1.example\nD-2 — lea@cabinet1.example"
    assert clients in everything_said("assignments", values={"assignments": clients})


def test_what_comes_from_outside_stands_as_it_is_and_what_cannot_be_seen_by_its_code() -> None:
    text = everything_said("connect", values={"name": "=1+1 [red]{siren}{0}[/] \x1b[2J\u202e\u00a0é"})
    assert r"=1+1 [red]{siren}{0}[/] \x1b[2J\u202e\xa0é" in text


# What the fiche warns of


@pytest.mark.parametrize(
    ("step", "warned"),
    [
        ("admin-sage", ["the choice of the AdminSage is final", "to the letter"]),
        ("compute-key", ["Do not write the key itself"]),
        ("restart", ["through IntuiSage", "Sage For Accountants"]),
        ("connect", ["holds all rights on all dossier groups", "cannot undo a connection"]),
        ("sign-up", ["No bank data", "Do not tick the box for Anne Lefèvre", "Do not open Génération Experts yet"]),
        ("return-to-ge", ["Not the other way round", "Only then"]),
        ("backup", ["SQL", "MongoDB", "24 hours"]),
        (
            "lock-out",
            ["Nobody connects between", "Never start a synchronisation again", "Do not let the users in while"],
        ),
        ("users", ["Do not create contacts in Client Management", "a Sage account is personal"]),
        ("assignments", ["Do not create contacts in Client Management"]),
    ],
)
def test_the_warnings_are_told_where_they_matter(step: str, warned: list[str]) -> None:
    text = everything_said(step, values=in_english())
    assert [words for words in warned if words not in text] == []


@pytest.mark.parametrize("language", LANGUAGES)
def test_what_stands_on_the_screen_is_named_as_it_stands_there(language: str) -> None:
    for step, labels in {
        "connect": ["Lancer la connexion", "Suivant", "Terminer"],
        "sign-up": ["Poursuivre vers la configuration de la facturation", "Confirmer", "Ouvrir Sage For Accountants"],
        "return-to-ge": ["Retour à Génération Experts", "Ouvrir espaceexpertclient.exe"],
        "lock-out": ["Lancer la synchronisation", "Terminer", "Quitter"],
    }.items():
        text = everything_said(step, values={"language": language})
        assert [label for label in labels if label not in text] == []


def test_a_warning_of_two_writes_is_told_once() -> None:
    never = instructions(work_order("compute-key")).never
    assert len(never) == len(set(never))
    assert sum("la réponse" in line for line in never) == 1


def test_without_a_signatory_the_box_of_the_terms_is_left_alone() -> None:
    text = everything_said("terms", values=in_english(terms_signatory=""))
    assert "names nobody who may accept the general terms: stop before that box and answer cannot" in text
    assert "(terms_signatory?)" not in text


# What is asked besides


def test_lists_are_exported_after_the_lock_out_and_before_users_return() -> None:
    steps = instructions(work_order("lock-out", values=in_english(**EXPORTED))).steps
    places = [
        next(place for place, step in enumerate(steps) if words in step)
        for words in (
            "keep everybody out",
            "extracts/C0001/ge",
            "Lancer la synchronisation",
            "extracts/C0001/s4a",
            "the users in again, by the means",
        )
    ]
    assert places == sorted(places)
    assert "extracts" not in everything_said("lock-out", values=in_english())


@pytest.mark.parametrize("step", ["users", "assignments"])
def test_client_managements_lists_are_exported_again_after_they_changed(step: str) -> None:
    assert "extracts/C0001/s4a" in everything_said(step, values=EXPORTED)


@pytest.mark.parametrize("step", ["admin-sage", "connect", "sign-up", "backup"])
def test_no_list_is_asked_for_where_none_changed(step: str) -> None:
    assert "extracts" not in everything_said(step, values=EXPORTED)


def test_whoever_comes_after_an_order_that_nobody_answered_looks_first() -> None:
    first = instructions(work_order(values=in_english(first_look="yes"))).steps[0]
    assert first.startswith("First look whether this work, or part of it, is already done")
    assert "First look" not in everything_said("connect", values=in_english())


def test_why_it_is_asked_once_more_is_quoted() -> None:
    assert "“anne: the page was blank”" in everything_said(
        "connect", values=in_english(last_reason="anne: the page was blank")
    )


def test_when_users_must_be_back_is_told_in_the_cabinets_time() -> None:
    values = in_english(timezone="Indian/Reunion")
    text = everything_said("lock-out", deadline=datetime(2026, 12, 1, 23, tzinfo=UTC), values=values)
    assert text.count("2026-12-02 03:00 (Indian/Reunion)") == 2


def test_an_irreversible_one_says_that_a_second_person_approves() -> None:
    assert "a second person will approve it" in everything_said("terms", values=in_english())
    assert "a second person" not in everything_said("connect", values=in_english())


def test_how_long_it_takes_is_said_to_be_an_estimate() -> None:
    assert instructions(work_order(values=in_english())).takes == (
        "Takes about 15 minutes (an estimate of our team: Sage publishes none)."
    )
