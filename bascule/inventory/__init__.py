"""CSV, YAML or XLSX in; cabinets and waves out, or every problem at once."""

from bascule.inventory.annotating import annotate
from bascule.inventory.diff import Change, Diff, diff
from bascule.inventory.publishing import schema, schema_text
from bascule.inventory.reading import Inventory, read_inventory
from bascule.inventory.refusing import InventoryRefused
from bascule.inventory.sample import sample
from bascule.inventory.template import write_template
from bascule.inventory.waves import WaveSettings, Window, unsupported
from bascule.inventory.writing import write_inventory

__all__ = [
    "Change",
    "Diff",
    "Inventory",
    "InventoryRefused",
    "WaveSettings",
    "Window",
    "annotate",
    "diff",
    "read_inventory",
    "sample",
    "schema",
    "schema_text",
    "unsupported",
    "write_inventory",
    "write_template",
]
