"""A short test of speed: a compact student's training steps, and tiles on the host."""

import time
from collections.abc import Callable
from typing import Any

from segshrink.doctor.backend import fault_text
from segshrink.quiet import quiet
from segshrink.records.examination import Backend, Speed

_TILE_PX = 256
_CLASSES = 6
_SECONDS = 2.5
_BATCH = {False: 8, True: 128}  # on a processor, and on an accelerator


def measured_speed(backend: Backend, seconds: float = _SECONDS) -> Speed:
    """Train and cut tiles for `seconds` each, beside the time of compiling."""
    if backend.fault is not None:
        return Speed(fault="the backend cannot be imported")
    with quiet():
        # Whatever a broken installation raises is the finding.
        try:
            from segshrink.training.device_tiles import has_accelerator

            batch_size = _BATCH[has_accelerator()]
            sampler = _sampler(batch_size)
            cut = _rate(lambda step: sampler.batch(0, step), batch_size, seconds)
            trained = _rate(_training_step(sampler), batch_size, seconds)
        except Exception as error:
            return Speed(fault=fault_text(error))
    return Speed(trained=trained, batch_size=batch_size, cut=cut)


def _sampler(batch_size: int) -> Any:
    from segshrink.data import TileSampler, TileSettings, open_dataset
    from segshrink.recipe import Augmentation

    tiles = TileSettings(
        tile_px=_TILE_PX,
        batch_size=batch_size,
        augmentation=Augmentation(),
        tiles_per_epoch=1_000_000,
    )
    dataset = open_dataset("synthetic", scenes=3, scene_px=2 * _TILE_PX)
    return TileSampler(dataset.train, tiles, seed=0)


def _training_step(sampler: Any) -> Callable[[int], object]:
    import keras

    from segshrink.models import build_model
    from segshrink.objectives import build_loss
    from segshrink.recipe import LossSettings

    shape = (_TILE_PX, _TILE_PX, 3)
    model = build_model("compact", num_classes=_CLASSES, input_shape=shape, width=16)
    model.compile(
        keras.optimizers.AdamW(),
        loss=build_loss(LossSettings(), num_classes=_CLASSES),
        jit_compile=False if keras.backend.backend() == "tensorflow" else "auto",
    )
    images, labels = sampler.batch(0, 0)
    return lambda step: model.train_on_batch(images, labels)


def _rate(step: Callable[[int], object], tiles: int, seconds: float) -> float:
    """Tiles per second of steps, without the first two, each of which may compile."""
    step(0)
    step(0)
    began, done, passed = time.perf_counter(), 0, 0.0
    while passed < seconds:
        done += 1
        step(done)
        passed = time.perf_counter() - began
    return round(done * tiles / passed, 1)
