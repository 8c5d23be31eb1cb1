"""A run folder as an anchor: how far it has seen each chain, and whether its own files are those that were published."""

from __future__ import annotations

import hashlib
import re
import shlex
from collections.abc import Iterator, Mapping
from pathlib import Path, PurePosixPath
from typing import Annotated, TypeVar

from pydantic import BaseModel, ConfigDict, Field, TypeAdapter, ValidationError

from bascule.errors import BasculeError, LedgerBroken
from bascule.ledger.audit import Flaw, Head, Wrong
from bascule.ledger.ledger import Ledger
from bascule.tables.opening import Accepted, content_of
from bascule.tables.problems import Broken

T = TypeVar("T")

HEADS = "heads.json"
SUMS = "SHA256SUMS"
"""As `sha256sum` writes it: a line for each other file of the folder, whose path is relative to it."""

GIVE_A_FOLDER = "give the folder of a run, as a run or bascule report has written it"
SMALL = Accepted(bytes=50 * 1024**2, rows=0, endings=".json", if_empty="Write it again: bascule report --wave W")
"""What is read of either file."""

NAMED = 10
"""Chains that a message names."""

LINE = re.compile(r"(?P<sum>[0-9a-f]{64}) [ *](?P<path>.+)")


class NoAnchor(BasculeError):
    """The folder tells nothing of a ledger."""


class HeadsLost(LedgerBroken):
    """The ledger no longer has what a run folder has seen of it."""


class _Seen(BaseModel):
    model_config = ConfigDict(extra="forbid", strict=True)

    seq: Annotated[int, Field(ge=1)]
    hash: Annotated[str, Field(pattern=r"^[0-9a-f]{64}$")]


_heads = TypeAdapter(dict[str, _Seen])


def heads_in(folder: Path) -> Mapping[str, Head]:
    """Where each chain ended when the folder was written. Raises NoAnchor."""
    path = folder / HEADS
    told = read_as(_heads, path)
    if not told:
        raise NoAnchor(f"{path} names no chain", remedy=GIVE_A_FOLDER)
    return {name: Head(seen.seq, seen.hash) for name, seen in told.items()}


def require_held(ledger: Ledger, folder: Path) -> None:
    """Whether the folder may be written anew: what it has seen is still in the ledger. Raises HeadsLost."""
    if not (folder / HEADS).exists():
        return
    elsewhere = "to write a report all the same, give another place: bascule report -o, or BASCULE_OUT"
    try:
        heads = heads_in(folder)
    except NoAnchor as unreadable:
        told = f"{unreadable}: what this folder has seen of the ledger would be lost, so nothing was written"
        raise HeadsLost(told, remedy=f"move the folder away; {elsewhere}") from None
    there = ledger.hashes_at({name: head.seq for name, head in heads.items()})
    lost = sorted(name for name, head in heads.items() if there.get(name) != head.hash)
    if lost:
        named = ", ".join(f"{name} (entry {heads[name].seq})" for name in lost[:NAMED])
        more = f" and {len(lost) - NAMED} more" if lost[NAMED:] else ""
        raise HeadsLost(
            f"{folder} has seen what the ledger no longer has: {named}{more}. Nothing was written, so that the folder still shows it",
            remedy=f"bascule audit verify --against {shlex.quote(str(folder))}; {elsewhere}",
        )


def read_as(kind: TypeAdapter[T], path: Path) -> T:
    """A file of a run folder, strictly read. Raises NoAnchor."""
    try:
        return kind.validate_json(content_of(path, SMALL))
    except Broken as broken:
        raise NoAnchor(f"{path} {broken.rule}", remedy=GIVE_A_FOLDER) from None
    except ValidationError as wrong:
        first = wrong.errors()[0]
        where = ".".join(str(part) for part in first["loc"]) or "the file"
        raise NoAnchor(f"{path} is not as a run writes it: {where}: {first['msg']}", remedy=GIVE_A_FOLDER) from None


def sum_of_sums(folder: Path) -> str | None:
    """What stands for the whole folder, if it is kept elsewhere: the SHA-256 of its SHA256SUMS."""
    return _sum_of(folder / SUMS)


def files_in(folder: Path) -> tuple[int, tuple[Flaw, ...]]:
    """How many files the folder's sums name, and what is wrong with any of its files."""
    try:
        lines = content_of(folder / SUMS, SMALL).decode(errors="replace").splitlines()
    except Broken as broken:
        told = f"{broken.rule}: nothing tells whether the folder's files are those that were published"
        return 0, (Flaw(of=f"file {SUMS}", wrong=Wrong.UNREADABLE, says=told),)
    sums = {found["path"]: found["sum"] for line in lines if (found := LINE.fullmatch(line))}
    return len(sums), tuple(_flaws(folder, lines, sums))


def _flaws(folder: Path, lines: list[str], sums: Mapping[str, str]) -> Iterator[Flaw]:
    for number, line in enumerate(lines, start=1):
        if not LINE.fullmatch(line):
            yield Flaw(of=f"file {SUMS}", wrong=Wrong.UNREADABLE, says=f"line {number} is none that sha256sum writes")
    for name, counted in sorted(sums.items()):
        path = PurePosixPath(name)
        if path.is_absolute() or ".." in path.parts:
            yield Flaw(of=f"file {SUMS}", wrong=Wrong.CHANGED, says=f"names {name}, which is outside the folder")
        elif not (folder / path).is_file():
            yield Flaw(of=f"file {name}", wrong=Wrong.VANISHED, says=f"stands in {SUMS} and is not there any more")
        elif _sum_of(folder / path) != counted:
            yield Flaw(of=f"file {name}", wrong=Wrong.CHANGED, says=f"is not the file that {SUMS} was made of")
    there = (path.relative_to(folder).as_posix() for path in folder.rglob("*") if path.is_file())
    for name in sorted(set(there) - sums.keys() - {SUMS}):
        yield Flaw(of=f"file {name}", wrong=Wrong.UNLISTED, says=f"does not stand in {SUMS}")


def _sum_of(path: Path) -> str | None:
    try:
        with path.open("rb") as file:
            return hashlib.file_digest(file, "sha256").hexdigest()
    except OSError:
        return None
