"""Prefect hears of what Bascule says, whatever the shell, a profile or a file in the folder says."""

from __future__ import annotations

import ast
import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from pydantic import ValidationError

from config import prefect_environment
from config.settings import PrefectSettings, SettingsRefused, read_settings

HOSTILE = {
    "PREFECT_API_URL": "https://elsewhere.example/api",
    "PREFECT_API_KEY": "pnu_of_another_project",
    "PREFECT_CLIENT_CUSTOM_HEADERS": '{"X-Mine": "1"}',
    "PREFECT_CLIENT_MAX_RETRIES": "1000",
    "PREFECT_API_REQUEST_TIMEOUT": "0.0001",
    "PREFECT_FLOWS_DEFAULT_RETRIES": "9",
    "PREFECT_TASKS_DEFAULT_RETRIES": "9",
    "PREFECT_TASKS_DEFAULT_RETRY_DELAY_SECONDS": "900",
    "PREFECT_RESULTS_PERSIST_BY_DEFAULT": "true",
    "PREFECT_LOGGING_LEVEL": "nonsense",
    "PREFECT_LOGGING_SETTINGS_PATH": "/dev/null",
    "PREFECT_SERVER_DATABASE_CONNECTION_URL": "postgresql://nobody@nowhere/none",
    "PREFECT_PROFILE": "none-such",
    "PREFECT_HOME": "/proc/none-such",
    "HTTP_PROXY": "http://127.0.0.1:9",
    "ALL_PROXY": "socks5://127.0.0.1:9",
}
FILES = {
    ".env": "PREFECT_API_REQUEST_TIMEOUT=0.0001\nPREFECT_CLIENT_MAX_RETRIES=1000\nPREFECT_PROFILES_PATH=/none/such.toml\n",
    "prefect.toml": "this is = no [toml",
    "pyproject.toml": "[tool.prefect]\nlogging.level = 'DEBUG'\n",
}
SAYS = """
import json, sys
from pathlib import Path
from config.prefect_environment import CLIENT, enter
enter(Path(sys.argv[1]), CLIENT | {"PREFECT_API_URL": "http://127.0.0.1:1/api"})
import httpx
from prefect.client.orchestration import get_client
from prefect.settings import get_current_settings
settings = get_current_settings()
client = get_client()
told = {
    "api": settings.api.url, "key": settings.api.key and "told", "timeout": settings.api.request_timeout,
    "retries": settings.client.max_retries, "headers": settings.client.custom_headers, "home": str(settings.home),
    "of flows": settings.flows.default_retries, "level": settings.logging.level,
    "proxied": type(client._client._transport_for_url(httpx.URL("http://127.0.0.1:1/api"))._pool).__name__,
}
print(json.dumps(told))
"""


def says(folder: Path, environment: dict[str, str], program: str = SAYS) -> Any:
    done = subprocess.run(
        [sys.executable, "-c", program, str(folder)],
        cwd=folder,
        env={**os.environ, **environment},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout)


def test_variables_profiles_and_files_meant_for_others_are_not_believed(tmp_path: Path) -> None:
    home, folder = tmp_path / "home", tmp_path
    home.mkdir()
    for name, text in FILES.items():
        (folder / name).write_text(text)

    told = says(home, HOSTILE, SAYS.replace("import json, sys\n", f"import json, os, sys\nos.chdir({str(folder)!r})\n"))

    assert told == {
        "api": "http://127.0.0.1:1/api",
        "key": None,
        "timeout": 15,
        "retries": 2,
        "headers": {},
        "home": str(home),
        "of flows": 0,
        "level": "WARNING",
        "proxied": "AsyncConnectionPool",
    }


def test_every_flow_and_task_says_itself_that_it_is_run_once() -> None:
    """A worker of the team's may be told otherwise by its environment."""
    said: dict[str, set[str]] = {}
    for room in ("flows", "tasks"):
        for module in sorted(Path(room).glob("*.py")):
            for node in ast.walk(ast.parse(module.read_text(encoding="utf-8"))):
                if isinstance(node, ast.Call) and isinstance(node.func, ast.Name) and node.func.id in ("flow", "task"):
                    said[f"{module}:{node.lineno}"] = {
                        word.arg or ast.unparse(word.value) for word in node.keywords if word.arg != "name"
                    }

    assert len(said) == 10
    assert not [where for where, words in said.items() if not words & {"retries", "ONCE"}]


def test_certificates_that_cannot_be_read_are_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "empty.pem").write_text("")
    for file in (tmp_path / "none.pem", tmp_path / "empty.pem", tmp_path):
        monkeypatch.setenv("SSL_CERT_FILE", str(file))
        with pytest.raises(SettingsRefused, match=f"SSL_CERT_FILE names {file}, which is no file of certificates"):
            read_settings("sandbox")


def test_a_server_of_ours_is_started_with_what_is_listed_and_nothing_else(monkeypatch: pytest.MonkeyPatch) -> None:
    for name, value in {**HOSTILE, "GE_SECRET": "hush", "PYTHONPATH": "/tmp/mine", "TZ": "UTC"}.items():
        monkeypatch.setenv(name, value)

    told = prefect_environment.for_server({"PREFECT_HOME": "/here"})

    assert told.keys() - {"PREFECT_HOME"} <= prefect_environment.NEEDED
    assert (told["PREFECT_HOME"], told["TZ"]) == ("/here", "UTC")


@pytest.mark.parametrize(
    "wrong",
    [
        {"url": "http://prefect.example/api"},
        {"url": "prefect.example"},
        {"auth": "prefect:block"},
        {"auth": "user:secret"},
        {"variables": {"PATH": "/tmp"}},
        {"variables": {"PREFECT_SERVER_API_AUTH_STRING": "none"}},
        {"variables": {"PREFECT_SERVER_CSRF_PROTECTION_ENABLED": "false"}},
        {"variables": {"PREFECT_API_KEY": "pnu_secret"}},
    ],
)
def test_settings_that_would_open_the_door_are_refused_without_showing_a_secret(wrong: dict[str, Any]) -> None:
    with pytest.raises(ValidationError) as refused:
        PrefectSettings(**wrong)

    assert "secret" not in str(refused.value.errors()[0]["msg"]).replace("the secret out of", "").replace(
        "reference to a secret", ""
    )


def test_what_is_meant_for_prefect_on_purpose_stands_in_the_settings() -> None:
    named = PrefectSettings(
        url="https://prefect.example/api",
        auth="env:PREFECT_SIGN_IN",
        variables={"PREFECT_API_SSL_CERT_FILE": "/etc/ca.pem"},
    )
    assert named.variables == {"PREFECT_API_SSL_CERT_FILE": "/etc/ca.pem"}
