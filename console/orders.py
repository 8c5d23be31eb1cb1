"""Work orders as people and programs are shown them: the inbox, one order on a page, JSON."""

from __future__ import annotations

import textwrap
from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any, Literal

from rich.box import SIMPLE_HEAD
from rich.console import Console, RenderableType
from rich.table import Table
from rich.text import Text

from bascule.connectors.operator.forms import FormField, fields_of
from bascule.connectors.operator.wording import Instructions, evidence_of, example_of, instructions, local, printable
from bascule.workorders import OrderState, Result, WorkOrder
from console.telling import as_text

SHOWN = 60
"""Rows at most; --json and -o have them all."""
NOBODY = "nobody"
NARROWEST = 20
"""Letters in a column of text, however narrow the terminal."""


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
            as_text(instructions(order).title),
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
    if order.is_on_hold(now):
        return Text("on hold", style="magenta")
    if order.state is OrderState.TO_APPROVE and order.answer is not None:
        return Text(f"to approve (answered by {printable(order.answer.by)})", style="yellow")
    if order.state is OrderState.OPEN:
        return Text(f"open again (refused by {printable(order.refusal.by)})" if order.refusal else "")
    return Text(order.state.value, style="dim")


def _totals(orders: Sequence[WorkOrder], now: datetime) -> Iterator[str]:
    to_do = [one for one in orders if one.state is OrderState.OPEN and not one.is_on_hold(now)]
    minutes: Counter[str] = Counter()
    for one in to_do:
        minutes[printable(one.owner or NOBODY)] += one.minutes
    work = ", ".join(f"{owner} {count}" for owner, count in minutes.most_common())
    counted = {
        "to do": len(to_do),
        "to approve": sum(one.state is OrderState.TO_APPROVE and not one.is_on_hold(now) for one in orders),
        "on hold": sum(one.is_on_hold(now) for one in orders),
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
    page = _Page(order, instructions(order), now, console.width)
    for part in (*page.head(), *page.said_before(), *page.instructions(), *page.form()):
        console.print(part)


@dataclass(frozen=True, slots=True)
class _Page:
    order: WorkOrder
    told: Instructions
    now: datetime
    width: int

    def head(self) -> Iterator[Text]:
        order = self.order
        yield self._text(f"{order.id}: {self.told.title}", style="bold")
        owner = printable(order.owner or NOBODY)
        yield self._text(f"{order.cabinet} {printable(order.values.get('name', ''))}, wave {order.wave}, owner {owner}")
        yield self._text(f"Asked {self._at(order.opened_at)}, open until {self._at(order.expires_at)}.")
        if order.deadline is not None:
            late = order.is_overdue(self.now)
            yield self._text(
                f"{'OVERDUE: users' if late else 'Users'} must be able to connect again by {self._at(order.deadline)}.",
                style="bold red" if late else "bold",
            )
        yield self._text(self.told.takes)

    def said_before(self) -> Iterator[Text]:
        order = self.order
        for done, said in (
            ("did not approve the answer", order.refusal),
            ("withdrew it", order.withdrawal),
            (f"answered {order.answer.result}" if order.answer else "", order.answer),
            ("approved", order.approval),
            ("took the answer back", order.retraction),
        ):
            if said is not None:
                because = f": {printable(said.because)}" if said.because else ""
                yield self._text(f"{said.by} {done} at {self._at(said.at)}{because}", style="yellow")
            if said is not None and said is order.answer:
                yield from (
                    self._text(f"    {name} = {printable(str(value))}") for name, value in said.evidence.items()
                )
        if order.is_on_hold(self.now):
            yield self._text("On hold: time ran out. Run the wave again, and it is asked anew.", style="magenta")
        elif order.state is OrderState.TO_APPROVE:
            yield Text(f"\nbascule approve {order.id} --by NAME --because …", style="yellow")

    def instructions(self) -> Iterator[RenderableType]:
        headings = self.told.headings
        for heading, lines, marks, style in (
            (headings["do"], self.told.steps, [f"{number}." for number, _ in enumerate(self.told.steps, 1)], "bold"),
            (headings["look_at"], self.told.look_at, ["-"] * len(self.told.look_at), "bold"),
            (headings["never"], self.told.never, ["-"] * len(self.told.never), "bold red"),
        ):
            if lines:
                yield Text(f"\n{heading}", style=style)
                yield self._columns(zip(marks, lines, strict=True), first=3, justify="right")

    def form(self) -> Iterator[RenderableType]:
        if self.order.state is not OrderState.OPEN or self.order.is_on_hold(self.now):
            return
        yield Text(f"\n{self.told.headings['evidence']}", style="bold")
        asked = evidence_of(self.order).values()
        names = [f"{field.name}{'' if field.required else ' (?)'}" for field in asked]
        meanings = [
            self.told.form[field.name] + ("" if field.kind == "sha256" else f" [{example_of(field)}]")
            for field in asked
        ]
        yield self._columns(zip(names, meanings, strict=True), first=max(map(len, names)), justify="left")
        for result in Result:
            yield _command(self.order, result)

    def _columns(
        self, rows: Iterable[tuple[str, str]], *, first: int, justify: Literal["left", "right"]
    ) -> RenderableType:
        grid = Table.grid(padding=(0, 1))
        grid.add_column(justify=justify, no_wrap=True, min_width=first)
        grid.add_column(overflow="fold")
        for mark, line in rows:
            grid.add_row(Text(mark), self._text(line, max(NARROWEST, self.width - first - 2)))
        return grid

    def _text(self, text: str, width: int | None = None, style: str = "") -> Text:
        """Broken here, as Rich would also break at the no-break spaces of French."""
        lines = (textwrap.fill(line, width or self.width, break_on_hyphens=False) for line in text.split("\n"))
        return as_text("\n".join(lines), style=style)

    def _at(self, instant: datetime) -> str:
        return local(instant, self.order)


def _command(order: WorkOrder, result: Result) -> Text:
    """To be copied: broken only where a shell lets it be."""
    needed = [f"--evidence {field.name}=…" for field in fields_of(order.verbs, result) if field.required]
    because = ["--because …"] if order.four_eyes or result is not Result.DONE else []
    return Text(" \\\n    ".join([f"\nbascule answer {order.id} --by NAME --result {result}", *needed, *because]))


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
        "on_hold": order.is_on_hold(now),
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
        "retraction": _retraction(order),
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


def _retraction(order: WorkOrder) -> dict[str, Any] | None:
    said = order.retraction
    if said is None:
        return None
    return {"by": said.by, "at": _utc(said.at), "because": said.because, "ask_again": said.ask_again}


def _utc(instant: datetime) -> str:
    return f"{instant.astimezone(UTC):%Y-%m-%dT%H:%M:%SZ}"
