"""The sandbox: serve it, export lists from it, have an operator play at it."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from bascule.errors import BasculeError
from console.telling import say

if TYPE_CHECKING:
    from console.workplace import Workplace

app = typer.Typer(invoke_without_command=True)

Url = Annotated[str, typer.Option("--url", help="Where the sandbox serves.")]
HERE = "http://127.0.0.1:8800"


class Unclear(BasculeError):
    """The command does not say enough."""


@app.callback()
def serve(
    context: typer.Context,
    inventory: Annotated[
        Path | None, typer.Option("--inventory", "-i", help="The cabinets whose systems are emulated. Needed to serve.")
    ] = None,
    scenario: Annotated[Path | None, typer.Option("--scenario", help="Times, limits and faults: YAML or JSON.")] = None,
    port: Annotated[int, typer.Option("--port", min=0, max=65535, help="0: any free one.")] = 8800,
    state: Annotated[
        Path | None, typer.Option("--state", help="Keep everything in this file, and go on from it.")
    ] = None,
) -> None:
    """Serve My Sage, GE and S4A for an inventory's cabinets, on this machine, until it is stopped.

    Example: bascule sandbox --inventory inv.csv --scenario faults.yaml
    """
    if context.invoked_subcommand is not None:
        if inventory or scenario or state:
            raise Unclear(
                "--inventory, --scenario and --state are for serving",
                remedy=f"leave them out, or leave out {context.invoked_subcommand!r}",
            )
        return
    if inventory is None:
        raise Unclear(
            "Whose systems are emulated?",
            remedy="give --inventory FILE; or, beside a sandbox that serves, say export or operator (see --help)",
        )
    _serve(inventory, scenario, port, state)


def _serve(inventory: Path, scenario: Path | None, port: int, state: Path | None) -> None:
    import signal

    from bascule.inventory import read_inventory
    from console.sandbox_process import READY, start_sandbox

    with start_sandbox(read_inventory(inventory), scenario=scenario, port=port, state=state) as running:
        # Who is started in the background by a shell inherits that it is ignored.
        signal.signal(signal.SIGINT, signal.default_int_handler)
        typer.echo(f"{READY}{running.url}")
        say("Ctrl-C ends it.")
        try:
            code = running.process.wait()
        except KeyboardInterrupt:
            return
    raise typer.Exit(max(0, code))


@app.command()
def export(
    cabinet: Annotated[
        list[str] | None, typer.Option("--cabinet", "-c", help="A cabinet's code; may be given several times.")
    ] = None,
    every: Annotated[bool, typer.Option("--all", help="Every cabinet of the sandbox.")] = False,
    output: Annotated[
        Path, typer.Option("--output", "-o", help="The folder that gets a folder for each cabinet.")
    ] = Path("extracts"),
    url: Url = HERE,
) -> None:
    """Export the lists of GE and Client Management from the sandbox, as a person would: CSV, Windows-1252, French headers.

    Example: bascule sandbox export --cabinet C0001 -o extracts/
    """
    if bool(cabinet) == every:
        raise Unclear("Whose lists?", remedy="give --cabinet CODE, once or several times, or --all")
    with _workplace(url) as workplace:
        for code in cabinet or workplace.codes():
            written = workplace.export(code, output)
            typer.echo(f"{code}: {len(written)} lists in {output / code}")


@app.command()
def operator(
    by: Annotated[str, typer.Option("--by", help="Who answers.")],
    approver: Annotated[
        str | None, typer.Option("--approver", help="Who approves what is irreversible; without: nobody does.")
    ] = None,
    extracts: Annotated[Path, typer.Option("--extracts", help="Where exported lists go.")] = Path("extracts"),
    url: Url = HERE,
    environment: Annotated[
        str | None, typer.Option("--environment", "-e", help="sandbox, production, or the path of a TOML file.")
    ] = None,
    speed: Annotated[
        float, typer.Option("--speed", min=0, help="Seconds that each order takes beside the waiting.")
    ] = 0,
    mistakes: Annotated[
        float, typer.Option("--mistakes", min=0, max=1, help="Share of answers that carry a wrong value at first.")
    ] = 0,
    lies: Annotated[
        str,
        typer.Option(
            "--lies",
            help="Whose orders are answered done although they are not: synchronise=C0007,users=C0003, or a share.",
        ),
    ] = "",
    seed: Annotated[int, typer.Option("--seed", help="Draws mistakes and lies.")] = 7,
    watch: Annotated[
        float | None, typer.Option("--watch", min=0.1, help="Look again after so many seconds, until Ctrl-C.")
    ] = None,
) -> None:
    """Play an operator who works through the inbox at the sandbox's screens, and answers; a second person approves.

    Example: bascule sandbox operator --by anne --approver paul --extracts extracts/
    """
    from bascule.workorders import is_same_person
    from console.playing import BasculeCommand, Character, PlayingOperator, read_lies

    if approver is not None and is_same_person(by, approver):
        raise Unclear(f"{by} cannot approve what {by} answered", remedy="name a second person with --approver")
    character = Character(speed=speed, mistakes=mistakes, lies=read_lies(lies), seed=seed)
    with _workplace(url) as workplace:
        PlayingOperator(workplace, BasculeCommand(environment), by, approver, extracts, character).play(watch)


@contextlib.contextmanager
def _workplace(url: str) -> Iterator[Workplace]:
    import httpx

    from console.workplace import Workplace

    with httpx.Client(base_url=url, timeout=30, trust_env=False) as client:
        yield Workplace(client)
