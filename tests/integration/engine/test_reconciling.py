"""Both sides compared, by the step under the lock-out and at any time after: the ledger names what differs, all of it."""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from dataclasses import replace
from datetime import datetime
from pathlib import Path
from typing import Any

import pytest

from bascule.checks.reconciliation import Reconciliation
from bascule.checks.rights import missing_rights
from bascule.checks.sameness import Tolerated
from bascule.connectors import Observation, Remote
from bascule.engine import Conducted, conduct
from bascule.engine.opening import begin
from bascule.engine.reconciling import reconcile_all
from bascule.errors import RemoteUnreachable
from bascule.facts import GeLists, S4aLists, Untold, View
from bascule.ledger import Entry, EntryKind, Owner, first_broken
from bascule.model import Cabinet, ErrorClass, Lifecycle, Outcome, State, System
from bascule.reports import status_of
from bascule.reports.drift import trend
from bascule.reports.publishing import publish
from tests.builders import Stage, cabinets, stage
from tests.office import office

FIRST, SECOND, THIRD = "C0001", "C0002", "C0003"


class Otherwise:
    """A system whose lists say something else than they do."""

    def __init__(self, remote: Remote, told: Callable[[Observation], Observation]) -> None:
        self._remote = remote
        self._told = told

    async def observe(self, cabinet: Cabinet, view: View) -> Observation:
        return self._told(await self._remote.observe(cabinet, view))

    def __getattr__(self, name: str) -> Any:
        return getattr(self._remote, name)


class SilentWhileLockedOut:
    """Client Management, whose lists do not answer directly after the synchronisation."""

    def __init__(self, on: Stage) -> None:
        self._on = on

    async def observe(self, cabinet: Cabinet, view: View) -> Observation:
        if view is View.S4A_LISTS and (await self._on.state(cabinet.code))["ge"]["locked_out"]:
            raise RemoteUnreachable("no answer")
        return await self._on.remotes[System.S4A].observe(cabinet, view)

    def __getattr__(self, name: str) -> Any:
        return getattr(self._on.remotes[System.S4A], name)


def shouting(seen: Observation) -> Observation:
    if not isinstance(seen, S4aLists):
        return seen
    return replace(seen, dossiers=tuple(replace(dossier, name=dossier.name.upper()) for dossier in seen.dossiers))


def without(*lists: str) -> Callable[[Observation], Observation]:
    """As extracts tell it, where not every list could be exported."""
    empty: dict[str, Any] = dict.fromkeys(lists, ())
    unknown = tuple(map(Untold, lists))
    return lambda seen: replace(seen, unknown=unknown, **empty) if isinstance(seen, S4aLists) else seen


class Gone:
    """A system that does not answer."""

    live = True

    async def observe(self, *_: object) -> Observation:
        raise RemoteUnreachable("GE cannot be reached")


def telling(
    on: Stage, system: System, told: Callable[[Observation], Observation]
) -> Callable[[Cabinet, System], Remote]:
    """The remotes, of which one tells it otherwise."""
    remotes: dict[System, Remote] = {**on.remotes, system: Otherwise(on.remotes[system], told)}
    return lambda _, asked: remotes[asked]


async def ge_lists(on: Stage, code: str) -> GeLists:
    [cabinet] = [one for one in on.cabinets if one.code == code]
    lists = await on.remotes[System.GE].observe(cabinet, View.GE_LISTS)
    assert isinstance(lists, GeLists)
    return lists


def reconciled(entry: Entry) -> Reconciliation:
    return Reconciliation.from_json(entry.evidence["reconciled"])


async def ran(on: Stage, **changes: Any) -> Conducted:
    """A whole run, as the command makes it."""
    run = on.run(**changes)
    await begin(run, on.cabinets, {})
    return await conduct(run, on.cabinets, slots=6)


async def reconcile(on: Stage, chosen: Sequence[Cabinet] | None = None, **changes: Any) -> dict[str, Entry]:
    chosen = on.cabinets if chosen is None else chosen
    return await reconcile_all(on.run(**changes), chosen, because="a week after", at_once=2)


# The step, as it compared under the lock-out


async def test_one_right_removed_on_one_group_names_exactly_the_dossiers_that_stayed_behind(tmp_path: Path) -> None:
    async with stage(tmp_path, cabinets(3), {"fault": "users-connected", "cabinets": [FIRST]}) as on:
        await on.wave()
        # The rights were looked at, twice; only then one goes, and GE leaves out what the AdminSage may not see.
        await on.faults({"fault": "missing-group-right", "cabinets": [FIRST]})
        source = await ge_lists(on, FIRST)
        [(lost, _)] = missing_rights(source, on.cabinets[0])
        conducted = await on.wave()

        assert conducted.outcomes == {Outcome.OK: 2, Outcome.PARTIAL: 1}
        [verdict] = on.entries(FIRST, EntryKind.VERDICT, "reconcile")
        expected = sorted(dossier.code for dossier in source.dossiers if dossier.group == lost)
        assert len(expected) > 5, "more than a reason would name"
        told = reconciled(verdict)
        assert [one.key for one in told.of("dossier").missing] == expected
        assert (told.count("missing"), told.count("extra"), told.count("different")) == (len(expected), 0, 0)
        assert verdict.reason.startswith(f"{len(expected)} dossiers missing: {expected[0]}, ")
        assert f"all those dossiers are of the group '{lost}'" in verdict.evidence["remedy"]
        assert verdict.error_signature == "reconcile: <n> dossier missing"

        assert (await ran(on)).outcomes == {Outcome.OK: 2, Outcome.PARTIAL: 1}
        folder = publish(on.ledger, "pilot", tmp_path / "runs").folder
        for document in (folder / "report.html", folder / "proces-verbaux" / f"{FIRST}.html"):
            exactly = ", ".join(expected)
            assert exactly in document.read_text(encoding="utf-8"), document.name
        listed = json.loads((folder / "report.json").read_text(encoding="utf-8"))["differences"]
        assert [(one["code"], one["kind"], one["key"]) for one in listed] == [
            (FIRST, "missing", key) for key in expected
        ]


async def test_dossiers_lost_without_a_word_are_named_one_by_one(three: Stage) -> None:
    await three.faults({"fault": "partial-transfer", "cabinets": [SECOND], "dossiers": 9})
    await three.wave()
    state = await three.state(SECOND)
    [verdict] = three.entries(SECOND, EntryKind.VERDICT, "reconcile")
    dossiers = reconciled(verdict).of("dossier")
    assert [one.key for one in dossiers.missing] == sorted(set(state["ge"]["dossiers"]) - set(state["s4a"]["dossiers"]))
    assert (dossiers.source, dossiers.target, dossiers.count("missing")) == (
        len(state["ge"]["dossiers"]),
        len(state["s4a"]["dossiers"]),
        9,
    )


async def test_what_arrived_whole_is_counted_in_the_proof_and_contacts_are_told_apart(three: Stage) -> None:
    await three.faults({"fault": "contact-created-in-s4a", "cabinets": [SECOND]})
    await three.wave()
    for cabinet in three.cabinets:
        [proof] = three.entries(cabinet.code, EntryKind.PROOF, "reconcile")
        told = reconciled(proof)
        assert told.is_same
        assert (
            told.of("dossier").source
            == told.of("dossier").target
            == len((await ge_lists(three, cabinet.code)).dossiers)
        )
        assert told.of("default profile").not_compared == told.of("default group").not_compared == ""
        contacts = told.of("contact")
        ours = {one.id for one in (await ge_lists(three, cabinet.code)).contacts}
        theirs = {"CM00001"} if cabinet.code == SECOND else set()
        assert {one.key for one in contacts.expected} == ours | theirs
        assert contacts.source == len(ours) > 0
        assert contacts.target == len(theirs)


@pytest.mark.parametrize(
    ("tolerate", "outcome", "listed"),
    [((), Outcome.PARTIAL, "different"), ((Tolerated.CASE,), Outcome.OK, "tolerated")],
)
async def test_texts_may_differ_as_far_as_the_settings_say_and_are_listed(
    tmp_path: Path, tolerate: tuple[Tolerated, ...], outcome: Outcome, listed: str
) -> None:
    async with stage(tmp_path, cabinets(1)) as on:
        conducted = await on.wave(remote=telling(on, System.S4A, shouting), tolerate=frozenset(tolerate))
        assert conducted.outcomes == {outcome: 1}
        [entry] = [entry for entry in on.ledger.history(FIRST) if "reconciled" in entry.evidence]
        dossiers = reconciled(entry).of("dossier")
        assert len(getattr(dossiers, listed)) == dossiers.source
        assert all(one.changes[0].now == (one.changes[0].was or "").upper() for one in getattr(dossiers, listed))


def under_lock_out(entry: Entry) -> tuple[bool, bool]:
    """Source, target."""
    observed = entry.evidence["observed"]
    return observed["source-lists"]["under_lock_out"], observed["target-lists"]["under_lock_out"]


async def test_the_proof_tells_that_both_lists_were_read_under_the_lock_out(three: Stage) -> None:
    await three.wave()
    [proof] = three.entries(FIRST, EntryKind.PROOF, "reconcile")
    assert under_lock_out(proof) == (True, True)
    assert proof.reason == ""


async def test_a_target_that_could_not_be_read_under_the_lock_out_is_told_with_the_time_it_was_read(
    tmp_path: Path,
) -> None:
    async with stage(tmp_path, cabinets(1)) as on:
        remotes: dict[System, Any] = {**on.remotes, System.S4A: SilentWhileLockedOut(on)}
        conducted = await on.wave(remote=lambda _, system: remotes[system])
        assert conducted.outcomes == {Outcome.OK: 1}
        [proof] = on.entries(FIRST, EntryKind.PROOF, "reconcile")
        [reopened] = on.entries(FIRST, EntryKind.PROOF, "reopen")
        taken = datetime.fromisoformat(proof.evidence["observed"]["target-lists"]["taken_at"])
        assert under_lock_out(proof) == (True, False)
        assert reopened.at <= taken <= proof.at
        assert proof.reason == (
            f"not read under the lock-out: the lists of Client Management of {taken:%Y-%m-%d %H:%M} UTC"
        )


async def test_what_differs_in_lists_read_when_users_were_in_says_so_beside_what_to_do(tmp_path: Path) -> None:
    async with stage(tmp_path, cabinets(1), {"fault": "partial-transfer", "cabinets": [FIRST], "dossiers": 2}) as on:
        remotes: dict[System, Any] = {**on.remotes, System.S4A: SilentWhileLockedOut(on)}
        assert (await on.wave(remote=lambda _, system: remotes[system])).outcomes == {Outcome.PARTIAL: 1}
        [verdict] = on.entries(FIRST, EntryKind.VERDICT, "reconcile")
        assert under_lock_out(verdict) == (True, False)
        assert "not read under the lock-out: the lists of Client Management of " in verdict.evidence["remedy"]


async def test_lists_that_were_read_after_people_let_the_users_in_were_not_read_under_the_lock_out(
    tmp_path: Path,
) -> None:
    async with office(tmp_path, cabinets(1)) as at:
        for _ in range(8):
            await at.wave()
            await at.work_through()
        [proof] = at.on.entries(FIRST, EntryKind.PROOF, "reconcile")
        assert under_lock_out(proof) == (False, False)
        assert proof.reason.startswith("not read under the lock-out: the lists of GE of ")


# What was not compared


async def test_a_cabinet_whose_dossiers_nobody_can_list_waits_for_the_list_and_is_compared_by_it(
    tmp_path: Path,
) -> None:
    async with stage(tmp_path, cabinets(1)) as on:
        silent = without("groups", "dossiers", "collaborateurs", "rights")
        conducted = await on.wave(remote=telling(on, System.S4A, silent))
        [standing] = conducted.standings.values()
        assert (standing.lifecycle, standing.outcome, standing.step) == (Lifecycle.WAITING, Outcome.NONE, "reconcile")
        assert standing.reason == "the dossiers were not compared: no list of Client Management tells them"
        assert standing.remedy == "export the dossiers of Client Management, then re-run"
        assert on.entries(FIRST, EntryKind.PROOF, "reconcile") == []
        assert len(trend(on.ledger.history(FIRST))) == 0

        assert (await on.wave()).outcomes == {Outcome.OK: 1}
        [proof] = on.entries(FIRST, EntryKind.PROOF, "reconcile")
        assert reconciled(proof).of("dossier").target > 0
        assert under_lock_out(proof) == (True, False), "the list that came later"


async def test_the_same_as_far_as_it_was_compared_names_what_was_not(three: Stage) -> None:
    rights_unknown = telling(three, System.S4A, without("groups", "rights"))
    assert (await ran(three, remote=rights_unknown)).outcomes == {Outcome.OK_WITH_RESERVATIONS: 3}
    found = three.entries(FIRST, EntryKind.FINDING, "reconcile")
    assert [entry.reason for entry in found] == [
        f"{what} were not compared: no list of Client Management tells them" for what in ("groups", "rights")
    ]

    entry = (await reconcile(three, remote=rights_unknown))[FIRST]

    assert entry.state is State.DONE
    assert entry.reason.endswith("; not compared: groups, rights (no list of Client Management tells them)")


async def test_nothing_is_the_same_where_nothing_was_compared(three: Stage) -> None:
    await ran(three)
    silent = telling(three, System.S4A, without("groups", "dossiers", "collaborateurs", "rights", "contacts"))

    entry = (await reconcile(three, remote=silent))[FIRST]

    assert (entry.state, entry.error_class) == (State.UNKNOWN, ErrorClass.HUMAN)
    assert "the same on both sides" not in entry.reason
    assert "not compared: groups, dossiers, collaborateurs, rights, contacts (no list" in entry.reason
    assert entry.evidence["remedy"] == "export the dossiers of Client Management, then: bascule reconcile"
    assert entry.evidence["not_compared"]["dossier"] == "no list of Client Management tells them"
    assert len(three.entries(FIRST, EntryKind.RECONCILED)) == 1, "another look would see no more"
    assert len(trend(three.ledger.history(FIRST))) == 1, (
        "it counts as no comparison, least of all as one without a difference"
    )


async def test_what_differs_is_told_beside_what_was_not_compared(three: Stage) -> None:
    await three.faults({"fault": "partial-transfer", "cabinets": [FIRST], "dossiers": 1})
    await ran(three)

    entry = (await reconcile(three, remote=telling(three, System.S4A, without("rights"))))[FIRST]

    assert entry.state is State.FAILED
    assert entry.reason.startswith("1 dossier missing: ")
    assert entry.reason.endswith("; not compared: rights (no list of Client Management tells them)")


# At any time after


async def test_what_is_still_the_same_is_recorded_and_nothing_else_is(three: Stage) -> None:
    await ran(three)
    before, journal = status_of(three.ledger, "pilot"), await three.journal()

    entries = await reconcile(three)

    for code, entry in entries.items():
        assert (entry.kind, entry.state, entry.who, entry.fence) == (EntryKind.RECONCILED, State.DONE, "ops", 0)
        assert entry.reason.startswith("the same on both sides: ")
        assert entry.evidence["because"] == "a week after"
        assert set(entry.evidence["lists"]) == set(entry.evidence["taken_at"]) == {"source-lists", "target-lists"}
        assert three.ledger.history(code)[-1] == entry
        assert first_broken(three.ledger.history(code)) is None
    assert status_of(three.ledger, "pilot") == before
    assert await three.journal() == journal
    assert (await ran(three)).outcomes == {Outcome.OK: 3}, "a run goes on from its own entries"


async def test_drift_is_named_kept_by_its_lists_and_changes_no_outcome(three: Stage) -> None:
    await ran(three)
    await three.faults({"fault": "missing-group-right", "cabinets": [FIRST]})

    entries = await reconcile(three)

    assert [entry.state for entry in entries.values()] == [State.FAILED, State.DONE, State.DONE]
    [(group, right)] = missing_rights(await ge_lists(three, FIRST), three.cabinets[0])
    [extra] = reconciled(entries[FIRST]).of("right").extra
    assert extra.key.endswith(f" / {group} / {right}"), "Client Management has the right that GE has no more"
    assert entries[FIRST].reason == f"1 right extra: {extra.key}"
    assert all(three.ledger.kept(name) for name in entries[FIRST].evidence["kept"].values())
    assert "kept" not in entries[SECOND].evidence
    assert {cabinet.outcome for cabinet in status_of(three.ledger, "pilot").cabinets} == {Outcome.OK}


async def test_the_step_and_what_was_compared_since_make_a_trend(three: Stage) -> None:
    await three.faults({"fault": "partial-transfer", "cabinets": [SECOND], "dossiers": 2})
    await three.wave()
    await reconcile(three)
    await three.faults({"fault": "missing-group-right", "cabinets": [SECOND]})
    await reconcile(three)

    frame = trend(three.ledger.history(SECOND))

    assert list(frame["missing"]) == [2, 2, 2]
    assert list(frame["since_last"]) == [None, "same", "worse"]


async def test_a_side_that_cannot_be_read_is_unknown_after_some_tries_and_the_others_are_compared(three: Stage) -> None:
    await three.wave()
    silent = three.cabinets[1]
    remote = lambda cabinet, system: (  # noqa: E731
        Gone() if (cabinet, system) == (silent, System.GE) else three.remotes[system]
    )

    entries = await reconcile(three, remote=remote)

    assert [entry.state for entry in entries.values()] == [State.DONE, State.UNKNOWN, State.DONE]
    unknown = entries[SECOND]
    assert (unknown.reason, unknown.error_class, unknown.attempt) == (
        "GE cannot be reached",
        ErrorClass.TRANSIENT,
        three.pace.retry.attempts,
    )
    assert "reconciled" not in unknown.evidence
    assert len(three.entries(SECOND, EntryKind.RECONCILED)) == 1


async def test_a_cabinet_that_a_run_is_at_work_on_is_compared_all_the_same(three: Stage) -> None:
    await three.wave()
    other = Owner(id="R9", host="elsewhere", boot="b", pid=7, process_started=1)
    fence = await three.ledger.take_lease(SECOND, other, three.time.now())

    entries = await reconcile(three)

    assert entries[SECOND].state is State.DONE
    assert await three.ledger.take_lease(SECOND, other, three.time.now()) >= fence
    assert SECOND in three.ledger.at_work(three.time.now())
