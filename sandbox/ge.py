"""GE: its wizards, its users, its lock. The synchronisation itself is in `synchronisation.py`."""

from __future__ import annotations

import unicodedata
from collections.abc import Iterable, Iterator

from sandbox import synchronisation
from sandbox.cabinet import Cabinet, Refused
from sandbox.clock import instant, instant_or_none
from sandbox.standing import Course
from sandbox.wire import Connect, Defaults, GeFacts, Group, KeyQuestion, Nothing, Profile, Session

US = "bascule"


def facts(cabinet: Cabinet, now: float) -> GeFacts:
    ge = cabinet.standing.ge
    return GeFacts(
        cabinet=cabinet.code,
        taken_at=instant(now),
        key_question=cabinet.question,
        key_entered_at=instant_or_none(ge.key_entered_at),
        licensed=ge.key_entered_at is not None,
        restarted_at=instant_or_none(ge.restarted_at),
        tab_visible=tab_shows(cabinet, now),
        connected_entity=cabinet.lists(now).entity(ge.connected_entity) if ge.connected_entity else None,
        connected_at=instant_or_none(ge.connected_at),
        default_profile=ge.default_profile,
        default_group=ge.default_group,
        wizard_finished=ge.wizard_finished,
        returned_at=instant_or_none(ge.returned_at),
        exe_opened_at=instant_or_none(exe_opened_at(cabinet, now)),
        sql_backup_at=instant_or_none(ge.backed_up_at),
        mongo_backup_at=instant_or_none(ge.backed_up_at),
        locked_out_by=US if ge.locked_out_at is not None else None,
        locked_out_at=instant_or_none(ge.locked_out_at),
        sessions=tuple(sessions(cabinet, now)),
        synchronisation=synchronisation.facts(cabinet, now),
    )


def tab_shows(cabinet: Cabinet, now: float) -> bool:
    """Only where GE was restarted after the key was entered."""
    ge = cabinet.standing.ge
    restarted_since = ge.key_entered_at is not None and (ge.restarted_at or 0) > ge.key_entered_at
    return restarted_since and not cabinet.faults.named("tab-absent", now)


def exe_opened_at(cabinet: Cabinet, now: float) -> float | None:
    """Somebody may have opened it as soon as the workspace was there, before the return."""
    ge, ready_at = cabinet.standing.ge, cabinet.standing.s4a.workspace_ready_at
    if ge.exe_opened_at is None and ready_at is not None and now >= ready_at:
        return ready_at if cabinet.faults.named("exe-too-early", now) else None
    return ge.exe_opened_at


def is_opened_after_return(cabinet: Cabinet) -> bool:
    ge = cabinet.standing.ge
    return ge.returned_at is not None and (ge.exe_opened_at or 0) > ge.returned_at


def sessions(cabinet: Cabinet, now: float) -> Iterator[Session]:
    for user, since in others_connected(cabinet, now):
        yield Session(user=user, since=instant(since), ours=False)
    course = running_course(cabinet)
    if course:
        yield Session(user=cabinet.clean.collaborateurs[0].code, since=instant(course.began_at), ours=True)


def others_connected(cabinet: Cabinet, now: float) -> Iterator[tuple[str, float]]:
    """Who is connected beside us, since when. Nobody new gets in while GE is locked."""
    if cabinet.standing.ge.locked_out_at is None and cabinet.faults.named("users-connected", now):
        yield cabinet.clean.collaborateurs[-1].code, cabinet.faults.put_at
    course = running_course(cabinet)
    if course and course.intruder and course.intruder_at is not None and course.intruder_at <= now:
        yield course.intruder, course.intruder_at


def running_course(cabinet: Cabinet) -> Course | None:
    last = cabinet.last_synchronisation()
    return last.operation.course if last and last.operation and last.operation.status == "running" else None


def enter_key(cabinet: Cabinet, order: KeyQuestion, now: float) -> bool:
    ge, my_sage = cabinet.standing.ge, cabinet.standing.my_sage
    if order.question != cabinet.question or my_sage.key_question != cabinet.question:
        raise Refused("wrong-key", "No key was computed for the question that GE shows now.", question=cabinet.question)
    if ge.key_entered_at is not None:
        return False
    ge.key_entered_at = now
    return True


def restart(cabinet: Cabinet, _order: Nothing, now: float) -> bool:
    if tab_shows(cabinet, now):
        return False
    cabinet.standing.ge.restarted_at = now
    return True


def connect(cabinet: Cabinet, order: Connect, now: float) -> bool:
    ge = cabinet.standing.ge
    if not tab_shows(cabinet, now):
        cabinet.faults.strikes("tab-absent", now)
        raise Refused("tab-absent", "The tab Sage for Accountants does not show.")
    entity = cabinet.lists(now).entity(order.entity)
    if entity is None:
        raise Refused("unknown-entity", f"GE has no entity {order.entity!r}.", entity=order.entity)
    if ge.connected_entity not in (None, entity.id):
        raise Refused("already-connected", f"GE is connected to the entity {ge.connected_entity!r}.")
    shown = {"name": _spelt(entity.name), "siren": entity.siren, "siret": entity.siret or ""}
    given = {"name": _spelt(order.name), "siren": order.siren, "siret": order.siret or shown["siret"]}
    differs = {field: shown[field] for field in shown if shown[field] != given[field]}
    if differs:
        raise Refused("entity-differs", f"The entity's {' and '.join(differs)} is not the one given.", **differs)
    ge.connected_entity, ge.connected_at = entity.id, now
    return True


def _spelt(name: str) -> str:
    return unicodedata.normalize("NFC", name).strip()


def choose_defaults(cabinet: Cabinet, order: Defaults, now: float) -> bool:
    ge, lists = cabinet.standing.ge, cabinet.lists(now)
    if ge.connected_entity is None:
        raise Refused("not-connected", "GE is not connected to Sage for Accountants yet.")
    profile = _code_of(order.profile, lists.profiles, ge.connected_entity)
    if profile is None:
        raise Refused("unknown-profile", f"The entity has no profile {order.profile!r}.", profile=order.profile)
    group = _code_of(order.group, lists.groups, ge.connected_entity)
    if group is None:
        raise Refused("unknown-group", f"The entity has no dossier group {order.group!r}.", group=order.group)
    if ge.wizard_finished and (ge.default_profile, ge.default_group) == (profile, group):
        return False
    ge.default_profile, ge.default_group, ge.wizard_finished = profile, group, True
    return True


def _code_of(word: str, choices: Iterable[Profile | Group], entity: str) -> str | None:
    """Of what the entity offers under this code, or else under this label."""
    offered = [choice for choice in choices if choice.entity == entity]
    chosen = (choice for name in ("code", "label") for choice in offered if getattr(choice, name) == word)
    return next((choice.code for choice in chosen), None)


def return_to_ge(cabinet: Cabinet, _order: Nothing, now: float) -> bool:
    ge, ready_at = cabinet.standing.ge, cabinet.standing.s4a.workspace_ready_at
    if ready_at is None or now < ready_at:
        raise Refused("workspace-not-ready", "The page that leads back to GE opens with the workspace.")
    if ge.returned_at is not None:
        return False
    ge.returned_at = now
    return True


def open_exe(cabinet: Cabinet, _order: Nothing, now: float) -> bool:
    if cabinet.standing.ge.returned_at is None:
        raise Refused("wrong-order", "espaceexpertclient.exe is opened after the return to GE, not before.")
    if is_opened_after_return(cabinet):
        return False
    cabinet.standing.ge.exe_opened_at = now
    return True


def back_up(cabinet: Cabinet, _order: Nothing, now: float) -> bool:
    cabinet.standing.ge.backed_up_at = now
    return True


def lock_out(cabinet: Cabinet, _order: Nothing, now: float) -> bool:
    if cabinet.standing.ge.locked_out_at is not None:
        return False
    refuse_while_connected(cabinet, now)
    if cabinet.faults.strikes("late-dossier", now):
        cabinet.standing.ge.late_dossier = True
    cabinet.standing.ge.locked_out_at = now
    return True


def refuse_while_connected(cabinet: Cabinet, now: float) -> None:
    connected = [user for user, _ in others_connected(cabinet, now)]
    if connected:
        cabinet.faults.strikes("users-connected", now)
        raise Refused("users-connected", f"Connected to GE: {', '.join(connected)}.", users=", ".join(connected))


def reopen(cabinet: Cabinet, _order: Nothing, _now: float) -> bool:
    if cabinet.is_synchronising():
        raise Refused("already-running", "A synchronisation is running.")
    if cabinet.standing.ge.locked_out_at is None:
        return False
    cabinet.standing.ge.locked_out_at = None
    return True


def synchronise(cabinet: Cabinet, _order: Nothing, now: float) -> Course:
    """Sage asks neither for a backup nor for a lock. What that costs is seen afterwards."""
    ge = cabinet.standing.ge
    if not ge.wizard_finished:
        raise Refused("not-connected", "GE is not connected to Sage for Accountants yet.")
    if cabinet.is_synchronising():
        raise Refused("already-running", "A synchronisation is running.")
    if not is_opened_after_return(cabinet):
        cabinet.faults.strikes("exe-too-early", now)
        raise Refused("wrong-order", "espaceexpertclient.exe has not been opened since the return to GE.")
    refuse_while_connected(cabinet, now)
    return synchronisation.begun(cabinet, now)
