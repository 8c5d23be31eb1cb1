"""The words of the documents, and how a language writes dates, numbers and durations.

Words stand in `words/<language>/*.toml`, with ordinary blanks: where French wants one that does not break, it is put there.
"""

from __future__ import annotations

import re
import tomllib
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, tzinfo
from functools import cache
from pathlib import Path
from typing import Literal

from babel import Locale
from babel.dates import format_date, format_datetime
from babel.numbers import format_decimal, format_percent
from babel.units import format_unit

from bascule.errors import BasculeError

WORDS = Path(__file__).with_name("words")
LANGUAGES = tuple(sorted(folder.name for folder in WORDS.iterdir() if folder.is_dir()))
LOCALES = {"fr": "fr_FR", "en": "en_GB"}

NO_BREAK, NARROW_NO_BREAK = "\u00a0", "\u202f"
SIZES = (("day", 86_400), ("hour", 3_600), ("minute", 60), ("second", 1))
BRIEFLY: dict[str, Literal["short", "narrow"]] = {"fr": "short", "en": "narrow"}
"""How units of time are cut short: `2 h 5 min`, `2h 5m`."""
NOTHING = "–"
"""Where there is no figure."""


class NoSuchLanguage(BasculeError):
    """Documents are not written in this language."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Language:
    code: str
    locale: Locale
    words: Mapping[str, str]

    def word(self, key: str, **values: object) -> str:
        """What stands under `table.name`, with `{values}` filled in. With `count`: `table.name.one` or `.other`, and the number as it is written."""
        if "count" not in values:
            return self.words[key].format(**values)
        count = values["count"]
        assert isinstance(count, int)
        written = values | {"count": self.number(count)}
        form = "one" if self.locale.plural_form(count) == "one" else "other"
        return self.words[f"{key}.{form}"].format(**written)

    def rule(self, name: str) -> str:
        """What a rule of the catalogue demands; empty for one that has no words here, as an older ledger may name."""
        return self.words.get(f"rule.{name}", "")

    def date(self, at: datetime, zone: tzinfo = UTC) -> str:
        """`1 décembre 2026`, `1 December 2026`: the day it was in that zone."""
        return format_date(at.astimezone(zone), "long", locale=self.locale)

    def instant(self, at: datetime | None, zone: tzinfo = UTC) -> str:
        """`01/12/2026 19:04:41`. The zone is for the heading to name."""
        if at is None or at != at:  # noqa: PLR0124  # pandas' NaT is not itself
            return NOTHING
        return format_datetime(at.astimezone(zone), "dd/MM/yyyy HH:mm:ss", locale=self.locale)

    def number(self, figure: float | None, digits: int = 0) -> str:
        if figure is None or figure != figure:  # noqa: PLR0124
            return NOTHING
        return format_decimal(round(figure, digits), f"#,##0.{'0' * digits}".rstrip("."), locale=self.locale)

    def percent(self, share: float | None, digits: int = 0) -> str:
        """Of 1. All is not said of what is almost all, nor nothing of what is almost nothing."""
        if share is None or share != share:  # noqa: PLR0124
            return NOTHING
        least = 10 ** -(digits + 2)
        if 0 < share < 1:
            share = min(max(share, least), 1 - least)
        shape = f"#,##0.{'0' * digits}".rstrip(".")
        return format_percent(share, f"{shape}{NARROW_NO_BREAK if self.code == 'fr' else ''}%", locale=self.locale)

    def duration(self, seconds: float | None) -> str:
        """The two largest units that say something: `2 h 5 min`, `4 min 3 s`, `1,2 s`."""
        if seconds is None or seconds != seconds:  # noqa: PLR0124
            return NOTHING
        if 0 < seconds < 10:
            return self._unit(round(seconds, 1), "second")
        rest, parts = round(seconds), []
        for unit, size in SIZES:
            count, rest = divmod(rest, size)
            parts.append((count, unit))
        first = next((place for place, (count, _) in enumerate(parts) if count), len(parts) - 1)
        said = [self._unit(count, unit) for count, unit in parts[first : first + 2] if count or first == len(parts) - 1]
        return NO_BREAK.join(said)

    def _unit(self, count: float, unit: str) -> str:
        return format_unit(count, f"duration-{unit}", BRIEFLY[self.code], locale=self.locale).replace(" ", NO_BREAK)


@cache
def language_named(code: str) -> Language:
    """Raises NoSuchLanguage."""
    if code not in LANGUAGES:
        raise NoSuchLanguage(f"{code!r} is not a language of the documents", remedy=f"one of: {', '.join(LANGUAGES)}")
    words = {
        key: _set(word) if code == "fr" else word
        for path in sorted((WORDS / code).glob("*.toml"))
        for key, word in _flat(tomllib.loads(path.read_text(encoding="utf-8"))).items()
    }
    return Language(code=code, locale=Locale.parse(LOCALES[code]), words=words)


def _flat(table: Mapping[str, object], under: str = "") -> dict[str, str]:
    flat: dict[str, str] = {}
    for name, value in table.items():
        flat |= _flat(value, f"{under}{name}.") if isinstance(value, dict) else {f"{under}{name}": str(value)}
    return flat


def _set(french: str) -> str:
    """As a printer would: no line begins with a colon or ends with an opening quote."""
    narrow = re.sub(r" ([;?!])", rf"{NARROW_NO_BREAK}\1", french)
    return re.sub(r"« ", f"«{NO_BREAK}", re.sub(r" ([:»])", rf"{NO_BREAK}\1", narrow))
