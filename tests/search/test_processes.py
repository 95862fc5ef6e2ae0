"""Real processes, of a program that stands for a trial."""

import json
import os
import signal
import socket
import subprocess
import sys
import time

import pytest

from segshrink.records import locked, usable_cores, write_json
from segshrink.search import processes
from segshrink.search.paths import JOB, LOCK, LOG, PROCESS, STOP
from segshrink.search.processes import (
    LocalWorkers,
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


# A process whose trials only wait until they are stopped, or for as many seconds as
# their recipe says.
_WAITING = """
import os, sys, time, types
from segshrink.search.stopping import StoppingProgress
trial = types.ModuleType("segshrink.search.trial")
def run_trial(folder, kept):
    for _ in range(int(10 * float((folder / "recipe.yaml").read_text()))):
        StoppingProgress(folder).advance()
        time.sleep(0.1)
    print("waited in", folder.name)
trial.run_trial = run_trial
sys.modules["segshrink.search.trial"] = trial
kept = types.ModuleType("segshrink.search.between_trials")
kept.Kept = object
sys.modules["segshrink.search.between_trials"] = kept
from segshrink.search.worker import main
raise SystemExit(main(os.getppid()))
"""


def _waiting(folder, threads, stdin):
    with (folder / LOG).open("ab") as log:
        return subprocess.Popen(
            [sys.executable, "-c", _WAITING],
            stdin=stdin,
            stdout=log,
            stderr=log,
            process_group=0,
        )


@pytest.fixture
def waiting(monkeypatch, tmp_path):
    """Makes the folder of a trial that waits for some seconds."""
    monkeypatch.setattr(processes, "started", _waiting)

    def folder(name, seconds):
        write_json(tmp_path / name / JOB, {"of": "student"})
        (tmp_path / name / "recipe.yaml").write_text(str(seconds))
        return tmp_path / name

    return folder


def test_one_process_has_one_trial_after_another(waiting):
    workers = LocalWorkers(1)
    first, second = waiting("first", 0), waiting("second", 60)
    handle = workers.start(first, 0)
    assert wait_for(lambda: handle.poll() is not None)
    assert handle.poll() == 0
    process = group_here(first)
    again = workers.start(second, 0)
    assert wait_for(lambda: group_here(second)) == process
    # What ends the trial before does not reach this one.
    handle.stop()
    handle.kill()
    assert again.poll() is None
    again.stop()
    assert again.poll() == 0 and _state(process) in "SR"
    assert not (second / STOP).exists()
    third = workers.start(waiting("third", 0), 0)
    assert wait_for(lambda: third.poll() is not None)
    assert third.poll() == 0
    # Each writes into its own log.
    assert "waited in first" in (first / LOG).read_text()
    assert "waited" not in (second / LOG).read_text()
    workers.release(0)
    assert _state(process) in "Z-"


def test_a_process_that_was_killed_is_replaced(waiting):
    workers = LocalWorkers(1)
    folder = waiting("trial", 60)
    handle = workers.start(folder, 0)
    process = wait_for(lambda: group_here(folder))
    os.kill(process, signal.SIGKILL)
    assert wait_for(lambda: handle.poll() is not None)
    assert handle.poll() == -signal.SIGKILL
    again = workers.start(folder, 0)
    assert wait_for(lambda: group_here(folder)) != process
    workers.close()
    assert again.poll() == -signal.SIGKILL
    assert _state(process) in "Z-"


def test_one_that_was_killed_between_two_trials_is_replaced(waiting):
    workers = LocalWorkers(1)
    first = waiting("first", 0)
    handle = workers.start(first, 0)
    assert wait_for(lambda: handle.poll() is not None)
    os.kill(group_here(first), signal.SIGKILL)
    wait_for(lambda: not workers._processes[0].is_free)
    again = workers.start(waiting("second", 0), 0)
    assert wait_for(lambda: again.poll() is not None)
    assert again.poll() == 0
    workers.close()


def test_a_process_that_had_many_trials_is_replaced(waiting, monkeypatch):
    monkeypatch.setattr(processes, "_MOST_TRIALS", 2)
    workers, seen = LocalWorkers(1), []
    for name in "abc":
        folder = waiting(name, 0)
        handle = workers.start(folder, 0)
        assert wait_for(lambda handle=handle: handle.poll() is not None)
        seen.append(group_here(folder))
    workers.close()
    assert seen[0] == seen[1] != seen[2]
    assert [_state(process) in "Z-" for process in seen] == [True] * 3


def test_a_trial_that_does_not_stop_is_killed(waiting, monkeypatch):
    monkeypatch.setattr(processes, "STOP_SECONDS", 0.2)
    workers = LocalWorkers(1)
    folder = waiting("trial", 60)
    handle = workers.start(folder, 0)
    process = wait_for(lambda: group_here(folder))
    os.kill(process, signal.SIGSTOP)
    handle.stop()
    assert handle.poll() == -signal.SIGKILL
    assert _state(process) in "Z-" and not (folder / STOP).exists()
    workers.close()


def test_after_a_fault_that_nobody_has_foreseen_the_process_ends(waiting):
    workers = LocalWorkers(1)
    folder = waiting("trial", "not a number of seconds")
    handle = workers.start(folder, 0)
    process = wait_for(lambda: group_here(folder))
    assert wait_for(lambda: handle.poll() is not None)
    assert handle.poll() == 1
    assert "could not convert string to float" in (folder / "error.json").read_text()
    again = workers.start(waiting("another", 60), 0)
    assert wait_for(lambda: group_here(folder.parent / "another")) != process
    workers.close()
    assert again.poll() == -signal.SIGKILL


def test_a_worker_is_paused_and_continued(waiting):
    workers = LocalWorkers(1)
    folder = waiting("trial", 60)
    workers.start(folder, 0)
    group = wait_for(lambda: group_here(folder))
    signal_all([folder], signal.SIGSTOP)
    wait_for(lambda: _state(group) == "T")
    signal_all([folder], signal.SIGCONT)
    wait_for(lambda: _state(group) in "SR")
    workers.close()


@pytest.mark.parametrize("seconds", [60, 0])
def test_a_worker_ends_when_its_search_is_killed(waiting, seconds):
    folder = waiting("trial", seconds)
    code = f"""
import socket, subprocess, sys, time
ours, theirs = socket.socketpair()
subprocess.Popen([sys.executable, "-c", {_WAITING!r}], stdin=theirs, process_group=0)
ours.sendall({json.dumps(str(folder))!r}.encode() + b"\\n")
time.sleep(60)
"""
    search = subprocess.Popen([sys.executable, "-c", code])
    group = wait_for(lambda: group_here(folder))
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
        lambda folder, *_: subprocess.Popen(command, cwd=folder, process_group=0),
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
