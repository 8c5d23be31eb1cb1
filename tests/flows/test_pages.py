"""What Prefect's pages show of a wave: a page of its own, and nothing that hides."""

from __future__ import annotations

import re
from itertools import product
from pathlib import Path

from bascule.ledger import Ledger
from bascule.model import Outcome
from bascule.reports.publishing import publish
from tasks.reporting import FILES, PROGRESS, artifact_of, key_of
from tests.unit.reports.histories import began, ended, planned, write

WAVES = (
    "pilot",
    "Pilot",
    "pilot_1",
    "pilot-1",
    "pilot 1",
    "PILOT-1",
    "_",
    "-",
    "é",
    "vague",
    "pilot-files",
    "pilot-progress",
)


def test_two_waves_never_share_a_page() -> None:
    keys = [key_of(wave) + page for wave, page in product(WAVES, ("", FILES, PROGRESS))]
    assert len(set(keys)) == len(keys)
    assert [key for key in keys if not re.fullmatch("[a-z0-9-]+", key)] == []


def test_a_name_that_prefect_takes_as_it_is_stays_as_it_is() -> None:
    assert (key_of("pilot"), key_of("pilot-1")) == ("wave-pilot", "wave-pilot-1")


def test_what_would_hide_in_a_reason_is_seen_on_the_page(tmp_path: Path) -> None:
    with Ledger(f"sqlite:///{tmp_path}/ledger.db") as ledger:
        write(ledger, planned("C0001"), began("C0001"), ended("C0001", Outcome.FAILED, reason="a\x1b[2J\u202eb"))
        page = artifact_of(publish(ledger, "pilot", tmp_path / "runs"))
    assert [row["reason"] for row in page["table"]][1:] == ["a⟨001B⟩[2J⟨202E⟩b"]
