"""The three systems over HTTP, as our contract has them, and beside them what whoever tests needs.

In process: `httpx.ASGITransport(create_app(world))`. No start, no end, no threads.
"""

from __future__ import annotations

import asyncio
import math
import random
import re
import time
from collections.abc import Awaitable, Callable, Mapping
from typing import Any, get_args
from urllib.parse import parse_qs

import httpx
from fastapi import FastAPI, Request, Response
from fastapi.responses import JSONResponse
from pydantic import TypeAdapter
from starlette.exceptions import HTTPException
from starlette.types import Receive, Scope, Send

from sandbox import answers, wire
from sandbox.answers import JSON, Answer
from sandbox.cabinet import Cabinet
from sandbox.clock import Clock
from sandbox.door import Door
from sandbox.emulation import Sandbox
from sandbox.hands import Screens
from sandbox.openapi import answers_with, answers_with_many, described, finds_by_key, takes, writes
from sandbox.scenario import Scenario, ScenarioRefused, did_you_mean
from sandbox.store import Store
from sandbox.verbs import VERBS, Verb
from sandbox.world import read_world

BASES: Mapping[wire.System, str] = {"my_sage": "/my-sage", "ge": "/ge", "s4a": "/s4a"}
FACTS: Mapping[wire.System, type] = {"my_sage": wire.MySageFacts, "ge": wire.GeFacts, "s4a": wire.S4aFacts}
LISTS: Mapping[wire.System, type] = {"ge": wire.GeLists, "s4a": wire.S4aLists}

CUT = "sandbox.cut"
"""Where the server leaves, in the request's scope, how to cut its connection. In process there is none."""

DOUBLE = "sandbox.double"
"""The same for how to send the answer twice. In process nobody could receive the second one: there it comes once."""

OF_ANOTHER = "of-another-request"
"""What an answer of another request echoes."""

Respond = Callable[[Sandbox, Cabinet, Request], Awaitable[Answer]]

_json_of_token = TypeAdapter(wire.Token)
_json_of_health = TypeAdapter(wire.Health)
_json_of_journal = TypeAdapter(tuple[wire.JournalLine, ...])


class AnswerCut(httpx.RemoteProtocolError):
    """The connection was cut before an answer came. What `httpx.ASGITransport` raises in process."""


def create_app(
    world: object, scenario: object = None, state: str | None = None, *, clock: Callable[[], float] = time.time
) -> FastAPI:
    """Raises `WorldRefused`, `ScenarioRefused` or `StateRefused`, each with a sentence that people can use."""
    sandbox = Sandbox(read_world(world), scenario, Store(state), Clock(clock))
    app = FastAPI(title="Bascule's sandbox", version=wire.VERSION, description=__doc__ or "")
    app.state.sandbox = sandbox
    app.openapi = lambda: described(app)  # type: ignore[method-assign] # FastAPI's own way to add schemas
    app.add_exception_handler(HTTPException, _no_such_thing)
    for system in get_args(wire.System):
        door = Door()
        _serve_access(app, sandbox, system, door)
        _serve_cabinets(app, sandbox, system, door)
    _serve_people(app, sandbox)
    _serve_testers(app, sandbox)
    return app


def _serve_access(app: FastAPI, sandbox: Sandbox, system: wire.System, door: Door) -> None:
    base = BASES[system]
    tags: list[Any] = [base.strip("/")]

    async def token(request: Request) -> Response:
        if struck := sandbox.struck(system, "token"):
            return await _sent(request, struck, sandbox)
        form = parse_qs((await request.body()).decode("utf-8", "replace"))
        if form.get("grant_type") != ["client_credentials"] or not form.get("client_id"):
            message = "The form needs grant_type=client_credentials and client_id."
            return _response(answers.error("unauthorised", message))
        lifetime = sandbox.scenario.token_seconds
        access = door.token(sandbox.clock.now(), lifetime)
        body = wire.Token(access_token=access, token_type="Bearer", expires_in=lifetime)
        return Response(_json_of_token.dump_json(body), headers=JSON)

    async def health(request: Request) -> Response:
        if struck := sandbox.struck(system, "health"):
            return await _sent(request, struck, sandbox)
        body = wire.Health(status="ok", system=system, contract=wire.VERSION, time=sandbox.time_of(system))
        return Response(_json_of_health.dump_json(body), headers=JSON)

    app.add_api_route(f"{base}/token", token, methods=["POST"], tags=tags, openapi_extra=answers_with(wire.Token))
    app.add_api_route(f"{base}/health", health, methods=["GET"], tags=tags, openapi_extra=answers_with(wire.Health))


def _serve_cabinets(app: FastAPI, sandbox: Sandbox, system: wire.System, door: Door) -> None:
    base = BASES[system]
    tags: list[Any] = [base.strip("/")]

    def serve(path: str, method: str, respond: Respond, **documented: Any) -> None:
        async def endpoint(request: Request) -> Response:
            answer = await admitted(request, respond)
            response = await _sent(request, answer, sandbox)
            is_page = response.headers.get("content-type", "").startswith(
                "text/html"
            )  # of a proxy, that knows no contract
            if not is_page and (asked := request.headers.get(wire.REQUEST_ID)):
                response.headers[wire.REQUEST_ID] = asked if answer.echoes else OF_ANOTHER
            return response

        endpoint.__name__ = re.sub(r"\W+", "_", f"{method.lower()}{base}{path or '/facts'}").strip("_")
        app.add_api_route(f"{base}/cabinets/{{code}}{path}", endpoint, methods=[method], tags=tags, **documented)

    async def admitted(request: Request, respond: Respond) -> Answer:
        if struck := sandbox.struck(system):
            return struck
        now = sandbox.clock.now()
        if not door.admits(request.headers.get("authorization", ""), now):
            return answers.error("unauthorised", "The token is missing, wrong or expired.")
        wait = door.seconds_to_wait(now, sandbox.scenario.rate_per_second)
        if wait:
            return answers.error("too-many-requests", "Too many requests.", retry_after=wait)
        code = request.path_params["code"]
        cabinet = sandbox.cabinets.get(code)
        if cabinet is None:
            return answers.error("unknown-cabinet", f"There is no cabinet {code!r} here.")
        return await respond(sandbox, cabinet, request)

    async def observed(sandbox: Sandbox, cabinet: Cabinet, _request: Request) -> Answer:
        return sandbox.observed(cabinet, system)

    async def lists(sandbox: Sandbox, cabinet: Cabinet, request: Request) -> Answer:
        gzip, known = "gzip" in request.headers.get("accept-encoding", ""), request.headers.get("if-none-match")
        return sandbox.lists(cabinet, system, gzip=gzip, known=known)

    async def operation(sandbox: Sandbox, cabinet: Cabinet, request: Request) -> Answer:
        return sandbox.operation(cabinet, system, request.path_params["operation"])

    async def operations(sandbox: Sandbox, cabinet: Cabinet, request: Request) -> Answer:
        key = request.query_params.get("key")
        if not key:
            return answers.error("invalid", "Which key? Ask for operations?key=…")
        return sandbox.operations(cabinet, system, key, request.headers.get("bascule-fence"))

    def written(verb: Verb) -> Respond:
        async def respond(sandbox: Sandbox, cabinet: Cabinet, request: Request) -> Answer:
            headers = request.headers
            body = await request.body()
            return sandbox.write(cabinet, verb, body, headers.get("idempotency-key"), headers.get("bascule-fence"))

        return respond

    async def unknown_verb(_sandbox: Sandbox, _cabinet: Cabinet, request: Request) -> Answer:
        return answers.error("unknown-verb", f"There is no write {request.path_params['verb']!r} here.")

    serve("", "GET", observed, openapi_extra=answers_with(FACTS[system]))
    if system in LISTS:
        serve("/lists", "GET", lists, openapi_extra=answers_with(LISTS[system]))
    serve("/operations/{operation}", "GET", operation, openapi_extra=answers_with(wire.Operation))
    serve("/operations", "GET", operations, openapi_extra=finds_by_key(wire.Operations))
    for verb in VERBS.values():
        if verb.system == system:
            serve(f"/{verb.name}", "POST", written(verb), openapi_extra=writes(verb))
    serve("/{verb}", "POST", unknown_verb, include_in_schema=False)


def _serve_people(app: FastAPI, sandbox: Sandbox) -> None:
    tags: list[Any] = ["for people, who have no connector"]

    @app.get("/sandbox/screens/{code}", tags=tags, openapi_extra=answers_with(Screens))
    async def screens(code: str) -> Response:
        return _response(sandbox.screens(_cabinet_named(code, sandbox)))

    @app.post("/sandbox/hands/{code}/{verb}", tags=tags, openapi_extra=answers_with(wire.Operation))
    async def by_hand(code: str, verb: str, request: Request) -> Response:
        cabinet = _cabinet_named(code, sandbox)
        if verb not in VERBS:
            raise HTTPException(404, f"There is no write {verb!r} here{did_you_mean(verb, VERBS)}")
        return _response(sandbox.by_hand(cabinet, VERBS[verb], await request.body()))

    @app.get("/sandbox/export/{code}", tags=tags)
    async def exported(code: str) -> Response:
        return _response(sandbox.exported(_cabinet_named(code, sandbox)))


def _serve_testers(app: FastAPI, sandbox: Sandbox) -> None:
    tags: list[Any] = ["for whoever tests"]

    @app.get("/sandbox/health", tags=tags)
    async def health() -> dict[str, Any]:
        return {"status": "ok", "cabinets": len(sandbox.cabinets), "seed": sandbox.world.seed}

    @app.get("/sandbox/journal", tags=tags, openapi_extra=answers_with_many(wire.JournalLine))
    async def journal() -> Response:
        return Response(_json_of_journal.dump_json(sandbox.journal_lines()), headers=JSON)

    @app.get("/sandbox/cabinets", tags=tags)
    async def cabinets() -> list[str]:
        return list(sandbox.cabinets)

    @app.get("/sandbox/state/{code}", tags=tags)
    async def state(code: str) -> JSONResponse:
        return JSONResponse(sandbox.state(_cabinet_named(code, sandbox)))

    @app.get("/sandbox/faults", tags=tags)
    async def faults() -> Scenario:
        return sandbox.scenario

    @app.put("/sandbox/faults", tags=tags, openapi_extra={"requestBody": takes(Scenario)})
    async def put_faults(request: Request) -> Response:
        try:
            sandbox.put_scenario(await request.json())
        except ScenarioRefused as refused:
            return _response(answers.errors("invalid", refused.problems))
        except ValueError as broken:
            return _response(answers.error("invalid", f"The scenario is no JSON: {broken}"))
        return Response(sandbox.scenario.model_dump_json(exclude_defaults=True), headers=JSON)

    @app.post("/sandbox/reset", tags=tags)
    async def reset() -> dict[str, str]:
        sandbox.reset()
        return {"status": "ok"}


def _cabinet_named(code: str, sandbox: Sandbox) -> Cabinet:
    cabinet = sandbox.cabinets.get(code)
    if cabinet is None:
        raise HTTPException(404, f"There is no cabinet {code!r} here{did_you_mean(code, sandbox.cabinets)}")
    return cabinet


async def _sent(request: Request, answer: Answer, sandbox: Sandbox) -> Response:
    latency = sandbox.scenario.latency_ms
    delay = answer.delay
    if latency:
        # Log-normal: 2.326 standard deviations above the median lies the 99th percentile.
        spread = math.log(max(latency.p99, latency.median, 1e-9) / max(latency.median, 1e-9)) / 2.326
        delay += latency.median / 1000 * random.lognormvariate(0, spread)
    if delay:
        await asyncio.sleep(delay)
    if answer.cut:
        await _cut(request)
    if answer.doubled and (double := request.scope.get(DOUBLE)):
        double()
    return _Halved(answer) if answer.halved else _response(answer)


async def _cut(request: Request) -> None:
    cut = request.scope.get(CUT)
    if cut is None:
        raise AnswerCut("The sandbox cut the connection before it answered.")
    cut()
    while (await request.receive())["type"] != "http.disconnect":
        pass


class _Halved(Response):
    """Announces the whole body, and sends half of it."""

    def __init__(self, answer: Answer) -> None:
        super().__init__(answer.body, answer.status, headers=answer.headers)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        await send({"type": "http.response.start", "status": self.status_code, "headers": self.raw_headers})
        half = bytes(self.body)[: len(self.body) // 2]
        await send({"type": "http.response.body", "body": half, "more_body": CUT in scope})
        if CUT in scope:
            scope[CUT]()


def _response(answer: Answer) -> Response:
    return Response(answer.body, answer.status, headers=answer.headers)


async def _no_such_thing(_request: Request, error: Exception) -> Response:
    assert isinstance(error, HTTPException)
    return _response(answers.error("unknown-verb", error.detail, status=error.status_code))
