"""Work orders and runs for tests to tell of."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any
from zoneinfo import ZoneInfo

from bascule.model import Outcome
from bascule.notices import EndedRun, Hearers, KeptOut, Notice, QuietHours, due
from bascule.notices.due import TellsOf
from bascule.notices.told import Said, entries_of, told_by
from bascule.workorders import Answer, Approval, Result, WorkOrder

NOON = datetime(2026, 12, 1, 11, 0, tzinfo=UTC)
"""A Tuesday's noon in Paris."""
PARIS = ZoneInfo("Europe/Paris")
NEVER_QUIET = QuietHours(PARIS)
HEARERS = Hearers(operators=("anne", "paul"), team=("@team", "env:TEAMS_URL"))


def order(cabinet: str = "C0001", *verbs: str, **changes: Any) -> WorkOrder:
    verbs = verbs or ("connect", "defaults")
    plain = WorkOrder(
        id=f"{cabinet}-{verbs[0]}",
        cabinet=cabinet,
        wave="pilot",
        key=f"key of {cabinet}",
        verbs=verbs,
        opened_at=NOON - timedelta(minutes=5),
        expires_at=NOON + timedelta(days=14),
        owner="anne",
        minutes=20,
        values={
            "admin_email": "dupont@cabinet-dupont.fr",
            "siren": "732829320",
            "name": "Cabinet Dupont",
            "terms_signatory": "Jeanne Dupont",
        },
    )
    return replace(plain, **changes)


def answered(one: WorkOrder, by: str, at: datetime = NOON, result: Result = Result.DONE) -> WorkOrder:
    return replace(one, answer=Answer(by=by, at=at, result=result, because="vu avec M. Dupont"))


def declined(one: WorkOrder, by: str, at: datetime) -> WorkOrder:
    return replace(one, answer=None, refusal=Approval(by=by, at=at, because="no"))


def kept_out(cabinet: str = "C0005", **changes: Any) -> KeptOut:
    """For ten minutes longer than they may be."""
    since = NOON - timedelta(hours=4, minutes=10)
    plain = KeptOut(cabinet=cabinet, wave="pilot", owner="anne", since=since, deadline=since + timedelta(hours=4))
    return replace(plain, **changes)


def run(number: str = "R1", **changes: Any) -> EndedRun:
    plain = EndedRun(
        wave="pilot",
        run=number,
        at=NOON - timedelta(minutes=1),
        whole=True,
        outcomes={Outcome.BLOCKED: 1, Outcome.NONE: 2, Outcome.OK: 17},
        needing=(("C0007", Outcome.BLOCKED, "admin-rights"), ("C0008", Outcome.NONE, "connect")),
    )
    return replace(plain, **changes)


class Day:
    """Looks after one another, each message sent, or not."""

    def __init__(self, hearers: Hearers = HEARERS, quiet: QuietHours = NEVER_QUIET, remind_after: float = 24) -> None:
        self.hearers, self.quiet, self.remind_after = hearers, quiet, timedelta(hours=remind_after)
        self.entries: list[Any] = []

    def told(self, now: datetime) -> TellsOf:
        return told_by(self.entries, now)

    def look(
        self,
        *orders: WorkOrder,
        out: Sequence[KeptOut] = (),
        runs: Sequence[EndedRun] = (),
        now: datetime = NOON,
        said: Sequence[Said] = (Said.SENDING, Said.SENT),
    ) -> list[Notice]:
        notices = due(
            orders, out, runs, self.told(now), self.hearers, now=now, quiet=self.quiet, remind_after=self.remind_after
        )
        self.entries += [
            entry for notice in notices for word in said for entry in entries_of(notice, word, at=now, who="bascule")
        ]
        return list(notices)


def told_to(notices: Sequence[Notice]) -> dict[str, list[str]]:
    """By hearer, what they hear of."""
    heard: dict[str, list[str]] = {}
    for notice in notices:
        heard.setdefault(notice.to, []).extend(matter.about for matter in notice.matters)
    return heard
