"""What the writes on a test cabinet carry, derived from what its systems answer."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Mapping
from typing import Any

from bascule.conformance.agent import Agent
from bascule.conformance.exchange import Exchange
from bascule.conformance.verdict import NotTried
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
    """Raises `NotTried` where a system that holds the values is not checked, or does not name them."""
    match verb:
        case "admin-sage":
            return {"email": _admin(await _ge_lists(agents))["email"]}
        case "compute-key" | "enter-key":
            return {"question": _text(await _agent(agents, System.GE).readable_facts(), "key_question")}
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
            chosen = _entity(lists).get("id")
            profile = _first(lists, "profiles", lambda row: row.get("entity") == chosen)
            group = _first(lists, "groups", lambda row: row.get("entity") == chosen)
            return {"profile": profile.get("code"), "group": group.get("code")}
        case "sign-up":
            lists = await _ge_lists(agents)
            entity = _entity(lists)
            return {"name": entity.get("name"), "siren": entity.get("siren"), "email": _admin(lists)["email"]}
        case "terms":
            admin = _admin(await _ge_lists(agents))
            return {"signatory": f"{admin.get('first_name')} {admin.get('last_name')}"}
        case "users":
            read_lists = _ge_lists if System.GE in agents else _s4a_lists
            person = _first(await read_lists(agents), "collaborateurs", _has_email)
            return {"users": [{"email": person["email"], "collaborateur": person.get("code"), "role": "collaborateur"}]}
        case "assignments":
            lists = await _s4a_lists(agents)
            user = _first(lists, "users", _has_email)
            return {"assignments": [{"client": _first(lists, "dossiers").get("code"), "email": user["email"]}]}
        case _:
            return {}


async def _ge_lists(agents: Mapping[System, Agent]) -> Exchange:
    return await _agent(agents, System.GE).readable_lists()


async def _s4a_lists(agents: Mapping[System, Agent]) -> Exchange:
    """Read anew: a synchronisation fills them."""
    return await _agent(agents, System.S4A).read_lists()


def _agent(agents: Mapping[System, Agent], system: System) -> Agent:
    agent = agents.get(system)
    if agent is None:
        raise NotTried(f"what it carries stands at {system.value}, which is not checked")
    return agent


def _entity(lists: Exchange) -> Row:
    """The first that has a profile and a group to choose."""
    whole = {row.get("entity") for row in lists.rows("profiles")} & {row.get("entity") for row in lists.rows("groups")}
    return _first(lists, "entities", lambda row: row.get("id") in whole)


def _admin(lists: Exchange) -> Row:
    """Who holds most rights among those whose e-mail is the same among the contacts."""
    contacts = {row.get("email") for row in lists.rows("contacts")}
    rights = Counter(row.get("collaborateur") for row in lists.rows("rights"))
    fit = [row for row in lists.rows("collaborateurs") if _has_email(row) and row.get("email") in contacts]
    if not fit:
        raise NotTried("no collaborateur of the lists has an e-mail that is also a contact's")
    return max(fit, key=lambda row: rights[row.get("code")])


def _has_email(row: Row) -> bool:
    return isinstance(row.get("email"), str)


def _first(lists: Exchange, name: str, is_fit: Callable[[Row], bool] = lambda _: True) -> Row:
    for row in lists.rows(name):
        if is_fit(row):
            return row
    raise NotTried(f"the lists hold no {name} to write with")


def _text(body: Exchange, name: str) -> str:
    value = body.fields.get(name)
    if not isinstance(value, str):
        raise NotTried(f"`{name}` is not known")
    return value
