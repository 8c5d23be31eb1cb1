"""What a cabinet's GE holds: drawn from the seed and the cabinet's own line, so the same whatever stands beside it.

A drawn world is clean: none of its data would make GE's consistency check complain.
"""

from __future__ import annotations

import random
import unicodedata
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import cache, cached_property
from typing import Any, Literal

from pydantic import BaseModel, ConfigDict, Field, TypeAdapter, ValidationError

from sandbox import names
from sandbox.snapshot import Frozen
from sandbox.wire import Collaborateur, Contact, Dossier, Entity, Group, Profile, Right

Size = Literal["small", "medium", "large"]

COLLABORATEURS: Mapping[Size, tuple[int, int]] = {"small": (3, 5), "medium": (8, 15), "large": (40, 80)}
DOSSIERS: Mapping[Size, tuple[int, int]] = {"small": (60, 150), "medium": (200, 500), "large": (1500, 4000)}
GROUPS: Mapping[Size, tuple[int, int]] = {"small": (2, 4), "medium": (4, 9), "large": (8, 15)}
MIX: Mapping[Size, int] = {"small": 72, "medium": 25, "large": 3}


class Line(BaseModel):
    """Anything of the world file: exactly these fields."""

    model_config = ConfigDict(extra="forbid", frozen=True)


class UserLine(Line):
    email: str
    collaborateur: str
    role: str


class AssignmentLine(Line):
    client: str
    email: str


class CabinetLine(Line):
    """A cabinet of the inventory, as the console writes it."""

    code: str = Field(min_length=1, max_length=40)
    name: str
    siren: str
    siret: str | None = None
    entity: str
    admin_email: str
    default_profile: str
    default_group: str
    contact_email: str | None = None
    terms_signatory: str | None = None
    timezone: str = "Europe/Paris"
    users: tuple[UserLine, ...] = ()
    assignments: tuple[AssignmentLine, ...] = ()
    size: Size | None = None
    """None: drawn by the seed."""


class World(Line):
    seed: int = 7
    cabinets: tuple[CabinetLine, ...] = Field(min_length=1)


class WorldRefused(ValueError):
    """The world file does not say what the sandbox needs to know."""


def read_world(document: object) -> World:
    try:
        world = World.model_validate(document)
    except ValidationError as invalid:
        first, *others = invalid.errors()
        place = ".".join(str(part) for part in first["loc"]) or "the file"
        more = f" (and {len(others)} more)" if others else ""
        raise WorldRefused(f"{place}: {first['msg']}, not {_short(first['input'])}{more}") from None
    seen: set[str] = set()
    for cabinet in world.cabinets:
        if cabinet.code.casefold() in seen:
            raise WorldRefused(
                f"cabinets: the code {cabinet.code!r} stands there twice; a code is unique whatever its case"
            )
        seen.add(cabinet.code.casefold())
    return world


def _short(value: Any) -> str:
    text = repr(value)
    return text if len(text) <= 60 else text[:57] + "..."


@dataclass(frozen=True)
class Lists:
    """What GE holds of one cabinet."""

    right_names: tuple[str, ...]
    entities: tuple[Entity, ...]
    profiles: tuple[Profile, ...]
    collaborateurs: tuple[Collaborateur, ...]
    groups: tuple[Group, ...]
    rights: tuple[Right, ...]
    dossiers: tuple[Dossier, ...]
    contacts: tuple[Contact, ...]

    @cached_property
    def frozen(self) -> Frozen:
        """As JSON, once: thousands of dossiers are read many times."""
        return Frozen(_json_of_lists.dump_json(self))

    def entity(self, identifier: str) -> Entity | None:
        return next((entity for entity in self.entities if entity.id == identifier), None)


_json_of_lists = TypeAdapter(Lists)


def drawn(seed: int, cabinet: CabinetLine) -> Lists:
    return _Drawing(random.Random(f"{seed}/{cabinet.code}"), cabinet).lists()


def question_of(seed: int, code: str) -> str:
    """What GE shows: four groups of four upper-case letters."""
    draw = random.Random(f"{seed}/{code}/question")
    return " ".join("".join(draw.choices("ABCDEFGHIJKLMNOPQRSTUVWXYZ", k=4)) for _ in range(4))


class _Drawing:
    def __init__(self, draw: random.Random, cabinet: CabinetLine) -> None:
        self.draw = draw
        self.cabinet = cabinet
        self.size: Size = cabinet.size or draw.choices(list(MIX), list(MIX.values()))[0]
        self.domain = cabinet.admin_email.rpartition("@")[2] or "cabinet.example"
        self.sirens = _Sirens(draw)
        self.taken: set[str] = set()

    def lists(self) -> Lists:
        entities = tuple(self.entities())
        profiles = tuple(self.profiles(entities))
        groups = tuple(self.groups(entities))
        collaborateurs = tuple(self.collaborateurs(profiles))
        dossiers = tuple(self.dossiers(groups))
        return Lists(
            right_names=names.RIGHTS,
            entities=entities,
            profiles=profiles,
            collaborateurs=collaborateurs,
            groups=groups,
            rights=tuple(self.rights(collaborateurs, groups)),
            dossiers=dossiers,
            contacts=tuple(self.contacts(collaborateurs, dossiers)),
        )

    def between(self, bounds: tuple[int, int]) -> int:
        return self.draw.randint(*bounds)

    def free(self, wanted: str) -> str:
        """The wanted word, or the first numbered one that nobody has; case does not tell two apart."""
        candidates = (wanted if n == 1 else f"{wanted}{n}" for n in range(1, 10_000))
        word = next(word for word in candidates if word.casefold() not in self.taken)
        self.taken.add(word.casefold())
        return word

    def address(self) -> str:
        return f"{self.draw.randint(1, 180)} {self.draw.choice(names.STREETS)}, {self.draw.choice(names.TOWNS)}"

    def entities(self) -> Iterator[Entity]:
        cabinet = self.cabinet
        siret = cabinet.siret or self.sirens.siret(cabinet.siren)
        yield Entity(id=cabinet.entity, name=cabinet.name, siren=cabinet.siren, siret=siret, address=self.address())
        offices = self.draw.choices((0, 1, 2, 3), (70, 18, 8, 4))[0]
        for office in range(2, offices + 2):
            town = names.TOWNS[self.draw.randrange(len(names.TOWNS))].partition(" ")[2]
            yield Entity(
                id=f"{cabinet.entity}-{office}",
                name=f"{cabinet.name} — {town}",
                siren=cabinet.siren,
                siret=self.sirens.siret(cabinet.siren),
                address=self.address(),
            )

    def profiles(self, entities: tuple[Entity, ...]) -> Iterator[Profile]:
        default = self.cabinet.default_profile
        yield Profile(code=default, label=default, entity=entities[0].id)
        for n, entity in enumerate(entities, 1):
            for code, label in names.PROFILES[: self.between((3, len(names.PROFILES)))]:
                unique = code if n == 1 else f"{code}{n}"
                if unique.casefold() != default.casefold() and (n > 1 or label != default):
                    yield Profile(code=unique, label=label, entity=entity.id)

    def groups(self, entities: tuple[Entity, ...]) -> Iterator[Group]:
        default = self.cabinet.default_group
        yield Group(code=default, label=default, entity=entities[0].id)
        others = [label for label in names.GROUPS if label.casefold() != default.casefold()]
        for n, label in enumerate(self.draw.sample(others, self.between(GROUPS[self.size]) - 1), 1):
            code = f"G{n:02d}" if f"g{n:02d}" != default.casefold() else f"GD{n:02d}"
            yield Group(code=code, label=label, entity=self.draw.choice(entities).id)

    def collaborateurs(self, profiles: tuple[Profile, ...]) -> Iterator[Collaborateur]:
        """First the AdminSage, then whom the inventory names, then the others."""
        cabinet = self.cabinet
        chief = next((profile for profile in profiles if profile.label == "Manager"), profiles[0])
        known = {user.email.casefold(): user for user in reversed(cabinet.users)}
        admin = known.pop(cabinet.admin_email.casefold(), None)
        reserved = [user for user in cabinet.users if known.pop(user.email.casefold(), None)]
        emails = {cabinet.admin_email.casefold(), *(user.email.casefold() for user in reserved)}

        first, last = self.person(cabinet.admin_email)
        code = self.free(admin.collaborateur if admin else _code(first, last))
        yield _collaborateur(code, first, last, cabinet.admin_email, chief)
        for user in reserved:
            first, last = self.person(user.email)
            yield _collaborateur(self.free(user.collaborateur), first, last, user.email, self.draw.choice(profiles))
        for _ in range(max(0, self.between(COLLABORATEURS[self.size]) - 1 - len(reserved))):
            first, last = self.person()
            active = self.draw.random() < 0.93
            email = self.email(first, last, emails) if active or self.draw.random() < 0.5 else None
            profile = self.draw.choice(profiles)
            yield _collaborateur(self.free(_code(first, last)), first, last, email, profile, active=active)

    def person(self, email: str = "") -> tuple[str, str]:
        """First and last name: those that an e-mail such as claire.martin@… tells, else drawn."""
        first, dot, last = email.partition("@")[0].partition(".")
        if dot and first.isalpha() and last.replace("-", "").isalpha():
            return first.title(), last.title()
        return self.draw.choice(names.FIRST_NAMES), self.draw.choice(names.LAST_NAMES)

    def email(self, first: str, last: str, emails: set[str]) -> str:
        wanted = f"{_ascii(first)}.{_ascii(last)}"
        candidates = (f"{wanted}{n}@{self.domain}" for n in ("", *range(2, 10_000)))
        email = next(email for email in candidates if email.casefold() not in emails)
        emails.add(email.casefold())
        return email

    def dossiers(self, groups: tuple[Group, ...]) -> Iterator[Dossier]:
        cabinet = self.cabinet
        by_name = self.draw.random() < 0.5
        taken: set[str] = set()
        clients = list(dict.fromkeys(assignment.client for assignment in cabinet.assignments))
        weights = [self.draw.uniform(0.2, 1.0) for _ in groups]
        groups_drawn = self.draw.choices(groups, weights, k=max(self.between(DOSSIERS[self.size]), len(clients)))
        # Every group has a dossier, so that rights missing on it always cost something.
        groups_drawn[: len(groups)] = groups
        for n, group in enumerate(groups_drawn, 1):
            client = clients[n - 1] if n <= len(clients) else None
            name, legal = self.client()
            siren = self.sirens.siren() if legal or self.draw.random() < 0.4 else None
            status = self.draw.choices(("open", "closed", "archived"), (92, 5, 3))[0] if client is None else "open"
            code = f"{_ascii(name).upper()[:4]}{n:04d}" if by_name else f"{n:06d}"
            if client is not None and _looks_like_a_code(client):
                code = client
            elif client is not None:
                name = client
            while code.casefold() in taken:
                code += "A"
            taken.add(code.casefold())
            yield Dossier(
                code=code,
                name=name,
                group=group.code,
                siren=siren,
                siret=self.sirens.siret(siren) if siren and self.draw.random() < 0.8 else None,
                status=status,  # type: ignore[arg-type] # choices() forgets that these are the three words
            )

    def client(self) -> tuple[str, bool]:
        """A client's name, and whether it is a legal person."""
        draw = self.draw
        kind = draw.random()
        if kind < 0.12:
            return (
                f"{draw.choice(('Mme', 'M.'))} {draw.choice(names.FIRST_NAMES)} {draw.choice(names.LAST_NAMES)}",
                False,
            )
        if kind < 0.3:
            return f"SCI {draw.choice(names.PLACES)}", True
        if kind < 0.4:
            return f"Association {draw.choice(names.PLACES)}", True
        suffix = draw.choice(
            (f"{draw.choice(names.LAST_NAMES)}", f"{draw.choice(names.LAST_NAMES)} & Fils", draw.choice(names.PLACES))
        )
        return f"{draw.choice(names.FORMS)} {draw.choice(names.TRADES)} {suffix}", True

    def rights(self, collaborateurs: tuple[Collaborateur, ...], groups: tuple[Group, ...]) -> Iterator[Right]:
        admin, *others = collaborateurs
        for group in groups:
            for right in names.RIGHTS:
                yield Right(collaborateur=admin.code, group=group.code, right=right)
        for other in others:
            for group in groups:
                if self.draw.random() < 0.5:
                    for right in names.RIGHTS[: self.draw.randint(1, len(names.RIGHTS))]:
                        yield Right(collaborateur=other.code, group=group.code, right=right)

    def contacts(self, collaborateurs: tuple[Collaborateur, ...], dossiers: tuple[Dossier, ...]) -> Iterator[Contact]:
        n = 0
        for person in collaborateurs:
            n += 1
            yield Contact(
                id=f"CT{n:05d}",
                name=f"{person.first_name} {person.last_name}",
                email=person.email,
                entity=person.entity,
                dossier=None,
                collaborateur=person.code,
            )
        for dossier in dossiers:
            if self.draw.random() < 0.5:
                n += 1
                first, last = self.person()
                email = f"{_ascii(first)}.{_ascii(last)}@client{n}.example" if self.draw.random() < 0.8 else None
                yield Contact(
                    id=f"CT{n:05d}",
                    name=f"{first} {last}",
                    email=email,
                    entity=None,
                    dossier=dossier.code,
                    collaborateur=None,
                )


def _collaborateur(
    code: str, first: str, last: str, email: str | None, profile: Profile, *, active: bool = True
) -> Collaborateur:
    return Collaborateur(
        code=code,
        last_name=last,
        first_name=first,
        email=email,
        profile=profile.code,
        entity=profile.entity,
        active=active,
    )


def _code(first: str, last: str) -> str:
    return (_ascii(first)[:1] + _ascii(last)[:5]).upper()


@cache
def _ascii(text: str) -> str:
    text = text.replace("œ", "oe").replace("Œ", "Oe")
    return "".join(c for c in unicodedata.normalize("NFD", text).lower() if c.isascii() and c.isalnum())


def _looks_like_a_code(client: str) -> bool:
    return " " not in client and client.isascii() and client.upper() == client


class _Sirens:
    """SIRENs and SIRETs with valid check digits, none twice."""

    def __init__(self, draw: random.Random) -> None:
        self._draw = draw
        self._taken: set[str] = set()

    def siren(self) -> str:
        while (siren := _with_check_digit(str(self._draw.randrange(30_000_000, 100_000_000)))) in self._taken:
            pass
        self._taken.add(siren)
        return siren

    def siret(self, siren: str) -> str:
        while (siret := _with_check_digit(f"{siren}{self._draw.randrange(1, 200):04d}")) in self._taken:
            pass
        self._taken.add(siret)
        return siret


def _with_check_digit(digits: str) -> str:
    """Luhn: from the right, the check digit itself apart, every other digit counts double."""
    figures = digits.encode()
    total = sum(figures[::-2].translate(_DOUBLED)) + sum(figures[-2::-2].translate(_PLAIN))
    return f"{digits}{-total % 10}"


_PLAIN = bytes.maketrans(b"0123456789", bytes(range(10)))
_DOUBLED = bytes.maketrans(b"0123456789", bytes((0, 2, 4, 6, 8, 1, 3, 5, 7, 9)))


def has_check_digit(digits: str, length: int) -> bool:
    return len(digits) == length and digits.isdecimal() and _with_check_digit(digits[:-1]) == digits
