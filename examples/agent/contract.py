"""What the contract fixes: every write with its payload, and the status of every error."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Literal

from pydantic import BaseModel, ConfigDict, create_model

VERSION = "2"
REQUEST_ID = "Bascule-Request"

System = Literal["my_sage", "ge", "s4a"]
BASES: dict[System, str] = {"my_sage": "/my-sage", "ge": "/ge", "s4a": "/s4a"}


class Exactly(BaseModel):
    """A payload that says more, less or something else than the contract has is `invalid`."""

    model_config = ConfigDict(extra="forbid", strict=True)


class InvitedUser(Exactly):
    email: str
    collaborateur: str
    role: str


class AssignedClient(Exactly):
    client: str
    email: str


@dataclass(frozen=True)
class Verb:
    system: System
    payload: type[Exactly]
    goes_on: bool
    """Answered with 202 when it has begun; how far it is, is asked at its operation."""


def verb(system: System, *, goes_on: bool = False, **payload: Any) -> Verb:
    fields: dict[str, Any] = {name: (kind, ...) for name, kind in payload.items()}
    return Verb(system, create_model("Payload", __base__=Exactly, **fields), goes_on)


VERBS = {
    "admin-sage": verb("my_sage", email=str),
    "compute-key": verb("my_sage", question=str),
    "enter-key": verb("ge", question=str),
    "restart": verb("ge"),
    "connect": verb("ge", entity=str, name=str, siren=str, siret=str | None),
    "defaults": verb("ge", profile=str, group=str),
    "sign-up": verb("s4a", name=str, siren=str, email=str),
    "billing": verb("s4a"),
    "terms": verb("s4a", signatory=str),
    "return-to-ge": verb("ge"),
    "open-exe": verb("ge"),
    "backup": verb("ge"),
    "lock-out": verb("ge"),
    "synchronise": verb("ge", goes_on=True),
    "reopen": verb("ge"),
    "users": verb("s4a", users=list[InvitedUser]),
    "assignments": verb("s4a", assignments=list[AssignedClient]),
}

STATUS = {"unauthorised": 401, "unknown-cabinet": 404, "unknown-operation": 404, "unknown-verb": 404, "internal": 500}
STATUS |= dict.fromkeys(("invalid", "unknown-entity", "unknown-profile", "unknown-group"), 422)
STATUS |= dict.fromkeys(("unknown-client", "unknown-user"), 422)
"""Every other refusal is a 409: the cabinet is not where the write needs it to be."""


class Refused(Exception):
    """Nothing was changed. The code is the contract's; the message is for people: no secrets, no personal data."""

    def __init__(self, code: str, message: str = "") -> None:
        super().__init__(message)
        self.code = code


def require(holds: bool, code: str, message: str = "") -> None:
    if not holds:
        raise Refused(code, message)
