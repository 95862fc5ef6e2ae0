"""The official metadata of a `.tflite` file, by which MediaPipe opens it.

Android's and Python's tasks read from them how to normalize an image, and names of the
classes. They are a flatbuffer of the schema `metadata_schema.fbs` 1.5.0 and, within it,
`image_segmenter_metadata_schema.fbs` 1.0.0, both in `mediapipe/tasks/metadata` of
https://github.com/google-ai-edge/mediapipe. The writers that MediaPipe and
tflite-support have need native modules which their packages lack or which are no longer
built; this one needs the package `flatbuffers` alone.
"""

from __future__ import annotations

import io
import zipfile
from collections.abc import Sequence
from typing import Any

from segshrink.formats import Output
from segshrink.records.measurement import ClassColor
from segshrink.records.metadata import FileMetadata

OFFICIAL_NAME = "TFLITE_METADATA"
"""Name of these metadata in a `.tflite` file."""

LABELS, COLORS = "labels.txt", "colors.txt"

# The fields that are written, with their place in their table. Those of a union come
# after the field of its kind.
_PLACES = {
    "ModelMetadata": {"name": 0, "subgraph_metadata": 3, "min_parser_version": 7},
    "SubGraphMetadata": {
        "input_tensor_metadata": 2,
        "output_tensor_metadata": 3,
        "custom_metadata": 9,
    },
    "TensorMetadata": {
        "name": 0,
        "description": 1,
        "content": 3,
        "process_units": 4,
        "stats": 5,
        "associated_files": 6,
    },
    "Content": {"content_properties_type": 0, "content_properties": 1},
    "FeatureProperties": {},
    "ImageProperties": {"color_space": 0},
    "ProcessUnit": {"options_type": 0, "options": 1},
    "NormalizationOptions": {"mean": 0, "std": 1},
    "Stats": {"max": 0, "min": 1},
    "AssociatedFile": {"name": 0, "description": 1, "type": 2},
    "CustomMetadata": {"name": 0, "data": 1},
    "ImageSegmenterOptions": {"activation": 0, "min_parser_version": 1},
}
_PARSER, _SEGMENTER_PARSER = "1.5.0", "1.0.0"
# Members of enumerations and unions.
_FEATURE, _IMAGE = 1, 2
_NORMALIZATION = 1
_COLOR_SPACES = {1: 2, 3: 1}
_DESCRIPTIONS, _AXIS_LABELS, _VALUE_LABELS = 1, 2, 3
_NONE, _SOFTMAX = 0, 2
_ALIGNMENT = 16


class _Table:
    """A table of the schema with values for some of its fields."""

    def __init__(self, kind: str, **fields: Any) -> None:
        self.places = _PLACES[kind]
        self.fields = fields


def official_metadata(metadata: FileMetadata, num_bands: int) -> bytes:
    """The official metadata of a file as a flatbuffer.

    The image is not normalized: (x - 0) / 1, since files take 0 to 255.

    Args:
        metadata: what is known of the file.
        num_bands: bands of its images; 1 or 3 are grey or RGB.
    """
    segmenter = _Table(
        "ImageSegmenterOptions",
        activation=_SOFTMAX if metadata.output == Output.LOGITS else _NONE,
        min_parser_version=_SEGMENTER_PARSER,
    )
    graph = _Table(
        "SubGraphMetadata",
        input_tensor_metadata=[_image(num_bands)],
        output_tensor_metadata=[_output(metadata)],
        custom_metadata=[
            _Table(
                "CustomMetadata",
                name="SEGMENTER_METADATA",
                data=_flatbuffer(segmenter, b"V001"),
            )
        ],
    )
    model = _Table(
        "ModelMetadata",
        name="segshrink",
        subgraph_metadata=[graph],
        min_parser_version=_PARSER,
    )
    return _flatbuffer(model, b"M001")


def _image(num_bands: int) -> _Table:
    return _Table(
        "TensorMetadata",
        name="image",
        description="Image of grey levels from 0 to 255.",
        content=_Table(
            "Content",
            content_properties_type=_IMAGE,
            content_properties=_Table(
                "ImageProperties", color_space=_COLOR_SPACES.get(num_bands, 0)
            ),
        ),
        # One value holds for all bands.
        process_units=[
            _Table(
                "ProcessUnit",
                options_type=_NORMALIZATION,
                options=_Table("NormalizationOptions", mean=[0.0], std=[1.0]),
            )
        ],
        stats=_Table("Stats", max=[255.0], min=[0.0]),
    )


def _output(metadata: FileMetadata) -> _Table:
    gives_classes = metadata.output == Output.CLASSES
    labels = _VALUE_LABELS if gives_classes else _AXIS_LABELS
    files = [
        _Table("AssociatedFile", name=name, description=description, type=kind)
        for name, description, kind in (
            (LABELS, "Names of the classes, one a line.", labels),
            (COLORS, "Colours of the classes, one a line.", _DESCRIPTIONS),
        )
    ]
    feature = _Table(
        "Content",
        content_properties_type=_FEATURE,
        content_properties=_Table("FeatureProperties"),
    )
    return _Table(
        "TensorMetadata",
        name=metadata.output,
        description=f"For each pixel, {metadata.output}.",
        content=feature,
        **({"associated_files": files} if metadata.classes else {}),
    )


def with_associated_files(content: bytes, classes: Sequence[ClassColor]) -> bytes:
    """The content of a file, followed by an archive of names and colours of classes.

    The archive is stored without compression, which MediaPipe demands, and without the
    time. Places in it count from the beginning of the file.
    """
    if not classes:
        return content
    names = (" ".join(each.name.split()) for each in classes)
    colors = ("#{:02X}{:02X}{:02X}".format(*each.color) for each in classes)
    whole = io.BytesIO(content)
    with zipfile.ZipFile(whole, "a", zipfile.ZIP_STORED) as archive:
        for name, lines in ((LABELS, names), (COLORS, colors)):
            archive.writestr(zipfile.ZipInfo(name), "".join(f"{x}\n" for x in lines))
    return whole.getvalue()


def _flatbuffer(table: _Table, identifier: bytes) -> bytes:
    import flatbuffers

    builder = flatbuffers.Builder(1024)
    builder.Finish(_written(builder, table), file_identifier=identifier)
    return bytes(builder.Output())


def _written(builder: Any, value: _Table | str | bytes | list) -> int:
    """Write a value before what refers to it, and return its place."""
    if isinstance(value, str):
        return int(builder.CreateString(value))
    if isinstance(value, bytes):
        builder.StartVector(1, len(value), _ALIGNMENT)
        for byte in reversed(value):
            builder.PrependUint8(byte)
        return int(builder.EndVector())
    if isinstance(value, list):
        return _written_list(builder, value)
    places = {
        name: _written(builder, field)
        for name, field in value.fields.items()
        if not isinstance(field, int)
    }
    builder.StartObject(1 + max(value.places.values(), default=-1))
    for name, field in value.fields.items():
        place = value.places[name]
        if name in places:
            builder.PrependUOffsetTRelativeSlot(place, places[name], 0)
        else:
            builder.PrependUint8Slot(place, field, 0)
    return int(builder.EndObject())


def _written_list(builder: Any, values: list) -> int:
    are_numbers = isinstance(values[0], float)
    places = values if are_numbers else [_written(builder, x) for x in values]
    builder.StartVector(4, len(values), 4)
    for value in reversed(places):
        if are_numbers:
            builder.PrependFloat32(value)
        else:
            builder.PrependUOffsetTRelative(value)
    return int(builder.EndVector())
