"""A typed script as a user writes one.

Nobody runs it: scripts/test-wheel checks it with `mypy --strict`. `assert_type` fails
where a type is lost, as all are if `py.typed` is not installed.
"""

from pathlib import Path
from typing import assert_type

import numpy as np
import numpy.typing as npt

import segshrink
from segshrink.data import Dataset
from segshrink.errors import SegshrinkError
from segshrink.runtimes import Artifact


def share_of_class(file: Path, photo: Path, label: int) -> float:
    """Share of a photograph's pixels that a model file gives a class."""
    model = segshrink.load_artifact(file, threads=2)
    assert_type(model, Artifact)
    classes = segshrink.predict(model, photo)
    assert_type(classes, npt.NDArray[np.uint8])
    return float((classes == label).mean())


def mean_iou(file: Path, data: str) -> float | None:
    """Quality of a model file on the images that were held out, if they have labels."""
    return segshrink.evaluate(file, data, part="test", seed=1).mean_iou


def compressed(data: str) -> Path | None:
    """The page of a run, or None if the data has faults."""
    try:
        assert_type(segshrink.open_dataset(data), Dataset)
        page = segshrink.compress(data, out=Path("runs/typed"), seed=1).report
    except SegshrinkError as error:
        print(error)
        return None
    assert_type(page, Path)
    return page
