"""A mapping is either understood whole, or refused with all that is wrong with it."""

from __future__ import annotations

from importlib import resources
from pathlib import Path

import pytest

from bascule.connectors.extracts import MappingRefused, read_ge, read_mapping, read_s4a
from bascule.facts import DossierStatus
from bascule.model import System
from tests.unit.connectors.extracts.exported import CABINET, GE, S4A, put

SHIPPED = (resources.files("bascule.connectors.extracts") / "mapping.toml").read_text(encoding="utf-8")


def refusal_of(path: Path, text: str) -> str:
    path.write_text(text, encoding="utf-8")
    with pytest.raises(MappingRefused) as refused:
        read_mapping(path)
    return str(refused.value)


def test_the_mapping_that_ships_says_that_it_is_our_proposal() -> None:
    assert "This is our proposal: Sage publishes no export format" in SHIPPED.replace("\n# ", " ")


def test_a_copy_with_other_headers_and_words_is_used_instead(tmp_path: Path) -> None:
    copy = tmp_path / "mine.toml"
    changed = SHIPPED.replace('"Code", "Code dossier", "Dossier code"', '"N° de dossier"')
    copy.write_text(changed.replace('closed = ["Clos",', 'closed = ["En sommeil",'), encoding="utf-8")
    header, first, *_ = GE["dossiers"]
    dossiers = [["N° DE DOSSIER", *header[1:]], [*first[:5], "en sommeil", ""]]

    lists = read_ge(put(tmp_path / "ge", {**GE, "dossiers": dossiers}), read_mapping(copy), CABINET)

    assert [(one.code, one.status) for one in lists.dossiers] == [("D1", DossierStatus.CLOSED)]


def test_the_names_of_all_rights_may_be_given(tmp_path: Path) -> None:
    copy = tmp_path / "mine.toml"
    copy.write_text(SHIPPED.replace('# all = ["', 'all = ["'), encoding="utf-8")

    assert read_mapping(copy).right_names == ("Consultation", "Saisie")
    assert read_mapping().right_names is None


def test_a_list_that_need_not_be_there_need_not_be_mapped(tmp_path: Path) -> None:
    copy = tmp_path / "mine.toml"
    copy.write_text(SHIPPED[: SHIPPED.index("[s4a.groupes]")], encoding="utf-8")
    folder = put(tmp_path / "s4a", {**S4A, "groupes": GE["groupes"]})

    lists = read_s4a(folder, read_mapping(copy), CABINET)

    assert "groups" in lists.unknown
    assert set(read_mapping(copy).lists[System.S4A]) == {"clients", "utilisateurs", "contacts"}


@pytest.mark.parametrize(
    ("was", "now", "says"),
    [
        ("[ge.profils]", "[ge.profils", "is no TOML: Expected ']' at the end of a table declaration (at line"),
        ("[ge.profils]", "[ge.profil]", "ge.profil: is not known here. Did you mean `profils`?"),
        ("[ge.profils]", "[ge.profil]", "ge.profils: is missing"),
        ("[words.status]", "[words.stati]", "words.status: is missing"),
        ("[s4a.utilisateurs]", "[s4b.utilisateurs]", "s4b: is not known here. Did you mean `s4a`?"),
        ('siren = ["SIREN"]', 'sirenn = ["SIREN"]', "ge.entites.sirenn: is not known here. Did you mean `siren`?"),
        ('siren = ["SIREN"]', "", "ge.entites.siren: is missing or empty"),
        ('siren = ["SIREN"]', "siren = []", "ge.entites.siren: is missing or empty"),
        ('siren = ["SIREN"]', 'siren = "SIREN"', 'ge.entites.siren: is no list of words, such as ["Code"'),
        ('siren = ["SIREN"]', "siren = [1]", 'ge.entites.siren: is no list of words, such as ["Code"'),
        ('siren = ["SIREN"]', 'siren = ["№", "…"]', "ge.entites.siren: '…' has neither letter nor digit"),
        ('siren = ["SIREN"]', 'siren = ["siret"]', "ge.entites: 'SIRET' stands under both siren and siret"),
        ('files = ["profils", "profiles"]', "", "ge.profils.files: is missing or empty"),
        (
            'files = ["profils", "profiles"]',
            'files = ["Droits"]',
            "ge: 'droits' begins the files of both profils and droits",
        ),
        ('no = ["Non",', 'no = ["Oui",', "words.yes_no: 'Oui' stands under both yes and no"),
        ("[ge.groupes]", "[ge.groupes]\nall = []", "ge.groupes.all: is not known here"),
    ],
)
def test_a_bad_mapping_is_refused_where_it_is_bad(tmp_path: Path, was: str, now: str, says: str) -> None:
    assert was in SHIPPED
    path = tmp_path / "mine.toml"

    assert f"{path}: {says}" in refusal_of(path, SHIPPED.replace(was, now, 1))


def test_all_that_is_bad_is_told_at_once(tmp_path: Path) -> None:
    text = SHIPPED.replace("right = [", "rigth = [").replace('email = ["E-mail",', 'mail = ["E-mail",')

    # Rights are mapped twice, e-mails six times; each is one field too many and one that is missing.
    assert len(refusal_of(tmp_path / "mine.toml", text).splitlines()) == 16


def test_a_mapping_that_cannot_be_read_is_refused(tmp_path: Path) -> None:
    with pytest.raises(MappingRefused, match="cannot be read: No such file"):
        read_mapping(tmp_path / "nowhere.toml")
    (tmp_path / "latin.toml").write_bytes("clé = []".encode("cp1252"))
    with pytest.raises(MappingRefused, match="is not in UTF-8"):
        read_mapping(tmp_path / "latin.toml")
