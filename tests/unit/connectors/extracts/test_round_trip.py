"""What the sandbox holds, what it exports, and what is read of it: the same."""

from __future__ import annotations

import io
import zipfile
from dataclasses import replace
from pathlib import Path

from bascule.checks.consistency import anomalies
from bascule.checks.reconciliation import compare
from bascule.checks.rights import admin_problem, missing_rights
from bascule.connectors.extracts import read_ge, read_mapping, read_s4a
from bascule.facts import GeLists, S4aLists, View
from bascule.model import Cabinet, System
from tests.builders import Stage, stage, with_people

OURS = read_mapping()


async def exported(stage: Stage, cabinet: Cabinet, root: Path) -> tuple[GeLists, S4aLists]:
    archive = (await stage.tester.get(f"/sandbox/export/{cabinet.code}")).raise_for_status().content
    zipfile.ZipFile(io.BytesIO(archive)).extractall(root)
    return read_ge(root / "ge", OURS, cabinet), read_s4a(root / "s4a", OURS, cabinet)


async def held(stage: Stage, cabinet: Cabinet) -> tuple[GeLists, S4aLists]:
    ge = await stage.remotes[System.GE].observe(cabinet, View.GE_LISTS)
    s4a = await stage.remotes[System.S4A].observe(cabinet, View.S4A_LISTS)
    assert isinstance(ge, GeLists)
    assert isinstance(s4a, S4aLists)
    return ge, s4a


async def test_what_the_sandbox_exports_says_what_its_systems_hold(tmp_path: Path) -> None:
    cabinet = with_people()
    async with stage(tmp_path, [cabinet]) as ours:
        await ours.wave()
        ours.time.ahead += 3600  # who was invited has accepted
        ge, s4a = await exported(ours, cabinet, tmp_path)
        ge_held, s4a_held = await held(ours, cabinet)

    assert sorted(ge.right_names) == sorted(ge_held.right_names)
    assert replace(ge, taken_at=ge_held.taken_at, right_names=ge_held.right_names) == ge_held
    assert (
        replace(
            s4a,
            taken_at=s4a_held.taken_at,
            unknown=(),
            default_profile=s4a_held.default_profile,
            default_group=s4a_held.default_group,
        )
        == s4a_held
    )
    assert compare(ge, s4a, cabinet).is_same
    assert admin_problem(ge, cabinet) is None
    assert missing_rights(ge, cabinet) == ()


async def test_a_transfer_that_left_something_behind_shows_in_exported_lists(tmp_path: Path) -> None:
    cabinet = with_people()
    async with stage(tmp_path, [cabinet], {"fault": "partial-transfer", "cabinets": [cabinet.code]}) as ours:
        await ours.wave()
        ge, s4a = await exported(ours, cabinet, tmp_path)
        told = compare(*await held(ours, cabinet), cabinet)

    assert not told.is_same
    assert compare(ge, s4a, cabinet).of("dossier") == told.of("dossier")


async def test_anomalies_of_ge_survive_the_export_for_the_checks_to_find(tmp_path: Path) -> None:
    cabinet = with_people()
    async with stage(tmp_path, [cabinet]) as ours:
        for rule in ("COL-01", "COL-02", "COL-04", "DOS-01", "DOS-02", "DOS-03"):
            await ours.faults({"fault": "anomaly", "rule": rule, "cabinets": [cabinet.code]})
            archive = (await ours.tester.get(f"/sandbox/export/{cabinet.code}")).raise_for_status().content
            zipfile.ZipFile(io.BytesIO(archive)).extractall(tmp_path)
            lists = await ours.remotes[System.GE].observe(cabinet, View.GE_LISTS)
            assert isinstance(lists, GeLists)

            found = anomalies(read_ge(tmp_path / "ge", OURS, cabinet), cabinet)

            assert rule in {finding.rule for finding in found}
            assert found == anomalies(lists, cabinet)
