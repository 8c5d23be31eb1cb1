"""Several real processes on one ledger: none loses what another wrote, and a dead one is in nobody's way."""

from __future__ import annotations

import subprocess
import sys
from collections import Counter
from datetime import UTC, datetime
from pathlib import Path

import pytest

from bascule.errors import CabinetTaken
from bascule.ledger import Ledger, first_broken, this_process


def another_process(verb: str, url: str, who: str = "B", times: int = 25) -> subprocess.Popen[str]:
    return subprocess.Popen(
        [sys.executable, "-m", "tests.integration.ledger.another_process", verb, url, who, str(times)],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
        cwd=Path(__file__).parents[3],
    )


def test_processes_that_append_to_one_ledger_at_once_lose_nothing(ledger_url: str) -> None:
    Ledger(ledger_url).close()

    assert_nothing_is_lost_when_two_append(ledger_url)


def test_processes_that_make_one_ledger_at_once_make_one(ledger_url: str) -> None:
    assert_nothing_is_lost_when_two_append(ledger_url)


def assert_nothing_is_lost_when_two_append(ledger_url: str) -> None:
    writers = [another_process("append", ledger_url, who) for who in "AB"]
    for writer in writers:
        writer.communicate(timeout=60)
    assert [writer.returncode for writer in writers] == [0, 0]

    with Ledger(ledger_url, read_only=True) as ledger:
        histories = ledger.histories(["C0001", "OWN-A", "OWN-B"])

    assert Counter(entry.who for entry in histories["C0001"]) == {"A": 25, "B": 25}
    assert [len(history) for history in histories.values()] == [50, 25, 25]
    assert all(first_broken(history) is None for history in histories.values())


async def test_a_lease_whose_process_was_killed_is_taken_over_at_once(ledger: Ledger, ledger_url: str) -> None:
    with another_process("hold", ledger_url) as holder:
        assert holder.stdout
        fence = int(holder.stdout.readline())
        with pytest.raises(CabinetTaken) as taken:
            await ledger.take_lease("C0001", this_process(), datetime.now(UTC))
        assert 0 < taken.value.until <= 60

        holder.kill()
        holder.wait()

        assert await ledger.take_lease("C0001", this_process(), datetime.now(UTC)) == fence + 1


def test_a_full_disk_is_said_in_words_and_leaves_the_ledger_whole(tmp_path: Path) -> None:
    url = f"sqlite:///{tmp_path / 'ledger.db'}"

    said, _ = another_process("fill", url, times=200).communicate(timeout=60)

    assert "could not be written" in said
    assert "make room" in said
    with Ledger(url, read_only=True) as ledger:
        history = ledger.history("C0001")
    assert history[0].reason == "fits"
    assert 1 < len(history) < 200
    assert first_broken(history) is None
