"""What a person does in one sitting: the writes of the contract that no one should be asked for one by one."""

from __future__ import annotations

from collections.abc import Callable
from datetime import timedelta

SITTINGS: tuple[tuple[str, ...], ...] = (
    # GE closes once the key is entered, and shows the tab when it opens again.
    ("compute-key", "enter-key", "restart"),
    # One wizard of GE, from Lancer la connexion to Terminer.
    ("connect", "defaults"),
    # One session in the browser, from the first page of the form to the page that leads back to GE.
    ("sign-up", "billing", "terms", "return-to-ge", "open-exe"),
    # Users are locked out from the first to the last.
    ("lock-out", "synchronise", "reopen"),
)

IRREVERSIBLE = frozenset({"admin-sage", "terms", "synchronise"})
"""A test holds this to the procedure, which these verbs come before."""

MINUTES = {
    "admin-sage": 10,
    "compute-key": 5,
    "enter-key": 5,
    "restart": 5,
    "connect": 10,
    "defaults": 5,
    "sign-up": 10,
    "billing": 5,
    "terms": 10,
    "return-to-ge": 2,
    "open-exe": 3,
    "backup": 20,
    "lock-out": 10,
    "synchronise": 60,
    "reopen": 5,
    "users": 10,
    "assignments": 15,
}
"""How long each usually takes a person. Estimates of ours: Sage publishes none."""

REOPEN_LASTS = timedelta(minutes=15)
"""How long users who are out may be asked for before it is an alarm."""

SECTION_LASTS = timedelta(hours=4)
"""From the hour agreed for the guarded section to its deadline. Ours, too."""


def sitting_of(verb: str, asks: Callable[[str], bool] = lambda verb: True) -> tuple[str, ...]:
    """The writes that a person is asked for together with this one, from this one on. `asks`: whether people do it at all."""
    together = next((sitting for sitting in SITTINGS if verb in sitting), (verb,))
    return tuple(other for other in together[together.index(verb) :] if other == verb or asks(other))
