"""Reads a run folder into records; what is optional may be missing."""

import csv
import math
from pathlib import Path
from typing import Any

import yaml
from pydantic import TypeAdapter, ValidationError

from segshrink.errors import RunFolderError, fault_lines
from segshrink.records import read_json
from segshrink.records.measurement import ClassColor, Measurement, Role
from segshrink.reporting.run_types import History, RunRecords, Sample

_ROLE_ORDER = {role: place for place, role in enumerate(Role)}
_RUNTIME_ORDER = {"litert": 0, "onnx": 1, "openvino": 2, "keras": 3}
_HISTORY_FOLDERS = {
    Role.TEACHER: "teacher",
    Role.STUDENT: "student",
    Role.NO_TEACHER: "baselines/alone",
    Role.MASKS_ONLY: "baselines/masked",
}
_NOT_MEASUREMENTS = {"classes.json"}


def read_run(run_folder: Path | str) -> RunRecords:
    """Read all records of a run folder.

    Raises:
        RunFolderError: if the folder is missing, holds no measurements, or holds a
            record that is not of the known shape.
    """
    folder = Path(run_folder)
    if not folder.is_dir():
        raise RunFolderError(
            f"{folder}: no such folder. Name a folder that `segshrink compress` wrote."
        )
    recipe, recipe_text = _read_recipe(folder / "recipe.yaml")
    return RunRecords(
        folder=folder,
        measurements=_read_measurements(folder / "measurements"),
        histories=_read_histories(folder),
        classes=_read_classes(folder / "measurements" / "classes.json"),
        samples=_read_samples(folder / "measurements" / "samples"),
        recipe=recipe,
        recipe_text=recipe_text,
    )


def _read_measurements(folder: Path) -> tuple[Measurement, ...]:
    paths = [
        path
        for path in sorted(folder.glob("*.json"))
        if path.name not in _NOT_MEASUREMENTS and not path.name.startswith(".")
    ]
    if not paths:
        raise RunFolderError(
            f"{folder}: no measurements, so there is nothing to report. "
            "Make them with `segshrink compress`, which continues a run that was "
            "stopped."
        )
    measurements = [validated(Measurement, read_json(path), path) for path in paths]
    _refuse_doubles(measurements, folder)
    return tuple(sorted(measurements, key=_place_in_report))


def _refuse_doubles(measurements: list[Measurement], folder: Path) -> None:
    names = [measurement.name for measurement in measurements]
    doubles = sorted({name for name in names if names.count(name) > 1})
    if doubles:
        raise RunFolderError(
            f"{folder}: names of measurements must differ, but {', '.join(doubles)} "
            "stands in more than one record. Delete the one that is out of date."
        )


def _place_in_report(measurement: Measurement) -> tuple[int, int, bool, str]:
    return (
        _ROLE_ORDER[measurement.role],
        _RUNTIME_ORDER.get(measurement.runtime, len(_RUNTIME_ORDER)),
        measurement.precision != "float32",
        measurement.name,
    )


def validated(shape: Any, record: Any, path: Path, verb: str = "compress") -> Any:
    """The record as an instance of `shape`.

    Args:
        shape: a type that Pydantic can check.
        record: plain data.
        path: where it was read.
        verb: which command of segshrink writes it anew.

    Raises:
        RunFolderError: if it is not of that shape; lists all that is wrong.
    """
    try:
        return TypeAdapter(shape).validate_python(record)
    except ValidationError as error:
        raise RunFolderError(_all_faults(path, error, verb)) from None


def _all_faults(path: Path, error: ValidationError, verb: str) -> str:
    lines = [f"{path}: not a record that a report can read."]
    lines += [f"  {line}" for line in fault_lines(error)]
    lines.append(f"Delete the file and run `segshrink {verb}` again.")
    return "\n".join(lines)


def _read_histories(folder: Path) -> dict[str, History]:
    paths = {
        name: folder / place / "history.csv" for name, place in _HISTORY_FOLDERS.items()
    }
    return {name: _read_history(path) for name, path in paths.items() if path.is_file()}


def _read_history(path: Path) -> History:
    try:
        with path.open(newline="", encoding="utf-8") as file:
            rows = list(csv.DictReader(file))
        epochs = tuple(int(row["epoch"]) for row in rows)
        names = [name for name in (rows[0] if rows else ()) if name != "epoch"]
        columns = {name: tuple(_number(row[name]) for row in rows) for name in names}
    except (KeyError, TypeError, ValueError) as error:
        raise RunFolderError(
            f"{path}: a history needs a column `epoch` and numbers in all others "
            f"({error!r}). Delete the file and run the training again."
        ) from error
    return History(epochs, columns)


def _number(cell: str) -> float | None:
    if not cell:
        return None
    value = float(cell)
    return value if math.isfinite(value) else None


def _read_classes(path: Path) -> tuple[ClassColor, ...]:
    if not path.is_file():
        return ()
    classes: tuple[ClassColor, ...]
    classes = validated(tuple[ClassColor, ...], read_json(path), path)
    return classes


def _read_samples(folder: Path) -> tuple[Sample, ...]:
    index = folder / "samples.json"
    if not index.is_file():
        return ()
    entries = validated(list[dict[str, str]], read_json(index), index)
    samples = [_read_sample(folder, entry, index) for entry in entries]
    return tuple(sample for sample in samples if sample is not None)


def _read_sample(folder: Path, entry: dict[str, str], index: Path) -> Sample | None:
    if {"image", "folder"} - entry.keys() or Path(entry["folder"]).name != entry[
        "folder"
    ]:
        raise RunFolderError(
            f"{index}: a sample names its `image` and its `folder`, a plain name, "
            f"got {entry}. Delete the file and run `segshrink compress` again."
        )
    pictures = {
        path.stem: path for path in sorted((folder / entry["folder"]).glob("*.png"))
    }
    image = pictures.pop("image", None)
    if image is None:
        return None
    truth = pictures.pop("truth", None)
    return Sample(entry["image"], image, truth, pictures)


def _read_recipe(path: Path) -> tuple[dict[str, Any], str]:
    if not path.is_file():
        return {}, ""
    text = path.read_text(encoding="utf-8")
    try:
        recipe = yaml.safe_load(text)
    except yaml.YAMLError as error:
        raise RunFolderError(f"{path}: not YAML. {error}") from error
    return (recipe if isinstance(recipe, dict) else {}), text
