"""The way to My Sage, GE and S4A. REPLACE THE CLASS `Sage` BY YOUR OWN: this one moves made-up cabinets in memory."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Mapping
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

from .contract import System, require
from .journal import Operation

Json = dict[str, Any]

BEGINNING = Path(__file__).with_name("cabinet.json").read_text(encoding="utf-8")
GOES_ALONG = ("groups", "dossiers", "collaborateurs", "rights")  # contacts do not
RUNNING: Json = {"status": "running", "progress": 0.0, "ended_at": None}


class Sage:
    """All that the agent needs of Sage. Reads and writes may be slow, hence `async`; none may guess.

    Every instant is of ONE clock, that of the machine on which GE runs: Bascule compares them with each other.
    """

    def __init__(
        self,
        rows: Iterable[Mapping[str, str]],
        *,
        takes: timedelta = timedelta(seconds=2),
        clock: Callable[[], datetime] = lambda: datetime.now(UTC),
    ) -> None:
        """`rows`: as in an inventory of Bascule. `takes`: how long a synchronisation takes."""
        self.now = clock
        self._cabinets = {row["code"]: Cabinet(row, takes) for row in rows}

    def answers_for(self, code: str) -> bool:
        return code in self._cabinets

    async def facts(self, system: System, code: str) -> Json:
        """How far it is. `taken_at` is when this was read in Sage, never when it was sent or taken from a cache."""
        now = self.now()
        return {"cabinet": code, "taken_at": now, **getattr(self._cabinets[code].settled(now), system)}

    async def lists(self, system: System, code: str) -> Json:
        """All that it holds, true together at `taken_at`: read in one transaction."""
        now = self.now()
        return {"cabinet": code, "taken_at": now, **getattr(self._cabinets[code].settled(now), f"{system}_lists")}

    async def act(self, operation: Operation, order: Any) -> None:
        """Carries out a write, wholly; a synchronisation is only begun. Raises `Refused` where nothing was changed.

        Any other exception means that nobody knows how much was done. What the contract calls *human* is done here too, so
        that a wave can be tried without people. In earnest Bascule asks people: strike from `VERBS` what yours leaves to them.
        """
        now = self.now()
        self._cabinets[operation.cabinet].settled(now).carry_out(operation, order, now)

    async def follow(self, operation: Operation) -> None:
        """Notes how far a synchronisation is. In earnest it may also end *not-begun* or *interrupted*, with the reason."""
        last = self._cabinets[operation.cabinet].settled(self.now()).ge["synchronisation"]
        runs = last["operation"] == operation.id and last["status"] == "running"
        operation.status, operation.phase = ("running", "transfer") if runs else ("succeeded", None)
        operation.progress = last["progress"] if runs else 1.0


class Cabinet:
    """A made-up firm: its facts and lists as the contract has them, and what each write makes of them."""

    def __init__(self, row: Mapping[str, str], takes: timedelta) -> None:
        """Begins as `cabinet.json` has it, with the row's values for its $names."""
        self.takes = takes
        begins: dict[str, Json] = json.loads(BEGINNING, object_hook=lambda found: _filled(found, row))
        self.my_sage, self.ge, self.s4a = begins["my_sage"], begins["ge"], begins["s4a"]
        self.ge_lists, self.s4a_lists = begins["ge_lists"], begins["s4a_lists"]

    def settled(self, now: datetime) -> Cabinet:
        """As it is by now: a synchronisation may have gone on, or ended."""
        last = self.ge["synchronisation"]
        if last is not None and last["status"] == "running":
            last["progress"] = min(1.0, (now - last["started_at"]) / self.takes)
            if last["progress"] == 1.0:
                last |= {"status": "done", "ended_at": last["started_at"] + self.takes}
                self.ge["sessions"], self.s4a["synchronised_at"] = [], last["ended_at"]
                self.s4a_lists |= {what: self.ge_lists[what] for what in GOES_ALONG}
                self.s4a_lists |= {what: self.ge[what] for what in ("default_profile", "default_group")}
        return self

    def carry_out(self, operation: Operation, order: Any, now: datetime) -> None:  # noqa: PLR0912, PLR0915 # a case a write
        my_sage, ge, s4a, lists, received = self.my_sage, self.ge, self.s4a, self.ge_lists, self.s4a_lists
        users = {user["email"].casefold() for user in received["users"]}
        match operation.verb:
            case "admin-sage":
                others = [admin for admin in my_sage["admin_sages"] if admin["email"] != order.email]
                require(not others, "admin-sage-exists")
                my_sage["admin_sages"] = [{"email": order.email, "status": "validated"}]
            case "compute-key":
                require(bool(my_sage["admin_sages"]), "admin-sage-pending")
                my_sage |= {"key_question": order.question, "key_computed_at": now}
            case "enter-key":
                require(order.question == ge["key_question"] == my_sage["key_question"], "wrong-key")
                ge |= {"key_entered_at": now, "licensed": True}
            case "restart" if not ge["tab_visible"]:
                ge |= {"restarted_at": now, "tab_visible": ge["licensed"]}
            case "connect":
                require(ge["tab_visible"], "tab-absent")
                entity: Json = next((one for one in lists["entities"] if one["id"] == order.entity), {})
                require(bool(entity), "unknown-entity")
                require(ge["connected_entity"] in (None, entity), "already-connected")
                shown = {"siret": order.siret or entity["siret"], "name": order.name.strip(), "siren": order.siren}
                require(shown == {what: entity[what] for what in shown}, "entity-differs")
                ge |= {"connected_entity": entity, "connected_at": now}
            case "defaults":
                require(ge["connected_entity"] is not None, "not-connected")
                require(any(one["code"] == order.profile for one in lists["profiles"]), "unknown-profile")
                require(any(one["code"] == order.group for one in lists["groups"]), "unknown-group")
                ge |= {"default_profile": order.profile, "default_group": order.group, "wizard_finished": True}
            case "sign-up":
                require(ge["wizard_finished"], "not-connected")
                s4a |= {"signed_up_at": now, "signed_up_siren": order.siren}
            case "billing":
                require(s4a["signed_up_at"] is not None, "not-signed-up")
                s4a["billing_given_at"] = s4a["billing_given_at"] or now
            case "terms":
                require(s4a["billing_given_at"] is not None, "billing-missing")
                s4a |= {"terms_accepted_at": now, "terms_signatory": order.signatory, "workspace": "ready"}
            case "return-to-ge":
                require(s4a["workspace"] == "ready", "workspace-not-ready")
                ge["returned_at"] = ge["returned_at"] or now
            case "open-exe":
                require(ge["returned_at"] is not None, "wrong-order")
                ge["exe_opened_at"] = ge["exe_opened_at"] or now
            case "backup":
                ge |= {"sql_backup_at": now, "mongo_backup_at": now}
            case "lock-out" if ge["locked_out_at"] is None:
                require(not ge["sessions"], "users-connected")
                ge |= {"locked_out_by": "bascule", "locked_out_at": now}
            case "synchronise":
                require(ge["wizard_finished"], "not-connected")
                require(ge["exe_opened_at"] is not None, "wrong-order")
                require(not ge["sessions"], "already-running")  # here, the only session is its own
                ge["sessions"] = [{"user": "ANNE", "since": now, "ours": True}]
                ge["synchronisation"] = {"operation": operation.id, "started_at": now, **RUNNING}
            case "reopen":
                require(not ge["sessions"], "already-running")
                ge |= {"locked_out_by": None, "locked_out_at": None}
            case "users":
                require(s4a["workspace"] == "ready", "workspace-not-ready")
                told = [user.model_dump() | {"status": "invited"} for user in order.users]
                received["users"] += [user for user in told if user["email"].casefold() not in users]
            case "assignments":
                require(s4a["workspace"] == "ready", "workspace-not-ready")
                clients = {name for dossier in received["dossiers"] for name in (dossier["code"], dossier["name"])}
                require(all(one.client in clients for one in order.assignments), "unknown-client")
                require(all(one.email.casefold() in users for one in order.assignments), "unknown-user")
                told = [one.model_dump() for one in order.assignments]
                received["assignments"] += [one for one in told if one not in received["assignments"]]
            case _:
                pass  # restart, lock-out: it holds already


def _filled(found: Json, row: Mapping[str, str]) -> Json:
    return {name: row.get(value[1:]) or None if str(value).startswith("$") else value for name, value in found.items()}
