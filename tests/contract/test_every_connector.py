"""The promises of `Remote`, by their numbers, on every way in which a system may be read and acted on."""

from __future__ import annotations

import io
import os
import zipfile
from collections.abc import AsyncIterator, Callable
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from bascule.connectors import Basis, Observation, OperationStatus, Order, Remote
from bascule.connectors.contract import VERBS
from bascule.connectors.extracts import ExtractsRemote, read_mapping
from bascule.connectors.operator.forms import EvidenceRefused
from bascule.engine.observing import Observations
from bascule.errors import RemoteImplausible, RemoteRefuses
from bascule.facts import GeFacts, GeLists, View, type_of_view
from bascule.model import Cabinet, ErrorClass, Kind, System
from bascule.workorders import OrderState
from tests.builders import cabinets
from tests.office import Office, office

HUMAN = frozenset(verb.name for verb in VERBS if verb.kind is Kind.HUMAN)
ours, other = cabinets(2)


@dataclass
class Connected:
    """A connector in use for the three systems, in a world of two cabinets that are ready to be synchronised."""

    at: Office
    extracts: Path
    remote_of: Callable[[System], Remote]
    views: tuple[View, ...]
    """What it reads."""
    fence: int = 0

    async def observe(self, view: View, cabinet: Cabinet = ours) -> Observation:
        return await self.remote_of(view.system).observe(cabinet, view)

    def order(self, verb: str, key: str = "key-1") -> Order:
        return Order(verb=verb, payload={}, key=key, fence=self.fence, timeout=5, step=verb)

    async def export(self, cabinet: Cabinet) -> None:
        told = await self.at.on.tester.get(f"/sandbox/export/{cabinet.code}")
        zipfile.ZipFile(io.BytesIO(told.content)).extractall(self.extracts / cabinet.code)

    async def traces(self) -> tuple[Any, ...]:
        """Everything that an act could leave behind."""
        return await self.at.on.journal(), [self.at.on.ledger.history(one.code) for one in (ours, other)]


def _remotes(name: str, at: Office, extracts: Path) -> tuple[Callable[[System], Remote], tuple[View, ...]]:
    composed = at.remote_for("a-run")

    async def unchanged(_cabinet: Cabinet, _view: View) -> tuple[datetime, str] | None:
        return None

    def lists(system: System) -> Remote:
        return ExtractsRemote(
            system,
            extracts,
            read_mapping(None),
            oldest=timedelta(days=3),
            not_before=unchanged,
            clock=at.on.time.now,
        )

    def remote(system: System) -> Remote:
        people, http = composed(ours, system).people, at.on.remotes[system]
        match name:
            case "http":
                return http
            case "extracts":
                return lists(system)
            case "operator":
                return people
            case "http with people for what is theirs":
                return replace(composed(ours, system), acts=http, reads=http, reads_lists=http, asks_for=HUMAN)
            case "operator+http":
                return replace(composed(ours, system), reads=http, reads_lists=http)
            case _:
                return replace(composed(ours, system), reads_lists=lists(system))

    # Client Management has no list to export before its workspace exists.
    views = {
        "operator": (View.MY_SAGE, View.GE, View.S4A),
        "operator+extracts": (View.MY_SAGE, View.GE, View.GE_LISTS, View.S4A),
        "extracts": (View.GE, View.GE_LISTS, View.S4A),
    }.get(name, tuple(View))
    return remote, views


ASKS = ("operator", "operator+http", "operator+extracts")
ACTS_ITSELF = ("http",)
MIXED = ("http with people for what is theirs",)
NEVER_ACTS = ("extracts",)


@pytest.fixture(params=(*ACTS_ITSELF, *MIXED, *NEVER_ACTS, *ASKS))
async def connected(request: pytest.FixtureRequest, tmp_path: Path) -> AsyncIterator[Connected]:
    async with office(tmp_path, (ours, other)) as at:
        remote_of, views = _remotes(request.param, at, tmp_path / "extracts")
        one = Connected(at, tmp_path / "extracts", remote_of, views)
        for cabinet in (ours, other):
            await at.on.tester.post(f"/sandbox/hands/{cabinet.code}/restart", json={})
            await one.export(cabinet)
        yield one


def only(*names: str) -> pytest.MarkDecorator:
    return pytest.mark.parametrize("connected", names, indirect=True)


async def test_1_observing_changes_nothing(connected: Connected) -> None:
    before = await connected.traces()
    for view in connected.views:
        first, second = await connected.observe(view), await connected.observe(view)
        assert type(first) is type_of_view[view]
        assert first == replace(second, taken_at=first.taken_at)
    assert await connected.traces() == before


@only("http", "http with people for what is theirs", "extracts", "operator+http", "operator+extracts")
async def test_1_observing_answers_for_this_cabinet_only(connected: Connected) -> None:
    for cabinet in (ours, other):
        lists = await connected.observe(View.GE_LISTS, cabinet)
        assert isinstance(lists, GeLists)
        assert [entity.siren for entity in lists.entities] == [cabinet.siren]


@only("extracts", "operator+extracts")
async def test_1_the_lists_of_another_cabinet_are_not_taken_for_this_ones(connected: Connected) -> None:
    (connected.extracts / ours.code).rename(connected.extracts / "aside")
    (connected.extracts / other.code).rename(connected.extracts / ours.code)
    with pytest.raises(RemoteRefuses, match=other.siren) as refused:
        await connected.observe(View.GE_LISTS)
    assert refused.value.error_class is ErrorClass.HUMAN


@only("http", "http with people for what is theirs", "operator+http")
async def test_1_what_is_read_over_http_is_what_is_true_now(connected: Connected) -> None:
    facts = await connected.observe(View.GE)
    assert isinstance(facts, GeFacts)
    assert facts.restarted_at is not None


@only("operator", "operator+extracts")
async def test_1_what_people_tell_is_what_they_answered_and_nothing_else(connected: Connected) -> None:
    before = await connected.observe(View.GE)
    assert isinstance(before, GeFacts)
    assert before.restarted_at is None
    await connected.remote_of(System.GE).act(ours, connected.order("restart"))
    [asked] = connected.at.open_orders()
    await connected.at.answer(asked)
    after = await connected.observe(View.GE)
    assert isinstance(after, GeFacts)
    assert after.restarted_at is not None
    elsewhere = await connected.observe(View.GE, other)
    assert elsewhere == replace(before, cabinet=other.code, taken_at=elsewhere.taken_at)


@only("operator")
async def test_1_people_are_not_asked_for_lists(connected: Connected) -> None:
    with pytest.raises(RemoteRefuses, match="not asked for lists") as refused:
        await connected.observe(View.GE_LISTS)
    assert "operator+extracts" in refused.value.remedy


@pytest.mark.parametrize(
    ("connected", "facts", "lists"),
    [
        ("http", Basis.AGENT, Basis.AGENT),
        ("extracts", Basis.LISTS, Basis.LISTS),
        ("operator+http", Basis.AGENT, Basis.AGENT),
        ("operator+extracts", Basis.PEOPLE, Basis.LISTS),
        ("http with people for what is theirs", Basis.AGENT, Basis.AGENT),
    ],
    indirect=["connected"],
)
def test_1_who_says_what_is_observed_is_told(connected: Connected, facts: Basis, lists: Basis) -> None:
    remote = connected.remote_of(System.GE)
    assert (remote.basis(View.GE), remote.basis(View.GE_LISTS)) == (facts, lists)


@only("http", "http with people for what is theirs", "extracts", "operator+http", "operator+extracts")
async def test_1_lists_of_an_instant_that_cannot_be_are_not_believed(connected: Connected) -> None:
    to = "2030-01-01T00:00:00Z"
    wrong = {"fault": "wrong-instant", "cabinets": [ours.code], "system": "ge", "field": "lists.taken_at", "to": to}
    await connected.at.on.faults(wrong)
    for path in (connected.extracts / ours.code / "ge").iterdir():
        os.utime(path, (datetime.fromisoformat(to).timestamp(),) * 2)
    observations = Observations(ours, lambda _, system: connected.remote_of(system), connected.at.on.time.now)
    with pytest.raises(
        RemoteImplausible, match="`taken_at` is 2030-01-01 00:00:00 UTC, which lies in the fu"
    ) as refused:
        await observations.read((View.GE_LISTS,))
    assert refused.value.error_class is ErrorClass.DATA
    assert refused.value.remedy


@only("operator", "operator+extracts")
async def test_1_an_answer_of_an_instant_that_cannot_be_is_refused_in_words(connected: Connected) -> None:
    await connected.remote_of(System.GE).act(ours, connected.order("restart"))
    [asked] = connected.at.open_orders()
    for at, says in (
        ("2030-01-01T00:00", "lies in the future"),
        ("1999-01-01T00:00", "lies before 2020"),
        ("0001-01-01T00:00+14:00", "is no instant that can be"),
        ("9999-12-31T23:59:59-14:00", "is no instant that can be"),
        ("0001-01-01T00:00", "is no instant that can be"),
    ):
        with pytest.raises(EvidenceRefused, match=f"restarted_at: {says}"):
            await connected.at.answer(asked, restarted_at=at)


@only("extracts")
async def test_2_what_only_reads_never_acts_and_says_that_nothing_was_done(connected: Connected) -> None:
    before = await connected.traces()
    with pytest.raises(RemoteRefuses) as refused:
        await connected.remote_of(System.GE).act(ours, connected.order("backup"))
    assert (refused.value.error_class, refused.value.may_have_acted) == (ErrorClass.CONFIG, False)
    assert await connected.traces() == before


@only(*ASKS, *MIXED)
async def test_2_one_order_asks_at_most_once_however_often_it_is_sent(connected: Connected) -> None:
    remote = connected.remote_of(System.GE)
    first = await remote.act(ours, connected.order("backup"))
    again = await remote.act(ours, connected.order("backup"))
    under_another_key = await remote.act(ours, connected.order("backup", "key-2"))
    assert first.id == again.id == under_another_key.id
    assert len(connected.at.open_orders()) == 1
    assert not [line for line in await connected.at.on.journal(ours.code) if line["verb"] == "backup"]


@only(*ACTS_ITSELF, *ASKS, *MIXED)
async def test_3_what_was_received_is_found_by_its_key_for_this_cabinet_only(connected: Connected) -> None:
    remote = connected.remote_of(System.GE)
    for verb, key in (("backup", "key-1"), ("restart", "key-2")):
        sent = await remote.act(ours, connected.order(verb, key))
        found = await remote.find(ours, key)
        assert found[-1].id == sent.id
        assert (await remote.operation(ours, sent.id)).status is sent.status
        assert await remote.find(other, key) == ()
    assert await remote.find(ours, "never-sent") == ()


async def test_3_an_operation_that_is_not_known_is_refused(connected: Connected) -> None:
    with pytest.raises(RemoteRefuses) as refused:
        await connected.remote_of(System.GE).operation(ours, "no-such-operation")
    assert refused.value.code == "unknown-operation"


@only("extracts", "operator+extracts")
async def test_4_a_word_that_the_mapping_does_not_know_is_not_guessed(connected: Connected) -> None:
    dossiers = connected.extracts / ours.code / "ge" / "dossiers.csv"
    dossiers.write_bytes(dossiers.read_bytes().replace("Ouvert".encode("cp1252"), b"Peut-\xeatre", 1))
    with pytest.raises(RemoteRefuses, match="Peut-être"):
        await connected.observe(View.GE_LISTS)


@only(*ASKS, *MIXED)
async def test_5_where_a_person_is_asked_nobody_waits(connected: Connected) -> None:
    remote = connected.remote_of(System.GE)
    assert remote.asks(ours, "backup")
    asked = await remote.act(ours, connected.order("backup"))
    assert asked.status is OperationStatus.AWAITED
    [order] = connected.at.open_orders()
    await connected.at.answer(order)
    assert (await remote.operation(ours, asked.id)).status is OperationStatus.SUCCEEDED
    assert connected.at.desk.everything()[0].state is OrderState.DONE


async def test_5_who_does_not_ask_people_says_so(connected: Connected) -> None:
    remote = connected.remote_of(System.GE)
    assert {verb.name for verb in VERBS if verb.system is System.GE and remote.asks(ours, verb.name)} in (
        set(),
        {verb.name for verb in VERBS if verb.system is System.GE and verb.kind is Kind.HUMAN},
        {verb.name for verb in VERBS if verb.system is System.GE},
    )
