"""From a path to a document, by the kind of file it is."""

from __future__ import annotations

from pathlib import Path

from bascule.inventory.document import ACCEPTED, Document
from bascule.inventory.from_xlsx import read_workbook
from bascule.inventory.from_yaml import read_yaml
from bascule.inventory.refusing import InventoryRefused
from bascule.tables.from_csv import read_csv
from bascule.tables.opening import content_of, text_of
from bascule.tables.problems import Broken, Problem


def open_document(path: Path, section: str) -> Document:
    """Reads one file; a CSV has no sections, so `section` says what its rows are. Raises InventoryRefused."""
    file = str(path)
    try:
        content = content_of(path, ACCEPTED)
        match path.suffix.lower():
            case ".xlsx":
                return read_workbook(content, file)
            case ".csv" | ".tsv" | ".txt":
                document = Document(file)
                table = read_csv(text_of(content), file, document.problems, at_most=ACCEPTED.rows)
                document.tables[section] = table
                return document
            case ".yaml" | ".yml" | ".json":
                return read_yaml(text_of(content), file)
            case other:
                raise Broken(f"files ending in `{other}` are not read", ACCEPTED.wanted)
    except Broken as broken:
        raise InventoryRefused([Problem(file, None, None, None, broken.rule, broken.fix)]) from None
