"""Letting users in again: reap, where everybody can see that it may be done; unlock, on a person's word."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Annotated

import typer

from bascule.errors import BasculeError
from console.inbox import NotAnOperator, Unclear
from console.telling import say, say_connectors, say_where, tell

if TYPE_CHECKING:
    from bascule.engine.reaping import Owed, Reaped
    from bascule.ledger import Entry, Ledger
    from config.settings import Settings


class NotThere(BasculeError):
    """The ledger cannot tell how to reach this cabinet."""


class InOtherHands(BasculeError):
    """Another process is at work on the cabinet."""


def register(app: typer.Typer) -> None:
    app.command()(reap)
    app.command()(unlock)


def reap(
    environment: Annotated[
        str | None, typer.Option("--environment", "-e", help="sandbox, production, or the path of a TOML file.")
    ] = None,
) -> None:
    """Look once at every cabinet whose users a run left locked out, and let them in where no synchronisation runs.

    What every run does when it begins, and the deployment reap on its schedule. Ends 0 where nobody has to see to anything,
    4 where somebody has, 5 where users wait for a synchronisation to end or for who has it in hand.

    Example: bascule reap --environment production
    """
    from config.reaping import let_users_in
    from config.settings import read_settings
    from config.wiring import open_ledger

    settings = read_settings(environment)
    say_where(settings)
    with open_ledger(settings, makes_one=False) as ledger:
        reaped = asyncio.run(let_users_in(settings, ledger, asyncio.Event()))
    raise typer.Exit(_tell_reaped(reaped))


def unlock(
    code: Annotated[str, typer.Argument(help="The cabinet's code.", metavar="CODE")],
    because: Annotated[str, typer.Option("--because", help="Why users may be let in now; kept in the ledger.")],
    by: Annotated[str, typer.Option("--by", help="Who says so: a name of the setting operators, where there are any.")],
    environment: Annotated[
        str | None, typer.Option("--environment", "-e", help="sandbox, production, or the path of a TOML file.")
    ] = None,
) -> None:
    """Let a cabinet's users in again, whatever seems to run: where nobody can see it, or it seems to run and does not.

    Sent once, without the look that every run takes before. A synchronisation that does run may be aborted by it.

    Example: bascule unlock C0042 --by anne --because "The wizard was closed by hand at 21:40; GE shows no synchronisation"
    """
    from config.settings import read_settings
    from config.wiring import open_ledger

    settings = read_settings(environment)
    by, because = speaker(by, settings), reason_in(because)
    say_where(settings)
    with open_ledger(settings, makes_one=False) as ledger:
        owed = _known(code.strip().upper(), ledger)
        assert owed.cabinet is not None
        say_connectors(settings, [owed.cabinet])
        entry = asyncio.run(_unlocked(settings, ledger, owed, by, because))
    raise typer.Exit(_told(entry, owed))


async def _unlocked(settings: Settings, ledger: Ledger, owed: Owed, by: str, because: str) -> Entry:
    from bascule.engine.reaping import unlock as let_in
    from bascule.errors import CabinetTaken
    from config.wiring import run_on

    assert owed.cabinet is not None
    async with run_on(settings, ledger, wave=owed.wave) as run, run.heartbeat():
        try:
            return await let_in(run, owed.cabinet, by=by, because=because)
        except CabinetTaken as taken:
            raise InOtherHands(
                str(taken), remedy=f"end it first: bascule stop --wave {owed.wave}; it lets users in where it can"
            ) from None


def _known(code: str, ledger: Ledger) -> Owed:
    from bascule.engine.reaping import owing
    from config.wiring import now

    [owed] = owing(ledger, now(), [code])
    if owed.cabinet is None:
        out = ", ".join(ledger.owing_a_reopen())
        raise NotThere(
            f"The ledger knows no cabinet {code!r}",
            remedy=f"locked out, as far as it knows: {out}" if out else "as far as it knows, nobody is locked out",
        )
    return owed


def _tell_reaped(reaped: Reaped) -> int:
    """What became of each, and the exit code."""
    from console.exit_codes import Exit

    if not (reaped.let_in or reaped.left or reaped.stuck):
        tell("Nobody is locked out.")
    for code in sorted(reaped.let_in):
        tell(f"{code}: users can connect again, as GE shows.")
    for code, why in sorted(reaped.left.items()):
        tell(f"{code}: users stay locked out: {why}")
    for code, why in sorted(reaped.stuck.items()):
        tell(f"{code}: users may still be locked out: {why}")
        say(f"  see what GE shows; if users may be let in: bascule unlock {code} --because TEXT --by NAME")
    for code in sorted(reaped.overdue):
        say(f"  {code} is overdue: its users should have been back by now")
    if reaped.stuck or reaped.overdue:
        return Exit.NOT_OK
    return Exit.WAITING if reaped.left else Exit.OK


def _told(entry: Entry, owed: Owed) -> int:
    """What the systems show now, and the exit code."""
    from bascule.model import State
    from console.exit_codes import Exit

    if entry.state is State.DONE:
        tell(f"{owed.code}: users can connect again, as GE shows.")
        say(f"Next: a run of the wave carries on: bascule rerun --cabinet {owed.code}")
        return Exit.OK
    if entry.state is State.WAITING:
        tell(f"{owed.code}: {entry.reason}")
        say(f"Next: {entry.evidence.get('remedy') or f'bascule inbox --cabinet {owed.code}'}")
        return Exit.WAITING
    tell(f"{owed.code}: users may still be locked out: {entry.reason}")
    say("Next: see what GE shows, and end the lock-out there by hand if it must be; then the next run goes on.")
    return Exit.NOT_OK


# Who speaks, and why


def speaker(name: str, settings: Settings) -> str:
    """As the settings spell it."""
    from bascule.workorders import is_same_person

    if not name.strip():
        raise Unclear("--by says nothing", remedy="say who you are")
    for operator in settings.operators:
        if is_same_person(operator, name):
            return operator
    if settings.operators:
        raise NotAnOperator(
            f"{name!r} is no operator of the environment {settings.environment}",
            remedy=f"operators: {', '.join(settings.operators)}",
        )
    return name.strip()


def reason_in(text: str) -> str:
    from bascule.connectors.operator.forms import as_reason
    from bascule.tables.problems import Broken

    try:
        reason = as_reason(text)
    except Broken as broken:
        raise Unclear(f"--because {broken.rule}", remedy=broken.fix) from None
    if not reason:
        raise Unclear("--because says nothing", remedy="say why, in a sentence")
    return reason
