from __future__ import annotations

import os
import signal
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import NamedTuple

import pytest

from bascule.inventory import sample, write_inventory
from console import cli


class Ended(NamedTuple):
    code: int
    out: str
    err: str


Bascule = Callable[..., Ended]


@pytest.fixture
def bascule(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]) -> Iterator[Bascule]:
    """The command, in an empty folder, in this process, through its outer edge."""
    monkeypatch.chdir(tmp_path)
    for name in ("BASCULE_ENVIRONMENT", "BASCULE_LEDGER_URL"):
        monkeypatch.delenv(name, raising=False)

    def typed(*words: str) -> Ended:
        monkeypatch.setattr(sys, "argv", ["bascule", *words])
        with pytest.raises(SystemExit) as ended:
            cli.main()
        out, err = capfd.readouterr()
        assert "Traceback" not in err
        return Ended(int(ended.value.code or 0), out, err)

    umask, answer = os.umask(0o022), signal.getsignal(signal.SIGTERM)
    yield typed
    os.umask(umask)
    signal.signal(signal.SIGTERM, answer)


@pytest.fixture
def inventory(tmp_path: Path) -> Path:
    return write_inventory(sample(3, seed=1), tmp_path / "inventory.csv")[0]
