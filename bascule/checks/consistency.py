"""The catalogue of rules over GE's lists, one rule a function.

Sage does not publish what GE's own consistency check looks for. This is ours; each rule says what it rests on.
"""

from __future__ import annotations

import re
from collections import Counter, defaultdict
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from itertools import islice

from email_validator import EmailNotValidError, validate_email
from stdnum.exceptions import ValidationError
from stdnum.fr import siren, siret

from bascule.checks.findings import Finding, Level
from bascule.checks.sameness import as_ge_compares, named, plain
from bascule.facts import Collaborateur, DossierStatus, GeLists
from bascule.model import Cabinet

SINGLE_FINDINGS = 20
"""Findings of one rule told one by one; the rest is counted."""

GENERIC_MAILBOXES = frozenset([
    "accueil", "admin", "administration", "bureau", "cabinet", "compta", "comptabilite", "contact",
    "courrier", "direction", "facturation", "gestion", "info", "infos", "juridique", "mail",
    "noreply", "paie", "rh", "secretariat", "service", "social", "standard",
])  # fmt: skip
LONGEST_NAME = 50  # Sage Active: socialName
LONGEST_EMAIL = 70  # Sage Active: e-mail
LONGEST_EMAIL_PART = 64  # Sage account: on each side of the @

Found = tuple[str, str]
"""What it is about, and what is wrong with it."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Rule:
    """What must hold of GE's lists, and what that demand rests on: `Sage`, `standard`, or `our proposal`."""

    id: str
    level: Level
    sentence: str
    basis: str
    remedy: str
    find: Callable[[GeLists, Cabinet], Iterable[Found]]


def anomalies(lists: GeLists, cabinet: Cabinet) -> tuple[Finding, ...]:
    """Every finding of every rule, in the catalogue's order; of each rule at most so many, then one that counts the rest."""
    return tuple(finding for rule in RULES for finding in _findings(rule, lists, cabinet))


def _findings(rule: Rule, lists: GeLists, cabinet: Cabinet) -> Iterator[Finding]:
    found = iter(rule.find(lists, cabinet))
    for about, says in islice(found, SINGLE_FINDINGS):
        yield Finding(rule=rule.id, level=rule.level, about=about, says=says, remedy=rule.remedy)
    rest = sum(1 for _ in found)
    if rest:
        counted = f"{rest} more of the same"
        yield Finding(rule=rule.id, level=rule.level, about=counted, says=counted, remedy=rule.remedy)


# Entities


def entity_is_named_and_registered(lists: GeLists, cabinet: Cabinet) -> Iterator[Found]:
    ours = [entity for entity in lists.entities if as_ge_compares(entity.id) == as_ge_compares(cabinet.entity)]
    if not ours:
        yield cabinet.entity, f"GE has no entity {cabinet.entity}"
    for entity in ours:
        lacks = [
            what for what, given in (("raison sociale", entity.name), ("SIREN", entity.siren)) if not given.strip()
        ]
        if lacks:
            yield entity.id, f"entity {entity.id} has no {' and no '.join(lacks)}"


# Collaborateurs


def email_is_usable(lists: GeLists, _: Cabinet) -> Iterator[Found]:
    for one in _active(lists):
        if one.email is None or not one.email.strip():
            yield one.code, f"{_person(one)} has no e-mail"
        elif (problem := _email_problem(one.email)) is not None:
            yield one.code, f"{_person(one)} has the e-mail {one.email!r}: {problem}"


def email_belongs_to_one_person(lists: GeLists, _: Cabinet) -> Iterator[Found]:
    by_email: defaultdict[str, list[Collaborateur]] = defaultdict(list)
    for one in _active(lists):
        if one.email and one.email.strip():
            by_email[as_ge_compares(one.email)].append(one)
    for sharing in by_email.values():
        if len(sharing) > 1:
            yield sharing[1].code, f"{sharing[0].email} is the e-mail of {named(map(_person, sharing), 5)}"


def email_is_personal(lists: GeLists, _: Cabinet) -> Iterator[Found]:
    for one in _active(lists):
        if one.email and _mailbox(one.email) in GENERIC_MAILBOXES:
            yield one.code, f"{_person(one)} has the mailbox {one.email}, which seems to be shared"


def collaborateur_code_is_unique(lists: GeLists, _: Cabinet) -> Iterator[Found]:
    for code, times in _repeated(one.code for one in lists.collaborateurs):
        yield code, f"{times} collaborateurs have the code {code}"


# Dossiers


def dossier_code_is_unique(lists: GeLists, _: Cabinet) -> Iterator[Found]:
    for dossier in lists.dossiers:
        if not dossier.code.strip():
            yield dossier.name, f"dossier {dossier.name!r} has no code"
    for code, times in _repeated(dossier.code for dossier in lists.dossiers if dossier.code.strip()):
        yield code, f"{times} dossiers have the code {code}"


def references_lead_somewhere(lists: GeLists, _: Cabinet) -> Iterator[Found]:
    known = {
        "entity": _keys(entity.id for entity in lists.entities),
        "profile": _keys(name for profile in lists.profiles for name in (profile.code, profile.label)),
        "dossier group": _keys(group.code for group in lists.groups),
        "collaborateur": _keys(one.code for one in lists.collaborateurs),
        "dossier": _keys(dossier.code for dossier in lists.dossiers),
    }
    for code, times in _repeated(group.code for group in lists.groups):
        yield code, f"{times} dossier groups have the code {code}: what refers to it is ambiguous"
    for dossier in lists.dossiers:
        if dossier.group is None or not dossier.group.strip():
            yield dossier.code, f"dossier {dossier.code} has no dossier group"
    for about, subject, what, code in _references(lists):
        if as_ge_compares(code) not in known[what]:
            yield about, f"{subject} refers to {what} {code}, which does not exist"


def _references(lists: GeLists) -> Iterator[tuple[str, str, str, str]]:
    """Who refers (code and words), and to what (kind and code)."""
    for dossier in lists.dossiers:
        if dossier.group and dossier.group.strip():
            yield dossier.code, f"dossier {dossier.code}", "dossier group", dossier.group
    for group in lists.groups:
        yield group.code, f"dossier group {group.code}", "entity", group.entity
    for profile in lists.profiles:
        yield profile.code, f"profile {profile.code}", "entity", profile.entity
    for one in lists.collaborateurs:
        yield one.code, _person(one), "entity", one.entity
        yield one.code, _person(one), "profile", one.profile
    for holder, group_code in sorted({(right.collaborateur, right.group) for right in lists.rights}):
        yield holder, f"a right on dossier group {group_code}", "collaborateur", holder
        yield group_code, f"a right of collaborateur {holder}", "dossier group", group_code
    for contact in lists.contacts:
        refers_to = {"entity": contact.entity, "dossier": contact.dossier, "collaborateur": contact.collaborateur}
        for what, code in refers_to.items():
            if code:
                yield contact.id, f"contact {contact.id} ({contact.name})", what, code


def numbers_are_valid(lists: GeLists, _: Cabinet) -> Iterator[Found]:
    for dossier in lists.dossiers:
        company, place = siren.compact(dossier.siren or ""), siret.compact(dossier.siret or "")
        if place and not _is_valid(place, siret.validate):
            yield dossier.code, f"dossier {dossier.code} has the SIRET {dossier.siret}, which is not valid"
        elif company and place and place[:9] != company:
            yield dossier.code, f"dossier {dossier.code} has the SIRET {dossier.siret}, but the SIREN {dossier.siren}"
        # A SIRET that is valid begins with a SIREN that is.
        if company and place[:9] != company and not _is_valid(company, siren.validate):
            yield dossier.code, f"dossier {dossier.code} has the SIREN {dossier.siren}, which is not valid"


def siret_is_in_one_open_dossier(lists: GeLists, _: Cabinet) -> Iterator[Found]:
    by_siret: defaultdict[str, list[str]] = defaultdict(list)
    for dossier in lists.dossiers:
        if dossier.siret and dossier.status is DossierStatus.OPEN:
            by_siret[siret.compact(dossier.siret)].append(dossier.code)
    for number, codes in by_siret.items():
        if len(codes) > 1:
            yield codes[1], f"the SIRET {number} is that of several open dossiers: {named(codes, 5)}"


def numbers_have_no_letters(lists: GeLists, _: Cabinet) -> Iterator[Found]:
    for dossier in lists.dossiers:
        number = dossier.siret or dossier.siren or ""
        if _is_monegasque(siret.compact(number)):
            yield dossier.code, f"dossier {dossier.code} has a number of Monaco, {number}, which cannot be verified"


def dossiers_are_open(lists: GeLists, cabinet: Cabinet) -> Iterator[Found]:
    status = Counter(dossier.status for dossier in lists.dossiers)
    closed, archived = status[DossierStatus.CLOSED], status[DossierStatus.ARCHIVED]
    if closed or archived:
        yield (
            cabinet.code,
            f"{closed} of {len(lists.dossiers)} dossiers are closed and {archived} archived: Sage does not say whether they go along",
        )


def dossier_has_a_siren(lists: GeLists, _: Cabinet) -> Iterator[Found]:
    for dossier in lists.dossiers:
        if dossier.status is DossierStatus.OPEN and not (dossier.siren or dossier.siret):
            yield dossier.code, f"dossier {dossier.code} has no SIREN"


def texts_will_survive(lists: GeLists, _: Cabinet) -> Iterator[Found]:
    for dossier in lists.dossiers:
        if len(plain(dossier.name)) > LONGEST_NAME:
            yield dossier.code, f"dossier {dossier.code} has a name of more than {LONGEST_NAME} characters"
        if _DAMAGED.search(dossier.name):
            yield dossier.code, f"dossier {dossier.code} has the name {dossier.name!r}: characters seem lost"
    for contact in lists.contacts:
        if contact.email and len(contact.email.strip()) > LONGEST_EMAIL:
            yield contact.id, f"contact {contact.id} has an e-mail of more than {LONGEST_EMAIL} characters"
        if _DAMAGED.search(contact.name):
            yield contact.id, f"contact {contact.id} has the name {contact.name!r}: characters seem lost"


# UTF-8 read as Windows-1252 (Ã©, â€™), the C1 controls that Latin-1 makes of €, œ and ’, U+FFFD, and a question mark inside a word.
_DAMAGED = re.compile(r"Ã[\u0080-\u00BF\u0152-\u2122]|Â[\u00A0-\u00BF]|â€|[\u0080-\u009F\uFFFD]|\w\?\w")


RULES: tuple[Rule, ...] = (
    Rule(
        id="ENT-01",
        level=Level.BLOCK,
        sentence="The entity has a raison sociale and a SIREN.",
        basis="Sage",
        remedy="complete the entity in GE: Administrer le site > Entités",
        find=entity_is_named_and_registered,
    ),
    Rule(
        id="COL-01",
        level=Level.RESERVATION,
        sentence="An active collaborateur has a valid e-mail, with at most 64 characters on each side of the @.",
        basis="Sage",
        remedy="correct the e-mail in GE; without one this person cannot be invited",
        find=email_is_usable,
    ),
    Rule(
        id="COL-02",
        level=Level.BLOCK,
        sentence="An e-mail belongs to one active collaborateur of the cabinet, whatever the case.",
        basis="our proposal",
        remedy="give each person an e-mail of their own in GE: in S4A the e-mail is the identity",
        find=email_belongs_to_one_person,
    ),
    Rule(
        id="COL-03",
        level=Level.NOTE,
        sentence="A collaborateur's e-mail is a personal one, not a shared mailbox.",
        basis="Sage",
        remedy="a Sage account is strictly personal: use this person's own e-mail",
        find=email_is_personal,
    ),
    Rule(
        id="COL-04",
        level=Level.BLOCK,
        sentence="A collaborateur's code is unique across the site, whatever the case.",
        basis="Sage",
        remedy="a code cannot be changed in GE: create the collaborateur anew under a code that was never used",
        find=collaborateur_code_is_unique,
    ),
    Rule(
        id="DOS-01",
        level=Level.BLOCK,
        sentence="A dossier has a code, unique in the cabinet whatever the case.",
        basis="our proposal",
        remedy="give the dossier a code of its own in GE",
        find=dossier_code_is_unique,
    ),
    Rule(
        id="DOS-02",
        level=Level.BLOCK,
        sentence="A dossier has a dossier group, and everything that GE's lists refer to exists.",
        basis="our proposal",
        remedy="mend the reference in GE",
        find=references_lead_somewhere,
    ),
    Rule(
        id="DOS-03",
        level=Level.BLOCK,
        sentence="A dossier's SIREN and SIRET are valid if present, and the SIRET begins with the SIREN.",
        basis="standard",
        remedy="correct the number in GE, or remove it",
        find=numbers_are_valid,
    ),
    Rule(
        id="DOS-03-TWICE",
        level=Level.NOTE,
        sentence="A SIRET is that of one open dossier.",
        basis="our proposal",
        remedy="nothing to do if the dossier was split on purpose; else close one of them in GE",
        find=siret_is_in_one_open_dossier,
    ),
    Rule(
        id="DOS-03-MONACO",
        level=Level.NOTE,
        sentence="A SIREN or SIRET has no letters; those of Monaco may.",
        basis="standard",
        remedy="compare the number with the firm's papers",
        find=numbers_have_no_letters,
    ),
    Rule(
        id="DOS-04",
        level=Level.NOTE,
        sentence="The dossiers are open; whether closed and archived ones go along is the cabinet's decision.",
        basis="our proposal",
        remedy="ask the cabinet which of them it wants to keep in GE only",
        find=dossiers_are_open,
    ),
    Rule(
        id="DOS-05",
        level=Level.NOTE,
        sentence="An open dossier has a SIREN.",
        basis="our proposal",
        remedy="nothing to do for a private person or a prospect; else enter it in GE: e-invoicing needs it",
        find=dossier_has_a_siren,
    ),
    Rule(
        id="DOS-06",
        level=Level.NOTE,
        sentence="Names and e-mails fit Sage's fields, and no character of theirs is lost.",
        basis="standard",
        remedy="shorten or correct the text in GE",
        find=texts_will_survive,
    ),
)


def _active(lists: GeLists) -> list[Collaborateur]:
    return [one for one in lists.collaborateurs if one.active]


def _person(one: Collaborateur) -> str:
    return f"collaborateur {one.code} ({one.first_name} {one.last_name})"


def _email_problem(email: str) -> str | None:
    try:
        checked = validate_email(email.strip(), check_deliverability=False, strict=True)
    except EmailNotValidError as wrong:
        return str(wrong)
    if len(checked.ascii_domain or checked.domain) > LONGEST_EMAIL_PART:
        return f"Sage takes at most {LONGEST_EMAIL_PART} characters after the @."
    return None


def _mailbox(email: str) -> str:
    """`compta.lyon2@…` is `compta`."""
    return re.split(r"[@+._-]", email.strip().casefold(), maxsplit=1)[0].rstrip("0123456789")


def _repeated(codes: Iterable[str]) -> Iterator[tuple[str, int]]:
    spelt: dict[str, str] = {}
    times: Counter[str] = Counter()
    for code in codes:
        key = as_ge_compares(code)
        spelt.setdefault(key, code)
        times[key] += 1
    return ((spelt[key], count) for key, count in times.items() if count > 1)


def _keys(codes: Iterable[str]) -> frozenset[str]:
    return frozenset(map(as_ge_compares, codes))


def _is_valid(number: str, validate: Callable[[str], str]) -> bool:
    """Monaco's, which may hold letters, pass: nobody can verify them."""
    if _is_monegasque(number):
        return True
    try:
        validate(number)
    except ValidationError:
        return False
    return number.strip("0") != ""  # all zeros satisfy every check digit


def _is_monegasque(number: str) -> bool:
    return number[:6].upper() == "MONACO" and len(number) in (9, 14) and number.isalnum()
