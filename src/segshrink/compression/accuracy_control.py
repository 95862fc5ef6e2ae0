"""Accuracy control: an export that loses little, or is repeated with a remedy.

An int8 file can lose what a model has learnt without any sign of it. Here the file is
run beside its model on tiles of the validation part. If it loses more mean IoU than the
limit, it is exported again with one remedy after the other, the cheap ones first.
"""

import tempfile
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path

import keras
import numpy as np

from segshrink.data import Dataset, plain_tiles
from segshrink.errors import ExportError, ModelError
from segshrink.export import (
    Calibration,
    export_model,
    fixed_input_shape,
    in_float32,
    write_metadata,
)
from segshrink.export.placing import place
from segshrink.formats import Format, Precision
from segshrink.measuring.agreement import Expectation, check_file, expectation
from segshrink.models import copy_model
from segshrink.progress import Progress, SilentProgress
from segshrink.quantization import FakeQuantizedModel, observed_ranges
from segshrink.quantization.bias_correction import correct_biases
from segshrink.quantization.fake_quantization import Ranges
from segshrink.quantization.sensitivity import rank_by_sensitivity
from segshrink.quantization.structure import with_consumers
from segshrink.quantization.training import finetuning_settings, train_quantized
from segshrink.recipe import TrainingSettings
from segshrink.records.metadata import Checked, FileMetadata
from segshrink.records.run import ExportAttempt, ExportCheck
from segshrink.training import TrainingContext, discard_checkpoint

MAX_DROP = 1.0
QAT_EPOCHS = 4
_CHECK_PIXELS = 64 * 256 * 256
_FEWEST_CHECKED = 8
_PERCENTILE = 99.99
_MORE_TILES = 4  # times the calibration tiles
_SENSITIVITY_IMAGES = 16  # every layer is compared on these
_MOST_IN_FLOAT = 8  # tensors; with more the file would be int8 in name only


@dataclass(frozen=True)
class AccuracyControl:
    """Limit on the loss of an exported file, and the remedies that are allowed.

    Attributes:
        max_drop: points of mean IoU that the file may lose, at least 0.
        training: settings that the model was trained with, for quantization-aware
            training; None forgoes it.
        epochs: number of epochs of quantization-aware training; 0 forgoes it.
        folder: where quantization-aware training keeps its state, to resume after a
            kill; None is a temporary folder.
        seed: seed of quantization-aware training.
        is_required: False keeps the best of the files if none is within the limit.
    """

    max_drop: float = MAX_DROP
    training: TrainingSettings | None = None
    epochs: int = QAT_EPOCHS
    folder: Path | None = None
    seed: int = 0
    is_required: bool = True


@dataclass(frozen=True, eq=False)
class ExportTask:
    """A file to export, and the data to calibrate and check it on.

    Attributes:
        model: trained model; it is not changed.
        path: file to write; its suffix decides the format.
        precision: precision of the file.
        dataset: the model is calibrated on its training part, the validation part is
            for the check.
        tiles: uint8 `(tiles, height, width, 3)` of the training part to calibrate on;
            None if the precision is not calibrated.
        metadata: metadata of the file.
        progress: receives the attempts.
    """

    model: keras.Model
    path: Path
    precision: Precision
    dataset: Dataset
    tiles: np.ndarray | None = None
    metadata: FileMetadata = FileMetadata()
    progress: Progress = field(default_factory=SilentProgress)

    @property
    def format(self) -> Format:
        """Format that the suffix of the file names."""
        format = Format.of_file(self.path)
        if format is None:
            raise ExportError(f"{self.path}: its suffix is not that of a known format.")
        return format


@dataclass(frozen=True, eq=False)
class _Candidate:
    """One way to export the file.

    Attributes:
        remedy: what is done to lose less; None for a plain export.
        model: the model, with corrected biases or trained further.
        calibration: tiles, and ranges in place of those that the tiles would show; None
            if the precision is not calibrated.
        float_layers: paths of the layers that are computed in float32.
    """

    remedy: str | None
    model: keras.Model
    calibration: Calibration | None
    float_layers: tuple[str, ...] = ()


def export_with_accuracy_control(
    task: ExportTask, control: AccuracyControl
) -> ExportCheck:
    """Export a model; if the file loses more than the limit, try the remedies.

    The remedies, in this order until a file is within the limit: ranges without rare
    values, and more calibration tiles; biases corrected for the shift of means; the
    layers that are most sensitive to rounding, and those that consume them, in float32;
    quantization-aware training. Only precisions that are calibrated have remedies.

    Returns:
        The comparison of the file with its model, and those of all attempts.

    Raises:
        ExportError: if no file was within the limit; the message has the losses. No
            file is written then.
    """
    task = replace(task, model=in_float32(task.model))
    expected = checked_tiles(task.model, task.dataset, *fixed_input_shape(task.model))
    attempts: list[ExportAttempt] = []
    kept: ExportAttempt | None = None
    with tempfile.TemporaryDirectory(prefix="segshrink-export-") as folder:
        file = Path(folder) / task.path.name
        best = Path(folder) / "best" / task.path.name
        best.parent.mkdir()
        for candidate in _candidates(task, control):
            attempt = _try(candidate, task, file, expected)
            attempts.append(attempt)
            if kept is None or _drop(attempt) < _drop(kept):
                kept = attempt
                checked = {"checked": _checked(attempt, len(expected.images))}
                write_metadata(file, task.metadata.model_copy(update=checked))
                place(file, best)
            if _drop(attempt) <= control.max_drop:
                break
            task.progress.say(
                f"{task.path.name}: {_shown(attempt)}, more than {control.max_drop:g}."
            )
        if kept is None or (control.is_required and _drop(kept) > control.max_drop):
            raise ExportError(_failure(task, attempts, control))
        place(best, task.path)
    return ExportCheck(**kept.as_plain(), attempts=tuple(attempts))


def checked_tiles(
    model: keras.Model, dataset: Dataset, height_px: int, width_px: int
) -> Expectation:
    """Predictions of the model for tiles of the validation part, some 4 megapixels."""
    count = max(_FEWEST_CHECKED, min(64, _CHECK_PIXELS // (height_px * width_px)))
    return expectation(model, *plain_tiles(dataset.val, (height_px, width_px), count))


def _try(
    candidate: _Candidate, task: ExportTask, file: Path, expected: Expectation
) -> ExportAttempt:
    """Export a candidate to `file` and compare the file with the model."""
    export_model(
        candidate.model,
        file,
        format=task.format,
        quantize=task.precision,
        calibration=candidate.calibration,
    )
    agreement = check_file(file, expected, precision=task.precision, named=task.path)
    return ExportAttempt(
        **agreement.as_plain(),
        remedy=candidate.remedy,
        float_layers=candidate.float_layers,
    )


def _drop(attempt: ExportAttempt) -> float:
    """Points of mean IoU that were lost; 0 where no tile has labels."""
    return 0.0 if attempt.drop is None else attempt.drop


def _checked(attempt: ExportAttempt, tiles: int) -> Checked:
    """Metadata of a file about its comparison with the model."""
    plain = attempt.as_plain()
    names = ("mean_iou", "model_mean_iou", "agreement", "float_layers")
    scores = {name: plain[name] for name in names if name in plain}
    return Checked(part="val", tiles=tiles, **scores)


def _candidates(task: ExportTask, control: AccuracyControl) -> Iterator[_Candidate]:
    model, tiles = task.model, task.tiles
    yield _Candidate(None, model, None if tiles is None else Calibration(tiles))
    if tiles is None:
        return
    try:
        wide = observed_ranges(model, tiles)
    except ModelError as error:
        task.progress.say(f"{task.path.name}: no remedy can be tried. {error}")
        return
    narrow = observed_ranges(model, tiles, percentile=_PERCENTILE)
    remedy = f"ranges of percentile {_PERCENTILE:g}"
    yield _Candidate(remedy, model, Calibration(tiles, narrow))
    more = _more_tiles(task.dataset, tiles)
    ranges = observed_ranges(model, more, percentile=_PERCENTILE)
    remedy = f"{remedy} over {len(more)} tiles"
    yield _Candidate(remedy, model, Calibration(tiles, ranges))
    few = tiles[:_SENSITIVITY_IMAGES]
    corrected = copy_model(model)
    correct_biases(FakeQuantizedModel(corrected, narrow, task.format), few)
    yield _Candidate("corrected biases", corrected, Calibration(tiles, narrow))
    yield from _with_float_layers(task, tiles, wide)
    yield from _trained(task, tiles, narrow, control)


def _more_tiles(dataset: Dataset, tiles: np.ndarray) -> np.ndarray:
    count, *size_px, _ = tiles.shape
    more, _ = plain_tiles(dataset.train, tuple(size_px), _MORE_TILES * count)
    return more


def _with_float_layers(
    task: ExportTask, tiles: np.ndarray, ranges: Ranges
) -> Iterator[_Candidate]:
    """Candidates with the one, two, four, ... most sensitive tensors in float32."""
    few = tiles[:_SENSITIVITY_IMAGES]
    fake_quantized = FakeQuantizedModel(task.model, ranges, task.format)
    ranked = [value for value, _ in rank_by_sensitivity(fake_quantized, few)]
    count = 1
    while count <= min(_MOST_IN_FLOAT, len(ranked)):
        kept = with_consumers(ranked[:count])
        layers = tuple(sorted(value.origin.path for value in kept))
        yield _Candidate(
            f"{', '.join(layers)} in float32",
            task.model,
            Calibration(tiles, ranges, sorted(value.path for value in kept)),
            float_layers=layers,
        )
        count *= 2


def _trained(
    task: ExportTask, tiles: np.ndarray, ranges: Ranges, control: AccuracyControl
) -> Iterator[_Candidate]:
    """The candidate of quantization-aware training, for square images."""
    _, height_px, width_px, _ = tiles.shape
    if control.training is None or control.epochs == 0:
        return
    if height_px != width_px:
        task.progress.say(
            f"{task.path.name}: quantization-aware training needs square tiles, not "
            f"{height_px} x {width_px}. Export with a square --size to have it."
        )
        return
    model = copy_model(task.model)
    with tempfile.TemporaryDirectory(prefix="segshrink-int8-") as scratch:
        context = TrainingContext(
            dataset=task.dataset,
            folder=control.folder or Path(scratch),
            seed=control.seed,
            progress=task.progress,
            label="quantization-aware training",
        )
        settings = finetuning_settings(control.training, control.epochs)
        _, trained_ranges = train_quantized(
            model, ranges, settings, context, format=task.format
        )
        model.load_weights(context.folder / "model.keras")
        discard_checkpoint(context.folder)
    calibration = Calibration(tiles, trained_ranges)
    yield _Candidate("quantization-aware training", model, calibration)


def _shown(attempt: ExportAttempt) -> str:
    how = f"with {attempt.remedy} it" if attempt.remedy else "as it is, it"
    before, after = attempt.model_mean_iou or 0.0, attempt.mean_iou or 0.0
    return (
        f"{how} loses {_drop(attempt):.2f} points of mean IoU "
        f"({100 * before:.1f} to {100 * after:.1f})"
    )


def _failure(
    task: ExportTask, attempts: Sequence[ExportAttempt], control: AccuracyControl
) -> str:
    lines = [
        f"{task.path}: a {task.precision} file must lose at most {control.max_drop:g} "
        "points of mean IoU on tiles of the validation part, got:"
    ]
    lines += [f"  {_shown(attempt)}" for attempt in attempts]
    lines.append(
        "Nothing was written. Train the model longer for it (--qat-epochs, in recipes "
        "export.qat_epochs), allow more (--max-drop, export.max_drop), or choose a "
        "format with more precision (--quantize). A run keeps its recipe, so export "
        "its student/model.keras with `segshrink export`, or begin another run."
    )
    return "\n".join(lines)
