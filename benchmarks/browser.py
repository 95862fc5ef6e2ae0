r"""Milliseconds a tile in a browser, beside native LiteRT, all in one run.

    python benchmarks/browser.py [--rounds 15] [--runs 5]

The subjects are the pages of `segshrink export --out try.html` for the shipped int8
model and for a float model of the same architecture, with the runtime as it is and
with the compatible one; LiteRT.js with two threads, which needs a web server that
isolates its pages; ONNX Runtime Web; and LiteRT in Python at one thread. They take
turns: in each round each segments the same tile a few times. A time begins with the
pixels and ends when the output can be read; the page also converts the pixels in it.
npm fetches ONNX Runtime Web and LiteRT.js, held by their checksums. Needs Chromium,
npm, and the extras tensorflow, litert and onnx. On a busy machine the medians say
little: the table tells the load while it was made, and the fastest run, which is
disturbed least.
"""

import argparse
import contextlib
import json
import os
import runpy
import statistics
import sys
import tempfile
import threading
import time
from collections.abc import Callable, Iterator
from functools import partial
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import numpy as np

from segshrink.export import export_model
from segshrink.models import build_model
from segshrink.records.machine import this_machine
from segshrink.runtimes import load_artifact, shipped_model
from segshrink.web import write_web_page

HERE = Path(__file__).resolve().parent
sys.path.insert(0, str(HERE.parent / "tests"))

from web.chromium import Browser, Tab, chromium  # noqa: E402
from web.pages import opened  # noqa: E402

SIDE_PX = 256
# The architecture of the shipped model; its float file is not shipped.
COMPACT = {"width": 24, "stem_stride": 2}
LOADS = 5
FLAGS = (
    "--host-resolver-rules=MAP * ~NOTFOUND, EXCLUDE 127.0.0.1",
    # Tabs behind the one that is shown would be given less of the processor.
    "--disable-renderer-backgrounding",
    "--disable-backgrounding-occluded-windows",
    "--disable-background-timer-throttling",
)
NO_RELAXED_SIMD = """
const validate = WebAssembly.validate;
WebAssembly.validate = (bytes) => !bytes.includes(128) && validate(bytes);
"""
PACKAGES = [
    {
        "name": "onnxruntime-web",
        "version": "1.30.0",
        "integrity": "sha512-q0y+JrrtukXSzsBWEMccVfqX25LRmosXHF+CaRJmg8pZClzcV7svNc4r"
        "KY3jL02Vb7QmRMDs1SigqR4CXAfKYQ==",
    },
    *json.loads((HERE.parent / "src/segshrink/web/vendor/contents.json").read_text())[
        "packages"
    ],
]
_LITERT_PAGE = """<!doctype html><meta charset="utf-8"><script type="importmap">
{"imports": {"@litertjs/core": "/@litertjs/core/dist/index.js",
"@litertjs/wasm-utils": "/@litertjs/wasm-utils/dist/index.js"}}</script>
<script type="module">
import {loadLiteRt, loadAndCompile, Tensor} from "@litertjs/core";
await loadLiteRt("/@litertjs/core/wasm/", {threads: true});
const model = await loadAndCompile("/NAME",
  {accelerator: "wasm", cpuOptions: {numThreads: THREADS}});
window.timed = async (values) => {
  const begin = performance.now();
  const given = new Tensor(values, [1, 256, 256, 3]);
  const [output] = await model.run([given]);
  await output.data();
  given.delete(); output.delete();
  return performance.now() - begin;
};
</script>"""
_ONNX_PAGE = """<!doctype html><meta charset="utf-8">
<script src="/onnxruntime-web/dist/ort.wasm.min.js"></script>
<script type="module">
ort.env.wasm.numThreads = THREADS;
ort.env.wasm.wasmPaths = "/onnxruntime-web/dist/";
const session = await ort.InferenceSession.create("/NAME");
window.timed = async (values) => {
  const begin = performance.now();
  const given = new ort.Tensor("float32", values, [1, 256, 256, 3]);
  const found = await session.run({[session.inputNames[0]]: given});
  await found[session.outputNames[0]].getData();
  return performance.now() - begin;
};
</script>"""


class Isolated(SimpleHTTPRequestHandler):
    """Serves a folder with the headers that threads in a page need."""

    def end_headers(self) -> None:
        """Add the headers to every answer."""
        self.send_header("Cross-Origin-Opener-Policy", "same-origin")
        self.send_header("Cross-Origin-Embedder-Policy", "require-corp")
        super().end_headers()

    def log_message(self, *_: object) -> None:
        """Say nothing."""


Isolated.extensions_map[".mjs"] = "text/javascript"


@contextlib.contextmanager
def served(folder: Path) -> Iterator[str]:
    server = ThreadingHTTPServer(
        ("127.0.0.1", 0), partial(Isolated, directory=str(folder))
    )
    threading.Thread(target=server.serve_forever, daemon=True).start()
    yield f"http://127.0.0.1:{server.server_address[1]}"
    server.shutdown()


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.split("\n\n")[0])
    parser.add_argument("--rounds", type=int, default=15)
    parser.add_argument("--runs", type=int, default=5)
    parser.add_argument("--out", type=Path, default=HERE / "browser.json")
    given = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        record = measured(Path(folder), given.rounds, given.runs)
    given.out.write_text(json.dumps(record, indent=1) + "\n")
    given.out.with_suffix(".md").write_text(table(record))


def measured(work: Path, rounds: int, runs: int) -> dict:
    files = made_files(work)
    fetch = runpy.run_path(str(HERE.parent / "scripts" / "vendor_web"))["files_of"]
    for package in PACKAGES:
        for name, content in fetch(package).items():
            place = work / name
            place.parent.mkdir(parents=True, exist_ok=True)
            place.write_bytes(content)
    with served(work) as address, chromium(*FLAGS) as browser:
        loads = {
            name: seconds_to_load(browser, work, name) for name in ("int8", "float")
        }
        subjects = {
            **natives(files),
            **pages(browser, work),
            **served_pages(browser, work, address),
        }
        loads_of_machine = [os.getloadavg()[0]]
        times: dict[str, list[float]] = {name: [] for name in subjects}
        for number in range(rounds + 1):
            for name, run in subjects.items():
                found = [run() for _ in range(runs)]
                # The first round warms up.
                if number:
                    times[name] += found
            print(
                number, {k: round(min(v), 1) for k, v in times.items() if v}, flush=True
            )
        version = browser.send("Browser.getVersion", {})["product"]
    return {
        "machine": this_machine().as_plain(),
        "load": max(loads_of_machine),
        "browser": version,
        "page_bytes": {
            name: (work / f"{name}.html").stat().st_size for name in ("int8", "float")
        },
        "seconds_to_load": loads,
        "milliseconds": times,
    }


def made_files(work: Path) -> dict[str, Path]:
    model = build_model(
        "compact", num_classes=6, input_shape=(SIDE_PX, SIDE_PX, 3), **COMPACT
    )
    images = np.random.default_rng(0).integers(
        0, 256, (8, SIDE_PX, SIDE_PX, 3), np.uint8
    )
    files = {"int8": work / "int8.tflite", "float": work / "float.tflite"}
    files["int8"].write_bytes(shipped_model().read_bytes())
    export_model(model, files["float"])
    export_model(model, work / "float.onnx")
    export_model(model, work / "int8.onnx", quantize="int8", calibration=images)
    for name, file in files.items():
        write_web_page(file, work / f"{name}.html")
    return files


def tile() -> np.ndarray:
    return np.random.default_rng(1).integers(0, 256, (SIDE_PX, SIDE_PX, 3), np.uint8)


def natives(files: dict[str, Path]) -> dict[str, Callable[[], float]]:
    def run(artifact) -> float:
        begin = time.perf_counter()
        artifact.predict(image)
        return 1000 * (time.perf_counter() - begin)

    image = tile()[None].astype(np.float32)
    return {
        f"native LiteRT, 1 thread, {name}": partial(run, load_artifact(file))
        for name, file in files.items()
    }


def pages(browser: Browser, work: Path) -> dict[str, Callable[[], float]]:
    def run(tab: Tab) -> float:
        return tab.evaluate(
            "segmented(new ImageData(tile.slice(), 256, 256), 256, 256)"
            ".then(x => x.times[0])"
        )

    found = {}
    for name in ("int8", "float"):
        for build, prepared in (("", ""), (", compatible", NO_RELAXED_SIMD)):
            tab = opened(browser, work / f"{name}.html", prepared)
            # The pixels go to the worker as those of a picture do.
            tab.evaluate(
                "tile = Uint8ClampedArray.from({length: 4 * 256 * 256}, "
                "(_, i) => (i * 2654435761) >>> 24); "
                "pixelsOf = (picture) => picture.data; null"
            )
            found[f"the page, 1 thread{build}, {name}"] = partial(run, tab)
    return found


def served_pages(
    browser: Browser, work: Path, address: str
) -> dict[str, Callable[[], float]]:
    wanted = [
        (f"LiteRT.js, 2 threads, {name}", _LITERT_PAGE, f"{name}.tflite", 2)
        for name in ("int8", "float")
    ]
    wanted += [
        (
            f"ONNX Runtime Web, {number} thread{'s' * (number > 1)}, {name}",
            _ONNX_PAGE,
            f"{name}.onnx",
            number,
        )
        for name in ("int8", "float")
        for number in (1, 2)
    ]
    found = {}
    for index, (title, page, file, number) in enumerate(wanted):
        text = page.replace("NAME", file).replace("THREADS", str(number))
        (work / f"served-{index}.html").write_text(text)
        tab = browser.tab()
        tab.open(f"{address}/served-{index}.html")
        tab.wait("'timed' in window")
        tab.evaluate(
            "values = Float32Array.from({length: 3 * 256 * 256}, "
            "(_, i) => (i * 2654435761) >>> 24); null"
        )
        found[title] = partial(tab.evaluate, "timed(values)")
    return found


def seconds_to_load(browser: Browser, work: Path, name: str) -> list[float]:
    found = []
    for _ in range(LOADS):
        tab = opened(browser, work / f"{name}.html")
        found.append(tab.evaluate("shown.loaded") / 1000)
        tab.send("Page.close")
    return found


def table(record: dict) -> str:
    times = record["milliseconds"]
    native = {
        name: min(times[f"native LiteRT, 1 thread, {name}"])
        for name in ("int8", "float")
    }
    lines = [
        f"A tile of {SIDE_PX} x {SIDE_PX} pixels, the shipped int8 model and a float "
        f"model of the same architecture: median (quartiles) of "
        f"{len(next(iter(times.values())))} runs of each in turn. "
        f"{record['browser']}, {record['machine']['processor']}, "
        f"{record['machine']['cores']} cores; load of the machine at most "
        f"{record['load']:.1f}.",
        "",
        "| runs in | milliseconds | fastest | fastest beside native |",
        "|---|---:|---:|---:|",
    ]
    for name, values in times.items():
        low, middle, high = statistics.quantiles(values, n=4)
        of = native[name.rpartition(", ")[2]]
        lines.append(
            f"| {name} | {middle:.1f} ({low:.1f}–{high:.1f}) | {min(values):.1f} | "
            f"{min(values) / of:.2f}× |"
        )
    lines.append("")
    for name, seconds in record["seconds_to_load"].items():
        lines.append(
            f"The {name} page has {record['page_bytes'][name]:,} bytes and loads in "
            f"{statistics.median(seconds):.2f} s (slowest of {len(seconds)}: "
            f"{max(seconds):.2f} s)."
        )
    return "\n".join(lines) + "\n"


if __name__ == "__main__":
    main()
