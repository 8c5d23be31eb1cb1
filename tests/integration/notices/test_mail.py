"""Notices by mail, through a real mail server."""

from __future__ import annotations

from datetime import datetime, timedelta
from pathlib import Path

import pytest

from bascule.ledger import EntryKind, Ledger
from config.messengers import send_what_is_due
from config.settings import Settings
from tests.integration.notices.conftest import NOON, PASSWORD, MailServer, answered, opened, settings_for


async def look(settings: Settings, at: datetime = NOON) -> list[str]:
    """Why what was not sent."""
    return [one.failed for one in await send_what_is_due(settings, lambda: at)]


async def test_an_operator_gets_one_plain_readable_mail_with_everything_new(
    settings: Settings, mail: MailServer
) -> None:
    await opened(settings, "C0001", "C0002")
    assert await look(settings) == [""]
    [(addresses, message)] = mail.messages
    assert addresses == ["anne@example.com"]
    assert message["Subject"] == "Bascule : 2 nouveaux bons de travail"
    assert message["From"] == "Bascule <bascule@example.com>"
    assert message.get_content_type() == "text/plain"
    assert message.get_content_charset() == "utf-8"
    text = message.get_content()
    assert "connecter GE à Sage for Accountants, choisir les valeurs par défaut" in text
    assert "bascule inbox --mine anne" in text
    assert "dupont" not in message.as_string()


async def test_a_subject_with_accents_arrives_with_accents(settings: Settings, mail: MailServer) -> None:
    await opened(settings, "C0001", owner="paul", four_eyes=True)
    await answered(settings, "C0001-connect", by="paul")
    await look(settings)
    assert [message["Subject"] for message in mail.to("anne@example.com")] == ["Bascule : 1 réponse à approuver"]


async def test_nothing_is_told_twice_however_often_one_looks(settings: Settings, mail: MailServer) -> None:
    await opened(settings, "C0001")
    for minutes in range(0, 60, 10):
        await look(settings, NOON + timedelta(minutes=minutes))
    await opened(settings, "C0002")
    await look(settings, NOON + timedelta(hours=1))
    assert len(mail.messages) == 2
    assert "C0001" not in mail.messages[1][1].get_content()


async def test_a_server_that_is_down_is_told_and_the_message_sent_once_when_it_is_back(
    settings: Settings, mail: MailServer, tmp_path: Path
) -> None:
    await opened(settings, "C0001")
    down = settings_for(tmp_path, 1)
    for minutes in (0, 10):
        [why] = await look(down, NOON + timedelta(minutes=minutes))
        assert "the mail server 127.0.0.1 did not take the message" in why
        assert "refused" in why
    for minutes in (20, 30):
        await look(settings, NOON + timedelta(minutes=minutes))
    assert len(mail.messages) == 1


async def test_one_address_that_is_refused_keeps_no_other_from_hearing(settings: Settings, mail: MailServer) -> None:
    mail.refuses = {"anne@example.com"}
    await opened(settings, "C0001")
    await opened(settings, "C0002", owner=None)
    failed, sent = sorted(await look(settings), reverse=True)
    assert "5.1.1" in failed
    assert "anne@example.com" not in failed
    assert sent == ""
    assert len(mail.to("ops@example.com")) == 1
    await look(settings, NOON + timedelta(minutes=10))
    assert len(mail.to("ops@example.com")) == 1


async def test_a_message_goes_to_each_address_of_a_team_by_itself(tmp_path: Path, mail: MailServer) -> None:
    settings = settings_for(tmp_path, mail.port, team=["ops@example.com", "night@example.com"], addresses={})
    mail.refuses = {"night@example.com"}
    await opened(settings, "C0001")
    for minutes in (0, 10, 20):
        await look(settings, NOON + timedelta(minutes=minutes))
    mail.refuses = set()
    await look(settings, NOON + timedelta(minutes=30))
    assert [len(mail.to(who)) for who in ("ops@example.com", "night@example.com")] == [1, 1]


async def test_a_certificate_that_nobody_vouches_for_is_refused(
    guarded_mail: MailServer, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("SMTP_PASSWORD", PASSWORD)
    settings = behind_tls(tmp_path, guarded_mail.port)
    await opened(settings, "C0001")
    [why] = await look(settings)
    assert "certificate verify failed" in why.casefold()
    assert not guarded_mail.messages


async def test_one_that_is_vouched_for_gets_the_password_and_the_message(
    guarded_mail: MailServer, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("SSL_CERT_FILE", str(tmp_path / "certificate.pem"))
    monkeypatch.setenv("SMTP_PASSWORD", PASSWORD)
    settings = behind_tls(tmp_path, guarded_mail.port)
    await opened(settings, "C0001")
    assert await look(settings) == [""]
    assert len(guarded_mail.to("anne@example.com")) == 1


async def test_a_wrong_password_is_told_and_never_shown(
    guarded_mail: MailServer, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, logged: list[str]
) -> None:
    monkeypatch.setenv("SSL_CERT_FILE", str(tmp_path / "certificate.pem"))
    monkeypatch.setenv("SMTP_PASSWORD", "wrong-one-4711")
    settings = behind_tls(tmp_path, guarded_mail.port)
    await opened(settings, "C0001")
    [why] = await look(settings)
    assert "535" in why
    assert "wrong-one-4711" not in "\n".join([why, everything_recorded(settings), *logged])


async def test_a_password_that_cannot_be_sent_is_told_before(
    tmp_path: Path, mail: MailServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("SMTP_PASSWORD", "clé")
    settings = behind_tls(tmp_path, mail.port)
    await opened(settings, "C0001")
    [why] = await look(settings)
    assert "env:SMTP_PASSWORD holds characters beyond ASCII" in why


async def test_a_password_that_is_not_set_is_told_with_its_name(tmp_path: Path, mail: MailServer) -> None:
    settings = behind_tls(tmp_path, mail.port)
    await opened(settings, "C0001")
    [why] = await look(settings)
    assert "env:SMTP_PASSWORD is not set" in why


async def test_the_ledger_knows_who_was_told_and_no_address(settings: Settings, mail: MailServer) -> None:
    mail.refuses = {"ops@example.com"}
    await opened(settings, "C0001")
    await opened(settings, "C0002", owner=None)
    await look(settings)
    assert "anne" in everything_recorded(settings)
    assert "example.com" not in everything_recorded(settings)


def behind_tls(folder: Path, port: int) -> Settings:
    smtp = {
        "host": "localhost",
        "port": port,
        "user": "bascule",
        "password": "env:SMTP_PASSWORD",
        "sender": "bascule@example.com",
    }
    return settings_for(folder, port, smtp=smtp)


def everything_recorded(settings: Settings) -> str:
    assert settings.ledger_url
    with Ledger(settings.ledger_url) as ledger:
        return "\n".join(f"{entry.reason} {entry.evidence}" for entry in ledger.of_kinds([EntryKind.NOTE]))
