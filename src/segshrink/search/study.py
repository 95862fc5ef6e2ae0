"""The Optuna study behind a search: its storage, objectives and pruner.

The study is the single source of truth. All that is known of a trial stands in its
attributes, so that any process that opens the storage sees the whole search.
"""

import json
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import optuna
from optuna.exceptions import ExperimentalWarning
from optuna.storages import BaseStorage, JournalStorage
from optuna.storages.journal import JournalFileBackend

from segshrink.errors import RunFolderError, UsageError, first_line
from segshrink.search.space import SearchRecipe

NAME = "segshrink"
JOURNAL = "study.log"

_REDUCTION = 3


def open_study(
    search_recipe: SearchRecipe, out: Path, storage: str | None
) -> optuna.Study:
    """Open the study of a search, or create it.

    Args:
        search_recipe: the recipe and its section `search`, which sets the directions.
        out: folder of the search, where the journal lies without `storage`.
        storage: URL of a database that several hosts share.

    Raises:
        RunFolderError: if the storage holds a study of other objectives.
        UsageError: if the database cannot be opened.
    """
    optuna.logging.set_verbosity(optuna.logging.ERROR)
    directions = directions_of(search_recipe)
    try:
        study = optuna.create_study(
            study_name=NAME,
            storage=_storage(out, storage),
            directions=directions,
            load_if_exists=True,
        )
    except Exception as error:
        # Each database raises errors of its own, and so does a missing driver.
        if storage is None and isinstance(error, json.JSONDecodeError):
            raise RunFolderError(
                f"{out / JOURNAL}: is damaged ({first_line(error)}). Delete the lines "
                "from the damaged one on; the trials before it are kept."
            ) from error
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
    _require_same_space(study, search_recipe, str(storage or out))
    objective = search_recipe.search.objective
    names = ["miou", "latency_ms"] if objective == "front" else [objective]
    with experimental():
        study.set_metric_names(names)
    study.pruner = _pruner(search_recipe)
    return study


def directions_of(search_recipe: SearchRecipe) -> list[str]:
    """Direction of each objective for Optuna."""
    return {
        "miou": ["maximize"],
        "val_loss": ["minimize"],
        "front": ["maximize", "minimize"],
    }[search_recipe.search.objective]


def _storage(out: Path, url: str | None) -> str | BaseStorage:
    if url is not None:
        return url
    out.mkdir(parents=True, exist_ok=True)
    _drop_torn_line(out / JOURNAL)
    return JournalStorage(JournalFileBackend(str(out / JOURNAL)))


def _drop_torn_line(journal: Path) -> None:
    """Cut off what a full disk or a loss of power left of the last line.

    Optuna would go on writing behind it, and never read the journal again.
    """
    if not journal.is_file():
        return
    with journal.open("rb+") as file:
        content = file.read()
        whole = content.rfind(b"\n") + 1
        if whole < len(content):
            file.truncate(whole)


def _require_same_space(
    study: optuna.Study, search_recipe: SearchRecipe, where: str
) -> None:
    # Optuna would mix trials of two spaces silently.
    wanted = search_recipe.search.model_dump(mode="json", exclude={"trials", "minutes"})
    wanted["recipe"] = search_recipe.recipe.model_dump(mode="json")
    kept = study.user_attrs.get("asked")
    if kept is None:
        study.set_user_attr("asked", wanted)
    elif kept != wanted:
        names = sorted(key for key in wanted if kept.get(key) != wanted[key])
        raise RunFolderError(
            f"{where}: holds another search; {', '.join(names)} differ. Name another "
            "folder or storage, or repeat the recipe that began the search."
        )


def _pruner(search_recipe: SearchRecipe) -> optuna.pruners.BasePruner:
    if search_recipe.search.scheduler != "hyperband":
        return optuna.pruners.NopPruner()
    return optuna.pruners.HyperbandPruner(
        min_resource=1,
        max_resource=_most_epochs(search_recipe),
        reduction_factor=_REDUCTION,
    )


def _most_epochs(search_recipe: SearchRecipe) -> int:
    place = f"{search_recipe.search.of}.training.epochs"
    dimension = search_recipe.space.get(place)
    if dimension is None:
        section = getattr(search_recipe.recipe, search_recipe.search.of)
        return int(section.training.epochs)
    return int(max(dimension.choice or dimension.int or dimension.float or (1,)))


@contextmanager
def experimental() -> Iterator[None]:
    """Silence Optuna's warnings that a feature is experimental."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", ExperimentalWarning)
        yield
