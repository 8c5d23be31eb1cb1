"""The settings of notices: what cannot work is refused before anything is due."""

from __future__ import annotations

from pathlib import Path

import pytest

from config.messengers import hearers_of
from config.settings import NoticesSettings, SettingsRefused, read_settings

MAIL = 'smtp = {host = "mail.example.com", sender = "bascule@example.com"}\n'


def notices(folder: Path, text: str) -> NoticesSettings:
    path = folder / "office.toml"
    path.write_text(f'operators = ["anne", "paul"]\n[notices]\n{text}\n', encoding="utf-8")
    return read_settings(str(path)).notices


def test_notices_are_off_by_default_and_need_nothing(tmp_path: Path) -> None:
    assert not notices(tmp_path, "").enabled


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("enabled = true", "nobody would hear"),
        ('enabled = true\nteam = "ops@example.com"', "need a mail server"),
        ('team = "ops"', "no valid e-mail address"),
        ('addresses = {ane = "anne@example.com"}', "'ane' is not among the operators; did you mean anne?"),
        ('webhooks = ["https://hooks.example.com/TOKEN"]', "is no reference to a secret"),
        ('smtp = {host = "mail.example.com", security = "none", sender = "b@example.com"}', "for this machine only"),
        ('smtp = {host = "mail.example.com"}', "needs a sender"),
        ('smtp = {host = "mail.example.com", sender = "b@example.com", user = "b"}', "go together"),
        ('smtp = {host = "m", sender = "b@example.com", user = "b", password = "hunter2"}', "no reference to a secret"),
        ('smtp = {hots = "mail.example.com"}', "did you mean notices.smtp.host?"),
        ('quiet = {from = "21:00"}', "from and to go together"),
        ('quiet = {from = "21h", to = "07:00"}', 'write it as "21:00"'),
        ('quiet = {from = "07:00", to = "07:00"}', "are the same"),
        ('quiet = {days = ["mon", "tue", "wed", "thu", "fri", "sat", "sun"]}', "the whole week"),
        ("quiet = {}", "needs from and to, or days"),
        ('timezone = "Europe/Pari"', "Did you mean `Europe/Paris`?"),
        ('language = "de"', "'fr' or 'en'"),
        ("remind_after_hours = 0", "greater than 0"),
    ],
)
def test_what_cannot_work_is_refused_with_its_name(text: str, says: str, tmp_path: Path) -> None:
    with pytest.raises(SettingsRefused) as refused:
        notices(tmp_path, text)
    assert says in str(refused.value)
    assert "notices" in str(refused.value)
    assert "hunter2" not in str(refused.value)
    assert "TOKEN" not in str(refused.value)


def test_a_team_without_an_address_is_everybody_who_has_one(tmp_path: Path) -> None:
    told = notices(tmp_path, 'addresses = {anne = "anne@example.com", paul = "paul@example.com"}')
    assert hearers_of(told).team == ("anne", "paul")


def test_the_addresses_of_a_team_and_the_webhooks_have_names_of_their_own(tmp_path: Path) -> None:
    one = notices(tmp_path, MAIL + 'team = "ops@example.com"\nwebhooks = ["env:TEAMS_URL"]')
    assert hearers_of(one).team == ("@team", "env:TEAMS_URL")
    many = notices(tmp_path, MAIL + 'team = ["ops@example.com", "night@example.com"]')
    assert hearers_of(many).team == ("@team/1", "@team/2")
