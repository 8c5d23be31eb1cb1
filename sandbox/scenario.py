"""How the systems behave: times, limits and the named faults. Parsed strictly, every problem said at once."""

from __future__ import annotations

import difflib
import reprlib
from collections.abc import Collection, Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import Literal

from pydantic import BaseModel, ConfigDict, Field, ValidationError, field_validator

from sandbox.wire import System

Sort = Literal["world", "rule", "synchronisation", "answer", "statement", "system"]


@dataclass(frozen=True)
class FaultName:
    """A fault that can be named, and what it does."""

    name: str
    sort: Sort
    does: str
    at: tuple[str, ...] | None = None
    """The steps where it may be said to be; None: any; empty: it is at no step."""
    options: frozenset[str] = frozenset()
    """Fields that not every fault takes."""
    seconds: str | None = None
    """What `seconds` means; None: how long the fault lasts, from when the scenario was put."""
    statuses: tuple[int, ...] = ()
    """What `status` may be."""


def _world(name: str, does: str, *, at: tuple[str, ...], options: frozenset[str] = frozenset()) -> FaultName:
    return FaultName(name, "world", does, at, options)


def _synchronisation(name: str, does: str, options: frozenset[str] = frozenset()) -> FaultName:
    return FaultName(name, "synchronisation", does, ("synchronise",), options)


def _answer(name: str, does: str, *options: str, seconds: str | None = None) -> FaultName:
    return FaultName(name, "answer", does, None, frozenset({"on", *options}), seconds)


def _statement(name: str, does: str, *options: str, seconds: str | None = None) -> FaultName:
    return FaultName(name, "statement", does, (), frozenset({"system", *options}), seconds)


def _system(name: str, does: str, *statuses: int, seconds: str | None = None) -> FaultName:
    return FaultName(name, "system", does, (), frozenset({"system", "status"}), seconds, statuses)


FAULTS = {
    fault.name: fault
    for fault in (
        # The world is otherwise while the fault is there, and as it was afterwards.
        _world(
            "users-connected",
            "somebody is connected to GE: lock-out and synchronise are refused",
            at=("lock-out", "synchronise"),
        ),
        _world(
            "missing-group-right",
            "the AdminSage lacks some rights on one or two dossier groups; a synchronisation leaves those out, silently",
            at=("admin-rights", "synchronise"),
        ),
        _world(
            "admin-email-differs",
            "the AdminSage's e-mail in GE differs from the inventory's, by a letter or by case",
            at=("admin-rights",),
        ),
        _world("admin-pending", "the declared AdminSage is never validated", at=("admin-sage",)),
        _world("tab-absent", "the tab Sage for Accountants does not show", at=("restart", "connect")),
        _world(
            "exe-too-early",
            "somebody opened espaceexpertclient.exe before the return; that does not count",
            at=("return", "open-exe"),
        ),
        _world("invitation-pending", "nobody who is invited becomes active", at=("users",)),
        _world(
            "contact-created-in-s4a",
            "a contact was created in Client Management, which GE does not know",
            at=("contacts",),
        ),
        _world(
            "anomaly",
            "GE's data breaks the named rule; its consistency check then ends the synchronisation",
            at=("consistency", "synchronise"),
            options=frozenset({"rule"}),
        ),
        # Sage's own refusal.
        FaultName(
            "email-already-linked",
            "rule",
            "the e-mail has another Sage account: sign-up or users is refused",
            ("sign-up", "users"),
        ),
        # What happens during a synchronisation. Decided when it begins.
        _synchronisation("user-connects-midway", "somebody gets in midway: it ends not-begun, everything put back"),
        _synchronisation("cut-mid-sync", "it ends interrupted; the next one resumes or restarts", frozenset({"then"})),
        _synchronisation(
            "partial-transfer",
            "some dossiers of one group stay behind though all rights are there; or so many `dossiers`, of any",
            frozenset({"dossiers"}),
        ),
        # What becomes of a request and its answer.
        _answer("token-expired", "401: the token died before its time"),
        _answer("consent-revoked", "403: somebody withdrew the access"),
        _answer("throttled", "429 with Retry-After", seconds="Retry-After, default 0.2"),
        _answer("server-error", "500 before anything was done; with `after: true` when all was done", "after"),
        _answer(
            "error-in-200", "200 with errors before anything was done; with `after: true` when all was done", "after"
        ),
        _answer("unknown-word", "done, but the answer has a status word that the contract does not know"),
        _answer("slow", "done, but the answer comes late", seconds="the delay, default 1"),
        _answer("commit-then-drop", "done, then the connection is cut without an answer"),
        _answer("late-commit", "503 at once, and done some time later", seconds="until it is done, default 1"),
        # What a system says that is not so, or was so once; and what is on its way or comes twice.
        _statement("old-lists", "its lists are those of an earlier instant, and say so", seconds="the age they tell"),
        _statement("stale-as-new", "its lists are those of an earlier instant, stamped now"),
        _statement("wrong-instant", "a field of its facts or lists tells another instant", "field", "to"),
        _statement("clock", "its clock is ahead, or behind where `seconds` are negative", seconds="by how much"),
        _world("null-defaults", "S4A's lists show no default profile and no default group", at=("reconcile",)),
        _world(
            "codes-for-labels",
            "the inventory's default profile and group are labels: GE's codes, which its facts tell, are other words",
            at=("defaults", "reconcile"),
        ),
        _world(
            "late-dossier",
            "a dossier is created in GE just before it is locked; a synchronisation leaves it behind",
            at=("lock-out",),
        ),
        _answer("doubled-answer", "done; the answer is sent twice"),
        _answer("swapped-answer", "done; the answer is one about another cabinet", "echoed"),
        _answer("in-flight", "done some time later, and not found before", "answer", seconds="until then, default 1"),
        # What stands between us and an agent, and an agent that is not there.
        FaultName(
            "web-page",
            "answer",
            "done, but a proxy's page comes instead of the answer, with `status: 200` (default) or 502",
            options=frozenset({"on", "status"}),
            statuses=(200, 502),
        ),
        _answer("truncated", "done, but half of the answer's body comes, and then the connection ends"),
        _system("away", "nothing is answered, whatever is asked; with `status: 503` a proxy's page is", 503),
        *(
            _system(
                f"{path}-fails",
                f"/{path} answers a page (`status: 200`, default, or 502), an error (500), or 429 with Retry-After",
                *(200, 429, 500, 502),
                seconds="Retry-After, default 0.2",
            )
            for path in ("token", "health")
        ),
    )
}

WRITES_ONLY = frozenset({"late-commit", "in-flight"})

ANOMALIES = ("DOS-01", "DOS-02", "DOS-03", "COL-01", "COL-02", "COL-04")

INSTANTS: Mapping[System, frozenset[str]] = {
    "my_sage": frozenset({"taken_at", "key_computed_at"}),
    "ge": frozenset(
        {
            "taken_at",
            "key_entered_at",
            "restarted_at",
            "connected_at",
            "returned_at",
            "exe_opened_at",
            "sql_backup_at",
            "mongo_backup_at",
            "locked_out_at",
            "synchronisation.started_at",
            "synchronisation.ended_at",
        }
    ),
    "s4a": frozenset({"taken_at", "signed_up_at", "billing_given_at", "terms_accepted_at", "synchronised_at"}),
}
"""What a `wrong-instant` may be of. `taken_at` is of facts and of lists; `facts.taken_at`, `lists.taken_at`: of one of them."""


@dataclass(frozen=True)
class Step:
    """A step of the procedure, as far as `at` needs to know it."""

    writes: frozenset[str] = frozenset()
    reads: frozenset[System] = frozenset()


def _writes(*verbs: str, reads: tuple[System, ...]) -> Step:
    return Step(frozenset(verbs), frozenset(reads))


STEPS = {
    "admin-rights": _writes(reads=("ge",)),
    "admin-sage": _writes("admin-sage", reads=("my_sage",)),
    "activation-key": _writes("compute-key", "enter-key", reads=("my_sage", "ge")),
    "restart": _writes("restart", reads=("ge",)),
    "connect": _writes("connect", reads=("ge",)),
    "defaults": _writes("defaults", reads=("ge",)),
    "sign-up": _writes("sign-up", reads=("s4a",)),
    "billing": _writes("billing", reads=("s4a",)),
    "terms": _writes("terms", reads=("s4a",)),
    "workspace": _writes(reads=("s4a",)),
    "return": _writes("return-to-ge", "open-exe", reads=("ge",)),
    "backup": _writes("backup", reads=("ge",)),
    "consistency": _writes(reads=("ge",)),
    "lock-out": _writes("lock-out", reads=("ge",)),
    "synchronise": _writes("synchronise", reads=("ge", "s4a")),
    "reopen": _writes("reopen", reads=("ge",)),
    "reconcile": _writes(reads=("ge", "s4a")),
    "users": _writes("users", reads=("s4a",)),
    "assignments": _writes("assignments", reads=("s4a",)),
    "contacts": _writes(reads=("ge", "s4a")),
    # Where a step is two writes, one of them can be named.
    "compute-key": _writes("compute-key", reads=("my_sage",)),
    "enter-key": _writes("enter-key", reads=("ge",)),
    "return-to-ge": _writes("return-to-ge", reads=("ge",)),
    "open-exe": _writes("open-exe", reads=("ge",)),
}


class Part(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


class Latency(Part):
    """How long an answer takes, log-normal."""

    median: float = Field(ge=0)
    p99: float = Field(ge=0)


class Fault(Part):
    """One fault of a scenario: what, to whom, where, how often."""

    fault: str
    cabinets: tuple[str, ...] | None = None
    share: float | None = Field(None, gt=0, le=1)
    """Of all cabinets, rounded up, drawn by the scenario's seed."""
    at: str | None = None
    """A step of the procedure, or one write of it."""
    on: Literal["writes", "reads", "any"] | None = None
    times: int | None = Field(None, ge=1)
    """How often in each cabinet; None: without limit."""
    seconds: float | None = Field(None, ge=-1e9, le=1e9)
    then: Literal["resume", "restart"] | None = None
    after: bool | None = None
    rule: str | None = None
    dossiers: int | None = Field(None, ge=1)
    system: System | None = None
    """Whose statements, or which whole system; None: any, all three."""
    field: str | None = None
    to: str | None = None
    """Passed on as it is, though it be no instant."""
    echoed: bool | None = None
    answer: Literal["silence", "unavailable"] | None = None
    status: int | None = None
    """With which an answer that is none comes."""

    @property
    def name(self) -> FaultName:
        return FAULTS[self.fault]

    def hits_write(self, verb: str) -> bool:
        if self.at is None:
            return self.on != "reads"
        step = STEPS[self.at]
        return verb in step.writes and self.on != "reads"

    def hits_read(self, system: System) -> bool:
        """Reads are hit where the scenario says so, and where the step writes nothing."""
        if self.at is None:
            return self.on in ("reads", "any")
        step = STEPS[self.at]
        return system in step.reads and (self.on in ("reads", "any") or (self.on is None and not step.writes))

    def hits_system(self, system: System) -> bool:
        return self.system in (None, system)


class Scenario(Part):
    seed: int = 7
    """Draws which cabinets a `share` hits. What the cabinets hold is drawn by the world's own seed."""
    latency_ms: Latency | None = None
    sync_seconds: float = Field(0.5, ge=0)
    honour_keys: bool = False
    rate_per_second: float | None = Field(None, gt=0)
    """Calls that each system takes; None: any number."""
    token_seconds: int = Field(300, ge=1)
    faults: tuple[Fault, ...] = ()

    @field_validator("latency_ms", mode="before")
    @classmethod
    def _one_number_is_always_that_long(cls, value: object) -> object:
        if isinstance(value, int | float) and not isinstance(value, bool):
            return {"median": value, "p99": value} if value else None
        return value


class ScenarioRefused(ValueError):
    """The scenario says something that the sandbox does not know."""

    def __init__(self, problems: Iterable[str]) -> None:
        self.problems = tuple(problems)
        super().__init__("; ".join(self.problems))


def read_scenario(document: object, codes: Collection[str]) -> Scenario:
    """`codes` are the cabinets of the world: a fault that names another is refused."""
    try:
        scenario = Scenario.model_validate({} if document is None else document)
    except ValidationError as invalid:
        raise ScenarioRefused(_said(error) for error in invalid.errors()) from None
    problems = [
        f"faults[{n}]: {problem}" for n, fault in enumerate(scenario.faults) for problem in _problems(fault, codes)
    ]
    if problems:
        raise ScenarioRefused(problems)
    return scenario


def _said(error: object) -> str:
    assert isinstance(error, dict)
    loc = error["loc"]
    place = "".join(f"[{part}]" if isinstance(part, int) else f".{part}" for part in loc).lstrip(".") or "the scenario"
    if error["type"] == "extra_forbidden":
        fields = {"faults": Fault.model_fields, "latency_ms": Latency.model_fields}.get(
            str(loc[0]), Scenario.model_fields
        )
        return f"{place}: there is no such field{did_you_mean(str(loc[-1]), fields)}"
    return f"{place}: {error['msg']}, not {reprlib.repr(error['input'])}"


def _problems(fault: Fault, codes: Collection[str]) -> Iterator[str]:
    if fault.fault not in FAULTS:
        yield f"{fault.fault!r} is no fault{did_you_mean(fault.fault, FAULTS)}"
        return
    yield from _problems_of_whom(fault, codes)
    for option in (
        "on",
        "then",
        "after",
        "rule",
        "dossiers",
        "status",
        "system",
        "field",
        "to",
        "echoed",
        "answer",
    ):
        if getattr(fault, option) is not None and option not in fault.name.options:
            yield f"`{option}` says nothing for {fault.fault}"
    if fault.status is not None and fault.name.statuses and fault.status not in fault.name.statuses:
        yield f"{fault.fault} has status {' or '.join(map(str, fault.name.statuses))}, not {fault.status}"
    yield from _problems_of_place(fault)
    if fault.rule is not None and fault.rule not in ANOMALIES:
        yield f"{fault.rule!r} is no rule that can be broken{did_you_mean(fault.rule, ANOMALIES)}"
    if fault.seconds is not None and fault.seconds < 0 and fault.fault != "clock":
        yield f"{fault.fault} cannot last, or come after, {fault.seconds:g} seconds"
    if fault.fault == "swapped-answer" and len(codes) < 2:
        yield "swapped-answer needs a second cabinet in the world, whose answer it is"
    if fault.name.sort == "statement":
        yield from _problems_of_statement(fault)


def _problems_of_place(fault: Fault) -> Iterator[str]:
    if fault.on and fault.fault in WRITES_ONLY:
        yield f"{fault.fault} is for writes only"
    if fault.at is None:
        return
    if fault.at not in STEPS:
        yield f"{fault.at!r} is no step{did_you_mean(fault.at, STEPS)}"
    elif fault.name.at == ():
        yield f"`at` says nothing for {fault.fault}"
    elif fault.name.at is not None and fault.at not in fault.name.at:
        yield f"{fault.fault} happens at {' or '.join(fault.name.at)}, not at {fault.at}"
    elif not STEPS[fault.at].writes and fault.fault in WRITES_ONLY:
        yield f"{fault.fault} is for writes only"


def _problems_of_statement(fault: Fault) -> Iterator[str]:
    if fault.fault == "clock" and fault.seconds is None:
        yield "clock needs `seconds`: how far ahead it is, or behind where they are negative"
    if fault.fault in ("old-lists", "stale-as-new") and fault.system == "my_sage":
        yield "My Sage has no lists"
    if fault.fault != "wrong-instant":
        return
    if fault.field is None or fault.to is None:
        yield "wrong-instant needs `field` and `to`"
        return
    known = set(INSTANTS[fault.system] if fault.system else frozenset().union(*INSTANTS.values()))
    known |= {"facts.taken_at", "lists.taken_at"}
    if fault.field not in known:
        yield f"{fault.field!r} is no instant of {fault.system or 'any system'}{did_you_mean(fault.field, sorted(known))}"


def _problems_of_whom(fault: Fault, codes: Collection[str]) -> Iterator[str]:
    if fault.name.sort == "system":
        if fault.cabinets is not None or fault.share is not None:
            yield f"{fault.fault} hits whole systems: it takes `system`, not `cabinets` or `share`"
    elif (fault.cabinets is None) == (fault.share is None):
        yield f"{fault.fault} needs either `cabinets` or `share` (share: 1 is all of them)"
    for code in fault.cabinets or ():
        if code not in codes:
            yield f"there is no cabinet {code!r}{did_you_mean(code, codes)}"


def did_you_mean(word: str, known: Iterable[str]) -> str:
    known = list(known)
    close = difflib.get_close_matches(word, known, n=1, cutoff=0.55)
    if close:
        return f"; did you mean {close[0]!r}?"
    return f"; known: {', '.join(known)}" if len(known) <= 30 else ""
