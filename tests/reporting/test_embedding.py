import base64
import io
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from segshrink.errors import RunFolderError
from segshrink.reporting.embedding import panel_uri
from segshrink.reporting.side_by_side import Panel

from .run_folder import CLASSES

Builder = Callable[..., Path]


def decoded(uri: str) -> Image.Image:
    return Image.open(io.BytesIO(base64.b64decode(uri.partition(",")[2])))


def test_shrunk_labels_keep_the_colours_of_classes(run_folder: Builder) -> None:
    folder = run_folder(samples=1, sample_px=(90, 120))
    path = folder / "measurements/samples/00/student-int8.png"
    uri = panel_uri(Panel("x", path, "", is_photo=False), 50, 80)
    picture = decoded(uri)
    assert uri.startswith("data:image/png;base64,")
    assert picture.size == (50, 38)
    colors = picture.convert("RGB").getcolors() or []
    assert {color for _, color in colors} == set(CLASSES.values())


def test_labels_that_fit_are_embedded_without_loss(run_folder: Builder) -> None:
    folder = run_folder(samples=1)
    path = folder / "measurements/samples/00/truth.png"
    uri = panel_uri(Panel("x", path, "", is_photo=False), 480, 80)
    np.testing.assert_array_equal(
        np.asarray(decoded(uri).convert("RGB")), np.asarray(Image.open(path))
    )


def test_photos_are_embedded_as_jpeg(run_folder: Builder) -> None:
    path = run_folder(samples=1) / "measurements/samples/00/image.png"
    uri = panel_uri(Panel("x", path, "", is_photo=True), 480, 80)
    assert uri.startswith("data:image/jpeg;base64,")
    assert decoded(uri).size == (80, 60)


def test_a_broken_picture_is_named(tmp_path: Path) -> None:
    path = tmp_path / "image.png"
    path.write_bytes(b"not a picture")
    with pytest.raises(RunFolderError, match=r"image.png: not a readable picture"):
        panel_uri(Panel("x", path, "", is_photo=True), 9, 80)
