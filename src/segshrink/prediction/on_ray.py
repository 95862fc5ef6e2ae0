"""Segment images on the machines of a Ray cluster, one model for each worker."""

import json
import logging
import os
import socket
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

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
        address: of a Ray cluster, such as `"auto"` for the one that this machine
            belongs to or `"ray://HOST:10001"`; `"local"` starts one on this machine.
        workers: int >= 1, how many images are segmented at a time.
    """

    address: str
    workers: int

    def __post_init__(self) -> None:
        if self.workers < 1:
            raise UsageError(f"workers must be at least 1, got {self.workers}.")


class _Worker:
    """An opened model on a machine of the cluster; segments one image at a time."""

    def __init__(
        self, artifact: str, threads: int, out: str, polygons: str | None
    ) -> None:
        self._artifact = load_artifact(artifact, threads=threads)
        self._out, self._polygons = Path(out), polygons

    def __call__(self, row: dict[str, Any]) -> dict[str, Any]:
        photo = Photo(Path(row["path"]), Path(row["name"]), bool(row["is_scene"]))
        try:
            result = result_of(
                self._artifact, photo, self._out, polygons=self._polygons
            )
        except (OSError, RunFolderError) as error:
            # Every other image would meet it too: whoever collects the results ends.
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
    """What `result_of` says of each image, in the order of the images.

    Raises:
        MissingExtraError: without Ray.
        UsageError: if there is no cluster at the address.
        RunFolderError: if results cannot be written, or a worker fails.
    """
    rows = [
        {
            "index": index,
            "path": str(photo.path.resolve()),
            "name": str(photo.name),
            "is_scene": photo.is_scene,
        }
        for index, photo in enumerate(photos)
    ]
    opening = {
        "artifact": str(artifact.path.resolve()),
        "threads": artifact.threads,
        "out": str(out.resolve()),
        "polygons": polygons,
    }
    found: dict[int, Result] = {}
    with connection(cluster):
        progress.start("predict", len(photos))
        for row in _mapped(cluster, rows, opening):
            index = int(row["index"])
            found[index] = _from_text(
                row["result"], str(rows[index]["path"]), photos[index]
            )
            progress.advance(image=photos[index].path.name)
        progress.finish()
    return [found[index] for index in range(len(photos))]


def _mapped(
    cluster: Cluster, rows: list[dict[str, Any]], opening: dict[str, Any]
) -> Iterator[dict[str, Any]]:
    """Rows of results, in any order."""
    import ray

    workers = min(cluster.workers, len(rows))
    try:
        if cluster.address.startswith(_CLIENT):
            # Ray Data works inside a cluster only, so that its results come at once.
            task = ray.remote(num_cpus=0)(_all_mapped)
            yield from ray.get(task.remote(workers, rows, opening))
        else:
            yield from _each_mapped(workers, rows, opening)
    except ray.exceptions.RayError as error:
        raise RunFolderError(
            f"A worker of the Ray cluster {cluster.address} failed "
            f"({_last_line(error)}). All machines must have segshrink, and "
            f"see {opening['artifact']}, the images and {opening['out']} under these "
            "paths. What is finished is kept; the same command goes on."
        ) from error


def _each_mapped(
    workers: int, rows: list[dict[str, Any]], opening: dict[str, Any]
) -> Iterator[dict[str, Any]]:
    from ray import data

    data.DataContext.get_current().enable_progress_bars = False
    logging.getLogger("ray.data").setLevel(logging.ERROR)
    # A block for each image: whoever is done takes the next one.
    results = data.from_items(rows, override_num_blocks=len(rows)).map(
        _Worker,
        compute=data.ActorPoolStrategy(size=workers),
        fn_constructor_kwargs=opening,
        num_cpus=opening["threads"],
    )
    yield from results.iter_rows()


def _all_mapped(
    workers: int, rows: list[dict[str, Any]], opening: dict[str, Any]
) -> list[dict[str, Any]]:
    return list(_each_mapped(workers, rows, opening))


def _last_line(error: Exception) -> str:
    return str(error).strip().splitlines()[-1].strip()


@contextmanager
def connection(cluster: Cluster) -> Iterator[None]:
    """A connection to the cluster that says nothing on the terminal.

    One that the caller has made is used, and left open.
    """
    # Both are read when Ray is imported.
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
        except Exception as error:  # Ray has no class of its own for it.
            failure = error
    if failure is not None:
        raise UsageError(
            f"--ray {address}: no Ray cluster answers there "
            f"({first_line(failure)}). Start one with ray start --head, or say local."
        ) from failure


def _knock(address: str) -> None:
    """Raise at once what Ray would raise after minutes: that no machine listens."""
    host, _, port = address.removeprefix(_CLIENT).partition(":")
    if address not in (_LOCAL, _AUTO) and port.isdigit():
        with socket.create_connection((host, int(port)), _MOST_SECONDS_TO_ANSWER):
            pass


def _as_text(result: Result) -> str:
    """A result as JSON; Ray would guess at the types of its parts."""
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

    What a worker met that concerns all images is raised here.
    """
    found = json.loads(text)
    if "stop" in found:
        stop = found["stop"]
        raise OSError(*stop) if len(stop) > 1 else RunFolderError(*stop)
    areas = None
    if found["pixels"] is not None:
        areas = Areas(np.array(found["pixels"], np.int64), found["pixel_m2"])
    fault = found["fault"]
    if fault is not None:
        # As without Ray, images are called what the user calls them.
        fault = fault.replace(path, str(photo.path))
    return Result(areas, fault, found["is_kept"])
