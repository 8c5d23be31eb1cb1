"""What the writes on a test cabinet carry, derived from what its systems tell."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Mapping
from typing import Any

from bascule.conformance.agent import Agent
from bascule.conformance.promise import NotTried
from bascule.model import System

Payload = dict[str, Any]
Row = dict[str, Any]

MADE_UP = "AAAA-BBBB-CCCC-DDDD"

PROBES: Mapping[System, tuple[str, Payload]] = {
    System.MY_SAGE: ("compute-key", {"question": MADE_UP}),
    System.GE: ("restart", {}),
    System.S4A: ("users", {"users": []}),
}
"""A write of each system that harms nobody should an agent carry it out where it must not."""

WRONG_VALUES: Mapping[str, tuple[Callable[[Payload], Payload], ...]] = {
    "connect": (lambda p: {**p, "entity": "no-such-entity"}, lambda p: {**p, "siren": "000000000"}),
    "defaults": (lambda p: {**p, "profile": "no-such-profile"}, lambda p: {**p, "group": "no-such-group"}),
    "assignments": (lambda p: {"assignments": [{**p["assignments"][0], "client": "no-such-client"}]},),
}
"""What is refused, as it speaks of what does not exist."""


async def payload_of(verb: str, agents: Mapping[System, Agent]) -> Payload:
    """Raises `NotTried` where a system that would tell the values is not checked, or does not tell them."""
    match verb:
        case "admin-sage":
            return {"email": _admin(await _ge_lists(agents))["email"]}
        case "compute-key" | "enter-key":
            return {"question": _text(await _facts(agents, System.GE), "key_question")}
        case "connect":
            entity = _entity(await _ge_lists(agents))
            return {
                "entity": entity.get("id"),
                "name": entity.get("name"),
                "siren": entity.get("siren"),
                "siret": entity.get("siret"),
            }
        case "defaults":
            lists = await _ge_lists(agents)
            entity = _entity(lists)["id"]
            profile = _first(lists, "profiles", lambda row: row.get("entity") == entity)
            group = _first(lists, "groups", lambda row: row.get("entity") == entity)
            return {"profile": profile.get("code"), "group": group.get("code")}
        case "sign-up":
            lists = await _ge_lists(agents)
            entity = _entity(lists)
            return {"name": entity.get("name"), "siren": entity.get("siren"), "email": _admin(lists)["email"]}
        case "terms":
            admin = _admin(await _ge_lists(agents))
            return {"signatory": f"{admin.get('first_name')} {admin.get('last_name')}"}
        case "users":
            told_by = _ge_lists if System.GE in agents else _s4a_lists
            person = _first(await told_by(agents), "collaborateurs", _has_email)
            return {"users": [{"email": person["email"], "collaborateur": person.get("code"), "role": "collaborateur"}]}
        case "assignments":
            lists = await _s4a_lists(agents)
            user = _first(lists, "users", _has_email)
            return {"assignments": [{"client": _first(lists, "dossiers").get("code"), "email": user["email"]}]}
        case _:
            return {}


async def _ge_lists(agents: Mapping[System, Agent]) -> Row:
    return (await _agent(agents, System.GE).readable_lists()).fields


async def _s4a_lists(agents: Mapping[System, Agent]) -> Row:
    """Read anew: a synchronisation fills them."""
    return (await _agent(agents, System.S4A).read_lists()).fields


async def _facts(agents: Mapping[System, Agent], system: System) -> Row:
    return (await _agent(agents, system).readable_facts()).fields


def _agent(agents: Mapping[System, Agent], system: System) -> Agent:
    agent = agents.get(system)
    if agent is None:
        raise NotTried(f"what it carries is told by {system.value}, which is not checked")
    return agent


def _entity(lists: Row) -> Row:
    """The first that has a profile and a group to choose."""
    whole = {row.get("entity") for row in _rows(lists, "profiles")} & {
        row.get("entity") for row in _rows(lists, "groups")
    }
    return _first(lists, "entities", lambda row: row.get("id") in whole)


def _admin(lists: Row) -> Row:
    """Who holds most rights among those whose e-mail is the same among the contacts."""
    contacts = {row.get("email") for row in _rows(lists, "contacts")}
    rights = Counter(row.get("collaborateur") for row in _rows(lists, "rights"))
    fit = [row for row in _rows(lists, "collaborateurs") if _has_email(row) and row.get("email") in contacts]
    if not fit:
        raise NotTried("no collaborateur of the lists has an e-mail that is also a contact's")
    return max(fit, key=lambda row: rights[row.get("code")])


def _has_email(row: Row) -> bool:
    return isinstance(row.get("email"), str)


def _first(lists: Row, name: str, is_fit: Callable[[Row], bool] = lambda _: True) -> Row:
    for row in _rows(lists, name):
        if is_fit(row):
            return row
    raise NotTried(f"the lists hold no {name} to write with")


def _rows(lists: Row, name: str) -> list[Row]:
    rows = lists.get(name)
    return [row for row in rows if isinstance(row, dict)] if isinstance(rows, list) else []


def _text(body: Row, name: str) -> str:
    value = body.get(name)
    if not isinstance(value, str):
        raise NotTried(f"`{name}` is not told")
    return value
