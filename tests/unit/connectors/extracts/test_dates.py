"""When exported lists were made: the earliest of what the file system and they themselves say."""

from __future__ import annotations

import zipfile
from datetime import UTC, datetime, timedelta
from pathlib import Path
from zoneinfo import ZoneInfo

import openpyxl
import pytest

from bascule.connectors.extracts import read_mapping
from bascule.connectors.extracts.dates import SIDECAR, instant_in
from bascule.connectors.extracts.reading import ExtractsUnreadable, examine, read_ge
from bascule.model import System
from bascule.tables.problems import Broken
from tests.unit.connectors.extracts.exported import CABINET, GE, Rows, put, written_at

OURS = read_mapping()
PARIS = ZoneInfo("Europe/Paris")
MADE = datetime(2026, 11, 20, 18, 30, tzinfo=UTC)
COPIED = MADE + timedelta(days=4)


def stating(rows: Rows, *instants: str) -> list[list[str]]:
    """A list with a column that says when it was exported."""
    header, *lines = rows
    return [[*header, "Exporté le"], *([*line, told] for line, told in zip(lines, instants, strict=True))]


def copied(folder: Path) -> Path:
    written_at(folder, COPIED)
    return folder


def test_lists_that_say_nothing_of_it_were_made_when_their_files_were_written(tmp_path: Path) -> None:
    assert read_ge(copied(put(tmp_path / "ge", GE)), OURS, CABINET).taken_at == COPIED


def test_the_earliest_line_of_a_column_makes_a_copied_list_as_old_as_it_is(tmp_path: Path) -> None:
    dossiers = stating(GE["dossiers"], "20/11/2026 19:31", "20/11/2026 19:30", "")
    folder = copied(put(tmp_path / "ge", {**GE, "dossiers": dossiers}))
    assert read_ge(folder, OURS, CABINET).taken_at == MADE


def test_a_line_that_lies_ahead_makes_no_list_newer_than_its_file(tmp_path: Path) -> None:
    dossiers = stating(GE["dossiers"], *["2030-01-01 00:00"] * 3)
    folder = copied(put(tmp_path / "ge", {**GE, "dossiers": dossiers}))
    assert read_ge(folder, OURS, CABINET).taken_at == COPIED


@pytest.mark.parametrize("which", ["created", "modified"])
def test_a_workbook_is_as_old_as_its_own_properties_say(tmp_path: Path, which: str) -> None:
    folder = put(tmp_path / "ge", GE)
    (folder / "groupes.csv").unlink()
    workbook = openpyxl.Workbook()
    for row in GE["groupes"]:
        workbook.worksheets[0].append(list(row))
    workbook.properties.created = MADE.replace(tzinfo=None)
    workbook.save(folder / "groupes.xlsx")
    if which == "modified":
        _swap_dates(folder / "groupes.xlsx")
    assert read_ge(copied(folder), OURS, CABINET).taken_at == MADE


def test_a_file_beside_the_lists_says_it_for_all_of_them(tmp_path: Path) -> None:
    folder = put(tmp_path / "ge", GE)
    (folder / SIDECAR).write_text("2026-11-20T19:30\n", encoding="utf-8")
    assert read_ge(copied(folder), OURS, CABINET).taken_at == MADE
    assert examine(System.GE, folder, OURS, CABINET).unused == ()


@pytest.mark.parametrize("text", ["soon", "0001-01-01T00:00+14:00", "9999-12-31T23:59:59-14:00", "31/02/2026", "7"])
def test_what_is_no_instant_is_said_and_nothing_is_read(tmp_path: Path, text: str) -> None:
    folder = put(tmp_path / "ge", {**GE, "dossiers": stating(GE["dossiers"], text, "", "")})
    (folder / SIDECAR).write_text(text, encoding="utf-8")
    with pytest.raises(ExtractsUnreadable) as unreadable:
        read_ge(folder, OURS, CABINET)
    says = [str(problem) for problem in unreadable.value.problems]
    assert [
        f"ge/{SIDECAR}: is no date and time" in says[0],
        f"Exporté le: `{text}` is no date and time" in says[1],
    ] == [
        True,
        True,
    ]


@pytest.mark.parametrize(
    ("text", "instant"),
    [
        ("2026-11-20T19:30", MADE),
        ("2026-11-20 19:30:00", MADE),
        ("20/11/2026 19:30", MADE),
        ("2026-11-20T18:30:00Z", MADE),
        ("2026-11-20T20:30+02:00", MADE),
        ("2026-11-20", datetime(2026, 11, 20, 22, 59, 59, tzinfo=UTC)),
        ("20/11/2026", datetime(2026, 11, 20, 22, 59, 59, tzinfo=UTC)),
    ],
)
def test_instants_are_the_cabinets_unless_they_name_a_zone_and_a_day_ends_at_its_end(
    text: str, instant: datetime
) -> None:
    assert instant_in(text, PARIS) == instant


def test_a_number_is_no_instant() -> None:
    with pytest.raises(Broken):
        instant_in("20261120", PARIS)


def _swap_dates(file: Path) -> None:
    """As a tool leaves it that keeps no *created*: only *modified* tells."""
    with zipfile.ZipFile(file) as parts:
        content = {name: parts.read(name) for name in parts.namelist()}
    properties = content["docProps/core.xml"].decode()
    for name, other in (("created", "swapped"), ("modified", "created"), ("swapped", "modified")):
        properties = properties.replace(f"dcterms:{name}", f"dcterms:{other}")
    content["docProps/core.xml"] = properties.encode()
    with zipfile.ZipFile(file, "w") as parts:
        for name, part in content.items():
            parts.writestr(name, part)
