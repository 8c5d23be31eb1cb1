"""A message is claimed, sent, and told to be sent: once, whoever looks, and at least once, whoever dies."""

from __future__ import annotations

import asyncio
import contextlib
import sys
from collections.abc import Callable
from datetime import datetime, timedelta
from pathlib import Path

import pytest

from bascule.ledger import Entry, EntryKind, Ledger, first_broken
from bascule.model import Lifecycle, Outcome
from bascule.notices import NotDelivered, Notice, Outbox
from bascule.notices.due import TellsOf, due
from bascule.notices.told import CHAIN, TAKEN_OVER_AFTER
from config.messengers import send_what_is_due
from config.settings import Settings
from tests.integration.notices.conftest import NOON, MailServer, answered, opened
from tests.unit.notices.happenings import HEARERS, NEVER_QUIET, order

Due = Callable[[TellsOf, datetime], tuple[Notice, ...]]
ORDERS = [order("C0001"), order("C0002", owner=None)]


def always(told: TellsOf, now: datetime) -> tuple[Notice, ...]:
    return due(ORDERS, [], [], told, HEARERS, now=now, quiet=NEVER_QUIET, remind_after=timedelta(hours=24))


class Letterbox:
    """Takes its time, so that others look meanwhile."""

    def __init__(self) -> None:
        self.heard: list[str] = []

    async def send(self, notice: Notice) -> None:
        await asyncio.sleep(0.02)
        self.heard.append(notice.to)


async def test_of_many_who_look_at_the_same_moment_one_sends(ledger_url: str) -> None:
    box = Letterbox()
    with contextlib.ExitStack() as stack:
        # Each with a writer and a connection of its own, as processes have them.
        ledgers = [stack.enter_context(Ledger(ledger_url)) for _ in range(5)]
        await asyncio.gather(*(Outbox(ledger, lambda: NOON).post(always, box.send) for ledger in ledgers))
    assert sorted(box.heard) == ["@team", "anne", "env:TEAMS_URL"]


async def test_of_two_processes_that_look_at_the_same_moment_one_sends(settings: Settings, mail: MailServer) -> None:
    await opened(settings, *(f"C{number:04}" for number in range(20)))
    await opened(settings, "C0100", owner=None)
    looks = [
        await asyncio.create_subprocess_exec(
            sys.executable, "-m", "tests.integration.notices.another_look", settings.model_dump_json()
        )
        for _ in range(2)
    ]
    assert [await look.wait() for look in looks] == [0, 0]
    assert [len(mail.to(who)) for who in ("anne@example.com", "ops@example.com")] == [1, 1]


async def test_a_message_whose_sender_died_is_taken_over_and_told_twice_rather_than_never(ledger: Ledger) -> None:
    box = Letterbox()

    async def dies(_: Notice) -> None:
        raise KeyError("the machine goes down")

    with pytest.raises(KeyError):
        await Outbox(ledger, lambda: NOON).post(always, dies)
    await Outbox(ledger, lambda: NOON + timedelta(minutes=9)).post(always, box.send)
    assert "anne" not in box.heard
    await Outbox(ledger, lambda: NOON + TAKEN_OVER_AFTER).post(always, box.send)
    assert sorted(box.heard) == ["@team", "anne", "env:TEAMS_URL"]


async def test_who_cannot_be_told_is_tried_once_a_look(ledger: Ledger) -> None:
    tried = []

    async def refuses(notice: Notice) -> None:
        tried.append(notice.to)
        raise NotDelivered("no")

    posted = await Outbox(ledger, lambda: NOON).post(always, refuses)
    assert [one.failed for one in posted] == ["no"] * 3
    assert len(tried) == 3


async def test_a_look_that_finds_nothing_writes_nothing(ledger: Ledger) -> None:
    await Outbox(ledger, lambda: NOON).post(always, Letterbox().send)
    before = len(ledger.history(CHAIN))
    assert await Outbox(ledger, lambda: NOON).post(always, Letterbox().send) == ()
    assert len(ledger.history(CHAIN)) == before


async def test_what_was_told_is_a_chain_that_holds_and_belongs_to_its_waves(ledger: Ledger) -> None:
    await Outbox(ledger, lambda: NOON).post(always, Letterbox().send)
    assert first_broken(ledger.history(CHAIN)) is None
    assert ledger.waves() == (), "a notice plans no wave"


async def test_a_wave_called_notices_is_none_of_this(settings: Settings, mail: MailServer) -> None:
    assert settings.ledger_url
    with Ledger(settings.ledger_url) as ledger:
        await ledger.record(
            Entry(cabinet=CHAIN, kind=EntryKind.NOTE, at=NOON, who="ops", wave="notices", run="R1", reason="paused")
        )
    await opened(settings, "C0001")
    await send_what_is_due(settings, lambda: NOON)
    assert len(mail.messages) == 1


async def test_a_wave_that_ended_is_told_from_the_ledger(settings: Settings, mail: MailServer) -> None:
    assert settings.ledger_url
    blocked = {"lifecycle": Lifecycle.ENDED, "outcome": Outcome.BLOCKED, "step": "admin-rights"}
    with Ledger(settings.ledger_url) as ledger:
        for cabinet, kind, more in (
            ("@pilot", EntryKind.RUN_BEGAN, {"evidence": {"selected": "all"}}),
            ("C0001", EntryKind.PLANNED, {"lifecycle": Lifecycle.PLANNED, "evidence": {"owner": "anne"}}),
            ("C0001", EntryKind.BEGAN, {"lifecycle": Lifecycle.RUNNING}),
            ("C0001", EntryKind.ENDED, {**blocked, "reason": "dupont@cabinet-dupont.fr lacks rights"}),
            ("@pilot", EntryKind.RUN_ENDED, {}),
        ):
            await ledger.record(Entry(cabinet=cabinet, kind=kind, at=NOON, who="ops", wave="pilot", run="R1", **more))
    for _ in range(2):
        await send_what_is_due(settings, lambda: NOON)
    [message] = mail.to("ops@example.com")
    assert message["Subject"] == "Bascule : vague pilot, passage terminé : bloqué"
    assert "- C0001: bloqué, à l'étape admin-rights" in message.get_content()
    assert "dupont" not in message.get_content()


async def test_an_answer_in_time_stops_the_alarm(settings: Settings, mail: MailServer) -> None:
    late = NOON + timedelta(hours=12)
    await opened(settings, "C0001", verbs=("lock-out", "synchronise", "reopen"), deadline=late)
    await send_what_is_due(settings, lambda: NOON)
    await send_what_is_due(settings, lambda: late)
    assert [message["Subject"].split()[0] for message in mail.to("anne@example.com")] == ["Bascule", "ALERTE"]
    await answered(settings, "C0001-connect", at=late)
    await send_what_is_due(settings, lambda: late + timedelta(hours=1))
    assert len(mail.to("anne@example.com")) == 2


async def test_where_notices_are_off_nothing_is_opened_or_sent(settings: Settings, tmp_path: Path) -> None:
    off = settings.model_copy(update={"notices": settings.notices.model_copy(update={"enabled": False})})
    assert await send_what_is_due(off) == ()
    assert not (tmp_path / "ledger.db").exists()
