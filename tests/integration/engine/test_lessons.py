"""What went wrong in other tools that move many tenants in waves does not go wrong here.

A lesson that is held by a test elsewhere stands in `HELD_ELSEWHERE`; the others are below, each with the tool whose defect it was.
"""

from __future__ import annotations

import ast
import asyncio
import logging
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack
from pathlib import Path
from typing import Any

import httpx
import pytest

from bascule.connectors.http import HttpRemote
from bascule.connectors.openapi import served_as
from bascule.engine import Conducted, Standing, conduct, migrate
from bascule.engine.commanding import command
from bascule.engine.conduct import planned
from bascule.engine.foresee import foresee_all
from bascule.engine.opening import begin, end
from bascule.engine.run import Run
from bascule.inventory import WaveSettings
from bascule.ledger import EntryKind, Ledger
from bascule.model import Cabinet, Kind, Lifecycle, Outcome, System
from bascule.procedure import PROCEDURE
from bascule.reports import NoSuchWave, status_of
from bascule.reports.publishing import publish
from bascule.waves.choosing import NotChosen, selected
from bascule.waves.governor import GateShut, Rules, Word
from console.exit_codes import Exit, exit_of
from console.tables import COLOURS
from sandbox.app import create_app
from tests.builders import Stage, assert_moved, cabinets, stage, world
from tests.integration.engine.meddling import Meddling

TESTS = Path(__file__).parents[2]
SECOND = "C0002"

HELD_ELSEWHERE = {
    "unknown CSV column (EXO)": "unit/inventory/test_formats.py::test_an_unknown_column_is_refused_with_a_proposal",
    "cancelled batch coming back to life (GHM)": "integration/engine/test_governing.py::"
    "test_a_wave_that_is_told_to_end_leaves_nobody_locked_out_but_by_a_synchronisation_and_goes_on_when_run_again",
    "item in flight at a crash stays so (GHM)": "integration/engine/test_kill.py::"
    "test_a_killed_run_is_ended_by_the_next_and_doubles_nothing",
    "excluded cabinet blocking completion (GHM)": "unit/waves/test_order.py::"
    "test_a_pilot_is_a_gate_until_it_ended_well",
    "excluded cabinet counted nowhere (GHM)": "unit/reports/test_status.py::"
    "test_an_excluded_cabinet_is_accounted_for_and_never_counts_in_the_grade",
    "critical mismatch ending complete (GHM)": "integration/engine/test_waves.py::"
    "test_what_stayed_behind_makes_the_cabinet_partial_and_is_named",
    "work approved under the wrong identity (CMF)": "integration/people/test_people.py::"
    "test_the_ledger_tells_who_did_and_who_approved_each_step",
    "dry run that writes (Congregate)": "integration/engine/test_foresee.py::"
    "test_a_dry_run_over_all_steps_makes_no_write_wherever_the_cabinet_stands",
    "threshold off by one (Ansible)": "unit/waves/test_breaker.py::test_a_limit_is_reached_as_read",
    "bulk action bypassing the window (Sourcegraph)": "integration/engine/test_governing.py::"
    "test_a_window_that_closes_in_mid_wave_starts_nothing_more_and_leaves_nobody_locked_out",
    "unknown remote state read as success (GEI)": "contract/test_remotes.py::"
    "test_4_an_unknown_word_in_the_answer_to_a_write_is_not_a_success",
    "HTTP 200 with error (GEI)": "contract/test_remotes.py::test_4_an_error_in_a_200_body_is_not_a_success",
    "approval after expiry (AWX)": "integration/people/test_people.py::"
    "test_an_answer_that_nobody_approved_in_time_is_no_approval_and_stays_on_hold_until_a_person_withdraws_it",
}


@pytest.mark.parametrize("lesson", HELD_ELSEWHERE)
def test_a_lesson_that_is_held_elsewhere_still_is(lesson: str) -> None:
    file, _, name = HELD_ELSEWHERE[lesson].partition("::")
    tree = ast.parse((TESTS / file).read_text(encoding="utf-8"))
    assert name in {node.name for node in tree.body if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef)}


@pytest.fixture
async def six(tmp_path: Path) -> AsyncIterator[Stage]:
    async with stage(tmp_path, cabinets(6)) as on:
        yield on


async def ran(on: Stage, **changes: Any) -> Conducted:
    """A whole run, as the command makes it."""
    run = on.run(**changes)
    await begin(run, on.cabinets, {})
    conducted = await conduct(run, on.cabinets, slots=6)
    await end(run, conducted)
    return conducted


# Who is meant


async def test_a_selection_that_names_nobody_never_means_everybody(six: Stage) -> None:
    """Exchange Online: `Get-… -Identity $null` returns all objects."""
    await ran(six)
    standing = {cabinet.code: cabinet for cabinet in status_of(six.ledger, "pilot").cabinets}
    assert selected(six.cabinets, standing, only=["failed"]) == ()
    assert selected(six.cabinets, standing, classes=["transient"]) == ()
    for nobody in ("", " ", "None", "C00"):
        with pytest.raises(NotChosen):
            selected(six.cabinets, standing, codes=[nobody])
        with pytest.raises(NotChosen):
            selected(six.cabinets, standing, only=[nobody])


async def test_what_a_dry_run_found_blocked_is_nothing_that_a_rerun_takes_up(six: Stage) -> None:
    """GHM: retrying a failed dry run starts a real migration."""
    await six.faults({"fault": "missing-group-right", "share": 1})
    run = six.run()
    foreseen = await foresee_all(run, six.cabinets, six.ledger.histories([c.code for c in six.cabinets]), at_once=6)
    assert all(foresight.until_stop[-1].stops for foresight in foreseen.values())
    with pytest.raises(NoSuchWave):  # which a rerun asks first
        status_of(six.ledger, "pilot")
    await begin(run, six.cabinets, {})
    standing = {cabinet.code: cabinet for cabinet in status_of(six.ledger, "pilot").cabinets}
    assert selected(six.cabinets, standing, only=["failed", "blocked"]) == ()
    assert await six.journal() == []


async def test_what_somebody_else_goes_on_with_bears_their_name(six: Stage) -> None:
    """CMF: automated tasks run under the identity of whoever made the pipeline, whoever started them."""
    await six.faults({"fault": "missing-group-right", "share": 1})
    await ran(six, who="anne")
    before = {cabinet.code: len(six.ledger.history(cabinet.code)) for cabinet in six.cabinets}
    await six.faults()
    assert (await ran(six, who="bea")).outcomes == {Outcome.OK: 6}
    for code, seen in before.items():
        history = six.ledger.history(code)
        assert {entry.who for entry in history[:seen]} == {"anne"}
        assert {entry.who for entry in history[seen:]} == {"bea"}


# When it begins and ends


async def test_a_wave_that_comes_second_starts_nothing_while_the_first_is_at_work(six: Stage) -> None:
    """GHM: "sequential" waves overlap, since whatever is queued counts as finished."""
    first, second = six.cabinets[:3], six.cabinets[3:]
    at_work, go_on = asyncio.Event(), asyncio.Event()

    async def held(run: Run, cabinet: Cabinet) -> Standing:
        if cabinet is first[-1]:
            at_work.set()
            await go_on.wait()
        return await migrate(run, cabinet)

    async def follow() -> Conducted:
        run = six.run(wave="second")
        settings = WaveSettings.model_validate({"requires": {"wave": "pilot"}})
        under = Rules(
            settings=settings,
            cabinets=tuple(planned(cabinet) for cabinet in second),
            slots=3,
            required=status_of(six.ledger, "pilot").outcomes,
        )
        await begin(run, second, {})
        return await conduct(run, second, rules=under)

    run = six.run()
    await begin(run, first, {})
    going = asyncio.create_task(conduct(run, first, slots=3, migrate=held))
    await at_work.wait()
    early = await follow()
    assert isinstance(early.stop, GateShut)
    assert (early.standings, exit_of(early)) == ({}, Exit.BREAKER)
    assert not any([await six.journal(cabinet.code) for cabinet in second])
    go_on.set()
    assert (await going).outcomes == {Outcome.OK: 3}
    assert (await follow()).outcomes == {Outcome.OK: 3}


async def test_a_wave_that_was_stopped_does_not_come_back_to_life_and_nothing_of_it_goes_on(six: Stage) -> None:
    """GHM: a cancelled batch is recomputed from its items and becomes ready again, while its workers go on."""
    began = asyncio.Event()

    async def watched(run: Run, cabinet: Cabinet) -> Standing:
        began.set()
        return await migrate(run, cabinet)

    run = six.run()
    await begin(run, six.cabinets, {})
    going = asyncio.create_task(conduct(run, six.cabinets, slots=2, migrate=watched))
    await began.wait()
    for word in (Word.STOP, Word.RESUME):
        await command(six.ledger, wave="pilot", word=word, by="anne", because="the cabinet rang", patience=0)
    stopped = await going
    await end(run, stopped)
    assert len(stopped.standings) < 6
    journal, told = await six.journal(), six.ledger.heads([cabinet.code for cabinet in six.cabinets])
    await asyncio.sleep(0.3)
    assert await six.journal() == journal
    assert six.ledger.heads([cabinet.code for cabinet in six.cabinets]) == told
    now = six.time.now()
    assert (six.ledger.running("pilot", now), six.ledger.at_work(now)) == ((), frozenset())


class Bug(Exception):
    """A defect of our own."""


async def strike() -> None:
    raise Bug


@pytest.mark.parametrize("fault", ["missing-group-right", "consent-revoked", "partial-transfer", "a defect of our own"])
async def test_when_a_run_has_ended_no_cabinet_that_failed_is_still_said_to_be_at_work(six: Stage, fault: str) -> None:
    """CMF: a task that fails in the ordinary way leaves its pipeline "In progress"."""
    if fault.startswith("a defect"):
        conducted = await ran(six, remote=Meddling(six.remote, 20, strike))
    else:
        await six.faults({"fault": fault, "cabinets": [SECOND]})
        conducted = await ran(six)
    status = status_of(six.ledger, "pilot")
    assert {cabinet.lifecycle for cabinet in status.cabinets} == {Lifecycle.ENDED}
    assert (status.outcomes[Outcome.OK], sum(status.outcomes.values())) == (5, 6)
    [failed] = [cabinet for cabinet in status.cabinets if cabinet.outcome is not Outcome.OK]
    assert failed.reason
    assert failed.next_action
    assert status.grade is failed.outcome
    assert exit_of(conducted) is (Exit.DEFECT if conducted.defects else Exit.NOT_OK)
    assert six.ledger.running("pilot", six.time.now()) == ()
    [run_ended] = six.ledger.of_wave("pilot", [EntryKind.RUN_ENDED])
    assert run_ended.evidence["outcomes"] == {"ok": 5, failed.outcome.value: 1}


# What is made of it


async def test_what_a_check_finds_wrong_is_told_and_never_repaired(six: Stage) -> None:
    """GHM: pre-migration validation deletes what it finds at the destination."""
    assert [step.name for step in PROCEDURE if step.kind is Kind.CHECK and step.acts] == []
    await six.faults(
        {"fault": "partial-transfer", "cabinets": [SECOND]}, {"fault": "contact-created-in-s4a", "cabinets": ["C0003"]}
    )
    first = await ran(six)
    assert (first.standings[SECOND].outcome, first.standings[SECOND].step) == (Outcome.PARTIAL, "reconcile")
    assert first.standings["C0003"].outcome is Outcome.OK_WITH_RESERVATIONS
    journal, states = await six.journal(), [await six.state(cabinet.code) for cabinet in six.cabinets]
    again = await ran(six)
    assert again.outcomes == first.outcomes
    assert await six.journal() == journal
    assert [await six.state(cabinet.code) for cabinet in six.cabinets] == states


async def test_one_loss_among_many_is_the_grade_of_the_wave(tmp_path: Path) -> None:
    """Congregate: "90 % or above is considered a success, and isn't worth looking at"."""
    async with stage(tmp_path, cabinets(20), {"fault": "partial-transfer", "cabinets": [SECOND]}) as on:
        conducted = await ran(on)
        status = status_of(on.ledger, "pilot")
    assert conducted.outcomes == {Outcome.OK: 19, Outcome.PARTIAL: 1}
    assert (conducted.grade, status.grade, exit_of(conducted)) == (Outcome.PARTIAL, Outcome.PARTIAL, Exit.NOT_OK)
    [lost] = [cabinet for cabinet in status.cabinets if cabinet.outcome is not Outcome.OK]
    assert lost.code == SECOND


def test_good_and_bad_have_different_colours() -> None:
    """Congregate: a condition that is always true gives every title the colour of a failure."""
    red = {outcome for outcome in Outcome if COLOURS.get(outcome.value, "red") == "red"}
    assert red >= {Outcome.FAILED, Outcome.UNKNOWN, Outcome.PARTIAL}
    assert red.isdisjoint({Outcome.OK, Outcome.OK_WITH_RESERVATIONS})
    assert COLOURS["ok"] not in {COLOURS["blocked"], COLOURS["waiting"], "red"}


# What is left of it


async def test_a_year_later_the_ledger_still_says_what_happened_and_the_wave_goes_on_from_there(
    six: Stage, tmp_path: Path
) -> None:
    """GEI: migration logs are gone after 24 hours."""
    await six.faults({"fault": "consent-revoked", "cabinets": [SECOND]})
    stopped = (await ran(six)).standings[SECOND]
    told = six.ledger.history(SECOND)
    await six.time.sleep(365 * 24 * 3600)
    with Ledger(six.ledger.url, read_only=True) as ledger:
        [failed] = [cabinet for cabinet in status_of(ledger, "pilot").cabinets if cabinet.code == SECOND]
        assert (failed.step, failed.reason, failed.error_class) == (stopped.step, stopped.reason, stopped.error_class)
        assert stopped.reason in (publish(ledger, "pilot", tmp_path / "runs").folder / "cabinets.csv").read_text(
            "utf-8"
        )
    await six.faults()
    assert (await ran(six)).outcomes == {Outcome.OK: 6}
    assert six.ledger.history(SECOND)[: len(told)] == told
    await assert_moved(six, SECOND)


async def test_no_secret_is_in_a_log_the_ledger_or_a_report_however_a_wave_goes(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    """CMF 4.0.4: credentials stood in job logs."""
    caplog.set_level(logging.DEBUG)
    canary = "canary-c4f1e8d2"
    faults = [
        {"fault": "token-expired", "share": 0.5, "times": 1},
        {"fault": "server-error", "share": 0.5, "times": 1},
        {"fault": "commit-then-drop", "share": 0.5, "times": 1},
        {"fault": "consent-revoked", "cabinets": [SECOND]},
    ]
    tokens = Tokens(httpx.ASGITransport(create_app(world(cabinets(6)), {"faults": faults})))
    async with stage(tmp_path, cabinets(6)) as on, AsyncExitStack() as open_ones:
        for system in System:
            on.remotes[system] = await open_ones.enter_async_context(
                HttpRemote(
                    system,
                    f"http://sandbox/{served_as(system)}",
                    client_id="bascule",
                    secret=lambda: canary,
                    transport=tokens,
                )
            )
        conducted = await ran(on)
        assert conducted.standings[SECOND].outcome is Outcome.BLOCKED
        publish(on.ledger, "pilot", tmp_path / "runs")
    assert tokens.seen
    for secret in (canary, *tokens.seen):
        assert secret not in caplog.text
        assert files_with(secret, tmp_path) == []


def files_with(word: str, folder: Path) -> list[Path]:
    return [path for path in folder.rglob("*") if path.is_file() and word.encode() in path.read_bytes()]


class Tokens(httpx.AsyncBaseTransport):
    """Notes every token that a request carries."""

    def __init__(self, inner: httpx.AsyncBaseTransport) -> None:
        self._inner = inner
        self.seen: set[str] = set()

    async def handle_async_request(self, request: httpx.Request) -> httpx.Response:
        if (bearer := request.headers.get("authorization", "")).startswith("Bearer "):
            self.seen.add(bearer.removeprefix("Bearer "))
        return await self._inner.handle_async_request(request)
