"""What Prefect shows of a wave, and what becomes of the server that it is shown on."""

from __future__ import annotations

import asyncio
import json
import logging
import os
import signal
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any
from uuid import UUID, uuid4

import pytest
from prefect import flow, get_client, task
from prefect.cache_policies import NO_CACHE
from prefect.client.schemas.objects import State
from prefect.states import Completed, Failed

from config.cockpit import Server, ensure_server
from config.own_server import Home, Process, ServerBroken
from config.settings import PrefectSettings
from flows.interrupt import interruptible
from flows.stored import Stored, until_stored
from tasks.brake import Brake

core = logging.getLogger("bascule.test")


@task(task_run_name="{code} / {step_name}", cache_policy=NO_CACHE)
async def take_step(code: str, step_name: str) -> Any:
    core.info("%s is at %s", code, step_name)
    if code == "C0002":
        return Failed(message="rights are missing on group FISCAL")
    return "proven"


@task(task_run_name="{code}", cache_policy=NO_CACHE)
async def take_cabinet(code: str) -> Any:
    state = await take_step(code, "connect", return_state=True)  # type: ignore[misc]  # Prefect types the state as if not awaited
    if state.is_failed():
        return Failed(name="Blocked", message=state.message)
    return Completed(name="Waiting", message="a person must accept the terms")


@flow(flow_run_name="wave {name}")
async def take_wave(name: str, cabinets: int = 2) -> Any:
    codes = [f"C{number:04}" for number in range(1, cabinets + 1)]
    await asyncio.gather(*(take_cabinet(code, return_state=True) for code in codes))  # type: ignore[call-overload]
    return Failed(name="Blocked", message="1 of 2 blocked")


async def test_prefect_shows_a_run_for_each_cabinet_and_its_steps_below_it(prefect_server: Server) -> None:
    wave = await take_wave("pilot", return_state=True)
    assert (await until_stored(_flow_run(wave), 4, timeout=20)).is_complete

    runs = await _task_runs(_flow_run(wave))
    assert {name: (run["state"]["name"], run["state"]["message"]) for name, run in runs.items()} == {
        "C0001": ("Waiting", "a person must accept the terms"),
        "C0001 / connect": ("Completed", ""),
        "C0002": ("Blocked", "rights are missing on group FISCAL"),
        "C0002 / connect": ("Failed", "rights are missing on group FISCAL"),
    }
    assert [parent["id"] for parent in runs["C0002 / connect"]["task_inputs"]["__parents__"]] == [runs["C0002"]["id"]]
    assert (wave.name, wave.message) == ("Blocked", "1 of 2 blocked")


async def test_what_the_core_logs_is_shown_beside_its_task_run_and_not_in_the_terminal(
    prefect_server: Server, capfd: pytest.CaptureFixture[str]
) -> None:
    wave = await take_wave("logged", return_state=True)
    await until_stored(_flow_run(wave), 4, timeout=20)
    step = (await _task_runs(_flow_run(wave)))["C0001 / connect"]

    logs = await _eventually(lambda: _logs_of(step["id"]))

    assert [log["message"] for log in logs] == ["C0001 is at connect"]
    assert capfd.readouterr().err == ""


async def test_a_flow_run_that_lacks_task_runs_is_told_as_incomplete(prefect_server: Server) -> None:
    wave = await take_wave("lacking", return_state=True)

    stored = await until_stored(_flow_run(wave), 5, timeout=2)

    assert stored == Stored(expected=5, ended=4, known=4)
    assert str(stored).startswith("Prefect has stored 4 of 5 task runs: 1 are absent")


async def test_a_server_that_is_gone_is_told_and_not_raised(
    prefect_server: Server, monkeypatch: pytest.MonkeyPatch
) -> None:
    from prefect.settings import PREFECT_API_URL, PREFECT_CLIENT_MAX_RETRIES, temporary_settings

    with temporary_settings({PREFECT_API_URL: f"http://127.0.0.1:{_unused_port()}/api", PREFECT_CLIENT_MAX_RETRIES: 0}):
        stored = await until_stored(uuid4(), 1, timeout=5)

    assert not stored.is_complete
    assert "ConnectError" in stored.problem


@pytest.mark.parametrize("sent", [signal.SIGINT, signal.SIGTERM])
async def test_the_first_ctrl_c_or_cancel_asks_and_the_flow_ends_in_its_own_way(
    prefect_server: Server, sent: signal.Signals
) -> None:
    before = signal.getsignal(sent)

    @flow
    async def interrupted() -> Any:
        with interruptible() as asked:
            _signal_after(0.2, sent)
            await asyncio.wait_for(asked.wait(), 5)
            await take_cabinet("C0001", return_state=True)  # type: ignore[misc]
        return Failed(name="Stopped", message="Ctrl-C")

    state: State[Any] = await interrupted(return_state=True)

    assert (state.name, state.message) == ("Stopped", "Ctrl-C")
    assert signal.getsignal(sent) == before


async def test_the_second_ctrl_c_cancels() -> None:
    async def stubborn() -> None:
        with interruptible() as asked:
            _signal_after(0.1, signal.SIGINT)
            await asked.wait()
            _signal_after(0.1, signal.SIGINT)
            await asyncio.sleep(10)

    with pytest.raises(asyncio.CancelledError):
        await asyncio.create_task(stubborn())


def test_without_configuration_a_server_is_started_shared_and_ended_by_its_last_user(tmp_path: Path) -> None:
    first = _run_holding(tmp_path)
    url = _said(first)
    second = _run_holding(tmp_path)
    assert _said(second) == url

    _let_end(first)
    assert _record(tmp_path)["url"] == url, "the second run still needs it"
    process = Process(_record(tmp_path)["pid"], _record(tmp_path)["birth"])
    assert process.is_alive()

    _let_end(second)
    assert not process.is_alive()
    assert not (tmp_path / "server.json").exists()


def test_two_runs_that_begin_at_once_start_one_server(tmp_path: Path) -> None:
    runs = [_run_holding(tmp_path), _run_holding(tmp_path)]
    assert len({_said(run) for run in runs}) == 1
    for run in runs:
        _let_end(run)


def test_the_server_of_a_killed_run_is_reused_and_a_stuck_one_is_ended(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    killed = _run_holding(tmp_path)
    url = _said(killed)
    orphan = Process(_record(tmp_path)["pid"], _record(tmp_path)["birth"])
    killed.kill()
    killed.wait()
    assert orphan.is_alive()

    heir = _run_holding(tmp_path)
    assert _said(heir) == url
    heir.kill()
    heir.wait()

    os.kill(orphan.pid, signal.SIGSTOP)
    monkeypatch.setattr("config.own_server.ANSWERS_WITHIN", 0.5)
    monkeypatch.setattr("config.own_server.ENDS_WITHIN", 0.5)
    home = Home(tmp_path)
    successor = home.enter({}, keep=False, port=None)
    assert not orphan.is_alive()
    assert successor.process != orphan
    home.leave()
    assert not successor.process.is_alive()


def test_a_record_of_a_process_that_is_dead_is_not_believed(tmp_path: Path) -> None:
    ended = subprocess.Popen(["sleep", "60"])
    process = Process.of(ended.pid)
    assert process is not None
    process.end()
    assert not process.is_alive()
    ended.wait()
    assert Process.of(ended.pid) is None


def test_a_configured_server_that_does_not_answer_is_named_with_a_remedy(tmp_path: Path) -> None:
    url = f"http://127.0.0.1:{_unused_port()}/api"
    code = (
        "from pathlib import Path; from config.cockpit import *; from config.settings import PrefectSettings\n"
        f"try: ensure_server(Path({str(tmp_path)!r}), PrefectSettings(url={url!r}))\n"
        "except CockpitUnreachable as error: print(error, error.remedy)"
    )
    told = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert told.stdout.startswith(f"The Prefect server at {url} does not answer: ")
    assert "take prefect.url out of the settings" in told.stdout


def test_a_configured_server_is_used_and_not_ended(prefect_server: Server, tmp_path: Path) -> None:
    named = PrefectSettings(url=prefect_server.url, auth="env:SECRET_OF_THE_TESTS")
    with ensure_server(tmp_path, named) as used:
        assert (used.url, used.home) == (prefect_server.url, None)
    assert os.environ["PREFECT_API_URL"] == prefect_server.url
    assert list(tmp_path.iterdir()) == []


def test_a_home_that_cannot_be_written_is_named(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(ServerBroken, match=r"cannot use .*file"):
        Home(tmp_path / "file" / "home").enter({}, keep=False, port=None)


def test_a_server_that_does_not_start_says_why(tmp_path: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken, pytest.raises(ServerBroken, match="already in use"):
        Home(tmp_path).enter({}, keep=False, port=taken.getsockname()[1])


class Clock:
    """Time that passes only while somebody sleeps."""

    def __init__(self) -> None:
        self.now = 0.0

    def __call__(self) -> float:
        return self.now

    async def sleep(self, seconds: float) -> None:
        self.now += seconds
        await asyncio.sleep(0)


async def test_after_a_burst_starts_are_let_go_at_the_rate_in_the_order_of_asking() -> None:
    clock = Clock()
    brake = Brake(10, burst=2, clock=clock, sleep=clock.sleep)
    let_go: list[tuple[int, float]] = []

    async def start(number: int) -> None:
        await brake.let_go()
        let_go.append((number, round(clock.now, 3)))

    await asyncio.gather(*(start(number) for number in range(5)))

    assert let_go == [(0, 0.0), (1, 0.0), (2, 0.1), (3, 0.2), (4, 0.3)]
    assert brake.started == 5


async def test_who_is_cancelled_while_queueing_uses_up_nothing() -> None:
    clock = Clock()
    brake = Brake(1, burst=1, clock=clock, sleep=clock.sleep)
    await brake.let_go()
    queued = [asyncio.create_task(brake.let_go()) for _ in range(50)]
    await asyncio.sleep(0)
    for waiting in queued:
        waiting.cancel()
    await asyncio.gather(*queued, return_exceptions=True)
    begun = clock.now

    await brake.let_go()

    assert clock.now - begun <= 1
    assert brake.started == 2


def test_a_brake_outlives_the_event_loop_it_was_first_used_in() -> None:
    brake = Brake(1000, burst=1)

    async def start_three() -> None:
        await asyncio.gather(*(brake.let_go() for _ in range(3)))

    asyncio.run(start_three())
    asyncio.run(start_three())

    assert brake.started == 6


def test_a_brake_that_would_never_let_go_is_refused() -> None:
    with pytest.raises(ValueError, match="would never let go"):
        Brake(0)


HOLDING = """
import sys
from pathlib import Path
from config.cockpit import ensure_server
with ensure_server(Path(sys.argv[1])) as server:
    print(server.url, flush=True)
    sys.stdin.read()
"""


@pytest.fixture(autouse=True)
def no_run_is_left_behind() -> Iterator[None]:
    yield
    while runs:
        run = runs.pop()
        run.kill()
        run.communicate()


runs: list[subprocess.Popen[str]] = []


def _run_holding(home: Path) -> subprocess.Popen[str]:
    """Another process that uses the server on this home until its input ends."""
    command = [sys.executable, "-c", HOLDING, str(home)]
    run = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
    runs.append(run)
    return run


def _said(run: subprocess.Popen[str]) -> str:
    assert run.stdout is not None
    return run.stdout.readline().strip()


def _let_end(run: subprocess.Popen[str]) -> None:
    run.communicate(timeout=30)
    assert run.returncode == 0


def _record(home: Path) -> dict[str, Any]:
    record: dict[str, Any] = json.loads((home / "server.json").read_text())
    return record


def _unused_port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as server:
        return int(server.getsockname()[1])


def _signal_after(seconds: float, sent: signal.Signals) -> None:
    def send() -> None:
        time.sleep(seconds)
        os.kill(os.getpid(), sent)

    threading.Thread(target=send, daemon=True).start()


def _flow_run(state: State[Any]) -> UUID:
    assert state.state_details.flow_run_id is not None
    return state.state_details.flow_run_id


async def _task_runs(flow_run_id: UUID) -> dict[str, dict[str, Any]]:
    async with get_client() as client:
        found = {"flow_runs": {"id": {"any_": [str(flow_run_id)]}}}
        return {run["name"]: run for run in (await client.request("POST", "/task_runs/filter", json=found)).json()}


async def _logs_of(task_run_id: str) -> list[dict[str, Any]]:
    async with get_client() as client:
        found = {"logs": {"task_run_id": {"any_": [task_run_id]}}}
        logs: list[dict[str, Any]] = (await client.request("POST", "/logs/filter", json=found)).json()
        return logs


async def _eventually(read: Callable[[], Any]) -> Any:
    deadline = time.monotonic() + 15
    while not (found := await read()) and time.monotonic() < deadline:
        await asyncio.sleep(0.2)
    return found
