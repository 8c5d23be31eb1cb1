"""A dry run says what each step would do, and does none of it: proven by the sandbox's journal and by the ledger."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from bascule.engine import CabinetRun, migrate, perform
from bascule.engine.foresee import LATER, Foresight, foresee, foresee_all
from bascule.errors import RemoteUnreachable
from bascule.ledger import Entry
from bascule.model import Cabinet, System
from bascule.procedure import PROCEDURE, Step
from tests.builders import Stage, stage, with_people

ALL_WRITES = [act.verb for step in PROCEDURE for act in step.acts]


def everything_told(scene: Stage) -> list[Entry]:
    return [entry for cabinet in scene.cabinets for entry in scene.ledger.history(cabinet.code)]


async def foreseen(scene: Stage, **changes: Any) -> Foresight:
    (cabinet,) = scene.cabinets
    return await foresee(scene.run(**changes), cabinet, scene.ledger.history(cabinet.code))


async def run_until(name: str, scene: Stage) -> None:
    """One run, stopped when this step ends."""

    async def perform_and_stop(cabinet_run: CabinetRun, step: Step) -> Entry:
        entry = await perform(cabinet_run, step)
        if step.name == name:
            cabinet_run.run.stop.set()
        return entry

    await migrate(scene.run(), scene.cabinets[0], perform_and_stop)
    await scene.ledger.settle()


async def test_a_dry_run_over_all_steps_makes_no_write_wherever_the_cabinet_stands(tmp_path: Path) -> None:
    async with stage(tmp_path, [with_people()]) as scene:
        code = scene.cabinets[0].code
        for step in PROCEDURE:
            journal, told = await scene.journal(), everything_told(scene)
            foresight = await foreseen(scene)
            assert await scene.journal() == journal, step.name
            assert everything_told(scene) == told, step.name
            assert len(foresight.steps) + len(foresight.proven) == len(PROCEDURE)
            await run_until(step.name, scene)
        assert (await foreseen(scene)).steps == ()
        assert set(await scene.effective(code)) == set(ALL_WRITES)


async def test_from_the_beginning_every_write_of_the_procedure_is_foreseen_in_order(tmp_path: Path) -> None:
    async with stage(tmp_path, [with_people()]) as scene:
        foresight = await foreseen(scene)
        writes = [write for step in foresight.steps for write in step.writes]
        assert [write.verb for write in writes] == ALL_WRITES
        payload = {write.verb: write.payload for write in writes}
        assert payload["admin-sage"] == {"email": "anne@cabinet1.example"}
        assert payload["enter-key"] == {"question": LATER}
        assert foresight.dossiers


async def test_what_the_run_will_look_at_again_is_not_left_out_as_proven(tmp_path: Path) -> None:
    async with stage(tmp_path, [with_people()]) as scene:
        await run_until("connect", scene)
        assert "connect" in (await foreseen(scene)).proven
        scene.time.ahead += scene.pace.trust.total_seconds() + 1
        foresight = await foreseen(scene)
        assert foresight.proven == ()
        assert "connect" in [step.step for step in foresight.steps]


async def test_a_cabinet_that_would_be_blocked_says_why_and_what_is_left_is_still_told(tmp_path: Path) -> None:
    async with stage(tmp_path, [with_people()], {"fault": "missing-group-right", "share": 1}) as scene:
        foresight = await foreseen(scene)
        assert [step.step for step in foresight.until_stop] == ["admin-rights"]
        assert "lacks rights" in foresight.steps[0].because
        assert "synchronise" in [write.verb for step in foresight.steps for write in step.writes]


async def test_where_people_act_the_dry_run_stops_at_what_they_would_be_asked(tmp_path: Path) -> None:
    class Asks:
        def __init__(self, remote: Any) -> None:
            self._remote = remote

        def asks(self, cabinet: Cabinet, verb: str) -> bool:
            return True

        def __getattr__(self, name: str) -> Any:
            return getattr(self._remote, name)

    async with stage(tmp_path, [with_people()]) as scene:
        foresight = await foreseen(scene, remote=lambda cabinet, system: Asks(scene.remotes[system]))
        last = foresight.until_stop[-1]
        assert (last.step, last.because) == ("admin-sage", "a person would be asked: admin-sage")
        assert last.does == ()


async def test_a_cabinet_that_cannot_be_read_says_so_and_the_others_are_foreseen(three: Stage) -> None:
    dead = three.cabinets[1]

    class Gone:
        system = System.GE

        def asks(self, cabinet: Cabinet, verb: str) -> bool:
            return False

        async def observe(self, *_: object) -> None:
            raise RemoteUnreachable("GE cannot be reached")

    run = three.run(remote=lambda cabinet, system: Gone() if cabinet == dead else three.remotes[system])
    histories = three.ledger.histories([cabinet.code for cabinet in three.cabinets])
    foreseen = await foresee_all(run, three.cabinets, histories, at_once=2)
    assert list(foreseen) == [cabinet.code for cabinet in three.cabinets]
    assert foreseen[dead.code].until_stop[-1].because == "cannot be observed: GE cannot be reached"
    assert foreseen["C0001"].until_stop[-1].step == "contacts"
