"""The procedure as a graph: what every step stands on exists, and comes before it."""

from __future__ import annotations

from pathlib import Path

import pytest

from bascule.connectors.contract import verb_named
from bascule.connectors.operator.forms import FORM_OF
from bascule.connectors.operator.sittings import IRREVERSIBLE, MINUTES, SITTINGS
from bascule.engine import conduct
from bascule.engine.walk import migrate
from bascule.facts import View
from bascule.model import Kind, Outcome
from bascule.procedure import (
    PROCEDURE,
    Act,
    Condition,
    Kept,
    Step,
    default_profile_exists,
    in_one_sitting,
    is_backed_up,
    is_consistent,
    nobody_is_connected,
    required_of,
    source_is_of_the_lock_out,
    step_named,
)
from tests.builders import assert_moved, cabinets, stage

every_step = pytest.mark.parametrize("step", PROCEDURE, ids=lambda step: step.name)


def test_there_are_twenty_steps_of_different_names() -> None:
    assert len({step.name for step in PROCEDURE}) == len(PROCEDURE) == 20


@every_step
def test_a_step_stands_only_on_steps_before_it(step: Step) -> None:
    """So the graph has no circle."""
    names = [known.name for known in PROCEDURE]
    assert set(step.after) <= set(names[: names.index(step.name)])


@every_step
def test_a_step_acts_only_by_verbs_of_the_contract(step: Step) -> None:
    assert {act.verb for act in step.acts} <= verb_named.keys()
    assert bool(step.acts) is (step.kind is not Kind.CHECK)


@every_step
def test_a_step_reads_anew_only_what_it_reads(step: Step) -> None:
    assert step.anew <= step.reads | step.reads_before
    assert all(isinstance(reading, View | Kept) for reading in step.reads)


def test_every_step_but_the_first_stands_on_another() -> None:
    """So, as none stands on a later one, all stand on the first."""
    assert [step.name for step in PROCEDURE if not step.after] == ["admin-rights"]


def test_what_people_do_in_one_sitting_is_all_in_the_contract_and_irreversible_where_the_procedure_says_so() -> None:
    assert {verb for sitting in SITTINGS for verb in sitting} <= verb_named.keys()
    assert MINUTES.keys() == FORM_OF.keys() == verb_named.keys()
    assert {act.verb for step in PROCEDURE if step.irreversible for act in step.acts} == IRREVERSIBLE


def test_a_sitting_requires_beforehand_what_it_does_not_bring_about_itself() -> None:
    """Nobody is sent into the guarded section of a cabinet whose data are not consistent, or that was not backed up."""
    section = in_one_sitting(step_named("lock-out"), lambda verb: True)
    assert [step.name for step in section] == ["lock-out", "synchronise", "reopen"]
    assert set(required_of(section)) == {
        is_backed_up,
        nobody_is_connected,
        source_is_of_the_lock_out,
        is_consistent,
    }
    wizard = in_one_sitting(step_named("connect"), lambda verb: True)
    assert default_profile_exists in required_of(wizard)
    by_agent = in_one_sitting(step_named("connect"), lambda verb: False)
    assert [step.name for step in by_agent] == ["connect"]


async def test_a_step_more_with_existing_verbs_is_one_more_line_of_the_table(tmp_path: Path) -> None:
    """A second backup after everything, for those who want to sleep well."""
    asked: list[str] = []
    twice_backed_up = Condition(
        frozenset({View.GE}), "there is no second backup", lambda f: bool(asked) and f.ge.sql_backup_at is not None
    )

    def nothing(_: object) -> dict[str, object]:
        asked.append("backup")
        return {}

    more = Step(
        name="second-backup",
        kind=Kind.REPEATABLE,
        says="GE is backed up once more, after the migration.",
        after=("contacts",),
        acts=(Act("backup", twice_backed_up, nothing),),
        ensures=(twice_backed_up,),
    )
    procedure = (*PROCEDURE, more)
    async with stage(tmp_path, cabinets(1)) as scene:
        conducted = await conduct(
            scene.run(),
            scene.cabinets,
            slots=1,
            migrate=lambda run, cabinet: migrate(run, cabinet, procedure=procedure),
            procedure=procedure,
        )
        assert conducted.outcomes == {Outcome.OK: 1}
        assert (await scene.effective("C0001"))["backup"] == 2
        await assert_moved(scene, "C0001")
