"""A plan that is applied: the wave runs as planned, and the ledger says which plan it was."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest

from bascule.inventory import sample, write_inventory
from bascule.ledger import EntryKind, Ledger
from console.sandbox_process import start_sandbox

BASCULE = [sys.executable, "-c", "from console.cli import main; main()"]


def bascule(*words: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run([*BASCULE, *words], capture_output=True, text=True, timeout=110, check=False)


@pytest.mark.usefixtures("prefect_server")
def test_a_plan_that_holds_is_carried_out_and_is_told_in_the_ledger(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    rows = sample(4, seed=5)
    write_inventory(rows, tmp_path / "all.csv")
    of_all = (tmp_path / "all.csv").read_text(encoding="utf-8-sig").splitlines()
    (tmp_path / "inv.csv").write_text("\n".join(line for line in of_all if not line.startswith("C0004")), "utf-8")
    with start_sandbox(rows, scenario={"sync_seconds": 0.2}) as running:
        for system, base in (("MY_SAGE", "my-sage"), ("GE", "ge"), ("S4A", "s4a")):
            monkeypatch.setenv(f"BASCULE_{system}__URL", f"{running.url}/{base}")
        (tmp_path / "closed.yaml").write_text(
            "{name: ours, closed: [{name: moratorium, days: [2020-01-01/2090-01-01]}]}"
        )
        (tmp_path / "waves.yaml").write_text("waves: {default: {blackout: [closed.yaml]}}")
        drawn_up = bascule("plan", "--inventory", "inv.csv", "--waves", "waves.yaml", "-o", "plan.json")
        assert drawn_up.returncode == 0, drawn_up.stderr
        plan = json.loads((tmp_path / "plan.json").read_text(encoding="utf-8"))

        closed = bascule("apply", "plan.json")
        assert closed.returncode == 7, closed.stderr
        assert "blackout: moratorium" in closed.stdout
        assert bascule("apply", "plan.json", "--any-hour").returncode == 2, "without a reason"
        applied = bascule("apply", "plan.json", "--json", "--any-hour", "--because", "agreed with all three")

        assert applied.returncode == 0, applied.stderr
        assert json.loads(applied.stdout)["outcomes"] == {"ok": 3}
        with Ledger(f"sqlite:///{tmp_path}/.bascule/ledger.db", read_only=True) as ledger:
            _, began = ledger.of_kinds([EntryKind.RUN_BEGAN])
        assert (began.reason, began.evidence["any_hour"]) == ("agreed with all three", True)
        assert began.evidence["plan"] == plan["hash"]

        drawn_up = bascule("plan", "--inventory", "inv.csv", "-o", "after.json")
        assert drawn_up.returncode == 0, drawn_up.stderr
        assert "takes        nothing is left to do" in drawn_up.stdout
        after = json.loads((tmp_path / "after.json").read_text(encoding="utf-8"))
        assert [cabinet["steps"] for cabinet in after["cabinets"]] == [[], [], []], "what is proven is left out"
        differs = bascule("plan", "diff", "plan.json", "after.json").stdout
        assert "C0001, C0002, C0003: proven since: admin-rights" in differs

        (tmp_path / "waves.yaml").write_text("waves: {default: {ramp: [2, rest]}}")
        told = bascule("plan", "--inventory", "all.csv", "--waves", "waves.yaml", "-o", "more.json").stdout
        for line in (
            "cabinets     4: 1 to do, 3 already done",
            "stages       3 (3 done), 1",
            "may fail     at most 1,",
        ):
            assert line in told
        assert "> 3 of 4 cabinets are done already" in (tmp_path / "more.md").read_text(encoding="utf-8")
        assert json.loads((tmp_path / "more.json").read_text(encoding="utf-8"))["may_fail"] == 1
        assert "**1 cabinet to do**, 3 already done" in (tmp_path / "more.md").read_text(encoding="utf-8")
        dry = bascule("run", "--inventory", "all.csv", "--waves", "waves.yaml", "--dry-run").stdout
        assert "1 would start now" in dry
        more = bascule("apply", "more.json", "--json")
        assert json.loads(more.stdout)["outcomes"] == {"ok": 4}, more.stderr
        with Ledger(f"sqlite:///{tmp_path}/.bascule/ledger.db", read_only=True) as ledger:
            *_, last = ledger.of_kinds([EntryKind.RUN_BEGAN])
            begun = [entry.cabinet for entry in ledger.of_kinds([EntryKind.BEGAN]) if entry.run == last.run]
        assert begun == ["C0004"], "the run starts what the plan has as to do, and counts the others as done"
