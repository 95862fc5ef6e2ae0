"""Noise around codes: where it is seen, and where pixels are snapped to."""

import io

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image, ImageDraw

from segshrink.data.mask_files import pack_channels
from segshrink.data.masks import find_runs
from segshrink.data.snapping import (
    common_codes,
    count_codes,
    is_noisy,
    nearest_codes,
    scattered_codes,
)

PALETTE = np.array(
    [(0, 0, 0), (255, 0, 0), (0, 255, 0), (0, 0, 255), (255, 255, 0), (128, 64, 0)],
    np.uint8,
)


def blobs(seed, classes, px=256):
    """Labels 0 to `classes`: discs on a ground."""
    generator = np.random.default_rng(seed)
    picture = Image.new("L", (px, px), 0)
    draw = ImageDraw.Draw(picture)
    for number in range(8):
        x, y = generator.integers(0, px, 2).tolist()
        radius = int(generator.integers(px // 10, px // 4))
        box = [x - radius, y - radius, x + radius, y + radius]
        draw.ellipse(box, fill=1 + number % classes)
    return np.asarray(picture)


def counts_of(masks):
    pixels, runs = {}, {}
    by_index = masks[0].ndim == 2
    for mask in masks:
        found = find_runs(mask.astype(np.uint32) if by_index else pack_channels(mask))
        for code, count in found.count().items():
            pixels[code] = pixels.get(code, 0) + count
        for code, count in found.count_runs().items():
            runs[code] = runs.get(code, 0) + count
    return count_codes(pixels, runs, by_index=by_index)


def white_on_black(labels):
    return (labels > 0).astype(np.uint8) * 255


def colored(labels):
    return PALETTE[labels]


def as_jpeg(mask, quality):
    data = io.BytesIO()
    Image.fromarray(mask).save(data, "JPEG", quality=quality)
    return np.asarray(Image.open(data))


def as_resized(mask, factor, how):
    side = round(mask.shape[0] * factor)
    return np.asarray(Image.fromarray(mask).resize((side, side), how))


@pytest.mark.parametrize(("form", "classes"), [(white_on_black, 1), (colored, 5)])
def test_masks_as_they_were_drawn_are_not_noisy(form, classes):
    counts = counts_of([form(blobs(seed, classes)) for seed in range(4)])
    assert not is_noisy(counts)
    assert scattered_codes(counts) == []


@pytest.mark.parametrize("classes", [1, 5, 150])
def test_indices_beside_each_other_are_not_noise(classes):
    counts = counts_of([blobs(seed, classes, px=64) for seed in range(30)])
    assert not is_noisy(counts)


def test_a_thin_border_of_a_code_of_its_own_is_not_noise():
    masks = []
    for seed in range(4):
        inside = white_on_black(blobs(seed, 1))
        border = (inside != np.roll(inside, 1, 1)) | (inside != np.roll(inside, 1, 0))
        masks.append(np.where(border, np.uint8(127), inside))
    assert not is_noisy(counts_of(masks))


@pytest.mark.parametrize(("form", "classes"), [(white_on_black, 1), (colored, 5)])
@pytest.mark.parametrize("quality", [30, 75, 95])
def test_jpeg_is_noise_around_the_colours(form, classes, quality):
    drawn = [form(blobs(seed, classes)) for seed in range(4)]
    counts = counts_of([as_jpeg(mask, quality) for mask in drawn])
    assert is_noisy(counts)
    # Each drawn colour is near a common one: within 3 levels, as JPEG shifts areas.
    values = np.array(common_codes(counts))
    for code in counts_of(drawn).codes.tolist():
        apart = [
            [abs((v >> s & 255) - (code >> s & 255)) for s in (0, 8, 16)]
            for v in values.tolist()
        ]
        assert min(map(max, apart)) <= 4


@pytest.mark.parametrize(("form", "classes"), [(white_on_black, 1), (colored, 5)])
@pytest.mark.parametrize("how", [Image.Resampling.BILINEAR, Image.Resampling.LANCZOS])
@pytest.mark.parametrize("factor", [0.5, 0.75, 2])
def test_interpolation_is_noise_around_the_colours(form, classes, how, factor):
    drawn = [form(blobs(seed, classes)) for seed in range(4)]
    counts = counts_of([as_resized(mask, factor, how) for mask in drawn])
    assert is_noisy(counts)
    assert set(counts_of(drawn).codes) <= set(common_codes(counts))
    # Those who declare the classes are told the same.
    assert is_noisy(counts, counts_of(drawn).codes.tolist())


def test_a_photograph_is_no_mask_with_noise():
    generator = np.random.default_rng(0)
    photo = generator.integers(0, 256, (256, 256, 3), dtype=np.uint8)
    assert not is_noisy(counts_of([photo]))


def test_declared_codes_are_common_and_not_scattered():
    counts = count_codes(
        {0: 990, 255: 7, 254: 3}, {0: 5, 255: 7, 254: 3}, by_index=True
    )
    assert scattered_codes(counts) == [255, 254]
    assert scattered_codes(counts, [0, 255]) == [254]
    assert common_codes(counts) == [0]
    assert common_codes(counts, [255, 0]) == [255, 0]


@given(
    codes=st.lists(st.integers(0, 0xFFFFFF), min_size=1, max_size=20),
    targets=st.lists(st.integers(0, 0xFFFFFF), min_size=1, max_size=5),
    by_index=st.booleans(),
)
def test_the_nearest_code_is_that_of_a_plain_loop(codes, targets, by_index):
    expected = []
    for code in codes:
        best, least = None, None
        for target in targets:
            pairs = [(code, target)]
            if not by_index:
                pairs = [(code >> s & 255, target >> s & 255) for s in (0, 8, 16)]
            distance = sum((a - b) ** 2 for a, b in pairs)
            if least is None or distance < least:
                best, least = target, distance
        expected.append(best)
    found = nearest_codes(np.array(codes, np.uint32), targets, by_index=by_index)
    assert found.dtype == np.uint32
    assert found.tolist() == expected
