"""The lists of a small firm as somebody exported them, to be spoilt by each test in the one way it is about."""

from __future__ import annotations

import csv
import io
import os
from collections.abc import Iterable, Sequence
from datetime import datetime
from pathlib import Path

import openpyxl

from bascule.model import Cabinet

CABINET = Cabinet(
    code="C0001",
    name="Cabinet Lefèvre & Associés",
    siren="732829320",
    entity="E1",
    admin_email="anne.lefevre@lefevre.example",
    default_profile="COL",
    default_group="G1",
)

Rows = Sequence[Sequence[str]]

GE: dict[str, Rows] = {
    "entites": [
        ["Identifiant", "Raison sociale", "SIREN", "SIRET", "Adresse"],
        ["E1", "Cabinet Lefèvre & Associés", "732 829 320", "73282932000074", "1 rue du Port, 29200 Brest"],
    ],
    "profils": [["Code", "Libellé", "Entité"], ["COL", "Collaborateur", "E1"]],
    "collaborateurs": [
        ["Code", "Nom", "Prénom", "E-mail", "Profil", "Entité", "Actif"],
        ["AL", "Lefèvre", "Anne", "anne.lefevre@lefevre.example", "COL", "E1", "Oui"],
        ["JP", "Œuvrard", "Jean", "", "COL", "E1", "Non"],
    ],
    "groupes": [["Code", "Libellé", "Entité"], ["G1", "Général", "E1"]],
    "droits": [
        ["Collaborateur", "Groupe de dossiers", "Droit"],
        ["AL", "G1", "Saisie"],
        ["AL", "G1", "Consultation"],
        ["JP", "G1", "CONSULTATION"],
    ],
    "dossiers": [
        ["Code", "Nom", "Groupe de dossiers", "SIREN", "SIRET", "État", "Régime"],
        ["D1", "Boulangerie de l’Étoile", "G1", "732829320", "", "Ouvert", "réel"],
        ["D2", "Crêperie; du Port", "G1", "", "", "Clos", ""],
        ["D3", "Mme Goff", "", "", "", "Archivé", ""],
    ],
    "contacts": [
        ["Identifiant", "Nom", "E-mail", "Entité", "Dossier", "Collaborateur"],
        ["K1", "Anne Lefèvre", "anne.lefevre@lefevre.example", "E1", "", "AL"],
    ],
}
S4A: dict[str, Rows] = {
    "clients": [
        ["Code", "Nom", "Groupe de dossiers", "SIREN", "SIRET", "État", "SIREN du cabinet"],
        ["D1", "Boulangerie de l’Étoile", "G1", "732829320", "", "Ouvert", "732829320"],
    ],
    "utilisateurs": [
        ["E-mail", "Collaborateur", "Rôle", "Statut"],
        ["anne.lefevre@lefevre.example", "AL", "administrateur", "Actif"],
        ["jean@lefevre.example", "", "collaborateur", "Invité"],
    ],
    "contacts": GE["contacts"],
}


def as_csv(rows: Iterable[Sequence[str]], delimiter: str = ";") -> str:
    text = io.StringIO()
    csv.writer(text, delimiter=delimiter, lineterminator="\r\n").writerows(rows)
    return text.getvalue()


def put(folder: Path, lists: dict[str, Rows], encoding: str = "cp1252", delimiter: str = ";") -> Path:
    folder.mkdir(parents=True, exist_ok=True)
    for name, rows in lists.items():
        (folder / f"{name}.csv").write_bytes(as_csv(rows, delimiter).encode(encoding))
    return folder


def put_workbooks(folder: Path, lists: dict[str, Rows]) -> Path:
    folder.mkdir(parents=True, exist_ok=True)
    for name, rows in lists.items():
        workbook = openpyxl.Workbook()
        sheet = workbook.active
        assert sheet is not None
        for row in rows:
            sheet.append(list(row))
        workbook.save(folder / f"{name}.xlsx")
    return folder


def written_at(folder: Path, when: datetime) -> None:
    """As if the lists had been exported then."""
    for path in folder.iterdir():
        os.utime(path, (when.timestamp(), when.timestamp()))
