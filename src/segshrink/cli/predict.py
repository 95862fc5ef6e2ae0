"""segshrink predict."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from segshrink.cli.options import (
    Architecture,
    Head,
    InputRangeName,
    Threads,
    refuse_idle,
)
from segshrink.cli.scores import opened_file
from segshrink.cli.terminal import TerminalProgress, errors, load_keras_for, output, say
from segshrink.errors import UsageError
from segshrink.formats import Format, listed_suffixes, remedy_for

if TYPE_CHECKING:
    from segshrink.prediction import Cluster
    from segshrink.progress import Progress
    from segshrink.runtimes import Artifact


def predict(
    files: Annotated[
        list[Path],
        typer.Argument(
            help=f"A model file ({listed_suffixes(Format)}), if not the model for "
            "aerial photographs that comes with segshrink; then images, or folders of "
            "them: photographs of up to 178 megapixels, georeferenced TIFFs of any "
            "size; and videos.",
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
        typer.Option(min=1, help="Of videos: each so-manieth frame; 5 for a fifth."),
    ] = None,
    head: Head = None,
    input_range: InputRangeName = None,
    architecture: Architecture = None,
) -> None:
    """Segment images; OUT gets a class-index PNG and a coloured overlay of each.

    For a georeferenced TIFF of any size, OUT gets a cloud-optimized GeoTIFF of class
    indices and a small overlay. areas.csv lists the area of each class in each image. A
    call that was stopped resumes. A damaged image is reported at the end and does not
    stop the rest. Of a video, OUT gets one with the overlay, and the share of each
    class by time as CSV.

    Example: segshrink predict student.tflite photo.jpg --out predicted
    """
    say(f"Reading {files[0]}" + f" and {len(files) - 1} more" * (len(files) > 1))
    from segshrink.errors import DatasetError
    from segshrink.prediction import find_photos, segment_files
    from segshrink.records.metadata import bands_of

    cluster = _cluster(ray, workers)
    if cluster is not None:
        reason = "with --ray; export the model first, which takes them"
        refuse_idle(
            reason, head=head, input_range=input_range, architecture=architecture
        )
    artifact, named = _model_and_images(files)
    videos, images = _videos_and_images(
        named, every, confidence, ray=ray, polygons=polygons, pattern=pattern
    )
    load_keras_for(artifact)
    progress = TerminalProgress()
    opened = opened_file(artifact, threads, head, input_range, architecture, progress)
    faults: list[str] = []
    if images:
        bands = bands_of(opened.metadata)
        endings = bands.files if bands else ()
        photos = find_photos(images, out, band_endings=endings, pattern=pattern)
        photos = [replace(each, has_confidence=confidence) for each in photos]
        outcome = segment_files(
            opened, photos, out, polygons=polygons, cluster=cluster, progress=progress
        )
        faults += outcome.faults
        kept = f", {outcome.kept} of them before" if outcome.kept else ""
        output.out(
            f"{outcome.done + outcome.kept} of {len(photos)} images{kept}: {out}"
        )
    if videos:
        faults += _segment_videos(opened, videos, out, every or 1, progress)
    for fault in faults:
        errors.print(fault)
    if faults:
        raise SystemExit(DatasetError.exit_code)


def _videos_and_images(
    named: list[Path], every: int | None, confidence: bool, **of_images: str | None
) -> tuple[list[Path], list[Path]]:
    """The videos and the rest; options that have an effect on neither are refused."""
    from segshrink.prediction import is_video

    videos = [path for path in named if is_video(path)]
    if every is not None and not videos:
        raise UsageError("--every chooses among the frames of videos. Name one.")
    if len(videos) == len(named):
        refuse_idle("on videos", confidence=confidence or None, **of_images)
    return videos, [path for path in named if path not in videos]


def _segment_videos(
    opened: Artifact, videos: list[Path], out: Path, every: int, progress: Progress
) -> list[str]:
    """Segment them, say what there is of each, and return the faults."""
    from segshrink.prediction import segment_videos

    outcomes = segment_videos(opened, videos, out, every=every, progress=progress)
    for path, outcome in zip(videos, outcomes, strict=True):
        if outcome.frames:
            kept = ", all of them before" if outcome.is_kept else ""
            result = out / f"{path.stem}-overlay.mp4"
            output.out(f"{outcome.frames} frames{kept}: {result}")
    return [outcome.fault for outcome in outcomes if outcome.fault is not None]


def _model_and_images(files: list[Path]) -> tuple[Path, list[Path]]:
    """The model, which is the shipped one if none is named, and the images."""
    from segshrink.data.images import IMAGE_SUFFIXES
    from segshrink.prediction import is_video
    from segshrink.runtimes import shipped_model

    model, *images = files
    if Format.of_file(model) is None:
        is_input = is_video(model) or model.suffix.lower() in IMAGE_SUFFIXES
        if not (model.is_dir() or is_input):
            raise UsageError(
                f"{model}: neither a model ({listed_suffixes(Format)}) nor an image "
                f"({', '.join(IMAGE_SUFFIXES)}) nor a folder of images nor a video. "
                f"{remedy_for(model) or 'Mind the spelling of its ending.'}"
            )
        output.out("Model: aerial, the one that comes with segshrink.")
        return shipped_model(), files
    if not images:
        raise UsageError(f"{model} is a model. Name the images to segment, too.")
    return model, images


def _cluster(address: str | None, workers: int | None) -> Cluster | None:
    from segshrink.prediction import Cluster

    if address is not None:
        return Cluster(address, workers or 1)
    if workers is not None:
        raise UsageError("--workers: has no effect without --ray ADDRESS. Name one.")
    return None
