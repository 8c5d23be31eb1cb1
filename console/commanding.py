"""The words for a running wave, from another terminal: pause, drain, resume, stop."""

from __future__ import annotations

import asyncio
from datetime import UTC, datetime
from typing import Annotated

import typer

from console.running import Environment
from console.telling import say, say_where, tell

Wave = Annotated[
    str | None, typer.Option("--wave", "-w", help="The wave, as the ledger knows it; left out: the only one at work.")
]
By = Annotated[
    str | None,
    typer.Option(
        "--by",
        help="Who says so: a name of the setting operators, where there are any; left out: who is at the keyboard.",
    ),
]
Because = Annotated[str, typer.Option("--because", help="Why; kept in the ledger.")]


def register(app: typer.Typer) -> None:
    for command in (pause, drain, resume, stop):
        app.command()(command)


def pause(wave: Wave = None, by: By = None, because: Because = "", environment: Environment = None) -> None:
    """Start no more cabinets of a running wave. Those in flight go on to their end; the run waits for `bascule resume`.

    Example: bascule pause --wave pilot
    """
    _tell("pause", wave, by, because, environment)


def drain(wave: Wave = None, by: By = None, because: Because = "", environment: Environment = None) -> None:
    """Let each cabinet in flight end its step (a guarded section: up to the reopen), start nothing more, and end the run.

    Example: bascule drain --wave pilot
    """
    _tell("drain", wave, by, because, environment)


def resume(wave: Wave = None, by: By = None, because: Because = "", environment: Environment = None) -> None:
    """Take back `pause`. With a reason, also accept what went wrong until now, so that breaker and ramp go on.

    Example: bascule resume --wave pilot --because "the three failures are the same wrong setting, mended"
    """
    _tell("resume", wave, by, because, environment)


def stop(wave: Wave = None, by: By = None, because: Because = "", environment: Environment = None) -> None:
    """End a running wave as soon as is safe: as Ctrl-C does. A synchronisation that runs is left running: its users stay locked out until the next run, reap or schedule sees it end.

    Example: bascule stop --wave pilot --because "Sage announces maintenance"
    """
    _tell("stop", wave, by, because, environment)


def _tell(word: str, wave: str | None, by: str | None, because: str, environment: str | None) -> None:
    from bascule.engine.commanding import command
    from bascule.errors import BasculeError
    from bascule.reports.status import known_wave
    from bascule.waves.governor import Word
    from config.settings import read_settings
    from config.wiring import current_user, open_ledger
    from console.unlocking import reason_in, speaker

    settings = read_settings(environment)
    because = reason_in(because) if because else ""
    # What holds a wave back, or lets it go on as it was, is anybody's who sits at the machine; what takes risks upon itself is an operator's.
    by = speaker(by or current_user(), settings) if by or (because and word == "resume") else current_user()
    say_where(settings)
    with open_ledger(settings, makes_one=False) as ledger:
        at_work = {name: runs for name in ledger.waves() if (runs := ledger.running(name, datetime.now(UTC)))}
        if wave is None and len(at_work) == 1:
            (wave,) = at_work
        if wave is None:
            told = f"{len(at_work)} waves are at work: {', '.join(at_work)}" if at_work else "No wave is at work"
            raise BasculeError(told, remedy="say which with --wave; the waves there are: bascule status")
        known_wave(ledger, wave)
        if wave not in at_work:
            raise BasculeError(
                f"No run is at work on wave {wave}: there is nothing to {word}",
                remedy=f"bascule status --wave {wave}; to go on with what is left: bascule rerun --wave {wave}",
            )
        answer = asyncio.run(command(ledger, wave=wave, word=Word(word), by=by, because=because))
    if answer.by_run is None:
        say(f"warning: {answer.says}; if it is alive, it takes note within seconds: bascule status --wave {wave}")
    else:
        tell(f"Wave {wave}: {answer.says}")
    if word == Word.STOP:
        say(
            "Where a synchronisation runs, users stay locked out until the next run, reap or schedule sees it end; "
            f"whose, once the run has ended: bascule status --wave {wave}"
        )
