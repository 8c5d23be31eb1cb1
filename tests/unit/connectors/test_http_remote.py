"""What each answer of an agent, and each silence, is taken for."""

from __future__ import annotations

import asyncio
import contextlib
import gzip
import logging
import ssl
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

import httpx
import pytest

from bascule.connectors import OperationStatus, Remote
from bascule.connectors.contract import ERRORS, REQUEST_ID
from bascule.connectors.http import HttpRemote, Timeouts, line
from bascule.errors import (
    RemoteDenies,
    RemoteError,
    RemoteFailing,
    RemoteGarbled,
    RemoteRefuses,
    RemoteSilent,
    RemoteThrottles,
    RemoteUnintelligible,
    RemoteUnreachable,
)
from bascule.facts import GeFacts, View
from bascule.model import ErrorClass, System
from tests.unit.connectors.agents import CABINET, CONNECT, GE_FACTS, OPERATION, Agent, Said, ge, said, sent

JSON = {"Content-Type": "application/json"}


def test_it_is_a_remote() -> None:
    remote: Remote = ge(Agent(httpx.Response(200)))
    assert remote.system is System.GE


async def test_a_read_answers_the_facts_with_their_instants_in_utc() -> None:
    agent = Agent(httpx.Response(200, json={**GE_FACTS, "restarted_at": "2026-12-01T21:00:00+01:00"}))
    facts = await ge(agent).observe(CABINET, View.GE)
    assert isinstance(facts, GeFacts)
    assert facts.restarted_at == datetime(2026, 12, 1, 20, tzinfo=UTC)
    assert facts.restarted_at.utcoffset() == timedelta(0)


async def test_a_write_carries_its_payload_its_key_its_fence_and_our_token() -> None:
    agent = Agent(httpx.Response(200, json=OPERATION))
    operation = await ge(agent).act(CABINET, CONNECT)
    [request] = agent.received
    assert operation.status is OperationStatus.SUCCEEDED
    assert (request.method, request.url) == ("POST", httpx.URL("https://agent.example/ge/cabinets/C0001/connect"))
    assert sent(request) == CONNECT.payload
    assert request.headers["Idempotency-Key"] == "k1"
    assert request.headers["Bascule-Fence"] == "7"
    assert request.headers["Authorization"] == "Bearer token-1"


async def test_a_code_cannot_lead_out_of_its_place_in_the_path() -> None:
    agent = Agent(httpx.Response(200, json={**GE_FACTS, "cabinet": "../C0002?x=é"}))
    await ge(agent).observe(replace(CABINET, code="../C0002?x=é"), View.GE)
    assert agent.received[0].url.raw_path == b"/ge/cabinets/..%2FC0002%3Fx%3D%C3%A9"


async def test_a_key_is_found_under_its_own_name_whatever_is_in_it() -> None:
    agent = Agent(httpx.Response(200, json={"cabinet": "C0001", "operations": [{**OPERATION, "key": "a&b=c"}]}))
    [operation] = await ge(agent).find(CABINET, "a&b=c")
    assert agent.received[0].url.params["key"] == operation.key == "a&b=c"


# --- Errors that the agent names -------------------------------------------------------------------------------------


@pytest.mark.parametrize("status", [200, 400, 500], ids=lambda status: f"HTTP {status}")
@pytest.mark.parametrize("error", ERRORS, ids=lambda error: error.code)
async def test_an_error_is_known_by_its_code_whatever_the_status(error: Any, status: int) -> None:
    with pytest.raises(RemoteError) as caught:
        await ge(Agent(said(error.code, status))).act(CABINET, CONNECT)
    assert caught.value.code == error.code
    assert caught.value.may_have_acted is error.may_have_acted
    if not error.may_have_acted:
        assert caught.value.error_class is error.error_class


async def test_a_refusal_says_what_it_means_and_what_the_agent_says_of_it() -> None:
    errors = [{"code": "entity-differs", "message": "SIREN 552100554\x1b[31m", "details": {"field": "siren"}}]
    with pytest.raises(RemoteRefuses) as caught:
        await ge(Agent(httpx.Response(409, json={"errors": errors}))).act(CABINET, CONNECT)
    assert str(caught.value) == (
        "GE refused `connect`: The entity's name or SIREN is not the one given. "
        "It says: SIREN 552100554 [31m (field: siren)"
    )


async def test_of_several_errors_the_one_that_leaves_a_doubt_is_the_one_that_counts() -> None:
    body: dict[str, Any] = {
        "errors": [{"code": code, "message": "", "details": {}} for code in ("wrong-order", "internal")]
    }
    with pytest.raises(RemoteFailing) as caught:
        await ge(Agent(httpx.Response(200, json=body))).act(CABINET, CONNECT)
    assert caught.value.may_have_acted


@pytest.mark.parametrize("status", [200, 409, 503])
async def test_an_unknown_error_code_is_not_guessed(status: int) -> None:
    with pytest.raises(RemoteUnintelligible, match="'moon-phase', which the contract does not know") as caught:
        await ge(Agent(said("moon-phase", status))).act(CABINET, CONNECT)
    assert caught.value.may_have_acted


async def test_a_failing_read_is_harmless() -> None:
    with pytest.raises(RemoteFailing) as caught:
        await ge(Agent(said("internal", 500))).observe(CABINET, View.GE)
    assert not caught.value.may_have_acted


# --- Answers of another request --------------------------------------------------------------------------------------


@pytest.mark.parametrize("whose", [None, "another"], ids=["names none", "names another"])
@pytest.mark.parametrize(
    ("answer", "is_write"),
    [
        (httpx.Response(200, json=OPERATION), True),
        (said("users-connected", 409), True),
        (httpx.Response(200, json=GE_FACTS), False),
        (said("unknown-cabinet", 404), False),
    ],
    ids=["done", "refused", "facts", "refused to tell"],
)
async def test_an_answer_that_does_not_name_its_request_says_nothing_of_it(
    answer: httpx.Response, is_write: bool, whose: str | None
) -> None:
    headers = {**JSON, **({REQUEST_ID: whose} if whose else {})}
    bare = httpx.Response(answer.status_code, content=answer.content, headers=headers)
    remote = ge(Agent(bare, echoes=False))
    with pytest.raises((RemoteUnintelligible, RemoteGarbled, RemoteSilent)) as caught:
        await (remote.act(CABINET, CONNECT) if is_write else remote.observe(CABINET, View.GE))
    assert caught.value.may_have_acted is is_write


async def test_a_write_is_not_sent_again_where_who_refuses_the_token_does_not_name_it() -> None:
    """It may be what is left of the answer to another request, and the write may have been carried out."""
    agent = Agent(httpx.Response(401, html="<h1>No</h1>"), httpx.Response(200, json=OPERATION))
    with pytest.raises(RemoteDenies) as caught:
        await ge(agent).act(CABINET, CONNECT)
    assert caught.value.may_have_acted
    assert len(agent.received) == 1


async def test_facts_of_another_cabinet_are_nobodys() -> None:
    with pytest.raises(RemoteUnintelligible, match="belongs to another cabinet"):
        await ge(Agent(httpx.Response(200, json={**GE_FACTS, "cabinet": "C0002"}))).observe(CABINET, View.GE)


# --- Answers that are not the contract's -----------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("answer", "error", "says"),
    [
        (httpx.Response(502, html="<h1>Bad gateway</h1>"), RemoteFailing, "failed at `connect` (HTTP 502)"),
        (httpx.Response(500), RemoteFailing, "failed at `connect` (HTTP 500)"),
        (httpx.Response(403, html="<h1>No</h1>"), RemoteDenies, "forbids `connect`"),
        (httpx.Response(429, text="slow down"), RemoteThrottles, "asks for patience"),
        (httpx.Response(404, html="<h1>Not here</h1>"), RemoteUnintelligible, "is a web page (HTTP 404)"),
        (httpx.Response(418, json={"detail": "a teapot"}), RemoteUnintelligible, "not of the contract (HTTP 418)"),
        (httpx.Response(307, headers={"Location": "https://elsewhere.example"}), RemoteUnintelligible, "is a redirect"),
        (httpx.Response(200, html="<h1>Welcome</h1>"), RemoteUnintelligible, "is a web page"),
        (httpx.Response(200), RemoteUnintelligible, "is empty"),
        (httpx.Response(204), RemoteUnintelligible, "is empty"),
        (httpx.Response(200, text='{"id":'), RemoteUnintelligible, "does not name the request that it answers"),
        (httpx.Response(200, content=b'{"id":', headers=JSON), RemoteUnintelligible, "no object of JSON"),
        (httpx.Response(200, json=[]), RemoteUnintelligible, "no object of JSON"),
        (httpx.Response(200, json={"errors": []}), RemoteUnintelligible, "no field `id`"),
        (httpx.Response(200, json={**OPERATION, "status": "nearly"}), RemoteUnintelligible, "'nearly' in `status`"),
        (httpx.Response(200, json={**OPERATION, "mood": "good"}), RemoteUnintelligible, "the field `mood`"),
        (httpx.Response(200, json={**OPERATION, "errors": []}), RemoteUnintelligible, "the field `errors`"),
        (httpx.Response(200, json={**OPERATION, "progress": 7}), RemoteUnintelligible, "in `progress`"),
        (httpx.Response(200, json={**OPERATION, "progress": "1"}), RemoteUnintelligible, "in `progress`"),
        (httpx.Response(200, json={**OPERATION, "error_code": "moon"}), RemoteUnintelligible, "'moon'"),
        (httpx.Response(200, json={**OPERATION, "status": "awaited"}), RemoteUnintelligible, "'awaited' in `status`"),
        (httpx.Response(200, json={**OPERATION, "cabinet": "C0002"}), RemoteUnintelligible, "another order"),
        (httpx.Response(200, json={**OPERATION, "key": "k2"}), RemoteUnintelligible, "another order"),
        (httpx.Response(200, json={**OPERATION, "verb": "terms"}), RemoteUnintelligible, "another order"),
    ],
    ids=lambda value: value if isinstance(value, str) else "",
)
async def test_what_is_not_of_the_contract_is_never_a_success(
    answer: httpx.Response, error: type[RemoteError], says: str
) -> None:
    agent = Agent(answer)
    with pytest.raises(error) as caught:
        await ge(agent).act(CABINET, CONNECT)
    assert says in str(caught.value)
    assert caught.value.may_have_acted  # what does not name the request says nothing of it, whatever its status
    assert len(agent.received) == 1


async def test_an_unknown_word_is_named_with_its_place() -> None:
    session = {"user": "ANNE", "since": "2026-12-01T20:00:00Z", "ours": "maybe"}
    strange = [
        ({**GE_FACTS, "sessions": [session]}, "`sessions[0].ours`"),
        ({**GE_FACTS, "restarted_at": "2026-12-01T20:00:00"}, "`restarted_at`"),
        ({name: value for name, value in GE_FACTS.items() if name != "licensed"}, "`licensed`"),
    ]
    for body, place in strange:
        with pytest.raises(RemoteUnintelligible) as caught:
            await ge(Agent(httpx.Response(200, json=body))).observe(CABINET, View.GE)
        assert place in str(caught.value)
        assert not caught.value.may_have_acted


async def test_what_is_strange_is_shown_without_personal_values() -> None:
    body = {"operations": [{**OPERATION, "message": ["anne@lefevre.example"]}]}
    with pytest.raises(RemoteUnintelligible) as caught:
        await ge(Agent(httpx.Response(200, json=body))).find(CABINET, "k1")
    assert "anne@" not in str(caught.value)
    assert caught.value.__cause__ is caught.value.__context__ is None


async def test_another_operation_than_the_one_asked_for_is_refused() -> None:
    agent = Agent(httpx.Response(200, json=OPERATION))
    assert (await ge(agent).operation(CABINET, "o1")).id == "o1"
    with pytest.raises(RemoteUnintelligible, match="another operation"):
        await ge(agent).operation(CABINET, "o2")


async def test_an_answer_that_does_not_end_is_cut_off(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(line, "LONGEST_ANSWER", 1 << 20)
    bomb = httpx.Response(200, content=gzip.compress(b" " * (4 << 20)), headers={"Content-Encoding": "gzip"})
    with pytest.raises(RemoteUnintelligible, match="more than 1 MiB"):
        await ge(Agent(bomb)).observe(CABINET, View.GE)


async def test_an_answer_that_cannot_be_unpacked_is_unintelligible() -> None:
    broken = httpx.Response(200, stream=httpx.ByteStream(b"not gzip"), headers={"Content-Encoding": "gzip"})
    with pytest.raises(RemoteUnintelligible, match="cannot be unpacked"):
        await ge(Agent(broken)).observe(CABINET, View.GE)


WEB_PAGE, PART = httpx.Response(200, html="<h1>Welcome</h1>"), httpx.Response(200, text='{"key_question": "AB')


def cut_short(_request: httpx.Request) -> httpx.Response:
    return httpx.Response(200, stream=httpx.ByteStream(b'{"id": "o1"'), headers={"Content-Length": "400"})


GARBLED = pytest.mark.parametrize(
    "garbled",
    [WEB_PAGE, httpx.Response(502, html="<h1>Bad gateway</h1>"), PART, cut_short, httpx.Response(200)],
    ids=["a web page", "a web page with 502", "part of a body", "less than announced", "nothing"],
)


@GARBLED
async def test_a_read_that_comes_garbled_is_asked_once_more(garbled: Said) -> None:
    agent = Agent(garbled, httpx.Response(200, json=GE_FACTS))
    assert isinstance(await ge(agent).observe(CABINET, View.GE), GeFacts)
    assert len(agent.received) == 2


@GARBLED
async def test_a_read_that_comes_garbled_twice_is_for_the_retry_policy(garbled: Said) -> None:
    agent = Agent(garbled)
    with pytest.raises(RemoteError) as caught:
        await ge(agent).observe(CABINET, View.GE)
    assert caught.value.error_class is ErrorClass.TRANSIENT
    assert not caught.value.may_have_acted
    assert len(agent.received) == 2


@GARBLED
async def test_a_write_whose_answer_comes_garbled_is_in_doubt_and_not_sent_again(garbled: Said) -> None:
    agent = Agent(garbled, httpx.Response(200, json=OPERATION))
    with pytest.raises(RemoteError) as caught:
        await ge(agent).act(CABINET, CONNECT)
    assert caught.value.may_have_acted
    assert len(agent.received) == 1


async def test_an_agent_is_away_while_nothing_that_is_asked_is_answered() -> None:
    facts = httpx.Response(200, json=GE_FACTS)
    remote = ge(Agent(httpx.ConnectError(""), facts, httpx.Response(503), httpx.Response(503), said("invalid", 422)))
    seen = []
    for _ in range(4):
        with contextlib.suppress(RemoteError):
            await remote.observe(CABINET, View.GE)
        seen.append(remote.is_away)
    assert seen == [True, False, True, False]


# --- No answer -------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "error", [httpx.ConnectError(""), httpx.ConnectTimeout(""), httpx.PoolTimeout(""), httpx.ProxyError("")], ids=repr
)
async def test_what_could_not_be_sent_had_no_effect(error: Exception) -> None:
    with pytest.raises(RemoteUnreachable, match=r"cannot be reached at https://agent\.example/ge") as caught:
        await ge(Agent(error)).act(CABINET, CONNECT)
    assert not caught.value.may_have_acted


@pytest.mark.parametrize(
    "error",
    [
        httpx.ReadTimeout(""),
        httpx.WriteTimeout(""),
        httpx.ReadError(""),
        httpx.WriteError(""),
        httpx.CloseError(""),
        httpx.RemoteProtocolError(""),
        ConnectionResetError(),
    ],
    ids=repr,
)
async def test_a_write_that_may_have_been_sent_is_in_doubt_and_not_sent_again(error: Exception) -> None:
    agent = Agent(error, httpx.Response(200, json=OPERATION))
    with pytest.raises(RemoteSilent) as caught:
        await ge(agent).act(CABINET, CONNECT)
    assert caught.value.may_have_acted
    assert len(agent.received) == 1


async def test_a_read_that_meets_a_dead_connection_is_asked_once_more() -> None:
    agent = Agent(httpx.RemoteProtocolError(""), httpx.Response(200, json=GE_FACTS))
    remote = ge(agent)
    assert isinstance(await remote.observe(CABINET, View.GE), GeFacts)
    assert remote.calls["observe"] == 2


async def test_a_read_that_meets_two_dead_connections_gives_up_harmlessly() -> None:
    agent = Agent(httpx.ReadError(""))
    with pytest.raises(RemoteSilent) as caught:
        await ge(agent).observe(CABINET, View.GE)
    assert not caught.value.may_have_acted
    assert len(agent.received) == 2


async def test_an_answer_shorter_than_announced_was_cut() -> None:
    body = b'{"id": "o1"'
    cut = httpx.Response(200, stream=httpx.ByteStream(body), headers={"Content-Length": str(len(body) + 10)})
    with pytest.raises(RemoteSilent, match="cut its answer short") as caught:
        await ge(Agent(cut)).act(CABINET, CONNECT)
    assert caught.value.may_have_acted


class Slow(Agent):
    async def handle_async_request(self, request: httpx.Request) -> httpx.Response:
        response = await super().handle_async_request(request)
        if not request.url.path.endswith("/token"):
            await asyncio.sleep(60)
        return response


async def test_a_write_ends_at_its_own_deadline_in_doubt() -> None:
    agent = Slow(httpx.Response(200, json=OPERATION))
    with pytest.raises(RemoteSilent, match="did not answer in time") as caught:
        await ge(agent).act(CABINET, replace(CONNECT, timeout=0.05))
    assert caught.value.may_have_acted


async def test_a_write_that_did_not_get_its_turn_was_not_sent() -> None:
    agent = Slow(httpx.Response(200, json=OPERATION))
    remote = ge(agent, max_connections=1)
    first = asyncio.create_task(remote.act(CABINET, CONNECT))
    while not agent.received:
        await asyncio.sleep(0)
    with pytest.raises(RemoteUnreachable, match="did not get its turn") as caught:
        await remote.act(CABINET, replace(CONNECT, timeout=0.05))
    assert not caught.value.may_have_acted
    assert len(agent.received) == 1
    first.cancel()
    with pytest.raises(asyncio.CancelledError):
        await first


async def test_a_read_ends_at_its_timeout() -> None:
    remote = ge(Slow(httpx.Response(200, json=GE_FACTS)), timeouts=Timeouts(answer=0.05))
    with pytest.raises(RemoteSilent) as caught:
        await remote.observe(CABINET, View.GE)
    assert not caught.value.may_have_acted


async def test_a_certificate_that_is_not_trusted_is_for_a_person_to_mend() -> None:
    error = httpx.ConnectError("")
    error.__cause__ = ssl.SSLCertVerificationError()
    with pytest.raises(RemoteRefuses, match="certificate") as caught:
        await ge(Agent(error)).observe(CABINET, View.GE)
    assert caught.value.error_class is ErrorClass.CONFIG


# --- What is never sent ----------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "order",
    [
        replace(CONNECT, verb="sign-up"),
        replace(CONNECT, verb="dance"),
        replace(CONNECT, payload={"entity": "E1"}),
        replace(CONNECT, payload={**CONNECT.payload, "iban": "FR76"}),
    ],
    ids=["another system's", "unknown", "incomplete", "more than the contract has"],
)
async def test_an_order_that_is_not_of_the_contract_is_not_sent(order: Any) -> None:
    agent = Agent(httpx.Response(200, json=OPERATION))
    with pytest.raises(RemoteRefuses, match="Nothing was sent") as caught:
        await ge(agent).act(CABINET, order)
    assert caught.value.error_class is ErrorClass.BUG
    assert agent.received == []


@pytest.mark.parametrize(
    "url",
    [
        "agent.example",
        "ftp://agent.example",
        "https://",
        "https://me:pw@agent.example",
        "https://x/?a=1",
        "http://x:port",
    ],
)
def test_a_url_that_cannot_be_an_agents_is_refused_without_showing_a_password(url: str) -> None:
    with pytest.raises(ValueError, match="GE: ") as caught:
        HttpRemote(System.GE, url, client_id="bascule")
    assert "pw" not in str(caught.value)


async def test_the_log_has_a_line_a_call_and_nothing_secret(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.DEBUG, "bascule.connectors.http")
    await ge(Agent(httpx.Response(200, json=OPERATION))).act(CABINET, CONNECT)
    ours = [record.getMessage() for record in caplog.records if record.name == "bascule.connectors.http"]
    assert [message.rpartition(" in ")[0] for message in ours] == [
        "GE POST /token: 200",
        "GE POST /cabinets/C0001/connect: 200",
    ]
    assert not any(secret in caplog.text for secret in ("s3cret", "token-1", "732829320"))


async def test_calls_are_counted_by_kind() -> None:
    remote = ge(Agent(httpx.Response(200, json=GE_FACTS)))
    await remote.observe(CABINET, View.GE)
    await remote.observe(CABINET, View.GE)
    assert remote.calls == {"token": 1, "observe": 2}


# --- Health ----------------------------------------------------------------------------------------------------------

NOW = datetime(2026, 12, 1, 20, tzinfo=UTC)


def healthy(**changed: str) -> httpx.Response:
    body = {"status": "ok", "system": "ge", "contract": "2", "time": "2026-12-01T20:00:01Z", **changed}
    return httpx.Response(200, json=body)


NO_SUCH_CABINET = said("unknown-cabinet", 404)
"""What the doctor's call under the token is answered with."""


@pytest.mark.parametrize(
    ("answer", "says"),
    [
        (healthy(), ""),
        (healthy(system="s4a"), "S4A answers at the URL that is set for GE."),
        (healthy(contract="1"), "GE speaks version '1' of the contract, Bascule '2'."),
        (healthy(time="2026-12-01T20:05:00Z"), "The clock of GE is 300 s ahead of ours."),
        (healthy(time="2026-12-01T19:55:00Z"), "The clock of GE is 300 s behind ours."),
        (healthy(status="tired"), "'tired' in `status`"),
        (httpx.ConnectError(""), "cannot be reached"),
        (httpx.Response(200, html="<p>hello"), "is a web page"),
    ],
    ids=lambda value: value if isinstance(value, str) else "",
)
async def test_health_tells_the_doctor_what_is_wrong(answer: httpx.Response | Exception, says: str) -> None:
    answers = [answer, NO_SUCH_CABINET] if says == "" else [answer]
    health = await ge(Agent(*answers), now=lambda: NOW).health()
    assert health.ok is (says == "")
    assert says in health.says


async def test_health_asks_something_that_needs_the_token() -> None:
    agent = Agent(healthy(), NO_SUCH_CABINET)
    assert (await ge(agent, now=lambda: NOW).health()).ok
    assert [request.headers.get("Authorization") for request in agent.received] == [None, "Bearer token-1"]

    refused = await ge(Agent(healthy(), said("unauthorised", 401)), now=lambda: NOW).health()
    assert not refused.ok
    assert isinstance(refused.error, RemoteDenies)


async def test_health_says_whether_asking_again_may_help() -> None:
    for answer in (httpx.Response(500), said("too-many-requests", 429), httpx.Response(200, html="<p>")):
        health = await ge(Agent(answer), now=lambda: NOW).health()
        assert health.error is not None
        assert health.error.error_class in (ErrorClass.TRANSIENT, ErrorClass.THROTTLED)
    assert (await ge(Agent(healthy(system="s4a")), now=lambda: NOW).health()).error is None


async def test_health_notices_credentials_that_are_not_accepted() -> None:
    agent = Agent(healthy(), token=httpx.Response(401))
    health = await ge(agent, now=lambda: NOW).health()
    assert not health.ok
    assert "does not accept our credentials" in health.says
