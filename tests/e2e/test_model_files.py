"""Files of models as people have them, through every verb that takes such a file."""

import json

import keras
import numpy as np
import pytest
from keras import layers
from PIL import Image

from e2e.command_line import refused, succeeded
from e2e.reds import LIMIT, RED_OR_NOT, expected_miou, two_classes, write_folder
from models.keras2.files import conv, functional, image, layer, write

SIDE_PX = 32
READS = ("--input-range", "0-255")
FAST = (
    "--set", f"data.tile_px={SIDE_PX}", "--set", "student.training.epochs=1",
    "--set", "student.training.tiles_per_epoch=8",
)  # fmt: skip
QUICK = (
    "--set", "measuring.samples=1", "--set", "measuring.rounds=3",
    "--set", "export.onnx=false", "--set", "export.int8=false",
)  # fmt: skip
BUILD = f"""
import keras
from keras import layers
def build():
    images = keras.Input(({SIDE_PX}, {SIDE_PX}, 3))
    x = layers.Conv2D(8, 1, use_bias=False, name="spread")(images)
    return keras.Model(images, layers.Conv2D(2, 1, name="logits")(x))
"""
SPREAD = np.repeat(np.eye(3), [2, 3, 3], axis=1)[None, None]  # red goes into two
GATHER = np.repeat(np.array(RED_OR_NOT) / [[2], [3], [3]], [2, 3, 3], axis=0)
BIAS = [0.1 * LIMIT, -0.1 * LIMIT]


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    return write_folder(tmp_path_factory.mktemp("reds"), SIDE_PX, SIDE_PX)


@pytest.fixture
def student(tmp_path):
    i = keras.Input((SIDE_PX, SIDE_PX, 3))
    path = tmp_path / "student.keras"
    keras.Model(i, layers.Conv2D(2, 3, padding="same")(layers.Rescaling(0.01)(i))).save(
        path
    )
    return path


def keras_2_file(path):
    model = functional(
        [
            image((SIDE_PX, SIDE_PX, 3)),
            conv("enc/spread", ["images"], 8, kernel_size=1, use_bias=False),
            layer("BatchNormalization", "enc/norm", ["enc/spread"], axis=[3],
                  epsilon=0.0, momentum=0.9, center=False, scale=False),
            conv("logits", ["enc/norm"], 2, kernel_size=1),
        ]
    )  # fmt: skip
    norm = [("moving_mean", np.zeros(8)), ("moving_variance", np.ones(8))]
    return write(
        path,
        model,
        {
            "enc/spread": [("enc/spread/kernel:0", SPREAD)],
            "enc/norm": [(f"enc/norm/{name}:0", value) for name, value in norm],
            "logits": weights_of_logits(),
        },
        training_config={"loss": "their_dice", "optimizer_config": {"class_name": "X"}},
    )


def weights_of_logits():
    return [("logits/kernel:0", GATHER[None, None]), ("logits/bias:0", BIAS)]


def weights_file(path):
    weights = {"spread": [("spread/kernel:0", SPREAD)], "logits": weights_of_logits()}
    (path.parent / "model.py").write_text(BUILD)
    return write(path, None, weights)


def measured(file, folder, out, *options):
    succeeded("evaluate", file, folder, "--json", out, *options, *READS)
    return json.loads(out.read_text())["quality"]["mean_iou"]


@pytest.fixture(params=["keras 2", "weights"])
def file_and_options(request, tmp_path):
    if request.param == "keras 2":
        return keras_2_file(tmp_path / "m.hdf5"), ()
    file = weights_file(tmp_path / "w.h5")
    return file, ("--architecture", tmp_path / "model.py")


def test_keras_files_go_through_every_verb(file_and_options, folder, student, tmp_path):
    file, options = file_and_options
    wanted = pytest.approx(expected_miou(SIDE_PX, SIDE_PX), abs=1e-3)
    assert measured(file, folder, tmp_path / "e.json", *options) == wanted
    assert "MACs per image" in succeeded("inspect", file, *options)
    succeeded("benchmark", file, "--rounds", 3, "--threads", 1, "--data", folder,
              "--json", tmp_path / "b.json", *options, *READS)  # fmt: skip
    (record,) = json.loads((tmp_path / "b.json").read_text())["files"]
    assert record["quality"]["mean_iou"] == wanted
    picture = folder / "test" / "images" / "6.png"
    succeeded("predict", file, picture, "--out", tmp_path / "p", *options)
    found = np.asarray(Image.open(tmp_path / "p" / "6.png"))
    red = np.asarray(Image.open(picture))[..., 0]
    np.testing.assert_array_equal(found, red > LIMIT)
    exported, pruned = tmp_path / "m.tflite", tmp_path / "pruned.keras"
    succeeded("export", file, "--out", exported, "--data", folder, *options, *READS)
    assert measured(exported, folder, tmp_path / "x.json") == wanted
    succeeded("prune", file, "--out", pruned, "--keep", 0.5, "--multiple-of", 1,
              "--data", folder, *options, *READS)  # fmt: skip
    assert keras.saving.load_model(pruned).count_params() < 50
    succeeded("distill", folder, "--teacher", file, "--student", student, *FAST,
              "--out", tmp_path / "d", *options, *READS)  # fmt: skip


def test_compress_takes_weights_and_what_builds_their_model(folder, tmp_path):
    file, run = weights_file(tmp_path / "w.h5"), tmp_path / "run"
    settings = (
        "--set", f"teacher.file={file}", "--set", "teacher.input_range=0-255",
        "--set", f"teacher.architecture={tmp_path / 'model.py'}",
        "--set", "student.pruning.keep=0.5", "--set", "student.pruning.multiple_of=1",
    )  # fmt: skip
    succeeded("compress", folder, "--out", run, *settings, *FAST, *QUICK)
    teacher = keras.saving.load_model(run / "teacher" / "model.keras")
    np.testing.assert_allclose(teacher.get_weights()[-1], BIAS, rtol=1e-6)


def test_distill_takes_a_student_of_weights(folder, student, tmp_path):
    file = weights_file(tmp_path / "w.h5")
    command = (
        "distill", folder, "--teacher", student, "--student", file, *FAST,
        "--out", tmp_path / "d", *READS,
    )  # fmt: skip
    assert "only the weights" in refused(*command)
    succeeded(*command, "--student-architecture", tmp_path / "model.py")
    assert keras.saving.load_model(tmp_path / "d" / "model.keras").count_params() == 42


@pytest.fixture
def saved_model(tmp_path):
    pytest.importorskip("tensorflow")
    i = keras.Input((SIDE_PX, SIDE_PX, 3))
    folder = tmp_path / "saved"
    keras.Model(i, two_classes()(i)).export(
        folder, format="tf_saved_model", verbose=False
    )
    return folder


def test_a_saved_model_runs_and_teaches(saved_model, folder, student, tmp_path):
    wanted = pytest.approx(expected_miou(SIDE_PX, SIDE_PX), abs=1e-3)
    assert measured(saved_model, folder, tmp_path / "e.json") == wanted
    assert "opened by savedmodel" in succeeded("inspect", saved_model)
    succeeded("benchmark", saved_model, "--rounds", 3, "--threads", 1,
              "--json", tmp_path / "b.json")  # fmt: skip
    (record,) = json.loads((tmp_path / "b.json").read_text())["files"]
    files = [each for each in saved_model.rglob("*") if each.is_file()]
    assert record["size"]["size_bytes"] == sum(each.stat().st_size for each in files)
    picture = folder / "test" / "images" / "6.png"
    succeeded("predict", saved_model, picture, "--out", tmp_path / "p")
    red = np.asarray(Image.open(picture))[..., 0]
    found = np.asarray(Image.open(tmp_path / "p" / "6.png"))
    np.testing.assert_array_equal(found, red > LIMIT)
    succeeded("distill", folder, "--teacher", saved_model, "--student", student, *FAST,
              "--out", tmp_path / "d", *READS)  # fmt: skip
    run = tmp_path / "run"
    compact = ("--set", "student.kind=compact", "--set", "student.model.width=8")
    succeeded("compress", folder, "--out", run, "--set", f"teacher.file={saved_model}",
              *compact, *FAST, *QUICK)  # fmt: skip
    (measurement,) = (run / "measurements").glob("teacher-*.json")
    assert json.loads(measurement.read_text())["quality"]["mean_iou"] == wanted
    assert (run / "artifacts" / "teacher-float" / "saved_model.pb").is_file()


def test_what_needs_layers_of_keras_refuses_a_saved_model(
    saved_model, folder, student, tmp_path
):
    needed = "SavedModel holds no layers of Keras, which are needed here"
    assert needed in refused("prune", saved_model, "--out", tmp_path / "p.keras")
    assert needed in refused("export", saved_model, "--out", tmp_path / "p.tflite")
    assert needed in refused("distill", folder, "--teacher", student, "--student",
                             saved_model, *FAST, "--out", tmp_path / "d")  # fmt: skip
    file = f"teacher.file={saved_model}"
    message = refused("compress", folder, "--set", file, "--out", tmp_path / "c")
    assert "a pruned student is made of the layers of one Keras model" in message
    assert not list(tmp_path.glob("[pcd]*"))


def test_an_architecture_without_effect_is_refused(saved_model, folder, tmp_path):
    option = ("--architecture", tmp_path / "model.py")
    idle = "--architecture has no effect"
    assert idle in refused("inspect", saved_model, *option)
    assert idle in refused("benchmark", saved_model, *option)
    message = refused("evaluate", saved_model, folder, *option)
    assert "--architecture is for the weights of a Keras model" in message
    for field in ("teacher", "student"):
        setting = f"{field}.architecture=model.py"
        message = refused("compress", folder, "--set", setting, "--out", tmp_path / "c")
        assert "Drop" in message and f"{field}.architecture" in message


@pytest.mark.parametrize("name", ["m.pt", "m.pth", "m.safetensors"])
def test_files_of_pytorch_are_refused_with_the_way_to_onnx(
    name, folder, student, tmp_path
):
    file, out = tmp_path / name, tmp_path / "out"
    file.write_bytes(b"PK\x03\x04")
    for command in (
        ("inspect", file),
        ("evaluate", file, folder),
        ("benchmark", file),
        ("predict", file, folder, "--out", out),
        ("prune", file, "--out", tmp_path / "o.keras"),
        ("export", file, "--out", tmp_path / "o.onnx"),
        ("distill", folder, "--teacher", file, "--student", student, "--out", out),
        (
            "distill",
            folder,
            "--teacher",
            student,
            "--student",
            file,
            "--out",
            out,
            *FAST,
        ),
    ):
        assert "torch.onnx.export" in refused(*command), command
    assert not out.exists()
