"""Search of the settings with which a student is pruned and distilled."""

from dataclasses import dataclass
from pathlib import Path
from typing import Any

from segshrink.data import Dataset
from segshrink.errors import MissingExtraError, TrainingError, UsageError
from segshrink.pipeline import make_teacher, open_recipe_data, require_trainable
from segshrink.progress import Progress, SilentProgress
from segshrink.recipe import Recipe, parse_recipe, recipe_yaml
from segshrink.records import write_text
from segshrink.run_folder import open_run
from segshrink.stages import run_stage, versions
from segshrink.students import make_student

_TEACHER = "teacher"
_TRIALS = "trials"


@dataclass(frozen=True)
class BestTrial:
    """What a search found.

    Attributes:
        trial: number of the trial, from 0.
        miou: mean IoU of its student on the validation part, in [0, 1].
        values: recipe fields and the values that were found for them.
        recipe: file that holds the whole recipe.
    """

    trial: int
    miou: float
    values: dict[str, Any]
    recipe: Path


def search_student(
    recipe: Recipe, out: Path, *, trials: int, progress: Progress | None = None
) -> BestTrial:
    """Try students of one teacher and keep the recipe of the best by validation mIoU.

    Searched are the student's learning rate, the scope of pruning, and of distillation
    the weight of the labels and that of the loss or, where the recipe names losses, the
    temperature of pixel_kl. Trials are proposed by Optuna's
    tree-structured Parzen estimator and kept in `out/study.log`; a search that was
    stopped goes on, also within a trial. A trial whose loss becomes no number counts as
    finished, and is not the best.

    Args:
        recipe: everything that is not searched.
        out: folder of the search.
        trials: number of finished trials to reach in all, at least 1.
        progress: told of all long work.

    Raises:
        MissingExtraError: without Optuna.
        TrainingError: if no trial came to a result.
        UsageError: if the recipe takes its teacher from a file or its student is not
            a pruned one.
        SegshrinkError: as for `compress`.
    """
    try:
        import optuna
    except ImportError:
        raise MissingExtraError("Search", "search") from None
    if recipe.teacher.file is not None or recipe.student.kind != "pruned":
        raise UsageError("search trains its own teacher and prunes it: drop the field.")
    progress = progress or SilentProgress()
    dataset = open_recipe_data(recipe, progress)
    require_trainable(recipe, dataset)
    open_run(out, recipe, versions())
    teacher = run_stage(
        out / _TEACHER,
        lambda folder: make_teacher(recipe, dataset, folder, None, progress),
    )
    progress.say(f"teacher: mIoU {teacher['best_val_miou']:.4f}")
    optuna.logging.set_verbosity(optuna.logging.WARNING)
    study = _open_study(out, recipe.seed)
    state = optuna.trial.TrialState
    missing = trials - len(study.get_trials(states=[state.COMPLETE, state.PRUNED]))
    if missing > 0:
        _take_up_stopped(study, out)
        study.optimize(
            lambda trial: _try(trial, recipe, dataset, out, progress), n_trials=missing
        )
    if not study.get_trials(states=[state.COMPLETE]):
        raise TrainingError(
            f"{out}: in none of {trials} trials the loss stayed a number. "
            "Lower student.training.learning_rate, or check the teacher."
        )
    best = study.best_trial
    path = out / "best.yaml"
    write_text(path, recipe_yaml(_with_values(recipe, best.params)))
    return BestTrial(best.number, best.value, best.params, path)


def _try(
    trial: Any, recipe: Recipe, dataset: Dataset, out: Path, progress: Progress
) -> float:
    """Mean IoU on validation of the student that `trial` proposes."""
    import optuna

    tried = _with_values(recipe, _propose(trial, recipe))
    teacher = out / _TEACHER / "model.keras"
    try:
        record = run_stage(
            _trial_folder(out, trial.number),
            lambda folder: make_student(tried, dataset, teacher, folder, progress),
        )
    except TrainingError as error:
        progress.say(f"trial {trial.number}: {error}")
        raise optuna.TrialPruned from error
    miou: float = record["best_val_miou"]
    progress.say(f"trial {trial.number}: mIoU {miou:.4f}")
    return miou


def _take_up_stopped(study: Any, out: Path) -> None:
    """Propose once more what was being tried when the search was stopped.

    Optuna gives it a new number; what was trained of it moves there.
    """
    from optuna.trial import TrialState

    for trial in study.get_trials(states=[TrialState.RUNNING, TrialState.FAIL]):
        folder = _trial_folder(out, trial.number)
        if folder.is_dir():
            study.enqueue_trial(trial.params)
            folder.rename(_trial_folder(out, study.trials[-1].number))


def _trial_folder(out: Path, number: int) -> Path:
    return out / _TRIALS / f"{number:03d}"


def _open_study(out: Path, seed: int) -> Any:
    import optuna
    from optuna.storages import JournalStorage
    from optuna.storages.journal import JournalFileBackend

    storage = JournalStorage(JournalFileBackend(str(out / "study.log")))
    done = 0
    try:
        done = len(optuna.load_study(study_name="segshrink", storage=storage).trials)
    except KeyError:
        pass
    # A continued study must not propose the same beginning again.
    sampler = optuna.samplers.TPESampler(seed=seed + done)
    return optuna.create_study(
        study_name="segshrink",
        storage=storage,
        sampler=sampler,
        direction="maximize",
        load_if_exists=True,
    )


def _propose(trial: Any, recipe: Recipe) -> dict[str, Any]:
    rate = trial.suggest_float("student.training.learning_rate", 2e-4, 1e-2, log=True)
    supervised = trial.suggest_float("student.distillation.supervised", 0.0, 1.0)
    scope = trial.suggest_categorical("student.pruning.scope", ["layer", "global"])
    values = {
        "student.training.learning_rate": rate,
        "student.distillation.supervised": supervised,
        "student.pruning.scope": scope,
    }
    given = recipe.student.distillation.losses
    if given is None:
        place = "student.distillation.losses.channel_wise"
        values[place] = trial.suggest_float(place, 0.1, 10.0, log=True)
    elif "pixel_kl" in given:
        place = "student.distillation.temperature"
        values[place] = trial.suggest_float(place, 1.0, 6.0, log=True)
    return values


def _with_values(recipe: Recipe, values: dict[str, Any]) -> Recipe:
    data = recipe.model_dump(mode="json", exclude_unset=True)
    for place, value in values.items():
        *sections, field = place.split(".")
        section = data
        for name in sections:
            section = section.setdefault(name, {})
        section[field] = value
    return parse_recipe(data)
