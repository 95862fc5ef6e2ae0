"""The page in a real browser: the classes are Python's, and nothing leaves it."""

import gzip
from pathlib import Path

import numpy as np
import pytest

from segshrink.data import open_dataset, plain_tiles
from segshrink.export import export_model
from segshrink.models import build_model
from segshrink.runtimes import classes_of_image, load_artifact, shipped_model
from segshrink.web import write_web_page

from .chromium import chromium, chromium_path
from .pages import opened, segment, text, write_picture

pytestmark = pytest.mark.skipif(chromium_path() is None, reason="there is no Chromium")

AXE = Path(__file__).parent / "vendor" / "axe.min.js.gz"
SIDE = 256
# A browser without relaxed SIMD refuses a module of it; others are valid as before.
NO_RELAXED_SIMD = """
const validate = WebAssembly.validate;
WebAssembly.validate = (bytes) => !bytes.includes(128) && validate(bytes);
"""


@pytest.fixture(scope="module")
def browser():
    flags = ("--use-fake-device-for-media-stream", "--use-fake-ui-for-media-stream")
    with chromium(*flags) as running:
        yield running


@pytest.fixture(scope="module")
def float_file(tmp_path_factory):
    model = build_model("unet", num_classes=5, input_shape=(96, 64, 3), base_filters=4)
    return export_model(model, tmp_path_factory.mktemp("float") / "float.tflite")


@pytest.fixture(scope="module")
def page(tmp_path_factory):
    return write_web_page(shipped_model(), tmp_path_factory.mktemp("page") / "try.html")


@pytest.fixture(scope="module")
def images():
    part = open_dataset("synthetic", scenes=10, scene_px=SIDE).train
    tiles, _ = plain_tiles(part, (SIDE, SIDE), 10)
    return tiles


def times(tab) -> str:
    return tab.evaluate(
        "`${Math.round(shown.loaded)} ms to load, ` + shown.times.join()"
    )


def test_ten_tiles_have_the_classes_of_python(browser, page, images, tmp_path):
    artifact, tab = load_artifact(shipped_model()), opened(browser, page)
    for index, image in enumerate(images):
        found = segment(tab, write_picture(tmp_path / f"{index}.png", image))
        np.testing.assert_array_equal(found, classes_of_image(artifact, image))
        print(times(tab), "ms a tile;", text(tab, "status"))
    assert len(np.unique(found)) > 1
    assert not tab.messages


@pytest.mark.parametrize("size", [(300, 171), (40, 30), (1, 1), (96, 64), (211, 500)])
def test_a_float_file_blends_tiles_as_python_does(browser, float_file, size, tmp_path):
    artifact = load_artifact(float_file)
    written = write_web_page(float_file, tmp_path / "float.html")
    image = np.random.default_rng(7).integers(0, 256, (*size, 3), np.uint8)
    tab = opened(browser, written)
    found = segment(tab, write_picture(tmp_path / "image.png", image))
    np.testing.assert_array_equal(found, classes_of_image(artifact, image))


def test_nothing_is_asked_of_any_host(browser, page, images, tmp_path):
    tab = opened(browser, page)
    segment(tab, write_picture(tmp_path / "image.png", images[0]))
    outside = [x for x in tab.requests if not x.startswith(("blob:", "data:"))]
    assert outside == [page.as_uri()]
    # Neither could a changed page.
    blocked = tab.evaluate(
        "fetch('https://example.org/').then(() => 'sent', () => 'refused')"
    )
    assert blocked == "refused"
    assert any("Content Security Policy" in message for message in tab.messages)


def test_without_relaxed_simd_the_compatible_build_runs(
    browser, page, images, tmp_path
):
    artifact, tab = (
        load_artifact(shipped_model()),
        opened(browser, page, NO_RELAXED_SIMD),
    )
    found = segment(tab, write_picture(tmp_path / "image.png", images[0]))
    assert "without relaxed SIMD" in text(tab, "status")
    np.testing.assert_array_equal(found, classes_of_image(artifact, images[0]))


@pytest.mark.parametrize(
    ("prepared", "missing"),
    [
        ("delete window.DecompressionStream;", "DecompressionStream"),
        ("WebAssembly.validate = () => false;", "SIMD in WebAssembly"),
    ],
)
def test_a_browser_that_cannot_is_told(browser, page, prepared, missing):
    tab = opened(browser, page, prepared)
    assert missing in text(tab, "fault")
    assert tab.evaluate("document.getElementById('choose').disabled")


def test_a_file_that_is_no_picture_is_refused(browser, page, tmp_path):
    tab, path = opened(browser, page), tmp_path / "notes.png"
    path.write_text("not a picture")
    tab.put_file("#choose", path)
    tab.wait("!document.getElementById('fault').hidden")
    assert text(tab, "fault").startswith("notes.png: this browser cannot read it")


def test_shares_are_those_of_the_class_map(browser, page, images, tmp_path):
    tab = opened(browser, page)
    found = segment(tab, write_picture(tmp_path / "image.png", images[1]))
    counts = np.bincount(found.ravel(), minlength=6)
    rows = tab.evaluate(
        "Array.from(document.querySelectorAll('#legend tr'), x => x.innerText)"
    )
    assert [row.split()[0] for row in rows][:2] == ["Building", "Land"]
    expected = [f"{100 * count / found.size:.1f} %" for count in counts]
    assert [" ".join(row.split()[1:3]) for row in rows] == expected


def test_sliders_move_by_keyboard(browser, page, images, tmp_path):
    tab = opened(browser, page)
    segment(tab, write_picture(tmp_path / "image.png", images[0]))
    tab.evaluate("document.getElementById('split').focus()")
    tab.press("ArrowRight", 39)
    assert text(tab, "split_said") == "51 % before"
    style = tab.evaluate("document.getElementById('overlay').style.clipPath")
    assert style == "inset(0px 0px 0px 51%)"


def test_the_camera_is_followed(browser, page):
    tab = opened(browser, page)
    tab.evaluate("document.getElementById('camera').click()")
    tab.wait("shown.classMap !== null || !document.getElementById('fault').hidden")
    assert text(tab, "fault") == ""
    assert tab.evaluate("[shown.height, shown.width]") == [SIDE, SIDE]
    assert text(tab, "status").startswith("Live: ")
    tab.evaluate("document.getElementById('camera').click()")
    assert text(tab, "status") == "The camera is off."


@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("width", [1280, 390])
def test_axe_finds_nothing_serious(browser, page, images, tmp_path, scheme, width):
    tab = opened(browser, page)
    tab.prefer(scheme)
    tab.resize(width, 844, is_phone=width < 500)
    segment(tab, write_picture(tmp_path / "image.png", images[0]))
    assert tab.evaluate("document.documentElement.scrollWidth") <= width
    tab.evaluate(gzip.decompress(AXE.read_bytes()).decode())
    found = tab.evaluate(
        "axe.run().then(x => x.violations.map(v => [v.impact, v.id, "
        "v.nodes.map(n => n.html)]))"
    )
    assert [each for each in found if each[0] in ("serious", "critical")] == []
    assert tab.evaluate("axe.run().then(x => x.passes.length)") > 10
