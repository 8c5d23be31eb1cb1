"""A small firm whose lists hold together, to be spoilt by each test in the one way it is about."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime
from typing import Any

from bascule.facts import (
    Collaborateur,
    Contact,
    Dossier,
    DossierStatus,
    Entity,
    GeLists,
    Group,
    Profile,
    Right,
    S4aLists,
    Untold,
)
from bascule.model import Cabinet

WHEN = datetime(2026, 12, 1, 20, 0, tzinfo=UTC)
RIGHTS = ("consultation", "saisie", "suppression")

CABINET = Cabinet(
    code="C0001",
    name="Cabinet Lefèvre & Associés",
    siren="732829320",
    siret="73282932000074",
    entity="E1",
    admin_email="anne.lefevre@lefevre.fr",
    default_profile="COL",
    default_group="G1",
)


def cabinet(**changes: Any) -> Cabinet:
    return replace(CABINET, **changes)


def entity(code: str = "E1", **changes: Any) -> Entity:
    whole = Entity(
        id=code, name=CABINET.name, siren="732829320", siret="73282932000074", address="1 rue du Port, 29200 Brest"
    )
    return replace(whole, **changes)


def profile(code: str = "COL", **changes: Any) -> Profile:
    return replace(Profile(code=code, label="Collaborateur", entity="E1"), **changes)


def group(code: str, **changes: Any) -> Group:
    return replace(Group(code=code, label=f"Groupe {code}", entity="E1"), **changes)


def person(code: str, **changes: Any) -> Collaborateur:
    whole = Collaborateur(
        code=code,
        last_name=code.title(),
        first_name="Camille",
        email=f"{code.lower()}@lefevre.fr",
        profile="COL",
        entity="E1",
        active=True,
    )
    return replace(whole, **changes)


def dossier(code: str, **changes: Any) -> Dossier:
    return replace(
        Dossier(code=code, name=f"Boulangerie {code}", group="G1", siren=None, siret=None, status=DossierStatus.OPEN),
        **changes,
    )


def contact(name: str, **changes: Any) -> Contact:
    return replace(
        Contact(id=f"K-{name}", name=name, email=None, entity=None, dossier=None, collaborateur=None), **changes
    )


def holds(holder: str, *groups: str, rights: tuple[str, ...] = RIGHTS) -> tuple[Right, ...]:
    return tuple(Right(collaborateur=holder, group=code, right=name) for code in groups for name in rights)


ADMIN = person("AL", last_name="Lefèvre", first_name="Anne", email=CABINET.admin_email)
ADMIN_CONTACT = contact("Anne Lefèvre", email=CABINET.admin_email, entity="E1", collaborateur="AL")


def ge(**changes: Any) -> GeLists:
    """One entity, one profile, the AdminSage with all rights on two groups, one dossier with a valid SIREN."""
    whole = GeLists(
        cabinet=CABINET.code,
        taken_at=WHEN,
        right_names=RIGHTS,
        entities=(entity(),),
        profiles=(profile(),),
        collaborateurs=(ADMIN,),
        groups=(group("G1"), group("G2")),
        rights=holds("AL", "G1", "G2"),
        dossiers=(dossier("D1", siren="732829320"),),
        contacts=(ADMIN_CONTACT,),
    )
    return replace(whole, **changes)


def s4a(source: GeLists, **changes: Any) -> S4aLists:
    """What Client Management holds after a synchronisation that carried everything over. A default that is not given cannot be told."""
    untold = tuple(one for one in (Untold.DEFAULT_PROFILE, Untold.DEFAULT_GROUP) if one.value not in changes)
    whole = S4aLists(
        cabinet=CABINET.code,
        taken_at=WHEN,
        groups=source.groups,
        dossiers=source.dossiers,
        collaborateurs=source.collaborateurs,
        rights=source.rights,
        contacts=source.contacts,
        users=(),
        assignments=(),
        default_profile=None,
        default_group=None,
    )
    unknown = (*changes.pop("unknown", ()), *untold)
    return replace(whole, unknown=unknown, **changes)
