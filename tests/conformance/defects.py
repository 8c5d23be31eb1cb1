"""Agents that break one promise each: the sandbox, and between it and the suite whoever spoils what passes."""

from __future__ import annotations

import asyncio
import gzip
import json
import re
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

import httpx

from bascule.conformance import access, answers, lists, reads, writes
from bascule.connectors.contract import REQUEST_ID
from tests.conformance.conftest import CABINET

Send = Callable[[httpx.Request], Awaitable[httpx.Response]]
Hook = Callable[[httpx.Request, Send], Awaitable[httpx.Response]]
Body = dict[str, Any]
LONG_AGO, LONG_AFTER = "1999-01-01T00:00:00Z", "2100-01-01T00:00:00Z"


AT_GE: dict[str, Any] = {"url": "http://localhost/ge", "system": "ge"}
AT_S4A: dict[str, Any] = {"url": "http://localhost/s4a", "system": "s4a"}
WRITES: dict[str, Any] = {"writes": True}


@dataclass(frozen=True)
class Defect:
    """One way to break a promise."""

    name: str
    breaks: Callable[..., Any]
    hook: Callable[[], Hook] | None = None
    also: tuple[Callable[..., Any], ...] = ()
    """Promises that necessarily fall with it."""
    asked: Mapping[str, Any] = field(default_factory=AT_GE.copy)
    scenario: Mapping[str, Any] = field(default_factory=dict)


class Spoilt(httpx.AsyncBaseTransport):
    def __init__(self, inner: httpx.AsyncBaseTransport, hook: Hook) -> None:
        self._inner = inner
        self._hook = hook

    async def handle_async_request(self, request: httpx.Request) -> httpx.Response:
        return await self._hook(request, self._send)

    async def _send(self, request: httpx.Request) -> httpx.Response:
        answer = await self._inner.handle_async_request(request)
        return answered(answer.status_code, await answer.aread(), headers_of(answer))


def headers_of(answer: httpx.Response) -> dict[str, str]:
    return {n.lower(): v for n, v in answer.headers.items() if n.lower() not in ("content-length", "content-encoding")}


def answered(status: int, content: bytes, headers: Mapping[str, str]) -> httpx.Response:
    return httpx.Response(status, content=content, headers=dict(headers))


def said(request: httpx.Request, status: int, body: Any, **headers: str) -> httpx.Response:
    sent = {REQUEST_ID: request.headers.get(REQUEST_ID, ""), "content-type": "application/json"}
    named = {name.replace("_", "-"): value for name, value in headers.items()}
    return httpx.Response(status, content=json.dumps(body).encode(), headers={**sent, **named})


def refused(request: httpx.Request, status: int, code: str, **headers: str) -> httpx.Response:
    return said(request, status, {"errors": [{"code": code, "message": "No.", "details": {}}]}, **headers)


def rewritten(request: httpx.Request, *, content: bytes | None = None, **headers: str | None) -> httpx.Request:
    kept = {n: v for n, v in request.headers.items() if n.lower() != "content-length"}
    for name, value in headers.items():
        kept = {n: v for n, v in kept.items() if n.lower() != name.replace("_", "-").lower()}
        if value is not None:
            kept[name.replace("_", "-")] = value
    return httpx.Request(
        request.method, request.url, headers=kept, content=request.content if content is None else content
    )


def kind_of(request: httpx.Request) -> str:
    path = request.url.path
    for kind, form in (
        ("token", r"/token"),
        ("health", r"/health"),
        ("lists", r"/cabinets/[^/]+/lists"),
        ("find", r"/cabinets/[^/]+/operations"),
        ("operation", r"/cabinets/[^/]+/operations/.+"),
        ("facts", r"/cabinets/[^/]+"),
    ):
        if re.fullmatch(rf"(/[^/]+)?{form}", path):
            return kind
    return path.rpartition("/")[2]


# Ways to spoil. Each returns what makes a hook anew for each check.


def alters(kind: str, change: Callable[[Body], Any], *, system: str = "") -> Callable[[], Hook]:
    """Every good answer of this kind, at this system, or at all."""

    async def hook(request: httpx.Request, send: Send) -> httpx.Response:
        answer = await send(request)
        if kind_of(request) != kind or answer.status_code >= 300 or system not in request.url.path:
            return answer
        body = answer.json()
        change(body)
        return answered(answer.status_code, json.dumps(body).encode(), headers_of(answer))

    return lambda: hook


def replaces(kind: str, answer: Callable[[httpx.Request], httpx.Response], *, nth: int = 1) -> Callable[[], Hook]:
    """The nth answer of this kind, and none before or after."""

    def made() -> Hook:
        met = 0

        async def hook(request: httpx.Request, send: Send) -> httpx.Response:
            nonlocal met
            met += kind_of(request) == kind
            return answer(request) if kind_of(request) == kind and met == nth else await send(request)

        return hook

    return made


def resends(kind: str, change: Callable[[httpx.Request], httpx.Request]) -> Callable[[], Hook]:
    """What the agent overlooks in a request."""

    async def hook(request: httpx.Request, send: Send) -> httpx.Response:
        return await send(change(request) if kind_of(request) == kind else request)

    return lambda: hook


def turns(code: str, into: Callable[[httpx.Request, httpx.Response], httpx.Response]) -> Callable[[], Hook]:
    """Every refusal with this code."""

    async def hook(request: httpx.Request, send: Send) -> httpx.Response:
        answer = await send(request)
        is_it = "/cabinets/" in request.url.path and answer.status_code >= 400
        is_it = is_it and any(one["code"] == code for one in answer.json()["errors"])
        return into(request, answer) if is_it else answer

    return lambda: hook


def pretends(verb: str, code: str) -> Callable[[], Hook]:
    """A refusal that is answered as a success."""

    async def hook(request: httpx.Request, send: Send) -> httpx.Response:
        answer = await send(request)
        if kind_of(request) != verb or answer.status_code < 400 or answer.json()["errors"][0]["code"] != code:
            return answer
        url = request.url.copy_with(path=request.url.path.replace(verb, "operations"))
        key = request.headers["Idempotency-Key"]
        find = httpx.Request("GET", url.copy_merge_params({"key": key}), headers=request.headers)
        operation = (await send(find)).json()["operations"][-1]
        return said(request, 200, {**operation, "status": "succeeded", "error_code": None, "message": None})

    return lambda: hook


def put(**fields: Any) -> Callable[[Body], None]:
    return lambda body: body.update(fields)


def later(body: Body, seconds: int) -> None:
    from datetime import datetime, timedelta

    instant = datetime.fromisoformat(body["taken_at"]) + timedelta(seconds=seconds)
    body["taken_at"] = instant.isoformat()


def without_header(name: str, *, of_errors: bool) -> Callable[[], Hook]:
    async def hook(request: httpx.Request, send: Send) -> httpx.Response:
        answer = await send(request)
        if (answer.status_code >= 400) == of_errors and kind_of(request) not in ("token", "health"):
            del answer.headers[name]
        return answer

    return lambda: hook


def with_own_token(is_it: Callable[[httpx.Request], bool]) -> Callable[[], Hook]:
    """Whoever comes so is let in all the same."""

    async def hook(request: httpx.Request, send: Send) -> httpx.Response:
        if not is_it(request):
            return await send(request)
        form = b"grant_type=client_credentials&client_id=x"
        base = f"/{request.url.path.split('/')[1]}/token"
        url = request.url.copy_with(path=base, query=None)
        headers = {"Content-Type": "application/x-www-form-urlencoded"}
        token = (await send(httpx.Request("POST", url, content=form, headers=headers))).json()["access_token"]
        return await send(rewritten(request, authorization=f"Bearer {token}"))

    return lambda: hook


def is_wrong(request: httpx.Request) -> bool:
    return "nobody" in request.headers.get("authorization", "")


def counted(kind: str, change: Callable[[Body, int], Any]) -> Callable[[], Hook]:
    """Each answer of this kind, changed by how many came before it."""

    def made() -> Hook:
        met = -1

        def changed(body: Body) -> None:
            nonlocal met
            met += 1
            change(body, met)

        return alters(kind, changed)()

    return made


def mixes() -> Hook:
    """Who asks while another is answered gets the other's answer."""
    under_way: list[httpx.Response] = []
    busy = 0

    async def hook(request: httpx.Request, send: Send) -> httpx.Response:
        nonlocal busy
        busy += 1
        answer = await send(request)
        if kind_of(request) == "facts" and answer.status_code == 200:
            under_way.append(answer)
        await asyncio.sleep(0)
        crowded, busy = busy > 1, busy - 1
        if kind_of(request) == "facts" and crowded and under_way:
            first = under_way[0]
            return answered(
                first.status_code, first.content, {**headers_of(first), REQUEST_ID.lower(): request.headers[REQUEST_ID]}
            )
        return answer

    return hook


def packs(codings: int, *, always: bool) -> Callable[[], Hook]:
    async def hook(request: httpx.Request, send: Send) -> httpx.Response:
        answer = await send(request)
        accepted = "gzip" in request.headers.get("accept-encoding", "")
        if kind_of(request) != "lists" or answer.status_code != 200 or not (always or accepted):
            return answer
        content = answer.content
        for _ in range(codings):
            content = gzip.compress(content)
        return answered(200, content, {**headers_of(answer), "content-encoding": "gzip"})

    return lambda: hook


def offers_etags(*, names_instant: bool, always: bool) -> Callable[[], Hook]:
    async def hook(request: httpx.Request, send: Send) -> httpx.Response:
        if kind_of(request) != "lists":
            return await send(request)
        asked = request.headers.get("if-none-match")
        if asked == '"1"' or (asked and always):
            instant = {"Bascule-Taken-At": LONG_AGO} if names_instant else {}
            return httpx.Response(304, headers={REQUEST_ID: request.headers[REQUEST_ID], "ETag": '"1"', **instant})
        answer = await send(request)
        return answered(answer.status_code, answer.content, {**headers_of(answer), "etag": '"1"'})

    return lambda: hook


def without_the_field(request: httpx.Request) -> httpx.Request:
    if b"no_such_field" not in request.content:
        return request
    body = json.loads(request.content)
    del body["no_such_field"]
    return rewritten(request, content=json.dumps(body).encode())


def highest_fence(floor_of: Callable[[int, int], int | None]) -> Callable[[], Hook]:
    """Writes pass from the floor on that is made of the highest number seen and the one of the last `find`."""

    def made() -> Hook:
        seen: dict[str, tuple[int, int]] = {}

        async def hook(request: httpx.Request, send: Send) -> httpx.Response:
            fence, system = request.headers.get("bascule-fence", ""), request.url.path.split("/")[1]
            if not fence.isdecimal():
                return await send(request)
            highest, found = seen.get(system, (0, 0))
            highest = max(highest, int(fence))
            if request.method == "GET":
                found = int(fence)
            seen[system] = highest, found
            floor = floor_of(highest, found) if request.method == "POST" else None
            overlooks = floor is not None and int(fence) >= floor
            return await send(rewritten(request, bascule_fence=str(highest)) if overlooks else request)

        return hook

    return made


def hides(is_hidden: Callable[[Body], bool]) -> Callable[[], Hook]:
    def change(body: Body) -> None:
        body["operations"] = [one for one in body["operations"] if not is_hidden(one)]

    return alters("find", change)


def keeps_what_it_turned_away() -> Hook:
    keys: set[str] = set()

    async def hook(request: httpx.Request, send: Send) -> httpx.Response:
        answer = await send(request)
        if request.method == "POST" and b"stale-fence" in answer.content:
            keys.add(request.headers["idempotency-key"])
        if kind_of(request) == "find" and (key := request.url.params["key"]) in keys:
            operation = OPERATION | {"key": key, "verb": "restart", "status": "not-begun"}
            return said(request, 200, {"cabinet": CABINET, "operations": [operation]})
        return answer

    return hook


OPERATION: Body = {
    "cabinet": CABINET,
    "id": "o-0",
    "verb": "backup",
    "key": "of-another",
    "status": "succeeded",
    "progress": 1.0,
    "phase": None,
    "error_code": None,
    "message": None,
}


def nth_is_refused(verb: str, nth: int, status: int, code: str) -> Callable[[], Hook]:
    return replaces(verb, lambda request: refused(request, status, code), nth=nth)


def changes_when_repeated() -> Hook:
    """Who opens the program again moves the instant at which it was opened."""
    opened = 0
    moved = ""

    async def hook(request: httpx.Request, send: Send) -> httpx.Response:
        nonlocal opened, moved
        answer = await send(request)
        if kind_of(request) == "open-exe" and answer.status_code == 200:
            opened += 1
        if kind_of(request) == "facts" and answer.status_code == 200 and opened > 1:
            body = answer.json()
            moved = moved or body["taken_at"]
            return said(request, 200, {**body, "exe_opened_at": moved})
        return answer

    return hook


def keeps_first_instant_of_lists() -> Hook:
    first: dict[str, str] = {}

    async def hook(request: httpx.Request, send: Send) -> httpx.Response:
        answer = await send(request)
        if kind_of(request) == "lists" and answer.status_code == 200:
            body = answer.json()
            return said(request, 200, {**body, "taken_at": first.setdefault(request.url.path, body["taken_at"])})
        return answer

    return hook


def forgets_operations_of(*verbs: str) -> Callable[[], Hook]:
    async def hook(request: httpx.Request, send: Send) -> httpx.Response:
        answer = await send(request)
        if kind_of(request) == "operation" and answer.status_code == 200 and answer.json()["verb"] in verbs:
            return refused(request, 404, "unknown-operation")
        return answer

    return lambda: hook


def goes_on_for_ever(body: Body) -> None:
    if body["verb"] == "synchronise":
        body.update(status="running", progress=0.9)


def goes_backwards(body: Body) -> None:
    body["progress"] = round(1 - body["progress"], 4)


def connected_by_somebody(body: Body) -> None:
    body["sessions"].append({"user": "PAUL", "since": LONG_AGO, "ours": False})


def complete_form(request: httpx.Request) -> httpx.Request:
    return rewritten(request, content=b"grant_type=client_credentials&client_id=bascule")


def moved(request: httpx.Request) -> httpx.Response:
    return httpx.Response(
        307, headers={"Location": "https://elsewhere.example/", REQUEST_ID: request.headers[REQUEST_ID]}
    )


def cut(request: httpx.Request) -> httpx.Response:
    raise httpx.ReadError("cut", request=request)


async def wants_a_token_for_all(request: httpx.Request, send: Send) -> httpx.Response:
    is_open = kind_of(request) != "health" or "authorization" in request.headers
    return await send(request) if is_open else refused(request, 401, "unauthorised")


def has_another_status(verb: str, status: int) -> Callable[[], Hook]:
    async def hook(request: httpx.Request, send: Send) -> httpx.Response:
        answer = await send(request)
        if kind_of(request) == verb and answer.status_code == 200:
            answer.status_code = status
        return answer

    return lambda: hook


def as_text(kind: str) -> Callable[[], Hook]:
    async def hook(request: httpx.Request, send: Send) -> httpx.Response:
        answer = await send(request)
        if kind_of(request) == kind:
            answer.headers["content-type"] = "text/plain"
        return answer

    return lambda: hook


def with_key(request: httpx.Request) -> httpx.Request:
    return request if "idempotency-key" in request.headers else rewritten(request, idempotency_key="made-up")


def accepts_any_fence() -> Hook:
    last = "0"

    async def hook(request: httpx.Request, send: Send) -> httpx.Response:
        nonlocal last
        if request.method != "POST" or kind_of(request) == "token":
            return await send(request)
        fence = request.headers.get("bascule-fence", "")
        last = fence if fence.isdecimal() else last
        return await send(request if fence.isdecimal() else rewritten(request, bascule_fence=last))

    return hook


DEFECTS = (
    # Access
    Defect("speaks without TLS", access.uses_tls, None, asked={"url": "http://agent.example/ge", "system": "ge"}),
    Defect(
        "wants a token for its health",
        access.health_needs_no_token,
        lambda: wants_a_token_for_all,
    ),
    Defect("adds to its health", access.health_is_of_the_contract, alters("health", put(build="7"))),
    Defect("names another system", access.health_names_the_system, alters("health", put(system="s4a"))),
    Defect("speaks version 1", access.health_names_the_version, alters("health", put(contract="1"))),
    Defect("has another time", access.health_has_the_time, alters("health", put(time=LONG_AGO))),
    Defect("grants what no header holds", access.token_is_granted, alters("token", put(access_token="a b"))),
    Defect("grants a MAC token", access.token_is_a_bearer, alters("token", put(token_type="mac"))),
    Defect("names no life of its token", access.token_has_a_life, alters("token", put(expires_in="300"))),
    Defect("grants to whoever asks", access.token_needs_its_form, resends("token", complete_form)),
    Defect(
        "answers without a token",
        access.missing_token_is_refused,
        with_own_token(lambda r: kind_of(r) == "facts" and "authorization" not in r.headers),
    ),
    Defect("answers any token", access.wrong_token_is_refused, with_own_token(is_wrong)),
    # Answers
    Defect("redirects", access.redirects_nowhere, replaces("facts", moved, nth=5)),
    Defect("cuts its answers", answers.every_answer_comes_whole, replaces("facts", cut, nth=5)),
    Defect("calls JSON text", answers.bodies_are_json, as_text("lists")),
    Defect("echoes no request", answers.successes_are_echoed, without_header(REQUEST_ID, of_errors=False)),
    Defect("echoes no request that fails", answers.errors_are_echoed, without_header(REQUEST_ID, of_errors=True)),
    Defect("mixes two cabinets", answers.answers_are_not_mixed, mixes, asked={**AT_GE, "other": "C0002"}),
    Defect("answers for nobody's cabinet", answers.answers_are_not_mixed, mixes),
    # Reads
    Defect("adds to its facts", reads.facts_have_their_fields, alters("facts", put(version="12.3"))),
    Defect("leaves a field out", reads.facts_have_their_fields, alters("facts", lambda body: body.pop("licensed"))),
    Defect("has a word of its own", reads.words_are_listed, alters("facts", put(workspace="perhaps")), asked=AT_S4A),
    Defect("names no offset", reads.instants_have_their_offset, alters("lists", put(taken_at="2026-11-24T10:00:00"))),
    Defect("names another cabinet", reads.facts_name_their_cabinet, alters("facts", put(cabinet=CABINET.lower()))),
    Defect("reads a cache", reads.facts_are_of_now, alters("facts", lambda body: later(body, -3600))),
    Defect("reads the future", reads.facts_are_not_of_the_future, alters("facts", lambda body: later(body, 3600))),
    Defect("knows what is to come", reads.nothing_is_after_taken_at, alters("facts", put(restarted_at=LONG_AFTER))),
    Defect(
        "changes what it reads",
        reads.reading_changes_nothing,
        counted("facts", lambda body, met: body.update(key_question=f"QUESTION {met}")),
    ),
    Defect("goes back in time", reads.time_goes_forward, counted("facts", lambda body, met: later(body, -met))),
    Defect(
        "knows every cabinet a little",
        reads.unknown_cabinet_is_refused,
        turns("unknown-cabinet", lambda request, _: refused(request, 404, "unknown-operation")),
    ),
    Defect(
        "is locked out since never",
        reads.synchronisation_agrees_with_itself,
        alters("facts", put(locked_out_by="bascule", locked_out_at=None)),
    ),
    # Lists
    Defect("adds to its lists", lists.lists_have_their_fields, alters("lists", put(total=12))),
    Defect("lists of another cabinet", lists.lists_name_their_cabinet, alters("lists", put(cabinet="C9"))),
    Defect("lists of the future", lists.lists_are_not_of_the_future, alters("lists", lambda body: later(body, 3600))),
    Defect(
        "lists of two instants",
        lists.references_hold_together,
        alters("lists", lambda body: body["dossiers"][0].update(group="MADE-SINCE")),
    ),
    Defect(
        "holds what it does not know",
        lists.unknown_parts_say_nothing,
        alters("lists", put(unknown=["groups"], groups=[{"code": "G", "label": "G", "entity": "CAB"}])),
        asked=AT_S4A,
    ),
    Defect("packs unasked", lists.plain_where_gzip_is_not_accepted, packs(1, always=True)),
    Defect("packs twice", lists.packed_once_with_gzip, packs(2, always=False), also=(answers.bodies_are_json,)),
    Defect(
        "names no instant with a 304",
        lists.not_modified_names_its_instant,
        offers_etags(names_instant=False, always=False),
    ),
    Defect("answers 304 to any ETag", lists.other_etags_are_answered_in_full, offers_etags(names_instant=True, always=True)),
    # Errors
    Defect(
        "says no more than a code",
        answers.errors_have_their_body,
        turns("unknown-cabinet", lambda request, _: said(request, 404, {"errors": [{"code": "unknown-cabinet"}]})),
    ),
    Defect(
        "has an error of its own",
        answers.error_codes_are_known,
        replaces("facts", lambda request: refused(request, 500, "oops"), nth=5),
    ),
    Defect(
        "has another status",
        answers.error_codes_have_their_status,
        turns("unknown-cabinet", lambda request, _: refused(request, 400, "unknown-cabinet")),
    ),
    Defect(
        "asks for patience without an end",
        answers.patience_has_its_end,
        replaces("facts", lambda request: refused(request, 429, "too-many-requests"), nth=5),
    ),
    Defect(
        "calls an unknown write invalid",
        writes.unknown_verb_is_refused,
        turns("unknown-verb", lambda request, _: refused(request, 422, "invalid")),
        asked=WRITES,
    ),
    Defect(
        "calls an unknown operation a cabinet",
        reads.unknown_operation_is_refused,
        turns("unknown-operation", lambda request, _: refused(request, 404, "unknown-cabinet")),
    ),
    Defect("overlooks a field", writes.unknown_fields_are_refused, resends("restart", without_the_field), asked=WRITES),
    Defect(
        "overlooks a broken body",
        writes.no_json_is_refused,
        resends("restart", lambda r: rewritten(r, content=b"{}") if r.content == b"{" else r),
        asked=WRITES,
    ),
    Defect("makes up a key", writes.missing_key_is_refused, resends("restart", with_key), asked=WRITES),
    Defect("needs no fencing number", writes.missing_fence_is_refused, accepts_any_fence, asked=WRITES),
    Defect(
        "lets anybody write",
        writes.wrong_token_writes_nothing,
        with_own_token(lambda r: r.method == "POST" and is_wrong(r)),
        asked=WRITES,
    ),
    Defect(
        "refuses with a code of another write",
        writes.refused_as_listed,
        nth_is_refused("assignments", 2, 409, "tab-absent"),
        asked=WRITES,
    ),
    # Operations
    Defect("adds to its operations", writes.operations_have_their_fields, alters("backup", put(host="srv")), asked=WRITES),
    Defect("waits for a person", writes.operations_have_listed_statuses, alters("assignments", put(status="awaited")), asked=WRITES),
    Defect("names another key", writes.operations_name_their_write, alters("backup", put(key="k")), asked=WRITES),
    Defect("ends with a code of its own", writes.operations_name_known_codes, alters("restart", put(error_code="tired")), asked=WRITES),
    Defect("says at once that it goes on", writes.over_is_200_and_going_on_202, has_another_status("backup", 202), asked=WRITES),
    Defect("forgets operations", writes.read_by_its_id, forgets_operations_of("backup"), asked=WRITES),
    Defect("does not find what it did", writes.found_by_its_key, hides(lambda one: one["status"] == "succeeded"), asked=WRITES),
    Defect(
        "finds more than was asked for",
        writes.found_names_only_its_key,
        alters("find", lambda body: body["operations"].extend([OPERATION] if body["operations"] else [])),
        asked=WRITES,
    ),
    Defect("finds what was never sent", reads.unknown_key_has_no_operation, alters("find", put(operations=[OPERATION]))),
    Defect(
        "forgets what it refused",
        writes.refused_is_found_as_not_begun,
        hides(lambda one: one["status"] == "not-begun"),
        asked=WRITES,
    ),
    Defect("keeps what it turned away", writes.turned_away_leaves_nothing, keeps_what_it_turned_away, asked=WRITES),
    # Repetition
    Defect(
        "refuses what holds already",
        writes.repeatable_again_succeeds,
        nth_is_refused("lock-out", 2, 409, "users-connected"),
        asked=WRITES,
    ),
    Defect("changes what holds already", writes.repeatable_again_changes_nothing, changes_when_repeated, asked=WRITES),
    Defect("acts twice under one key", writes.same_key_acts_once, None, asked=WRITES, scenario={"honour_keys": False}),
    # Fencing
    Defect("takes any fencing number", writes.lower_fence_is_refused, highest_fence(lambda *_: 0), asked=WRITES),
    Defect(
        "refuses the number it knows",
        writes.equal_fence_is_accepted,
        nth_is_refused("assignments", 2, 409, "stale-fence"),
        asked=WRITES,
    ),
    Defect("keeps no number of a find", writes.find_raises_the_fence, resends("find", lambda r: rewritten(r, bascule_fence=None)), asked=WRITES),
    Defect(
        "goes back with a lower find",
        writes.lower_find_changes_nothing,
        highest_fence(lambda highest, found: found if 0 < found < highest else None),
        asked=WRITES,
    ),
    # Procedure
    Defect("shows no backup", writes.effects_show, alters("facts", put(sql_backup_at=None), system="/ge/"), asked=WRITES),
    Defect(
        "backed up last century",
        writes.instants_say_when_it_was_done,
        alters("facts", lambda body: body.update(sql_backup_at=body["sql_backup_at"] and LONG_AGO), system="/ge/"),
        asked=WRITES,
    ),
    Defect("opens the program too early", writes.too_early_is_refused, pretends("open-exe", "wrong-order"), asked=WRITES),
    Defect("connects anybody", writes.wrong_values_are_refused, pretends("connect", "entity-differs"), asked=WRITES),
    Defect("throws people out", writes.nobody_is_thrown_out, alters("facts", connected_by_somebody, system="/ge/"), asked=WRITES),
    Defect("reopens midway", writes.one_synchronisation_at_a_time, pretends("reopen", "already-running"), asked=WRITES),
    Defect("goes backwards", writes.progress_goes_forward, alters("operation", goes_backwards), asked=WRITES),
    Defect("never ends", writes.long_operations_end, alters("operation", goes_on_for_ever), asked=WRITES),
    Defect("reads old lists", writes.lists_are_not_older_than_the_write, keeps_first_instant_of_lists, asked=WRITES),
)  # fmt: skip
