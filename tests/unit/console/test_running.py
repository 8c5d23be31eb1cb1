"""What run and rerun say where there is nothing to do."""

from __future__ import annotations

import pytest

from console.running import why_nothing
from flows.preparing import Asked


@pytest.mark.parametrize(
    ("asked", "says"),
    [
        (Asked(classes=("transient",)), "no cabinet has an error of class transient"),
        (
            Asked(classes=("transient", "data"), only=("failed",)),
            "no cabinet has an error of class transient or data among those that are failed",
        ),
        (Asked(only=("unknown", "partial")), "no cabinet is unknown or partial"),
        (Asked(), "every cabinet that the selection names is done"),
    ],
)
def test_a_selection_that_names_nobody_says_why(asked: Asked, says: str) -> None:
    assert why_nothing(asked) == says
