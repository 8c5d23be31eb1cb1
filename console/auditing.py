"""The verbs of whoever must be sure: audit show, verify, export."""

from __future__ import annotations

import contextlib
import json as as_json
import os
import sys
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, TextIO

import typer

from bascule.errors import BasculeError
from console.running import Environment, Json
from console.telling import as_text, print_json, say, say_where

if TYPE_CHECKING:
    from rich.table import Table

    from bascule.ledger.audit import Audited, Flaw, Head, Selection
    from bascule.reports.seals import SealsSeen

Wave = Annotated[str | None, typer.Option("--wave", "-w", help="A wave: its own chain and those of its cabinets.")]
Cabinets = Annotated[list[str] | None, typer.Option("--cabinet", "-c", help="A cabinet's chain; may be repeated.")]

HASH_SHOWN = 8
"""Characters of a hash that people compare at a glance; programs get all."""
NAMED = 10
"""Names that a line holds."""

app = typer.Typer(no_args_is_help=True, help="What was done, by whom, and whether the ledger still says so.")


class NoSuchChain(BasculeError):
    """The ledger holds nothing of that name."""


class OfAnotherLedger(BasculeError):
    """The run folder tells of another ledger."""


class NotAnInstant(BasculeError):
    """That is no date, and no instant."""


class NotExported(BasculeError):
    """The entries could not be written."""


class Unclear(BasculeError):
    """The command does not say enough, or too much."""


def register(root: typer.Typer) -> None:
    root.add_typer(app, name="audit")


@app.command()
def verify(
    wave: Wave = None,
    cabinet: Cabinets = None,
    against: Annotated[
        Path | None,
        typer.Option("--against", help="A run folder: nothing that it has seen may be missing, nor its files changed."),
    ] = None,
    json: Json = False,
    environment: Environment = None,
) -> None:
    """Look whether the ledger is what was written: every entry, chain by chain; the first broken one of each is named.

    Without --wave and --cabinet, all chains are looked at, and the inventories too. That entries were cut off at the end of
    a chain shows only --against a run folder. Exit code 4 where anything is broken.

    Example: bascule audit verify --against .bascule/runs/pilot/4f1c
    """
    from bascule.inventory.stored import from_plain
    from bascule.ledger.anchor import heads_in
    from bascule.ledger.audit import audit
    from console.exit_codes import Exit

    url = _ledger(environment)
    anchor = heads_in(against) if against is not None else {}
    selection = _selection(url, wave, cabinet, anchor)
    audited = audit(url, selection, anchor=anchor, inventory_digest=lambda content: from_plain(content).digest)
    held = _held_against(url, against, anchor, audited) if against is not None else None
    flaws = (*audited.flaws, *(held.flaws if held is not None else ()))
    if json:
        print_json(_as_json(audited, held, flaws))
    else:
        _tell(audited, held, flaws)
    raise typer.Exit(Exit.NOT_OK if flaws else Exit.OK)


@app.command()
def show(
    wave: Annotated[
        str | None, typer.Option("--wave", "-w", help="A wave's own chain: its runs, and what people told them.")
    ] = None,
    cabinet: Annotated[str | None, typer.Option("--cabinet", "-c", help="A cabinet's chain.")] = None,
    since: Annotated[
        str | None,
        typer.Option("--since", help="Only what was written then or later: 2026-12-01, 2026-12-01T19:00 (UTC)."),
    ] = None,
    json: Json = False,
    environment: Environment = None,
) -> None:
    """Show a chain, entry by entry: when (UTC), who, what, why. It is shown as it stands; whether it stands: audit verify.

    Example: bascule audit show --cabinet C0042 --since 2026-12-01
    """
    from rich.console import Console

    from bascule.ledger.audit import Selection, exported

    if (wave is None) == (cabinet is None):
        raise Unclear("One chain is shown at a time", remedy="give either --cabinet C or --wave W")
    earliest = _instant(since) if since is not None else None
    url = _ledger(environment)
    chain = f"@{wave}" if wave is not None else (cabinet or "").strip().upper()
    _require_known(url, [chain], {})
    entries = [
        entry
        for entry in exported(url, Selection(cabinets=(chain,)))
        if earliest is None or str(entry["at"]) >= earliest.isoformat(timespec="microseconds")
    ]
    if json:
        print_json(entries)
    else:
        Console().print(_as_table(chain, entries))


@app.command()
def export(
    output: Annotated[Path, typer.Option("--output", "-o", help="A file; - for standard output.")],
    wave: Wave = None,
    cabinet: Cabinets = None,
    environment: Environment = None,
) -> None:
    """Write the entries as JSON lines, hashes included, so that a stranger can verify them: docs/audit.md says how.

    Example: bascule audit export --wave pilot -o pilot.jsonl
    """
    from bascule.ledger.audit import exported

    url = _ledger(environment)
    selection = _selection(url, wave, cabinet, {})
    written = 0
    with _written_whole(output) as file:
        for entry in exported(url, selection):
            # ASCII throughout, so that whatever carries it on changes no byte.
            file.write(as_json.dumps(entry) + "\n")
            written += 1
    say(f"{written} entries written.")


# What is looked at


def _ledger(environment: str | None) -> str:
    """The address of a ledger that this version can read. Raises what else is there."""
    from config.settings import read_settings
    from config.wiring import ledger_url, open_ledger

    settings = read_settings(environment)
    say_where(settings)
    with open_ledger(settings, read_only=True):
        return ledger_url(settings)


def _selection(url: str, wave: str | None, cabinets: Sequence[str] | None, anchor: Mapping[str, Head]) -> Selection:
    from bascule.ledger.audit import Selection

    codes = tuple(dict.fromkeys(code.strip().upper() for code in cabinets or ()))
    _require_known(url, [*([f"@{wave}"] if wave is not None else []), *codes], anchor)
    return Selection(wave=wave, cabinets=codes)


def _require_known(url: str, asked: Iterable[str], anchor: Mapping[str, Head]) -> None:
    """A chain that only the anchor knows is one that vanished: that is for the audit to say."""
    from bascule.ledger.audit import chains
    from bascule.waves.choosing import did_you_mean

    there = chains(url)
    if anchor and not anchor.keys() & there:
        raise OfAnotherLedger(
            f"None of the {len(anchor)} chains that the run folder has seen is in this ledger",
            remedy="check BASCULE_LEDGER_URL and --environment; if this is its ledger, all of them were removed",
        )
    missing = next((name for name in asked if name not in there and name not in anchor), None)
    if missing is None:
        return
    is_wave = missing.startswith("@")
    alike = sorted(name.removeprefix("@") for name in there if name.startswith("@") == is_wave)
    name, what = missing.removeprefix("@"), "wave" if is_wave else "cabinet"
    some = ", ".join(alike[:10]) + (" …" if len(alike) > 10 else "")
    raise NoSuchChain(
        f"The ledger knows no {what} {name!r}{did_you_mean(name, alike)}", remedy=f"{what}s: {some or 'none yet'}"
    )


def _instant(text: str) -> datetime:
    try:
        at = datetime.fromisoformat(text.strip())
    except ValueError:
        raise NotAnInstant(
            f"--since {text!r} is no date", remedy="for example 2026-12-01, or 2026-12-01T19:00 (UTC)"
        ) from None
    return (at if at.tzinfo is not None else at.replace(tzinfo=UTC)).astimezone(UTC)


@dataclass(frozen=True, slots=True, kw_only=True)
class _Held:
    """What of a run folder was held against the ledger."""

    folder: Path
    heads: tuple[str, ...]
    """Chains whose head was compared."""
    of_heads: int
    """How many the folder has."""
    without_head: tuple[str, ...]
    """Chains that were looked at and that the folder has not seen."""
    files: int
    sums: str | None
    seals: SealsSeen
    flaws: tuple[Flaw, ...]


def _held_against(url: str, folder: Path, anchor: Mapping[str, Head], audited: Audited) -> _Held:
    from bascule.ledger import Ledger
    from bascule.ledger.anchor import files_in, sum_of_sums
    from bascule.reports.seals import seals_in

    files, of_files = files_in(folder)
    broken = {flaw.of for flaw in audited.flaws}
    with Ledger(url, read_only=True) as ledger:
        seals = seals_in(folder, ledger, but=broken)
    return _Held(
        folder=folder,
        heads=tuple(sorted(anchor.keys() & audited.looked_at)),
        of_heads=len(anchor),
        without_head=tuple(sorted(audited.looked_at - anchor.keys())),
        files=files,
        sums=sum_of_sums(folder),
        seals=seals,
        flaws=(*of_files, *seals.flaws),
    )


# What is told


def _as_json(audited: Audited, held: _Held | None, flaws: Sequence[Flaw]) -> dict[str, Any]:
    seals = held.seals if held is not None else None
    return {
        "intact": not flaws,
        "chains": audited.chains,
        "entries": audited.entries,
        "lists": audited.lists,
        "inventories": audited.inventories,
        "anchored": len(held.heads) if held is not None else 0,
        "files": held.files if held is not None else 0,
        "seals": len(seals.compared) if seals is not None else 0,
        "compared": {
            "heads": list(held.heads) if held is not None else [],
            "of_heads": held.of_heads if held is not None else 0,
            "seals": list(seals.compared) if seals is not None else [],
            "of_seals": seals.there if seals is not None else 0,
        },
        "not_set_again": list(seals.not_set_again) if seals is not None else [],
        "made_with": dict(seals.made_with) if seals is not None else {},
        "sums": held.sums if held is not None else None,
        "broken": [asdict(flaw) for flaw in flaws],
        "not_kept": list(audited.not_kept),
    }


def _tell(audited: Audited, held: _Held | None, flaws: Sequence[Flaw]) -> None:
    for flaw in flaws:
        typer.echo(f"BROKEN {_place(flaw)}: {_printable(flaw.says)}")
    for one in audited.not_kept:
        typer.echo(f"not kept any more: {_printable(one)}")
    if held is not None and held.seals.not_set_again:
        typer.echo(_printable(_told_of_others(held.seals)))
    looked = (
        f"{audited.chains} chains, {audited.entries} entries, {audited.lists} lists, {audited.inventories} inventories"
    )
    against = ""
    if held is not None:
        heads, seals = (
            _share(held.heads, held.of_heads, "heads"),
            _share(held.seals.compared, held.seals.there, "seals"),
        )
        against = f", against {heads}, {held.files} files and {seals} of {held.folder}"
    typer.echo(f"{'Intact' if not flaws else f'{len(flaws)} broken'}: {looked}{_printable(against)}.")
    if held is None:
        say("What was cut off at the end of a chain shows only against a run folder: --against FOLDER")
        return
    if held.sums is not None:
        typer.echo(f"The folder stands and falls with the SHA-256 of its SHA256SUMS: {held.sums}")
    if held.without_head:
        say(f"The folder has no head of {_named(held.without_head)}: what was cut off there does not show against it.")


def _share(compared: Sequence[str], there: int, what: str) -> str:
    if len(compared) == there:
        return f"{there} {what}"
    return f"{len(compared)} of {there} {what}" + (f" ({_named(compared)})" if compared else "")


def _named(names: Sequence[str]) -> str:
    return _printable(", ".join(names[:NAMED]) + (f" and {len(names) - NAMED} more" if names[NAMED:] else ""))


def _told_of_others(seals: SealsSeen) -> str:
    """What this version does not make again as it is there, and who says to have made it."""
    made_by = ", ".join(f"{name} {which}" for name, which in seals.made_with.items())
    return (
        f"not set again: {_named(seals.not_set_again)}: made by {made_by}, records of form {seals.form}; "
        "only compared with the hash in the folder, which vouches for nothing if the folder was written anew"
    )


def _place(flaw: Flaw) -> str:
    """The chain, and of its entry what stands there: which may be what was changed."""
    entry = f", entry {flaw.seq}" if flaw.seq is not None else ""
    told = f" ({flaw.kind}, {flaw.at}, by {flaw.who})" if flaw.kind is not None else ""
    return _printable(f"{flaw.of}{entry}{told}")


def _as_table(chain: str, entries: Sequence[Mapping[str, Any]]) -> Table:
    from rich import box
    from rich.table import Table
    from rich.text import Text

    whose = f"Wave {chain.removeprefix('@')}" if chain.startswith("@") else f"Cabinet {chain}"
    table = Table(
        title=as_text(f"{whose}: {len(entries)} entries", style="table.title"),
        title_justify="left",
        box=box.SIMPLE_HEAD,
        padding=(0, 1, 0, 0),
    )
    table.add_column("#", justify="right", no_wrap=True)
    table.add_column("when (UTC)", justify="right", min_width=10, max_width=10)
    table.add_column("who", overflow="fold", max_width=14)
    table.add_column("what", overflow="fold", min_width=14)
    table.add_column("why", overflow="fold", ratio=1)
    table.add_column("hash", no_wrap=True)
    day_before = ""
    for entry in entries:
        day, _, rest = str(entry["at"])[:19].partition("T")
        # A day is told once, so that a line of a wave's night takes one line of the terminal.
        when = rest if day == day_before else f"{day} {rest}"
        day_before = day
        cells = (entry["seq"], when, entry["who"], _what(entry), _why(entry), str(entry["hash"])[:HASH_SHOWN])
        # Text that comes from outside is shown as it is, never read as markup.
        table.add_row(*(Text(_printable(str(cell))) for cell in cells))
    return table


def _what(entry: Mapping[str, Any]) -> str:
    """The kind of entry, and what it is about."""
    said = str(entry["kind"]).replace("-", " ")
    evidence = _evidence(entry)
    about = [
        entry["operation"]
        if entry["kind"] in {"ordered", "answered", "approved", "declined", "withdrawn", "retracted"}
        else None,
        evidence.get("word"),
        entry["verb"] or entry["step"],
        entry["state"] if entry["kind"] == "verdict" else None,
        entry["outcome"] or (entry["lifecycle"] if entry["kind"] == "ended" else None),
    ]
    told = ", ".join(str(one) for one in about if one)
    return f"{said}: {told}" if told else said


def _why(entry: Mapping[str, Any]) -> str:
    """The reason that was given; of a run, also what it stood on, and what came of it."""
    evidence = _evidence(entry)
    match entry["kind"]:
        case "run-began":
            stood_on = {
                "version": evidence.get("version"),
                "plan": str(evidence["plan"])[:HASH_SHOWN] if evidence.get("plan") else None,
                "inventory": str(evidence["inventory"])[:HASH_SHOWN] if evidence.get("inventory") else None,
                "environment": evidence.get("environment"),
                "at any hour": "yes" if evidence.get("any_hour") else None,
            }
            told = ", ".join(f"{name} {value}" for name, value in stood_on.items() if value)
        case "run-ended":
            outcomes = evidence.get("outcomes")
            told = ", ".join(f"{n} {word}" for word, n in outcomes.items()) if isinstance(outcomes, dict) else ""
        case "effect" | "answered":
            told = str(evidence.get("answer") or evidence.get("result") or "")
        case _:
            told = ""
    return "; ".join(one for one in (str(entry["reason"] or ""), told) if one)


def _evidence(entry: Mapping[str, Any]) -> Mapping[str, Any]:
    """Empty where it cannot be read."""
    return entry["evidence"] if isinstance(entry["evidence"], dict) else {}


def _printable(text: str) -> str:
    """Nothing that would steer a terminal, whoever wrote it into the ledger."""
    return "".join(c if c.isprintable() else c.encode("unicode_escape").decode() for c in text)


@contextlib.contextmanager
def _written_whole(path: Path) -> Iterator[TextIO]:
    """The file appears when all is in it. `-` is standard output."""
    if str(path) == "-":
        yield sys.stdout
        return
    beside = path.parent / f".{path.name}.{os.getpid()}"
    try:
        with beside.open("w", encoding="ascii", newline="\n") as file:
            yield file
        beside.replace(path)
    except OSError as trouble:
        raise NotExported(
            f"The entries cannot be written to {path} ({trouble.strerror or trouble})",
            remedy="give another file with -o",
        ) from trouble
    finally:
        with contextlib.suppress(OSError):
            beside.unlink(missing_ok=True)
