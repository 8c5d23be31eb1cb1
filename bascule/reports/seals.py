"""The seals of a run folder's procès-verbaux: made when they are written, made again when somebody asks."""

from __future__ import annotations

import hashlib
import re
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from importlib.metadata import version
from pathlib import Path
from typing import Annotated, Any
from zoneinfo import TZPATH

from pydantic import BaseModel, ConfigDict, Field, TypeAdapter

from bascule.errors import BasculeError
from bascule.inventory.rules import CODE
from bascule.ledger import Entry, Ledger
from bascule.ledger.anchor import read_as
from bascule.ledger.audit import Flaw, Wrong
from bascule.reports.proces_verbal import PdfNotSet, ProcesVerbal, Rows
from bascule.reports.record import FORM, record_of

SEALS = "seals.json"
FOLDER = "proces-verbaux"
PAGE_BY, PDF_BY = ("bascule", "babel", "jinja2", "tzdata"), ("bascule", "babel", "tzdata", "typst")
"""Whose versions set a page, and a PDF: other ones may set the same record otherwise."""
SEAL = re.compile(rb'data-seal="([0-9a-f]{64})"')
UNLIKE = (ValueError, TypeError, LookupError, AttributeError)
"""What comes of making a record of entries, or of a row, that Bascule did not write."""

Digest = Annotated[str, Field(pattern=r"^[0-9a-f]{64}$")]
Code = Annotated[str, Field(pattern=rf"^{CODE.pattern}$")]


class _Seal(BaseModel):
    model_config = ConfigDict(extra="forbid", strict=True)

    seal: Digest
    seq: Annotated[int, Field(ge=1)]
    page: Digest
    """SHA-256 of the page's bytes."""
    pdf: Digest | None
    """The same of the PDF; None where there is none."""


class _Sealed(BaseModel):
    model_config = ConfigDict(extra="forbid", strict=True)

    wave: str
    form: int
    """Of the records: another one is another record of the same entries."""
    made_with: dict[str, str]
    """Version by name, of what sets pages and PDFs."""
    seals: dict[Code, _Seal]


_sealed = TypeAdapter(_Sealed)


@dataclass(frozen=True, slots=True, kw_only=True)
class SealsSeen:
    """What the ledger makes of a folder's procès-verbaux."""

    there: int = 0
    """How many seals the folder has."""
    compared: tuple[str, ...] = ()
    """Whose were held against the ledger."""
    flaws: tuple[Flaw, ...] = ()
    not_set_again: tuple[str, ...] = ()
    """Files that only their own hash speaks for: other versions set them, and this one sets them otherwise."""
    made_with: Mapping[str, str] = field(default_factory=dict)
    form: int = FORM


def name_of(code: str, ending: str) -> str:
    """Codes are upper-case letters, digits, - and _, so each is a file's name as it stands."""
    return f"{FOLDER}/{code}.{ending}"


def seal_of(sealed: ProcesVerbal, page: bytes, pdf: bytes | None) -> dict[str, Any]:
    """`page`, `pdf`: as they are written."""
    record = sealed.record
    return {"seal": record.seal, "seq": record.seq, "page": _hash(page), "pdf": None if pdf is None else _hash(pdf)}


def seals_file(wave: str, seals: Mapping[str, Mapping[str, Any]]) -> dict[str, Any]:
    return {"wave": wave, "form": FORM, "made_with": versions(), "seals": dict(seals)}


def versions() -> dict[str, str]:
    """Of everything that a page or a PDF is set with."""
    names = sorted({*PAGE_BY, *PDF_BY} - {"tzdata"})
    return {**{name: version(name) for name in names}, "tzdata": _zones()}


def left_behind(folder: Path, made: Collection[Path]) -> Iterator[Path]:
    """Procès-verbaux that an earlier report made, and that this one does not make: their cabinets are under way again."""
    for path in sorted((folder / FOLDER).glob("*")):
        if path not in made and CODE.fullmatch(path.stem) and path.suffix in {".html", ".pdf"}:
            yield path


def seals_in(folder: Path, ledger: Ledger, *, but: Collection[str] = ()) -> SealsSeen:
    """Each procès-verbal against its seal, and each seal against the ledger. A folder without any has no seals.

    `but`: chains that are broken anyway. Raises NoAnchor.
    """
    path = folder / SEALS
    sealed = read_as(_sealed, path) if path.exists() else None
    seals = sealed.seals if sealed is not None else {}
    unsealed = tuple(_unsealed(folder, seals))
    if sealed is None:
        return SealsSeen(flaws=unsealed)
    wanted = sorted(seals.keys() - set(but))
    looking = _Looking(folder, ledger, sealed)
    flaws = tuple(looking.flaws(wanted))
    return SealsSeen(
        there=len(seals),
        compared=tuple(wanted),
        flaws=(*unsealed, *flaws),
        not_set_again=tuple(looking.not_set_again),
        made_with=sealed.made_with,
        form=sealed.form,
    )


def _unsealed(folder: Path, seals: Mapping[str, _Seal]) -> Iterator[Flaw]:
    known = {name_of(code, "html") for code in seals}
    known |= {name_of(code, "pdf") for code, seal in seals.items() if seal.pdf is not None}
    for path in sorted((folder / FOLDER).rglob("*")):
        name = path.relative_to(folder).as_posix()
        if path.is_file() and name not in known:
            yield Flaw(of=f"file {name}", wrong=Wrong.UNLISTED, says=f"has no seal in {SEALS}")


class _Looking:
    def __init__(self, folder: Path, ledger: Ledger, sealed: _Sealed) -> None:
        self._folder = folder
        self._ledger = ledger
        self._sealed = sealed
        self._rows = Rows(ledger)
        self._now = versions()
        self.not_set_again: list[str] = []

    def flaws(self, wanted: Sequence[str]) -> Iterator[Flaw]:
        is_our_form = self._sealed.form == FORM
        if not is_our_form and self._is_same(("bascule",)):
            told = (
                f"says that Bascule {version('bascule')} made records of form {self._sealed.form}: it makes form {FORM}"
            )
            yield Flaw(of=f"file {SEALS}", wrong=Wrong.CHANGED, says=told)
        for code, history in self._histories(wanted):
            if history is None:
                told = "cannot be made again: the cabinet's entries cannot be read"
                yield Flaw(of=f"seal of {code}", wrong=Wrong.UNREADABLE, says=told)
            elif not history:
                yield Flaw(of=f"seal of {code}", wrong=Wrong.VANISHED, says="the ledger knows no such cabinet")
            else:
                yield from self._of_cabinet(code, history) if is_our_form else self._files(code, None)

    def _histories(self, codes: Sequence[str]) -> Iterator[tuple[str, Sequence[Entry] | None]]:
        """None where a chain cannot be read: then those that are read with it are read one by one."""
        left = dict.fromkeys(codes)
        try:
            for code, history in self._ledger.each_history(codes):
                del left[code]
                yield code, history
        except (*UNLIKE, BasculeError):
            pass
        for code in left:
            try:
                history = self._ledger.history(code)
            except (*UNLIKE, BasculeError):
                yield code, None
            else:
                yield code, history

    def _of_cabinet(self, code: str, history: Sequence[Entry]) -> Iterator[Flaw]:
        seal = self._sealed.seals[code]
        try:
            made = self._made(history[: seal.seq])
            if made is None or (made.record.seal, made.record.seq) != (seal.seal, seal.seq):
                told = f"is not what the ledger says of the cabinet up to entry {seal.seq}"
                yield Flaw(of=f"seal of {code}", wrong=Wrong.CHANGED, says=told)
            else:
                yield from self._files(code, made)
        except (*UNLIKE, BasculeError) as unlike:
            told = (
                f"cannot be made again: its entries or its row are none that Bascule writes ({type(unlike).__name__})"
            )
            yield Flaw(of=f"seal of {code}", wrong=Wrong.UNREADABLE, says=told)

    def _made(self, history: Sequence[Entry]) -> ProcesVerbal | None:
        row = self._rows.of(history, self._sealed.wave)
        record = record_of(history, self._sealed.wave, row)
        return ProcesVerbal(record, row) if record is not None else None

    def _files(self, code: str, made: ProcesVerbal | None) -> Iterator[Flaw]:
        """`made`: None where the record cannot be made again."""
        seal = self._sealed.seals[code]
        files = [("html", seal.page, PAGE_BY, made.page if made is not None else None)]
        if seal.pdf is not None:
            files.append(("pdf", seal.pdf, PDF_BY, made.pdf if made is not None else None))
        for ending, sealed, set_by, as_made in files:
            name = name_of(code, ending)
            try:
                there = (self._folder / name).read_bytes()
            except OSError:
                yield Flaw(of=f"file {name}", wrong=Wrong.VANISHED, says="the procès-verbal is not there")
                continue
            if _hash(there) != sealed:
                says = f"is not the file that {SEALS} was made of"
            elif as_made is not None and _set(as_made) == there:
                continue
            elif as_made is not None and self._is_same(set_by):
                says = "is not the procès-verbal that this record makes"
            elif ending == "html" and SEAL.findall(there) != [seal.seal.encode()]:
                says = "carries another seal"
            else:
                self.not_set_again.append(name)
                continue
            yield Flaw(of=f"file {name}", wrong=Wrong.CHANGED, says=says)

    def _is_same(self, names: Sequence[str]) -> bool:
        return all(self._sealed.made_with.get(name) == self._now[name] for name in names)


def _set(as_made: Callable[[], bytes]) -> bytes | None:
    try:
        return as_made()
    except PdfNotSet:
        return None


def _hash(content: bytes) -> str:
    return hashlib.sha256(content).hexdigest()


def _zones() -> str:
    """The version of the time zones that `zoneinfo` reads: the system's where it has any, else the package's."""
    for place in TZPATH:
        for name, before in (("tzdata.zi", "# version "), ("+VERSION", "")):
            try:
                with (Path(place) / name).open(encoding="utf-8") as file:
                    first = file.readline()
            except (OSError, ValueError):
                continue
            return first.removeprefix(before).strip()
    return version("tzdata")
