"""What a wave asks of Prefect's API. Task runs travel as events; only the flow run itself may cost calls."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import httpx
import pytest
from prefect.client.base import PrefectHttpxAsyncClient
from prefect.client.orchestration import get_client

from bascule.engine import Conducted
from bascule.inventory import sample, write_inventory
from bascule.model import Outcome
from console.sandbox_process import start_sandbox
from flows.watching import Watch, watch
from flows.wave import migrate_wave

CABINETS = 6


@pytest.mark.usefixtures("prefect_server")
async def test_prefect_is_asked_a_number_of_times_that_does_not_grow_with_the_cabinets(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked: list[str] = []
    send = PrefectHttpxAsyncClient.send

    async def counted(
        self: PrefectHttpxAsyncClient, request: httpx.Request, *args: Any, **kwargs: Any
    ) -> httpx.Response:
        asked.append(f"{request.method} {request.url.path}")
        return await send(self, request, *args, **kwargs)

    monkeypatch.setattr(PrefectHttpxAsyncClient, "send", counted)
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("BASCULE_LEDGER_URL", f"sqlite:///{tmp_path}/ledger.db")
    inventory = sample(CABINETS, seed=5)
    write_inventory(inventory, tmp_path / "inv.csv")
    watched = Watch()
    watch.set(watched)
    with start_sandbox(inventory) as sandbox:
        for system, base in (("MY_SAGE", "my-sage"), ("GE", "ge"), ("S4A", "s4a")):
            monkeypatch.setenv(f"BASCULE_{system}__URL", f"{sandbox.url}/{base}")
        flow: Any = migrate_wave(inventory="inv.csv", return_state=True)
        await flow

    assert isinstance(watched.conducted, Conducted)
    assert watched.conducted.outcomes == {Outcome.OK: CABINETS}
    waiting = [call for call in asked if call.endswith("/task_runs/count")]
    of_the_wave = len(asked) - len(waiting)
    # Measured: about 20 for the flow run, its states and its artifacts, whatever the number of cabinets.
    assert 0 < of_the_wave <= 24, asked

    async with get_client() as client:
        shown = {str(one.key): one for one in await client.read_latest_artifacts()}
    assert {"wave-default", "wave-default-files", "wave-default-progress"} <= shown.keys()
    assert shown["wave-default-progress"].data == 100.0
    assert watched.folder is not None
    files = str(shown["wave-default-files"].data)
    assert f"[report.html]({(watched.folder.resolve() / 'report.html').as_uri()})" in files
    assert f"{CABINETS} procès-verbaux" in files
