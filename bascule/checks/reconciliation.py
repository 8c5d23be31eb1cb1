"""Source and target compared as sets: what is missing there, what is extra, what is not the same.

Contacts are expected to differ, for they do not synchronise: they are counted and told apart, never a difference.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from itertools import islice
from typing import Any, Literal, TypeVar, get_args

from pydantic import TypeAdapter

from bascule.checks.entity import group_named, profile_named
from bascule.checks.sameness import Tolerated, as_ge_compares, plain, read_with
from bascule.facts import Collaborateur, Contact, Dossier, GeFacts, GeLists, Group, Right, S4aLists
from bascule.model import Cabinet

What = Literal["group", "dossier", "collaborateur", "right", "default profile", "default group", "contact"]
Kind = Literal["missing", "extra", "different"]
Listed = Literal["missing", "extra", "different", "tolerated", "expected"]

KINDS: tuple[Kind, ...] = get_args(Kind)
LISTED: tuple[Listed, ...] = get_args(Listed)
TEXTS = frozenset({"label", "name", "last name", "first name"})
"""Fields that people wrote to be read by people. All others are keys, numbers, or words of the contract."""
LISTED_AT_MOST = 5_000
"""Of one list: the ledger keeps what people can read, and how many more there were."""
NO_LIST, NOT_SHOWN = "no list of Client Management tells them", "Client Management does not show it"


@dataclass(frozen=True, slots=True, kw_only=True)
class Change:
    field: str
    was: str | None
    now: str | None

    def __str__(self) -> str:
        return f"{self.field}: {self.was or 'none'} -> {self.now or 'none'}"


@dataclass(frozen=True, slots=True, kw_only=True)
class Difference:
    """One thing that the target has not, has too often, or has otherwise."""

    key: str
    group: str | None = None
    """The dossier group, where it is a dossier."""
    times: int = 1
    """How often it is there, where it is there too often."""
    changes: tuple[Change, ...] = ()

    def __str__(self) -> str:
        told = ", ".join(str(change) for change in self.changes) or (f"there {self.times} times" * (self.times > 1))
        return f"{self.key} ({told})" if told else self.key


@dataclass(frozen=True, slots=True, kw_only=True)
class Compared:
    """One kind of thing on both sides: how many there are, and by key those that are not there, or not the same."""

    what: What
    source: int
    target: int
    missing: tuple[Difference, ...] = ()
    extra: tuple[Difference, ...] = ()
    different: tuple[Difference, ...] = ()
    tolerated: tuple[Difference, ...] = ()
    """Texts that are not the same, in a way that was allowed beforehand."""
    expected: tuple[Difference, ...] = ()
    """There in the target only, as was to be expected."""
    more: Mapping[Listed, int] = field(default_factory=dict)
    """How many each of these lists leaves out, where it would be longer than `LISTED_AT_MOST`."""
    not_compared: str = ""
    """Why nothing is said: neither the same nor different."""

    def count(self, listed: Listed) -> int:
        """Those left out included."""
        return len(getattr(self, listed)) + self.more.get(listed, 0)

    def in_words(self, kind: Kind, limit: int) -> str:
        count = self.count(kind)
        first = [str(one) for one in getattr(self, kind)[:limit]]
        rest = f" and {count - len(first)} more" if count > len(first) else ""
        return f"{count} {self.what}{'s' if count > 1 else ''} {kind}: {', '.join(first)}{rest}"


@dataclass(frozen=True, slots=True)
class Reconciliation:
    """Both sides of one cabinet, compared: groups, dossiers, collaborateurs, rights, the two defaults, contacts."""

    compared: tuple[Compared, ...]

    @property
    def is_same(self) -> bool:
        return not any(self.count(kind) for kind in KINDS)

    @property
    def not_compared(self) -> tuple[Compared, ...]:
        return tuple(one for one in self.compared if one.not_compared)

    @property
    def group_left_behind(self) -> str | None:
        """The one group that every missing dossier is of; None where none is missing, or they are of several."""
        dossiers = self.of("dossier")
        groups = {as_ge_compares(one.group or "") for one in dossiers.missing}
        return dossiers.missing[0].group or None if len(groups) == 1 and not dossiers.more else None

    def of(self, what: What) -> Compared:
        return next(one for one in self.compared if one.what == what)

    def count(self, listed: Listed) -> int:
        return sum(one.count(listed) for one in self.compared)

    def in_words(self, limit: int = 5) -> str:
        """`2 dossiers missing: D0012, D0044; 1 dossier different: D0007 (name: …)`, of each the first `limit`."""
        return "; ".join(one.in_words(kind, limit) for one in self.compared for kind in KINDS if one.count(kind))

    def as_json(self) -> dict[str, Any]:
        """What is empty is left out."""
        told: dict[str, Any] = _json.dump_python(self, mode="json", exclude_defaults=True)
        return told

    @staticmethod
    def from_json(told: Mapping[str, Any]) -> Reconciliation:
        return _json.validate_python(told)


_json = TypeAdapter(Reconciliation)

Row = TypeVar("Row", Group, Dossier, Collaborateur, Right)
Fields = Mapping[str, str | None]


def compare(
    source: GeLists,
    target: S4aLists,
    cabinet: Cabinet,
    ge: GeFacts | None = None,
    tolerate: Collection[Tolerated] = (),
) -> Reconciliation:
    """What the synchronisation did not carry over as it was. Codes are compared as GE compares them, names as people read them.

    The two defaults are those that GE shows; where it shows none, the inventory's, which the step `defaults` chose in GE.
    """
    shown = (ge.default_profile, ge.default_group) if ge is not None else (None, None)
    profile, group = shown[0] or cabinet.default_profile, shown[1] or cabinet.default_group
    return Reconciliation(
        (
            _rows("group", source.groups, target.groups, _code_of, _fields_of_group, target, tolerate),
            _rows("dossier", source.dossiers, target.dossiers, _code_of, _fields_of_dossier, target, tolerate),
            _rows(
                "collaborateur",
                source.collaborateurs,
                target.collaborateurs,
                _code_of,
                _fields_of_person,
                target,
                tolerate,
            ),
            _rows("right", source.rights, target.rights, _names_of_right, lambda _: {}, target, tolerate),
            _default("default profile", profile, target.default_profile, lambda n: profile_named(n, source, cabinet)),
            _default("default group", group, target.default_group, lambda n: group_named(n, source, cabinet)),
            _contacts(source, target),
        )
    )


def contacts_to_enter(source: GeLists, target: S4aLists) -> tuple[Contact, ...]:
    """Contacts of Client Management that GE does not hold: somebody enters them in GE, for they never come by themselves."""
    ids = {contact.id for contact in source.contacts}
    people = {_person_and_place(contact) for contact in source.contacts}
    return tuple(one for one in target.contacts if one.id not in ids and _person_and_place(one) not in people)


# One kind of thing


def _rows(
    what: What,
    source: Sequence[Row],
    target: Sequence[Row],
    key: Callable[[Row], str],
    fields: Callable[[Row], Fields],
    told: S4aLists,
    tolerate: Collection[Tolerated],
) -> Compared:
    if f"{what}s" in told.unknown:
        return Compared(what=what, source=len(source), target=0, not_compared=NO_LIST)
    ours, theirs = _by_identity(source, key), _by_identity(target, key)
    found: dict[Listed, list[Difference]] = {"missing": [], "extra": [], "different": [], "tolerated": []}
    for identity, expected in ours.items():
        arrived = theirs.get(identity, [])
        found["missing"] += [Difference(key=key(row), group=_group_of(row)) for row in expected[len(arrived) :]]
        for before, after in zip(expected, arrived, strict=False):
            if before == after:
                continue
            for listed, changes in _changed(fields(before), fields(after), tolerate).items():
                found[listed].append(Difference(key=key(before), group=_group_of(before), changes=tuple(changes)))
    for identity, arrived in theirs.items():
        found["extra"] += [
            Difference(key=key(row), group=_group_of(row), times=len(arrived))
            for row in arrived[len(ours.get(identity, [])) :]
        ]
    return _listed(what, len(source), len(target), found)


def _default(what: What, ours: str, theirs: str | None, known_as: Callable[[str], object | None]) -> Compared:
    if theirs is None:
        return Compared(what=what, source=1, target=0, not_compared=NOT_SHOWN)
    # A default may be told by its code or by its label.
    same = as_ge_compares(ours) == as_ge_compares(theirs) or (
        known_as(ours) is not None and known_as(ours) == known_as(theirs)
    )
    changes = (Change(field="code", was=ours, now=theirs),)
    return Compared(what=what, source=1, target=1, different=() if same else (Difference(key=ours, changes=changes),))


def _contacts(source: GeLists, target: S4aLists) -> Compared:
    apart = [
        Difference(key=one.id, changes=(Change(field="name", was=None, now=plain(one.name)),))
        for one in contacts_to_enter(source, target)
    ]
    return _listed("contact", len(source.contacts), len(target.contacts), {"expected": apart})


def _listed(what: What, source: int, target: int, found: Mapping[Listed, Iterable[Difference]]) -> Compared:
    """By key, and no more than people can read."""
    in_order = {listed: sorted(some, key=lambda one: one.key) for listed, some in found.items()}
    more = {listed: len(some) - LISTED_AT_MOST for listed, some in in_order.items() if len(some) > LISTED_AT_MOST}
    shown: dict[str, Any] = {listed: tuple(islice(some, LISTED_AT_MOST)) for listed, some in in_order.items()}
    return Compared(what=what, source=source, target=target, more=more, **shown)


# One thing


def _code_of(row: Group | Dossier | Collaborateur) -> str:
    return row.code


def _group_of(row: object) -> str | None:
    return row.group if isinstance(row, Dossier) else None


def _names_of_right(right: Right) -> str:
    return f"{right.collaborateur} / {right.group} / {right.right}"


def _by_identity(rows: Sequence[Row], key: Callable[[Row], str]) -> Mapping[str, list[Row]]:
    found: defaultdict[str, list[Row]] = defaultdict(list)
    for row in rows:
        found[as_ge_compares(key(row))].append(row)
    return found


def _changed(before: Fields, after: Fields, tolerate: Collection[Tolerated]) -> Mapping[Listed, list[Change]]:
    """Of one thing that is on both sides. It may be different in one field, and in another as it was allowed to be."""
    found: defaultdict[Listed, list[Change]] = defaultdict(list)
    for name, was in before.items():
        if was != after[name]:
            change = Change(field=name, was=was, now=after[name])
            found["tolerated" if _is_tolerated(change, tolerate) else "different"].append(change)
    return found


def _is_tolerated(change: Change, tolerate: Collection[Tolerated]) -> bool:
    texts = [read_with(tolerate, text or "") for text in (change.was, change.now)]
    return change.field in TEXTS and texts[0] == texts[1]


def _fields_of_group(group: Group) -> Fields:
    return {"label": plain(group.label)}


def _fields_of_dossier(dossier: Dossier) -> Fields:
    return {
        "name": plain(dossier.name),
        "group": _code(dossier.group),
        "siren": _number(dossier.siren),
        "siret": _number(dossier.siret),
        "status": dossier.status,
    }


def _fields_of_person(one: Collaborateur) -> Fields:
    # Not the profile: what Sage makes of it (a role) is not published.
    return {
        "last name": plain(one.last_name),
        "first name": plain(one.first_name),
        "e-mail": _code(one.email),
        "active": "yes" if one.active else "no",
    }


def _code(text: str | None) -> str | None:
    return as_ge_compares(text) or None if text is not None else None


def _number(text: str | None) -> str | None:
    return "".join(text.split()) or None if text is not None else None


def _person_and_place(contact: Contact) -> tuple[str, str | None, str | None, str | None]:
    return as_ge_compares(contact.name), _code(contact.email), _code(contact.dossier), _code(contact.entity)
