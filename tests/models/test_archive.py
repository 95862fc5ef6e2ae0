"""`.keras` archives: bombs, damage, missing and foreign parts."""

import shutil
import zipfile
from pathlib import Path

import keras
import pytest

from segshrink.errors import ModelError, SegshrinkWarning
from segshrink.models import load_model, read_bands, save_model


@pytest.fixture(scope="module")
def saved(tmp_path_factory) -> Path:
    image = keras.Input((8, 8, 3))
    path = tmp_path_factory.mktemp("models") / "m.keras"
    save_model(
        keras.Model(image, keras.layers.Conv2D(5, 3, padding="same")(image)), path
    )
    return path


@pytest.fixture
def rewritten(saved, tmp_path):
    """Writes the archive anew without or with some members."""

    def write(*, without: str = "", **more: bytes) -> Path:
        path = tmp_path / "m.keras"
        with (
            zipfile.ZipFile(saved) as source,
            zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as target,
        ):
            for name in source.namelist():
                if name != without:
                    target.writestr(name, source.read(name))
            for name, content in more.items():
                target.writestr(name.replace("__", "."), content)
        return path

    return write


@pytest.mark.parametrize("name", ["metadata.json", "config.json", "model.weights.h5"])
def test_missing_part_is_named(rewritten, name):
    with pytest.raises(ModelError, match=f"m.keras: an archive without {name}"):
        load_model(rewritten(without=name))


def test_bomb_is_refused_before_it_is_unpacked(saved, tmp_path):
    path = tmp_path / "m.keras"
    with (
        zipfile.ZipFile(saved) as source,
        zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as target,
    ):
        for name in source.namelist():
            target.writestr(name, source.read(name))
        with target.open("assets/zeros", "w", force_zip64=True) as member:
            for _ in range(300):
                member.write(bytes(1 << 20))
    with pytest.raises(ModelError, match="would be unpacked to 314,"):
        load_model(path)


def test_pickle_beside_it_is_told_and_not_read(rewritten):
    path = rewritten(evil__pkl=b"cos\nsystem\n(S'exit 1'\ntR.")
    with pytest.warns(SegshrinkWarning, match="holds evil.pkl, which is no part"):
        load_model(path)


def test_bands_that_do_not_hold_are_told(rewritten):
    path = rewritten(**{"segshrink-bands__json": b'{"use": [0]}'})
    with pytest.warns(SegshrinkWarning, match="bands in it are ignored"):
        assert read_bands(path) is None


def test_damage_in_any_byte_of_the_weights_is_found(saved, tmp_path):
    path = tmp_path / "m.keras"
    with zipfile.ZipFile(saved) as archive:
        info = archive.getinfo("model.weights.h5")
        with zipfile.ZipFile(saved) as again:
            weights = again.read("model.weights.h5")
    content = saved.read_bytes()
    start = content.index(weights)
    assert info.compress_type == zipfile.ZIP_STORED
    for share in (0.1, 0.5, 0.9):
        damaged = bytearray(content)
        damaged[start + int(share * len(weights))] ^= 1
        path.write_bytes(damaged)
        with pytest.raises(ModelError, match="model.weights.h5 in it is damaged"):
            load_model(path)


def test_whole_archive_loads(saved, tmp_path):
    shutil.copy(saved, tmp_path / "copy.keras")
    assert load_model(tmp_path / "copy.keras").output_shape == (None, 8, 8, 5)
