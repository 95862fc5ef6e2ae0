"""distill() with images without labels and with mixed tiles, and how it asks."""

from dataclasses import replace

import numpy as np
import pytest

from segshrink.data import UNLABELLED, AnnotatedImage, Part
from segshrink.errors import RecipeError, RunFolderError

from .test_distill import (
    CACHED,
    PLAIN,
    SETTINGS,
    STEPS,
    Interrupted,
    KillIn,
    assert_same_outcome,
    run,
    said_before_training,
    with_augmentation,
)

LIVE = PLAIN | {"cache": False}


class Bare(AnnotatedImage):
    """An image of noise without labels, which depends on its name alone."""

    def read(self):
        generator = np.random.default_rng(len(self.name))
        size = self.height_px, self.width_px
        image = generator.integers(0, 256, (*size, 3), dtype=np.uint8)
        return image, np.full(size, UNLABELLED, np.uint8)


def bare(count, side_px=48):
    return [
        Bare(scene=name, name=name, height_px=side_px, width_px=side_px)
        for name in ("x" * (i + 1) for i in range(count))
    ]


@pytest.fixture(scope="module")
def mixed_dataset(tiny_dataset):
    part = Part("unlabelled", bare(4), tiny_dataset.classes)
    return replace(tiny_dataset, unlabelled=part)


WAYS = {
    "cached": CACHED | {"mixing": "cutmix", "pseudo_threshold": 0.3},
    "live": LIVE | {"mixing": "mixup", "unlabelled_share": 0.75},
    "on the device": LIVE | {"mixing": "mixup"},
}


def settings_of(name):
    place = "device" if name == "on the device" else "host"
    return SETTINGS.model_copy(update={"tiles_on": place})


@pytest.mark.parametrize("name", WAYS)
def test_a_killed_run_resumes_exactly(tmp_path, mixed_dataset, name):
    way, settings = WAYS[name], settings_of(name)
    run(tmp_path / "whole", mixed_dataset, way=way, settings=settings)
    with pytest.raises(Interrupted):
        killer = KillIn("student", STEPS + 1)
        run(
            tmp_path / "killed",
            mixed_dataset,
            way=way,
            settings=settings,
            progress=killer,
        )
    run(tmp_path / "killed", mixed_dataset, way=way, settings=settings)
    assert_same_outcome(tmp_path / "killed", tmp_path / "whole")


def test_a_run_does_not_go_on_with_other_images(tmp_path, mixed_dataset):
    with pytest.raises(Interrupted):
        run(
            tmp_path,
            mixed_dataset,
            way=LIVE,
            progress=KillIn("student", STEPS + 1),
        )
    fewer = replace(mixed_dataset, unlabelled=mixed_dataset.unlabelled[:3])
    with pytest.raises(RunFolderError):
        run(tmp_path, fewer, way=LIVE)


def test_logits_are_stored_for_both_kinds_of_images(tmp_path, mixed_dataset):
    said = said_before_training(tmp_path, mixed_dataset)
    assert said.about("Teacher's logits of 7 images")


@pytest.mark.parametrize("option", ["unlabelled_share", "pseudo_threshold"])
def test_refuses_options_of_images_that_are_not_there(tmp_path, tiny_dataset, option):
    with pytest.raises(RecipeError, match=f"distillation.{option}: no effect without"):
        run(tmp_path, tiny_dataset, way=PLAIN | {option: 0.5})


def test_refuses_a_batch_that_cannot_hold_both_kinds(tmp_path, mixed_dataset):
    single = SETTINGS.model_copy(update={"batch_size": 1})
    with pytest.raises(RecipeError, match="training.batch_size: must be at least 2"):
        run(tmp_path, mixed_dataset, settings=single)


# -- How the teacher is asked --------------------------------------------------------


def test_mixtures_need_a_teacher_in_each_step(tmp_path, tiny_dataset):
    way = PLAIN | {"mixing": "mixup"}
    said = said_before_training(tmp_path, tiny_dataset, way)
    assert said.text == [
        "The teacher runs in each step: no stored logits answer for mixtures."
    ]


def test_the_teacher_runs_in_each_step_where_that_asks_it_for_less(
    tmp_path, tiny_dataset
):
    # 2 epochs of 3 steps of 4 tiles; 3 scenes of 9 tiles that overlap, in 4 colours.
    said = said_before_training(tmp_path, tiny_dataset, PLAIN)
    assert said.text == [
        "The teacher runs in each step: that asks it for 24 tiles, storing its logits "
        "for 108."
    ]


def test_several_colours_are_stored_for_a_long_training(tmp_path, tiny_dataset):
    long = SETTINGS.model_copy(update={"epochs": 10})
    said = said_before_training(tmp_path, tiny_dataset, PLAIN, settings=long)
    assert not said.about("The teacher runs")
    stored = list((tmp_path / "checkpoint" / "teacher-logits").glob("*.npy"))
    assert len(stored) == 3 * 4


def test_without_changes_of_colour_one_view_is_stored(tmp_path, tiny_dataset):
    plain = with_augmentation(photometric=0.0).model_copy(update={"epochs": 10})
    said_before_training(tmp_path, tiny_dataset, PLAIN, settings=plain)
    stored = list((tmp_path / "checkpoint" / "teacher-logits").glob("*.npy"))
    assert len(stored) == 3
