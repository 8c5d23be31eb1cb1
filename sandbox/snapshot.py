"""Long lists as bytes. They are frozen and compressed once; only the few fields that change are written anew."""

from __future__ import annotations

import struct
import zlib
from dataclasses import dataclass
from datetime import datetime
from functools import cached_property
from hashlib import sha256

GZIP_HEADER = b"\x1f\x8b\x08\x00\x00\x00\x00\x00\x00\xff"
RAW_DEFLATE = -15


class Frozen:
    """A JSON object with at least one field, less its opening brace."""

    def __init__(self, document: bytes) -> None:
        self.tail = document[1:]
        self._deflated: bytes | None = None

    @property
    def deflated(self) -> bytes:
        if self._deflated is None:
            squeeze = zlib.compressobj(6, zlib.DEFLATED, RAW_DEFLATE)
            self._deflated = squeeze.compress(self.tail) + squeeze.flush()
        return self._deflated

    @cached_property
    def digest(self) -> str:
        return sha256(self.tail).hexdigest()


@dataclass(frozen=True)
class Snapshot:
    """The lists of a cabinet at one instant."""

    taken_at: datetime
    entered: bytes
    """The short part, a JSON object; of GE `{}`."""
    frozen: Frozen

    @property
    def tag(self) -> str:
        """The same for the same lists, whenever they were read: an ETag."""
        return f'"{sha256(self.frozen.digest.encode() + self.entered).hexdigest()[:32]}"'


def joined(changing: bytes, frozen: Frozen) -> bytes:
    """One JSON object of both. `changing` is an object with at least one field."""
    return changing[:-1] + b"," + frozen.tail


def joined_gzip(changing: bytes, frozen: Frozen) -> bytes:
    """The same, compressed. A deflate stream may be cut where it is flushed, so the frozen part need not be compressed again."""
    head = changing[:-1] + b","
    squeeze = zlib.compressobj(1, zlib.DEFLATED, RAW_DEFLATE)
    start = squeeze.compress(head) + squeeze.flush(zlib.Z_FULL_FLUSH)
    check = zlib.crc32(frozen.tail, zlib.crc32(head))
    return GZIP_HEADER + start + frozen.deflated + struct.pack("<II", check, len(head) + len(frozen.tail))
