"""How masks are read: bits, grey levels, palettes and alpha over a whole data set."""

import numpy as np
import pytest
from PIL import Image

from segshrink.data import inspect_dataset, open_dataset

from .pictures import noise, save, stripes

BY_INDEX = "classes: [{name: ground, index: 0}, {name: thing, index: 255}]\n"
BY_COLOR = """\
classes:
  - {name: ground, color: [0, 0, 0]}
  - {name: thing, color: [255, 255, 255]}
"""
LABELS = stripes(20, 30, 2)


def folder(root, pictures, description="", suffix=".png"):
    """A scene of noise for each mask, which are Pillow's images."""
    for number, picture in enumerate(pictures):
        scene = root / "abcdef"[number]
        save(scene / "images" / "x.png", noise(20, 30, number))
        (scene / "masks").mkdir()
        picture.save(scene / "masks" / f"x{suffix}")
    if description:
        (root / "dataset.yaml").write_text(description)
    return root


def labels_of(root):
    dataset = open_dataset(root)
    images = [
        image for part in (dataset.train, dataset.val, dataset.test) for image in part
    ]
    return [image.read()[1] for image in sorted(images, key=lambda image: image.name)]


def grey():
    return Image.fromarray(LABELS * 255)


def bilevel():
    return grey().convert("1", dither=Image.Dither.NONE)


def optimised():
    picture = Image.fromarray(LABELS, mode="P")
    picture.putpalette([0, 0, 0, 255, 255, 255])
    return picture


def alpha_of(mode):
    picture = Image.new(mode, (30, 20), "white")
    picture.putalpha(grey())
    return picture


MASKS_OF_ONE_CLASS = {
    "grey": (grey, ".png"),
    "1 bit": (bilevel, ".png"),
    "1 bit TIFF": (bilevel, ".tif"),
    "palette of greys": (optimised, ".png"),
    "GIF": (grey, ".gif"),
    "GIF, upper case": (grey, ".GIF"),
    "alpha of RGBA": (lambda: alpha_of("RGBA"), ".png"),
    "alpha of LA": (lambda: alpha_of("LA"), ".png"),
    "LA": (lambda: grey().convert("LA"), ".png"),
    "RGB": (lambda: grey().convert("RGB"), ".png"),
}


@pytest.mark.parametrize("kind", MASKS_OF_ONE_CLASS)
@pytest.mark.parametrize("description", ["", BY_INDEX, BY_COLOR])
def test_masks_of_one_class_are_read_however_they_are_saved(
    tmp_path, kind, description
):
    picture, suffix = MASKS_OF_ONE_CLASS[kind]
    root = folder(tmp_path, [picture() for _ in range(3)], description, suffix)
    for found in labels_of(root):
        np.testing.assert_array_equal(found, LABELS)


@pytest.mark.parametrize("description", ["", BY_INDEX, BY_COLOR])
def test_one_data_set_may_mix_them(tmp_path, description):
    """Programs that shrink PNGs store each mask as is smallest for it."""
    root = folder(tmp_path, [grey(), bilevel(), bilevel(), grey()], description)
    for found in labels_of(root):
        np.testing.assert_array_equal(found, LABELS)


def test_bits_are_indices_where_1_is_one(tmp_path):
    pictures = [Image.fromarray(stripes(20, 30, 3)), bilevel(), bilevel()]
    found = labels_of(folder(tmp_path, pictures))
    np.testing.assert_array_equal(found[0], stripes(20, 30, 3))
    np.testing.assert_array_equal(found[1], LABELS)


def palettes(order_of):
    """Masks of the same three stripes, whose palettes are in another order each."""
    colors = [(10, 20, 30), (200, 0, 0), (0, 0, 250)]
    labels = stripes(20, 30, 3)
    for number in range(3):
        order = np.array(order_of(number))
        picture = Image.fromarray(np.argsort(order)[labels].astype(np.uint8), mode="P")
        picture.putpalette([value for entry in order for value in colors[entry]])
        yield picture


def rolled(number):
    return np.roll([0, 1, 2], number)


def test_palettes_in_any_order_are_read_by_colour(tmp_path):
    colors = "[10, 20, 30]", "[200, 0, 0]", "[0, 0, 250]"
    named = ", ".join(f"{{name: c{i}, color: {each}}}" for i, each in enumerate(colors))
    root = folder(tmp_path, palettes(rolled), f"classes: [{named}]\n")
    for found in labels_of(root):
        np.testing.assert_array_equal(found, stripes(20, 30, 3))


def camvid(root, pictures):
    for part, picture in zip(("train", "val", "test"), pictures, strict=True):
        save(root / part / "x.png", noise(20, 30))
        (root / f"{part}annot").mkdir()
        picture.save(root / f"{part}annot" / "x.png")
    return root


def test_indices_whose_palettes_differ_are_read_by_colour(tmp_path):
    root = camvid(tmp_path, palettes(rolled))
    report = inspect_dataset(root)
    assert not report.by_index
    assert (
        "The palettes of the masks differ from file to file: they are read by colour."
        in report.notices
    )
    dataset = open_dataset(root)
    for part in (dataset.train, dataset.val, dataset.test):
        shown = dataset.classes.colorize(part[0].read()[1])
        with Image.open(root / f"{part.name}annot" / "x.png") as mask:
            np.testing.assert_array_equal(shown, np.asarray(mask.convert("RGB")))


def test_indices_that_have_one_palette_stay_indices(tmp_path):
    root = camvid(tmp_path, palettes(lambda number: [0, 1, 2]))
    assert inspect_dataset(root).by_index


def test_declared_indices_stay_indices_and_are_told(tmp_path):
    classes = ", ".join(f"{{name: c{index}, index: {index}}}" for index in range(3))
    root = folder(tmp_path, palettes(rolled), f"classes: [{classes}]\n")
    assert (
        "The palettes of the masks differ from file to file: they are read by index, "
        "as their classes are declared."
    ) in open_dataset(root).notices
    for number, found in enumerate(labels_of(root)):
        expected = np.argsort(rolled(number))[stripes(20, 30, 3)]
        np.testing.assert_array_equal(found, expected)


def rgba(colors, alpha):
    return Image.fromarray(np.dstack([colors, alpha]).astype(np.uint8))


def constant(value=255):
    return np.full((20, 30, 3), value)


def test_alpha_is_the_mask_only_if_colours_never_vary(tmp_path):
    colored = np.zeros((20, 30, 3))
    colored[LABELS == 1] = (255, 0, 0)
    alpha = stripes(20, 30, 3) * 100
    told = "The alpha channel of the masks is taken as the mask, since it varies and "
    cases = {
        "alpha": ([rgba(constant(), alpha)] * 3, True),
        "empty ones": (
            [
                rgba(constant(), alpha),
                rgba(constant(9), alpha * 0),
                rgba(constant(), alpha),
            ],
            True,
        ),
        "colours": ([rgba(colored, alpha)] * 3, False),
        "one of colours": ([rgba(constant(), alpha), rgba(colored, alpha)], False),
        "one without alpha": ([rgba(constant(), alpha), grey()], False),
        "opaque": ([rgba(constant(), LABELS * 0 + 255)] * 3, False),
    }
    for name, (pictures, is_alpha) in cases.items():
        report = inspect_dataset(folder(tmp_path / name, pictures))
        is_told = any(notice.startswith(told) for notice in report.notices)
        assert is_told == is_alpha, name
        dropped = any("which is dropped" in notice for notice in report.notices)
        assert dropped != is_alpha, name


@pytest.mark.parametrize("kind", [np.uint16, np.int32, np.float32])
def test_indices_of_any_type(tmp_path, kind):
    pictures = [Image.fromarray(LABELS.astype(kind) * 999 + 1) for _ in range(3)]
    for found in labels_of(folder(tmp_path, pictures, suffix=".tif")):
        np.testing.assert_array_equal(found, LABELS)
