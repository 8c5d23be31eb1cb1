"""What `bascule doctor` looks at."""

from __future__ import annotations

import os
import platform
import shutil
import stat
from dataclasses import dataclass
from importlib.metadata import version
from itertools import islice
from pathlib import Path

from bascule.errors import BasculeError
from bascule.ledger.tables import REVISION
from bascule.private import is_open, open_ones
from config.cockpit import server_in
from config.settings import Settings
from config.wiring import health_of, ledger_file, open_ledger, what_to_do

ROOM = 1 << 30
MANY = 1_000
"""Files of a folder that others may get at, up to which they are counted."""


@dataclass(frozen=True)
class Examined:
    what: str
    ok: bool
    says: str
    remedy: str = ""


async def examine(settings: Settings) -> list[Examined]:
    return [
        _versions(),
        _ledger(settings),
        _room(settings),
        _rights(settings),
        *await _systems(settings),
        _prefect(settings),
    ]


def _versions() -> Examined:
    told = ", ".join(f"{name} {version(name)}" for name in ("bascule", "prefect", "sqlalchemy", "pydantic", "pandas"))
    return Examined("versions", True, f"Python {platform.python_version()}, {told}")


def _ledger(settings: Settings) -> Examined:
    try:
        with open_ledger(settings) as ledger:
            waves = ledger.waves()
    except BasculeError as refused:
        return Examined("ledger", False, str(refused), refused.remedy)
    return Examined("ledger", True, f"revision {REVISION}, {len(waves)} waves")


def _room(settings: Settings) -> Examined:
    place = next(folder for folder in (settings.out.resolve(), *settings.out.resolve().parents) if folder.exists())
    free = shutil.disk_usage(place).free
    enough = free >= ROOM and os.access(place, os.W_OK)
    return Examined(
        "room",
        enough,
        f"{free / (1 << 30):.1f} GiB free at {place}",
        "" if enough else "a wave wants at least 1 GiB, writable",
    )


def _rights(settings: Settings) -> Examined:
    """Whether others of this machine may get at what is kept: what was made by an older version, or opened by hand."""
    kept = [settings.out, settings.prefect_home, *Path(".bascule").glob("crash-*.txt")]
    if (ledger := ledger_file(settings)) is not None:
        kept += ledger.parent.glob(f"{ledger.name}*")
    opened = [path for place in kept for path in islice(open_ones(place), MANY)]
    if not opened:
        return Examined("rights", True, "what is kept is for you alone")
    others = f" and {len(opened) - 1} more" if len(opened) > 1 else ""
    where = " ".join(sorted({str(place) for place in kept if is_open(place)}))
    return Examined(
        "rights",
        False,
        f"other users of this machine may get at {opened[0]} ({stat.S_IMODE(opened[0].stat().st_mode):04o}){others}",
        f"chmod -R go-rwx {where}",
    )


async def _systems(settings: Settings) -> list[Examined]:
    try:
        healths = await health_of(settings)
    except BasculeError as refused:
        return [Examined("systems", False, str(refused), refused.remedy)]
    if not healths:
        return [_people(settings)]
    return [Examined(h.system.value, h.ok, h.says, "" if h.ok else what_to_do(settings, h)) for h in healths]


def _people(settings: Settings) -> Examined:
    """Without any http agent it is people who act, and lists that are read."""
    if settings.operators:
        told = f"no http agent; {', '.join(settings.operators)} may answer work orders"
        return Examined("systems", True, f"{told}; see the lists with: bascule doctor --extracts")
    return Examined(
        "systems",
        False,
        "no http agent is configured, and nobody may answer work orders",
        "set BASCULE_GE__URL and the others, or name operators (BASCULE_OPERATORS=anne,paul)",
    )


def _prefect(settings: Settings) -> Examined:
    try:
        server = server_in(settings.prefect_home, settings.prefect)
    except BasculeError as refused:
        return Examined("Prefect", False, str(refused), refused.remedy)
    if server is None:
        return Examined("Prefect", True, f"none configured: Bascule starts its own in {Path(settings.prefect_home)}")
    if not (problem := server.problem()):
        return Examined("Prefect", True, f"the server at {server.url} answers, and lets us in")
    remedy = (
        "see to prefect.url and prefect.auth, or leave them out: then Bascule has a server of its own"
        if server.home is None
        else "it is Bascule's own: the next run ends it if it is stuck, and starts another"
    )
    return Examined("Prefect", False, f"the server at {server.url} {problem}", remedy)
