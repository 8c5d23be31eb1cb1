"""What an answer means: a value of the contract, or an error of ours. Nothing is guessed."""

from __future__ import annotations

from typing import Any, TypeVar

from pydantic import TypeAdapter, ValidationError
from pydantic_core import ErrorDetails

from bascule.connectors.contract import REQUEST_ID, ErrorBody, Said, error_coded
from bascule.connectors.http.line import Answer, Call
from bascule.errors import (
    RemoteDenies,
    RemoteError,
    RemoteFailing,
    RemoteRefuses,
    RemoteThrottles,
    RemoteUnintelligible,
)
from bascule.model import ErrorClass

T = TypeVar("T")


_adapters: dict[type, TypeAdapter[Any]] = {}


def adapter(of: type[T]) -> TypeAdapter[T]:
    """Built once, as it takes milliseconds."""
    if of not in _adapters:
        _adapters[of] = TypeAdapter(of)
    return _adapters[of]


def meaning(answer: Answer, wanted: type[T], *, call: Call, name: str) -> T:
    """The value that was asked for. `name`: of the system, for people.

    Errors come with any status, also 200; hence the body is believed before the status.
    """
    strange: ValidationError | None = None
    if call.is_echoed and not answer.is_echoed:
        raise _of_nobody(answer, call, name)
    if answer.status < 300:
        try:
            return adapter(wanted).validate_json(answer.body, strict=True)
        except ValidationError as error:
            strange = error
    if errors := errors_in(answer.body):
        raise gravest([_error(said, answer, call, name) for said in errors])
    if strange is not None:
        what_it_is = f"is {kind}" if (kind := kind_of(answer)) else f"holds {strangeness(strange)}"
        raise _unintelligible(call, name, f"{what_it_is}.")  # not `from`: it shows values
    raise _by_status(answer, call, name)


def errors_in(body: bytes) -> tuple[Said, ...]:
    try:
        return adapter(ErrorBody).validate_json(body, strict=True).errors
    except ValidationError:
        return ()


def gravest(errors: list[RemoteError]) -> RemoteError:
    """Where one of several leaves in doubt what was done, doubt it is."""
    return next((error for error in errors if error.may_have_acted), errors[0])


def _error(said: Said, answer: Answer, call: Call, name: str) -> RemoteError:
    known = error_coded.get(said.code)
    if known is None:
        return _unintelligible(
            call, name, f"holds the error code {shown(said.code)!r}, which the contract does not know."
        )
    text = f"{name} refused `{call.what}`: {known.meaning}{_in_its_own_words(said)}"
    if known.may_have_acted:
        return RemoteFailing(
            f"{name} failed at `{call.what}`.{_in_its_own_words(said)}",
            code=said.code,
            retry_after=answer.retry_after,
            may_have_acted=call.writes,
        )
    match known.error_class:
        case ErrorClass.AUTH:
            return RemoteDenies(text, code=said.code)
        case ErrorClass.THROTTLED:
            return RemoteThrottles(text, code=said.code, retry_after=answer.retry_after)
        case error_class:
            return RemoteRefuses(text, code=said.code, error_class=error_class)


def _by_status(answer: Answer, call: Call, name: str) -> RemoteError:
    """For bodies that are not the contract's: a proxy's page, a stranger's JSON, nothing at all."""
    status = answer.status
    if status == 401:
        return RemoteDenies(f"{name} does not accept our token for `{call.what}`.", code="unauthorised")
    if status == 403:
        return RemoteDenies(f"{name}, or what stands before it, forbids `{call.what}`.", code="http-403")
    if status == 429:
        return RemoteThrottles(f"{name} asks for patience.", code="too-many-requests", retry_after=answer.retry_after)
    if status >= 500:
        return RemoteFailing(
            f"{name}, or what stands before it, failed at `{call.what}` (HTTP {status}).",
            code=f"http-{status}",
            retry_after=answer.retry_after,
            may_have_acted=call.writes,
        )
    if 300 <= status < 400:
        return _unintelligible(
            call,
            name,
            f"is a redirect (HTTP {status}); our token is not carried there.",
            remedy="Set the URL that it leads to.",
        )
    return _unintelligible(
        call, name, f"is {kind_of(answer) or 'not of the contract'} (HTTP {status}).", remedy="Check the URL."
    )


def _of_nobody(answer: Answer, call: Call, name: str) -> RemoteError:
    """What does not name the request may answer another one: a write that meets it is in doubt, whatever it says."""
    if answer.status < 300 or errors_in(answer.body):
        what_it_is = kind_of(answer)
        says = f"is {what_it_is}." if what_it_is else f"does not name the request that it answers ({REQUEST_ID})."
        return _unintelligible(call, name, says)
    error = _by_status(answer, call, name)
    error.may_have_acted = call.writes
    return error


def _unintelligible(call: Call, name: str, what_it_is: str, *, remedy: str = "") -> RemoteUnintelligible:
    return RemoteUnintelligible(
        f"The answer of {name} to `{call.what}` {what_it_is}", may_have_acted=call.writes, remedy=remedy
    )


def _in_its_own_words(said: Said) -> str:
    details = ", ".join(f"{shown(name)}: {shown(value)}" for name, value in said.details.items())
    words = " ".join(filter(None, (shown(said.message, 300), f"({details})" if details else "")))
    return f" It says: {words}" if words else ""


def strangeness(error: ValidationError) -> str:
    """The first thing that is not as the contract has it. Shows words and names of fields, never other values."""
    return oddity(error.errors(include_url=False)[0])


def oddity(detail: ErrorDetails) -> str:
    place = "".join(f"[{part}]" if isinstance(part, int) else f".{shown(part)}" for part in detail["loc"]).lstrip(".")
    match detail["type"]:
        case "enum" | "literal_error":
            return f"the word {shown(detail['input'])!r} in `{place}`, which the contract does not know"
        case "unexpected_keyword_argument" | "extra_forbidden":
            return f"the field `{place}`, which the contract does not know"
        case "missing":
            return f"no field `{place}`"
        case _ if not place:
            return "no object of JSON"
        case _:
            return f"something else than the contract has in `{place}` ({detail['msg'][:1].lower()}{detail['msg'][1:]})"


def kind_of(answer: Answer) -> str:
    if not answer.body.strip():
        return "empty"
    if "html" in answer.content_type.lower() or answer.body.lstrip()[:1] == b"<":
        return "a web page"
    return ""


def shown(text: object, longest: int = 60) -> str:
    """A stranger's words on one line, without what could steer a terminal."""
    line = "".join(letter if letter.isprintable() else " " for letter in str(text)[: longest + 1]).strip()
    return line if len(line) <= longest else f"{line[: longest - 1]}…"
