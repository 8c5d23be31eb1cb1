"""Who may speak, and how fast: one token and one pace for everybody."""

from __future__ import annotations

import asyncio
from datetime import UTC, datetime, timedelta
from email.utils import format_datetime

import httpx
import pytest

from bascule.connectors.contract import Token
from bascule.connectors.http.bearer import Bearer
from bascule.connectors.http.line import patience
from bascule.connectors.http.pace import LONGEST_PAUSE, Pace
from bascule.errors import RemoteDenies, RemoteThrottles, RemoteUnintelligible, RemoteUnreachable
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
    assert await bearer.token() == "1"
    clock.now += 269
    assert await bearer.token() == "1"
    clock.now += 2
    assert await bearer.token() == "2"


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
    assert await second == "t"


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
