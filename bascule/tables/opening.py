"""From a path to bytes and text: what kind of file it is, how large, in which encoding. A file is hostile until parsed."""

from __future__ import annotations

import re
import stat
from dataclasses import dataclass
from pathlib import Path

from bascule.tables.problems import Broken

ZIP = b"PK\x03\x04"
OLE = b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1"


@dataclass(frozen=True, slots=True, kw_only=True)
class Accepted:
    """What kind of file is wanted, and how much of it is read at most."""

    bytes: int
    rows: int
    endings: str
    if_empty: str
    """What to do about a file that holds nothing."""

    @property
    def wanted(self) -> str:
        return f"Give a {self.endings} file"


def content_of(path: Path, accepted: Accepted) -> bytes:
    """What stands in the file, if it is one that may be read. Raises Broken."""
    if "\x00" in str(path):
        raise Broken("is not a path", "Check the path")
    try:
        about = path.stat()
        if stat.S_ISDIR(about.st_mode):
            raise Broken("is a folder", accepted.wanted)
        if not stat.S_ISREG(about.st_mode):
            raise Broken("is not a regular file", accepted.wanted)
        if about.st_size > accepted.bytes:
            size, limit = about.st_size / 1024**2, accepted.bytes // 1024**2
            raise Broken(f"is {size:,.0f} MB; at most {limit} MB are read", "Split the file")
        content = path.read_bytes()
    except FileNotFoundError:
        raise Broken("does not exist", "Check the path") from None
    except OSError as error:
        raise Broken(f"cannot be read: {error.strerror or error}", "Check the path and its permissions") from None
    if not content.strip():
        raise Broken("is empty", accepted.if_empty)
    if content.startswith(OLE):
        raise Broken("is an old .xls workbook, or one protected by a password", "Save it as .xlsx, without a password")
    if content.startswith(ZIP) != (path.suffix.lower() == ".xlsx"):
        raise Broken("its content is not what its ending says", f"Save it again as {accepted.endings}")
    return content


def text_of(content: bytes) -> str:
    """UTF-8, with or without BOM, else Windows-1252. Never Latin-1, which would make controls of `€` and `œ`."""
    if content.startswith((b"\xff\xfe", b"\xfe\xff")):
        raise Broken("is in UTF-16", "Save it as `CSV UTF-8`")
    if b"\x00" in content:
        raise Broken(
            f"holds a NUL byte on line {_line_at(content, content.index(0))}: it is not a text",
            "Save it as `CSV UTF-8`",
        )
    try:
        return content.decode("utf-8-sig")
    except UnicodeDecodeError as not_utf8:
        try:
            return content.decode("cp1252")
        except UnicodeDecodeError as not_1252:
            line = _line_at(content, max(not_utf8.start, not_1252.start))
            raise Broken(f"is neither UTF-8 nor Windows-1252 (line {line})", "Save it as `CSV UTF-8`") from None


def _line_at(content: bytes, position: int) -> int:
    return len(re.findall(rb"\r\n|\r|\n", content[:position])) + 1
