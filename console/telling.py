"""What the console says, and where: results on standard output, everything else on standard error."""

from __future__ import annotations

import json
import re
from typing import TYPE_CHECKING, Any

import typer

if TYPE_CHECKING:
    from config.settings import Settings


def say(text: str) -> None:
    typer.echo(text, err=True)


def say_where(settings: Settings) -> None:
    """Which environment, ledger and connectors a command uses, before it uses them."""
    from bascule.model import System

    connectors = ", ".join(f"{s.value} by {settings.system(s).connector or 'what the inventory says'}" for s in System)
    say(f"Environment {settings.environment} · ledger {masked(settings.ledger_url or 'none')} · {connectors}")


def masked(url: str) -> str:
    """A database address without its password."""
    # Up to the last @: a password may hold one, and half a secret is none.
    return re.sub(r"(://[^:/@]*):.*@", r"\1:***@", url)


def print_json(value: Any) -> None:
    typer.echo(json.dumps(value, ensure_ascii=False, indent=1))
