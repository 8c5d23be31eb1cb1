"""Who is told what, when, and only once."""

from __future__ import annotations

from datetime import time, timedelta
from itertools import pairwise

from hypothesis import given
from hypothesis import strategies as st

from bascule.model import Outcome
from bascule.notices import Hearers, QuietHours, Topic
from bascule.notices.told import TAKEN_OVER_AFTER, Said
from bascule.workorders import Result, Withdrawal
from tests.unit.notices.happenings import NOON, PARIS, Day, answered, declined, kept_out, order, run, told_to

HOUR = timedelta(hours=1)
MINUTE = timedelta(minutes=1)
TERMS = order("C0002", "terms", four_eyes=True)
GUARDED = order("C0003", "lock-out", "synchronise", "reopen", deadline=NOON - 10 * MINUTE)
MIDNIGHT = NOON + 12 * HOUR
NIGHT = QuietHours(PARIS, time(21), time(7))


# New work orders


def test_an_operator_hears_of_all_new_orders_in_one_message() -> None:
    notices = Day().look(order("C0001"), order("C0002"), order("C0003"))
    assert told_to(notices) == {
        "anne": ["new-orders C0001-connect", "new-orders C0002-connect", "new-orders C0003-connect"]
    }
    assert len(notices) == 1


def test_what_belongs_to_nobody_or_to_somebody_without_an_address_goes_to_the_team() -> None:
    notices = Day().look(order("C0001", owner=None), order("C0002", owner="luc"), order("C0003", owner=" Anne "))
    both = ["new-orders C0001-connect", "new-orders C0002-connect"]
    assert told_to(notices) == {"@team": both, "env:TEAMS_URL": both, "anne": ["new-orders C0003-connect"]}


def test_an_order_is_told_once_and_later_ones_by_themselves() -> None:
    day = Day()
    assert day.look(order("C0001"))
    assert not day.look(order("C0001"), now=NOON + 10 * MINUTE)
    assert told_to(day.look(order("C0001"), order("C0002"), now=NOON + 20 * MINUTE)) == {
        "anne": ["new-orders C0002-connect"]
    }


def test_an_order_that_needs_nobody_any_more_is_not_told() -> None:
    withdrawn = order("C0001", withdrawal=Withdrawal(by="ops", at=NOON, because="excluded"))
    assert not Day().look(
        withdrawn, answered(order("C0002"), "anne"), answered(order("C0003"), "anne", result=Result.CANNOT)
    )


# Answers to approve


def test_everybody_but_who_answered_is_asked_to_approve() -> None:
    assert told_to(Day().look(answered(TERMS, "Anne"))) == {"paul": ["to-approve C0002-terms"]}


def test_where_only_who_answered_has_an_address_the_team_is_asked_to_approve() -> None:
    day = Day(hearers=Hearers(operators=("anne",), team=("@team",)))
    assert told_to(day.look(answered(TERMS, "anne"))) == {"@team": ["to-approve C0002-terms"]}


def test_a_declined_order_is_new_again_and_a_second_answer_is_to_be_approved_again() -> None:
    day = Day()
    day.look(TERMS)
    day.look(answered(TERMS, "anne"), now=NOON + HOUR)
    again = declined(TERMS, "paul", NOON + 2 * HOUR)
    assert told_to(day.look(again, now=NOON + 2 * HOUR)) == {"anne": ["new-orders C0002-terms"]}
    answer = answered(again, "anne", NOON + 3 * HOUR)
    assert told_to(day.look(answer, now=NOON + 3 * HOUR)) == {"paul": ["to-approve C0002-terms"]}
    assert not day.look(answer, now=NOON + 4 * HOUR)


# Reminders and holds


def test_what_still_waits_is_told_again_after_a_day_and_each_day_from_then_on() -> None:
    day, waiting = Day(), order("C0001")
    day.look(waiting)
    heard = [hour for hour in range(1, 75) if day.look(waiting, now=NOON + hour * HOUR)]
    assert heard == [24, 48, 72]


def test_an_expired_order_is_on_hold_and_never_told_as_done() -> None:
    day, expired = Day(), order("C0001", expires_at=NOON)
    assert told_to(day.look(expired)) == {"anne": ["on-hold C0001-connect"]}
    assert not day.look(expired, now=NOON + 23 * HOUR)
    assert told_to(day.look(expired, now=NOON + 24 * HOUR)) == {"anne": ["on-hold C0001-connect"]}


# Alarms


def test_a_missed_reopening_is_an_alarm_for_its_owner_and_the_team() -> None:
    notices = Day().look(GUARDED)
    assert told_to(notices) == {to: ["overdue C0003-lock-out"] for to in ("anne", "@team", "env:TEAMS_URL")}
    assert all(notice.alarm for notice in notices)


def test_an_alarm_breaks_quiet_hours_and_comes_every_hour_until_somebody_answers() -> None:
    day = Day(quiet=NIGHT)
    overdue = order("C0003", "lock-out", "synchronise", "reopen", deadline=MIDNIGHT)
    heard = [minute for minute in range(0, 190, 10) if day.look(overdue, now=MIDNIGHT + minute * MINUTE)]
    assert heard == [0, 60, 120, 180]
    assert not day.look(answered(overdue, "anne"), now=MIDNIGHT + 5 * HOUR)


def test_everything_else_waits_until_the_quiet_hours_end_and_is_then_one_message() -> None:
    day = Day(quiet=NIGHT)
    assert not day.look(order("C0001"), now=MIDNIGHT)
    assert not day.look(order("C0001"), order("C0002"), runs=[run(at=MIDNIGHT)], now=MIDNIGHT + 6 * HOUR)
    notices = day.look(order("C0001"), order("C0002"), runs=[run(at=MIDNIGHT)], now=MIDNIGHT + 7 * HOUR)
    assert told_to(notices)["anne"] == ["new-orders C0001-connect", "new-orders C0002-connect"]
    assert told_to(notices)["@team"] == ["wave-ended pilot"]
    assert len(notices) == 3


def test_users_who_are_locked_out_past_their_deadline_are_an_alarm_for_the_owner_and_the_team() -> None:
    late = kept_out("C0005", deadline=NOON)
    assert not Day().look(out=[late], now=NOON - MINUTE)
    notices = Day().look(out=[late], now=NOON)
    assert told_to(notices) == {to: ["locked-out C0005"] for to in ("anne", "@team", "env:TEAMS_URL")}
    assert all(notice.alarm for notice in notices)


def test_a_lock_out_is_told_once_in_quiet_hours_too_and_the_cabinets_next_one_again() -> None:
    day = Day(quiet=NIGHT)
    late = kept_out(since=MIDNIGHT - 4 * HOUR, deadline=MIDNIGHT)
    assert [hour for hour in range(30) if day.look(out=[late], now=MIDNIGHT + hour * HOUR)] == [0]
    again = kept_out(since=MIDNIGHT + 40 * HOUR, deadline=MIDNIGHT + 44 * HOUR)
    assert [hour for hour in range(40, 70) if day.look(out=[again], now=MIDNIGHT + hour * HOUR)] == [44]


def test_a_second_cabinet_that_is_locked_out_too_long_is_told_by_itself() -> None:
    day = Day()
    day.look(out=[kept_out("C0005")])
    notices = day.look(out=[kept_out("C0005"), kept_out("C0006")], now=NOON + MINUTE)
    assert told_to(notices)["anne"] == ["locked-out C0006"]


def test_all_alarms_of_one_look_are_one_message() -> None:
    notices = Day().look(GUARDED, out=[kept_out("C0005"), kept_out("C0006")])
    assert told_to(notices)["anne"] == ["locked-out C0005", "locked-out C0006", "overdue C0003-lock-out"]
    assert len(notices) == 3


def test_an_alarm_is_a_message_of_its_own_and_comes_first() -> None:
    first, *others = Day().look(order("C0001"), GUARDED)
    assert (first.to, first.alarm) == ("anne", True)
    assert [notice.alarm for notice in others] == [True, True, False]


# Waves


def test_the_team_hears_once_that_a_wave_ended() -> None:
    day = Day()
    assert told_to(day.look(runs=[run("R1")])) == {"@team": ["wave-ended pilot"], "env:TEAMS_URL": ["wave-ended pilot"]}
    assert not day.look(runs=[run("R1")], now=NOON + HOUR)
    assert day.look(runs=[run("R2")], now=NOON + 2 * HOUR)


def test_a_run_of_a_few_cabinets_is_news_only_if_others_need_somebody_now() -> None:
    day = Day()
    day.look(runs=[run("R1")])
    moved = run(
        "R2", whole=False, needing=(("C0007", Outcome.BLOCKED, "admin-rights"), ("C0008", Outcome.NONE, "sign-up"))
    )
    assert not day.look(runs=[moved], now=NOON + HOUR)
    mended = run(
        "R3", whole=False, outcomes={Outcome.NONE: 2, Outcome.OK: 18}, needing=(("C0008", Outcome.NONE, "billing"),)
    )
    assert day.look(runs=[mended], now=NOON + 2 * HOUR)
    assert not day.look(runs=[run("R4", whole=False, needing=mended.needing)], now=NOON + 3 * HOUR)
    assert day.look(runs=[run("R5", whole=False, outcomes={Outcome.OK: 20}, needing=())], now=NOON + 4 * HOUR)


def test_who_switches_notices_on_is_not_told_of_last_month() -> None:
    assert not Day().look(runs=[run(at=NOON - timedelta(days=30))])


# What went wrong


def test_a_message_that_failed_is_due_at_the_next_look() -> None:
    day = Day()
    first = day.look(order(), said=(Said.SENDING, Said.FAILED))
    assert told_to(day.look(order(), now=NOON + 10 * MINUTE)) == told_to(first)
    assert not day.look(order(), now=NOON + 20 * MINUTE)


def test_what_somebody_is_sending_is_left_to_them_until_they_must_be_dead() -> None:
    day = Day()
    day.look(order(), said=(Said.SENDING,))
    assert not day.look(order(), now=NOON + TAKEN_OVER_AFTER - MINUTE)
    assert day.look(order(), now=NOON + TAKEN_OVER_AFTER)


def test_a_failed_reminder_does_not_forget_that_the_order_was_told() -> None:
    day = Day()
    day.look(order())
    day.look(order(), now=NOON + 24 * HOUR, said=(Said.SENDING, Said.FAILED))
    assert told_to(day.look(order(), now=NOON + 25 * HOUR)) == {"anne": ["reminder C0001-connect"]}


@given(
    st.lists(st.tuples(st.integers(0, 400), st.sampled_from([(Said.SENT,), (Said.FAILED,)])), min_size=1, max_size=40)
)
def test_however_often_one_looks_nothing_is_told_twice_within_its_time(
    looks: list[tuple[int, tuple[Said, ...]]],
) -> None:
    day = Day(quiet=NIGHT)
    orders = [order("C0001"), answered(TERMS, "anne"), GUARDED, order("C0004", owner=None, expires_at=NOON + 30 * HOUR)]
    heard: dict[tuple[str, str], list[int]] = {}
    for at, end in sorted(looks):
        for notice in day.look(
            *orders, out=[kept_out()], runs=[run()], now=NOON + at * 10 * MINUTE, said=(Said.SENDING, *end)
        ):
            if end == (Said.SENT,):
                for matter in notice.matters:
                    heard.setdefault((notice.to, matter.about), []).append(at)
    at_least = {Topic.OVERDUE: 1, Topic.REMINDER: 24, Topic.ON_HOLD: 24}
    for (_, about), hours in heard.items():
        apart = at_least.get(Topic(about.split()[0]), 10_000)
        assert all(later - before >= 6 * apart for before, later in pairwise(hours)), about
