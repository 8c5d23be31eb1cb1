"""What makes a page of one file: it asks nothing of any network, runs nothing but its own script, and shows what is in a name."""

from __future__ import annotations

import base64
import hashlib
import json
from collections.abc import Mapping
from functools import cache
from pathlib import Path
from typing import Any

from jinja2 import Environment, FileSystemLoader, StrictUndefined
from markupsafe import Markup

from bascule.reports.visible import visible

TEMPLATES = Path(__file__).with_name("templates")


@cache
def templates() -> Environment:
    return Environment(
        loader=FileSystemLoader(TEMPLATES),
        autoescape=True,
        undefined=StrictUndefined,
        finalize=shown,
        trim_blocks=True,
        lstrip_blocks=True,
    )


def shown(value: Any) -> Any:
    """Characters that nobody sees are seen."""
    if not isinstance(value, str) or isinstance(value, Markup):
        return value
    return visible(value)


def in_script(told: Mapping[str, Any]) -> Markup:
    """JSON in which no text can end the element that holds it."""
    text = json.dumps(told, ensure_ascii=False, separators=(",", ":"))
    return Markup(text.replace("&", "\\u0026").replace("<", "\\u003c").replace(">", "\\u003e"))  # noqa: S704


def policy(style: str, script: str | None = None) -> str:
    """What a browser lets a page do: show itself, and nothing more."""
    may_run = f" script-src {_source(script)};" if script is not None else ""
    return f"default-src 'none'; style-src {_source(style)};{may_run} base-uri 'none'; form-action 'none'"


def _source(text: str) -> str:
    return f"'sha256-{base64.b64encode(hashlib.sha256(text.encode()).digest()).decode()}'"


def asset(name: str) -> str:
    return (TEMPLATES / name).read_text(encoding="utf-8")
