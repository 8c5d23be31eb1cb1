"""Which instants of a snapshot cannot be, and when a synchronisation is the one that is to be proven."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest

from bascule.checks.instants import impossible_instant, outdated
from bascule.checks.received import began_before_lock_out, synchronisation_problem
from bascule.connectors import Basis
from bascule.connectors.extracts.remote import nothing_known
from bascule.facts import (
    GeFacts,
    S4aFacts,
    Session,
    Synchronisation,
    SynchronisationStatus,
    View,
)

NOW = datetime(2026, 12, 1, 20, tzinfo=UTC)
MINUTE, SECOND = timedelta(minutes=1), timedelta(seconds=1)


def ge(**told: object) -> GeFacts:
    facts = nothing_known(View.GE, "C0001", NOW)
    assert isinstance(facts, GeFacts)
    return replace(facts, **told)  # type: ignore[arg-type]


def s4a(**told: object) -> S4aFacts:
    facts = nothing_known(View.S4A, "C0001", NOW)
    assert isinstance(facts, S4aFacts)
    return replace(facts, **told)  # type: ignore[arg-type]


def synchronised(started_at: datetime, ended_at: datetime | None = None) -> Synchronisation:
    status = SynchronisationStatus.DONE
    ended_at = ended_at or started_at
    return Synchronisation(status=status, operation="1", progress=1, started_at=started_at, ended_at=ended_at)


@pytest.mark.parametrize(
    ("facts", "says"),
    [
        (ge(taken_at=NOW + 6 * MINUTE), "`taken_at` is 2026-12-01 20:06:00 UTC, which lies in the future: our clock"),
        (ge(sql_backup_at=datetime(2030, 1, 1, tzinfo=UTC)), "`sql_backup_at` is 2030-01-01 00:00:00 UTC, which is l"),
        (ge(sql_backup_at=NOW + SECOND), "which is later than 2026-12-01 20:00:00 UTC, when it was read"),
        (
            ge(restarted_at=datetime(2019, 12, 31, tzinfo=UTC)),
            "`restarted_at` is 2019-12-31 00:00:00 UTC, which lies b",
        ),
        (ge(sessions=(Session(user="a", since=NOW + MINUTE, ours=False),)), "`sessions[0].since` is"),
        (
            ge(synchronisation=synchronised(NOW - MINUTE, NOW - 2 * MINUTE)),
            "`synchronisation.ended_at` is 2026-12-01 19:58:00 UTC, which lies before `synchronisation.started_at` (",
        ),
        (s4a(terms_accepted_at=NOW - MINUTE, synchronised_at=NOW - 2 * MINUTE), "before `terms_accepted_at` ("),
        (s4a(signed_up_at=NOW - MINUTE, billing_given_at=NOW - 2 * MINUTE), "before `signed_up_at` ("),
        (s4a(synchronised_at=datetime(1, 1, 1, tzinfo=UTC)), "lies before 2020"),
        (s4a(synchronised_at=datetime(9999, 12, 31, 23, tzinfo=UTC)), "`synchronised_at` is 9999-12-31 23:00:00 UTC"),
    ],
)
def test_an_instant_that_cannot_be_is_named_with_the_rule_that_it_breaks(facts: GeFacts | S4aFacts, says: str) -> None:
    assert says in str(impossible_instant(facts, Basis.AGENT, NOW))


def test_what_follows_in_order_on_one_clock_may_be() -> None:
    assert impossible_instant(ge(sql_backup_at=NOW, synchronisation=synchronised(NOW)), Basis.AGENT, NOW) is None
    assert impossible_instant(s4a(signed_up_at=NOW, synchronised_at=NOW), Basis.AGENT, NOW) is None
    assert impossible_instant(ge(taken_at=NOW + 5 * MINUTE), Basis.AGENT, NOW) is None


def test_clocks_that_people_look_at_may_differ_by_minutes() -> None:
    by_hand = ge(sql_backup_at=NOW + 4 * MINUTE)
    assert impossible_instant(by_hand, Basis.PEOPLE, NOW) is None
    assert impossible_instant(by_hand, Basis.AGENT, NOW) is not None


def test_facts_that_were_read_before_they_were_asked_for_are_of_a_cache() -> None:
    assert outdated(ge(taken_at=NOW - 5 * MINUTE), NOW) is None
    assert "lies before they were asked for" in str(outdated(ge(taken_at=NOW - 6 * MINUTE), NOW))


def test_a_synchronisation_is_proven_by_both_sides() -> None:
    done, received = ge(synchronisation=synchronised(NOW - MINUTE)), s4a(synchronised_at=NOW)
    assert synchronisation_problem(done, received, "bascule") == ""
    for one, other in ((ge(), received), (done, s4a())):
        assert synchronisation_problem(one, other, "bascule") == "the synchronisation is not proven on both sides"


def test_a_synchronisation_received_before_ge_began_it_is_an_earlier_one_beyond_what_clocks_differ() -> None:
    done = ge(synchronisation=synchronised(NOW))
    assert synchronisation_problem(done, s4a(synchronised_at=NOW - 4 * MINUTE), "bascule") == ""
    assert "before GE began" in synchronisation_problem(done, s4a(synchronised_at=NOW - 6 * MINUTE), "bascule")


def test_a_synchronisation_of_before_our_lock_out_is_not_ours_however_little_it_was_before() -> None:
    received = s4a(synchronised_at=NOW)
    kept_out = ge(locked_out_by="bascule", locked_out_at=NOW - MINUTE, synchronisation=synchronised(NOW - MINUTE))
    assert synchronisation_problem(kept_out, received, "bascule") == ""
    earlier = replace(kept_out, synchronisation=synchronised(NOW - MINUTE - SECOND))
    assert "before users were kept out at 2026-12-01 19:59:00 UTC" in began_before_lock_out(earlier, "bascule")
    assert synchronisation_problem(earlier, received, "bascule") == began_before_lock_out(earlier, "bascule")
    assert began_before_lock_out(replace(earlier, locked_out_by="work order 3"), "bascule") == ""
