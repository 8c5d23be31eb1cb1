"""Who may speak, and how fast: one token and one pace for everybody."""

from __future__ import annotations

import asyncio
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from email.utils import format_datetime

import httpx
import pytest

from bascule.connectors import users_wait
from bascule.connectors.contract import Token
from bascule.connectors.http import Timeouts
from bascule.connectors.http.bearer import Bearer
from bascule.connectors.http.line import patience
from bascule.connectors.http.pace import LONGEST_PAUSE, Pace
from bascule.errors import RemoteDenies, RemoteFailing, RemoteThrottles, RemoteUnintelligible, RemoteUnreachable
from bascule.facts import View
from tests.unit.connectors.agents import CABINET, CONNECT, GE_FACTS, OPERATION, Agent, Said, ge, said, sent


class Clock:
    """Time passes only when somebody sleeps."""

    def __init__(self) -> None:
        self.now = 1000.0

    def __call__(self) -> float:
        return self.now

    async def sleep(self, seconds: float) -> None:
        self.now += seconds
        await asyncio.sleep(0)


def accepts(token: str) -> Agent:
    """An agent that accepts this token only."""

    def answer(request: httpx.Request) -> httpx.Response:
        if request.headers["Authorization"] != f"Bearer {token}":
            return said("unauthorised", 401)
        return httpx.Response(200, json=OPERATION if request.method == "POST" else GE_FACTS)

    return Agent(answer)


async def test_fifty_calls_at_once_fetch_one_token() -> None:
    agent = accepts("token-1")
    remote = ge(agent)
    await asyncio.gather(*(remote.observe(CABINET, View.GE) for _ in range(50)))
    assert agent.tokens_given == 1


async def test_fifty_calls_whose_token_is_refused_fetch_one_new_one() -> None:
    agent = accepts("token-2")
    remote = ge(agent, max_connections=50)
    await asyncio.gather(*(remote.observe(CABINET, View.GE) for _ in range(50)))
    assert agent.tokens_given == 2
    assert remote.calls == {"token": 2, "observe": 100}


async def test_a_write_refused_for_its_token_is_sent_once_more_under_the_same_key() -> None:
    agent = accepts("token-2")
    await ge(agent).act(CABINET, CONNECT)
    assert [request.headers["Idempotency-Key"] for request in agent.received] == ["k1", "k1"]
    assert sent(agent.received[0]) == sent(agent.received[1])


async def test_a_second_refusal_of_the_token_is_for_a_person() -> None:
    agent = accepts("token-9")
    with pytest.raises(RemoteDenies) as caught:
        await ge(agent).act(CABINET, CONNECT)
    assert not caught.value.may_have_acted
    assert (agent.tokens_given, len(agent.received)) == (2, 2)


async def test_a_token_that_somebody_else_fetched_before_our_first_refusal_is_no_second_one() -> None:
    """Two cabinets share a token; the agent forgets it, and then the next one too."""
    slow = asyncio.Event()
    good = {"token-1": 0, "token-2": 1, "token-3": 9}

    class Forgetful(Agent):
        async def handle_async_request(self, request: httpx.Request) -> httpx.Response:
            token = request.headers.get("Authorization", "").removeprefix("Bearer ")
            if "C0002" in str(request.url) and token == "token-1":
                await slow.wait()
            return await super().handle_async_request(request)

    def answer(request: httpx.Request) -> httpx.Response:
        token = request.headers["Authorization"].removeprefix("Bearer ")
        good[token] -= 1
        facts = {**GE_FACTS, "cabinet": request.url.path.rpartition("/")[2]}
        return said("unauthorised", 401) if good[token] < 0 else httpx.Response(200, json=facts)

    remote = ge(Forgetful(answer))
    second = asyncio.create_task(remote.observe(replace(CABINET, code="C0002"), View.GE))
    await asyncio.sleep(0)
    await remote.observe(CABINET, View.GE)
    slow.set()
    await second
    assert remote.calls == {"token": 3, "observe": 5}


async def test_a_token_refused_in_a_200_body_is_renewed_too() -> None:
    agent = Agent(said("unauthorised", 200), httpx.Response(200, json=GE_FACTS))
    await ge(agent).observe(CABINET, View.GE)
    assert agent.tokens_given == 2


async def test_a_withdrawn_consent_is_not_asked_for_again() -> None:
    agent = Agent(said("consent-revoked", 403))
    with pytest.raises(RemoteDenies, match="withdrew"):
        await ge(agent).observe(CABINET, View.GE)
    assert (agent.tokens_given, len(agent.received)) == (1, 1)


@pytest.mark.parametrize("status", [400, 401, 403])
async def test_credentials_that_are_not_accepted_are_named_without_the_secret(status: int) -> None:
    agent = Agent(httpx.Response(200, json=GE_FACTS), token=httpx.Response(status, json={"error": "invalid_client"}))
    with pytest.raises(RemoteDenies, match="credentials") as caught:
        await ge(agent).observe(CABINET, View.GE)
    assert "client id" in caught.value.remedy
    assert "s3cret" not in str(caught.value) + caught.value.remedy


async def test_a_token_that_cannot_be_fetched_leaves_no_doubt_about_the_write() -> None:
    tokens: list[Said] = [
        httpx.ReadTimeout(""),
        httpx.Response(500),
        httpx.Response(200, html="<p>"),
        httpx.ConnectError(""),
    ]
    for token in tokens:
        agent = Agent(httpx.Response(200, json=OPERATION), token=token)
        with pytest.raises(Exception, match="GE") as caught:
            await ge(agent).act(CABINET, CONNECT)
        assert caught.value.may_have_acted is False  # type: ignore[attr-defined]
        assert agent.received == []


async def test_a_token_that_has_expired_already_is_not_used() -> None:
    dead = httpx.Response(200, json={"access_token": "t", "token_type": "Bearer", "expires_in": 0})
    with pytest.raises(RemoteUnintelligible, match="expired already"):
        await ge(Agent(httpx.Response(200), token=dead)).observe(CABINET, View.GE)


@pytest.mark.parametrize(
    "told",
    [
        {"token_type": "bearer", "expires_in": 300},
        {"token_type": "BEARER"},
        {"token_type": "Bearer", "expires_in": 300, "scope": "all", "refresh_token": "r"},
    ],
    ids=["in lower case", "without its life", "with more than we know"],
)
async def test_a_token_is_taken_as_rfc_6749_has_it(told: dict[str, object]) -> None:
    agent = Agent(httpx.Response(200, json=GE_FACTS), token=httpx.Response(200, json={"access_token": "t", **told}))
    await ge(agent).observe(CABINET, View.GE)
    assert agent.received[0].headers["Authorization"] == "Bearer t"


async def test_a_token_of_another_type_is_not_used() -> None:
    mac = httpx.Response(200, json={"access_token": "t", "token_type": "mac", "expires_in": 300})
    with pytest.raises(RemoteUnintelligible, match="token_type"):
        await ge(Agent(httpx.Response(200, json=GE_FACTS), token=mac)).observe(CABINET, View.GE)


@pytest.mark.parametrize("token", ["", " ", "a b", "a\nb", "clé", "t\r\nX: y"])
async def test_a_token_that_cannot_be_sent_is_told_as_such_and_sends_nothing(token: str) -> None:
    body = {"access_token": token, "token_type": "Bearer", "expires_in": 300}
    agent = Agent(httpx.Response(200, json=OPERATION), token=httpx.Response(200, json=body))
    with pytest.raises(RemoteUnintelligible, match="token that cannot be sent") as caught:
        await ge(agent).act(CABINET, CONNECT)
    assert caught.value.may_have_acted is False
    assert agent.received == []


async def test_an_agent_that_is_down_is_asked_for_a_token_once_for_all() -> None:
    agent = Agent(httpx.Response(200, json=GE_FACTS), token=httpx.ConnectError(""))
    remote = ge(agent)
    answers = await asyncio.gather(*(remote.observe(CABINET, View.GE) for _ in range(50)), return_exceptions=True)
    assert {type(answer) for answer in answers} == {RemoteUnreachable}
    assert agent.tokens_given == 1
    with pytest.raises(RemoteUnreachable):
        await remote.observe(CABINET, View.GE)
    assert agent.tokens_given == 2


async def test_a_token_is_renewed_before_its_end() -> None:
    clock, fetched = Clock(), 0

    async def fetch() -> Token:
        nonlocal fetched
        fetched += 1
        return Token(access_token=str(fetched), token_type="Bearer", expires_in=300)

    bearer = Bearer(fetch, clock=clock)
    assert (await bearer.token()).token == "1"
    clock.now += 269
    assert (await bearer.token()).token == "1"
    clock.now += 2
    assert (await bearer.token()).token == "2"


async def test_a_token_whose_life_is_not_told_is_used_for_the_usual_time() -> None:
    clock = Clock()

    async def fetch() -> Token:
        return Token(access_token="t", token_type="Bearer")

    bearer = Bearer(fetch, clock=clock)
    until = (await bearer.token()).until
    assert until - clock.now == pytest.approx(270)


async def test_whoever_stops_waiting_for_a_token_does_not_stop_the_others() -> None:
    begun, go = asyncio.Event(), asyncio.Event()

    async def fetch() -> Token:
        begun.set()
        await go.wait()
        return Token(access_token="t", token_type="Bearer", expires_in=300)

    bearer = Bearer(fetch)
    first, second = asyncio.create_task(bearer.token()), asyncio.create_task(bearer.token())
    await begun.wait()
    first.cancel()
    go.set()
    assert (await second).token == "t"


def test_a_token_does_not_show_itself() -> None:
    assert "secret" not in repr(Token(access_token="secret", token_type="Bearer", expires_in=300))


# --- Patience --------------------------------------------------------------------------------------------------------

SENT = datetime(2026, 12, 1, 20, tzinfo=UTC)


@pytest.mark.parametrize(
    ("said_so", "seconds"),
    [
        ("7", 7),
        ("0.2", 0.2),
        ("-3", 0),
        (format_datetime(SENT + timedelta(seconds=90), usegmt=True), 90),
        (format_datetime(SENT - timedelta(seconds=90), usegmt=True), 0),
        ("Tue, 01 Dec 2026 20:00:05 -0000", 5),
        ("soon", None),
        ("nan", None),
        ("1e999", None),
        ("", None),
    ],
)
def test_patience_is_asked_for_in_seconds_or_until_a_date_by_the_senders_clock(
    said_so: str, seconds: float | None
) -> None:
    assert patience({"Retry-After": said_so, "Date": format_datetime(SENT, usegmt=True)}) == seconds


async def test_who_is_throttled_says_for_how_long() -> None:
    with pytest.raises(RemoteThrottles) as caught:
        await ge(Agent(said("too-many-requests", 429, Retry_After="7"))).act(CABINET, CONNECT)
    assert caught.value.retry_after == 7
    assert not caught.value.may_have_acted


@pytest.mark.parametrize(
    "throttled", [said("too-many-requests", 429, Retry_After="0.1"), said("unavailable", 503, Retry_After="0.1")]
)
async def test_when_one_call_is_asked_for_patience_all_others_wait(throttled: httpx.Response) -> None:
    agent = Agent(throttled, httpx.Response(200, json=GE_FACTS))
    remote = ge(agent)
    with pytest.raises(Exception, match="GE"):
        await remote.observe(CABINET, View.GE)
    began = asyncio.get_running_loop().time()
    await asyncio.gather(*(remote.observe(CABINET, View.GE) for _ in range(3)))
    assert asyncio.get_running_loop().time() - began >= 0.09


async def test_a_write_that_cannot_wait_so_long_is_not_sent_and_says_how_long() -> None:
    agent = Agent(said("too-many-requests", 429, Retry_After="600"))
    remote = ge(agent)
    with pytest.raises(RemoteThrottles):
        await remote.act(CABINET, CONNECT)
    with pytest.raises(RemoteThrottles, match="longer than") as caught:
        await remote.act(CABINET, CONNECT)
    assert caught.value.retry_after == pytest.approx(600, abs=2)
    assert len(agent.received) == 1


async def test_what_users_wait_for_is_held_back_by_its_own_throttle_only() -> None:
    throttled = said("too-many-requests", 429, Retry_After="3600")
    answers = {"/synchronise": throttled, "/C0003/reopen": throttled}

    def answer(request: httpx.Request) -> httpx.Response:
        code, verb = request.url.path.split("/")[3], request.url.path.rpartition("/")[2]
        hit = next((told for path, told in answers.items() if request.url.path.endswith(path)), None)
        if request.method == "POST":
            return hit or httpx.Response(200, json={**OPERATION, "cabinet": code, "verb": verb})
        if "operations/" in request.url.path:
            return httpx.Response(200, json={**OPERATION, "cabinet": code})
        body = {"operations": []} if "operations" in request.url.path else GE_FACTS
        return httpx.Response(200, json={**body, "cabinet": code})

    remote, other, third = ge(Agent(answer)), replace(CABINET, code="C0002"), replace(CABINET, code="C0003")
    with pytest.raises(RemoteThrottles):
        await remote.act(CABINET, replace(CONNECT, verb="synchronise", payload={}))
    assert remote.pause() == pytest.approx(3600, abs=2)

    # Ordinary work stays away.
    with pytest.raises(RemoteThrottles, match="longer than"):
        await remote.observe(other, View.GE)
    with pytest.raises(RemoteThrottles, match="longer than"):
        await remote.act(other, replace(CONNECT, verb="lock-out", payload={}))

    # What users wait for goes through.
    assert (await remote.operation(other, "o1")).id == "o1"
    assert await remote.find(other, "k9") == ()
    users_wait.set(True)
    await remote.observe(other, View.GE)
    await remote.act(other, replace(CONNECT, verb="reopen", payload={}))

    # Until it is told so itself; and then only that one.
    for says in ("too-many-requests|Too many", "longer than"):
        with pytest.raises(RemoteThrottles, match=says):
            await remote.act(third, replace(CONNECT, verb="reopen", payload={}))
    await remote.observe(third, View.GE)


async def test_who_waits_out_a_pause_holds_no_connection() -> None:
    agent = Agent(said("unavailable", 503, Retry_After="20"), httpx.Response(200, json=OPERATION))
    remote = ge(agent, max_connections=2, timeouts=Timeouts(answer=60))
    with pytest.raises(RemoteFailing):
        await remote.observe(CABINET, View.GE)
    waiting = [asyncio.create_task(remote.observe(CABINET, View.GE)) for _ in range(5)]
    await asyncio.sleep(0.01)
    assert (await asyncio.wait_for(remote.operation(CABINET, "o1"), 5)).id == "o1"
    for task in waiting:
        task.cancel()
    await asyncio.gather(*waiting, return_exceptions=True)


async def test_a_rate_lets_a_burst_go_and_then_spaces_the_rest() -> None:
    clock = Clock()
    pace = Pace(2, burst=2, clock=clock, sleep=clock.sleep)
    went = []
    for _ in range(5):
        await pace.turn()
        went.append(clock.now - 1000)
    assert went == [0, 0, 0.5, 1, 1.5]


async def test_after_a_pause_the_rate_still_holds() -> None:
    clock = Clock()
    pace = Pace(2, burst=1, clock=clock, sleep=clock.sleep)
    pace.stay_away(10)
    went = []
    for _ in range(3):
        await pace.turn()
        went.append(clock.now - 1000)
    assert went == [10, 10.5, 11]


def test_a_shorter_pause_does_not_end_a_longer_one_and_none_is_for_ever() -> None:
    clock = Clock()
    pace = Pace(clock=clock, sleep=clock.sleep)
    pace.stay_away(10)
    pace.stay_away(1)
    assert pace.pause() == 10
    pace.stay_away(1e9)
    assert pace.pause() == LONGEST_PAUSE


@pytest.mark.parametrize("rate", [0, -1, float("nan"), float("inf")])
def test_a_rate_that_is_none_is_refused(rate: float) -> None:
    with pytest.raises(ValueError, match="calls a second"):
        Pace(rate)
