"""A second synchronisation is a person's decision, another's approval, and then Bascule's own doing, which it says."""

from __future__ import annotations

import uuid
from datetime import timedelta
from pathlib import Path

import pytest

from bascule.checks.reconciliation import Reconciliation
from bascule.engine.opening import begin
from bascule.engine.reconciling import reconcile
from bascule.ledger import Desk, EntryKind, NotAccepted
from bascule.model import Outcome
from bascule.reports import status_of
from bascule.reports.account import account_of
from bascule.reports.record import record_of
from bascule.workorders import SYNCHRONISE_AGAIN, Answer, Approval, OrderState, Result, WorkOrder
from tests.builders import Stage, cabinet, stage

LOST = {"fault": "partial-transfer", "cabinets": ["C0001"], "dossiers": 3}


async def ordered(on: Stage) -> WorkOrder:
    """As `bascule rerun --again synchronise` does it outside the sandbox: Anne decides."""
    now = on.time.now()
    values = {"code": "C0001", "ordered_by": "anne", "ordered_because": "3 are missing", "dossiers_there": "124"}
    order = WorkOrder(
        id="",
        cabinet="C0001",
        wave="pilot",
        key=uuid.uuid4().hex,
        verbs=(SYNCHRONISE_AGAIN,),
        opened_at=now,
        expires_at=now + timedelta(days=14),
        four_eyes=True,
        values=values,
    )
    answer = Answer(by="anne", at=now, result=Result.DONE, because="3 are missing")
    [submitted] = await desk(on).submit([order], answer)
    return submitted


def desk(on: Stage) -> Desk:
    return Desk(on.ledger, on.time.now)


async def approved(on: Stage, order: WorkOrder, by: str, *, declines: bool = False) -> WorkOrder:
    approval = Approval(by=by, at=on.time.now(), because="looked at both sides")
    [after] = await desk(on).approve([order.id], approval, declines=declines)
    return after


async def synchronised(on: Stage) -> int:
    return (await on.effective("C0001"))["synchronise"]


async def test_it_is_sent_once_somebody_else_has_approved_it_and_what_it_doubled_is_named_with_its_cause(
    tmp_path: Path,
) -> None:
    async with stage(tmp_path, [cabinet()], LOST, honour_keys=False) as on:
        await begin(on.run(), on.cabinets, {})
        assert (await on.wave()).outcomes == {Outcome.PARTIAL: 1}
        order = await ordered(on)
        assert (order.id, order.state) == ("C0001-synchronise-again", OrderState.TO_APPROVE)
        with pytest.raises(NotAccepted, match="ordered a second synchronisation: somebody else has to approve"):
            await ordered(on)
        await on.wave()
        assert await synchronised(on) == 1, "a run alone never sends it, nor before it is approved"
        [told] = status_of(on.ledger, "pilot").cabinets
        assert (told.next_action or "").startswith("bascule approve C0001-synchronise-again")
        with pytest.raises(NotAccepted, match="a second person"):
            await approved(on, order, by="Anne")

        await approved(on, order, by="paul")
        await on.faults(honour_keys=False)
        at = on.time.now()
        conducted = await on.wave()

        assert await synchronised(on) == 2
        cause = f"Bascule's own second synchronisation of {at:%Y-%m-%d}"
        remedy = conducted.standings["C0001"].remedy or ""
        assert cause in remedy
        assert "ordered by anne" in remedy
        assert "who made it there" not in remedy
        entry = await reconcile(on.run(), on.cabinets[0], because="")
        doubled = Reconciliation.from_json(entry.evidence["reconciled"]).doubled
        assert doubled > 100
        assert entry.evidence["remedy"].startswith(
            f"{doubled} dossiers are in Client Management more than once: {cause}"
        )
        [told] = status_of(on.ledger, "pilot").cabinets
        assert cause in (told.next_action or "")
        account = account_of(on.ledger, "pilot", now=on.time.now())
        assert cause in account.cabinets["next_action"].iloc[0]
        record = record_of(on.ledger.history("C0001"), "pilot", on.cabinets[0])
        assert record is not None
        assert cause in record.remedy
        await on.wave()
        assert await synchronised(on) == 2


async def test_a_decision_that_is_refused_is_none_and_may_be_ordered_anew(tmp_path: Path) -> None:
    async with stage(tmp_path, [cabinet()], LOST) as on:
        await on.wave()
        order = await approved(on, await ordered(on), by="paul", declines=True)
        assert order.state is OrderState.WITHDRAWN
        await on.wave()
        assert await synchronised(on) == 1
        assert not on.entries("C0001", EntryKind.NOTE, "synchronise")
        assert (await ordered(on)).id == "C0001-synchronise-again-2"
