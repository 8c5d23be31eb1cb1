"""The procès-verbal of one cabinet: what was done, by whom, with which proof, as a page and as a PDF to sign.

Both are made of one list of strings, in the cabinet's language and time zone. Names reach the PDF as data, never as markup.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from functools import cache, partial
from typing import TYPE_CHECKING, Any
from zoneinfo import ZoneInfo

from markupsafe import Markup

from bascule.checks.reconciliation import KINDS, LISTED
from bascule.errors import BasculeError
from bascule.inventory.stored import from_plain
from bascule.ledger import Entry, EntryKind, Ledger
from bascule.model import ARRIVED, Cabinet, Outcome, State
from bascule.reports.language import Language, language_named
from bascule.reports.record import Record, StepRecord, record_of
from bascule.reports.self_contained import TEMPLATES, asset, in_script, policy, templates
from bascule.reports.visible import code_of, visible

if TYPE_CHECKING:
    import typst

ALREADY_TRUE, NOT_NEEDED = "already true", "nothing to do: the inventory names none"
COUNTED = ("group", "dossier", "collaborateur", "right")
"""Kinds of thing of which a cabinet has many."""
IN_EVERY_FONT = frozenset("\n\u202f‘’“”–…→⟨⟩").union(map(chr, [*range(0x20, 0x7F), *range(0xA0, 0x180)]))
"""Characters that nobody has to ask the typesetter for."""
DID = ("refused", "answered", "approved", "retracted")
"""With what a decision may begin that is told in a sentence of its own."""
A_DAY = datetime(2026, 1, 1, tzinfo=UTC)


class PdfNotSet(BasculeError):
    """The procès-verbal cannot be set as a PDF."""


@dataclass(frozen=True, slots=True)
class ProcesVerbal:
    """A record, and how it is shown: in the language and the zone of the cabinet's row."""

    record: Record
    row: Cabinet | None

    @property
    def language(self) -> Language:
        return language_named(self.row.language if self.row is not None else "fr")

    @property
    def zone(self) -> ZoneInfo:
        return ZoneInfo(self.row.timezone if self.row is not None else "Europe/Paris")

    @property
    def arrived(self) -> bool:
        return self.record.outcome in ARRIVED

    def page(self) -> bytes:
        """HTML, whole in one file. The same record is the same bytes."""
        style = asset("proces_verbal.css")
        page = (
            templates()
            .get_template("proces_verbal.html.j2")
            .render(
                told=view(self.record, self.language, self.zone),
                language=self.language.code,
                style=Markup(style),  # noqa: S704  # our own file
                policy=policy(style),
                record=in_script(asdict(self.record)),
                seal=self.record.seal,
                arrived=self.arrived,
            )
        )
        return page.encode()

    def pdf(self) -> bytes:
        """PDF/A-2a, for archives and screen readers. The same record is the same bytes. Raises PdfNotSet.

        A character that no font has is shown by its code, with a note that says so: PDF/A forbids what cannot be seen.
        """
        import typst

        assert self.record.ended_at is not None
        at = datetime.fromisoformat(self.record.ended_at)
        told = view(self.record, self.language, self.zone)
        look = {"arrived": self.arrived, "language": self.language.code}
        trouble = ""
        # Characters that have a glyph each may have none for what they make together.
        for has_glyph in (_has_glyph, IN_EVERY_FONT.__contains__):
            by_code = _each(told, partial(_by_code, has_glyph))
            note = self.language.word("pv.by_code") if by_code != told else ""
            try:
                return _set({**by_code, **look, "by_code": note}, at)
            except typst.TypstError as refused:
                trouble = str(refused)
        raise PdfNotSet(
            f"The procès-verbal of {self.record.code} cannot be set as a PDF ({trouble})",
            remedy="print its page to a PDF from a browser; the page says the same",
        )


def proces_verbaux(ledger: Ledger, wave: str, codes: Sequence[str]) -> Iterator[ProcesVerbal]:
    """Of each of these cabinets that the wave ended, by code; some hundred chains in memory at a time."""
    rows = Rows(ledger)
    for _, history in ledger.each_history(codes):
        row = rows.of(history, wave)
        record = record_of(history, wave, row)
        if record is not None:
            yield ProcesVerbal(record, row)


class Rows:
    """The inventory's rows as they were when a wave planned them. Each stored version is read once."""

    def __init__(self, ledger: Ledger) -> None:
        self._ledger = ledger
        self._versions: dict[object, Mapping[str, Cabinet]] = {}

    def of(self, history: Sequence[Entry], wave: str) -> Cabinet | None:
        planned = [entry for entry in history if entry.kind is EntryKind.PLANNED and entry.wave == wave]
        version = planned[-1].evidence.get("inventory") if planned else None
        if version is None:
            return None
        if version not in self._versions:
            stored = self._ledger.inventory(str(version))
            cabinets = from_plain(stored.content).cabinets if stored is not None else ()
            self._versions[version] = {cabinet.code: cabinet for cabinet in cabinets}
        return self._versions[version].get(history[0].cabinet)


def view(record: Record, language: Language, zone: ZoneInfo) -> dict[str, Any]:
    """Everything that the page and the PDF say, in their order; every string as it is shown."""
    word = language.word

    def when(text: str | None) -> str:
        return language.instant(datetime.fromisoformat(text) if text else None, zone)

    lost = record.reconciled is not None and any(
        one[kind] for one in record.reconciled["compared"] for kind in ("missing", "extra", "different")
    )
    outs = record.locked_out_seconds
    cause = _cause(record, language)
    told = {
        "title": word("pv.title"),
        "cabinet": record.name,
        "verdict": word(f"pv.verdict.{record.outcome}"),
        "cause": cause,
        "reason": record.reason if record.outcome not in ARRIVED else "",
        "remedy": record.remedy if record.outcome not in ARRIVED else "",
        "identity": [
            [word("pv.code"), record.code],
            [word("pv.siren"), _siren(record.siren)],
            [word("pv.entity"), record.entity or "–"],
            [word("pv.wave"), record.wave],
            [word("pv.began"), when(record.began_at)],
            [word("pv.ended"), when(record.ended_at)],
            [word("pv.zone"), zone.key],
            [word("pv.locked_out"), ", ".join(language.duration(seconds) for seconds in outs) or word("pv.never")],
        ],
        "steps_title": word("pv.steps"),
        "steps_head": [word(f"pv.{name}") for name in ("step", "state", "proven_at", "by", "proof")],
        "steps": [
            [
                word(f"step.{one.step}"),
                _state(one.state, one.reason, language),
                when(one.at if one.state is State.DONE else None),
                _people(one, language),
                one.proof or "–",
            ]
            for one in record.steps
        ],
        "basis_title": word("pv.basis"),
        "basis": list(_basis(record, language, when)),
        "compared_title": word("pv.compared"),
        "compared_says": _compared_says(record, language, when, lost=lost),
        "compared_head": [
            word("pv.what"),
            word("pv.source"),
            word("pv.target"),
            *(word(f"listed.{k}") for k in LISTED),
        ],
        "compared": [
            [
                _what(one, language),
                *([word("pv.not_compared")] if one["not_compared"] else _counts(one, language)),
            ]
            for one in (record.reconciled or {"compared": []})["compared"]
        ],
        "which": list(_which(record, language)),
        "drift": [_drift_says(one, language, when) for one in record.drift],
        "drift_title": word("pv.drift_title"),
        "reservations_title": word("pv.reservations"),
        "reservations": [[_rule(one, language), one["says"], one["remedy"]] for one in record.reservations],
        "left": list(_left(record, language)),
        "reservations_none": word("pv.no_reservations"),
        "troubles_title": word("pv.troubles"),
        "troubles": [[when(one["at"]), word(f"step.{one['step']}"), one["reason"]] for one in record.troubles],
        "decisions_title": word("pv.decisions"),
        "decisions": [
            [when(one["at"]), one["who"], _decided(one["what"], language), one["because"]] for one in record.decisions
        ],
        "runs_title": word("pv.runs"),
        "runs_head": [
            word(f"pv.{name}") for name in ("run_began", "run_ended", "run_by", "run_outcome", "run_because")
        ],
        "runs": [
            [
                when(one["began"]),
                when(one["ended"]),
                one["who"] or "–",
                _run_word(one["outcome"], language),
                one.get("because") or "–",
            ]
            for one in record.runs
        ],
        "signatures": [word("pv.for_cabinet"), word("pv.for_operator")],
        "signature_lines": [word("pv.sign_name"), word("pv.sign_date"), word("pv.sign_hand")],
        "seal_title": word("pv.seal"),
        "seal": record.seal,
        "seal_says": word("pv.seal_says", seq=language.number(record.seq), wave=record.wave),
        "head": record.head,
        "head_title": word("pv.head"),
        "ledger_words": word("pv.ledger_words"),
        "page_of": word("pv.page_of"),
    }
    shown: dict[str, Any] = _each(told, visible)
    return shown


def _cause(record: Record, language: Language) -> str:
    """Why not all arrived, as far as the figures tell it; empty where they do not."""
    if record.outcome is not Outcome.PARTIAL or record.reconciled is None:
        return ""
    differ = [
        f"{_counted(one, kind, language)} {language.word(f'pv.kind.{kind}', count=one[kind])}"
        for one in record.reconciled["compared"]
        for kind in KINDS
        if one[kind]
    ]
    return language.word("pv.cause", differ=", ".join(differ)) if differ else ""


def _counted(one: Mapping[str, Any], kind: str, language: Language) -> str:
    if one["what"] in COUNTED:
        return language.word(f"pv.count.{one['what']}", count=one[kind])
    return _what(one, language)


def _siren(siren: str | None) -> str:
    return f"{siren[:3]} {siren[3:6]} {siren[6:]}" if siren else "–"


def _state(state: State, reason: str, language: Language) -> str:
    if state is State.DONE and reason in (ALREADY_TRUE, NOT_NEEDED):
        return language.word("pv.already" if reason == ALREADY_TRUE else "pv.not_needed")
    return language.word(f"state.{state}")


def _people(one: StepRecord, language: Language) -> str:
    """Who did it, and who approved it where that takes two; or that nobody did."""
    if one.asked_by is None:
        return language.word("pv.by_run", who=one.run_by) if one.run_by else "–"
    by = one.done_by or language.word("pv.unsaid", order=one.asked_by)
    done = language.word("pv.done", by=by)
    if one.refused_by:
        done = language.word("pv.refused_by", done=done, refuser=one.refused_by)
    if not one.takes_two:
        return done
    return language.word("pv.done_approved", done=done, approver=one.approved_by or language.word("pv.nobody"))


def _basis(record: Record, language: Language, when: Any) -> Iterator[list[str]]:
    """Who says what, and which proofs rest on it."""
    steps: dict[str, list[str]] = {}
    for step in record.steps:
        for one in step.rests_on:
            told = {name: one[name] for name in one if name not in ("basis", "at", "system")}
            system = language.word(f"system.{one['system']}")
            says = language.word(f"pv.rests_on.{one['basis']}", system=system, at=when(one.get("at")), **told)
            steps.setdefault(says, []).append(language.word(f"step.{step.step}"))
    yield from ([says, ", ".join(names)] for says, names in steps.items())


def _compared_says(record: Record, language: Language, when: Any, *, lost: bool) -> str:
    if record.reconciled is None:
        return language.word("pv.never_compared")
    compared = record.reconciled["compared"]
    unsaid = [one["what"] for one in compared if one["not_compared"]]
    says = [language.word("pv.not_same" if lost else "pv.same", at=when(record.reconciled["at"]))]
    says += _not_compared_says(unsaid, language)
    for side, read in zip(("pv.source", "pv.target"), record.reconciled["read"], strict=True):
        if read["under_lock_out"] is not None:
            how = "pv.read_under_lock_out" if read["under_lock_out"] else "pv.read_with_users_in"
            says.append(language.word(how, side=language.word(side), at=when(read["at"])))
    return " ".join(says)


def _drift_says(one: Mapping[str, Any], language: Language, when: Any) -> str:
    if one["missing"] is None and not one["not_compared"]:
        return language.word("pv.drift_failed", at=when(one["at"]))
    counts = {kind: language.number(one[kind]) for kind in KINDS}
    found = language.word("pv.drift", at=when(one["at"]), **counts)
    return ". ".join([found, *_not_compared_says(one["not_compared"], language)])


def _not_compared_says(unsaid: Sequence[str], language: Language) -> Iterator[str]:
    if unsaid:
        yield language.word(
            "pv.but_not", what=", ".join(language.word(f"what.{one.replace(' ', '-')}") for one in unsaid)
        )


def _left(record: Record, language: Language) -> Iterator[str]:
    """The steps that are not done, and what no comparison has compared. Who is excluded has nothing left to do."""
    if record.outcome is Outcome.EXCLUDED:
        return
    undone = [
        language.word(f"step.{one.step}")
        + (f" ({language.word(f'state.{one.state}')})" if one.state is not State.PENDING else "")
        for one in record.steps
        if one.state is not State.DONE
    ]
    if undone:
        yield language.word("pv.left", steps=", ".join(undone))
    later = [one["not_compared"] for one in record.drift if one["missing"] is not None]
    unsaid = [one["what"] for one in (record.reconciled or {"compared": []})["compared"] if one["not_compared"]]
    yield from _not_compared_says([what for what in unsaid if all(what in rest for rest in later)], language)


def _what(one: Mapping[str, Any], language: Language) -> str:
    return language.word(f"what.{one['what'].replace(' ', '-')}")


def _counts(one: Mapping[str, Any], language: Language) -> list[str]:
    return [language.number(one[name]) for name in ("source", "target", *LISTED)]


def _which(record: Record, language: Language) -> Iterator[list[str]]:
    for one in (record.reconciled or {"compared": []})["compared"]:
        for kind, keys in one["which"].items():
            title = f"{_what(one, language)}, {language.word(f'listed.{kind}')}"
            left_out = one[kind] - len(keys)
            more = f" {language.word('pv.more', count=left_out)}" if left_out else ""
            yield [f"{title} ({language.number(one[kind])})", ", ".join(keys) + more]


def _rule(one: Mapping[str, str], language: Language) -> str:
    level, says = one["level"], language.rule(one["rule"])
    return f"{one['rule']} · {language.word(f'level.{level}')}" + (f" – {says}" if says else "")


def _decided(what: str, language: Language) -> str:
    did, _, act = what.partition(" ")
    if did not in DID:
        did, act = "", what
    said = language.words.get(f"about.{act}", act)
    return language.word(f"pv.{did}", what=said) if did else said


def _run_word(told: str | None, language: Language) -> str:
    if told is None:
        return language.word("pv.cut_off")
    table = "outcome" if told in set(Outcome) else "lifecycle"
    return language.word(f"{table}.{told}")


def _each(told: Any, shown: Callable[[str], str]) -> Any:
    if isinstance(told, str):
        return shown(told)
    if isinstance(told, list):
        return [_each(one, shown) for one in told]
    return {name: _each(one, shown) for name, one in told.items()}


def _set(told: Mapping[str, Any], at: datetime) -> bytes:
    pdf = _typesetter("proces_verbal.typ").compile(
        format="pdf",
        sys_inputs={"told": json.dumps(told, ensure_ascii=False)},
        pdf_standards="a-2a",
        timestamp=at,
    )
    assert isinstance(pdf, bytes)
    return pdf


def _by_code(has_glyph: Callable[[str], bool], text: str) -> str:
    if IN_EVERY_FONT.issuperset(text):
        return text
    return "".join(one if has_glyph(one) else code_of(one) for one in text)


def _has_glyph(character: str) -> bool:
    return character in IN_EVERY_FONT or _can_be_set(character)


@cache
def _can_be_set(character: str) -> bool:
    """Whether the typesetter's fonts have it, in the two weights that the document uses. A few milliseconds."""
    import typst

    try:
        _typesetter("glyph.typ").compile(
            format="pdf", sys_inputs={"told": character}, pdf_standards="a-2a", timestamp=A_DAY
        )
    except typst.TypstError:
        return False
    return True


@cache
def _typesetter(template: str) -> typst.Compiler:
    """With the fonts that come inside it, so that a document looks the same everywhere."""
    import typst

    return typst.Compiler(TEMPLATES / template, root=TEMPLATES, ignore_system_fonts=True)
