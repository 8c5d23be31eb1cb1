"""SIGTERM is `stop`: nothing new begins, what was started here is ended, and the process is gone in time. Ctrl-C likewise, without haste."""

from __future__ import annotations

import contextlib
import signal
import threading
from collections.abc import Iterator
from typing import NoReturn

BREAKS_OFF_AFTER, AND_AGAIN = 15.0, 2.0
"""Seconds after a SIGTERM from which on what still goes on is broken off. Who sent it may kill after 25 to 30."""

ENDING = (signal.SIGINT, signal.SIGTERM, signal.SIGALRM)


def answer_sigterm() -> None:
    """For the entry of a command: SIGTERM ends it as Ctrl-C does. A flow answers in its own way while it runs."""
    signal.signal(signal.SIGTERM, _terminated)


def make_haste() -> None:
    """From some seconds after now on, whatever the main thread is at is interrupted: as often as it takes."""
    signal.signal(signal.SIGALRM, _interrupt)
    signal.setitimer(signal.ITIMER_REAL, BREAKS_OFF_AFTER, AND_AGAIN)


@contextlib.contextmanager
def held_back() -> Iterator[None]:
    """What is begun within is ended within: a signal that arrives meanwhile is answered afterwards."""
    if threading.current_thread() is not threading.main_thread():
        yield
        return
    arrived: list[int] = []
    before = {sent: signal.signal(sent, lambda number, _: arrived.append(number)) for sent in ENDING}
    try:
        yield
    finally:
        for sent, handler in before.items():
            signal.signal(sent, handler)
        for number in dict.fromkeys(arrived):
            signal.raise_signal(number)


def _terminated(*_: object) -> None:
    make_haste()
    if signal.getsignal(signal.SIGINT) in (signal.SIG_IGN, signal.SIG_DFL, None):
        # As a shell leaves it to what it starts in the background.
        _interrupt()
    # A running event loop has an answer of its own, which cancels its task instead of tearing it apart.
    signal.raise_signal(signal.SIGINT)


def _interrupt(*_: object) -> NoReturn:
    raise KeyboardInterrupt
