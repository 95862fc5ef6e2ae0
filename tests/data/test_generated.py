import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from segshrink.data import open_dataset
from segshrink.data.generated import split_by_number
from segshrink.errors import DatasetError, UsageError


def test_scenes_are_drawn_alike_each_time():
    dataset = open_dataset("synthetic", scenes=3, scene_px=64, seed=1)
    first = dataset.train[0]
    assert (first.scene, first.name) == ("scene-000", "scene-000/view")
    assert first.image_path is None
    image, labels = first.read()
    again, labels_again = first.read()
    assert image.shape == (64, 64, 3) and image.dtype == np.uint8
    assert labels.shape == (64, 64) and labels.dtype == np.uint8
    np.testing.assert_array_equal(image, again)
    np.testing.assert_array_equal(labels, labels_again)
    other = open_dataset("synthetic", scenes=3, scene_px=64, seed=2).train[0]
    assert (other.read()[0] != image).any()


def test_by_default_there_are_24_scenes_of_512_pixels():
    dataset = open_dataset("synthetic")
    parts = (dataset.train, dataset.val, dataset.test)
    assert [len(part) for part in parts] == [14, 5, 5]
    assert dataset.train[0].height_px == dataset.train[0].width_px == 512


@pytest.mark.parametrize(
    ("count", "sizes"), [(3, (1, 1, 1)), (5, (3, 1, 1)), (10, (6, 2, 2))]
)
def test_every_scene_is_in_one_part(count, sizes):
    scenes = [f"scene-{index:03}" for index in range(count)]
    split = split_by_number(scenes)
    assert tuple(len(part) for part in split.parts.values()) == sizes
    assert sorted(split.train + split.val + split.test) == scenes


@given(counts=st.tuples(st.integers(3, 60), st.integers(3, 60)))
def test_a_test_scene_is_never_a_training_scene_of_another_number(counts):
    few, many = (split_by_number([f"{i:03}" for i in range(n)]) for n in counts)
    assert not {*few.test, *few.val} & {*many.train}


def test_a_split_file_may_divide_generated_scenes(tmp_path):
    path = tmp_path / "mine.yaml"
    path.write_text("{train: [scene-002], val: [scene-001], test: [scene-000]}")
    dataset = open_dataset("synthetic", scenes=3, split=path)
    assert dataset.train.scenes == ("scene-002",)
    path.write_text("{train: [scene-002], val: [scene-001], test: [Tile 1]}")
    with pytest.raises(DatasetError, match="no scene is called Tile 1"):
        open_dataset("synthetic", scenes=3, split=path)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"scenes": 2}, "scenes is 2, but train, val and test need at least one each"),
        ({"scene_px": 32}, "scene_px is 32, but a scene needs at least 64"),
    ],
)
def test_too_little_is_refused(options, message):
    with pytest.raises(UsageError, match=message):
        open_dataset("synthetic", **options)
