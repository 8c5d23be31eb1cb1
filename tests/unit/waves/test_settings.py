"""What governs a wave can be written in a YAML file and in a sheet alike."""

from __future__ import annotations

from pathlib import Path

import pytest

from bascule.inventory import InventoryRefused, WaveSettings, read_inventory, sample, write_inventory
from bascule.inventory.waves import Limits
from bascule.tables.problems import render

GOVERNED = """
waves:
  lyon:
    priority: [C0003, C0001]
    limits: {site: 3, ge: 10, s4a: 5}
"""


def waves_of(tmp_path: Path, text: str) -> dict[str, WaveSettings]:
    write_inventory(sample(3, seed=1), tmp_path / "i.csv")
    (tmp_path / "w.yaml").write_text(text, encoding="utf-8")
    return dict(read_inventory(tmp_path / "i.csv", waves=tmp_path / "w.yaml").waves)


def test_limits_and_priority_are_read_from_yaml_and_come_back_from_a_sheet(tmp_path: Path) -> None:
    settings = waves_of(tmp_path, GOVERNED)["lyon"]
    assert settings.priority == ("C0003", "C0001")
    assert settings.limits == Limits(site=3, ge=10, s4a=5)
    inventory = read_inventory(tmp_path / "i.csv", waves=tmp_path / "w.yaml")
    write_inventory(inventory, tmp_path / "i.xlsx")
    assert read_inventory(tmp_path / "i.xlsx").waves["lyon"] == settings


@pytest.mark.parametrize(
    ("setting", "sentence"),
    [
        ("limits: {site: 0}", "lyon.limits.site: `0`"),
        ("limits: {sage: 3}", "lyon.limits.sage: `3` is no setting of a wave"),
        ("priority: [c1!]", "lyon.priority: `c1!` a code is 2 to 20"),
    ],
)
def test_a_limit_or_a_priority_that_cannot_be_meant_is_refused_at_its_place(
    tmp_path: Path, setting: str, sentence: str
) -> None:
    with pytest.raises(InventoryRefused) as refused:
        waves_of(tmp_path, f"waves:\n  lyon:\n    {setting}\n")
    assert sentence in render(refused.value.problems)
