"""Who else is on this machine, or in the operator's browser, gets nothing from Prefect's server and can do nothing to a run."""

from __future__ import annotations

import base64
import json
import os
import shutil
import subprocess
import sys
from collections.abc import AsyncIterator, Iterator
from pathlib import Path
from typing import Any
from uuid import uuid4

import httpx
import pytest
from prefect import flow, get_client
from prefect.client.orchestration import PrefectClient
from prefect.client.schemas.actions import WorkPoolCreate
from prefect.exceptions import PrefectHTTPStatusError
from prefect.workers.process import ProcessJobConfiguration

from config.cockpit import Server
from config.own_server import Home
from config.prefect_environment import NEEDED
from console.team import POOL_TEMPLATE

TEMPLATE: dict[str, Any] = json.loads(POOL_TEMPLATE.read_text(encoding="utf-8"))

HOSTILE = {
    "command": "touch /tmp/somebody-was-here",
    "env": {"PYTHONPATH": "/tmp/mine"},
    "working_dir": "/tmp/mine",
}

REQUESTS: list[tuple[str, str, dict[str, Any] | None]] = [
    ("GET", "/admin/version", None),
    ("GET", "/admin/settings", None),
    ("POST", "/flow_runs/filter", {}),
    ("POST", "/logs/filter", {}),
    ("POST", f"/flow_runs/{uuid4()}/set_state", {"state": {"type": "CANCELLING"}}),
    ("DELETE", f"/flow_runs/{uuid4()}", None),
    ("POST", f"/deployments/{uuid4()}/create_flow_run", {"job_variables": HOSTILE}),
    ("POST", "/deployments/filter", {}),
    ("PATCH", "/work_pools/bascule", {"base_job_template": {}}),
    ("POST", "/automations/", {"name": "mine", "trigger": {}, "actions": []}),
    ("POST", "/block_documents/filter", {"include_secrets": True}),
    ("GET", "/csrf-token?client=mine", None),
]

ATTEMPTS = """
import json, os, sys, urllib.request, urllib.error
given = json.load(sys.stdin)
done = {}
for method, path, body in given["requests"]:
    request = urllib.request.Request(given["url"] + path, method=method, data=None if body is None else json.dumps(body).encode())
    request.add_header("Content-Type", "application/json")
    opener = urllib.request.build_opener(urllib.request.ProxyHandler({}))
    try:
        done[method + " " + path] = opener.open(request, timeout=20).status
    except urllib.error.HTTPError as refused:
        done[method + " " + path] = refused.code
for path in given["files"]:
    try:
        open(path, "rb").read(1)
        done[path] = "read"
    except OSError as refused:
        done[path] = type(refused).__name__
try:
    os.kill(given["pid"], 15)
    done["kill"] = "killed"
except OSError as refused:
    done["kill"] = type(refused).__name__
json.dump(done, sys.stdout)
"""


@pytest.fixture
def home(prefect_server: Server) -> Home:
    assert prefect_server.home is not None
    return prefect_server.home


@pytest.fixture
def passable(home: Home) -> Iterator[None]:
    """Until the test ends, it is only the home's own rights that keep others out of it: not those of the folders above."""
    closed = {folder: folder.stat().st_mode for folder in home.folder.parents if not folder.stat().st_mode & 0o001}
    for folder in closed:
        folder.chmod(0o755)
    yield
    for folder, mode in closed.items():
        folder.chmod(mode)


@pytest.mark.usefixtures("passable")
def test_another_user_of_the_machine_gets_nothing_and_can_do_nothing_to_a_run(
    prefect_server: Server, home: Home
) -> None:
    python = shutil.which("python3", path="/usr/local/bin:/usr/bin:/bin")
    if os.geteuid() != 0 or shutil.which("runuser") is None or python is None:
        pytest.skip("only root can become another user")
    pid = _pid(home)
    asked: dict[str, Any] = {
        "url": prefect_server.url,
        "requests": REQUESTS,
        "files": [*(str(path) for path in home.folder.iterdir()), f"/proc/{pid}/environ"],
        "pid": pid,
    }

    done = subprocess.run(
        ["runuser", "-u", "nobody", "--", python, "-I", "-c", ATTEMPTS],
        input=json.dumps(asked),
        capture_output=True,
        text=True,
        check=True,
        cwd="/",
    )

    came_of_it = json.loads(done.stdout)
    assert {came_of_it[f"GET {path}"] for method, path, _ in REQUESTS if method == "GET"} == {401}
    # Without a token, which nobody is given who is not let in, what would change something is refused even before.
    assert {came_of_it[f"{method} {path}"] for method, path, _ in REQUESTS if method != "GET"} == {403}
    assert {came_of_it[path] for path in asked["files"]} == {"PermissionError"}
    assert str(home.sign_in) in came_of_it
    assert came_of_it["kill"] == "PermissionError"


def test_a_web_page_and_a_foreign_host_get_no_further_than_being_refused(prefect_server: Server, home: Home) -> None:
    page = {"Origin": "https://evil.example", "Sec-Fetch-Site": "cross-site"}
    with httpx.Client(base_url=prefect_server.url, trust_env=False) as anybody:
        blob = anybody.post("/automations/", content=b'{"name": "mine"}', headers=page)
        assert "access-control-allow-origin" not in anybody.get("/admin/version", headers=page).headers
        rebound = anybody.get("/admin/version", headers={"Host": "evil.example"})
        signed_in = {**page, "Authorization": f"Basic {base64.b64encode(home.secret().encode()).decode()}"}
        without_token = anybody.post("/automations/", content=b'{"name": "mine"}', headers=signed_in)

    assert (blob.status_code, rebound.status_code, without_token.status_code) == (403, 401, 403)


@flow
def harmless() -> None: ...


@pytest.fixture
async def client(prefect_server: Server) -> AsyncIterator[PrefectClient]:
    async with get_client() as client:
        yield client


@pytest.mark.parametrize("name", HOSTILE)
async def test_who_may_start_a_run_chooses_neither_its_command_nor_its_environment(
    client: PrefectClient, name: str
) -> None:
    pool = f"pool-{uuid4()}"
    await client.create_work_pool(WorkPoolCreate(name=pool, type="process", base_job_template=TEMPLATE))
    deployed = await client.create_deployment(await client.create_flow(harmless), "harmless", work_pool_name=pool)

    with pytest.raises(PrefectHTTPStatusError, match=f"'{name}' was unexpected"):
        await client.create_flow_run_from_deployment(deployed, job_variables={name: HOSTILE[name]})


async def test_a_worker_passes_over_what_the_template_does_not_name() -> None:
    configured: Any = await ProcessJobConfiguration.from_template_and_values(TEMPLATE, HOSTILE)

    assert (configured.command, configured.env, configured.working_dir) == (None, {}, None)


@pytest.mark.skipif(sys.platform != "linux", reason="reads /proc")
def test_the_server_is_started_with_what_it_needs_and_no_secret_of_an_agent(home: Home) -> None:
    told = Path(f"/proc/{_pid(home)}/environ").read_bytes().decode().split("\0")
    names = {name for line in told if (name := line.partition("=")[0])}

    assert {name for name in names if not name.startswith("PREFECT_")} <= NEEDED | {"DO_NOT_TRACK", "COLUMNS"}


def test_its_pages_are_told_with_how_to_sign_in_and_without_the_secret(prefect_server: Server, home: Home) -> None:
    assert prefect_server.how_to_look.endswith(f"sign in with the line in {home.sign_in}.")
    assert home.secret() not in prefect_server.how_to_look
    pages = httpx.get(f"{prefect_server.ui_url}/ui-settings", trust_env=False).json()
    assert (pages["api_url"], pages["auth"]) == (prefect_server.url, "BASIC")


def test_a_secret_that_others_could_read_is_drawn_anew_and_one_that_they_could_not_is_kept(tmp_path: Path) -> None:
    home = Home(tmp_path)
    first = home._drawn_secret()
    assert home._drawn_secret() == first
    home.sign_in.chmod(0o644)

    assert home._drawn_secret() != first
    assert home.sign_in.stat().st_mode & 0o777 == 0o600


def _pid(home: Home) -> int:
    return int(json.loads((home.folder / "server.json").read_text())["pid"])
