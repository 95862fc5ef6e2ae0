"""Recipes and files of the trials that a search keeps for its user."""

import shutil
from collections.abc import Collection
from pathlib import Path

from segshrink.recipe import recipe_yaml
from segshrink.records import atomic_write, write_text
from segshrink.records.search import Trial
from segshrink.search.paths import ARTIFACTS, BEST
from segshrink.search.space import SearchRecipe, with_values


def keep_artifacts(
    trials: Collection[Trial], search_recipe: SearchRecipe, out: Path
) -> dict[int, str]:
    """Write recipe and file of some trials to `artifacts/`, and remove all others.

    Returns:
        Path of each file relative to `out`, by number of its trial.
    """
    stems = {f"trial-{trial.number:03d}" for trial in trials}
    for path in (out / ARTIFACTS).glob("trial-*"):
        if path.stem not in stems:
            path.unlink()
    files = {trial.number: _keep(trial, search_recipe, out) for trial in trials}
    return {number: file for number, file in files.items() if file is not None}


def write_best(trial: Trial, search_recipe: SearchRecipe, out: Path) -> None:
    """Write the recipe of the best trial to `best.yaml`."""
    write_text(out / BEST, _recipe_text(trial, search_recipe))


def _keep(trial: Trial, search_recipe: SearchRecipe, out: Path) -> str | None:
    """Copy the file of a trial; None if it has none on this machine."""
    stem = f"trial-{trial.number:03d}"
    write_text(out / ARTIFACTS / f"{stem}.yaml", _recipe_text(trial, search_recipe))
    # With a shared database the file may lie on another host.
    if trial.file is None or not (out / trial.file).is_file():
        return None
    kept = out / ARTIFACTS / f"{stem}{Path(trial.file).suffix}"
    if not kept.is_file():
        with atomic_write(kept) as partial:
            shutil.copyfile(out / trial.file, partial)
    return str(kept.relative_to(out))


def _recipe_text(trial: Trial, search_recipe: SearchRecipe) -> str:
    parts = [f"validation mIoU {trial.miou:.4f}"]
    if trial.latency_ms is not None:
        parts.append(f"{trial.latency_ms:.3g} ms, {trial.size_bytes:,} bytes")
    head = f"# Trial {trial.number} of a search: {', '.join(parts)}.\n"
    return head + recipe_yaml(with_values(search_recipe.recipe, trial.values))
