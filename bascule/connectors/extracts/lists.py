"""Which lists are exported from GE and from Client Management, and which of Bascule's facts each of them holds."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, fields

from bascule.facts import Assigned, Collaborateur, Contact, Dossier, Entity, Group, Profile, Right, User
from bascule.model import System

CABINET = "cabinet"
"""A field of no fact: the SIREN or the code of the cabinet, on every line of a list."""


EXPORTED_AT = "exported_at"
"""A field of no fact, and of every list: when it was exported, on each of its lines."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ExportedList:
    name: str
    told_as: str
    """The attribute of GeLists or S4aLists that holds its rows."""
    of: type
    needed: bool = True
    may_lack: frozenset[str] = frozenset()
    """Fields whose column need not be there: without it nothing is compared wrongly."""

    @property
    def fields(self) -> tuple[str, ...]:
        """What a mapping gives headers for."""
        own = tuple(field.name for field in fields(self.of))
        return (*own, *((CABINET,) if CABINET in self.may_lack else ()), EXPORTED_AT)

    def needs(self, field: str) -> bool:
        """Whether a column must be there for it."""
        return field != EXPORTED_AT and field not in self.may_lack


CONTACTS = ExportedList(name="contacts", told_as="contacts", of=Contact, may_lack=frozenset({"id", "collaborateur"}))
LISTS: Mapping[System, tuple[ExportedList, ...]] = {
    System.GE: (
        ExportedList(name="entites", told_as="entities", of=Entity, may_lack=frozenset({"address"})),
        ExportedList(name="profils", told_as="profiles", of=Profile),
        ExportedList(name="collaborateurs", told_as="collaborateurs", of=Collaborateur),
        ExportedList(name="groupes", told_as="groups", of=Group),
        ExportedList(name="droits", told_as="rights", of=Right),
        ExportedList(name="dossiers", told_as="dossiers", of=Dossier),
        CONTACTS,
    ),
    System.S4A: (
        ExportedList(name="clients", told_as="dossiers", of=Dossier, may_lack=frozenset({CABINET})),
        ExportedList(name="utilisateurs", told_as="users", of=User, may_lack=frozenset({"collaborateur"})),
        CONTACTS,
        ExportedList(name="groupes", told_as="groups", of=Group, needed=False),
        ExportedList(name="collaborateurs", told_as="collaborateurs", of=Collaborateur, needed=False),
        ExportedList(name="droits", told_as="rights", of=Right, needed=False),
        ExportedList(name="affectations", told_as="assignments", of=Assigned, needed=False),
    ),
}
