"""Recipes that come with segshrink, by name."""

import re
from pathlib import Path

_FOLDER = Path(__file__).parent / "shipped"


def shipped_recipes() -> dict[str, str]:
    """The purpose of each recipe in one sentence, by its name.

    Raises:
        OSError: if the installation is damaged.
    """
    return {file.stem: _purpose(file) for file in sorted(_FOLDER.glob("*.yaml"))}


def recipe_file(named: Path | str) -> Path:
    """The file of a recipe: a path, or the name of one that comes with segshrink.

    A file of that name is taken before it.
    """
    path, shipped = Path(named), _FOLDER / f"{named}.yaml"
    is_name = len(path.parts) == 1 and not path.exists()
    return shipped if is_name and shipped.is_file() else path


def _purpose(file: Path) -> str:
    lines = file.read_text(encoding="utf-8").splitlines()
    comment = []
    for line in lines:
        if not line.startswith("#"):
            break
        comment.append(line.lstrip("# "))
    sentence = re.match(r".+?[.:](?=\s|$)", " ".join(comment))
    return "" if sentence is None else sentence[0].rstrip(".:")
