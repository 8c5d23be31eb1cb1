"""Notices by webhook, to a real HTTP server; Teams' and Slack's own addresses are Apprise's to know."""

from __future__ import annotations

from datetime import timedelta
from pathlib import Path

import pytest

from config.messengers import send_what_is_due
from config.settings import Settings
from tests.integration.notices.conftest import NOON, Webhook, opened, settings_for
from tests.integration.notices.test_mail import everything_recorded, look


def by_webhook(folder: Path, **notices: object) -> Settings:
    return settings_for(folder, 1, **{"addresses": {}, "team": [], "webhooks": ["env:TEAMS_URL"], **notices})


async def test_a_webhook_hears_what_the_team_hears(
    tmp_path: Path, webhook: Webhook, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("TEAMS_URL", webhook.url)
    settings = by_webhook(tmp_path, language="en")
    await opened(settings, "C0001")
    assert await look(settings) == [""]
    assert await look(settings, NOON + timedelta(minutes=10)) == []
    [heard] = webhook.heard
    assert heard["title"] == "Bascule: 1 new work order"
    assert "C0001-connect" in heard["message"]
    assert "owner: anne" in heard["message"]


async def test_a_webhook_that_fails_is_told_tried_again_and_its_address_shown_nowhere(
    tmp_path: Path, webhook: Webhook, monkeypatch: pytest.MonkeyPatch, logged: list[str]
) -> None:
    monkeypatch.setenv("TEAMS_URL", webhook.url)
    settings = by_webhook(tmp_path)
    await opened(settings, "C0001")
    webhook.answers = 500
    [why] = await look(settings)
    assert "JSON did not take the message" in why
    assert "500" in why
    webhook.answers = 200
    assert await look(settings, NOON + timedelta(minutes=10)) == [""]
    assert len(webhook.heard) == 1
    assert "TOKEN-4f6c1d" not in "\n".join([why, everything_recorded(settings), *logged])


async def test_a_webhook_that_nobody_serves_is_told_without_its_address(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, logged: list[str]
) -> None:
    monkeypatch.setenv("TEAMS_URL", "json://127.0.0.1:1/hook/TOKEN-4f6c1d")
    settings = by_webhook(tmp_path)
    await opened(settings, "C0001")
    [why] = await look(settings)
    assert "refused" in why
    assert "TOKEN-4f6c1d" not in "\n".join([why, everything_recorded(settings), *logged])


async def test_mail_arrives_though_the_webhook_fails(
    settings: Settings, tmp_path: Path, webhook: Webhook, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("TEAMS_URL", webhook.url)
    webhook.answers = 404
    assert settings.notices.smtp.port
    both = settings_for(tmp_path, settings.notices.smtp.port, webhooks=["env:TEAMS_URL"])
    await opened(both, "C0001", owner=None)
    failed, sent = sorted(await look(both), reverse=True)
    assert "404" in failed
    assert sent == ""


@pytest.mark.parametrize(
    ("url", "says"),
    [
        ("https://example.com/hook", "holds no address that Apprise knows"),
        ("not an address", "holds no address that Apprise knows"),
        ("json://example.com/hook", "without TLS"),
        ("mailto://user:pass@example.com", "without TLS"),
        ("jsons://example.com/hook?verify=no", "switches certificates off"),
        ("", "is not set"),
    ],
)
async def test_an_address_that_is_not_safe_or_not_known_is_refused_by_its_name(
    url: str, says: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("TEAMS_URL", url)
    settings = by_webhook(tmp_path)
    await opened(settings, "C0001")
    [why] = [one.failed for one in await send_what_is_due(settings, lambda: NOON)]
    assert says in why
    assert "env:TEAMS_URL" in why
    assert "example.com" not in why
