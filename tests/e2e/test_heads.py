"""Models of any head and any range of images, through every verb that takes a model."""

import json

import keras
import numpy as np
import pytest
from keras import layers
from PIL import Image

from e2e.command_line import refused, succeeded
from segshrink.models import load_model
from segshrink.models.input_range import with_input_range

SIDE_PX = 32
# A pixel is foreground where red is above a level that is not the labels' own, so that
# the mean IoU is neither 0 nor 1.
TRUE_LEVEL, LEVEL = 100, 130
HEADS = ("sigmoid", "logit", "softmax", "softmax inside", "two outputs")


def picture(number):
    generator = np.random.default_rng(number)
    coarse = generator.integers(0, 256, (8, 8, 3)).astype(np.uint8)
    return np.asarray(Image.fromarray(coarse).resize((SIDE_PX, SIDE_PX)))


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    root = tmp_path_factory.mktemp("reds")
    for part, numbers in {"train": range(4), "val": (4, 5), "test": (6, 7)}.items():
        for kind in ("images", "masks"):
            (root / part / kind).mkdir(parents=True)
        for number in numbers:
            pixels = picture(number)
            mask = (pixels[..., 0] > TRUE_LEVEL).astype(np.uint8)
            Image.fromarray(pixels).save(root / part / "images" / f"{number}.png")
            Image.fromarray(mask).save(root / part / "masks" / f"{number}.png")
    return root


def expected_miou():
    """By a loop over the pixels of the test images."""
    counts = np.zeros((2, 2), int)
    for number in (6, 7):
        for red in picture(number)[..., 0].ravel():
            counts[int(red > TRUE_LEVEL), int(red > LEVEL)] += 1
    unions = counts.sum(0) + counts.sum(1) - np.diag(counts)
    return (np.diag(counts) / unions).mean()


def conv(weights, bias, **options):
    """A convolution of single pixels with these weights, `(bands, channels)`."""
    layer = layers.Conv2D(np.shape(weights)[1], 1, **options)
    layer.build((None, None, None, np.shape(weights)[0]))
    layer.set_weights([np.array(weights, np.float32)[None, None], np.array(bias)])
    return layer


RED = [[0.2], [0.0], [0.0]]
RED_OR_NOT = [[-0.1, 0.1], [0.0, 0.0], [0.0, 0.0]]
LIMIT = LEVEL + 0.5


def model_of(head):
    images = keras.Input((SIDE_PX, SIDE_PX, 3))
    single = conv(RED, [-0.2 * LIMIT])(images)
    double = conv(RED_OR_NOT, [0.1 * LIMIT, -0.1 * LIMIT])(images)
    outputs = {
        "sigmoid": lambda: layers.Activation("sigmoid")(single),
        "logit": lambda: single,
        "softmax": lambda: layers.Softmax()(double),
        "softmax inside": lambda: layers.AveragePooling2D(1)(layers.Softmax()(double)),
        "two outputs": lambda: [layers.AveragePooling2D(4)(double), double],
    }[head]()
    return keras.Model(images, outputs)


def measured(file, folder, out, *options):
    succeeded("evaluate", file, folder, "--json", out, *options)
    return json.loads(out.read_text())["quality"]["mean_iou"]


@pytest.mark.parametrize("head", HEADS)
def test_a_head_gives_the_same_quality_everywhere(tmp_path, folder, head):
    model = tmp_path / "m.keras"
    model_of(head).save(model)
    wanted = pytest.approx(expected_miou(), abs=1e-3)
    reads = ("--input-range", "0-255")
    assert measured(model, folder, tmp_path / "k.json", *reads) == wanted
    for name in ("m.tflite", "m.onnx"):
        out = tmp_path / name
        succeeded("export", model, "--out", out, "--data", folder, *reads)
        assert measured(out, folder, tmp_path / "f.json") == wanted
    succeeded("predict", tmp_path / "m.tflite", folder / "test" / "images" / "6.png",
              "--out", tmp_path / "out")  # fmt: skip
    found = np.asarray(Image.open(tmp_path / "out" / "6.png"))
    np.testing.assert_array_equal(found, picture(6)[..., 0] > LEVEL)


@pytest.mark.parametrize("of", ["0-1", "caffe"])
def test_another_range_is_asked_for_and_put_into_the_file(tmp_path, folder, of):
    plain = model_of("logit")
    # The model that takes `of`: its first layer undoes the range.
    images = keras.Input((SIDE_PX, SIDE_PX, 3))
    undone = {
        "0-1": conv(255 * np.eye(3), np.zeros(3)),
        "caffe": conv(np.eye(3)[::-1], [123.68, 116.779, 103.939]),
    }[of]
    given = keras.Model(images, plain(undone(images)))
    np.testing.assert_allclose(
        with_input_range(given, of).predict_on_batch(picture(6)[None].astype("f4")),
        plain.predict_on_batch(picture(6)[None].astype("f4")),
        atol=1e-2,
    )
    file, out = tmp_path / "m.keras", tmp_path / "m.tflite"
    given.save(file)
    if of == "0-1":
        message = refused("export", file, "--out", out, "--data", folder)
        assert "give --input-range 0-1" in message and not out.exists()
        assert "give --input-range 0-1" in refused("evaluate", file, folder)
    succeeded("export", file, "--out", out, "--data", folder, "--input-range", of)
    wanted = pytest.approx(expected_miou(), abs=1e-3)
    assert measured(out, folder, tmp_path / "f.json") == wanted
    options = ("--input-range", of)
    assert measured(file, folder, tmp_path / "k.json", *options) == wanted


def test_a_teacher_of_hdf5_with_one_channel_teaches(tmp_path, folder):
    file = tmp_path / "t.h5"
    model_of("sigmoid").save(file)
    options = [
        f"teacher.file={file}", "teacher.input_range=0-255", f"data.tile_px={SIDE_PX}",
        "student.kind=compact", "student.model.width=8",
        "student.training.epochs=1", "student.training.tiles_per_epoch=8",
        "measuring.samples=1", "measuring.rounds=3", "export.onnx=false",
        "export.calibration_tiles=8",
    ]  # fmt: skip
    settings = [x for option in options for x in ("--set", option)]
    succeeded("compress", folder, "--out", tmp_path / "run", *settings)
    teacher = load_model(tmp_path / "run" / "teacher" / "model.keras")
    assert teacher.output_shape[-1] == 2
