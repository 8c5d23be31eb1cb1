"""Whether the ledger is what was written: every row as it stands in the database, against its hash, its chain and its anchor.

Nothing here trusts a row: what cannot be read is told as a flaw, never raised.
"""

from __future__ import annotations

import hashlib
import json
import math
import sqlite3
import zlib
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from enum import StrEnum
from itertools import groupby
from operator import itemgetter
from typing import Any, NamedTuple

from sqlalchemy import Connection, Select, String, Text, cast, event, func, literal_column, or_, select, type_coerce
from sqlalchemy.exc import DBAPIError

from bascule.ledger import tables
from bascule.ledger.entries import GENESIS, HASHED, EntryKind, digest_of
from bascule.ledger.schema import engine_for
from bascule.ledger.trouble import in_words
from bascule.model import ErrorClass, Lifecycle, Outcome, State

ROWS_AT_ONCE, LISTS_AT_ONCE = 2_000, 20
"""Entries and kept lists held in memory."""

MOVED_WITHIN = 50
"""How many places up and down are tried, to tell an entry that was moved from one that was changed."""

UNPACKED_AT_ONCE = 1 << 20
"""Bytes of a kept list held in memory."""

WORDS: Mapping[str, frozenset[str]] = {
    "kind": frozenset(EntryKind),
    "state": frozenset(State),
    "lifecycle": frozenset(Lifecycle),
    "outcome": frozenset(Outcome),
    "error_class": frozenset(ErrorClass),
}
"""Fields that take one of a few words."""


class Wrong(StrEnum):
    CHANGED = "changed"
    UNREADABLE = "unreadable"
    REMOVED = "removed-before"
    """Entries that stood before it are gone."""
    MOVED = "moved"
    UNLINKED = "unlinked"
    """It does not carry the hash of the entry before it."""
    CUT = "cut-off"
    """The chain is shorter than its anchor."""
    REPLACED = "replaced"
    """Where the anchor ends, another entry stands."""
    VANISHED = "vanished"
    """Nothing is left of what was there."""
    UNLISTED = "unlisted"
    """The anchor says nothing of it."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Flaw:
    """What is wrong, and where: `of` is a chain, or a list, an inventory, a file, by its name."""

    of: str
    wrong: Wrong
    says: str
    seq: int | None = None
    kind: str | None = None
    at: str | None = None
    """UTC, as it stands in the ledger; it may be what was changed. So may `kind` and `who`."""
    who: str | None = None


@dataclass(frozen=True, slots=True)
class Head:
    """Where a chain ended when somebody looked."""

    seq: int
    hash: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Selection:
    """Whose chains: those of a wave (its own and its cabinets') and those of these cabinets. Nothing said: all there are."""

    wave: str | None = None
    cabinets: tuple[str, ...] = ()

    @property
    def is_everything(self) -> bool:
        return self.wave is None and not self.cabinets


EVERYTHING = Selection()


@dataclass(frozen=True, slots=True, kw_only=True)
class Audited:
    looked_at: frozenset[str]
    """Chains by name, those of which nothing is left among them."""
    chains: int
    """Those that are there."""
    entries: int
    lists: int
    inventories: int
    flaws: tuple[Flaw, ...]
    not_kept: tuple[str, ...]
    """Lists that entries name and that are not kept any more, each as `chain: what hash`. No flaw."""


class Row(NamedTuple):
    """An entry as it stands in the database: nothing decoded, `evidence` and `at` as text. Anything may be anything."""

    cabinet: Any
    seq: Any
    previous: Any
    kind: Any
    at: Any
    who: Any
    wave: Any
    run: Any
    step: Any
    attempt: Any
    state: Any
    reason: Any
    lifecycle: Any
    outcome: Any
    error_class: Any
    error_signature: Any
    verb: Any
    key: Any
    operation: Any
    fence: Any
    evidence: Any
    hash: Any
    id: Any
    """The number of the row. No hash holds it, and nothing is read in its order."""


BEFORE_THE_FIRST = Row(**dict.fromkeys(Row._fields) | {"hash": GENESIS, "id": -math.inf})


def audit(
    url: str,
    selection: Selection = EVERYTHING,
    *,
    anchor: Mapping[str, Head] | None = None,
    inventory_digest: Callable[[Mapping[str, Any]], str] | None = None,
) -> Audited:
    """Looks at every row of these chains, at the lists they kept and, where everything is looked at, at the inventories.

    `anchor`: heads seen earlier, by chain; of chains outside the selection they say nothing. `inventory_digest` counts an
    inventory's digest from its content. Raises LedgerUnreachable.
    """
    seen = _Seen()
    vanished: frozenset[str] = frozenset()
    with _reading(url) as connection:
        found = list(_flaws_of_chains(_rows(connection, selection), anchor or {}, seen))
        if anchor:
            gone = frozenset(anchor) - _chain_names(connection)
            # Which wave a chain was of, nobody can tell any more who has lost all of it.
            vanished = gone & set(selection.cabinets) if selection.cabinets and selection.wave is None else gone
            found += [_vanished(name, anchor[name]) for name in sorted(vanished)]
        lists, of_lists = _lists(connection, selection)
        found += of_lists
        there = frozenset(connection.scalars(select(tables.evidence.c.hash)))
        not_kept = tuple(told for name, told in seen.kept.items() if name not in there)
        inventories = 0
        if inventory_digest is not None and selection.is_everything:
            stored, of_inventories = _inventories(connection, inventory_digest)
            inventories = len(stored)
            found += of_inventories
            found += [_no_inventory(digest) for digest in sorted(seen.inventories - stored)]
    return Audited(
        looked_at=vanished | seen.chains,
        chains=len(seen.chains),
        entries=seen.entries,
        lists=lists,
        inventories=inventories,
        flaws=tuple(found),
        not_kept=not_kept,
    )


def exported(url: str, selection: Selection = EVERYTHING) -> Iterator[dict[str, Any]]:
    """Each entry's fields in the order in which they are hashed, then its hash; each chain in its order.

    What cannot be read is given as it stands, so that whoever checks the hash finds it.
    """
    with _reading(url) as connection:
        for row in _rows(connection, selection):
            yield plain(row)


def plain(row: Row) -> dict[str, Any]:
    told = {name: _as_text(value) for name, value in row._asdict().items() if name != "id"}
    return told | {"at": _instant(row.at) or told["at"], "evidence": _evidence_or_text(row.evidence)}


def chains(url: str) -> frozenset[str]:
    """The names of all chains there are."""
    with _reading(url) as connection:
        return _chain_names(connection)


# One chain


@dataclass
class _Seen:
    """What was come across on the way through the chains."""

    chains: set[str] = field(default_factory=set)
    entries: int = 0
    kept: dict[str, str] = field(default_factory=dict)
    """What and whose, by the name of a kept list."""
    inventories: set[str] = field(default_factory=set)


def _flaws_of_chains(rows: Iterable[Row], anchor: Mapping[str, Head], seen: _Seen) -> Iterator[Flaw]:
    for name, of_chain in groupby(rows, key=itemgetter(0)):
        chain = _named(name)
        seen.chains.add(chain)
        broken, place, before = None, 0, BEFORE_THE_FIRST
        anchored, at_anchor = anchor.get(chain), None
        last: Row | None = None
        for place, row in enumerate(of_chain, start=1):
            if broken is None:
                evidence = _decoded(row.evidence)
                broken = _flaw_in(row, evidence, place, before)
                before = row
                if broken is None:
                    _note(row, evidence, seen)
            if anchored is not None and row.seq == anchored.seq:
                at_anchor = row.hash
            last = row
        seen.entries += place
        if broken is not None:
            yield broken
        if anchored is not None and last is not None:
            yield from _against(anchored, at_anchor, last, already=broken)


def _flaw_in(row: Row, evidence: Any, place: int, before: Row) -> Flaw | None:
    """What is wrong with an entry that stands in this place, after this one."""
    if why_not := _why_unreadable(row, evidence):
        return _flaw(row, Wrong.UNREADABLE, f"cannot be read: {why_not}")
    if not _has_hash(row, evidence, row.seq):
        was = _earlier_place(row, evidence)
        if was is not None:
            return _flaw(row, Wrong.MOVED, f"was moved: it was entry {was} of its chain")
        return _flaw(row, Wrong.CHANGED, "was changed: what stands there is not what its hash was made of")
    if row.evidence != json.dumps(evidence):
        return _flaw(row, Wrong.CHANGED, "was changed: its evidence says the same, and is not written as it was")
    if row.seq > place:
        gone = f"entry {place}" if row.seq == place + 1 else f"entries {place} to {row.seq - 1}"
        return _flaw(row, Wrong.REMOVED, f"{gone} before it {'was' if row.seq == place + 1 else 'were'} removed")
    if row.seq < place:
        return _flaw(row, Wrong.MOVED, f"stands in place {place}: the chain has entry {row.seq} twice")
    if row.previous != before.hash:
        told = (
            "does not carry the hash of the entry before it: that one was changed together with its hash, or is another"
        )
        return _flaw(row, Wrong.UNLINKED, told)
    if row.id <= before.id:
        told = f"has row number {row.id}, the entry before it {before.id}: rows of the table were numbered anew"
        return _flaw(row, Wrong.MOVED, told)
    return None


def _why_unreadable(row: Row, evidence: Any) -> str | None:
    if evidence is None:
        return "its evidence is no JSON object"
    if _instant(row.at) is None:
        return "its instant is none that Bascule writes"
    if not isinstance(row.seq, int):
        return "its place in the chain is no number"
    strange = next((name for name, words in WORDS.items() if (said := getattr(row, name)) and said not in words), None)
    if strange is not None:
        return f"its {strange.replace('_', ' ')} is no word that Bascule knows"
    return None


def _has_hash(row: Row, evidence: Any, seq: int) -> bool:
    *hashed, found, _ = row._replace(seq=seq, at=_instant(row.at), evidence=evidence)
    try:
        return bool(digest_of(hashed) == found)
    except (TypeError, UnicodeEncodeError, RecursionError):
        # Bytes where text belongs, or text that is no UTF-8: nobody hashed that.
        return False


def _earlier_place(row: Row, evidence: Any) -> int | None:
    near = range(max(1, row.seq - MOVED_WITHIN), row.seq + MOVED_WITHIN + 1)
    return next((seq for seq in near if _has_hash(row, evidence, seq)), None)


def _against(anchored: Head, at_anchor: Any, last: Row, already: Flaw | None) -> Iterator[Flaw]:
    if isinstance(last.seq, int) and last.seq < anchored.seq:
        told = f"is the last of its chain: the run folder has seen entry {anchored.seq}"
        yield _flaw(last, Wrong.CUT, told)
    elif at_anchor not in {None, anchored.hash} and (already is None or (already.seq or 0) > anchored.seq):
        told = f"the run folder has seen another entry {anchored.seq}: the chain was written anew, from there or from before"
        yield Flaw(of=_named(last.cabinet), wrong=Wrong.REPLACED, says=told, seq=anchored.seq)


def _vanished(name: str, head: Head) -> Flaw:
    entries = "its only entry" if head.seq == 1 else f"its {head.seq} entries"
    return Flaw(of=name, wrong=Wrong.VANISHED, says=f"the run folder has seen {entries}: none is left")


def _note(row: Row, evidence: Any, seen: _Seen) -> None:
    kept = evidence.get("kept")
    if isinstance(kept, dict):
        for what, name in kept.items():
            seen.kept.setdefault(str(name), f"{row.cabinet}: {what} {name}")
    if row.kind == EntryKind.RUN_BEGAN and isinstance(digest := evidence.get("inventory"), str):
        seen.inventories.add(digest)


def _flaw(row: Row, wrong: Wrong, says: str) -> Flaw:
    return Flaw(
        of=_named(row.cabinet),
        wrong=wrong,
        says=says,
        seq=row.seq if isinstance(row.seq, int) else None,
        kind=_named(row.kind),
        at=_instant(row.at) or _named(row.at),
        who=_named(row.who),
    )


def _named(value: Any) -> str:
    return str(_as_text(value))


def _decoded(evidence: Any) -> dict[str, Any] | None:
    if not isinstance(evidence, str):
        return None
    try:
        found = json.loads(evidence)
    except (ValueError, RecursionError):
        return None
    return found if isinstance(found, dict) else None


def _evidence_or_text(evidence: Any) -> Any:
    found = _decoded(evidence)
    return found if found is not None and _can_be_written(evidence, found) else _as_text(evidence)


def _can_be_written(text: str, evidence: Any) -> bool:
    """Whether it is UTF-8 when it is written again: JSON can name halves of characters."""
    if text.isascii() and "\\ud" not in text.lower():
        return True
    try:
        json.dumps(evidence, ensure_ascii=False).encode()
    except UnicodeEncodeError:
        return False
    return True


def _instant(at: Any) -> str | None:
    """As it was hashed; None unless it stands there as both databases give it, UTC to the microsecond."""
    if not isinstance(at, str) or len(at) != 26 or at[10] != " ":
        return None
    return f"{at[:10]}T{at[11:]}+00:00"


def _as_text(value: Any) -> Any:
    """What can be written anywhere, with every byte that is no UTF-8 spelled out."""
    match value:
        case bytes():
            return value.decode(errors="backslashreplace")
        case str():
            return value.encode(errors="surrogateescape").decode(errors="backslashreplace")
        case _:
            return value


# What is kept beside the entries


def _lists(connection: Connection, selection: Selection) -> tuple[int, list[Flaw]]:
    """How many lists are kept, and those whose content is not what their name says."""
    # Not as bytes: what somebody put there may be anything.
    content = type_coerce(tables.evidence.c.content, String)
    query = select(tables.evidence.c.hash, tables.evidence.c.cabinet, content)
    if not selection.is_everything:
        query = query.where(_chosen(tables.evidence.c.cabinet, selection))
    flaws, total = [], 0
    for name, cabinet, packed in _streamed(connection, query, at_once=LISTS_AT_ONCE):
        total += 1
        if _hash_of(packed) != name:
            told = f"kept for {_named(cabinet)}: its content is not what its name, a hash, was made of"
            flaws.append(Flaw(of=f"list {_named(name)}", wrong=Wrong.CHANGED, says=told))
    return total, flaws


def _hash_of(content: Any) -> str | None:
    """SHA-256 of what was packed, a piece at a time: a list that was tampered with may unpack to anything."""
    packed, total = zlib.decompressobj(), hashlib.sha256()
    try:
        left = bytes(content)
        while left:
            total.update(packed.decompress(left, UNPACKED_AT_ONCE))
            left = packed.unconsumed_tail
        total.update(packed.flush())
    except (zlib.error, TypeError):
        return None
    return total.hexdigest() if packed.eof and not packed.unused_data else None


def _inventories(
    connection: Connection, digest: Callable[[Mapping[str, Any]], str]
) -> tuple[frozenset[str], list[Flaw]]:
    flaws, digests = [], set()
    for stored, whence, text in _streamed(connection, _inventory_rows(connection)):
        digests.add(str(stored))
        content, source, of = _decoded(text), _named(whence), f"inventory {_named(stored)}"
        if content is None:
            flaws.append(Flaw(of=of, wrong=Wrong.UNREADABLE, says=f"from {source}: its content is no JSON object"))
            continue
        try:
            counted = digest(content)
        except (ValueError, TypeError, LookupError) as unlike:
            told = f"from {source}: its content is no inventory ({type(unlike).__name__})"
            flaws.append(Flaw(of=of, wrong=Wrong.UNREADABLE, says=told))
            continue
        if counted != stored:
            told = f"from {source}: its content is not what its digest was made of"
            flaws.append(Flaw(of=of, wrong=Wrong.CHANGED, says=told))
    return frozenset(digests), flaws


def _no_inventory(digest: str) -> Flaw:
    return Flaw(of=f"inventory {digest}", wrong=Wrong.VANISHED, says="a run began with it: it is not there any more")


# The database, as it stands


@contextmanager
def _reading(url: str) -> Iterator[Connection]:
    """A connection of its own, which takes even text that is no UTF-8 for what it is."""
    engine = engine_for(url, writes=False)
    if engine.dialect.name == "sqlite":

        @event.listens_for(engine, "connect")
        def take_any_text(connection: sqlite3.Connection, _: Any) -> None:
            connection.text_factory = lambda text: text.decode(errors="surrogateescape")

    try:
        with engine.connect() as connection:
            yield connection
    except DBAPIError as trouble:
        raise in_words(trouble) from trouble
    finally:
        engine.dispose()


def _rows(connection: Connection, selection: Selection) -> Iterator[Row]:
    """Each chain in its order, one after the other."""
    query = select(*(_as_it_stands(connection, name) for name in Row._fields))
    if not selection.is_everything:
        query = query.where(_chosen(tables.entry.c.cabinet, selection))
    ordered = query.order_by(tables.entry.c.cabinet, tables.entry.c.seq, tables.entry.c.id)
    return map(Row._make, _streamed(connection, ordered))


def _chain_names(connection: Connection) -> frozenset[str]:
    return frozenset(_named(name) for name in connection.scalars(select(tables.entry.c.cabinet).distinct()))


def _inventory_rows(connection: Connection) -> Select[Any]:
    content = tables.inventory.c.content
    text = cast(content, Text) if connection.dialect.name == "postgresql" else type_coerce(content, Text)
    return select(tables.inventory.c.digest, tables.inventory.c.source, text).order_by(tables.inventory.c.id)


def _as_it_stands(connection: Connection, name: str) -> Any:
    """The column as text where it has a type of its own. PostgreSQL has one form of an instant, and keeps JSON as it was written."""
    column = tables.entry.c[name]
    if connection.dialect.name == "sqlite":
        return type_coerce(column, String)
    if name == "at":
        # ` BC` stays, so that it is not taken for an instant of ours.
        written = func.to_char(func.timezone("UTC", column), literal_column("'YYYY-MM-DD HH24:MI:SS.US AD'"))
        return func.rtrim(written, " AD").label(name)
    return cast(column, Text) if name == "evidence" else column


def _chosen(column: Any, selection: Selection) -> Any:
    of_wave = select(tables.entry.c.cabinet).where(tables.entry.c.wave == selection.wave)
    return or_(column.in_(selection.cabinets), *([column.in_(of_wave)] if selection.wave is not None else []))


def _streamed(connection: Connection, query: Select[Any], at_once: int = ROWS_AT_ONCE) -> Iterator[Any]:
    return iter(connection.execute(query, execution_options={"stream_results": True, "yield_per": at_once}))


assert Row._fields == (*HASHED, "hash", "id")
