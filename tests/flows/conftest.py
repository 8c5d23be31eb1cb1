"""One real Prefect server for the whole session, on a home of its own."""

from __future__ import annotations

import os
from collections.abc import Iterator

import pytest

from config.cockpit import Server, ensure_server, tell_prefect

tell_prefect()


@pytest.fixture(scope="session")
def prefect_server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    """Flows of this process report to it, and so does every command it starts. Sessions of pytest-xdist have one each."""
    with ensure_server(tmp_path_factory.mktemp("prefect")) as server:
        assert server.home is not None
        named = {
            "BASCULE_PREFECT__URL": server.url,
            "BASCULE_PREFECT__AUTH": "env:SECRET_OF_THE_TESTS",
            "SECRET_OF_THE_TESTS": server.home.secret(),
        }
        os.environ.update(named)
        yield server
        for name in named:
            del os.environ[name]
