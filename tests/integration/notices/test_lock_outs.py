"""Whose users are still locked out, past their deadline, is told from the ledger: once, whoever looks."""

from __future__ import annotations

import asyncio
import sys
from dataclasses import replace
from datetime import datetime, timedelta
from pathlib import Path

import pytest

from bascule.ledger import Entry, EntryKind, Ledger, this_process
from bascule.model import Lifecycle, State
from bascule.notices import Posted
from bascule.procedure import LOCK_OUT, REOPEN, SYNCHRONISE
from config.messengers import send_what_is_due
from config.settings import Settings
from tests.integration.engine.test_reaping import HOUR, killed, looked
from tests.integration.notices.conftest import NOON, MailServer, settings_for
from tests.integration.notices.test_mail import look

ELSEWHERE = replace(this_process(), id="elsewhere", host="elsewhere")


@pytest.fixture
def settings(settings: Settings, ledger_url: str) -> Settings:
    return settings.model_copy(update={"ledger_url": ledger_url})


async def locked_out(ledger: Ledger, code: str, since: datetime, *, acted: bool = True) -> int:
    """By a run of another machine, until four hours later at the latest. The fencing number."""
    said = Entry(cabinet=code, kind=EntryKind.PLANNED, at=since, who="ops", wave="pilot", run="R1")
    fence = await ledger.take_lease(code, ELSEWHERE, since)
    await ledger.record(replace(said, lifecycle=Lifecycle.PLANNED, evidence={"owner": "anne"}))
    await ledger.hold_lock_out(code, ELSEWHERE, fence, since, since + timedelta(hours=4))
    if acted:
        await ledger.record(replace(said, kind=EntryKind.INTENT, step=LOCK_OUT, verb=LOCK_OUT, fence=fence))
    return fence


def alarms(mail: MailServer, address: str = "anne@example.com") -> list[str]:
    return [message["Subject"] for message in mail.to(address)]


async def test_the_owner_and_the_team_hear_once_whose_users_should_be_back(
    settings: Settings, ledger: Ledger, mail: MailServer
) -> None:
    await locked_out(ledger, "C0001", NOON)
    for hours in (3, 4, 5, 30):
        await look(settings, NOON + timedelta(hours=hours))
    assert alarms(mail) == ["ALERTE Bascule : C0001, les utilisateurs sont toujours exclus de GE"]
    assert len(alarms(mail, "ops@example.com")) == 1
    [told] = mail.to("anne@example.com")
    assert "C0001: depuis le 2026-12-01 12:00; aurait dû être rouvert le 2026-12-01 16:00" in told.get_content()
    assert "bascule unlock C0001 --by anne" in told.get_content()


async def test_of_two_processes_that_look_at_once_one_sends(
    settings: Settings, ledger: Ledger, mail: MailServer
) -> None:
    for number in range(20):
        await locked_out(ledger, f"C{number:04}", NOON - timedelta(hours=5))
    looks = [
        await asyncio.create_subprocess_exec(
            sys.executable, "-m", "tests.integration.notices.another_look", settings.model_dump_json()
        )
        for _ in range(2)
    ]
    assert [await look.wait() for look in looks] == [0, 0]
    assert [len(alarms(mail, who)) for who in ("anne@example.com", "ops@example.com")] == [1, 1]


async def test_who_is_back_or_was_never_locked_out_is_not_told(
    settings: Settings, ledger: Ledger, mail: MailServer
) -> None:
    fence = await locked_out(ledger, "C0001", NOON)
    back = Entry(cabinet="C0001", kind=EntryKind.PROOF, at=NOON, who="ops", wave="pilot", run="R1")
    await ledger.record(replace(back, step=REOPEN, state=State.DONE, fence=fence))
    await locked_out(ledger, "C0002", NOON, acted=False)
    assert await send_what_is_due(settings, lambda: NOON + timedelta(hours=5)) == ()


async def test_a_run_that_was_killed_in_a_long_synchronisation_is_told_when_users_should_be_back(
    tmp_path: Path, mail: MailServer
) -> None:
    settings = settings_for(tmp_path, mail.port)
    async with killed(tmp_path, SYNCHRONISE, after=True, sync_seconds=10 * HOUR) as on:
        assert settings.ledger_url == on.ledger.url
        heard: list[Posted] = []
        for _ in range(6):
            await on.time.sleep(HOUR)
            await looked(on)
            heard += await send_what_is_due(settings, on.time.now)
        assert [one.notice.to for one in heard] == ["@team"]
        await on.time.sleep(10 * HOUR)
        assert (await looked(on)).let_in == ["C0001"]
        assert await send_what_is_due(settings, on.time.now) == ()
    assert len(mail.messages) == 1
