"""The two ways to run a wave that is to be disturbed: the engine by itself, and the command, with Prefect."""

from __future__ import annotations

import json
import os
import signal
import sys
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path

from bascule.inventory import Inventory, write_inventory
from config.own_server import Process
from tests.chaos.ordeal import Ordeal
from tests.chaos.processes import Command, Forked, Systems, run_engine

Form = Callable[[Path, Systems, str], Ordeal]

ROOT = Path(__file__).parents[2]
BASCULE = [sys.executable, "-c", "from console.cli import main; main()"]


def by_engine(folder: Path, systems: Systems, ledger_url: str) -> Ordeal:
    def start() -> Forked:
        return Forked(run_engine, ledger_url, systems.url, len(systems.cabinets), str(folder / "runs.log"))

    return Ordeal(systems, ledger_url, start)


def by_command(folder: Path, systems: Systems, ledger_url: str) -> Ordeal:
    write_inventory(Inventory(tuple(systems.cabinets), {}, (), "chaos"), folder / "inventory.csv")
    users = ["--users", "inventory.users.csv", "--assignments", "inventory.assignments.csv"]
    command = [*BASCULE, "run", "--inventory", "inventory.csv", *users, "--json"]
    environment = {
        "BASCULE_LEDGER_URL": ledger_url,
        "BASCULE_MY_SAGE__URL": f"{systems.url}/my-sage",
        "BASCULE_GE__URL": f"{systems.url}/ge",
        "BASCULE_S4A__URL": f"{systems.url}/s4a",
        "PYTHONPATH": str(ROOT),
    }

    def start() -> Command:
        return Command(command, folder, environment, folder / "runs.log")

    # Prefect's server and Python take their time to be there.
    return Ordeal(systems, ledger_url, start, kill_cockpit=lambda: kill_cockpit(folder), patience=25)


def kill_cockpit(folder: Path) -> None:
    """kill -9 of the Prefect server that runs in this folder have started, if one is there."""
    with suppress(FileNotFoundError, ProcessLookupError):
        told = json.loads((folder / ".bascule" / "prefect" / "server.json").read_text())
        if Process(told["pid"], told["birth"]).is_alive():
            os.kill(told["pid"], signal.SIGKILL)
