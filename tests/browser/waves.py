"""A wave of any size with something of everything in it: what a page must be able to show."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from dataclasses import replace
from datetime import datetime, timedelta
from random import Random
from typing import Any

from bascule.checks.reconciliation import Compared, Difference, Reconciliation
from bascule.ledger import Entry, EntryKind, Ledger
from bascule.model import ErrorClass, Lifecycle, Outcome, State
from bascule.procedure import PROCEDURE
from tests.unit.reports.histories import WHEN, History, acted, began, ended, judged, line, planned

STEPS = [step.name for step in PROCEDURE]
OWNERS = ("claire", "paul", "anne-sophie")
SITES = ("Lyon", "Nantes", "Paris", None)
NAMES = (
    "Fiduciaire du Vieux-Port",
    "Martin & Associés",
    "Expertise Comptable de l’Ouest",
    "Cabinet Lefèvre-Dubois",
    "AudiConseil",
)
HOSTILE = "<script>document.title='taken'</script>\u202egnp.exe\x07 =cmd|'/C calc'!A0 </script><!--"
SAME: Any = {"error_class": ErrorClass.DATA, "error_signature": "admin-rights: the AdminSage lacks rights"}


def wave(ledger: Ledger, cabinets: int, name: str = "pilot", since: datetime = WHEN) -> None:
    """Written at once. The same figures, the same wave."""
    chance = Random(f"{name}{cabinets}")
    first = line(
        f"@{name}",
        EntryKind.RUN_BEGAN,
        reason="the first wave of December",
        evidence={"plan": "4f1d2c" * 10 + "abcd", "version": "0.1.0", "inventory": "0" * 64, "environment": "sandbox"},
    )
    entries = [
        replace(first, at=since),
        *(entry for n in range(cabinets) for entry in _cabinet(name[0].upper(), n, chance, since)),
    ]
    last = line(f"@{name}", EntryKind.RUN_ENDED)
    told = [*entries, replace(last, at=max(entry.at for entry in entries))]
    asyncio.run(ledger.record(*(replace(entry, wave=name) for entry in told)))


def _cabinet(prefix: str, number: int, chance: Random, since: datetime) -> Iterator[Entry]:
    code = f"{prefix}{number:04}"
    who = {"name": chance.choice(NAMES), "owner": chance.choice(OWNERS), "site": chance.choice(SITES)}
    if number == 3:
        who["name"] = HOSTILE
    start = since + timedelta(seconds=number * 20)
    history = [*planned(code, evidence=who), *_run(code, number, chance)]
    at = start
    for entry in history:
        at += timedelta(seconds=chance.lognormvariate(2.4 if entry.kind is EntryKind.PROOF else 0.3, 0.8))
        yield replace(entry, at=at)


def _run(code: str, number: int, chance: Random) -> History:
    fate = number % 25
    if fate == 1:
        reason = "the AdminSage lacks rights on some dossier groups: SOCIAL, PAIE"
        failed = judged(code, STEPS[0], State.FAILED, reason, outcome=Outcome.BLOCKED, **SAME)
        return [
            *began(code),
            *failed,
            *ended(code, Outcome.BLOCKED, step=STEPS[0], reason=reason, remedy="give the rights in GE", **SAME),
        ]
    if fate == 2:
        reason = "GE did not answer: the connection was cut"
        error: Any = {"error_class": ErrorClass.TRANSIENT, "error_signature": "connect: the connection was cut"}
        failed = judged(code, "connect", State.UNKNOWN, reason, **error)
        return [
            *began(code),
            *_done(code, STEPS[:4], chance),
            *failed,
            *ended(code, Outcome.UNKNOWN, step="connect", reason=reason, **error),
        ]
    if fate == 3:
        waits = judged(code, "terms", State.WAITING, "waits for a person: WO-12", error_class=None)
        over = ended(code, Outcome.NONE, lifecycle=Lifecycle.WAITING, step="terms", reason="waits for a person: WO-12")
        return [*began(code), *_done(code, STEPS[:8], chance), *waits, *over]
    if fate == 4:
        error = {"error_class": ErrorClass.EXTERNAL, "error_signature": "sign-up: the e-mail is taken"}
        reason = f"S4A refused {HOSTILE}" if number == 4 else "S4A refused: the e-mail is linked to another cabinet"
        failed = judged(code, "sign-up", State.FAILED, reason, **error)
        return [
            *began(code),
            *_done(code, STEPS[:6], chance),
            *failed,
            *ended(code, Outcome.FAILED, step="sign-up", reason=reason, **error),
        ]
    if fate == 5:
        missing = tuple(Difference(key=f"D{n:04}", group="SOCIAL") for n in range(12))
        found = Reconciliation(
            (
                Compared(what="group", source=6, target=6),
                Compared(what="dossier", source=180, target=168, missing=missing),
            )
        )
        partial = judged(
            code, "reconcile", State.FAILED, found.in_words(), outcome=Outcome.PARTIAL, evidence={"reconciled": found.as_json()},
            error_class=ErrorClass.DATA, error_signature="reconcile: dossiers missing",
        )  # fmt: skip
        over = ended(
            code,
            Outcome.PARTIAL,
            step="reconcile",
            reason=found.in_words(),
            error_class=ErrorClass.DATA,
            error_signature="reconcile: dossiers missing",
        )
        return [*began(code), *_done(code, STEPS[:16], chance), *partial, *over]
    if fate == 6:
        about = {"rule": "CON-01", "level": "reservation", "about": ["42"], "remedy": "enter it in GE"}
        found_one = line(
            code,
            EntryKind.FINDING,
            step="contacts",
            reason="the contact Zoé Petit exists in Client Management only",
            evidence=about,
        )
        return [*began(code), *_done(code, STEPS, chance), found_one, *ended(code, Outcome.OK_WITH_RESERVATIONS)]
    if fate == 7:
        decided = line(code, EntryKind.APPROVED, step="terms", operation="WO-7", reason="read and signed", who="anne")
        return [*began(code), *_done(code, STEPS, chance), decided, *ended(code, Outcome.OK)]
    if fate == 8:
        return []
    return [*began(code), *_done(code, STEPS, chance), *ended(code, Outcome.OK)]


def _done(code: str, steps: list[str], chance: Random) -> Iterator[Entry]:
    for step in steps:
        yield from acted(code, step)
        if step == "synchronise":
            compared = Compared(what="dossier", source=180, target=180)
            lists = {
                "reconciled": Reconciliation((compared,)).as_json(),
                "observed": {"ge_lists": {"dossiers": chance.choice((80, 420, 2_100))}},
            }
            yield line(code, EntryKind.PROOF, step="synchronise", state=State.DONE, evidence=lists)
        if step == "reopen":
            out = {
                "locked_out_for": round(chance.lognormvariate(7, 0.6), 1),
                "by_later_run": False,
                "level": "note",
                "rule": "OUT-01",
            }
            yield line(code, EntryKind.FINDING, step="reopen", reason="users were locked out", evidence=out)
