"""What a person sees at the screens, and therefore need not type."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from pydantic import TypeAdapter

from sandbox import ge, my_sage, s4a
from sandbox.cabinet import Cabinet
from sandbox.verbs import Verb
from sandbox.wire import GeFacts, MySageFacts, S4aFacts, Said, Strict


@dataclass(frozen=True, slots=True, kw_only=True)
class Screens(Strict):
    """The cheap facts of the contract, and what GE's wizard said when the last synchronisation ended otherwise than well."""

    my_sage: MySageFacts
    ge: GeFacts
    s4a: S4aFacts
    wizard: Said | None


json_of_screens = TypeAdapter(Screens)


def screens(cabinet: Cabinet, now: float) -> Screens:
    return Screens(
        my_sage=my_sage.facts(cabinet, now),
        ge=ge.facts(cabinet, now),
        s4a=s4a.facts(cabinet, now),
        wizard=_wizard(cabinet),
    )


def _wizard(cabinet: Cabinet) -> Said | None:
    last = cabinet.last_synchronisation()
    if last is None or last.operation is None or last.operation.error_code is None:
        return None
    return Said(code=last.operation.error_code, message=last.operation.message or "")


def filled(cabinet: Cabinet, verb: Verb, body: bytes, now: float) -> bytes:
    """The payload, with what was left out of it and stands on a screen, or on the list that the cabinet asked for."""
    try:
        given = json.loads(body or b"{}")
    except ValueError:
        return body
    shown = _SHOWN.get(verb.name)
    if not isinstance(given, dict) or shown is None:
        return body
    return json.dumps({**shown(cabinet, given, now), **given}).encode()


def _question(cabinet: Cabinet, _given: dict[str, Any], _now: float) -> dict[str, Any]:
    return {"question": cabinet.question}


def _entity(cabinet: Cabinet, given: dict[str, Any], now: float) -> dict[str, Any]:
    """What the wizard shows of the entity that was chosen."""
    entity = cabinet.lists(now).entity(given.get("entity", cabinet.line.entity))
    shown = entity or cabinet.line
    return {"entity": cabinet.line.entity, "name": shown.name, "siren": shown.siren, "siret": shown.siret}


def _sign_up(cabinet: Cabinet, _given: dict[str, Any], now: float) -> dict[str, Any]:
    connected = cabinet.lists(now).entity(cabinet.standing.ge.connected_entity or "") or cabinet.line
    return {"name": connected.name, "siren": connected.siren, "email": cabinet.line.admin_email}


_SHOWN: dict[str, Callable[[Cabinet, dict[str, Any], float], dict[str, Any]]] = {
    "compute-key": _question,
    "enter-key": _question,
    "connect": _entity,
    "sign-up": _sign_up,
    "users": lambda cabinet, _given, _now: {"users": [user.model_dump() for user in cabinet.line.users]},
    "assignments": lambda cabinet, _given, _now: {
        "assignments": [assignment.model_dump() for assignment in cabinet.line.assignments]
    },
}
