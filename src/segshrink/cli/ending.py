"""The option of `segshrink export` that chooses the output of a file."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from segshrink.cli.options import refuse_idle
from segshrink.cli.page import is_page
from segshrink.cli.terminal import output as terminal
from segshrink.errors import UsageError
from segshrink.formats import Output, Precision

if TYPE_CHECKING:
    from segshrink.data import Dataset

Gives = Annotated[
    str | None,
    typer.Option(
        "--output",
        help="logits, probabilities, or classes: the index of the class of each pixel "
        "alone (logits).",
    ),
]


Calibrate = Annotated[
    bool,
    typer.Option(
        "--calibrate",
        help="With --data: divide the logits by the temperature at which they fit "
        "the validation part best. No class changes.",
    ),
]


def output_for(
    out: Path, name: str | None, calibrate: bool, precision: Precision
) -> Output:
    """The output that was asked for; a page takes logits."""
    if is_page(out):
        reason = "for a page, which takes logits and shows classes"
        refuse_idle(reason, output=name, calibrate=calibrate or None)
    if calibrate and (name == Output.CLASSES or precision is Precision.FULL_INT8):
        refuse_idle(
            "on classes alone, or on the int8 logits of full_int8", calibrate=True
        )
    if name not in (None, *Output):
        raise UsageError(f"--output {name}: must be one of {', '.join(Output)}.")
    return Output(name or Output.LOGITS)


def settle(
    file: Path, output: Output, dataset: Dataset | None, calibrate: bool = False
) -> None:
    """Let a file of logits give something else, and check it on validation tiles."""
    from segshrink.compression.output import calibration_of, settle_output

    if dataset is None:
        settle_output(file, output)
        return
    temperature = None
    if calibrate:
        found = calibration_of(file, dataset.val)
        temperature = found.temperature
        terminal.out(
            f"Calibrated on {found.tiles} validation tiles: temperature "
            f"{temperature:.3f}, expected calibration error "
            f"{100 * found.error_before:.1f} -> {100 * found.error:.1f} points"
        )
    settle_output(file, output, dataset.val, temperature=temperature)
