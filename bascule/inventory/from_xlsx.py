"""XLSX: a sheet for each part of an inventory. The only sheet of a workbook holds the cabinets, whatever its name."""

from __future__ import annotations

import unicodedata

from bascule.inventory.document import ACCEPTED, ANNOTATION, SECTIONS, Document
from bascule.tables.from_xlsx import sheets_of, table_of
from bascule.tables.problems import Problem, did_you_mean

NOTES = ("aide", "help", "listes", "lists", "lisez-moi", "readme", ANNOTATION)
"""Sheets for people, such as those of our template."""


def read_workbook(content: bytes, file: str) -> Document:
    document = Document(file)

    def say(title: str, rule: str, fix: str) -> None:
        document.problems.append(Problem(file, None, None, None, rule, fix, sheet=title))

    with sheets_of(content, ACCEPTED) as sheets:
        for sheet in sheets:
            title = sheet.title
            section = _section(title) or ("cabinets" if len(sheets) == 1 else None)
            if section == "defaults":
                say(title, "a workbook has no defaults", "Fill the column")
            elif section in document.tables:
                say(title, f"is a second sheet of {section}", "Merge the two")
            elif section:
                document.tables[section] = table_of(sheet, file, document.problems, at_most=ACCEPTED.rows)
            elif title.casefold() not in NOTES:
                fix = did_you_mean(title, SECTIONS, "Remove it, or name it aide, if it is only for people")
                say(title, "is no sheet of an inventory", fix)
    return document


def _section(title: str) -> str | None:
    name = "".join(c for c in unicodedata.normalize("NFD", title.strip().casefold()) if c.isalpha())
    return next((section for section, names in SECTIONS.items() if name in names), None)
