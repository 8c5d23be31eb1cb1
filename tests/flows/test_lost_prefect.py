"""Prefect is lost, frozen, or something else altogether: a wave ends with its outcome, reports and messages, or begins nothing."""

from __future__ import annotations

import json
import os
import signal
import sqlite3
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager, suppress
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import httpx
import pytest

from bascule.inventory import sample, write_inventory
from config.cockpit import server_in
from config.own_server import Home
from config.prefect_probe import problem_with
from config.settings import PrefectSettings
from console.sandbox_process import SandboxProcess, start_sandbox

BASCULE = [sys.executable, "-c", "from console.cli import main; main()"]
WAVE = sample(3, seed=3)
LONG = bool(os.environ.get("HOSTILE"))
"""`make hostile`: every way at every moment."""


@pytest.fixture
def place(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    write_inventory(WAVE, tmp_path / "inv.csv")
    monkeypatch.setenv("BASCULE_LEDGER_URL", f"sqlite:///{tmp_path}/ledger.db")
    monkeypatch.setenv("BASCULE_OUT", str(tmp_path / "runs"))
    for name in ("BASCULE_PREFECT__URL", "BASCULE_PREFECT__AUTH"):
        monkeypatch.delenv(name, raising=False)
    return tmp_path


@pytest.fixture
def sandbox(place: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[SandboxProcess]:
    with start_sandbox(WAVE, scenario={"sync_seconds": 4}) as running:
        for system, base in (("MY_SAGE", "my-sage"), ("GE", "ge"), ("S4A", "s4a")):
            monkeypatch.setenv(f"BASCULE_{system}__URL", f"{running.url}/{base}")
        yield running


@pytest.mark.timeout(240)
@pytest.mark.parametrize("sent", (signal.SIGKILL, signal.SIGSTOP) if LONG else (signal.SIGKILL,))
def test_a_wave_whose_prefect_is_lost_ends_with_its_outcome_its_reports_and_its_messages(
    sandbox: SandboxProcess, place: Path, monkeypatch: pytest.MonkeyPatch, sent: signal.Signals
) -> None:
    home = Home(place / ".bascule" / "prefect")
    heard: list[str] = []

    def hear(path: str) -> tuple[int, str]:
        heard.append(path)
        return 200, ""

    with answering(hear) as team:
        monkeypatch.setenv("HOOK", f"{team.replace('http:', 'json:')}")
        monkeypatch.setenv("BASCULE_NOTICES__WEBHOOKS", '["env:HOOK"]')
        monkeypatch.setenv("BASCULE_NOTICES__ENABLED", "true")
        with Path("said").open("wb") as said:
            run = subprocess.Popen([*BASCULE, "run", "--inventory", "inv.csv"], stdout=said, stderr=said)
        try:
            _until(lambda: len(httpx.get(f"{sandbox.url}/sandbox/journal", trust_env=False).json()) > 8, run)
            os.kill(json.loads((home.folder / "server.json").read_text())["pid"], sent)
            run.wait(200)
        finally:
            run.kill()
            run.wait()

    told = Path("said").read_text()
    assert run.returncode == 0, told
    assert "Prefect's server was lost" in told
    assert "what was done is in the ledger" in told
    (folder,) = (place / "runs" / "default").iterdir()
    assert f"Report: {folder}" in told
    assert "3 of 3 cabinets accounted for" in (folder / "summary.md").read_text()
    assert heard, "the team is told that the wave has ended"
    assert "EventsWorker" not in told, "that it is lost is told once"
    assert "defect" not in told
    assert "Traceback" not in told
    assert home.found() is None


@pytest.mark.skipif(not LONG, reason="make hostile")
@pytest.mark.usefixtures("sandbox")
def test_a_prefect_that_lets_us_in_and_then_answers_nonsense_begins_nothing_and_is_named(
    place: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    import prefect

    with answering(lambda path: (200, json.dumps(prefect.__version__) if path.endswith("version") else "{}")) as url:
        monkeypatch.setenv("BASCULE_PREFECT__URL", url)
        ended = subprocess.run(
            [*BASCULE, "run", "--inventory", "inv.csv"], capture_output=True, text=True, timeout=100, check=False
        )

    assert ended.returncode == 2, ended.stderr
    assert "Prefect's server was lost" in ended.stderr
    assert "run the same command again" in ended.stderr
    assert not (place / "runs").exists()


NEVER = "never"


@pytest.mark.parametrize(
    ("answers", "told"),
    [
        ((200, "<html>Welcome to nginx</html>"), "answers, but not as Prefect does"),
        ((200, "{}"), "answers, but not as Prefect does"),
        ((200, '"2.20.0"'), "is Prefect 2.20.0, and this is Prefect 3."),
        ((200, '"3.0.1"'), "is Prefect 3.0.1, and this is Prefect 3."),
        ((200, '"4.0.0"'), "is Prefect 4.0.0, and this is Prefect 3."),
        ((200, '"' + "9" * 100_000 + '"'), "answers, but not as Prefect does"),
        ((401, ""), "does not let us in"),
        ((302, ""), "answers 302, which is not Prefect's API"),
        ((500, ""), "answers 500, which is not Prefect's API"),
        ((200, NEVER), "does not answer"),
    ],
)
def test_a_server_is_asked_who_it_is_and_never_for_longer_than_it_may_take(answers: tuple[int, str], told: str) -> None:
    with answering(lambda _: answers) as url:
        began = time.monotonic()
        assert told in problem_with(url, "user:secret", within=0.5)
        assert time.monotonic() - began < 5


def test_doctor_asks_a_configured_server(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SIGN_IN", "user:secret")
    with answering(lambda _: (401, "")) as url:
        found = server_in(tmp_path, PrefectSettings(url=url, auth="env:SIGN_IN"))
        assert found is not None
        assert found.problem() == "does not let us in: the secret is another one"
        assert "user:secret" not in repr(found)
    assert server_in(tmp_path, PrefectSettings()) is None


def test_a_damaged_database_is_set_aside_and_a_sound_one_is_left(tmp_path: Path) -> None:
    home = Home(tmp_path)
    (tmp_path / "prefect.db").write_bytes(b"this is no database" * 1000)
    assert home._sets_damaged_database_aside()
    assert not (tmp_path / "prefect.db").exists()
    assert [path.name for path in tmp_path.glob("prefect.damaged-*")]

    with closing(sqlite3.connect(tmp_path / "prefect.db")) as sound:
        sound.execute("CREATE TABLE pages (name TEXT)")
    assert not home._sets_damaged_database_aside()
    assert (tmp_path / "prefect.db").exists()


@pytest.mark.skipif(not LONG, reason="make hostile")
def test_with_a_damaged_database_and_a_port_that_is_another_programs_a_server_starts_all_the_same(
    tmp_path: Path,
) -> None:
    (tmp_path / "prefect.db").write_bytes(b"this is no database" * 1000)

    with answering(lambda _: (200, "true")) as url:
        taken = int(url.rpartition(":")[2].removesuffix("/api"))
        (tmp_path / "server.json").write_text(
            json.dumps(
                {
                    "port": taken,
                    "pid": os.getpid(),
                    "birth": "another",
                    "started_at": 0,
                    "keep": False,
                    "was_ready": True,
                }
            )
        )
        program = (
            "import sys; from pathlib import Path; from config.cockpit import ensure_server\n"
            "with ensure_server(Path(sys.argv[1])) as server: print(server.url, repr(server.problem()))"
        )
        done = subprocess.run(
            [sys.executable, "-c", program, str(tmp_path)], capture_output=True, text=True, check=True, timeout=200
        )
        assert not problem_with_status(url)

    ours, problem = done.stdout.split()
    assert (ours != url, problem) == (True, "''")
    assert [path.name for path in tmp_path.glob("prefect.damaged-*")]


def problem_with_status(url: str) -> bool:
    """Whether the other program is gone."""
    try:
        return httpx.get(url, trust_env=False, timeout=5).status_code != httpx.codes.OK
    except httpx.HTTPError:
        return True


@contextmanager
def answering(answer: Callable[[str], tuple[int, str]]) -> Iterator[str]:
    """Another program at a port of this machine; the address at which it is taken for Prefect."""
    over = threading.Event()

    class Handler(BaseHTTPRequestHandler):
        def answer(self) -> None:
            status, body = answer(self.path)
            if body == NEVER:
                over.wait(20)
                return
            self.send_response(status)
            if status == httpx.codes.FOUND:
                self.send_header("Location", "/elsewhere")
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            with suppress(OSError):
                self.wfile.write(body.encode())

        do_GET = do_POST = do_PATCH = do_PUT = answer  # noqa: N815  # as http.server calls them

        def log_message(self, *_: object) -> None: ...

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    try:
        yield f"http://127.0.0.1:{server.server_address[1]}/api"
    finally:
        over.set()
        server.shutdown()
        server.server_close()


def _until(holds: Callable[[], bool], run: subprocess.Popen[bytes]) -> None:
    deadline = time.monotonic() + 90
    while not holds():
        assert run.poll() is None, Path("said").read_text()
        assert time.monotonic() < deadline
        time.sleep(0.05)
