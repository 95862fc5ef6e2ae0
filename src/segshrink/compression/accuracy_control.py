"""An export that may lose little: checked on labelled tiles, and mended if it can be.

An int8 file can lose what a model knew without any sign of it. Here it is run beside
its model on tiles of the validation part, and where that costs too much mean IoU it is
made in other ways, the cheap ones first.
"""

import tempfile
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import keras
import numpy as np

from segshrink.data import Dataset, plain_tiles
from segshrink.errors import ExportError, ModelError
from segshrink.export import Calibration, export_model, in_float32, write_metadata
from segshrink.export.placing import place
from segshrink.formats import Format, Precision
from segshrink.measuring.agreement import Expectation, check_file, expectation
from segshrink.models import copy_model
from segshrink.progress import Progress, SilentProgress
from segshrink.quantization import FakeQuantizedModel, observed_ranges
from segshrink.quantization.bias_correction import correct_biases
from segshrink.quantization.sensitivity import by_sensitivity
from segshrink.quantization.structure import kept_whole
from segshrink.quantization.training import settings_for, train_quantized
from segshrink.recipe import TrainingSettings
from segshrink.records.metadata import Checked, FileMetadata
from segshrink.training import TrainingContext, discard_checkpoint

MAX_DROP = 1.0
QAT_EPOCHS = 4
_CHECK_PIXELS = 64 * 256 * 256
_LEAST_CHECKED = 8
_PERCENTILE = 99.99
_MORE_TILES = 4  # times
_LOOKED_AT = 16  # images, where every layer is looked at
_MOST_IN_FLOAT = 8  # tensors; more and the file is int8 in name only


@dataclass(frozen=True)
class Limit:
    """How much an int8 file may lose, and what may be done about it.

    Attributes:
        max_drop: points of mean IoU, at least 0.
        training: how the model was trained, for training that takes rounding into
            account; None forgoes that.
        epochs: of that training.
        folder: where that training keeps its state, to go on after a kill.
        seed: of that training.
        is_strict: False takes the best of the files if none is within the limit.
    """

    max_drop: float = MAX_DROP
    training: TrainingSettings | None = None
    epochs: int = QAT_EPOCHS
    folder: Path | None = None
    seed: int = 0
    is_strict: bool = True


@dataclass(frozen=True)
class _Way:
    """A way to make the file: of which model, calibrated on what, and so on."""

    remedy: str
    model: keras.Model
    calibration: Calibration
    layers: tuple[str, ...] = ()


def export_with_accuracy_control(
    model: keras.Model,
    path: Path,
    format: Format,
    *,
    precision: Precision,
    dataset: Dataset,
    calibration: np.ndarray,
    limit: Limit,
    metadata: FileMetadata,
    progress: Progress | None = None,
) -> dict[str, Any]:
    """Export `model`; if the file loses more than the limit, try what may help.

    In this order, until one is within the limit: ranges that give up rare values, and
    more calibration tiles; biases corrected for the shift of means; the layers whose
    rounding hurts most, and those that read them, in float32; training that takes
    rounding into account.

    Args:
        model: the model; not changed.
        path: file to write, the first within the limit.
        format: format of the file.
        precision: precision of the file; only calibrated ones can be mended.
        dataset: its training part is calibrated on, its validation part judges.
        calibration: uint8 `(tiles, height, width, 3)` of the training part.
        limit: what may be lost.
        metadata: metadata that the file shall carry.
        progress: told of the attempts.

    Returns:
        What `check_file` found, with `"remedy"` (None if none was needed),
        `"float_layers"` (layers that were kept in float32) and `"attempts"`.

    Raises:
        ExportError: if no file was within the limit; it tells what each lost. No file
            is written then.
    """
    progress = progress or SilentProgress()
    model = in_float32(model)
    height_px, width_px = calibration.shape[1:3]
    expected = checked_tiles(model, dataset, height_px, width_px)
    attempts: list[dict[str, Any]] = []
    chosen, drop = None, 0.0
    with tempfile.TemporaryDirectory(prefix="segshrink-export-") as folder:
        made = Path(folder) / path.name
        best = Path(folder) / "best" / path.name
        best.parent.mkdir()
        ways = _ways(model, format, precision, dataset, calibration, limit, progress)
        for way in ways:
            export_model(
                way.model,
                made,
                format=format,
                quantize=precision,
                calibration=way.calibration if precision.is_calibrated else None,
            )
            found = check_file(
                made, expected, precision=precision, named=path
            ).as_plain()
            own = {"remedy": way.remedy or None, "float_layers": list(way.layers)}
            attempts.append(found | own)
            drop = found.get("drop", 0.0)
            if chosen is None or drop < chosen.get("drop", 0.0):
                chosen = attempts[-1]
                checked = _checked(chosen, expected)
                write_metadata(made, metadata.model_copy(update={"checked": checked}))
                place(made, best)
            if drop <= limit.max_drop:
                break
            progress.say(
                f"{path.name}: {_told(attempts[-1])}, more than {limit.max_drop:g}."
            )
        if chosen is None or limit.is_strict and drop > limit.max_drop:
            raise ExportError(_failure(path, precision, attempts, limit))
        place(best, path)
    return chosen | {"attempts": attempts}


def _checked(attempt: Mapping[str, Any], expected: Expectation) -> Checked:
    """Metadata of a file about its comparison with the model."""
    told = ("mean_iou", "model_mean_iou", "agreement", "float_layers")
    found = {key: attempt[key] for key in told if key in attempt}
    return Checked(part="val", tiles=len(expected.images), **found)


def checked_tiles(
    model: keras.Model, dataset: Dataset, height_px: int, width_px: int
) -> Expectation:
    """What the model makes of tiles of the validation part, some four megapixels."""
    count = max(_LEAST_CHECKED, min(64, _CHECK_PIXELS // (height_px * width_px)))
    images, labels = plain_tiles(dataset.val, max(height_px, width_px), count)
    images = np.ascontiguousarray(images[:, :height_px, :width_px])
    return expectation(model, images, labels[:, :height_px, :width_px])


def _ways(
    model: keras.Model,
    format: Format,
    precision: Precision,
    dataset: Dataset,
    calibration: np.ndarray,
    limit: Limit,
    progress: Progress,
) -> Iterator[_Way]:
    yield _Way("", model, Calibration(calibration))
    if not precision.is_calibrated:
        return
    try:
        wide = observed_ranges(model, calibration)
    except ModelError as error:
        progress.say(f"Nothing else can be tried: {error}")
        return
    narrow = observed_ranges(model, calibration, percentile=_PERCENTILE)
    yield _Way(
        f"ranges of percentile {_PERCENTILE:g}", model, Calibration(calibration, narrow)
    )
    more = _more_tiles(dataset, calibration)
    yield _Way(
        f"ranges of percentile {_PERCENTILE:g} over {len(more)} tiles",
        model,
        Calibration(calibration, observed_ranges(model, more, percentile=_PERCENTILE)),
    )
    few = calibration[:_LOOKED_AT]
    corrected = copy_model(model)
    correct_biases(FakeQuantizedModel(corrected, narrow, format), few)
    yield _Way("corrected biases", corrected, Calibration(calibration, narrow))
    yield from _with_float_layers(model, format, wide, calibration, few)
    if limit.training is None or limit.epochs == 0:
        return
    height_px, width_px = calibration.shape[1:3]
    if height_px != width_px:
        progress.say(
            f"Training for int8 is on square tiles, not on {height_px} x {width_px}: "
            "export with a square --size to have it."
        )
        return
    settings = settings_for(limit.training, limit.epochs)
    yield _trained(
        model, format, narrow, dataset, calibration, settings, limit, progress
    )


def _more_tiles(dataset: Dataset, calibration: np.ndarray) -> np.ndarray:
    count, height_px, width_px, _ = calibration.shape
    side = max(height_px, width_px)
    tiles, _ = plain_tiles(dataset.train, side, _MORE_TILES * count)
    return np.ascontiguousarray(tiles[:, :height_px, :width_px])


def _with_float_layers(
    model: keras.Model,
    format: Format,
    ranges: Mapping[str, tuple[float, float]],
    calibration: np.ndarray,
    few: np.ndarray,
) -> Iterator[_Way]:
    twin = FakeQuantizedModel(model, ranges, format)
    ranked = [value for value, _ in by_sensitivity(twin, few)]
    count = 1
    while count <= min(_MOST_IN_FLOAT, len(ranked)):
        kept = kept_whole(ranked[:count])
        paths = tuple(sorted(value.path for value in kept))
        layers = tuple(sorted(value.origin.path for value in kept))
        yield _Way(
            f"{', '.join(layers)} in float32",
            model,
            Calibration(calibration, ranges, paths),
            layers,
        )
        count *= 2


def _trained(
    model: keras.Model,
    format: Format,
    ranges: dict[str, tuple[float, float]],
    dataset: Dataset,
    calibration: np.ndarray,
    settings: TrainingSettings,
    limit: Limit,
    progress: Progress,
) -> _Way:
    trained = copy_model(model)
    with tempfile.TemporaryDirectory(prefix="segshrink-int8-") as scratch:
        folder = limit.folder or Path(scratch)
        context = TrainingContext(
            dataset=dataset,
            folder=folder,
            seed=limit.seed,
            progress=progress,
            label="quantization-aware training",
        )
        _, found = train_quantized(trained, ranges, settings, context, format=format)
        trained.load_weights(folder / "model.keras")
        discard_checkpoint(folder)
    return _Way("quantization-aware training", trained, Calibration(calibration, found))


def _told(attempt: Mapping[str, Any]) -> str:
    how = f"with {attempt['remedy']} it" if attempt["remedy"] else "as it is, it"
    return (
        f"{how} loses {attempt['drop']:.2f} points of mean IoU "
        f"({100 * attempt['model_mean_iou']:.1f} to {100 * attempt['mean_iou']:.1f})"
    )


def _failure(
    path: Path, precision: Precision, attempts: list[dict[str, Any]], limit: Limit
) -> str:
    lines = [
        f"{path}: a {precision} file must lose at most {limit.max_drop:g} points of "
        "mean IoU on tiles of the validation part, got:"
    ]
    lines += [f"  {_told(attempt)}" for attempt in attempts]
    lines.append(
        "Nothing was written. Train the model longer for it (--qat-epochs, in recipes "
        "export.qat_epochs), allow more (--max-drop, export.max_drop), or take a file "
        "of more precision."
    )
    return "\n".join(lines)
