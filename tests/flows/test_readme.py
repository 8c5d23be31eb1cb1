"""README.md, as a new user takes it: line by line, pasted into a fresh copy of the tree, without editing."""

from __future__ import annotations

import json
import os
import shutil
import signal
import socket
import subprocess
import sysconfig
import venv
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager, suppress
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
SECTIONS = ("A wave of your own on the sandbox", "Waves: when, how many, when to stop")
IN_A_SECOND_TERMINAL = "# in a second terminal"
ENDED = "-- ended with "


@pytest.mark.timeout(300)  # a dozen commands, each a process of its own
@pytest.mark.usefixtures("prefect_server")
def test_the_readmes_wave_of_your_own_works_pasted_line_by_line(tmp_path: Path) -> None:
    tree, port = fresh_copy(tmp_path / "bascule"), free_port()
    with ExitStack() as ends_with_the_test:
        terminal = ends_with_the_test.enter_context(Terminal.on(tree, port))
        for line in pasted_lines():
            if IN_A_SECOND_TERMINAL in line:
                # The README's port may be taken here. Nothing else is changed.
                command = line.partition("#")[0] + f" --port {port}"
                second = ends_with_the_test.enter_context(Terminal.on(tree, port))
                assert "ready" in second.begin(command), line
            else:
                code, said = terminal.paste(line)
                assert code == 0, f"{line}\n{said}"
        outcomes = {wave: terminal.outcomes(wave) for wave in ("pilot", "lyon")}

    assert outcomes == {"pilot": {"ok": 2}, "lyon": {"ok": 8}}


def pasted_lines() -> list[str]:
    """The code of both sections, in order."""
    text = (ROOT / "README.md").read_text(encoding="utf-8")
    parts = {part.partition("\n")[0]: part for part in text.split("\n## ")}
    lines = [line[4:] for title in SECTIONS for line in parts[title].splitlines() if line.startswith("    ")]
    assert len(lines) >= 10, "README.md has other sections now, or other code"
    return lines


def fresh_copy(folder: Path) -> Path:
    """As a clone has it, but for a `.venv` that borrows the packages of ours: what runs is the copy's code."""
    shutil.copytree(
        ROOT, folder, ignore=shutil.ignore_patterns(".git", ".venv*", ".bascule", ".*_cache", ".hypothesis")
    )
    environment = folder / ".venv"
    venv.create(environment, symlinks=True)
    (packages,) = environment.glob("lib/python3*/site-packages")
    (packages / "borrowed.pth").write_text(
        f"{folder}\nimport site; site.addsitedir({sysconfig.get_path('purelib')!r})\n", encoding="utf-8"
    )
    command = environment / "bin" / "bascule"
    command.write_text(f"#!{environment}/bin/python\nfrom console.cli import main\n\nmain()\n", encoding="utf-8")
    command.chmod(0o755)
    (environment / ".ready").touch()
    return folder


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port


class Terminal:
    """A shell that is opened in the tree, and typed into."""

    def __init__(self, shell: subprocess.Popen[str]) -> None:
        self._shell = shell

    @classmethod
    @contextmanager
    def on(cls, tree: Path, port: int) -> Iterator[Terminal]:
        """`port`: where the settings look for the sandbox."""
        environment = {name: value for name, value in os.environ.items() if not name.startswith("BASCULE_")}
        for system, base in (("MY_SAGE", "my-sage"), ("GE", "ge"), ("S4A", "s4a")):
            environment[f"BASCULE_{system}__URL"] = f"http://127.0.0.1:{port}/{base}"
        with subprocess.Popen(
            ["bash", "--norc", "--noprofile"],
            cwd=tree,
            env=environment,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            start_new_session=True,
        ) as shell:
            try:
                yield cls(shell)
            finally:
                # Closing the window: the shell, and whatever still runs in it.
                with suppress(ProcessLookupError):
                    os.killpg(shell.pid, signal.SIGTERM)

    def paste(self, line: str) -> tuple[int, str]:
        """The exit code, and what was said."""
        said: list[str] = []
        for text in self._typed(f"{{ {line}\n}} </dev/null\necho '{ENDED}'$?"):
            if text.startswith(ENDED):
                return int(text.removeprefix(ENDED)), "".join(said)
            said.append(text)
        raise AssertionError(f"the terminal closed at: {line}\n{''.join(said)}")

    def begin(self, line: str) -> str:
        """The first thing that is said by what then runs on."""
        return next(self._typed(line))

    def outcomes(self, wave: str) -> dict[str, int]:
        told: dict[str, int] = json.loads(self.paste(f"bascule status --wave {wave} --json 2>/dev/null")[1])["outcomes"]
        return told

    def _typed(self, line: str) -> Iterator[str]:
        assert self._shell.stdin
        assert self._shell.stdout
        self._shell.stdin.write(f"{line}\n")
        self._shell.stdin.flush()
        return iter(self._shell.stdout)
