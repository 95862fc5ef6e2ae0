"""A run folder: where everything of one run lies, and whose run it is."""

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from rich.console import RenderableType

from segshrink.data import Dataset, Part
from segshrink.data.classes import show_code
from segshrink.data.known_pictures import refuse_known_pictures
from segshrink.data.splits import shortened
from segshrink.errors import RunFolderError
from segshrink.progress import Progress
from segshrink.reading import ReadingFault, read_yaml
from segshrink.recipe import Recipe, parse_recipe, recipe_yaml
from segshrink.records import write_text
from segshrink.records.measurement import Role, SplitRecord
from segshrink.records.run import PartImages, RunData
from segshrink.text_table import ShownInNotebooks

_RECIPE = "recipe.yaml"
_DATA = "data.json"
# What a search leaves in its folder first.
_OF_SEARCH = ("study.log", "search.json", "trials")


@dataclass(frozen=True)
class Run(ShownInNotebooks):
    """A run folder and the recipe it was made with.

    Attributes:
        folder: the run folder.
        recipe: the complete recipe.
    """

    folder: Path
    recipe: Recipe

    def __rich__(self) -> RenderableType:
        """The table of the report, or where the run stands."""
        # A weak device reads run folders, and has no package that draws.
        from segshrink.reporting import summary_table

        if any(self.measurements.glob("*.json")):
            return summary_table(self.folder)
        return f"{self.folder}: no file has been measured yet."

    @property
    def teacher(self) -> Path:
        """The teacher's model file."""
        return self.model(Role.TEACHER)

    @property
    def student(self) -> Path:
        """The student's model file."""
        return self.model(Role.STUDENT)

    @property
    def artifacts(self) -> Path:
        """Folder of the exported files."""
        return self.folder / "artifacts"

    @property
    def measurements(self) -> Path:
        """Folder of the records, one per measured file."""
        return self.folder / "measurements"

    @property
    def report(self) -> Path:
        """The report page."""
        return self.folder / "report" / "index.html"

    def stage(self, role: Role) -> Path:
        """Folder of the stage that makes the model of a role."""
        if role in (Role.MASKS_ONLY, Role.NO_TEACHER):
            return self.folder / "baselines" / role
        return self.folder / role

    def model(self, role: Role) -> Path:
        """Model file of a role."""
        return self.stage(role) / "model.keras"


def open_run(
    folder: Path | str,
    recipe: Recipe,
    versions: str,
    dataset: Dataset,
    *,
    of_search: bool = False,
) -> Run:
    """Begin a run in `folder`, or resume the run that the folder holds.

    Args:
        folder: new or empty, or the folder of a run with an equal recipe and data.
        recipe: the requested recipe.
        versions: written as a comment at the head of recipe.yaml.
        dataset: the recipe's data as it is now. A model that was trained on other
            images may have seen those that it would be measured on.
        of_search: whether a search begins there, or resumes.

    Raises:
        RunFolderError: if the folder holds anything else; nothing is changed then.
    """
    folder = Path(folder)
    if folder.exists() and not folder.is_dir():
        raise RunFolderError(f"{folder}: this is a file. Name a folder for the run.")
    if not of_search and any((folder / name).exists() for name in _OF_SEARCH):
        raise RunFolderError(
            f"{folder}: this folder holds a search. Name another folder."
        )
    kept = folder / _RECIPE
    data = _run_data(dataset)
    known = data_of_run(folder)
    if kept.is_file():
        _require_same(folder, recipe, _read_recipe(kept))
        if known is not None:
            _require_same_data(folder, data, known)
    elif folder.is_dir() and _foreign_files(folder):
        raise RunFolderError(
            f"{folder}: this folder holds other files and no {_RECIPE}. "
            "Name a new or empty folder."
        )
    else:
        _write(kept, f"# {versions}\n{recipe_yaml(recipe)}")
    if known is None:
        data.write(folder / _DATA)
    return Run(folder, recipe)


def refuse_known_pictures_of_new(
    folder: Path | str, dataset: Dataset, progress: Progress
) -> None:
    """Before a run begins, refuse unlabelled images that it would be measured on.

    A run that resumes was checked when it began, and `open_run` compares its images.

    Raises:
        DatasetError: naming the images.
    """
    if data_of_run(Path(folder)) is None:
        refuse_known_pictures(dataset, progress)


def data_of_run(folder: Path) -> RunData | None:
    """The data that a run was begun with; None if `folder` holds no run.

    Runs that were begun by early versions have no such record.
    """
    if not ((folder / _RECIPE).is_file() and (folder / _DATA).is_file()):
        return None
    return RunData.read(folder / _DATA)


def run_of_file(path: Path) -> Path | None:
    """The folder of the run that made a file; None if it lies in none."""
    # A run keeps its models and files at most three folders deep.
    for folder in path.absolute().parents[:3]:
        if data_of_run(folder) is not None:
            return folder
    return None


def recipe_of_run(folder: Path) -> Recipe:
    """The complete recipe of a run.

    Raises:
        RunFolderError: if it cannot be read.
        RecipeError: if it has faults.
    """
    return _read_recipe(folder / _RECIPE)


def require_data_of_run(folder: Path, dataset: Dataset) -> None:
    """Refuse labelled data that is not what the run was begun with.

    Raises:
        RunFolderError: listing the differences, or if `folder` holds no run.
    """
    known = data_of_run(folder)
    if known is None:
        raise RunFolderError(f"{folder}: holds no run. Name the folder of one.")
    only_labelled = known.model_copy(update={"unlabelled": None})
    _require_same_data(folder, _run_data(dataset), only_labelled)


def _foreign_files(folder: Path) -> list[Path]:
    # A kill before the recipe was renamed leaves only its partial file.
    return [path for path in folder.iterdir() if not path.name.startswith(".partial-")]


def _run_data(dataset: Dataset) -> RunData:
    """Describe the data so that other data of the same recipe is recognized."""
    classes, unlabelled = dataset.classes, dataset.unlabelled
    others: dict[str, Any] = {}
    if unlabelled is not None:
        others["unlabelled"] = _images(unlabelled)
    if dataset.train.bands is not None:
        others["bands"] = dataset.train.bands
    return RunData(
        name=dataset.name,
        classes={
            show_code(code, by_index=classes.by_index): name
            for code, name in zip(classes.codes, classes.names, strict=True)
        },
        split=SplitRecord.parse(dataset.split.as_record(), where=dataset.name),
        images={
            part.name: _images(part)
            for part in (dataset.train, dataset.val, dataset.test)
        },
        **others,
    )


def _images(part: Part) -> PartImages:
    return PartImages(count=len(part), sha256=_digest(part))


def _digest(part: Part) -> str:
    """SHA-256 of the images' names, sizes and, where they were counted, classes."""
    digest = hashlib.sha256()
    for image in part:
        counted = getattr(image, "class_pixels", ())
        size = (image.height_px, image.width_px)
        digest.update(repr((image.scene, image.name, size, counted)).encode())
    return digest.hexdigest()


def _write(path: Path, text: str) -> None:
    try:
        write_text(path, text)
    except OSError as error:
        raise RunFolderError(
            f"{path.parent}: cannot be written to ({error.strerror}). "
            "Name a folder that can."
        ) from error


def _read_recipe(path: Path) -> Recipe:
    try:
        plain = read_yaml(path) or {}
    except (OSError, UnicodeDecodeError, ReadingFault) as error:
        raise RunFolderError(f"{path}: cannot be read ({error}).") from error
    return parse_recipe(plain, where=str(path))


def _require_same(folder: Path, requested: Recipe, kept: Recipe) -> None:
    if requested == kept:
        return
    lines = [
        f"  {field}: {there!r} in this folder, {here!r} requested"
        for field, here, there in _differences(
            requested.model_dump(), kept.model_dump()
        )
    ]
    raise RunFolderError(
        f"{folder}: this folder holds another run.\n"
        + "\n".join(lines)
        + "\nName another folder, or repeat the command that began the run."
    )


def _require_same_data(folder: Path, now: RunData, then: RunData) -> None:
    lines = []
    if list(then.classes.items()) != list(now.classes.items()):
        lines.append(
            f"  classes: then {_shown_classes(then)}; now {_shown_classes(now)}"
        )
    for part, images in now.images.items():
        scenes, known = now.split.scenes(part), then.split.scenes(part)
        if scenes != known:
            lines.append(f"  {part}: then {shortened(known)}; now {shortened(scenes)}")
        elif then.images[part] != images:
            lines.append(
                f"  {part}: {then.images[part].count} images then, "
                f"{images.count} now; their names, sizes or masks differ"
            )
    if then.bands != now.bands:
        shown = [each.shown() if each else "RGB" for each in (then.bands, now.bands)]
        lines.append(f"  bands: then {shown[0]}; now {shown[1]}")
    if then.unlabelled != now.unlabelled:
        counts = [
            each.count if each else 0 for each in (then.unlabelled, now.unlabelled)
        ]
        lines.append(
            f"  unlabelled: {counts[0]} images then, {counts[1]} now; their names or "
            "sizes differ"
        )
    if lines:
        raise RunFolderError(
            f"{folder}: this folder holds a run on other data.\n"
            + "\n".join(lines)
            + "\nName another folder, or bring back the data and the split it was "
            "begun with."
        )


def _shown_classes(data: RunData) -> str:
    return ", ".join(f"{name} ({code})" for code, name in data.classes.items())


def _differences(
    requested: Mapping[str, object], kept: Mapping[str, object], section: str = ""
) -> list[tuple[str, object, object]]:
    """Dotted field, requested value and kept value wherever two recipes differ."""
    differences: list[tuple[str, object, object]] = []
    # A kept section may have other fields: those of another model or another loss.
    for key in [*requested, *(key for key in kept if key not in requested)]:
        here, there = requested.get(key), kept.get(key)
        if isinstance(here, dict) and isinstance(there, dict):
            differences += _differences(here, there, f"{section}{key}.")
        elif here != there:
            differences.append((f"{section}{key}", here, there))
    return differences
