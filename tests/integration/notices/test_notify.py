"""`bascule notify`, as cron and people type it."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from typer.testing import CliRunner, Result

from bascule.ledger import Ledger
from bascule.notices.told import CHAIN
from config.settings import Settings, read_settings
from console.cli import app
from tests.integration.notices.conftest import MailServer, opened

ENVIRONMENT = """
operators = ["anne", "paul"]
ledger_url = "sqlite:///{folder}/ledger.db"

[notices]
enabled = {enabled}
language = "en"
addresses = {{anne = "anne@example.com"}}
smtp = {{host = "127.0.0.1", port = {port}, security = "none", sender = "bascule@example.com"}}
"""


def environment(folder: Path, port: int, enabled: str = "true") -> Path:
    path = folder / "office.toml"
    path.write_text(ENVIRONMENT.format(folder=folder, port=port, enabled=enabled), encoding="utf-8")
    return path


def typed(*words: str) -> Result:
    return CliRunner().invoke(app, ["notify", *words])


@pytest.fixture
def office(tmp_path: Path, mail: MailServer) -> Path:
    return environment(tmp_path, mail.port)


@pytest.fixture
async def waiting(office: Path) -> Settings:
    """One work order waits."""
    settings = read_settings(str(office))
    await opened(settings, "C0001")
    return settings


def test_a_dry_run_shows_the_message_and_sends_and_writes_nothing(
    waiting: Settings, office: Path, mail: MailServer
) -> None:
    shown = typed("--dry-run", "--environment", str(office))
    assert shown.exit_code == 0
    assert "anne: due: Bascule: 1 new work order" in shown.stdout
    assert "bascule answer C0001-connect --by anne" in shown.stdout
    assert not mail.messages
    assert waiting.ledger_url
    with Ledger(waiting.ledger_url, read_only=True) as ledger:
        assert not ledger.history(CHAIN)


def test_what_is_due_is_sent_once_and_told_to_programs(waiting: Settings, office: Path, mail: MailServer) -> None:
    [sent] = json.loads(typed("--json", "--environment", str(office)).stdout)
    assert (sent["to"], sent["state"], sent["about"]) == ("anne", "sent", ["new-orders C0001-connect"])
    assert json.loads(typed("--json", "--environment", str(office)).stdout) == []
    assert len(mail.messages) == 1


def test_who_could_not_be_told_makes_the_command_end_in_4(waiting: Settings, tmp_path: Path) -> None:
    failed = typed("--environment", str(environment(tmp_path, 1)))
    assert failed.exit_code == 4
    assert "anne: failed: the mail server 127.0.0.1 did not take the message" in failed.stdout
    assert "1 to be tried again" in failed.stderr


def test_where_notices_are_off_it_says_so_and_is_no_failure(tmp_path: Path) -> None:
    off = typed("--environment", str(environment(tmp_path, 1, enabled="false")))
    assert off.exit_code == 0
    assert "Notices are off in the environment office" in off.stderr
    assert not (tmp_path / "ledger.db").exists()
