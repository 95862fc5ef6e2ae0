"""The findings of `segshrink doctor`: machine, backend, packages and speed."""

from segshrink.records.machine import Machine
from segshrink.records.record import Record


class Device(Record):
    """A device that the backend computes on; `memory_bytes` is None if unknown."""

    name: str
    kind: str = ""
    memory_bytes: int | None = None


class Backend(Record):
    """The backend of Keras. `fault` says why it cannot be imported, if so."""

    name: str
    keras: str | None = None
    version: str | None = None
    devices: tuple[Device, ...] = ()
    fault: str | None = None


class Runtime(Record):
    """A runtime of exported files; `fault` says why it cannot be imported, if so."""

    name: str
    package: str
    version: str | None = None
    fault: str | None = None


class Extra(Record):
    """An extra of this package: what it brings, and which of its packages are missing.

    `install` is the command that installs them.
    """

    name: str
    brings: str
    missing: tuple[str, ...] = ()
    install: str = ""


class Speed(Record):
    """Tiles per second of a compact student, 256 x 256 pixels.

    `trained` is of training steps of `batch_size` tiles on the backend, `cut` of one
    thread that cuts and augments tiles. `fault` says why they are not known, if so.
    """

    trained: float | None = None
    batch_size: int | None = None
    cut: float | None = None
    fault: str | None = None


class Examination(Record):
    """All of it. `speed` is None if it was not asked for."""

    segshrink: str
    machine: Machine
    memory_bytes: int | None = None
    instruction_sets: tuple[str, ...] = ()
    backend: Backend
    runtimes: tuple[Runtime, ...] = ()
    extras: tuple[Extra, ...] = ()
    speed: Speed | None = None
