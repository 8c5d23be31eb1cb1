"""bascule plan, plan diff, and what apply refuses, at a sandbox: nothing is written to it, nor to the ledger."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from datetime import datetime
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

import httpx
import pytest

from bascule.inventory import sample, write_inventory
from bascule.ledger import EntryKind, Ledger
from bascule.procedure import PROCEDURE
from console.sandbox_process import SandboxProcess, start_sandbox
from tests.unit.console.conftest import Bascule

WAVES = """
waves:
  pilot:
    window: {from: "20:00", to: "06:00"}
    ramp: [1, rest]
    priority: [C0003]
    breaker: {failures: 2}
"""
ROWS = sample(4, seed=3, wave="pilot")


@pytest.fixture(scope="module")
def running() -> Iterator[SandboxProcess]:
    with start_sandbox(ROWS) as running:
        yield running


@pytest.fixture(autouse=True)
def sandbox(running: SandboxProcess, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> SandboxProcess:
    """Four cabinets, their inventory and the settings of their wave, in an empty folder."""
    write_inventory(ROWS, tmp_path / "inv.csv")
    (tmp_path / "waves.yaml").write_text(WAVES, encoding="utf-8")
    for system, base in (("MY_SAGE", "my-sage"), ("GE", "ge"), ("S4A", "s4a")):
        monkeypatch.setenv(f"BASCULE_{system}__URL", f"{running.url}/{base}")
    return running


PLAN = ("plan", "--inventory", "inv.csv", "--waves", "waves.yaml", "--wave", "pilot")


def drawn_up(bascule: Bascule, *words: str) -> dict[str, Any]:
    told = bascule(*PLAN, "--json", *words)
    assert told.code == 0, told.err
    plan: dict[str, Any] = json.loads(told.out)
    return plan


def written(running: SandboxProcess) -> Any:
    return httpx.get(f"{running.url}/sandbox/journal").json()


def test_a_plan_names_every_write_in_order_and_writes_nothing_anywhere(
    bascule: Bascule, sandbox: SandboxProcess, tmp_path: Path
) -> None:
    plan = drawn_up(bascule, "-o", "plan.json")

    assert [cabinet["code"] for cabinet in plan["cabinets"]] == ["C0003", "C0001", "C0002", "C0004"]
    assert [cabinet["stage"] for cabinet in plan["cabinets"]] == [1, 2, 2, 2]
    for cabinet in plan["cabinets"]:
        verbs = [write["verb"] for step in cabinet["steps"] for write in step["writes"]]
        assert verbs == [act.verb for s in PROCEDURE if s.name not in ("users", "assignments") for act in s.acts]
        assert cabinet["dossiers"]
        assert cabinet["fits"]
    assert plan["may_fail"] == 4
    assert written(sandbox) == []
    with Ledger(f"sqlite:///{tmp_path}/.bascule/ledger.db", read_only=True) as ledger:
        assert ledger.of_kinds(tuple(EntryKind)) == []
        assert ledger.inventory() is None


def test_the_plan_and_its_page_tell_nobody_who_is_meant(bascule: Bascule, tmp_path: Path) -> None:
    ended = bascule(*PLAN, "-o", "plan.json")
    assert ended.code == 0
    for name in ("plan.json", "plan.md"):
        text = (tmp_path / name).read_text(encoding="utf-8")
        for cabinet in ROWS.cabinets:
            assert cabinet.code in text
            for hidden in (cabinet.admin_email, cabinet.siren, cabinet.name, cabinet.terms_signatory):
                assert hidden is not None
                assert hidden not in text


def test_the_page_says_order_hours_bound_and_what_is_not_known(bascule: Bascule) -> None:
    page = bascule(*PLAN).out
    assert "# Plan of wave pilot" in page
    assert "**At most 4** may fail in one run before the breaker" in page
    assert "a re-run counts anew" in page
    assert "| setting of the wave | value |" in page
    assert "{" not in page[page.index("| setting of") : page.index("`bascule apply`")]
    assert "no past wave tells enough" in page
    assert "`synchronise`" in page
    assert page.index("| 1 | C0003 | 1 |") < page.index("| 2 | C0001 | 2 |")


def test_the_terminal_tells_the_totals_of_what_was_written(
    bascule: Bascule, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    # Whatever the hour at which this runs: no window.
    (tmp_path / "waves.yaml").write_text(WAVES.replace('window: {from: "20:00", to: "06:00"}', ""), encoding="utf-8")
    for size in ("SMALL", "MEDIUM", "LARGE"):
        monkeypatch.setenv(f"BASCULE_EXPECTED__{size}", '{"p50": 3600, "p90": 7200}')
    told = bascule(*PLAN, "-o", "plan.json").out
    totals = {line[2:13].strip(): line[15:] for line in told.splitlines()}
    assert totals["cabinets"] == "4: 4 to do, 0 already done"
    assert totals["stages"] == "1, 3"
    assert totals["write calls"] == "60 to send, 0 to ask of people"
    assert re.fullmatch(r"2 h \d+ min \(P50\), 4 h \d+ min \(P90\)", totals["takes"]), totals["takes"]
    when = r"\d{4}-\d\d-\d\d \d\d:\d\d UTC"
    assert re.fullmatch(when, totals["begins"]), totals["begins"]
    assert re.fullmatch(rf"{when} \(P50\), {when} \(P90\)", totals["ends"]), totals["ends"]
    assert totals["do not fit"] == "none"
    assert totals["may fail"] == "at most 4, those in flight when the breaker trips included"
    assert max(map(len, told.splitlines())) <= 80


def test_for_programs_and_for_a_page_in_a_pipe_nothing_is_added(bascule: Bascule) -> None:
    assert json.loads(bascule(*PLAN, "--json", "-o", "plan.json").out)["wave"] == "pilot"
    told = bascule(*PLAN)
    assert told.out.startswith("# Plan of wave pilot")
    assert "4 to do" not in told.out
    assert "4 to do" in told.err


GATED = WAVES.replace("pilot:", "first: {}\n  pilot:\n    requires: {wave: first}")


def test_that_another_wave_must_come_first_is_the_first_thing_that_is_said(bascule: Bascule, tmp_path: Path) -> None:
    (tmp_path / "waves.yaml").write_text(GATED, encoding="utf-8")
    shut = "Wave pilot must not begin yet: wave 'first', which must come first, has run no cabinet yet"
    assert bascule(*PLAN, "-o", "plan.json").out.startswith(shut)
    assert (tmp_path / "plan.md").read_text(encoding="utf-8").startswith(f"> **{shut}")
    assert bascule(*PLAN).out.startswith(f"> **{shut}")
    assert shut in bascule(*PLAN, "--json").err


@pytest.mark.parametrize(
    ("breaker", "says"),
    [
        ("{failures: 5}", "The breaker can never trip: `failures: 5` cannot be reached with 4 cabinets to do."),
        (
            "{failures: 5, share: 0.5}",
            "The breaker trips by its other limits only: `failures: 5` cannot be reached with 4 cabinets to do.",
        ),
    ],
)
def test_a_breaker_that_cannot_trip_is_told_before_the_totals_and_on_the_page(
    breaker: str, says: str, bascule: Bascule, tmp_path: Path
) -> None:
    (tmp_path / "waves.yaml").write_text(WAVES.replace("{failures: 2}", breaker), encoding="utf-8")
    assert bascule(*PLAN, "-o", "plan.json").out.splitlines()[0] == says
    assert says in (tmp_path / "plan.md").read_text(encoding="utf-8")


@pytest.mark.parametrize("breaker", ["{}", "{strict: true}", "{failures: 2, consecutive: 3}"])
def test_no_plan_is_drawn_up_with_a_breaker_that_contradicts_itself(
    breaker: str, bascule: Bascule, tmp_path: Path
) -> None:
    (tmp_path / "waves.yaml").write_text(WAVES.replace("{failures: 2}", breaker), encoding="utf-8")
    refused = bascule(*PLAN, "-o", "plan.json")
    assert (refused.code, "contradicts itself" in refused.err) == (2, True)
    assert not (tmp_path / "plan.json").exists()


def test_a_plan_keeps_to_the_waves_hours_and_says_how_to_go_outside_them(bascule: Bascule, tmp_path: Path) -> None:
    for words in (("--any-hour", "--because", "agreed"), ("--any-hour",), ("--because", "agreed")):
        refused = bascule(*PLAN, "-o", "plan.json", *words)
        assert refused.code == 2
        assert "bascule apply plan.json --any-hour --because TEXT" in refused.err
    assert not (tmp_path / "plan.json").exists()


def test_a_cabinet_that_cannot_be_read_says_so_in_its_plan(bascule: Bascule, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("BASCULE_GE__URL", "http://127.0.0.1:9/ge")
    plan = drawn_up(bascule)
    first = plan["cabinets"][0]["steps"][0]
    assert first["stops"]
    assert first["because"].startswith("cannot be observed")
    assert any("cannot be read" in what for what in plan["not_known"])


def test_what_fits_no_window_is_named_with_the_reason(
    bascule: Bascule, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "waves.yaml").write_text(WAVES.replace('to: "06:00"', 'to: "20:01"'), encoding="utf-8")
    for size in ("SMALL", "MEDIUM", "LARGE"):
        monkeypatch.setenv(f"BASCULE_EXPECTED__{size}", '{"p50": 60, "p90": 120}')
    plan = drawn_up(bascule)
    assert [cabinet["fits"] for cabinet in plan["cabinets"]] == [False] * 4
    assert plan["estimate"]["ends"] is None
    assert any("do not fit" in what for what in plan["not_known"])
    told = bascule(*PLAN)
    assert "**Does not fit its hours**: C0003, C0001, C0002, C0004" in told.out
    assert "do not fit   4 (C0003, C0001, C0002, C0004)" in told.err
    assert "takes        not known (P50)" in told.err


def test_apply_names_every_row_field_and_setting_that_changed(
    bascule: Bascule, sandbox: SandboxProcess, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    drawn_up(bascule, "-o", "plan.json")
    inventory = tmp_path / "inv.csv"
    told = inventory.read_text(encoding="utf-8-sig")
    email = ROWS.cabinets[1].admin_email
    kept = [line for line in told.replace(email, f"new.{email}").splitlines() if not line.startswith("C0004")]
    inventory.write_text("\n".join(kept) + "\n", encoding="utf-8")
    (tmp_path / "waves.yaml").write_text(WAVES.replace("failures: 2", "failures: 3"), encoding="utf-8")
    monkeypatch.setenv("BASCULE_PACE__POLL", "0.3")

    refused = bascule("apply", "plan.json")

    assert refused.code == 2
    for named in ("C0002 admin_email changed", "C0004 was removed", "breaker changed", "pace.poll changed"):
        assert named in refused.err
    assert "C0001" not in refused.err
    assert written(sandbox) == []


def test_a_calendar_that_changed_is_named(bascule: Bascule, tmp_path: Path) -> None:
    calendar = tmp_path / "closed.yaml"
    waves = WAVES + "    blackout: [closed.yaml]\n"
    (tmp_path / "waves.yaml").write_text(waves, encoding="utf-8")
    told = "name: Closed\nclosed:\n  - {name: Inventory, source: us, days: [2031-01-02]}\n"
    calendar.write_text(told, encoding="utf-8")
    drawn_up(bascule, "-o", "plan.json")
    calendar.write_text(told.replace("01-02", "01-03"), encoding="utf-8")
    refused = bascule("apply", "plan.json")
    assert refused.code == 2
    assert "blackout closed.yaml changed" in refused.err


def test_apply_refuses_a_plan_that_was_edited_or_is_of_another_ledger_or_is_not_there(
    bascule: Bascule, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    drawn_up(bascule, "-o", "plan.json")
    edited = (tmp_path / "plan.json").read_text(encoding="utf-8").replace('"may_fail": 4', '"may_fail": 1')
    (tmp_path / "edited.json").write_text(edited, encoding="utf-8")
    refused = bascule("apply", "edited.json")
    assert (refused.code, "edited" in refused.err) == (2, True)
    refused = bascule("apply", "nothing.json")
    assert (refused.code, "nothing.json" in refused.err) == (2, True)
    with Ledger(f"sqlite:///{tmp_path}/other.db"):
        monkeypatch.setenv("BASCULE_LEDGER_URL", f"sqlite:///{tmp_path}/other.db")
    refused = bascule("apply", "plan.json")
    assert (refused.code, "another ledger" in refused.err) == (2, True)


def test_two_plans_are_compared_for_people_and_for_programs(bascule: Bascule, tmp_path: Path) -> None:
    drawn_up(bascule, "-o", "monday.json")
    assert "no difference" in bascule("plan", "diff", "monday.json", "monday.json").out
    drawn_up(bascule, "-o", "tuesday.json", "--concurrency", "2")
    assert bascule("plan", "diff", "monday.json", "tuesday.json").out.splitlines() == [
        "slots: 20 -> 2",
        "may_fail: 4 -> 3",
    ]
    (tmp_path / "waves.yaml").write_text(WAVES.replace("priority: [C0003]", "priority: [C0002]"), encoding="utf-8")
    drawn_up(bascule, "-o", "wednesday.json")
    told = json.loads(bascule("plan", "diff", "monday.json", "wednesday.json", "--json").out)
    assert told["stands_on"] == [{"part": "wave", "what": "priority", "how": "changed"}]
    assert {"what": "C0002", "how": "stage: 2 -> 1"} in told["would_do"]


@pytest.mark.parametrize(
    ("words", "says"),
    [
        (("plan",), "--inventory"),
        (("plan", "-i", "inv.csv", "-o", "plan.txt"), ".json"),
        (("plan", "-i", "inv.csv", "--waves", "waves.yaml", "-o", "nowhere/plan.json"), "nowhere/plan.json"),
        (("plan", "-i", "inv.csv", "--wave", "pilto"), "did you mean 'pilot'"),
        (("plan", "-i", "nothing.csv"), "nothing.csv"),
        (("plan", "-i", "inv.csv", "diff", "a.json", "b.json"), "--inventory"),
        (("plan", "diff", "a.json", "b.json"), "a.json"),
    ],
)
def test_what_a_plan_cannot_be_drawn_up_from_is_named(words: tuple[str, ...], says: str, bascule: Bascule) -> None:
    refused = bascule(*words)
    assert refused.code == 2
    assert says in refused.err


def test_a_dry_run_tells_each_cabinets_open_steps_and_writes_nothing(bascule: Bascule, sandbox: SandboxProcess) -> None:
    words = ("run", "--inventory", "inv.csv", "--waves", "waves.yaml", "--dry-run")
    told = json.loads(bascule(*words, "--json").out)
    assert [cabinet["code"] for cabinet in told["cabinets"]] == ["C0003", "C0001", "C0002", "C0004"]
    steps = {step["step"]: step["does"] for step in told["cabinets"][0]["steps"]}
    assert steps["activation-key"] == ["compute-key", "enter-key"]
    assert "admin-sage      would send admin-sage" in bascule(*words).out
    assert written(sandbox) == []


def test_a_dry_run_first_says_how_much_it_would_be_and_whether_it_could_begin_at_this_hour(
    bascule: Bascule, tmp_path: Path
) -> None:
    hour = datetime.now(ZoneInfo("Europe/Paris")).hour
    opens, closes = f"{(hour + 3) % 24:02}:00", f"{(hour + 9) % 24:02}:00"
    shut = f'waves: {{pilot: {{window: {{from: "{opens}", to: "{closes}"}}}}}}'
    for waves, says in ((shut, "Nothing would start now; that may change at"), ("waves: {pilot: {}}", "4 would start")):
        (tmp_path / "waves.yaml").write_text(waves, encoding="utf-8")
        told = bascule("run", "-i", "inv.csv", "--waves", "waves.yaml", "--dry-run").out.splitlines()
        assert told[0].startswith("4 cabinets: ")
        assert told[1].startswith(says)
