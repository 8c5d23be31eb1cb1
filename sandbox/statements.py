"""What a system says of instants, where a fault makes it say otherwise: another instant in a field, a clock that is off."""

from __future__ import annotations

import json
from collections.abc import Mapping
from datetime import datetime, timedelta
from typing import Any, Literal

from sandbox.cabinet import Cabinet
from sandbox.scenario import Fault
from sandbox.wire import System

Kind = Literal["facts", "lists"]


def stated(body: bytes, cabinet: Cabinet, system: System, kind: Kind, now: float) -> bytes:
    """A JSON object, as the system states it."""
    if not any(cabinet.faults.has(name) for name in ("clock", "wrong-instant")):
        return body
    document = json.loads(body)
    for fault in cabinet.faults.striking("clock", now, lambda fault: fault.hits_system(system)):
        document = shifted(document, timedelta(seconds=fault.seconds or 0))
    for fault in cabinet.faults.striking("wrong-instant", now, lambda f: _is_told(f, document, system, kind)):
        holder, name = _place(fault, document, kind)
        holder[name] = fault.to
    return json.dumps(document, ensure_ascii=False, separators=(",", ":")).encode()


def shifted(told: Any, by: timedelta) -> Any:
    """The same with every instant moved."""
    if isinstance(told, list):
        return [shifted(one, by) for one in told]
    if not isinstance(told, Mapping):
        return told
    return {
        name: (datetime.fromisoformat(value) + by).isoformat()
        if isinstance(value, str) and (name.endswith("_at") or name == "since")
        else shifted(value, by)
        for name, value in told.items()
    }


def _is_told(fault: Fault, document: dict[str, Any], system: System, kind: Kind) -> bool:
    holder, name = _place(fault, document, kind)
    return fault.hits_system(system) and isinstance(holder, dict) and name in holder


def _place(fault: Fault, document: dict[str, Any], kind: Kind) -> tuple[Any, str]:
    """The object that holds the field, if there is one, and the field's name in it."""
    outer, _, name = (fault.field or "").removeprefix(f"{kind}.").rpartition(".")
    return (document.get(outer) if outer else document), name
