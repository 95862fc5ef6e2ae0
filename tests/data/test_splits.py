import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from segshrink.data.description import SplitEntry
from segshrink.data.splits import choose_split, declared_split
from segshrink.errors import DatasetError


def pixels(*counts):
    return np.array(counts, np.int64)


def shares(split, scenes):
    sizes = [sum(scenes[name].sum() for name in part) for part in split.parts.values()]
    return np.array(sizes) / sum(sizes)


def test_equal_scenes_are_divided_60_20_20():
    scenes = {f"scene {number}": pixels(50, 50) for number in range(20)}
    split = choose_split(scenes, seed=0)
    np.testing.assert_allclose(shares(split, scenes), [0.6, 0.2, 0.2])
    assert split.source == "seed 0"


@given(
    counts=st.lists(st.tuples(*[st.integers(0, 1000)] * 3), min_size=3, max_size=12),
    seed=st.integers(0, 2**32),
)
def test_each_scene_is_in_one_part_and_no_part_is_empty(counts, seed):
    scenes = {str(number): pixels(*count) for number, count in enumerate(counts)}
    split = choose_split(scenes, seed)
    parts = list(split.parts.values())
    assert sorted(sum(parts, ())) == sorted(scenes)
    assert all(parts)
    assert split == choose_split(dict(reversed(scenes.items())), seed)


def test_each_part_holds_every_class_that_it_can():
    # The second class is in three of ten scenes, the third in one.
    scenes = {str(number): pixels(100, 0, 0) for number in range(6)}
    scenes |= {name: pixels(90, 10, 0) for name in ("p", "q", "r")}
    scenes["only"] = pixels(90, 0, 10)
    for seed in range(5):
        split = choose_split(scenes, seed)
        for part in split.parts.values():
            assert set(part) & {"p", "q", "r"}
        assert "only" in split.train


def test_seeds_differ():
    scenes = {str(number): pixels(100) for number in range(10)}
    assert len({choose_split(scenes, seed).test for seed in range(8)}) > 1


def test_one_huge_scene_leaves_the_others_to_validation_and_test():
    scenes = {"huge": pixels(10_000, 1), "small": pixels(5, 1), "tiny": pixels(1, 1)}
    assert choose_split(scenes, 0).train == ("huge",)


def test_two_scenes_are_too_few():
    with pytest.raises(DatasetError) as error:
        choose_split({"a": pixels(1), "b": pixels(1)}, 0)
    assert str(error.value) == (
        "data set: 2 scenes (a, b), but train, val and test need at least one each, "
        "and a scene is never divided. Add scenes; or, if the images of a scene lie "
        "apart from each other, give them a folder each and divide those with --split "
        "or `split` in dataset.yaml."
    )


ENTRY = SplitEntry(train=("b", "a"), val=("c",), test=("d",))


def test_a_declared_split_says_where_it_is_from():
    split = declared_split("file x.json", ENTRY, "abcde")
    assert split.as_record() == {
        "source": "file x.json",
        "train": ["a", "b"],
        "val": ["c"],
        "test": ["d"],
    }


def test_a_declared_split_names_only_scenes_that_exist():
    with pytest.raises(DatasetError) as error:
        declared_split("file x.json", ENTRY, ("a", "b", "x"))
    assert str(error.value) == (
        "split of file x.json: no scene is called c, d. "
        "Use the names of this data set: a, b, x."
    )
