"""Writes an inventory in any of the three formats, so that reading it again gives the same."""

from __future__ import annotations

import csv
import datetime as dt
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any

import yaml

from bascule.inventory.reading import Inventory
from bascule.inventory.refusing import unwritable
from bascule.inventory.rows import ROWS, row_of
from bascule.inventory.waves import flat, flat_columns

EPOCH = dt.datetime(2026, 1, 1, tzinfo=dt.UTC)
"""The date inside a workbook, so that the same content is the same file."""
WORKBOOK_OPTIONS = {"strings_to_formulas": False, "strings_to_numbers": False, "strings_to_urls": False}

Line = Mapping[str, str]


def write_inventory(inventory: Inventory, path: Path) -> tuple[Path, ...]:
    """Gives the files written: a CSV has no sections, so users, assignments and waves, if any, get files beside it."""
    match path.suffix.lower():
        case ".csv":
            return _write_csvs(inventory, path)
        case ".xlsx":
            return _write_xlsx(inventory, path)
        case ".yaml" | ".yml":
            return _write_yaml(inventory, path)
        case _:
            raise unwritable(path, ".csv, .xlsx or .yaml")


def tables_of(inventory: Inventory) -> dict[str, list[Line]]:
    """The rows by section; sections other than `cabinets` only where there is something to say."""
    tables: dict[str, list[Line]] = {
        "cabinets": [row_of(c) for c in inventory.cabinets],
        "users": [{"code": c.code, **asdict(invitation)} for c in inventory.cabinets for invitation in c.invitations],
        "assignments": [{"code": c.code, **asdict(a)} for c in inventory.cabinets for a in c.assignments],
    }
    return {section: rows for section, rows in tables.items() if rows}


def _write_csvs(inventory: Inventory, path: Path) -> tuple[Path, ...]:
    written = []
    for section, rows in tables_of(inventory).items():
        file = path if section == "cabinets" else path.with_suffix(f".{section}.csv")
        with file.open("w", encoding="utf-8", newline="") as out:
            writer = csv.DictWriter(out, list(ROWS[section].model_fields), lineterminator="\n", restval="")
            writer.writeheader()
            writer.writerows(rows)
        written.append(file)
    if inventory.waves:
        file = path.with_suffix(".waves.yaml")
        _dump({"waves": _waves(inventory)}, file)
        written.append(file)
    return tuple(written)


def _write_yaml(inventory: Inventory, path: Path) -> tuple[Path, ...]:
    waves = {"waves": _waves(inventory)} if inventory.waves else {}
    _dump({**waves, **tables_of(inventory)}, path)
    return (path,)


def _waves(inventory: Inventory) -> dict[str, Any]:
    return {
        name: settings.model_dump(mode="json", by_alias=True, exclude_defaults=True)
        for name, settings in inventory.waves.items()
    }


def _dump(content: dict[str, Any], file: Path) -> None:
    dumper = getattr(yaml, "CSafeDumper", yaml.SafeDumper)
    with file.open("w", encoding="utf-8", newline="\n") as out:
        yaml.dump(content, out, Dumper=dumper, allow_unicode=True, sort_keys=False, width=2_000)


def _write_xlsx(inventory: Inventory, path: Path) -> tuple[Path, ...]:
    from xlsxwriter import Workbook

    with Workbook(str(path), WORKBOOK_OPTIONS) as workbook:
        workbook.set_properties({"created": EPOCH})
        for section, rows in tables_of(inventory).items():
            _write_sheet(workbook, section, list(ROWS[section].model_fields), rows)
        if inventory.waves:
            waves = [{"wave": name, **flat(settings)} for name, settings in inventory.waves.items()]
            _write_sheet(workbook, "waves", ["wave", *flat_columns()], waves)
    return (path,)


def _write_sheet(workbook: Any, title: str, columns: Sequence[str], rows: Iterable[Line]) -> None:
    sheet = workbook.add_worksheet(title)
    sheet.freeze_panes(1, 1)
    sheet.write_row(0, 0, columns, workbook.add_format({"bold": True}))
    # Text format, so that zeros at the beginning survive whoever edits the sheet.
    sheet.set_column(0, len(columns) - 1, 18, workbook.add_format({"num_format": "@"}))
    for number, row in enumerate(rows, start=1):
        for place, column in enumerate(columns):
            if column in row:
                sheet.write_string(number, place, row[column])
