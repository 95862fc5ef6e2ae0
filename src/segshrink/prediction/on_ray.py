"""Segment images on the machines of a Ray cluster, one model for each worker."""

import json
import logging
import os
import socket
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TypedDict, cast

import numpy as np

from segshrink.errors import MissingExtraError, RunFolderError, UsageError, first_line
from segshrink.prediction.areas import Areas
from segshrink.prediction.one_image import Result, result_of
from segshrink.prediction.photos import Photo
from segshrink.progress import Progress
from segshrink.quiet import quiet
from segshrink.runtimes import Artifact, load_artifact

_LOCAL, _AUTO, _CLIENT = "local", "auto", "ray://"
_MOST_SECONDS_TO_ANSWER = 5.0


@dataclass(frozen=True)
class Cluster:
    """Machines that segment images together.

    All of them must have segshrink, and see the model, the images and the folder of
    results under the same paths.

    Attributes:
        address: address of a Ray cluster, such as `"auto"` for the one that this
            machine belongs to or `"ray://HOST:10001"`; `"local"` starts one here.
        workers: int >= 1, number of images that are segmented at a time.
    """

    address: str
    workers: int

    def __post_init__(self) -> None:
        if self.workers < 1:
            raise UsageError(f"workers must be at least 1, got {self.workers}.")


class _Row(TypedDict):
    """One image, as Ray Data hands it to a worker."""

    index: int
    path: str
    name: str
    is_scene: bool
    has_confidence: bool
    bands: list[str]


class _Answer(TypedDict):
    """The result of one image, as a worker hands it back; see `_as_text`."""

    index: int
    result: str


class _Opening(TypedDict):
    """Arguments of `_Worker`, the same for all of them."""

    artifact: str
    threads: int
    out: str
    polygons: str | None


class _Worker:
    """An opened model on a machine of the cluster; segments one image at a time."""

    def __init__(
        self, artifact: str, threads: int, out: str, polygons: str | None
    ) -> None:
        self._artifact = load_artifact(artifact, threads=threads)
        self._out, self._polygons = Path(out), polygons

    def __call__(self, row: _Row) -> _Answer:
        photo = Photo(
            Path(row["path"]),
            Path(row["name"]),
            bool(row["is_scene"]),
            bool(row["has_confidence"]),
            tuple(map(Path, row["bands"])),
        )
        try:
            result = result_of(
                self._artifact, photo, self._out, polygons=self._polygons
            )
        except (OSError, RunFolderError) as error:
            # Every other image would fail alike, so that the collecting process stops.
            return {"index": row["index"], "result": _stopping(error)}
        return {"index": row["index"], "result": _as_text(result)}


def results_on_ray(
    cluster: Cluster,
    artifact: Artifact,
    photos: Sequence[Photo],
    out: Path,
    *,
    polygons: str | None,
    progress: Progress,
) -> list[Result]:
    """Run `result_of` on each image; the results are in the order of the images.

    Raises:
        MissingExtraError: without Ray.
        UsageError: if there is no cluster at the address.
        RunFolderError: if results cannot be written, or a worker fails.
    """
    rows: list[_Row] = [
        {
            "index": index,
            "path": str(photo.path.resolve()),
            "name": str(photo.name),
            "is_scene": photo.is_scene,
            "has_confidence": photo.has_confidence,
            "bands": [str(path.resolve()) for path in photo.bands],
        }
        for index, photo in enumerate(photos)
    ]
    opening: _Opening = {
        "artifact": str(artifact.path.resolve()),
        "threads": artifact.threads,
        "out": str(out.resolve()),
        "polygons": polygons,
    }
    results: dict[int, Result] = {}
    with connection(cluster):
        progress.start("predict", len(photos))
        for answer in _mapped(cluster, rows, opening):
            index = int(answer["index"])
            results[index] = _from_text(
                answer["result"], rows[index]["path"], photos[index]
            )
            progress.advance(image=photos[index].path.name)
        progress.finish()
    return [results[index] for index in range(len(photos))]


def _mapped(cluster: Cluster, rows: list[_Row], opening: _Opening) -> Iterator[_Answer]:
    """Answers of the workers, in any order."""
    import ray

    workers = min(cluster.workers, len(rows))
    try:
        if cluster.address.startswith(_CLIENT):
            # Ray Data works only inside a cluster, so that all results come together.
            task = ray.remote(num_cpus=0)(_all_mapped)
            yield from ray.get(task.remote(workers, rows, opening))
        else:
            yield from _each_mapped(workers, rows, opening)
    except ray.exceptions.RayError as error:
        raise RunFolderError(
            f"A worker of the Ray cluster {cluster.address} failed "
            f"({_last_line(error)}). All machines must have segshrink, and "
            f"see {opening['artifact']}, the images and {opening['out']} under these "
            "paths. Finished results are kept; the same command resumes."
        ) from error


def _each_mapped(
    workers: int, rows: list[_Row], opening: _Opening
) -> Iterator[_Answer]:
    from ray import data

    data.DataContext.get_current().enable_progress_bars = False
    logging.getLogger("ray.data").setLevel(logging.ERROR)
    # Each image is a block of its own, so that an idle worker takes the next one.
    answers = data.from_items(rows, override_num_blocks=len(rows)).map(
        _Worker,
        compute=data.ActorPoolStrategy(size=workers),
        fn_constructor_kwargs=opening,
        num_cpus=opening["threads"],
    )
    for row in answers.iter_rows():
        yield cast(_Answer, row)


def _all_mapped(workers: int, rows: list[_Row], opening: _Opening) -> list[_Answer]:
    return list(_each_mapped(workers, rows, opening))


def _last_line(error: Exception) -> str:
    return str(error).strip().splitlines()[-1].strip()


@contextmanager
def connection(cluster: Cluster) -> Iterator[None]:
    """Connect to the cluster without output on the terminal.

    A connection that the caller has made is used, and left open.
    """
    # Ray reads both variables when it is imported.
    os.environ["RAY_USAGE_STATS_ENABLED"] = "0"
    os.environ.setdefault("RAY_BACKEND_LOG_LEVEL", "fatal")
    try:
        with quiet():
            import ray
            import ray.data  # noqa: F401
    except ImportError:
        raise MissingExtraError("Predicting on a Ray cluster", "ray") from None
    is_ours = not ray.is_initialized()
    if is_ours:
        _connect(cluster.address)
    try:
        yield
    finally:
        if is_ours:
            ray.shutdown()


def _connect(address: str) -> None:
    import ray

    options = {"include_dashboard": False} if address == _LOCAL else {}
    failure: Exception | None = None
    with quiet():
        try:
            _knock(address)
            ray.init(
                address, logging_level=logging.ERROR, log_to_driver=False, **options
            )
        except Exception as error:  # Ray has no error class for this.
            failure = error
    if failure is not None:
        raise UsageError(
            f"--ray {address}: no Ray cluster answers there "
            f"({first_line(failure)}). Start one with ray start --head, or give local."
        ) from failure


def _knock(address: str) -> None:
    """Raise at once if no machine listens; Ray would notice only after minutes."""
    host, _, port = address.removeprefix(_CLIENT).partition(":")
    if address not in (_LOCAL, _AUTO) and port.isdigit():
        with socket.create_connection((host, int(port)), _MOST_SECONDS_TO_ANSWER):
            pass


def _as_text(result: Result) -> str:
    """The result as JSON, since Ray would infer other types for its parts."""
    areas = result.areas
    return json.dumps(
        {
            "pixels": None if areas is None else areas.pixels.tolist(),
            "pixel_m2": None if areas is None else areas.pixel_m2,
            "fault": result.fault,
            "is_kept": result.is_kept,
        }
    )


def _stopping(error: OSError | RunFolderError) -> str:
    if isinstance(error, OSError):
        path = error.filename2 or error.filename
        return json.dumps({"stop": [error.errno, error.strerror, path]})
    return json.dumps({"stop": [str(error)]})


def _from_text(text: str, path: str, photo: Photo) -> Result:
    """The result of the photo that a worker knows by this path.

    Raises:
        OSError, RunFolderError: if the worker met an error that concerns all images.
    """
    answer = json.loads(text)
    if "stop" in answer:
        stop = answer["stop"]
        raise OSError(*stop) if len(stop) > 1 else RunFolderError(*stop)
    areas = None
    if answer["pixels"] is not None:
        areas = Areas(np.array(answer["pixels"], np.int64), answer["pixel_m2"])
    fault = answer["fault"]
    if fault is not None:
        # Messages name images as the user does, as they do without Ray.
        fault = fault.replace(path, str(photo.path))
    return Result(areas, fault, answer["is_kept"])
