"""Every write of the contract, and what it does here."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from pydantic import TypeAdapter

from sandbox import ge, my_sage, s4a, wire
from sandbox.cabinet import Cabinet
from sandbox.standing import Course

CarryOut = Callable[[Cabinet, Any, float], bool | Course]
"""Whether anything changed, or how it will go on. Raises `Refused`."""


class Verb:
    def __init__(self, name: str, system: wire.System, payload: type, carry_out: CarryOut) -> None:
        self.name = name
        self.system = system
        self.payload = payload
        self.carry_out = carry_out
        self._adapter: TypeAdapter[Any] = TypeAdapter(payload)

    def parsed(self, body: bytes) -> Any:
        """An empty body is as good as `{}`."""
        return self._adapter.validate_json(body or b"{}", strict=True)

    def kept(self, payload: Any) -> dict[str, object]:
        kept: dict[str, object] = self._adapter.dump_python(payload, mode="json")
        return kept

    def remembered(self, kept: dict[str, object]) -> Any:
        return self._adapter.validate_python(kept)


VERBS = {
    verb.name: verb
    for verb in (
        Verb("admin-sage", "my_sage", wire.DeclareAdminSage, my_sage.declare_admin_sage),
        Verb("compute-key", "my_sage", wire.KeyQuestion, my_sage.compute_key),
        Verb("enter-key", "ge", wire.KeyQuestion, ge.enter_key),
        Verb("restart", "ge", wire.Nothing, ge.restart),
        Verb("connect", "ge", wire.Connect, ge.connect),
        Verb("defaults", "ge", wire.Defaults, ge.choose_defaults),
        Verb("sign-up", "s4a", wire.SignUp, s4a.sign_up),
        Verb("billing", "s4a", wire.Nothing, s4a.give_billing),
        Verb("terms", "s4a", wire.AcceptTerms, s4a.accept_terms),
        Verb("return-to-ge", "ge", wire.Nothing, ge.return_to_ge),
        Verb("open-exe", "ge", wire.Nothing, ge.open_exe),
        Verb("backup", "ge", wire.Nothing, ge.back_up),
        Verb("lock-out", "ge", wire.Nothing, ge.lock_out),
        Verb("synchronise", "ge", wire.Nothing, ge.synchronise),
        Verb("reopen", "ge", wire.Nothing, ge.reopen),
        Verb("users", "s4a", wire.InviteUsers, s4a.invite_users),
        Verb("assignments", "s4a", wire.AssignClients, s4a.assign_clients),
    )
}
