"""The verb that tells people: notify, for cron, systemd, and for trying."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Annotated, Any

import typer

from console.telling import print_json, say, say_where, tell

if TYPE_CHECKING:
    from bascule.notices import Message, Posted


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
    told = [_told(one, in_words(settings.notices, one.notice), due=dry_run) for one in looked]
    if json:
        print_json(told)
    else:
        for one in told:
            tell(f"{one['to']}: {one['state']}: {one['why'] or one['subject']}")
            if dry_run:
                tell(f"\n{one['text']}")
    failed = sum(bool(one.failed) for one in looked)
    say(f"{len(looked)} would be sent." if dry_run else f"{len(looked) - failed} sent, {failed} to be tried again.")
    raise typer.Exit(Exit.NOT_OK if failed else Exit.OK)


def _told(posted: Posted, message: Message, *, due: bool) -> dict[str, Any]:
    return {
        "to": posted.notice.to,
        "notice": posted.notice.kind,
        "about": [matter.about for matter in posted.notice.matters],
        "state": "due" if due else "failed" if posted.failed else "sent",
        "why": posted.failed or None,
        "subject": message.subject,
        "text": message.text,
    }
