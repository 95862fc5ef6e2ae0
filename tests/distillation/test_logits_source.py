"""Sources of logits: tiles, means of several, and what counts as probabilities."""

import keras
import numpy as np
import pytest
from scipy.special import log_softmax, softmax

from distillation.cached_teachers import Counted, logits_of, pointwise
from segshrink.distillation import MeanLogits, TiledLogits
from segshrink.distillation.digests import model_digest
from segshrink.distillation.logits_source import (
    are_probabilities,
    as_source,
    log_probabilities,
)

HOW = {"overlap": 0.125, "averaged": False}


def test_a_keras_model_is_a_source_of_its_logits(part):
    model = pointwise()
    source = as_source(model)
    assert source.tile_px == (8, 8)
    assert source.num_classes == 3
    assert not source.is_stored
    assert source.digest() == model_digest(model)
    image = part[1].read()[0]
    np.testing.assert_allclose(
        source.logits(part[1], image, **HOW), logits_of(model, image), atol=1e-4
    )
    assert as_source(source) is source


@pytest.mark.parametrize("averaged", [False, True])
@pytest.mark.parametrize("batch_size", [1, 3, 16, 50])
def test_images_that_share_batches_have_the_logits_of_each(part, averaged, batch_size):
    sizes = set()

    def predict(tiles):
        sizes.add(len(tiles))
        return tiles[..., :2] * np.linspace(1, 2, tiles.shape[1])[:, None, None]

    source = TiledLogits(
        predict=predict,
        tile_px=(8, 8),
        num_classes=2,
        digest=lambda: "it",
        batch_size=batch_size,
    )
    images = [annotated.read()[0] for annotated in part]
    how = {"overlap": 0.5, "averaged": averaged}
    together = list(source.logits_of_all(iter(images), **how))
    assert sizes == {max(8, batch_size // 8 * 8) if averaged else batch_size}
    assert len(together) == len(images)
    for found, annotated, image in zip(together, part, images, strict=True):
        np.testing.assert_array_equal(found, source.logits(annotated, image, **how))


@pytest.mark.parametrize("tile_px", [(4, 4), (8, 6), (40, 40)])
def test_tiles_need_not_have_the_size_of_the_images(part, tile_px):
    seen = set()

    def predict(tiles):
        seen.add(tiles.shape)
        return tiles[..., :2] / 64

    source = TiledLogits(
        predict=predict, tile_px=tile_px, num_classes=2, digest=lambda: "it"
    )
    image = part[0].read()[0]
    logits = source.logits(part[0], image, **HOW)
    np.testing.assert_allclose(logits, image[..., :2] / 64, atol=1e-5)
    assert seen == {(1, *tile_px, 3)}


def test_averaged_logits_are_those_of_all_poses(part):
    # Logits that depend on the place in the tile, which all poses together do not.
    ramp = np.arange(8, dtype=np.float32)[None, :, None, None]

    def predict(tiles):
        return np.broadcast_to(ramp, (len(tiles), 8, 8, 2)).copy()

    source = TiledLogits(
        predict=predict, tile_px=(8, 8), num_classes=2, digest=lambda: "it"
    )
    image = part[0].read()[0]
    plain = source.logits(part[0], image, overlap=0.0, averaged=False)
    assert np.ptp(plain) == 7
    averaged = source.logits(part[0], image, overlap=0.0, averaged=True)
    np.testing.assert_allclose(averaged, 3.5, atol=1e-5)


def test_several_teachers_teach_the_mean_of_their_probabilities(part):
    models = [pointwise(seed) for seed in (1, 2, 3)]
    image = part[2].read()[0]
    mean = MeanLogits([as_source(model) for model in models])
    logits = mean.logits(part[2], image, **HOW)
    expected = np.mean([softmax(logits_of(x, image), axis=-1) for x in models], axis=0)
    np.testing.assert_allclose(softmax(logits, axis=-1), expected, atol=1e-5)
    # They are log-probabilities themselves.
    np.testing.assert_allclose(np.exp(logits).sum(axis=-1), 1, atol=1e-5)


def test_the_order_of_teachers_does_not_count():
    one, two = (as_source(pointwise(seed)) for seed in (1, 2))
    both = MeanLogits([one, two]).digest()
    assert both == MeanLogits([two, one]).digest()
    assert both not in (one.digest(), two.digest(), MeanLogits([one, one]).digest())


def test_probabilities_are_told_from_logits():
    random = np.random.default_rng(0)
    logits = random.normal(size=(6, 5, 4)).astype(np.float32)
    shares = softmax(logits, axis=-1)
    assert are_probabilities(shares)
    assert are_probabilities(np.round(shares * 256) / 256)  # as an int8 file has them
    assert not are_probabilities(logits)
    assert not are_probabilities(shares / 2)
    assert not are_probabilities(log_softmax(logits, axis=-1))
    # One pixel is enough.
    shares[3, 2] = (1.5, -0.5, 0, 0)
    assert not are_probabilities(shares)


def test_logarithms_of_zero_are_finite():
    logs = log_probabilities(np.array([[1, 0], [0.25, 0.75]], np.float32))
    expected = [[0, np.log(1e-7)], [np.log(0.25), np.log(0.75)]]
    np.testing.assert_allclose(logs, expected, rtol=1e-6)
    assert logs.dtype == np.float32


def test_models_of_a_class_of_the_users_are_models():
    assert isinstance(pointwise(), Counted) and isinstance(pointwise(), keras.Model)
    assert isinstance(as_source(pointwise()), TiledLogits)
