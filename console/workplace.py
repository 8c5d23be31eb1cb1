"""The sandbox as a person meets it: screens to look at, hands to act with, lists to carry away."""

from __future__ import annotations

import io
import re
import zipfile
from collections.abc import Collection
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any
from urllib.parse import quote

from bascule.errors import BasculeError

if TYPE_CHECKING:
    import httpx

SYSTEMS = ("ge", "s4a")
EXPORTED = re.compile(r"(ge|s4a)/[a-z]+\.csv")
"""What a file of an export is called. Anything else is not written."""


class NoSandbox(BasculeError):
    """No sandbox answers there."""


class NotAtTheSandbox(BasculeError):
    """The sandbox says no to something that is no write."""


class ListsNotWritten(BasculeError):
    """The exported lists could not be written."""


@dataclass(frozen=True)
class Refusal:
    """What the system said instead of doing it: a word of the contract, and a sentence."""

    code: str
    says: str


class Workplace:
    """`client` has the sandbox's address as its base."""

    def __init__(self, client: httpx.Client) -> None:
        self._client = client

    def codes(self) -> list[str]:
        codes: list[str] = self._asked("GET", "cabinets").json()
        return codes

    def screens(self, code: str) -> dict[str, Any]:
        """The contract's cheap facts as JSON under `my_sage`, `ge` and `s4a`, and what GE's `wizard` said last."""
        screens: dict[str, Any] = self._asked("GET", f"screens/{quote(code, safe='')}").json()
        return screens

    def act(self, code: str, verb: str, **typed: object) -> Refusal | None:
        """None: done, or begun where it takes long."""
        answer = self._answer("POST", f"hands/{quote(code, safe='')}/{verb}", json=typed)
        if answer.is_success:
            return None
        refusal = _refusal(answer)
        if refusal is None or answer.status_code == 404:
            raise self._no(answer)
        return refusal

    def export(self, code: str, root: Path, systems: Collection[str] = SYSTEMS) -> list[Path]:
        """Writes `root/<code>/{ge,s4a}/….csv`, each file whole or not at all; others that lie there stay."""
        content = self._asked("GET", f"export/{quote(code, safe='')}").content
        try:
            with zipfile.ZipFile(io.BytesIO(content)) as lists:
                found = {name: lists.read(name) for name in lists.namelist() if EXPORTED.fullmatch(name)}
        except zipfile.BadZipFile:
            raise NoSandbox(f"What answers at {self._client.base_url} is no sandbox of this version") from None
        folder = root / code
        try:
            return [_written(folder / name, text) for name, text in found.items() if name.partition("/")[0] in systems]
        except OSError as refused:
            raise ListsNotWritten(
                f"The lists of {code} cannot be written to {folder}: {refused.strerror}",
                remedy="give another folder with -o, or --extracts",
            ) from None

    def lose(self, code: str, dossiers: int) -> None:
        """So many dossiers of the next synchronisation will not arrive, and nothing will say so."""
        scenario = self._asked("GET", "faults").json()
        fault = {"fault": "partial-transfer", "cabinets": [code], "dossiers": dossiers, "times": 1}
        self._asked("PUT", "faults", json={**scenario, "faults": [fault, *scenario["faults"]]})

    def _asked(self, method: str, path: str, **more: Any) -> httpx.Response:
        answer = self._answer(method, path, **more)
        if not answer.is_success:
            raise self._no(answer)
        return answer

    def _answer(self, method: str, path: str, **more: Any) -> httpx.Response:
        import httpx

        try:
            return self._client.request(method, f"/sandbox/{path}", **more)
        except (httpx.TransportError, httpx.InvalidURL, httpx.UnsupportedProtocol) as silent:
            raise NoSandbox(
                f"No sandbox answers at {self._client.base_url}: {silent}",
                remedy="start one with: bascule sandbox --inventory FILE; or say where it is with --url",
            ) from None

    def _no(self, answer: httpx.Response) -> BasculeError:
        refusal = _refusal(answer)
        if refusal is None:
            return NoSandbox(
                f"What answers at {self._client.base_url} is no sandbox of this version",
                remedy="say with --url where bascule sandbox serves",
            )
        return NotAtTheSandbox(refusal.says)


def _refusal(answer: httpx.Response) -> Refusal | None:
    """None where this is no answer of a sandbox."""
    try:
        first = answer.json()["errors"][0]
        return Refusal(first["code"], first["message"])
    except (ValueError, LookupError, TypeError):
        return None


def _written(path: Path, content: bytes) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    beside = path.with_name(f".{path.name}.part")
    beside.write_bytes(content)
    return beside.replace(path)
