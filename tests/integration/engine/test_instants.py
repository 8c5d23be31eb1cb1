"""Instants that cannot be prove nothing, and keep nobody out."""

from __future__ import annotations

from pathlib import Path

import pytest

from bascule.ledger import EntryKind
from bascule.model import ErrorClass, Outcome, State
from tests.builders import Stage, cabinets, stage

CODE = "C0001"


def wrong(field: str, to: str, system: str = "ge", **more: object) -> dict[str, object]:
    return {"fault": "wrong-instant", "cabinets": [CODE], "field": field, "to": to, "system": system, **more}


async def reason(on: Stage) -> str:
    [standing] = (await on.wave()).standings.values()
    assert standing.outcome not in (Outcome.OK, Outcome.OK_WITH_RESERVATIONS)
    assert standing.error_class is ErrorClass.DATA
    assert standing.remedy
    return standing.reason


async def test_a_backup_dated_2030_is_no_backup_and_nobody_is_locked_out_on_it(tmp_path: Path) -> None:
    async with stage(tmp_path, cabinets(1), wrong("sql_backup_at", "2030-01-01T00:00:00Z")) as on:
        says = await reason(on)
        assert says.startswith(
            f"{CODE}: of the facts of GE, `sql_backup_at` is 2030-01-01 00:00:00 UTC, which is later"
        )
        assert on.entries(CODE, EntryKind.PROOF, "backup") == []
        assert (await on.effective(CODE))["lock-out"] == 0


@pytest.mark.parametrize("to", ["1999-06-01T00:00:00Z", "2021-06-01T00:00:00Z"])
async def test_a_synchronisation_that_client_management_dates_long_ago_is_not_received(tmp_path: Path, to: str) -> None:
    async with stage(tmp_path, cabinets(1), wrong("synchronised_at", to, "s4a")) as on:
        says = await reason(on)
        assert f"of the facts of S4A, `synchronised_at` is {to[:10]} 00:00:00 UTC, which lies before " in says
        assert on.entries(CODE, EntryKind.PROOF, "synchronise") == []


async def test_ge_that_dates_its_synchronisation_before_the_lock_out_has_users_let_in_and_is_not_asked_twice(
    tmp_path: Path,
) -> None:
    fault = wrong("synchronisation.started_at", "2021-06-01T00:00:00Z")
    async with stage(tmp_path, cabinets(1), fault) as on:
        [standing] = (await on.wave()).standings.values()
        assert standing.step == "synchronise"
        assert "the last one of GE began at 2021-06-01 00:00:00 UTC, before users were kept out at" in standing.reason
        assert not (await on.state(CODE))["ge"]["locked_out"]
        assert (await on.effective(CODE))["synchronise"] == 1
        await on.wave()
        assert (await on.effective(CODE))["synchronise"] == 1


async def test_an_instant_that_cannot_be_does_not_keep_users_out(tmp_path: Path) -> None:
    async with stage(tmp_path, cabinets(1), wrong("synchronisation.ended_at", "1999-06-01T00:00:00Z")) as on:
        assert "`synchronisation.ended_at` is 1999-06-01" in await reason(on)
        assert (await on.effective(CODE))["lock-out"] == (await on.effective(CODE))["reopen"] == 1
        assert not (await on.state(CODE))["ge"]["locked_out"]
        assert on.entries(CODE, EntryKind.PROOF, "reopen")


@pytest.mark.parametrize(
    ("field", "to"),
    [
        ("facts.taken_at", "0001-01-01T00:00:00+14:00"),
        ("lists.taken_at", "9999-12-31T23:59:59-14:00"),
        ("restarted_at", "9999-12-31T23:59:59Z"),
    ],
)
async def test_an_instant_at_the_end_of_all_calendars_is_a_sentence(tmp_path: Path, field: str, to: str) -> None:
    async with stage(tmp_path, cabinets(1), wrong(field, to)) as on:
        conducted = await on.wave()
        assert conducted.defects == []
        [standing] = conducted.standings.values()
        assert standing.outcome in (Outcome.FAILED, Outcome.BLOCKED)
        assert "GE" in standing.reason
        assert field.removeprefix("facts.").removeprefix("lists.") in standing.reason


@pytest.mark.parametrize("ahead", [3600, -3600])
async def test_a_clock_that_is_an_hour_off_is_told_before_anything_is_written(tmp_path: Path, ahead: int) -> None:
    clock = {"fault": "clock", "cabinets": [CODE], "system": "ge", "seconds": ahead}
    async with stage(tmp_path, cabinets(1), clock) as on:
        says = await reason(on)
        assert "of GE, `taken_at` is " in says
        assert ("lies in the future" if ahead > 0 else "its clock is slow") in says
        assert not any(entry.state is State.DONE and entry.step == "lock-out" for entry in on.ledger.history(CODE))
        assert (await on.effective(CODE))["lock-out"] == 0
