"""The lists as people export them from GE and from Client Management: one CSV each, as a French Windows writes it.

These headers and words are our proposal, not Sage's, which publishes no export format.
"""

from __future__ import annotations

import csv
import io
import zipfile
from collections.abc import Iterator, Mapping

from sandbox import s4a
from sandbox.cabinet import Cabinet

Columns = Mapping[str, str]
"""Header, and which field of the row stands under it."""

SIREN_OF_CABINET = "siren of the cabinet"
"""Stands on every line, so that lists which lie in another cabinet's folder can be told."""

ENTITIES = {"Identifiant": "id", "Raison sociale": "name", "SIREN": "siren", "SIRET": "siret", "Adresse": "address"}
PROFILES = {"Code": "code", "Libellé": "label", "Entité": "entity"}
COLLABORATEURS = {
    "Code": "code",
    "Nom": "last_name",
    "Prénom": "first_name",
    "E-mail": "email",
    "Profil": "profile",
    "Entité": "entity",
    "Actif": "active",
}
GROUPS = {"Code": "code", "Libellé": "label", "Entité": "entity"}
RIGHTS = {"Collaborateur": "collaborateur", "Groupe de dossiers": "group", "Droit": "right"}
DOSSIERS = {
    "Code": "code",
    "Nom": "name",
    "Groupe de dossiers": "group",
    "SIREN": "siren",
    "SIRET": "siret",
    "État": "status",
}
CONTACTS = {
    "Identifiant": "id",
    "Nom": "name",
    "E-mail": "email",
    "Entité": "entity",
    "Dossier": "dossier",
    "Collaborateur": "collaborateur",
}
USERS = {"E-mail": "email", "Collaborateur": "collaborateur", "Rôle": "role", "Statut": "status"}
ASSIGNMENTS = {"Client": "client", "E-mail": "email"}

GE: Mapping[str, tuple[str, Columns]] = {
    "entites": ("entities", ENTITIES),
    "profils": ("profiles", PROFILES),
    "collaborateurs": ("collaborateurs", COLLABORATEURS),
    "groupes": ("groups", GROUPS),
    "droits": ("rights", RIGHTS),
    "dossiers": ("dossiers", DOSSIERS),
    "contacts": ("contacts", CONTACTS),
}
S4A: Mapping[str, tuple[str, Columns]] = {
    "clients": ("dossiers", {**DOSSIERS, "SIREN du cabinet": SIREN_OF_CABINET}),
    "utilisateurs": ("users", USERS),
    "contacts": ("contacts", CONTACTS),
    "groupes": ("groups", GROUPS),
    "collaborateurs": ("collaborateurs", COLLABORATEURS),
    "droits": ("rights", RIGHTS),
    "affectations": ("assignments", ASSIGNMENTS),
}
"""Which file holds which list, in which columns."""

WORDS: Mapping[str, Mapping[object, str]] = {
    "status": {
        "open": "Ouvert",
        "closed": "Clos",
        "archived": "Archivé",
        "invited": "Invité",
        "active": "Actif",
    },
    "active": {True: "Oui", False: "Non"},
}


class NotInCp1252(ValueError):
    """The inventory has a character that a French Windows cannot write."""


def exported(cabinet: Cabinet, now: float) -> bytes:
    """A ZIP of `ge/….csv` and, once the workspace is there, `s4a/….csv`. Raises NotInCp1252."""
    archive = io.BytesIO()
    with zipfile.ZipFile(archive, "w", zipfile.ZIP_DEFLATED) as into:
        for path, text in _files(cabinet, now):
            into.writestr(path, _bytes(path, text))
    return archive.getvalue()


def _files(cabinet: Cabinet, now: float) -> Iterator[tuple[str, str]]:
    lists = cabinet.lists(now)
    for name, (attribute, columns) in GE.items():
        yield f"ge/{name}.csv", _csv(getattr(lists, attribute), columns, cabinet)
    if s4a.is_ready(cabinet, now):
        received, entered = s4a.received(cabinet, now), s4a.entered(cabinet, now)
        for name, (attribute, columns) in S4A.items():
            source = received if hasattr(received, attribute) else entered
            yield f"s4a/{name}.csv", _csv(getattr(source, attribute), columns, cabinet)


def _csv(rows: tuple[object, ...], columns: Columns, cabinet: Cabinet) -> str:
    text = io.StringIO()
    writer = csv.writer(text, delimiter=";", lineterminator="\r\n")
    writer.writerow(columns)
    writer.writerows([_cell(row, attribute, cabinet) for attribute in columns.values()] for row in rows)
    return text.getvalue()


def _cell(row: object, attribute: str, cabinet: Cabinet) -> str:
    value = cabinet.line.siren if attribute == SIREN_OF_CABINET else getattr(row, attribute)
    return WORDS.get(attribute, {}).get(value) or value or ""


def _bytes(path: str, text: str) -> bytes:
    try:
        return text.encode("cp1252")
    except UnicodeEncodeError as lacking:
        character = text[lacking.start]
        raise NotInCp1252(f"{path}: {character!r} does not exist in Windows-1252, which GE's lists are in") from None
