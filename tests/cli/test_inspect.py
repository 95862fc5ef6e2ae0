"""Options of `segshrink inspect` that would have no effect are refused."""

import unicodedata

import numpy as np
import pytest
from PIL import Image

from e2e.command_line import refused, succeeded
from segshrink.cli.inspect import inspect
from segshrink.errors import UsageError


@pytest.mark.parametrize("name", ["model.keras", "model.tflite", "model.onnx"])
@pytest.mark.parametrize(
    ("write", "option"), [(False, "--no-write"), (True, "--write")]
)
def test_a_model_has_no_starter_to_write(name, write, option):
    with pytest.raises(UsageError, match=f"{option} has no effect on a model file"):
        inspect(name, write=write)


@pytest.mark.parametrize("path", ["model.tflite", "folder", "synthetic"])
def test_only_a_keras_model_can_be_pruned(path):
    with pytest.raises(UsageError, match=f"--keep is for Keras models, but {path}"):
        inspect(path, keep=0.5)


def test_a_model_has_no_masks():
    with pytest.raises(
        UsageError, match="--snap-colors and --resize-masks have no eff"
    ):
        inspect("model.keras", snap_colors=True, resize_masks=True)


def blobs(root, save_mask, *, name="{}", count=6):
    """Images of noise, and masks that `save_mask(labels, path)` makes of blobs."""
    generator = np.random.default_rng(0)
    for folder in ("images", "masks"):
        (root / folder).mkdir(parents=True)
    rows, columns = np.mgrid[:64, :64]
    for number in range(count):
        photo = generator.integers(0, 256, (64, 64, 3), dtype=np.uint8)
        own = name.format(number)
        Image.fromarray(photo).save(root / "images" / f"{own}.png")
        y, x, radius = generator.integers([10, 10, 8], [54, 54, 20])
        inside = (rows - y) ** 2 + (columns - x) ** 2 < radius**2
        save_mask(inside.astype(np.uint8) * 255, root / "masks" / own)
    return root


def test_jpeg_masks_are_not_helped_by_saving_them_as_png(tmp_path):
    """They were told so once, and got 71 classes."""

    def as_jpeg(labels, path):
        Image.fromarray(labels).save(path.with_suffix(".jpg"))

    root = blobs(tmp_path / "data", as_jpeg)
    assert "6 of 6 masks are JPEG" in refused("inspect", root)
    for path in list((root / "masks").iterdir()):
        Image.open(path).save(path.with_suffix(".png"))
        path.unlink()
    # Twice: the first must not declare the noise as classes.
    assert refused("inspect", root) == (message := refused("inspect", root))
    assert "in single pixels here and there, as JPEG leaves them" in message
    assert "`--snap-colors`" in message and "nearest of 0, 255" in message
    shown = succeeded("inspect", root, "--snap-colors")
    assert "of 6 masks are snapped to the nearest of 0, 255." in shown
    assert "foreground" in shown
    assert (root / "dataset.yaml").read_text().count("index:") == 2


def test_files_that_systems_leave_and_other_forms_of_names_do_no_harm(tmp_path):
    def decomposed(labels, path):
        name = unicodedata.normalize("NFD", path.name)
        Image.fromarray(labels).save(path.with_name(f"{name}.PNG"))

    root = blobs(tmp_path / "data", decomposed, name="Köln é ({}) [x]")
    for folder in ("images", "masks", "__MACOSX"):
        (root / folder).mkdir(exist_ok=True)
        for junk in (".DS_Store", "Thumbs.db", "desktop.ini", "._Köln é (0) [x].png"):
            (root / folder / junk).write_bytes(b"\0junk")
    assert "Köln é (0) [x]" in succeeded("inspect", root)


def test_unlabelled_images_belong_to_a_data_set():
    with pytest.raises(UsageError, match="--unlabelled has no effect on a model file"):
        inspect("model.keras", unlabelled=["more"])


def test_unlabelled_images_are_shown(tmp_path):
    for number in range(3):
        pixels = np.full((20 + number, 30, 3), number, np.uint8)
        Image.fromarray(pixels).save(tmp_path / f"{number}.png")
    (tmp_path / "broken.jpg").write_bytes(b"nothing")
    shown = succeeded("inspect", "synthetic", "--unlabelled", tmp_path)
    assert "20 to 22" in shown and "30 to 30" in shown
    assert "Broken, counts nothing" in shown
    assert "None of them is a copy" in shown
