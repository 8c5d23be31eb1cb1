"""The verb of whoever writes an agent: agent check."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from bascule.errors import BasculeError
from bascule.model import System
from console.running import Json
from console.telling import as_text, print_json, say

if TYPE_CHECKING:
    from rich.console import RenderableType

    from bascule.conformance import CheckRequest, CheckResult, Promise

app = typer.Typer(no_args_is_help=True, help="For whoever writes an agent.")

COLOURS = {"passed": "green", "failed": "red", "not-tried": "yellow"}

Cabinet = Annotated[
    str | None,
    typer.Option(
        "--cabinet", "-c", help="The cabinet to read, and with --writes to change. Without: what needs none is tried."
    ),
]


class UsageError(BasculeError):
    """The command does not say enough, or contradicts itself."""


class NotWritten(BasculeError):
    """The file of results could not be written."""


def register(root: typer.Typer) -> None:
    root.add_typer(app, name="agent")


@app.callback()
def agent() -> None:
    """Keeps `check` a word of its own, beside which others may come."""


@app.command()
def check(
    url: Annotated[
        str, typer.Argument(help="A system's base URL, or the one below which my-sage, ge and s4a are served.")
    ],
    system: Annotated[
        System | None, typer.Option("--system", help="Check this system only, and expect it at the URL.")
    ] = None,
    cabinet: Cabinet = None,
    other: Annotated[
        str | None, typer.Option("--other", help="A second cabinet, only read: answers for two must not be mixed.")
    ] = None,
    writes: Annotated[
        bool,
        typer.Option(
            "--writes",
            help="Drive the cabinet along the whole procedure. It is changed for good: name a test cabinet, never a real one.",
        ),
    ] = False,
    client_id: Annotated[str, typer.Option("--client-id", help="Who asks for the token.")] = "bascule",
    secret_env: Annotated[
        str | None,
        typer.Option("--secret-env", help="The variable that holds the client secret: its name, not the secret."),
    ] = None,
    timeout: Annotated[
        float, typer.Option("--timeout", min=0.1, help="Seconds until an answer that has not come is missing.")
    ] = 30,
    long: Annotated[
        float,
        typer.Option("--long", min=1, help="Seconds that a synchronisation, a validation or a workspace may take."),
    ] = 900,
    json: Json = False,
    junit: Annotated[
        Path | None, typer.Option("--junit", help="Write the results to this file, as JUnit's XML.")
    ] = None,
) -> None:
    """Try every promise of the contract on an agent, and say of each whether it passed, failed or was not tried.

    It only reads, unless --writes is given with a test cabinet: that one it drives through the migration, AdminSage, terms and
    synchronisation included, under fencing numbers that count the seconds since 1970: it then refuses lower ones. The promises, by number, are in
    docs/contract/promises.md. Exit code 4: one failed; 2: no agent answers there. --json prints `url`, `contract`, `systems`,
    `cabinet`, `writes`, how many `passed`, `failed` and `not_tried`, the writes `reached` and `missed`, and `promises`: each
    with `number`, `section`, `promise`, `outcome`, and by name under `systems` its `outcome`, what was `found`, `sent`, and what `came`.

    Example: bascule agent check http://127.0.0.1:8800/ge --system ge --cabinet C0001
    """
    from bascule.conformance import CheckRequest, check_agent, to_junit, to_plain
    from console.exit_codes import Exit

    if writes and cabinet is None:
        raise UsageError("--writes changes a cabinet for good", remedy="name a test cabinet with --cabinet CODE")
    if other is not None and other == cabinet:
        raise UsageError("--other is the same cabinet", remedy="name a second one, or leave --other out")
    request = CheckRequest(
        url=url,
        system=system,
        cabinet=cabinet,
        other=other,
        writes=writes,
        client_id=client_id,
        secret=_secret(secret_env),
        timeout=timeout,
        long=long,
    )
    if writes:
        say(f"--writes: cabinet {cabinet} at {url} is driven along the procedure, and is changed for good.")
    result = asyncio.run(check_agent(request))
    if junit is not None:
        _write(junit, to_junit(result))
    if json:
        print_json(to_plain(result))
    else:
        _print(result)
    raise typer.Exit(Exit.NOT_OK if result.failed else Exit.OK)


def _secret(name: str | None) -> str | None:
    if name is None:
        return None
    from config.wiring import secret_behind

    return secret_behind(f"env:{name}")


def _write(path: Path, document: bytes) -> None:
    try:
        path.write_bytes(document)
    except OSError as refused:
        raise NotWritten(f"{path}: {refused.strerror}", remedy="choose another file with --junit") from None


def _print(result: CheckResult) -> None:
    from rich.console import Console

    console = Console()
    for part in _in_words(result):
        console.print(part)


def _in_words(result: CheckResult) -> Iterator[RenderableType]:
    from rich import box
    from rich.table import Table

    from bascule.conformance import PROMISES, PromiseOutcome

    yield as_text(_what_was_checked(result), style="italic")
    table = Table(box=box.SIMPLE_HEAD, padding=(0, 1, 0, 0))
    for column in ("no", "outcome", "what the contract promises"):
        table.add_column(column, overflow="fold")
    silent = [promise for promise in PROMISES if _lacks_what_it_needs(promise, result.request)]
    for promise in PROMISES:
        if promise not in silent:
            outcome = result.outcome_of(promise)
            lines = "\n".join((promise.sentence, *_details(result, promise)))
            table.add_row(promise.number, as_text(outcome.value, style=COLOURS[outcome]), as_text(lines))
    yield table
    if silent:
        lacking = "--writes and a test cabinet" if result.request.cabinet else "--cabinet, or --cabinet and --writes"
        yield as_text(f"{len(silent)} more were not tried: they need {lacking}.")
    if result.request.writes:
        yield as_text(f"The cabinet was driven through: {', '.join(result.reached) or 'nothing'}.")
        for why in result.missed.values():
            yield as_text(f"  {why}")
    counts = result.counts
    yield as_text(
        f"{counts[PromiseOutcome.PASSED]} passed, {counts[PromiseOutcome.FAILED]} failed, {counts[PromiseOutcome.NOT_TRIED]} not tried.",
        style="bold red" if result.failed else "bold",
    )


def _what_was_checked(result: CheckResult) -> str:
    request = result.request
    systems = ", ".join(system.value for system in result.systems)
    whose = f"cabinet {request.cabinet}{', with writes' if request.writes else ''}" if request.cabinet else "no cabinet"
    return f"{request.url}: {systems}; {whose}"


def _lacks_what_it_needs(promise: Promise, request: CheckRequest) -> bool:
    from bascule.conformance import Needs

    return (promise.needs is Needs.WRITES and not request.writes) or (
        promise.needs is Needs.CABINET and request.cabinet is None
    )


def _details(result: CheckResult, promise: Promise) -> Iterator[str]:
    from bascule.conformance import PromiseOutcome

    outcome = result.outcome_of(promise)
    if outcome is PromiseOutcome.NOT_TRIED:
        yield from dict.fromkeys(f"  {one.found}" for one in result.of(promise))
    for one in result.of(promise):
        if one.outcome is PromiseOutcome.FAILED:
            yield from (f"  {one.system.value}: {one.found}", f"  sent: {one.sent}", f"  came: {one.came}")
