"""Before a run begins every agent answers: what time may mend is asked again, and what it cannot is told with what to do here."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import AsyncExitStack
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import httpx
import pytest

from bascule.connectors.http import HttpRemote
from bascule.connectors.openapi import served_as
from bascule.ledger import Ledger
from bascule.model import System
from config import wiring
from config.settings import Settings, SystemSettings
from console.examining import examine
from flows.preparing import Asked, NotReady, prepare, require_answers
from sandbox.app import create_app
from tests.builders import cabinets, world
from tests.unit.flows.test_preparing import listed

TWO = cabinets(2)


def settings_of(environment: str, port: int = 8800) -> Settings:
    systems: Any = {
        system.value: {"connector": "http", "url": f"http://127.0.0.1:{port}/{served_as(system)}"} for system in System
    }
    return Settings(environment=environment, ledger_url="sqlite:///ledger.db", **systems)


@dataclass
class Place:
    """A sandbox at the addresses of the settings, and a clock that costs nothing."""

    tester: httpx.AsyncClient
    ledger: Ledger
    slept: list[float] = field(default_factory=list)

    async def sleep(self, seconds: float) -> None:
        self.slept.append(seconds)

    async def require(self, environment: str = "production") -> None:
        settings = settings_of(environment)
        await require_answers(settings, prepare(Asked(inventory=Path("inv.csv")), settings, self.ledger), self.sleep)

    async def faults(self, *faults: dict[str, Any]) -> None:
        assert (await self.tester.put("/sandbox/faults", json={"faults": list(faults)})).status_code == 200


@pytest.fixture
async def place(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[Place]:
    monkeypatch.chdir(tmp_path)
    listed(tmp_path, TWO)
    transport = httpx.ASGITransport(create_app(world(TWO)))

    def remote(system: System, chosen: SystemSettings) -> HttpRemote:
        assert chosen.url is not None
        return HttpRemote(system, chosen.url, client_id=chosen.client_id, transport=transport)

    monkeypatch.setattr(wiring, "_http", remote)
    async with AsyncExitStack() as stack:
        ledger = stack.enter_context(Ledger(f"sqlite:///{tmp_path / 'ledger.db'}"))
        tester = await stack.enter_async_context(httpx.AsyncClient(transport=transport, base_url="http://sandbox"))
        yield Place(tester, ledger)


@pytest.mark.parametrize("path", ["token", "health"])
@pytest.mark.parametrize("status", [200, 429, 500, 502])
async def test_a_first_call_that_fails_once_or_twice_ends_no_run(place: Place, path: str, status: int) -> None:
    await place.faults({"fault": f"{path}-fails", "status": status, "times": 2, "seconds": 0.001})
    await place.require()
    # A page is read twice at once, as a cut connection is.
    assert len(place.slept) == {200: 1, 502: 1}.get(status, 2)


async def test_what_an_agent_asks_for_before_a_run_is_waited_for_within_bounds(place: Place) -> None:
    await place.faults({"fault": "token-fails", "system": "ge", "status": 429, "seconds": 40, "times": 1})
    await place.require()
    assert place.slept == [40]

    await place.faults({"fault": "token-fails", "system": "ge", "status": 429, "seconds": 3600})
    with pytest.raises(NotReady, match=r"ge cannot be used at .*Too many requests") as refused:
        await place.require()
    assert "it asks for patience for 3600 s: run again then" in refused.value.remedy
    assert "BASCULE_GE__URL" in refused.value.remedy
    assert "bascule doctor" in refused.value.remedy
    assert "bascule sandbox" not in refused.value.remedy
    assert place.slept == [40]


async def test_an_agent_that_goes_on_failing_ends_the_run_after_the_engines_attempts(place: Place) -> None:
    await place.faults({"fault": "health-fails", "system": "s4a", "status": 500})
    with pytest.raises(NotReady, match="s4a cannot be used"):
        await place.require()
    assert len(place.slept) == 4


async def test_what_no_time_mends_is_not_asked_again(place: Place, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("bascule.connectors.http.remote.VERSION", "0")
    with pytest.raises(NotReady, match="speaks version"):
        await place.require()
    assert place.slept == []


async def test_only_in_the_sandbox_the_remedy_starts_one(place: Place, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.undo()  # nothing listens there
    monkeypatch.chdir(Path(place.ledger.url.removeprefix("sqlite:///")).parent)
    remedies = {}
    for environment in ("sandbox", "production"):
        settings = settings_of(environment, port=9)
        with pytest.raises(NotReady, match=r"cannot be reached at http://127\.0\.0\.1:9/") as refused:
            await require_answers(
                settings, prepare(Asked(inventory=Path("inv.csv")), settings, place.ledger), place.sleep
            )
        remedies[environment] = refused.value.remedy
        if environment == "sandbox":
            assert place.slept == [], "a sandbox that nobody started does not start by itself"
    assert "bascule sandbox --inventory" in remedies["sandbox"]
    assert "bascule sandbox" not in remedies["production"]
    assert "http://127.0.0.1:9/my-sage (setting BASCULE_MY_SAGE__URL)" in remedies["production"]


async def test_the_doctor_tries_the_token(place: Place) -> None:
    async def ge() -> Any:
        return next(one for one in await examine(settings_of("production")) if one.what == "ge")

    assert (await ge()).ok
    await place.faults({"fault": "away", "system": "ge", "status": 503})
    away = await ge()
    assert not away.ok
    assert "BASCULE_GE__URL" in away.remedy
