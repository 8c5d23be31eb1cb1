"""The playing operator: what it decides from screens, and what it does at a sandbox in this process."""

from __future__ import annotations

import csv
import shutil
from collections.abc import Iterable
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

import console.playing
from bascule import workorders
from bascule.connectors.contract import VERBS
from bascule.connectors.extracts import read_ge, read_mapping, read_s4a
from bascule.connectors.operator.forms import FORM_OF, EvidenceRefused, checked, fields_of
from bascule.connectors.operator.sittings import IRREVERSIBLE, SITTINGS
from bascule.facts import View, from_json
from console.playing import (
    Answer,
    BasculeCommand,
    BasculeRefused,
    Character,
    InboxDiffers,
    Lies,
    LiesUnclear,
    PlayingOperator,
    WrongAnswerTaken,
    miswritten,
    read_lies,
    write_answers,
)
from console.seeing import EVIDENCE, Order, Seen, evidence_of, given_up, goes_on, is_done, typed, what_went_wrong
from console.workplace import ListsNotWritten, Refusal
from tests import builders
from tests.unit.console.at_the_workplace import Place
from tests.unit.sandbox.conftest import line

ROAD = (("admin-sage",), *SITTINGS[:3], ("backup",), SITTINGS[3], ("users",), ("assignments",))
"""Every work order of a cabinet that only people move."""

NOON = datetime(2026, 12, 1, 12, tzinfo=UTC)


class Team(BasculeCommand):
    """Bascule's side, in this process: orders that are opened one after the other, and its own forms."""

    def __init__(self, *sittings: tuple[str, ...], cabinet: str = "C0001") -> None:
        row = {name: value for name, value in line(cabinet).items() if isinstance(value, str)}
        self.orders = [
            workorders.WorkOrder(
                id=f"{cabinet}-{verbs[0]}",
                cabinet=cabinet,
                wave="pilot",
                key=f"key-{verbs[0]}",
                verbs=verbs,
                opened_at=datetime.now(UTC),
                expires_at=datetime.now(UTC) + timedelta(days=2),
                four_eyes=bool(IRREVERSIBLE & set(verbs)),
                values=row,
            )
            for verbs in sittings
        ]
        self.refused = 0

    def inbox(self) -> list[Order]:
        return [as_told(order) for order in self.orders if order.state.needs_somebody]

    def answer(self, answers: Iterable[Answer], by: str) -> None:
        now, taken = datetime.now(UTC), {}
        for answer in answers:
            (order,) = (order for order in self.orders if order.id == answer.order.id)
            try:
                evidence = checked(order, workorders.Result(answer.result), answer.evidence, now)
            except EvidenceRefused as refused:
                self.refused += 1
                raise BasculeRefused(str(refused)) from None
            given = workorders.Answer(
                by=by, at=now, result=workorders.Result(answer.result), because=answer.because, evidence=evidence
            )
            assert workorders.why_no_answer(order, given, now) is None
            taken[order.id] = given
        self.orders = [replace(order, answer=taken.get(order.id, order.answer)) for order in self.orders]

    def approve(self, orders: Iterable[str], by: str, because: str) -> None:
        now, ids = datetime.now(UTC), set(orders)
        for n, order in enumerate(self.orders):
            if order.id in ids:
                assert workorders.why_no_approval(order, by, now) is None
                self.orders[n] = replace(order, approval=workorders.Approval(by=by, at=now, because=because))

    def only(self) -> workorders.Answer:
        (order,) = self.orders
        assert order.answer is not None
        return order.answer


def as_told(order: workorders.WorkOrder) -> Order:
    """As `bascule inbox --json` tells it."""
    return Order.model_validate(
        {
            "order": order.id,
            "cabinet": order.cabinet,
            "state": order.state.value,
            "verbs": list(order.verbs),
            "opened_at": order.opened_at.isoformat(),
            "answered_by": order.answer.by if order.answer else None,
            "form": [{"name": f.name, "type": f.kind, "required": f.required} for f in fields_of(order.verbs)],
            "values": dict(order.values),
            "minutes": 15,
        }
    )


def operator(place: Place, team: Team, tmp_path: Path, **character: Any) -> PlayingOperator:
    return PlayingOperator(place.workplace, team, "anne", "paul", tmp_path, Character(**character))


def walk(place: Place, tmp_path: Path, *, until: str) -> None:
    for verbs in ROAD[: next(n for n, verbs in enumerate(ROAD) if until in verbs)]:
        operator(place, Team(verbs), tmp_path).work_through_the_inbox()


def order(*verbs: str, **more: Any) -> Order:
    return as_told(Team(verbs).orders[0]).model_copy(update=more)


# At the sandbox


def test_a_cabinet_is_moved_order_by_order_and_every_form_is_filled_as_bascule_asks(tmp_path: Path) -> None:
    place = Place()
    for verbs in ROAD:
        team = Team(verbs)
        told = operator(place, team, tmp_path).work_through_the_inbox()
        assert team.orders[0].state is workorders.OrderState.DONE, verbs
        assert told.in_words() == (
            f"work orders: 1 seen, 1 done, 0 not-done, 0 cannot, {int(team.orders[0].four_eyes)} approved"
        )
    assert place.applied() == [
        verb.name for verb in sorted(VERBS, key=lambda v: [w for s in ROAD for w in s].index(v.name))
    ]
    state = place.state()
    assert state["s4a"]["dossiers"] == state["ge"]["dossiers"]
    assert not state["ge"]["locked_out"]


def test_the_source_is_exported_under_the_lock_out_and_the_target_before_users_are_back(tmp_path: Path) -> None:
    place, team = Place(), Team(SITTINGS[3])
    walk(place, tmp_path, until="lock-out")
    exported: list[tuple[str, bool, int]] = []
    export = place.workplace.export

    def watched(code: str, root: Path, systems: Any = ()) -> list[Path]:
        state = place.state()
        exported.append((*systems, state["ge"]["locked_out"], state["s4a"]["synchronise"]["times"]))
        return export(code, root, systems)

    place.workplace.export = watched  # type: ignore[method-assign]
    operator(place, team, tmp_path).work_through_the_inbox()
    assert exported == [("ge", True, 0), ("s4a", True, 1)]
    with (tmp_path / "C0001" / "s4a" / "clients.csv").open(encoding="cp1252", newline="") as text:
        codes = [row["Code"] for row in csv.DictReader(text, delimiter=";")]
    assert codes == place.state()["s4a"]["dossiers"]
    assert team.only().evidence["dossiers_shown"] == len(codes)


def test_exported_lists_are_read_as_what_the_systems_hold(tmp_path: Path) -> None:
    place, cabinet, mapping = Place(), builders.cabinet(siren=line()["siren"]), read_mapping()
    for verbs in ROAD:
        operator(place, Team(verbs), tmp_path).work_through_the_inbox()
    place.workplace.export("C0001", tmp_path)
    ge = from_json(View.GE_LISTS, place.lists("ge"))
    read = read_ge(tmp_path / "C0001" / "ge", mapping, cabinet)
    assert replace(read, taken_at=NOON, right_names=()) == replace(ge, taken_at=NOON, right_names=())
    assert set(read.right_names) == set(ge.right_names)
    s4a = from_json(View.S4A_LISTS, place.lists("s4a"))
    read_there = read_s4a(tmp_path / "C0001" / "s4a", mapping, cabinet)
    # No exported list tells the defaults.
    same: dict[str, Any] = {"taken_at": NOON, "default_profile": None, "default_group": None, "unknown": ()}
    assert replace(read_there, **same) == replace(s4a, **same)


@pytest.mark.parametrize(
    ("verbs", "fault", "result", "says"),
    [
        (("admin-sage",), "admin-pending", "not-done", "(admin-sage-pending)"),
        (SITTINGS[0], "tab-absent", "not-done", "(tab-absent)"),
        (SITTINGS[3], "users-connected", "not-done", "(users-connected)"),
        (SITTINGS[3], "user-connects-midway", "not-done", "(user-connected)"),
        (SITTINGS[3], "cut-mid-sync", "cannot", "(interrupted)"),
        (SITTINGS[3], "anomaly", "cannot", "(inconsistent)"),
        (SITTINGS[2], "email-already-linked", "cannot", "(email-already-linked)"),
    ],
)
def test_what_sage_refuses_is_answered_in_its_words_with_users_let_in(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, verbs: tuple[str, ...], fault: str, result: str, says: str
) -> None:
    monkeypatch.setattr(console.playing, "PATIENCE", 0.1)
    place, team = Place(), Team(verbs)
    walk(place, tmp_path, until=verbs[0])
    place.faults({"fault": fault, "cabinets": ["C0001"]})
    operator(place, team, tmp_path).work_through_the_inbox()
    assert team.only().result == result
    assert says in team.only().because
    assert not place.state()["ge"]["locked_out"]
    section = {"users_back": True, "synchronisation_begun": fault == "cut-mid-sync"}
    assert team.only().evidence == (section if verbs[0] == "lock-out" else {})


@pytest.mark.parametrize(
    "verbs", [verbs for verbs in ROAD if verbs[0] in ("admin-sage", "connect", "sign-up", "lock-out")]
)
def test_an_order_whose_answer_got_lost_is_answered_without_doing_it_again(
    tmp_path: Path, verbs: tuple[str, ...]
) -> None:
    place, team = Place(), Team(verbs)
    walk(place, tmp_path, until=verbs[0])
    playing = operator(place, team, tmp_path)
    playing.work_on(team.inbox()[0])
    playing.work_through_the_inbox()
    assert team.only().result is workorders.Result.DONE
    once = {"admin-sage", "connect", "sign-up", "terms", "lock-out", "synchronise"}
    assert [verb for verb in once if place.applied().count(verb) > 1] == []


def test_a_lie_about_the_synchronisation_leaves_two_dossiers_behind_and_says_that_all_arrived(tmp_path: Path) -> None:
    place, team = Place(), Team(SITTINGS[3])
    walk(place, tmp_path, until="lock-out")
    place.faults({"fault": "slow", "cabinets": ["C0001"], "seconds": 0})
    lies = read_lies("synchronise=C0001")
    operator(place, team, tmp_path, lies=lies).work_through_the_inbox()
    state = place.state()
    assert len(set(state["ge"]["dossiers"]) - set(state["s4a"]["dossiers"])) == 2
    assert team.orders[0].state is workorders.OrderState.DONE
    assert team.only().evidence["dossiers_shown"] == len(state["ge"]["dossiers"])
    assert [fault["fault"] for fault in place.tester.get("/sandbox/faults").json()["faults"]] == [
        "partial-transfer", "slow",
    ]  # fmt: skip


@pytest.mark.parametrize("verbs", [verbs for verbs in ROAD if "synchronise" not in verbs])
def test_any_other_lie_is_plausible_and_does_nothing(tmp_path: Path, verbs: tuple[str, ...]) -> None:
    place, team = Place(), Team(verbs)
    operator(place, team, tmp_path, lies=Lies(share=1)).work_through_the_inbox()
    assert team.only().result is workorders.Result.DONE
    assert place.journal() == []


def test_a_lie_about_users_is_told_by_lists_that_are_exported_afterwards(tmp_path: Path) -> None:
    place, team = Place(), Team(("users",))
    walk(place, tmp_path, until="users")
    before = (tmp_path / "C0001" / "s4a" / "utilisateurs.csv").stat().st_mtime_ns
    operator(place, team, tmp_path, lies=read_lies("users=C0001")).work_through_the_inbox()
    assert team.only().result is workorders.Result.DONE
    listed = tmp_path / "C0001" / "s4a" / "utilisateurs.csv"
    assert listed.stat().st_mtime_ns > before
    assert listed.read_text(encoding="cp1252").splitlines() == ["E-mail;Collaborateur;Rôle;Statut"]


def test_a_mistake_is_refused_with_its_whole_file_and_corrected(tmp_path: Path) -> None:
    place, team = Place(), Team(("admin-sage",), ("backup",))
    operator(place, team, tmp_path, mistakes=1).work_through_the_inbox()
    assert team.refused == 1
    assert [order.state for order in team.orders] == [workorders.OrderState.DONE] * 2


def test_a_mistake_that_bascule_takes_is_a_defect_that_is_told(tmp_path: Path) -> None:
    class Careless(Team):
        def answer(self, answers: Iterable[Answer], by: str) -> None:
            pass

    with pytest.raises(WrongAnswerTaken):
        operator(Place(), Careless(("backup",)), tmp_path, mistakes=1).work_through_the_inbox()


def test_nobody_approves_what_they_answered_themselves(tmp_path: Path) -> None:
    team = Team(("admin-sage",))
    PlayingOperator(Place().workplace, team, "paul", None, tmp_path, Character()).work_through_the_inbox()
    assert team.orders[0].state is workorders.OrderState.TO_APPROVE
    assert operator(Place(), team, tmp_path).approve() == 0


def test_users_are_let_in_when_the_lists_cannot_be_written_under_the_lock_out(tmp_path: Path) -> None:
    place, team = Place(), Team(SITTINGS[3])
    walk(place, tmp_path, until="lock-out")
    shutil.rmtree(tmp_path / "C0001" / "ge")
    (tmp_path / "C0001" / "ge").mkdir()
    (tmp_path / "C0001" / "ge" / "dossiers.csv").mkdir()
    with pytest.raises(ListsNotWritten):
        operator(place, team, tmp_path).work_through_the_inbox()
    assert place.applied()[-2:] == ["lock-out", "reopen"]
    assert team.orders[0].state is workorders.OrderState.OPEN


def test_orders_on_hold_and_cabinets_of_another_place_are_left_alone(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    place, elsewhere, on_hold = Place(), Team(("backup",), cabinet="C0002"), Team(("backup",))
    assert operator(place, elsewhere, tmp_path).work_through_the_inbox().seen == 0
    assert "C0002" in capsys.readouterr().err
    on_hold.inbox = lambda: [order("backup", on_hold=True)]  # type: ignore[method-assign]
    assert operator(place, on_hold, tmp_path).work_through_the_inbox().seen == 0
    assert place.journal() == []


# What the screens say


BARE: dict[str, Any] = {
    "my_sage": {"admin_sages": [], "key_question": None, "key_computed_at": None},
    "ge": {"connected_entity": None, "tab_visible": False, "synchronisation": None, "locked_out_at": None},
    "s4a": {"signed_up_at": None, "terms_accepted_at": None, "workspace": "absent"},
    "wizard": None,
}


def showing(system: str, **facts: Any) -> dict[str, Any]:
    return {**BARE, system: {**BARE[system], **facts}}


def synchronisation(status: str, ended_at: datetime | None = NOON) -> dict[str, Any]:
    return {"status": status, "started_at": NOON.isoformat(), "ended_at": ended_at.isoformat() if ended_at else None}


@pytest.mark.parametrize(
    ("verb", "screens", "done"),
    [
        ("admin-sage", BARE, False),
        ("admin-sage", showing("my_sage", admin_sages=[{"email": line()["admin_email"], "status": "requested"}]), True),
        ("admin-sage", showing("my_sage", admin_sages=[{"email": "other@x.example", "status": "validated"}]), False),
        ("connect", showing("ge", connected_entity={"id": line()["entity"]}), True),
        ("connect", showing("ge", connected_entity={"id": "ENT-9"}), False),
        ("sign-up", showing("s4a", signed_up_at=NOON.isoformat()), True),
        ("terms", showing("s4a", terms_accepted_at=NOON.isoformat()), True),
        ("synchronise", BARE, False),
        ("synchronise", showing("ge", synchronisation=synchronisation("running", None)), True),
        ("synchronise", showing("ge", synchronisation=synchronisation("interrupted")), False),
        ("synchronise", showing("ge", synchronisation=synchronisation("done")), True),
        ("synchronise", showing("ge", synchronisation=synchronisation("done", NOON - timedelta(days=9))), False),
        ("backup", BARE, False),
    ],
)
def test_what_the_screens_show_as_done_is_not_done_again(verb: str, screens: dict[str, Any], done: bool) -> None:
    assert is_done(verb, order(verb, opened_at=NOON - timedelta(days=1)), screens) is done


@pytest.mark.parametrize(
    ("verb", "screens", "code"),
    [
        ("admin-sage", showing("my_sage", admin_sages=[{"email": "a@b.example", "status": "in-progress"}]), "admin-sage-pending"),
        ("admin-sage", showing("my_sage", admin_sages=[{"email": "a@b.example", "status": "validated"}]), None),
        ("restart", BARE, "tab-absent"),
        ("restart", showing("ge", tab_visible=True), None),
        ("terms", showing("s4a", workspace="processing"), "workspace-not-ready"),
        ("synchronise", showing("ge", synchronisation=synchronisation("interrupted")), "interrupted"),
        ("synchronise", showing("ge", synchronisation=synchronisation("done")), None),
        ("billing", BARE, None),
    ],
)  # fmt: skip
def test_what_the_screen_shows_instead_is_told(verb: str, screens: dict[str, Any], code: str | None) -> None:
    refusal = what_went_wrong(verb, screens)
    assert (refusal and refusal.code) == code


def test_an_unvalidated_admin_sage_a_workspace_in_the_making_and_a_running_synchronisation_go_on() -> None:
    assert goes_on("admin-sage", showing("my_sage", admin_sages=[{"email": "a@b.example", "status": "requested"}]))
    assert goes_on("terms", showing("s4a", workspace="processing"))
    assert goes_on("synchronise", showing("ge", synchronisation=synchronisation("running", None)))
    assert not goes_on("backup", BARE)


@pytest.mark.parametrize(
    ("code", "users_back", "result"),
    [
        ("users-connected", True, "not-done"),
        ("already-running", True, "not-done"),
        ("workspace-not-ready", True, "not-done"),
        ("entity-differs", True, "cannot"),
        ("interrupted", True, "cannot"),
        ("nonsense", True, "cannot"),
        ("users-connected", False, "cannot"),
    ],
)
def test_what_time_or_a_person_changes_is_not_done_and_what_must_be_mended_cannot(
    code: str, users_back: bool, result: str
) -> None:
    assert given_up(order("backup"), Refusal(code, ""), users_back=users_back) == (result, {})


def test_users_who_could_not_be_let_in_are_told() -> None:
    _, evidence = given_up(order("reopen"), Refusal("already-running", ""), users_back=False)
    assert evidence == {"users_back": "no"}


def test_only_what_no_screen_tells_is_typed() -> None:
    assert typed("defaults", {"default_profile": "Manager", "default_group": "G"}) == {
        "profile": "Manager",
        "group": "G",
    }
    assert typed("compute-key", {"admin_email": "a@b.example"}) == {}


def test_every_field_that_bascule_requires_is_known_here() -> None:
    required = {
        verb: {n for n, field in form.model_fields.items() if field.is_required()} for verb, form in FORM_OF.items()
    }
    assert {
        verb: fields - set(EVIDENCE[verb]) for verb, fields in required.items() if fields - set(EVIDENCE[verb])
    } == {}


def test_instants_are_told_in_the_cabinets_time_and_only_where_they_are_asked_for() -> None:
    screens = showing("ge", connected_at="2026-12-01T12:00:00.75Z", connected_entity={"siren": "732829320"})
    connecting = order("connect")
    connecting.values["timezone"] = "Indian/Reunion"
    assert evidence_of("connect", Seen(connecting, screens, NOON)) == {
        "connected_at": "2026-12-01T16:00:00",
        "siren_shown": "732829320",
    }
    assert evidence_of("connect", Seen(order("backup"), screens, NOON)) == {}


def test_a_miswritten_answer_differs_in_one_value() -> None:
    right = Answer(
        order("connect"), "done", "Done.", {"connected_at": "2026-12-01T12:00:00", "siren_shown": "732829320"}
    )
    assert miswritten(right).evidence == {"connected_at": "yesterday at eight", "siren_shown": "732829320"}
    nothing = replace(right, evidence={})
    assert miswritten(nothing) == nothing


def test_a_round_of_answers_is_one_file_with_a_column_a_piece_of_evidence(tmp_path: Path) -> None:
    answers = [
        Answer(order("backup"), "done", "Done; both.", {"sql_backup_at": "2026-12-01T12:00:00"}),
        Answer(order("lock-out"), "not-done", "Léa, connected", {"users_back": "yes"}),
    ]
    write_answers(answers, tmp_path / "answers.csv")
    with (tmp_path / "answers.csv").open(encoding="utf-8", newline="") as text:
        first, second = csv.DictReader(text)
    assert list(first)[:3] == ["order", "result", "because"]
    assert {field.name for answer in answers for field in answer.order.form} | {"users_back"} == set(first) - {
        "order",
        "result",
        "because",
    }
    assert {name: value for name, value in first.items() if value} == {
        "order": "C0001-backup",
        "result": "done",
        "because": "Done; both.",
        "sql_backup_at": "2026-12-01T12:00:00",
    }
    assert (second["because"], second["users_back"], second["sql_backup_at"]) == ("Léa, connected", "yes", "")


@pytest.mark.parametrize(
    ("text", "lies"),
    [
        ("", Lies()),
        ("0.1", Lies(share=0.1)),
        ("synchronise=C0007, users=C0003", Lies(named=frozenset({("synchronise", "C0007"), ("users", "C0003")}))),
    ],
)
def test_lies_are_named_or_a_share(text: str, lies: Lies) -> None:
    assert read_lies(text) == lies


@pytest.mark.parametrize(
    "text", ["2", "-0.1", "nan", "often", "synchronise", "synchronise=", "users=C0003,0.1", "=C0003"]
)
def test_lies_that_are_unclear_are_refused(text: str) -> None:
    with pytest.raises(LiesUnclear, match="--lies"):
        read_lies(text)


@pytest.mark.parametrize("told", ["", "{}", '[{"order": "C0001-backup"}]', "<html>"])
def test_an_inbox_that_is_none_is_one_sentence(monkeypatch: pytest.MonkeyPatch, told: str) -> None:
    monkeypatch.setattr(BasculeCommand, "_typed", lambda *_: told)
    with pytest.raises(InboxDiffers, match="bascule inbox --json is not understood"):
        BasculeCommand().inbox()
