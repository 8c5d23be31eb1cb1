"""Who can be told: each operator at an address of their own, and the team."""

from __future__ import annotations

from dataclasses import dataclass

from bascule.workorders import WorkOrder, is_same_person


@dataclass(frozen=True, slots=True)
class Hearers:
    """Names, never addresses: the ledger keeps them. A webhook's name is the reference to its secret."""

    operators: tuple[str, ...]
    """Those with an address of their own."""
    team: tuple[str, ...]
    """Who hears of what concerns nobody in particular."""

    def of_owner(self, owner: str | None) -> tuple[str, ...]:
        """The team for what belongs to nobody, or to somebody without an address."""
        own = [name for name in self.operators if owner is not None and is_same_person(name, owner)]
        return tuple(own) or self.team

    def of_approval(self, order: WorkOrder) -> tuple[str, ...]:
        """Everybody but who answered."""
        by = order.answer.by if order.answer is not None else ""
        return tuple(name for name in self.operators if not is_same_person(name, by)) or self.team

    def of_alarm(self, owner: str | None) -> tuple[str, ...]:
        return tuple(dict.fromkeys((*self.of_owner(owner), *self.team)))
