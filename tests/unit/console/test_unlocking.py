"""reap and unlock, as people type them, at a sandbox."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Callable, Iterator
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path

import httpx
import pytest

from bascule.inventory import sample
from bascule.inventory.stored import to_plain
from bascule.ledger import Entry, EntryKind, Ledger, Owner, StoredInventory, first_broken, this_process
from bascule.model import Lifecycle, System
from console.sandbox_process import SandboxProcess, start_sandbox
from tests.unit.console.conftest import Bascule

CODE = "C0001"
NOW = datetime.now(UTC)
ROWS = sample(3, seed=3, wave="pilot")
WORD = ("--because", "The wizard was closed by hand", "--by", "Anne")

Planned = Callable[..., None]


@pytest.fixture(scope="module")
def running() -> Iterator[SandboxProcess]:
    with start_sandbox(ROWS) as running:
        yield running


@pytest.fixture(autouse=True)
def sandbox(running: SandboxProcess, monkeypatch: pytest.MonkeyPatch) -> SandboxProcess:
    for system, base in (("MY_SAGE", "my-sage"), ("GE", "ge"), ("S4A", "s4a")):
        monkeypatch.setenv(f"BASCULE_{system}__URL", f"{running.url}/{base}")
    httpx.post(f"{running.url}/sandbox/reset").raise_for_status()
    return running


@pytest.fixture
def ledger_url(tmp_path: Path) -> str:
    (tmp_path / ".bascule").mkdir()
    return f"sqlite:///{tmp_path}/.bascule/ledger.db"


@pytest.fixture
def planned(ledger_url: str) -> Planned:
    """The cabinet is in the ledger, with GE by this connector; if need be its users were locked out by a run that died."""

    def write(*, ge: str = "http", announced: bool = False, at_work: Owner | None = None) -> None:
        first = replace(ROWS.cabinets[0], connectors={System.GE: ge})
        rows = replace(ROWS, cabinets=(first, *ROWS.cabinets[1:]))

        def line(kind: EntryKind, **fields: object) -> Entry:
            blank = Entry(cabinet=CODE, kind=kind, at=NOW, who="ops", wave="pilot", run="R1")
            return replace(blank, **fields)  # type: ignore[arg-type]  # the fields are named where this is called

        entries = [line(EntryKind.PLANNED, lifecycle=Lifecycle.PLANNED, evidence={"inventory": rows.digest})]
        if announced:
            entries.append(line(EntryKind.INTENT, step="lock-out", verb="lock-out", key="k1"))

        async def store(ledger: Ledger) -> None:
            stored = StoredInventory(
                digest=rows.digest, at=NOW, who="ops", source="inventory.csv", content=to_plain(rows)
            )
            await ledger.store_inventory(stored)
            await ledger.record(*entries)
            if at_work is not None:
                await ledger.take_lease(CODE, at_work, datetime.now(UTC))

        with Ledger(ledger_url) as ledger:
            asyncio.run(store(ledger))

    return write


def lock_out(sandbox: SandboxProcess) -> None:
    httpx.post(f"{sandbox.url}/sandbox/hands/{CODE}/lock-out", json={}).raise_for_status()


def is_locked_out(sandbox: SandboxProcess) -> bool:
    return bool(httpx.get(f"{sandbox.url}/sandbox/state/{CODE}").json()["ge"]["locked_out"])


def history(ledger_url: str) -> tuple[Entry, ...]:
    with Ledger(ledger_url, read_only=True) as ledger:
        return ledger.history(CODE)


def test_users_are_let_in_by_the_word_of_an_operator_and_the_word_is_kept(
    bascule: Bascule, sandbox: SandboxProcess, planned: Planned, ledger_url: str
) -> None:
    planned(announced=True)
    lock_out(sandbox)

    told = bascule("unlock", CODE, *WORD)

    assert (told.code, told.out) == (0, "C0001: users can connect again, as GE shows.\n")
    assert "bascule rerun --cabinet C0001" in told.err
    assert not is_locked_out(sandbox)
    entries = history(ledger_url)
    (note,) = [entry for entry in entries if entry.kind is EntryKind.NOTE]
    assert (note.who, note.reason, note.wave) == ("anne", "The wizard was closed by hand", "pilot")
    assert first_broken(entries) is None


def test_a_lock_out_of_ours_that_only_ge_knows_of_is_ended_too(
    bascule: Bascule, sandbox: SandboxProcess, planned: Planned
) -> None:
    planned()
    lock_out(sandbox)
    assert bascule("unlock", CODE, *WORD).code == 0
    assert not is_locked_out(sandbox)


def test_where_people_act_on_ge_they_are_asked(bascule: Bascule, sandbox: SandboxProcess, planned: Planned) -> None:
    planned(announced=True, ge="operator+http")
    lock_out(sandbox)

    told = bascule("unlock", CODE, *WORD)

    assert told.code == 5
    assert "C0001-reopen" in told.out
    (order,) = json.loads(bascule("inbox", "--json").out)
    assert (order["order"], order["verbs"]) == ("C0001-reopen", ["reopen"])


def test_where_ge_is_silent_it_says_so_and_the_lock_out_stays_owed(
    bascule: Bascule, sandbox: SandboxProcess, planned: Planned, ledger_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    planned(announced=True)
    lock_out(sandbox)
    monkeypatch.setenv("BASCULE_GE__URL", "http://127.0.0.1:9/ge")
    told = bascule("unlock", CODE, *WORD)
    assert told.code == 4
    assert "users may still be locked out" in told.out
    with Ledger(ledger_url, read_only=True) as ledger:
        assert ledger.owing_a_reopen() == (CODE,)


@pytest.mark.parametrize(
    ("words", "says"),
    [
        (("C0001", *WORD), "the ledger knows of no lock-out that is open, and GE shows none of ours"),
        (("C9999", *WORD), "The ledger knows no cabinet 'C9999'"),
        (("c0001", *WORD), "C0001: the ledger knows of no lock-out"),
        (("C0001", "--because", " ", "--by", "anne"), "--because says nothing"),
        (("C0001", "--because", "seen", "--by", "mallory"), "'mallory' is no operator of the environment sandbox"),
        (("C0001", "--because", "seen", "--by", ""), "--by says nothing"),
        (("C0001", "--by", "anne"), "Missing option '--because'"),
    ],
)
def test_what_cannot_be_unlocked_is_refused_and_nothing_is_written(
    bascule: Bascule,
    sandbox: SandboxProcess,
    planned: Planned,
    ledger_url: str,
    words: tuple[str, ...],
    says: str,
) -> None:
    planned()
    before = history(ledger_url)
    told = bascule("unlock", *words)
    assert told.code == 2
    assert says in told.err
    assert history(ledger_url) == before
    assert httpx.get(f"{sandbox.url}/sandbox/journal").json() == []


def test_a_process_at_work_is_named_and_nothing_is_done(
    bascule: Bascule, sandbox: SandboxProcess, planned: Planned
) -> None:
    planned(announced=True, at_work=this_process())
    lock_out(sandbox)
    told = bascule("unlock", CODE, *WORD)
    assert told.code == 2
    assert "is working on this cabinet" in told.err
    assert "bascule stop --wave pilot" in told.err
    assert is_locked_out(sandbox)


def test_reap_lets_in_whom_a_dead_run_left_out_and_says_that_nobody_is_out_any_more(
    bascule: Bascule, sandbox: SandboxProcess, planned: Planned
) -> None:
    planned(announced=True)
    lock_out(sandbox)
    told = bascule("reap")
    assert (told.code, told.out) == (0, "C0001: users can connect again, as GE shows.\n")
    assert not is_locked_out(sandbox)
    assert bascule("reap").out == "Nobody is locked out.\n"


def test_reap_that_cannot_look_names_the_cabinet_and_the_way_out(
    bascule: Bascule, sandbox: SandboxProcess, planned: Planned, monkeypatch: pytest.MonkeyPatch
) -> None:
    planned(announced=True)
    lock_out(sandbox)
    monkeypatch.setenv("BASCULE_GE__URL", "http://127.0.0.1:9/ge")
    told = bascule("reap")
    assert told.code == 4
    assert "C0001: users may still be locked out" in told.out
    assert "bascule unlock C0001 --because TEXT --by NAME" in told.err


@pytest.mark.parametrize(
    "verb",
    [
        ("reap",),
        ("unlock", CODE, *WORD),
        ("stop",),
        ("rerun", "--wave", "pilot"),
        ("answer", "C0001-terms", "--by", "anne", "--result", "cannot", "--because", "no"),
    ],
)
def test_a_verb_that_speaks_to_a_ledger_makes_none_where_its_name_is_misspelt(
    bascule: Bascule, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, verb: tuple[str, ...]
) -> None:
    monkeypatch.setenv("BASCULE_LEDGER_URL", f"sqlite:///{tmp_path}/legder.db")
    told = bascule(*verb)
    assert (told.code, "There is no ledger yet" in told.err) == (2, True)
    assert not (tmp_path / "legder.db").exists()
