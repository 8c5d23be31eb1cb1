"""An inventory as the ledger keeps it: plain JSON, every row as it was understood."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from pydantic import TypeAdapter

from bascule.inventory.reading import Inventory
from bascule.inventory.waves import WaveSettings
from bascule.model import Cabinet

_cabinets: TypeAdapter[tuple[Cabinet, ...]] = TypeAdapter(tuple[Cabinet, ...])
_waves: TypeAdapter[dict[str, WaveSettings]] = TypeAdapter(dict[str, WaveSettings])


def to_plain(inventory: Inventory) -> dict[str, Any]:
    return {
        "cabinets": _cabinets.dump_python(inventory.cabinets, mode="json"),
        "waves": {name: wave.model_dump(mode="json", exclude_defaults=True) for name, wave in inventory.waves.items()},
        "source": inventory.source,
        **({"calendars": dict(inventory.calendars)} if inventory.calendars else {}),
    }


def from_plain(plain: Mapping[str, Any]) -> Inventory:
    return Inventory(
        cabinets=_cabinets.validate_python(plain["cabinets"]),
        waves=_waves.validate_python(plain["waves"]),
        warnings=(),
        source=plain["source"],
        calendars=plain.get("calendars", {}),
    )
