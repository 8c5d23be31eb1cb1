"""What an operator reads off the sandbox's screens: whether something is to be done, what came of it, what goes into the form.

Pure decisions over a work order, as the inbox tells it, and the screens, as the sandbox shows them.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Literal
from zoneinfo import ZoneInfo

from pydantic import AwareDatetime, BaseModel, ConfigDict, Field

from bascule.connectors.contract import ERRORS
from bascule.model import ErrorClass
from console.workplace import Refusal

Result = Literal["done", "not-done", "cannot"]
Screens = Mapping[str, Any]

NOT_NOW = frozenset(error.code for error in ERRORS if error.error_class is ErrorClass.HUMAN) | {
    "already-running",
    "workspace-not-ready",
}
"""Refusals after which asking again later makes sense. After all others something must be mended first."""

BEGUN = "interrupted"
"""What the wizard says when part of the dossiers went over. Anything else means that nothing did."""


class FormField(BaseModel):
    """One piece of evidence that an order asks for."""

    name: str
    type: str
    required: bool = True


class Order(BaseModel):
    """A work order, as the inbox tells it; as far as it is needed here."""

    model_config = ConfigDict(frozen=True)

    id: str = Field(alias="order")
    cabinet: str
    state: str
    verbs: tuple[str, ...]
    opened_at: AwareDatetime
    on_hold: bool = False
    answered_by: str | None = None
    form: tuple[FormField, ...] = ()
    values: dict[str, str | None] = {}


# What is typed, and what the screens then say


def typed(verb: str, values: Mapping[str, str | None]) -> dict[str, object]:
    """What a person types or chooses; all else stands on the screen."""
    chosen = {
        "admin-sage": {"email": values.get("admin_email")},
        "connect": {"entity": values.get("entity")},
        "defaults": {"profile": values.get("default_profile"), "group": values.get("default_group")},
        "terms": {"signatory": values.get("terms_signatory")},
    }
    return dict(chosen.get(verb, {}))


def is_done(verb: str, order: Order, screens: Screens) -> bool:
    """Whether the screens show that there is nothing to do any more, where a second time would be one too many."""
    shows = _SHOWS_DONE.get(verb)
    return shows is not None and shows(order, screens)


def _is_synchronised(order: Order, screens: Screens) -> bool:
    """Since it was asked for, or it is on its way: a second synchronisation that is asked for is a new one."""
    last = screens["ge"]["synchronisation"]
    if last is None:
        return False
    return last["status"] == "running" or (
        last["status"] == "done" and datetime.fromisoformat(last["ended_at"]) > order.opened_at
    )


_SHOWS_DONE: Mapping[str, Callable[[Order, Screens], bool]] = {
    "admin-sage": lambda order, screens: any(
        admin["email"] == order.values.get("admin_email") for admin in screens["my_sage"]["admin_sages"]
    ),
    "connect": lambda order, screens: (
        (screens["ge"]["connected_entity"] or {}).get("id") == order.values.get("entity", "")
    ),
    "sign-up": lambda _, screens: screens["s4a"]["signed_up_at"] is not None,
    "terms": lambda _, screens: screens["s4a"]["terms_accepted_at"] is not None,
    "lock-out": _is_synchronised,
    "synchronise": _is_synchronised,
}


def goes_on(verb: str, screens: Screens) -> bool:
    """Whether the screen shows that what was begun has not ended yet."""
    shows = _SHOWS_PROGRESS.get(verb)
    return shows is not None and shows(screens)


_SHOWS_PROGRESS: Mapping[str, Callable[[Screens], bool]] = {
    "admin-sage": lambda screens: all(admin["status"] != "validated" for admin in screens["my_sage"]["admin_sages"]),
    "terms": lambda screens: screens["s4a"]["workspace"] != "ready",
    "synchronise": lambda screens: screens["ge"]["synchronisation"]["status"] == "running",
}


def what_went_wrong(verb: str, screens: Screens) -> Refusal | None:
    """What the screen shows instead of what it should, once nothing goes on any more or patience has ended."""
    if verb == "admin-sage" and goes_on(verb, screens):
        return Refusal("admin-sage-pending", "My Sage has not validated the AdminSage yet.")
    if verb == "restart" and not screens["ge"]["tab_visible"]:
        return Refusal("tab-absent", "GE was restarted, and the tab Sage for Accountants does not show.")
    if verb == "terms" and goes_on(verb, screens):
        return Refusal("workspace-not-ready", "The terms are accepted, and Sage for Accountants is still processing.")
    if verb == "synchronise" and screens["ge"]["synchronisation"]["status"] != "done":
        wizard = screens["wizard"] or {"code": BEGUN, "message": "The synchronisation did not end well."}
        return Refusal(wizard["code"], wizard["message"])
    return None


def given_up(order: Order, refusal: Refusal, *, users_back: bool) -> tuple[Result, dict[str, str]]:
    """What is answered instead of *done*, with the evidence that an order which keeps users out still asks for."""
    result: Result = "not-done" if users_back and refusal.code in NOT_NOW else "cannot"
    evidence = {}
    if {"synchronise", "reopen"} & set(order.verbs):
        evidence["users_back"] = "yes" if users_back else "no"
    if "synchronise" in order.verbs:
        evidence["synchronisation_begun"] = "yes" if refusal.code == BEGUN else "no"
    return result, evidence


# Evidence


@dataclass(frozen=True)
class Seen:
    """What evidence is taken from: the screens directly after the act, the cabinet's row, the clock on the wall."""

    order: Order
    screens: Screens
    now: datetime
    dossiers: int | None = None
    """How many the wizard shows, where that was counted."""

    def value(self, name: str) -> str:
        return self.order.values.get(name) or ""

    def on(self, *path: str) -> Any:
        found: Any = self.screens
        for word in path:
            found = found[word] if found is not None else None
        return found

    def at(self, *path: str) -> str:
        """The instant on a screen, to the second, in the cabinet's time; where none is shown: now."""
        shown = self.on(*path) if path else None
        instant = datetime.fromisoformat(shown) if shown else self.now
        zone = ZoneInfo(self.value("timezone") or "Europe/Paris")
        return instant.astimezone(zone).strftime("%Y-%m-%dT%H:%M:%S")


EVIDENCE: Mapping[str, Mapping[str, Callable[[Seen], str]]] = {
    "admin-sage": {
        "email": lambda seen: seen.value("admin_email"),
        "confirmed_on": lambda seen: seen.at().partition("T")[0],
    },
    "compute-key": {"key_question": lambda seen: seen.on("ge", "key_question")},
    "enter-key": {"key_entered_at": lambda seen: seen.at("ge", "key_entered_at")},
    "restart": {"restarted_at": lambda seen: seen.at("ge", "restarted_at"), "tab_visible": lambda _: "yes"},
    "connect": {
        "connected_at": lambda seen: seen.at("ge", "connected_at"),
        "siren_shown": lambda seen: seen.on("ge", "connected_entity", "siren") or seen.value("siren"),
    },
    "defaults": {
        "profile_chosen": lambda seen: seen.on("ge", "default_profile") or seen.value("default_profile"),
        "group_chosen": lambda seen: seen.on("ge", "default_group") or seen.value("default_group"),
    },
    "sign-up": {
        "signed_up_at": lambda seen: seen.at("s4a", "signed_up_at"),
        "siren_given": lambda seen: seen.on("s4a", "signed_up_siren") or seen.value("siren"),
    },
    "billing": {"billing_given": lambda _: "yes"},
    "terms": {
        "accepted_by": lambda seen: seen.on("s4a", "terms_signatory") or seen.value("terms_signatory"),
        "accepted_at": lambda seen: seen.at("s4a", "terms_accepted_at"),
        "workspace_opened_at": lambda seen: seen.at(),
    },
    "return-to-ge": {"returned_at": lambda seen: seen.at("ge", "returned_at")},
    "open-exe": {"exe_opened_at": lambda seen: seen.at("ge", "exe_opened_at")},
    "backup": {
        "sql_backup_at": lambda seen: seen.at("ge", "sql_backup_at"),
        "mongo_backup_at": lambda seen: seen.at("ge", "mongo_backup_at"),
    },
    "lock-out": {
        # An earlier look may have found all done and the users back: then the lock-out shows no more.
        "locked_out_at": lambda seen: (
            seen.at("ge", "locked_out_at")
            if seen.on("ge", "locked_out_at")
            else seen.at("ge", "synchronisation", "started_at")
        )
    },
    "synchronise": {
        "synchronised_at": lambda seen: seen.at("ge", "synchronisation", "ended_at"),
        "dossiers_shown": lambda seen: "" if seen.dossiers is None else str(seen.dossiers),
    },
    "reopen": {"reopened_at": lambda seen: seen.at()},
    "users": {"users_invited_at": lambda seen: seen.at()},
    "assignments": {"assigned_at": lambda seen: seen.at()},
}
"""What is written into the form for each write, by the form's field."""


def evidence_of(verb: str, seen: Seen) -> dict[str, str]:
    """Only what the order asks for."""
    asked = {field.name for field in seen.order.form}
    return {name: take(seen) for name, take in EVIDENCE.get(verb, {}).items() if name in asked}
