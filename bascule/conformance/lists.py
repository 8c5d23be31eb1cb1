"""Promises about lists: one snapshot that holds together, how it is packed, how it may be cached."""

from __future__ import annotations

from collections.abc import Iterator

from bascule.conformance.agent import Agent
from bascule.conformance.bodies import Sort, as_instant, oddities
from bascule.conformance.exchange import Exchange
from bascule.conformance.reads import require_cabinet, require_past
from bascule.conformance.verdict import NotTried, require
from bascule.connectors.http.answers import shown
from bascule.connectors.http.remote import SKEW
from bascule.facts import type_of_view

TAKEN_AT = "bascule-taken-at"

REFERENCES = (
    ("profiles", "entity", "entities", "id"),
    ("groups", "entity", "entities", "id"),
    ("collaborateurs", "entity", "entities", "id"),
    ("collaborateurs", "profile", "profiles", "code"),
    ("rights", "collaborateur", "collaborateurs", "code"),
    ("rights", "group", "groups", "code"),
    ("dossiers", "group", "groups", "code"),
    ("contacts", "entity", "entities", "id"),
    ("contacts", "collaborateur", "collaborateurs", "code"),
    ("assignments", "email", "users", "email"),
)
"""Which field of which list names what of which other one. A null names nothing."""


async def lists_have_their_fields(agent: Agent) -> None:
    view = agent.lists_view
    lists = await agent.lists()
    require(lists.status == 200 and not lists.codes, lists, "lists of the cabinet are not answered")
    odd = oddities(lists, type_of_view[view])
    require(Sort.FIELD not in odd, lists, f"it holds {odd.get(Sort.FIELD)}")


async def lists_name_their_cabinet(agent: Agent) -> None:
    require_cabinet(await agent.readable_lists(), agent)


async def lists_are_not_of_the_future(agent: Agent) -> None:
    require_past(await agent.readable_lists(), agent)


async def references_hold_together(agent: Agent) -> None:
    lists = await agent.readable_lists()
    unknown = lists.texts("unknown")
    for of, field, to, key in REFERENCES:
        if of in lists.fields and to in lists.fields and to not in unknown:
            known = set(_values(lists, to, key))
            lost = next((value for value in _values(lists, of, field) if value not in known), None)
            require(lost is None, lists, f"`{of}` name the {field} {shown(lost)!r}, which `{to}` does not hold")
    if "right_names" in lists.fields:
        names = lists.texts("right_names")
        lost = next((value for value in _values(lists, "rights", "right") if value not in names), None)
        require(lost is None, lists, f"`rights` name {shown(lost)!r}, which `right_names` does not hold")


async def unknown_parts_say_nothing(agent: Agent) -> None:
    lists = await agent.readable_lists()
    unknown = lists.texts("unknown")
    if not unknown:
        raise NotTried("nothing is named `unknown`")
    for part in unknown:
        require(not lists.fields.get(part), lists, f"`{shown(part)}` is named `unknown`, and yet holds something")


async def plain_where_gzip_is_not_accepted(agent: Agent) -> None:
    _ = agent.lists_view
    lists = await agent.lists()
    coding = lists.headers.get("content-encoding", "identity")
    require(coding == "identity", lists, f"it is packed with {shown(coding)!r}, and only identity was accepted")


async def packed_once_with_gzip(agent: Agent) -> None:
    plain = await agent.readable_lists()
    packed = await agent.read_lists(Accept_Encoding="gzip")
    coding = packed.headers.get("content-encoding", "identity").strip().lower()
    require(coding in ("gzip", "x-gzip", "identity"), packed, f"it is packed with {shown(coding)!r}")
    require(packed.json is not None, packed, "unpacked once, it is no JSON")
    require(packed.fields.keys() == plain.fields.keys(), packed, "unpacked, it is another body than the plain one")


async def not_modified_names_its_instant(agent: Agent) -> None:
    unchanged = await agent.read_lists(If_None_Match=await _etag(agent))
    if unchanged.status != 304:
        require(unchanged.status == 200, unchanged, "asked with the ETag it gave, it answers neither 304 nor lists")
        raise NotTried("the lists were answered anew")
    taken_at = as_instant(unchanged.headers.get(TAKEN_AT))
    require(taken_at, unchanged, "a 304 names no instant in `Bascule-Taken-At`")
    assert taken_at
    require(taken_at <= agent.surroundings.now() + SKEW, unchanged, "`Bascule-Taken-At` is in the future")


async def other_etags_are_answered_in_full(agent: Agent) -> None:
    await _etag(agent)
    full = await agent.read_lists(If_None_Match='"of-another-answer"')
    require(full.status == 200 and full.fields, full, "asked with an ETag it never gave, it does not answer the lists")


async def _etag(agent: Agent) -> str:
    etag = (await agent.readable_lists()).headers.get("etag")
    if not (etag and etag.isascii()):
        raise NotTried("no ETag is offered")
    return etag


def _values(lists: Exchange, name: str, field: str) -> Iterator[str]:
    for row in lists.rows(name):
        value = row.get(field)
        if isinstance(value, str):
            yield value.casefold() if field == "email" else value
