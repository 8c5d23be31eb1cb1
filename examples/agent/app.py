"""The contract over HTTP. Another way to Sage needs no change here: `sage.py` and `journal.py` do."""

from __future__ import annotations

import hmac
import logging
import secrets
from collections.abc import Callable, Coroutine
from dataclasses import asdict
from datetime import datetime, timedelta
from typing import Annotated, Any
from urllib.parse import parse_qs

from fastapi import APIRouter, Depends, FastAPI, Header, Request, Response
from fastapi.exceptions import RequestValidationError
from fastapi.middleware.gzip import GZipMiddleware
from fastapi.responses import JSONResponse
from fastapi.routing import APIRoute
from pydantic import ValidationError

from .contract import BASES, REQUEST_ID, STATUS, VERBS, VERSION, Refused, System, Verb, require
from .journal import Journal, Operation
from .sage import Json, Sage

TOKEN_LASTS = timedelta(hours=1)

Key = Annotated[str, Header(alias="Idempotency-Key", min_length=1, max_length=200)]
Fence = Annotated[int, Header(alias="Bascule-Fence", ge=0)]


def create_app(sage: Sage, *, secret: str | None = None) -> FastAPI:
    """`secret`: what a client must know to get a token. None: whoever reaches the agent gets one."""
    app = FastAPI(title="An agent for Bascule", version=VERSION)
    app.add_middleware(GZipMiddleware)  # where the caller accepts it
    fences: dict[str, int] = {}
    for system in BASES:
        app.include_router(Agent(system, sage, Journal(fences), secret).router)
    return app


class ContractRoute(APIRoute):
    """Whatever happens, the answer is one of the contract's, and names the request that it answers."""

    def get_route_handler(self) -> Callable[[Request], Coroutine[Any, Any, Response]]:
        handle = super().get_route_handler()

        async def answer(request: Request) -> Response:
            try:
                response = await handle(request)
            except Refused as refused:
                response = _error(refused.code, str(refused))
            except RequestValidationError as invalid:
                response = _error("invalid", _problems(invalid))
            except Exception:
                logging.getLogger("agent").exception("failed inside")
                response = _error("internal", "The agent's log says how.")
            if asked := request.headers.get(REQUEST_ID):
                response.headers[REQUEST_ID] = asked
            return response

        return answer


class Agent:
    """One of the three systems, with a base URL, tokens and operations of its own."""

    def __init__(self, system: System, sage: Sage, journal: Journal, secret: str | None) -> None:
        self.system, self.sage, self.journal, self.secret = system, sage, journal, secret
        self.tokens: dict[str, datetime] = {}
        self.router = APIRouter(prefix=BASES[system], tags=[system], route_class=ContractRoute)
        add, guarded = self.router.add_api_route, [Depends(self.authorise)]
        add("/token", self.token, methods=["POST"])
        add("/health", self.health)
        add("/cabinets/{code}", self.facts, dependencies=guarded)
        if system != "my_sage":
            add("/cabinets/{code}/lists", self.lists, dependencies=guarded)
        add("/cabinets/{code}/operations", self.find, dependencies=guarded)
        add("/cabinets/{code}/operations/{identifier}", self.operation, dependencies=guarded)
        add("/cabinets/{code}/{verb}", self.write, methods=["POST"], dependencies=guarded)
        add("/{path:path}", self.nothing, methods=["GET", "POST"])

    async def token(self, request: Request) -> Response:
        form = parse_qs((await request.body()).decode("utf-8", "replace"))
        require(form.get("grant_type") == ["client_credentials"] and "client_id" in form, "unauthorised")
        given = form.get("client_secret", [""])[0].encode()
        require(self.secret is None or hmac.compare_digest(given, self.secret.encode()), "unauthorised")
        token, now = secrets.token_urlsafe(), self.sage.now()
        self.tokens = {other: until for other, until in self.tokens.items() if until > now} | {token: now + TOKEN_LASTS}
        body = {"access_token": token, "token_type": "Bearer", "expires_in": int(TOKEN_LASTS.total_seconds())}
        return JSONResponse(body, headers={"Cache-Control": "no-store"})

    async def authorise(self, authorization: Annotated[str, Header()] = "") -> None:
        scheme, _, token = authorization.partition(" ")
        until = self.tokens.get(token)
        require(scheme.lower() == "bearer" and until is not None and self.sage.now() < until, "unauthorised")

    async def health(self) -> Json:
        return {"status": "ok", "system": self.system, "contract": VERSION, "time": self.sage.now()}

    async def nothing(self, path: str) -> None:
        raise Refused("unknown-verb", f"There is nothing at /{path}.")

    async def facts(self, code: str) -> Json:
        return await self.sage.facts(self.system, self._known(code))

    async def lists(self, code: str) -> Json:
        return await self.sage.lists(self.system, self._known(code))

    async def operation(self, code: str, identifier: str) -> Json:
        return await self._as_it_is_now(self.journal.named(self._known(code), identifier))

    async def find(self, code: str, key: str, fence: Fence = 0) -> Json:
        self.journal.take_over(self._known(code), fence)
        return {"cabinet": code, "operations": [await self._as_it_is_now(one) for one in self.journal.find(code, key)]}

    async def write(self, code: str, verb: str, key: Key, fence: Fence, request: Request) -> Response:
        known = VERBS.get(verb)
        if known is None or known.system != self.system:
            raise Refused("unknown-verb")
        try:
            order = known.payload.model_validate_json(await request.body())
        except ValidationError as invalid:
            raise Refused("invalid", _problems(invalid)) from None
        self.journal.admit(self._known(code), fence)
        # A key that was seen is answered with what became of it; only what is proven undone may be asked once more.
        seen = [one for one in self.journal.find(code, key) if one.verb == verb and one.status != "not-begun"]
        operation = seen[0] if seen else await self._carried_out(self.journal.receive(code, verb, key), known, order)
        told = await self._as_it_is_now(operation)
        return JSONResponse(told, 202 if told["status"] in ("accepted", "running") else 200)

    async def _carried_out(self, operation: Operation, verb: Verb, order: Any) -> Operation:
        try:
            await self.sage.act(operation, order)
            operation.status, operation.progress = ("running", 0.0) if verb.goes_on else ("succeeded", 1.0)
        except Refused as refused:
            operation.status, operation.error_code, operation.message = "not-begun", refused.code, str(refused)
            raise
        except BaseException:  # also where the agent is being stopped: a person finds out how much was done
            operation.status, operation.error_code = "interrupted", "interrupted"
            raise
        finally:
            self.journal.save(operation)
        return operation

    async def _as_it_is_now(self, operation: Operation) -> Json:
        if operation.status == "running":
            await self.sage.follow(operation)
            self.journal.save(operation)
        return asdict(operation)

    def _known(self, code: str) -> str:
        require(self.sage.answers_for(code), "unknown-cabinet")
        return code


def _problems(invalid: ValidationError | RequestValidationError) -> str:
    """Fields and what is wrong with them, never what they held."""
    return "; ".join(f"{'.'.join(map(str, one['loc'])) or 'body'}: {one['msg']}" for one in invalid.errors())


def _error(code: str, message: str) -> Response:
    return JSONResponse({"errors": [{"code": code, "message": message, "details": {}}]}, STATUS.get(code, 409))
