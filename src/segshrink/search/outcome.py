"""What a search leaves: its record, the best recipe, and the files of the front."""

import shutil
import warnings
from contextlib import suppress
from importlib.metadata import version
from pathlib import Path
from typing import Any

import keras
import optuna
from optuna.trial import FrozenTrial, TrialState

from segshrink._version import __version__
from segshrink.data import Dataset
from segshrink.recipe import recipe_yaml
from segshrink.records import atomic_write, this_machine, write_json, write_text
from segshrink.search.files import ARTIFACTS, BEST, RECORD
from segshrink.search.ranking import best_of, front_of, is_feasible, refuted
from segshrink.search.space import SearchRecipe, with_values
from segshrink.search.study import ended, space_of, values_of

_TOLD = (
    "miou",
    "val_loss",
    "latency_ms",
    "size_bytes",
    "macs",
    "parameters",
    "remedy",
)
_LEAST_FOR_IMPORTANCE = 4


def write_outcome(
    asked: SearchRecipe,
    study: optuna.Study,
    dataset: Dataset,
    out: Path,
    *,
    workers: int,
) -> Path:
    """Write `search.json`, `best.yaml` and `artifacts/`, from the study alone.

    Files and recipes of the front, and of the best trial, are named after their trials;
    those of an earlier front that are no longer on it are removed.

    Returns:
        The record's path.
    """
    trials = ended(study)
    over = refuted(study, asked)
    best = best_of(study, asked)
    front = front_of([trial for trial in trials if trial.number not in over])
    shown = sorted({*front, *([] if best is None else [best])})
    files = {}
    for trial in trials:
        if trial.number in shown:
            files[trial.number] = _keep(trial, asked, out)
    _remove_others(out / ARTIFACTS, shown)
    if best is not None:
        found = next(trial for trial in trials if trial.number == best)
        recipe = with_values(asked.recipe, values_of(found, asked))
        write_text(out / BEST, _head(found) + recipe_yaml(recipe))
    search = asked.search
    record = {
        "format": 1,
        **search.model_dump(
            mode="json", include={"objective", "of", "limits", "sampler", "scheduler"}
        ),
        "trials_wanted": search.trials,
        "seed": asked.recipe.seed,
        "workers": workers,
        "threads": asked.recipe.measuring.threads,
        "data": {"name": dataset.name, "split": dataset.split.as_record()},
        "machine": this_machine().as_plain(),
        "segshrink": __version__,
        "backend": keras.backend.backend(),
        **_runtime(asked),
        "seconds": _sum(study, "seconds of "),
        "scheduling_seconds": _sum(study, "scheduling seconds of "),
        "trial_seconds": round(sum(t.user_attrs["seconds"] for t in trials), 2),
        "space": {
            place: dimension.as_record() for place, dimension in space_of(asked).items()
        },
        "teacher": study.user_attrs.get("teacher"),
        "trials": [
            _told(trial, asked, files.get(trial.number))
            | ({"is_feasible": False} if trial.number in over else {})
            for trial in trials
        ],
        "best": best,
        "front": front,
        "importance": _importance(study, asked),
    }
    path = out / RECORD
    write_json(path, record)
    return path


def _sum(study: optuna.Study, what: str) -> float:
    """What each driver of the study has put down, together."""
    found = (x for name, x in study.user_attrs.items() if name.startswith(what))
    return round(sum(found), 2)


def _runtime(asked: SearchRecipe) -> dict[str, str | None]:
    if asked.search.of == "teacher":
        return {"runtime": None, "runtime_version": None}
    export = asked.recipe.export
    if export.int8 or export.litert:
        return {"runtime": "litert", "runtime_version": version("ai-edge-litert")}
    return {"runtime": "onnx", "runtime_version": version("onnxruntime")}


def _told(trial: FrozenTrial, asked: SearchRecipe, file: str | None) -> dict[str, Any]:
    facts = trial.user_attrs
    return {
        "number": trial.number,
        "state": facts["outcome"],
        "is_default": bool(facts.get("is_default")),
        "reason": facts.get("reason"),
        "values": values_of(trial, asked),
        **{name: facts.get(name) for name in _TOLD},
        "is_feasible": is_feasible(trial),
        "epochs": facts.get("epochs", []),
        "seconds": facts["seconds"],
        "file": file,
    }


def _keep(trial: FrozenTrial, asked: SearchRecipe, out: Path) -> str | None:
    """Put a trial's recipe and file where the user looks; None without a file here."""
    stem = f"trial-{trial.number:03d}"
    recipe = with_values(asked.recipe, values_of(trial, asked))
    write_text(out / ARTIFACTS / f"{stem}.yaml", _head(trial) + recipe_yaml(recipe))
    made = trial.user_attrs.get("file")
    # With a shared database it may lie on another host.
    if made is None or not (out / made).is_file():
        return None
    kept = out / ARTIFACTS / f"{stem}{Path(made).suffix}"
    if not kept.is_file():
        with atomic_write(kept) as partial:
            shutil.copyfile(out / made, partial)
    return str(kept.relative_to(out))


def _head(trial: FrozenTrial) -> str:
    facts = trial.user_attrs
    parts = [f"validation mIoU {facts['miou']:.4f}"]
    if "latency_ms" in facts:
        parts.append(f"{facts['latency_ms']:.3g} ms, {facts['size_bytes']:,} bytes")
    return f"# Trial {trial.number} of a search: {', '.join(parts)}.\n"


def _remove_others(folder: Path, shown: list[int]) -> None:
    stems = {f"trial-{number:03d}" for number in shown}
    for path in folder.glob("trial-*"):
        if path.stem not in stems:
            path.unlink()


def _importance(study: optuna.Study, asked: SearchRecipe) -> dict[str, float]:
    """Share of each parameter in the variance of the objective, of a front of mIoU."""
    complete = [t for t in ended(study) if t.state == TrialState.COMPLETE]
    if len(complete) < _LEAST_FOR_IMPORTANCE:
        return {}
    is_front = asked.search.objective == "front"
    with warnings.catch_warnings(), suppress(RuntimeError, ValueError):
        # Few trials make it uncertain, which the report says.
        warnings.simplefilter("ignore")
        found = optuna.importance.get_param_importances(
            study,
            evaluator=optuna.importance.PedAnovaImportanceEvaluator(),
            target=(lambda trial: trial.values[0]) if is_front else None,
        )
        return {place: round(share, 4) for place, share in found.items()}
    # All trials are alike, or no parameter is in all of them.
    return {}
