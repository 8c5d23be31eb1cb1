"""Whether the process that holds a lease is provably dead."""

from __future__ import annotations

import os
import subprocess
import sys
from dataclasses import replace

from bascule.ledger.owners import is_provably_dead, start_of, this_process


def test_this_process_is_alive() -> None:
    assert not is_provably_dead(this_process())


def test_two_owners_in_one_process_are_told_apart() -> None:
    assert this_process().id != this_process().id


def test_a_process_that_was_killed_is_dead_also_while_nobody_has_asked_how_it_ended() -> None:
    with subprocess.Popen([sys.executable, "-c", "input()"], stdin=subprocess.PIPE) as child:
        owner = replace(this_process(), pid=child.pid, process_started=start_of(child.pid) or 0)
        assert not is_provably_dead(owner)

        child.kill()
        os.waitid(os.P_PID, child.pid, os.WEXITED | os.WNOWAIT)  # it is a zombie now
        assert is_provably_dead(owner)

    assert is_provably_dead(owner)


def test_another_process_under_a_pid_used_again_is_not_the_owner() -> None:
    assert is_provably_dead(replace(this_process(), process_started=this_process().process_started - 1))


def test_after_a_restart_of_the_machine_nobody_from_before_is_alive() -> None:
    assert is_provably_dead(replace(this_process(), boot="another boot"))


def test_what_runs_on_another_host_cannot_be_proven_dead() -> None:
    assert not is_provably_dead(replace(this_process(), host="elsewhere", boot="another boot", pid=2**22 + 1))
