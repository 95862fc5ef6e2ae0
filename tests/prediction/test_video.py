import csv

import numpy as np
import pytest

pytest.importorskip("av")

from prediction.videos import film_of, write_film
from segshrink.errors import DatasetError, RunFolderError, UsageError
from segshrink.prediction import is_video, segment_videos, video
from segshrink.prediction.video_files import frames_of
from segshrink.progress import SilentProgress
from segshrink.runtimes import classes_of_image

TIMES_MS = [0, 40, 80, 280, 300, 320, 1000, 1040]


@pytest.fixture
def film(tmp_path):
    noise = np.random.default_rng(3)
    pictures = []
    for _ in TIMES_MS:
        # Large patches survive the compression of the film.
        grey = np.kron(noise.integers(0, 256, (3, 4)), np.ones((16, 16))).astype("u1")
        pictures.append(np.repeat(grey[..., None], 3, axis=2))
    return write_film(tmp_path / "film.mp4", pictures, TIMES_MS)


def rows_of(path):
    with path.open(newline="") as file:
        return list(csv.reader(file))


def test_the_shares_are_those_of_each_frame(film, artifact, tmp_path):
    out = tmp_path / "out"
    (outcome,) = segment_videos(artifact, [film], out)
    assert (outcome.frames, outcome.fault, outcome.is_kept) == (8, None, False)
    head, *rows = rows_of(out / "film-shares.csv")
    assert head[:2] == ["frame", "seconds"]
    assert len(head) == 2 + artifact.num_classes
    shown = film_of(film)
    for number, (row, (seconds, picture)) in enumerate(zip(rows, shown, strict=True)):
        assert int(row[0]) == number
        assert float(row[1]) == pytest.approx(seconds, abs=1e-6)
        labels = classes_of_image(artifact, picture)
        for index, share in enumerate(map(float, row[2:])):
            assert share == pytest.approx(np.mean(labels == index), abs=1e-6)
    assert [s for s, _ in film_of(out / "film-overlay.mp4")] == pytest.approx(
        [s for s, _ in shown]
    )
    assert sorted(x.name for x in out.iterdir()) == [
        "film-overlay.mp4",
        "film-shares.csv",
        "predicted.json",
    ]


def test_every_third_frame(film, artifact, tmp_path):
    (outcome,) = segment_videos(artifact, [film], tmp_path / "out", every=3)
    assert outcome.frames == 3
    rows = rows_of(tmp_path / "out" / "film-shares.csv")[1:]
    assert [int(row[0]) for row in rows] == [0, 3, 6]
    times = [s for s, _ in film_of(tmp_path / "out" / "film-overlay.mp4")]
    assert times == pytest.approx([0, 0.28, 1.0])


def test_results_are_kept_unless_the_film_or_the_choice_changes(
    film, artifact, tmp_path
):
    out = tmp_path / "out"
    segment_videos(artifact, [film], out)
    before = (out / "film-overlay.mp4").stat().st_mtime_ns
    (kept,) = segment_videos(artifact, [film], out)
    assert kept.is_kept and kept.frames == 8
    assert (out / "film-overlay.mp4").stat().st_mtime_ns == before
    (other,) = segment_videos(artifact, [film], out, every=4)
    assert (other.is_kept, other.frames) == (False, 2)


class StopsAt(SilentProgress):
    """Stands for a kill after so many frames were predicted or written."""

    def __init__(self, label, frames):
        self.label, self.frames, self.left = label, frames, None

    def start(self, label, total):
        self.left = self.frames if label == self.label else None

    def advance(self, steps=1, **facts):
        if self.left is not None:
            self.left -= steps
            if self.left < 0:
                raise KeyboardInterrupt


@pytest.mark.parametrize("label", ["predict frames", "write video"])
@pytest.mark.parametrize("frames", [0, 1, 5])
def test_a_call_that_was_killed_resumes_and_gives_the_same(
    film, artifact, tmp_path, label, frames, monkeypatch
):
    whole, parts = tmp_path / "whole", tmp_path / "parts"
    segment_videos(artifact, [film], whole)
    with pytest.raises(KeyboardInterrupt):
        segment_videos(artifact, [film], parts, progress=StopsAt(label, frames))
    assert not (parts / "film-overlay.mp4").exists()
    predicted = []
    monkeypatch.setattr(
        "segshrink.prediction.video.classes_of_image",
        lambda *x: predicted.append(1) or classes_of_image(*x),
    )
    segment_videos(artifact, [film], parts)
    for name in ("film-overlay.mp4", "film-shares.csv"):
        assert (parts / name).read_bytes() == (whole / name).read_bytes()
    done = frames + 1 if label == "predict frames" else 8
    assert len(predicted) == 8 - done


def test_a_damaged_film_has_results_up_to_the_damage_and_the_next_its_own(
    film, artifact, tmp_path
):
    broken = tmp_path / "broken.mp4"
    broken.write_bytes(film.read_bytes()[:300])
    first, second = segment_videos(artifact, [broken, film], tmp_path / "out")
    assert first.frames == 0 and "broken.mp4" in first.fault
    assert second.frames == 8 and second.fault is None


def test_the_damage_of_a_film_is_told_by_every_call(
    film, artifact, tmp_path, monkeypatch
):
    def until_damaged(path, **options):
        for frame in frames_of(path, **options):
            if frame.number == 3:
                raise DatasetError("film.mp4: is damaged at frame 3.")
            yield frame

    monkeypatch.setattr(video, "frames_of", until_damaged)
    [first] = segment_videos(artifact, [film], tmp_path / "out")
    [again] = segment_videos(artifact, [film], tmp_path / "out")
    assert (first.frames, first.is_kept) == (3, False)
    assert (again.frames, again.is_kept) == (3, True)
    assert again.fault == first.fault == "film.mp4: is damaged at frame 3."


def test_names_and_models_are_kept_apart(film, artifact, tmp_path):
    other = tmp_path / "other"
    other.mkdir()
    with pytest.raises(UsageError, match="film would overwrite"):
        segment_videos(artifact, [film, other / "film.mov"], tmp_path / "out")
    segment_videos(artifact, [film], tmp_path / "out")
    artifact.path.write_text("another")
    with pytest.raises(RunFolderError, match="another model"):
        segment_videos(artifact, [film], tmp_path / "out")


def test_endings_of_videos(film):
    assert is_video(film) and is_video(film.with_suffix(".MOV"))
    assert not is_video(film.with_suffix(".png"))
