"""What the console says, and where: results on standard output, everything else on standard error."""

from __future__ import annotations

import json
import os
import re
from typing import TYPE_CHECKING, Any

import typer

if TYPE_CHECKING:
    from collections.abc import Iterable

    from rich.text import Text

    from bascule.model import Cabinet
    from config.settings import Settings


def say(text: str) -> None:
    """Beside the results. Nothing in it steers the terminal, whoever's words it repeats."""
    _echo(text, err=True)


def tell(text: str) -> None:
    """A result, for people. Nothing in it steers the terminal, whoever's words it repeats."""
    _echo(text, err=False)


def as_text(told: str, style: str = "") -> Text:
    """For a table: words from outside are shown as they are, never read as markup, and steer no terminal."""
    from rich.text import Text

    from bascule.reports.visible import visible

    return Text(visible(told), style=style)


def _echo(text: str, *, err: bool) -> None:
    # What is printable throughout holds nothing that hides: nobody waits for the reports to be imported.
    if not text.isprintable():
        from bascule.reports.visible import visible

        text = visible(text)
    typer.echo(text, err=err)


def say_where(settings: Settings) -> None:
    """Which environment, ledger and connectors a command uses, before it uses them."""
    from bascule.model import System

    connectors = ", ".join(f"{s.value} by {settings.system(s).connector or 'what the inventory says'}" for s in System)
    say(f"Environment {settings.environment} · ledger {masked(settings.ledger_url or 'none')} · {connectors}")


def say_connectors(settings: Settings, cabinets: Iterable[Cabinet]) -> None:
    """Which connectors these cabinets use, where some use other ones than the environment's."""
    from collections import Counter

    from bascule.model import System

    cabinets = tuple(cabinets)
    if not any(cabinet.connectors for cabinet in cabinets):
        return
    used = Counter(
        (system, cabinet.connectors.get(system) or settings.system(system).connector or "none")
        for cabinet in cabinets
        for system in System
    )
    told = (f"{system.value} by {connector} ({count})" for (system, connector), count in sorted(used.items()))
    say(f"The inventory's connectors: {', '.join(told)}")


def say_passed_over(settings: Settings) -> None:
    """A Prefect server that the shell names is not the one that is used: who expected that is told how to say it."""
    if (named := os.environ.get("PREFECT_API_URL")) and named != settings.prefect.url:
        say(
            f"warning: PREFECT_API_URL names {masked(named)}, which is not used: set BASCULE_PREFECT__URL, and __AUTH if it asks"
        )


def say_locked_out(settings: Settings) -> None:
    """Whose users a run of this ledger keeps out, where there is one: who ends in the middle leaves nobody out unnamed."""
    from datetime import UTC, datetime

    from bascule.errors import BasculeError
    from config.wiring import open_ledger

    try:
        with open_ledger(settings, read_only=True) as ledger:
            out = [one.cabinet for one in ledger.lock_outs(datetime.now(UTC))]
    except BasculeError:
        # What is wrong with the ledger is said by who works on it.
        return
    if out:
        say(
            f"Users are locked out at {', '.join(out)}: a synchronisation that runs goes on by itself. The next run of the wave"
            " takes it up; so does bascule reap, which only looks."
        )


def masked(url: str) -> str:
    """A database address without its password."""
    # Up to the last @: a password may hold one, and half a secret is none.
    return re.sub(r"(://[^:/@]*):.*@", r"\1:***@", url)


def print_json(value: Any) -> None:
    from bascule.reports.visible import in_json

    typer.echo(in_json(json.dumps(value, ensure_ascii=False, indent=1)))
