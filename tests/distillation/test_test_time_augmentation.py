"""Test-time augmentation against NumPy."""

import numpy as np
import pytest

from segshrink.distillation.test_time_augmentation import predict_augmented


def augmentations_of(tile):
    """Yield the eight augmentations of a square tile, each with its inverse."""
    for turns in range(4):
        yield np.rot90(tile, turns), lambda x, turns=turns: np.rot90(x, -turns)
        yield (
            np.rot90(np.flipud(tile), turns),
            lambda x, turns=turns: np.flipud(np.rot90(x, -turns)),
        )


def to_the_right(tiles):
    """A prediction that no augmentation commutes with: differences along rows."""
    columns = np.arange(tiles.shape[2], dtype=np.float32)[:, None]
    return np.diff(tiles, axis=2, prepend=0.0) * columns


def test_is_the_mean_over_all_augmentations():
    tiles = np.random.default_rng(0).normal(size=(3, 8, 8, 2)).astype(np.float32)
    found = predict_augmented(to_the_right, tiles)
    assert found.dtype == np.float32
    for tile, ours in zip(tiles, found, strict=True):
        augmented = list(augmentations_of(tile))
        assert len({turned.tobytes() for turned, _ in augmented}) == 8
        back = [undo(to_the_right(turned[None])[0]) for turned, undo in augmented]
        np.testing.assert_allclose(ours, np.mean(back, axis=0), rtol=1e-5, atol=1e-5)


def test_turning_the_tile_turns_the_prediction():
    tiles = np.random.default_rng(1).normal(size=(1, 8, 8, 2)).astype(np.float32)
    expected = predict_augmented(to_the_right, tiles)
    for turned in (np.rot90, np.fliplr, np.flipud):
        found = predict_augmented(to_the_right, turned(tiles[0])[None])
        np.testing.assert_allclose(found[0], turned(expected[0]), rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize(("shape", "count"), [((8, 8), 8), ((8, 4), 4), ((4, 8), 4)])
def test_pointwise_predictions_do_not_change(shape, count):
    tiles = np.random.default_rng(2).normal(size=(2, *shape, 3)).astype(np.float32)
    shapes = []

    def squared(augmented):
        shapes.append(augmented.shape)
        return augmented**2

    np.testing.assert_allclose(predict_augmented(squared, tiles), tiles**2, rtol=1e-6)
    assert shapes == [(2 * count, *shape, 3)]
