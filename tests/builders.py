"""Cabinets, and a stage for the engine: a sandbox in process, a ledger on disk, and a clock that sleeping puts forward."""

from __future__ import annotations

import asyncio
import random
import time
from collections import Counter
from collections.abc import AsyncIterator, Iterable, Sequence
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import httpx
from fastapi import FastAPI
from stdnum import luhn

from bascule.connectors import Remote
from bascule.connectors.http import HttpRemote
from bascule.connectors.openapi import served_as
from bascule.connectors.operator.sittings import IRREVERSIBLE, MINUTES, sitting_of
from bascule.engine import Conducted, Pace, RetryPolicy, Run, conduct
from bascule.engine.outages import Outages
from bascule.ledger import Entry, EntryKind, Ledger, first_broken, this_process
from bascule.model import Assignment, Cabinet, Invitation, Kind, System
from bascule.procedure import PROCEDURE
from bascule.workorders import WorkOrder
from sandbox.app import create_app

ONE_TIME = tuple(act.verb for step in PROCEDURE if step.kind is Kind.ONCE or step.irreversible for act in step.acts)
"""The writes that nobody may ever repeat blindly."""

PACE = Pace(
    look=0.1,
    act_timeout=10,
    settle=2,
    poll=0.1,
    patience_at_most=20,
    target_within=5,
    retry=RetryPolicy(attempts=6, first=0.2),
)
"""In the stage's seconds, which cost nothing."""


def cabinet(number: int = 1, **changes: Any) -> Cabinet:
    base = f"{40_000_000 + number:08d}"
    row: dict[str, Any] = {
        "code": f"C{number:04d}",
        "name": f"Cabinet Œuvrard {number}",
        "siren": base + luhn.calc_check_digit(base),
        "entity": "CAB",
        "admin_email": f"anne@cabinet{number}.example",
        "default_profile": "Collaborateur",
        "default_group": "Général",
        "terms_signatory": "Anne Lefèvre",
    }
    return Cabinet(**row | changes)


def cabinets(count: int) -> tuple[Cabinet, ...]:
    return tuple(cabinet(number) for number in range(1, count + 1))


def with_people(number: int = 1) -> Cabinet:
    """One whose inventory also names a colleague to invite, and a client to assign."""
    email = f"paul@cabinet{number}.example"
    return cabinet(
        number,
        invitations=(Invitation(email=email, collaborateur="PAUL", role="collaborateur"),),
        assignments=(Assignment(client="D-1", email=email),),
    )


def world(cabinets: Iterable[Cabinet], *, seed: int = 7) -> dict[str, Any]:
    """As `python -m sandbox --world` reads it."""
    return {"seed": seed, "cabinets": [_line(cabinet) for cabinet in cabinets]}


def _line(cabinet: Cabinet) -> dict[str, Any]:
    named = ("code", "name", "siren", "entity", "admin_email", "default_profile", "default_group", "terms_signatory")
    return {name: getattr(cabinet, name) for name in named} | {
        "size": "small",
        "users": [{"email": i.email, "collaborateur": i.collaborateur, "role": i.role} for i in cabinet.invitations],
        "assignments": [{"client": a.client, "email": a.email} for a in cabinet.assignments],
    }


class Time:
    """The stage's clock. Sleeping puts it forward, and takes none of ours."""

    def __init__(self) -> None:
        self.ahead = 0.0

    def seconds(self) -> float:
        return time.time() + self.ahead

    def now(self) -> datetime:
        return datetime.fromtimestamp(self.seconds(), UTC)

    async def sleep(self, seconds: float) -> None:
        self.ahead += seconds
        await asyncio.sleep(0)


@dataclass
class Stage:
    """A few cabinets in their sandbox, and everything a run on them needs."""

    cabinets: tuple[Cabinet, ...]
    ledger: Ledger
    remotes: dict[System, HttpRemote]
    tester: httpx.AsyncClient
    time: Time
    pace: Pace = field(default=PACE)

    def run(self, **changes: Any) -> Run:
        brought: dict[str, Any] = {
            "wave": "pilot",
            "who": "ops",
            "ledger": self.ledger,
            "owner": this_process(),
            "remote": self.remote,
            "pace": self.pace,
            "plays_person": True,
            "clock": self.time.now,
            "sleep": self.time.sleep,
            "chance": random.Random(7),
            "outages": Outages(self.remotes),
        }
        return Run(**brought | changes)

    def remote(self, _cabinet: Cabinet, system: System) -> Remote:
        return self.remotes[system]

    async def wave(self, cabinets: Sequence[Cabinet] | None = None, **changes: Any) -> Conducted:
        """One run over the cabinets, to its end."""
        return await conduct(self.run(**changes), self.cabinets if cabinets is None else cabinets, slots=20)

    async def faults(self, *faults: dict[str, Any], **scenario: Any) -> None:
        """The whole scenario from now on; none: everything repaired."""
        told = await self.tester.put("/sandbox/faults", json={**scenario, "faults": list(faults)})
        assert told.status_code == 200, told.text

    async def journal(self, code: str | None = None) -> list[dict[str, Any]]:
        lines: list[dict[str, Any]] = (await self.tester.get("/sandbox/journal")).json()
        return [line for line in lines if code in (None, line["cabinet"])]

    async def effective(self, code: str | None = None) -> Counter[str]:
        """How often each write took effect."""
        return Counter(line["verb"] for line in await self.journal(code) if line["outcome"] in ("applied", "dropped"))

    async def state(self, code: str) -> dict[str, Any]:
        told: dict[str, Any] = (await self.tester.get(f"/sandbox/state/{code}")).json()
        return told

    def calls(self) -> int:
        return sum(remote.calls.total() - remote.calls["token"] for remote in self.remotes.values())

    def entries(self, code: str, kind: EntryKind, step: str | None = None) -> list[Entry]:
        return [e for e in self.ledger.history(code) if e.kind is kind and step in (None, e.step)]


async def assert_moved(stage: Stage, code: str) -> None:
    """All is on the other side, once; nobody is kept out; the ledger's chain holds."""
    state = await stage.state(code)
    ge, s4a = state["ge"], state["s4a"]
    times = {
        "admin-sage": state["my_sage"]["admin_sage"]["times"],
        "connect": ge["connect"]["times"],
        "sign-up": s4a["sign_up"]["times"],
        "terms": s4a["terms"]["times"],
        "synchronise": s4a["synchronise"]["times"],
    }
    effective = await stage.effective(code)
    assert times == dict.fromkeys(ONE_TIME, 1), code
    assert {verb: effective[verb] for verb in ONE_TIME} == dict.fromkeys(ONE_TIME, 1), code
    assert s4a["synchronise"]["status"] == "done", code
    assert sorted(s4a["dossiers"]) == sorted(ge["dossiers"]), code
    assert not ge["locked_out"], code
    assert first_broken(stage.ledger.history(code)) is None, code


@asynccontextmanager
async def stage(
    folder: Path,
    cabinets: Sequence[Cabinet],
    *faults: dict[str, Any],
    ledger_url: str | None = None,
    **scenario: Any,
) -> AsyncIterator[Stage]:
    """`ledger_url`: none is SQLite in the folder. `scenario`: what a scenario holds beside its faults, such as `honour_keys`."""
    clock = Time()
    app = create_app(world(cabinets), {**scenario, "faults": list(faults)}, clock=clock.seconds)
    async with stage_before(app, folder, cabinets, clock, ledger_url=ledger_url) as ready:
        yield ready


@asynccontextmanager
async def stage_before(
    app: FastAPI, folder: Path, cabinets: Sequence[Cabinet], clock: Time, *, ledger_url: str | None = None
) -> AsyncIterator[Stage]:
    """`app`: whatever answers for the three systems, under /my-sage, /ge and /s4a."""
    async with AsyncExitStack() as open_ones:
        ledger = open_ones.enter_context(Ledger(ledger_url or f"sqlite:///{folder / 'ledger.db'}"))
        transport = httpx.ASGITransport(app)
        remotes = {
            system: await open_ones.enter_async_context(
                HttpRemote(
                    system,
                    f"http://sandbox/{served_as(system)}",
                    client_id="bascule",
                    transport=transport,
                    now=clock.now,
                    clock=clock.seconds,
                    sleep=clock.sleep,
                )
            )
            for system in System
        }
        tester = await open_ones.enter_async_context(httpx.AsyncClient(transport=transport, base_url="http://sandbox"))
        yield Stage(tuple(cabinets), ledger, remotes, tester, clock)


def work_order(step: str = "connect", number: int = 1, **changes: Any) -> WorkOrder:
    """The sitting that begins with this write, as the operator's remote would draw it up for `cabinet(number)`."""
    row, verbs = cabinet(number), sitting_of(step)
    named = ("code", "name", "siren", "entity", "admin_email", "default_profile", "default_group", "terms_signatory")
    values = {name: str(getattr(row, name)) for name in named} | {"timezone": "Europe/Paris", "language": "fr"}
    told: dict[str, Any] = {
        "id": f"{row.code}-{step}",
        "cabinet": row.code,
        "wave": "pilot",
        "key": f"{row.code}/{step}",
        "verbs": verbs,
        "opened_at": datetime(2026, 12, 1, 19, tzinfo=UTC),
        "expires_at": datetime(2026, 12, 8, 19, tzinfo=UTC),
        "four_eyes": bool(IRREVERSIBLE & set(verbs)),
        "minutes": sum(MINUTES[verb] for verb in verbs),
    }
    return WorkOrder(**told | changes | {"values": values | changes.get("values", {})})
