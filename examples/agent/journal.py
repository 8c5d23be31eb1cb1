"""What an agent must never forget: every write it received, and the highest fencing number of each cabinet."""

from __future__ import annotations

import secrets
from dataclasses import dataclass

from .contract import Refused, require


@dataclass
class Operation:
    """What became of one write."""

    cabinet: str
    id: str
    verb: str
    key: str
    status: str = "accepted"
    progress: float = 0.0
    phase: str | None = None
    error_code: str | None = None
    message: str | None = None


class Journal:
    """KEEP THIS ON DISK, for 90 days. In memory, a restart makes *never received* of what was done.

    A table each for operations and fencing numbers will do, flushed before a method returns. At its start the agent ends
    those left *accepted* or *running* that it cannot follow any more: as *interrupted*, or as *not-begun* where it is
    certain that nothing was changed, and that nothing can be any more.
    """

    def __init__(self, fences: dict[str, int]) -> None:
        """`fences`: the highest number seen of each cabinet, by all systems together."""
        self._operations: list[Operation] = []
        self._fences = fences

    def admit(self, cabinet: str, fence: int) -> None:
        """Refuses what comes from a process that was taken over and does not know it yet."""
        require(fence >= self._fences.get(cabinet, 0), "stale-fence")
        self._fences[cabinet] = fence

    def take_over(self, cabinet: str, fence: int) -> None:
        """From now on, what comes under a lower number is refused."""
        self._fences[cabinet] = max(fence, self._fences.get(cabinet, 0))

    def receive(self, cabinet: str, verb: str, key: str) -> Operation:
        """Before anything is done: from here on it is found, whatever happens next."""
        operation = Operation(cabinet, secrets.token_hex(8), verb, key)
        self._operations.append(operation)
        return operation

    def save(self, operation: Operation) -> None:
        """How it goes on, or ended. In memory there is nothing to do."""

    def find(self, cabinet: str, key: str) -> list[Operation]:
        return [one for one in self._operations if (one.cabinet, one.key) == (cabinet, key)]

    def named(self, cabinet: str, identifier: str) -> Operation:
        for operation in self._operations:
            if (operation.cabinet, operation.id) == (cabinet, identifier):
                return operation
        raise Refused("unknown-operation")
