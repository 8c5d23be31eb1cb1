"""Who holds a lease, and whether that process is provably dead."""

from __future__ import annotations

import os
import socket
import uuid
from dataclasses import dataclass
from functools import cache
from pathlib import Path


@dataclass(frozen=True, slots=True, kw_only=True)
class Owner:
    """A process, named so that a later one can tell whether it still lives."""

    id: str
    """Unique for each run, also within one process."""
    host: str
    boot: str
    """The kernel's boot id: pids mean nothing across a restart of the machine."""
    pid: int
    process_started: int
    """Clock ticks since boot at which the process started: pids are used again."""


def this_process() -> Owner:
    return Owner(
        id=uuid.uuid4().hex,
        host=socket.gethostname(),
        boot=boot_id(),
        pid=os.getpid(),
        process_started=start_of(os.getpid()) or 0,
    )


def is_provably_dead(owner: Owner) -> bool:
    """True only if it cannot be alive. What cannot be known (another host, no /proc) is not proof."""
    if owner.host != socket.gethostname() or not boot_id():
        return False
    if owner.boot != boot_id():
        return True
    return start_of(owner.pid) != owner.process_started


def start_of(pid: int) -> int | None:
    """When a process started, in clock ticks since boot; None when there is no such process, or it is a zombie."""
    try:
        stat = Path(f"/proc/{pid}/stat").read_text()
    except OSError:
        return None
    # The command's name stands in brackets and may itself hold blanks and brackets.
    state, *rest = stat.rpartition(")")[2].split()
    return None if state in "ZX" else int(rest[18])


@cache
def boot_id() -> str:
    try:
        return Path("/proc/sys/kernel/random/boot_id").read_text().strip()
    except OSError:
        return ""
