"""A second synchronisation by a person's decision: what it may double is said, confirmed by typing, and approved by somebody else."""

from __future__ import annotations

import asyncio
import sys
import uuid
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING

import typer

from console.telling import say, tell

if TYPE_CHECKING:
    from bascule.ledger import Ledger
    from config.settings import Settings
    from flows.preparing import Asked


@dataclass(frozen=True, slots=True, kw_only=True)
class AtStake:
    """What a second synchronisation of a cabinet may double."""

    code: str
    dossiers: int | None
    """How many Client Management holds already; None where no list tells."""
    read_at: datetime | None
    missing: int = 0

    @property
    def there(self) -> str:
        if self.dossiers is None or self.read_at is None:
            return "nobody knows how many"
        return f"{self.dossiers}, read at {self.read_at.astimezone(UTC):%Y-%m-%d %H:%M} UTC"

    def __str__(self) -> str:
        if self.dossiers is None:
            return (
                f"{self.code}: no list tells how many dossiers are in Client Management already; "
                "a second synchronisation may list all of them twice."
            )
        missing = f"{self.missing} are missing there, and " if self.missing else ""
        return (
            f"{self.code}: {missing}{self.dossiers} dossiers are in Client Management already ({self.there}); "
            "a second synchronisation may list all of them twice."
        )


def order_rerun(asked: Asked, step: str, by: str | None, confirmed: Sequence[str], environment: str | None) -> bool:
    """On record before anything is run. False where somebody else has to approve it first. Raises NotReady."""
    from bascule.engine.opening import order_again
    from config.settings import read_settings
    from config.wiring import open_ledger
    from console.reconciling import codes_of
    from flows.preparing import NotReady

    settings = read_settings(environment)
    orderer = _orderer(asked, step, by, settings)
    with open_ledger(settings, makes_one=False) as ledger:
        codes = codes_of(ledger, asked.wave or "", asked.cabinets)
        stakes = [at_stake(code, ledger) for code in codes]
        _confirm(stakes, confirmed)
        wave = asked.wave or ""
        if settings.environment == "sandbox":
            for code in codes:
                asyncio.run(order_again(ledger, wave=wave, code=code, step=step, by=orderer, because=asked.because))
            return True
        if not settings.operators:
            raise NotReady(
                f"The environment {settings.environment} names no operators, so nobody could approve it",
                remedy=f'name them in its file: operators = ["{orderer}", …]',
            )
        _submit(stakes, ledger, settings, wave=wave, by=orderer, because=asked.because)
    return False


def at_stake(code: str, ledger: Ledger) -> AtStake:
    """By the last comparison that told the dossiers; else by the lists that were kept when they had been carried over."""
    from bascule.engine.decisions import kept_lists
    from bascule.facts import S4aLists, View, from_json
    from bascule.procedure import Kept
    from bascule.reports.account import last_comparison

    history = ledger.history(code)
    compared = last_comparison(history)
    if compared is not None and compared[1].tells_dossiers:
        dossiers = compared[1].of("dossier")
        return AtStake(code=code, dossiers=dossiers.target, read_at=compared[0].at, missing=dossiers.count("missing"))
    kept = kept_lists(history).get(Kept.TARGET.value)
    content = ledger.kept(kept.hash) if kept is not None else None
    lists = from_json(View.S4A_LISTS, content) if content is not None else None
    if isinstance(lists, S4aLists) and "dossiers" not in lists.unknown:
        return AtStake(code=code, dossiers=len(lists.dossiers), read_at=lists.taken_at)
    return AtStake(code=code, dossiers=None, read_at=None)


def _orderer(asked: Asked, step: str, by: str | None, settings: Settings) -> str:
    from bascule.procedure import SYNCHRONISE
    from bascule.workorders import is_same_person
    from flows.preparing import NotReady

    if step != SYNCHRONISE:
        raise NotReady(f"--again does not know {step!r}", remedy="only synchronise can be ordered again")
    if not asked.cabinets or not by or not by.strip() or not asked.because.strip():
        raise NotReady(
            "A second synchronisation is for cabinets that are named, by somebody, for a reason",
            remedy="give --cabinet, --by and --because",
        )
    if not settings.operators:
        return by.strip()
    orderer = next((name for name in settings.operators if is_same_person(by, name)), None)
    if orderer is None:
        raise NotReady(f"{by!r} is no operator", remedy=f"operators: {', '.join(settings.operators)}")
    return orderer


def _confirm(stakes: Sequence[AtStake], confirmed: Sequence[str]) -> None:
    """Each cabinet's code, typed. Raises NotReady."""
    from flows.preparing import NotReady

    for stake in stakes:
        say(str(stake))
    codes = [stake.code for stake in stakes]
    stranger = next((code for code in confirmed if code.strip() not in codes), None)
    nothing = "nothing was ordered"
    if stranger is not None:
        raise NotReady(f"--confirm {stranger!r} is none of the cabinets named: {nothing}", remedy=_remedy(codes))
    for code in (code for code in codes if code not in {one.strip() for one in confirmed}):
        if not sys.stdin.isatty():
            raise NotReady(
                f"{code}: a second synchronisation is confirmed by its code: {nothing}", remedy=_remedy(codes)
            )
        typed = typer.prompt(f"Type the cabinet's code to order a second synchronisation of {code}", err=True)
        if typed.strip() != code:
            raise NotReady(f"{typed!r} is not {code}: {nothing}", remedy="look at both sides before you order it")


def _remedy(codes: Sequence[str]) -> str:
    return f"look at both sides; then add {' '.join(f'--confirm {code}' for code in codes)}"


def _submit(stakes: Sequence[AtStake], ledger: Ledger, settings: Settings, *, wave: str, by: str, because: str) -> None:
    from bascule.ledger import Desk
    from bascule.workorders import SYNCHRONISE_AGAIN, Answer, Result, WorkOrder
    from config.wiring import current_user

    now = datetime.now(UTC)
    orders = [
        WorkOrder(
            id="",
            cabinet=stake.code,
            wave=wave,
            key=uuid.uuid4().hex,
            verbs=(SYNCHRONISE_AGAIN,),
            opened_at=now,
            expires_at=now + timedelta(days=settings.orders.expire_days),
            four_eyes=True,
            minutes=5,
            values={
                "code": stake.code,
                "ordered_by": by,
                "ordered_because": because,
                "dossiers_there": stake.there,
                **({"language": settings.orders.language} if settings.orders.language else {}),
            },
        )
        for stake in stakes
    ]
    desk = Desk(ledger, lambda: now, seat=current_user())
    for order in asyncio.run(desk.submit(orders, Answer(by=by, at=now, result=Result.DONE, because=because))):
        tell(f"{order.id}: a second synchronisation, ordered by {by}; nothing is sent before somebody else approves it")
        say(f"Next: bascule approve {order.id} --environment {settings.environment} --by NAME --because TEXT")
