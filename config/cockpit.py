"""Prefect is the cockpit: what it is told before it is imported, and the server that keeps what it shows.

Whoever starts a flow outside of a Prefect worker does it inside `with ensure_server(home):`. What is done is read from the
ledger, never from here: a server that is lost costs a picture, not a cabinet.
"""

from __future__ import annotations

import contextlib
import logging
import os
import sys
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from queue import Empty
from types import TracebackType
from typing import Self

from bascule.errors import BasculeError
from config.own_server import Home

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
"""What a process that runs flows tells Prefect before importing it. What people have set themselves stands."""

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


HANDED_OVER_WITHIN = 15.0
"""Seconds that the end of a run waits for Prefect's client to send what is under way."""


class CockpitUnreachable(BasculeError):
    """The configured Prefect server does not answer."""


@dataclass
class Server:
    """The Prefect server that flows of this process report to."""

    url: str
    home: Home | None = None
    """Where it is Bascule's own; None where it was configured, and is not ours to end."""

    @property
    def ui_url(self) -> str:
        return self.url.removesuffix("/api")

    def stop(self) -> None:
        """Hands over what is still under way and leaves. Our own server ends with its last user, unless it is to be kept."""
        _hand_over()
        if self.home is not None:
            _report_to(None)
            self.home.leave()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.stop()


def ensure_server(home: Path, *, keep: bool = False, port: int | None = None) -> Server:
    """The configured Prefect server (PREFECT_API_URL, in the environment or in Prefect's profile), else one of our own on `home`.

    With `keep` a server that is started here stays when this run leaves, so that its pages can still be looked at.
    """
    tell_prefect()
    if url := _configured_url():
        _require_answer(url)
        return Server(url)
    own = Home(home)
    server = own.enter(QUIET | BATCHED, keep=keep, port=port)
    _report_to(server.url)
    return Server(server.url, own)


def tell_prefect() -> None:
    """Settles how Prefect behaves in this process. Comes before `import prefect`; after it, only the log levels change."""
    for name, value in QUIET.items():
        os.environ.setdefault(name, value)
    logging.getLogger("bascule").setLevel(logging.INFO)
    # Runs that end badly are told by the console and the report, in our words. Prefect's, with tracebacks, go to its UI only.
    # httpx logs every address it asks, at INFO.
    logging.getLogger("httpx").setLevel(logging.WARNING)
    for name in ("prefect.flow_runs", "prefect.task_runs"):
        logging.getLogger(name).propagate = False


def _configured_url() -> str | None:
    # Prefect itself is asked only where the environment is silent: importing it takes more than a second.
    if url := os.environ.get("PREFECT_API_URL"):
        return url
    from prefect.settings import get_current_settings

    return get_current_settings().api.url


def _problem() -> Exception | None:
    """Why the server that this process reports to does not answer, None when it does."""
    from prefect.client.orchestration import get_client

    with get_client(sync_client=True) as client:
        return client.api_healthcheck()


def _require_answer(url: str) -> None:
    if problem := _problem():
        raise CockpitUnreachable(
            f"The Prefect server at {url} does not answer: {problem}.",
            remedy="Start it, or unset PREFECT_API_URL and Bascule starts a server of its own.",
        )


def _hand_over() -> None:
    """Waits until Prefect's client has sent its events and logs. What nobody is there to take is thrown away.

    Left to itself the client would try to deliver it at exit: 7 s for each event, three events for each task run.
    """
    if "prefect.events.worker" not in sys.modules:
        return
    from prefect.events.worker import EventsWorker

    if _problem():
        for service in list(EventsWorker._instances.values()):  # type: ignore[misc]  # one register for events and logs
            with contextlib.suppress(Empty):
                while True:
                    service._queue.get_nowait()
    # In a thread of its own: inside a running event loop, Prefect would answer with something to await.
    with ThreadPoolExecutor(1) as elsewhere:
        elsewhere.submit(EventsWorker.drain_all, HANDED_OVER_WITHIN, at_exit=False).result()


def _report_to(url: str | None) -> None:
    """Points this process, and the processes it starts, at a server. Prefect reads the environment once, on import."""
    if url is None:
        os.environ.pop("PREFECT_API_URL", None)
    else:
        os.environ["PREFECT_API_URL"] = url
    from prefect.context import refresh_global_settings_context

    refresh_global_settings_context()
