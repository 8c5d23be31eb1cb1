"""What is sent back, and what faults make of it on the way."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field, replace

from pydantic import TypeAdapter

from sandbox.scenario import Fault
from sandbox.wire import ErrorBody, Said

JSON = {"content-type": "application/json"}
HTML = {"content-type": "text/html; charset=utf-8"}

Strike = Callable[[str, bool], Fault | None]
"""Asks whether a fault of this name hits this request; the second word: one that strikes *after* all is done."""

STATUS = {
    "unauthorised": 401,
    "consent-revoked": 403,
    "unknown-cabinet": 404,
    "unknown-operation": 404,
    "unknown-verb": 404,
    "invalid": 422,
    "stale-fence": 409,
    "too-many-requests": 429,
    "unavailable": 503,
    "internal": 500,
    "unknown-entity": 422,
    "unknown-profile": 422,
    "unknown-group": 422,
    "unknown-client": 422,
    "unknown-user": 422,
}
"""Every other refusal is a 409: the cabinet is not where the write needs it to be."""


@dataclass(frozen=True)
class Answer:
    status: int
    body: bytes
    headers: dict[str, str] = field(default_factory=lambda: JSON)
    delay: float = 0
    cut: bool = False
    """The connection ends without an answer."""
    doubled: bool = False
    """It is sent twice."""
    echoes: bool = True
    """It names the request that was sent, not another one."""
    halved: bool = False
    """The connection ends in the middle of the body."""
    lost: bool = False
    """What comes tells nothing of what was done."""


_json_of_errors = TypeAdapter(ErrorBody)


def error(
    code: str,
    message: str,
    *,
    status: int | None = None,
    retry_after: float | None = None,
    details: Mapping[str, str] | None = None,
) -> Answer:
    said = Said(code=code, message=message, details=dict(details or {}))
    headers = JSON
    if retry_after is not None:
        headers = {**JSON, "retry-after": f"{max(retry_after, 0.001):.3f}".rstrip("0").rstrip(".")}
    body = _json_of_errors.dump_json(ErrorBody(errors=(said,)))
    return Answer(STATUS.get(code, 409) if status is None else status, body, headers)


def errors(code: str, messages: Iterable[str]) -> Answer:
    body = ErrorBody(errors=tuple(Said(code=code, message=message) for message in messages))
    return Answer(STATUS[code], _json_of_errors.dump_json(body))


def turned_away(strike: Strike) -> tuple[str, Answer] | None:
    """Stopped at the door: code and answer."""
    if strike("token-expired", False):
        return "unauthorised", error("unauthorised", "The token has expired.")
    if strike("consent-revoked", False):
        return "consent-revoked", error("consent-revoked", "The access was withdrawn in My Sage.")
    if fault := strike("throttled", False):
        wait = 0.2 if fault.seconds is None else fault.seconds
        return "too-many-requests", error("too-many-requests", "Too many requests.", retry_after=wait)
    return None


def failed(strike: Strike, *, after: bool) -> tuple[str, Answer] | None:
    """Failed inside, before anything was done or after all was: code and answer."""
    if strike("server-error", after):
        return "internal", error("internal", "Something went wrong inside.")
    if strike("error-in-200", after):
        return "unavailable", error("unavailable", "Not available now.", status=200)
    return None


def on_the_way(answer: Answer, strike: Strike) -> Answer:
    """The answer to what was done, less what gets lost of it."""
    if strike("unknown-word", False):
        answer = replace(answer, body=_STATUS_WORD.sub(rb'"\1":"perhaps"', answer.body))
    if fault := strike("slow", False):
        answer = replace(answer, delay=1.0 if fault.seconds is None else fault.seconds)
    if strike("commit-then-drop", False):
        answer = replace(answer, cut=True, lost=True)
    if strike("doubled-answer", False):
        answer = replace(answer, doubled=True)
    if strike("truncated", False):
        answer = replace(answer, halved=True, lost=True)
    if fault := strike("web-page", False):
        answer = replace(page(fault.status or 200), delay=answer.delay, lost=True)
    return answer


def page(status: int) -> Answer:
    """What a proxy says of itself."""
    told = "Bad gateway" if status >= 500 else "Welcome"
    return Answer(status, f"<!doctype html><title>{told}</title><h1>{told}</h1>".encode(), HTML)


def of_nobody(fault: Fault) -> Answer:
    """While a whole system is away."""
    return page(fault.status) if fault.status is not None else Answer(0, b"", cut=True)


def of_failing_path(fault: Fault) -> Answer:
    """What /token or /health answers while it fails."""
    if fault.status == 429:
        return error(
            "too-many-requests", "Too many requests.", retry_after=0.2 if fault.seconds is None else fault.seconds
        )
    return error("internal", "Something went wrong inside.") if fault.status == 500 else page(fault.status or 200)


_STATUS_WORD = re.compile(rb'"(status|workspace)":"[a-z-]+"')
