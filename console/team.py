"""Prefect's server, the deployments and a worker, on this machine: to try Bascule as a team does."""

from __future__ import annotations

import contextlib
import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

from bascule.errors import BasculeError
from config.cockpit import ensure_server
from config.own_server import ENDS_WITHIN, family_of, in_time
from config.settings import read_settings
from config.signals import BREAKS_OFF_AFTER, held_back
from console.telling import say, say_locked_out, say_passed_over, say_where

ROOT = Path(__file__).parent.parent
PREFECT_YAML = ROOT / "deployments" / "prefect.yaml"
POOL = "bascule"
POOL_TEMPLATE = ROOT / "deployments" / "process-pool.json"
"""What whoever starts a flow run may choose of its process: nothing. By default it is the command, and every variable."""

FLOWS_END_WITHIN = BREAKS_OFF_AFTER + 2
"""Seconds that a flow run is given. It breaks off by itself before."""


class NotDeployed(BasculeError):
    """The deployments could not be made."""


def serve(port: int) -> int:
    """Until Ctrl-C. Needs a checkout: the deployments are described there."""
    if not PREFECT_YAML.is_file():
        raise NotDeployed(
            f"There is no {PREFECT_YAML}", remedy="run this from a checkout of Bascule, with: make server"
        )
    settings = read_settings()
    say_where(settings)
    say_locked_out(settings)
    say_passed_over(settings)
    with ensure_server(settings.prefect_home, settings.prefect, port=port) as prefect:
        deploy()
        say(f"{prefect.how_to_look} Deployments: {', '.join(deployments())}.")
        say("Ctrl-C ends server and worker.")
        code = 0
        with worker() as working, contextlib.suppress(KeyboardInterrupt):
            code = working.wait()
    say_locked_out(settings)
    return code


def deployments() -> tuple[str, ...]:
    """The names of the deployments, as the file has them."""
    import yaml

    return tuple(one["name"] for one in yaml.safe_load(PREFECT_YAML.read_text(encoding="utf-8"))["deployments"])


def deploy() -> None:
    """Makes or renews the work pool and the deployments. Raises NotDeployed with Prefect's own words."""
    _prefect("work-pool", "create", POOL, "--type", "process", "--base-job-template", str(POOL_TEMPLATE), "--overwrite")
    _prefect("deploy", "--prefect-file", str(PREFECT_YAML), "--all")


@contextlib.contextmanager
def worker() -> Iterator[subprocess.Popen[bytes]]:
    """A worker of the pool, in a session of its own so that a Ctrl-C reaches it through us only."""
    command = [sys.executable, "-m", "prefect", "worker", "start", "--pool", POOL, "--type", "process"]
    with contextlib.ExitStack() as started:
        with held_back():
            process = subprocess.Popen(command, env=_environment(), cwd=ROOT, start_new_session=True)
            started.callback(_end, process)
        yield process


def _end(worker: subprocess.Popen[bytes]) -> None:
    """Its flow runs first, each in its own way. Meanwhile the worker is stopped: it would start the runs that wait for theirs."""
    with held_back():
        worker.send_signal(signal.SIGSTOP)
        flow_runs = family_of(worker.pid)[1:]
        for run in flow_runs:
            run.ask_to_end()
        in_time(lambda: not any(run.is_alive() for run in flow_runs), FLOWS_END_WITHIN)
        for run in flow_runs:
            run.kill()
        worker.terminate()
        worker.send_signal(signal.SIGCONT)
        try:
            worker.wait(timeout=ENDS_WITHIN)
        except subprocess.TimeoutExpired:
            worker.kill()
            worker.wait()


def _prefect(*arguments: str) -> None:
    done = subprocess.run(
        [sys.executable, "-m", "prefect", "--no-prompt", *arguments],
        env=_environment(),
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=False,
    )
    if done.returncode != 0:
        raise NotDeployed(f"prefect {' '.join(arguments[:2])} failed: {(done.stderr or done.stdout).strip()[-600:]}")


def _environment() -> dict[str, str]:
    """That of this process, in which Prefect has been told where its server is. The worker's flows need the agents' secrets."""
    return {
        **os.environ,
        "BASCULE_ROOT": str(Path.cwd()),
        "PREFECT_WORKER_QUERY_SECONDS": os.environ.get("PREFECT_WORKER_QUERY_SECONDS", "2"),
    }
