"""What has changed between two inventories, cabinet by cabinet."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from dataclasses import asdict, dataclass
from typing import Any, NamedTuple

from bascule.inventory.reading import Inventory, said


class Change(NamedTuple):
    """`code` is a cabinet's, or a wave's name where it stands among `waves`. None: not said."""

    code: str
    field: str
    old: str | None
    new: str | None

    def __str__(self) -> str:
        old, new = (f"`{value}`" if value is not None else "nothing" for value in (self.old, self.new))
        return f"~ {self.code} {self.field}: {old} -> {new}"


@dataclass(frozen=True, slots=True)
class Diff:
    added: tuple[str, ...]
    removed: tuple[str, ...]
    changed: tuple[Change, ...]
    waves: tuple[Change, ...] = ()

    def __bool__(self) -> bool:
        return bool(self.added or self.removed or self.changed or self.waves)

    def __str__(self) -> str:
        added, removed = [f"+ {code}" for code in self.added], [f"- {code}" for code in self.removed]
        waves = [f"{str(change)[:2]}wave {str(change)[2:]}" for change in self.waves]
        return "\n".join([*added, *removed, *map(str, self.changed), *waves]) or "no difference"

    def as_json(self) -> str:
        changes = {name: [change._asdict() for change in getattr(self, name)] for name in ("changed", "waves")}
        return json.dumps({**asdict(self), **changes}, ensure_ascii=False, indent=2)


def diff(old: Inventory, new: Inventory) -> Diff:
    """In the order of the new inventory, for what was removed in that of the old one."""
    before = {cabinet.code: said(cabinet) for cabinet in old.cabinets}
    after = {cabinet.code: said(cabinet) for cabinet in new.cabinets}
    waves_before, waves_after = (
        {
            name: settings.model_dump(mode="json", by_alias=True, exclude_defaults=True)
            for name, settings in i.waves.items()
        }
        for i in (old, new)
    )
    return Diff(
        added=tuple(code for code in after if code not in before),
        removed=tuple(code for code in before if code not in after),
        changed=tuple(c for code in after if code in before for c in _changes(code, before[code], after[code])),
        waves=tuple(
            change
            for name in dict.fromkeys([*waves_before, *waves_after])
            for change in _changes(name, waves_before.get(name, {}), waves_after.get(name, {}))
        ),
    )


def _changes(code: str, before: Mapping[str, Any], after: Mapping[str, Any]) -> Iterator[Change]:
    for field in dict.fromkeys([*before, *after]):
        old, new = before.get(field), after.get(field)
        if old != new:
            yield Change(code, field, _shown(old), _shown(new))


def _shown(value: Any) -> str | None:
    return value if value is None or isinstance(value, str) else json.dumps(value, ensure_ascii=False)
