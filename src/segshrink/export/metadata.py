"""Facts about a model, carried inside its file.

A file that travels alone still says what its classes are, what it takes, and what it
was measured to reach. They are JSON under one name: in the metadata of LiteRT, in the
`metadata_props` of ONNX, in the `rt_info` of OpenVINO.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from segshrink.errors import ExportError, MissingExtraError
from segshrink.records import atomic_write

NAME = "segshrink"
# Kernels read 16 bytes at a time; the builder alone would align bytes to one.
_ALIGNMENT = 16


def write_metadata(path: Path | str, facts: Mapping[str, Any]) -> None:
    """Put facts into a `.tflite`, `.onnx` or `.xml` file, in place of those in it.

    Weights and operations stay as they are. The file is replaced whole or not at all.

    Args:
        path: the file.
        facts: plain data, as JSON can hold.

    Raises:
        ExportError: for a file of another kind, or facts that are no plain data.
        MissingExtraError: if the package of the format is not installed.
    """
    path = Path(path)
    writers = {".tflite": _write_litert, ".onnx": _write_onnx, ".xml": _write_openvino}
    if path.suffix not in writers:
        raise ExportError(
            f"{path}: facts go into {', '.join(writers)} files, got "
            f"{path.suffix or 'no suffix'!r}."
        )
    try:
        text = json.dumps(facts, allow_nan=False)
    except (TypeError, ValueError) as error:
        raise ExportError(f"{path}: facts must be plain data ({error}).") from error
    writers[path.suffix](path, text)


def read_metadata(path: Path | str) -> dict[str, Any] | None:
    """Facts in a `.tflite`, `.onnx` or `.xml` file; None if it carries none.

    Raises:
        MissingExtraError: if the package of the format is not installed.
    """
    path = Path(path)
    if path.suffix == ".tflite":
        return litert_facts(path.read_bytes())
    if path.suffix == ".onnx":
        found = {x.key: x.value for x in _onnx().load(str(path)).metadata_props}
        return parsed(found.get(NAME))
    if path.suffix == ".xml":
        from segshrink.export.openvino import read_model

        return openvino_facts(read_model(path))
    return None


def litert_facts(content: bytes) -> dict[str, Any] | None:
    """Facts in the content of a `.tflite` file that a runtime has opened."""
    model = _litert_tools().schema_fb.Model.GetRootAs(content, 0)
    for index in range(model.MetadataLength()):
        entry = model.Metadata(index)
        if entry.Name() == NAME.encode():
            return parsed(model.Buffers(entry.Buffer()).DataAsNumpy().tobytes())
    return None


def openvino_facts(model: Any) -> dict[str, Any] | None:
    """Facts in an OpenVINO model."""
    if not model.has_rt_info([NAME]):
        return None
    return parsed(model.get_rt_info([NAME]).astype(str))


def parsed(text: str | bytes | None) -> dict[str, Any] | None:
    """The facts of a text; None if it is none of ours."""
    try:
        facts = json.loads(text) if text else None
    except ValueError:
        return None
    return facts if isinstance(facts, dict) else None


def _write_litert(path: Path, text: str) -> None:
    flatbuffer_utils = _litert_tools()
    import flatbuffers
    import numpy as np

    class Aligned(flatbuffers.Builder):
        def StartVector(self, elemSize: int, numElems: int, alignment: int) -> Any:  # noqa: N802, N803
            # Vectors of bytes are the buffers of weights.
            least = _ALIGNMENT if elemSize == 1 else alignment
            return super().StartVector(elemSize, numElems, least)

    model = flatbuffer_utils.read_model_from_bytearray(bytearray(path.read_bytes()))
    schema = flatbuffer_utils.schema_fb
    name = NAME.encode()
    entry = next((x for x in model.metadata or () if x.name == name), None)
    if entry is None:
        entry = schema.MetadataT()
        entry.name, entry.buffer = NAME, len(model.buffers)
        model.buffers.append(schema.BufferT())
        model.metadata = [*(model.metadata or ()), entry]
    model.buffers[entry.buffer].data = np.frombuffer(text.encode(), np.uint8)
    builder = Aligned(1024)
    builder.Finish(model.Pack(builder), file_identifier=b"TFL3")
    with atomic_write(path) as partial:
        partial.write_bytes(builder.Output())


def _litert_tools() -> Any:
    try:
        from ai_edge_litert.tools import flatbuffer_utils
    except ImportError:
        raise MissingExtraError("Facts in .tflite files", "litert") from None
    return flatbuffer_utils


def _write_onnx(path: Path, text: str) -> None:
    onnx = _onnx()
    model = onnx.load(str(path))
    others = [x for x in model.metadata_props if x.key != NAME]
    del model.metadata_props[:]
    model.metadata_props.extend(others)
    model.metadata_props.add(key=NAME, value=text)
    with atomic_write(path) as partial:
        onnx.save(model, str(partial))


def _onnx() -> Any:
    try:
        import onnx
    except ImportError:
        raise MissingExtraError("Facts in .onnx files", "onnx") from None
    return onnx


def _write_openvino(path: Path, text: str) -> None:
    from segshrink.export.openvino import read_model, replace_model

    model = read_model(path)
    model.set_rt_info(text, [NAME])
    replace_model(model, path)
