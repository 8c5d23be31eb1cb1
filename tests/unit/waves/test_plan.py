"""A plan as a file: it hides who is meant, bears its own hash, and names what has changed below it."""

from __future__ import annotations

import json
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bascule.inventory.waves import Breaker
from bascule.model import Kind
from bascule.waves.plan import (
    AskedFor,
    Change,
    Estimate,
    Hours,
    Plan,
    PlanDiff,
    PlanEdited,
    PlannedCabinet,
    PlannedStep,
    PlanOfAnotherLedger,
    PlanOutdated,
    PlanUnreadable,
    as_text,
    beyond_reach,
    changes,
    compare,
    digest,
    digests,
    fingerprints,
    masked,
    masked_text,
    of_ledger,
    read_plan,
    require_same_ledger,
    require_unchanged,
    sealed,
)

HERE, FIRST = "sqlite:///there/ledger.db", "f" * 64
PARTS: dict[str, dict[str, object]] = {
    "inventory": {"C0001 siren": "400000014", "C0001 name": "Cabinet Œuvrard", "C0002 siren": "400000022"},
    "wave": {"concurrency": 3},
    "procedure": {"connect": ["once"]},
    "configuration": {"ge.url": "http://ge"},
}


def plan(parts: dict[str, dict[str, object]] = PARTS, address: str = HERE, **changed: Any) -> Plan:
    prints = fingerprints(parts, address)
    return sealed(
        Plan(
            bascule="0.1.0",
            wave="pilot",
            drawn_up_at=datetime(2026, 12, 1, 9, tzinfo=UTC),
            by="anne",
            asked=AskedFor(
                inventory="inv.csv",
                waves=None,
                users=None,
                assignments=None,
                concurrency=None,
                ignore_unsupported=False,
                environment="sandbox",
            ),
            ledger=of_ledger(address, FIRST),
            slots=3,
            stages=(1, 1),
            may_fail=2,
            settings={},
            estimate=Estimate(begins=None, ends=None, ends_if_slow=None),
            not_known=(),
            cabinets=(),
            digests=digests(prints),
            digest=digest(prints),
            fingerprints=prints,
        ).model_copy(update=changed)
    )


def cabinet(number: int, *, done: bool = False) -> PlannedCabinet:
    step = PlannedStep(
        step="connect", kind=Kind.ONCE, irreversible=False, writes=(), because="", stops=False, p50=1, p90=2, told_by=""
    )
    return PlannedCabinet(
        code=f"C{number:04}",
        stage=1,
        timezone="Europe/Paris",
        site=None,
        size=None,
        dossiers=None,
        hours=Hours(opens=None, closes=None, last_safe_start=None, why=""),
        fits=True,
        begins=None,
        ends=None,
        proven=("connect",) if done else (),
        steps=() if done else (step,),
    )


def with_(part: str, **said: object) -> dict[str, dict[str, object]]:
    return {**PARTS, part: {**PARTS[part], **{name.replace("_", " ", 1): value for name, value in said.items()}}}


def written(told: Plan | str, folder: Path) -> Path:
    path = folder / "plan.json"
    path.write_text(told if isinstance(told, str) else as_text(told), encoding="utf-8")
    return path


def test_what_was_written_is_what_is_read(tmp_path: Path) -> None:
    assert read_plan(written(plan(), tmp_path)) == plan()


@pytest.mark.parametrize("edit", [("may_fail", 1), ("by", "paul"), ("hash", "0" * 64), ("stages", [2]), ("extra", 1)])
def test_a_plan_that_was_edited_is_refused(edit: tuple[str, object], tmp_path: Path) -> None:
    content = json.loads(as_text(plan())) | dict([edit])
    with pytest.raises(PlanEdited):
        read_plan(written(json.dumps(content), tmp_path))


def test_laid_out_otherwise_it_is_the_same_plan(tmp_path: Path) -> None:
    content = json.loads(as_text(plan()))
    told = json.dumps(dict(reversed(content.items())))
    assert read_plan(written(told, tmp_path)).hash == plan().hash


@pytest.mark.parametrize(
    ("content", "says"),
    [
        ("", "no JSON"),
        ("{", "no JSON"),
        ("[" * 100_000, "no JSON"),
        ("[]", "no plan of Bascule"),
        ("{}", "no plan of Bascule"),
        ('{"format": "bascule-plan-0"}', "another version"),
        ('{"format": {"a": 1}}', "another version"),
    ],
)
def test_what_is_no_plan_is_refused_with_the_file(content: str, says: str, tmp_path: Path) -> None:
    with pytest.raises(PlanUnreadable, match=says) as refused:
        read_plan(written(content, tmp_path))
    assert "plan.json" in str(refused.value)


def test_a_file_that_is_not_there_is_named(tmp_path: Path) -> None:
    with pytest.raises(PlanUnreadable, match=r"nothing\.json"):
        read_plan(tmp_path / "nothing.json")


def test_what_changed_is_named_by_row_and_field_and_by_setting() -> None:
    after: dict[str, dict[str, object]] = {
        **with_("inventory", C0001_siren="400000030", C0003_siren="400000048"),
        "configuration": {"ge.url": "http://elsewhere"},
        "wave": {"breaker": {"failures": 3}},
    }
    del after["inventory"]["C0002 siren"]
    found = changes(plan().fingerprints, fingerprints(after, HERE))
    assert [str(change) for change in found] == [
        "the inventory's rows: C0001 siren changed",
        "the inventory's rows: C0002 was removed",
        "the inventory's rows: C0003 was added",
        "the wave's settings: breaker was added",
        "the wave's settings: concurrency was removed",
        "the configuration: ge.url changed",
    ]
    with pytest.raises(PlanOutdated, match="C0001 siren changed"):
        require_unchanged(plan(), fingerprints(after, HERE))
    require_unchanged(plan(), fingerprints(PARTS, HERE))


@given(st.sampled_from(sorted(PARTS)), st.text(min_size=1), st.integers())
def test_a_digest_moves_if_and_only_if_its_part_does(part: str, name: str, value: int) -> None:
    before = digests(fingerprints(PARTS, HERE))
    after = digests(fingerprints({**PARTS, part: {**PARTS[part], name: value}}, HERE))
    assert [moved for moved in PARTS if before[moved] != after[moved]] == [part]


def test_a_plan_holds_for_its_own_ledger_only() -> None:
    require_same_ledger(plan(), HERE, FIRST)
    for address, first_run in (("sqlite:///elsewhere.db", FIRST), (HERE, "0" * 64), (HERE, None)):
        with pytest.raises(PlanOfAnotherLedger):
            require_same_ledger(plan(), address, first_run)


def test_a_ledger_that_had_seen_no_run_may_have_been_used_since() -> None:
    unused = plan(ledger=of_ledger(HERE, None))
    require_same_ledger(unused, HERE, None)
    require_same_ledger(unused, HERE, FIRST)


def test_what_many_cabinets_change_alike_is_one_line_of_a_comparison() -> None:
    codes = [f"C{number:04}" for number in range(1, 8)]
    told = str(PlanDiff((), tuple((code, "proven since: backup") for code in codes)))
    assert told == "7 cabinets (C0001, C0002, C0003, C0004, C0005 …): proven since: backup"


def test_what_many_rows_settings_or_steps_change_alike_is_one_line_and_called_what_it_is() -> None:
    seven = range(1, 8)
    found = (
        *(Change("inventory", f"C000{n} siren", "changed") for n in seven),
        Change("inventory", "C0001 name", "changed"),
        *(Change("inventory", f"C001{n}", "was added") for n in seven),
        *(Change("procedure", f"step{n}", "changed") for n in seven),
        Change("procedure", "version", "changed"),
        *(Change("configuration", f"pace.{n}", "was removed") for n in seven),
    )
    assert str(PlanDiff(found, ())).splitlines() == [
        "the inventory's rows: siren changed in 7 rows (C0001, C0002, C0003, C0004, C0005 …)",
        "the inventory's rows: C0001 name changed",
        "the inventory's rows: 7 rows (C0011, C0012, C0013, C0014, C0015 …) were added",
        "the procedure: 7 steps (step1, step2, step3, step4, step5 …) changed",
        "the procedure: version changed",
        "the configuration: 7 settings (pace.1, pace.2, pace.3, pace.4, pace.5 …) were removed",
    ]
    assert len(PlanDiff(found, ()).as_json()["stands_on"]) == len(found), "programs are told each"


def test_two_plans_differ_in_what_they_stand_on_and_in_what_they_would_do() -> None:
    assert str(compare(plan(), plan())) == "no difference"
    told = str(compare(plan(), plan(with_("wave", concurrency=4), slots=4, may_fail=2)))
    assert told.splitlines() == ["the wave's settings: concurrency changed", "slots: 3 -> 4"]
    with pytest.raises(PlanOfAnotherLedger):
        compare(plan(), plan(address="sqlite:///elsewhere.db"))


def test_a_payload_tells_nobody_who_is_meant() -> None:
    payload = {
        "name": "Cabinet Œuvrard",
        "siren": "400000014",
        "siret": "40000001400012",
        "email": "anne.lefevre@cabinet1.example",
        "signatory": "Anne Lefèvre",
        "entity": "CAB",
        "users": [{"email": "paul@cabinet1.example", "collaborateur": "PAUL", "role": "collaborateur"}],
    }
    assert masked(payload) == {
        "name": "C… Œ…",
        "siren": "…014",
        "siret": "…012",
        "email": "a…@cabinet1.example",
        "signatory": "A… L…",
        "entity": "CAB",
        "users": [{"email": "p…@cabinet1.example", "collaborateur": "P…", "role": "collaborateur"}],
    }


def test_a_reason_keeps_its_words_but_no_whole_email_and_no_siren() -> None:
    told = "another AdminSage is declared (anne.lefevre@cabinet1.example) for 400000014, since 2026"
    assert masked_text(told) == "another AdminSage is declared (a…@cabinet1.example) for …014, since 2026"


# How much it is


def test_what_is_done_is_not_to_do_and_fails_no_more() -> None:
    told = plan(cabinets=(cabinet(1), cabinet(2, done=True), cabinet(3, done=True)), may_fail=3)
    assert [one.code for one in told.to_do] == ["C0001"]
    assert told.may_still_fail == 1
    assert plan(cabinets=(cabinet(1), cabinet(2), cabinet(3)), may_fail=2).may_still_fail == 2


@pytest.mark.parametrize(
    ("limits", "done", "beyond"),
    [
        ({"failures": 4}, 0, ()),
        ({"failures": 5}, 0, ("`failures: 5`",)),
        ({"failures": 4}, 1, ("`failures: 4`",)),
        ({"consecutive": 9, "failures": 2}, 0, ("`consecutive: 9`",)),
        ({"share": 1.0}, 0, ()),
        ({"share": 0.5}, 2, ()),
        ({"share": 0.5}, 3, ("`share: 0.5`",)),
    ],
)
def test_a_limit_that_those_left_to_do_cannot_reach_is_named(
    limits: dict[str, Any], done: int, beyond: tuple[str, ...]
) -> None:
    told = plan(cabinets=tuple(cabinet(number, done=number <= done) for number in range(1, 5)))
    assert beyond_reach(Breaker(**limits), told) == beyond
