"""Means over poses, against NumPy."""

import numpy as np
import pytest

from segshrink.distillation.test_time_augmentation import predict_augmented


def poses_of(tile):
    """The eight of a square tile, one after the other, and how each is undone."""
    for turns in range(4):
        yield np.rot90(tile, turns), lambda x, turns=turns: np.rot90(x, -turns)
        yield (
            np.rot90(np.flipud(tile), turns),
            lambda x, turns=turns: np.flipud(np.rot90(x, -turns)),
        )


def to_the_right(tiles):
    """What no pose commutes with: differences along a row, weighted by the place."""
    columns = np.arange(tiles.shape[2], dtype=np.float32)[:, None]
    return np.diff(tiles, axis=2, prepend=0.0) * columns


def test_is_the_mean_of_what_is_said_of_each_pose():
    tiles = np.random.default_rng(0).normal(size=(3, 8, 8, 2)).astype(np.float32)
    found = predict_augmented(to_the_right, tiles)
    assert found.dtype == np.float32
    for tile, ours in zip(tiles, found, strict=True):
        poses = list(poses_of(tile))
        assert len({pose.tobytes() for pose, _ in poses}) == 8
        back = [undo(to_the_right(pose[None])[0]) for pose, undo in poses]
        np.testing.assert_allclose(ours, np.mean(back, axis=0), rtol=1e-5, atol=1e-5)


def test_a_pose_of_the_tile_has_the_pose_of_the_mean():
    tiles = np.random.default_rng(1).normal(size=(1, 8, 8, 2)).astype(np.float32)
    expected = predict_augmented(to_the_right, tiles)
    for turned in (np.rot90, np.fliplr, np.flipud):
        found = predict_augmented(to_the_right, turned(tiles[0])[None])
        np.testing.assert_allclose(found[0], turned(expected[0]), rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize(("shape", "poses"), [((8, 8), 8), ((8, 4), 4), ((4, 8), 4)])
def test_maps_that_go_with_the_tile_are_as_they_were(shape, poses):
    tiles = np.random.default_rng(2).normal(size=(2, *shape, 3)).astype(np.float32)
    asked = []

    def squared(posed):
        asked.append(posed.shape)
        return posed**2

    np.testing.assert_allclose(predict_augmented(squared, tiles), tiles**2, rtol=1e-6)
    assert asked == [(2 * poses, *shape, 3)]
