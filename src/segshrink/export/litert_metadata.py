"""Metadata in a `.tflite` file: our own, and those that MediaPipe reads."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from segshrink.errors import MissingExtraError
from segshrink.export.tflite_schema import (
    OFFICIAL_NAME,
    official_metadata,
    with_associated_files,
)
from segshrink.records import atomic_write
from segshrink.records.metadata import FileMetadata

# Kernels read 16 bytes at a time; the builder alone would align bytes to one.
_ALIGNMENT = 16


def describe_litert(
    path: Path, metadata: FileMetadata, own: Mapping[str, bytes] | None = None
) -> None:
    """Put metadata into a `.tflite` file, replacing those in it.

    Args:
        path: the file; it is replaced whole or not at all.
        metadata: what its official metadata say; see `official_metadata`.
        own: further metadata, by name.

    Raises:
        MissingExtraError: if the `litert` extra is not installed.
    """
    tools = litert_tools()
    # Whatever lies behind the flatbuffer is left out.
    model = tools.read_model_from_bytearray(bytearray(path.read_bytes()))
    entries = {OFFICIAL_NAME: official_metadata(metadata, _num_bands(model))}
    for name, content in (entries | dict(own or {})).items():
        _put(model, name, content, tools.schema_fb)
    content = with_associated_files(packed(model), metadata.classes)
    with atomic_write(path) as partial:
        partial.write_bytes(content)


def packed(model: Any) -> bytes:
    """The content of a file of a model that `litert_tools` read."""
    import flatbuffers

    class Aligned(flatbuffers.Builder):
        def StartVector(self, elemSize: int, numElems: int, alignment: int) -> Any:  # noqa: N802, N803
            # Vectors of bytes are the buffers of weights.
            least = _ALIGNMENT if elemSize == 1 else alignment
            return super().StartVector(elemSize, numElems, least)

    builder = Aligned(1024)
    builder.Finish(model.Pack(builder), file_identifier=b"TFL3")
    return bytes(builder.Output())


def litert_tools() -> Any:
    """The module that reads and writes `.tflite` files as objects.

    Raises:
        MissingExtraError: if the `litert` extra is not installed.
    """
    try:
        from ai_edge_litert.tools import flatbuffer_utils
    except ImportError:
        raise MissingExtraError("Metadata in .tflite files", "litert") from None
    return flatbuffer_utils


def _put(model: Any, name: str, content: bytes, schema: Any) -> None:
    import numpy as np

    known = (x for x in model.metadata or () if x.name == name.encode())
    entry = next(known, None)
    if entry is None:
        entry = schema.MetadataT()
        entry.name, entry.buffer = name, len(model.buffers)
        model.buffers.append(schema.BufferT())
        model.metadata = [*(model.metadata or ()), entry]
    model.buffers[entry.buffer].data = np.frombuffer(content, np.uint8)


def _num_bands(model: Any) -> int:
    graph = model.subgraphs[0]
    return int(graph.tensors[graph.inputs[0]].shape[-1])
