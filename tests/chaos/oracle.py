"""What the ledger calls ok, held against what the three systems hold; and whoever is kept out, against what status names."""

from __future__ import annotations

import reprlib
from collections import Counter
from collections.abc import Collection, Iterator, Mapping, Sequence
from typing import Any

from bascule.connectors import Basis
from bascule.errors import LedgerUnreachable
from bascule.ledger import Entry, EntryKind, Ledger
from bascule.model import Cabinet, Outcome, System
from bascule.reports import status_of
from bascule.reports.basis import basis_of
from tests.builders import ONE_TIME
from tests.chaos.processes import WAVE, Systems

State = Mapping[str, Any]
Written = Mapping[tuple[str, str], int]
"""How often each write of each cabinet took effect."""

DONE = (Outcome.OK, Outcome.OK_WITH_RESERVATIONS)
RECONCILE = "reconcile"
HELD = ("dossiers", "groups", "collaborateurs", "rights")


def outcomes_of(ledger_url: str) -> dict[str, Outcome]:
    """By code; empty before any run has begun."""
    try:
        with Ledger(ledger_url, read_only=True) as ledger:
            if not ledger.of_wave(WAVE, [EntryKind.RUN_BEGAN]):
                return {}
            return {cabinet.code: cabinet.outcome for cabinet in status_of(ledger, WAVE).cabinets}
    except LedgerUnreachable:
        return {}


def written_in(systems: Systems) -> Written:
    return Counter((line["cabinet"], line["verb"]) for line in systems.journal() if is_effective(line))


def is_effective(line: Mapping[str, Any]) -> bool:
    return line["outcome"] in ("applied", "dropped")


def untrue(ledger_url: str, systems: Systems, *, undetectable: Collection[str] = ()) -> Iterator[str]:
    """Whatever is called ok and is not so, while runs may still be at work. `undetectable`: whose lists nobody can see through."""
    ended = outcomes_of(ledger_url)
    written = written_in(systems)
    for (code, verb), times in sorted(written.items()):
        if verb in ONE_TIME and times > 1:
            yield f"{code}: {verb} took effect {times} times"
    done = [cabinet for cabinet in systems.cabinets if ended.get(cabinet.code) in DONE]
    if not done:
        return
    with Ledger(ledger_url, read_only=True) as ledger:
        for cabinet in done:
            lacking = "; ".join(not_so(cabinet, systems.state(cabinet.code), written))
            if lacking and cabinet.code not in undetectable:
                yield f"{cabinet.code}: is called {ended[cabinet.code]}, but {lacking}"
            elif lacking and not says_what_it_rests_on(ledger.history(cabinet.code)):
                yield f"{cabinet.code}: is called {ended[cabinet.code]}, and no proof says on whose word; but {lacking}"


def unnamed(ledger_url: str, systems: Systems) -> Iterator[str]:
    """When no run is at work any more: who is kept out, or did not end ok, without a word of it."""
    with Ledger(ledger_url, read_only=True) as ledger:
        status = status_of(ledger, WAVE)
        named = {cabinet.code for cabinet in status.locked_out}
    for cabinet in status.cabinets:
        if systems.state(cabinet.code)["ge"]["locked_out"] and cabinet.code not in named:
            yield f"{cabinet.code}: users are locked out, and status does not name them"
        if cabinet.outcome not in DONE and not cabinet.reason:
            yield f"{cabinet.code}: ended {cabinet.outcome} without a reason"


def not_so(cabinet: Cabinet, state: State, written: Written) -> Iterator[str]:
    """What keeps a cabinet from being ok in truth."""
    admin_sage, ge, s4a = state["my_sage"]["admin_sage"], state["ge"], state["s4a"]
    for verb in (*ONE_TIME, "backup"):
        if not written.get((cabinet.code, verb)):
            yield f"{verb} was never done"
    if admin_sage["email"] != cabinet.admin_email:
        yield f"the AdminSage is {admin_sage['email']}"
    if s4a["synchronise"]["status"] != "done":
        yield f"the synchronisation is {s4a['synchronise']['status']}"
    if (chosen := (cabinet.default_profile, cabinet.default_group)) != tuple(ge["defaults"].values()):
        yield f"GE's defaults are {ge['defaults']}, not {chosen}"
    if ge["defaults"] != s4a["defaults"]:
        yield f"the defaults are {ge['defaults']} in GE and {s4a['defaults']} in S4A"
    for kind in HELD:
        if sorted(ge[kind]) != sorted(s4a[kind]):
            yield f"the {kind} differ by {reprlib.repr(differing(ge[kind], s4a[kind]))}"
    invited = {user["email"] for user in s4a["users"]}
    if lacking := [one.email for one in cabinet.invitations if one.email not in invited]:
        yield f"nobody invited {lacking}"
    assigned = {(one["client"], one["email"]) for one in s4a["assignments"]}
    if left := [one.client for one in cabinet.assignments if (one.client, one.email) not in assigned]:
        yield f"{left} are assigned to nobody"


def differing(left: Sequence[str], right: Sequence[str]) -> list[str]:
    """Also what is there twice on one side."""
    return sorted(((Counter(left) - Counter(right)) + (Counter(right) - Counter(left))).elements())


def says_what_it_rests_on(history: Sequence[Entry]) -> bool:
    """The reconciliation's proof names both systems' agents, as the procès-verbal then does."""
    proofs = [entry for entry in history if entry.kind is EntryKind.PROOF and entry.step == RECONCILE]
    named = basis_of(proofs[-1], ()) if proofs else ()
    return {System.GE, System.S4A} <= {one["system"] for one in named if one["basis"] == Basis.AGENT}
