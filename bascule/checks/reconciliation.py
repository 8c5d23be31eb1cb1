"""Source and target compared as sets. Contacts are not among them: they are expected to differ, and are listed apart."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import groupby
from typing import Literal, TypeVar

from bascule.checks.sameness import as_ge_compares, named, plain
from bascule.facts import Collaborateur, Contact, Dossier, GeLists, Group, Right, S4aLists

What = Literal["group", "dossier", "collaborateur", "right"]
Kind = Literal["missing", "extra", "different"]

Row = TypeVar("Row", Group, Dossier, Collaborateur, Right)
Fields = Mapping[str, str | None]


@dataclass(frozen=True, slots=True, kw_only=True)
class Difference:
    """Seen from the target: what is missing there, what is there though the source has it not (or less often), what is not the same."""

    what: What
    key: str
    kind: Kind
    detail: str


@dataclass(frozen=True, slots=True)
class Differences:
    """Groups first, then dossiers, collaborateurs and rights; in each the missing, the extra and the different, by key."""

    all: tuple[Difference, ...]
    not_compared: tuple[What, ...] = ()
    """What the target could not tell: neither the same nor different."""

    @property
    def none(self) -> bool:
        return not self.all

    def in_words(self, limit: int = 5) -> str:
        """`2 dossiers missing: D0012, D0044; 1 dossier different: D0007 (name: …)`, of each the first `limit`."""
        kinds = groupby(self.all, lambda one: (one.what, one.kind))
        return "; ".join(_in_words(list(alike), limit) for _, alike in kinds)


def compare(source: GeLists, target: S4aLists) -> Differences:
    """What the synchronisation did not carry over as it was. Codes are compared as GE compares them, names as people read them."""
    compared: dict[What, Iterator[Difference]] = {
        "group": _compared("group", source.groups, target.groups, _code_of, _fields_of_group),
        "dossier": _compared("dossier", source.dossiers, target.dossiers, _code_of, _fields_of_dossier),
        "collaborateur": _compared(
            "collaborateur", source.collaborateurs, target.collaborateurs, _code_of, _fields_of_person
        ),
        "right": _compared("right", source.rights, target.rights, _names_of_right, lambda _: {}),
    }
    told = {what: found for what, found in compared.items() if f"{what}s" not in target.unknown}
    return Differences(
        tuple(
            one for found in told.values() for one in sorted(found, key=lambda one: (_KINDS.index(one.kind), one.key))
        ),
        not_compared=tuple(what for what in compared if what not in told),
    )


def contacts_to_enter(source: GeLists, target: S4aLists) -> tuple[Contact, ...]:
    """Contacts of Client Management that GE does not hold: somebody enters them in GE, for they never come by themselves."""
    ids = {contact.id for contact in source.contacts}
    people = {_person_and_place(contact) for contact in source.contacts}
    return tuple(one for one in target.contacts if one.id not in ids and _person_and_place(one) not in people)


_KINDS: Sequence[Kind] = ("missing", "extra", "different")


def _compared(
    what: What, source: Sequence[Row], target: Sequence[Row], key: Callable[[Row], str], fields: Callable[[Row], Fields]
) -> Iterator[Difference]:
    ours, theirs = _by_identity(source, key), _by_identity(target, key)
    for identity, expected in ours.items():
        arrived = theirs.get(identity, [])
        for row in expected[len(arrived) :]:
            yield Difference(what=what, key=key(row), kind="missing", detail="")
        for before, after in zip(expected, arrived, strict=False):
            if before != after and (detail := _changes(fields(before), fields(after))):
                yield Difference(what=what, key=key(before), kind="different", detail=detail)
    for identity, arrived in theirs.items():
        expected = ours.get(identity, [])
        for row in arrived[len(expected) :]:
            detail = f"there {len(arrived)} times" if len(arrived) > 1 else ""
            yield Difference(what=what, key=key(row), kind="extra", detail=detail)


def _code_of(row: Group | Dossier | Collaborateur) -> str:
    return row.code


def _names_of_right(right: Right) -> str:
    return f"{right.collaborateur} / {right.group} / {right.right}"


def _by_identity(rows: Sequence[Row], key: Callable[[Row], str]) -> Mapping[str, list[Row]]:
    found: defaultdict[str, list[Row]] = defaultdict(list)
    for row in rows:
        found[as_ge_compares(key(row))].append(row)
    return found


def _changes(before: Fields, after: Fields) -> str:
    changed = [(field, was, after[field]) for field, was in before.items() if was != after[field]]
    return ", ".join(f"{field}: {was or 'none'} -> {now or 'none'}" for field, was, now in changed)


def _fields_of_group(group: Group) -> Fields:
    return {"label": plain(group.label)}


def _fields_of_dossier(dossier: Dossier) -> Fields:
    return {
        "name": plain(dossier.name),
        "group": _code(dossier.group),
        "siren": _number(dossier.siren),
        "siret": _number(dossier.siret),
        "status": dossier.status,
    }


def _fields_of_person(one: Collaborateur) -> Fields:
    # Not the profile: what Sage makes of it (a role) is not published.
    return {
        "last name": plain(one.last_name),
        "first name": plain(one.first_name),
        "e-mail": _code(one.email),
        "active": "yes" if one.active else "no",
    }


def _code(text: str | None) -> str | None:
    return as_ge_compares(text) or None if text is not None else None


def _number(text: str | None) -> str | None:
    return "".join(text.split()) or None if text is not None else None


def _person_and_place(contact: Contact) -> tuple[str, str | None, str | None, str | None]:
    return as_ge_compares(contact.name), _code(contact.email), _code(contact.dossier), _code(contact.entity)


def _in_words(alike: Sequence[Difference], limit: int) -> str:
    first = alike[0]
    count = f"{len(alike)} {first.what}{'s' if len(alike) > 1 else ''} {first.kind}"
    return f"{count}: {named((f'{one.key} ({one.detail})' if one.detail else one.key for one in alike), limit)}"
