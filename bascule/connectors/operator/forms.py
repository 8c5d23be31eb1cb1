"""The typed evidence that an answer carries: one model a write, put together for a work order.

What a person reads on a screen is compared with the inventory's row at once, so that a wrong value is refused while the
screen is still open. Never a key's answer, never bank data.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from datetime import MAXYEAR, MINYEAR, UTC, date, datetime, timedelta
from functools import cache
from typing import Annotated, Any, get_args
from zoneinfo import ZoneInfo

from pydantic import AfterValidator, BaseModel, BeforeValidator, ConfigDict, Field, ValidationError, create_model
from stdnum import iban

from bascule.facts import CLOCKS_DIFFER, EARLIEST
from bascule.tables.problems import Broken, did_you_mean, shown
from bascule.tables.text import clean
from bascule.workorders import Result, WorkOrder

BACKUP_LASTS = timedelta(hours=24)
"""How old a backup may be when users are locked out. A test holds it to the procedure."""

YES, NO = ("yes", "oui", "true", "vrai", "1", "y", "o"), ("no", "non", "false", "faux", "0", "n")
PERHAPS_AN_IBAN = re.compile(r"\b[A-Z]{2}\d{2}(?:[ -]?[A-Z0-9]){11,30}", re.IGNORECASE)

RULES = {
    "instant": Broken("is no date and time", "Write it as 2026-12-01T20:14, in the cabinet's time"),
    "date": Broken("is no date", "Write it as 2026-12-01"),
    "text": Broken("is no text of 1 to 200 characters", "Shorten it"),
    "question": Broken(
        "is no key question: four groups of four capital letters",
        "Copy what GE shows, such as CNCU QTDW EFFL DZZX; never the key itself",
    ),
    "siren": Broken("is no SIREN of 9 digits", "Copy it from the screen, in a cell formatted as text"),
    "count": Broken("is no number of 0 to 1,000,000", "Write a whole number, such as 412"),
    "sha256": Broken("is no SHA-256 of 64 digits 0 to 9 and a to f", "Take it from: sha256sum FILE"),
    "yes": Broken("is neither yes nor no", "Write yes, or no"),
}
"""By kind: what a value of it is, and what to do about one that is none."""


def _yes_or_no(value: object) -> object:
    word = str(value).strip().casefold()
    if word in YES:
        return True
    if word in NO:
        return False
    raise RULES["yes"]


def _must_be_yes(value: bool) -> bool:
    if not value:
        raise Broken("is no: then it is not done", "Give the result not-done, or cannot")
    return value


def _must_be_no(value: bool) -> bool:
    if value:
        raise Broken("is yes: then it is more than not done", "Give the result done, or cannot")
    return value


def _instant(value: object) -> object:
    if isinstance(value, datetime):
        return value
    text = str(value).strip()
    # Told by hand, as pydantic takes a number for the seconds since 1970.
    if not re.fullmatch(r"\d{4}-\d\d-\d\d[T ]\d\d:\d\d(:\d\d(\.\d+)?)?(Z|[+-]\d\d:\d\d)?", text):
        raise RULES["instant"]
    return text


def _day(value: object) -> object:
    if isinstance(value, date):
        return value
    text = str(value).strip()
    if not re.fullmatch(r"\d{4}-\d\d-\d\d", text):
        raise RULES["date"]
    return text


def _question(value: str) -> str:
    if not re.fullmatch(r"[A-Z]{4}( [A-Z]{4}){3}", value):
        raise RULES["question"]
    return value


def _harmless(value: str) -> str:
    value = clean(value)
    if _holds_an_iban(value):
        raise Broken("holds bank data, which is never kept", "Take it out: that it was given is enough")
    return value


def _holds_an_iban(value: str) -> bool:
    for found in PERHAPS_AN_IBAN.findall(value):
        number = re.sub(r"[ -]", "", found).upper()
        # What follows it may look like more of it. The shortest is Norway's, the longest has 34 characters.
        if any(iban.is_valid(number[:length]) for length in range(15, min(34, len(number)) + 1)):
            return True
    return False


Yes = Annotated[
    bool, BeforeValidator(_yes_or_no), AfterValidator(_must_be_yes), Field(json_schema_extra={"kind": "yes"})
]
No = Annotated[bool, BeforeValidator(_yes_or_no), AfterValidator(_must_be_no), Field(json_schema_extra={"kind": "no"})]
YesOrNo = Annotated[bool, BeforeValidator(_yes_or_no), Field(json_schema_extra={"kind": "yes-or-no"})]
Instant = Annotated[datetime, BeforeValidator(_instant), Field(json_schema_extra={"kind": "instant"})]
Day = Annotated[date, BeforeValidator(_day), Field(json_schema_extra={"kind": "date"})]
Text = Annotated[
    str, AfterValidator(_harmless), Field(min_length=1, max_length=200, json_schema_extra={"kind": "text"})
]
Question = Annotated[str, AfterValidator(_question), Field(json_schema_extra={"kind": "question"})]


def _together(value: object) -> object:
    """As screens print a number: in groups."""
    return "".join(str(value).split())


Siren = Annotated[str, BeforeValidator(_together), Field(pattern=r"^\d{9}$", json_schema_extra={"kind": "siren"})]
Count = Annotated[int, Field(ge=0, le=1_000_000, json_schema_extra={"kind": "count"})]
Hash = Annotated[str, Field(pattern=r"^[0-9a-f]{64}$", json_schema_extra={"kind": "sha256"})]


class Form(BaseModel):
    """What may go with any answer."""

    model_config = ConfigDict(extra="forbid", frozen=True, str_strip_whitespace=True)

    ticket: Text | None = None
    screenshot: Hash | None = None


class AdminSageForm(Form):
    email: Text
    confirmed_on: Day


class ComputeKeyForm(Form):
    key_question: Question


class EnterKeyForm(Form):
    key_entered_at: Instant


class RestartForm(Form):
    restarted_at: Instant
    tab_visible: Yes


class ConnectForm(Form):
    connected_at: Instant
    siren_shown: Siren


class DefaultsForm(Form):
    profile_chosen: Text
    group_chosen: Text


class SignUpForm(Form):
    signed_up_at: Instant
    siren_given: Siren


class BillingForm(Form):
    billing_given: Yes


class TermsForm(Form):
    accepted_by: Text
    accepted_at: Instant
    workspace_opened_at: Instant


class ReturnForm(Form):
    returned_at: Instant


class OpenExeForm(Form):
    exe_opened_at: Instant


class BackupForm(Form):
    sql_backup_at: Instant
    mongo_backup_at: Instant
    section_from: Instant | None = None
    """When operator and cabinet agreed to synchronise; none: at once."""


class LockOutForm(Form):
    locked_out_at: Instant


class SynchroniseForm(Form):
    synchronised_at: Instant
    dossiers_shown: Count | None = None


class ReopenForm(Form):
    reopened_at: Instant


class UsersForm(Form):
    users_invited_at: Instant


class AssignmentsForm(Form):
    assigned_at: Instant


class PostponedSectionForm(Form):
    """For a guarded section that was not gone through: users work, and nothing was carried over."""

    users_back: Yes
    synchronisation_begun: No


class BrokenSectionForm(Form):
    """For a guarded section that cannot be gone through to its end."""

    users_back: YesOrNo
    synchronisation_begun: YesOrNo


class StillLockedForm(Form):
    """For users who cannot be let in."""

    users_back: YesOrNo


FORM_OF: Mapping[str, type[Form]] = {
    "admin-sage": AdminSageForm,
    "compute-key": ComputeKeyForm,
    "enter-key": EnterKeyForm,
    "restart": RestartForm,
    "connect": ConnectForm,
    "defaults": DefaultsForm,
    "sign-up": SignUpForm,
    "billing": BillingForm,
    "terms": TermsForm,
    "return-to-ge": ReturnForm,
    "open-exe": OpenExeForm,
    "backup": BackupForm,
    "lock-out": LockOutForm,
    "synchronise": SynchroniseForm,
    "reopen": ReopenForm,
    "users": UsersForm,
    "assignments": AssignmentsForm,
}

MUST_EQUAL = {
    "email": "admin_email",
    "siren_shown": "siren",
    "profile_chosen": "default_profile",
    "group_chosen": "default_group",
    "siren_given": "siren",
    "accepted_by": "terms_signatory",
}
"""What a person read or chose, by the inventory's column that it must equal."""

IN_ORDER = (
    ("key_entered_at", "restarted_at"),
    ("accepted_at", "workspace_opened_at"),
    ("signed_up_at", "accepted_at"),
    ("returned_at", "exe_opened_at"),
    ("locked_out_at", "synchronised_at"),
    ("synchronised_at", "reopened_at"),
)
MAY_LIE_AHEAD = frozenset({"section_from"})


@dataclass(frozen=True, slots=True)
class FormField:
    """One piece of evidence. `kind`: instant, date, text, yes, no, yes-or-no, question, siren, count or sha256."""

    name: str
    kind: str
    required: bool


@dataclass(frozen=True, slots=True)
class Wrong:
    """A piece of evidence that is refused. Neither sentence ends in a full stop."""

    name: str
    value: str | None
    rule: str
    fix: str


class EvidenceRefused(ValueError):
    """Some evidence is not what the form asks for."""

    def __init__(self, problems: Iterable[Wrong]) -> None:
        self.problems = tuple(problems)
        super().__init__("; ".join(f"{one.name}: {one.rule}" for one in self.problems))


def fields_of(verbs: tuple[str, ...], result: Result = Result.DONE) -> tuple[FormField, ...]:
    """What is asked for, what must be given first."""
    fields = _form(verbs, result).model_fields
    asked = [FormField(name, _kind(field), field.is_required()) for name, field in fields.items()]
    return tuple(sorted(asked, key=lambda one: (not one.required, one.name in Form.model_fields)))


def checked(order: WorkOrder, result: Result, given: Mapping[str, object], now: datetime) -> dict[str, Any]:
    """The evidence as the ledger keeps it. Empty values count as not given. Raises EvidenceRefused with every problem."""
    zone = zone_of(order)
    said = {name: value for name, value in given.items() if value is not None and str(value).strip()}
    try:
        form = _form(order.verbs, result).model_validate(said)
    except ValidationError as wrong:
        raise EvidenceRefused(_in_words(error, order, result) for error in wrong.errors()) from None
    given_values = {name: value for name, value in form if value is not None}
    if unclear := [*_unclear(given_values, zone)]:
        raise EvidenceRefused(unclear)
    values = {name: _in_utc(value, zone) for name, value in given_values.items()}
    if problems := [*_differing(order, values), *_impossible(values, now), *_of_another_time(order, values, now)]:
        raise EvidenceRefused(problems)
    return {name: value.isoformat() if isinstance(value, date) else value for name, value in values.items()}


def zone_of(order: WorkOrder) -> ZoneInfo:
    """In which a time is meant that says no zone: the cabinet's."""
    return ZoneInfo(order.values.get("timezone") or "Europe/Paris")


def as_reason(value: str) -> str:
    """What a person says in their own words, on one line. Raises Broken."""
    return _harmless(" ".join(value.split()))


@cache
def _form(verbs: tuple[str, ...], result: Result) -> type[Form]:
    if result is Result.DONE:
        bases: tuple[type[Form], ...] = tuple(FORM_OF.get(verb, Form) for verb in reversed(verbs))
    else:
        bases = (_undone(verbs, result),)
    return create_model("Evidence", __base__=bases)


def _undone(verbs: tuple[str, ...], result: Result) -> type[Form]:
    if "synchronise" in verbs:
        return PostponedSectionForm if result is Result.NOT_DONE else BrokenSectionForm
    return StillLockedForm if "reopen" in verbs else Form


def _kind(field: Any) -> str:
    of_optional = (said for part in get_args(field.annotation) for said in getattr(part, "__metadata__", ()))
    told = (getattr(said, "json_schema_extra", None) for said in (field, *of_optional))
    return str(next(extra for extra in told if extra)["kind"])


def _in_words(error: Any, order: WorkOrder, result: Result) -> Wrong:
    name = ".".join(str(part) for part in error["loc"]) or "evidence"
    asked = {field.name: field.kind for field in fields_of(order.verbs, result)}
    if error["type"] == "missing":
        return Wrong(name, None, "is missing", f"{order.id} asks for it when the result is {result}")
    if error["type"] == "extra_forbidden":
        otherwise = f"Leave it out. Asked for are: {', '.join(asked)}"
        rule = f"is not asked for by {order.id} when the result is {result}"
        return Wrong(name, str(error["input"]), rule, did_you_mean(name, asked, otherwise))
    broken = error.get("ctx", {}).get("error")
    if not isinstance(broken, Broken):
        broken = RULES[asked[name]]
    return Wrong(name, str(error["input"]), broken.rule, broken.fix)


def _in_utc(value: Any, zone: ZoneInfo) -> Any:
    if isinstance(value, datetime):
        return (value if value.tzinfo else value.replace(tzinfo=zone)).astimezone(UTC)
    return value


def _unclear(values: Mapping[str, Any], zone: ZoneInfo) -> Iterator[Wrong]:
    """Hours that the clocks of the cabinet show twice, or not at all; and what is no instant in another zone."""
    for name, value in values.items():
        if isinstance(value, datetime) and value.year in (MINYEAR, MAXYEAR):
            yield Wrong(name, value.isoformat(), "is no instant that can be", "Check the year")
        elif isinstance(value, datetime) and value.tzinfo is None:
            first, second = (value.replace(tzinfo=zone, fold=fold).utcoffset() for fold in (0, 1))
            if first != second:
                rule = "is an hour that clocks showed twice, or not at all, that night"
                yield Wrong(
                    name, f"{value:%Y-%m-%d %H:%M}", rule, f"Add the offset, such as {value:%Y-%m-%dT%H:%M}+01:00"
                )


def _of_another_time(order: WorkOrder, values: Mapping[str, Any], now: datetime) -> Iterator[Wrong]:
    """A guarded section of before it was asked for, unless it may be an earlier one's; a section too long after its backup."""
    if order.locks_users_out and (order.values.get("ordered_by") or not order.values.get("first_look")):
        for name in ("locked_out_at", "synchronised_at", "reopened_at"):
            if name in values and values[name] < order.opened_at - CLOCKS_DIFFER:
                rule = f"lies before this was asked for ({order.opened_at:%Y-%m-%d %H:%M} UTC)"
                yield Wrong(name, f"{values[name]:%Y-%m-%d %H:%M} UTC", rule, "Check the day and the hour")
    for name in ("sql_backup_at", "mongo_backup_at"):
        if name in values and values[name] < now - BACKUP_LASTS:
            rule = "is older than 24 hours, which is too old to lock users out on"
            yield Wrong(name, f"{values[name]:%Y-%m-%d %H:%M} UTC", rule, "Make a new backup, or check the day")
    if "section_from" in values:
        oldest = min(values["sql_backup_at"], values["mongo_backup_at"])
        if values["section_from"] > oldest + BACKUP_LASTS:
            rule = "is more than 24 hours after the backup, which will be too old by then"
            yield Wrong(
                "section_from", f"{values['section_from']:%Y-%m-%d %H:%M} UTC", rule, "Agree on an earlier hour"
            )


def _differing(order: WorkOrder, values: Mapping[str, Any]) -> Iterator[Wrong]:
    for name, column in MUST_EQUAL.items():
        expected = order.values.get(column)
        other_names = {one.casefold() for one in order.values.get(f"{column}_names", "").splitlines()}
        is_meant = name in values and (values[name] == expected or values[name].casefold() in other_names)
        if name in values and expected and not is_meant:
            rule = f"is not what the inventory says, which is {shown(expected)}"
            yield Wrong(name, values[name], rule, "If the screen shows it so, answer cannot and say why")


def _impossible(values: Mapping[str, Any], now: datetime) -> Iterator[Wrong]:
    for name, value in values.items():
        if isinstance(value, datetime) and value < EARLIEST:
            yield Wrong(name, f"{value:%Y-%m-%d %H:%M} UTC", f"lies before {EARLIEST.year}", "Check the year")
        if name in MAY_LIE_AHEAD:
            continue
        if isinstance(value, datetime) and value > now + CLOCKS_DIFFER:
            yield Wrong(
                name, f"{value:%Y-%m-%d %H:%M} UTC", "lies in the future", "Correct it; times are the cabinet's"
            )
        elif isinstance(value, date) and not isinstance(value, datetime) and value > (now + timedelta(hours=14)).date():
            yield Wrong(name, f"{value}", "lies in the future", "Correct it")
    for first, second in IN_ORDER:
        if first in values and second in values and values[second] < values[first]:
            yield Wrong(
                second, f"{values[second]:%Y-%m-%d %H:%M} UTC", f"lies before {first}", "Correct one of the two"
            )
