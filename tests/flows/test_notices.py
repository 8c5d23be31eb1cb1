"""Notices in Prefect: red where somebody could not be told, and never the end of a flow."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from prefect import flow

from config.cockpit import Server
from config.settings import read_settings
from flows.notices import send_notices
from tasks.noticing import send_due
from tests.integration.notices.conftest import MailServer, opened, serving
from tests.integration.notices.test_notify import environment

pytestmark = pytest.mark.usefixtures("prefect_server")


async def looked(office: Path) -> Any:
    running: Any = send_notices(str(office), return_state=True)
    return await running


async def test_the_flow_sends_what_is_due_and_says_how_much(tmp_path: Path) -> None:
    mail = MailServer()
    with serving(mail):
        office = environment(tmp_path, mail.port)
        await opened(read_settings(str(office)), "C0001")
        state = await looked(office)
    assert (state.type.value, state.message) == ("COMPLETED", "1 sent")
    assert len(mail.messages) == 1


async def test_where_notices_are_off_the_flow_says_so(tmp_path: Path) -> None:
    state = await looked(environment(tmp_path, 1, enabled="false"))
    assert (state.type.value, state.message) == ("COMPLETED", "notices are off")


async def test_a_mail_server_that_is_down_is_shown_and_stops_no_flow(tmp_path: Path, prefect_server: Server) -> None:
    office = environment(tmp_path, 1)
    await opened(read_settings(str(office)), "C0001")
    seen = []

    @flow(persist_result=False)
    async def wave() -> str:
        seen.append(await send_due(str(office)))
        return "reported"

    assert await wave() == "reported"
    assert seen[0].is_failed()
    assert "anne: the mail server 127.0.0.1 did not take the message" in str(seen[0].message)
