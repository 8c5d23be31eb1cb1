"""What a notice says: enough to act on, and nothing of a cabinet's people."""

from __future__ import annotations

from datetime import timedelta

import pytest

from bascule.model import Outcome
from bascule.notices import Message, worded
from bascule.notices.wording import WORDS
from bascule.workorders import WorkOrder
from tests.unit.notices.happenings import HEARERS, NOON, PARIS, Day, answered, kept_out, order, run

GUARDED = order("C0003", "lock-out", "synchronise", "reopen", deadline=NOON - timedelta(minutes=10))


def message_to(hearer: str, *orders: WorkOrder, language: str = "fr", **more: object) -> Message:
    """The first message that this hearer gets."""
    notices = Day(HEARERS).look(*orders, **more)  # type: ignore[arg-type]
    return next(worded(notice, language=language, zone=PARIS) for notice in notices if notice.to == hearer)


def test_a_digest_says_what_to_do_since_when_and_what_to_type() -> None:
    told = message_to("anne", order("C0001"), order("C0002"))
    assert told.subject == "Bascule : 2 nouveaux bons de travail"
    assert (
        "- C0001-connect: connecter GE à Sage for Accountants, choisir les valeurs par défaut; environ 20 min; depuis le 2026-12-01 11:55"
        in told.text
    )
    assert "bascule inbox --mine anne" in told.text
    assert "Europe/Paris" in told.text


def test_one_order_is_answered_with_the_command_that_is_shown() -> None:
    told = message_to("anne", order("C0001"), language="en")
    assert told.subject == "Bascule: 1 new work order"
    assert "bascule answer C0001-connect --by anne --result done|not-done|cannot" in told.text


def test_an_approval_is_given_with_the_command_that_is_shown() -> None:
    told = message_to("paul", answered(order("C0002", "terms", four_eyes=True), "anne"), language="en")
    assert told.subject == "Bascule: 1 answer to approve"
    assert 'bascule approve C0002-terms --by paul --because "…"' in told.text


def test_an_alarm_says_so_in_its_subject_and_that_nothing_reopens_by_itself() -> None:
    told = message_to("@team", GUARDED, language="en")
    assert told.subject == "ALARM Bascule: C0003, users may still be locked out of GE"
    assert "should have been reopened by 2026-12-01 11:50" in told.text
    assert "never reopens by itself" in told.text
    assert "owner: anne" in told.text


def test_who_is_locked_out_too_long_is_told_by_cabinet_with_since_when_and_what_to_type() -> None:
    told = message_to("anne", out=[kept_out("C0005")], language="en")
    assert told.subject == "ALARM Bascule: C0005, users are still locked out of GE"
    assert "- C0005: since 2026-12-01 07:50; should have been reopened by 2026-12-01 11:50; owner: anne" in told.text
    assert 'bascule unlock C0005 --by anne --because "…"' in told.text


def test_of_many_who_are_locked_out_too_long_each_is_named_and_the_command_once() -> None:
    told = message_to("@team", out=[kept_out("C0005"), kept_out("C0006", owner=None)], language="en")
    assert told.subject == "ALARM Bascule: the users of 2 cabinets are still locked out of GE"
    assert "- C0006: since 2026-12-01 07:50" in told.text
    assert 'bascule unlock CODE --by NAME --because "…"' in told.text


def test_a_wave_that_ended_tells_its_totals_its_grade_and_who_needs_somebody() -> None:
    told = message_to("@team", runs=[run()], language="en")
    assert told.subject == "Bascule: wave pilot, run ended: blocked"
    assert "20 cabinets: 1 blocked, 2 unfinished, 17 ok." in told.text
    assert "- C0007: blocked, at step admin-rights" in told.text
    assert "bascule status --wave pilot" in told.text


def test_a_message_of_a_thousand_orders_names_forty_and_counts_the_others() -> None:
    told = message_to("anne", *(order(f"C{n:04}") for n in range(1000)), language="en")
    assert told.text.count("\n- ") == 40
    assert "… and 960 more" in told.text
    assert told.subject == "Bascule: 1000 new work orders"


def test_a_wave_of_a_thousand_failures_is_shortened_too() -> None:
    failed = tuple((f"C{n:04}", Outcome.FAILED, "connect") for n in range(1000))
    told = message_to("@team", runs=[run(needing=failed, outcomes={Outcome.FAILED: 1000})], language="en")
    assert told.text.count("\n- ") == 40


@pytest.mark.parametrize("language", WORDS)
def test_nothing_of_the_cabinets_people_is_in_a_message(language: str) -> None:
    everything = [
        order("C0001"),
        answered(order("C0002", "terms", four_eyes=True), "paul"),
        GUARDED,
        order("C0004", expires_at=NOON),
    ]
    for to in ("anne", "@team", "env:TEAMS_URL"):
        told = message_to(to, *everything, out=[kept_out()], runs=[run()], language=language)
        for secret in ("dupont", "Dupont", "732829320", "@cabinet"):
            assert secret not in told.subject + told.text


@pytest.mark.parametrize(
    "owner", ["<!channel>", "@everyone", "[win](https://evil.example)", "anne\r\nBcc: all@evil.example", "x" * 500]
)
def test_a_name_cannot_mention_everybody_link_anywhere_or_add_a_header(owner: str) -> None:
    told = message_to("@team", order("C0001", owner=owner))
    assert not set("<>@[]\r") & set(told.subject + told.text)
    assert "\n" not in told.subject
    assert len(told.text) < 1000


def test_the_name_of_a_lock_outs_owner_is_as_harmless() -> None:
    told = message_to("@team", out=[kept_out(owner="<!channel> [win](https://evil.example)")])
    assert not set("<>@[]\r") & set(told.subject + told.text)


def test_both_languages_say_the_same_things() -> None:
    assert WORDS["fr"].keys() == WORDS["en"].keys()
