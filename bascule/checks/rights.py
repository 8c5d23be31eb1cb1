"""The AdminSage, seen from GE: is he known there, and does he hold every right on every dossier group.

The choice of the AdminSage is final, and dossiers of a group on which he lacks a right are left behind in silence.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence
from difflib import get_close_matches

from bascule.checks.sameness import as_ge_compares, named
from bascule.facts import Collaborateur, Contact, GeLists
from bascule.model import Cabinet

GROUPS_NAMED = 6


def admin_problem(lists: GeLists, cabinet: Cabinet) -> str | None:
    """Why the inventory's `admin_email` cannot be the AdminSage. Sage: identical to the e-mail in the entity's contacts."""
    email, entity = cabinet.admin_email, cabinet.entity
    if not any(contact.email == email for contact in _contacts(lists, cabinet)):
        return _why_no_contact(lists, cabinet)
    admins = _admins(lists, cabinet)
    if not admins:
        return f"{email} is a contact of entity {entity}, but of no collaborateur of it"
    if len(admins) > 1:
        return f"{email} belongs to several collaborateurs of entity {entity}: {named((admin.code for admin in admins), 5)}"
    admin = admins[0]
    if not admin.active:
        return f"{email} belongs to collaborateur {admin.code}, who is not active any more"
    if admin.email is not None and admin.email != email:
        return f"The contact of collaborateur {admin.code} has the e-mail {email}, the collaborateur {admin.email}"
    if not lists.groups or not lists.right_names:
        # Every right on no group is no right at all: that must not look like a pass.
        return f"GE's lists name no {'right on dossier groups' if lists.groups else 'dossier group'}: rights cannot be checked"
    return None


def missing_rights(lists: GeLists, cabinet: Cabinet) -> tuple[tuple[str, str], ...]:
    """The (group, right) pairs that the AdminSage lacks, sorted; all of them when nobody has his e-mail."""
    admins = {as_ge_compares(admin.code) for admin in _admins(lists, cabinet)}
    his = [right for right in lists.rights if as_ge_compares(right.collaborateur) in admins]
    held = {(as_ge_compares(right.group), as_ge_compares(right.right)) for right in his}
    wanted = {(group.code, name) for group in lists.groups for name in lists.right_names}
    return tuple(sorted(pair for pair in wanted if (as_ge_compares(pair[0]), as_ge_compares(pair[1])) not in held))


def in_words(missing: Sequence[tuple[str, str]]) -> str:
    """`group G12: saisie, suppression; group G14: saisie`, bounded in length, with the count of the rest."""
    by_group: defaultdict[str, list[str]] = defaultdict(list)
    for group, right in missing:
        by_group[group].append(right)
    first = list(by_group.items())[:GROUPS_NAMED]
    said = "; ".join(f"group {group}: {named(rights, 8)}" for group, rights in first)
    unsaid = len(missing) - sum(len(rights) for _, rights in first)
    if not unsaid:
        return said
    return f"{said}; and {unsaid} {'rights' if unsaid > 1 else 'right'} on {len(by_group) - len(first)} more"


def _admins(lists: GeLists, cabinet: Cabinet) -> list[Collaborateur]:
    """Whom the contact with the AdminSage's e-mail stands for; where it does not say, who has that e-mail himself."""
    contacts = [contact for contact in _contacts(lists, cabinet) if contact.email == cabinet.admin_email]
    if not contacts:
        return []
    ours = [one for one in lists.collaborateurs if as_ge_compares(one.entity) == as_ge_compares(cabinet.entity)]
    stands_for = {as_ge_compares(contact.collaborateur) for contact in contacts if contact.collaborateur}
    if stands_for:
        return [one for one in ours if as_ge_compares(one.code) in stands_for]
    return [one for one in ours if one.email == cabinet.admin_email]


def _contacts(lists: GeLists, cabinet: Cabinet) -> list[Contact]:
    """Those of the inventory's entity."""
    entity = as_ge_compares(cabinet.entity)
    return [
        contact for contact in lists.contacts if contact.entity is not None and as_ge_compares(contact.entity) == entity
    ]


def _why_no_contact(lists: GeLists, cabinet: Cabinet) -> str:
    email, entity = cabinet.admin_email, cabinet.entity
    known = [contact.email for contact in _contacts(lists, cabinet) if contact.email]
    alike = next((other for other in known if as_ge_compares(other) == as_ge_compares(email)), None)
    if alike is not None:
        what = "upper and lower case" if alike.casefold() == email.casefold() else "blanks or the encoding of accents"
        return (
            f"The contacts of entity {entity} have {alike!r}, the inventory has {email!r}: "
            f"only {what} differ, but Sage demands the identical e-mail"
        )
    for one in lists.collaborateurs:
        if one.email == email:
            return f"Collaborateur {one.code} has the e-mail {email}, but the contacts of entity {entity} do not"
    nearest = get_close_matches(email, known, n=1, cutoff=0.8)
    hint = f"; the nearest is {nearest[0]}" if nearest else ""
    return f"No contact of entity {entity} has the e-mail {email}{hint}"
