"""The command `bascule`. What a command needs is imported by the command: `bascule --help` must not wait for pandas."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Annotated

import typer

from console import (
    agent,
    auditing,
    commanding,
    following,
    inbox,
    inventory,
    noticing,
    planning,
    reconciling,
    reporting,
    running,
    sandbox,
    unlocking,
    watching,
)
from console.telling import say

app = typer.Typer(
    name="bascule",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
    help="Moves accounting firms from Sage Génération Experts to Sage for Accountants, in waves, and proves it.",
    epilog="Exit codes: 0 all ok · 1 a defect in Bascule · 2 usage or invalid input · 3 some ok with reservations · "
    "4 some failed, unknown, partial or blocked · 5 some waiting · 6 stopped before its end: breaker, ramp held, requires unmet, drain or stop · 7 window · 130 Ctrl-C.",
)
app.add_typer(inventory.app, name="inventory")
app.add_typer(sandbox.app, name="sandbox")
planning.register(app)
running.register(app)
commanding.register(app)
inbox.register(app)
noticing.register(app)
reconciling.register(app)
unlocking.register(app)
reporting.register(app)
watching.register(app)
following.register(app)
auditing.register(app)
agent.register(app)


def version(asked: bool) -> None:
    if asked:
        from importlib.metadata import version as version_of

        typer.echo(f"bascule {version_of('bascule')}")
        raise typer.Exit


@app.callback()
def bascule(
    asked: Annotated[
        bool, typer.Option("--version", callback=version, is_eager=True, help="Say which version this is.")
    ] = False,
) -> None:
    pass


def main() -> None:
    """The outer edge: whatever ends a command ends here, in words."""
    from bascule.errors import BasculeError, LedgerBroken
    from bascule.private import keep_private
    from config.signals import answer_sigterm

    keep_private()
    answer_sigterm()
    try:
        app()
    except BasculeError as refused:
        say(f"error: {refused}")
        if refused.remedy:
            say(f"  {refused.remedy}")
        # What `audit verify` would say too: the command was right, the ledger is not.
        sys.exit(4 if isinstance(refused, LedgerBroken) else 2)
    except KeyboardInterrupt:
        say("Interrupted.")
        sys.exit(130)
    except BrokenPipeError:
        # Whoever read us has read enough.
        sys.stderr.close()
        sys.exit(0)
    except Exception as defect:  # noqa: BLE001  # the outermost edge: recorded, and told as what it is
        say(f"A defect in Bascule: {type(defect).__name__}: {defect}")
        say(
            f"  Please report it with the file {_keep_trace()}; nothing that was proven is lost: run the same command again."
        )
        sys.exit(1)


def _keep_trace() -> Path:
    import traceback
    from datetime import UTC, datetime

    from bascule.private import make_folder, open_file

    path = Path(f".bascule/crash-{datetime.now(UTC):%Y%m%dT%H%M%S}.txt")
    try:
        make_folder(path.parent)
        with open_file(path) as file:
            file.write(traceback.format_exc().encode())
    except OSError:
        traceback.print_exc()
    return path
