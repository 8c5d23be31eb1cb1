"""Stages of a few cabinets, and ledgers on SQLite and on PostgreSQL."""

from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest

from tests.builders import Stage, cabinets, stage
from tests.databases import ledger_url

__all__ = ["ledger_url"]


@pytest.fixture
async def three(tmp_path: Path) -> AsyncIterator[Stage]:
    """Three plain cabinets, no fault yet."""
    async with stage(tmp_path, cabinets(3)) as scene:
        yield scene


@pytest.fixture(params=[False, True], ids=["keys-ignored", "keys-honoured"])
async def one(tmp_path: Path, request: pytest.FixtureRequest) -> AsyncIterator[tuple[Stage, dict[str, Any]]]:
    """One cabinet, and what else the scenario says: whether the sandbox deduplicates by key."""
    scenario = {"honour_keys": request.param}
    async with stage(tmp_path, cabinets(1), **scenario) as scene:
        yield scene, scenario
