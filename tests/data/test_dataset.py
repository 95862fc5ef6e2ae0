import json
import sys
import unicodedata
from subprocess import run

import numpy as np
import pytest

from segshrink.data import Split, open_dataset
from segshrink.data import dataset as dataset_module
from segshrink.errors import DatasetError, UsageError

from .pictures import (
    AERIAL_CLASSES,
    DESCRIPTION,
    THREE_CLASSES,
    add_pair,
    camvid_folder,
    cut_off,
    held,
    noise,
    save,
    scenes_folder,
    stripes,
)


class Recorder:
    """A progress that remembers."""

    def __init__(self):
        self.total = self.done = 0

    def start(self, label, total):
        self.total = total

    def advance(self, steps=1, **facts):
        self.done += steps

    def finish(self): ...

    def say(self, text): ...


def fault_of(root, **options):
    with pytest.raises(DatasetError) as error:
        open_dataset(root, **options)
    return str(error.value)


def split_file(tmp_path, **parts):
    path = tmp_path / "mine.json"
    path.write_text(json.dumps(parts))
    return path


def test_keras_is_not_imported():
    code = "import sys, segshrink.data; sys.exit('keras' in sys.modules)"
    assert run([sys.executable, "-c", code], check=False).returncode == 0


def test_a_folder_is_opened_and_read(tmp_path):
    progress = Recorder()
    dataset = open_dataset(scenes_folder(tmp_path / "mine"), progress=progress)
    assert dataset.name == "mine"
    assert dataset.classes.names == ("red", "green", "blue")
    assert dataset.split.source == "seed 0"
    assert [len(part) for part in (dataset.train, dataset.val, dataset.test)] == [2] * 3
    assert (progress.total, progress.done) == (6, 6)
    first = dataset.train[0]
    assert first.scene == dataset.train.scenes[0]
    assert first.name == f"{first.scene}/one"
    assert first.image_path == tmp_path / "mine" / first.scene / "images" / "one.jpg"
    image, labels = first.read()
    assert image.shape == (first.height_px, first.width_px, 3) == (20, 30, 3)
    np.testing.assert_array_equal(labels, stripes(20, 30))


def test_the_split_of_a_file_goes_before_that_of_the_description(tmp_path):
    text = DESCRIPTION + "split: {train: [a], val: [b], test: [c]}\n"
    root = scenes_folder(tmp_path / "mine", description=text)
    assert open_dataset(root).split.source == "dataset.yaml"
    assert open_dataset(root).train.scenes == ("a",)
    other = split_file(tmp_path, train=["c"], val=["b"], test=["a"])
    dataset = open_dataset(root, split=other)
    assert dataset.split.source == "file mine.json"
    assert dataset.train.scenes == ("c",)


def test_scenes_that_a_split_leaves_out_are_noticed(tmp_path):
    root = scenes_folder(tmp_path / "mine", names="abcd")
    path = split_file(tmp_path, train=["a"], val=["b"], test=["c"])
    assert "The split leaves out d." in open_dataset(root, split=path).notices


def test_scenes_of_a_split_count_in_either_unicode_form(tmp_path):
    names = ["Köln", "Zürich", "Bogotá"]
    composed, decomposed = (
        [unicodedata.normalize(form, name) for name in names] for form in ("NFC", "NFD")
    )
    root = scenes_folder(tmp_path / "data", [composed[0], *decomposed[1:]])
    parts = zip(("train", "val", "test"), [decomposed[0], *composed[1:]], strict=True)
    path = split_file(tmp_path, **{part: [name] for part, name in parts})
    split = open_dataset(root, split=path).split
    assert [*split.train, *split.val, *split.test] == composed


def test_the_same_seed_gives_the_same_split(tmp_path):
    root = scenes_folder(tmp_path, names="abcdefgh")
    assert open_dataset(root, seed=3).split == open_dataset(root, seed=3).split
    splits = [open_dataset(root, seed=seed).split.test for seed in range(4)]
    assert len(set(splits)) > 1


def test_flat_folders_say_what_they_take_as_a_scene(tmp_path):
    for name in "abc":
        add_pair(tmp_path, name)
    (tmp_path / "dataset.yaml").write_text(DESCRIPTION)
    dataset = open_dataset(tmp_path)
    assert sorted(sum(dataset.split.parts.values(), ())) == ["a", "b", "c"]
    assert dataset.notices[0].startswith("Each image is taken as a scene of its own")


def test_a_split_overrides_that_of_folders_and_may_name_images(tmp_path):
    camvid_folder(tmp_path / "data")
    first, second = ("train/0001TP_1", "train/0001TP_2")
    path = split_file(tmp_path, train=["test", first], val=["val"], test=[second])
    dataset = open_dataset(tmp_path / "data", split=path)
    assert [image.name for image in dataset.test] == [second]
    assert dataset.train.scenes == ("test", first)
    assert dataset.split.source == "file mine.json"


class _CountedName(str):
    """A name that counts how often it is compared."""

    comparisons = 0
    __hash__ = str.__hash__

    def __eq__(self, other):
        _CountedName.comparisons += 1
        return str(self) == str(other)


def test_images_are_divided_without_comparing_each_with_all():
    names = tuple(str(number) for number in range(300))
    images = [held(noise(2, 2), stripes(2, 2, 2), _CountedName(name)) for name in names]
    split = Split("test", names[:100], names[100:200], names[200:])
    _CountedName.comparisons = 0
    divided = dataset_module._divided("x", THREE_CLASSES, images, split, ())
    sizes = [len(part) for part in (divided.train, divided.val, divided.test)]
    assert sizes == [100, 100, 100]
    assert _CountedName.comparisons < 10 * len(names)


def test_a_missing_folder_is_named(tmp_path):
    assert fault_of(tmp_path / "gone").startswith(f"{tmp_path / 'gone'}: no such fold")


def test_all_faults_are_listed_at_once(tmp_path):
    root = scenes_folder(tmp_path / "mine", names="abcd")
    cut_off(root / "a" / "images" / "one.jpg")
    cut_off(root / "a" / "masks" / "two.png")
    save(root / "b" / "masks" / "one.png", THREE_CLASSES.colorize(stripes(20, 31)))
    (root / "b" / "masks" / "two.png").unlink()
    picture = THREE_CLASSES.colorize(stripes(20, 30))
    picture[:28, :29] = (255, 0, 255)
    save(root / "c" / "masks" / "one.png", picture)
    message = fault_of(root)
    assert message.startswith(f"{root}: 5 faults.\n")
    for expected in (
        "a/images/one.jpg: cannot be decoded (image file is truncated",
        "a/masks/two.png: cannot be decoded (",
        "b/masks/one.png: is 31 x 20 pixels, but its image b/images/one.jpg is "
        "30 x 20. Make both the same size (masks without interpolation), or let "
        "`--resize-masks` (in a recipe `data.resize_masks: true`) take the nearest "
        "pixels of the mask.",
        "b/images/two.jpg: has no mask. Add b/masks/two.png or remove the image.",
        "c/masks/one.png: 580 pixels have colour #FF00FF, which is not a class of this "
        "data set. Add it to `classes` or to `void_colors` in dataset.yaml.",
    ):
        assert expected in message


def test_a_long_list_of_faults_is_cut(tmp_path):
    root = scenes_folder(tmp_path, names=[f"{number:02}" for number in range(12)])
    for path in root.glob("*/masks/*.png"):
        path.unlink()
    message = fault_of(root)
    assert message.startswith(f"{root}: 24 faults.")
    assert message.endswith(f"and 4 more: `segshrink inspect {root}` lists all.")


def test_a_class_that_no_mask_holds(tmp_path):
    for name in "abc":
        add_pair(
            tmp_path / name, "x", labels=stripes(20, 60, 5), classes=AERIAL_CLASSES
        )
    assert (
        "class 'Unlabeled': no mask holds a pixel, so that no model learns it."
    ) in open_dataset(tmp_path).notices


def test_classes_that_no_mask_holds_are_one_notice(tmp_path):
    for name in "abc":
        add_pair(
            tmp_path / name, "x", labels=stripes(20, 60, 3), classes=AERIAL_CLASSES
        )
    told = [x for x in open_dataset(tmp_path).notices if "no mask holds" in x]
    names = ", ".join(map(repr, AERIAL_CLASSES.names[3:]))
    assert told == [
        f"classes {names}: no mask holds a pixel, so that no model learns them."
    ]


def test_a_class_that_only_training_lacks(tmp_path):
    root = scenes_folder(tmp_path / "mine", names="ab")
    add_pair(root / "c", "x", labels=np.zeros((20, 30), np.uint8))
    path = split_file(tmp_path, train=["c"], val=["b"], test=["a"])
    message = fault_of(root, split=path)
    assert message.startswith(f"{root}: 2 faults.")
    assert (
        "class 'blue' has no pixel in the training part (split: file mine.json), so "
        "that no model learns it. It is in a, b: put one of these into train."
    ) in message


def test_a_class_that_only_the_train_folder_lacks(tmp_path):
    camvid_folder(tmp_path)
    for path in (tmp_path / "trainannot").iterdir():
        save(path, stripes(22, 36, 10))
    assert (
        "class 'Bicyclist' has no pixel in the training part (split: folders), so that "
        "no model learns it. It is in test, val: put one of these into train."
    ) in open_dataset(tmp_path).notices


def test_two_scenes_cannot_be_divided(tmp_path):
    message = fault_of(scenes_folder(tmp_path, names="ab"))
    assert message.startswith(f"{tmp_path}: 2 scenes (a, b), but train, val and test")


def test_a_faulty_split_file_shows_before_masks_are_read(tmp_path):
    root = scenes_folder(tmp_path / "mine")
    progress = Recorder()
    path = split_file(tmp_path, train=["a"])
    fault = fault_of(root, split=path, progress=progress)
    assert "val or test needs at least one" in fault
    assert progress.total == 0


def test_an_unknown_scene_in_the_split(tmp_path):
    root = scenes_folder(tmp_path / "mine")
    path = split_file(tmp_path, train=["a"], val=["b"], test=["z"])
    assert "split of file mine.json: no scene is called z." in fault_of(
        root, split=path
    )


def test_options_of_generated_scenes_are_refused_for_a_folder(tmp_path):
    with pytest.raises(UsageError, match="scenes are for 'synthetic' only"):
        open_dataset(scenes_folder(tmp_path), scenes=4)


def test_a_mask_changed_after_opening_is_named(tmp_path):
    dataset = open_dataset(scenes_folder(tmp_path))
    changed = dataset.train[0]
    save(changed.mask.path, THREE_CLASSES.colorize(stripes(10, 30)))
    with pytest.raises(DatasetError, match="changed since the data set"):
        changed.read()
