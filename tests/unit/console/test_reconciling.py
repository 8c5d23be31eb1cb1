"""reconcile, as people type it, at a sandbox that holds a wave which was moved."""

from __future__ import annotations

import asyncio
import io
import json
import os
import shutil
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import httpx
import pytest
from rich.console import Console

from bascule.engine import conduct
from bascule.engine.opening import begin
from bascule.inventory import sample
from bascule.inventory.stored import to_plain
from bascule.ledger import Entry, EntryKind, Ledger, StoredInventory, first_broken
from bascule.model import Outcome, State
from bascule.reports import status_of
from bascule.reports.visible import UNSEEN
from config.settings import Settings, read_settings
from config.wiring import run_on
from console.reconciling import SHOWN, Chosen, Result, Told, as_table, exit_code_of, told_of
from console.sandbox_process import SandboxProcess, start_sandbox
from tests.unit.console.conftest import Bascule

ROWS = sample(4, seed=3, wave="pilot")
MOVED, NOT_MOVED = ("C0001", "C0002", "C0003"), "C0004"
SYSTEMS = {"my_sage": "my-sage", "ge": "ge", "s4a": "s4a"}


@pytest.fixture(scope="module")
def moved(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[SandboxProcess, Path]]:
    """Three cabinets that were moved, two of them whole; and the ledger that tells of it. The fourth was only planned."""
    folder = tmp_path_factory.mktemp("moved")
    losing = {"fault": "partial-transfer", "cabinets": ["C0003"], "dossiers": 3}
    with start_sandbox(ROWS, scenario={"sync_seconds": 0.05, "faults": [losing]}) as sandbox:
        systems: dict[str, Any] = {
            name: {"connector": "http", "url": f"{sandbox.url}/{path}"} for name, path in SYSTEMS.items()
        }
        settings = read_settings().model_copy(update={"ledger_url": f"sqlite:///{folder}/ledger.db"})
        asyncio.run(_move(Settings(**settings.model_dump() | systems)))
        yield sandbox, folder / "ledger.db"


async def _move(settings: Settings) -> None:
    assert settings.ledger_url is not None
    with Ledger(settings.ledger_url) as ledger:
        now = datetime.now(UTC)
        await ledger.store_inventory(
            StoredInventory(digest=ROWS.digest, at=now, who="ops", source="inv.csv", content=to_plain(ROWS))
        )
        async with run_on(settings, ledger, wave="pilot") as run:
            await begin(run, ROWS.cabinets, {"inventory": ROWS.digest})
            conducted = await conduct(run, [one for one in ROWS.cabinets if one.code in MOVED])
        assert conducted.outcomes == {Outcome.OK: 2, Outcome.PARTIAL: 1}


@pytest.fixture(autouse=True)
def sandbox(moved: tuple[SandboxProcess, Path], tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> SandboxProcess:
    """With a ledger of one's own, and no fault."""
    running, ledger = moved
    (tmp_path / ".bascule").mkdir()
    shutil.copy(ledger, tmp_path / ".bascule" / "ledger.db")
    for system, path in SYSTEMS.items():
        monkeypatch.setenv(f"BASCULE_{system.upper()}__URL", f"{running.url}/{path}")
    monkeypatch.setenv("BASCULE_PACE__RETRY__ATTEMPTS", "1")
    faults(running)
    return running


def faults(sandbox: SandboxProcess, *wanted: dict[str, Any]) -> None:
    told = httpx.put(f"{sandbox.url}/sandbox/faults", json={"sync_seconds": 0.05, "faults": list(wanted)})
    told.raise_for_status()


def history(tmp_path: Path, code: str) -> tuple[Entry, ...]:
    with Ledger(f"sqlite:///{tmp_path}/.bascule/ledger.db", read_only=True) as ledger:
        return ledger.history(code)


def found(told: str) -> dict[str, dict[str, Any]]:
    return {one["code"]: one for one in json.loads(told)["cabinets"]}


def test_a_cabinet_that_is_the_same_on_both_sides_ends_well_and_is_recorded(bascule: Bascule, tmp_path: Path) -> None:
    told = bascule("reconcile", "--wave", "pilot", "-c", "C0001", "-c", "C0002", "--because", "A week after")

    assert told.code == 0, told.err
    assert "2 same" in told.out
    for code in ("C0001", "C0002"):
        entries = history(tmp_path, code)
        assert (entries[-1].kind, entries[-1].evidence["because"]) == (EntryKind.RECONCILED, "A week after")
        assert first_broken(entries) is None


def test_a_code_is_taken_in_any_case(bascule: Bascule) -> None:
    told = bascule("reconcile", "--wave", "pilot", "-c", " c0001 ", "-c", "C0001", "--json")

    assert told.code == 0, told.err
    assert list(found(told.out)) == ["C0001"]
    assert bascule("reconcile", "--wave", "pilot", "-c", "c0001", "--history", "--json").code == 0


def test_drift_is_told_with_its_beginning_and_the_proof_that_it_is_held_against(
    bascule: Bascule, sandbox: SandboxProcess, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("COLUMNS", "260")
    words = ("reconcile", "--wave", "pilot", "-c", "C0001")
    [proof] = [one for one in history(tmp_path, "C0001") if (one.kind, one.step) == (EntryKind.PROOF, "reconcile")]
    assert found(bascule(*words, "--json").out)["C0001"]["drift"] is None
    same = history(tmp_path, "C0001")[-1].at
    faults(sandbox, {"fault": "missing-group-right", "cabinets": ["C0001"]})

    first = found(bascule(*words, "--json").out)["C0001"]["drift"]
    since = history(tmp_path, "C0001")[-1].at
    again = bascule(*words)

    against = {"at": proof.at.isoformat(), "hash": proof.hash, "kind": "proof"}
    assert first == {"since": since.isoformat(), "same_until": same.isoformat(), "against": against}
    assert again.code == 4
    assert (
        f"Drift since {since:%Y-%m-%d %H:%M} UTC; the same until {same:%Y-%m-%d %H:%M} UTC; "
        f"against the step's proof of {proof.at:%Y-%m-%d %H:%M} UTC ({proof.hash[:12]})"
    ) in " ".join(again.out.replace("│", " ").split())


def test_what_the_step_found_to_differ_already_is_held_against_its_verdict(
    bascule: Bascule, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("COLUMNS", "260")
    told = " ".join(bascule("reconcile", "--wave", "pilot", "-c", "C0003").out.replace("│", " ").split())
    assert "; never found the same; against the step's verdict of " in told


def test_a_wave_names_who_differs_who_does_not_and_who_was_not_compared(
    bascule: Bascule, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("COLUMNS", "220")
    told = bascule("reconcile", "--wave", "pilot")

    assert told.code == 4
    assert "1 drift, 1 not-compared" in told.out
    words = " ".join(told.out.replace("│", " ").split())
    assert "3 dossiers missing" in words
    assert "its synchronisation is not proven" in words
    assert ": 3 missing; since then unchanged" in words, "as when the step compared them"


def test_programs_are_told_every_missing_dossier(bascule: Bascule, sandbox: SandboxProcess) -> None:
    told = bascule("reconcile", "--wave", "pilot", "--json")

    assert told.code == 4
    assert json.loads(told.out)["results"] == {"same": 2, "drift": 1, "not-compared": 1}
    state = httpx.get(f"{sandbox.url}/sandbox/state/C0003").json()
    lost = sorted(set(state["ge"]["dossiers"]) - set(state["s4a"]["dossiers"]))
    drift = found(told.out)["C0003"]
    [dossiers] = [one for one in drift["reconciled"]["compared"] if one["what"] == "dossier"]
    assert [one["key"] for one in dossiers["missing"]] == lost
    assert (drift["result"], drift["since_last"], drift["last"]["missing"]) == ("drift", "same", 3)
    assert found(told.out)[NOT_MOVED]["reconciled"] is None


def test_no_outcome_changes_and_no_system_is_written_to(
    bascule: Bascule, sandbox: SandboxProcess, tmp_path: Path
) -> None:
    with Ledger(f"sqlite:///{tmp_path}/.bascule/ledger.db", read_only=True) as ledger:
        before, journal = status_of(ledger, "pilot"), httpx.get(f"{sandbox.url}/sandbox/journal").json()
        faults(sandbox, {"fault": "missing-group-right", "cabinets": ["C0001"]})

        told = bascule("reconcile", "--wave", "pilot", "--json")

        assert (found(told.out)["C0001"]["result"], found(told.out)["C0001"]["since_last"]) == ("drift", "worse")
        assert status_of(ledger, "pilot") == before
    assert httpx.get(f"{sandbox.url}/sandbox/journal").json() == journal


def test_a_system_that_is_silent_makes_unknown_and_names_the_cabinets(
    bascule: Bascule, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("BASCULE_S4A__URL", "http://127.0.0.1:9/s4a")

    told = bascule("reconcile", "--wave", "pilot", "--json")

    assert told.code == 4
    assert json.loads(told.out)["results"] == {"unknown": 3, "not-compared": 1}
    assert found(told.out)["C0001"]["says"] == "S4A cannot be reached at http://127.0.0.1:9/s4a."
    assert history(tmp_path, "C0001")[-1].kind is EntryKind.RECONCILED


def test_exported_lists_are_compared_as_they_are_now_and_are_told_to_be_too_old(
    bascule: Bascule, sandbox: SandboxProcess, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert bascule("sandbox", "export", "--url", sandbox.url, "-c", "C0001", "-o", "extracts").code == 0
    for system in ("GE", "S4A"):
        monkeypatch.setenv(f"BASCULE_{system}__CONNECTOR", "extracts")
    words = ("reconcile", "--wave", "pilot", "-c", "C0001", "--json")

    told = bascule(*words)
    assert told.code == 0, told.err
    assert found(told.out)["C0001"]["result"] == "same"

    for file in (tmp_path / "extracts" / "C0001" / "s4a").iterdir():
        os.utime(file, (0, 0))
    told = bascule(*words)
    assert told.code == 4
    assert found(told.out)["C0001"]["result"] == "unknown"
    assert "days old" in found(told.out)["C0001"]["says"]
    assert found(told.out)["C0001"]["next_action"].startswith("export all of them again")


def test_lists_that_were_not_exported_are_named_and_end_with_a_reservation(
    bascule: Bascule, sandbox: SandboxProcess, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert bascule("sandbox", "export", "--url", sandbox.url, "-c", "C0001", "-o", "extracts").code == 0
    for name in ("groupes", "droits"):
        (tmp_path / "extracts" / "C0001" / "s4a" / f"{name}.csv").unlink()
    for system in ("GE", "S4A"):
        monkeypatch.setenv(f"BASCULE_{system}__CONNECTOR", "extracts")
    monkeypatch.setenv("COLUMNS", "400")

    told = bascule("reconcile", "--wave", "pilot", "-c", "C0001", "--json")

    assert told.code == 3, told.err
    one = found(told.out)["C0001"]
    assert one["result"] == "same"
    no_list, not_shown = "no list of Client Management tells them", "Client Management does not show it"
    assert {each["what"]: each["why"] for each in one["not_compared"]} == {
        "group": no_list,
        "right": no_list,
        "default profile": not_shown,
        "default group": not_shown,
    }
    shown = " ".join(bascule("reconcile", "--wave", "pilot", "-c", "C0001").out.replace("│", " ").split())
    assert "; not compared: groups, rights (no list of Client Management tells them)" in shown
    before = bascule("reconcile", "--wave", "pilot", "-c", "C0001", "--history").out
    assert "not compared" in before
    assert "groups, rights" in before


@pytest.mark.parametrize(
    ("rows", "code"),
    [
        ([Told(code="C1", result=Result.SAME, says="")], 0),
        ([Told(code="C1", result=Result.NOT_COMPARED, says="")], 0),
        ([Told(code="C1", result=Result.SAME, says="", has_reservations=True)], 3),
        ([Told(code="C1", result=Result.UNKNOWN, says="", has_reservations=True)], 4),
        ([Told(code="C1", result=Result.DRIFT, says=""), Told(code="C2", result=Result.SAME, says="")], 4),
    ],
)
def test_it_ends_with_the_worst_that_was_found(rows: list[Told], code: int) -> None:
    assert exit_code_of(rows) == code


def test_a_system_without_a_connector_is_refused_before_anything_is_read(
    bascule: Bascule, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    before = history(tmp_path, "C0001")
    monkeypatch.setenv("BASCULE_GE__CONNECTOR", "operator")
    told = bascule("reconcile", "--wave", "pilot")
    assert told.code == 2
    assert "people are not asked for lists" in told.err
    assert history(tmp_path, "C0001") == before


def test_a_cabinet_of_which_nothing_could_be_compared_names_what_to_programs_too() -> None:
    why = "no list of Client Management tells them"
    entry = Entry(
        cabinet="C0001",
        kind=EntryKind.RECONCILED,
        at=datetime(2026, 12, 8, tzinfo=UTC),
        who="ops",
        wave="pilot",
        run="R1",
        state=State.UNKNOWN,
        reason=f"nobody can say whether both sides are the same; not compared: dossiers ({why})",
        evidence={"not_compared": {"dossier": why}, "remedy": "export the dossiers"},
    )

    [told] = told_of({"C0001": entry}, Chosen((), {}), {"C0001": [entry]})

    assert (told.result, told.next_action, told.drift) == (Result.UNKNOWN, "export the dossiers", None)
    assert told.as_json()["not_compared"] == ({"what": "dossier", "why": why},)
    assert exit_code_of([told]) == 4


def test_a_large_wave_shows_all_who_differ_and_counts_most_who_do_not() -> None:
    rows = [Told(code=f"C{n:04}", result=Result.DRIFT, says="1 dossier missing: D1") for n in range(60)]
    rows += [Told(code=f"S{n:04}", result=Result.SAME, says="the same on both sides") for n in range(100)]

    table = as_table("pilot", rows)

    assert table.row_count == 60 + SHOWN + 1
    assert "60 drift" in str(table.title)
    assert list(table.columns[0].cells)[-1] == "60 others"


def test_those_of_whom_the_same_is_to_be_said_are_one_row_after_who_drifts() -> None:
    says = "its synchronisation is not proven"
    rows = [Told(code=f"N{n:04}", result=Result.NOT_COMPARED, says=says) for n in range(28)]
    rows += [Told(code="C0001", result=Result.DRIFT, says="1 dossier missing: D1")]

    codes = list(as_table("pilot", rows).columns[0].cells)

    assert codes == ["C0001", "N0000, N0001, N0002 and 25 more"]


def test_what_a_system_answered_steers_no_terminal_and_is_no_markup() -> None:
    out = io.StringIO()
    rows = [Told(code="C1", result=Result.DRIFT, says="1 dossier missing: D\x1b[2J[/bold]", next_action="\u202esee")]

    Console(file=out, width=200).print(as_table("pilot[/x]\x07", rows))

    assert "D⟨001B⟩[2J[/bold]" in out.getvalue()
    assert "Wave pilot[/x]⟨0007⟩, as it is now: 1 drift" in out.getvalue()
    assert UNSEEN.findall(out.getvalue()) == []


def test_of_many_who_are_the_same_those_not_compared_whole_are_counted() -> None:
    why = ({"what": "right", "why": "no list of Client Management tells them"},)
    rows = [
        Told(code=f"S{n:04}", result=Result.SAME, says="the same", has_reservations=True, not_compared=why)
        for n in range(SHOWN + 7)
    ]

    table = as_table("pilot", rows)

    assert list(table.columns[2].cells)[-1] == "7 of them not compared whole: right"


def test_history_tells_how_it_was_without_asking_any_system_or_writing_anything(
    bascule: Bascule, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    bascule("reconcile", "--wave", "pilot")
    before = history(tmp_path, "C0003")
    monkeypatch.setenv("BASCULE_GE__URL", "http://127.0.0.1:9/ge")
    monkeypatch.setenv("BASCULE_LEDGER_URL", f"sqlite:///file:{tmp_path}/.bascule/ledger.db?mode=ro&uri=true")

    told = bascule("reconcile", "--wave", "pilot", "--history", "--json")

    assert told.code == 0, told.err
    rows = [row for row in json.loads(told.out) if row["code"] == "C0003"]
    assert [(row["missing"], row["since_last"]) for row in rows] == [(3, None), (3, "same")]
    shown = bascule("reconcile", "--wave", "pilot", "--history").out
    assert "since last" in shown
    monkeypatch.setenv("COLUMNS", "200")
    shown = bascule("reconcile", "--wave", "pilot", "--history").out
    assert "not compared" not in shown, "nothing was left out of any comparison"
    assert history(tmp_path, "C0003") == before


@pytest.mark.parametrize(
    ("words", "says"),
    [
        (("--wave", "pilto"), "The ledger knows no wave 'pilto'; did you mean 'pilot'?"),
        (("--wave", "pilot", "--cabinet", "C0009"), "Wave 'pilot' has no cabinet 'C0009'"),
        (("--wave", "pilot", "--history", "--cabinet", "C0009"), "Wave 'pilot' has no cabinet 'C0009'"),
        (("--wave", "pilot", "--cabinet", NOT_MOVED), "No cabinet of wave 'pilot' can be compared"),
        ((), "Missing option '--wave'"),
    ],
)
def test_a_selection_that_names_nothing_to_compare_is_refused_and_nothing_is_written(
    bascule: Bascule, tmp_path: Path, words: tuple[str, ...], says: str
) -> None:
    before = history(tmp_path, NOT_MOVED)
    told = bascule("reconcile", *words)
    assert told.code == 2
    assert says in told.err
    assert history(tmp_path, NOT_MOVED) == before


def test_a_ledger_that_may_only_be_read_is_told_in_words(
    bascule: Bascule, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    url = f"sqlite:///file:{tmp_path}/.bascule/ledger.db?mode=ro&uri=true"
    monkeypatch.setenv("BASCULE_LEDGER_URL", url)
    told = bascule("reconcile", "--wave", "pilot")
    assert told.code == 2
    assert "may only be read" in told.err
