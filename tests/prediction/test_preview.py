"""A small picture of a large scene."""

import numpy as np
import pytest

from segshrink.prediction.preview import PREVIEW_PX, Preview


@pytest.mark.parametrize(
    ("size", "expected"),
    [
        ((1, 1), (1, 1)),
        ((30, 20), (30, 20)),
        ((2048, 2048), (2048, 2048)),
        ((4096, 2048), (2048, 1024)),
        ((100, 10_000), (20, 2048)),
        ((1, 10_000), (1, 2048)),
    ],
)
def test_the_longer_side_has_2048_pixels_at_most(size, expected):
    preview = Preview.of(size)
    assert preview.image.shape == (*expected, 3)
    assert preview.labels.shape == expected
    assert max(expected) <= PREVIEW_PX


def test_parts_of_any_size_make_the_picture_of_the_whole():
    height, width = 50, 5000
    rows, columns = np.indices((height, width))
    whole = np.stack([rows, columns // 256, columns % 256], axis=-1).astype(np.uint8)
    preview = Preview.of((height, width))
    for top in range(0, height, 7):
        for left in range(0, width, 333):
            part = whole[top : top + 7, left : left + 333]
            preview.put(preview.image, top, left, part)
            preview.put(preview.labels, top, left, part[..., 0])
    shape = preview.labels.shape
    assert shape == (20, 2048)
    for i in range(shape[0]):
        for j in range(0, shape[1], 97):
            # The pixel that lies under the middle of the preview's.
            row = int((i + 0.5) * height / shape[0])
            column = int((j + 0.5) * width / shape[1])
            assert (preview.image[i, j] == whole[row, column]).all()
            assert preview.labels[i, j] == row
