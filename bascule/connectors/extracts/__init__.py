"""Lists exported from GE and from Client Management, dropped in a folder a cabinet: read, and never acted on."""

from bascule.connectors.extracts.mapping import ExtractsMapping, MappingRefused, read_mapping
from bascule.connectors.extracts.reading import ExtractsUnreadable, examine, read_ge, read_s4a
from bascule.connectors.extracts.remote import ExtractsRemote

__all__ = [
    "ExtractsMapping",
    "ExtractsRemote",
    "ExtractsUnreadable",
    "MappingRefused",
    "examine",
    "read_ge",
    "read_mapping",
    "read_s4a",
]
