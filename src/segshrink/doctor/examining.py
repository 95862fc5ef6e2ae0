"""The whole examination."""

from segshrink._version import __version__
from segshrink.doctor.backend import examined_backend
from segshrink.doctor.packages import examined_extras, examined_runtimes
from segshrink.doctor.speed import measured_speed
from segshrink.records.examination import Examination
from segshrink.records.machine import instruction_sets, memory_bytes, this_machine


def examine(*, speed: bool = True) -> Examination:
    """Examine this machine, the backend of Keras and the installed packages.

    What is missing or broken becomes a line of the result, never an error.

    Args:
        speed: whether to train and cut tiles for about five seconds, beside the time
            that the backend takes to compile.
    """
    backend = examined_backend()
    return Examination(
        segshrink=__version__,
        machine=this_machine(),
        memory_bytes=memory_bytes(),
        instruction_sets=tuple(instruction_sets()),
        backend=backend,
        runtimes=tuple(examined_runtimes()),
        extras=tuple(examined_extras()),
        speed=measured_speed(backend) if speed else None,
    )
