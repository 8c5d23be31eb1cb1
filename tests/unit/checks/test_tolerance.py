"""What may differ is named in the settings, by words that are known; by default nothing may."""

from __future__ import annotations

from pathlib import Path

import pytest

from bascule.checks.sameness import Tolerated, read_with
from config.settings import SettingsRefused, read_settings


@pytest.fixture
def office(tmp_path: Path) -> Path:
    path = tmp_path / "office.toml"
    path.write_text("", encoding="utf-8")
    return path


def test_nothing_is_tolerated_unless_somebody_says_so(office: Path) -> None:
    assert read_settings(str(office)).reconciliation.tolerate == ()


def test_the_file_names_what_is_tolerated(office: Path) -> None:
    office.write_text('[reconciliation]\ntolerate = ["case", "accents"]\n', encoding="utf-8")
    assert read_settings(str(office)).reconciliation.tolerate == (Tolerated.CASE, Tolerated.ACCENTS)


@pytest.mark.parametrize("told", ["case,accents", "case, accents", '["case", "accents"]'])
def test_a_variable_names_it_with_commas_or_as_json(office: Path, monkeypatch: pytest.MonkeyPatch, told: str) -> None:
    monkeypatch.setenv("BASCULE_RECONCILIATION__TOLERATE", told)
    assert read_settings(str(office)).reconciliation.tolerate == (Tolerated.CASE, Tolerated.ACCENTS)


@pytest.mark.parametrize("word", ["siren", "Case", "spelling", "all"])
def test_a_word_that_is_not_known_is_refused_with_those_that_are(office: Path, word: str) -> None:
    office.write_text(f'[reconciliation]\ntolerate = ["{word}"]\n', encoding="utf-8")
    with pytest.raises(SettingsRefused, match=r"office\.toml: reconciliation\.tolerate.*'case' or 'accents'"):
        read_settings(str(office))


def test_a_variable_that_says_it_wrong_is_named(office: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("BASCULE_RECONCILIATION__TOLERATE", "cases")
    with pytest.raises(SettingsRefused, match=r"BASCULE_RECONCILIATION__TOLERATE: "):
        read_settings(str(office))


@pytest.mark.parametrize(
    ("text", "tolerate", "read"),
    [
        ("Cœur d’Étampes – Sud", (), "Cœur d’Étampes – Sud"),
        ("Cœur d’Étampes – Sud", (Tolerated.ACCENTS,), "Coeur d'Etampes - Sud"),
        ("Cœur d’Étampes – Sud", (Tolerated.CASE,), "cœur d’étampes – sud"),
        ("Œuvre, ŒUVRE, Ægir", (Tolerated.ACCENTS,), "Oeuvre, OEUVRE, Aegir"),
        ("STRASSE, Straße", (Tolerated.CASE,), "strasse, strasse"),
    ],
)
def test_a_text_is_read_without_what_may_differ(text: str, tolerate: tuple[Tolerated, ...], read: str) -> None:
    assert read_with(tolerate, text) == read
