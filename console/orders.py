"""Work orders as people and programs are shown them: the inbox, one order on a page, JSON."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Sequence
from datetime import UTC, datetime, timedelta
from typing import Any

from rich.box import SIMPLE_HEAD
from rich.console import Console, RenderableType
from rich.padding import Padding
from rich.table import Table
from rich.text import Text

from bascule.connectors.operator.forms import FormField, fields_of
from bascule.connectors.operator.wording import Instructions, example_of, instructions, local, printable
from bascule.workorders import OrderState, Result, WorkOrder

SHOWN = 60
"""Rows at most; --json and -o have them all."""
NOBODY = "nobody"


# The inbox


def show_inbox(orders: Sequence[WorkOrder], now: datetime) -> None:
    console = Console()
    if not orders:
        console.print("No work order needs anybody.")
        return
    table = Table(box=SIMPLE_HEAD, pad_edge=False, padding=(0, 1, 0, 0), expand=True)
    # A number is there to be copied, so it is never shortened; names and titles take what room is left.
    table.add_column("order", no_wrap=True, min_width=max(len(order.id) for order in orders[:SHOWN]))
    table.add_column("cabinet", no_wrap=True, overflow="ellipsis", ratio=2)
    table.add_column("what", no_wrap=True, overflow="ellipsis", ratio=3)
    table.add_column("owner", no_wrap=True, overflow="ellipsis", max_width=12)
    table.add_column("since", justify="right", no_wrap=True)
    table.add_column("min", justify="right", no_wrap=True)
    table.add_column("", overflow="fold", max_width=16)
    for order in orders[:SHOWN]:
        # Text that comes from outside is shown as it is, never read as markup.
        table.add_row(
            Text(order.id),
            Text(printable(order.values.get("name", order.cabinet))),
            Text(instructions(order).title),
            Text(printable(order.owner or "")),
            _age(now - order.opened_at),
            str(order.minutes),
            _standing(order, now),
        )
    if len(orders) > SHOWN:
        table.add_row("…", f"{len(orders) - SHOWN} more", "", "", "", "", "")
    console.print(table)
    console.print(Text("\n".join(_totals(orders, now))))


def _standing(order: WorkOrder, now: datetime) -> Text:
    if order.is_overdue(now):
        return Text("OVERDUE", style="bold red")
    if order.is_expired(now):
        return Text("on hold", style="magenta")
    if order.state is OrderState.TO_APPROVE and order.answer is not None:
        return Text(f"to approve (answered by {printable(order.answer.by)})", style="yellow")
    if order.state is OrderState.OPEN:
        return Text(f"open again (refused by {printable(order.refusal.by)})" if order.refusal else "")
    return Text(order.state.value, style="dim")


def _totals(orders: Sequence[WorkOrder], now: datetime) -> Iterator[str]:
    to_do = [one for one in orders if one.state is OrderState.OPEN and not one.is_expired(now)]
    minutes: Counter[str] = Counter()
    for one in to_do:
        minutes[printable(one.owner or NOBODY)] += one.minutes
    work = ", ".join(f"{owner} {count}" for owner, count in minutes.most_common())
    counted = {
        "to do": len(to_do),
        "to approve": sum(one.state is OrderState.TO_APPROVE and not one.is_expired(now) for one in orders),
        "on hold": sum(one.is_expired(now) for one in orders),
        "overdue": sum(one.is_overdue(now) for one in orders),
    }
    told = ", ".join(f"{count} {word}" for word, count in counted.items() if count)
    yield f"{len(orders)} work order{'s' if len(orders) != 1 else ''}: {told or 'none needs anybody'}."
    if to_do:
        yield f"About {minutes.total()} minutes of work left ({work})."
        yield f"What to do, step by step: bascule inbox --order {to_do[0].id}"
    if counted["on hold"]:
        yield "On hold: nobody answered in time; no answer counts any more, and the next run asks anew."
    if counted["overdue"]:
        yield "OVERDUE: users should be back by now, and nobody has said that they are. Look at once."


def _age(since: timedelta) -> str:
    minutes = max(0, int(since.total_seconds() // 60))
    if minutes < 60:
        return f"{minutes} min"
    return f"{minutes // 60} h" if minutes < 48 * 60 else f"{minutes // (24 * 60)} d"


# One order on a page


def show_order(order: WorkOrder, now: datetime) -> None:
    console = Console()
    for part in _page(order, instructions(order), now):
        console.print(part)


def _page(order: WorkOrder, told: Instructions, now: datetime) -> Iterator[RenderableType]:
    owner = printable(order.owner or NOBODY)
    yield Text(f"{order.id}: {told.title}", style="bold")
    yield Text(f"{order.cabinet} {printable(order.values.get('name', ''))}, wave {order.wave}, owner {owner}")
    yield Text(f"Asked {local(order.opened_at, order)}; open until {local(order.expires_at, order)}.")
    if order.deadline is not None:
        late = order.is_overdue(now)
        yield Text(
            f"{'OVERDUE: users' if late else 'Users'} must be able to connect again by {local(order.deadline, order)}.",
            style="bold red" if late else "bold",
        )
    yield Text(told.takes)
    yield from _said_before(order, now)
    yield from _list(told.headings["do"], told.steps, numbered=True)
    yield from _list(told.headings["look_at"], told.look_at)
    yield from _list(told.headings["never"], told.never, style="bold red")
    if order.state is OrderState.OPEN and not order.is_expired(now):
        yield from _form(order, told)


def _said_before(order: WorkOrder, now: datetime) -> Iterator[Text]:
    if order.refusal is not None:
        yield Text(
            f"{order.refusal.by} did not approve the answer at {local(order.refusal.at, order)}: "
            f"{printable(order.refusal.because)}",
            style="yellow",
        )
    if order.withdrawal is not None:
        yield Text(
            f"Withdrawn by {order.withdrawal.by} at {local(order.withdrawal.at, order)}: "
            f"{printable(order.withdrawal.because)}",
            style="yellow",
        )
    if order.answer is not None:
        because = f": {printable(order.answer.because)}" if order.answer.because else ""
        yield Text(
            f"{order.answer.by} answered {order.answer.result} at {local(order.answer.at, order)}{because}",
            style="yellow",
        )
        for name, value in order.answer.evidence.items():
            yield Text(f"    {name} = {printable(str(value))}")
    if order.approval is not None:
        yield Text(
            f"Approved by {order.approval.by} at {local(order.approval.at, order)}: {printable(order.approval.because)}"
        )
    elif order.is_expired(now):
        yield Text("On hold: nobody answered in time. Run the wave again, and it is asked anew.", style="magenta")
    elif order.state is OrderState.TO_APPROVE:
        yield Text(
            f"Somebody else approves: bascule approve {order.id} --by NAME --because TEXT (or --refuse)", style="yellow"
        )


def _list(
    heading: str, lines: Sequence[str], *, numbered: bool = False, style: str = "bold"
) -> Iterator[RenderableType]:
    if not lines:
        return
    yield Text(f"\n{heading}", style=style)
    grid = Table.grid(padding=(0, 1))
    grid.add_column(justify="right", no_wrap=True)
    grid.add_column(overflow="fold")
    for number, line in enumerate(lines, start=1):
        grid.add_row(f"{number}." if numbered else "-", Text(line))
    yield Padding(grid, (0, 0, 0, 1))


def _form(order: WorkOrder, told: Instructions) -> Iterator[RenderableType]:
    fields = fields_of(order.verbs)
    otherwise = {
        field.name: field for result in (Result.NOT_DONE, Result.CANNOT) for field in fields_of(order.verbs, result)
    }
    yield Text(f"\n{told.headings['evidence']}", style="bold")
    grid = Table.grid(padding=(0, 2, 0, 1))
    grid.add_column(overflow="fold")
    grid.add_column(overflow="fold")
    for field in [*fields, *(field for name, field in otherwise.items() if name not in {f.name for f in fields})]:
        mark = "" if field.required else " (?)"
        example = "" if field.kind == "sha256" else f" [{example_of(field)}]"
        grid.add_row(Text(f"{field.name}{mark}"), Text(f"{told.form[field.name]}{example}"))
    yield grid
    needed = [field.name for field in fields if field.required]
    yield _command(order, Result.DONE, needed, reason=order.four_eyes)
    for result in (Result.NOT_DONE, Result.CANNOT):
        needed = [field.name for field in fields_of(order.verbs, result) if field.required]
        yield _command(order, result, needed, reason=True)


def _command(order: WorkOrder, result: Result, needed: Sequence[str], *, reason: bool) -> Text:
    """To be copied: broken only where a shell lets it be."""
    said = [f"--evidence {name}=…" for name in needed] + (["--because …"] if reason else [])
    return Text(" \\\n    ".join([f"\nbascule answer {order.id} --by NAME --result {result}", *said]))


# For programs


def as_json(order: WorkOrder, now: datetime) -> dict[str, Any]:
    told = instructions(order)
    return {
        "order": order.id,
        "cabinet": order.cabinet,
        "name": order.values.get("name"),
        "wave": order.wave,
        "state": order.state.value,
        "verbs": list(order.verbs),
        "opened_at": _utc(order.opened_at),
        "expires_at": _utc(order.expires_at),
        "deadline": _utc(order.deadline) if order.deadline else None,
        "overdue": order.is_overdue(now),
        "on_hold": order.is_expired(now),
        "minutes": order.minutes,
        "owner": order.owner,
        "needs_approval": order.four_eyes,
        "answered_by": order.answer.by if order.answer else None,
        "language": told.language,
        "title": told.title,
        "instructions": list(told.steps),
        "look_at": list(told.look_at),
        "never": list(told.never),
        "form": [_field(field, told) for field in fields_of(order.verbs)],
        "otherwise": {
            result.value: [_field(field, told) for field in fields_of(order.verbs, result)]
            for result in (Result.NOT_DONE, Result.CANNOT)
        },
        "values": dict(order.values),
        "answer": _answer(order),
    }


def _field(field: FormField, told: Instructions) -> dict[str, Any]:
    return {
        "name": field.name,
        "type": field.kind,
        "required": field.required,
        "says": told.form[field.name],
        "example": example_of(field),
    }


def _answer(order: WorkOrder) -> dict[str, Any] | None:
    if order.answer is None:
        return None
    said = order.answer
    return {
        "by": said.by,
        "at": _utc(said.at),
        "result": said.result.value,
        "because": said.because,
        "evidence": dict(said.evidence),
    }


def _utc(instant: datetime) -> str:
    return f"{instant.astimezone(UTC):%Y-%m-%dT%H:%M:%SZ}"
