"""Files by which a search and the process of a trial exchange what they know."""

from typing import Literal

from segshrink.records.measurement import Count, Milliseconds, Share
from segshrink.records.record import Record
from segshrink.records.search import Bytes, Number


class Job(Record):
    """Instructions to the process of a trial, `job.json`.

    `teacher` is a model file and `logits` the folder of its cached logits, both None in
    a search of teachers. With `probe` the file is exported before training, and the
    process waits for permission to train. `cores` are those that it keeps to.
    """

    of: Literal["student", "teacher"] = "student"
    teacher: str | None = None
    logits: str | None = None
    probe: bool = False
    cores: tuple[int, ...] | None = None


class WorkerProcess(Record):
    """The process that works on a trial, `process.json`; it leads a process group."""

    host: str
    process: int


class Probe(Record):
    """The exported file before training, `probe.json`."""

    file: str
    size_bytes: Bytes
    macs: Count | None = None
    parameters: Count | None = None


class Permission(Record):
    """Permission to train, `go.json`: figures of a probe within the limits."""

    size_bytes: Bytes | None = None
    macs: Count | None = None
    parameters: Count | None = None
    timings_ms: tuple[Milliseconds, ...] = ()
    latency_ms: Milliseconds | None = None


class Result(Record):
    """Result of a trial, `result.json`; `file` is None in a search of teachers."""

    miou: Share
    val_loss: Number | None = None
    macs: Count | None = None
    parameters: Count | None = None
    file: str | None = None
    size_bytes: Bytes | None = None
    remedy: str | None = None


class Failure(Record):
    """The error that ended a trial, `error.json`.

    `is_ours` marks an error that segshrink raises on purpose, `is_memory` one for want
    of memory, `is_of_system` one of the file system.
    """

    type: str
    message: str
    is_ours: bool = False
    is_memory: bool = False
    is_of_system: bool = False
