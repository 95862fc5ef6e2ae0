"""A recording of a camera. A film that is read like one stands for it.

The machines of the tests have no camera. The loop over the frames is the same.
"""

import contextlib
import csv
import os
import tempfile
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

pytest.importorskip("av")
pytest.importorskip("cv2")

from prediction.videos import film_of, write_film
from segshrink.errors import DatasetError, UsageError
from segshrink.prediction import (
    Recording,
    camera_index,
    is_camera,
    opened_capture,
    record_camera,
)
from segshrink.prediction.camera_reading import frames_as_they_come, reason_of
from segshrink.runtimes import classes_of_image

NUM_FRAMES = 9


@pytest.fixture
def film(tmp_path):
    noise = np.random.default_rng(3)
    pictures = []
    for _ in range(NUM_FRAMES):
        # Large patches survive the compression of the film.
        color = np.kron(noise.integers(0, 256, (3, 4, 3)), np.ones((16, 16, 1)))
        pictures.append(color.astype(np.uint8))
    times = [40 * number for number in range(NUM_FRAMES)]
    return write_film(tmp_path / "film.mp4", pictures, times)


def rows_of(path):
    with path.open(newline="", encoding="utf-8") as file:
        return list(csv.reader(file))


def recorded(artifact, film, out, **options):
    with opened_capture(film) as capture:
        return record_camera(artifact, capture, Recording(out, "camera-0", **options))


def test_each_frame_is_segmented_and_shows_when_it_came(film, artifact, tmp_path):
    out = tmp_path / "out"
    outcome = recorded(artifact, film, out)
    # A camera has no end: where a film ends, it has stopped.
    assert outcome.frames == NUM_FRAMES
    assert outcome.fault == f"{film}: gave no frame any more after {NUM_FRAMES}."
    head, *rows = rows_of(out / "camera-0-shares.csv")
    assert head[:2] == ["frame", "seconds"]
    for number, (row, picture) in enumerate(zip(rows, pictures_of(film), strict=True)):
        assert int(row[0]) == number
        labels = classes_of_image(artifact, picture)
        for index, share in enumerate(map(float, row[2:])):
            assert share == pytest.approx(np.mean(labels == index), abs=1e-6)
    seconds = [float(row[1]) for row in rows]
    assert seconds[0] == 0 and (np.diff(seconds) > 0).all()
    shown = [second for second, _ in film_of(out / "camera-0-overlay.mp4")]
    assert shown == pytest.approx(seconds, abs=1e-6)
    names = {"camera-0-overlay.mp4", "camera-0-shares.csv", "predicted.json"}
    assert {x.name for x in out.iterdir()} == names


def pictures_of(film):
    pictures = []
    with opened_capture(film) as capture, contextlib.suppress(DatasetError):
        for frame in frames_as_they_come(capture):
            pictures.append(frame.pixels)
    return pictures


def test_colours_are_those_of_the_film(film):
    with opened_capture(film) as capture:
        first = next(frames_as_they_come(capture)).pixels
    _, expected = film_of(film)[0]
    # Two decoders, which round the colours each in their way.
    assert np.abs(first.astype(int) - expected).mean() < 4
    assert np.abs(first[..., ::-1].astype(int) - expected).mean() > 20


def test_every_third_frame(film, artifact, tmp_path):
    assert recorded(artifact, film, tmp_path / "out", every=3).frames == 3
    rows = rows_of(tmp_path / "out" / "camera-0-shares.csv")[1:]
    assert [int(row[0]) for row in rows] == [0, 3, 6]


def test_it_ends_when_it_is_told_to_with_whole_files(film, artifact, tmp_path):
    out, seen = tmp_path / "out", []

    def is_ended():
        with Image.open(out / "camera-0-live.jpg") as newest:
            seen.append(newest.size)
        return len(seen) == 4

    outcome = recorded(artifact, film, out, is_ended=is_ended)
    assert (outcome.frames, outcome.fault) == (4, None)
    assert seen == [(64, 48)] * 4
    assert len(film_of(out / "camera-0-overlay.mp4")) == 4
    assert len(rows_of(out / "camera-0-shares.csv")) == 5
    assert not (out / "camera-0-live.jpg").exists()


def test_it_ends_after_its_seconds(film, artifact, tmp_path, monkeypatch):
    times = iter(np.arange(100, 200, 0.5))
    monkeypatch.setattr("time.monotonic", lambda: float(next(times)))
    outcome = recorded(artifact, film, tmp_path / "out", seconds=1)
    assert (outcome.frames, outcome.fault) == (3, None)
    rows = rows_of(tmp_path / "out" / "camera-0-shares.csv")[1:]
    assert [float(row[1]) for row in rows] == [0, 0.5, 1]


def test_a_recording_is_not_overwritten(film, artifact, tmp_path):
    out = tmp_path / "out"
    recorded(artifact, film, out)
    before = (out / "camera-0-overlay.mp4").read_bytes()
    with pytest.raises(UsageError, match="is a recording, which would be overwritten"):
        recorded(artifact, film, out)
    assert (out / "camera-0-overlay.mp4").read_bytes() == before


def test_a_camera_that_is_broken_off_leaves_nothing_half_written(
    film, artifact, tmp_path
):
    def is_ended():
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        recorded(artifact, film, tmp_path / "out", is_ended=is_ended)
    assert {x.name for x in (tmp_path / "out").iterdir()} == {"predicted.json"}


def test_what_cannot_be_opened_is_told(tmp_path, artifact):
    with (
        pytest.raises(DatasetError, match="camera:99: cannot be opened: there is "),
        opened_capture(99),
    ):
        pass
    (tmp_path / "no.mp4").write_bytes(b"no film")
    with (
        pytest.raises(DatasetError, match="no.mp4: cannot be opened: it is no film"),
        opened_capture(tmp_path / "no.mp4"),
    ):
        pass


@pytest.mark.skipif(not Path("/dev").is_dir(), reason="devices are no files here")
def test_a_camera_that_may_not_be_read_is_told():
    with tempfile.TemporaryDirectory() as folder:
        devices, is_root = Path(folder), os.geteuid() == 0
        devices.chmod(0o755)
        (devices / "video0").touch(mode=0)
        try:
            if is_root:
                os.seteuid(65534)
            assert reason_of(0, devices).startswith(f"you may not read {devices}/vid")
            assert reason_of(3, devices).endswith("video3, only video0")
        finally:
            if is_root:
                os.seteuid(0)
        (devices / "video0").chmod(0o600)
        assert "another program uses it" in reason_of(0, devices)
        (devices / "video0").unlink()
        assert reason_of(0, devices).endswith("video0, no camera at all")


def test_a_camera_is_named_by_its_number():
    assert is_camera(Path("camera:0")) and not is_camera(Path("camera.mp4"))
    assert camera_index(Path("camera:12")) == 12
    for name in ("camera:", "camera:x", "camera:-1", "camera:0.mp4"):
        with pytest.raises(UsageError, match="is named by its number, such as camer"):
            camera_index(Path(name))
