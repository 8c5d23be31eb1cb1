"""inbox, answer, approve and withdraw, as people type them."""

from __future__ import annotations

import asyncio
import csv
import io
import json
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from bascule.ledger import Desk, EntryKind, Ledger, first_broken
from bascule.workorders import OrderState, WorkOrder
from tests.builders import cabinet, work_order
from tests.unit.console.conftest import Bascule

NOW = datetime.now(UTC)
HOUR = timedelta(hours=1)
CONNECTED = (
    "--evidence", "connected_at=2026-11-01T20:14", "--evidence", "profile_chosen=Collaborateur",
    "--evidence", "group_chosen=Général", "--evidence",
)  # fmt: skip
CONFIRMED = ("--evidence", "email=anne@cabinet1.example", "--evidence", "confirmed_on=2026-11-01")

Given = Callable[..., list[WorkOrder]]


def seen(number: int = 1) -> tuple[str, ...]:
    """The evidence of a wizard gone through."""
    return (*CONNECTED, f"siren_shown={cabinet(number).siren}")


def order(step: str = "connect", number: int = 1, **changes: Any) -> WorkOrder:
    told: dict[str, Any] = {"opened_at": NOW - 3 * HOUR, "expires_at": NOW + 24 * HOUR}
    return work_order(step, number, **told | changes)


@pytest.fixture
def ledger_url(tmp_path: Path) -> str:
    (tmp_path / ".bascule").mkdir()
    return f"sqlite:///{tmp_path}/.bascule/ledger.db"


@pytest.fixture
def given(ledger_url: str) -> Given:
    """Opens these orders, and gives them as the desk numbered them."""

    def opened(*orders: WorkOrder) -> list[WorkOrder]:
        async def all_of_them(desk: Desk) -> list[WorkOrder]:
            return [await desk.open(one, step=one.verbs[0], run="run-1", who="ops", fence=0) for one in orders]

        with Ledger(ledger_url) as ledger:
            return asyncio.run(all_of_them(Desk(ledger, lambda: NOW)))

    return opened


def standing(ledger_url: str, number: str) -> WorkOrder:
    with Ledger(ledger_url, read_only=True) as ledger:
        return next(one for one in Desk(ledger, lambda: NOW).everything() if one.id == number)


def numbers(told: str) -> list[str]:
    return [one["order"] for one in json.loads(told)]


# The inbox


def test_the_inbox_shows_who_is_asked_what_oldest_first_with_the_work_that_is_left(
    bascule: Bascule, given: Given
) -> None:
    given(
        order(number=1, owner="anne", opened_at=NOW - 2 * HOUR),
        order("backup", 2, owner="paul", opened_at=NOW - 50 * HOUR),
        order("admin-sage", 3, opened_at=NOW - 5 * HOUR),
    )
    told = bascule("inbox")
    assert told.code == 0
    assert [line.split()[0] for line in told.out.splitlines() if line.strip().startswith("C0")] == [
        "C0002-backup",
        "C0003-admin-sage",
        "C0001-connect",
    ]
    assert "2 d" in told.out
    assert "3 work orders: 3 to do." in told.out
    assert "About 45 minutes of work left (paul 20, anne 15, nobody 10)." in told.out
    assert "\x1b[" not in told.out


def test_what_is_overdue_on_hold_or_to_be_approved_is_said(bascule: Bascule, given: Given) -> None:
    given(
        order("lock-out", 1, deadline=NOW - HOUR),
        order(number=2, expires_at=NOW - HOUR),
        order("admin-sage", 1),
    )
    assert (
        bascule("answer", "C0001-admin-sage", "--by", "anne", "--result", "done", *CONFIRMED, "--because", "Seen").code
        == 0
    )
    told = bascule("inbox").out
    assert "OVERDUE" in told
    assert "on hold" in told
    assert "(answered by" in told
    assert "3 work orders: 1 to do, 1 to approve, 1 on hold, 1 overdue." in told


def test_an_empty_inbox_says_so(bascule: Bascule, given: Given) -> None:
    given()
    assert bascule("inbox").out.strip() == "No work order needs anybody."
    assert json.loads(bascule("inbox", "--json").out) == []


def test_a_ledger_that_does_not_exist_is_told_and_not_made(bascule: Bascule, tmp_path: Path) -> None:
    for words in (["inbox"], ["answer", "C0001-connect", "--by", "anne", "--result", "done"]):
        told = bascule(*words)
        assert told.code == 2
        assert "ledger" in told.err
    assert not list(tmp_path.rglob("*.db"))


def test_the_inbox_can_be_narrowed(bascule: Bascule, given: Given) -> None:
    given(
        order(number=1, owner="anne"),
        order(number=2, owner="paul", wave="second"),
        order(number=3),
        order("admin-sage", 1),
        order("admin-sage", 2, owner="anne", values={"admin_email": "anne@cabinet1.example"}),
    )
    bascule("answer", "C0001-admin-sage", "--by", "anne", "--result", "done", *CONFIRMED, "--because", "Seen")
    bascule("answer", "C0002-admin-sage", "--by", "paul", "--result", "done", *CONFIRMED, "--because", "Seen")

    def shown(*words: str) -> set[str]:
        return set(numbers(bascule("inbox", "--json", *words).out))

    assert shown("--cabinet", "C0002") == shown("--cabinet", "c0002") == {"C0002-connect", "C0002-admin-sage"}
    assert shown("--wave", "second") == {"C0002-connect"}
    assert shown("--mine", "Anne") == {"C0001-connect", "C0003-connect", "C0002-admin-sage"}
    assert shown("--mine", "paul") == {"C0002-connect", "C0003-connect", "C0001-admin-sage"}
    bascule("answer", "C0003-connect", "--by", "anne", "--result", "cannot", "--because", "No rights")
    assert "C0003-connect" not in shown()
    assert "C0003-connect" in shown("--all")


def test_an_inbox_that_is_narrowed_to_nothing_says_that_there_is_more(bascule: Bascule, given: Given) -> None:
    given(order(number=1), order(number=2))
    told = bascule("inbox", "--wave", "pilto")
    assert (told.code, told.out) == (0, "")
    assert "None of the 2 work orders that need somebody is among these." in told.err


def test_an_inbox_of_somebody_unknown_is_refused(bascule: Bascule, given: Given) -> None:
    given(order(owner="lea"))
    told = bascule("inbox", "--mine", "annne")
    assert (told.code, told.out) == (2, "")
    assert "'annne' is no operator of the environment sandbox. Did you mean `anne`?" in told.err
    assert bascule("inbox", "--mine", "lea").code == 0


def test_one_order_is_a_page_that_can_be_followed_on_eighty_columns(bascule: Bascule, given: Given) -> None:
    given(order("lock-out", deadline=NOW + HOUR, values={"language": "en", "ge_reads": "extracts"}))
    told = bascule("inbox", "--order", "C0001-lock-out")
    assert told.code == 0
    assert max(map(len, told.out.splitlines())) <= 80
    text = " ".join(told.out.split())
    for words in (
        "C0001-lock-out: Keep the users out, synchronise, reopen GE",
        "Users must be able to connect again by",
        "1. Tell Cabinet Œuvrard 1",
        "extracts/C0001/ge",
        "Never - Nobody connects",
        "bascule answer C0001-lock-out --by NAME --result done \\ --evidence locked_out_at=…",
        "users_back If it is not done: can users connect?",
    ):
        assert words in text


@pytest.mark.parametrize("columns", ["1", "20", "300"])
def test_a_terminal_may_be_narrow_or_wide(
    bascule: Bascule, given: Given, monkeypatch: pytest.MonkeyPatch, columns: str
) -> None:
    given(order("lock-out"))
    monkeypatch.setenv("COLUMNS", columns)
    assert bascule("inbox").code == bascule("inbox", "--order", "C0001-lock-out").code == 0


def test_a_page_shows_the_approver_what_was_answered(bascule: Bascule, given: Given) -> None:
    given(order("admin-sage"))
    bascule("answer", "C0001-admin-sage", "--by", "anne", "--result", "done", *CONFIRMED, "--because", "Seen [b]it[/b]")
    text = " ".join(bascule("inbox", "--order", "C0001-admin-sage").out.split())
    assert "anne answered done" in text
    assert "Seen [b]it[/b]" in text
    assert "confirmed_on = 2026-11-01" in text
    bascule("approve", "C0001-admin-sage", "--by", "paul", "--refuse", "--because", "Another address")
    text = " ".join(bascule("inbox", "--order", "C0001-admin-sage").out.split())
    assert "paul did not approve the answer" in text
    assert "Another address" in text


def test_an_order_that_is_not_there_is_refused_with_what_was_meant(bascule: Bascule, given: Given) -> None:
    given(order())
    for words in (
        ["inbox", "--order", "C0001-conect"],
        ["answer", "C0001-conect", "--by", "anne", "--result", "cannot", "--because", "x"],
        ["approve", "C0001-conect", "--by", "anne", "--because", "x"],
        ["withdraw", "C0001-conect", "--by", "anne", "--because", "x"],
    ):
        told = bascule(*words)
        assert told.code == 2
        assert "There is no work order 'C0001-conect'. Did you mean `C0001-connect`?" in told.err


def test_the_inbox_for_programs_is_what_was_promised(bascule: Bascule, given: Given) -> None:
    given(order(owner="anne", values={"language": "en", "users": "a\x1bb"}))
    (told,) = json.loads(bascule("inbox", "--json").out)
    assert set(told) >= {
        "order", "cabinet", "name", "wave", "state", "verbs", "opened_at", "expires_at", "deadline", "overdue",
        "on_hold", "minutes", "owner", "needs_approval", "answered_by", "language", "title", "instructions", "look_at",
        "never", "form", "values",
    }  # fmt: skip
    assert (told["order"], told["state"], told["verbs"]) == ("C0001-connect", "open", ["connect", "defaults"])
    assert datetime.fromisoformat(told["opened_at"]) == (NOW - 3 * HOUR).replace(microsecond=0)
    assert told["opened_at"].endswith("Z")
    assert (told["deadline"], told["overdue"], told["on_hold"], told["answered_by"]) == (None, False, False, None)
    assert told["form"][1] == {
        "name": "siren_shown",
        "type": "siren",
        "required": True,
        "says": "The SIREN that the wizard showed. Read it off the screen.",
        "example": "732829320",
    }
    assert [field["name"] for field in told["otherwise"]["cannot"]] == ["ticket", "screenshot"]
    assert told["values"]["siren"] == cabinet().siren


def test_nothing_from_outside_is_read_as_markup_or_reaches_the_terminal(bascule: Bascule, given: Given) -> None:
    nasty = "[red]x[/nothing] {0} \x1b[2J"
    given(order(owner=nasty, values={"name": nasty, "entity": nasty}))
    table, told = bascule("inbox"), bascule("inbox", "--order", "C0001-connect")
    assert (table.code, told.code) == (0, 0)
    assert "\x1b" not in table.out + told.out
    assert r"[red]x[/nothing] {0} \x1b[2J" in " ".join(told.out.split())


# Answering


def test_an_answer_is_stored_and_what_comes_next_is_said(bascule: Bascule, given: Given, ledger_url: str) -> None:
    given(order())
    told = bascule("answer", "C0001-connect", "--by", " ANNE", "--result", "done", *seen())
    assert told.code == 0
    assert told.out == "C0001-connect: done, says anne\n"
    assert "bascule rerun --wave pilot" in told.err
    answer = standing(ledger_url, "C0001-connect").answer
    assert answer is not None
    assert answer.by == "anne"
    assert answer.evidence["siren_shown"] == cabinet().siren


def test_several_orders_get_the_same_answer_or_none_does(bascule: Bascule, given: Given, ledger_url: str) -> None:
    given(*(order("users", number) for number in (1, 2, 3)))
    words = ("--by", "anne", "--result", "done", "--evidence")
    three = [f"C000{number}-users" for number in (1, 2, 3)]
    assert bascule("answer", *three, *words, "users_invited_at=soon").code == 2
    assert {standing(ledger_url, one).state for one in three} == {OrderState.OPEN}
    told = bascule("answer", *three, *words, "users_invited_at=2026-11-01T10:00")
    assert told.out.splitlines() == [f"{one}: done, says anne" for one in three]
    told = bascule("answer", three[0], *words, "users_invited_at=2026-11-01T10:00")
    assert told.code == 2
    assert "C0001-users was answered before, by anne" in told.err


def test_everything_wrong_with_an_answer_is_told_at_once(bascule: Bascule, given: Given, ledger_url: str) -> None:
    given(order(), order("admin-sage", 2))
    told = bascule(
        "answer",
        "C0001-connect",
        "C0002-admin-sage",
        "--by",
        "anne",
        "--result",
        "done",
        "--evidence",
        "siren_shown=12",
    )
    assert told.code == 2
    for words in (
        "C0001-connect: siren_shown `12` is no SIREN of 9 digits. Copy it",
        "C0001-connect: connected_at is missing",
        "C0002-admin-sage is irreversible: say in a sentence",
        "C0002-admin-sage: siren_shown `12` is not asked for by C0002-admin-sage",
        "nothing was stored",
    ):
        assert words in told.err
    assert standing(ledger_url, "C0001-connect").answer is None


@pytest.mark.parametrize(
    ("words", "said"),
    [
        ([], "Which orders are answered, and with what result?"),
        (["C0001-connect"], "Which orders are answered, and with what result?"),
        (["--result", "done"], "Which orders are answered, and with what result?"),
        (["C0001-connect", "--file", "todo.xlsx"], "--file brings the orders"),
        (["--file", "todo.xlsx"], "todo.xlsx: does not exist"),
        (["C0001-connect", "--result", "done", "--evidence", "siren"], "--evidence 'siren' has no name and value"),
        (["C0001-connect", "--result", "done", "--evidence", "a=1", "--evidence", "a=2"], "a is given twice"),
        (["C0001-connect", "--result", "cannot"], "cannot needs a reason"),
        (["C0001-connect", "--result", "cannot", "--because", "a\x1bb"], "--because contains"),
        (["C0001-connect", "--result", "cannot", "--because", "FR7630006000011234567890189"], "bank data"),
        (["C0001-connect", "--result", "finished"], "finished"),
    ],
)
def test_what_is_typed_wrong_is_refused_in_words(
    bascule: Bascule, given: Given, ledger_url: str, words: list[str], said: str
) -> None:
    given(order())
    told = bascule("answer", *words, "--by", "anne")
    assert told.code == 2
    assert said in told.err
    assert standing(ledger_url, "C0001-connect").state is OrderState.OPEN


@pytest.mark.parametrize("verb", ["answer", "approve", "withdraw"])
def test_a_name_that_is_no_operators_is_refused_with_those_that_are(
    bascule: Bascule, given: Given, ledger_url: str, verb: str
) -> None:
    given(order())
    told = bascule(
        verb, "C0001-connect", "--by", "Ann", "--because", "x", *(["--result", "cannot"] if verb == "answer" else [])
    )
    assert told.code == 2
    assert "'Ann' is no operator of the environment sandbox. Did you mean `anne`?" in told.err
    assert "operators: anne, paul" in told.err
    assert standing(ledger_url, "C0001-connect") == given(order())[0]


def test_where_nobody_is_named_nobody_may_answer(
    bascule: Bascule, given: Given, monkeypatch: pytest.MonkeyPatch
) -> None:
    given(order())
    monkeypatch.setenv("BASCULE_OPERATORS", "[]")
    told = bascule("answer", "C0001-connect", "--by", "anne", "--result", "cannot", "--because", "x")
    assert told.code == 2
    assert "names no operators" in told.err
    assert "operators = [" in told.err


def test_an_order_on_hold_or_withdrawn_takes_no_answer(bascule: Bascule, given: Given) -> None:
    given(order(number=1, expires_at=NOW - HOUR), order(number=2))
    told = bascule("withdraw", "C0002-connect", "--by", "paul", "--because", "The cabinet postponed")
    assert (told.code, told.out) == (0, "C0002-connect: withdrawn, says paul\n")
    told = bascule("answer", "C0001-connect", "C0002-connect", "--by", "anne", "--result", "done", *seen())
    assert told.code == 2
    assert "C0001-connect expired at" in told.err
    assert "C0002-connect was withdrawn by paul" in told.err
    assert "The cabinet postponed" in told.err


# Four eyes


def test_who_answered_cannot_approve_and_somebody_else_can(bascule: Bascule, given: Given, ledger_url: str) -> None:
    given(order("admin-sage"))
    told = bascule("answer", "C0001-admin-sage", "--by", "anne", "--result", "done", *CONFIRMED, "--because", "Seen")
    assert "somebody else approves: bascule approve C0001-admin-sage --by NAME" in told.err
    told = bascule("approve", "C0001-admin-sage", "--by", "ANNE", "--because", "I saw it")
    assert told.code == 2
    assert "answered by anne, who therefore cannot approve it" in told.err
    assert standing(ledger_url, "C0001-admin-sage").state is OrderState.TO_APPROVE
    told = bascule("approve", "C0001-admin-sage", "--by", "paul", "--because", " ")
    assert "--because says nothing" in told.err
    told = bascule("approve", "C0001-admin-sage", "--by", "paul", "--because", "I saw it")
    assert (told.code, told.out) == (0, "C0001-admin-sage: approved, says paul\n")
    with Ledger(ledger_url, read_only=True) as ledger:
        history = ledger.history("C0001")
    assert [(entry.kind, entry.who) for entry in history] == [
        (EntryKind.ORDERED, "ops"),
        (EntryKind.ANSWERED, "anne"),
        (EntryKind.REFUSED, "anne"),
        (EntryKind.APPROVED, "paul"),
    ]
    assert first_broken(history) is None


def test_a_refused_approval_opens_the_order_again(bascule: Bascule, given: Given, ledger_url: str) -> None:
    given(order("admin-sage"))
    bascule("answer", "C0001-admin-sage", "--by", "anne", "--result", "done", *CONFIRMED, "--because", "Seen")
    told = bascule("approve", "C0001-admin-sage", "--by", "paul", "--refuse", "--because", "No e-mail")
    assert told.out == "C0001-admin-sage: not approved, and open again, says paul\n"
    assert standing(ledger_url, "C0001-admin-sage").state is OrderState.OPEN


# The sheet


def filled_in(path: Path, rows: dict[str, dict[str, str]]) -> None:
    lines = list(csv.DictReader(io.StringIO(path.read_text(encoding="utf-8-sig")), delimiter=";"))
    with path.open("w", encoding="utf-8-sig", newline="") as file:
        writer = csv.DictWriter(file, list(lines[0]), delimiter=";")
        writer.writeheader()
        writer.writerows(line | rows.get(line["order"], {}) for line in lines)


def test_the_inbox_goes_out_as_a_sheet_and_comes_back_as_answers(
    bascule: Bascule, given: Given, ledger_url: str, tmp_path: Path
) -> None:
    given(order(number=1), order(number=2), order(number=3, expires_at=NOW - HOUR))
    told = bascule("inbox", "-o", "todo.csv")
    assert told.out.startswith("todo.csv: 2 orders to fill in")
    assert "1 more cannot be answered" in told.err
    one = {"result": "done", "siren_shown": cabinet(1).siren, "connected_at": "2026-11-01 20:14"}
    chosen = {"profile_chosen": "Collaborateur", "group_chosen": "Général"}
    filled_in(tmp_path / "todo.csv", {"C0001-connect": {**one, **chosen, "siren_shown": "1"}})
    told = bascule("answer", "--file", "todo.csv", "--by", "anne")
    assert told.code == 2
    assert "(siren_shown): `1` is no SIREN of 9 digits" in told.err
    assert standing(ledger_url, "C0001-connect").answer is None
    filled_in(tmp_path / "todo.csv", {"C0001-connect": {**one, **chosen}})
    told = bascule("answer", "--file", "todo.csv", "--by", "anne")
    assert (told.code, told.out) == (0, "C0001-connect: done, says anne\n")
    assert standing(ledger_url, "C0002-connect").answer is None


def test_a_sheet_for_excel_is_written_too_and_one_that_cannot_be_is_refused(
    bascule: Bascule, given: Given, tmp_path: Path
) -> None:
    given(order())
    assert bascule("inbox", "-o", "todo.xlsx").out.startswith("todo.xlsx: 1 order to fill in")
    written = (tmp_path / "todo.xlsx").read_bytes()
    for name in ("todo.pdf", "nowhere/todo.xlsx", "todo.xlsx"):
        told = bascule("inbox", "-o", name)
        assert told.code == 2
        assert name in told.err
    assert (tmp_path / "todo.xlsx").read_bytes() == written, "it may hold answers"


# An answer that was wrong


def test_an_approved_answer_is_taken_back_by_an_operator_and_shown_with_what_was_said(
    bascule: Bascule, given: Given, ledger_url: str
) -> None:
    given(order("admin-sage"), order("backup", 1))
    done = ("--result", "done", *CONFIRMED, "--because", "Seen")
    assert bascule("answer", "C0001-admin-sage", "--by", "anne", *done).code == 0
    assert bascule("approve", "C0001-admin-sage", "--by", "paul", "--because", "Seen too").code == 0
    stranger = bascule("withdraw", "C0001-admin-sage", "--answer", "--by", "eve", "--because", "Wrong")
    assert (stranger.code, "no operator" in stranger.err) == (2, True)
    told = bascule("withdraw", "C0001-admin-sage", "--answer", "--by", "anne", "--because", "It was another cabinet")
    assert told.code == 0, told.err
    assert told.out == "C0001-admin-sage: answer taken back, says anne; unknown from now on\n"
    assert "C0001-backup is still open and may stand on it" in told.err
    assert standing(ledger_url, "C0001-admin-sage").state is OrderState.RETRACTED
    shown = json.loads(bascule("inbox", "--all", "--order", "C0001-admin-sage", "--json").out)[0]
    assert (shown["state"], shown["answer"]["by"]) == ("retracted", "anne")
    assert shown["retraction"]["because"] == "It was another cabinet"
    chain = json.loads(bascule("audit", "show", "--cabinet", "C0001", "--json").out)
    told_of = [entry["kind"] for entry in chain if entry["operation"] == "C0001-admin-sage"]
    assert told_of == ["ordered", "answered", "approved", "retracted"]
    assert bascule("audit", "verify").code == 0


def test_asking_again_goes_with_an_answer_that_is_taken_back(bascule: Bascule, given: Given) -> None:
    given(order("connect"))
    told = bascule("withdraw", "C0001-connect", "--ask-again", "--by", "anne", "--because", "x")
    assert (told.code, "--ask-again goes with --answer" in told.err) == (2, True)
