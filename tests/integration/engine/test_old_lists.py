"""Lists that are older than what they are to prove: they are waited for, or nothing is compared; never *ok*."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest

from bascule.connectors import Observation
from bascule.facts import GeFacts, GeLists
from bascule.ledger import Entry, EntryKind
from bascule.model import Lifecycle, Outcome, State, System
from tests.builders import cabinets, stage
from tests.integration.engine.test_reconciling import ran, reconcile, telling, under_lock_out
from tests.office import office

CODE = "C0001"


def lying(fault: str, system: str, **more: Any) -> dict[str, Any]:
    return {"fault": fault, "cabinets": [CODE], "system": system, **more}


def lost(dossiers: int = 3) -> dict[str, Any]:
    return {"fault": "partial-transfer", "cabinets": [CODE], "dossiers": dossiers}


def kept_in(entry: Entry) -> set[str]:
    return set(entry.evidence.get("kept", {}))


async def test_a_source_of_before_the_lock_out_is_not_synchronised_from_and_users_are_let_in(tmp_path: Path) -> None:
    async with stage(tmp_path, cabinets(1), lying("old-lists", "ge")) as on:
        [standing] = (await on.wave()).standings.values()
        assert (standing.lifecycle, standing.step) == (Lifecycle.WAITING, "synchronise")
        assert "the lists of GE are of " in standing.reason
        assert ", from before the lock-out (" in standing.reason
        assert "not from a cache" in (standing.remedy or "")
        effective = await on.effective(CODE)
        assert (effective["lock-out"], effective["synchronise"], effective["reopen"]) == (1, 0, 1)
        assert not (await on.state(CODE))["ge"]["locked_out"]

        await on.faults()
        assert (await on.wave()).outcomes == {Outcome.OK: 1}


async def test_a_source_that_is_of_now_a_moment_later_is_waited_for(tmp_path: Path) -> None:
    async with stage(tmp_path, cabinets(1)) as on:
        locked_out: list[float] = []
        old: list[Observation] = []

        def cached(seen: Observation) -> Observation:
            """For three seconds of the stage after users were locked out, lists of a minute before."""
            if isinstance(seen, GeFacts) and seen.locked_out_by:
                locked_out.append(on.time.seconds())
            if not isinstance(seen, GeLists) or not locked_out or on.time.seconds() > locked_out[0] + 3:
                return seen
            old.append(seen)
            return replace(seen, taken_at=seen.taken_at - timedelta(minutes=1))

        assert (await on.wave(remote=telling(on, System.GE, cached))).outcomes == {Outcome.OK: 1}
        assert len(old) > 2
        [proof] = on.entries(CODE, EntryKind.PROOF, "reconcile")
        assert under_lock_out(proof) == (True, True)


@pytest.mark.parametrize("fault", ["old-lists", "stale-as-new"])
async def test_a_target_of_before_the_synchronisation_proves_nothing_of_it(tmp_path: Path, fault: str) -> None:
    async with stage(tmp_path, cabinets(1), lost(), lying(fault, "s4a")) as on:
        [standing] = (await on.wave()).standings.values()
        assert (standing.lifecycle, standing.step) == (Lifecycle.WAITING, "reconcile")
        assert "the dossiers were not compared: the lists of Client Management " in standing.reason
        says = (
            "hold exactly what they held before" if fault == "stale-as-new" else "before the synchronisation had ended"
        )
        assert says in standing.reason
        [proof] = on.entries(CODE, EntryKind.PROOF, "synchronise")
        assert kept_in(proof) == set()
        assert not (await on.state(CODE))["ge"]["locked_out"]

        await on.faults()
        assert (await on.wave()).outcomes == {Outcome.PARTIAL: 1}
        [verdict] = [one for one in on.entries(CODE, EntryKind.VERDICT, "reconcile") if one.outcome]
        assert verdict.reason.startswith("3 dossiers missing: ")


@pytest.mark.parametrize("system", ["ge", "s4a"])
async def test_reconcile_compares_no_list_of_before_it_asked(tmp_path: Path, system: str) -> None:
    async with stage(tmp_path, cabinets(1)) as on:
        assert (await ran(on)).outcomes == {Outcome.OK: 1}
        await on.faults(lying("old-lists", system))
        await on.time.sleep(1)

        entry = (await reconcile(on))[CODE]

        assert entry.state is State.UNKNOWN
        assert "nobody can say whether both sides are the same; not compared: " in entry.reason
        assert ", from before they were asked for (" in entry.reason
        assert "not from a cache" in entry.evidence["remedy"]
        assert "reconciled" not in entry.evidence
        await on.faults()
        assert (await reconcile(on))[CODE].state is State.DONE


async def test_lists_that_people_had_read_before_they_synchronised_prove_nothing(tmp_path: Path) -> None:
    async with office(tmp_path, cabinets(1), lying("old-lists", "s4a")) as at:
        for _ in range(8):
            await at.wave()
            await at.work_through()
        [standing] = (await at.wave()).standings.values()
        assert (standing.lifecycle, standing.step) == (Lifecycle.WAITING, "reconcile")
        assert "the dossiers were not compared: the lists of Client Management are of " in standing.reason


async def test_what_a_proof_stands_on_names_who_says_it(tmp_path: Path) -> None:
    async with stage(tmp_path, cabinets(1)) as on:
        await on.wave()
        [proof] = on.entries(CODE, EntryKind.PROOF, "synchronise")
        assert proof.evidence["basis"] == {"ge": "agent", "s4a": "agent", "target-lists": "agent"}
        [intent] = on.entries(CODE, EntryKind.INTENT, "synchronise")
        assert intent.evidence["basis"] == {"source-lists": "agent"}
        assert len(intent.evidence["content_before"]) == 64
