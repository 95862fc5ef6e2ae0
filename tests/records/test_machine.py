"""The machine that measured, and the cores that a process may use."""

import json
import os
import sys

from segshrink.records.machine import Machine, this_machine, usable_cores


def test_this_machine_is_described():
    machine = this_machine()
    assert 1 <= machine.cores == len(usable_cores()) <= os.cpu_count()
    assert machine.processor.strip()
    assert machine.int8_dot_products in (True, False, None)
    assert machine.python == sys.version.split()[0]
    plain = json.loads(json.dumps(machine.as_plain(), allow_nan=False))
    assert set(plain) == {"processor", "int8_dot_products", "cores", "system", "python"}
    assert Machine.parse(plain, where="here") == machine


def test_cores_are_those_that_the_process_may_use(monkeypatch):
    monkeypatch.setattr("os.sched_getaffinity", lambda _: {4, 1, 2}, raising=False)
    assert usable_cores() == [1, 2, 4]
    monkeypatch.delattr("os.sched_getaffinity")
    monkeypatch.setattr("os.cpu_count", lambda: None)
    assert usable_cores() == [0]
