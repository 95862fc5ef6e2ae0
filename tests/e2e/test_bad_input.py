"""Mistakes of users get one message with place and remedy, and no partial file."""

import json
import os
import shutil
from pathlib import Path

import keras
import numpy as np
import pytest
from PIL import Image

from e2e.command_line import refused, typed
from e2e.run_files import times_of
from e2e.scenes import COLORS, NAMES, SPLIT, VOID_COLORS, write_description
from segshrink.formats import EXPORTED, listed_suffixes

BRIEFLY = ("--rounds", 3, "--threads", 1)
SOUTH = ("south/4", "south/5", "south/ö 6")


def _image(scenes: Path, scene: str = "north/1") -> Path:
    return scenes / scene / "images" / "view.png"


def _mask(scenes: Path, scene: str = "north/1") -> Path:
    return scenes / scene / "masks" / "view.png"


def _cut(path: Path) -> None:
    path.write_bytes(path.read_bytes()[:1500])


def _as_cut_jpeg(path: Path) -> None:
    jpeg = path.with_suffix(".jpg")
    Image.open(path).save(jpeg, quality=90)
    path.unlink()
    _cut(jpeg)


def _painted(path: Path, rows: slice, color: tuple[int, int, int]) -> None:
    pixels = np.array(Image.open(path))
    pixels[rows] = color
    Image.fromarray(pixels).save(path)


def _one_class(scenes: Path) -> None:
    others = [list(color) for color in (*COLORS[1:], *VOID_COLORS)]
    write_description(
        scenes,
        classes=[{"name": NAMES[0], "color": list(COLORS[0])}],
        void_colors=others,
    )


def _two_scenes(scenes: Path) -> None:
    shutil.rmtree(scenes / "south")
    shutil.rmtree(scenes / "north" / "3")
    write_description(scenes, split=None)


def _emptied(folder: Path) -> None:
    shutil.rmtree(folder)
    folder.mkdir()


FAULTY_DATA = {
    "missing folder": (shutil.rmtree, ["own scenes: no such folder. Name the folder"]),
    "empty folder": (_emptied, ["the folder is empty. Put images and masks into it"]),
    "image without mask": (
        lambda scenes: _mask(scenes).unlink(),
        ["north/1/images/view.png: has no mask", "Add north/1/masks/view.png"],
    ),
    "mask without image": (
        lambda scenes: _image(scenes).unlink(),
        ["north/1/masks/view.png: a mask without its image", "Add the image"],
    ),
    "differing sizes": (
        lambda scenes: Image.new("RGB", (100, 90), COLORS[0]).save(_mask(scenes)),
        ["north/1/masks/view.png", "100 x 90", "128 x 128"],
    ),
    "undeclared colour": (
        lambda scenes: _painted(_mask(scenes), slice(20, 22), (255, 0, 255)),
        ["north/1/masks/view.png: 256 pixels have colour #FF00FF", "`void_colors`"],
    ),
    "truncated PNG": (
        lambda scenes: _cut(_image(scenes)),
        ["north/1/images/view.png: cannot be decoded", "Download or export it again"],
    ),
    "truncated JPEG": (
        lambda scenes: _as_cut_jpeg(_image(scenes)),
        ["north/1/images/view.jpg: cannot be decoded", "Download or export it again"],
    ),
    "zero bytes": (
        lambda scenes: _image(scenes).write_bytes(b""),
        ["north/1/images/view.png: not an image"],
    ),
    "several at once": (
        lambda scenes: (_mask(scenes).unlink(), _cut(_image(scenes, "north/2"))),
        ["2 faults", "north/1/images/view.png", "north/2/images/view.png"],
    ),
    "one class": (_one_class, ["only the class 'Building'", "Give the pixels"]),
    "too few scenes": (_two_scenes, ["2 scenes", "Add scenes"]),
    "all void in validation": (
        lambda scenes: _painted(_mask(scenes, "south/4"), slice(None), (0, 0, 0)),
        ["the val part (1 images): no pixel has a class"],
    ),
    "description in Latin-1": (
        lambda scenes: (scenes / "dataset.yaml").write_bytes("name: Köln".encode("l1")),
        ["dataset.yaml: cannot be read", "utf-8"],
    ),
}


@pytest.mark.parametrize("fault", FAULTY_DATA)
def test_faulty_data_is_refused_before_anything_is_written(own_scenes, tmp_path, fault):
    spoil, expected = FAULTY_DATA[fault]
    spoil(own_scenes)
    message = refused(
        "compress", own_scenes, "--out", tmp_path / "out", "--set", "data.tile_px=64"
    )
    assert "DatasetError: " in message
    for text in expected:
        assert text in message
    assert not (tmp_path / "out").exists()


SPLITS = {
    "missing": (None, "no such file"),
    "unknown scene": (SPLIT | {"val": ["west/9"]}, "no scene is called west/9"),
    "twice": (SPLIT | {"val": ["north/1"]}, "scenes named twice: north/1"),
    "no list": ([1, 2], "must be a mapping of keys"),
    "patches": ({"columns": ["a"], "train": [["a", 1]]}, "lists patches"),
}


@pytest.mark.parametrize("fault", SPLITS)
@pytest.mark.parametrize("verb", ["compress", "evaluate"])
def test_faulty_split_file_is_refused(scenes, finished_run, tmp_path, verb, fault):
    content, expected = SPLITS[fault]
    split, out = tmp_path / "split.json", tmp_path / "out"
    if content is not None:
        split.write_text(json.dumps(content), encoding="utf-8")
    if verb == "compress":
        message = refused("compress", scenes, "--split", split, "--out", out)
    else:
        model = finished_run / "student" / "model.keras"
        message = refused(
            "evaluate", model, scenes, "--split", split, "--json", out / "q.json"
        )
    assert expected in message
    assert "split.json" in message
    assert not out.exists()


FAULTY_RECIPES = {
    "several faults": (
        b"seed: -1\nteacher: {training: {epochs: 0}}\nexprot: {int8: true}",
        ["3 faults", "seed: ", "teacher.training.epochs: ", "exprot: "],
    ),
    "unknown field": (b"student: {prunning: {keep: 0.5}}", ["student.prunning"]),
    "list": (b"- a\n- b", ["a recipe is a mapping of sections, got list"]),
    "no YAML": (b"a: [1", ["not YAML"]),
    "Latin-1": ("data: {source: Köln}".encode("latin-1"), ["cannot be read", "utf-8"]),
    "code": (b"a: !!python/object/apply:os.system [ls]", ["not YAML"]),
    "two documents": (b"seed: 1\n---\nseed: 2", ["not YAML"]),
    "tile and levels": (
        b"data: {tile_px: 96}\nteacher: {model: {levels: 6}}",
        ["divisible by 64", "Use 128 x 128"],
    ),
    "class weights": (
        b"teacher: {training: {loss: {class_weights: [1, 2]}}}",
        ["class_weights", "5 classes", "got 2"],
    ),
    "no date": (b"seed: 2020-99-99", ["not YAML"]),
    "seeds": (
        b"seed: 99999999999\ndata: {split_seed: -1}",
        ["2 faults", "  seed: ", "data.split_seed: "],
    ),
    "keep everything": (b"student: {pruning: {keep: 1.0}}", ["student.pruning.keep"]),
}


@pytest.mark.parametrize("fault", FAULTY_RECIPES)
def test_faulty_recipe_is_refused_with_all_its_faults(scenes, tmp_path, fault):
    content, expected = FAULTY_RECIPES[fault]
    recipe = tmp_path / "recipe.yaml"
    recipe.write_bytes(content)
    out = tmp_path / "out"
    message = refused("compress", scenes, "--recipe", recipe, "--out", out)
    for text in expected:
        assert text in message
    assert not out.exists()


@pytest.mark.parametrize(
    ("setting", "expected"),
    [
        ("seed", "must be FIELD=VALUE"),
        ("=3", "must be FIELD=VALUE"),
        ("seed=[1", "is not a YAML value"),
        ("seed=2020-99-99", "is not a YAML value"),
        ("seed.deep=1", "seed: Input should be a valid integer"),
        ("student.prunning.keep=0.5", "student.prunning"),
        ("student.pruning=0.5", "student.pruning"),
        ("student.pruning.keep=half", "student.pruning.keep"),
        ("data.source=elsewhere", "the data set is an argument of its own"),
        ("teacher.file=no.keras", "no.keras: no such file"),
    ],
)
def test_wrong_setting_is_named(scenes, tmp_path, setting, expected):
    out = tmp_path / "out"
    message = refused("compress", scenes, "--set", setting, "--out", out)
    assert expected in message
    assert not out.exists()


def test_missing_recipe_and_directory_as_recipe(scenes, tmp_path):
    out = tmp_path / "out"
    missing = tmp_path / "no.yaml"
    assert f"{missing}: no such file" in refused("validate", missing)
    for verb in (("validate",), ("compress", scenes, "--out", out, "--recipe")):
        assert f"{tmp_path}: cannot be read" in refused(*verb, tmp_path)
    assert not out.exists()


def test_what_never_ends_is_no_recipe_split_or_image(scenes, finished_run, tmp_path):
    pipe = tmp_path / "pipe.yaml"
    os.mkfifo(pipe)
    model = finished_run / "artifacts" / "student-int8.tflite"
    for path in (Path("/dev/zero"), Path("/dev/full"), pipe):
        assert "regular file" in refused("validate", path)
        assert "regular file" in refused(
            "evaluate", model, scenes, "--split", path, "--json", tmp_path / "q.json"
        )
        assert "regular file" in refused(
            "predict", model, path, "--out", tmp_path / f"out {path.stem}"
        )


def _lambda_model(path: Path) -> None:
    image = keras.Input((8, 8, 3))
    doubled = keras.layers.Lambda(lambda x: x * 2)(image)
    keras.Model(image, keras.layers.Conv2D(5, 1)(doubled)).save(path)


NO_MODELS = {
    "text": (lambda path: path.write_text("hello"), "not a Keras model"),
    "zero bytes": (Path.touch, "not a Keras model"),
    "folder": (Path.mkdir, "a folder"),
    "Lambda": (_lambda_model, "code from a file is never run"),
    "missing": (lambda path: None, "no such file"),
}


@pytest.mark.parametrize("kind", NO_MODELS)
def test_file_that_is_no_model_is_refused_by_every_verb(scenes, tmp_path, kind):
    make, expected = NO_MODELS[kind]
    model, out = tmp_path / "model.keras", tmp_path / "out"
    make(model)
    commands = [
        ("prune", model, "--out", out / "m.keras"),
        ("export", model, "--out", out / "m.onnx"),
        ("distill", scenes, "--teacher", model, "--student", model, "--out", out),
        ("inspect", model),
        ("compress", scenes, "--set", f"teacher.file={model}", "--out", out),
    ]
    for command in commands:
        message = refused(*command)
        assert f"ModelError: {model}: " in message
        assert expected in message
    for verb in (("evaluate", model, scenes), ("benchmark", model)):
        assert f"{model}: " in refused(*verb)
    assert not out.exists()


RANDOM_PATCH = (
    "evaluate", "m.tflite", "synthetic", "--protocol", "random-patch", "--split",
    "p.json",
)  # fmt: skip


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (("benchmark", "m.tflite", "--part", "val"), "no effect without --data"),
        (("benchmark", "m.tflite", "--split", "s.yaml"), "no effect without --data"),
        (("evaluate", "m.tflite", "synthetic", "--worst", 3), "--worst has no effect"),
        ((*RANDOM_PATCH, "--part", "val"), "--part has no effect with --protocol"),
        (
            (*RANDOM_PATCH, "--split-seed", 0),
            "--split-seed has no effect with --protocol",
        ),
        (
            ("evaluate", "m.tflite", "data", "--split", "s.json", "--split-seed", 1),
            "--split-seed has no effect with --split",
        ),
        (
            ("export", "m.keras", "--out", "m.onnx", "--split-seed", 1),
            "--split-seed has no effect without --data",
        ),
        (
            ("prune", "m.keras", "--out", "s.keras", "--split-seed", 1),
            "--split-seed has no effect without --data",
        ),
        (
            ("benchmark", "m.tflite", "--split-seed", 1),
            "--split-seed has no effect without --data",
        ),
        (
            (*RANDOM_PATCH, "--out", "o", "--worst", 3),
            "--out and --worst have no effect with --protocol random-patch",
        ),
    ],
)
def test_options_without_effect_are_refused(arguments, message):
    assert message in refused(*arguments)


@pytest.mark.parametrize("suffix", [".tflite", ".onnx"])
@pytest.mark.parametrize("content", [b"", b"hello" * 100])
def test_damaged_artifact_is_refused(scenes, tmp_path, suffix, content):
    path = tmp_path / f"damaged{suffix}"
    path.write_bytes(content)
    for command in (("evaluate", path, scenes), ("benchmark", path), ("inspect", path)):
        assert f"ModelError: {path}: not a readable" in refused(*command)


def test_benchmark_of_a_missing_file(finished_run, tmp_path):
    good = finished_run / "artifacts" / "student-int8.tflite"
    missing = tmp_path / "missing.tflite"
    message = refused("benchmark", good, missing, "--json", tmp_path / "out.json")
    assert f"{missing}: no such file" in message
    assert "different files" in refused("benchmark", good, good)
    assert list(tmp_path.iterdir()) == []


@pytest.fixture(scope="module")
def other_model(tmp_path_factory):
    """Takes 32 x 32 images and gives 3 classes; the data has 64 and 5."""

    def save(side_px: int, num_classes: int) -> Path:
        image = keras.Input((side_px, side_px, 3))
        path = tmp_path_factory.mktemp("models") / f"{side_px}-{num_classes}.keras"
        keras.Model(image, keras.layers.Conv2D(num_classes, 1)(image)).save(path)
        return path

    return save


def test_evaluate_of_a_file_for_other_classes(other_model, scenes, tmp_path):
    record = tmp_path / "out.json"
    message = refused("evaluate", other_model(64, 3), scenes, "--json", record)
    assert f"gives 3 classes, but the data set has 5 ({', '.join(NAMES)})" in message
    assert not record.exists()


@pytest.mark.parametrize(
    ("side_px", "num_classes", "expected"),
    [(32, 5, "Set data.tile_px"), (64, 3, ", ".join(NAMES))],
)
def test_teacher_file_that_does_not_fit(
    other_model, finished_run, scenes, tmp_path, side_px, num_classes, expected
):
    model, out = other_model(side_px, num_classes), tmp_path / "out"
    tile = ("--set", "data.tile_px=64")
    student = finished_run / "student" / "model.keras"
    commands = [
        ("compress", scenes, "--set", f"teacher.file={model}"),
        ("distill", scenes, "--teacher", student, "--student", model),
    ]
    if side_px == 64:  # A teacher of other tiles slides over the image.
        commands.append(("distill", scenes, "--teacher", model, "--student", student))
    for command in commands:
        message = refused(*command, *tile, "--out", out)
        assert f"ModelError: {model}: " in message
        assert expected in message
    assert not out.exists()


def test_options_that_a_teacher_without_layers_cannot_meet(
    finished_run, scenes, tmp_path
):
    student, out = finished_run / "student" / "model.keras", tmp_path / "out"
    teacher = finished_run / "artifacts" / "teacher-float.onnx"
    distill = (
        "distill", scenes, "--teacher", teacher, "--student", student, "--out", out,
        "--set", "data.tile_px=64", "--set",
    )  # fmt: skip
    for setting, expected in [
        ("student.distillation.losses={feature_hint: 1}", "feature_hint cannot be"),
        ("student.distillation.cache=false", "false would run the teacher in each"),
    ]:
        message = refused(*distill, setting)
        assert "RecipeError: distillation." in message and expected in message
    assert not out.exists()


def test_export_options_that_contradict_each_other(finished_run, scenes, tmp_path):
    model, out = finished_run / "student" / "model.keras", tmp_path / "out"
    int8 = ("--quantize", "int8")
    for name, options, expected in [
        ("m.pb", (), f"must end in one of {listed_suffixes(EXPORTED)}"),
        ("m", (), f"must end in one of {listed_suffixes(EXPORTED)}"),
        ("m.tflite", ("--split", "s.yaml"), "--split has no effect without --data"),
        ("m.tflite", ("--tiles", 3), "--tiles has no effect"),
        ("m.tflite", ("--quantize", "int8"), "--quantize int8 needs --data"),
        ("m.tflite", ("--quantize", "int4"), ".tflite files can be float16, dynamic"),
        ("m.onnx", ("--quantize", "float16"), ".onnx files can be int8 or, without"),
        ("m.tflite", (*int8, "--data", "no"), "no: no such folder"),
        ("m.html", ("--quantize", "full_int8"), ".html files can be float16"),
        ("m.tflite", ("--output", "masks"), "must be one of logits, probabilities"),
        ("m.tflite", ("--size", "64"), "--size 64: must be HEIGHTxWIDTH"),
        ("m.tflite", ("--size", "0x64"), "--size 0x64: must be HEIGHTxWIDTH"),
        ("m.tflite", ("--size", "9999x9999"), "must be at most 67,108,864 pixels"),
        ("m.tflite", ("--size", "65x64"), "cannot take images of 65 x 64 pixels"),
    ]:
        assert expected in refused("export", model, "--out", out / name, *options)
    assert not out.exists()


def test_export_of_a_file_is_its_page_alone(finished_run, tmp_path):
    file = finished_run / "artifacts" / "student-int8.tflite"
    message = refused("export", file, "--out", tmp_path / "m.onnx")
    assert "is an exported file already" in message
    options = ("--quantize", "int8", "--data", tmp_path)
    message = refused("export", file, "--out", tmp_path / "m.html", *options)
    assert "--quantize and --data have no effect on a .tflite file" in message
    assert not list(tmp_path.iterdir())


def test_prune_arguments_out_of_range(finished_run, tmp_path):
    model, out = finished_run / "teacher" / "model.keras", tmp_path / "m.keras"
    for options, expected in [
        (("--keep", 0), "keep must be above 0 and at most 1, got 0.0"),
        (("--keep", 1.5), "keep must be above 0 and at most 1, got 1.5"),
        (("--criterion", "l7"), "criterion must be one of l1, l2, group_norm"),
        (("--scope", "all"), "scope must be one of"),
        (("--multiple-of", 0), "multiple_of must be an int from 1"),
        (("--skip", "head9"), "layers that the model does not have: head9"),
        (("--macs", 0.5, "--keep", 0.5), "Give only one of --keep, --macs"),
        (("--macs", 0.5, "--threads", 2), "--threads has no effect with --macs"),
        (("--criterion", "taylor"), "--criterion taylor: looks at images"),
        (("--recover",), "--recover: looks at images. Name the data set with --data"),
        (
            ("--data", "synthetic", "--no-recover"),
            "--data has no effect with --criterion group_norm and --no-recover",
        ),
        (
            ("--tiles", 4, "--split", "s.yaml"),
            "--split has no effect without --data",
        ),
        (("--tiles", 4), "--tiles has no effect without --data"),
    ]:
        assert expected in refused("prune", model, "--out", out, *options)
    assert "end in .keras" in refused("prune", model, "--out", tmp_path / "m.h5")
    assert "got 0.0" in refused("inspect", model, "--keep", 0)
    assert list(tmp_path.iterdir()) == []


def test_folder_of_another_run_is_left_alone(own_run, scenes, recipe_file):
    before = times_of(own_run)
    for verb in ("compress", "train", "search"):
        message = refused(
            verb, scenes, "--recipe", recipe_file, "--seed", 7,
            "--set", "student.pruning.keep=0.25", "--out", own_run,
        )  # fmt: skip
        assert f"RunFolderError: {own_run}: this folder holds another run." in message
        assert "seed: 0 in this folder, 7 requested" in message
        assert "student.pruning.keep: 0.5 in this folder, 0.25 requested" in message
        assert "Name another folder" in message
    assert times_of(own_run) == before


@pytest.mark.parametrize("verb", ["compress", "train", "search", "distill"])
def test_folder_with_other_files_is_left_alone(finished_run, scenes, tmp_path, verb):
    out = tmp_path / "thesis"
    out.mkdir()
    (out / "chapter.tex").write_text("important")
    model = finished_run / "student" / "model.keras"
    models = ("--teacher", model, "--student", model) if verb == "distill" else ()
    message = refused(verb, scenes, "--out", out, *models, "--set", "data.tile_px=64")
    assert f"RunFolderError: {out}: this folder holds other files" in message
    assert [path.name for path in out.iterdir()] == ["chapter.tex"]


def test_data_folder_as_run_folder(own_scenes):
    before = times_of(own_scenes)
    message = refused("compress", own_scenes, "--out", own_scenes)
    assert "this folder holds other files" in message
    assert times_of(own_scenes) == before


def test_distil_into_the_folder_of_a_teacher(finished_run, own_run, scenes):
    out = own_run / "teacher"
    for name in ("recipe.yaml", "data.json"):
        shutil.copy(own_run / name, out)
    before = times_of(out)
    model = finished_run / "student" / "model.keras"
    message = refused(
        "distill", scenes, "--teacher", model, "--student", model,
        "--recipe", out / "recipe.yaml", "--out", out,
    )  # fmt: skip
    assert f"{out}: this folder holds a teacher, not a student" in message
    assert times_of(out) == before


def _outputs(place: Path, scenes: Path, run: Path) -> list[tuple]:
    model = run / "student" / "model.keras"
    # The memory of a .keras file is measured in a process that imports Keras first.
    file = run / "artifacts" / "student-int8.tflite"
    return [
        ("compress", scenes, "--out", place),
        ("train", scenes, "--out", place),
        ("search", scenes, "--out", place),
        ("prune", model, "--out", place / "m.keras"),
        ("export", model, "--out", place / "m.onnx"),
        ("benchmark", file, *BRIEFLY, "--json", place / "m.json"),
        ("benchmark", file, *BRIEFLY, "--plot", place / "m.png"),
        ("predict", model, _image(scenes), "--out", place),
    ]


def test_file_in_place_of_the_output_folder(finished_run, scenes, tmp_path):
    file = tmp_path / "file"
    file.write_text("important")
    for place in (file, file / "below"):
        for command in _outputs(place, scenes, finished_run):
            assert str(file) in refused(*command)
    assert file.read_text() == "important"
    assert list(tmp_path.iterdir()) == [file]


@pytest.mark.skipif(not Path("/proc/self").is_dir(), reason="has no /proc")
def test_output_folder_that_nobody_can_write(finished_run, scenes):
    for command in _outputs(Path("/proc/run"), scenes, finished_run):
        assert "/proc/run" in refused(*command)


@pytest.mark.skipif(os.geteuid() == 0, reason="root may write everywhere")
def test_output_folder_without_permission(finished_run, scenes, tmp_path):
    tmp_path.chmod(0o500)
    try:
        for command in _outputs(tmp_path / "out", scenes, finished_run):
            assert str(tmp_path / "out") in refused(*command)
    finally:
        tmp_path.chmod(0o700)
    assert list(tmp_path.iterdir()) == []


def test_folder_in_place_of_the_output_file(finished_run, tmp_path):
    model = finished_run / "student" / "model.keras"
    for verb, name in (("prune", "m.keras"), ("export", "m.tflite")):
        out = tmp_path / name
        out.mkdir()
        assert str(out) in refused(verb, model, "--out", out)
        assert list(out.iterdir()) == []
    assert {path.name for path in tmp_path.iterdir()} == {"m.keras", "m.tflite"}


def test_report_of_what_is_no_run(finished_run, tmp_path):
    assert "no such folder" in refused("report", tmp_path / "no")
    assert "nothing to report" in refused("report", tmp_path)
    assert list(tmp_path.iterdir()) == []


def test_damaged_record_is_named(own_run, scenes, recipe_file):
    record = own_run / "measurements" / "student-int8-litert.json"
    record.write_text(record.read_text(encoding="utf-8")[:300], encoding="utf-8")
    message = refused("report", own_run)
    assert f"RunFolderError: {record}: not a readable record" in message
    assert "Delete it" in message


@pytest.mark.parametrize(
    "arguments",
    [
        ("compress", "synthetic"),
        ("compress",),
        ("predict", "--out", "o"),
        ("evaluate", "m.tflite", "synthetic", "--split-seed", "-1"),
        ("evaluate", "m.tflite", "synthetic", "--threads", "0"),
        ("benchmark", "m.tflite", "--rounds", "2"),
        ("benchmark", "m.tflite", "--threads", "0"),
        ("search", "synthetic", "--out", "o", "--trials", "0"),
        ("prune", "m.keras", "--out", "m.keras", "--keep", "half"),
        ("compres", "synthetic"),
    ],
)
def test_wrong_arguments_leave_with_a_usage_message(arguments, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    assert "Usage: segshrink" in refused(*arguments)
    assert list(tmp_path.iterdir()) == []


def test_predict_of_a_model_and_no_image(tmp_path):
    message = refused("predict", "m.tflite", "--out", tmp_path / "o")
    assert "m.tflite is a model. Name the images to segment, too." in message
    assert list(tmp_path.iterdir()) == []
    message = refused("predict", "photo.jpg", "--out", tmp_path / "o")
    assert "photo.jpg" in message and "o such file" in message


def test_evaluate_under_a_protocol(finished_run, scenes, tmp_path):
    model = finished_run / "student" / "model.keras"
    evaluate = ("evaluate", model, scenes, "--protocol")
    assert "--protocol must be random-patch, got best" in refused(*evaluate, "best")
    message = refused(*evaluate, "random-patch")
    assert "--protocol random-patch needs --split FILE.json" in message
    assert '"columns": ["tile", "image", "row", "column"]' in message
    split, record = tmp_path / "p.json", tmp_path / "q.json"
    content = {
        "patch_size_px": 100,
        "columns": ["tile", "image", "row", "column"],
        "train": [],
        "val": [["north/1", "view", 1, 0]],
    }
    split.write_text(json.dumps(content), encoding="utf-8")
    options = ("random-patch", "--split", split, "--json", record)
    message = refused(*evaluate, *options)
    assert "north/1/view row 1 column 0: it needs 200 x 100 px" in message
    content["val"] = [["north/1", "view", 0, 0]]
    split.write_text(json.dumps(content), encoding="utf-8")
    message = refused(*evaluate, *options, "--without", "Boat")
    assert "--without Boat: no such class. There are" in message
    assert not record.exists()


def test_export_under_a_protocol(finished_run, scenes, tmp_path):
    model = finished_run / "student" / "model.keras"
    export = ("export", model, "--out", tmp_path / "m.tflite", "--protocol")
    data = ("--data", scenes)
    assert "--protocol must be random-patch, got best" in refused(
        *export, "best", *data
    )
    message = refused(*export, "random-patch", *data)
    assert "--protocol random-patch needs --split FILE.json" in message
    message = refused(*export, "random-patch")
    assert "--protocol random-patch needs --data and --split" in message
    assert list(tmp_path.iterdir()) == []


def test_plot_of_a_benchmark_is_a_png(finished_run, tmp_path):
    artifact, plot = (
        finished_run / "artifacts" / "teacher-float.onnx",
        tmp_path / "p.svg",
    )
    message = refused("benchmark", artifact, "--plot", plot)
    assert f"--plot {plot}: the plot is a PNG. End its name in .png." in message


def test_evaluate_on_the_training_part(finished_run, scenes):
    model = finished_run / "student" / "model.keras"
    message = refused("evaluate", model, scenes, "--part", "train")
    assert "--part must be val or test, got train" in message


def test_synthetic_options_for_a_folder(scenes, tmp_path):
    out = tmp_path / "out"
    message = refused("compress", scenes, "--set", "data.scenes=5", "--out", out)
    assert "scenes, scene_px and bands apply to source: synthetic only" in message
    assert not out.exists()


def test_negative_seed(scenes, tmp_path):
    out = tmp_path / "out"
    assert refused("compress", scenes, "--seed", "-1", "--out", out)
    assert not out.exists()


def test_crash_of_our_own_still_shows_its_traceback(scenes, tmp_path, monkeypatch):
    """A fault of the program must not be dressed up as one of the user."""
    from segshrink.compression import pipeline

    def broken(*arguments, **options):
        raise RuntimeError("ours")

    monkeypatch.setattr(pipeline, "open_run", broken)
    with pytest.raises(RuntimeError, match="ours"):
        typed("train", scenes, "--out", tmp_path / "out")


def test_unlabelled_folders_that_cannot_be_used(scenes, tmp_path):
    def message(folder):
        out = tmp_path / "run"
        shown = refused("compress", scenes, "--unlabelled", folder, "--out", out)
        assert not out.exists()
        return shown

    assert "none: no such folder" in message(tmp_path / "none")
    assert "synthetic:5: generated scenes go with" in message("synthetic:5")
    (tmp_path / "more").mkdir()
    assert "more: holds no image" in message(tmp_path / "more")
    (tmp_path / "more" / "a.png").write_bytes(b"nothing")
    assert "none of the 1 images can be used" in message(tmp_path / "more")
