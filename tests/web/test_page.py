"""What a page holds, and what it refuses."""

import base64
import hashlib
import re

import numpy as np
import pytest

from segshrink.errors import ModelError, UsageError
from segshrink.export import Calibration, export_model, write_metadata
from segshrink.formats import InputRange
from segshrink.models import build_model
from segshrink.records.measurement import ClassColor
from segshrink.records.metadata import FileMetadata
from segshrink.runtimes import legend, load_artifact, shipped_model
from segshrink.web import write_web_page

from .pages import block, facts


@pytest.fixture(scope="module")
def shipped_page(tmp_path_factory):
    path = write_web_page(shipped_model(), tmp_path_factory.mktemp("page") / "p.html")
    return path.read_text(encoding="utf-8")


def exported(path, bands=3, **options):
    model = build_model(
        "unet", num_classes=2, input_shape=(16, 16, bands), base_filters=2
    )
    return export_model(model, path, **options)


def test_the_page_of_the_shipped_model_is_small_and_holds_it(shipped_page):
    assert len(shipped_page.encode()) < 5_000_000
    assert block(shipped_page, "model_file") == shipped_model().read_bytes()


def test_classes_are_those_of_the_file(shipped_page):
    expected = [
        {"name": name, "color": list(color)}
        for name, color in legend(load_artifact(shipped_model()))
    ]
    assert facts(shipped_page)["classes"] == expected
    sha256 = hashlib.sha256(shipped_model().read_bytes()).hexdigest()
    assert facts(shipped_page)["facts"]["SHA-256"] == sha256


def test_the_rules_allow_the_own_script_and_style_and_no_connection(shipped_page):
    [policy] = re.findall(r'Security-Policy" content="(.*?)"', shipped_page)
    assert "default-src 'none'" in policy and "connect-src 'none'" in policy
    assert "unsafe-inline" not in policy and "http" not in policy
    for tag in ("script", "style"):
        [content] = re.findall(rf"<{tag}>(.*?)</{tag}>", shipped_page, re.DOTALL)
        digest = hashlib.sha256(content.encode()).digest()
        assert f"{tag}-src 'sha256-{base64.b64encode(digest).decode()}'" in policy


def test_the_same_file_gives_the_same_page(shipped_page, tmp_path):
    again = write_web_page(shipped_model(), tmp_path / "again.html")
    assert again.read_text(encoding="utf-8") == shipped_page


def test_names_of_classes_are_text_and_no_markup(tmp_path):
    file = exported(tmp_path / "a&b<i>.tflite")
    name = "</script><b>&"
    classes = [
        ClassColor(name=name, color=(1, 2, 3)),
        ClassColor(name="b", color=(4, 5, 6)),
    ]
    write_metadata(file, FileMetadata(classes=classes))
    page = write_web_page(file, tmp_path / "page.html").read_text(encoding="utf-8")
    assert facts(page)["classes"][0]["name"] == name
    assert name not in page
    assert "<h1>a&amp;b&lt;i&gt;</h1>" in page


def test_the_range_of_a_file_from_elsewhere_is_carried(tmp_path):
    file = exported(tmp_path / "m.tflite")
    page = write_web_page(file, tmp_path / "p.html", input_range="imagenet")
    signature = facts(page.read_text(encoding="utf-8"))["signature"]
    assert signature["scale"] == list(InputRange.IMAGENET.scale)
    assert signature["offset"] == list(InputRange.IMAGENET.offset)


def test_other_files_and_names_are_refused(tmp_path):
    with pytest.raises(UsageError, match=r"must end in \.html, got '\.htm'"):
        write_web_page(shipped_model(), tmp_path / "page.htm")
    with pytest.raises(UsageError, match=r"m\.onnx: a page runs \.tflite files"):
        write_web_page(tmp_path / "m.onnx", tmp_path / "page.html")
    with pytest.raises(ModelError, match="no such file"):
        write_web_page(tmp_path / "m.tflite", tmp_path / "page.html")
    assert not list(tmp_path.iterdir())


def test_what_a_browser_cannot_give_is_refused(tmp_path):
    with pytest.raises(ModelError, match="images of 4 bands"):
        write_web_page(exported(tmp_path / "four.tflite", 4), tmp_path / "page.html")
    images = np.random.default_rng(0).integers(0, 256, (4, 16, 16, 3), np.uint8)
    file = exported(
        tmp_path / "int8.tflite", quantize="full_int8", calibration=Calibration(images)
    )
    with pytest.raises(ModelError, match="has an integer input or output"):
        write_web_page(file, tmp_path / "page.html")
    assert not (tmp_path / "page.html").exists()
