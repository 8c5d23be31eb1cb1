"""A stage on which people act: they are asked by work orders, do it at the sandbox's screens by hand, and answer."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from datetime import timedelta
from pathlib import Path
from typing import Any

from bascule.connectors import Remote
from bascule.connectors.composed import ComposedRemote
from bascule.connectors.contract import VERBS, Verb, verb_named
from bascule.connectors.operator.forms import checked
from bascule.connectors.operator.remote import Asking, OperatorRemote
from bascule.engine import Conducted, conduct
from bascule.inventory import WaveSettings, Window
from bascule.ledger import Desk
from bascule.model import Cabinet, Kind, System
from bascule.workorders import Answer, Approval, OrderState, Result, WorkOrder
from config.wiring import Hours, not_before, was_sent_to_an_agent
from tests.builders import Stage, stage


@dataclass
class Office:
    """A stage, its desk, and the people at it."""

    on: Stage
    lists: dict[System, Remote] = field(default_factory=dict)
    window: Window | None = None
    """The wave's."""
    connector: str = "operator+extracts"
    """By which every system is acted on and read, as in the inventory; the sandbox stands in for exported lists."""

    @property
    def desk(self) -> Desk:
        return Desk(self.on.ledger, self.on.time.now)

    def remote_for(self, run: str) -> Callable[[Cabinet, System], ComposedRemote]:
        asking = Asking(
            wave="pilot",
            run=run,
            who="ops",
            clock=self.on.time.now,
            lasts=timedelta(days=14),
            asks=lambda cabinet, verb: self._asks(verb_named[verb]),
            reads=lambda cabinet, system: "extracts",
            closes=self.hours.close,
        )
        remotes = {system: self._remote(system, asking) for system in System}
        return lambda cabinet, system: remotes[system]

    def _remote(self, system: System, asking: Asking) -> ComposedRemote:
        people, agent = OperatorRemote(system, self.desk, asking), self.on.remotes[system]
        return ComposedRemote(
            system=system,
            acts=agent if self.connector == "http" else people,
            reads=people if self.connector == "operator+extracts" else agent,
            reads_lists=self.lists.get(system, self.on.remotes[system]),
            people=people,
            asks_for=frozenset(verb.name for verb in VERBS if verb.system is system and self._asks(verb)),
            synchronised_by_agent=lambda cabinet: was_sent_to_an_agent(self.on.ledger, cabinet.code),
        )

    def _asks(self, verb: Verb) -> bool:
        return self.connector != "http" or verb.kind is Kind.HUMAN

    @property
    def hours(self) -> Hours:
        return Hours(WaveSettings(window=self.window), (), lambda cabinet: timedelta(minutes=1), self.on.time.now)

    async def wave(self, cabinets: Sequence[Cabinet] | None = None) -> Conducted:
        run = self.on.run(plays_person=False)
        run.remote = self.remote_for(run.id)
        run.not_now = not_before(self.desk, self.hours)
        return await conduct(run, self.on.cabinets if cabinets is None else cabinets, slots=20)

    def open_orders(self) -> list[WorkOrder]:
        return [order for order in self.desk.everything() if order.state.needs_somebody]

    async def work_through(self) -> list[WorkOrder]:
        """Everything that is asked for now is done, answered by Anne, and approved by Paul where it must be."""
        orders = [order for order in self.open_orders() if order.state is OrderState.OPEN]
        for order in orders:
            await self.do(order)
            await self.answer(order)
            if order.four_eyes:
                await self.approve(order)
        return orders

    async def do(self, order: WorkOrder) -> None:
        row = order.values
        typed = {
            "admin-sage": {"email": row.get("admin_email")},
            "connect": {"entity": row.get("entity")},
            "defaults": {"profile": row.get("default_profile"), "group": row.get("default_group")},
            "terms": {"signatory": row.get("terms_signatory")},
        }
        for verb in order.verbs:
            told = await self.on.tester.post(f"/sandbox/hands/{order.cabinet}/{verb}", json=typed.get(verb, {}))
            assert told.is_success, (order.id, verb, told.text)
            await self.on.time.sleep(60)

    async def answer(
        self, order: WorkOrder, result: Result = Result.DONE, because: str = "seen", by: str = "anne", **changes: Any
    ) -> None:
        given = (self.evidence(order) if result is Result.DONE else {}) | changes
        answer = Answer(
            by=by,
            at=self.on.time.now(),
            result=result,
            because=because,
            evidence=checked(order, result, given, self.on.time.now()),
        )
        await self.desk.answer({order.id: answer})

    async def approve(self, order: WorkOrder, by: str = "paul") -> None:
        await self.desk.approve([order.id], Approval(by=by, at=self.on.time.now(), because="seen too"))

    def evidence(self, order: WorkOrder) -> dict[str, str]:
        """What a person writes who has just done it all."""
        row, at = order.values, self.on.time.now().isoformat()
        every: dict[str, dict[str, str]] = {
            "admin-sage": {"email": row["admin_email"], "confirmed_on": at[:10]},
            "compute-key": {"key_question": "CNCU QTDW EFFL DZZX"},
            "enter-key": {"key_entered_at": at},
            "restart": {"restarted_at": at, "tab_visible": "yes"},
            "connect": {"connected_at": at, "siren_shown": row["siren"]},
            "defaults": {"profile_chosen": row["default_profile"], "group_chosen": row["default_group"]},
            "sign-up": {"signed_up_at": at, "siren_given": row["siren"]},
            "billing": {"billing_given": "yes"},
            "terms": {"accepted_by": row["terms_signatory"], "accepted_at": at, "workspace_opened_at": at},
            "return-to-ge": {"returned_at": at},
            "open-exe": {"exe_opened_at": at},
            "backup": {"sql_backup_at": at, "mongo_backup_at": at},
            "lock-out": {"locked_out_at": at},
            "synchronise": {"synchronised_at": at},
            "reopen": {"reopened_at": at},
            "users": {"users_invited_at": at},
            "assignments": {"assigned_at": at},
        }
        return {name: value for verb in order.verbs for name, value in every[verb].items()}


@asynccontextmanager
async def office(folder: Path, cabinets: Sequence[Cabinet], *faults: dict[str, Any]) -> AsyncIterator[Office]:
    async with stage(folder, cabinets, *faults) as on:
        yield Office(on)
