"""A real cluster of two workers, against this process alone."""

import socket
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import pytest

from export.tiny_models import tiny_unet
from segshrink.errors import RunFolderError, UsageError
from segshrink.export import export_model
from segshrink.prediction import Cluster, find_photos, on_ray, segment_files
from segshrink.progress import SilentProgress
from segshrink.runtimes import load_artifact

from .pictures import blotches, stripes


@pytest.fixture(scope="module")
def artifact(tmp_path_factory):
    path = tmp_path_factory.mktemp("model") / "tiny.tflite"
    export_model(tiny_unet(), path, format="litert")
    return load_artifact(path)


@pytest.fixture(scope="module")
def images(tmp_path_factory):
    """Photographs, one of them damaged, and a scene if rasterio is installed."""
    folder = tmp_path_factory.mktemp("images")
    for number in range(3):
        stripes(folder / "deep" / f"{number}.png", dark=10 * number, size=(50, 60))
    (folder / "torn.png").write_bytes(b"\x89PNG\r\n\x1a\ntorn")
    try:
        from .geotiffs import write_scene
    except ImportError:
        return folder
    write_scene(folder / "scene.tif", blotches(80, 90))
    return folder


class Counted(SilentProgress):
    done = 0

    def advance(self, steps=1, **facts):
        self.done += steps


def contents(folder):
    return {
        path.relative_to(folder): path.read_bytes()
        for path in folder.rglob("*")
        if path.is_file()
    }


def told(outcome):
    """What an outcome says, in values that compare."""
    results = [
        (each.areas and each.areas.pixels.tolist(), each.fault, each.is_kept)
        for each in outcome.results
    ]
    return outcome.done, outcome.kept, outcome.faults, results


@pytest.mark.e2e
def test_two_workers_write_the_same_files_as_one_process(artifact, images, tmp_path):
    pytest.importorskip("ray")
    alone, together = tmp_path / "alone", tmp_path / "together"
    photos = find_photos([images], tmp_path)
    photos = [replace(each, has_confidence=True) for each in photos]
    expected = segment_files(artifact, photos, alone)
    progress = Counted()
    found = segment_files(
        artifact, photos, together, cluster=Cluster("local", 2), progress=progress
    )
    assert told(found) == told(expected)
    assert len(found.faults) == 1 and str(images / "torn.png") in found.faults[0]
    assert progress.done == len(photos)
    assert contents(together) == contents(alone)
    # A second call predicts only what is missing.
    times = {path: path.stat().st_mtime_ns for path in together.rglob("*.png")}
    (together / "deep" / "1.png").unlink()
    again = segment_files(artifact, photos, together, cluster=Cluster("local", 1))
    assert (again.done, again.kept) == (1, expected.done - 1)
    assert contents(together) == contents(alone)
    changed = {path for path in times if path.stat().st_mtime_ns != times[path]}
    names = {"1.png", "1-overlay.png", "1-confidence.png"}
    assert {path.name for path in changed} == names
    # An error that concerns all images stops the call, as without Ray.
    (together / "deep" / "2.png").unlink()
    (together / "deep" / "2.png" / "in the way").mkdir(parents=True)
    with pytest.raises(OSError, match="Is a directory") as caught:
        segment_files(artifact, photos, together, cluster=Cluster("local", 2))
    assert caught.value.filename == str(together / "deep" / "2.png")


def test_results_come_through_as_text(tmp_path):
    import numpy as np

    from segshrink.prediction import Areas, Photo
    from segshrink.prediction.one_image import Result

    photo = Photo(Path("b.png"), Path("b"))
    whole = Result(Areas(np.array([2**40, 0]), 0.25), None, True)
    found = on_ray._from_text(on_ray._as_text(whole), "/a/b.png", photo)
    assert found.areas.pixels.tolist() == [2**40, 0]
    assert (found.areas.pixel_m2, found.fault, found.is_kept) == (0.25, None, True)
    faulty = on_ray._as_text(Result(None, "/a/b.png: torn"))
    assert on_ray._from_text(faulty, "/a/b.png", photo) == Result(None, "b.png: torn")
    with pytest.raises(OSError) as caught:
        error = OSError(28, "No space left on device", "/a/out")
        on_ray._from_text(on_ray._stopping(error), "/a/b.png", photo)
    assert (caught.value.errno, caught.value.filename) == (28, "/a/out")
    with pytest.raises(RunFolderError, match="^full$"):
        on_ray._from_text(on_ray._stopping(RunFolderError("full")), "", photo)


def test_workers_are_one_or_more():
    with pytest.raises(UsageError, match="workers must be at least 1, got 0"):
        Cluster("local", 0)


@pytest.mark.parametrize("address", ["ray://127.0.0.1:{}", "127.0.0.1:{}"])
def test_an_address_without_a_cluster_is_named(address):
    pytest.importorskip("ray")
    with socket.create_server(("127.0.0.1", 0)) as server:
        unused = server.getsockname()[1]
    address = address.format(unused)
    found = f"^--ray {address}: no Ray cluster answers there .*refused.*ray start"
    with (
        pytest.raises(UsageError, match=found),
        on_ray.connection(Cluster(address, 1)),
    ):
        pass


def test_a_missing_extra_is_named_with_its_command(tmp_path):
    code = """
import sys
sys.modules["ray"] = None
from segshrink.prediction.on_ray import Cluster, connection
try:
    with connection(Cluster("local", 1)):
        pass
except Exception as error:
    print(type(error).__name__, error)
"""
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True)
    assert done.stdout.startswith("MissingExtraError Predicting on a Ray cluster needs")
    assert "pip install 'segshrink[ray]'" in done.stdout
