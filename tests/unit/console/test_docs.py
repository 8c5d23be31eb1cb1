"""Every command and every setting is documented: by a sentence, an example, a meaning."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest
import typer

from bascule.inventory.waves import flat_columns
from bascule.procedure import PROCEDURE
from config.settings import names_of_settings
from console import docs
from console.cli import app


def commands(command: Any, name: str) -> Iterator[tuple[str, Any]]:
    if not hasattr(command, "commands") or command.invoke_without_command:
        yield name, command
    for word, inner in getattr(command, "commands", {}).items():
        yield from commands(inner, f"{name} {word}")


COMMANDS = dict(commands(typer.main.get_command(app), "bascule"))


def test_the_verbs_of_this_version_are_all_there_and_no_other() -> None:
    inventory = {f"bascule inventory {verb}" for verb in ("check", "template", "sample", "import", "diff")}
    looking = {
        f"bascule {verb}"
        for verb in ("status", "report", "report compare", "watch", "doctor", "sandbox", "ledger upgrade")
    }
    playing = {f"bascule sandbox {verb}" for verb in ("export", "operator")}
    planning = {f"bascule {verb}" for verb in ("plan", "plan diff", "apply")}
    governing = {f"bascule {verb}" for verb in ("pause", "drain", "resume", "stop", "reap", "unlock")}
    auditing = {f"bascule audit {verb}" for verb in ("show", "verify", "export")}
    assert set(COMMANDS) == inventory | looking | playing | planning | governing | auditing | {
        f"bascule {verb}"
        for verb in (
            "run",
            "rerun",
            "inbox",
            "answer",
            "approve",
            "withdraw",
            "notify",
            "demo",
            "server",
            "reconcile",
            "agent check",
        )
    }


@pytest.mark.parametrize("name", COMMANDS)
def test_a_command_says_what_it_does_with_an_example_that_begins_as_it_is_typed(name: str) -> None:
    said, _, example = COMMANDS[name].help.partition("Example: ")
    assert said.strip()
    assert example.startswith(name)


@pytest.mark.parametrize("name", COMMANDS)
def test_every_option_says_what_it_is_for(name: str) -> None:
    silent = [option.name for option in COMMANDS[name].params if not option.help and option.param_type_name == "option"]
    assert silent == []


@pytest.mark.parametrize(
    "verb",
    [
        *("inventory check", "inventory diff", "status", "inbox", "doctor", "run", "rerun"),
        "audit show",
        "audit verify",
        "agent check",
    ],
)
def test_a_verb_that_tells_something_tells_it_to_programs_too(verb: str) -> None:
    assert "--json" in [flag for option in COMMANDS[f"bascule {verb}"].params for flag in option.opts]


def test_every_setting_has_its_line_and_its_meaning() -> None:
    lines = {
        line.split("|")[1].strip(): line.split("|")
        for line in docs.settings_page().splitlines()
        if "`BASCULE_" in line and line.startswith("|")
    }
    groups = {name.rpartition(".")[0] for name in names_of_settings()}
    single = {name for name in names_of_settings() if name not in groups} - {"environment"}
    assert {f"`{name}`" for name in single} == set(lines)
    assert [name for name, cells in lines.items() if not cells[3].strip()] == []


def test_the_procedure_is_told_step_by_step_with_no_way_back_marked() -> None:
    page = docs.procedure_page()
    for step in PROCEDURE:
        assert f"| `{step.name}` |" in page
        assert (f"{step.name} (irreversible)" in page) == step.irreversible


def test_what_is_generated_is_up_to_date() -> None:
    assert docs.outdated() == []


def test_every_setting_says_what_it_may_be_and_no_default_is_one_of_pydantics() -> None:
    rows = [line.split(" | ") for line in docs.settings_page().splitlines() if line.startswith("| `")]
    assert len(rows) > 50
    assert all(row[3].strip() for row in rows)
    assert "Undefined" not in docs.settings_page() + docs.waves_page()


def test_every_setting_of_a_wave_says_what_it_does() -> None:
    rows = {
        line.split(" | ")[0]: line.split(" | ") for line in docs.waves_page().splitlines() if line.startswith("| `")
    }
    assert {f"| `{'.'.join(place)}`" for place in flat_columns().values()} <= rows.keys()
    assert all(row[1].strip() and row[2].strip() for row in rows.values())
