"""segshrink doctor."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING, Annotated

import typer

from segshrink.cli.figures import Figures, JsonFile
from segshrink.cli.terminal import output, say

if TYPE_CHECKING:
    from segshrink.records.examination import Backend, Examination, Speed


def doctor(
    json_file: JsonFile = None,
    speed: Annotated[
        bool,
        typer.Option(
            "--speed/--no-speed", help="Train and cut tiles for about five seconds."
        ),
    ] = True,
) -> None:
    """Show what this machine and its packages can do, and what is missing.

    Example: segshrink doctor --json doctor.json
    """
    figures = Figures(json_file)
    say("Looking at packages and devices" + " and testing their speed" * speed)
    from segshrink.doctor import examine

    found = examine(speed=speed)
    for line in _lines(found):
        output.out(line)
    figures.write(found.as_plain(), ())


def _lines(found: Examination) -> Iterator[str]:
    machine = found.machine
    yield f"segshrink {found.segshrink}, Python {machine.python}, {machine.system}"
    sets = ", ".join(found.instruction_sets) or "unknown"
    yield f"Processor: {machine.processor}, {machine.cores} cores to use"
    yield f"  Instruction sets: {sets}"
    yield f"  Memory: {_gigabytes(found.memory_bytes)}"
    yield from _backend_lines(found.backend)
    yield "Runtimes:"
    for runtime in found.runtimes:
        version = f" {runtime.version}" if runtime.version else ""
        fault = f": {runtime.fault}" if runtime.fault else ""
        yield f"  {runtime.name} ({runtime.package}{version}){fault}"
    complete = [extra.name for extra in found.extras if not extra.missing]
    yield f"Extras that are installed: {', '.join(complete) or 'none'}"
    for extra in found.extras:
        if extra.missing:
            yield f"Missing: {extra.name}: {extra.brings}"
            yield f"  {extra.install}  (lacks {', '.join(extra.missing)})"
    if found.speed is not None:
        yield from _speed_lines(found.speed)


def _backend_lines(backend: Backend) -> Iterator[str]:
    if backend.fault is not None:
        yield f"Backend: {backend.name} cannot be imported: {backend.fault}"
        yield (
            "  Install it (`pip install 'segshrink[tensorflow]'`, or jax, or torch), "
            "or name another one in the environment variable KERAS_BACKEND."
        )
        return
    yield f"Backend: {backend.name} {backend.version}, Keras {backend.keras}"
    for device in backend.devices:
        kind = f" {device.kind}" if device.kind else ""
        size = device.memory_bytes
        memory = f", {_gigabytes(size)} for training" if size else ""
        yield f"  {device.name}{kind}{memory}"


def _speed_lines(speed: Speed) -> Iterator[str]:
    if speed.fault is not None:
        yield f"Speed: not measured: {speed.fault}"
        return
    yield "Speed, in tiles of 256 x 256 pixels per second:"
    yield (
        f"  {speed.trained:,.0f} trained, a compact student in batches of "
        f"{speed.batch_size}"
    )
    yield f"  {speed.cut:,.0f} cut and augmented by one thread of the host"


def _gigabytes(size: int | None) -> str:
    return "unknown" if size is None else f"{size / 1e9:.1f} GB"
