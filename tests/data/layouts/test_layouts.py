"""Each layout of masks in files: the same scenes, classes, split and labels."""

import numpy as np
import pytest
from PIL import Image

from segshrink.data import open_dataset
from segshrink.data.description import distinct_color
from segshrink.data.layouts import find_layout
from segshrink.data.layouts.cityscapes import _CLASSES as CITYSCAPES
from segshrink.errors import DatasetError, UsageError

from .scenes import (
    COLORS,
    NAMES,
    THREE_PARTS,
    TWO_PARTS,
    assert_converts,
    assert_read,
    image_of,
    in_parts,
    labels_of,
    save_colors,
    save_image,
    save_indices,
)

UNNAMED = ("class 0", "class 1", "class 2")
LABELS_TXT = "\n".join(NAMES)


def part_above(root, *, images="images", masks="masks", numbers=THREE_PARTS):
    for part, number in in_parts(numbers):
        save_image(root / part / images / f"scene {number}.png", number)
        save_indices(root / part / masks / f"scene {number}.png", number)


@pytest.mark.parametrize(
    ("images", "masks"),
    [
        ("images", "masks"),
        ("Image", "LABEL"),
        ("imgs", "annotations"),
        ("img_dir", "ann_dir"),
        ("img", "gt"),
    ],
)
def test_parts_above_the_folders(tmp_path, images, masks):
    part_above(tmp_path, images=images, masks=masks)
    dataset = open_dataset(tmp_path)
    assert_read(dataset, THREE_PARTS, UNNAMED)
    assert dataset.split.source == "folders train, val and test"
    assert dataset.split.test == ("test",)
    assert_converts(tmp_path, tmp_path / ".out", THREE_PARTS)


@pytest.mark.parametrize("other", ["valid", "Validation", "dev"])
def test_parts_below_the_folders_and_their_names(tmp_path, other):
    for part, number in in_parts(THREE_PARTS):
        part = {"val": other, "test": "testing", "train": "training"}[part]
        save_image(tmp_path / "images" / part / f"{number}.jpg", number)
        save_indices(tmp_path / "masks" / part / f"{number}.png", number)
    assert_read(open_dataset(tmp_path), THREE_PARTS, UNNAMED)
    assert_converts(tmp_path, tmp_path / ".out", THREE_PARTS)


def test_without_a_test_part_quality_is_measured_on_val(tmp_path):
    part_above(tmp_path, numbers=TWO_PARTS)
    dataset = open_dataset(tmp_path)
    assert_read(dataset, TWO_PARTS, UNNAMED)
    assert dataset.test.name == "val"
    assert (dataset.split.test, dataset.split.leaks) == ((), False)
    assert any("quality is measured on val" in notice for notice in dataset.notices)


def test_without_a_validation_part_it_is_taken_out_of_train(tmp_path):
    part_above(tmp_path, numbers={"train": range(5), "test": range(5, 7)})
    dataset = open_dataset(tmp_path)
    assert (len(dataset.train), len(dataset.val), len(dataset.test)) == (4, 1, 2)
    names = {image.name for image in (*dataset.train, *dataset.val)}
    assert names == {f"train/scene {number}" for number in range(5)}
    assert dataset.split.source == "folders train and test, val by seed 0"
    assert any("1 of 5 images of train are used" in x for x in dataset.notices)
    assert dataset.split == open_dataset(tmp_path, seed=0).split


def test_a_lone_part_is_divided_by_seed(tmp_path):
    part_above(tmp_path, numbers={"train": range(5)})
    dataset = open_dataset(tmp_path)
    assert dataset.split.source == "seed 0"
    assert len(dataset.train) == 3


def test_parts_without_training_are_refused(tmp_path):
    part_above(tmp_path, numbers={"val": range(2), "test": range(2, 4)})
    with pytest.raises(DatasetError, match="has val and test, but nothing to train on"):
        open_dataset(tmp_path)


def test_a_scene_in_no_part_is_a_fault(tmp_path):
    part_above(tmp_path, numbers=TWO_PARTS | {"extra": range(6, 7)})
    with pytest.raises(DatasetError, match="extra: in no part, but others are in"):
        open_dataset(tmp_path)


def test_a_part_without_labels_is_not_used(tmp_path):
    part_above(tmp_path, numbers=THREE_PARTS)
    for path in (tmp_path / "test" / "masks").iterdir():
        Image.fromarray(np.full((24, 40), 255, np.uint8)).save(path)
    dataset = open_dataset(tmp_path)
    assert dataset.test.name == "val"
    assert any("test has no labelled pixel" in notice for notice in dataset.notices)


def test_a_split_file_overrides_the_folders(tmp_path):
    part_above(tmp_path / "data", numbers=TWO_PARTS)
    split = tmp_path / "split.yaml"
    split.write_text("train: [val]\nval: ['train/scene 0']\n")
    dataset = open_dataset(tmp_path / "data", split=split)
    assert dataset.split.source == "file split.yaml"
    assert [image.name for image in dataset.val] == ["train/scene 0"]
    assert len(dataset.train) == 2


@pytest.mark.parametrize(
    "mask",
    ["{}_mask", "{}_segmentation", "{}_L", "{}_lab", "{}.jpg", "{}_GT", "mask_{}"],
)
def test_masks_beside_images(tmp_path, mask):
    for _, number in in_parts(THREE_PARTS):
        save_image(tmp_path / f"scene {number}.jpg", number)
        save_indices(tmp_path / f"{mask.format(f'scene {number}')}.png", number)
    layout = find_layout(tmp_path)
    assert (layout.name, layout.faults) == ("suffixes", ())
    assert len(layout.pairs) == 8
    assert layout.pairs[3].mask.path.stem == mask.format("scene 3")


def test_masks_with_endings_in_a_folder_of_their_own(tmp_path):
    for number in range(8):
        save_image(tmp_path / "images" / f"{number}.jpg", number)
        save_indices(tmp_path / "masks" / f"{number}_mask.png", number)
    assert [pair.name for pair in find_layout(tmp_path).pairs] == list("01234567")


def test_roboflow(tmp_path):
    for part, number in in_parts(THREE_PARTS):
        folder = tmp_path / {"val": "valid"}.get(part, part)
        save_image(folder / f"a_jpg.rf.{number}.jpg", number)
        save_indices(folder / f"a_jpg.rf.{number}_mask.png", number)
        rows = [f"{index}, {name}" for index, name in enumerate(NAMES)]
        (folder / "_classes.csv").write_text("\n".join(["Pixel Value, Class", *rows]))
    dataset = open_dataset(tmp_path)
    assert_read(dataset, THREE_PARTS)
    assert "Classes are those of test/_classes.csv." in dataset.notices
    assert_converts(tmp_path, tmp_path / ".out", THREE_PARTS)


def voc_folder(root, *, save=save_colors, numbers=TWO_PARTS):
    for part, number in in_parts(numbers):
        save_image(root / "JPEGImages" / f"2007_{number}.jpg", number)
        save(root / "SegmentationClass" / f"2007_{number}.png", number)
        lists = root / "ImageSets" / "Segmentation"
        lists.mkdir(parents=True, exist_ok=True)
        with (lists / f"{part}.txt").open("a") as file:
            file.write(f"2007_{number}\n")
    save_image(root / "JPEGImages" / "2007_for_boxes.jpg", 0)


def test_pascal_voc(tmp_path):
    voc_folder(tmp_path / "VOC2012")
    dataset = open_dataset(tmp_path)
    classes = dataset.classes
    assert classes.num_classes == 21
    assert classes.names[:3] == ("background", "aeroplane", "bicycle")
    assert classes.colors[1:] == tuple(distinct_color(n) for n in range(20))
    assert_read(dataset, TWO_PARTS, classes.names)
    assert dataset.split.source == "lists train.txt and val.txt"
    assert_converts(tmp_path, tmp_path / ".out", TWO_PARTS)


def test_pascal_voc_of_indices(tmp_path):
    voc_folder(tmp_path, save=save_indices)
    dataset = open_dataset(tmp_path)
    assert_read(dataset, TWO_PARTS, dataset.classes.names)
    assert dataset.classes.void_indices == (255,)


def test_cvat_names_its_colors(tmp_path):
    voc_folder(tmp_path)
    named = zip(NAMES, COLORS, strict=True)
    lines = [f"{name}:{red},{green},{blue}::" for name, (red, green, blue) in named]
    text = "\n".join(["# label:color_rgb:parts:actions", *lines])
    (tmp_path / "labelmap.txt").write_text(text)
    assert_read(open_dataset(tmp_path), TWO_PARTS)


@pytest.mark.parametrize(
    ("name", "head", "line"),
    [
        ("label_colors.txt", [], "{1} {2} {3}\t\t{0}"),
        ("class_dict.csv", ["name,r,g,b"], "{0},{1},{2},{3}"),
    ],
)
def test_camvid_names_its_colors_and_void(tmp_path, name, head, line):
    part_above(tmp_path, numbers=TWO_PARTS)
    for part, number in in_parts(TWO_PARTS):
        save_colors(tmp_path / part / "masks" / f"scene {number}.png", number)
    named = [(x, *color) for x, color in zip(NAMES, COLORS, strict=True)]
    lines = [*head, *(line.format(*x) for x in [*named, ("Void", 64, 0, 64)])]
    (tmp_path / name).write_text("\n".join(lines))
    dataset = open_dataset(tmp_path)
    assert_read(dataset, TWO_PARTS)
    assert (64, 0, 64) in dataset.classes.void_colors


@pytest.mark.parametrize(
    ("name", "form"),
    [("labelmap.txt", "name:red,green,blue::"), ("label_colors.txt", "red green blue")],
)
def test_a_line_of_another_form_is_named(tmp_path, name, form):
    part_above(tmp_path, numbers=TWO_PARTS)
    for part, number in in_parts(TWO_PARTS):
        save_colors(tmp_path / part / "masks" / f"scene {number}.png", number)
    (tmp_path / name).write_text("128,0 Background")
    with pytest.raises(DatasetError, match=f"{form}.*'128,0 Background'"):
        open_dataset(tmp_path)


def test_datumaro_names_its_colors(tmp_path):
    part_above(tmp_path, numbers=TWO_PARTS)
    for part, number in in_parts(TWO_PARTS):
        save_colors(tmp_path / part / "masks" / f"scene {number}.png", number)
    (tmp_path / "dataset_meta.json").write_text(
        '{"label_map": {"0": "background", "1": "field", "2": "lake"}, '
        '"segmentation_colors": [[0, 0, 0], [128, 0, 0], [0, 128, 0]]}'
    )
    assert_read(open_dataset(tmp_path), TWO_PARTS)


@pytest.mark.parametrize("kind", ["labelIds", "labelTrainIds"])
def test_cityscapes(tmp_path, kind):
    ids = list(CITYSCAPES)[:3] if kind == "labelIds" else [0, 1, 2]
    for part, number in in_parts(THREE_PARTS):
        inner = f"{part}/aachen/aachen_000000_00001{number}"
        save_image(tmp_path / "leftImg8bit" / f"{inner}_leftImg8bit.png", number)
        mask = tmp_path / "gtFine" / f"{inner}_gtFine_{kind}.png"
        save_indices(mask, number, tuple(ids))
        save_colors(tmp_path / "gtFine" / f"{inner}_gtFine_color.png", number)
    dataset = open_dataset(tmp_path)
    assert dataset.train.scenes == ("train/aachen",)
    assert dataset.classes.num_classes == 19
    assert dataset.classes.colors[0] == (128, 64, 128)
    assert_read(dataset, THREE_PARTS, dataset.classes.names)
    assert_converts(tmp_path, tmp_path / ".out", THREE_PARTS)


def test_ade20k(tmp_path):
    for part, number in in_parts(TWO_PARTS):
        folder = {"train": "training", "val": "validation"}[part]
        save_image(tmp_path / "images" / folder / f"ADE_{part}_{number}.jpg", number)
        mask = tmp_path / "annotations" / folder / f"ADE_{part}_{number}.png"
        save_indices(mask, number, (1, 2, 3))
    rows = [f"{n + 1}\t0.1\t1\t1\t1\t{name}, thing" for n, name in enumerate(NAMES)]
    (tmp_path / "objectInfo150.txt").write_text(
        "\n".join(["Idx\tRatio\tTrain\tVal\tStuff\tName", *rows])
    )
    dataset = open_dataset(tmp_path)
    assert find_layout(tmp_path).name == "ade20k"
    assert_read(dataset, TWO_PARTS)
    assert dataset.classes.void_indices == (0,)
    assert_converts(tmp_path, tmp_path / ".out", TWO_PARTS)


@pytest.mark.parametrize("separator", [" ", "\t", ","])
def test_paddleseg(tmp_path, separator):
    for part, number in in_parts(TWO_PARTS):
        save_image(tmp_path / "images" / f"{number}.jpg", number)
        save_indices(tmp_path / "labels" / f"{number}.png", number)
        with (tmp_path / f"{part}.txt").open("a") as file:
            file.write(f"images/{number}.jpg{separator}labels/{number}.png\n")
    (tmp_path / "labels.txt").write_text(LABELS_TXT)
    assert_read(open_dataset(tmp_path), TWO_PARTS)
    assert_converts(tmp_path, tmp_path / ".out", TWO_PARTS)


@pytest.mark.parametrize("again", ["train", "val"])
def test_an_image_is_in_one_list_of_pairs_and_once(tmp_path, again):
    for number in (1, 2, 3):
        save_image(tmp_path / "images" / f"{number}.jpg", number)
        save_indices(tmp_path / "labels" / f"{number}.png", number)
    lines = [f"images/{number}.jpg labels/{number}.png\n" for number in (1, 2, 3)]
    lists = {"train": lines[:2], "val": lines[2:]}
    lists[again] = [*lists[again], lines[0]]
    for part, entries in lists.items():
        (tmp_path / f"{part}.txt").write_text("".join(entries))
    (tmp_path / "labels.txt").write_text(LABELS_TXT)
    message = rf"{again}.txt: 1.jpg stands in train.txt already"
    with pytest.raises(DatasetError, match=message):
        open_dataset(tmp_path)


def test_a_list_of_pairs_that_leads_out_of_the_folder(tmp_path):
    (tmp_path / "x.png").write_bytes(b"")
    root = tmp_path / "data"
    root.mkdir()
    (root / "train.txt").write_text("../x.png ../x.png\n")
    with pytest.raises(DatasetError, match="lies outside of the folder"):
        open_dataset(root)


def test_a_layout_that_is_named(tmp_path):
    part_above(tmp_path, numbers=TWO_PARTS)
    assert_read(open_dataset(tmp_path, layout="folders"), TWO_PARTS, UNNAMED)
    with pytest.raises(DatasetError, match="The nearest layout is voc"):
        open_dataset(tmp_path, layout="voc")
    with pytest.raises(UsageError, match="layout must be one of .*, got 'x'"):
        open_dataset(tmp_path, layout="x")


def test_images_and_labels_of_the_helpers_differ():
    assert len({labels_of(n).tobytes() for n in range(8)}) == 8
    assert image_of(0).shape == (24, 40, 3)


@pytest.mark.parametrize("entry", ["{}", "{}.jpg", "images/{}.jpg", "./images/{}"])
def test_lists_divide_plain_folders(tmp_path, entry):
    for part, number in in_parts(THREE_PARTS):
        save_image(tmp_path / "images" / f"scene {number}.jpg", number)
        save_indices(tmp_path / "masks" / f"scene {number}.png", number)
        with (tmp_path / f"{part}.txt").open("a") as file:
            file.write(entry.format(f"scene {number}") + "\n")
    dataset = open_dataset(tmp_path)
    assert_read(dataset, THREE_PARTS, UNNAMED)
    assert dataset.split.source == "lists train.txt and val.txt and test.txt"


def test_an_image_in_two_lists_is_a_fault(tmp_path):
    for part, number in in_parts({"train": range(3), "val": range(2, 4)}):
        save_image(tmp_path / "images" / f"{number}.jpg", number)
        save_indices(tmp_path / "masks" / f"{number}.png", number)
        with (tmp_path / f"{part}.txt").open("a") as file:
            file.write(f"{number}\n")
    with pytest.raises(DatasetError, match="scenes named twice: 2"):
        open_dataset(tmp_path)


def test_a_list_that_names_what_is_not_there(tmp_path):
    voc_folder(tmp_path)
    lists = tmp_path / "ImageSets" / "Segmentation"
    (lists / "val.txt").write_text("2007_4\n2007_gone\n")
    with pytest.raises(DatasetError, match="names 1 images that have no mask.*2007_go"):
        open_dataset(tmp_path)
