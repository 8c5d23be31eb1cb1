"""What a text from a file may hold, whatever it means: nothing unseen, nothing lost, nothing read in the wrong encoding."""

from __future__ import annotations

import re
import unicodedata

from bascule.tables.problems import Broken

MAX_CELL = 1_000
CONTROLS = re.compile(r"[\x00-\x1f\x7f-\x9f]")


def clean(value: str) -> str:
    """NFC, trimmed, every run of blanks (no-break ones too) one space. Raises Broken."""
    if len(value) > MAX_CELL:
        raise Broken(f"is {len(value):,} characters long; at most {MAX_CELL:,} are read", "Shorten it")
    value = value.strip(" \u00a0\u202f\n")
    if value.isascii() and value.isprintable():
        return value if "  " not in value else " ".join(value.split())
    if (proposal := mended_encoding(value)) != value:
        raise Broken("was read once in the wrong encoding", f"Did you mean `{proposal}`?")
    if "\ufffd" in value:
        raise Broken("has lost a character (�)", "Type it again")
    if CONTROLS.search(value):
        raise Broken("contains a line break or another control character", "Type it again on one line")
    value = unicodedata.normalize("NFC", " ".join(value.split()))
    if not value.isprintable():
        raise Broken("contains a character that cannot be seen", "Type it again")
    return value


def folded(header: str) -> str:
    """`Raison sociale *` and `RAISON_SOCIALE` are the same header."""
    plain = "".join(c for c in unicodedata.normalize("NFKD", header.casefold()) if not unicodedata.combining(c))
    return re.sub(r"[^a-z0-9]+", "_", plain).strip("_")


def mended_encoding(value: str) -> str:
    """`SociÃ©tÃ©` is UTF-8 that was read as Windows-1252: gives `Société`; anything else is given back as it is."""
    mended = _MISREAD.sub(_reread, value)
    return mended if mended == value else mended_encoding(mended)


def _as_1252(byte: int) -> str:
    character = bytes([byte]).decode("cp1252", errors="replace")
    return chr(byte) if character == "\ufffd" else character


_BYTE_OF = {_as_1252(byte): byte for byte in range(0x80, 0x100)}
_LEADS = "".join(character for character, byte in _BYTE_OF.items() if 0xC2 <= byte <= 0xF4)
_FOLLOWS = "".join(character for character, byte in _BYTE_OF.items() if byte < 0xC0)
_MISREAD = re.compile(f"[{re.escape(_LEADS)}][{re.escape(_FOLLOWS)}]{{1,3}}")


def _reread(match: re.Match[str]) -> str:
    """What the misread characters were; only if that is a character of Western texts, so that `CAFÉ »` stays."""
    try:
        meant = bytes(_BYTE_OF[character] for character in match[0]).decode()
    except UnicodeDecodeError:
        return match[0]
    western = all(c <= "\u017f" or "\u2010" <= c <= "\u20ac" or c == "\ufeff" for c in meant)
    return meant if western else match[0]
