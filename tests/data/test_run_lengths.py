import numpy as np
import pytest

from segshrink.data.run_lengths import (
    brush_values,
    checked_counts,
    coco_counts,
    coco_mask,
    decode_brush,
)

from .layouts.drawing import brush_runs, coco_runs, coco_text

MASKS = [
    np.random.default_rng(seed).random((9, 13)) < share
    for seed, share in enumerate([0, 0.1, 0.5, 0.9, 1])
]
# Made by pycocotools 2.0.11 of `np.add.outer(range(9), range(13)) % 5 < 2`.
PYCOCOTOOLS = (9, 13, "0230OO1130MOO110N020N020OO1130MOO110N020N020OO1130MO")


@pytest.mark.parametrize("mask", MASKS)
def test_runs_of_coco(mask):
    counts = coco_runs(mask)
    assert coco_counts(coco_text(counts)).tolist() == counts
    checked = checked_counts(np.array(counts), *mask.shape)
    np.testing.assert_array_equal(coco_mask(checked, *mask.shape), mask)


def test_a_text_that_pycocotools_wrote():
    height, width, text = PYCOCOTOOLS
    counts = checked_counts(coco_counts(text), height, width)
    expected = np.add.outer(range(height), range(width)) % 5 < 2
    np.testing.assert_array_equal(coco_mask(counts, height, width), expected)


@pytest.mark.parametrize("text", ["", "é", "P", " 1", "oooooooooooooooo0", "z0"])
def test_damaged_texts_of_coco(text):
    with pytest.raises(ValueError):
        checked_counts(coco_counts(text), 9, 13)


@pytest.mark.parametrize("counts", [[1, 2], [-1, 118], [2**60, 2**60], [[117]]])
def test_runs_that_do_not_fill_an_image(counts):
    with pytest.raises(ValueError):
        checked_counts(np.array(counts), 9, 13)


@pytest.mark.parametrize("spelt", [False, True])
@pytest.mark.parametrize("mask", MASKS)
def test_packed_runs_of_label_studio(mask, spelt):
    packed = bytes(brush_runs(mask, spelt=spelt))
    assert brush_values(packed) == 4 * mask.size
    values = decode_brush(packed).reshape(*mask.shape, 4)
    np.testing.assert_array_equal(values[..., 3] > 0, mask)
    with pytest.raises(ValueError, match="cut off|short"):
        decode_brush(packed[: len(packed) // 2])


def test_packed_runs_that_hold_too_much():
    mask = np.ones((4, 4), bool)
    packed = bytearray(brush_runs(mask))
    packed[3] -= 1
    with pytest.raises(ValueError, match="64 values instead of 63"):
        decode_brush(bytes(packed))
