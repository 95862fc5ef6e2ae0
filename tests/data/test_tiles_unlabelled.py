"""Batches with tiles of images without labels, and with tiles that are mixed."""

import numpy as np
import pytest

from segshrink.data import UNLABELLED, Part, TileSampler, TileSettings
from segshrink.data.augmentation import cut_tile
from segshrink.data.mixing import mixed_tiles
from segshrink.recipe import Augmentation

from .pictures import THREE_CLASSES, encoded_part, held, noise

LABELLED = encoded_part([(64, 64), (40, 90)])


def bare_part(sizes):
    labels = [np.full(size, UNLABELLED, np.uint8) for size in sizes]
    images = [
        held(noise(*size), mask) for size, mask in zip(sizes, labels, strict=True)
    ]
    return Part("unlabelled", images, THREE_CLASSES)


def sampler(unlabelled=None, maps=None, **options):
    settings = {"tile_px": 32, "batch_size": 4, "augmentation": Augmentation()}
    return TileSampler(
        LABELLED,
        TileSettings(**settings | options),
        seed=0,
        maps=maps,
        unlabelled=unlabelled,
    )


@pytest.mark.parametrize(
    ("share", "bare"), [(0.5, 4), (0.75, 6), (0.01, 1), (0.99, 7), (0.3, 2)]
)
def test_each_batch_ends_with_tiles_without_labels(share, bare):
    drawn = sampler(
        bare_part([(64, 64), (40, 90)]),
        batch_size=8,
        unlabelled_share=share,
        tiles_per_epoch=24,
    )
    assert drawn.steps_per_epoch == 3
    for step in range(3):
        _, labels = drawn.batch(0, step)
        known = (labels != UNLABELLED).any(axis=(1, 2))
        assert known.tolist() == [True] * (8 - bare) + [False] * bare


def test_every_image_without_labels_is_drawn_from_in_an_epoch():
    drawn = sampler(bare_part([(40, 40)] * 6), tiles_per_epoch=12)
    images = [index for step in range(3) for index, _ in drawn.draws(0, step)]
    assert set(images) == set(range(8))  # two with labels, six without


def test_images_without_labels_do_not_lengthen_an_epoch():
    assert sampler(bare_part([(64, 64)] * 50)).steps_per_epoch == (
        sampler().steps_per_epoch
    )


def test_draws_and_mixes_are_those_of_the_batch():
    bare = bare_part([(64, 64)])
    drawn, part = sampler(bare, mixing="cutmix"), LABELLED.joined(bare)
    tiles = [
        cut_tile(*part[index].read(), draw, 32) for index, draw in drawn.draws(1, 0)
    ]
    plain = (np.stack(pixels) for pixels in zip(*tiles, strict=True))
    expected = mixed_tiles(*plain, drawn.mixes(1, 0))
    for ours, theirs in zip(drawn.batch(1, 0), expected, strict=True):
        np.testing.assert_array_equal(ours, theirs)
    assert drawn.mixes(1, 0) == sampler(bare, mixing="cutmix").mixes(1, 0)
    assert drawn.mixes(1, 0) != drawn.mixes(0, 0)


class MapsOfRed:
    """The red channel of each fourth pixel, in place of a teacher's logits."""

    stride, channels, views = 4, 1, 1

    def get(self, index, view):
        image, _ = LABELLED[index].read()
        return image[::4, ::4, :1].astype(np.float16)

    def color_generator(self, index, view):
        return None


def test_maps_are_mixed_like_the_tiles_they_belong_to():
    turned = Augmentation(scale_jitter=(1, 1), photometric=0, flips=False)
    turned = turned.model_copy(update={"quarter_turns": False})
    drawn = sampler(maps=MapsOfRed(), mixing="cutmix", augmentation=turned)
    mixed = False
    for step in range(drawn.steps_per_epoch):
        images, _, maps = drawn.batch_with_maps(0, step)
        red = images[:, ::4, ::4, :1]
        inside = slice(0, 6)  # beyond the image, pixels are mirrored and maps are not
        np.testing.assert_array_equal(maps[:, inside, inside], red[:, inside, inside])
        mixed |= any(mix.height for mix in drawn.mixes(0, step))
    assert mixed


def test_refuses_what_cannot_be_mixed():
    with pytest.raises(ValueError, match="unlabelled_share must be between 0 and 1"):
        sampler(unlabelled_share=1.0)
    with pytest.raises(ValueError, match="needs two, got batch_size 1"):
        sampler(bare_part([(64, 64)]), batch_size=1)
    with pytest.raises(ValueError, match="the unlabelled part has no images"):
        sampler(Part("unlabelled", [], THREE_CLASSES))
    with pytest.raises(ValueError, match="mixup cannot be combined with maps"):
        sampler(maps=MapsOfRed(), mixing="mixup")
