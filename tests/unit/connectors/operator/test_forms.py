"""The evidence that an answer carries: typed, compared with the inventory, and never what may not be kept."""

from __future__ import annotations

from datetime import UTC, date, datetime
from typing import Any

import pytest

from bascule.connectors.operator.forms import EvidenceRefused, as_reason, checked, fields_of
from bascule.tables.problems import Broken
from bascule.workorders import Result
from tests.builders import cabinet, work_order

NOW = datetime(2026, 12, 2, 8, tzinfo=UTC)
IBAN = "FR76 3000 6000 0112 3456 7890 189"

DONE: dict[str, dict[str, object]] = {
    "admin-sage": {"email": "anne@cabinet1.example", "confirmed_on": "2026-12-01"},
    "compute-key": {
        "key_question": "CNCU QTDW EFFL DZZX",
        "key_entered_at": "2026-12-01T20:00",
        "restarted_at": "2026-12-01T20:10",
        "tab_visible": "oui",
    },
    "connect": {
        "connected_at": "2026-12-01T20:14",
        "siren_shown": cabinet().siren,
        "profile_chosen": "Collaborateur",
        "group_chosen": "Général",
    },
    "backup": {"sql_backup_at": "2026-12-01T19:00", "mongo_backup_at": "2026-12-01T19:10"},
    "lock-out": {
        "locked_out_at": "2026-12-01T20:00",
        "synchronised_at": "2026-12-01T21:00",
        "reopened_at": "2026-12-01T21:05",
    },
}


def problem(step: str, **given: object) -> tuple[str, str]:
    """The one field that is wrong, and its rule."""
    with pytest.raises(EvidenceRefused) as refused:
        checked(work_order(step), Result.DONE, {**DONE[step], **given}, NOW)
    (wrong,) = refused.value.problems
    assert wrong.fix
    return wrong.name, wrong.rule


@pytest.mark.parametrize("step", DONE)
def test_what_was_done_and_seen_is_taken(step: str) -> None:
    assert set(checked(work_order(step), Result.DONE, DONE[step], NOW)) == set(DONE[step])


def test_times_are_the_cabinets_and_kept_in_utc() -> None:
    for zone, kept in {"Europe/Paris": "19:14", "Indian/Reunion": "16:14"}.items():
        order = work_order("connect", values={"timezone": zone})
        assert checked(order, Result.DONE, DONE["connect"], NOW)["connected_at"] == f"2026-12-01T{kept}:00+00:00"


@pytest.mark.parametrize("written", ["2026-12-01 20:14", "2026-12-01T19:14Z", "2026-12-01T20:14:00+01:00"])
def test_a_time_may_be_written_in_these_ways(written: str) -> None:
    given = {**DONE["connect"], "connected_at": written}
    assert checked(work_order(), Result.DONE, given, NOW)["connected_at"] == "2026-12-01T19:14:00+00:00"


def test_an_empty_piece_is_none() -> None:
    given = {**DONE["connect"], "ticket": "  ", "screenshot": None}
    assert "ticket" not in checked(work_order(), Result.DONE, given, NOW)


@pytest.mark.parametrize(
    ("step", "name", "value", "rule"),
    [
        ("connect", "connected_at", "yesterday at eight", "is no date and time"),
        ("connect", "connected_at", "01/12/2026 20:14", "is no date and time"),
        ("connect", "connected_at", "2026-02-30T20:14", "is no date and time"),
        ("connect", "connected_at", "2026-12-01", "is no date and time"),
        ("connect", "connected_at", "2027-12-01T20:14", "lies in the future"),
        ("connect", "connected_at", 45992.8, "is no date and time"),
        ("connect", "siren_shown", "12345", "is no SIREN of 9 digits"),
        ("connect", "siren_shown", "732 829 320", f"is not what the inventory says, which is `{cabinet().siren}`"),
        ("connect", "profile_chosen", "collaborateur", "is not what the inventory says, which is `Collaborateur`"),
        ("connect", "profile_chosen", "x" * 201, "is no text of 1 to 200 characters"),
        ("connect", "group_chosen", "GÃ©nÃ©ral", "was read once in the wrong encoding"),
        ("connect", "ticket", "a\x00b", "contains a line break or another control character"),
        ("connect", "ticket", "a\nb", "contains a line break or another control character"),
        ("connect", "ticket", "a\u202eb", "contains a character that cannot be seen"),
        ("connect", "ticket", IBAN, "holds bank data, which is never kept"),
        ("connect", "screenshot", "capture.png", "is no SHA-256 of 64 digits 0 to 9 and a to f"),
        ("admin-sage", "email", "Anne@cabinet1.example", "is not what the inventory says, which is `anne@cabinet1.example`"),
        ("admin-sage", "confirmed_on", "31.02.2026", "is no date"),
        ("admin-sage", "confirmed_on", "2026-02-31", "is no date"),
        ("admin-sage", "confirmed_on", "2026-12-04", "lies in the future"),
        ("compute-key", "key_question", "CNCU QTDW EFFL", "is no key question: four groups of four capital letters"),
        ("compute-key", "key_question", "1234 5678 9012 3456", "is no key question: four groups of four capital letters"),
        ("compute-key", "tab_visible", "perhaps", "is neither yes nor no"),
        ("compute-key", "tab_visible", "non", "is no: then it is not done"),
        ("compute-key", "restarted_at", "2026-12-01T19:59", "lies before key_entered_at"),
        ("backup", "sql_backup_at", "2026-12-03T20:00", "lies in the future"),
        ("lock-out", "dossiers_shown", "many", "is no number of 0 to 1,000,000"),
        ("lock-out", "dossiers_shown", "-1", "is no number of 0 to 1,000,000"),
        ("lock-out", "reopened_at", "2026-12-01T20:30", "lies before synchronised_at"),
    ],
)  # fmt: skip
def test_a_wrong_piece_is_told_by_its_name_and_rule(step: str, name: str, value: object, rule: str) -> None:
    assert problem(step, **{name: value}) == (name, rule)


def test_every_wrong_piece_is_told_at_once() -> None:
    with pytest.raises(EvidenceRefused) as refused:
        checked(work_order(), Result.DONE, {"siren_shown": "1", "ticket": "a\nb", "colour": "blue"}, NOW)
    told = {wrong.name: wrong.rule for wrong in refused.value.problems}
    assert set(told) == {"connected_at", "siren_shown", "profile_chosen", "group_chosen", "ticket", "colour"}
    assert told["connected_at"] == "is missing"


def test_a_misspelt_piece_is_told_with_what_was_meant() -> None:
    with pytest.raises(EvidenceRefused) as refused:
        checked(work_order(), Result.DONE, {**DONE["connect"], "siren_shwon": "1"}, NOW)
    (wrong,) = refused.value.problems
    assert wrong.fix == "Did you mean `siren_shown`?"


def test_an_accent_typed_in_two_characters_is_the_same_accent() -> None:
    given = {**DONE["connect"], "group_chosen": "Ge\u0301ne\u0301ral"}
    assert checked(work_order(), Result.DONE, given, NOW)["group_chosen"] == "Général"


def test_the_hour_agreed_for_the_section_may_lie_ahead() -> None:
    given = {**DONE["backup"], "section_from": "2026-12-02T12:00"}
    assert checked(work_order("backup"), Result.DONE, given, NOW)["section_from"] == "2026-12-02T11:00:00+00:00"


def test_dates_of_python_are_dates() -> None:
    given = {"email": "anne@cabinet1.example", "confirmed_on": date(2026, 12, 1)}
    assert checked(work_order("admin-sage"), Result.DONE, given, NOW)["confirmed_on"] == "2026-12-01"


def test_what_was_not_done_asks_for_little_and_takes_no_evidence_of_what_was() -> None:
    assert checked(work_order(), Result.NOT_DONE, {"ticket": "INC-1"}, NOW) == {"ticket": "INC-1"}
    with pytest.raises(
        EvidenceRefused, match="connected_at: is not asked for by C0001-connect when the result is cannot"
    ):
        checked(work_order(), Result.CANNOT, {"connected_at": "2026-12-01T20:14"}, NOW)


def test_a_section_that_was_not_gone_through_says_that_users_are_back_and_nothing_was_begun() -> None:
    def undone(**given: Any) -> dict[str, Any]:
        return checked(work_order("lock-out"), Result.NOT_DONE, given, NOW)

    assert undone(users_back="yes", synchronisation_begun="no") == {"users_back": True, "synchronisation_begun": False}
    for given in (
        {},
        {"users_back": "no", "synchronisation_begun": "no"},
        {"users_back": "yes", "synchronisation_begun": "yes"},
    ):
        with pytest.raises(EvidenceRefused):
            undone(**given)


def test_a_section_that_cannot_be_ended_says_how_far_it_came() -> None:
    given = {"users_back": "no", "synchronisation_begun": "yes"}
    assert checked(work_order("lock-out"), Result.CANNOT, given, NOW) == {
        "users_back": False,
        "synchronisation_begun": True,
    }


def test_what_must_be_given_is_asked_first_and_what_goes_with_any_answer_last() -> None:
    assert [field.name for field in fields_of(work_order("lock-out").verbs)] == [
        "locked_out_at", "synchronised_at", "reopened_at", "dossiers_shown", "ticket", "screenshot",
    ]  # fmt: skip


# Bank data and reasons


@pytest.mark.parametrize(
    "text",
    [
        IBAN,
        IBAN.replace(" ", ""),
        f"billed to {IBAN.lower()} today",
        "GB33BUKB20201555555555",
        f"NO9386011117947 {'X' * 12}",
    ],
)
def test_bank_data_is_not_kept_wherever_it_stands(text: str) -> None:
    with pytest.raises(Broken, match="bank data"):
        as_reason(text)


@pytest.mark.parametrize(
    "text", ["Saw the tab, ticket INC20261201", "SIRET 73282932000074, SIREN 732829320", "CNCU QTDW EFFL DZZX", "FR76"]
)
def test_what_only_looks_like_bank_data_is_kept(text: str) -> None:
    assert as_reason(text) == text


def test_a_reason_of_several_lines_is_one_line() -> None:
    assert as_reason(" The page\nstayed  blank.\t") == "The page stayed blank."


@pytest.mark.parametrize("text", ["a\x1b[2J", "a\u202eb", "SociÃ©tÃ©"])
def test_a_reason_that_cannot_be_read_is_refused(text: str) -> None:
    with pytest.raises(Broken):
        as_reason(text)
