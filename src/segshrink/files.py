"""The stages that turn a run's models into files and measure those files."""

from collections.abc import Callable
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import keras
import numpy as np
from PIL import Image

import segshrink
from segshrink.data import AnnotatedImage, Classes, Dataset, Part, plain_tiles
from segshrink.data.layout import PART_NAMES
from segshrink.data.splits import shortened
from segshrink.export import read_facts, write_facts
from segshrink.measuring import (
    ModelSize,
    Subject,
    count_macs,
    measure_latency,
    measure_quality,
    measurement_record,
)
from segshrink.models import load_model
from segshrink.progress import Progress
from segshrink.quantizing import Limit, export_within
from segshrink.recipe import ExportSettings
from segshrink.records import read_json, write_json, written_whole
from segshrink.run_folder import Run, data_of_run
from segshrink.runtimes import load_artifact

# What a record tells of the comparison of a file with its model.
_OF_EXPORT = ("max_logit_error", "agreement", "drop", "remedy", "float_layers")


@dataclass(frozen=True)
class ExportedFile:
    """One file to make: of which model, in which form."""

    role: str
    model: Path
    format: str
    precision: str

    @property
    def name(self) -> str:
        """Name of the file's record."""
        return f"{self.role}-{self.precision_name}-{self.format}"

    @property
    def precision_name(self) -> str:
        """`int8` or `float`."""
        return "int8" if self.precision == "int8" else "float"

    @property
    def file_name(self) -> str:
        """Name of the file itself."""
        suffix = {"litert": ".tflite", "onnx": ".onnx"}[self.format]
        return f"{self.role}-{self.precision_name}{suffix}"


def files_to_make(run: Run) -> list[ExportedFile]:
    """All files that the recipe asks for, the teacher's first."""
    models = {"teacher": run.teacher}
    if run.recipe.baselines:
        baselines = run.folder / "baselines"
        models["masked"] = baselines / "masked" / "model.keras"
        models["alone"] = baselines / "alone" / "model.keras"
    models["student"] = run.student
    forms = _forms(run.recipe.export)
    return [
        ExportedFile(role, model, format, precision)
        for role, model in models.items()
        for format, precision in forms
        # Masks and the teacher are there to be compared with; both as they are.
        if precision == "float32" or role in ("student", "alone")
    ]


def _forms(settings: ExportSettings) -> list[tuple[str, str]]:
    forms = []
    if settings.litert:
        forms.append(("litert", "float32"))
    if settings.int8:
        forms.append(("litert", "int8"))
    if settings.onnx:
        forms.append(("onnx", "float32"))
    return forms


def export_files(run: Run, dataset: Dataset, progress: Progress) -> None:
    """Make every file that is not there yet, and check it against its model."""
    wanted = files_to_make(run)
    progress.start("export", len(wanted))
    tiles: np.ndarray | None = None
    for item in wanted:
        path = run.artifacts / item.file_name
        checked = path.with_name(f"{path.name}.json")
        if not (checked.is_file() and path.is_file()):
            if tiles is None:
                tiles = calibration_tiles(
                    dataset,
                    run.recipe.data.tile_px,
                    run.recipe.export.calibration_tiles,
                )
            write_json(checked, _export(run, item, path, dataset, tiles, progress))
        progress.advance(file=path.name)
    progress.finish()


def _export(
    run: Run,
    item: ExportedFile,
    path: Path,
    dataset: Dataset,
    tiles: np.ndarray,
    progress: Progress,
) -> dict[str, Any]:
    model = load_model(item.model)
    settings = run.recipe.export
    limit = Limit(
        max_drop=settings.max_drop,
        training=run.recipe.student.training,
        epochs=settings.qat_epochs,
        folder=item.model.parent / "int8",
        seed=run.recipe.seed,
        # What the student is compared with may lose what it loses.
        is_strict=item.role == "student",
    )
    found = export_checked(
        model,
        path,
        item.format,
        dataset=dataset,
        calibration=tiles,
        quantize=None if item.precision == "float32" else item.precision,
        limit=limit,
        progress=progress,
    )
    return {"file": path.name, "model": asdict(count_macs(model)), **found}


def data_facts(dataset: Dataset) -> dict[str, Any]:
    """What a file shall carry of the data that its model was trained on."""
    classes, split = dataset.classes, dataset.split
    # A data set may have thousands of scenes, and the file is to stay small.
    scenes = {part: shortened(names) for part, names in split.parts.items()}
    return {
        "classes": [
            {"name": name, "color": list(color)}
            for name, color in zip(classes.names, classes.colors, strict=True)
        ],
        "data": {"name": dataset.name, "split": split.source, "scenes": scenes},
    }


def other_split(
    path: Path, facts: dict[str, Any] | None, dataset: Dataset
) -> str | None:
    """What to say of a model that was trained under another split of the same data.

    Args:
        path: the model's file.
        facts: what an exported file carries; without, the run folder is asked that
            the file lies in.
        dataset: data as it is divided now.

    Returns:
        A sentence; None if the split is the same, or nothing is known of the data.
    """
    then = (facts or {}).get("data") or _data_of_run(path)
    if not isinstance(then, dict) or then.get("name") != dataset.name:
        return None
    now = data_facts(dataset)["data"]
    if then.get("scenes") == now["scenes"]:
        return None
    # Of the patches of a protocol it carries the scenes all the same.
    return (
        f"{path}: was trained under another split ({_told(then)}) than this "
        f"({_told(now)}), so that it may know these images. Name its split with "
        "--split or --split-seed."
    )


def _data_of_run(path: Path) -> dict[str, Any] | None:
    for folder in (path.parent, path.parent.parent):
        known = data_of_run(folder)
        if known is not None:
            split = known["split"]
            scenes = {part: shortened(split[part]) for part in PART_NAMES}
            return {"name": known["name"], "split": split["source"], "scenes": scenes}
    return None


def _told(data: dict[str, Any]) -> str:
    return f"{data.get('split')}: trained on {data.get('scenes', {}).get('train')}"


def export_checked(
    model: keras.Model,
    path: Path,
    format: str,
    *,
    dataset: Dataset,
    calibration: np.ndarray,
    quantize: str | None = None,
    limit: Limit | None = None,
    progress: Progress | None = None,
) -> dict[str, Any]:
    """Export `model`, and compare the file with it on tiles of the validation part.

    The file carries, as JSON, what it takes and gives, and its classes and data.

    Args:
        model: the model.
        path: file to write.
        format: "litert", "onnx" or "openvino".
        dataset: data that the model was trained on.
        calibration: uint8 `(tiles, height, width, 3)` of the training part.
        quantize: as for `export_model`.
        limit: what the file may lose; by default a point of mean IoU.
        progress: told of attempts to lose less.

    Returns:
        As `export_within`.

    Raises:
        ExportError: if the format cannot express the model, a float file differs, or an
            int8 file loses more than the limit whatever is tried.
    """
    return export_within(
        model,
        path,
        format,
        quantize=quantize,
        dataset=dataset,
        calibration=calibration,
        limit=limit or Limit(),
        facts=model_facts(model, *calibration.shape[1:3], quantize=quantize)
        | data_facts(dataset),
        progress=progress,
    )


def model_facts(
    model: keras.Model, height_px: int, width_px: int, *, quantize: str | None
) -> dict[str, Any]:
    """What a file shall carry of its model."""
    return {
        "segshrink": segshrink.__version__,
        "input": {
            "height": height_px,
            "width": width_px,
            "channels": "RGB",
            "range": [0, 255],
        },
        "output": "logits",
        "precision": quantize or "float32",
        "model": asdict(count_macs(model)),
    }


def calibration_tiles(dataset: Dataset, tile_px: int, count: int) -> np.ndarray:
    """Images of `count` training tiles as they are, uint8 `(count, px, px, 3)`."""
    return plain_tiles(dataset.train, tile_px, count)[0]


def measure_files(run: Run, dataset: Dataset, progress: Progress) -> None:
    """Measure every exported file in its own runtime; one record each."""
    wanted = files_to_make(run)
    part: Part = getattr(dataset, run.recipe.measuring.part)
    if all((run.measurements / f"{item.name}.json").is_file() for item in wanted):
        # One that was deleted and made again says nothing yet.
        for item in wanted:
            kept = read_json(_kept_quality(run, item))
            _carry_quality(run.artifacts / item.file_name, kept)
        return
    quality = {
        item.name: _quality(run, item, part, dataset.classes, progress)
        for item in wanted
    }
    _write_classes(run.measurements / "classes.json", dataset.classes)
    # Latency last and in one go: files are compared, so they share the same minutes.
    paths = {item.name: run.artifacts / item.file_name for item in wanted}
    latency = measure_latency(
        list(paths.values()),
        threads=run.recipe.measuring.threads,
        rounds=run.recipe.measuring.rounds,
        seed=run.recipe.seed,
        progress=progress,
    )
    for item in wanted:
        record = _record(
            run, dataset, item, latency[paths[item.name]], quality[item.name]
        )
        write_json(run.measurements / f"{item.name}.json", record)


def _record(
    run: Run,
    dataset: Dataset,
    item: ExportedFile,
    latency: dict[str, Any],
    quality: dict[str, Any],
) -> dict[str, Any]:
    path = run.artifacts / item.file_name
    exported = read_json(path.with_name(f"{path.name}.json"))
    subject = Subject(
        name=item.name,
        role=item.role,
        file=f"artifacts/{item.file_name}",
        format=item.format,
        precision=item.precision,
    )
    record = measurement_record(
        subject,
        load_artifact(path, threads=run.recipe.measuring.threads),
        model_size=ModelSize(**exported["model"]),
        latency=latency,
        quality=quality,
        data={
            "name": dataset.name,
            "split": dataset.split.as_record(),
            "tile_px": run.recipe.data.tile_px,
        },
        seed=run.recipe.seed,
    )
    return record | {"export": {key: exported.get(key) for key in _OF_EXPORT}}


def _quality(
    run: Run, item: ExportedFile, part: Part, classes: Classes, progress: Progress
) -> dict[str, Any]:
    kept = _kept_quality(run, item)
    if not kept.is_file():
        artifact = load_artifact(run.artifacts / item.file_name)
        draw = sample_writer(
            run.measurements / "samples", part, classes, run.recipe.measuring.samples,
            item.name,
        )  # fmt: skip
        found = measure_quality(
            artifact, part, classes, progress=progress, on_image=draw
        )
        write_json(kept, found)
    found = read_json(kept)
    _carry_quality(run.artifacts / item.file_name, found)
    return found


def _kept_quality(run: Run, item: ExportedFile) -> Path:
    return run.measurements / "quality" / f"{item.name}.json"


def _carry_quality(path: Path, quality: dict[str, Any]) -> None:
    """Let a file say what it was measured to reach; it is then measured as it ships."""
    told = ("part", "images", "mean_iou", "pixel_accuracy")
    facts = read_facts(path) or {}
    reached = {key: quality[key] for key in told}
    if facts.get("quality") != reached:
        write_facts(path, facts | {"quality": reached})


def _write_classes(path: Path, classes: Classes) -> None:
    pairs = zip(classes.names, classes.colors, strict=True)
    write_json(path, [{"name": name, "color": list(color)} for name, color in pairs])


def sample_writer(
    folder: Path, part: Part, classes: Classes, count: int, name: str
) -> Callable[[int, AnnotatedImage, np.ndarray, np.ndarray], None]:
    """A callback for `measure_quality` that keeps pictures of up to `count` images.

    The images are spread evenly over the part. Beside image and truth each measured
    file leaves its prediction as `NAME.png`, in the colours of the classes.
    """
    count = min(count, len(part))
    chosen = {round(i * (len(part) - 1) / max(1, count - 1)): i for i in range(count)}

    def on_image(
        index: int, image: AnnotatedImage, labels: np.ndarray, predictions: np.ndarray
    ) -> None:
        if index not in chosen:
            return
        own = folder / f"{chosen[index]:02d}"
        _write_png(own / f"{name}.png", classes.colorize(predictions))
        if not (own / "truth.png").is_file():
            _write_png(own / "image.png", image.read()[0])
            _write_png(own / "truth.png", classes.colorize(labels))

    index = [
        {"image": part[at].name, "folder": f"{number:02d}"}
        for at, number in chosen.items()
    ]
    write_json(folder / "samples.json", index)
    return on_image


def _write_png(path: Path, pixels: np.ndarray) -> None:
    with written_whole(path) as partial:
        Image.fromarray(pixels).save(partial)
