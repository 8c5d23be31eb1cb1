"""Source and target compared as sets: what is missing there, what is extra, what is not the same.

A key is the same only letter by letter (Unicode's two forms of a letter apart): Client Management keeps GE's codes. Contacts
are expected to differ, for those of Client Management do not synchronise: they are named apart, and never a difference.
"""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from itertools import islice
from typing import Any, Literal, TypeVar, get_args
from unicodedata import normalize

from pydantic import TypeAdapter

from bascule.checks.entity import same_group, same_profile
from bascule.checks.sameness import Tolerated, as_ge_compares, plain, read_with
from bascule.facts import Collaborateur, Contact, Dossier, GeFacts, GeLists, Group, Right, S4aLists, Untold
from bascule.model import Cabinet

What = Literal["group", "dossier", "collaborateur", "right", "default profile", "default group", "contact"]
Kind = Literal["missing", "extra", "different"]
Listed = Literal["missing", "extra", "different", "tolerated", "expected"]

WHATS: tuple[What, ...] = get_args(What)
KINDS: tuple[Kind, ...] = get_args(Kind)
LISTED: tuple[Listed, ...] = get_args(Listed)
TEXTS = frozenset({"label", "name", "last name", "first name"})
"""Fields that people wrote to be read by people. All others are keys, numbers, or words of the contract."""
LISTED_AT_MOST = 5_000
"""Of one list: the ledger keeps what people can read, and how many more there were."""
EXPECTED_AT_MOST = 200
"""Of what nobody has to see to: a cabinet may have thousands of contacts, and their names stay for good."""
NO_LIST, NOT_SHOWN = "no list of Client Management tells them", "Client Management does not show it"
"""Why something was not compared: a list that could be had, or what is shown nowhere."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Change:
    field: str
    was: str | None
    now: str | None

    def __str__(self) -> str:
        return f"{self.field}: {_shown(self.was)} -> {_shown(self.now)}"


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
    """There on one side only, as was to be expected."""
    more: Mapping[Listed, int] = field(default_factory=dict)
    """How many each of these lists leaves out, where it would be longer than `LISTED_AT_MOST` or `EXPECTED_AT_MOST`."""
    not_compared: str = ""
    """Why nothing is said: neither the same nor different."""

    @property
    def in_general(self) -> str:
        """`rights`, `default group`."""
        return self.what if self.what.startswith("default ") else f"{self.what}s"

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
    def differs(self) -> bool:
        """Something that was compared is not the same."""
        return any(self.count(kind) for kind in KINDS)

    @property
    def tells_dossiers(self) -> bool:
        """They are what is moved: where they were not compared, nobody may say that both sides are the same."""
        return all(one.what != "dossier" for one in self.not_compared)

    @property
    def tells_anything(self) -> bool:
        """Otherwise it is no comparison that reports may count: it would stand there as one without a difference."""
        return self.tells_dossiers or self.differs

    @property
    def is_same(self) -> bool:
        """The dossiers are, and whatever else was compared; what was not is in `not_compared`."""
        return self.tells_dossiers and not self.differs

    @property
    def not_compared(self) -> tuple[Compared, ...]:
        return tuple(one for one in self.compared if one.not_compared)

    @property
    def has_reservations(self) -> bool:
        """Something was not compared that could have been."""
        return any(one.not_compared == NO_LIST for one in self.not_compared)

    @property
    def group_left_behind(self) -> str | None:
        """The one group that every missing dossier is of; None where none is missing, or they are of several."""
        dossiers = self.of("dossier")
        groups = {as_ge_compares(one.group or "") for one in dossiers.missing}
        return dossiers.missing[0].group or None if len(groups) == 1 and not dossiers.more else None

    @property
    def doubled(self) -> int:
        """Dossiers that are there more often than in GE, as far as they are listed: made by a second synchronisation, in most cases."""
        return sum(one.times > 1 for one in self.of("dossier").extra)

    def of(self, what: What) -> Compared:
        return next(one for one in self.compared if one.what == what)

    def count(self, listed: Listed) -> int:
        return sum(one.count(listed) for one in self.compared)

    def in_words(self, limit: int = 5) -> str:
        """`2 dossiers missing: D0012, D0044; 1 dossier different: D0007 (name: …)`, of each the first `limit`."""
        return "; ".join(one.in_words(kind, limit) for one in self.compared for kind in KINDS if one.count(kind))

    def not_compared_in_words(self) -> str:
        """`groups, rights (no list of Client Management tells them)`; empty where all was compared."""
        by_reason: defaultdict[str, list[str]] = defaultdict(list)
        for one in self.not_compared:
            by_reason[one.not_compared].append(one.in_general)
        return "; ".join(f"{', '.join(things)} ({why})" for why, things in by_reason.items())

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
Names = tuple[str, ...]
"""What names a row: its code; of a right, the three codes that it joins."""


def compare(
    source: GeLists,
    target: S4aLists,
    cabinet: Cabinet,
    ge: GeFacts | None = None,
    tolerate: Collection[Tolerated] = (),
    unproven: str = "",
) -> Reconciliation:
    """What the synchronisation did not carry over as it was. Codes are compared letter by letter, names as people read them.

    The two defaults are those that GE shows; where it shows none, the inventory's, which the step `defaults` chose in GE.
    As a person may have typed them, they are found as GE finds them, whatever the case. `unproven`: why the lists of a side
    prove nothing, and nothing is compared.
    """
    if unproven:
        return Reconciliation(tuple(Compared(what=what, source=0, target=0, not_compared=unproven) for what in WHATS))
    shown = (ge.default_profile, ge.default_group) if ge is not None else (None, None)
    profile, group = shown[0] or cabinet.default_profile, shown[1] or cabinet.default_group
    return Reconciliation(
        (
            _rows("group", source.groups, target.groups, _names_of, _fields_of_group, target, tolerate),
            _rows("dossier", source.dossiers, target.dossiers, _names_of, _fields_of_dossier, target, tolerate),
            _rows(
                "collaborateur",
                source.collaborateurs,
                target.collaborateurs,
                _names_of,
                _fields_of_person,
                target,
                tolerate,
            ),
            _rows("right", source.rights, target.rights, _names_of_right, lambda _: {}, target, tolerate),
            _default(
                "default profile",
                profile,
                target.default_profile,
                same_profile(profile, target.default_profile, source, cabinet),
                Untold.DEFAULT_PROFILE in target.unknown,
            ),
            _default(
                "default group",
                group,
                target.default_group,
                same_group(group, target.default_group, source, cabinet),
                Untold.DEFAULT_GROUP in target.unknown,
            ),
            _contacts(source, target),
        )
    )


def contacts_to_enter(source: GeLists, target: S4aLists) -> tuple[Contact, ...]:
    """Contacts of Client Management that GE does not hold: somebody enters them in GE, for they never come by themselves."""
    return tuple(_not_among(source.contacts, target.contacts))


# One kind of thing


def _rows(
    what: What,
    source: Sequence[Row],
    target: Sequence[Row],
    names: Callable[[Row], Names],
    fields: Callable[[Row], Fields],
    told: S4aLists,
    tolerate: Collection[Tolerated],
) -> Compared:
    if f"{what}s" in told.unknown:
        return Compared(what=what, source=len(source), target=0, not_compared=NO_LIST)
    ours, theirs = _by_key(source, names, _exact), _by_key(target, names, _exact)
    found: dict[Listed, list[Difference]] = {"missing": [], "extra": [], "different": [], "tolerated": []}
    met = [_paired(rows, theirs[key], fields) for key, rows in ours.items() if key in theirs]
    # A key in another spelling is another key: what stands alone under each of the two is told as one thing that changed.
    here = _by_key(_of_others(ours, theirs), names, as_ge_compares)
    there = _by_key(_of_others(theirs, ours), names, as_ge_compares)
    met += [_paired(here.get(key, []), there.get(key, []), fields) for key in here.keys() | there.keys()]
    for pairs, lost, surplus in met:
        found["missing"] += [_difference(row, names) for row in lost]
        found["extra"] += [_difference(row, names, times=len(theirs[_key(row, names, _exact)])) for row in surplus]
        for before, after in pairs:
            spelled = _spelled_otherwise(before, after, names)
            for listed, changes in _changed(fields(before), fields(after), tolerate, spelled).items():
                found[listed].append(_difference(before, names, changes=tuple(changes)))
    return _listed(what, len(source), len(target), found)


def _default(what: What, ours: str, theirs: str | None, same: bool, unknown: bool) -> Compared:
    """`unknown`: who reads Client Management cannot tell it. Else what is not there is not set."""
    if unknown:
        return Compared(what=what, source=1, target=0, not_compared=NOT_SHOWN)
    changes = (Change(field="code", was=ours, now=theirs),)
    different = () if same else (Difference(key=ours, changes=changes),)
    return Compared(what=what, source=1, target=0 if theirs is None else 1, different=different)


def _contacts(source: GeLists, target: S4aLists) -> Compared:
    if "contacts" in target.unknown:
        return Compared(what="contact", source=len(source.contacts), target=0, not_compared=NO_LIST)
    gone = [_contact_apart(one, was=plain(one.name)) for one in _not_among(target.contacts, source.contacts)]
    made = [_contact_apart(one, now=plain(one.name)) for one in contacts_to_enter(source, target)]
    return _listed("contact", len(source.contacts), len(target.contacts), {"expected": gone + made})


def _contact_apart(one: Contact, *, was: str | None = None, now: str | None = None) -> Difference:
    return Difference(key=one.id, changes=(Change(field="name", was=was, now=now),))


def _not_among(known: Sequence[Contact], contacts: Sequence[Contact]) -> Iterator[Contact]:
    ids = {contact.id for contact in known}
    people = {_person_and_place(contact) for contact in known}
    return (one for one in contacts if one.id not in ids and _person_and_place(one) not in people)


def _listed(what: What, source: int, target: int, found: Mapping[Listed, Iterable[Difference]]) -> Compared:
    """By key, and no more than people can read."""
    in_order = {listed: sorted(some, key=lambda one: one.key) for listed, some in found.items()}
    limits = {listed: EXPECTED_AT_MOST if listed == "expected" else LISTED_AT_MOST for listed in in_order}
    more = {listed: len(some) - limits[listed] for listed, some in in_order.items() if len(some) > limits[listed]}
    shown: dict[str, Any] = {listed: tuple(islice(some, limits[listed])) for listed, some in in_order.items()}
    return Compared(what=what, source=source, target=target, more=more, **shown)


# One thing


def _names_of(row: Group | Dossier | Collaborateur) -> Names:
    return (row.code,)


def _names_of_right(right: Right) -> Names:
    return (right.collaborateur, right.group, right.right)


def _exact(text: str) -> str:
    return normalize("NFC", text)


def _key(row: Row, names: Callable[[Row], Names], read: Callable[[str], str]) -> Names:
    return tuple(read(name) for name in names(row))


def _by_key(
    rows: Iterable[Row], names: Callable[[Row], Names], read: Callable[[str], str]
) -> Mapping[Names, list[Row]]:
    found: defaultdict[Names, list[Row]] = defaultdict(list)
    for row in rows:
        found[_key(row, names, read)].append(row)
    return found


def _of_others(ours: Mapping[Names, list[Row]], theirs: Mapping[Names, list[Row]]) -> Iterator[Row]:
    return (row for key, rows in ours.items() if key not in theirs for row in rows)


def _paired(
    expected: list[Row], arrived: list[Row], fields: Callable[[Row], Fields]
) -> tuple[list[tuple[Row, Row]], list[Row], list[Row]]:
    """Who is whom, of those that have one name; then those that did not arrive, and those that nobody expected."""
    if len(expected) > 1 or len(arrived) > 1:
        expected, arrived = _alike_first(expected, arrived, fields)
    both = min(len(expected), len(arrived))
    return list(zip(expected, arrived, strict=False)), expected[both:], arrived[both:]


def _alike_first(
    expected: list[Row], arrived: list[Row], fields: Callable[[Row], Fields]
) -> tuple[list[Row], list[Row]]:
    """So that two of one name are not taken for each other because the lists come in another order."""

    def told(row: Row) -> tuple[str, ...]:
        return tuple(text or "" for text in fields(row).values())

    alike = Counter(map(told, expected)) & Counter(map(told, arrived))

    def in_order(rows: list[Row]) -> list[Row]:
        left = alike.copy()
        first: list[Row] = []
        rest: list[Row] = []
        for row in sorted(rows, key=told):
            (first if left[told(row)] > 0 else rest).append(row)
            left[told(row)] -= 1
        return first + rest

    return in_order(expected), in_order(arrived)


def _difference(row: Row, names: Callable[[Row], Names], **told: Any) -> Difference:
    return Difference(key=" / ".join(names(row)), group=_group_of(row), **told)


def _group_of(row: object) -> str | None:
    return row.group if isinstance(row, Dossier) else None


def _spelled_otherwise(before: Row, after: Row, names: Callable[[Row], Names]) -> Change | None:
    was, now = (_key(row, names, _exact) for row in (before, after))
    return Change(field="code", was=" / ".join(was), now=" / ".join(now)) if was != now else None


def _changed(
    before: Fields, after: Fields, tolerate: Collection[Tolerated], spelled: Change | None
) -> Mapping[Listed, list[Change]]:
    """Of one thing that is on both sides. It may be different in one field, and in another as it was allowed to be."""
    found: defaultdict[Listed, list[Change]] = defaultdict(list)
    if spelled is not None:
        found["different"].append(spelled)
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
        "group": _exact(dossier.group or "") or None,
        "siren": _number(dossier.siren),
        "siret": _number(dossier.siret),
        "status": dossier.status,
    }


def _fields_of_person(one: Collaborateur) -> Fields:
    # Not the profile: what Sage makes of it (a role) is not published.
    return {
        "last name": plain(one.last_name),
        "first name": plain(one.first_name),
        "e-mail": _folded(one.email),
        "active": "yes" if one.active else "no",
    }


def _folded(text: str | None) -> str | None:
    return as_ge_compares(text) or None if text is not None else None


def _number(text: str | None) -> str | None:
    return "".join(text.split()) or None if text is not None else None


def _person_and_place(contact: Contact) -> tuple[str, str | None, str | None, str | None]:
    return as_ge_compares(contact.name), _folded(contact.email), _folded(contact.dossier), _folded(contact.entity)


def _shown(text: str | None) -> str:
    """With the blanks that the eye skips."""
    return "none" if not text else text if text == plain(text) else f"'{text}'"
