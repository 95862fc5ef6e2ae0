"""The Optuna study behind a search: storage, sampler, pruner, and what trials say.

The study is the only truth of a search. All that is known of a trial stands in its
attributes, so that any process that opens the storage sees the whole search.
"""

import time
import warnings
from collections.abc import Container, Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import optuna
from optuna.exceptions import ExperimentalWarning
from optuna.storages import JournalStorage
from optuna.storages.journal import JournalFileBackend
from optuna.trial import FrozenTrial, Trial, TrialState

from segshrink.errors import RunFolderError, UsageError, first_line
from segshrink.search.space import Dimension, SearchRecipe, is_active

NAME = "segshrink"
JOURNAL = "study.log"

# A trial of another driver that has said nothing for so long has died with it.
_SILENT_SECONDS = 600.0
_MOST_RANDOM_TRIALS = 10
_LEAST_RANDOM_TRIALS = 4
_REDUCTION = 3


def open_study(asked: SearchRecipe, out: Path, storage: str | None) -> optuna.Study:
    """Open the search's study, or begin it.

    Args:
        asked: what is searched; says the directions.
        out: folder of the search, where the journal lies without `storage`.
        storage: URL of a database that several hosts share.

    Raises:
        RunFolderError: if the storage holds a study of other objectives.
        UsageError: if the database cannot be opened.
    """
    optuna.logging.set_verbosity(optuna.logging.ERROR)
    directions = directions_of(asked)
    try:
        study = optuna.create_study(
            study_name=NAME,
            storage=_storage(out, storage),
            directions=directions,
            load_if_exists=True,
        )
    except Exception as error:
        # Each database has its own kinds of errors, and a missing driver is another.
        if storage is None:
            raise
        reason = first_line(error)
        raise UsageError(
            f"--storage {storage}: cannot be opened ({reason}). Give the URL of a "
            "database that this machine reaches, such as sqlite:///search.db."
        ) from error
    found = [each.name.lower() for each in study.directions]
    if found != directions:
        raise RunFolderError(
            f"{storage or out}: holds a study with {len(found)} objective(s) to "
            f"{' and '.join(found)}; this search has {len(directions)} to "
            f"{' and '.join(directions)}. Name another place."
        )
    _require_same_space(study, asked, str(storage or out))
    front = ["miou", "latency_ms"]
    objective = asked.search.objective
    with _experiments():
        study.set_metric_names(front if objective == "front" else [objective])
    study.pruner = _pruner(asked)
    return study


def space_of(asked: SearchRecipe) -> dict[str, Dimension]:
    """The dimensions by place, each after those that its conditions name."""
    return dict(asked.search.space or {})


def directions_of(asked: SearchRecipe) -> list[str]:
    """What Optuna shall do with each objective."""
    return {
        "miou": ["maximize"],
        "val_loss": ["minimize"],
        "front": ["maximize", "minimize"],
    }[asked.search.objective]


def _storage(out: Path, url: str | None) -> Any:
    if url is not None:
        return url
    out.mkdir(parents=True, exist_ok=True)
    return JournalStorage(JournalFileBackend(str(out / JOURNAL)))


def _require_same_space(study: optuna.Study, asked: SearchRecipe, where: str) -> None:
    # Optuna would mix trials of two spaces without a word.
    wanted = asked.search.model_dump(mode="json", exclude={"trials", "minutes"})
    wanted["recipe"] = asked.recipe.model_dump(mode="json")
    kept = study.user_attrs.get("asked")
    if kept is None:
        study.set_user_attr("asked", wanted)
    elif kept != wanted:
        names = sorted(key for key in wanted if kept.get(key) != wanted[key])
        raise RunFolderError(
            f"{where}: holds another search; {', '.join(names)} differ. Name another "
            "folder or storage, or repeat the recipe that began the search."
        )


def _pruner(asked: SearchRecipe) -> optuna.pruners.BasePruner:
    if asked.search.scheduler != "hyperband":
        return optuna.pruners.NopPruner()
    return optuna.pruners.HyperbandPruner(
        min_resource=1, max_resource=_most_epochs(asked), reduction_factor=_REDUCTION
    )


def _most_epochs(asked: SearchRecipe) -> int:
    place = f"{asked.search.of}.training.epochs"
    dimension = space_of(asked).get(place)
    if dimension is None:
        section = getattr(asked.recipe, asked.search.of)
        return int(section.training.epochs)
    return int(max(dimension.choice or dimension.int or dimension.float or (1,)))


def next_trial(study: optuna.Study, asked: SearchRecipe) -> Trial:
    """Ask for a trial, with a sampler that is seeded for it anew.

    So a search that goes on proposes what it would have proposed without the stop.
    """
    proposed = [
        trial
        for trial in study.get_trials(deepcopy=False)
        # Not one that goes on with another, nor one whose search died as it was begun.
        if "continues" not in trial.user_attrs
        and (trial.state == TrialState.RUNNING or _has_all_values(trial, asked))
    ]
    study.sampler = _sampler(asked, len(proposed))
    return study.ask()


def _sampler(asked: SearchRecipe, number: int) -> optuna.samplers.BaseSampler:
    # Neighbouring seeds of one generator would give neighbouring searches.
    seed = (asked.recipe.seed * 1_000_003 + number) % 2**32
    if asked.search.sampler == "random":
        return optuna.samplers.RandomSampler(seed=seed)
    random_trials = min(
        _MOST_RANDOM_TRIALS, max(_LEAST_RANDOM_TRIALS, asked.search.trials // 4)
    )
    # Parameters that not all trials have are sampled together with those they go with.
    is_conditional = any(dimension.when for dimension in space_of(asked).values())
    options = {"multivariate": True, "group": True} if is_conditional else {}
    with _experiments():
        return optuna.samplers.TPESampler(
            seed=seed, n_startup_trials=random_trials, **options
        )


@contextmanager
def _experiments() -> Iterator[None]:
    """Silence Optuna on what of it is experimental, since users chose none of that."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", ExperimentalWarning)
        yield


def propose(trial: Trial, asked: SearchRecipe) -> dict[str, Any]:
    """Recipe fields and values that a trial shall try."""
    values: dict[str, Any] = {}
    for place, dimension in space_of(asked).items():
        if is_active(dimension, values, asked.recipe):
            values[place] = dimension.value(_suggested(trial, place, dimension))
    return values


def _suggested(trial: Trial, place: str, dimension: Dimension) -> Any:
    if dimension.choice is not None:
        return trial.suggest_categorical(place, dimension.labels)
    if dimension.int is not None:
        low, high = dimension.int
        step = dimension.step or 1
        return trial.suggest_int(place, low, high, log=dimension.log, step=step)
    return trial.suggest_float(place, *dimension.range, log=dimension.log)


def labels_of(values: Mapping[str, Any], asked: SearchRecipe) -> dict[str, Any]:
    """Values as Optuna holds them, for `enqueue_trial`."""
    space = space_of(asked)
    return {place: space[place].label(value) for place, value in values.items()}


def values_of(trial: FrozenTrial, asked: SearchRecipe) -> dict[str, Any]:
    """Recipe fields and values of a trial that Optuna holds."""
    space = space_of(asked)
    return {place: space[place].value(label) for place, label in trial.params.items()}


def _has_all_values(trial: FrozenTrial, asked: SearchRecipe) -> bool:
    """Whether it was proposed to the end; a kill may fall between two values."""
    values = values_of(trial, asked)
    return all(
        place in values
        for place, dimension in space_of(asked).items()
        if is_active(dimension, values, asked.recipe)
    )


def ended(study: optuna.Study) -> list[FrozenTrial]:
    """Trials that came to an end of their own, by number."""
    trials = study.get_trials(deepcopy=False)
    continued = _continued(trials)
    return [
        trial
        for trial in trials
        if trial.state.is_finished()
        and "outcome" in trial.user_attrs
        and trial.number not in continued
    ]


def take_up_stopped(
    study: optuna.Study,
    asked: SearchRecipe,
    driver: str,
    running: Container[int],
    *,
    is_shared: bool,
) -> None:
    """Propose once more what was being tried when its driver was stopped.

    Optuna gives it a new number; its folder stays, see `folder_number`. Killed between
    the two steps, the next call does the second only.

    Args:
        study: the study.
        asked: what is searched.
        driver: name of the driver that calls.
        running: trials that it has in work.
        is_shared: whether other drivers may have trials in work.
    """
    trials = study.get_trials(deepcopy=False)
    continued = _continued(trials)
    for trial in trials:
        if trial.state != TrialState.RUNNING or trial.number in running:
            continue
        is_ours = not is_shared or trial.user_attrs.get("driver") == driver
        if not is_ours and _silent_seconds(trial) < _SILENT_SECONDS:
            continue
        # Without all of its values it was stopped as it was begun: proposed anew.
        params = trial.params
        if not _has_all_values(trial, asked):
            params = trial.system_attrs.get("fixed_params", {})
        if trial.number not in continued and params:
            kept = {
                key: trial.user_attrs[key]
                for key in ("is_default", "seconds")
                if key in trial.user_attrs
            }
            links = {"continues": folder_number(trial), "continues_trial": trial.number}
            study.enqueue_trial(params, user_attrs=kept | links)
        study.tell(trial.number, state=TrialState.FAIL)


def _continued(trials: Sequence[FrozenTrial]) -> set[int]:
    """Trials that another one goes on with, and which count no more."""
    return {
        trial.user_attrs["continues_trial"]
        for trial in trials
        if "continues_trial" in trial.user_attrs
    }


def _silent_seconds(trial: FrozenTrial) -> float:
    spoke = trial.user_attrs.get("alive")
    if spoke is None:
        spoke = trial.datetime_start.timestamp() if trial.datetime_start else 0.0
    return time.time() - float(spoke)


def folder_number(trial: FrozenTrial | Trial) -> int:
    """Number that the folder of a trial has: of the trial that it goes on with."""
    return int(trial.user_attrs.get("continues", trial.number))
