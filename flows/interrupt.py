"""Ctrl-C, and Cancel in Prefect's UI, answered in our own way: what runs is brought to an end that the ledger knows."""

from __future__ import annotations

import asyncio
import signal
from collections.abc import Iterator
from contextlib import contextmanager

from config.signals import make_haste

ASKS = (signal.SIGINT, signal.SIGTERM)
"""The terminal sends the first. The second comes from systemd, or from a worker 30 s before it kills a cancelled flow run."""


@contextmanager
def interruptible() -> Iterator[asyncio.Event]:
    """The event is set by the first signal, and the body goes on. A second one cancels the task that the body runs in.

    SIGTERM leaves it the seconds that who sent it leaves us.

    To be entered inside a flow. Left alone, asyncio and Prefect would cancel the flow at once, and Prefect record every task
    run in it as crashed. Away from the main thread, where no signal arrives, the event is never set.
    """
    asked = asyncio.Event()
    loop = asyncio.get_running_loop()
    body = asyncio.current_task()

    def interrupted(sent: signal.Signals) -> None:
        if asked.is_set() and body is not None:
            body.cancel("interrupted twice")
        asked.set()
        if sent is signal.SIGTERM:
            make_haste()

    before = {sent: signal.getsignal(sent) for sent in ASKS}
    try:
        for sent in ASKS:
            loop.add_signal_handler(sent, interrupted, sent)
    except (ValueError, RuntimeError, NotImplementedError):
        yield asked
        return
    try:
        yield asked
    finally:
        for sent, handler in before.items():
            loop.remove_signal_handler(sent)
            signal.signal(sent, handler)
