"""Ctrl-C, answered in our own way: what runs is brought to an end that the ledger knows, and nothing new begins."""

from __future__ import annotations

import asyncio
import signal
from collections.abc import Iterator
from contextlib import contextmanager


@contextmanager
def interruptible() -> Iterator[asyncio.Event]:
    """The event is set by the first Ctrl-C, and the body goes on. A second one cancels the task that the body runs in.

    To be entered inside a flow. Left alone, asyncio would cancel the flow at once, and Prefect record every task run in it as
    crashed. Away from the main thread, where no signal arrives, the event is never set.
    """
    asked = asyncio.Event()
    loop = asyncio.get_running_loop()
    body = asyncio.current_task()

    def interrupted() -> None:
        if asked.is_set() and body is not None:
            body.cancel("interrupted twice")
        asked.set()

    before = signal.getsignal(signal.SIGINT)
    try:
        loop.add_signal_handler(signal.SIGINT, interrupted)
    except (ValueError, RuntimeError, NotImplementedError):
        yield asked
        return
    try:
        yield asked
    finally:
        loop.remove_signal_handler(signal.SIGINT)
        signal.signal(signal.SIGINT, before)
