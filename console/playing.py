"""The playing operator: works through the inbox at the sandbox's screens, by hand, and answers as a person of the team would.

It knows of Bascule what the commands `inbox --json`, `answer` and `approve` tell, and of the three systems what the screens show.
"""

from __future__ import annotations

import contextlib
import csv
import json
import random
import subprocess
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from difflib import get_close_matches
from pathlib import Path

import typer
from pydantic import TypeAdapter, ValidationError

from bascule.connectors.contract import verb_named
from bascule.errors import BasculeError
from console.seeing import (
    Order,
    Result,
    Screens,
    Seen,
    evidence_of,
    given_up,
    goes_on,
    is_done,
    typed,
    what_went_wrong,
)
from console.telling import say
from console.workplace import Refusal, Workplace

LOOKS_AGAIN = 0.05
"""Seconds between two looks at a screen on which something goes on."""

PATIENCE = 20.0
"""Seconds that Sage may take to validate an AdminSage or to open a workspace, before the order is answered not-done."""

FIRST_COLUMNS = ("order", "result", "because")

LOST = 2
"""Dossiers that do not arrive where the operator says that all did."""

EXPORTED_AFTER = {"lock-out": "ge", "synchronise": "s4a", "users": "s4a", "assignments": "s4a"}
"""Which lists are exported once a write is done. In the guarded section: the source before, the target directly after."""

KEEPS_USERS_OUT = frozenset({"lock-out", "synchronise", "reopen"})


class InboxDiffers(BasculeError):
    """What `bascule inbox --json` tells is not understood here."""


class BasculeRefused(BasculeError):
    """Bascule did not take what the playing operator handed in."""


class WrongAnswerTaken(BasculeError):
    """A file of answers with a wrong value in it was not refused whole."""


class LiesUnclear(BasculeError):
    """It is not clear what to lie about."""


@dataclass(frozen=True)
class Answer:
    order: Order
    result: Result
    because: str
    evidence: Mapping[str, str]


@dataclass(frozen=True)
class Lies:
    """Orders that are answered *done* although they are not."""

    share: float = 0
    named: frozenset[tuple[str, str]] = frozenset()
    """A write and a cabinet."""

    def about(self, order: Order, draw: random.Random) -> bool:
        return any((verb, order.cabinet) in self.named for verb in order.verbs) or draw.random() < self.share


@dataclass(frozen=True)
class Character:
    """How the operator works."""

    speed: float = 0
    """Seconds an order, beside what Sage takes."""
    mistakes: float = 0
    """Share of answers that carry a wrong value at first."""
    lies: Lies = Lies()
    seed: int = 7

    def draw(self, order: Order, what: str) -> random.Random:
        return random.Random(f"{self.seed}/{order.id}/{what}")  # noqa: S311  # a game, the same for the same seed


def read_lies(text: str) -> Lies:
    """`synchronise=C0007,users=C0003`, a share such as `0.1`, or nothing. Raises LiesUnclear."""
    words = [word.strip() for word in text.split(",") if word.strip()]
    if len(words) == 1 and "=" not in text:
        return Lies(share=_share(words[0]))
    return Lies(named=frozenset(_named(word) for word in words))


def _named(word: str) -> tuple[str, str]:
    verb, _, cabinet = (part.strip() for part in word.partition("="))
    if verb not in verb_named or not cabinet:
        close = get_close_matches(verb, verb_named, n=1)
        raise LiesUnclear(
            f"--lies: {word!r} is no write and cabinet{f'; did you mean {close[0]!r}?' if close else ''}",
            remedy="write it as synchronise=C0007, several with commas, or give a share from 0 to 1",
        )
    return verb, cabinet


def _share(text: str) -> float:
    try:
        share = float(text)
    except ValueError:
        share = -1
    if not 0 <= share <= 1:
        raise LiesUnclear(
            f"--lies: {text!r} is no share from 0 to 1", remedy="or name orders, such as synchronise=C0007"
        )
    return share


MISWRITTEN = {
    "instant": "yesterday at eight",
    "date": "31.02.2026",
    "yes": "perhaps",
    "yes-or-no": "perhaps",
    "question": "ABCD EFGH",
    "siren": "12345",
    "count": "many",
}


def miswritten(answer: Answer) -> Answer:
    """The same with one value that no form takes; the same answer where it has no value at all."""
    kinds = {field.name: field.type for field in answer.order.form}
    name = next((name for name, value in answer.evidence.items() if value), None)
    if name is None:
        return answer
    wrong = MISWRITTEN.get(kinds.get(name, "yes-or-no"), f"{answer.evidence[name]} or so")
    return replace(answer, evidence={**answer.evidence, name: wrong})


# The operator at work


class BasculeCommand:
    """The command as a person types it. Raises BasculeRefused with its own words."""

    def __init__(self, environment: str | None = None) -> None:
        self._environment = ["--environment", environment] if environment else []

    def inbox(self) -> list[Order]:
        try:
            told = json.loads(self._typed("inbox", "--json"))
            return _orders.validate_python(told)
        except (ValueError, ValidationError) as other:
            raise InboxDiffers(
                f"bascule inbox --json is not understood: {' '.join(str(other).split())[:300]}"
            ) from None

    def answer(self, answers: Iterable[Answer], by: str) -> None:
        with tempfile.TemporaryDirectory(prefix="bascule-answers-") as folder:
            file = Path(folder, "answers.csv")
            write_answers(answers, file)
            self._typed("answer", "--file", str(file), "--by", by)

    def approve(self, orders: Iterable[str], by: str, because: str) -> None:
        self._typed("approve", *orders, "--by", by, "--because", because)

    def _typed(self, *words: str) -> str:
        command = [sys.executable, "-c", "from console.cli import main; main()", *words, *self._environment]
        ended = subprocess.run(command, capture_output=True, text=True, encoding="utf-8", check=False)
        if ended.returncode:
            _, _, said = ended.stderr.rpartition("\nerror: ")
            raise BasculeRefused(f"bascule {words[0]} ended with {ended.returncode}: {said.strip()[-2000:]}")
        return ended.stdout


_orders = TypeAdapter(list[Order])


def write_answers(answers: Iterable[Answer], file: Path) -> None:
    """One line an order, one column a piece of evidence that any of them may carry."""
    answers = list(answers)
    rows = [{"order": a.order.id, "result": a.result, "because": a.because, **a.evidence} for a in answers]
    asked = [field.name for answer in answers for field in answer.order.form]
    columns = list(dict.fromkeys([*FIRST_COLUMNS, *asked, *(name for row in rows for name in row)]))
    with file.open("w", encoding="utf-8", newline="") as text:
        writer = csv.DictWriter(text, columns, restval="")
        writer.writeheader()
        writer.writerows(rows)


@dataclass(frozen=True)
class Round:
    """What one pass through the inbox came to."""

    seen: int
    results: Mapping[str, int]
    approved: int

    def in_words(self) -> str:
        given = ", ".join(f"{self.results.get(result, 0)} {result}" for result in ("done", "not-done", "cannot"))
        return f"work orders: {self.seen} seen, {given}, {self.approved} approved"


class PlayingOperator:
    def __init__(
        self,
        workplace: Workplace,
        bascule: BasculeCommand,
        by: str,
        approver: str | None,
        extracts: Path,
        character: Character,
    ) -> None:
        self._workplace = workplace
        self._bascule = bascule
        self._by = by
        self._approver = approver
        self._extracts = extracts
        self._character = character

    def play(self, every: float | None = None) -> None:
        """One pass, or another one every so many seconds."""
        if every is None:
            typer.echo(self.work_through_the_inbox().in_words())
            return
        while True:
            try:
                typer.echo(self.work_through_the_inbox().in_words())
            except BasculeRefused as refused:
                # An order may have been withdrawn meanwhile. The next round sees an inbox without it.
                say(str(refused))
            time.sleep(every)

    def work_through_the_inbox(self) -> Round:
        orders = self._inbox()
        answers = [self.work_on(order) for order in orders if order.state == "open"]
        self.hand_in(answers)
        return Round(len(orders), Counter(answer.result for answer in answers), self.approve())

    def _inbox(self) -> list[Order]:
        """Less what is on hold, and less the cabinets of another place."""
        orders, here = self._bascule.inbox(), set(self._workplace.codes())
        elsewhere = sorted({order.cabinet for order in orders} - here)
        if elsewhere:
            say(f"Not at this sandbox, and left alone: {', '.join(elsewhere)}")
        return [order for order in orders if order.cabinet in here and not order.on_hold]

    def work_on(self, order: Order) -> Answer:
        time.sleep(self._character.speed)
        if not (self._extracts / order.cabinet / "ge").is_dir():
            self._workplace.export(order.cabinet, self._extracts, ["ge"])
        lies = self._character.lies.about(order, self._character.draw(order, "lie"))
        if lies and "synchronise" not in order.verbs:
            return self._pretend(order)
        if lies:
            say(f"{order.id}: {LOST} dossiers will not arrive, and the answer will be done")
            self._workplace.lose(order.cabinet, LOST)
        try:
            return self._worked_through(order, counting="ge/dossiers.csv" if lies else "s4a/clients.csv")
        except (BasculeError, KeyboardInterrupt):
            with contextlib.suppress(BasculeError):
                self._let_in(order)
            raise

    def _worked_through(self, order: Order, counting: str) -> Answer:
        evidence: dict[str, str] = {}
        for verb in order.verbs:
            refusal = self.do_by_hand(verb, order)
            if refusal is not None:
                return self.give_up(order, refusal)
            # The clock is read before the lists are exported: older than the act, they would prove nothing about it.
            seen = self._seen(order)
            self._export_after(verb, order)
            if verb == "synchronise":
                seen = replace(seen, dossiers=_lines_of(self._extracts / order.cabinet / counting))
            evidence |= evidence_of(verb, seen)
        return self._done(order, evidence)

    def _export_after(self, verb: str, order: Order) -> None:
        if verb in EXPORTED_AFTER:
            self._workplace.export(order.cabinet, self._extracts, [EXPORTED_AFTER[verb]])

    def do_by_hand(self, verb: str, order: Order) -> Refusal | None:
        """Looks, acts, looks until it has ended."""
        if not is_done(verb, order, self._workplace.screens(order.cabinet)):
            refusal = self._workplace.act(order.cabinet, verb, **typed(verb, order.values))
            if refusal is not None:
                return refusal
        return what_went_wrong(verb, self._awaited(verb, order))

    def _awaited(self, verb: str, order: Order) -> Screens:
        """A synchronisation is awaited however long it takes: nobody leaves users locked out behind it."""
        until = time.monotonic() + PATIENCE
        while True:
            screens = self._workplace.screens(order.cabinet)
            if not goes_on(verb, screens) or (verb != "synchronise" and time.monotonic() > until):
                return screens
            time.sleep(LOOKS_AGAIN)

    def give_up(self, order: Order, refusal: Refusal) -> Answer:
        """Whatever was refused: users are let in again first."""
        self._let_in(order)
        result, evidence = given_up(order, refusal, users_back=self._users_are_in(order))
        answer = Answer(order, result, f"{refusal.says} ({refusal.code})", evidence)
        say(f"{order.id}: {answer.result}: {answer.because}")
        return answer

    def _let_in(self, order: Order) -> None:
        if KEEPS_USERS_OUT & set(order.verbs) and not self._users_are_in(order):
            self._workplace.act(order.cabinet, "reopen")

    def _users_are_in(self, order: Order) -> bool:
        return self._workplace.screens(order.cabinet)["ge"]["locked_out_by"] is None

    def hand_in(self, answers: Sequence[Answer]) -> None:
        if not answers:
            return
        first = [self._perhaps_miswritten(answer) for answer in answers]
        if first != answers:
            self._see_refused_whole(first)
        self._bascule.answer(answers, self._by)

    def approve(self) -> int:
        if self._approver is None:
            return 0
        answered = [order for order in self._inbox() if order.state == "to-approve"]
        waiting = [order.id for order in answered if order.answered_by != self._approver]
        if waiting:
            self._bascule.approve(
                waiting, self._approver, "Read the answer and its evidence; the screens show the same."
            )
        return len(waiting)

    def _perhaps_miswritten(self, answer: Answer) -> Answer:
        draw = self._character.draw(answer.order, "mistake")
        return miswritten(answer) if draw.random() < self._character.mistakes else answer

    def _see_refused_whole(self, answers: Sequence[Answer]) -> None:
        """A file with a mistake in it must leave every order as it was."""
        try:
            self._bascule.answer(answers, self._by)
        except BasculeRefused as refused:
            say(f"Handed in with mistakes, which are then corrected: {refused}")
            still_open = {order.id for order in self._bascule.inbox() if order.state == "open"}
            taken = [answer.order.id for answer in answers if answer.order.id not in still_open]
            if not taken:
                return
            raise WrongAnswerTaken(
                f"A file with a wrong value was refused, and yet answered {', '.join(taken)}"
            ) from None
        raise WrongAnswerTaken

    def _done(self, order: Order, evidence: Mapping[str, str]) -> Answer:
        return Answer(order, "done", f"Done as asked: {', '.join(order.verbs)}; the screens show it.", evidence)

    def _pretend(self, order: Order) -> Answer:
        """Nothing is done. The lists are exported nevertheless: they tell."""
        say(f"{order.id}: answered done, and nothing was done")
        evidence: dict[str, str] = {}
        for verb in order.verbs:
            evidence |= evidence_of(verb, self._seen(order))
            self._export_after(verb, order)
        return self._done(order, evidence)

    def _seen(self, order: Order) -> Seen:
        return Seen(order, self._workplace.screens(order.cabinet), datetime.now(UTC))


def _lines_of(file: Path) -> int | None:
    """How many a list names."""
    if not file.is_file():
        return None
    with file.open(encoding="cp1252", newline="") as text:
        return sum(1 for _ in csv.reader(text, delimiter=";")) - 1
