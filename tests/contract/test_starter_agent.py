"""The agent from which a vendor begins: it carries a wave, says what the contract says, and needs nothing of ours."""

from __future__ import annotations

import ast
import sys
from collections.abc import Iterator
from dataclasses import fields
from datetime import timedelta
from pathlib import Path

import httpx
from fastapi import FastAPI

from bascule.conformance import PROMISES, CheckRequest, Surroundings, check_agent
from bascule.conformance import PromiseOutcome as Tried
from bascule.connectors.contract import ERRORS, REQUEST_ID, VERBS, VERSION
from bascule.connectors.openapi import served_as
from bascule.ledger import EntryKind, first_broken
from bascule.model import Cabinet, Outcome, System
from bascule.procedure import PROCEDURE
from examples.agent import contract
from examples.agent.app import create_app
from examples.agent.sage import Sage
from tests.builders import ONE_TIME, Time, cabinets, stage_before, with_people

FOLDER = Path(__file__).parents[2] / "examples" / "agent"
SOURCES = {path.name: path.read_text(encoding="utf-8") for path in sorted(FOLDER.glob("*.py"))}
COLUMNS = ("code", "name", "siren", "siret", "entity", "admin_email", "default_profile", "default_group")

NOT_TRIED = {
    "P18": "in process there are no connections",
    "P35": "it can tell everything: nothing is `unknown`",
    "P38": "it gives no ETag",
    "P39": "it gives no ETag",
    "P43": "it is never too busy",
    "P74": "nobody is connected to a made-up GE",
}


def starter_agent(moved: tuple[Cabinet, ...], clock: Time) -> FastAPI:
    rows = [{column: getattr(cabinet, column) for column in COLUMNS} for cabinet in moved]
    return create_app(Sage(rows, takes=timedelta(seconds=2), clock=clock.now))


async def test_the_starter_agent_carries_a_wave_of_20_to_ok_and_does_nothing_twice(tmp_path: Path) -> None:
    moved, clock = (with_people(1), *cabinets(20)[1:]), Time()
    async with stage_before(starter_agent(moved, clock), tmp_path, moved, clock) as stage:
        ended = await stage.wave()
        histories = {code: stage.ledger.history(code) for code in ended.standings}

    assert ended.outcomes == {Outcome.OK: 20}
    for code, history in histories.items():
        sent = [entry.verb for entry in history if entry.kind is EntryKind.INTENT and entry.verb in ONE_TIME]
        assert sorted(sent) == sorted(ONE_TIME), code
        proven = {entry.step for entry in history if entry.kind is EntryKind.PROOF}
        assert proven == {step.name for step in PROCEDURE}, code
        assert first_broken(history) is None, code


async def test_the_starter_agent_keeps_every_promise_of_the_contract() -> None:
    moved, clock = cabinets(2), Time()
    request = CheckRequest(url="https://agent", cabinet="C0001", other="C0002", writes=True)
    agent = httpx.ASGITransport(starter_agent(moved, clock))

    result = await check_agent(request, Surroundings(now=clock.now, pause=clock.sleep, transport=agent))

    assert [(one.promise.number, one.found) for one in result.failed] == []
    assert set(result.reached) == {verb.name for verb in VERBS}
    untried = {one.number for one in PROMISES if result.outcome_of(one) is Tried.NOT_TRIED}
    assert untried == NOT_TRIED.keys()


def test_the_starter_agent_knows_every_write_and_error_as_the_contract_has_them() -> None:
    written = {
        name: (verb.system, verb.goes_on, set(verb.payload.model_fields)) for name, verb in contract.VERBS.items()
    }

    assert written == {
        verb.name: (verb.system, verb.long, {one.name for one in fields(verb.payload)}) for verb in VERBS
    }
    assert (contract.VERSION, contract.REQUEST_ID) == (VERSION, REQUEST_ID)
    assert {system: base.strip("/") for system, base in contract.BASES.items()} == {s: served_as(s) for s in System}
    answered = {error.code: error.status for error in ERRORS if error.code in texts_of_the_sources()}
    del answered["interrupted"]  # how an operation ends, in no answer of its own
    assert {code: contract.STATUS.get(code, 409) for code in answered} == answered


def test_the_starter_agent_stands_alone() -> None:
    """A vendor copies the folder, and installs fastapi and uvicorn; pydantic comes with the former."""
    imported = {name for source in SOURCES.values() for name in _imported(ast.parse(source))}

    assert imported - sys.stdlib_module_names == {"fastapi", "pydantic", "uvicorn"}


def test_the_starter_agent_stays_short_enough_to_be_read() -> None:
    lines = sum(_lines_of_code(source) for source in SOURCES.values())

    assert lines <= 360


def texts_of_the_sources() -> set[str]:
    return {
        node.value
        for source in SOURCES.values()
        for node in ast.walk(ast.parse(source))
        if isinstance(node, ast.Constant) and isinstance(node.value, str)
    }


def _imported(tree: ast.AST) -> Iterator[str]:
    """Roots of what is imported, but for the folder's own files."""
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            yield from (name.name.partition(".")[0] for name in node.names)
        elif isinstance(node, ast.ImportFrom) and not node.level:
            yield str(node.module).partition(".")[0]


def _lines_of_code(source: str) -> int:
    """Without blank lines, comments and docstrings."""
    told = {
        line
        for node in ast.walk(ast.parse(source))
        if isinstance(node, ast.Expr) and isinstance(node.value, ast.Constant)
        for line in range(node.lineno, (node.end_lineno or node.lineno) + 1)
    }
    return sum(
        bool(line.strip()) and not line.lstrip().startswith("#")
        for number, line in enumerate(source.splitlines(), 1)
        if number not in told
    )
