"""Whether Client Management has received the synchronisation that is to be proven, and no earlier one."""

from __future__ import annotations

from bascule.checks.instants import in_words
from bascule.facts import CLOCKS_DIFFER, GeFacts, S4aFacts, SynchronisationStatus


def synchronisation_problem(ge: GeFacts, s4a: S4aFacts, our_name: str) -> str:
    """Why it is not proven on both sides; empty where it is. `our_name`: who keeps the users out, where it is us."""
    last = ge.synchronisation
    if last is None or last.status is not SynchronisationStatus.DONE or s4a.synchronised_at is None:
        return "the synchronisation is not proven on both sides"
    if s4a.synchronised_at < last.started_at - CLOCKS_DIFFER:
        return (
            f"the synchronisation is not proven: Client Management received one at {in_words(s4a.synchronised_at)}, "
            f"before GE began its last one at {in_words(last.started_at)}"
        )
    return began_before_lock_out(ge, our_name)


def began_before_lock_out(ge: GeFacts, our_name: str) -> str:
    """That GE's last synchronisation, ended, is of before our lock-out, in words; both by GE's own clock. Else empty."""
    last, since = ge.synchronisation, ge.locked_out_at if ge.locked_out_by == our_name else None
    if last is None or last.status is not SynchronisationStatus.DONE or since is None or last.started_at >= since:
        return ""
    return (
        f"the synchronisation is not proven: the last one of GE began at {in_words(last.started_at)}, "
        f"before users were kept out at {in_words(since)}"
    )
