"""The synchronisation: GE's consistency check, the transfer, the end. All is decided when it begins.

Missing rights are no error: the group's dossiers stay behind, and the synchronisation succeeds.
"""

from __future__ import annotations

import math
import random

from sandbox.cabinet import Cabinet
from sandbox.clock import instant
from sandbox.consistency import anomalies
from sandbox.standing import Course, Operation, Transfer
from sandbox.wire import Phase, Synchronisation
from sandbox.world import Lists

CHECK, FINISH = 0.2, 0.1
"""Shares of the whole time that the consistency check and the end take; the transfer has the rest."""

INTRUSION = 0.5
"""Somebody who connects midway does so in the middle of the transfer; the abort follows a little later."""


def begun(cabinet: Cabinet, now: float) -> Course:
    lists = cabinet.lists(now)
    draw = random.Random(f"{cabinet.seed}/{cabinet.code}/synchronise/{cabinet.times('synchronise')}")
    transfer = _planned(cabinet, lists, now)
    total = len(lists.dossiers)
    first = _resumed_from(cabinet)
    whole = cabinet.scenario.sync_seconds * _pace(total) * (1 - first / total)
    course = Course(
        began_at=now,
        transfers_from=now + CHECK * whole,
        finishes_from=now + (1 - FINISH) * whole,
        ends_at=now + whole,
        whole_at=now + whole,
        ends="succeeded",
        first=first,
        last=total,
        total=total,
        transfer=transfer,
    )
    found = anomalies(lists)
    if found:
        cabinet.faults.strikes("anomaly", now)
        return _ended_early(course, course.transfers_from, "not-begun", "inconsistent")
    unlocked = cabinet.standing.ge.locked_out_at is None
    if unlocked or cabinet.faults.strikes("user-connects-midway", now):
        course.intruder, course.intruder_at = lists.collaborateurs[-1].code, _within_transfer(course, INTRUSION)
        return _ended_early(course, _within_transfer(course, INTRUSION + 0.1), "not-begun", "user-connected")
    cut = cabinet.faults.strikes("cut-mid-sync", now)
    if cut:
        course.last = first + max(1, int((total - first) * draw.uniform(0.2, 0.8)))
        cut_at = _within_transfer(course, (course.last - first) / (total - first)) if total > first else course.ends_at
        transfer.dossiers, transfer.complete, transfer.resumable = course.last, False, cut.then != "restart"
        return _ended_early(course, cut_at, "interrupted", "interrupted")
    return course


def _pace(dossiers: int) -> float:
    """How much longer than `sync_seconds` so many dossiers take: 0.8 for 60, 1.5 for 4,000."""
    return 0.8 + 0.4 * math.log10(max(dossiers, 60) / 60)


def _planned(cabinet: Cabinet, lists: Lists, now: float) -> Transfer:
    """Everything, less what the AdminSage may not see and what gets lost."""
    lacking = _lacking_rights(cabinet, lists)
    if lacking:
        cabinet.faults.strikes("missing-group-right", now)
    losing = cabinet.faults.strikes("partial-transfer", now)
    transfers = cabinet.standing.s4a.transfers
    return Transfer(
        dossiers=len(lists.dossiers),
        without_groups=sorted({group for group, _ in lacking}),
        without_dossiers=_lost(cabinet, lists, losing.dossiers) if losing else [],
        without_rights=lacking,
        again=any(transfer.complete for transfer in transfers) and not cabinet.scenario.honour_keys,
    )


def _lacking_rights(cabinet: Cabinet, lists: Lists) -> list[tuple[str, str]]:
    """Group and right, for every one that the AdminSage lacks. All, if GE knows nobody with that very e-mail."""
    declared = cabinet.standing.my_sage.admin_sage
    email = declared.email if declared else None
    admin = next((person.code for person in lists.collaborateurs if person.email == email), None)
    held = {(right.group, right.right) for right in lists.rights if right.collaborateur == admin}
    return [(g.code, right) for g in lists.groups for right in lists.right_names if (g.code, right) not in held]


def _lost(cabinet: Cabinet, lists: Lists, so_many: int | None) -> list[str]:
    """So many dossiers, or about a third of one group's."""
    draw = random.Random(f"{cabinet.seed}/{cabinet.code}/partial-transfer")
    if so_many is not None:
        codes = [dossier.code for dossier in lists.dossiers]
        return sorted(draw.sample(codes, min(so_many, len(codes))))
    group = draw.choice(lists.groups).code
    codes = [dossier.code for dossier in lists.dossiers if dossier.group == group]
    return sorted(draw.sample(codes, math.ceil(len(codes) / 3)))


def _resumed_from(cabinet: Cabinet) -> int:
    last = cabinet.standing.s4a.transfers[-1:]
    return last[0].dossiers if last and not last[0].complete and last[0].resumable else 0


def _within_transfer(course: Course, share: float) -> float:
    return course.transfers_from + share * (course.finishes_from - course.transfers_from)


def _ended_early(course: Course, at: float, how: str, error_code: str) -> Course:
    assert how in ("not-begun", "interrupted")
    course.ends_at, course.ends, course.error_code = at, how, error_code  # type: ignore[assignment]
    return course


# As time goes by


def progress(course: Course, now: float) -> float:
    """From 0 to 1; what was there before counts."""
    done = course.first / course.total
    elapsed = (min(now, course.ends_at) - course.began_at) / max(course.whole_at - course.began_at, 1e-9)
    return round(done + (1 - done) * min(max(elapsed, 0.0), 1.0), 4)


def phase(course: Course, now: float) -> Phase:
    if now < course.transfers_from:
        return "consistency"
    return "transfer" if now < course.finishes_from else "finishing"


def arrived(course: Course, now: float) -> int:
    """How many dossiers are there by now."""
    share = (now - course.transfers_from) / max(course.finishes_from - course.transfers_from, 1e-9)
    return min(course.last, course.first + int((course.total - course.first) * min(max(share, 0.0), 1.0)))


def ended(cabinet: Cabinet, operation: Operation, course: Course) -> None:
    """What remains of it, once it is over."""
    s4a, ge = cabinet.standing.s4a, cabinet.standing.ge
    operation.status, operation.error_code = course.ends, course.error_code
    operation.message = _MESSAGES.get(course.error_code or "")
    if course.ends == "not-begun":
        return
    if s4a.transfers and not s4a.transfers[-1].complete:
        s4a.transfers.pop()
    s4a.transfers.append(course.transfer)
    if course.ends == "succeeded":
        s4a.synchronised_at = course.ends_at
        s4a.default_profile, s4a.default_group = ge.default_profile, ge.default_group


_MESSAGES = {
    "inconsistent": "The consistency check found anomalies; nothing was transferred.",
    "user-connected": "A user connected meanwhile; everything was put back.",
    "interrupted": "The synchronisation was cut midway.",
}


def facts(cabinet: Cabinet, now: float) -> Synchronisation | None:
    write = cabinet.last_synchronisation()
    if write is None or write.operation is None or write.operation.course is None:
        return None
    course, status = write.operation.course, write.operation.status
    is_over = status != "running"
    return Synchronisation(
        status="done" if status == "succeeded" else "running" if status == "running" else course.ends,  # type: ignore[arg-type]
        operation=write.id,
        progress=progress_of(write.operation, now),
        started_at=instant(course.began_at),
        ended_at=instant(course.ends_at) if is_over else None,
    )


def progress_of(operation: Operation, now: float) -> float:
    if operation.status == "succeeded":
        return 1.0
    if operation.status in ("accepted", "not-begun") or operation.course is None:
        return 0.0
    return progress(operation.course, now)
