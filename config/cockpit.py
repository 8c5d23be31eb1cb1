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
from dataclasses import dataclass, field
from pathlib import Path
from queue import Empty
from types import TracebackType
from typing import Self

from bascule.errors import BasculeError
from bascule.private import make_folder
from config import prefect_environment
from config.own_server import Home
from config.prefect_environment import BATCHED, CLIENT, QUIET
from config.prefect_probe import problem_with
from config.settings import PrefectSettings

TRUSTED = "PREFECT_API_SSL_CERT_FILE"
"""The variable of Prefect's that names a file of certificates."""

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
    secret: str | None = field(default=None, repr=False)
    trusted: str | None = None
    """A file of certificates, where the usual ones do not do."""

    def problem(self) -> str:
        """Why it cannot be used, in words; empty when it can."""
        return problem_with(self.url, self.secret, trusted=self.trusted)

    @property
    def ui_url(self) -> str:
        return self.url.removesuffix("/api")

    @property
    def how_to_look(self) -> str:
        """Where the pages are, and how to sign in to them. The secret itself is shown to nobody."""
        if self.home is None:
            return f"Prefect's pages: {self.ui_url}."
        return f"Prefect's pages: {self.ui_url}; sign in with the line in {self.home.sign_in}."

    def stop(self) -> None:
        """Hands over what is still under way and leaves. Our own server ends with its last user, unless it is to be kept."""
        try:
            _hand_over(is_there=not self.problem())
        finally:
            if self.home is not None:
                self.home.leave()
                prefect_environment.enter(self.home.folder, CLIENT)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.stop()


def ensure_server(
    home: Path, prefect: PrefectSettings | None = None, *, keep: bool = False, port: int | None = None
) -> Server:
    """The Prefect server that the settings name, else one of our own on `home`.

    With `keep` a server that is started here stays when this run leaves, so that its pages can still be looked at.
    """
    prefect = prefect or PrefectSettings()
    tell_prefect()
    if prefect.url:
        return _configured(home, prefect, prefect.url)
    own = Home(home)
    try:
        server = own.enter(QUIET | BATCHED | prefect.variables, keep=keep, port=port)
        prefect_environment.enter(own.folder, CLIENT | access_to(server.url, own.secret()) | prefect.variables)
    except BaseException:
        own.leave()
        raise
    return Server(server.url, own, own.secret())


def reach_configured(home: Path, prefect: PrefectSettings) -> None:
    """Outside of a run, and without asking whether it is there: so that secrets which the configured server keeps can be read."""
    if prefect.url and not prefect_environment.is_entered():
        _enter(home, prefect, prefect.url, _secret(prefect.auth))


def server_in(home: Path, prefect: PrefectSettings) -> Server | None:
    """The server that a run would use, as it is now; None where one would be started."""
    if prefect.url:
        return Server(prefect.url, None, _secret(prefect.auth), prefect.variables.get(TRUSTED))
    own = Home(home)
    found = own.found()
    return Server(found.url, own, own.secret()) if found is not None else None


def _configured(home: Path, prefect: PrefectSettings, url: str) -> Server:
    server = Server(url, None, _secret(prefect.auth), prefect.variables.get(TRUSTED))
    if problem := server.problem():
        raise CockpitUnreachable(
            f"The Prefect server at {url} {problem}.",
            remedy="See to it (prefect.url, prefect.auth), or take prefect.url out of the settings (BASCULE_PREFECT__URL): then Bascule starts a server of its own.",
        )
    _enter(home, prefect, url, server.secret)
    return server


def _enter(home: Path, prefect: PrefectSettings, url: str, secret: str | None) -> None:
    folder = home.resolve()
    make_folder(folder)
    prefect_environment.enter(folder, CLIENT | access_to(url, secret) | prefect.variables)


def access_to(url: str, secret: str | None) -> dict[str, str]:
    """What a client, and a worker, is told to reach a server."""
    told = {"PREFECT_API_URL": url}
    if secret:
        # Only Prefect Cloud has keys, and no colon is in one.
        told["PREFECT_API_AUTH_STRING" if ":" in secret else "PREFECT_API_KEY"] = secret
    return told


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
    # That Prefect is lost is told once, in words: not for every event that it is not sent.
    for name in ("prefect.events.clients", "prefect._internal.concurrency"):
        # Not by a level: Prefect sets those on import.
        logging.getLogger(name).addFilter(_is_no_news)


def _is_no_news(_: logging.LogRecord) -> bool:
    return False


def _secret(reference: str | None) -> str | None:
    from config.wiring import secret_behind

    return secret_behind(reference) if reference else None


def _hand_over(*, is_there: bool) -> None:
    """Waits until Prefect's client has sent its events and logs. What nobody is there to take is thrown away.

    Left to itself the client would try to deliver it at exit: 7 s for each event, three events for each task run.
    """
    if "prefect.events.worker" not in sys.modules:
        return
    from prefect.events.worker import EventsWorker

    if not is_there:
        for service in list(EventsWorker._instances.values()):  # type: ignore[misc]  # one register for events and logs
            with contextlib.suppress(Empty):
                while True:
                    service._queue.get_nowait()
    # In a thread of its own: inside a running event loop, Prefect would answer with something to await.
    with ThreadPoolExecutor(1) as elsewhere:
        elsewhere.submit(EventsWorker.drain_all, HANDED_OVER_WITHIN, at_exit=False).result()
