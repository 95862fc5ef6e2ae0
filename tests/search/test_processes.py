"""Real processes, of a program that stands for a trial."""

import os
import signal
import socket
import subprocess
import sys
import time

import pytest

from segshrink.records import locked, usable_cores, write_json
from segshrink.search import processes
from segshrink.search.paths import JOB, LOCK, LOG, PROCESS
from segshrink.search.processes import (
    LocalWorkers,
    end,
    group_here,
    signal_all,
)

_PATIENCE_SECONDS = 180


def wait_for(what):
    end = time.monotonic() + _PATIENCE_SECONDS
    while not (found := what()):
        assert time.monotonic() < end, "waited in vain"
        time.sleep(0.05)
    return found


@pytest.mark.parametrize("count", [1, 2, 3, 5, 8])
def test_workers_share_the_cores(monkeypatch, count):
    monkeypatch.setattr(processes, "usable_cores", lambda: [0, 2, 4, 5, 7])
    workers = LocalWorkers(count)
    shares = [workers.cores(slot) for slot in range(count)]
    assert all(shares)
    used = [core for share in shares for core in share]
    assert set(used) == ({0, 2, 4, 5, 7} if count <= 5 else set(used))
    if count <= 5:
        assert len(used) == 5
        assert max(map(len, shares)) - min(map(len, shares)) <= 1


@pytest.fixture
def job(tmp_path):
    """A trial whose recipe is missing, which its process finds out after a second."""
    write_json(tmp_path / JOB, {"of": "student", "cores": [usable_cores()[-1]]})
    return tmp_path


def test_a_worker_keeps_to_its_cores_and_ends_with_a_reason(job):
    workers = LocalWorkers(1)
    handle = workers.start(job, 0)
    group = wait_for(lambda: group_here(job))
    assert os.getpgid(group) == group
    assert os.sched_getaffinity(group) == {usable_cores()[-1]}
    assert wait_for(lambda: handle.poll() is not None)
    assert handle.poll() == 1
    text = (job / "error.json").read_text()
    assert "RecipeError" in text and "recipe.yaml: no such file" in text
    assert "Traceback" in (job / "output.log").read_text()


def test_a_worker_waits_until_the_folder_is_free(job):
    with locked(job / LOCK):
        handle = LocalWorkers(1).start(job, 0)
        time.sleep(1.5)
        assert handle.poll() is None and not (job / PROCESS).exists()
    assert wait_for(lambda: handle.poll() is not None)


# A process that works for a minute in the place of a trial.
_WORKING = """
import os, sys, time, types
trial = types.ModuleType("segshrink.search.trial")
trial.run_trial = lambda folder: time.sleep(60)
sys.modules["segshrink.search.trial"] = trial
from pathlib import Path
from segshrink.search.worker import main
main(Path(sys.argv[1]), os.getppid())
"""


def _working(folder):
    return subprocess.Popen(
        [sys.executable, "-c", _WORKING, str(folder)], process_group=0
    )


def test_a_worker_is_paused_and_continued(job):
    process = _working(job)
    group = wait_for(lambda: group_here(job))
    assert group == process.pid
    signal_all([job], signal.SIGSTOP)
    wait_for(lambda: _state(group) == "T")
    signal_all([job], signal.SIGCONT)
    wait_for(lambda: _state(group) in "SR")
    end(process)
    assert process.returncode == -signal.SIGKILL


def test_a_worker_ends_when_its_search_is_killed(job):
    code = f"""
import subprocess, sys, time
subprocess.Popen([sys.executable, "-c", {_WORKING!r}, {str(job)!r}], process_group=0)
time.sleep(60)
"""
    search = subprocess.Popen([sys.executable, "-c", code])
    group = wait_for(lambda: group_here(job))
    search.kill()
    search.wait()
    wait_for(lambda: _state(group) in "Z-")


def _state(process):
    try:
        with open(f"/proc/{process}/stat") as file:
            return file.read().rpartition(")")[2].split()[0]
    except FileNotFoundError:
        return "-"


def test_a_worker_that_has_ended_is_never_signalled_again(job, monkeypatch):
    command = ["sh", "-c", "sleep 60 & echo $! > left"]
    monkeypatch.setattr(
        processes,
        "started",
        lambda folder, _: subprocess.Popen(command, cwd=folder, process_group=0),
    )
    workers = LocalWorkers(1)
    handle = workers.start(job, 0)
    wait_for(lambda: handle.poll() is not None)
    # What it had started ends with it.
    wait_for(lambda: _state(int((job / "left").read_text())) in "Z-")
    # From now on its number may be another process's.
    signalled = []
    monkeypatch.setattr(os, "killpg", lambda *of: signalled.append(of))
    handle.kill()
    workers.close()
    assert handle.poll() == 0
    assert signalled == []


def test_a_process_of_another_host_is_not_signalled(tmp_path):
    write_json(tmp_path / PROCESS, {"host": "elsewhere", "process": os.getpid()})
    assert group_here(tmp_path) is None
    signal_all([tmp_path, tmp_path / "nothing"], signal.SIGKILL)
    write_json(tmp_path / PROCESS, {"host": socket.gethostname(), "process": 7})
    assert group_here(tmp_path) == 7


@pytest.mark.e2e
def test_a_trial_on_a_cluster_is_ended(job):
    pytest.importorskip("ray")
    from segshrink.search.on_ray import RayWorkers

    workers = RayWorkers("local", 1)
    try:
        assert workers.cores(0) is None
        with locked(job / LOCK):
            handle = workers.start(job, 0)
            wait_for(lambda: (job / LOG).is_file())
            assert handle.poll() is None
            handle.kill()
            assert wait_for(lambda: handle.poll() is not None)
            assert handle.poll() != 0
            # Its process does not work on in the folder that is free now.
        time.sleep(2)
        assert not (job / PROCESS).exists()
        # Another one in its place finds out what is wrong with the trial.
        again = workers.start(job, 0)
        wait_for(lambda: again.poll() is not None)
        assert again.poll() == 1 and (job / "error.json").is_file()
    finally:
        workers.close()
