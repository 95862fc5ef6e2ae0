"""The training loop of teachers, students and distilled students."""

import shutil
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import keras

from segshrink.data import Dataset, ImageMaps, Part, TileSampler, TileSettings
from segshrink.data.augmentation import crop_sides
from segshrink.data.mixing import Mixing
from segshrink.errors import ModelError, RunFolderError
from segshrink.models import tile_px_of
from segshrink.models.archive import check_archive
from segshrink.objectives import WeightedSum
from segshrink.recipe import TrainingSettings
from segshrink.records import atomic_write
from segshrink.records.learning import MOST, first_epoch_with
from segshrink.training.batch_size import settled, validation_batch_size
from segshrink.training.batches import (
    DrawnBatches,
    SampledBatches,
    TrainingBatches,
)
from segshrink.training.checkpoint import best_path, load_state
from segshrink.training.compiled_programs import keep_compiled_programs
from segshrink.training.context import TrainingContext
from segshrink.training.device_tiles import (
    DeviceImages,
    device_bytes,
    has_accelerator,
    makes_tiles_on_device,
)
from segshrink.training.devices import require_devices, spread_over
from segshrink.training.epochs import EpochKeeper, run_variables
from segshrink.training.first_step import FirstStep
from segshrink.training.fused_normalization import fused_normalization
from segshrink.training.on_device import DeviceTrainee
from segshrink.training.out_of_memory import advised_batch_size
from segshrink.training.precision import LayerPrecision, chosen_precision
from segshrink.training.read_ahead import reader_count
from segshrink.training.schedule import warmup_cosine
from segshrink.training.validation import Validator


@dataclass(frozen=True)
class TrainingResult:
    """Outcome of a finished training run.

    Attributes:
        epochs: epochs trained.
        best_epoch: 1-based epoch of the saved model.
        best_val_miou: mean IoU in [0, 1] of the saved model in memory on the validation
            part; for choosing, not for reporting.
        best_val_loss: least mean loss on the labels of the validation part over all
            epochs, which need not be that of the saved model; None without such a
            loss.
        seconds: seconds spent in training steps, without validation.
        tiles: training tiles seen.
        steps: training steps of all epochs.
        steps_to_90_percent: training steps up to the first validated epoch whose mean
            IoU is at least 90 % of `best_val_miou`.
        teacher_seconds: seconds that the process that ended the training run spent
            before it on the logits of a teacher.
    """

    epochs: int
    best_epoch: int
    best_val_miou: float
    best_val_loss: float | None
    seconds: float
    tiles: int
    steps: int
    steps_to_90_percent: int
    teacher_seconds: float = 0.0


@dataclass(frozen=True, kw_only=True)
class Objective:
    """The losses that a fit minimizes, and the models that it validates and saves.

    Attributes:
        loss: as for `keras.Model.compile`; None if the trainee computes its own.
        validation_loss: loss on labels that is computed on the validation part, where
            the trainee computes its own; None is `loss`.
        model: plain model inside the trainee that is validated and saved; None is the
            trainee itself.
        judged: model that is validated in place of `model`, such as one that computes
            with its variables as an int8 file will.
        teacher: model that the trainee runs beside its own in each step, which computes
            in the same precision.
        teacher_logits: logits of a teacher for the images of the `train` part, and then
            of those without labels. Training data is then
            `({"images": ..., "teacher_logits": ...}, labels)`.
        unlabelled: images without labels, from which a share of each batch is cut.
        unlabelled_share: that share, see `TileSettings`.
        mixing: how tiles are mixed, see `TileSettings`.
    """

    loss: keras.losses.Loss | None = None
    validation_loss: keras.losses.Loss | None = None
    model: keras.Model | None = None
    judged: keras.Model | None = None
    teacher: keras.Model | None = None
    teacher_logits: ImageMaps | None = None
    unlabelled: Part | None = None
    unlabelled_share: float = 0.5
    mixing: Mixing | None = None


def fit(
    trainee: keras.Model,
    settings: TrainingSettings,
    context: TrainingContext,
    objective: Objective,
    *,
    also_fixed: Mapping[str, object] | None = None,
    choose_from: int = 1,
    callbacks: Sequence[keras.callbacks.Callback] = (),
) -> TrainingResult:
    """Train `trainee` and save the best model by validation mean IoU.

    A run that was killed resumes after its last finished epoch and gives the same
    result. When it ends, the folder of `context` holds `model.keras` and `history.csv`,
    and `checkpoint/`, which `discard_checkpoint` removes.

    Args:
        trainee: model that is compiled with AdamW and trained.
        settings: epochs, batch size, learning rate and so on.
        context: data, folder, seed and progress. The `train` part of the data is
            trained on, its `val` part chooses the epoch; the seed is that of tiles and
            augmentation, weights and dropout have the model's own.
        objective: the losses, and the model that is saved.
        also_fixed: JSON-able description of `trainee`, which must be the same when a
            run resumes, beside the other arguments.
        choose_from: 1-based epoch before which no model is the best. It counts among
            `also_fixed`.
        callbacks: run before each validation, such as `MagnitudePruning`.

    Returns:
        The epoch that was chosen, its quality, and the work that was done.

    Raises:
        ModelError: if the model does not take square tiles of one size, or has no
            weight to train.
        TrainingError: if the loss is not a number, or the device has too little
            memory.
        RunFolderError: if the folder holds the checkpoint of another training run, or
            what it keeps is damaged.
        UsageError: if the devices of `context` are not there.
    """
    keep_compiled_programs()
    models = [trainee, objective.model or trainee, objective.judged or trainee]
    with (
        fused_normalization([trainee]),
        spread_over(context.devices, models) as names,
    ):
        if names:
            context.progress.say(
                f"{context.label}: batches are divided among {', '.join(names)}."
            )
        return _fit(
            trainee, settings, context, objective, also_fixed, choose_from, callbacks
        )


def _fit(
    trainee: keras.Model,
    settings: TrainingSettings,
    context: TrainingContext,
    objective: Objective,
    also_fixed: Mapping[str, object] | None,
    choose_from: int,
    callbacks: Sequence[keras.callbacks.Callback],
) -> TrainingResult:
    model = _trainable(objective.model or trainee)
    teachers = [objective.teacher] if objective.teacher else []
    settings = settled(settings, context, [model, *teachers])
    require_devices(context.devices, [settings.batch_size])
    dataset, tile_px = context.dataset, tile_px_of(model)
    sampler = _sampler(settings, context, tile_px, objective)
    _compile(
        trainee, settings, objective.loss, settings.epochs * sampler.steps_per_epoch
    )
    fingerprint = _fingerprint(settings, context, tile_px) | dict(also_fixed or {})
    if choose_from > 1:
        fingerprint["choose_from"] = choose_from
    variables = run_variables(model, trainee)
    validator = Validator(
        objective.judged or model,
        dataset.val,
        num_classes=dataset.classes.num_classes,
        tile_px=tile_px,
        batch_size=validation_batch_size(settings.tiles_in_batch),
        loss=objective.validation_loss or objective.loss,
    )
    keeper = EpochKeeper(
        model,
        settings,
        context,
        validate=validator,
        state=load_state(context.folder, variables, fingerprint),
        variables=variables,
        choose_from=choose_from,
    )
    precision = LayerPrecision(
        chosen_precision(settings.precision), [trainee, *teachers]
    )
    try:
        on_device = _is_on_device(sampler, settings)
        with advised_batch_size(sampler.batch_size, tile_px, on_device=on_device):
            _run(trainee, keeper, sampler, [precision, *callbacks])
    finally:
        precision.restore()
    return _finish(keeper, sampler)


def steps_per_epoch(dataset: Dataset, settings: TrainingSettings, tile_px: int) -> int:
    """Training steps of one epoch of `fit`."""
    context = TrainingContext(dataset=dataset, folder=Path())
    return _sampler(settings, context, tile_px, Objective()).steps_per_epoch


def _sampler(
    settings: TrainingSettings,
    context: TrainingContext,
    tile_px: int,
    objective: Objective,
) -> TileSampler:
    tiles = TileSettings(
        tile_px=tile_px,
        batch_size=settings.tiles_in_batch,
        augmentation=settings.augmentation,
        tiles_per_epoch=settings.tiles_per_epoch,
        unlabelled_share=objective.unlabelled_share,
        mixing=objective.mixing,
    )
    return TileSampler(
        context.dataset.train,
        tiles,
        seed=context.seed,
        maps=objective.teacher_logits,
        unlabelled=objective.unlabelled,
    )


def _trainable(model: keras.Model) -> keras.Model:
    if not model.trainable_variables:
        raise ModelError(
            f"{model.name}: all of its layers are frozen, so that there is nothing to "
            "train. Set model.trainable = True, and save it again."
        )
    return model


def _compile(
    trainee: keras.Model,
    settings: TrainingSettings,
    loss: keras.losses.Loss | None,
    total_steps: int,
) -> None:
    optimizer = keras.optimizers.AdamW(
        warmup_cosine(settings, total_steps), weight_decay=settings.weight_decay
    )
    # Weight decay is for kernels; on scales, offsets and ranges it only hurts.
    optimizer.exclude_from_weight_decay(var_names=["bias", "gamma", "beta", "range_"])
    on_tensorflow = keras.backend.backend() == "tensorflow"
    # On TensorFlow's CPU, XLA compiles a U-Net for more than a minute, which is too
    # long for short runs.
    trainee.compile(
        optimizer,
        loss=loss,
        metrics=_components(loss),
        jit_compile=False if on_tensorflow else "auto",
    )
    if isinstance(loss, WeightedSum):
        # Keras makes their variables with the first tiles, which is too late for steps
        # that are divided among devices. Every epoch resets them.
        shape = (1, *trainee.output_shape[1:])
        labels = keras.ops.zeros(shape[:-1], "int32")
        trainee.compute_metrics(None, labels, keras.ops.zeros(shape))
    # `optimizer` may be another one: for float16, Keras wraps it in one that has
    # variables of its own.
    trainee.optimizer.build(trainee.trainable_variables)


def _components(loss: keras.losses.Loss | None) -> list[keras.metrics.Metric]:
    """Metrics that report each term of a sum of losses."""
    if not isinstance(loss, WeightedSum):
        return []
    return [keras.metrics.MeanMetricWrapper(x, name=x.name) for x in loss.losses]


def _fingerprint(
    settings: TrainingSettings, context: TrainingContext, tile_px: int
) -> dict[str, object]:
    """Description of a training run, which must not change when it resumes."""
    return {
        # A run that began on an accelerator may resume on a machine without one.
        "settings": settings.model_dump(mode="json", exclude={"tiles_on", "precision"}),
        "data": context.dataset.name,
        "split": context.dataset.split.as_record(),
        "tile_px": tile_px,
        "seed": context.seed,
    }


def _run(
    trainee: keras.Model,
    keeper: EpochKeeper,
    sampler: TileSampler,
    callbacks: Sequence[keras.callbacks.Callback],
) -> None:
    label, progress = keeper.context.label, keeper.context.progress
    done, epochs = len(keeper.state.history), keeper.settings.epochs
    progress.start(label, epochs * sampler.steps_per_epoch)
    if done:
        progress.say(f"{label}: resumes after epoch {done}.")
        progress.advance(done * sampler.steps_per_epoch)
    if not keeper.finished:
        trainee, batches = _with_batches(trainee, keeper, sampler)
        with batches:
            trainee.fit(
                batches.for_fit(),
                shuffle=False,
                initial_epoch=done,
                epochs=epochs,
                callbacks=[
                    batches.epoch_setter(),
                    FirstStep(keeper.context),
                    *callbacks,
                    keeper,
                ],
                verbose=0,
            )
    progress.finish()


def _is_on_device(sampler: TileSampler, settings: TrainingSettings) -> bool:
    return sampler.maps is None and makes_tiles_on_device(settings, sampler.part)


def _with_batches(
    trainee: keras.Model, keeper: EpochKeeper, sampler: TileSampler
) -> tuple[keras.Model, SampledBatches]:
    """The model to call `fit` of, and its data, made on the host or on the device."""
    part = sampler.part
    if not _is_on_device(sampler, keeper.settings):
        return trainee, TrainingBatches(
            sampler,
            first_epoch=len(keeper.state.history),
            readers=reader_count(has_accelerator()),
        )
    images = DeviceImages(
        (image.read() for image in part),
        tile_px=sampler.tile_px,
        sides=crop_sides(sampler.tile_px, keeper.settings.augmentation),
    )
    size = device_bytes(part) / 1e6
    keeper.context.progress.say(
        f"{keeper.context.label}: tiles are made on the device, of {len(part)} images "
        f"in {size:.3g} MB of its memory."
    )
    return DeviceTrainee(trainee, images), DrawnBatches(sampler)


def _finish(keeper: EpochKeeper, sampler: TileSampler) -> TrainingResult:
    folder, state = keeper.context.folder, keeper.state
    if state.best_miou is None:
        raise RunFolderError(f"{folder}: the training run was never validated.")
    best = best_path(folder, state.best_epoch)
    try:
        check_archive(best)
    except ModelError as error:
        raise RunFolderError(
            f"{error} It is the best model of this run. Delete {best.parent} to train "
            "again from the start."
        ) from None
    with atomic_write(folder / "model.keras") as partial:
        shutil.copyfile(best, partial)
    epochs, steps = len(state.history), sampler.steps_per_epoch
    validated = [
        (epoch, miou)
        for epoch, row in enumerate(state.history, 1)
        if (miou := row["val_miou"]) is not None
    ]
    most = first_epoch_with(MOST * state.best_miou, validated) or state.best_epoch
    return TrainingResult(
        epochs=epochs,
        best_epoch=state.best_epoch,
        best_val_miou=state.best_miou,
        best_val_loss=keeper.best_val_loss,
        seconds=round(sum(row["seconds"] or 0.0 for row in state.history), 1),
        tiles=epochs * steps * keeper.settings.tiles_in_batch,
        steps=epochs * steps,
        steps_to_90_percent=most * steps,
    )
