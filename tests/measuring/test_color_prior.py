"""What colour alone tells, against plain counting."""

from collections import Counter, defaultdict
from dataclasses import dataclass

import numpy as np
import pytest
from sklearn import metrics

from segshrink.data import AnnotatedImage, Classes, Part
from segshrink.errors import UsageError
from segshrink.measuring import measure_color_prior

CLASSES = Classes(
    names=("Road", "Roof", "Tree"), colors=((10, 0, 0), (0, 20, 0), (0, 0, 30))
)


@dataclass(frozen=True, kw_only=True)
class Drawn(AnnotatedImage):
    """Classes with colours of their own that overlap."""

    seed: int

    def read(self):
        random = np.random.default_rng(self.seed)
        shape = self.height_px, self.width_px
        labels = random.choice(3, shape, p=[0.2, 0.3, 0.5]).astype(np.uint8)
        centers = np.array([[40, 90, 90, 0], [120, 80, 60, 0], [60, 140, 70, 0]])
        pixels = centers[labels][..., : self.num_bands]
        pixels = np.clip(pixels + random.normal(0, 25, pixels.shape), 0, 255)
        labels[random.random(shape) < 0.1] = 255
        labels[random.random(shape) < 0.1] = 254 if self.seed < 4 else 255
        return pixels.astype(np.uint8), labels


def part(name, seeds, bands=3):
    images = [
        Drawn(
            scene=f"s{seed}", name=f"{seed}", seed=seed, height_px=30, width_px=40,
            num_bands=bands,
        )
        for seed in seeds
    ]  # fmt: skip
    return Part(name, images, CLASSES)


def expected(train, images, bands):
    """Labels and predictions by dictionaries of colours."""
    seen, every = defaultdict(Counter), Counter()
    for image in train:
        pixels, labels = image.read()
        for pixel, label in zip(pixels.reshape(-1, bands), labels.flat, strict=True):
            if label < 3:
                seen[tuple(pixel[:3] // 16)][label] += 1
                every[label] += 1
    truth, predicted = [], []
    for image in images:
        pixels, labels = image.read()
        for pixel, label in zip(pixels.reshape(-1, bands), labels.flat, strict=True):
            if label < 3:
                counts = seen.get(tuple(pixel[:3] // 16), every)
                predicted.append(max(sorted(counts), key=counts.__getitem__))
                truth.append(label)
    return truth, predicted


@pytest.mark.parametrize("bands", [1, 3, 4])
def test_it_is_the_commonest_class_of_the_colour(bands):
    train, test = part("train", range(4), bands), part("test", (7, 8), bands)
    quality = measure_color_prior(train, test, CLASSES)
    truth, predicted = expected(train, test, bands)
    assert quality.pixel_accuracy == metrics.accuracy_score(truth, predicted)
    assert quality.mean_iou == pytest.approx(
        metrics.jaccard_score(truth, predicted, average="macro")
    )
    assert quality.part == "test"
    assert sorted(each.index for each in quality.by_image) == [0, 1]
    # It knows more than which class is the commonest.
    assert bands == 1 or quality.pixel_accuracy > 0.6


def test_an_empty_part_is_refused():
    with pytest.raises(UsageError, match="the part 'train' has no images"):
        measure_color_prior(part("train", ()), part("test", (7,)), CLASSES)
