"""GE's own consistency check. Sage does not publish its rules; these are the ones that stand to reason."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator

from sandbox.world import Lists, has_check_digit


def anomalies(lists: Lists) -> list[str]:
    return list(_anomalies(lists))


def _anomalies(lists: Lists) -> Iterator[str]:
    groups = {group.code for group in lists.groups}
    for entity in lists.entities:
        if not entity.name or not has_check_digit(entity.siren, 9):
            yield f"ENT-01: entity {entity.id}"
    for person in lists.collaborateurs:
        if person.active and not person.email:
            yield f"COL-01: collaborateur {person.code} has no e-mail"
    for email in _twice(person.email for person in lists.collaborateurs if person.email):
        yield f"COL-02: e-mail {email}"
    for code in _twice(person.code for person in lists.collaborateurs):
        yield f"COL-04: collaborateur {code}"
    for code in _twice(dossier.code for dossier in lists.dossiers):
        yield f"DOS-01: dossier {code}"
    for dossier in lists.dossiers:
        if dossier.group not in groups:
            yield f"DOS-02: dossier {dossier.code} has no group"
        if dossier.siren and not has_check_digit(dossier.siren, 9):
            yield f"DOS-03: dossier {dossier.code}"


def _twice(words: Iterable[str]) -> Iterator[str]:
    return (word for word, times in Counter(word.casefold() for word in words).items() if times > 1)
