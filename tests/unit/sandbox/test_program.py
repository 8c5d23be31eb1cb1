"""`python -m sandbox`, as a process of its own over real HTTP."""

from __future__ import annotations

import contextlib
import json
import signal
import socket
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import httpx
import pytest

from sandbox.__main__ import main
from tests.unit.sandbox.conftest import world


@pytest.fixture
def world_file(tmp_path: Path) -> str:
    path = tmp_path / "world.json"
    path.write_text(json.dumps(world()), encoding="utf-8")
    return str(path)


@contextmanager
def running(*arguments: str) -> Iterator[tuple[subprocess.Popen[str], str]]:
    command = [sys.executable, "-m", "sandbox", "--port", "0", *arguments]
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True) as process:
        assert process.stdout
        try:
            ready = process.stdout.readline()
            assert ready.startswith("sandbox: ready on http://127.0.0.1:"), ready
            yield process, ready.rpartition(" ")[2].strip()
        finally:
            process.kill()


def backup(client: httpx.Client, key: str) -> httpx.Response:
    token = client.post("/ge/token", data={"grant_type": "client_credentials", "client_id": "x"}).json()["access_token"]
    headers = {"Authorization": f"Bearer {token}", "Idempotency-Key": key, "Bascule-Fence": "1"}
    return client.post("/ge/cabinets/C0001/backup", headers=headers, json={})


def test_a_dropped_answer_is_a_closed_connection_and_a_killed_sandbox_goes_on(world_file: str, tmp_path: Path) -> None:
    state = str(tmp_path / "state.db")
    drop: dict[str, Any] = {"faults": [{"fault": "commit-then-drop", "cabinets": ["C0001"], "times": 1}]}
    with running("--world", world_file, "--state", state) as (process, url), httpx.Client(base_url=url) as client:
        assert client.put("/sandbox/faults", json=drop).status_code == 200
        with pytest.raises(httpx.TransportError):
            backup(client, "k")
        process.kill()
    with running("--world", world_file, "--state", state) as (process, url), httpx.Client(base_url=url) as client:
        assert [entry["outcome"] for entry in client.get("/sandbox/journal").json()] == ["dropped"]
        assert backup(client, "l").status_code == 200
        process.send_signal(signal.SIGTERM)
        assert process.wait(5) == 0
        assert process.stderr
        assert process.stderr.read() == ""


def test_a_doubled_answer_waits_on_its_connection_for_whoever_asks_next(world_file: str) -> None:
    doubled = {"faults": [{"fault": "doubled-answer", "cabinets": ["C0001"], "at": "backup", "times": 1}]}
    with running("--world", world_file) as (_, url), httpx.Client(base_url=url) as client:
        assert client.put("/sandbox/faults", json=doubled).status_code == 200
        token = client.post("/ge/token", data={"grant_type": "client_credentials", "client_id": "x"}).json()
        told = f"Authorization: Bearer {token['access_token']}\r\nHost: x\r\n"
        with contextlib.closing(socket.create_connection(("127.0.0.1", int(url.rpartition(":")[2])))) as wire:
            wire.settimeout(10)
            named = (
                f"{told}Bascule-Request: first\r\nIdempotency-Key: k\r\nBascule-Fence: 1\r\nContent-Length: 0\r\n\r\n"
            )
            wire.sendall(f"POST /ge/cabinets/C0001/backup HTTP/1.1\r\n{named}".encode())
            received = wire.recv(65536)
            wire.sendall(f"GET /ge/cabinets/C0001 HTTP/1.1\r\n{told}Bascule-Request: next\r\n\r\n".encode())
            while b"next" not in received:
                received += wire.recv(65536)
        assert received.count(b"HTTP/1.1 200 OK") == 3
        assert received.count(b"bascule-request: first") == received.count(b'"verb":"backup"') == 2
        assert [entry["outcome"] for entry in client.get("/sandbox/journal").json()] == ["applied"]


def test_it_ends_when_its_parent_is_gone(world_file: str) -> None:
    with (
        subprocess.Popen([sys.executable, "-c", "input()"], stdin=subprocess.PIPE) as parent,
        running("--world", world_file, "--parent-pid", str(parent.pid)) as (process, _),
    ):
        parent.kill()
        parent.wait()
        assert process.wait(5) == 0


def test_a_port_that_is_taken_is_one_sentence(world_file: str, capsys: pytest.CaptureFixture[str]) -> None:
    with running("--world", world_file) as (_, url):
        assert main(["--world", world_file, "--port", url.rpartition(":")[2]]) == 2
    said = capsys.readouterr().err
    assert "choose another --port" in said
    assert said.count("\n") == 1


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        (["--world", "nowhere.json"], "the world file nowhere.json cannot be read: No such file"),
        (["--world", "WORLD", "--scenario", "SCENARIO"], "did you mean 'slow'?"),
        (["--world", "SCENARIO"], "the world file"),
        (["--world", "WORLD", "--state", "nowhere/state.db"], "its folder does not exist"),
        (["--world", "WORLD", "--state", "SCENARIO"], "file is not a database"),
    ],
)
def test_what_it_cannot_start_with_is_one_sentence(
    arguments: list[str], says: str, world_file: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    scenario = tmp_path / "scenario.yaml"
    scenario.write_text("faults: [{fault: slwo, share: 1}]\n", encoding="utf-8")
    named = {"WORLD": world_file, "SCENARIO": str(scenario)}
    assert main([named.get(argument, argument) for argument in arguments]) == 2
    said = capsys.readouterr().err
    assert says in said
    assert said.count("\n") == 1


@pytest.mark.parametrize("arguments", [["--port", "99999", "--world", "w"], [], ["--wrold", "w"]])
def test_a_wrong_argument_is_one_sentence(arguments: list[str], capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as ended:
        main(arguments)
    assert ended.value.code == 2
    assert capsys.readouterr().err.count("\n") == 1
