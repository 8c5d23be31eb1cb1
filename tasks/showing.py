"""What Prefect is shown costs a picture where it fails, and some seconds at most: never a wave."""

from __future__ import annotations

import asyncio
import contextlib
import logging
from collections.abc import AsyncIterator

from config.prefect_environment import give_up

log = logging.getLogger("bascule.prefect")

WITHIN = 15.0
"""Seconds that a server has, however busy."""


@contextlib.asynccontextmanager
async def only_shown(what: str, within: float | None = WITHIN) -> AsyncIterator[None]:
    """The body asks Prefect, and nothing else. A server that is lost, frozen, or another program altogether is told and passed over."""
    try:
        async with asyncio.timeout(within):
            yield
    except Exception as lost:  # noqa: BLE001  # Prefect's client raises whatever the answer led it to: httpx's, pydantic's, its own
        give_up()
        log.warning("Prefect does not show %s (%s)", what, str(lost).partition("\n")[0] or type(lost).__name__)
