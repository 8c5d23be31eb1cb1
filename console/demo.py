"""The demo: the sandbox with a few faults, a wave, the faults mended, and only what stopped run again."""

from __future__ import annotations

import os
import shutil
import time
from pathlib import Path
from typing import Any

from bascule.inventory import sample, write_inventory
from console.running import DEMO_FAULTS, carry_out
from console.sandbox_process import start_sandbox
from console.telling import say

FOLDER = Path(".bascule/demo")


def play(cabinets: int, seed: int) -> int:
    """0 if the wave ended ok after the re-run. Keeps its ledger and reports in a folder of its own, made anew each time."""
    from bascule.errors import BasculeError
    from flows.preparing import Asked

    began = time.monotonic()
    shutil.rmtree(FOLDER, ignore_errors=True)
    FOLDER.mkdir(parents=True)
    inventory = sample(cabinets, seed, wave="demo")
    (file,) = write_inventory(inventory, FOLDER / "inventory.csv")[:1]
    say(f"1. An inventory of {cabinets} synthetic cabinets: {file}")
    with start_sandbox(inventory, scenario={"seed": seed, "faults": DEMO_FAULTS}, seed=seed) as sandbox:
        say(f"2. The sandbox stands for My Sage, GE and S4A: {sandbox.url}, with faults at a few cabinets")
        for system, path in (("MY_SAGE", "my-sage"), ("GE", "ge"), ("S4A", "s4a")):
            os.environ[f"BASCULE_{system}__URL"] = f"{sandbox.url}/{path}"
        os.environ["BASCULE_LEDGER_URL"] = f"sqlite:///{FOLDER}/ledger.db"
        os.environ["BASCULE_OUT"] = str(FOLDER / "runs")
        say("3. The wave:")
        carry_out(Asked(inventory=file, wave="demo"), environment="sandbox", dry_run=False, as_json=False)
        say("4. Somebody mends the faults: rights are given, users leave, the AdminSage is validated")
        _mend(sandbox.url)
        say("5. Only what is not done runs again:")
        code = carry_out(Asked(wave="demo", rerun=True), environment="sandbox", dry_run=False, as_json=False)
        journal = _get(f"{sandbox.url}/sandbox/journal")
    once = [
        w
        for w in journal
        if w["verb"] in ("connect", "sign-up", "synchronise") and w["outcome"] in ("applied", "dropped")
    ]
    say(
        f"6. The sandbox received {len(once)} effective writes of connect, sign-up and synchronise: {len(once) / cabinets:g} a cabinet, as it must be 3"
    )
    say(f"Done in {time.monotonic() - began:.0f} s. Ledger and reports: {FOLDER}")
    if len(once) != 3 * cabinets:
        raise BasculeError("The demo did not end as it must: some write was made twice, or not at all")
    return code


def _mend(url: str) -> None:
    import httpx

    httpx.put(f"{url}/sandbox/faults", json={"faults": []}, timeout=10, trust_env=False).raise_for_status()


def _get(url: str) -> list[dict[str, Any]]:
    import httpx

    answer: list[dict[str, Any]] = httpx.get(url, timeout=10, trust_env=False).raise_for_status().json()
    return answer
