"""Behaviour that every runtime shares, whatever file it runs."""

import importlib.util
import shutil

import keras
import numpy as np
import pytest

from segshrink.errors import ModelError, UsageError
from segshrink.export import export_model
from segshrink.formats import EXPORTED, Format
from segshrink.records import model_files
from segshrink.runtimes import load_artifact

each_format = pytest.mark.parametrize("format", Format)


@pytest.fixture(scope="module")
def model():
    keras.utils.set_random_seed(0)
    image = keras.Input((16, 24, 3))
    x = keras.layers.Rescaling(1 / 127.5, offset=-1)(image)
    x = keras.layers.Conv2D(8, 3, padding="same", activation="relu")(x)
    return keras.Model(image, keras.layers.Conv2D(5, 1)(x), name="small")


@pytest.fixture(scope="module")
def files(model, tmp_path_factory):
    folder = tmp_path_factory.mktemp("runtimes")
    model.save(folder / "m.keras")
    for format in EXPORTED:
        if importlib.util.find_spec(format.runtime_module.partition(".")[0]):
            export_model(model, folder / f"m{format.suffix}", format=format)
    save_model_of_tensorflow(model, folder / "m")
    return folder


def save_model_of_tensorflow(model, folder):
    if importlib.util.find_spec("tensorflow"):
        # Any backend can be exported, but only with TensorFlow beside it.
        model.export(folder, format="tf_saved_model", verbose=False)


@pytest.fixture(params=Format)
def path(request, files):
    pytest.importorskip(request.param.runtime_module)
    return files / f"m{request.param.suffix}"


@pytest.fixture
def artifact(path):
    return load_artifact(path)


def some_images(count, dtype=np.uint8):
    random = np.random.default_rng(count)
    return random.integers(0, 256, (count, 16, 24, 3)).astype(dtype)


def test_attributes_describe_the_file(artifact, path):
    assert artifact.path == path
    assert artifact.runtime == Format.of_file(path)
    assert artifact.runtime_version[0].isdigit()
    assert artifact.threads >= 1
    assert artifact.input_shape == (16, 24)
    assert artifact.num_classes == 5


@pytest.mark.parametrize("count", [0, 1, 3])
def test_batches_of_any_size_give_the_logits_of_the_model(artifact, model, count):
    images = some_images(count)
    logits = artifact.predict(images)
    assert logits.shape == (count, 16, 24, 5)
    assert logits.dtype == np.float32
    if count:
        expected = model.predict_on_batch(images.astype(np.float32))
        np.testing.assert_allclose(logits, expected, atol=1e-5)


@pytest.mark.parametrize("dtype", [np.float16, np.float32, np.float64])
def test_float_images_are_the_same_images(artifact, dtype):
    expected = artifact.predict(some_images(2))
    np.testing.assert_array_equal(artifact.predict(some_images(2, dtype)), expected)


def test_predictions_are_the_callers_own(artifact):
    first = artifact.predict(some_images(1))
    kept = first.copy()
    artifact.predict(some_images(2))
    np.testing.assert_array_equal(first, kept)


def test_images_need_not_be_contiguous(artifact):
    images = some_images(2)
    mirrored = artifact.predict(images[:, :, ::-1])
    np.testing.assert_array_equal(
        mirrored, artifact.predict(np.ascontiguousarray(images[:, :, ::-1]))
    )


@pytest.mark.parametrize("shape", [(16, 24, 3), (1, 24, 16, 3), (1, 16, 24, 4)])
def test_images_of_another_shape_are_refused(artifact, shape):
    with pytest.raises(UsageError, match=r"must be \(batch, 16, 24, 3\)") as caught:
        artifact.predict(np.zeros(shape, np.uint8))
    assert str(shape) in str(caught.value)


def test_images_of_another_type_are_refused(artifact):
    with pytest.raises(UsageError, match="must be uint8 or float, got int64"):
        artifact.predict(some_images(1, np.int64))


@pytest.mark.parametrize("damage", ["empty", "cut", "another file"])
def test_damaged_files_are_refused(path, damage, tmp_path):
    content = model_files(path)[0].read_bytes()
    damaged = {
        "empty": b"",
        "cut": content[: len(content) // 2],
        "another file": b"PNG, as it were" * 100,
    }[damage]
    broken = tmp_path / f"broken{path.suffix}"
    if path.is_dir():
        shutil.copytree(path, broken)
        (broken / "saved_model.pb").write_bytes(damaged)
    else:
        broken.write_bytes(damaged)
        for other in model_files(path)[1:]:
            shutil.copy(other, broken.with_suffix(other.suffix))
    with pytest.raises(ModelError, match="broken"):
        load_artifact(broken)


@each_format
def test_missing_files_are_refused(format, tmp_path):
    with pytest.raises(ModelError, match="no such file"):
        load_artifact(tmp_path / f"none{format.suffix}")


def test_loading_and_predicting_print_nothing(path, capfd):
    load_artifact(path).predict(some_images(1))
    assert capfd.readouterr() == ("", "")


# -- Files of other frameworks, whose channels come first -----------------------------


@pytest.fixture(scope="module")
def channels_first_files(model, tmp_path_factory):
    """`model` with images and logits as PyTorch has them, in every format."""
    images = keras.Input((3, 16, 24))
    logits = model(keras.layers.Permute((2, 3, 1))(images))
    turned = keras.Model(images, keras.layers.Permute((3, 1, 2))(logits))
    folder = tmp_path_factory.mktemp("channels_first")
    turned.save(folder / "m.keras")
    save_model_of_tensorflow(turned, folder / "m")
    signature = [keras.InputSpec(shape=(1, 3, 16, 24), dtype="float32", name="image")]
    for format in EXPORTED:
        if importlib.util.find_spec(format.runtime_module.partition(".")[0]):
            turned.export(
                str(folder / f"m{format.suffix}"),
                format=str(format),
                input_signature=signature,
                verbose=False,
            )
    return folder


@each_format
def test_channels_may_come_first(channels_first_files, model, format):
    pytest.importorskip(format.runtime_module)
    artifact = load_artifact(channels_first_files / f"m{format.suffix}")
    assert artifact.input_shape == (16, 24)
    assert artifact.num_classes == 5
    images = some_images(2)
    expected = model.predict_on_batch(images.astype(np.float32))
    np.testing.assert_allclose(artifact.predict(images), expected, atol=1e-4)
