"""The JSON Schema of an inventory, generated from the models that read it."""

from __future__ import annotations

import json
from typing import Any

from pydantic import Field

from bascule.inventory.rows import AssignmentRow, CabinetRow, InventoryRow, UserRow
from bascule.inventory.waves import WaveSettings


class InventoryFile(InventoryRow):
    """An inventory of Bascule. CSV and XLSX have the same columns; French headers (`french`) are accepted too."""

    cabinets: list[CabinetRow]
    defaults: dict[str, str] = Field({}, description="Values of the columns that a row does not give.")
    waves: dict[str, WaveSettings] = Field({}, description="Settings by the name of the wave.")
    users: list[UserRow] = Field([], description="Who is to be invited to S4A.")
    assignments: list[AssignmentRow] = Field([], description="Which clients are to be assigned to whom.")


def schema() -> dict[str, Any]:
    return {"$schema": "https://json-schema.org/draft/2020-12/schema", **InventoryFile.model_json_schema()}


def schema_text() -> str:
    """What `docs/inventory.schema.json` holds."""
    return json.dumps(schema(), ensure_ascii=False, indent=2) + "\n"
