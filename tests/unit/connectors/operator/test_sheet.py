"""The round trip: the inbox as a sheet, filled in by a person, read back whole or not at all."""

from __future__ import annotations

import csv
import io
import time
from collections.abc import Callable, Iterable, Mapping
from datetime import UTC, date, datetime
from pathlib import Path
from typing import Any

import openpyxl
import pytest

from bascule.connectors.operator.filled_in import AnswersRefused, read_answers
from bascule.connectors.operator.to_fill_in import SheetNotWritten, write_orders
from bascule.workorders import Answer, Result, Withdrawal, WorkOrder
from tests.builders import work_order

NOW = datetime(2026, 12, 2, 8, tzinfo=UTC)
CONNECTED: dict[str, Any] = {
    "result": "done",
    "connected_at": datetime(2026, 12, 1, 20, 14),  # noqa: DTZ001  # a cell of Excel has no zone: it is the cabinet's
    "profile_chosen": "Collaborateur",
    "group_chosen": "Général",
}

Rows = Mapping[str, Mapping[str, Any]]


def done(order: WorkOrder, **changes: Any) -> dict[str, Any]:
    return {**CONNECTED, "siren_shown": order.values["siren"], **changes}


def opened(path: Path) -> tuple[Any, Any]:
    """The workbook, and its sheet."""
    workbook = openpyxl.load_workbook(path)
    return workbook, workbook["orders"]


def fill_in_xlsx(path: Path, rows: Rows) -> dict[tuple[str, str], str]:
    """As a person does in Excel. Gives the place of each cell filled in."""
    workbook, sheet = opened(path)
    columns = {cell.value: cell.column for cell in sheet[1]}
    lines = {row[0].value: row[0].row for row in sheet.iter_rows(min_row=2)}
    places = {}
    for order, given in rows.items():
        for name, value in given.items():
            cell = sheet.cell(lines[order], columns[name])
            cell.value = value
            places[order, name] = cell.coordinate
    workbook.save(path)
    return places


def fill_in_csv(path: Path, rows: Rows) -> None:
    lines = list(csv.DictReader(io.StringIO(path.read_text(encoding="utf-8-sig")), delimiter=";"))
    for line in lines:
        for name, value in rows.get(line["order"], {}).items():
            line[name] = value.strftime("%Y-%m-%d %H:%M") if isinstance(value, datetime) else str(value)
    with path.open("w", encoding="utf-8-sig", newline="") as file:
        writer = csv.DictWriter(file, list(lines[0]), delimiter=";")
        writer.writeheader()
        writer.writerows(lines)


def fill_in(path: Path, rows: Rows) -> None:
    (fill_in_xlsx if path.suffix == ".xlsx" else fill_in_csv)(path, rows)


def read(path: Path, orders: Iterable[WorkOrder]) -> dict[str, Answer]:
    return read_answers(path, {order.id: order for order in orders}, by="anne", now=NOW)


def refused(path: Path, orders: Iterable[WorkOrder]) -> list[str]:
    with pytest.raises(AnswersRefused) as told:
        read(path, orders)
    assert "nothing was stored" in told.value.remedy
    return [str(problem).removeprefix(str(path)).strip() for problem in told.value.problems]


@pytest.fixture(params=[".xlsx", ".csv"])
def todo(request: pytest.FixtureRequest, tmp_path: Path) -> Path:
    return tmp_path / f"todo{request.param}"


@pytest.fixture
def xlsx(tmp_path: Path) -> Path:
    return tmp_path / "todo.xlsx"


@pytest.fixture
def made_by_hand(tmp_path: Path) -> Callable[[str], Path]:
    def made(text: str) -> Path:
        path = tmp_path / "answers.csv"
        path.write_text(text, encoding="utf-8")
        return path

    return made


# There and back


def test_what_a_person_fills_in_comes_back_as_answers(todo: Path) -> None:
    wizard, admin, section = work_order(), work_order("admin-sage", 2), work_order("lock-out", 3)
    orders = [wizard, admin, section, work_order("users", 4)]
    write_orders(orders, todo)
    undone = {
        "result": "Not done",
        "because": "Somebody was\nconnected",
        "users_back": "oui",
        "synchronisation_begun": "no",
    }
    confirmed = {"email": "anne@cabinet2.example", "confirmed_on": "2026-12-01", "because": "Sage's e-mail came"}
    fill_in(todo, {wizard.id: done(wizard), admin.id: {"result": "DONE", **confirmed}, section.id: undone})

    answers = read(todo, orders)

    assert answers == {
        wizard.id: Answer(
            by="anne",
            at=NOW,
            result=Result.DONE,
            evidence={
                "connected_at": "2026-12-01T19:14:00+00:00",
                "siren_shown": wizard.values["siren"],
                "profile_chosen": "Collaborateur",
                "group_chosen": "Général",
            },
        ),
        admin.id: Answer(
            by="anne",
            at=NOW,
            result=Result.DONE,
            because="Sage's e-mail came",
            evidence={"email": "anne@cabinet2.example", "confirmed_on": "2026-12-01"},
        ),
        section.id: Answer(
            by="anne",
            at=NOW,
            result=Result.NOT_DONE,
            because="Somebody was connected",
            evidence={"users_back": True, "synchronisation_begun": False},
        ),
    }


def test_cells_that_excel_made_dates_are_dates(xlsx: Path) -> None:
    admin = work_order("admin-sage")
    midnight = datetime(2026, 12, 1)  # noqa: DTZ001
    for written in (date(2026, 12, 1), midnight):
        write_orders([admin], xlsx)
        given = {"result": "done", "because": "Seen", "email": "anne@cabinet1.example", "confirmed_on": written}
        fill_in_xlsx(xlsx, {admin.id: given})
        assert read(xlsx, [admin])[admin.id].evidence["confirmed_on"] == "2026-12-01"


def test_two_hundred_orders_are_read_in_one_go_and_one_wrong_cell_refuses_them_all_by_its_name(todo: Path) -> None:
    orders = [work_order(number=number) for number in range(1, 201)]
    write_orders(orders, todo)
    fill_in(todo, {order.id: done(order) for order in orders})
    began = time.perf_counter()
    assert len(read(todo, orders)) == 200
    assert time.perf_counter() - began < 5

    fill_in(todo, {orders[76].id: {"siren_shown": "12345"}})

    (told,) = refused(todo, orders)
    place = "[orders]:L78 (siren_shown): " if todo.suffix == ".xlsx" else ":line 78 (siren_shown): "
    assert told.startswith(place)
    assert "`12345` is no SIREN of 9 digits. Copy it from the screen, in a cell formatted as text." in told


def test_a_program_needs_to_write_only_what_it_says(made_by_hand: Callable[[str], Path]) -> None:
    order = work_order("users")
    for delimiter in ",;\t":
        text = f"order,result,because,users_invited_at\n{order.id},done,,2026-12-01T20:14:30\n".replace(",", delimiter)
        answer = read(made_by_hand(text), [order])[order.id]
        assert answer.evidence == {"users_invited_at": "2026-12-01T19:14:30+00:00"}


# The sheet itself


def test_a_sheet_says_what_to_do_and_what_is_asked(xlsx: Path) -> None:
    orders = [work_order(), work_order("terms", 2, verbs=("terms",))]
    write_orders(orders, xlsx)
    _, sheet = opened(xlsx)
    header = [cell.value for cell in sheet[1]]
    first = dict(zip(header, [cell.value for cell in sheet[2]], strict=True))
    assert header[:10] == [
        "order", "cabinet", "name", "what", "instructions", "opened", "minutes", "approval", "result", "because",
    ]  # fmt: skip
    assert set(header[10:]) == {
        "connected_at", "siren_shown", "profile_chosen", "group_chosen",
        "accepted_by", "accepted_at", "workspace_opened_at", "ticket", "screenshot",
    }  # fmt: skip
    assert header[-2:] == ["ticket", "screenshot"]
    assert first["order"] == "C0001-connect"
    assert "Lancer la connexion" in first["instructions"]
    assert "À ne pas faire" in first["instructions"]
    assert first["opened"] == "2026-12-01 20:00 (Europe/Paris)"
    assert [sheet.cell(line, header.index("approval") + 1).value for line in (2, 3)] == ["", "second person"]
    assert sheet.freeze_panes == "B2"
    assert sheet.auto_filter.ref == f"A1:{sheet.cell(3, len(header)).coordinate}"


def test_a_sheet_helps_to_fill_it_in(xlsx: Path) -> None:
    orders = [work_order(), work_order("terms", 2, verbs=("terms",)), work_order("restart", 3, verbs=("restart",))]
    write_orders(orders, xlsx)
    _, sheet = opened(xlsx)
    columns = {cell.value: cell for cell in sheet[1]}
    choices = {str(one.sqref).split(":")[0][:-1]: one.formula1 for one in sheet.data_validations.dataValidation}
    assert choices[columns["result"].column_letter] == '"done,not-done,cannot"'
    assert choices[columns["tab_visible"].column_letter] == '"yes,no"'
    comment = columns["siren_shown"].comment
    assert comment is not None
    assert "Le SIREN que l'assistant a montré" in comment.text

    def of(name: str, line: int) -> Any:
        return sheet.cell(line, columns[name].column)

    assert of("siren_shown", 2).fill.fgColor.rgb != of("siren_shown", 3).fill.fgColor.rgb == "FFD9D9D9"
    formats = {name: sheet.column_dimensions[columns[name].column_letter] for name in ("siren_shown", "connected_at")}
    assert formats["siren_shown"].number_format == "@"
    assert formats["connected_at"].number_format == "yyyy-mm-dd hh:mm"


def test_each_language_of_the_orders_is_in_the_comments(xlsx: Path) -> None:
    write_orders([work_order(), work_order(number=2, values={"language": "en"})], xlsx)
    _, sheet = opened(xlsx)
    (comment,) = [cell.comment for cell in sheet[1] if cell.value == "siren_shown"]
    assert comment is not None
    assert "Lisez-le à l'écran" in comment.text
    assert "Read it off the screen" in comment.text


NASTY = "=cmd|'/c calc'!A1 [red]{0}[/] \x1b[2J\x00\x0b\u202e"


def test_what_comes_from_outside_is_harmless_in_a_sheet(todo: Path) -> None:
    order = work_order(values={"name": NASTY, "entity": "+1", "default_group": "@SUM(A1)", "admin_email": NASTY})
    write_orders([order], todo)
    if todo.suffix == ".xlsx":
        cells = opened(todo)[1][2]
        assert {cell.data_type for cell in cells} <= {"s", "n"}
        assert [cell.value for cell in cells if cell.data_type == "n" and cell.value is not None] == []
    else:
        row = next(csv.DictReader(io.StringIO(todo.read_text(encoding="utf-8-sig")), delimiter=";"))
        assert [cell for cell in row.values() if cell.startswith(("=", "+", "-", "@", "\t", "\r"))] == []
        assert "\x00" not in row["name"]
    fill_in(todo, {order.id: done(order, group_chosen="Général")})
    assert refused(todo, [order])[0].endswith("answer cannot and say why.")


def test_a_text_that_is_too_long_for_a_cell_is_cut_and_says_where_all_of_it_is(xlsx: Path) -> None:
    users = "\n".join(f"user{number}@cabinet1.example — U{number} — collaborateur" for number in range(2_000))
    write_orders([work_order("users", values={"users": users})], xlsx)
    text = opened(xlsx)[1]["E2"].value
    assert len(text) < 32_767
    assert text.endswith("bascule inbox --order C0001-users")


def test_no_order_is_a_sheet_with_a_header(todo: Path) -> None:
    write_orders([], todo)
    assert "no row has a result" in refused(todo, [])[0]


@pytest.mark.parametrize("name", ["todo.pdf", "todo", "nowhere/todo.xlsx", "nowhere/todo.csv"])
def test_a_sheet_that_cannot_be_written_is_told(tmp_path: Path, name: str) -> None:
    with pytest.raises(SheetNotWritten, match=r"todo.*(not written here|cannot be written)"):
        write_orders([work_order()], tmp_path / name)


# Refused


def test_a_sheet_that_nobody_filled_in_is_refused(todo: Path) -> None:
    write_orders([work_order()], todo)
    assert "no row has a result. Fill in done, not-done or cannot." in refused(todo, [work_order()])[0]


def test_a_row_with_evidence_and_no_result_is_refused_rather_than_left_out(todo: Path) -> None:
    one, two = work_order(), work_order(number=2)
    write_orders([one, two], todo)
    fill_in(todo, {one.id: done(one), two.id: done(two, result="")})
    (told,) = refused(todo, [one, two])
    assert "(result): the row is filled in, and has no result" in told


@pytest.mark.parametrize("column", ["order", "result", "because", "siren_shown", "ticket"])
def test_a_column_that_was_removed_is_named(xlsx: Path, column: str) -> None:
    order = work_order()
    write_orders([order], xlsx)
    fill_in_xlsx(xlsx, {order.id: done(order)})
    workbook, sheet = opened(xlsx)
    sheet.delete_cols(next(cell.column for cell in sheet[1] if cell.value == column))
    workbook.save(xlsx)
    told = refused(xlsx, [order])
    assert (
        f"[orders]:1:{column}: the column is missing. Put it back; a column that you have nothing to say in stays empty."
        in told
    )


def test_a_column_that_is_not_known_is_named_with_what_was_meant(xlsx: Path) -> None:
    order = work_order()
    write_orders([order], xlsx)
    workbook, sheet = opened(xlsx)
    last = sheet.max_column
    sheet.cell(1, last + 1).value = "siren_shwon"
    sheet.cell(1, last + 2).value = "Result"
    sheet.cell(1, last + 3).value = "zzz"
    workbook.save(xlsx)
    assert refused(xlsx, [order]) == [
        "[orders]:1:siren_shwon: is no column of a sheet of answers. Did you mean `siren_shown`?",
        "[orders]:1:Result: is there twice. Remove one of the two.",
        "[orders]:1:zzz: is no column of a sheet of answers. Remove the column.",
    ]


def test_a_formula_is_named_wherever_it_stands(xlsx: Path) -> None:
    order = work_order()
    write_orders([order], xlsx)
    places = fill_in_xlsx(xlsx, {order.id: done(order, siren_shown="=C2", name='=HYPERLINK("x")')})
    told = refused(xlsx, [order])
    assert len(told) == 2
    for name in ("siren_shown", "name"):
        place = places[order.id, name]
        assert any(f"{place} ({name})" in line and "holds a formula, which is not read" in line for line in told)


def test_a_formula_in_a_text_is_one_too(made_by_hand: Callable[[str], Path]) -> None:
    path = made_by_hand("order,result,because,ticket\nC0001-connect,cannot,=1+1,\n")
    assert refused(path, [work_order()]) == [
        ":line 2 (because): `=1+1` is a formula, which is not read. Type the value."
    ]


def test_an_order_that_is_there_twice_is_named_with_both_places(xlsx: Path) -> None:
    order = work_order()
    write_orders([order, order], xlsx)
    workbook, sheet = opened(xlsx)
    columns = {cell.value: cell.column for cell in sheet[1]}
    for line in (2, 3):
        for name, value in done(order).items():
            sheet.cell(line, columns[name]).value = value
    workbook.save(xlsx)
    (told,) = refused(xlsx, [order])
    assert told == "[orders]:A3 (order): `C0001-connect` is answered before, in A2. Remove one of the two."


def test_an_unknown_order_and_a_misspelt_result_are_named_with_what_was_meant(
    made_by_hand: Callable[[str], Path],
) -> None:
    path = made_by_hand("order,result,because\nC0001-conect,don,\nC0001-connect,finished,\n")
    told = refused(path, [work_order()])
    assert told[0] == ":line 2 (order): `C0001-conect` is no work order. Did you mean `C0001-connect`?"
    assert told[1] == ":line 2 (result): `don` is no result. Did you mean `done`?"
    assert ":line 3 (result): `finished` is no result" in told[2]


def test_every_wrong_cell_is_named_at_once(xlsx: Path) -> None:
    one, two, three = (work_order(number=number) for number in (1, 2, 3))
    write_orders([one, two, three], xlsx)
    places = fill_in_xlsx(
        xlsx,
        {
            one.id: done(one, siren_shown="1", ticket="FR7630006000011234567890189"),
            two.id: done(two, result="cannot", because=""),
            three.id: {"result": "not-done", "because": ""},
        },
    )
    told = "\n".join(refused(xlsx, [one, two, three]))
    assert f"{places[one.id, 'siren_shown']} (siren_shown): `1` is no SIREN" in told
    assert f"{places[one.id, 'ticket']} (ticket)" in told
    assert f"{places[two.id, 'connected_at']} (connected_at): `2026-12-01T20:14` is not asked for" in told
    assert f"{places[three.id, 'because']} (because): C0003-connect: not-done needs a reason" in told


@pytest.mark.parametrize(
    ("order", "said"),
    [
        (
            work_order(withdrawal=Withdrawal(by="paul", at=NOW, because="Postponed")),
            "(order): C0001-connect was withdrawn by paul at 2026-12-02 08:00 UTC: Postponed",
        ),
        (work_order(answer=Answer(by="paul", at=NOW, result=Result.DONE)), "was answered before, by paul"),
        (work_order(expires_at=NOW), "expired at 2026-12-02 08:00 UTC and is on hold"),
    ],
)
def test_an_order_that_takes_no_answer_any_more_is_named(todo: Path, order: WorkOrder, said: str) -> None:
    write_orders([order], todo)
    fill_in(todo, {order.id: done(order)})
    (told,) = refused(todo, [order])
    assert said in told


@pytest.mark.parametrize(
    ("name", "content", "said"),
    [
        ("todo.xlsx", b"PK\x03\x04 nothing more", "is not a sound Excel workbook"),
        ("todo.xlsx", b"order;result\n", "its content is not what its ending says"),
        ("todo.xlsx", b"", "is empty. Start from: bascule inbox -o todo.xlsx"),
        ("todo.xls", b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1", "is an old .xls workbook"),
        ("todo.txt", b"order", "files ending in `.txt` are not read"),
        ("todo.csv", b"order;result\x00", "holds a NUL byte on line 1"),
        ("todo.csv", "order;result".encode("utf-16"), "is in UTF-16"),
        (
            "todo.csv",
            b'order;result;because\nC0001-connect;"done;x\n',
            "a quotation mark is opened here and not closed",
        ),
        ("todo.csv", b"order;result;because\nC0001-connect;done\n", "has 2 fields where the header has 3"),
    ],
)
def test_a_file_that_is_no_sheet_is_refused_in_words(tmp_path: Path, name: str, content: bytes, said: str) -> None:
    path = tmp_path / name
    path.write_bytes(content)
    assert said in refused(path, [work_order()])[0]


def test_a_file_that_is_not_there_is_refused(tmp_path: Path) -> None:
    assert refused(tmp_path / "gone.xlsx", []) == [": does not exist. Check the path."]
