"""A run folder as its records tell it; what is optional may be missing."""

import csv
import math
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path

from segshrink.errors import RunFolderError
from segshrink.formats import Format, Precision
from segshrink.records import read_json
from segshrink.records.bands import Bands
from segshrink.records.measurement import ClassColor, Measurement, Quality, Role
from segshrink.records.run import RunData, SampleEntry
from segshrink.records.stage import TrainedRecord

_ROLE_ORDER = (Role.TEACHER, Role.MASKS_ONLY, Role.NO_TEACHER, Role.STUDENT)
_HISTORY_FOLDERS = {
    Role.TEACHER: "teacher",
    Role.STUDENT: "student",
    Role.NO_TEACHER: "baselines/alone",
    Role.MASKS_ONLY: "baselines/masked",
}
_NOT_MEASUREMENTS = {"classes.json"}


@dataclass(frozen=True)
class History:
    """One training run: `columns[name][i]` belongs to `epochs[i]`, 1-based.

    `steps` are the training steps of all epochs and `tiles` the tiles that they saw;
    None if they are not recorded, and steps also if the model was smaller in some.
    """

    epochs: tuple[int, ...]
    columns: Mapping[str, tuple[float | None, ...]]
    steps: int | None = None
    tiles: int | None = None

    def points(self, column: str) -> tuple[list[int], list[float]]:
        """Epochs and values where `column` holds a number; empty without it."""
        known = [
            (epoch, value)
            for epoch, value in zip(
                self.epochs, self.columns.get(column, ()), strict=False
            )
            if value is not None
        ]
        return [epoch for epoch, _ in known], [value for _, value in known]

    @property
    def best_epoch(self) -> tuple[int, float] | None:
        """The first epoch with the highest validation mIoU, and that mIoU."""
        return max(self.validated, key=lambda point: point[1], default=None)

    @property
    def validated(self) -> list[tuple[int, float]]:
        """Epochs that were validated, each with its mIoU."""
        return list(zip(*self.points("val_miou"), strict=True))


@dataclass(frozen=True)
class Sample:
    """A held-out image with its truth and predictions, as coloured pictures."""

    name: str
    image: Path
    truth: Path | None
    predictions: Mapping[str, Path]


@dataclass(frozen=True)
class RunRecords:
    """A run folder as its records tell it.

    `measurements` are sorted: teacher, then baselines, then students; `recipe_text` is
    the YAML as it lies in the folder, and `unlabelled` the number of images on which
    only a teacher counted. `bands` are those of images that are no plain pictures.
    `color_prior` are the scores of telling classes by colour
    alone, `worst` the images on which the students are worst; early versions kept
    neither.
    """

    folder: Path
    measurements: tuple[Measurement, ...]
    histories: Mapping[Role, History]
    classes: tuple[ClassColor, ...]
    samples: tuple[Sample, ...]
    recipe_text: str
    unlabelled: int = 0
    bands: Bands | None = None
    color_prior: Quality | None = None
    worst: tuple[Sample, ...] = ()

    def of_role(self, role: Role) -> list[Measurement]:
        """The measurements of one role."""
        return [each for each in self.measurements if each.role is role]


def read_run(run_folder: Path | str) -> RunRecords:
    """Read all records of a run folder.

    Raises:
        RunFolderError: if the folder is missing, holds no measurements, or holds a
            record that does not have the known shape.
    """
    folder = Path(run_folder)
    if not folder.is_dir():
        raise RunFolderError(
            f"{folder}: no such folder. Name a folder that `segshrink compress` wrote."
        )
    recipe = folder / "recipe.yaml"
    histories = {
        role: _read_history(path)
        for role, place in _HISTORY_FOLDERS.items()
        if (path := folder / place / "history.csv").is_file()
    }
    measurements = folder / "measurements"
    index = measurements / "classes.json"
    prior = measurements / "quality" / "color_prior.json"
    colors = tuple(ClassColor.parse(each, where=index) for each in _read_list(index))
    data = _read_data(folder / "data.json")
    return RunRecords(
        folder=folder,
        measurements=_read_measurements(measurements),
        histories=histories,
        classes=colors,
        samples=_read_samples(measurements / "samples" / "samples.json"),
        worst=_read_samples(measurements / "samples" / "worst.json"),
        recipe_text=recipe.read_text("utf-8", "replace") if recipe.is_file() else "",
        unlabelled=data.unlabelled.count if data and data.unlabelled else 0,
        bands=data.bands if data else None,
        color_prior=Quality.read(prior) if prior.is_file() else None,
    )


def _read_data(path: Path) -> RunData | None:
    # Early versions wrote no such record.
    return RunData.read(path) if path.is_file() else None


def _read_measurements(folder: Path) -> tuple[Measurement, ...]:
    measurements = [
        Measurement.read(path)
        for path in sorted(folder.glob("*.json"))
        if path.name not in _NOT_MEASUREMENTS and not path.name.startswith(".")
    ]
    if not measurements:
        raise RunFolderError(
            f"{folder}: no measurements, so there is nothing to report. "
            "Make them with `segshrink compress`, which resumes a run that was stopped."
        )
    names = [measurement.name for measurement in measurements]
    doubles = sorted({name for name in names if names.count(name) > 1})
    if doubles:
        raise RunFolderError(
            f"{folder}: names of measurements must differ, but {', '.join(doubles)} "
            "stands in more than one record. Delete the one that is out of date."
        )
    return tuple(sorted(measurements, key=_place_in_report))


def _place_in_report(measurement: Measurement) -> tuple[int, int, bool, str]:
    runtimes = [*Format, measurement.runtime]
    return (
        _ROLE_ORDER.index(measurement.role),
        runtimes.index(measurement.runtime),
        measurement.precision != Precision.FLOAT32,
        measurement.name,
    )


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
    record = path.with_name("record.json")
    if not record.is_file():
        return History(epochs, columns)
    trained = TrainedRecord.read(record)
    # A student that was pruned in steps was trained in each, at other sizes.
    earlier = [TrainedRecord.read(x) for x in path.parent.glob("step-*/record.json")]
    if earlier:
        return History(
            epochs, columns, None, _sum(x.tiles for x in (*earlier, trained))
        )
    return History(epochs, columns, trained.steps, trained.tiles)


def _sum(counts: Iterable[int | None]) -> int | None:
    known = list(counts)
    return None if None in known else sum(x for x in known if x is not None)


def _number(cell: str) -> float | None:
    value = float(cell) if cell else math.nan
    return value if math.isfinite(value) else None


def _read_list(path: Path) -> list[object]:
    """The entries of a JSON list; none without the file."""
    plain = read_json(path) if path.is_file() else []
    if not isinstance(plain, list):
        raise RunFolderError(
            f"{path}: not a list. Delete the file and run `segshrink compress` again."
        )
    return plain


def _read_samples(index: Path) -> tuple[Sample, ...]:
    folder, samples = index.parent, []
    for plain in _read_list(index):
        entry = SampleEntry.parse(plain, where=index)
        if Path(entry.folder).name != entry.folder:
            raise RunFolderError(
                f"{index}: the folder of a sample must be a plain name, got "
                f"{entry.folder!r}. Delete the file and run `segshrink compress` again."
            )
        paths = sorted((folder / entry.folder).glob("*.png"))
        pictures = {path.stem: path for path in paths}
        image, truth = pictures.pop("image", None), pictures.pop("truth", None)
        if image is not None:
            samples.append(Sample(entry.image, image, truth, pictures))
    return tuple(samples)
