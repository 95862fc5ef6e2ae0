"""The job of a trial: its recipe, and instructions to its process."""

from collections.abc import Sequence
from pathlib import Path

from segshrink.recipe import Recipe, recipe_yaml
from segshrink.records import write_text
from segshrink.records.trial import Job
from segshrink.search.paths import ERROR, JOB, RECIPE, STOP
from segshrink.search.space import SearchSettings


def write_job(
    folder: Path,
    recipe: Recipe,
    settings: SearchSettings,
    *,
    teacher: Path | None,
    cores: Sequence[int] | None,
) -> None:
    """Write the files that the process of a trial starts from.

    Args:
        folder: of the trial; the error of an earlier start and a request to stop it
            are removed.
        recipe: what to try.
        settings: of the search.
        teacher: model file of the teacher; None in a search of teachers.
        cores: cores that the process keeps to; None leaves that to a cluster.
    """
    for left in (ERROR, STOP):
        (folder / left).unlink(missing_ok=True)
    write_text(folder / RECIPE, recipe_yaml(recipe))
    Job(
        of=settings.of,
        teacher=str(teacher) if teacher else None,
        logits=str(teacher.parent / "logits") if teacher else None,
        probe=is_probed(recipe, settings),
        cores=None if cores is None else tuple(cores),
    ).write(folder / JOB)


def is_probed(recipe: Recipe, settings: SearchSettings) -> bool:
    """Whether the file is exported and timed before training, to skip it early."""
    if settings.of == "teacher":
        return False
    # The size after several steps of pruning is known after their training only.
    if recipe.student.kind == "pruned" and recipe.student.pruning.steps > 1:
        return False
    limits = settings.limits
    is_limited = bool(limits.latency_ms or limits.size_bytes)
    return settings.objective == "front" or is_limited
