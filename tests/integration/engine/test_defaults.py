"""The two defaults: null is *not set*, and a code and its label are one."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from bascule.connectors import Observation
from bascule.connectors.operator.forms import EvidenceRefused
from bascule.facts import S4aLists, Untold
from bascule.ledger import EntryKind
from bascule.model import Outcome, State, System
from tests.builders import cabinets, stage
from tests.integration.engine.test_reconciling import ran, reconcile, reconciled, telling
from tests.office import office

CODE = "C0001"
CODES: dict[str, Any] = {"fault": "codes-for-labels", "cabinets": [CODE]}


async def test_a_target_that_shows_no_default_has_none_and_is_partial(tmp_path: Path) -> None:
    async with stage(tmp_path, cabinets(1), {"fault": "null-defaults", "cabinets": [CODE]}) as on:
        assert (await on.wave()).outcomes == {Outcome.PARTIAL: 1}
        [verdict] = on.entries(CODE, EntryKind.VERDICT, "reconcile")
        assert "1 default profile different: Collaborateur (code: Collaborateur -> none)" in verdict.reason


async def test_lists_that_cannot_tell_the_defaults_say_so_and_make_no_cabinet_partial(tmp_path: Path) -> None:
    def cannot_tell(seen: Observation) -> Observation:
        unknown = (Untold.DEFAULT_PROFILE, Untold.DEFAULT_GROUP)
        if not isinstance(seen, S4aLists):
            return seen
        return replace(seen, unknown=unknown, default_profile=None, default_group=None)

    async with stage(tmp_path, cabinets(1)) as on:
        assert (await on.wave(remote=telling(on, System.S4A, cannot_tell))).outcomes == {Outcome.OK: 1}
        [proof] = on.entries(CODE, EntryKind.PROOF, "reconcile")
        assert reconciled(proof).of("default group").not_compared == "Client Management does not show it"


async def test_an_agent_that_tells_codes_goes_with_an_inventory_that_names_labels(tmp_path: Path) -> None:
    async with stage(tmp_path, cabinets(1), CODES) as on:
        assert (await ran(on)).outcomes == {Outcome.OK: 1}
        assert (await on.state(CODE))["ge"]["defaults"] == {"profile": "PRF-00", "group": "GRP-00"}
        assert (await reconcile(on))[CODE].state is State.DONE


@pytest.mark.parametrize("read", ["label", "code"])
async def test_people_may_answer_with_the_code_or_the_label_and_with_nothing_else(tmp_path: Path, read: str) -> None:
    async with office(tmp_path, cabinets(1), CODES) as at:
        asked = None
        for _ in range(6):
            await at.wave()
            asked = next((order for order in at.open_orders() if "defaults" in order.verbs), None)
            if asked is not None:
                break
            await at.work_through()
        assert asked is not None
        await at.do(asked)
        with pytest.raises(EvidenceRefused, match="is not what the inventory says"):
            await at.answer(asked, profile_chosen="Manager", group_chosen="GRP-00")
        chosen: dict[str, Any] = {"profile_chosen": "PRF-00", "group_chosen": "GRP-00"} if read == "code" else {}
        await at.answer(asked, **chosen)
        if asked.four_eyes:
            await at.approve(asked)
        await at.wave()
        assert at.on.entries(CODE, EntryKind.PROOF, "defaults")
