"""A run folder: where everything of one run lies, and whose run it is."""

import hashlib
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml

from segshrink.data import Dataset, Part
from segshrink.data.classes import show_code
from segshrink.data.splits import shortened
from segshrink.errors import RunFolderError
from segshrink.recipe import Recipe, parse_recipe, recipe_yaml
from segshrink.records import read_json, write_json, write_text

_RECIPE = "recipe.yaml"
_DATA = "data.json"


@dataclass(frozen=True)
class Run:
    """A run folder and the recipe it was made with.

    Attributes:
        folder: the run folder.
        recipe: the complete recipe.
    """

    folder: Path
    recipe: Recipe

    @property
    def teacher(self) -> Path:
        """The teacher's model file."""
        return self.folder / "teacher" / "model.keras"

    @property
    def student(self) -> Path:
        """The student's model file."""
        return self.folder / "student" / "model.keras"

    @property
    def artifacts(self) -> Path:
        """Folder of the exported files."""
        return self.folder / "artifacts"

    @property
    def measurements(self) -> Path:
        """Folder of the records, one a measured file."""
        return self.folder / "measurements"

    @property
    def report(self) -> Path:
        """The report page."""
        return self.folder / "report" / "index.html"


def open_run(
    folder: Path | str, recipe: Recipe, versions: str, dataset: Dataset
) -> Run:
    """Begin a run in `folder`, or go on with the same run.

    Args:
        folder: new or empty, or the folder of a run with an equal recipe and data.
        recipe: what is asked for.
        versions: written as a comment at the head of recipe.yaml.
        dataset: what the recipe's data is now. A model that was trained on other
            images than these may have seen those it will be measured on.

    Raises:
        RunFolderError: if the folder holds anything else; nothing is changed then.
    """
    folder = Path(folder)
    if folder.exists() and not folder.is_dir():
        raise RunFolderError(f"{folder}: this is a file. Name a folder for the run.")
    kept = folder / _RECIPE
    data = _facts_of(dataset)
    if kept.is_file():
        _require_same(folder, recipe, parse_recipe(_read(kept), where=str(kept)))
        if (folder / _DATA).is_file():
            _require_same_data(folder, data, read_json(folder / _DATA))
    elif folder.is_dir() and _foreign_files(folder):
        raise RunFolderError(
            f"{folder}: this folder holds other files and no {_RECIPE}. "
            "Name a new or empty folder."
        )
    else:
        _write(kept, f"# {versions}\n{recipe_yaml(recipe)}")
    if not (folder / _DATA).is_file():
        write_json(folder / _DATA, data)
    return Run(folder, recipe)


def data_of_run(folder: Path) -> dict[str, Any] | None:
    """Name, classes, split and images of a run's data; None where there is no run."""
    if not ((folder / _RECIPE).is_file() and (folder / _DATA).is_file()):
        return None
    found: dict[str, Any] = read_json(folder / _DATA)
    return found


def _foreign_files(folder: Path) -> list[Path]:
    # A kill before the recipe took its name leaves nothing but its partial file.
    return [path for path in folder.iterdir() if not path.name.startswith(".partial-")]


def _facts_of(dataset: Dataset) -> dict[str, Any]:
    """What tells this data from other data of the same recipe, as plain data."""
    classes = dataset.classes
    return {
        "name": dataset.name,
        "classes": {
            show_code(code, by_index=classes.by_index): name
            for code, name in zip(classes.codes, classes.names, strict=True)
        },
        "split": dataset.split.as_record(),
        "images": {
            part.name: {"count": len(part), "sha256": _digest(part)}
            for part in (dataset.train, dataset.val, dataset.test)
        },
    }


def _digest(part: Part) -> str:
    """Of the images' names, sizes and, where they were counted, classes."""
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


def _read(path: Path) -> Any:
    try:
        return yaml.safe_load(path.read_text(encoding="utf-8")) or {}
    except (OSError, UnicodeDecodeError, yaml.YAMLError) as error:
        raise RunFolderError(f"{path}: cannot be read ({error}).") from error


def _require_same(folder: Path, asked: Recipe, kept: Recipe) -> None:
    if asked == kept:
        return
    differences = _differences(asked.model_dump(), kept.model_dump())
    lines = [
        f"  {place}: there {there!r}, asked {here!r}"
        for place, here, there in differences
    ]
    raise RunFolderError(
        f"{folder}: this folder holds another run.\n"
        + "\n".join(lines)
        + "\nName another folder, or repeat the command that began the run."
    )


def _require_same_data(
    folder: Path, now: dict[str, Any], there: dict[str, Any]
) -> None:
    lines = []
    if list(there["classes"].items()) != list(now["classes"].items()):
        shown = [
            ", ".join(f"{name} ({code})" for code, name in side["classes"].items())
            for side in (there, now)
        ]
        lines.append(f"  classes: there {shown[0]}; now {shown[1]}")
    for part, images in now["images"].items():
        scenes = [shortened(side["split"][part]) for side in (there, now)]
        if there["split"][part] != now["split"][part]:
            lines.append(f"  {part}: there {scenes[0]}; now {scenes[1]}")
        elif there["images"][part] != images:
            lines.append(
                f"  {part}: {there['images'][part]['count']} images there, "
                f"{images['count']} now, or others, or with other masks"
            )
    if lines:
        raise RunFolderError(
            f"{folder}: this folder holds a run on other data.\n"
            + "\n".join(lines)
            + "\nName another folder, or bring back the data and the split it was "
            "begun with."
        )


def _differences(
    asked: dict[str, Any], kept: dict[str, Any], place: str = ""
) -> list[tuple[str, Any, Any]]:
    found = []
    # A section may have other fields there: another model's, or another loss's.
    for key in [*asked, *(key for key in kept if key not in asked)]:
        here, there = asked.get(key), kept.get(key)
        if isinstance(here, dict) and isinstance(there, dict):
            found += _differences(here, there, f"{place}{key}.")
        elif here != there:
            found.append((f"{place}{key}", here, there))
    return found
