"""segshrink predict."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from segshrink.cli.camera import camera_among, record
from segshrink.cli.figures import CsvFile, Figures, JsonFile, single_values
from segshrink.cli.options import (
    Architecture,
    Head,
    InputRangeName,
    Threads,
    refuse_idle,
)
from segshrink.cli.predict_figures import Plain, images_plain, video_plain
from segshrink.cli.scores import opened_file
from segshrink.cli.terminal import TerminalProgress, errors, load_keras_for, output, say
from segshrink.errors import UsageError
from segshrink.formats import Format, listed_suffixes, remedy_for

if TYPE_CHECKING:
    from segshrink.prediction import Cluster, Photo
    from segshrink.progress import Progress
    from segshrink.runtimes import Artifact


def predict(
    files: Annotated[
        list[Path],
        typer.Argument(
            help=f"A model file ({listed_suffixes(Format)}), if not the model for "
            "aerial photographs that comes with segshrink; then images, or folders of "
            "them: photographs of up to 178 megapixels, georeferenced TIFFs of any "
            "size; and videos. Or camera:0, a camera by its number.",
        ),
    ],
    out: Annotated[Path, typer.Option("--out", help="Folder to write into.")],
    threads: Threads = 1,
    polygons: Annotated[
        str | None,
        typer.Option(
            "--polygons",
            help="geojson or gpkg: also write the outlines of the classes of scenes.",
        ),
    ] = None,
    confidence: Annotated[
        bool,
        typer.Option(
            "--confidence",
            help="Also write how likely the class of each pixel is, 255 for certain: a "
            "PNG, or of a scene a GeoTIFF.",
        ),
    ] = False,
    ray: Annotated[
        str | None,
        typer.Option(
            "--ray",
            metavar="ADDRESS",
            help="Run on a Ray cluster: auto, ray://HOST:PORT, or local to start one. "
            "All its machines must see the files under the same paths.",
        ),
    ] = None,
    workers: Annotated[
        int | None,
        typer.Option(
            "--workers",
            min=1,
            help="With --ray: images at a time, each with a model of its own (1).",
        ),
    ] = None,
    pattern: Annotated[
        str | None,
        typer.Option(help="Of folders: only files whose name matches, such as *.jpg."),
    ] = None,
    every: Annotated[
        int | None,
        typer.Option(
            min=1,
            help="Of videos and cameras: each so-manieth frame; 5 for a fifth.",
        ),
    ] = None,
    seconds: Annotated[
        int | None,
        typer.Option(
            min=1, help="Of a camera: when the recording ends, if not by Ctrl-C before."
        ),
    ] = None,
    head: Head = None,
    input_range: InputRangeName = None,
    architecture: Architecture = None,
    json_file: JsonFile = None,
    csv_file: CsvFile = None,
) -> None:
    """Segment images; OUT gets a class-index PNG and a coloured overlay of each.

    For a georeferenced TIFF of any size, OUT gets a cloud-optimized GeoTIFF of class
    indices and a small overlay. areas.csv lists the area of each class in each image. A
    call that was stopped resumes. A damaged image is reported at the end and does not
    stop the rest. Of a video, OUT gets one with the overlay, and the share of each
    class by time as CSV; so it does of a camera, until Ctrl-C.

    Example: segshrink predict student.tflite photo.jpg --out predicted
    """
    figures = Figures(json_file, csv_file)
    say(f"Reading {files[0]}" + f" and {len(files) - 1} more" * (len(files) > 1))
    from segshrink.errors import DatasetError

    cluster = _cluster(ray, workers)
    if cluster is not None:
        reason = "with --ray; export the model first, which takes them"
        refuse_idle(
            reason, head=head, input_range=input_range, architecture=architecture
        )
    artifact, named = _model_and_images(files)
    of_images = {"ray": ray, "polygons": polygons, "pattern": pattern}
    of_images["confidence"] = "given" if confidence else None
    camera = camera_among(named, seconds, **of_images)
    videos, images = _videos_and_images(named, every, **of_images)
    load_keras_for(artifact)
    progress = TerminalProgress()
    opened = opened_file(artifact, threads, head, input_range, architecture, progress)
    found: list[Plain] = []
    if camera is not None:
        found += record(opened, camera, out, every or 1, seconds, progress)
    if images:
        segment = partial(
            _segment_images, polygons=polygons, cluster=cluster, progress=progress
        )
        photos = _photos(opened, images, out, pattern, confidence)
        found += segment(opened, photos, out)
    if videos:
        found += _segment_videos(opened, videos, out, every or 1, progress)
    plain = {"model": str(opened.path), "out": str(out), "files": found}
    figures.write(plain, [single_values(each) for each in found])
    faults = [each["fault"] for each in found if each["fault"] is not None]
    for fault in faults:
        errors.print(fault)
    if faults:
        raise SystemExit(DatasetError.exit_code)


def _photos(
    opened: Artifact,
    images: list[Path],
    out: Path,
    pattern: str | None,
    confidence: bool,
) -> list[Photo]:
    from segshrink.prediction import find_photos
    from segshrink.records.metadata import bands_of

    bands = bands_of(opened.metadata)
    endings = bands.files if bands else ()
    photos = find_photos(images, out, band_endings=endings, pattern=pattern)
    return [replace(each, has_confidence=confidence) for each in photos]


def _segment_images(
    opened: Artifact,
    photos: list[Photo],
    out: Path,
    *,
    polygons: str | None,
    cluster: Cluster | None,
    progress: Progress,
) -> Iterator[Plain]:
    """Segment them, say how many there are, and return the figures of each."""
    from segshrink.prediction import segment_files

    outcome = segment_files(
        opened, photos, out, polygons=polygons, cluster=cluster, progress=progress
    )
    kept = f", {outcome.kept} of them before" if outcome.kept else ""
    output.out(f"{outcome.done + outcome.kept} of {len(photos)} images{kept}: {out}")
    return images_plain(opened, photos, outcome, out)


def _videos_and_images(
    named: list[Path], every: int | None, **of_images: str | None
) -> tuple[list[Path], list[Path]]:
    """The videos and the images; options that have an effect on neither are refused."""
    from segshrink.prediction import is_camera, is_video

    videos = [path for path in named if is_video(path)]
    images = [path for path in named if not (is_video(path) or is_camera(path))]
    if every is not None and len(images) == len(named):
        raise UsageError("--every chooses among the frames of videos. Name one.")
    if len(videos) == len(named):
        refuse_idle("on videos", **of_images)
    return videos, images


def _segment_videos(
    opened: Artifact, videos: list[Path], out: Path, every: int, progress: Progress
) -> Iterator[Plain]:
    """Segment them, say what there is of each, and return the figures of each."""
    from segshrink.prediction import segment_videos

    outcomes = segment_videos(opened, videos, out, every=every, progress=progress)
    for path, outcome in zip(videos, outcomes, strict=True):
        result = out / f"{path.stem}-overlay.mp4"
        if outcome.frames:
            kept = ", all of them before" if outcome.is_kept else ""
            output.out(f"{outcome.frames} frames{kept}: {result}")
        yield video_plain(path, outcome, result)


def _model_and_images(files: list[Path]) -> tuple[Path, list[Path]]:
    """The model, which is the shipped one if none is named, and the images."""
    from segshrink.data.images import IMAGE_SUFFIXES
    from segshrink.prediction import is_camera, is_video
    from segshrink.runtimes import shipped_model

    model, *images = files
    if Format.of_file(model) is None:
        is_image = model.suffix.lower() in IMAGE_SUFFIXES
        is_input = is_image or is_video(model) or is_camera(model)
        if not (model.is_dir() or is_input):
            raise UsageError(
                f"{model}: neither a model ({listed_suffixes(Format)}) nor an image "
                f"({', '.join(IMAGE_SUFFIXES)}) nor a folder of images nor a video. "
                f"{remedy_for(model) or 'Mind the spelling of its ending.'}"
            )
        _refuse_models(images)
        output.out("Model: aerial, the one that comes with segshrink.")
        return shipped_model(), files
    if not images:
        raise UsageError(f"{model} is a model. Name the images to segment, too.")
    _refuse_models(images)
    return model, images


def _refuse_models(images: list[Path]) -> None:
    for image in images:
        if Format.of_file(image) is not None and image.is_file():
            raise UsageError(
                f"{image}: a model among the images. Name one model, before them."
            )


def _cluster(address: str | None, workers: int | None) -> Cluster | None:
    from segshrink.prediction import Cluster

    if address is not None:
        return Cluster(address, workers or 1)
    if workers is not None:
        raise UsageError("--workers: has no effect without --ray ADDRESS. Name one.")
    return None
