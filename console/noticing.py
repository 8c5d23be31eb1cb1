"""The verb that tells people: notify, for cron, systemd, and for trying."""

from __future__ import annotations

import asyncio
from typing import Annotated

import typer

from console.telling import print_json, say, say_where


def register(app: typer.Typer) -> None:
    app.command()(notify)


def notify(
    dry_run: Annotated[
        bool, typer.Option("--dry-run", help="Show what would be sent; send and record nothing.")
    ] = False,
    json: Annotated[bool, typer.Option("--json", help="For programs.")] = False,
    environment: Annotated[
        str | None, typer.Option("--environment", "-e", help="sandbox, production, or the path of a TOML file.")
    ] = None,
) -> None:
    """Send the messages that are due: new work orders, answers to approve, alarms, waves that ended. Each once.

    Exit code 4 where somebody could not be told; the next look tries again.

    Example: bascule notify --dry-run
    """
    from bascule.notices import Posted
    from config.messengers import in_words, send_what_is_due, what_is_due
    from config.settings import read_settings
    from console.exit_codes import Exit

    settings = read_settings(environment)
    say_where(settings)
    if not settings.notices.enabled:
        say(f"Notices are off in the environment {settings.environment}: set notices.enabled, and where they go.")
    if dry_run:
        looked = tuple(Posted(notice) for notice in what_is_due(settings))
    else:
        looked = asyncio.run(send_what_is_due(settings))
    told = []
    for one in looked:
        message = in_words(settings.notices, one.notice)
        state = "due" if dry_run else "failed" if one.failed else "sent"
        about = [matter.about for matter in one.notice.matters]
        told.append({"to": one.notice.to, "notice": one.notice.kind, "about": about, "state": state, "why": one.failed})
        told[-1] |= {"subject": message.subject, "text": message.text}
        if not json:
            typer.echo(f"{one.notice.to}: {state}: {one.failed or message.subject}")
        if dry_run and not json:
            typer.echo(f"\n{message.text}")
    if json:
        print_json(told)
    failed = sum(bool(one.failed) for one in looked)
    say(f"{len(looked)} would be sent." if dry_run else f"{len(looked) - failed} sent, {failed} to be tried again.")
    raise typer.Exit(Exit.NOT_OK if failed else Exit.OK)
