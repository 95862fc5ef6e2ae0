"""Images in, pictures of classes out."""

from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from segshrink.errors import DatasetError
from segshrink.prediction import result_paths, segment_file


class BrightnessArtifact:
    """Class 0 where red is low, 1 where it is high; stands for a model file."""

    path = Path("brightness")
    runtime, runtime_version, threads = "none", "0", 1
    input_shape, num_classes = (16, 16), 3

    def predict(self, images):
        red = images[..., 0].astype(np.float32)
        return np.stack([255 - red, red, np.full_like(red, -1)], axis=-1)


@pytest.fixture
def striped(tmp_path):
    pixels = np.zeros((20, 30, 3), np.uint8)
    pixels[:, 10:] = 250
    path = tmp_path / "a picture.v2.png"
    Image.fromarray(pixels).save(path)
    return path


def test_mask_holds_class_indices_and_a_palette(striped, tmp_path):
    mask = segment_file(BrightnessArtifact(), striped, tmp_path / "new" / "out")
    assert mask == tmp_path / "new" / "out" / "a picture.v2.png"
    with Image.open(mask) as picture:
        expected = np.zeros((20, 30), np.uint8)
        expected[:, 10:] = 1
        np.testing.assert_array_equal(np.asarray(picture), expected)
        colors = np.asarray(picture.convert("RGB"))
    assert len(np.unique(colors.reshape(-1, 3), axis=0)) == 2


def test_overlay_lies_between_image_and_class_colour(striped, tmp_path):
    mask = segment_file(BrightnessArtifact(), striped, tmp_path / "out")
    overlay = np.asarray(Image.open(tmp_path / "out" / "a picture.v2-overlay.png"))
    image = np.asarray(Image.open(striped)).astype(float)
    colors = np.asarray(Image.open(mask).convert("RGB")).astype(float)
    np.testing.assert_allclose(overlay, 0.55 * image + 0.45 * colors, atol=1)


@pytest.mark.parametrize("size", [(1, 1), (5, 40), (16, 16)])
def test_any_size_comes_out_at_its_own_size(tmp_path, size):
    path = tmp_path / "x.png"
    Image.new("RGB", size).save(path)
    mask = segment_file(BrightnessArtifact(), path, tmp_path / "out")
    assert Image.open(mask).size == size


def test_damaged_image_leaves_nothing(tmp_path):
    path = tmp_path / "x.png"
    path.write_bytes(b"\x89PNG\r\n\x1a\n" + b"torn")
    with pytest.raises(DatasetError, match="x.png"):
        segment_file(BrightnessArtifact(), path, tmp_path / "out")
    assert not (tmp_path / "out").exists()


def test_result_paths():
    assert result_paths(Path("photos/a.b.jpg"), Path("out")) == (
        Path("out/a.b.png"),
        Path("out/a.b-overlay.png"),
    )
