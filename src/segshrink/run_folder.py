"""A run folder: where everything of one run lies, and whose run it is."""

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml

from segshrink.errors import RunFolderError
from segshrink.recipe import Recipe, parse_recipe, recipe_yaml
from segshrink.records import write_text

_RECIPE = "recipe.yaml"


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


def open_run(folder: Path | str, recipe: Recipe, versions: str) -> Run:
    """Begin a run in `folder`, or go on with the same run.

    Args:
        folder: new or empty, or the folder of a run with an equal recipe.
        recipe: what is asked for.
        versions: written as a comment at the head of recipe.yaml.

    Raises:
        RunFolderError: if the folder holds anything else; nothing is changed then.
    """
    folder = Path(folder)
    if folder.exists() and not folder.is_dir():
        raise RunFolderError(f"{folder}: this is a file. Name a folder for the run.")
    kept = folder / _RECIPE
    if kept.is_file():
        _require_same(folder, recipe, parse_recipe(_read(kept), where=str(kept)))
    elif folder.is_dir() and _foreign_files(folder):
        raise RunFolderError(
            f"{folder}: this folder holds other files and no {_RECIPE}. "
            "Name a new or empty folder."
        )
    else:
        _write(kept, f"# {versions}\n{recipe_yaml(recipe)}")
    return Run(folder, recipe)


def _foreign_files(folder: Path) -> list[Path]:
    # A kill before the recipe took its name leaves nothing but its partial file.
    return [path for path in folder.iterdir() if not path.name.startswith(".partial-")]


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


def _differences(
    asked: dict[str, Any], kept: dict[str, Any], place: str = ""
) -> list[tuple[str, Any, Any]]:
    found = []
    for key, value in asked.items():
        if isinstance(value, dict) and isinstance(kept[key], dict):
            found += _differences(value, kept[key], f"{place}{key}.")
        elif value != kept[key]:
            found.append((f"{place}{key}", value, kept[key]))
    return found
