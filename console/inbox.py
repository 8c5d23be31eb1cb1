"""The desk: what people are asked to do, and what they say of it. inbox, answer, approve, withdraw."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Coroutine, Iterable, Mapping, Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from bascule.errors import BasculeError
from bascule.workorders import (
    Answer,
    Approval,
    OrderState,
    Result,
    Retraction,
    Withdrawal,
    WorkOrder,
    is_same_person,
    why_no_answer,
)
from console.telling import print_json, say, say_where, tell

if TYPE_CHECKING:
    from bascule.ledger import Desk
    from config.settings import Settings

Orders = Annotated[list[str], typer.Argument(help="Numbers of work orders, as the inbox shows them.", metavar="ORDER…")]
By = Annotated[str, typer.Option("--by", help="Who says so: a name of the setting operators.")]
Because = Annotated[str, typer.Option("--because", help="Why; kept in the ledger.")]
Environment = Annotated[
    str | None, typer.Option("--environment", "-e", help="sandbox, production, or the path of a TOML file.")
]


GOES_ON = frozenset({OrderState.DONE, OrderState.NOT_DONE, OrderState.WITHDRAWN, OrderState.RETRACTED})
"""A run has something to do after these."""


class NotAnOperator(BasculeError):
    """Whoever speaks is none of the operators."""


class NoSuchOrder(BasculeError):
    """There is no such work order."""


class Unclear(BasculeError):
    """The command does not say enough, or too much."""


class EvidenceWrong(BasculeError):
    """The answer is refused. Nothing was stored."""


def register(app: typer.Typer) -> None:
    app.command()(inbox)
    app.command()(answer)
    app.command()(approve)
    app.command()(withdraw)


def inbox(
    mine: Annotated[
        str | None, typer.Option("--mine", help="An operator's: theirs, nobody's, and what they may approve.")
    ] = None,
    cabinet: Annotated[
        list[str] | None, typer.Option("--cabinet", "-c", help="One cabinet's; may be repeated.")
    ] = None,
    wave: Annotated[str | None, typer.Option("--wave", "-w", help="One wave's.")] = None,
    order: Annotated[str | None, typer.Option("--order", help="One order, with all that its holder reads.")] = None,
    closed: Annotated[bool, typer.Option("--all", help="Also those that need nobody any more.")] = False,
    output: Annotated[
        Path | None,
        typer.Option("--output", "-o", help="A sheet to fill in, .xlsx or .csv; hand it in by answer --file."),
    ] = None,
    json: Annotated[bool, typer.Option("--json", help="For programs.")] = False,
    environment: Environment = None,
) -> None:
    """Show the work orders that need somebody, oldest first; as a table, as one sheet an order, or as a file to fill in.

    Example: bascule inbox --mine anne
    """
    from config.settings import read_settings
    from console.orders import as_json, show_inbox, show_order

    if json and output is not None:
        raise Unclear("--json tells programs, -o writes a sheet for people", remedy="give one of the two")
    settings = read_settings(environment)
    say_where(settings)
    now = datetime.now(UTC)
    if order is not None:
        known = chosen = _named([order], settings)
    else:
        known = _read(settings, lambda desk: desk.everything() if closed else desk.open_ones())
        is_theirs = _whose(mine, settings, known)
        chosen = [
            one
            for one in known
            if (closed or one.state.needs_somebody)
            and (not cabinet or one.cabinet.casefold() in {code.casefold() for code in cabinet})
            and wave in (None, one.wave)
            and is_theirs(one)
        ]
    others = sum(one.state.needs_somebody for one in known)
    if not chosen and others:
        say(f"None of the {others} work orders that need somebody is among these.")
    if json:
        print_json([as_json(one, now) for one in chosen])
    elif output is not None:
        _write_sheet(chosen, output, now)
    elif order is not None:
        show_order(chosen[0], now)
    elif chosen or not others:
        show_inbox(chosen, now)


def answer(
    by: By,
    orders: Annotated[
        list[str] | None, typer.Argument(help="Numbers of work orders; all get the same answer.", metavar="[ORDER…]")
    ] = None,
    result: Annotated[Result | None, typer.Option("--result", help="What became of it.")] = None,
    evidence: Annotated[
        list[str] | None, typer.Option("--evidence", help="name=value, once for each piece that is asked for.")
    ] = None,
    because: Annotated[
        str, typer.Option("--because", help="In a sentence; needed for not-done, cannot, and what is irreversible.")
    ] = "",
    file: Annotated[
        Path | None, typer.Option("--file", help="A sheet that was written by inbox -o, filled in: .xlsx or .csv.")
    ] = None,
    environment: Environment = None,
) -> None:
    """Answer work orders: all of them, or, if anything is wrong, none.

    Example: bascule answer C0042-enter-key --by anne --result done --evidence key_entered_at=2026-12-01T20:14
    """
    from config.settings import read_settings

    settings = read_settings(environment)
    say_where(settings)
    name = _operator(by, settings)
    now = datetime.now(UTC)
    if file is not None:
        if orders or result or evidence or because:
            raise Unclear("--file brings the orders and all that is said of them", remedy="give --file and --by only")
        from bascule.connectors.operator.filled_in import read_answers

        known = {one.id: one for one in _read(settings, lambda desk: desk.everything())}
        answers = read_answers(file, known, by=name, now=now)
    else:
        if not orders or result is None:
            raise Unclear(
                "Which orders are answered, and with what result?",
                remedy="give ORDER… and --result done, not-done or cannot; or --file FILE",
            )
        given = _pairs(evidence or [])
        answers = _checked(_named(orders, settings), name, result, given, because, now)
    after = _at_the_desk(settings, lambda desk: desk.answer(answers))
    for one in after:
        tell(f"{one.id}: {answers[one.id].result}, says {name}")
    _say_what_comes_next(after, settings)


def approve(
    orders: Orders,
    by: By,
    because: Because,
    refuse: Annotated[bool, typer.Option("--refuse", help="Do not approve: the order is open again.")] = False,
    environment: Environment = None,
) -> None:
    """Approve, as a second person, what was answered done and cannot be undone; or refuse to.

    Example: bascule approve C0042-admin-sage --by paul --because "Saw Sage's e-mail and the AdminSage in My Sage"
    """
    from config.settings import read_settings

    settings = read_settings(environment)
    say_where(settings)
    approval = Approval(by=_operator(by, settings), at=datetime.now(UTC), because=_reason(because))
    numbers = [one.id for one in _named(orders, settings)]
    after = _at_the_desk(settings, lambda desk: desk.approve(numbers, approval, declines=refuse))
    for one in after:
        tell(f"{one.id}: {'not approved, and open again' if refuse else 'approved'}, says {approval.by}")
    _say_what_comes_next(after, settings)


def withdraw(
    orders: Orders,
    by: By,
    because: Because,
    answer: Annotated[
        bool, typer.Option("--answer", help="Not the order, but its answer: it was wrong, approved or not.")
    ] = False,
    ask_again: Annotated[
        bool, typer.Option("--ask-again", help="With --answer: also have it asked for anew, if it cannot be observed.")
    ] = False,
    environment: Environment = None,
) -> None:
    """Withdraw work orders that nobody should carry out any more. The next run asks anew for what is still needed.

    With --answer, take back what was answered done: the next run looks whether it holds all the same. Where nothing shows that it
    does, it is unknown, and what may be done once only is not asked for again unless somebody says so by --ask-again.

    Example: bascule withdraw C0042-connect --by anne --because "The cabinet postponed"
    """
    from config.settings import read_settings

    settings = read_settings(environment)
    say_where(settings)
    if ask_again and not answer:
        raise Unclear(
            "--ask-again goes with --answer", remedy="leave it out: what is withdrawn is asked anew by the next run"
        )
    name, now, reason = _operator(by, settings), datetime.now(UTC), _reason(because)
    numbers = [one.id for one in _named(orders, settings)]
    if answer:
        _take_back(numbers, Retraction(by=name, at=now, because=reason, ask_again=ask_again), settings)
        return
    after = _at_the_desk(settings, lambda desk: desk.withdraw(numbers, Withdrawal(by=name, at=now, because=reason)))
    for one in after:
        tell(f"{one.id}: withdrawn, says {name}")
    _say_what_comes_next(after, settings)


def _take_back(numbers: Sequence[str], retraction: Retraction, settings: Settings) -> None:
    after = _at_the_desk(settings, lambda desk: desk.retract(numbers, retraction))
    for one in after:
        is_open = one.state is OrderState.OPEN
        tell(
            f"{one.id}: answer taken back, says {retraction.by}; {'it is open again' if is_open else 'unknown from now on'}"
        )
    cabinets = {one.cabinet for one in after}
    others = [one for one in _read(settings, lambda desk: desk.open_ones()) if one.cabinet in cabinets]
    for one in others:
        if one.id not in numbers:
            say(f"{one.id} is still open and may stand on it: withdraw it too, unless somebody is at it.")
    _say_what_comes_next(after, settings)


# Who speaks, and of what


def _operator(name: str, settings: Settings) -> str:
    """As the settings spell it."""
    if not settings.operators:
        raise NotAnOperator(
            f"The environment {settings.environment} names no operators, so nobody may answer or approve",
            remedy=f'name them in its file: operators = ["{name}", …]',
        )
    for operator in settings.operators:
        if is_same_person(operator, name):
            return operator
    from bascule.tables.problems import did_you_mean

    raise NotAnOperator(
        f"{name!r} is no operator of the environment {settings.environment}. "
        f"{did_you_mean(name, settings.operators, '')}".rstrip(),
        remedy=f"operators: {', '.join(settings.operators)}",
    )


def _whose(mine: str | None, settings: Settings, known: Iterable[WorkOrder]) -> Callable[[WorkOrder], bool]:
    """Whether an order is one that this operator may take up."""
    if mine is None:
        return lambda order: True
    if not any(is_same_person(mine, order.owner or "") for order in known):
        _operator(mine, settings)

    def is_theirs(order: WorkOrder) -> bool:
        if order.state is OrderState.TO_APPROVE and order.answer is not None:
            return not is_same_person(order.answer.by, mine)
        # An owner who may not answer is nobody: somebody has to take it up.
        others = (name for name in settings.operators if not is_same_person(name, mine))
        return not any(is_same_person(order.owner or "", other) for other in others)

    return is_theirs


def _read(settings: Settings, asked: Callable[[Desk], Iterable[WorkOrder]]) -> list[WorkOrder]:
    from bascule.ledger import Desk
    from config.wiring import open_ledger

    with open_ledger(settings, read_only=True) as ledger:
        return list(asked(Desk(ledger, lambda: datetime.now(UTC))))


def _named(numbers: Iterable[str], settings: Settings) -> list[WorkOrder]:
    """Each once, in the order named."""
    asked = list(dict.fromkeys(numbers))
    known = {one.id: one for one in _read(settings, lambda desk: desk.named(asked).values())}
    missing = [number for number in asked if number not in known]
    if missing:
        from bascule.tables.problems import did_you_mean

        near = frozenset(one.id for one in _read(settings, lambda desk: desk.open_ones()))
        told = [f"There is no work order {one!r}. {did_you_mean(one, near, '')}".rstrip() for one in missing]
        raise NoSuchOrder("\n".join(told), remedy="see: bascule inbox")
    return [known[number] for number in asked]


# What is said


def _pairs(evidence: Iterable[str]) -> dict[str, str]:
    given: dict[str, str] = {}
    for pair in evidence:
        name, equals, value = pair.partition("=")
        name = name.strip()
        if not equals or not name:
            raise Unclear(f"--evidence {pair!r} has no name and value", remedy="write it as siren_shown=732829320")
        if name in given:
            raise Unclear(f"--evidence {name} is given twice", remedy="give it once")
        given[name] = value
    return given


def _checked(
    orders: Sequence[WorkOrder], by: str, result: Result, given: Mapping[str, str], because: str, now: datetime
) -> dict[str, Answer]:
    """Raises EvidenceWrong with everything that is wrong with any of the orders."""
    from bascule.connectors.operator.forms import EvidenceRefused, checked
    from bascule.tables.problems import shown

    said = _reason(because) if because.strip() else ""
    answers: dict[str, Answer] = {}
    wrong: list[str] = []
    for order in orders:
        answered = Answer(by=by, at=now, result=result, because=said)
        if (why_not := why_no_answer(order, answered, now)) is not None:
            wrong.append(why_not)
        if not order.state.needs_somebody or order.is_on_hold(now):
            continue
        try:
            kept = checked(order, result, given, now)
        except EvidenceRefused as refused:
            wrong += [
                f"{order.id}: {one.name}{f' {shown(one.value)}' if one.value is not None else ''} {one.rule}. {one.fix}"
                for one in refused.problems
            ]
        else:
            answers[order.id] = Answer(by=by, at=now, result=result, because=said, evidence=kept)
    if wrong:
        raise EvidenceWrong("\n".join(wrong), remedy=f"nothing was stored; see: bascule inbox --order {orders[0].id}")
    return answers


def _reason(text: str) -> str:
    from bascule.connectors.operator.forms import as_reason
    from bascule.tables.problems import Broken

    try:
        reason = as_reason(text)
    except Broken as broken:
        raise Unclear(f"--because {broken.rule}", remedy=broken.fix) from None
    if not reason:
        raise Unclear("--because says nothing", remedy="say why, in a sentence")
    return reason


def _at_the_desk(
    settings: Settings, said: Callable[[Desk], Coroutine[Any, Any, tuple[WorkOrder, ...]]]
) -> tuple[WorkOrder, ...]:
    from bascule.ledger import Desk
    from config.wiring import current_user, open_ledger

    with open_ledger(settings, makes_one=False) as ledger:
        return asyncio.run(said(Desk(ledger, lambda: datetime.now(UTC), seat=current_user())))


# What is told


def _say_what_comes_next(orders: Iterable[WorkOrder], settings: Settings) -> None:
    """Once for all that go on alike."""
    environment = f" --environment {settings.environment}" if settings.environment != "sandbox" else ""
    orders = list(orders)
    to_approve = [one.id for one in orders if one.state is OrderState.TO_APPROVE]
    if to_approve:
        say(f"Next: somebody else approves: bascule approve {' '.join(to_approve)} --by NAME --because TEXT")
    blocked = [one.cabinet for one in orders if one.state is OrderState.CANNOT]
    if blocked:
        say(f"Next: {', '.join(dict.fromkeys(blocked))} stays blocked until the reason is mended and a run asks anew.")
    for one in orders:
        if one.is_decision and one.state is OrderState.DONE:
            say(f"Next: a run sends it: bascule rerun --cabinet {one.cabinet}{environment}")
    for wave in dict.fromkeys(one.wave for one in orders if one.state in GOES_ON and not one.is_decision):
        say(f"Next: a run of the wave carries on: bascule rerun --wave {wave}{environment}")


def _write_sheet(orders: Sequence[WorkOrder], path: Path, now: datetime) -> None:
    from bascule.connectors.operator.to_fill_in import write_orders

    if path.is_file():
        raise Unclear(
            f"{path} is there already, and may hold answers", remedy="give another name, or take it away first"
        )
    to_fill_in = [one for one in orders if one.state is OrderState.OPEN and not one.is_on_hold(now)]
    write_orders(to_fill_in, path)
    left_out = len(orders) - len(to_fill_in)
    tell(
        f"{path}: {len(to_fill_in)} order{'' if len(to_fill_in) == 1 else 's'} to fill in; then: bascule answer --file {path} --by NAME"
    )
    if left_out:
        say(f"{left_out} more cannot be answered (answered before, or on hold) and are not in it.")
