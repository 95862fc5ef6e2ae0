"""Metadata of a model, carried inside its file.

A file that travels alone still says what its classes are, what it takes, and what it
was measured to reach. The metadata are JSON under one name: in the metadata of LiteRT,
in the `metadata_props` of ONNX, in the `rt_info` of OpenVINO.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from pydantic import ValidationError

from segshrink.errors import ExportError, MissingExtraError
from segshrink.formats import EXPORTED, Format, listed_suffixes
from segshrink.records import atomic_write
from segshrink.records.metadata import FileMetadata

NAME = "segshrink"
# Kernels read 16 bytes at a time; the builder alone would align bytes to one.
_ALIGNMENT = 16


def write_metadata(path: Path | str, metadata: FileMetadata) -> None:
    """Put metadata into an exported file, replacing those in it.

    Weights and operations stay as they are. The file is replaced whole or not at all.

    Args:
        path: the file.
        metadata: only the fields that were given are written.

    Raises:
        ExportError: for a file of another format.
        MissingExtraError: if the package of the format is not installed.
    """
    path = Path(path)
    format = Format.of_file(path)
    if format not in EXPORTED:
        raise ExportError(
            f"{path}: metadata go into {listed_suffixes(EXPORTED)} files, got "
            f"{path.suffix or 'no suffix'!r}."
        )
    _WRITERS[format](path, json.dumps(metadata.as_plain(), allow_nan=False))


def read_metadata(path: Path | str) -> FileMetadata | None:
    """Metadata of an exported file; None if it carries none of ours.

    Raises:
        MissingExtraError: if the package of the format is not installed.
    """
    path = Path(path)
    format = Format.of_file(path)
    return _READERS[format](path) if format in EXPORTED else None


def litert_metadata(content: bytes) -> FileMetadata | None:
    """Metadata in the content of a `.tflite` file."""
    model = _litert_tools().schema_fb.Model.GetRootAs(content, 0)
    for index in range(model.MetadataLength()):
        entry = model.Metadata(index)
        if entry.Name() == NAME.encode():
            return parse_metadata(model.Buffers(entry.Buffer()).DataAsNumpy().tobytes())
    return None


def openvino_metadata(model: Any) -> FileMetadata | None:
    """Metadata of an OpenVINO model."""
    if not model.has_rt_info([NAME]):
        return None
    return parse_metadata(model.get_rt_info([NAME]).astype(str))


def parse_metadata(text: str | bytes | None) -> FileMetadata | None:
    """Metadata from JSON; None for a text that is not of our shape."""
    try:
        return FileMetadata.model_validate_json(text) if text else None
    except ValidationError:
        return None


def _read_litert(path: Path) -> FileMetadata | None:
    return litert_metadata(path.read_bytes())


def _read_onnx(path: Path) -> FileMetadata | None:
    properties = {x.key: x.value for x in _onnx().load(str(path)).metadata_props}
    return parse_metadata(properties.get(NAME))


def _read_openvino(path: Path) -> FileMetadata | None:
    from segshrink.export.openvino import read_model

    return openvino_metadata(read_model(path))


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
        raise MissingExtraError("Metadata in .tflite files", "litert") from None
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
        raise MissingExtraError("Metadata in .onnx files", "onnx") from None
    return onnx


def _write_openvino(path: Path, text: str) -> None:
    from segshrink.export.openvino import read_model, replace_model

    model = read_model(path)
    model.set_rt_info(text, [NAME])
    replace_model(model, path)


_READERS = {
    Format.LITERT: _read_litert,
    Format.ONNX: _read_onnx,
    Format.OPENVINO: _read_openvino,
}
_WRITERS = {
    Format.LITERT: _write_litert,
    Format.ONNX: _write_onnx,
    Format.OPENVINO: _write_openvino,
}
