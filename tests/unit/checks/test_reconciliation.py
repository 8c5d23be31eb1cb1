"""Two sides are the same when their sets are; what is missing, extra or different is named."""

from __future__ import annotations

import json
from dataclasses import replace
from time import process_time
from unicodedata import normalize

import pytest

from bascule.checks import reconciliation
from bascule.checks.reconciliation import (
    Change,
    Difference,
    Listed,
    Reconciliation,
    What,
    contacts_to_enter,
)
from bascule.checks.sameness import Tolerated
from bascule.connectors.operator.facts import ge_facts
from bascule.facts import Dossier, DossierStatus, GeLists, S4aLists
from bascule.procedure import what_to_do_about
from tests.unit.checks.lists import (
    ADMIN,
    CABINET,
    WHEN,
    cabinet,
    contact,
    dossier,
    ge,
    group,
    holds,
    person,
    profile,
    s4a,
)

SHOWS_NOTHING = ge_facts(CABINET.code, WHEN, ())


def compare(source: GeLists, target: S4aLists, *tolerate: Tolerated) -> Reconciliation:
    return reconciliation.compare(source, target, CABINET, tolerate=tolerate)


def test_what_was_carried_over_whole_shows_no_difference() -> None:
    differences = compare(ge(), s4a(ge()))

    assert differences.is_same
    assert differences.in_words() == ""
    assert [(one.what, one.source, one.target) for one in differences.compared[:4]] == [
        ("group", 2, 2),
        ("dossier", 1, 1),
        ("collaborateur", 1, 1),
        ("right", 6, 6),
    ]


def test_the_order_of_rows_does_not_matter() -> None:
    source = ge(dossiers=(dossier("D1"), dossier("D2"), dossier("D3")))

    assert compare(source, s4a(source, dossiers=source.dossiers[::-1], rights=source.rights[::-1])).is_same


def test_dossiers_that_did_not_arrive_are_named() -> None:
    source = ge(dossiers=(dossier("D1"), dossier("D2"), dossier("D3")))

    differences = compare(source, s4a(source, dossiers=source.dossiers[:1]))

    assert not differences.is_same
    assert differences.in_words() == "2 dossiers missing: D2, D3"


def test_a_dossier_that_arrived_twice_is_extra_though_the_counts_of_others_make_up_for_it() -> None:
    source = ge(dossiers=(dossier("D1"), dossier("D2")))

    differences = compare(source, s4a(source, dossiers=(dossier("D1"), dossier("D1"))))

    assert differences.of("dossier").missing == (Difference(key="D2", group="G1"),)
    assert differences.of("dossier").extra == (Difference(key="D1", group="G1", times=2),)
    assert differences.in_words() == "1 dossier missing: D2; 1 dossier extra: D1 (there 2 times)"


def test_a_dossier_that_nobody_sent_is_extra() -> None:
    assert compare(ge(), s4a(ge(), dossiers=(*ge().dossiers, dossier("D9")))).in_words() == "1 dossier extra: D9"


def test_a_dossier_that_changed_says_in_which_fields() -> None:
    before = dossier("D1", siren="732829320", siret=None)
    after = replace(before, name="Boucherie", group=None, siren=None, status=DossierStatus.ARCHIVED)
    source = ge(dossiers=(before,))

    (difference,) = compare(source, s4a(source, dossiers=(after,))).of("dossier").different

    assert str(difference) == (
        "D1 (name: Boulangerie D1 -> Boucherie, group: G1 -> none, siren: 732829320 -> none, status: open -> archived)"
    )


def test_spelling_that_means_the_same_is_no_difference() -> None:
    before = dossier("É1", name="Café\u00a0de  l’Étoile", siren="732 829 320", siret="")
    after = replace(
        before, code=normalize("NFD", "É1"), name=normalize("NFD", "Café de l’Étoile "), siren="732829320", siret=None
    )
    source = ge(dossiers=(before,))

    assert compare(source, s4a(source, dossiers=(after,))).is_same


SPELT = [("D001", "d001"), ("A  1", "A 1"), ("D1 ", "D1"), ("Straße", "STRASSE")]


@pytest.mark.parametrize(("was", "now"), SPELT)
def test_a_key_in_another_spelling_is_different_and_told_in_both(was: str, now: str) -> None:
    source = ge(
        dossiers=(dossier(was, name="Un"),),
        groups=(group(was),),
        collaborateurs=(person(was, last_name="Un", email=None),),
        rights=holds(was, "G1", rights=("saisie",)),
    )
    target = s4a(
        source,
        dossiers=(dossier(now, name="Un"),),
        groups=(group(now, label=source.groups[0].label),),
        collaborateurs=(person(now, last_name="Un", email=None),),
        rights=holds(now, "G1", rights=("saisie",)),
    )

    told = compare(source, target, *Tolerated)

    assert not told.is_same
    rests: dict[What, str] = {"dossier": "", "group": "", "collaborateur": "", "right": " / G1 / saisie"}
    for what, rest in rests.items():
        one = told.of(what)
        assert (one.count("missing"), one.count("extra"), one.count("tolerated")) == (0, 0, 0)
        assert one.different == (
            Difference(
                key=was + rest,
                group="G1" if what == "dossier" else None,
                changes=(Change(field="code", was=was + rest, now=now + rest),),
            ),
        )


def test_blanks_that_the_eye_skips_are_shown_in_quotes() -> None:
    source = ge(dossiers=(dossier("A  1", name="Un"),))

    told = compare(source, s4a(source, dossiers=(dossier("A 1", name="Un"),)))

    assert told.in_words() == "1 dossier different: A  1 (code: 'A  1' -> A 1)"


def test_a_key_in_another_spelling_tells_what_else_changed_in_the_same_line() -> None:
    source = ge(dossiers=(dossier("D001", name="CAFÉ", siren="732829320"),))

    dossiers = compare(source, s4a(source, dossiers=(dossier("d001", name="Café"),)), Tolerated.CASE).of("dossier")

    assert [str(one) for one in dossiers.different] == ["D001 (code: D001 -> d001, siren: 732829320 -> none)"]
    assert [str(one) for one in dossiers.tolerated] == ["D001 (name: CAFÉ -> Café)"]


def test_a_dossier_whose_group_is_spelt_otherwise_is_different() -> None:
    source = ge(dossiers=(dossier("D1"),))

    assert compare(source, s4a(source, dossiers=(dossier("D1", group="g1"),))).in_words() == (
        "1 dossier different: D1 (group: G1 -> g1)"
    )


@pytest.mark.parametrize("codes", [("A1", "a1"), ("A1", "A1")])
def test_two_that_are_nearly_or_wholly_of_one_code_are_told_apart_in_whatever_order(codes: tuple[str, str]) -> None:
    two = tuple(dossier(code, name=name) for code, name in zip(codes, ("Un", "Deux"), strict=True))

    assert compare(ge(dossiers=two), s4a(ge(dossiers=two), dossiers=two[::-1])).is_same


def test_a_code_that_arrived_in_a_second_spelling_as_well_is_extra() -> None:
    source = ge(dossiers=(dossier("D1"),))

    told = compare(source, s4a(source, dossiers=(dossier("d1"), dossier("D1"))))

    assert told.in_words() == "1 dossier extra: d1"


def test_rights_are_joined_of_three_codes_and_not_of_one_text() -> None:
    source = ge(rights=holds("A / B", "C", rights=("saisie",)))

    told = compare(source, s4a(source, rights=holds("A", "B / C", rights=("saisie",))))

    assert (told.of("right").count("missing"), told.of("right").count("extra")) == (1, 1)


def test_groups_people_and_rights_are_compared_too() -> None:
    source = ge(collaborateurs=(ADMIN, person("JP")), rights=holds("AL", "G1", "G2"))
    target = s4a(
        source,
        groups=(group("G1", label="Autre nom"), group("G2")),
        collaborateurs=(ADMIN, person("JP", email="other@lefevre.fr")),
        rights=(*holds("AL", "G1"), *holds("AL", "G2", rights=("saisie",))),
    )

    assert compare(source, target).in_words() == (
        "1 group different: G1 (label: Groupe G1 -> Autre nom); "
        "1 collaborateur different: JP (e-mail: jp@lefevre.fr -> other@lefevre.fr); "
        "2 rights missing: AL / G2 / consultation, AL / G2 / suppression"
    )


def test_what_the_target_cannot_tell_is_neither_the_same_nor_different() -> None:
    silent = s4a(ge(), groups=(), collaborateurs=(), rights=(), unknown=("groups", "collaborateurs", "rights"))

    differences = compare(ge(), silent)

    assert differences.is_same, "as far as anything was compared, the dossiers among it"
    assert differences.not_compared_in_words() == (
        "groups, collaborateurs, rights (no list of Client Management tells them); "
        "default profile, default group (Client Management does not show it)"
    )
    assert differences.has_reservations
    assert [(one.what, one.not_compared) for one in differences.not_compared[:3]] == [
        (what, "no list of Client Management tells them") for what in ("group", "collaborateur", "right")
    ]


@pytest.mark.parametrize("also", [(), ("groups", "collaborateurs", "rights", "contacts")])
def test_nobody_says_the_same_where_the_dossiers_were_not_compared(also: tuple[str, ...]) -> None:
    told = compare(ge(), s4a(ge(), dossiers=(), unknown=("dossiers", *also)))

    assert (told.is_same, told.differs, told.tells_dossiers, told.tells_anything) == (False, False, False, False)


def test_what_differs_is_told_though_the_dossiers_were_not_compared() -> None:
    told = compare(ge(), s4a(ge(), dossiers=(), groups=(), unknown=("dossiers",)))

    assert (told.is_same, told.differs, told.tells_anything) == (False, True, True)


def test_what_is_shown_nowhere_is_no_reservation() -> None:
    told = compare(ge(), s4a(ge()))

    assert told.not_compared_in_words() == "default profile, default group (Client Management does not show it)"
    assert not told.has_reservations


def test_dossiers_are_compared_though_the_target_cannot_tell_the_rights() -> None:
    source = ge(dossiers=(dossier("D1"), dossier("D2")))

    differences = compare(source, s4a(source, dossiers=(dossier("D1"),), rights=(), unknown=("rights",)))

    assert differences.in_words() == "1 dossier missing: D2"
    assert "right" in [one.what for one in differences.not_compared]
    assert differences.of("dossier").not_compared == ""


def test_many_differences_are_named_in_few_words() -> None:
    source = ge(dossiers=tuple(dossier(f"D{number:04}") for number in range(4_000)))

    said = compare(source, s4a(source, dossiers=())).in_words(limit=3)

    assert said == "4000 dossiers missing: D0000, D0001, D0002 and 3997 more"


def test_contacts_that_did_not_arrive_are_named_as_expected_and_are_no_difference() -> None:
    source = ge(contacts=(contact("Anne", id="1"), contact("Paul", id="2")))

    told = compare(source, s4a(source, contacts=()))

    contacts = told.of("contact")
    assert told.is_same
    assert (contacts.source, contacts.target, contacts.missing, contacts.count("expected")) == (2, 0, (), 2)
    assert [str(one) for one in contacts.expected] == ["1 (name: Anne -> none)", "2 (name: Paul -> none)"]


def test_of_thousands_of_contacts_some_are_named_and_all_are_counted() -> None:
    source = ge(contacts=tuple(contact(f"Contact {n}", id=f"{n:04}") for n in range(1_000)))

    contacts = compare(source, s4a(source, contacts=())).of("contact")

    assert (len(contacts.expected), contacts.more, contacts.count("expected")) == (200, {"expected": 800}, 1_000)


def test_contacts_that_client_management_does_not_tell_are_not_compared() -> None:
    told = compare(ge(), s4a(ge(), contacts=(), unknown=("contacts",))).of("contact")

    assert (told.not_compared, told.expected) == ("no list of Client Management tells them", ())


def test_contacts_made_in_client_management_are_listed_for_entry_in_ge() -> None:
    new = contact("Zoé Martin", id="S4A-1", email="zoe@martin.fr", dossier="D1")
    source = ge()

    assert contacts_to_enter(source, s4a(source, contacts=(*source.contacts, new))) == (new,)


def test_a_contact_that_was_entered_in_ge_under_another_id_is_not_listed_again() -> None:
    new = contact("Zoé Martin", id="S4A-1", email="zoe@martin.fr", dossier="D1")
    entered = replace(new, id="K-77", name="ZOÉ  MARTIN", email="Zoe@martin.fr")

    assert contacts_to_enter(ge(contacts=(entered,)), s4a(ge(), contacts=(new,))) == ()


def test_the_same_person_at_another_dossier_is_another_contact() -> None:
    new = contact("Zoé Martin", id="S4A-1", email="zoe@martin.fr", dossier="D2")

    assert contacts_to_enter(ge(contacts=(replace(new, id="K-77", dossier="D1"),)), s4a(ge(), contacts=(new,))) == (
        new,
    )


def test_contacts_that_were_to_be_expected_are_counted_and_told_apart() -> None:
    new = contact("Zoé Martin", id="S4A-1", email="zoe@martin.fr", dossier="D1")

    told = compare(ge(), s4a(ge(), contacts=(*ge().contacts, new)))

    contacts = told.of("contact")
    assert told.is_same
    assert (contacts.source, contacts.target, contacts.missing) == (1, 2, ())
    assert [str(one) for one in contacts.expected] == ["S4A-1 (name: none -> Zoé Martin)"]


# What was allowed to differ

UPPER = (dossier("D1", name="CAFÉ DE L'ŒUVRE"), dossier("D1", name="Café de l'Œuvre"))
PLAIN = (dossier("D1", name="Cafe de l'Oeuvre - Metz"), dossier("D1", name="Café de l’Œuvre – Metz"))


@pytest.mark.parametrize(
    ("names", "tolerate", "listed"),
    [
        (UPPER, (), "different"),
        (UPPER, (Tolerated.ACCENTS,), "different"),
        (UPPER, (Tolerated.CASE,), "tolerated"),
        (PLAIN, (), "different"),
        (PLAIN, (Tolerated.CASE,), "different"),
        (PLAIN, (Tolerated.ACCENTS,), "tolerated"),
        (PLAIN, (Tolerated.CASE, Tolerated.ACCENTS), "tolerated"),
    ],
)
def test_a_text_that_differs_as_it_may_is_listed_and_is_no_difference(
    names: tuple[Dossier, Dossier], tolerate: tuple[Tolerated, ...], listed: Listed
) -> None:
    source = ge(dossiers=names[:1])

    told = compare(source, s4a(source, dossiers=names[1:]), *tolerate)

    assert told.is_same is (listed == "tolerated")
    assert (told.count("different"), told.count("tolerated")) == ((0, 1) if told.is_same else (1, 0))
    [one] = getattr(told.of("dossier"), listed)
    assert one.changes == (Change(field="name", was=names[0].name, now=names[1].name),)


def test_what_is_no_text_never_may_differ_and_is_told_apart_from_what_may() -> None:
    before = dossier("D1", name="BOULANGERIE", group="Gé", siren="732829320")
    after = replace(before, name="Boulangerie", group="Ge", siren="732829321", status=DossierStatus.CLOSED)
    source = ge(dossiers=(before,))

    dossiers = compare(source, s4a(source, dossiers=(after,)), *Tolerated).of("dossier")

    assert [change.field for change in dossiers.different[0].changes] == ["group", "siren", "status"]
    assert [change.field for change in dossiers.tolerated[0].changes] == ["name"]


def test_another_e_mail_is_another_address_whatever_is_tolerated() -> None:
    source = ge(collaborateurs=(person("JP", email="jp@lefevre.fr"),))
    target = s4a(source, collaborateurs=(person("JP", email="jp@lefèvre.fr"),))

    assert not compare(source, target, *Tolerated).is_same


# The two defaults


def test_other_defaults_than_were_chosen_are_a_difference() -> None:
    source = ge(profiles=(profile("COL"), profile("MGR", label="Manager")))

    told = compare(source, s4a(source, default_profile="MGR", default_group="G2"))

    assert told.in_words() == (
        "1 default profile different: COL (code: COL -> MGR); 1 default group different: G1 (code: G1 -> G2)"
    )


def test_a_default_is_the_same_by_its_code_and_by_its_label() -> None:
    target = s4a(ge(), default_profile="collaborateur", default_group="Groupe G1")

    assert compare(ge(), target).is_same


def test_what_ge_shows_goes_before_the_inventory() -> None:
    shown = replace(SHOWS_NOTHING, default_profile="MGR", default_group="G2")
    target = s4a(ge(), default_profile="MGR", default_group="G2")

    assert reconciliation.compare(ge(), target, CABINET, shown).is_same
    assert reconciliation.compare(ge(), target, cabinet(default_profile="MGR", default_group="G2")).is_same
    assert not reconciliation.compare(ge(), target, CABINET, SHOWS_NOTHING).is_same


def test_a_default_that_client_management_does_not_show_is_not_compared() -> None:
    told = compare(ge(), s4a(ge()))

    assert told.is_same
    assert told.of("default profile").not_compared == "Client Management does not show it"


def test_a_default_that_is_null_is_not_set_and_that_is_a_difference() -> None:
    told = compare(ge(), s4a(ge(), default_profile=None, default_group="G1"))

    assert told.in_words() == "1 default profile different: COL (code: COL -> none)"
    assert told.not_compared == ()


# Which group stayed behind


def test_a_group_that_stayed_behind_is_named() -> None:
    source = ge(dossiers=(dossier("D1"), dossier("D2", group="G2"), dossier("D3", group="g2")))

    assert compare(source, s4a(source, dossiers=source.dossiers[:1])).group_left_behind == "G2"
    assert compare(source, s4a(source, dossiers=())).group_left_behind is None, "of two groups"
    assert compare(source, s4a(source)).group_left_behind is None, "nothing is missing"


def test_what_to_do_is_told_of_what_differs_and_of_nothing_else() -> None:
    source = ge(dossiers=(dossier("D1"), dossier("D2", group="G1"), dossier("D3", group="G2")))

    def told(*there: Dossier) -> str:
        return what_to_do_about(compare(source, s4a(source, dossiers=there)))

    first, *rest = source.dossiers
    assert "lacked rights on a dossier group" in told(first)
    assert "the group 'G2'" in told(first, rest[0])
    assert "what Client Management has besides" in told(*source.dossiers, dossier("D9"))
    assert "what differs" in told(first, rest[0], replace(rest[1], name="Another name"))
    assert "missing" not in told(*source.dossiers, dossier("D9"))


def test_dossiers_without_a_group_are_no_group_that_stayed_behind() -> None:
    source = ge(dossiers=(dossier("D1", group=None), dossier("D2", group=None)))

    assert compare(source, s4a(source, dossiers=())).group_left_behind is None


# As evidence


def test_a_reconciliation_is_read_back_from_the_evidence_as_it_was() -> None:
    source = ge(dossiers=(dossier("D1", name="CAFÉ"), dossier("D2"), dossier("D3")))
    target = s4a(
        source,
        dossiers=(dossier("D1", name="Café", siren="732829320"), dossier("D3"), dossier("D3")),
        contacts=(contact("Zoé Martin"),),
        rights=(),
        unknown=("rights",),
    )
    told = compare(source, target, Tolerated.CASE)

    kept = json.loads(json.dumps(told.as_json()))

    assert Reconciliation.from_json(kept) == told
    assert told.count("missing") == told.count("extra") == told.count("different") == told.count("tolerated") == 1


def test_what_is_the_same_takes_little_room_in_the_ledger() -> None:
    assert len(json.dumps(compare(ge(), s4a(ge())).as_json())) < 600


def test_a_list_that_nobody_would_read_to_its_end_says_how_many_more_there_are() -> None:
    source = ge(rights=tuple(right for n in range(2_000) for right in holds(f"P{n:04}", "G1")))

    told = compare(source, s4a(source, rights=()))

    rights = Reconciliation.from_json(told.as_json()).of("right")
    assert (len(rights.missing), rights.more, rights.count("missing")) == (5_000, {"missing": 1_000}, 6_000)
    assert told.in_words(limit=1) == "6000 rights missing: P0000 / G1 / consultation and 5999 more"


def test_four_thousand_dossiers_with_ten_thousand_rights_are_compared_within_a_second() -> None:
    groups = tuple(f"G{number}" for number in range(20))
    source = ge(
        dossiers=tuple(
            dossier(f"D{number:04}", name=f"Société n° {number}", siren="732829320") for number in range(4_000)
        ),
        rights=tuple(right for n in range(50) for right in holds(f"P{n}", *groups, rights=tuple("abcdefghij"))),
    )
    assert len(source.rights) == 10_000
    target = s4a(
        source,
        dossiers=tuple(replace(row, name=row.name.upper()) for row in reversed(source.dossiers)),
        rights=source.rights[::-1],
    )

    began = process_time()
    assert compare(source, target).count("different") == 4_000

    # Measured: about 100 ms on an idle machine.
    assert process_time() - began < 1
