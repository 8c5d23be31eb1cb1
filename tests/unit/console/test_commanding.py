"""pause, drain, resume and stop, as people type them: who may say so, and with what reason."""

from __future__ import annotations

import asyncio
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path

import pytest

from bascule.ledger import Entry, EntryKind, Ledger, this_process
from tests.unit.console.conftest import Bascule

RUN = "R1"


def line(kind: EntryKind, **evidence: object) -> Entry:
    now = datetime.now(UTC)
    return Entry(
        cabinet="@pilot", kind=kind, at=now, who="ops", wave="pilot", run=RUN, reason="so it is", evidence=evidence
    )


@pytest.fixture
def ledger(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Ledger]:
    """A run is at work on the wave pilot, in an environment whose operator is anne."""
    monkeypatch.setenv("BASCULE_OPERATORS", "anne")
    (tmp_path / ".bascule").mkdir()
    with Ledger(f"sqlite:///{tmp_path}/.bascule/ledger.db") as ledger:

        async def begun() -> None:
            await ledger.sign_on(RUN, this_process(), datetime.now(UTC))
            await ledger.record(line(EntryKind.RUN_BEGAN))

        asyncio.run(begun())
        yield ledger


@contextmanager
def answering(ledger: Ledger) -> Iterator[None]:
    """As the run at work does."""

    def answer() -> None:
        until = time.monotonic() + 15
        while not (said := words(ledger)) and time.monotonic() < until:
            time.sleep(0.05)
        asyncio.run(ledger.record(line(EntryKind.NOTE, answers=said[-1].seq)))

    run = threading.Thread(target=answer)
    run.start()
    yield
    run.join()


def words(ledger: Ledger) -> list[Entry]:
    return ledger.of_wave("pilot", [EntryKind.COMMAND])


@pytest.mark.parametrize(
    ("said", "refused"),
    [
        (("resume", "--by", "anne", "--because", " "), "--because says nothing"),
        (("resume", "--by", "mallory", "--because", "mended"), "'mallory' is no operator of the environment sandbox"),
        (("pause", "--by", "mallory"), "'mallory' is no operator"),
        (("drain", "--by", "mallory"), "'mallory' is no operator"),
        (("stop", "--by", "mallory"), "'mallory' is no operator"),
    ],
)
def test_who_is_no_operator_or_gives_no_reason_is_not_listened_to(
    bascule: Bascule, ledger: Ledger, said: tuple[str, ...], refused: str
) -> None:
    told = bascule(*said)
    assert told.code == 2
    assert refused in " ".join(told.err.split())
    assert words(ledger) == []


def test_whoever_sits_at_the_machine_may_hold_a_wave_back_and_only_an_operator_lets_it_go_on(
    bascule: Bascule, ledger: Ledger, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("getpass.getuser", lambda: "night-shift")
    assert "'night-shift' is no operator" in bascule("resume", "--because", "mended").err
    with answering(ledger):
        assert bascule("stop").code == 0
    assert [word.who for word in words(ledger)] == ["night-shift"]


def test_an_operators_word_is_written_down_as_the_settings_spell_their_name(bascule: Bascule, ledger: Ledger) -> None:
    with answering(ledger):
        told = bascule("pause", "--by", "Anne", "--because", "lunch ")
    assert (told.code, told.out) == (0, "Wave pilot: so it is\n")
    [word] = words(ledger)
    assert (word.who, word.reason, word.evidence["word"]) == ("anne", "lunch", "pause")
