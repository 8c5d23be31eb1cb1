"""The seals of a run folder's procès-verbaux: made when they are written, made again when somebody asks."""

from __future__ import annotations

import re
from collections.abc import Collection, Iterator, Mapping
from importlib.metadata import version
from pathlib import Path
from typing import Annotated, Any

from pydantic import BaseModel, ConfigDict, Field, TypeAdapter

from bascule.ledger import Ledger
from bascule.ledger.anchor import read_as
from bascule.ledger.audit import Flaw, Wrong
from bascule.reports.proces_verbal import ProcesVerbal, Rows
from bascule.reports.record import record_of

SEALS = "seals.json"
FOLDER = "proces-verbaux"
SEAL = re.compile(rb'data-seal="([0-9a-f]{64})"')

Digest = Annotated[str, Field(pattern=r"^[0-9a-f]{64}$")]


class _Seal(BaseModel):
    model_config = ConfigDict(extra="forbid", strict=True)

    seal: Digest
    seq: Annotated[int, Field(ge=1)]


class _Sealed(BaseModel):
    model_config = ConfigDict(extra="forbid", strict=True)

    wave: str
    bascule: str
    """The version that wrote them: another one may set the same record otherwise."""
    pdfs: bool
    """Whether each has a PDF beside the page."""
    seals: dict[str, _Seal]


_sealed = TypeAdapter(_Sealed)


def name_of(code: str, ending: str) -> str:
    """Codes are upper-case letters, digits, - and _, so each is a file's name as it stands."""
    return f"{FOLDER}/{code}.{ending}"


def seal_of(sealed: ProcesVerbal) -> dict[str, Any]:
    return {"seal": sealed.record.seal, "seq": sealed.record.seq}


def seals_file(wave: str, seals: Mapping[str, Mapping[str, Any]], *, pdfs: bool) -> dict[str, Any]:
    return {"wave": wave, "bascule": version("bascule"), "pdfs": pdfs, "seals": dict(seals)}


def broken_seals(ledger: Ledger, folder: Path, *, but: Collection[str] = ()) -> tuple[int, tuple[Flaw, ...]]:
    """How many seals the folder has, and which the ledger does not bear out. `but`: chains that are broken anyway.

    A folder without procès-verbaux has none. Raises NoAnchor.
    """
    path = folder / SEALS
    if not path.exists():
        return 0, ()
    sealed = read_as(_sealed, path)
    return len(sealed.seals), tuple(_flaws(ledger, folder, sealed, set(but)))


def _flaws(ledger: Ledger, folder: Path, sealed: _Sealed, but: set[str]) -> Iterator[Flaw]:
    rows = Rows(ledger)
    wanted = sealed.seals.keys() - but
    found = set()
    for code, history in ledger.each_history(sorted(wanted)):
        found.add(code)
        seal = sealed.seals[code]
        then = history[: seal.seq]
        row = rows.of(then, sealed.wave)
        record = record_of(then, sealed.wave, row)
        if record is None or (record.seal, record.seq) != (seal.seal, seal.seq):
            told = f"is not what the ledger says of the cabinet up to entry {seal.seq}"
            yield Flaw(of=f"seal of {code}", wrong=Wrong.CHANGED, says=told)
            continue
        yield from _differs(folder, sealed, ProcesVerbal(record, row))
    for code in sorted(wanted - found):
        yield Flaw(of=f"seal of {code}", wrong=Wrong.VANISHED, says="the ledger knows no such cabinet")


def _differs(folder: Path, sealed: _Sealed, made: ProcesVerbal) -> Iterator[Flaw]:
    """Where another version wrote the files, only the page's seal can be told."""
    same_version = sealed.bascule == version("bascule")
    for ending, as_made in (("html", made.page), *((("pdf", made.pdf),) if sealed.pdfs else ())):
        name = name_of(made.record.code, ending)
        try:
            there = (folder / name).read_bytes()
        except OSError:
            yield Flaw(of=f"file {name}", wrong=Wrong.VANISHED, says="the procès-verbal is not there")
            continue
        if same_version and there != as_made():
            says = "is not the procès-verbal that this record makes"
            yield Flaw(of=f"file {name}", wrong=Wrong.CHANGED, says=says)
        elif not same_version and ending == "html" and SEAL.findall(there) != [made.record.seal.encode()]:
            yield Flaw(of=f"file {name}", wrong=Wrong.CHANGED, says="carries another seal")
