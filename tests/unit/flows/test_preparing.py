"""What is decided before a wave begins: its rules hold wherever, and with whatever files, it is run again."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from bascule.engine import Run
from bascule.engine.opening import begin
from bascule.ledger import Entry, EntryKind, Ledger, this_process
from bascule.model import Cabinet, Lifecycle, Outcome
from bascule.waves.calendars import CalendarRefused
from bascule.waves.when import NeverOpens
from config.settings import Settings
from config.wiring import stored_version
from flows.preparing import Asked, NotReady, Prepared, prepare
from tests.builders import cabinets

NOW = datetime(2026, 12, 1, 12, tzinfo=UTC)
FOUR = cabinets(4)
CODES = tuple(cabinet.code for cabinet in FOUR)
COLUMNS = ("code", "name", "siren", "entity", "admin_email", "default_profile", "default_group", "wave")
HTTP: Any = {"connector": "http", "url": "http://127.0.0.1:1/x"}
SETTINGS = Settings(environment="sandbox", ledger_url="sqlite:///ledger.db", my_sage=HTTP, ge=HTTP, s4a=HTTP)
CALENDAR = "{name: closed, closed: [{name: Christmas, days: [2026-12-24/2026-12-26]}]}"
ANOTHER = "{name: open, closed: [{name: a day long ago, days: [2001-01-01]}]}"
RULES = "{ramp: [1, 2, rest], blackout: [closed.yaml]}"


@pytest.fixture
def ledger(tmp_path: Path) -> Iterator[Ledger]:
    with Ledger(f"sqlite:///{tmp_path}/ledger.db") as ledger:
        yield ledger


@pytest.fixture
def files(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The folder of the files. We stand in another, in which a calendar of the same name closes nothing that matters."""
    files, elsewhere = tmp_path / "files", tmp_path / "elsewhere"
    files.mkdir()
    elsewhere.mkdir()
    monkeypatch.chdir(elsewhere)
    (elsewhere / "closed.yaml").write_text(ANOTHER)
    (files / "closed.yaml").write_text(CALENDAR)
    with_rules(files, RULES)
    listed(files, FOUR)
    return files


def with_rules(files: Path, rules: str) -> None:
    (files / "waves.yaml").write_text(f"waves: {{pilot: {rules}}}")


def listed(files: Path, rows: tuple[Cabinet, ...]) -> None:
    lines = [";".join("pilot" if name == "wave" else getattr(row, name) for name in COLUMNS) for row in rows]
    (files / "inv.csv").write_text("\n".join([";".join(COLUMNS), *lines]) + "\n", encoding="utf-8")


def prepared(ledger: Ledger, **asked: Any) -> Prepared:
    return prepare(Asked(**asked), SETTINGS, ledger, clock=lambda: NOW)


def from_files(ledger: Ledger, files: Path, **asked: Any) -> Prepared:
    return prepared(ledger, inventory=files / "inv.csv", waves=files / "waves.yaml", **asked)


def begun(ledger: Ledger, wave: Prepared, **outcomes: Outcome | None) -> None:
    """A run of the wave, in which these cabinets began, and ended so; None: it waits for a person."""

    def no_remote(*_: object) -> Any:
        raise AssertionError("nothing is read or written here")

    run = Run(wave="pilot", who="ops", ledger=ledger, owner=this_process(), remote=no_remote)
    blank: dict[str, Any] = {"who": "ops", "wave": "pilot", "run": run.id}

    async def write() -> None:
        await ledger.store_inventory(stored_version(wave.inventory, at=NOW, who="ops"))
        await begin(run, wave.planned, wave.evidence, wave.because)
        for code, outcome in outcomes.items():
            began = Entry(cabinet=code, kind=EntryKind.BEGAN, at=run.clock(), lifecycle=Lifecycle.RUNNING, **blank)
            ended = Lifecycle.ENDED if outcome else Lifecycle.WAITING
            told = replace(began, kind=EntryKind.ENDED, lifecycle=ended, outcome=outcome or Outcome.NONE)
            await ledger.record(began, told)

    asyncio.run(write())


def closed_in(wave: Prepared) -> list[str]:
    return [closed.name for closed in wave.rules.blackouts]


# What a wave is bound by


def test_a_rerun_from_another_folder_keeps_the_blackout_that_the_wave_was_run_with(ledger: Ledger, files: Path) -> None:
    first = from_files(ledger, files)
    assert closed_in(first) == ["Christmas"]
    begun(ledger, first, C0001=Outcome.FAILED)
    (files / "closed.yaml").unlink()
    assert closed_in(prepared(ledger, wave="pilot", rerun=True)) == ["Christmas"]


def test_another_calendar_is_another_version_of_the_inventory(ledger: Ledger, files: Path) -> None:
    before = from_files(ledger, files).inventory.digest
    (files / "closed.yaml").write_text(ANOTHER)
    assert from_files(ledger, files).inventory.digest != before


def test_a_version_that_was_stored_without_its_calendars_is_refused_by_name(ledger: Ledger, files: Path) -> None:
    first = from_files(ledger, files)
    old = stored_version(first.inventory, at=NOW, who="ops")
    content = {name: told for name, told in old.content.items() if name != "calendars"}
    asyncio.run(ledger.store_inventory(type(old)(digest="old", at=NOW, who="ops", source="inv.csv", content=content)))
    with pytest.raises(CalendarRefused, match=r"closed\.yaml.*does not hold it"):
        prepared(ledger, wave="pilot")


def test_who_leaves_the_waves_file_out_is_bound_by_what_the_ledger_has_and_told_so(ledger: Ledger, files: Path) -> None:
    first = from_files(ledger, files)
    begun(ledger, first)
    again = prepared(ledger, inventory=files / "inv.csv")
    assert again.settings == first.settings
    assert (again.rules.settings.ramp, closed_in(again)) == ((1, 2, 1), ["Christmas"])
    assert again.told[0].startswith("no rules were given for wave pilot: those of version")
    assert "(blackout, ramp)" in again.told[0]
    assert again.evidence["rules_of"] == first.inventory.digest
    begun(ledger, again)
    assert closed_in(prepared(ledger, wave="pilot", rerun=True)) == ["Christmas"]


def test_a_waves_file_that_says_so_drops_the_rules(ledger: Ledger, files: Path) -> None:
    begun(ledger, from_files(ledger, files))
    with_rules(files, "{}")
    dropped = from_files(ledger, files)
    assert (dropped.rules.settings.ramp, closed_in(dropped), dropped.told) == ((), [], ())
    begun(ledger, dropped)
    assert closed_in(prepared(ledger, inventory=files / "inv.csv")) == []


def test_an_impossible_window_is_named_before_anything_begins_unless_users_are_to_be_let_in(
    ledger: Ledger, files: Path
) -> None:
    with_rules(files, '{complete_by: "2026-01-01T06:00"}')
    with pytest.raises(NeverOpens, match=r"may never begin for cabinets of Europe/Paris: .* Thu 01 Jan 2026 06:00"):
        from_files(ledger, files)
    assert from_files(ledger, files, any_hour=True, because="agreed with all four").cabinets
    locked_out = Entry(
        cabinet="C0009",
        kind=EntryKind.INTENT,
        at=NOW,
        who="ops",
        wave="pilot",
        run="r",
        step="lock-out",
        verb="lock-out",
    )
    asyncio.run(ledger.record(locked_out))
    assert from_files(ledger, files).cabinets


def test_a_limit_that_the_wave_is_too_small_to_reach_is_told(ledger: Ledger, files: Path) -> None:
    with_rules(files, "{breaker: {failures: 5, share: 0.5}}")
    assert from_files(ledger, files).told == ("`failures: 5` is out of reach: the wave has 4 cabinets",)


# How far the ramp has come


def test_nobody_starts_past_a_first_cabinet_that_failed_without_a_reason_and_the_reason_is_recorded(
    ledger: Ledger, files: Path
) -> None:
    begun(ledger, from_files(ledger, files), C0001=Outcome.FAILED)
    past = {"wave": "pilot", "rerun": True, "only": ("not-started",)}
    with pytest.raises(NotReady, match="holds 3 cabinets that have not begun: stage 1 of 3 comes first: 1 of 1 failed"):
        prepared(ledger, **past)
    told = prepared(ledger, **past, because="its rights are known to be wrong")
    assert told.rules.settings.ramp == (2, 1)
    assert "stage 1 of 3" in str(told.evidence["past_held_stage"])
    begun(ledger, told)
    assert prepared(ledger, **past).cabinets, "accepted once is accepted"


def test_a_first_cabinet_that_is_taken_up_again_decides_in_that_run(ledger: Ledger, files: Path) -> None:
    begun(ledger, from_files(ledger, files), C0001=Outcome.FAILED)
    assert prepared(ledger, wave="pilot", rerun=True).rules.settings.ramp == (1, 2, 1)


@pytest.mark.parametrize("outcome", [None, Outcome.PARTIAL])
def test_a_first_cabinet_that_waits_or_arrived_in_part_holds_those_that_are_named(
    ledger: Ledger, files: Path, outcome: Outcome | None
) -> None:
    begun(ledger, from_files(ledger, files), C0001=outcome)
    with pytest.raises(NotReady, match="stage 1 of 3 comes first"):
        prepared(ledger, wave="pilot", rerun=True, cabinets=("C0004",))


def test_after_a_first_cabinet_that_is_ok_the_next_stage_comes(ledger: Ledger, files: Path) -> None:
    begun(ledger, from_files(ledger, files), C0001=Outcome.OK)
    assert prepared(ledger, wave="pilot", rerun=True).rules.settings.ramp == (2, 1)


def test_a_failure_in_a_stage_that_is_half_filled_holds_the_rest_of_it(ledger: Ledger, files: Path) -> None:
    begun(ledger, from_files(ledger, files), C0001=Outcome.OK, C0002=Outcome.BLOCKED)
    with pytest.raises(NotReady, match="stage 2 of 3 comes first: 1 of 1 failed"):
        prepared(ledger, wave="pilot", rerun=True, only=("not-started",))


def test_a_first_cabinet_that_is_taken_out_of_the_inventory_shows_nothing(ledger: Ledger, files: Path) -> None:
    begun(ledger, from_files(ledger, files), C0001=Outcome.FAILED)
    listed(files, FOUR[1:])
    assert from_files(ledger, files).rules.settings.ramp == (1, 2)


def test_a_resume_with_a_reason_in_an_earlier_run_stays_said(ledger: Ledger, files: Path) -> None:
    begun(ledger, from_files(ledger, files), C0001=Outcome.FAILED)
    word = Entry(
        cabinet="@pilot",
        kind=EntryKind.COMMAND,
        at=datetime.now(UTC),
        who="anne",
        wave="pilot",
        run="",
        reason="known, no matter",
        evidence={"word": "resume"},
    )
    asyncio.run(ledger.record(word))
    assert len(prepared(ledger, wave="pilot", rerun=True, only=("not-started",)).cabinets) == 3
