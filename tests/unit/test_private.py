"""What is kept is for whoever runs Bascule, whatever the umask; what is not is told."""

from __future__ import annotations

import asyncio
import os
import stat
from collections.abc import Iterator
from pathlib import Path

import pytest

from bascule.ledger import Ledger
from bascule.private import make_folder, open_file, open_ones
from bascule.reports.publishing import publish
from config.own_server import Home
from config.settings import Settings
from console.cli import _keep_trace
from console.examining import examine
from sandbox.store import Store
from tests.unit.reports.histories import began, planned, write

pytestmark = pytest.mark.skipif(os.name != "posix", reason="rights are POSIX's")


@pytest.fixture
def careless(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """A folder that is open to all, and a umask that keeps nobody out."""
    tmp_path.chmod(0o755)
    monkeypatch.chdir(tmp_path)
    before = os.umask(0)
    yield tmp_path
    os.umask(before)


def rights(folder: Path) -> dict[str, int]:
    return {
        path.relative_to(folder).as_posix(): stat.S_IMODE(path.stat().st_mode) for path in sorted(folder.rglob("*"))
    }


def test_ledger_run_folder_and_crash_note_are_their_owners_alone_whatever_the_umask(careless: Path) -> None:
    with Ledger(f"sqlite:///{careless}/.bascule/ledger.db") as ledger:
        write(ledger, planned("C0001"), began("C0001"))
        publish(ledger, "pilot", careless / ".bascule" / "runs")
        _keep_trace()
        found = rights(careless)

    assert {mode for path, mode in found.items() if (careless / path).is_dir()} == {0o700}
    assert {mode for path, mode in found.items() if (careless / path).is_file()} == {0o600}
    for kept in ("ledger.db-wal", "summary.md", ".html", "crash-"):
        assert any(kept in path for path in found), kept


def test_the_sandbox_state_and_prefects_home_are_their_owners_alone_whatever_the_umask(careless: Path) -> None:
    store = Store(str(careless / "state.db"))
    home = Home(careless / "prefect")
    make_folder(home.folder)
    home._drawn_secret()
    found = rights(careless)
    store.close()

    assert found == {
        **dict.fromkeys(("state.db", "state.db-shm", "state.db-wal", "prefect/sign-in"), 0o600),
        "prefect": 0o700,
    }


def test_what_was_there_keeps_its_rights_and_what_a_closed_folder_holds_is_closed(careless: Path) -> None:
    wide = careless / "wide"
    wide.mkdir(0o755)
    with open_file(wide / "file") as file:
        file.write(b"")
    (wide / "file").chmod(0o644)
    with open_file(wide / "file") as file:
        file.write(b"again")
    make_folder(wide)
    assert [path.name for path in open_ones(wide)] == ["wide", "file"]

    wide.chmod(0o700)
    assert list(open_ones(wide)) == []


def test_doctor_tells_what_others_may_get_at_and_how_to_close_it(careless: Path) -> None:
    ledger = careless / "ledger.db"
    settings = Settings(
        environment="production", ledger_url=f"sqlite:///{ledger}", out=careless / "runs", operators=("anne",)
    )
    Ledger(f"sqlite:///{ledger}").close()
    assert _rights_of(settings) == (True, "what is kept is for you alone", "")

    ledger.chmod(0o640)

    ok, says, remedy = _rights_of(settings)
    assert not ok
    assert says == f"other users of this machine may get at {ledger} (0640)"
    assert remedy == f"chmod -R go-rwx {ledger}"


def _rights_of(settings: Settings) -> tuple[bool, str, str]:
    (found,) = [one for one in asyncio.run(examine(settings)) if one.what == "rights"]
    return found.ok, found.says, found.remedy
