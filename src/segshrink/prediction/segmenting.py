"""Segment image files; results are pictures and a table of areas."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from segshrink.data.geotiff import require_rasterio
from segshrink.errors import DatasetError, RunFolderError, UsageError
from segshrink.formats import InputRange
from segshrink.prediction.areas import AREAS, Areas, write_areas
from segshrink.prediction.on_ray import Cluster, results_on_ray
from segshrink.prediction.one_image import Result, result_of
from segshrink.prediction.photos import Photo, refuse_overwriting
from segshrink.prediction.polygons import KINDS, require_vector_packages
from segshrink.prediction.scenes import count_scene_tiles
from segshrink.progress import Progress, SilentProgress
from segshrink.records import exclusive_folder, model_sha256, read_json, write_json
from segshrink.runtimes import Artifact, legend, require_scores

_ABOUT = "predicted.json"
_OPTIONS = ("head", "input_range", "architecture")


@dataclass(frozen=True)
class Outcome:
    """Numbers of images segmented and kept, and faults of the others.

    Attributes:
        done: number of images that were segmented now.
        kept: number of images whose results existed already.
        faults: one line for each image that could not be segmented or outlined.
        results: of each image, in the order of the images.
    """

    done: int
    kept: int
    faults: tuple[str, ...]
    results: tuple[Result, ...] = ()


def segment_files(
    artifact: Artifact,
    photos: Sequence[Photo],
    out: Path,
    *,
    polygons: str | None = None,
    cluster: Cluster | None = None,
    progress: Progress | None = None,
) -> Outcome:
    """Segment every image into `out`, and write the areas of its classes.

    `out` gets a class-index PNG with a palette for each photograph, a GeoTIFF for each
    georeferenced scene, a coloured overlay for both, and one `areas.csv` of these
    images. A call that was killed resumes: a result is kept if its image has not
    changed since, by size and time of change. An image that cannot be read does not
    stop the rest.

    Args:
        artifact: an opened model file.
        photos: from `find_photos`.
        out: folder to write into; created if missing.
        polygons: `"geojson"` or `"gpkg"` for the outlines of the classes of scenes.
        cluster: where to run; None is this process.
        progress: receives every image; if there are scenes, every tile.

    Raises:
        UsageError: if results would overwrite each other or an image, or if `polygons`
            is unknown or there are no scenes for it, or if the confidence is wanted of
            a file that gives classes alone.
        MissingExtraError: if an image or an option needs a package that is missing.
        RunFolderError: if `out` holds results of another model, another process works
            in it, or a scene's result cannot be written.
    """
    progress = progress or SilentProgress()
    if any(photo.has_confidence for photo in photos):
        require_scores(artifact, "--confidence")
    refuse_overwriting(photos, out)
    _check_scenes(photos, polygons)
    claim_folder(out, artifact)
    with exclusive_folder(out):
        if cluster is None:
            results = list(_results_here(artifact, photos, out, polygons, progress))
        else:
            results = results_on_ray(
                cluster, artifact, photos, out, polygons=polygons, progress=progress
            )
        return _written_outcome(artifact, photos, out, results)


def _results_here(
    artifact: Artifact,
    photos: Sequence[Photo],
    out: Path,
    polygons: str | None,
    progress: Progress,
) -> Iterator[Result]:
    steps = [_steps(photo, artifact) for photo in photos]
    has_scenes = any(photo.is_scene for photo in photos)
    progress.start("predict tiles" if has_scenes else "predict", sum(steps))
    for photo, left in zip(photos, steps, strict=True):
        name = photo.path.name

        def on_tiles(count: int, name: str = name) -> None:
            nonlocal left
            left -= count
            progress.advance(count, image=name)

        yield result_of(artifact, photo, out, polygons=polygons, on_tiles=on_tiles)
        progress.advance(left, image=name)
    progress.finish()


def _steps(photo: Photo, artifact: Artifact) -> int:
    """Steps of the progress bar: the tiles of a scene, or 1 for what is quick."""
    try:
        return count_scene_tiles(photo.path, artifact) if photo.is_scene else 1
    except DatasetError:
        return 1


def _written_outcome(
    artifact: Artifact, photos: Sequence[Photo], out: Path, results: Sequence[Result]
) -> Outcome:
    rows: list[tuple[str, Areas]] = [
        (str(photo.path), result.areas)
        for photo, result in zip(photos, results, strict=True)
        if result.areas is not None
    ]
    write_areas(out / AREAS, [name for name, _ in legend(artifact)], rows)
    kept = sum(result.is_kept for result in results)
    faults = tuple(result.fault for result in results if result.fault is not None)
    return Outcome(len(rows) - kept, kept, faults, tuple(results))


def _check_scenes(photos: Sequence[Photo], polygons: str | None) -> None:
    has_scenes = any(photo.is_scene for photo in photos)
    if has_scenes:
        require_rasterio()
    if polygons is None:
        return
    if polygons not in KINDS:
        raise UsageError(
            f"polygons must be one of {', '.join(KINDS)}, got {polygons!r}."
        )
    if not has_scenes:
        raise UsageError(
            "polygons have no effect, since none of the images is a georeferenced "
            ".tif or .tiff. Omit the option."
        )
    require_vector_packages()


def claim_folder(out: Path, artifact: Artifact) -> None:
    """Record in the folder which model its results are from, and how it was opened.

    Raises:
        RunFolderError: if it holds results of another model, or of this one with
            another range of images or another output.
    """
    about = {"model": artifact.path.name, "sha256": model_sha256(artifact.path)}
    about |= _opened_with(artifact)
    path = out / _ABOUT
    if not path.is_file():
        write_json(path, about)
        return
    found = read_json(path)
    if not isinstance(found, dict) or found.get("sha256") != about["sha256"]:
        name = found.get("model") if isinstance(found, dict) else None
        raise RunFolderError(
            f"{out}: holds results of another model{f' ({name})' if name else ''}. "
            "Name another folder, or delete this one."
        )
    if _opened_with(artifact) != {x: found[x] for x in _OPTIONS if x in found}:
        told = ", ".join(f"{x}: {found[x]}" for x in _OPTIONS if x in found)
        raise RunFolderError(
            f"{out}: holds results of this model with {told or 'no such options'}. "
            "Name another folder, or delete this one."
        )


def _opened_with(artifact: Artifact) -> dict[str, str]:
    """Options that the file does not say itself, and that change its results."""
    signature = artifact.signature
    said = {} if signature.head is None else {"head": signature.head}
    if signature.input_range is not InputRange.BYTES:
        said["input_range"] = str(signature.input_range.value)
    if signature.architecture_sha256 is not None:
        said["architecture"] = signature.architecture_sha256
    return said
