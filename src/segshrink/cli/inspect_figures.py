"""The figures of `segshrink inspect`, as plain data and rows."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

from segshrink.cli.figures import Row

if TYPE_CHECKING:
    import keras

    from segshrink.data import DatasetReport
    from segshrink.data.unlabelled_inspection import UnlabelledReport
    from segshrink.measuring import ModelSize
    from segshrink.pruning import PruningPlan
    from segshrink.records.measurement import Size
    from segshrink.runtimes import Artifact

Plain = dict[str, object]


def dataset_plain(report: DatasetReport, unlabelled: UnlabelledReport | None) -> Plain:
    """A report on a data set; shares are of all pixels, from 0 to 1."""
    names = report.classes.names if report.classes is not None else ()
    return {
        "name": report.name,
        "layout": report.layout,
        "scenes": [
            {"name": x.name, "images": x.images, "sizes": [list(y) for y in x.sizes]}
            for x in report.scenes
        ],
        "class_shares": dict(zip(names, report.class_shares, strict=bool(names))),
        "void_share": report.void_share,
        "undeclared_share": report.undeclared_share,
        "split_source": report.split_source,
        "parts": {
            part.name: {
                "images": part.images,
                "pixel_share": part.pixel_share,
                "scenes": list(part.scenes),
            }
            for part in report.parts
        },
        "notices": list(report.notices),
        "faults": list(report.faults),
        "unlabelled": None if unlabelled is None else _unlabelled_plain(unlabelled),
    }


def scene_rows(report: DatasetReport) -> Iterator[Row]:
    """A row for each scene: its part, its images and their sizes in pixels."""
    part_of = {name: part.name for part in report.parts for name in part.scenes}
    for scene in report.scenes:
        yield {
            "scene": scene.name,
            "part": part_of.get(scene.name),
            "images": scene.images,
            "sizes": " ".join(f"{height}x{width}" for height, width in scene.sizes),
        }


def _unlabelled_plain(report: UnlabelledReport) -> Plain:
    return {
        "images": report.images,
        "sizes": [list(size) for size in report.sizes],
        "broken": list(report.broken),
        "copies": [
            {"unlabelled": str(x.unlabelled), "known": str(x.known), "part": x.part}
            for x in report.known
        ],
        "notices": list(report.notices),
    }


def model_plain(
    path: Path, model: keras.Model, size: ModelSize, plan: PruningPlan
) -> Plain:
    """A Keras model, and what pruning would leave of it."""
    return {
        "file": str(path),
        "input_shape": list(model.input_shape),
        "output_shape": list(model.output_shape),
        "parameters": size.parameters,
        "macs": size.macs,
        "plan": plan.as_record().as_plain(),
    }


def artifact_plain(artifact: Artifact, size: Size) -> Plain:
    """An exported file, with its metadata."""
    height_px, width_px = artifact.input_shape
    metadata = artifact.metadata
    return {
        "file": str(artifact.path),
        "runtime": artifact.runtime,
        "runtime_version": artifact.runtime_version,
        "height_px": height_px,
        "width_px": width_px,
        "bands": artifact.num_bands,
        "classes": artifact.num_classes,
        **size.as_plain(),
        "metadata": None if metadata is None else metadata.as_plain(),
    }
