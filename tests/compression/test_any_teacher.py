"""Teachers of every kind: what they teach, what is said, and what is refused."""

import dataclasses
import itertools

import keras
import numpy as np
import pytest
from keras import layers
from scipy.special import log_softmax, softmax

from compression.teacher_files import expected_logits, weights, write_onnx
from distillation.cached_teachers import Listener
from segshrink.compression.any_teacher import open_teacher
from segshrink.distillation import CacheSettings, TeacherCache, TiledLogits
from segshrink.errors import DatasetError, ModelError, UsageError
from segshrink.export import export_model, write_metadata
from segshrink.formats import Format
from segshrink.progress import SilentProgress
from segshrink.recipe import TeacherSettings
from segshrink.records.measurement import ClassColor
from segshrink.records.metadata import FileMetadata

TILE_PX = 32
NAMES = ("grass", "water", "road")
EXACT = CacheSettings(stride=1)
MEAN = np.float32([123.7, 116.3, 103.5])


def keras_model(seed=0, *, side_px=TILE_PX, activation=None):
    """The pointwise teacher of `weights` as a Keras model."""
    images = keras.Input((side_px, side_px, 3))
    x = layers.Rescaling(1 / 64)(images)
    x = layers.Conv2D(3, 1, activation=activation, name="logits")(x)
    model = keras.Model(images, x)
    kernel, bias = weights(seed)
    model.get_layer("logits").set_weights([kernel[None, None], bias])
    return model


def saved(path, *arguments, **options):
    keras_model(*arguments, **options).save(path)
    return path


def opened(dataset, *paths):
    """The teacher, and what was said."""
    said = Listener()
    return open_teacher(paths, dataset, TILE_PX, said), said.text


def taught(dataset, *paths, folder):
    """Logits of the first training image, through the cache, and what was said."""
    teacher, said = opened(dataset, *paths)
    assert not isinstance(teacher, keras.Model)
    cache = TeacherCache(folder / "logits", teacher, dataset.train, EXACT)
    assert cache.fill() == len(dataset.train)
    return np.array(cache.get(0), np.float32), said


def named(path, names):
    colors = [ClassColor(name=name, color=(0, 0, 0)) for name in names]
    write_metadata(path, FileMetadata(classes=colors))
    return path


@pytest.fixture
def image(tiny_dataset):
    return tiny_dataset.train[0].read()[0]


# Half precision holds 11 bits.
def assert_close(stored, expected):
    np.testing.assert_allclose(stored, expected, rtol=1e-3, atol=2e-3)


# -- One file --------------------------------------------------------------------------


@pytest.mark.parametrize("side_px", [20, 32, 100])
def test_an_onnx_file_with_channels_first(tmp_path, tiny_dataset, image, side_px):
    path = write_onnx(tmp_path / "m.onnx", 1, side_px=side_px)
    logits, said = taught(tiny_dataset, path, folder=tmp_path)
    assert_close(logits, expected_logits(image, 1))
    assert said == (
        f"{path}: its logits are stored before training, by its own runtime; it has no "
        "class names and is taken to have the order grass, water, road."
    )


@pytest.mark.parametrize("suffix", [".tflite", ".onnx", ".xml"])
def test_files_that_were_exported(tmp_path, tiny_dataset, image, suffix):
    path = tmp_path / f"m{suffix}"
    export_model(keras_model(2, side_px=24), path, format=Format.of_file(path))
    named(path, NAMES)
    logits, said = taught(tiny_dataset, path, folder=tmp_path)
    assert_close(logits, expected_logits(image, 2))
    assert said == (
        f"{path}: its logits are stored before training, by its own runtime."
    )


def test_a_torch_model_after_its_export(tmp_path, tiny_dataset, image):
    torch = pytest.importorskip("torch")
    pytest.importorskip("onnxscript")
    kernel, bias = weights(3)
    # As docs/how-to/any_teacher.md shows it: a normalization in front, the size behind.
    net = torch.nn.Conv2d(3, 3, 1)
    with torch.no_grad():
        net.weight[:] = torch.from_numpy(kernel.T[:, :, None, None].copy())
        # What the mean takes away, this brings back.
        net.bias[:] = torch.from_numpy(bias + MEAN / 64 @ kernel)
    normalize = torch.nn.BatchNorm2d(3, eps=0, affine=False)
    normalize.running_mean[:] = torch.tensor(MEAN)
    normalize.running_var[:] = torch.tensor([64.0, 64.0, 64.0]) ** 2
    upsample = torch.nn.Upsample((32, 32), mode="bilinear")
    model = torch.nn.Sequential(normalize, net, upsample).eval()
    path = tmp_path / "torch.onnx"
    torch.onnx.export(model, (torch.zeros(1, 3, 32, 32),), path)
    logits, _ = taught(tiny_dataset, path, folder=tmp_path)
    assert_close(logits, expected_logits(image, 3))


def test_a_keras_model_that_fits_can_run_in_each_step(tmp_path, tiny_dataset):
    teacher, said = opened(tiny_dataset, saved(tmp_path / "m.keras"))
    assert isinstance(teacher, keras.Model) and said == ""


def test_a_keras_model_of_other_tiles_slides(tmp_path, tiny_dataset, image):
    path = saved(tmp_path / "m.keras", 4, side_px=48)
    logits, said = taught(tiny_dataset, path, folder=tmp_path)
    assert_close(logits, expected_logits(image, 4))
    assert "its logits are stored before training" in said


def test_of_probabilities_the_logarithm_is_taken(tmp_path, tiny_dataset, image):
    path = write_onnx(tmp_path / "m.onnx", 5, softmax=True)
    logits, said = taught(tiny_dataset, path, folder=tmp_path)
    expected = log_softmax(expected_logits(image, 5), axis=-1)
    assert_close(logits, np.maximum(expected, np.log(1e-7)))
    assert "it gives probabilities, of which the logarithm is taken" in said


def test_of_a_keras_model_the_softmax_is_taken_off(tmp_path, tiny_dataset):
    teacher, said = opened(
        tiny_dataset, saved(tmp_path / "m.keras", 5, activation="softmax")
    )
    assert isinstance(teacher, keras.Model)
    assert "the softmax at its end is taken off" in said


# -- Classes ---------------------------------------------------------------------------


def test_classes_in_another_order_are_matched_by_name(tmp_path, tiny_dataset, image):
    digests = set()
    for number, order in enumerate(itertools.permutations(range(3))):
        path = named(
            write_onnx(tmp_path / f"{number}.onnx", 6), [NAMES[i] for i in order]
        )
        folder = tmp_path / str(number)
        logits, said = taught(tiny_dataset, path, folder=folder)
        theirs = expected_logits(image, 6)
        for index, ours in enumerate(order):
            # Their logit of this index is of our class `ours`.
            assert_close(logits[..., ours], theirs[..., index])
        assert ("are matched by name" in said) == (order != (0, 1, 2))
        digests.add(opened(tiny_dataset, path)[0].digest())
    assert len(digests) == 6


def test_a_keras_model_says_its_classes_by_its_run_folder(
    tmp_path, tiny_dataset, image
):
    from segshrink.compression.run_folder import open_run
    from segshrink.recipe import Recipe

    names = ("road", "grass", "water")
    turned = dataclasses.replace(tiny_dataset.classes, names=names)
    other = dataclasses.replace(tiny_dataset, classes=turned)
    open_run(tmp_path / "run", Recipe(), "versions", other)
    (tmp_path / "run" / "teacher").mkdir()
    path = saved(tmp_path / "run" / "teacher" / "model.keras", 7)
    logits, said = taught(tiny_dataset, path, folder=tmp_path)
    assert_close(logits, expected_logits(image, 7)[..., [1, 2, 0]])
    assert "its classes have another order and are matched by name" in said


def test_other_classes_are_refused_with_both_lists(tmp_path, tiny_dataset):
    path = write_onnx(tmp_path / "m.onnx", 0, classes=4)
    named(path, ["grass", "water", "sand", "snow"])
    with pytest.raises(ModelError) as caught:
        opened(tiny_dataset, path)
    assert str(caught.value).splitlines() == [
        f"{path}: has other classes than drawn.",
        "index  in m.onnx  in drawn",
        "0      grass      grass",
        "1      water      water",
        "2      sand       road",
        "3      snow",
        "Take a teacher of the same classes, in any order.",
    ]


def test_another_number_of_classes_is_refused(tmp_path, tiny_dataset):
    path = write_onnx(tmp_path / "m.onnx", 0, classes=4)
    with pytest.raises(
        ModelError, match="4 classes, but drawn needs logits for 3: grass"
    ):
        opened(tiny_dataset, path)


# -- Several, and folders --------------------------------------------------------------


def test_two_teachers_and_a_folder(tmp_path, tiny_dataset, image):
    first = write_onnx(tmp_path / "m.onnx", 8)
    second = saved(tmp_path / "m.keras", 9)
    folder = tmp_path / "predicted"
    random = np.random.default_rng(0)
    soft = {x.name: random.normal(size=(64, 64, 3)) for x in tiny_dataset.train}
    for name, values in soft.items():
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        np.save(folder / f"{name}.npy", values)
    logits, said = taught(tiny_dataset, first, second, folder, folder=tmp_path)
    of_each = [
        expected_logits(image, 8),
        expected_logits(image, 9),
        soft[tiny_dataset.train[0].name],
    ]
    expected = np.mean([softmax(x, axis=-1) for x in of_each], axis=0)
    np.testing.assert_allclose(softmax(logits, axis=-1), expected, atol=2e-3)
    assert f"{folder}: predictions of 3 images, 0 hard and 3 soft, classes in" in said
    assert "The mean of the probabilities of 3 teachers teaches." in said


def test_a_folder_must_have_all_training_images(tmp_path, tiny_dataset):
    np.save(tmp_path / "view.npy", np.zeros((64, 64, 3)))
    with pytest.raises(DatasetError, match="has no prediction for 3 of 3 images"):
        opened(tiny_dataset, tmp_path)


def test_a_folder_has_no_head(tmp_path, tiny_dataset):
    settings = TeacherSettings(file=str(tmp_path), head="1")
    with pytest.raises(UsageError, match="a folder of predictions has no head"):
        open_teacher([tmp_path], tiny_dataset, 32, SilentProgress(), settings)


def test_what_is_no_teacher_is_refused(tmp_path, tiny_dataset):
    path = saved(tmp_path / "m.keras")
    with pytest.raises(UsageError, match="a teacher is named twice"):
        opened(tiny_dataset, path, tmp_path / "." / "m.keras")
    weights_alone = tmp_path / "weights.pth"
    weights_alone.touch()
    kinds = r"RGB images 0-255 \(\.tflite, \.onnx, .*\) or a folder of predictions\. It"
    with pytest.raises(ModelError, match=f"is no model. Name a model of {kinds}"):
        opened(tiny_dataset, weights_alone)
    with pytest.raises(ModelError, match="nowhere: no such file or folder"):
        opened(tiny_dataset, tmp_path / "nowhere")
    with pytest.raises(ModelError, match="no such file"):
        opened(tiny_dataset, path, tmp_path / "none.onnx")


def test_the_digest_is_of_the_bytes(tmp_path, tiny_dataset):
    digests = [
        opened(tiny_dataset, write_onnx(tmp_path / f"{name}.onnx", seed))[0].digest()
        for name, seed in (("a", 0), ("b", 0), ("c", 1))
    ]
    assert digests[0] == digests[1] != digests[2]
    teacher, _ = opened(tiny_dataset, tmp_path / "a.onnx")
    assert isinstance(teacher, TiledLogits)
