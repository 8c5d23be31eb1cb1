"""Numbers that are names, such as a SIREN: what spreadsheets do to them."""

from __future__ import annotations

import re
from collections.abc import Callable

from bascule.tables.problems import Broken

DIGITS = re.compile(r"[0-9]+")
SHORTENED = re.compile(r"[0-9][.,]?[0-9]*[eE]\+?[0-9]+")


def refuse_if_spoilt(number: str, length: int, is_valid: Callable[[str], bool]) -> None:
    """Raises Broken if a spreadsheet seems to have shortened it, or to have dropped its first zeros."""
    if SHORTENED.fullmatch(number):
        raise Broken(
            "was shortened by a spreadsheet, and its digits are lost", "Format the column as text, type it again"
        )
    if not DIGITS.fullmatch(number):
        return
    padded = number.zfill(length)
    if len(number) < length and length - len(number) <= 3 and is_valid(padded):
        rule = f"has {len(number)} digits of {length}: a spreadsheet may have dropped zeros at its beginning"
        raise Broken(rule, f"Did you mean `{padded}`? Format the column as text")
