"""What whoever started a flow sees of it while it runs. Prefect's parameters are JSON; this is handed over beside them."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass
from pathlib import Path
from typing import Self

from bascule.connectors import Operation
from bascule.engine import Conducted, Standing
from bascule.model import Cabinet
from flows.preparing import Prepared


@dataclass
class Watch:
    """Watches nothing; the console's does."""

    prepared: Prepared | None = None
    conducted: Conducted | None = None
    error: BaseException | None = None
    """What stopped the flow, known even where Prefect could not be told."""
    folder: Path | None = None
    stored: str = ""
    """What Prefect lacks of this run, in words; empty when it has stored everything."""

    @contextmanager
    def over(self) -> Iterator[Self]:
        """The flow's whole body."""
        try:
            yield self
        except BaseException as error:
            self.error = error
            raise

    def begins(self, prepared: Prepared) -> None: ...

    def stands(self, cabinet: Cabinet, standing: Standing) -> None: ...

    def goes_on(self, cabinet: Cabinet, step: str, operation: Operation) -> None: ...


watch: ContextVar[Watch] = ContextVar("watch")


def watching() -> Watch:
    return watch.get(Watch())
