"""What a plan expects and stands on: durations from past waves before the configuration's, no secret, no password."""

from __future__ import annotations

import asyncio
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest

from bascule.connectors.operator.sittings import MINUTES
from bascule.engine.foresee import Foreseen, Foresight, Write
from bascule.ledger import Entry, EntryKind, Ledger
from bascule.model import System
from bascule.reports.past import ENOUGH, Took
from config.expecting import Expecting, expecting
from config.settings import ExpectedSettings, Settings, Spread
from flows.planning import by_people, identity_of, in_flight, section, stands_on, steps_of
from flows.preparing import Asked, prepare
from tests.unit.reports.histories import acted, line, write

EXPECTED = ExpectedSettings(write=Spread(p50=10, p90=30))


def foreseen(step: str, *, asked: bool = False) -> Foreseen:
    return Foreseen(step=step, writes=(Write(verb=step, system=System.GE, payload={}, asked=asked),))


def foresight(*steps: Foreseen, dossiers: int | None = 10) -> Foresight:
    return Foresight(steps=steps, proven=(), dossiers=dossiers)


def test_past_waves_are_believed_before_the_configuration() -> None:
    told = Expecting(EXPECTED, {("small", "connect"): Took(4, 8, 12)})
    connect, restart = steps_of(foresight(foreseen("connect"), foreseen("restart")), told)
    assert (connect.p50, connect.p90, connect.told_by) == (4, 8, "past waves (12 small cabinets)")
    assert (restart.p50, restart.p90, restart.told_by) == (10, 30, "configuration")


@pytest.mark.parametrize(
    ("dossiers", "told_by"),
    [(299, "small"), (300, "medium"), (1499, "medium"), (1500, "large"), (None, "size unknown, as medium")],
)
def test_a_synchronisation_takes_as_long_as_the_cabinet_is_large(dossiers: int | None, told_by: str) -> None:
    (told,) = steps_of(foresight(foreseen("synchronise"), dossiers=dossiers), Expecting(EXPECTED, {}))
    spread = getattr(EXPECTED, told_by if dossiers is not None else "medium")
    assert (told.p50, told.p90, told.told_by) == (spread.p50, spread.p90, f"configuration ({told_by})")


def test_a_persons_work_holds_no_slot_and_its_slowest_tenth_is_not_known() -> None:
    steps = steps_of(foresight(foreseen("backup", asked=True), foreseen("lock-out")), Expecting(EXPECTED, {}))
    assert (steps[0].p50, steps[0].p90) == (60 * MINUTES["backup"], None)
    assert in_flight(steps, slow=False) == timedelta(seconds=10)
    assert by_people(steps) == timedelta(minutes=MINUTES["backup"])


def test_the_section_is_from_lock_out_to_reopen_and_none_where_that_is_done() -> None:
    told = Expecting(EXPECTED, {})
    guarded = [foreseen(step) for step in ("connect", "lock-out", "synchronise", "reopen")]
    assert section(steps_of(foresight(*guarded), told)) == timedelta(seconds=30 + EXPECTED.small.p90 + 30)
    observed = line("C0001", EntryKind.PROOF, step="consistency", evidence={"observed": {"ge-lists": {"dossiers": 10}}})
    assert told.section([observed]) == section(steps_of(foresight(*guarded), told)), "a run keeps to what the plan says"
    assert section(steps_of(foresight(foreseen("users")), told)) == timedelta()


def test_past_waves_tell_by_the_dossiers_that_their_proofs_observed(tmp_path: Path) -> None:
    def cabinet(number: int, dossiers: int) -> list[Entry]:
        code = f"C{number:04d}"
        observed = {"observed": {"ge-lists": {"dossiers": dossiers}}}
        proof = line(code, EntryKind.PROOF, step="consistency", evidence=observed)
        return [proof, *acted(code, "synchronise", 60.0 if dossiers < 300 else 600.0)]

    with Ledger(f"sqlite:///{tmp_path}/ledger.db") as ledger:
        write(ledger, *(cabinet(n, 10) for n in range(ENOUGH)), *(cabinet(n, 2000) for n in range(50, 50 + ENOUGH)))
        past = expecting(ledger, EXPECTED).past
    assert past["small", "synchronise"] == Took(60, 60, ENOUGH)
    assert past["large", "synchronise"] == Took(600, 600, ENOUGH)


def test_a_ledger_is_known_by_its_first_run_whoever_opens_it_and_from_wherever(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    with Ledger(f"sqlite:///{tmp_path}/ledger.db") as ledger, Ledger("sqlite:///ledger.db", read_only=True) as same:
        assert identity_of(ledger) == identity_of(same)
        assert identity_of(ledger)[1] is None
        asyncio.run(ledger.record(line("@pilot", EntryKind.RUN_BEGAN)))
        first = identity_of(ledger)
        asyncio.run(ledger.record(line("@other", EntryKind.RUN_BEGAN)))
        assert identity_of(ledger) == first
        assert first[1] is not None


def test_a_ledgers_address_is_the_same_for_every_user_and_holds_no_password() -> None:
    class On:
        def __init__(self, url: str) -> None:
            self.url = url

        def of_kinds(self, _: object) -> list[Any]:
            return []

    anne, paul = On("postgresql+psycopg://anne:p@ss@db/bascule"), On("postgresql://paul@db/bascule")
    assert identity_of(anne) == identity_of(paul) == ("postgresql://db/bascule", None)  # type: ignore[arg-type]


def test_no_secret_and_no_ledger_is_among_what_a_plan_stands_on(tmp_path: Path) -> None:
    (tmp_path / "inv.csv").write_text(
        "code,name,siren,entity,admin_email,default_profile,default_group\n"
        "C0001,Cabinet,400000014,CAB,anne@cabinet1.example,P,G\n",
        encoding="utf-8",
    )
    http = {"connector": "http", "url": "http://127.0.0.1:1/x", "client_secret": "env:TOP"}
    settings = Settings(
        environment="sandbox",
        ledger_url="sqlite:///secret.db",
        my_sage=http,  # type: ignore[arg-type]
        ge=http,  # type: ignore[arg-type]
        s4a=http,  # type: ignore[arg-type]
    )
    asked = Asked(inventory=tmp_path / "inv.csv")
    with Ledger(f"sqlite:///{tmp_path}/ledger.db") as ledger:
        parts = stands_on(prepare(asked, settings, ledger), settings)
    assert "C0001 admin_email" in parts["inventory"]
    assert {"version", "connect"} <= set(parts["procedure"])
    assert "ge.url" in parts["configuration"]
    assert not [name for name in parts["configuration"] if "secret" in name or "ledger" in name or "password" in name]
    assert "env:TOP" not in str(parts)
