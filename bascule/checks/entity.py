"""The entity to be connected: the one that the inventory means, with the profile and the group that become defaults."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from typing import TypeVar

from stdnum.fr import siren, siret

from bascule.checks.sameness import as_ge_compares, how_names_differ, named
from bascule.facts import Dossier, Entity, GeLists, Group, Profile
from bascule.model import Cabinet

Either = TypeVar("Either", Profile, Group)
Named = TypeVar("Named", Profile, Group, Dossier)


def entity_of(lists: GeLists, cabinet: Cabinet) -> Entity | None:
    """The inventory's entity, if GE has exactly one of that identifier."""
    found = [entity for entity in lists.entities if as_ge_compares(entity.id) == as_ge_compares(cabinet.entity)]
    return found[0] if len(found) == 1 else None


def entity_problem(lists: GeLists, cabinet: Cabinet) -> str | None:
    """Why the entity is not the one the inventory describes, every difference named."""
    entity = entity_of(lists, cabinet)
    if entity is not None:
        return "; ".join(entity_differences(entity, cabinet)) or None
    if any(as_ge_compares(other.id) == as_ge_compares(cabinet.entity) for other in lists.entities):
        return f"GE has several entities {cabinet.entity}"
    known = named((f"{other.id} ({other.name})" for other in lists.entities), 5) or "none"
    return f"GE has no entity {cabinet.entity}; it has {known}"


def entity_differences(entity: Entity, cabinet: Cabinet) -> Iterator[str]:
    """Field by field, between an entity as GE (or its wizard) shows it and the inventory."""
    how = how_names_differ(cabinet.name, entity.name)
    if how is not None:
        yield f"entity {entity.id}: the name is {entity.name!r} in GE, {cabinet.name!r} in the inventory ({how})"
    if siren.compact(entity.siren) != siren.compact(cabinet.siren):
        yield f"entity {entity.id}: the SIREN is {entity.siren or 'missing'} in GE, {cabinet.siren} in the inventory"
    if cabinet.siret is not None and siret.compact(entity.siret or "") != siret.compact(cabinet.siret):
        yield f"entity {entity.id}: the SIRET is {entity.siret or 'missing'} in GE, {cabinet.siret} in the inventory"


def profile_exists(lists: GeLists, cabinet: Cabinet) -> bool:
    return profile_named(cabinet.default_profile, lists, cabinet) is not None


def group_exists(lists: GeLists, cabinet: Cabinet) -> bool:
    return group_named(cabinet.default_group, lists, cabinet) is not None


def defaults_problem(lists: GeLists, cabinet: Cabinet) -> str | None:
    """Which of the two defaults the entity does not have, and which it does."""
    return "; ".join(_missing_defaults(lists, cabinet)) or None


def profile_named(wanted: str, lists: GeLists, cabinet: Cabinet) -> Profile | None:
    """The entity's profile of this code, else its one profile of this label. As GE compares: `manager` is `Manager`, `Élève` is not `Eleve`."""
    return _called(wanted, _ours(lists.profiles, cabinet), _label)


def group_named(wanted: str, lists: GeLists, cabinet: Cabinet) -> Group | None:
    """The entity's dossier group of this code, else its one group of this label, as GE compares."""
    return _called(wanted, _ours(lists.groups, cabinet), _label)


def same_profile(one: str, other: str | None, lists: GeLists, cabinet: Cabinet) -> bool:
    """Whether two words name one profile of the entity, each by its code or by its label."""
    return _same(one, other, lambda word: profile_named(word, lists, cabinet))


def same_group(one: str, other: str | None, lists: GeLists, cabinet: Cabinet) -> bool:
    """Whether two words name one dossier group of the entity, each by its code or by its label."""
    return _same(one, other, lambda word: group_named(word, lists, cabinet))


def names_of_defaults(lists: GeLists, cabinet: Cabinet) -> dict[str, tuple[str, ...]]:
    """By the inventory's column: what people may read where the default stands, its code and its label."""
    found = {
        "default_profile": profile_named(cabinet.default_profile, lists, cabinet),
        "default_group": group_named(cabinet.default_group, lists, cabinet),
    }
    return {column: (one.code, one.label) for column, one in found.items() if one is not None}


def client_named(wanted: str, clients: Sequence[Dossier]) -> Dossier | None:
    """The client of this code, else the one of this name, as GE compares."""
    return _called(wanted, clients, lambda client: client.name)


def _same(one: str, other: str | None, known_as: Callable[[str], object | None]) -> bool:
    if other is None:
        return False
    known = known_as(one)
    return as_ge_compares(one) == as_ge_compares(other) or (known is not None and known == known_as(other))


def _missing_defaults(lists: GeLists, cabinet: Cabinet) -> Iterator[str]:
    if not profile_exists(lists, cabinet):
        yield _not_there("profile", cabinet.default_profile, _ours(lists.profiles, cabinet), cabinet)
    if not group_exists(lists, cabinet):
        yield _not_there("dossier group", cabinet.default_group, _ours(lists.groups, cabinet), cabinet)


def _not_there(what: str, wanted: str, there: Sequence[Profile | Group], cabinet: Cabinet) -> str:
    twins = [one.code for one in there if as_ge_compares(one.label) == as_ge_compares(wanted)]
    if twins:
        return (
            f"entity {cabinet.entity} has several {what}s labelled {wanted!r} ({named(twins, 5)}): name one by its code"
        )
    known = named((f"{one.code} ({one.label})" for one in there), 5) or "none"
    return f"entity {cabinet.entity} has no {what} {wanted!r}; it has {known}"


def _ours(all_of_them: Sequence[Either], cabinet: Cabinet) -> list[Either]:
    return [one for one in all_of_them if as_ge_compares(one.entity) == as_ge_compares(cabinet.entity)]


def _label(one: Profile | Group) -> str:
    return one.label


def _called(wanted: str, there: Sequence[Named], label: Callable[[Named], str]) -> Named | None:
    key = as_ge_compares(wanted)
    by_code = [one for one in there if as_ge_compares(one.code) == key]
    by_label = [one for one in there if as_ge_compares(label(one)) == key]
    if by_code:
        return by_code[0]
    return by_label[0] if len(by_label) == 1 else None
