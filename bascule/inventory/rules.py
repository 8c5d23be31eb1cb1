"""The rules of single values: text in, the value as it is kept out, or Broken. Sources: interface.md; domain.md, 5."""

from __future__ import annotations

import functools
import re
import zoneinfo
from collections.abc import Iterator

from email_validator import EmailNotValidError, validate_email
from stdnum.fr import siren as insee_siren
from stdnum.fr import siret as insee_siret

from bascule.tables.numbers import DIGITS, refuse_if_spoilt
from bascule.tables.problems import Broken, did_you_mean
from bascule.tables.text import clean

CODE = re.compile(r"[A-Z0-9][A-Z0-9_-]{1,19}")
WAVE = re.compile(r"\w[\w-]{0,39}")
EXAMPLE_CODES = {"fr": "EXEMPLE", "en": "EXAMPLE"}
"""Codes of the row that a template shows. Left in, it is refused: nobody means to move it."""

LANGUAGES = ("fr", "en")
CONNECTORS = ("http", "operator", "extracts", "http+operator", "http+extracts", "operator+http", "operator+extracts")
"""A connector, or `acts+reads`. Extracts are lists: they are read and never act."""

BEGINS_A_FORMULA = tuple("=+-@\t\r＝＋－＠")


def text(value: str) -> str:
    """Clean, and nothing that a spreadsheet would run."""
    for begun in (value, value.strip()):
        if begun.startswith(BEGINS_A_FORMULA):
            first = begun[0] if begun[0].isprintable() else "a tab"
            raise Broken(f"begins with {first}, which a spreadsheet would run as a formula", "Remove that character")
    return clean(value)


def code(value: str) -> str:
    if value.upper() in EXAMPLE_CODES.values():
        raise Broken("is the example row of the template", "Remove the row")
    if not CODE.fullmatch(value):
        meant = re.sub(r"[^A-Z0-9_-]", "-", value.upper())
        rule = "a code is 2 to 20 capital letters, digits, `_` or `-`, and begins with a letter or digit"
        raise Broken(rule, f"Did you mean `{meant}`?" if CODE.fullmatch(meant) else "Choose such a code")
    return value


def siren(value: str) -> str:
    number = value.replace(" ", "")
    _digits(number, 9, "SIREN")
    if not insee_siren.is_valid(number):
        raise Broken(
            "is no valid SIREN: its control digit does not fit", "Copy it from the Kbis or annuaire-entreprises"
        )
    return number


def siret(value: str) -> str:
    """A SIRET of Monaco may hold letters; such a one is accepted, and doubted."""
    number = value.replace(" ", "")
    if is_of_monaco(number):
        return number
    _digits(number, 14, "SIRET")
    if not insee_siret.is_valid(number):
        raise Broken("is no valid SIRET: its control digit does not fit", "Copy it from annuaire-entreprises")
    return number


def is_of_monaco(siret_number: str) -> bool:
    return re.fullmatch(r"MONACO[A-Z0-9]{8}", siret_number) is not None


def email(value: str) -> str:
    """Kept as typed: Sage wants it identical to the one in GE, so not even the domain's case is changed."""
    try:
        address = validate_email(value, check_deliverability=False, strict=True)
    except EmailNotValidError as error:
        raise Broken(f"is no valid e-mail address: {str(error).rstrip('.')}", "Correct the address") from None
    if len(address.ascii_domain) > 64:
        raise Broken("has more than 64 characters after the @, which a Sage account refuses", "Use another address")
    return value


def timezone(value: str) -> str:
    if value not in time_zones():
        fix = did_you_mean(value, time_zones(), "Use an IANA name such as `Europe/Paris` or `Indian/Reunion`")
        raise Broken("is no IANA time zone", fix)
    return value


@functools.cache
def time_zones() -> frozenset[str]:
    return frozenset(zoneinfo.available_timezones())


def language(value: str) -> str:
    if value.lower() not in LANGUAGES:
        raise Broken("is no language that Bascule writes in", did_you_mean(value, LANGUAGES, "Write `fr` or `en`"))
    return value.lower()


def wave(value: str) -> str:
    """A wave's name is also that of a folder."""
    if not WAVE.fullmatch(value):
        raise Broken("a wave's name is 1 to 40 letters, digits, `_` or `-`", "Rename the wave")
    return value


def connector(value: str) -> str:
    word = value.lower().replace(" ", "")
    if word not in CONNECTORS:
        acts, plus, _ = word.partition("+")
        rule = "`extracts` cannot act" if plus and acts == "extracts" else "is no connector"
        raise Broken(rule, did_you_mean(word, CONNECTORS, f"Known are: {', '.join(CONNECTORS)}"))
    return word


def connector_of_my_sage(value: str) -> str:
    word = connector(value)
    if "extracts" in word.split("+"):
        raise Broken("My Sage exports no lists, so `extracts` cannot read it", "Use `operator` or `http`")
    return word


def doubts(value: str) -> Iterator[Broken]:
    """What is accepted, but a person should look at."""
    if "?" in value and re.search(r"\w\?\w", value):
        yield Broken("has a `?` inside a word, as if a character was lost", "Check the spelling")
    if "@" in value and not value.isascii():
        yield Broken("is an address with letters that many mail systems refuse", "Check the address")
    if value.startswith("MONACO") and is_of_monaco(value):
        yield Broken("is a SIRET of Monaco, which no control digit protects", "Check it by eye")


def _digits(number: str, length: int, name: str) -> None:
    refuse_if_spoilt(number, length, insee_siren.is_valid if length == 9 else insee_siret.is_valid)
    if not DIGITS.fullmatch(number):
        raise Broken(f"a {name} is {length} digits", "Remove what is no digit; check O for 0")
    if len(number) != length:
        raise Broken(f"has {len(number)} digits; a {name} has {length}", "Copy it again")
    if not number.strip("0"):
        raise Broken(f"is all zeros, which is no {name}", "Give the real number")
