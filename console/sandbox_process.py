"""The sandbox as a process of its own, started from plain JSON."""

from __future__ import annotations

import contextlib
import json
import os
import subprocess
import sys
import tempfile
from collections.abc import Iterator, Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from bascule.errors import BasculeError
from bascule.inventory import Inventory
from bascule.model import Cabinet
from config.signals import held_back

READY = "sandbox: ready on "


class SandboxNotStarted(BasculeError):
    """The sandbox could not be started."""


@dataclass
class SandboxProcess:
    url: str
    process: subprocess.Popen[str]


@contextlib.contextmanager
def start_sandbox(
    inventory: Inventory,
    *,
    scenario: Mapping[str, Any] | Path | None = None,
    port: int = 0,
    state: Path | None = None,
    seed: int = 7,
) -> Iterator[SandboxProcess]:
    """Runs while the block lasts, and never longer than this process. Raises SandboxNotStarted with the sandbox's own words."""
    with tempfile.TemporaryDirectory(prefix="bascule-sandbox-") as folder:
        world = Path(folder, "world.json")
        world.write_text(json.dumps(world_of(inventory, seed), ensure_ascii=False), encoding="utf-8")
        command = [
            sys.executable,
            "-m",
            "sandbox",
            "--world",
            str(world),
            "--port",
            str(port),
            "--parent-pid",
            str(os.getpid()),
        ]
        if isinstance(scenario, Path):
            command += ["--scenario", str(scenario)]
        elif scenario is not None:
            Path(folder, "scenario.json").write_text(json.dumps(dict(scenario)), encoding="utf-8")
            command += ["--scenario", str(Path(folder, "scenario.json"))]
        if state is not None:
            command += ["--state", str(state)]
        with contextlib.ExitStack() as started:
            with held_back():
                # A session of its own: Ctrl-C is for the run, which still has users to let in.
                process = subprocess.Popen(
                    command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, start_new_session=True
                )
                started.callback(_end, process)
            yield SandboxProcess(_url_of(process), process)


def world_of(inventory: Inventory, seed: int) -> dict[str, Any]:
    """The world as the sandbox reads it; docs/sandbox.md describes it."""
    return {"seed": seed, "cabinets": [_cabinet(cabinet) for cabinet in inventory.cabinets]}


def _cabinet(cabinet: Cabinet) -> dict[str, Any]:
    shared = (
        "code",
        "name",
        "siren",
        "siret",
        "entity",
        "admin_email",
        "default_profile",
        "default_group",
        "contact_email",
        "terms_signatory",
        "timezone",
    )
    return {
        **{field: getattr(cabinet, field) for field in shared},
        "users": [asdict(invitation) for invitation in cabinet.invitations],
        "assignments": [asdict(assignment) for assignment in cabinet.assignments],
        "size": None,
    }


def _end(process: subprocess.Popen[str]) -> None:
    with held_back():
        process.terminate()
        try:
            process.communicate(timeout=10)
        except subprocess.TimeoutExpired:
            process.kill()
            process.communicate()


def _url_of(process: subprocess.Popen[str]) -> str:
    assert process.stdout is not None
    line = process.stdout.readline()
    if line.startswith(READY):
        return line.removeprefix(READY).strip()
    _, said = process.communicate(timeout=10)
    raise SandboxNotStarted(said.strip().removeprefix("sandbox: ") or "The sandbox ended without a word")
