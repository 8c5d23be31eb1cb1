"""Which file is which list, which header is which field, which word means what. A TOML file says it; ours ships."""

from __future__ import annotations

import tomllib
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from importlib import resources
from pathlib import Path

from pydantic import TypeAdapter, ValidationError

from bascule.connectors.extracts.lists import LISTS, ExportedList
from bascule.errors import BasculeError
from bascule.facts import DossierStatus, UserStatus
from bascule.model import System
from bascule.tables.problems import did_you_mean
from bascule.tables.text import folded

OURS = "mapping.toml"
WORDS: Mapping[str, tuple[str, ...]] = {
    "status": tuple(DossierStatus),
    "user_status": tuple(UserStatus),
    "yes_no": ("yes", "no"),
}
FILES, ALL_RIGHTS = "files", "all"
SYSTEMS: Mapping[str, System] = {System.GE.value: System.GE, System.S4A.value: System.S4A}

Part = dict[str, list[str]]
_Written: TypeAdapter[dict[str, dict[str, Part]]] = TypeAdapter(dict[str, dict[str, Part]])


class MappingRefused(BasculeError):
    """The mapping of exported lists cannot be used."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ListMapping:
    """Of one list; words as the mapping spells them, but where it says recognisable."""

    files: tuple[str, ...]
    """How the names of its files begin."""
    headers: Mapping[str, tuple[str, ...]]
    """By field."""
    fields: Mapping[str, str]
    """By recognisable header."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ExtractsMapping:
    source: str
    lists: Mapping[System, Mapping[str, ListMapping]]
    words: Mapping[str, Mapping[str, str]]
    """By kind and recognisable word, what it means."""
    right_names: tuple[str, ...] | None
    """Every right that exists on a dossier group; None: those that occur."""


def recognisable(word: str) -> str:
    """`Groupe de dossiers`, `GROUPE_DE_DOSSIERS` and `groupededossiers` are one."""
    return folded(word).replace("_", "")


def read_mapping(path: Path | None = None) -> ExtractsMapping:
    """The mapping in that file, or the one that ships. Raises MappingRefused with all that is wrong with it."""
    source = str(path) if path else OURS
    try:
        text = (path or resources.files(__package__).joinpath(OURS)).read_text(encoding="utf-8-sig")
        written = _Written.validate_python(tomllib.loads(text))
    except OSError as error:
        problems = [f"cannot be read: {error.strerror or error}"]
    except UnicodeDecodeError:
        problems = ["is not in UTF-8"]
    except tomllib.TOMLDecodeError as error:
        problems = [f"is no TOML: {error}"]
    except ValidationError as error:
        problems = sorted({_misshapen(detail["loc"]) for detail in error.errors(include_url=False)})
    else:
        problems = list(_wrong_with(written))
        if not problems:
            return _parsed(source, written)
    raise MappingRefused(
        "\n".join(f"{source}: {problem}" for problem in problems),
        remedy=f"mend the file; the mapping that ships is bascule/connectors/extracts/{OURS}",
    )


def _misshapen(place: tuple[int | str, ...]) -> str:
    key = ".".join(str(part) for part in place[:3] if isinstance(part, str))
    return f'{key}: is no list of words, such as ["Code", "Code dossier"]'


def _wrong_with(written: Mapping[str, Mapping[str, Part]]) -> Iterator[str]:
    known = ("words", *SYSTEMS)
    yield from _unknown(written, known, "")
    yield from _unknown(written.get("words", {}), WORDS, "words.")
    for kind, meanings in WORDS.items():
        yield from _wrong_with_part(written.get("words", {}).get(kind), meanings, meanings, f"words.{kind}")
    for name, system in SYSTEMS.items():
        parts = written.get(name, {})
        yield from _unknown(parts, [one.name for one in LISTS[system]], f"{name}.")
        for one in LISTS[system]:
            part = parts.get(one.name)
            if part is not None or one.needed:
                allowed = (FILES, *one.fields, *((ALL_RIGHTS,) if _may_name_all_rights(system, one) else ()))
                needed = [key for key in (FILES, *one.fields) if key == FILES or one.needs(key)]
                yield from _wrong_with_part(part, allowed, needed, f"{name}.{one.name}")
        beginnings = [(one, word) for one, part in parts.items() for word in part.get(FILES, ())]
        yield from _said_twice(beginnings, name, "begins the files of")


def _may_name_all_rights(system: System, one: ExportedList) -> bool:
    return system is System.GE and one.told_as == "rights"


def _wrong_with_part(part: Part | None, allowed: Iterable[str], needed: Iterable[str], place: str) -> Iterator[str]:
    if part is None:
        yield f"{place}: is missing"
        return
    yield from _unknown(part, allowed, f"{place}.")
    yield from (f"{place}.{key}: is missing or empty" for key in needed if not part.get(key))
    for key, words in part.items():
        yield from (f"{place}.{key}: {word!r} has neither letter nor digit" for word in words if not recognisable(word))
    told = [(key, word) for key, words in part.items() for word in words if key not in (FILES, ALL_RIGHTS)]
    yield from _said_twice(told, place, "stands under")


def _unknown(there: Iterable[str], known: Iterable[str], place: str) -> Iterator[str]:
    known = tuple(known)
    otherwise = f"Known are: {', '.join(known)}"
    yield from (
        f"{place}{word}: is not known here. {did_you_mean(word, known, otherwise)}"
        for word in there
        if word not in known
    )


def _said_twice(told: Iterable[tuple[str, str]], place: str, how: str) -> Iterator[str]:
    first: dict[str, str] = {}
    for key, word in told:
        other = first.setdefault(recognisable(word), key)
        if other != key:
            yield f"{place}: {word!r} {how} both {other} and {key}"


def _parsed(source: str, written: Mapping[str, Mapping[str, Part]]) -> ExtractsMapping:
    all_rights = written[System.GE.value]["droits"].get(ALL_RIGHTS)
    return ExtractsMapping(
        source=source,
        lists={
            system: {list_name: _list_mapping(part) for list_name, part in written[name].items()}
            for name, system in SYSTEMS.items()
        },
        words={kind: _by_word(meanings) for kind, meanings in written["words"].items()},
        right_names=tuple(all_rights) if all_rights else None,
    )


def _list_mapping(part: Part) -> ListMapping:
    headers = {field: tuple(words) for field, words in part.items() if field not in (FILES, ALL_RIGHTS)}
    return ListMapping(files=tuple(part[FILES]), headers=headers, fields=_by_word(headers))


def _by_word(words: Mapping[str, Iterable[str]]) -> dict[str, str]:
    return {recognisable(word): meaning for meaning, alternatives in words.items() for word in alternatives}
