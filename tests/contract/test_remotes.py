"""The promises of `Remote`, by their numbers, on every implementation; and the published contract, on the sandbox."""

from __future__ import annotations

import re
from dataclasses import replace
from typing import Any

import httpx
import pytest
from jsonschema import Draft202012Validator

from bascule.connectors import OperationStatus, openapi
from bascule.connectors.contract import VERBS
from bascule.errors import RemoteDenies, RemoteError, RemoteRefuses, RemoteThrottles, RemoteUnintelligible
from bascule.facts import GeFacts, GeLists, MySageFacts, S4aFacts, S4aLists, SynchronisationStatus, View, type_of_view
from bascule.model import ErrorClass, System
from tests.contract.conftest import CABINETS, CLIENT, COLLEAGUE, Stage

ours, other = CABINETS
DOCUMENTS = openapi.documents()

every_view = pytest.mark.parametrize("view", list(View))


def effective(journal: list[dict[str, Any]], verb: str) -> int:
    return sum(line["verb"] == verb and line["outcome"] in ("applied", "dropped") for line in journal)


# --- 1. `observe` changes nothing and answers for this cabinet only, with what is true at the time of the call. -------


@every_view
async def test_1_observing_changes_nothing(stage: Stage, view: View) -> None:
    first, second = await stage.observe(view), await stage.observe(view)
    assert type(first) is type_of_view[view]
    assert first == replace(second, taken_at=first.taken_at)
    assert await stage.journal() == []


async def test_1_observing_answers_for_this_cabinet_only(stage: Stage) -> None:
    await stage.act("restart", ours)
    before, after = await stage.observe(View.GE, other), await stage.observe(View.GE, ours)
    assert isinstance(before, GeFacts)
    assert isinstance(after, GeFacts)
    assert before.restarted_at is None
    assert after.restarted_at is not None
    theirs = await stage.observe(View.GE_LISTS, other)
    assert isinstance(theirs, GeLists)
    sirens = {entity.siren for entity in theirs.entities}
    assert other.siren in sirens
    assert ours.siren not in sirens


async def test_1_observing_tells_what_is_true_at_the_time_of_the_call(stage: Stage) -> None:
    question = await stage.observe(View.GE)
    assert isinstance(question, GeFacts)
    await stage.act("admin-sage", email=ours.admin_email)
    stage.clock.ahead += 60
    await stage.act("compute-key", question=question.key_question)
    facts = await stage.observe(View.MY_SAGE)
    assert isinstance(facts, MySageFacts)
    assert [admin.email for admin in facts.admin_sages] == [ours.admin_email]
    assert facts.key_question == question.key_question


async def test_1_a_cabinet_that_is_not_known_there_is_refused(stage: Stage) -> None:
    with pytest.raises(RemoteRefuses) as caught:
        await stage.observe(View.GE, replace(ours, code="C9999"))
    assert caught.value.error_class is ErrorClass.CONFIG


# --- 2. `act` sends the order at most once, and says whether it may have had an effect. --------------------------------


@pytest.mark.parametrize(
    ("fault", "may_have_acted", "acted"),
    [
        ({"fault": "throttled"}, False, False),
        ({"fault": "consent-revoked"}, False, False),
        ({"fault": "server-error"}, True, False),
        ({"fault": "server-error", "after": True}, True, True),
        ({"fault": "error-in-200"}, None, False),
        ({"fault": "error-in-200", "after": True}, None, True),
        ({"fault": "unknown-word"}, True, True),
        ({"fault": "commit-then-drop"}, True, True),
        ({"fault": "slow", "seconds": 5}, True, True),
        ({"fault": "late-commit", "seconds": 0.1}, True, True),
    ],
    ids=lambda value: " ".join(map(str, value.values())) if isinstance(value, dict) else "",
)
async def test_2_an_order_has_at_most_one_effect_and_a_failure_never_hides_one(
    stage: Stage, fault: dict[str, Any], may_have_acted: bool | None, acted: bool
) -> None:
    await stage.faults({"cabinets": [ours.code], "at": "restart", "times": 1, **fault})
    with pytest.raises(RemoteError) as caught:
        await stage.act("restart")
    stage.clock.ahead += 5
    await stage.faults()
    facts = await stage.observe(View.GE)
    assert isinstance(facts, GeFacts)
    assert (facts.restarted_at is not None) is acted
    assert effective(await stage.journal(), "restart") == int(acted)
    if may_have_acted is not None:
        assert caught.value.may_have_acted is may_have_acted
    assert caught.value.may_have_acted or not acted


async def test_2_a_token_that_died_does_not_double_the_order(stage: Stage) -> None:
    await stage.faults({"fault": "token-expired", "cabinets": [ours.code], "at": "restart", "times": 1})
    assert (await stage.act("restart")).status is OperationStatus.SUCCEEDED
    assert effective(await stage.journal(), "restart") == 1


async def test_2_a_refusal_says_why_and_that_nothing_was_done(stage: Stage) -> None:
    with pytest.raises(RemoteRefuses) as caught:
        await stage.act("open-exe")
    assert caught.value.code == "wrong-order"
    assert caught.value.error_class is ErrorClass.BUG
    assert not caught.value.may_have_acted
    assert effective(await stage.journal(), "open-exe") == 0


async def test_2_an_order_under_an_older_fence_is_refused(stage: Stage) -> None:
    stage.fence = 5
    await stage.act("restart")
    stage.fence = 4
    with pytest.raises(RemoteRefuses) as caught:
        await stage.act("backup")
    assert caught.value.code == "stale-fence"
    assert caught.value.error_class is ErrorClass.EXTERNAL
    assert effective(await stage.journal(), "backup") == 0


async def test_2_being_asked_for_patience_says_for_how_long(stage: Stage) -> None:
    await stage.faults({"fault": "throttled", "cabinets": [ours.code], "at": "restart", "times": 1, "seconds": 0.3})
    with pytest.raises(RemoteThrottles) as caught:
        await stage.act("restart")
    assert caught.value.retry_after == pytest.approx(0.3, abs=0.8)  # an agent may round it up to a whole second


async def test_2_an_access_that_was_withdrawn_is_for_a_person(stage: Stage) -> None:
    await stage.faults({"fault": "consent-revoked", "cabinets": [ours.code]})
    with pytest.raises(RemoteDenies):
        await stage.act("restart")


# --- 3. `find` returns every operation received under this key, also those whose answer was lost. ---------------------


@pytest.mark.parametrize("fault", [{"fault": "commit-then-drop"}, {"fault": "server-error", "after": True}])
async def test_3_an_operation_whose_answer_was_lost_is_found_by_its_key(stage: Stage, fault: dict[str, Any]) -> None:
    await stage.faults({"cabinets": [ours.code], "at": "restart", "times": 1, **fault})
    order = stage.order("restart")
    with pytest.raises(RemoteError):
        await stage.remotes[System.GE].act(ours, order)
    [found] = await stage.remotes[System.GE].find(ours, order.key)
    assert (found.verb, found.key, found.status) == ("restart", order.key, OperationStatus.SUCCEEDED)
    assert await stage.remotes[System.GE].operation(ours, found.id) == found


async def test_3_an_operation_that_commits_late_is_found_before_it_does(stage: Stage) -> None:
    await stage.faults({"fault": "late-commit", "cabinets": [ours.code], "at": "restart", "times": 1, "seconds": 30})
    order = stage.order("restart")
    with pytest.raises(RemoteError) as caught:
        await stage.remotes[System.GE].act(ours, order)
    assert caught.value.may_have_acted
    [received] = await stage.remotes[System.GE].find(ours, order.key)
    assert not received.status.is_over
    stage.clock.ahead += 60
    [committed] = await stage.remotes[System.GE].find(ours, order.key)
    assert committed.status is OperationStatus.SUCCEEDED
    assert committed.id == received.id


async def test_3_a_key_that_was_never_received_finds_nothing(stage: Stage) -> None:
    order = stage.order("restart")
    await stage.remotes[System.GE].act(ours, order)
    assert await stage.remotes[System.GE].find(ours, "another") == ()
    assert await stage.remotes[System.GE].find(other, order.key) == ()


async def test_3_what_was_not_received_when_it_was_asked_for_is_refused_when_it_comes(stage: Stage) -> None:
    late = stage.order("restart")
    assert await stage.remotes[System.GE].find(ours, late.key, fence=late.fence + 1) == ()
    with pytest.raises(RemoteRefuses) as caught:
        await stage.remotes[System.GE].act(ours, late)
    assert caught.value.code == "stale-fence"


async def test_3_one_key_sent_twice_finds_everything_that_was_received(stage: Stage) -> None:
    order = stage.order("backup")
    first = await stage.remotes[System.GE].act(ours, order)
    second = await stage.remotes[System.GE].act(ours, order)
    found = await stage.remotes[System.GE].find(ours, order.key)
    assert {operation.id for operation in found} == {first.id, second.id}


async def test_3_an_operation_that_is_not_known_is_refused(stage: Stage) -> None:
    with pytest.raises(RemoteRefuses) as caught:
        await stage.remotes[System.GE].operation(ours, "no-such-operation")
    assert caught.value.code == "unknown-operation"


async def test_3_a_long_operation_is_followed_until_it_ends(stage: Stage) -> None:
    await stage.walk(until="synchronise")
    begun = await stage.act("synchronise")
    assert not begun.status.is_over
    stage.clock.ahead += 60
    ended = await stage.remotes[System.GE].operation(ours, begun.id)
    assert (ended.status, ended.progress) == (OperationStatus.SUCCEEDED, 1)
    facts = await stage.observe(View.GE)
    assert isinstance(facts, GeFacts)
    assert facts.synchronisation is not None
    assert facts.synchronisation.status is SynchronisationStatus.DONE
    assert facts.synchronisation.operation == begun.id


# --- 4. A word that the contract does not know is an error, never a success. -----------------------------------------


async def test_4_an_unknown_word_in_the_answer_to_a_write_is_not_a_success(stage: Stage) -> None:
    await stage.faults({"fault": "unknown-word", "cabinets": [ours.code], "at": "restart", "times": 1})
    with pytest.raises(RemoteUnintelligible, match="`status`"):
        await stage.act("restart")


async def test_4_an_error_in_a_200_body_is_not_a_success(stage: Stage) -> None:
    await stage.faults({"fault": "error-in-200", "cabinets": [ours.code], "at": "restart", "times": 1})
    with pytest.raises(RemoteError):
        await stage.act("restart")


# --- The published contract ------------------------------------------------------------------------------------------


def published(request: httpx.Request) -> tuple[dict[str, Any], str]:
    """The document and the path of the contract that a request falls under."""
    _, base, *rest = request.url.path.split("/")
    document, path = DOCUMENTS[base], "/" + "/".join(rest)
    fitting = [
        template
        for template in sorted(document["paths"], key=lambda template: template.count("{"))
        if re.fullmatch(re.sub(r"\{\w+\}", "[^/]+", template), path)
    ]
    assert fitting, f"{request.url.path} is not in the contract"
    return document, fitting[0]


def assert_follows_the_contract(request: httpx.Request, answer: httpx.Response) -> None:
    document, path = published(request)
    responses = document["paths"][path][request.method.lower()]["responses"]
    assert str(answer.status_code) in responses, f"{path} answers {answer.status_code}, which the contract does not say"
    response = responses[str(answer.status_code)]
    if "$ref" in response:
        response = document["components"]["responses"][response["$ref"].rpartition("/")[2]]
    schema = {**response["content"]["application/json"]["schema"], "components": document["components"]}
    Draft202012Validator(schema, format_checker=Draft202012Validator.FORMAT_CHECKER).validate(answer.json())


async def test_whatever_the_sandbox_answers_on_the_whole_road_follows_the_published_contract(stage: Stage) -> None:
    for view in View:
        await stage.observe(view)
    for refused in ("open-exe", "return-to-ge", "billing", "lock-out"):
        try:
            await stage.act(refused)
        except RemoteRefuses:
            continue
    await stage.act("reopen")
    with pytest.raises(RemoteRefuses):
        await stage.observe(View.GE, replace(ours, code="C9999"))
    await stage.walk(ours)
    for view in View:
        await stage.observe(view)
    for request, answer in stage.recorder.passed:
        assert_follows_the_contract(request, answer)
    walked = {published(request)[1] for request, _ in stage.recorder.passed}
    assert {f"/cabinets/{{code}}/{verb.name}" for verb in VERBS} <= walked


async def test_the_whole_road_ends_with_everything_on_the_other_side(stage: Stage) -> None:
    await stage.walk(ours)
    facts, source, target = (
        await stage.observe(View.S4A),
        await stage.observe(View.GE_LISTS),
        await stage.observe(View.S4A_LISTS),
    )
    assert isinstance(facts, S4aFacts)
    assert isinstance(source, GeLists)
    assert isinstance(target, S4aLists)
    assert facts.synchronised_at is not None
    assert {dossier.code for dossier in source.dossiers} == {dossier.code for dossier in target.dossiers}
    assert COLLEAGUE["email"] in {user.email for user in target.users}
    assert (CLIENT, COLLEAGUE["email"]) in {(each.client, each.email) for each in target.assignments}


@pytest.mark.parametrize("name", list(DOCUMENTS))
async def test_the_sandbox_serves_every_path_of_the_contract(stage: Stage, name: str) -> None:
    for path, item in DOCUMENTS[name]["paths"].items():
        for method in item:
            url = f"/{name}{path.format(code=ours.code, id='o1')}"
            answer = await stage.tester.request(method, url)
            if path == "/health":
                assert answer.json()["system"].replace("_", "-") == name
            elif path == "/token":
                assert answer.status_code in (401, 422), answer  # no credentials were sent
            else:
                assert answer.json()["errors"][0]["code"] == "unauthorised", url


async def test_the_sandbox_is_healthy_by_the_contract(stage: Stage) -> None:
    for remote in stage.remotes.values():
        if health := getattr(remote, "health", None):
            assert (await health()).ok
