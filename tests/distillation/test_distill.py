"""distill(): the student's files, and continuing."""

import keras
import numpy as np
import pytest

from segshrink.distillation import distill
from segshrink.errors import RunFolderError
from segshrink.progress import SilentProgress
from segshrink.recipe import DistillationSettings, TrainingSettings

TILE_PX = 32
SETTINGS = TrainingSettings(
    epochs=2, batch_size=4, learning_rate=0.01, tiles_per_epoch=None
)


def network(seed, filters):
    keras.utils.set_random_seed(seed)
    layers = keras.layers
    images = keras.Input((TILE_PX, TILE_PX, 3))
    x = layers.Rescaling(1 / 255)(images)
    x = layers.Conv2D(filters, 3, padding="same", activation="relu")(x)
    x = layers.Dropout(0.2)(layers.BatchNormalization()(x))
    return keras.Model(images, layers.Conv2D(3, 1)(x))


def run(folder, dataset, *, teacher_seed=5, weight=0.5, **options):
    student, teacher = network(1, 2), network(teacher_seed, 6)
    settings = DistillationSettings(weight=weight)
    options = {"tile_px": TILE_PX} | options
    result = distill(student, teacher, dataset, SETTINGS, settings, folder, **options)
    return result, teacher


@pytest.fixture(scope="module")
def distilled(tmp_path_factory, tiny_dataset):
    folder = tmp_path_factory.mktemp("distilled")
    return folder, *run(folder, tiny_dataset)


def lines(folder):
    text = (folder / "history.csv").read_text().splitlines()
    # Without the seconds, which are never the same.
    return [line.rpartition(",")[0] for line in text]


def test_logs_the_parts_of_the_loss(distilled):
    header, *rows = lines(distilled[0])
    assert header == (
        "epoch,loss,distillation,supervised,val_miou,val_pixel_accuracy,learning_rate"
    )
    for row in rows:
        _, loss, distillation, supervised, *_ = map(float, row.split(","))
        assert distillation > 0
        assert loss == pytest.approx((supervised + distillation) / 2, rel=1e-5)


def test_saves_a_plain_student(distilled):
    folder, result, _ = distilled
    saved = keras.saving.load_model(folder / "model.keras")
    assert type(saved).__name__ == "Functional"
    assert saved.count_params() == network(1, 2).count_params()
    assert not saved.compiled
    assert result.epochs == 2


def test_does_not_touch_the_teacher(distilled):
    untouched = network(5, 6)
    for ours, theirs in zip(
        distilled[2].get_weights(), untouched.get_weights(), strict=True
    ):
        np.testing.assert_array_equal(ours, theirs)


class Interrupted(Exception):
    pass


class KillInSecondEpoch(SilentProgress):
    done = 0

    def advance(self, steps=1, **facts):
        self.done += steps
        if self.done > 4:
            raise Interrupted


def test_continues_with_the_same_teacher_only(tmp_path, tiny_dataset, distilled):
    with pytest.raises(Interrupted):
        run(tmp_path, tiny_dataset, progress=KillInSecondEpoch())
    with pytest.raises(RunFolderError, match=r"other settings \(distillation.weight\)"):
        run(tmp_path, tiny_dataset, weight=0.4)
    with pytest.raises(RunFolderError, match=r"other settings \(teacher\)"):
        run(tmp_path, tiny_dataset, teacher_seed=6)
    run(tmp_path, tiny_dataset)
    assert lines(tmp_path) == lines(distilled[0])
    ours, theirs = (
        keras.saving.load_model(folder / "model.keras").get_weights()
        for folder in (tmp_path, distilled[0])
    )
    for mine, other in zip(ours, theirs, strict=True):
        np.testing.assert_array_equal(mine, other)
