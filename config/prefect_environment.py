"""The environment of Prefect, server and client: Bascule's own, whatever the shell, a profile or a file in the folder says.

What is meant for Prefect on purpose stands in the settings, under `[prefect]`.
"""

from __future__ import annotations

import contextlib
import os
from collections.abc import Mapping
from pathlib import Path
from urllib.parse import urlsplit

PREFIX = "PREFECT_"
LOOPBACK = ("127.0.0.1", "localhost", "::1")
PROXIES = ("http_proxy", "https_proxy", "all_proxy")

QUIET = {
    "DO_NOT_TRACK": "1",
    "PREFECT_SERVER_ANALYTICS_ENABLED": "false",
    # What the core logs is shown in Prefect's UI, beside the task run that it was logged in.
    "PREFECT_LOGGING_EXTRA_LOGGERS": "bascule",
    # At INFO Prefect stores a line of its own for every task run that ends, which the run's state says already.
    "PREFECT_LOGGING_LEVEL": "WARNING",
    # The terminal belongs to the console: from Prefect, and from the core through it, only warnings come through.
    "PREFECT_LOGGING_HANDLERS_CONSOLE_LEVEL": "WARNING",
    # The core logs outside of flow runs too. Then Prefect has no place for it, and that is all right.
    "PREFECT_LOGGING_TO_API_WHEN_MISSING_FLOW": "ignore",
}
"""What a process that runs flows tells Prefect before importing it."""

CLIENT = QUIET | {
    # A server that is lost costs a wave its picture, and these seconds at each question; by default it is seven minutes.
    "PREFECT_API_REQUEST_TIMEOUT": "15",
    "PREFECT_CLIENT_MAX_RETRIES": "2",
    # Where no server is named, Prefect would start one inside this process.
    "PREFECT_SERVER_EPHEMERAL_ENABLED": "false",
}
"""What a process of ours tells Prefect that starts flows, or asks for what Prefect keeps."""

BATCHED = {
    # Out of the box every event of a task run is a transaction of its own. docs/prefect.md has what that costs.
    "PREFECT_SERVER_SERVICES_TASK_RUN_RECORDER_BATCH_SIZE": "200",
    "PREFECT_SERVER_SERVICES_TASK_RUN_RECORDER_READ_BATCH_SIZE": "200",
    "PREFECT_SERVER_SERVICES_TASK_RUN_RECORDER_FLUSH_INTERVAL": "1",
    "PREFECT_SERVER_SERVICES_EVENT_PERSISTER_BATCH_SIZE": "200",
    "PREFECT_SERVER_SERVICES_EVENT_PERSISTER_READ_BATCH_SIZE": "200",
    "PREFECT_SERVER_SERVICES_EVENT_PERSISTER_FLUSH_INTERVAL": "1",
    # Out of the box only events are ever removed from the database, and runs never.
    "PREFECT_SERVER_SERVICES_DB_VACUUM_ENABLED": "events,flow_runs",
}
"""What every Prefect server that serves waves should be told: ours, and a team's own."""

NEEDED = frozenset(
    {"PATH", "HOME", "USER", "LANG", "LC_ALL", "LC_CTYPE", "TZ", "TMPDIR", "LD_LIBRARY_PATH", "SYSTEMROOT"}
)
"""What a server of ours takes over from the environment it is started in. No secret of an agent is among it."""


def for_server(prefect: Mapping[str, str]) -> dict[str, str]:
    """The whole environment of a server of ours."""
    return {name: os.environ[name] for name in NEEDED & os.environ.keys()} | dict(prefect)


def enter(home: Path, prefect: Mapping[str, str]) -> None:
    """Makes these the only variables that Prefect hears of, in this process and those it starts. Nothing is read from the folder.

    Prefect reads variables, a profile, `.env`, `prefect.toml` and `pyproject.toml` once, on import, and here again.
    """
    for name in [name for name in os.environ if name.startswith(PREFIX)]:
        del os.environ[name]
    profiles = {"PREFECT_HOME": str(home), "PREFECT_PROFILES_PATH": str(home / "profiles.toml")}
    os.environ.update(profiles | dict(prefect))
    _go_straight_to_loopback()
    with contextlib.chdir(home):
        from prefect.context import refresh_global_settings_context

        refresh_global_settings_context()


def give_up() -> None:
    """A server did not answer, though it was asked more than once: from now on nothing is asked twice."""
    from prefect.settings import get_current_settings

    get_current_settings().client.max_retries = 0


def is_entered() -> bool:
    """Whether Prefect hears of what it should: from us, or from the worker that runs this."""
    return "PREFECT_API_URL" in os.environ and (
        "PREFECT__FLOW_RUN_ID" in os.environ or os.environ.get("PREFECT_SERVER_EPHEMERAL_ENABLED") == "false"
    )


def _go_straight_to_loopback() -> None:
    """Prefect's clients, for events too, believe the environment. A proxy that they could not speak to would keep them from being made."""
    for name in [name for name in os.environ if name.lower() in PROXIES]:
        if urlsplit(os.environ[name]).scheme not in ("", "http", "https"):
            del os.environ[name]
    for name in ("NO_PROXY", "no_proxy"):
        told = os.environ.get(name, "").split(",")
        os.environ[name] = ",".join(dict.fromkeys([*filter(None, told), *LOOPBACK]))
