import numpy as np
import pytest

pytest.importorskip("av")


from prediction.videos import film_of, turn, write_film
from segshrink.errors import DatasetError
from segshrink.prediction.video_files import (
    comment_of,
    frames_of,
    video_facts,
    write_video,
)

# A variable rate: a frame is shown for 40, 40, 200, 20 ... milliseconds.
TIMES_MS = [0, 40, 80, 280, 300, 320, 1000, 1040]


def pictures(height=48, width=64):
    """Grey, of another lightness each, with a red corner at the top left."""
    made = [np.full((height, width, 3), 30 * n, np.uint8) for n in range(8)]
    for picture in made:
        picture[: height // 2, : width // 2] = (255, 0, 0)
    return made


@pytest.fixture
def film(tmp_path):
    return write_film(tmp_path / "film.mp4", pictures(), TIMES_MS)


def test_frames_have_their_numbers_times_and_pixels(film):
    frames = list(frames_of(film))
    assert [x.number for x in frames] == list(range(8))
    facts = video_facts(film)
    seconds = [float(x.ticks * facts.time_base) for x in frames]
    assert seconds == pytest.approx([ms / 1000 for ms in TIMES_MS], abs=1e-9)
    for number, frame in enumerate(frames):
        assert frame.pixels.shape == (48, 64, 3)
        assert abs(int(frame.pixels[-5, -5, 0]) - 30 * number) <= 3
    assert facts.num_frames == 8


@pytest.mark.parametrize("every", [2, 3, 7, 20])
@pytest.mark.parametrize("start", [0, 3])
def test_every_and_start_choose_frames(film, every, start):
    wanted = [n for n in range(8) if n % every == 0 and n >= start]
    chosen = list(frames_of(film, every=every, start=start))
    assert [x.number for x in chosen] == wanted
    whole = list(frames_of(film))
    for frame in chosen:
        np.testing.assert_array_equal(frame.pixels, whole[frame.number].pixels)


@pytest.mark.parametrize("quarters", [0, 1, 2, 3])
def test_a_film_held_upright_is_turned(film, quarters):
    frame = next(frames_of(turn(film, quarters)))
    wanted = np.rot90(pictures()[0], -quarters)
    assert frame.pixels.shape == wanted.shape
    assert np.abs(frame.pixels.astype(int) - wanted).mean() < 8


def test_what_is_written_has_the_times_the_colours_and_the_comment(film, tmp_path):
    out = tmp_path / "out.mp4"
    write_video(out, frames_of(film), video_facts(film), comment="of a film, every 1")
    written = film_of(out)
    assert [x for x, _ in written] == pytest.approx([ms / 1000 for ms in TIMES_MS])
    for (_, ours), frame in zip(written, frames_of(film), strict=True):
        assert np.abs(ours.astype(int) - frame.pixels).mean() < 6
    assert comment_of(out) == "of a film, every 1"
    assert comment_of(film) is None


def test_odd_sides_are_longer_by_a_pixel_in_what_is_written(tmp_path):
    film = write_film(tmp_path / "film.mp4", pictures(48, 64), TIMES_MS)
    frames = (
        type(x)(x.number, x.ticks, x.pixels[:47, :63].copy()) for x in frames_of(film)
    )
    write_video(tmp_path / "out.mp4", frames, video_facts(film))
    (_, picture), *_ = film_of(tmp_path / "out.mp4")
    assert picture.shape == (48, 64, 3)


def test_two_writes_are_equal_byte_for_byte(film, tmp_path):
    for name in ("a", "b"):
        write_video(tmp_path / f"{name}.mp4", frames_of(film), video_facts(film))
    assert (tmp_path / "a.mp4").read_bytes() == (tmp_path / "b.mp4").read_bytes()


def test_faults_name_the_file(tmp_path, film):
    empty = tmp_path / "empty.mp4"
    empty.write_bytes(b"")
    noise = tmp_path / "noise.mkv"
    noise.write_bytes(np.random.default_rng(0).bytes(5000))
    half = tmp_path / "half.mp4"
    half.write_bytes(film.read_bytes()[:500])
    for path in (empty, noise, half, tmp_path / "absent.mp4", tmp_path):
        with pytest.raises(DatasetError, match=path.name):
            video_facts(path)


def test_a_film_that_breaks_off_gives_the_frames_before(tmp_path):
    noise = np.random.default_rng(0).integers(0, 256, (60, 48, 64, 3), np.uint8)
    path = write_film(tmp_path / "film.mkv", noise, range(0, 2400, 40))
    content = path.read_bytes()
    path.write_bytes(content[: len(content) // 2])
    numbers = []
    try:
        for frame in frames_of(path):
            numbers.append(frame.number)
    except DatasetError as error:
        assert "Frames read" in str(error)
    assert numbers == list(range(len(numbers)))
    assert 10 < len(numbers) < 50


def test_sound_alone_is_refused(tmp_path):
    import av

    path = tmp_path / "sound.mp4"
    with av.open(str(path), "w") as container:
        stream = container.add_stream("aac", rate=8000)
        frame = av.AudioFrame.from_ndarray(
            np.zeros((1, 1024), np.float32), format="fltp", layout="mono"
        )
        frame.sample_rate, frame.pts = 8000, 0
        container.mux(stream.encode(frame))
        container.mux(stream.encode())
    with pytest.raises(DatasetError, match="holds no video"):
        video_facts(path)


def test_no_frame_is_no_video(tmp_path, film):
    with pytest.raises(DatasetError, match="no frame"):
        write_video(tmp_path / "out.mp4", iter(()), video_facts(film))
    assert not (tmp_path / "out.mp4").exists()
