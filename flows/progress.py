"""How far a wave is, on Prefect's pages while it runs."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator, Callable
from uuid import UUID

from prefect.artifacts import acreate_progress_artifact, aupdate_progress_artifact

from bascule.reports.visible import visible
from tasks.reporting import PROGRESS, key_of
from tasks.showing import only_shown

EVERY = 5.0
"""Seconds between two looks: what Prefect is asked must not grow with the cabinets."""


@contextlib.asynccontextmanager
async def shown_progress(wave: str, cabinets: int, every: float = EVERY) -> AsyncIterator[Callable[[], None]]:
    """What is yielded is called for each cabinet that is let go of. A server that is lost costs the picture, and `every` seconds."""
    let_go = 0

    def one_more() -> None:
        nonlocal let_go
        let_go += 1

    async def show() -> None:
        # Each question has Prefect's own deadline. The first that fails is the last.
        async with only_shown("how far the wave is", within=None):
            told = f"Cabinets of wave {wave} that this run is done with, of {cabinets}"
            artifact = await acreate_progress_artifact(0.0, key=key_of(wave) + PROGRESS, description=visible(told))
            assert isinstance(artifact, UUID)
            shown = 0
            while not over.is_set() or shown != let_go:
                with contextlib.suppress(TimeoutError):
                    await asyncio.wait_for(over.wait(), every)
                if shown != let_go:
                    shown = let_go
                    await aupdate_progress_artifact(artifact, progress=min(100.0, 100.0 * shown / cabinets))

    over = asyncio.Event()
    showing = asyncio.create_task(show())
    try:
        yield one_more
    finally:
        over.set()
        with contextlib.suppress(TimeoutError):
            await asyncio.wait_for(showing, every)
