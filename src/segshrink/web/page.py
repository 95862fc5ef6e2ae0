"""Assembles the page: text, style, scripts, runtime and model in one HTML file."""

import base64
import gzip
import hashlib
import html
import json
import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from segshrink._version import __version__
from segshrink.errors import ModelError, UsageError
from segshrink.formats import PAGE_SUFFIX, Format, InputRange
from segshrink.records import atomic_write
from segshrink.runtimes import Artifact, legend, load_artifact, require_scores
from segshrink.runtimes.litert import LiteRTArtifact
from segshrink.web.runtime import library, licence, packed, runtime_name

_STATIC = Path(__file__).parent / "static"
_RGB = 3
# Nothing may be fetched from anywhere: not by scripts, pictures, forms or frames.
_POLICY = (
    "default-src 'none'; script-src '{script}' 'wasm-unsafe-eval'; "
    "style-src '{style}'; worker-src blob:; img-src blob: data:; media-src blob:; "
    "connect-src 'none'; base-uri 'none'; form-action 'none'"
)
_PLACE = re.compile(r"\{\{(\w+)\}\}")


def write_web_page(
    model: Path | str,
    out: Path | str,
    *,
    input_range: InputRange | str = InputRange.BYTES,
) -> Path:
    """Write one HTML file that segments pictures in a browser with a `.tflite` file.

    The page holds the file, byte for byte, and the runtime. It opens from a disk, an
    e-mail or any web server, makes no request, and gives the classes that `segshrink
    predict` gives. Pictures larger than the file's are predicted tile by tile.

    Args:
        model: `.tflite` file for RGB images with float32 input and output, which int8
            files have unless they are `full_int8`.
        out: the page, a name that ends in `.html`. It is written whole or not at all.
        input_range: range of the images that a file from elsewhere takes.

    Returns:
        `out` as a `Path`.

    Raises:
        UsageError: for names of other kinds of files, or a file of classes alone.
        ModelError: if the file is damaged, or not one that the page can run.
    """
    model, out = Path(model), Path(out)
    if out.suffix != PAGE_SUFFIX:
        raise UsageError(
            f"{out}: a page for a browser must end in {PAGE_SUFFIX}, got "
            f"{out.suffix or 'no suffix'!r}."
        )
    if Format.of_file(model) is not Format.LITERT:
        raise UsageError(
            f"{model}: a page runs {Format.LITERT.suffix} files, got "
            f"{model.suffix or 'no suffix'!r}. Export the model to one first."
        )
    artifact = load_artifact(model, input_range=input_range)
    require_scores(artifact, "a page")
    _require_that_it_runs(artifact)
    content = _page(artifact, model.read_bytes())
    with atomic_write(out) as partial:
        partial.write_text(content, encoding="utf-8")
    return out


def _require_that_it_runs(artifact: Artifact) -> None:
    if artifact.num_bands != _RGB:
        raise ModelError(
            f"{artifact.path}: takes images of {artifact.num_bands} bands, and "
            "browsers read pictures of 3. Use segshrink predict."
        )
    if isinstance(artifact, LiteRTArtifact) and not artifact.is_float_outside:
        raise ModelError(
            f"{artifact.path}: has an integer input or output, which LiteRT.js does "
            "not take. Export it with --quantize int8, which has float32 there."
        )


def _page(artifact: Artifact, content: bytes) -> str:
    style, script = _static("page.css"), _static("page.js")
    worker = "\n".join(
        ["", library(), _static("sliding_window.js"), _static("worker.js")]
    )
    blocks = {
        "worker_source": _compressed(worker.encode()),
        "litert_js": packed("litert.js"),
        "litert_wasm": packed("litert.wasm"),
        "compatible_js": packed("compatible.js.delta"),
        "compatible_wasm": packed("compatible.wasm.delta"),
        "model_file": _compressed(content),
    }
    facts = json.dumps(_facts(artifact, content)).replace("<", "\\u003c")
    data = [f'<script type="application/json" id="model_facts">{facts}</script>']
    data += [
        f'<script type="application/gzip" id="{name}">{_text(block)}</script>'
        for name, block in blocks.items()
    ]
    parts = {
        "policy": _POLICY.format(script=_hash(script), style=_hash(style)),
        "title": html.escape(artifact.path.stem),
        "summary": html.escape(_summary(artifact, len(content))),
        "style": style,
        "runtime": html.escape(runtime_name()),
        "licence": html.escape(licence()),
        "data": "\n".join(data),
        "script": script,
    }
    return _PLACE.sub(lambda place: parts[place[1]], _static("page.html"))


def _static(name: str) -> str:
    return (_STATIC / name).read_text(encoding="utf-8")


def _compressed(content: bytes) -> bytes:
    # Without the time, so that the same model gives the same page.
    return gzip.compress(content, 9, mtime=0)


def _text(block: bytes) -> str:
    return base64.b64encode(block).decode("ascii")


def _hash(text: str) -> str:
    digest = hashlib.sha256(text.encode("utf-8")).digest()
    return f"sha256-{_text(digest)}"


def _summary(artifact: Artifact, size_bytes: int) -> str:
    height, width = artifact.input_shape
    precision = artifact.metadata.precision if artifact.metadata else "LiteRT"
    return (
        f"{precision} model of {size_bytes:,} bytes for images of {width} × {height} "
        f"pixels, {artifact.num_classes} classes"
    )


def _facts(artifact: Artifact, content: bytes) -> Mapping[str, Any]:
    """The facts that the scripts of the page read."""
    signature, metadata = artifact.signature, artifact.metadata
    height, width = artifact.input_shape
    facts = {
        "Model": artifact.path.name,
        "SHA-256": hashlib.sha256(content).hexdigest(),
        "Trained on": metadata.data.name if metadata and metadata.data else "",
        "Runtime": runtime_name(),
        "Made by": f"segshrink {__version__}",
    }
    return {
        "signature": {
            "height": height,
            "width": width,
            "channels": signature.num_channels,
            "classes": artifact.num_classes,
            "scale": signature.input_range.scale,
            "offset": signature.input_range.offset,
            "isReversed": signature.input_range.is_reversed,
            "takesChannelsFirst": signature.takes_channels_first,
            "givesChannelsFirst": signature.gives_channels_first,
            "kind": signature.output or "logits",
        },
        "classes": [{"name": name, "color": color} for name, color in legend(artifact)],
        "facts": {name: value for name, value in facts.items() if value},
    }
