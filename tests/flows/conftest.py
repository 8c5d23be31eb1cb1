"""One real Prefect server for the whole session, on a home of its own."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from config.cockpit import Server, ensure_server, tell_prefect

tell_prefect()


@pytest.fixture(scope="session")
def prefect_server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    """Flows of this process report to it. Sessions of pytest-xdist have one each."""
    with ensure_server(tmp_path_factory.mktemp("prefect")) as server:
        yield server
