"""A waves file is parsed in full and strictly; what nothing enforces yet can be named."""

from __future__ import annotations

import datetime as dt
from pathlib import Path

import pytest

from bascule.inventory import (
    InventoryRefused,
    WaveSettings,
    read_inventory,
    sample,
    unsupported,
    write_inventory,
)
from bascule.tables.problems import render

OF_THE_INTERFACE = """
waves:
  pilot:
    start_after: 2026-12-01T20:00        # local to each cabinet
    window: {from: "20:00", to: "06:00", days: [mon, tue, wed, thu]}
    blackout: [config/calendars/tax-fr.yaml]
    ramp: [1, 5, "20%", rest]
    concurrency: 20
    breaker: {failures: 5, share: 0.1, consecutive: 3, same_signature: 3, strict: false}
  next:
    requires: {wave: pilot, grade: ok-with-reservations}
  plain:
"""


def waves_of(tmp_path: Path, text: str) -> dict[str, WaveSettings]:
    write_inventory(sample(1, seed=1), tmp_path / "i.csv")
    (tmp_path / "w.yaml").write_text(text, encoding="utf-8")
    return dict(read_inventory(tmp_path / "i.csv", waves=tmp_path / "w.yaml").waves)


def test_the_waves_file_of_the_interface_is_parsed_in_full(tmp_path: Path) -> None:
    waves = waves_of(tmp_path, OF_THE_INTERFACE)
    pilot = waves["pilot"]
    assert pilot.start_after == dt.datetime(2026, 12, 1, 20)  # noqa: DTZ001  local to each cabinet
    assert pilot.window
    assert (pilot.window.from_, pilot.window.to, pilot.window.days) == (
        dt.time(20),
        dt.time(6),
        ("mon", "tue", "wed", "thu"),
    )
    assert pilot.ramp == (1, 5, "20%", "rest")
    assert pilot.breaker
    assert (pilot.breaker.failures, pilot.breaker.share, pilot.breaker.strict) == (5, 0.1, False)
    assert waves["next"].requires
    assert waves["next"].requires.wave == "pilot"
    assert waves["plain"] == WaveSettings()


def test_settings_that_nothing_enforces_are_named(tmp_path: Path) -> None:
    pilot = waves_of(tmp_path, OF_THE_INTERFACE)["pilot"]
    assert unsupported(pilot, frozenset({"concurrency"})) == ("start_after", "window", "blackout", "ramp", "breaker")
    assert unsupported(WaveSettings(concurrency=3), frozenset({"concurrency"})) == ()


@pytest.mark.parametrize(
    ("setting", "sentence"),
    [
        ("windw: 3", "w.yaml:3:pilot.windw: `3` is no setting of a wave. Did you mean `window`?"),
        ('window: {from: "20:00"}', "pilot.window.to: is needed"),
        ('window: {from: "8pm", to: "06:00"}', "`8pm` is no time of day"),
        ('window: {from: "20:00", to: "20:00"}', "the window begins when it ends"),
        ('window: {from: "20:00", to: "06:00", days: [lundi]}', "`lundi` is not known here"),
        ("start_after: 2026-12-01T20:00+01:00", "is no local date and time"),
        ("start_after: 2026-13-41T20:00", "pilot.start_after"),
        ("{start_after: 2026-12-02T20:00, complete_by: 2026-12-01T20:00}", "`complete_by` is not after `start_after`"),
        ("ramp: [rest, 5]", "`rest` is not the last step"),
        ("ramp: [0]", "`0` is no step of a ramp"),
        ('ramp: ["120%"]', "`120%` is no step of a ramp"),
        ("concurrency: 0", "pilot.concurrency: `0`"),
        ("concurrency: many", "pilot.concurrency: `many`"),
        ("breaker: {share: 5}", "pilot.breaker.share: `5`"),
        ("requires: {wave: pilott}", "`pilott` is no wave of this file. Did you mean `pilot`?"),
        ("requires: {wave: pilot}", "the wave would wait for itself"),
        ("requires: {wave: other, grade: failed}", "Use one of ok, ok-with-reservations"),
        ('window: "20:00-06:00"', 'Write it as `window: {from: "20:00", to: "06:00"'),
        ("blackout: holidays.ics", "Write it as `blackout: [calendar.yaml]`"),
        ("just a word", "pilot"),
    ],
)
def test_a_setting_that_breaks_a_rule_is_refused_at_its_place(tmp_path: Path, setting: str, sentence: str) -> None:
    with pytest.raises(InventoryRefused) as refused:
        waves_of(tmp_path, f"waves:\n  pilot:\n    {setting}\n")
    assert sentence in render(refused.value.problems)


def test_a_wave_whose_name_is_a_path_is_refused(tmp_path: Path) -> None:
    with pytest.raises(InventoryRefused, match="a wave's name is"):
        waves_of(tmp_path, "waves: {../../etc: {concurrency: 1}}")
