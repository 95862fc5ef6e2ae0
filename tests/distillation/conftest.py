"""A cache of three images, filled once."""

import shutil

import numpy as np
import pytest

from data.pictures import THREE_CLASSES, held, noise
from distillation.cached_teachers import SIZES, pointwise
from segshrink.data import Part
from segshrink.distillation import TeacherCache


@pytest.fixture(scope="module")
def part():
    images = [
        held(noise(*size, seed=number), np.zeros(size, np.uint8), name=f"held-{number}")
        for number, size in enumerate(SIZES)
    ]
    return Part("train", images, THREE_CLASSES)


@pytest.fixture(scope="module")
def teacher():
    return pointwise()


@pytest.fixture(scope="module")
def filled(tmp_path_factory, part, teacher):
    """A folder with all maps; copied by the tests that change it."""
    folder = tmp_path_factory.mktemp("filled") / "logits"
    assert TeacherCache(folder, teacher, part).fill() == len(part)
    return folder


@pytest.fixture
def copied(filled, tmp_path):
    return shutil.copytree(filled, tmp_path / "copied")


# What it holds.
