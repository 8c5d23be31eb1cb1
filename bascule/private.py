"""What Bascule keeps is for whoever runs it: folders 0700, files 0600, whatever the umask."""

from __future__ import annotations

import os
import stat
from collections.abc import Iterator
from pathlib import Path
from typing import IO

FOLDER, FILE = 0o700, 0o600
OTHERS = 0o077
"""The rights of everybody but the owner; as a umask, none of them is given."""


def keep_private() -> None:
    """For the entry of a process: what it makes without saying for whom is its owner's alone."""
    os.umask(OTHERS)


def make_folder(folder: Path) -> None:
    """With those above it that are missing. What is there already is left as it is."""
    for missing in [path for path in (*reversed(folder.parents), folder) if not path.exists()]:
        missing.mkdir(FOLDER, exist_ok=True)


def open_file(path: Path, mode: str = "wb") -> IO[bytes]:
    """Opens a file to write bytes; one that is made here is its owner's alone. One that is there keeps its rights."""
    return open(path, mode, opener=lambda name, flags: os.open(name, flags, FILE))  # Path.open takes no opener


def is_open(path: Path) -> bool:
    """Whether somebody else of this machine may get at it: its rights say so, and its folder's do not forbid it."""
    try:
        return all(stat.S_IMODE(one.stat().st_mode) & OTHERS for one in (path, path.parent)) and os.name == "posix"
    except OSError:
        return False


def open_ones(place: Path) -> Iterator[Path]:
    """The file, or what there is in the folder, that others may get at. Nothing below a closed folder is looked at."""
    if not is_open(place) or place.is_symlink():
        return
    yield place
    if place.is_dir():
        for path in sorted(place.iterdir()):
            yield from open_ones(path)
