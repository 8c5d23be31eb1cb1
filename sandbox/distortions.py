"""Faults of the world that change what GE's lists say. Overlays: without the fault, the lists are what was drawn."""

from __future__ import annotations

import random
from dataclasses import replace

from sandbox.faults import FaultsOfCabinet
from sandbox.wire import Collaborateur, Dossier, Right
from sandbox.world import CabinetLine, Lists

FAULTS_OF_LISTS = ("missing-group-right", "admin-email-differs", "anomaly")
DEFAULT_ANOMALY = "DOS-02"

LATE_DOSSIER = "late-dossier"
"""Stays, whatever becomes of the fault."""


def standing_now(faults: FaultsOfCabinet, now: float) -> frozenset[str]:
    """The distortions in force: names of faults, and rules that are broken."""
    if not faults:
        return frozenset()
    found = (faults.named(name, now) for name in FAULTS_OF_LISTS)
    return frozenset(
        (fault.rule or DEFAULT_ANOMALY) if fault.fault == "anomaly" else fault.fault for fault in found if fault
    )


def distorted(lists: Lists, wanted: frozenset[str], seed: int, line: CabinetLine) -> Lists:
    for name in sorted(wanted):
        lists = _DISTORTIONS[name](lists, random.Random(f"{seed}/{line.code}/{name}"), line)
    return lists


def coded(lists: Lists, line: CabinetLine) -> Lists:
    """The default profile and the default group have codes unlike their labels, which are the inventory's words."""
    profile = {line.default_profile: "PRF-00"}
    group: dict[str | None, str] = {line.default_group: "GRP-00"}
    return replace(
        lists,
        profiles=tuple(replace(p, code=profile.get(p.code, p.code)) for p in lists.profiles),
        groups=tuple(replace(g, code=group.get(g.code, g.code)) for g in lists.groups),
        collaborateurs=tuple(replace(c, profile=profile.get(c.profile, c.profile)) for c in lists.collaborateurs),
        rights=tuple(replace(r, group=group.get(r.group, r.group)) for r in lists.rights),
        dossiers=tuple(replace(d, group=group.get(d.group, d.group)) for d in lists.dossiers),
    )


def missing_rights(lists: Lists, draw: random.Random, line: CabinetLine) -> Lists:
    """Some of the AdminSage's rights on one or two groups are gone; never all groups, never all rights of one."""
    admin = admin_of(lists, line)
    codes = [group.code for group in lists.groups]
    gone = {
        Right(collaborateur=admin.code, group=group, right=right)
        for group in draw.sample(codes, draw.randint(1, min(2, len(codes) - 1)))
        for right in draw.sample(lists.right_names, draw.randint(1, len(lists.right_names) - 1))
    }
    return replace(lists, rights=tuple(right for right in lists.rights if right not in gone))


def other_email(lists: Lists, draw: random.Random, line: CabinetLine) -> Lists:
    """The AdminSage's e-mail, in GE and in the entity's contacts, by a letter or by case another one."""
    email = line.admin_email
    if draw.random() < 0.5:
        other = email[:1].swapcase() + email[1:] if email[:1].isalpha() else f"{email[:1]}X{email[1:]}"
    else:
        place = draw.randrange(1, max(2, email.find("@")))
        other = email[:place] + email[place - 1] + email[place:]
    admin = admin_of(lists, line)
    return replace(
        lists,
        collaborateurs=tuple(replace(c, email=other) if c.code == admin.code else c for c in lists.collaborateurs),
        contacts=tuple(replace(c, email=other) if c.collaborateur == admin.code else c for c in lists.contacts),
    )


def admin_of(lists: Lists, line: CabinetLine) -> Collaborateur:
    """The collaborateur whom the inventory wants as AdminSage, in a world that is still clean."""
    return next(c for c in lists.collaborateurs if c.email == line.admin_email)


def late_dossier(lists: Lists, draw: random.Random, _line: CabinetLine) -> Lists:
    like = draw.choice(lists.dossiers)
    late = replace(like, code=f"{like.code}-LATE", name=f"{like.name} (nouveau)", siren=None, siret=None)
    return replace(lists, dossiers=(*lists.dossiers, late))


def same_dossier_code(lists: Lists, draw: random.Random, _line: CabinetLine) -> Lists:
    first, second, *_ = draw.sample(lists.dossiers, 2)
    return _with_dossier(lists, second, replace(second, code=first.code.lower()))


def dossier_without_group(lists: Lists, draw: random.Random, _line: CabinetLine) -> Lists:
    dossier = draw.choice(lists.dossiers)
    return _with_dossier(lists, dossier, replace(dossier, group=None))


def wrong_siren(lists: Lists, draw: random.Random, _line: CabinetLine) -> Lists:
    dossier = draw.choice(lists.dossiers)
    return _with_dossier(lists, dossier, replace(dossier, siren="123456789", siret=None))


def collaborateur_without_email(lists: Lists, draw: random.Random, _line: CabinetLine) -> Lists:
    person = _somebody(lists, draw)
    return _with_collaborateur(lists, person, replace(person, email=None, active=True))


def same_email(lists: Lists, draw: random.Random, _line: CabinetLine) -> Lists:
    person = _somebody(lists, draw)
    email = (lists.collaborateurs[0].email or "").upper()
    return _with_collaborateur(lists, person, replace(person, email=email, active=True))


def same_collaborateur_code(lists: Lists, draw: random.Random, _line: CabinetLine) -> Lists:
    person = _somebody(lists, draw)
    return _with_collaborateur(lists, person, replace(person, code=lists.collaborateurs[0].code.lower()))


def _somebody(lists: Lists, draw: random.Random) -> Collaborateur:
    return draw.choice(lists.collaborateurs[1:])


def _with_dossier(lists: Lists, old: Dossier, new: Dossier) -> Lists:
    return replace(lists, dossiers=tuple(new if dossier is old else dossier for dossier in lists.dossiers))


def _with_collaborateur(lists: Lists, old: Collaborateur, new: Collaborateur) -> Lists:
    return replace(lists, collaborateurs=tuple(new if person is old else person for person in lists.collaborateurs))


_DISTORTIONS = {
    "missing-group-right": missing_rights,
    "admin-email-differs": other_email,
    LATE_DOSSIER: late_dossier,
    "DOS-01": same_dossier_code,
    "DOS-02": dossier_without_group,
    "DOS-03": wrong_siren,
    "COL-01": collaborateur_without_email,
    "COL-02": same_email,
    "COL-04": same_collaborateur_code,
}
