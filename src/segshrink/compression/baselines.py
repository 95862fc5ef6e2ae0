"""What the student is compared with: masks only, and training without a teacher."""

import csv
import math
import shutil
from pathlib import Path
from typing import Any

import keras
from keras import ops

from segshrink.compression.run_folder import Run
from segshrink.data import Dataset, TileSampler
from segshrink.measuring import count_macs
from segshrink.models import load_model
from segshrink.progress import Progress
from segshrink.pruning import MagnitudePruning
from segshrink.pruning.magnitude import kernels
from segshrink.recipe import TrainingSettings
from segshrink.records import read_json, write_json
from segshrink.training import TrainingContext, train

_MASK_UPDATES = 20
# A kernel keeps its largest weight; not all of it can be zero.
_MOST_ZEROS = 0.99


def train_masked(
    run: Run, dataset: Dataset, folder: Path, progress: Progress
) -> dict[str, Any]:
    """Fine-tune the teacher under magnitude masks for the seconds the student had.

    The masks remove as many weights as the student has fewer than the teacher, so that
    both have the same number of weights that are not zero; none, if the student has as
    many. The best epoch is one of those under the final masks, and the record's
    sparsity is the share of zeros in the kernels of its model.
    """
    keras.utils.set_random_seed(run.recipe.seed + 2)
    teacher = load_model(run.teacher)
    ours = read_json(run.student.parent / "record.json")
    entries = sum(math.prod(kernel.shape) for kernel in kernels(teacher))
    surplus = max(0, teacher.count_params() - ours["parameters"])
    sparsity = min(surplus / entries, _MOST_ZEROS)
    seconds = _seconds_behind(run.student.parent)
    settings = _settings_for(run, teacher, dataset, seconds, folder, progress)
    an_epoch = _steps_per_epoch(run, dataset, settings)
    last_step = max(1, settings.epochs * an_epoch // 2)
    context = TrainingContext(
        dataset=dataset,
        folder=folder,
        seed=run.recipe.seed + 2,
        progress=progress,
        label="baseline: masks only",
    )
    result = train(
        load_model(run.teacher),
        settings,
        context,
        choose_from=math.ceil(last_step / an_epoch) if sparsity > 0 else 1,
        callbacks=[_masks(sparsity, last_step)] if sparsity > 0 else [],
    )
    masked = [
        ops.convert_to_numpy(x) for x in kernels(load_model(folder / "model.keras"))
    ]
    zeros = sum(int((kernel == 0).sum()) for kernel in masked)
    record = _record("masked", teacher, run, result.as_record())
    return record | {"sparsity": zeros / entries}


def _masks(sparsity: float, last_step: int) -> MagnitudePruning:
    return MagnitudePruning(
        sparsity,
        begin_step=0,
        end_step=last_step,
        frequency=max(1, last_step // _MASK_UPDATES),
    )


def train_alone(
    run: Run, dataset: Dataset, folder: Path, progress: Progress
) -> dict[str, Any]:
    """Train the student's architecture from scratch, on labels only.

    It gets the seconds of the teacher's and the student's training together: all the
    training that is behind the student.
    """
    keras.utils.set_random_seed(run.recipe.seed + 3)
    model = _with_fresh_weights(load_model(run.student))
    seconds = sum(_seconds_behind(file.parent) for file in (run.teacher, run.student))
    settings = _settings_for(run, model, dataset, seconds, folder, progress)
    keras.utils.set_random_seed(run.recipe.seed + 3)
    context = TrainingContext(
        dataset=dataset,
        folder=folder,
        seed=run.recipe.seed + 3,
        progress=progress,
        label="baseline: student without teacher",
    )
    result = train(_with_fresh_weights(model), settings, context)
    return _record("alone", model, run, result.as_record())


def _seconds_behind(stage: Path) -> float:
    """Of all trainings of a stage, those of steps before the last, and their logits."""
    records = [stage / "record.json", *stage.glob("step-*/record.json")]
    return sum(
        record.get(key, 0.0)
        for record in map(read_json, records)
        for key in ("seconds", "teacher_seconds")
    )


def _record(
    kind: str, model: keras.Model, run: Run, training: dict[str, Any]
) -> dict[str, Any]:
    size = count_macs(model)
    return {
        "kind": kind,
        "parameters": size.parameters,
        "macs": size.macs,
        **training,
        "seed": run.recipe.seed,
    }


def _with_fresh_weights(model: keras.Model) -> keras.Model:
    return keras.models.clone_model(model)


def _settings_for(
    run: Run,
    model: keras.Model,
    dataset: Dataset,
    seconds: float,
    folder: Path,
    progress: Progress,
) -> TrainingSettings:
    """The student's settings with as many epochs as fit into `seconds`.

    Two epochs are trained first, on a copy, and the second is timed: the first also
    compiles. The number is kept in a file, since a run that continues must not find
    another one.
    """
    settings = run.recipe.student.training
    if run.recipe.student.kind == "pruned" and not folder.name == "masked":
        settings = settings.model_copy(
            update={"learning_rate": _teacher_rate(run, settings)}
        )
    kept = folder / "epochs.json"
    if not kept.is_file():
        train(
            _with_fresh_weights(model),
            settings.model_copy(update={"epochs": 2, "patience": None}),
            TrainingContext(
                dataset=dataset,
                folder=folder / "timing",
                progress=progress,
                label="timing an epoch",
            ),
        )
        an_epoch = _seconds_of_last_epoch(folder / "timing")
        epochs = max(1, round(seconds / max(an_epoch, 0.1)))
        write_json(kept, {"epochs": epochs, "seconds": seconds})
    # After the number is kept: a run that stops here does not time again.
    shutil.rmtree(folder / "timing", ignore_errors=True)
    update = {"epochs": read_json(kept)["epochs"], "patience": None}
    return settings.model_copy(update=update)


def _seconds_of_last_epoch(folder: Path) -> float:
    with (folder / "history.csv").open(newline="") as file:
        return float(list(csv.DictReader(file))[-1]["seconds"])


def _teacher_rate(run: Run, settings: TrainingSettings) -> float:
    # A student's rate is one for fine-tuning; from scratch the teacher's is better.
    if run.recipe.teacher.file is not None:
        return settings.learning_rate
    return run.recipe.teacher.training.learning_rate


def _steps_per_epoch(run: Run, dataset: Dataset, settings: TrainingSettings) -> int:
    sampler = TileSampler(
        dataset.train,
        tile_px=run.recipe.data.tile_px,
        batch_size=settings.batch_size,
        seed=0,
        augmentation=settings.augmentation,
        tiles_per_epoch=settings.tiles_per_epoch,
    )
    return sampler.steps_per_epoch
