"""An inventory to fill in. Its example row is refused while it stands, so a template is never run by mistake."""

from __future__ import annotations

import csv
import textwrap
from pathlib import Path
from typing import Any, Literal

from bascule.inventory.refusing import unwritable
from bascule.inventory.rows import ROWS, CabinetRow, InventoryRow, french
from bascule.inventory.rules import CONNECTORS, EXAMPLE_CODES, LANGUAGES, time_zones
from bascule.inventory.sample import example_siren, example_siret
from bascule.inventory.writing import EPOCH, WORKBOOK_OPTIONS

FRENCH_ZONES = (
    "Europe/Paris", "Indian/Reunion", "Indian/Mayotte", "America/Martinique", "America/Guadeloupe", "America/Cayenne",
    "America/Miquelon", "Pacific/Noumea", "Pacific/Tahiti", "Europe/Monaco",
)  # fmt: skip
DROP_DOWN_ROWS = 5_000

IN_FRENCH = {
    "code": "Code du cabinet, unique : 2 à 20 majuscules, chiffres, _ ou -.",
    "name": "Raison sociale du cabinet.",
    "siren": "9 chiffres, au format texte pour garder les zéros du début.",
    "siret": "14 chiffres, commence par le SIREN.",
    "entity": "Identifiant de l'entité dans Génération Experts.",
    "admin_email": "E-mail de l'AdminSage, identique à celui du collaborateur dans Génération Experts.",
    "default_profile": "Profil des utilisateurs créés plus tard depuis Sage for Accountants.",
    "default_group": "Groupe des dossiers créés plus tard depuis Sage for Accountants.",
    "wave": "Nom de la vague ; vide : default.",
    "owner": "L'opérateur responsable.",
    "contact_email": "E-mail de l'interlocuteur au cabinet.",
    "terms_signatory": "Qui peut accepter les conditions générales ; nécessaire avant cette étape.",
    "timezone": "Fuseau horaire IANA ; vide : Europe/Paris.",
    "language": "Langue des messages au cabinet : fr ou en.",
    "site": "Où tourne Génération Experts.",
    "my_sage": "Connecteur pour My Sage ; vide : celui de l'environnement.",
    "ge": "Connecteur pour Génération Experts ; vide : celui de l'environnement.",
    "s4a": "Connecteur pour Sage for Accountants ; vide : celui de l'environnement.",
    "email": "E-mail personnel : il devient le compte Sage.",
    "collaborateur": "Code du collaborateur dans Génération Experts.",
    "role": "Rôle dans Sage for Accountants.",
    "client": "Le client ou prospect, tel que Sage for Accountants le nomme.",
}
SHEETS = {
    "fr": {"cabinets": "cabinets", "users": "utilisateurs", "assignments": "affectations"},
    "en": {"cabinets": "cabinets", "users": "users", "assignments": "assignments"},
}
HELP = {
    "fr": "Une ligne par cabinet. Les colonnes en gras sont obligatoires. Supprimez la ligne EXEMPLE : elle est refusée. "
    "Vérifiez avec : bascule inventory check FICHIER",
    "en": "One row for each cabinet. Columns in bold are needed. Remove the row EXAMPLE: it is refused. "
    "Check with: bascule inventory check FILE",
}

In = Literal["fr", "en"]


def write_template(path: Path, language: In = "fr") -> None:
    """The ending of `path` says the format: .xlsx, .csv or .yaml."""
    match path.suffix.lower():
        case ".xlsx":
            _write_xlsx(path, language)
        case ".csv":
            headers = _headers(CabinetRow, language)
            with path.open("w", encoding="utf-8-sig", newline="") as out:
                writer = csv.writer(out, delimiter=";" if language == "fr" else ",")
                writer.writerows([headers.values(), [_example(language).get(column, "") for column in headers]])
        case ".yaml" | ".yml":
            path.write_text(_yaml(language), encoding="utf-8")
        case _:
            raise unwritable(path, ".csv, .xlsx or .yaml")


def _headers(row: type[InventoryRow], language: In) -> dict[str, str]:
    return french(row) if language == "fr" else {column: column for column in row.model_fields}


def _about(row: type[InventoryRow], column: str, language: In) -> str:
    return IN_FRENCH[column] if language == "fr" else row.model_fields[column].description or ""


def _example(language: In) -> dict[str, str]:
    siren = example_siren(0)
    return {
        "code": EXAMPLE_CODES[language],
        "name": "Cabinet Lefèvre & Associés",
        "siren": siren,
        "siret": example_siret(siren),
        "entity": "ENT001",
        "admin_email": "helene.lefevre@lefevre.example",
        "default_profile": "Collaborateur",
        "default_group": "Dossiers clients",
        "timezone": "Europe/Paris",
        "language": "fr",
    }


def _yaml(language: In) -> str:
    headers = _headers(CabinetRow, language)
    example = _example(language)
    lines = [*textwrap.wrap(HELP[language], 110, initial_indent="# ", subsequent_indent="# "), "cabinets:"]
    for number, (column, header) in enumerate(headers.items()):
        lines.append(f"  {'-' if number == 0 else ' '} # {_about(CabinetRow, column, language)}")
        begin = "    " if column in example else "    # "
        lines.append(f'{begin}{header}: "{example.get(column, "")}"')
    return "\n".join(lines) + "\n"


def _write_xlsx(path: Path, language: In) -> None:
    from xlsxwriter import Workbook

    with Workbook(str(path), WORKBOOK_OPTIONS) as workbook:
        workbook.set_properties({"created": EPOCH})
        for section, row in ROWS.items():
            _write_sheet(workbook, SHEETS[language][section], row, language)
        workbook.add_worksheet("aide" if language == "fr" else "help").write_string(0, 0, HELP[language])
        zones = [*FRENCH_ZONES, *sorted(time_zones() - set(FRENCH_ZONES))]
        lists = workbook.add_worksheet("listes" if language == "fr" else "lists")
        lists.write_column(0, 0, zones)
        lists.hide()
        workbook.define_name("zones", f"={lists.get_name()}!$A$1:$A${len(zones)}")


def _write_sheet(workbook: Any, title: str, row: type[InventoryRow], language: In) -> None:
    sheet = workbook.add_worksheet(title)
    sheet.freeze_panes(1, 1)
    text = workbook.add_format({"num_format": "@"})
    needed = workbook.add_format({"bold": True, "bg_color": "#DDEBF7", "bottom": 1})
    optional = workbook.add_format({"italic": True, "bg_color": "#F2F2F2", "bottom": 1})
    grey = workbook.add_format({"num_format": "@", "font_color": "#808080", "italic": True})
    choices: dict[str, list[str] | str] = {
        "timezone": "=zones",
        "language": list(LANGUAGES),
        "my_sage": [connector for connector in CONNECTORS if "extracts" not in connector],
        "ge": list(CONNECTORS),
        "s4a": list(CONNECTORS),
    }
    for place, (column, header) in enumerate(_headers(row, language).items()):
        sheet.set_column(place, place, 22, text)
        sheet.write_string(0, place, header, needed if row.model_fields[column].is_required() else optional)
        sheet.write_comment(0, place, _about(row, column, language))
        if row is CabinetRow and column in choices:
            sheet.data_validation(1, place, DROP_DOWN_ROWS, place, {"validate": "list", "source": choices[column]})
        if row is CabinetRow:
            sheet.write_string(1, place, _example(language).get(column, ""), grey)
