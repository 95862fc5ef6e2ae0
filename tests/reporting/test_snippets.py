"""Programs of the report, run as they stand there."""

import gzip
import http.server
import subprocess
import sys
import threading
from functools import partial

import numpy as np
import pytest
from PIL import Image

from segshrink.export import export_model
from segshrink.formats import Output
from segshrink.models import build_model
from segshrink.reporting.snippets import snippets_for
from segshrink.runtimes import load_artifact
from segshrink.web.runtime import VENDOR
from web.chromium import chromium, chromium_path

SIZE = (64, 96)


@pytest.fixture(scope="module")
def model():
    shape = (*SIZE, 3)
    return build_model("unet", num_classes=5, input_shape=shape, base_filters=4)


@pytest.fixture(scope="module")
def photo():
    return np.random.default_rng(0).integers(0, 256, (*SIZE, 3), np.uint8)


def program(name: str, language: str, output: str = "logits") -> str:
    programs = snippets_for(name, output)
    [text] = [x.text for x in programs if x.language.startswith(language)]
    return text


@pytest.mark.export
@pytest.mark.parametrize("output", Output)
@pytest.mark.parametrize("suffix", [".tflite", ".onnx", ".xml"])
def test_python_gives_the_classes_without_segshrink(
    model, photo, suffix, output, tmp_path
):
    file = export_model(model, tmp_path / f"it's {{odd}}{suffix}", output=output)
    # As PNG, which keeps every pixel, though its name says otherwise.
    Image.fromarray(photo).save(tmp_path / "photo.jpg", format="PNG")
    text = program(file.name, "Python", output)
    assert ("argmax" in text) == (output != Output.CLASSES)
    assert "segshrink" not in text
    subprocess.run(
        [sys.executable, "-c", f"{text}\nnp.save('classes.npy', classes)"],
        cwd=tmp_path,
        check=True,
    )
    expected = load_artifact(file).predict(photo[None])[0].argmax(-1)
    np.testing.assert_array_equal(np.load(tmp_path / "classes.npy"), expected)


class Served(http.server.SimpleHTTPRequestHandler):
    def log_message(self, *_):
        """Nothing to the terminal."""


@pytest.fixture
def site(tmp_path):
    """A folder on a web server, with the packages where npm puts them."""
    package = tmp_path / "node_modules/@litertjs/core"
    (package / "wasm").mkdir(parents=True)
    places = {
        "core.js": "index.js",
        "wasm_utils.js": "wasm_utils.js",
        "litert.js": "wasm/litert_wasm_internal.js",
        "litert.wasm": "wasm/litert_wasm_internal.wasm",
    }
    for name, place in places.items():
        content = gzip.decompress((VENDOR / f"{name}.gz").read_bytes())
        (package / place).write_bytes(content)
    handler = partial(Served, directory=tmp_path)
    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), handler)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    yield tmp_path, f"http://127.0.0.1:{server.server_port}"
    server.shutdown()


PAGE = """\
<!doctype html><meta charset="utf-8"><body>
<script type="importmap">{"imports": {
  "@litertjs/core": "/node_modules/@litertjs/core/index.js",
  "@litertjs/wasm-utils": "/node_modules/@litertjs/core/wasm_utils.js"}}</script>
<script type="module">
const photo = await (await fetch("photo.png")).blob();
PROGRAM
window.classes = Array.from(classes);
</script>
"""


@pytest.mark.export
@pytest.mark.parametrize("output", ["logits", "classes"])
@pytest.mark.skipif(chromium_path() is None, reason="there is no Chromium")
def test_javascript_gives_the_classes_in_a_browser(model, photo, site, output):
    folder, address = site
    file = export_model(model, folder / "it's {odd}.tflite", output=output)
    Image.fromarray(photo).save(folder / "photo.png")
    text = program(file.name, "JavaScript", output)
    (folder / "index.html").write_text(PAGE.replace("PROGRAM", text))
    with chromium("--host-resolver-rules=MAP * ~NOTFOUND, EXCLUDE 127.0.0.1") as found:
        tab = found.tab()
        tab.open(f"{address}/index.html")
        tab.wait("window.classes !== undefined", 60)
        classes = np.reshape(tab.evaluate("window.classes"), SIZE)
    expected = load_artifact(file).predict(photo[None])[0].argmax(-1)
    np.testing.assert_array_equal(classes, expected)


def test_kotlin_names_the_file_without_a_template():
    assert r'setModelAssetPath("a \"b\" \$c.tflite")' in program(
        'a "b" $c.tflite', "Kotlin"
    )


def test_mediapipe_opens_no_file_of_classes():
    languages = [x.language for x in snippets_for("m.tflite", "classes")]
    assert languages == ["Python", "JavaScript, in a browser"]


@pytest.mark.parametrize("name", ["model.keras", "notes.txt", "folder"])
def test_what_needs_keras_has_no_program(name):
    assert snippets_for(name) == ()
