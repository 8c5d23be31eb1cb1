"""The contract's promises, numbered, and tried on an agent: `bascule agent check`."""

from bascule.conformance.agent import CheckRequest, Surroundings
from bascule.conformance.check import CheckResult, NoAgent, check_agent
from bascule.conformance.promise import Needs, Promise, PromiseOutcome, PromiseResult
from bascule.conformance.promises import PROMISES
from bascule.conformance.report import to_junit, to_plain

__all__ = [
    "PROMISES",
    "CheckRequest",
    "CheckResult",
    "Needs",
    "NoAgent",
    "Promise",
    "PromiseOutcome",
    "PromiseResult",
    "Surroundings",
    "check_agent",
    "to_junit",
    "to_plain",
]
