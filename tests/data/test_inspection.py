import numpy as np
import pytest
import yaml

from segshrink.data import generated, inspect_dataset, open_dataset, starter_yaml
from segshrink.errors import DatasetError

from .pictures import (
    AERIAL_CLASSES,
    DESCRIPTION,
    THREE_CLASSES,
    add_pair,
    camvid_folder,
    cut_off,
    noise,
    save,
    scenes_folder,
    stripes,
)


def test_a_sound_folder_is_reported(tmp_path):
    labels = stripes(10, 20, 2)
    labels[:, -5:] = 255
    scenes_folder(tmp_path)
    add_pair(tmp_path / "a", "three", labels=labels)
    report = inspect_dataset(tmp_path)
    total = 6 * 600 + 200
    np.testing.assert_allclose(
        report.class_shares, np.array([1300, 1250, 1200]) / total
    )
    assert report.void_share == pytest.approx(50 / total)
    assert report.undeclared_share == 0
    assert (report.layout, report.faults, report.notices) == ("folders", [], ())
    assert [(scene.name, scene.images) for scene in report.scenes] == [
        ("a", 3),
        ("b", 2),
        ("c", 2),
    ]
    assert report.scenes[0].sizes == ((10, 20), (20, 30))


def test_faults_are_collected(tmp_path):
    scenes_folder(tmp_path)
    cut_off(tmp_path / "a" / "images" / "one.jpg")
    (tmp_path / "a" / "masks" / "two.png").unlink()
    save(tmp_path / "b" / "masks" / "one.png", THREE_CLASSES.colorize(stripes(9, 9)))
    picture = THREE_CLASSES.colorize(stripes(20, 30))
    picture[0, :7] = 9
    save(tmp_path / "c" / "masks" / "one.png", picture)
    report = inspect_dataset(tmp_path)
    assert [fault.partition(":")[0] for fault in report.faults] == [
        "a/images/two.jpg",
        "a/images/one.jpg",
        "b/masks/one.png",
        "c/masks/one.png",
    ]
    assert "7 pixels have colour #090909" in report.faults[-1]
    assert report.undeclared_share == pytest.approx(7 / 1800)
    shares = (*report.class_shares, report.void_share, report.undeclared_share)
    assert sum(shares) == pytest.approx(1)


def test_a_faulty_description_is_one_of_the_faults(tmp_path):
    report = inspect_dataset(scenes_folder(tmp_path, description="classes: []\n"))
    (fault,) = report.faults
    assert fault.startswith(f"{tmp_path / 'dataset.yaml'}: 1 fault.")
    assert report.classes is None
    assert len(report.code_shares) == 3


def test_a_missing_or_empty_folder_raises(tmp_path):
    with pytest.raises(DatasetError, match="no such folder"):
        inspect_dataset(tmp_path / "gone")
    with pytest.raises(DatasetError, match="the folder is empty"):
        inspect_dataset(tmp_path)


def test_nothing_readable_is_still_reported(tmp_path):
    for name in "ab":
        add_pair(tmp_path / name, "x")
        (tmp_path / name / "images" / "x.jpg").write_bytes(b"")
    report = inspect_dataset(tmp_path)
    assert len(report.faults) == 2
    assert report.scenes == ()
    assert starter_yaml(report)


def test_the_starter_of_unknown_colors_is_accepted(tmp_path):
    root = scenes_folder(tmp_path, description="")
    text = starter_yaml(inspect_dataset(root))
    entries = yaml.safe_load(text)["classes"]
    assert [entry["name"] for entry in entries] == ["#0000FF", "#00FF00", "#FF0000"]
    (root / "dataset.yaml").write_text(text.replace('"#0000FF"', '"sky: blue #1"'))
    assert open_dataset(root).classes.names == ("sky: blue #1", "#00FF00", "#FF0000")


def test_the_starter_of_unknown_indices_is_accepted(tmp_path):
    for name in "abc":
        save(tmp_path / name / "images" / "x.png", noise(6, 9))
        save(tmp_path / name / "masks" / "x.png", stripes(6, 9) * 100)
    report = inspect_dataset(tmp_path)
    assert report.by_index
    (tmp_path / "dataset.yaml").write_text(starter_yaml(report))
    assert open_dataset(tmp_path).classes.indices == (0, 100, 200)
    assert inspect_dataset(tmp_path).faults == []


def test_the_starter_keeps_declared_names_and_void(tmp_path):
    scenes_folder(tmp_path)
    picture = THREE_CLASSES.colorize(stripes(20, 30))
    picture[0, :7] = 9
    save(tmp_path / "c" / "masks" / "one.png", picture)
    data = yaml.safe_load(starter_yaml(inspect_dataset(tmp_path)))
    assert [entry["name"] for entry in data["classes"]] == [
        "red",
        "green",
        "blue",
        "class_1",
    ]
    assert data["classes"][3]["color"] == [9, 9, 9]
    assert data["void_colors"] == ["#000000"]


def test_the_starter_of_a_known_data_set_has_its_names(tmp_path):
    root = camvid_folder(tmp_path)
    report = inspect_dataset(root)
    assert (report.layout, report.name) == ("camvid", "CamVid")
    (root / "dataset.yaml").write_text(starter_yaml(report))
    dataset = open_dataset(root)
    assert dataset.classes == report.classes


def test_the_starter_keeps_declared_classes_that_no_mask_holds(tmp_path):
    for name in "abc":
        labels = stripes(20, 60, 4)
        add_pair(tmp_path / name, "x", labels=labels, classes=AERIAL_CLASSES)
    text = starter_yaml(inspect_dataset(tmp_path))
    names = [entry["name"] for entry in yaml.safe_load(text)["classes"]]
    assert names == list(AERIAL_CLASSES.names)
    assert text.count("# 0.00% of all pixels") == len(names) - 4


def test_the_starter_leaves_out_what_is_too_much(tmp_path):
    generator = np.random.default_rng(0)
    for name in "abc":
        save(tmp_path / name / "images" / "x.png", noise(30, 30))
        colors = generator.integers(0, 256, (30, 30, 3), dtype=np.uint8)
        save(tmp_path / name / "masks" / "x.png", colors)
    text = starter_yaml(inspect_dataset(tmp_path))
    assert len(yaml.safe_load(text)["classes"]) == 254
    assert "more, " in text and "export them again" in text


def test_the_description_given_is_used(tmp_path):
    report = inspect_dataset(
        scenes_folder(tmp_path, description="name: Mine\n" + DESCRIPTION)
    )
    assert report.name == "Mine"
    assert report.classes.names == ("red", "green", "blue")


def test_generated_scenes_are_reported(monkeypatch):
    monkeypatch.setattr(generated, "_DEFAULT_SCENES", 4)
    monkeypatch.setattr(generated, "_DEFAULT_SCENE_PX", 64)
    report = inspect_dataset("synthetic")
    assert report.layout == "synthetic"
    assert len(report.scenes) == 4
    assert sum(report.class_shares) + report.void_share == pytest.approx(1)
    assert yaml.safe_load(starter_yaml(report))["classes"]
