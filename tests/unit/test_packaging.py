"""What is installed is what was locked, what is locked is what was asked for, and nothing hides our packages."""

from __future__ import annotations

import re
import subprocess
import sys
import tomllib
import zipfile
from pathlib import Path

import pytest
from packaging.requirements import Requirement
from packaging.specifiers import SpecifierSet
from packaging.utils import canonicalize_name

ROOT = Path(__file__).parents[2]
PYPROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text())
PYTHONS = [f"3.{n}" for n in range(99) if f"3.{n}.9" in SpecifierSet(PYPROJECT["project"]["requires-python"])]
LOCK = (ROOT / "requirements.lock").read_text()
PACKAGES: list[str] = PYPROJECT["tool"]["hatch"]["build"]["targets"]["wheel"]["packages"]


def test_the_lock_says_what_to_install_and_never_where_from() -> None:
    assert "://" not in LOCK
    assert " @ " not in LOCK
    options = re.findall(r"^\s*(-[\w-]+)", LOCK, re.MULTILINE)
    assert set(options) == {"--hash"}


def test_everything_in_the_lock_has_one_exact_version_and_a_hash() -> None:
    for entry in locked_entries():
        requirement, *hashes = entry.split("--hash=")
        assert [clause.operator for clause in Requirement(requirement).specifier] == ["=="], requirement
        assert hashes, f"{requirement} has no hash"
        assert all(re.fullmatch(r"sha256:[0-9a-f]{64}\s*", one) for one in hashes), requirement


@pytest.mark.parametrize("python", PYTHONS)
def test_the_lock_satisfies_what_pyproject_asks_for(python: str) -> None:
    versions = locked_versions(python)
    for asked in asked_for():
        assert asked.specifier.contains(versions[canonicalize_name(asked.name)]), f"{asked}: run `make lock`"


def test_no_dependency_hides_one_of_our_packages(tmp_path: Path) -> None:
    # From a process of its own, elsewhere: pytest and Prefect put the root of the checkout first, the command
    # `bascule` finds it last, after a `config` that a dependency might bring.
    say_where = "import importlib.util, sys; [print(importlib.util.find_spec(name).origin) for name in sys.argv[1:]]"
    command = [sys.executable, "-I", "-c", say_where, *PACKAGES]
    told = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, check=True)
    assert told.stdout.splitlines() == [str(ROOT / package / "__init__.py") for package in PACKAGES]


def test_the_wheel_holds_every_file_of_our_packages_and_nothing_else(tmp_path: Path) -> None:
    build = [sys.executable, "-m", "hatchling", "build", "--target", "wheel", "--directory", str(tmp_path)]
    subprocess.run(build, cwd=ROOT, capture_output=True, check=True)
    (wheel,) = tmp_path.glob("*.whl")
    shipped = {name for name in zipfile.ZipFile(wheel).namelist() if ".dist-info/" not in name}
    assert shipped == {
        str(path.relative_to(ROOT))
        for package in PACKAGES
        for path in (ROOT / package).rglob("*")
        if path.is_file() and "__pycache__" not in path.parts
    }


def test_every_folder_of_tests_is_a_package() -> None:
    # Without it, tests/flows is importable as `flows` and hides the real one.
    folders = {path.parent for path in (ROOT / "tests").rglob("*.py")}
    assert {folder for folder in folders if not (folder / "__init__.py").exists()} == set()


def locked_entries() -> list[str]:
    """Each requirement with its hashes, on one line."""
    lines = LOCK.replace("\\\n", " ").splitlines()
    return [line for line in lines if line and not line.lstrip().startswith("#")]


def locked_versions(python: str) -> dict[str, str]:
    """What the lock gives on Linux to a Python such as 3.12, by canonical name. One version each, or it is no lock."""
    here = {"python_version": python, "python_full_version": f"{python}.9", "sys_platform": "linux", "extra": ""}
    versions: dict[str, str] = {}
    for entry in locked_entries():
        requirement = Requirement(entry.split("--hash=")[0])
        if requirement.marker is None or requirement.marker.evaluate(here):
            name = canonicalize_name(requirement.name)
            assert name not in versions, f"{name} is locked twice for Python {python}"
            versions[name] = next(iter(requirement.specifier)).version
    return versions


def asked_for() -> list[Requirement]:
    project = PYPROJECT["project"]
    extras = [line for lines in project["optional-dependencies"].values() for line in lines]
    groups = [line for lines in PYPROJECT["dependency-groups"].values() for line in lines]
    return [
        Requirement(line)
        for line in [*PYPROJECT["build-system"]["requires"], *project["dependencies"], *extras, *groups]
    ]
