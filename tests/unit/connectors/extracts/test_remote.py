"""Exported lists as a remote: what they show, when they prove nothing any more, and that they never act."""

from __future__ import annotations

import asyncio
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from bascule.connectors import Order, Remote
from bascule.connectors.extracts import ExtractsRemote, read_mapping
from bascule.connectors.extracts import remote as module
from bascule.connectors.extracts.reading import READERS
from bascule.errors import RemoteRefuses
from bascule.facts import GeFacts, GeLists, S4aFacts, S4aLists, View
from bascule.model import Cabinet, ErrorClass, System
from tests.unit.connectors.extracts.exported import CABINET, GE, S4A, put, written_at

NOW = datetime(2026, 12, 2, 8, 0, tzinfo=UTC)
OURS = read_mapping()


def remote(
    root: Path, system: System = System.GE, *, changed: tuple[datetime, str] | None = None, now: datetime = NOW
) -> ExtractsRemote:
    async def not_before(_cabinet: Cabinet, _view: View) -> tuple[datetime, str] | None:
        return changed

    return ExtractsRemote(system, root, OURS, oldest=timedelta(hours=24), not_before=not_before, clock=lambda: now)


@pytest.fixture
def root(tmp_path: Path) -> Path:
    for system, lists in (("ge", GE), ("s4a", S4A)):
        written_at(put(tmp_path / "C0001" / system, lists), NOW - timedelta(hours=3))
    return tmp_path


async def refusal_of(remote: Remote, view: View = View.GE_LISTS) -> RemoteRefuses:
    with pytest.raises(RemoteRefuses) as refused:
        await remote.observe(CABINET, view)
    return refused.value


async def test_the_lists_of_the_cabinet_are_observed(root: Path) -> None:
    ge = await remote(root).observe(CABINET, View.GE_LISTS)
    s4a = await remote(root, System.S4A).observe(CABINET, View.S4A_LISTS)

    assert isinstance(ge, GeLists)
    assert isinstance(s4a, S4aLists)
    assert len(ge.dossiers) == 3
    assert ge.taken_at == NOW - timedelta(hours=3)
    assert len(s4a.users) == 2


async def test_how_far_a_wizard_is_lists_do_not_know(root: Path) -> None:
    ge = await remote(root).observe(CABINET, View.GE)
    s4a = await remote(root, System.S4A).observe(CABINET, View.S4A)

    assert isinstance(ge, GeFacts)
    assert isinstance(s4a, S4aFacts)
    assert not ge.tab_visible
    assert s4a.synchronised_at is None


async def test_files_that_did_not_change_are_read_once(root: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    reads = counted(monkeypatch)
    ours = remote(root)
    first, second = [await ours.observe(CABINET, View.GE_LISTS) for _ in range(2)]
    assert len(reads) == 1
    assert first is second

    written_at(root / "C0001" / "ge", NOW)
    third = await ours.observe(CABINET, View.GE_LISTS)

    assert isinstance(third, GeLists)
    assert third.taken_at == NOW
    assert len(reads) == 2


async def test_files_that_change_while_they_are_read_are_not_used(root: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def meanwhile(folder: Path, *rest: object) -> GeLists | S4aLists:
        written_at(folder, NOW)
        return READERS[System.GE](folder, *rest)  # type: ignore[arg-type]

    monkeypatch.setattr(module, "READERS", {System.GE: meanwhile})

    assert "changed while they were read" in str(await refusal_of(remote(root)))


async def test_lists_that_are_too_old_prove_nothing(root: Path) -> None:
    refused = await refusal_of(remote(root, now=NOW + timedelta(days=3)))

    assert str(refused) == (
        f"C0001: the exported lists in {root / 'C0001' / 'ge'} are 3 days old, and lists may be 24 hours old"
    )
    assert (refused.code, refused.error_class) == ("extracts-stale", ErrorClass.HUMAN)
    assert refused.remedy == (
        f"export all of them again into {root / 'C0001' / 'ge'}: "
        "entites, profils, collaborateurs, groupes, droits, dossiers, contacts"
    )


async def test_lists_from_before_the_last_change_prove_nothing(root: Path) -> None:
    changed = (NOW - timedelta(hours=2), "GE was synchronised")

    refused = await refusal_of(remote(root, System.S4A, changed=changed), View.S4A_LISTS)

    assert str(refused).endswith("are 3 hours old, and since then: GE was synchronised (2026-12-02 06:00 UTC)")
    assert refused.code == "extracts-stale"


async def test_lists_from_after_the_last_change_are_good(root: Path) -> None:
    changed = (NOW - timedelta(hours=4), "GE was synchronised")

    assert isinstance(await remote(root, changed=changed).observe(CABINET, View.GE_LISTS), GeLists)


async def test_one_list_that_was_not_exported_again_makes_all_of_them_stale(root: Path) -> None:
    folder = root / "C0001" / "s4a"
    for path in sorted(folder.iterdir())[1:]:
        path.touch()  # today, which is before NOW: too old by days, but newer than the change
    changed = (NOW - timedelta(hours=2), "GE was synchronised")

    assert (await refusal_of(remote(root, System.S4A, changed=changed), View.S4A_LISTS)).code == "extracts-stale"


async def test_a_folder_that_is_not_there_says_what_to_put_where(tmp_path: Path) -> None:
    refused = await refusal_of(remote(tmp_path, System.S4A), View.S4A_LISTS)

    folder = tmp_path / "C0001" / "s4a"
    assert str(refused) == f"C0001: there are no exported lists in {folder}"
    assert refused.remedy == f"export these lists into {folder}: clients, utilisateurs, contacts"
    assert refused.error_class is ErrorClass.HUMAN


async def test_lists_that_cannot_be_read_name_why(root: Path) -> None:
    (root / "C0001" / "ge" / "droits.csv").unlink()

    refused = await refusal_of(remote(root))

    assert "ge/droits: is not there" in str(refused)
    assert (refused.code, refused.error_class) == ("extracts-unreadable", ErrorClass.HUMAN)
    assert "doctor --extracts" in refused.remedy


async def test_the_lists_of_another_cabinet_do_not_stand_in(root: Path) -> None:
    (root / "C0001").rename(root / "C0002")
    other = replace(CABINET, code="C0002", siren="552100554")

    with pytest.raises(RemoteRefuses, match="`732829320` is another cabinet: C0002 has the SIREN 552100554"):
        await remote(root).observe(other, View.GE_LISTS)


async def test_lists_never_act(root: Path) -> None:
    order = Order(verb="lock-out", payload={}, key="key-1", fence=1, timeout=1)

    with pytest.raises(RemoteRefuses) as refused:
        await remote(root).act(CABINET, order)

    assert (refused.value.code, refused.value.error_class) == ("extracts-never-act", ErrorClass.CONFIG)
    assert "operator+extracts" in refused.value.remedy
    assert not refused.value.may_have_acted
    assert not remote(root).asks(CABINET, "lock-out")


async def test_lists_know_no_operation(root: Path) -> None:
    assert await remote(root).find(CABINET, "key-1") == ()
    with pytest.raises(RemoteRefuses) as refused:
        await remote(root).operation(CABINET, "op-1")
    assert (refused.value.code, refused.value.error_class) == ("unknown-operation", ErrorClass.UNKNOWN)


async def test_many_cabinets_are_read_at_once_and_few_stay_in_memory(root: Path) -> None:
    cabinets = [replace(CABINET, code=f"C{number:04}") for number in range(module.CABINETS_KEPT + 5)]
    for cabinet in cabinets:
        written_at(put(root / cabinet.code / "ge", GE), NOW)
    ours = remote(root)

    await asyncio.gather(*(ours.observe(cabinet, View.GE_LISTS) for cabinet in cabinets))

    assert len(ours._kept) == module.CABINETS_KEPT


def counted(monkeypatch: pytest.MonkeyPatch) -> list[Path]:
    """The folders that were read so far."""
    read: list[Path] = []

    def reading(folder: Path, *rest: object) -> GeLists | S4aLists:
        read.append(folder)
        return READERS[System.GE](folder, *rest)  # type: ignore[arg-type]

    monkeypatch.setattr(module, "READERS", {System.GE: reading})
    return read
