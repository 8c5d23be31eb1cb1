"""One request and what came back, as it is shown to whoever writes the agent."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from functools import cached_property
from typing import Any, Literal

from bascule.connectors.http.answers import shown

Kind = Literal["token", "health", "facts", "lists", "write", "operation", "find"]

LONGEST_EXCERPT = 300
"""Characters of an answer's body that are shown."""


@dataclass(frozen=True, kw_only=True)
class Exchange:
    """A request that was sent, and its answer. Neither tokens nor secrets are in what it shows."""

    kind: Kind
    sent: str
    """The request, on one line."""
    request_id: str
    sent_at: datetime
    received_at: datetime
    status: int = 0
    """0: no answer came."""
    headers: Mapping[str, str] = field(default_factory=dict)
    """Of the answer; names in lower case."""
    body: bytes = b""
    """Unpacked."""
    trouble: str = ""
    """Why there is no answer that could be read."""

    @cached_property
    def json(self) -> Any:
        """The body, or None where it is no JSON in UTF-8."""
        try:
            return json.loads(self.body.decode("utf-8"))
        except (ValueError, RecursionError):
            return None

    @property
    def fields(self) -> dict[str, Any]:
        """Of the body's object; empty where it is none."""
        return self.json if isinstance(self.json, dict) else {}

    @property
    def codes(self) -> tuple[str, ...]:
        """Codes of errors, as far as they can be read."""
        errors = self.fields.get("errors")
        read = (one.get("code") for one in errors if isinstance(one, dict)) if isinstance(errors, list) else ()
        return tuple(code for code in read if isinstance(code, str))

    def rows(self, name: str) -> list[dict[str, Any]]:
        """Objects of the list of this name, each with what of it is a plain value."""
        rows = self.fields.get(name)
        return [plain_values(row) for row in rows if isinstance(row, dict)] if isinstance(rows, list) else []

    def texts(self, name: str) -> list[str]:
        """Words of the list of this name."""
        words = self.fields.get(name)
        return [word for word in words if isinstance(word, str)] if isinstance(words, list) else []

    def inner(self, name: str) -> dict[str, Any]:
        """The object of this name, empty where there is none."""
        value = self.fields.get(name)
        return plain_values(value) if isinstance(value, dict) else {}

    @property
    def is_error(self) -> bool:
        return self.status >= 400 or bool(self.codes)

    @property
    def came(self) -> str:
        """The answer, on one line. What a cabinet's facts and lists hold, and tokens, are not repeated."""
        if not self.status:
            return self.trouble
        line = f"{self.status} {shown(self.headers.get('content-type', 'without a content type'))}"
        if self.trouble:
            return f"{line}, {self.trouble}"
        if self.kind in ("token", "facts", "lists") and not self.is_error:
            return f"{line}, {len(self.body)} bytes"
        return f"{line}: {shown(self.body.decode('utf-8', 'replace'), LONGEST_EXCERPT) or 'nothing'}"


def plain_values(row: dict[str, Any]) -> dict[str, Any]:
    return {name: value for name, value in row.items() if value is None or isinstance(value, str | int | float)}
