"""Metadata of a model, carried inside its file.

A file that travels alone still says what its classes are, what it takes, and what it
was measured to reach. The metadata are JSON under one name: in the metadata of LiteRT,
in the `metadata_props` of ONNX, in the `rt_info` of OpenVINO. LiteRT files carry those
of the official schema as well; see `segshrink.export.tflite_schema`.
"""

from __future__ import annotations

import json
import warnings
from pathlib import Path
from typing import Any

from pydantic import ValidationError

from segshrink.errors import (
    ExportError,
    MissingExtraError,
    ModelError,
    SegshrinkError,
    SegshrinkWarning,
    fault_lines,
    first_line,
)
from segshrink.export.checksum import KEY, PLACEHOLDER, fill_in
from segshrink.export.litert_metadata import describe_litert, litert_tools
from segshrink.formats import EXPORTED, Format, listed_suffixes
from segshrink.reading import parse_json
from segshrink.records import atomic_write
from segshrink.records.metadata import FileMetadata

NAME = "segshrink"
_MOST_BYTES = 1 << 20


def write_metadata(path: Path | str, metadata: FileMetadata) -> None:
    """Put metadata into an exported file, replacing those in it.

    Weights and operations stay as they are. The file is replaced whole or not at all.
    It gets a checksum, see `segshrink.export.checksum`.

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
    plain = metadata.as_plain() | {KEY: PLACEHOLDER}
    _WRITERS[format](path, json.dumps(plain, allow_nan=False), metadata)
    fill_in(path)


def read_metadata(path: Path | str) -> FileMetadata | None:
    """Metadata of an exported file; None if it carries none of ours.

    Raises:
        ModelError: if the file is damaged.
        MissingExtraError: if the package of the format is not installed.
    """
    path = Path(path)
    format = Format.of_file(path)
    if format not in EXPORTED:
        return None
    try:
        return _READERS[format](path)
    except (SegshrinkError, OSError):
        raise
    except Exception as error:
        # Each format has errors of its own for a damaged file.
        raise ModelError(
            f"{path}: not a readable {format.label} file ({first_line(error)}). "
            "Export it again."
        ) from error


def litert_metadata(content: bytes, where: Path) -> FileMetadata | None:
    """Metadata in the content of a `.tflite` file; `where` names it in messages."""
    tools = litert_tools()
    try:
        text = _text_of_litert(tools.schema_fb.Model.GetRootAs(content, 0))
    except Exception as error:
        # Offsets that lead out of the file raise whatever they lead to.
        text = None
        _tell_that_ignored(where, first_line(error))
    return parse_metadata(text, where)


def _text_of_litert(model: Any) -> bytes | None:
    for index in range(model.MetadataLength()):
        entry = model.Metadata(index)
        if entry.Name() == NAME.encode():
            text: bytes = model.Buffers(entry.Buffer()).DataAsNumpy().tobytes()
            return text
    return None


def openvino_metadata(model: Any, where: Path) -> FileMetadata | None:
    """Metadata of an OpenVINO model; `where` names it in messages."""
    if not model.has_rt_info([NAME]):
        return None
    return parse_metadata(model.get_rt_info([NAME]).astype(str), where)


def parse_metadata(text: str | bytes | None, where: Path) -> FileMetadata | None:
    """Metadata from JSON; None for a text that is not of our shape, which is told.

    Args:
        text: what the file carries under our name.
        where: the file.

    Warns:
        SegshrinkWarning: if there is a text and it does not hold metadata.
    """
    if not text:
        return None
    try:
        content = text.encode() if isinstance(text, str) else text
        if len(content) > _MOST_BYTES:
            raise ValueError(f"{len(content):,} bytes")
        plain = parse_json(content)
        if not isinstance(plain, dict):
            raise ValueError(f"must be an object, got {type(plain).__name__}")
        plain.pop(KEY, None)
        return FileMetadata.model_validate(plain)
    except ValidationError as error:
        _tell_that_ignored(where, "; ".join(fault_lines(error, whole="metadata")[:3]))
    except ValueError as error:
        _tell_that_ignored(where, first_line(error))
    return None


def _tell_that_ignored(where: Path, reason: str) -> None:
    warnings.warn(
        f"{where}: its metadata are ignored, since they do not hold ({reason:.500}). "
        "Export it again to have names and colours of its classes.",
        SegshrinkWarning,
        stacklevel=3,
    )


def _read_litert(path: Path) -> FileMetadata | None:
    return litert_metadata(path.read_bytes(), path)


def _read_onnx(path: Path) -> FileMetadata | None:
    properties = {x.key: x.value for x in _onnx().load(str(path)).metadata_props}
    return parse_metadata(properties.get(NAME), path)


def _read_openvino(path: Path) -> FileMetadata | None:
    from segshrink.export.openvino import read_model

    return openvino_metadata(read_model(path), path)


def _write_litert(path: Path, text: str, metadata: FileMetadata) -> None:
    describe_litert(path, metadata, {NAME: text.encode()})


def _write_onnx(path: Path, text: str, _: FileMetadata) -> None:
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


def _write_openvino(path: Path, text: str, _: FileMetadata) -> None:
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
