"""A check's result for programs: JSON, and JUnit's XML."""

from __future__ import annotations

from typing import Any
from xml.etree import ElementTree as ET

from bascule.conformance.check import CheckResult
from bascule.conformance.promise import PromiseOutcome, PromiseResult
from bascule.conformance.promises import PROMISES
from bascule.connectors.contract import VERSION
from bascule.connectors.http.answers import shown


def to_plain(result: CheckResult) -> dict[str, Any]:
    """As `--json` prints it."""
    request = result.request
    return {
        "url": request.url,
        "contract": VERSION,
        "systems": [system.value for system in result.systems],
        "cabinet": request.cabinet,
        "writes": request.writes,
        "passed": result.counts[PromiseOutcome.PASSED],
        "failed": result.counts[PromiseOutcome.FAILED],
        "not_tried": result.counts[PromiseOutcome.NOT_TRIED],
        "reached": list(result.reached),
        "missed": dict(result.missed),
        "promises": [
            {
                "number": promise.number,
                "section": promise.section,
                "promise": promise.sentence,
                "outcome": result.outcome_of(promise).value,
                "systems": {one.system.value: _plain(one) for one in result.of(promise)},
            }
            for promise in PROMISES
        ],
    }


def _plain(one: PromiseResult) -> dict[str, str]:
    parts = {"outcome": one.outcome.value, "found": one.found, "sent": one.sent, "came": one.came}
    return {name: value for name, value in parts.items() if value}


def to_junit(result: CheckResult) -> bytes:
    """A test case for each promise at each system."""
    counts = {outcome: sum(one.outcome is outcome for one in result.results) for outcome in PromiseOutcome}
    suite = ET.Element(
        "testsuite",
        name=_safe(f"bascule agent check {result.request.url}"),
        tests=str(len(result.results)),
        failures=str(counts[PromiseOutcome.FAILED]),
        skipped=str(counts[PromiseOutcome.NOT_TRIED]),
        errors="0",
    )
    for one in result.results:
        case = ET.SubElement(
            suite,
            "testcase",
            classname=f"{one.system.value}.{one.promise.section}",
            name=_safe(f"{one.promise.number} {one.promise.sentence}"),
        )
        if one.outcome is PromiseOutcome.NOT_TRIED:
            ET.SubElement(case, "skipped", message=_safe(one.found))
        elif one.outcome is PromiseOutcome.FAILED:
            failure = ET.SubElement(case, "failure", message=_safe(one.found), type="broken-promise")
            failure.text = (
                f"sent: {_safe(one.sent)}\ncame: {_safe(one.came)}\nthe contract: {_safe(one.promise.sentence)}"
            )
    suites = ET.Element("testsuites")
    suites.append(suite)
    ET.indent(suites)
    document: bytes = ET.tostring(suites, encoding="utf-8", xml_declaration=True)
    return document


def _safe(text: str) -> str:
    """XML has no place for most control characters."""
    return shown(text, 1000)
