"""TeacherCache: what it survives: damage, foreign files, kills."""

import io
import json
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path

import keras
import numpy as np
import pytest
from keras import layers

from data.pictures import THREE_CLASSES, held, noise
from distillation.cached_teachers import (
    VIEWS,
    Listener,
    all_maps,
    assert_same_maps,
    files_in,
    maps_in,
    pointwise,
)
from segshrink.data import AnnotatedImage, Part
from segshrink.distillation import Distiller, PixelKL, TeacherCache, Term
from segshrink.distillation.teacher_cache import CacheSettings
from segshrink.errors import DatasetError, RunFolderError
from segshrink.objectives import CrossEntropy
from segshrink.recipe import TrainingSettings
from segshrink.training import Objective, TrainingContext, fit
from training.runs import Interrupted, KillAfter, read_history, weights_of


def flipped(position):
    def damage(data):
        data = bytearray(data)
        data[position] ^= 0x10
        return bytes(data)

    return damage


def as_file(array):
    file = io.BytesIO()
    np.save(file, array)
    return file.getvalue()


DAMAGES = {
    "missing": lambda data: None,
    "empty": lambda data: b"",
    "three bytes are left": lambda data: data[:3],
    "most of the header is lost": lambda data: data[:20],
    "half is lost": lambda data: data[: len(data) // 2],
    "the checksum is lost": lambda data: data[:-4],
    "the last byte is lost": lambda data: data[:-1],
    "a byte too many": lambda data: data + b"x",
    "zeros": lambda data: bytes(len(data)),
    "an archive": lambda data: b"PK\x03\x04" + data[4:],
    "flipped in the magic": flipped(0),
    "flipped in the header's length": flipped(8),
    "flipped in the header": flipped(25),
    "flipped in the data": flipped(-20),
    "flipped in the last value": flipped(-5),
    "flipped in the checksum": flipped(-1),
    "another shape": lambda data: as_file(np.zeros((2, 2, 3), np.float16)),
    "another type": lambda data: as_file(np.zeros((4, 6, 3), np.float32)),
    "shifted": lambda data: (b"\x93NUMPY" + data)[: len(data)],
}


def put(path, data):
    path.unlink()
    if data is not None:
        path.write_bytes(data)


@pytest.mark.parametrize("damage", DAMAGES.values(), ids=DAMAGES)
def test_damaged_files_are_rebuilt_and_no_others(copied, filled, part, teacher, damage):
    victim = maps_in(copied)[1]
    before = files_in(copied)
    put(victim, damage(victim.read_bytes()))
    cache, listener = TeacherCache(copied, teacher, part), Listener()
    assert cache.fill(listener) == 1
    assert "2 of 3 maps are there" in listener.text
    after = files_in(copied)
    assert after.keys() == before.keys()
    changed = [name for name in after if after[name] != before[name]]
    assert changed == [Path(victim.name)]
    assert cache.fill() == 0
    assert_same_maps(cache, TeacherCache(filled, teacher, part), part)


@pytest.mark.parametrize("mask", [0x01, 0x40])
def test_a_flip_at_any_place_is_found(tmp_path, teacher, mask):
    part = Part("train", [held(noise(2, 3), np.zeros((2, 3), np.uint8))], THREE_CLASSES)
    cache = TeacherCache(tmp_path / "logits", teacher, part)
    cache.fill()
    (path,) = maps_in(tmp_path / "logits")
    whole = path.read_bytes()
    for position in range(len(whole)):
        data = bytearray(whole)
        data[position] ^= mask
        put(path, data)
        assert cache.fill() == 1, position
    assert path.read_bytes() == whole


def test_a_cut_at_any_place_is_found(tmp_path, teacher):
    part = Part("train", [held(noise(2, 3), np.zeros((2, 3), np.uint8))], THREE_CLASSES)
    cache = TeacherCache(tmp_path / "logits", teacher, part)
    cache.fill()
    (path,) = maps_in(tmp_path / "logits")
    whole = path.read_bytes()
    for length in range(0, len(whole), 3):
        put(path, whole[:length])
        assert cache.fill() == 1, length
    assert path.read_bytes() == whole


def test_a_rebuilt_map_is_read_again(copied, filled, part, teacher):
    """Also if the damaged one had been read before: only `fill` looks for damage."""
    victim = maps_in(copied)[0]
    put(victim, flipped(-20)(victim.read_bytes()))
    cache = TeacherCache(copied, teacher, part)
    all_maps(cache, part)
    assert cache.fill() == 1
    assert_same_maps(cache, TeacherCache(filled, teacher, part), part)


@pytest.mark.parametrize(
    "content",
    [b"", b"{", b"\xff\xfe", b"null", b"[]", b"{}", b"3", b'"text"', b"[1]", b"true"],
)
def test_a_damaged_record_is_rewritten(copied, filled, part, teacher, content):
    about = copied / "about.json"
    before = about.read_bytes()
    about.write_bytes(content)
    cache = TeacherCache(copied, teacher, part)
    cache.fill()
    assert about.read_bytes() == before
    assert_same_maps(cache, TeacherCache(filled, teacher, part), part)
    assert cache.fill() == 0


def test_half_a_file_of_a_kill_is_no_hindrance(copied, filled, part, teacher):
    victim = maps_in(copied)[2]
    data = victim.read_bytes()
    put(victim, None)
    (copied / f".partial-{victim.name}").write_bytes(data[:50])
    (copied / ".partial-about.json").write_bytes(b"{")
    cache = TeacherCache(copied, teacher, part)
    assert cache.fill() == 1
    assert_same_maps(cache, TeacherCache(filled, teacher, part), part)


def test_half_a_description_of_a_kill_is_no_hindrance(tmp_path, part, teacher):
    """The first file that is begun in the folder."""
    folder = tmp_path / "logits"
    folder.mkdir()
    (folder / ".partial-about.json").write_bytes(b'{"format"')
    assert TeacherCache(folder, teacher, part).fill() == 3


def _note(folder):
    (folder / "note.txt").write_text("mine")


def _arrays(folder):
    np.save(folder / "measured.npy", np.arange(5))


def _deep(folder):
    (folder / "mine" / "deep").mkdir(parents=True)


def _about_of_something_else(folder):
    (folder / "about.json").write_text('{"author": "me", "title": "Measurements"}')
    np.save(folder / "measured.npy", np.arange(5))


@pytest.mark.parametrize("content", [_note, _arrays, _deep, _about_of_something_else])
def test_a_folder_with_something_else_is_left_alone(tmp_path, part, teacher, content):
    folder = tmp_path / "logits"
    folder.mkdir()
    content(folder)
    before, names = files_in(folder), sorted(folder.rglob("*"))
    with pytest.raises(RunFolderError, match="holds something else") as caught:
        TeacherCache(folder, teacher, part).fill()
    assert str(folder) in str(caught.value)
    assert files_in(folder) == before
    assert sorted(folder.rglob("*")) == names


def test_a_file_in_the_place_of_the_folder_is_left_alone(tmp_path, part, teacher):
    path = tmp_path / "logits"
    path.write_text("mine")
    with pytest.raises(RunFolderError, match="logits"):
        TeacherCache(path, teacher, part).fill()
    assert path.read_text() == "mine"


def test_an_empty_folder_is_taken(tmp_path, part, teacher):
    assert TeacherCache(tmp_path, teacher, part).fill() == 3
    assert TeacherCache(str(tmp_path), teacher, part).fill() == 0


def test_before_fill_there_is_nothing_to_read(tmp_path, part, teacher):
    cache = TeacherCache(tmp_path / "logits", teacher, part)
    with pytest.raises(RunFolderError, match="Call fill"):
        cache.get(0)
    assert not (tmp_path / "logits").exists()
    cache.fill()
    assert np.isfinite(cache.get(0)).all()


@pytest.mark.parametrize(
    "options", [{"teacher": {"seed": 1}}, {"stride": 2}, {"overlap": 0.5}]
)
def test_what_was_made_otherwise_is_not_read_before_fill(
    filled, part, teacher, options
):
    options = dict(options)
    other = pointwise(**options.pop("teacher")) if "teacher" in options else teacher
    cache = TeacherCache(filled, other, part, CacheSettings(**options))
    with pytest.raises(RunFolderError, match="Call fill"):
        cache.get(0)


@pytest.mark.parametrize(
    "damage", ["missing", "empty", "three bytes are left", "half is lost", "zeros"]
)
def test_the_error_of_an_unreadable_map_names_the_remedy(copied, part, teacher, damage):
    victim = maps_in(copied)[1]
    put(victim, DAMAGES[damage](victim.read_bytes()))
    cache = TeacherCache(copied, teacher, part)
    with pytest.raises(RunFolderError, match=f"{victim.name}.*Call fill"):
        cache.get(1)


def test_maps_that_another_run_put_in_their_place_are_not_read(tmp_path, part, teacher):
    cache = TeacherCache(tmp_path, teacher, part, CacheSettings(stride=4))
    cache.fill()
    cache.get(1)
    TeacherCache(tmp_path, teacher, part, CacheSettings(stride=2)).fill()
    with pytest.raises(RunFolderError, match="another run fills the same folder"):
        cache.get(0)


@dataclass(frozen=True, kw_only=True)
class Unreadable(AnnotatedImage):
    def read(self):
        raise DatasetError("b.jpg: cannot be decoded")


def test_an_image_that_cannot_be_decoded_keeps_what_is_finished(
    tmp_path, part, teacher
):
    broken = Unreadable(scene="b", name="b", height_px=9, width_px=9)
    listener = Listener()
    with_broken = Part("train", [*part, broken], THREE_CLASSES)
    cache = TeacherCache(tmp_path / "logits", teacher, with_broken)
    for made in (3, 0):
        with pytest.raises(DatasetError, match="b.jpg"):
            cache.fill(listener)
        assert listener.advanced == made
        listener.advanced = 0
    assert len(maps_in(tmp_path / "logits")) == 3


@pytest.fixture(scope="module")
def kills(tmp_path_factory):
    """Outcomes of `fill` after kills at every step it takes in its folder."""
    script = Path(__file__).with_name("killed_fills.py")
    command = [sys.executable, str(script), str(tmp_path_factory.mktemp("kills"))]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout.splitlines()[-1])


@pytest.mark.parametrize("scenario", ["first", "rebuilt"])
def test_survives_sigkill_at_any_moment(kills, scenario):
    outcomes = kills[scenario]
    assert len(outcomes) > 10
    # Some kills came before the first map was whole, some between, some after.
    assert {outcome["kept"] for outcome in outcomes} >= {0, 1, 2}
    for moment, outcome in enumerate(outcomes):
        where = f"{scenario}: killed before step {moment}, {outcome['step']}"
        assert outcome["error"] is None, f"{where}: {outcome['error']}"
        assert outcome["made"] == 2 - outcome["kept"], where
        assert outcome["same"], where


# Training with it.


SETTINGS = TrainingSettings(
    epochs=2, batch_size=4, learning_rate=0.01, tiles_per_epoch=None
)
STEPS = 3


def student():
    keras.utils.set_random_seed(1)
    images = keras.Input((32, 32, 3), name="images")
    x = layers.Rescaling(1 / 255, name="rescaled")(images)
    x = layers.Conv2D(4, 3, padding="same", activation="relu", name="first")(x)
    x = layers.BatchNormalization(name="norm")(x)
    x = layers.Dropout(0.3, name="drop")(x)
    return keras.Model(images, layers.Conv2D(3, 1, name="logits")(x), name="student")


def trained(folder, dataset, logits, **options):
    model = student()
    terms = [Term(PixelKL(2.0))]
    distiller = Distiller(model, None, supervised=CrossEntropy(), terms=terms)
    return fit(
        distiller,
        SETTINGS,
        TrainingContext(dataset=dataset, folder=folder, **options),
        Objective(model=model, teacher_logits=logits),
    )


def test_a_killed_run_resumes_as_if_never_stopped(tmp_path, tiny_dataset):
    teacher = pointwise(tile_px=32)

    def logits():
        cache = TeacherCache(
            tmp_path / "logits", teacher, tiny_dataset.train, CacheSettings(**VIEWS)
        )
        cache.fill()
        return cache

    whole, killed = tmp_path / "whole", tmp_path / "killed"
    result = trained(whole, tiny_dataset, logits())
    with pytest.raises(Interrupted):
        trained(killed, tiny_dataset, logits(), progress=KillAfter(STEPS + 1))
    assert len(read_history(killed)) == 1
    # The maps of one image are lost meanwhile, and made again.
    maps_in(tmp_path / "logits")[0].unlink()
    again = trained(killed, tiny_dataset, logits())
    rows, expected = (
        [row | {"seconds": ""} for row in read_history(folder)]
        for folder in (killed, whole)
    )
    assert len(rows) == 2 and rows == expected
    assert all(float(row["pixel_kl"]) > 0 for row in rows)
    assert again.best_val_miou == result.best_val_miou
    ours, theirs = (weights_of(folder / "model.keras") for folder in (killed, whole))
    for mine, other in zip(ours, theirs, strict=True):
        np.testing.assert_array_equal(mine, other)
