"""The output of a checked file: settled without changing a class."""

from __future__ import annotations

import tempfile
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from segshrink.data import Part, plain_tiles
from segshrink.errors import ExportError, UsageError
from segshrink.export import set_output
from segshrink.export.placing import place
from segshrink.formats import Output
from segshrink.measuring.quality import softmax
from segshrink.metrics import Reliability, fitted_temperature
from segshrink.runtimes import load_artifact, predict_classes

# Runtimes join operations anew, which may round a logit to the next step.
_LEAST_AGREEMENT = 0.999
_CHECKED_TILES, _NOISE_IMAGES, _FITTED_TILES = 16, 4, 64


@dataclass(frozen=True)
class FittedTemperature:
    """A temperature, and what it is worth on the tiles that it was fitted to.

    `error_before` and `error` are the expected calibration error, in [0, 1], of the
    logits and of the logits divided by it.
    """

    temperature: float
    tiles: int
    error_before: float
    error: float


def calibration_of(path: Path, part: Part) -> FittedTemperature:
    """The temperature at which a file's logits fit tiles of a part best.

    Raises:
        UsageError: if no pixel of the tiles has a label.
    """
    artifact = load_artifact(path)
    images, labels = plain_tiles(part, artifact.input_shape, _FITTED_TILES)
    logits = artifact.predict(images)
    try:
        temperature = fitted_temperature(logits, labels)
    except ValueError as error:
        raise UsageError(f"--calibrate: {error}") from error
    errors = []
    for divisor in (1.0, temperature):
        reliability = Reliability()
        reliability.update(labels, softmax(logits / np.float32(divisor)))
        errors.append(reliability.expected_error)
    return FittedTemperature(temperature, len(images), *errors)


def settle_output(
    path: Path,
    output: Output,
    images: np.ndarray | Part | None = None,
    *,
    temperature: float | None = None,
) -> None:
    """Let a file of logits give something else, and check that its classes stay.

    Args:
        path: the file, which is replaced whole or not at all.
        output: as for `set_output`.
        images: uint8 `(images, height, width, bands)` to check the file on, or a part
            whose tiles are taken; None is noise.
        temperature: as for `set_output`.

    Raises:
        ExportError: if more than a pixel in a thousand has another class then.
        UsageError: as `set_output`.
    """
    if output is Output.LOGITS and temperature is None:
        return
    artifact = load_artifact(path)
    if images is None:
        shape = (_NOISE_IMAGES, *artifact.input_shape, artifact.num_bands)
        images = np.random.default_rng(0).integers(0, 256, shape, dtype=np.uint8)
    elif isinstance(images, Part):
        images, _ = plain_tiles(images, artifact.input_shape, _CHECKED_TILES)
    before = predict_classes(artifact, images)
    with tempfile.TemporaryDirectory(prefix="segshrink-export-") as folder:
        file = Path(folder) / path.name
        place(path, file)
        set_output(file, output, temperature=temperature)
        after = predict_classes(load_artifact(file), images)
        agreement = float((after == before).mean())
        if agreement < _LEAST_AGREEMENT:
            raise ExportError(
                f"{path}: with {output} as output it must give the classes of its "
                f"logits for {_LEAST_AGREEMENT:.1%} of the pixels, got "
                f"{agreement:.2%}. It is left with logits."
            )
        place(file, path)
