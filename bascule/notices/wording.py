"""What a notice says, in French or English. Codes, numbers, hours, names of operators, commands: nothing else of a cabinet's.

No address, no SIREN, no name of anybody at the cabinet, no reason: those may hold one. A message goes through servers of others.
"""

from __future__ import annotations

import re
import shlex
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from itertools import groupby
from zoneinfo import ZoneInfo

from bascule.connectors.operator.wording import TEXTS
from bascule.model import Outcome
from bascule.notices.due import EndedRun, KeptOut, Matter, Notice, Topic
from bascule.workorders import WorkOrder

LISTED = 40
"""Work orders, or cabinets, that a message names of each topic; the others are counted."""

WORDS: Mapping[str, Mapping[str, str]] = {
    "fr": {
        "alarm": "ALERTE Bascule : {what}",
        "digest": "Bascule : {what}",
        "locked-out-one": "{cabinet}, les utilisateurs sont toujours exclus de GE",
        "locked-out-many": "les utilisateurs de {n} cabinets sont toujours exclus de GE",
        "overdue-one": "{cabinet}, les utilisateurs sont peut-être encore exclus de GE",
        "overdue-many": "les utilisateurs de {n} cabinets sont peut-être encore exclus de GE",
        "to-approve-one": "1 réponse à approuver",
        "to-approve-many": "{n} réponses à approuver",
        "new-orders-one": "1 nouveau bon de travail",
        "new-orders-many": "{n} nouveaux bons de travail",
        "reminder-one": "1 rappel",
        "reminder-many": "{n} rappels",
        "on-hold-one": "1 bon de travail en suspens",
        "on-hold-many": "{n} bons de travail en suspens",
        "wave-ended-one": "vague {wave}, passage terminé : {grade}",
        "wave-ended-many": "{n} vagues, passages terminés",
        "locked-out": "Les utilisateurs devraient pouvoir se connecter de nouveau ; d'après le registre, ils sont toujours exclus de GE. "
        "Bascule rouvre de lui-même là où il voit qu'aucune synchronisation n'est en cours : bascule reap. "
        "Regardez dans GE s'il y en a une ; sinon, rouvrez :",
        "overdue": "Les utilisateurs devraient pouvoir se connecter de nouveau, et personne n'a dit qu'ils le peuvent. "
        "Bascule ne rouvre jamais de lui-même : appelez qui en est chargé, ou regardez dans GE, puis répondez.",
        "to-approve": "À approuver par quelqu'un d'autre que qui a répondu :",
        "new-orders": "Nouveaux bons de travail :",
        "reminder": "Attendent toujours quelqu'un :",
        "on-hold": "En suspens : personne n'a répondu à temps. Le prochain passage de la vague les redemande.",
        "wave-ended": "Vague {wave}, passage terminé le {at} : {grade}. {planned} cabinets : {outcomes}.",
        "late": "aurait dû être rouvert le {deadline}",
        "answered": "répondu par {by} le {at}",
        "takes": "environ {minutes} min",
        "since": "depuis le {at}",
        "expired": "expiré le {at}",
        "of": "chargé : {owner}",
        "nobody": "chargé : personne",
        "more": "… et {n} de plus",
        "at-step": "à l'étape {step}",
        "foot": "Heures : {zone}. Envoyé par Bascule ; ne pas répondre à ce message.",
    },
    "en": {
        "alarm": "ALARM Bascule: {what}",
        "digest": "Bascule: {what}",
        "locked-out-one": "{cabinet}, users are still locked out of GE",
        "locked-out-many": "the users of {n} cabinets are still locked out of GE",
        "overdue-one": "{cabinet}, users may still be locked out of GE",
        "overdue-many": "the users of {n} cabinets may still be locked out of GE",
        "to-approve-one": "1 answer to approve",
        "to-approve-many": "{n} answers to approve",
        "new-orders-one": "1 new work order",
        "new-orders-many": "{n} new work orders",
        "reminder-one": "1 reminder",
        "reminder-many": "{n} reminders",
        "on-hold-one": "1 work order on hold",
        "on-hold-many": "{n} work orders on hold",
        "wave-ended-one": "wave {wave}, run ended: {grade}",
        "wave-ended-many": "{n} waves, runs ended",
        "locked-out": "Users should be able to connect again, and as far as the ledger knows they are still locked out of GE. "
        "Bascule reopens by itself where it sees that no synchronisation runs: bascule reap. "
        "Look in GE whether one runs; if none does, reopen:",
        "overdue": "Users should be able to connect again, and nobody has said that they can. "
        "Bascule never reopens by itself: call who has the order, or look in GE, then answer.",
        "to-approve": "To be approved by somebody else than who answered:",
        "new-orders": "New work orders:",
        "reminder": "Still waiting for somebody:",
        "on-hold": "On hold: nobody answered in time. The wave's next run asks anew.",
        "wave-ended": "Wave {wave}, run ended {at}: {grade}. {planned} cabinets: {outcomes}.",
        "late": "should have been reopened by {deadline}",
        "answered": "answered by {by}, {at}",
        "takes": "about {minutes} min",
        "since": "since {at}",
        "expired": "expired {at}",
        "of": "owner: {owner}",
        "nobody": "owner: nobody",
        "more": "… and {n} more",
        "at-step": "at step {step}",
        "foot": "Times: {zone}. Sent by Bascule; do not answer this message.",
    },
}

OUTCOMES: Mapping[str, Mapping[Outcome, str]] = {
    "fr": {
        Outcome.UNKNOWN: "inconnu",
        Outcome.FAILED: "en échec",
        Outcome.PARTIAL: "partiel",
        Outcome.BLOCKED: "bloqué",
        Outcome.NONE: "inachevé",
        Outcome.OK_WITH_RESERVATIONS: "ok avec réserves",
        Outcome.OK: "ok",
        Outcome.EXCLUDED: "exclu",
    },
    "en": {outcome: outcome.value for outcome in Outcome} | {Outcome.NONE: "unfinished"},
}


@dataclass(frozen=True, slots=True)
class Message:
    subject: str
    text: str


def worded(notice: Notice, *, language: str, zone: ZoneInfo) -> Message:
    said = _Wording(notice, language, zone)
    return Message(said.subject(), said.text())


class _Wording:
    def __init__(self, notice: Notice, language: str, zone: ZoneInfo) -> None:
        self._notice = notice
        self._language = language
        self._zone = zone
        self._topics = [(topic, list(matters)) for topic, matters in groupby(notice.matters, lambda m: m.topic)]

    def subject(self) -> str:
        what = ", ".join(self._counted(topic, matters) for topic, matters in self._topics)
        return self._say(self._notice.kind, what=what)

    def text(self) -> str:
        paragraphs = ["\n".join(lines) for topic, matters in self._topics for lines in self._paragraphs(topic, matters)]
        return "\n\n".join([*paragraphs, self._say("foot", zone=self._zone.key)]) + "\n"

    def _counted(self, topic: Topic, matters: Sequence[Matter]) -> str:
        if len(matters) > 1:
            return self._say(f"{topic}-many", n=len(matters))
        of = matters[0].of
        if isinstance(of, EndedRun):
            return self._say(f"{topic}-one", wave=_plain(of.wave), grade=self._outcome(of.grade))
        return self._say(f"{topic}-one", cabinet=of.cabinet)

    def _paragraphs(self, topic: Topic, matters: Sequence[Matter]) -> Iterator[list[str]]:
        runs = [matter.of for matter in matters if isinstance(matter.of, EndedRun)]
        out = [matter.of for matter in matters if isinstance(matter.of, KeptOut)]
        orders = [matter.of for matter in matters if isinstance(matter.of, WorkOrder)]
        yield from (self._of_run(run) for run in runs)
        if out:
            lines = [f"- {one.cabinet}: {'; '.join(self._of_lock_out(one))}" for one in out]
            yield [self._say(topic), *self._shortened(lines), f"  {self._unlock(out)}"]
        if orders:
            lines = [f"- {order.id}: {'; '.join(self._of_order(topic, order))}" for order in orders]
            yield [self._say(topic), *self._shortened(lines), f"  {self._command(topic, orders)}"]

    def _of_order(self, topic: Topic, order: WorkOrder) -> Iterator[str]:
        yield ", ".join(TEXTS[verb][self._language]["title"] for verb in order.verbs)
        if topic is Topic.OVERDUE and order.deadline is not None:
            yield self._say("late", deadline=self._at(order.deadline))
        elif order.answer is not None:
            yield self._say("answered", by=_plain(order.answer.by), at=self._at(order.answer.at))
        elif topic is Topic.ON_HOLD:
            yield self._say("expired", at=self._at(order.expires_at))
        else:
            yield self._say("takes", minutes=order.minutes)
            yield self._say("since", at=self._at(order.opened_at))
        yield self._owned_by(order.owner)

    def _of_lock_out(self, out: KeptOut) -> Iterator[str]:
        yield self._say("since", at=self._at(out.since))
        yield self._say("late", deadline=self._at(out.deadline))
        yield self._owned_by(out.owner)

    def _owned_by(self, owner: str | None) -> str:
        return self._say("of", owner=_plain(owner)) if owner else self._say("nobody")

    def _of_run(self, run: EndedRun) -> list[str]:
        outcomes = ", ".join(f"{n} {self._outcome(outcome)}" for outcome, n in run.outcomes.items())
        planned = sum(run.outcomes.values())
        grade, at = self._outcome(run.grade), self._at(run.at)
        first = self._say("wave-ended", wave=_plain(run.wave), at=at, grade=grade, planned=planned, outcomes=outcomes)
        needing = [
            f"- {code}: {self._outcome(outcome)}" + (f", {self._say('at-step', step=step)}" if step else "")
            for code, outcome, step in run.needing
        ]
        return [first, *self._shortened(needing), f"  bascule status --wave {shlex.quote(_plain(run.wave))}"]

    def _command(self, topic: Topic, orders: Sequence[WorkOrder]) -> str:
        """One work order: what to type; several: where they are listed."""
        me = self._me()
        if topic is Topic.ON_HOLD:
            return "\n  ".join(
                f"bascule rerun --wave {shlex.quote(_plain(wave))}" for wave in dict.fromkeys(o.wave for o in orders)
            )
        if len(orders) > 1:
            return f"bascule inbox --mine {me}" if self._notice.to_a_person else "bascule inbox"
        number = orders[0].id
        approve, answer = (
            f'approve {number} --by {me} --because "…"',
            f"answer {number} --by {me} --result done|not-done|cannot",
        )
        return f"bascule inbox --order {number}\n  bascule {answer if orders[0].answer is None else approve}"

    def _unlock(self, out: Sequence[KeptOut]) -> str:
        return f'bascule unlock {out[0].cabinet if len(out) == 1 else "CODE"} --by {self._me()} --because "…"'

    def _me(self) -> str:
        return shlex.quote(self._notice.to) if self._notice.to_a_person else "NAME"

    def _shortened(self, lines: Sequence[str]) -> list[str]:
        more = len(lines) - LISTED
        return [*lines[:LISTED], *([self._say("more", n=more)] if more > 0 else [])]

    def _outcome(self, outcome: Outcome) -> str:
        return OUTCOMES[self._language][outcome]

    def _at(self, instant: datetime) -> str:
        return f"{instant.astimezone(self._zone):%Y-%m-%d %H:%M}"

    def _say(self, words: str, **values: object) -> str:
        return WORDS[self._language][words].format(**values)


def _plain(text: str) -> str:
    """Names are typed by people into files: none of them may mention everybody, link, or break a line in somebody's chat."""
    return re.sub(r"[^\w .'’-]", "·", text)[:60]
