"""Faults of annotations: each names its file and entry, and none is a traceback."""

import json

import numpy as np
import pytest
from yaml import safe_dump, safe_load

from segshrink.data import open_dataset
from segshrink.data.layouts import annotation_files, find_layout
from segshrink.errors import DatasetError

from .scenes import (
    HEIGHT_PX,
    TWO_PARTS,
    WIDTH_PX,
    in_parts,
    labels_of,
    save_image,
    save_indices,
)
from .test_drawn_layouts import (
    ULTRALYTICS,
    coco_file,
    label_studio_task,
    labelme_file,
    polygon_lines,
    write_json,
)

NAN = float("nan")


def coco_folder(root, change=lambda data: None):
    for number in range(4):
        save_image(root / f"{number}.png", number)
    data = coco_file(range(4), "polygons", lambda number: f"{number}.png")
    change(data)
    write_json(root / "coco.json", data)
    return root


def labelme_folder(root, change=lambda data: None):
    for number in range(4):
        save_image(root / f"{number}.png", number)
        data = labelme_file(number, "polygon", f"{number}.png")
        if number == 2:
            change(data)
        write_json(root / f"{number}.json", data)
    return root


def label_studio_folder(root, change=lambda data: None, kind="polygon"):
    tasks = []
    for number in range(4):
        save_image(root / f"{number}.png", number)
        tasks.append(label_studio_task(number, kind, f"{number}.png"))
    change(tasks)
    write_json(root / "export.json", tasks)
    return root


def ultralytics_folder(root, line="", yaml=""):
    for part, number in in_parts(TWO_PARTS):
        save_image(root / "images" / part / f"{number}.png", number)
        path = root / "labels" / part / f"{number}.txt"
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(polygon_lines(number) + (line if number == 2 else ""))
    text = ULTRALYTICS.format(train="images/train", val="images/val")
    kept = {k: v for k, v in safe_load(text).items() if f"{k}:" not in yaml}
    (root / "data.yaml").write_text(safe_dump(kept) + yaml)
    return root


def changed(*places, to):
    """A function that sets the value at a place of nested lists and objects."""

    def change(data):
        for place in places[:-1]:
            data = data[place]
        data[places[-1]] = to

    return change


FIRST = ("annotations", 0)
SHAPE = ("shapes", 1)
REGION = (1, "annotations", 0, "result", 0)


@pytest.mark.parametrize(
    ("folder", "change", "fault"),
    [
        (
            coco_folder,
            changed(*FIRST, "category_id", to=99),
            "coco.json: annotation 0: category 99 does not exist",
        ),
        (
            coco_folder,
            changed(*FIRST, "segmentation", to=[[1, 1, NAN, 5, 5, 5]]),
            "coco.json: annotation 0: [1, 1, nan, 5, 5, 5] is no list of x and y",
        ),
        (
            coco_folder,
            changed(*FIRST, "segmentation", to=[[1, 1, 5, 5, 5]]),
            "coco.json: annotation 0: [1, 1, 5, 5, 5] is no list of x and y",
        ),
        (
            coco_folder,
            changed(*FIRST, "segmentation", to={"size": [9, 9], "counts": [81]}),
            "coco.json: annotation 0: its runs are for [9, 9], but its image is",
        ),
        (
            coco_folder,
            changed(
                *FIRST,
                "segmentation",
                to={"size": [HEIGHT_PX, WIDTH_PX], "counts": [5, 5]},
            ),
            "annotation 0: its run-length code has 10 pixels, but 40 x 24 are 960",
        ),
        (
            coco_folder,
            changed("images", 2, "file_name", to="gone.png"),
            "coco.json: image 12 (gone.png): its image is not there",
        ),
        (
            coco_folder,
            changed("images", 2, "height", to=-3),
            "coco.json: image 12 (2.png): height and width are (-3, 40)",
        ),
        (
            coco_folder,
            changed("images", 2, "file_name", to="1.png"),
            "1.png: is listed twice",
        ),
        (
            labelme_folder,
            changed(*SHAPE, "points", to=[[1, 1], [NAN, 5], [5, 5]]),
            "2.json: shape 2: points are [[1, 1], [nan, 5], [5, 5]]",
        ),
        (
            labelme_folder,
            changed(*SHAPE, "shape_type", to="blob"),
            "2.json: shape 2: shape_type is 'blob', but must be one of polygon",
        ),
        (
            labelme_folder,
            changed(*SHAPE, "label", to=None),
            "2.json: shape 2: its label is None",
        ),
        (
            labelme_folder,
            changed("imageHeight", to="high"),
            "2.json: imageHeight and imageWidth are ('high', 40)",
        ),
        (
            labelme_folder,
            changed("shapes", to=None),
            "2.json: has no list of shapes",
        ),
        (
            label_studio_folder,
            changed(*REGION, "value", "points", to=[[1, 1], [NAN, 5], [5, 5]]),
            "export.json: task 1: region 1: has points that are not pairs",
        ),
        (
            label_studio_folder,
            changed(*REGION, "image_rotation", to=90),
            "export.json: task 1: region 1: was drawn on a rotated image",
        ),
        (
            label_studio_folder,
            changed(*REGION, "value", "rle", to=[0, 0, 0, 9, 0, 0, 0, 0]),
            "task 1: region 1: its run-length code has 9 values, but 40 x 24 pixels",
        ),
        (
            label_studio_folder,
            changed(*REGION, "value", "rle", to=[0, 300]),
            "task 1: region 1: its run-length code is damaged",
        ),
        (
            label_studio_folder,
            changed(1, "data", "image", to="http://host/gone.png"),
            "export.json: task 1 (/gone.png): its image is not there",
        ),
    ],
)
def test_a_fault_is_told_once_with_its_place(tmp_path, folder, change, fault):
    faults = find_layout(folder(tmp_path, change)).faults
    assert len(faults) == 1
    assert fault in faults[0]


@pytest.mark.parametrize(
    ("line", "fault"),
    [
        ("7 0 0 1 0 1 1", "class 7 does not exist: data.yaml names 2"),
        ("0.5 0 0 1 0 1 1", "class 0.5 does not exist"),
        ("0 0.5 0.5 1 1", "has 4 coordinates, a box as for detection"),
        ("0 0 0 1 0 1 1 0", "has 7 coordinates, but x and y come in pairs"),
        ("0 0 0 30 0 30 20", "coordinates that are not from 0 to 1"),
        ("0 0 0 nan 0 1 1", "coordinates that are not from 0 to 1"),
        ("lake 0 0 1 0 1 1", "'lake 0 0 1 0 1 1' is not a row of numbers"),
    ],
)
def test_faults_in_lines_of_ultralytics(tmp_path, line, fault):
    (told,) = find_layout(ultralytics_folder(tmp_path, line)).faults
    assert told.startswith("labels/train/2.txt: line 3: ")
    assert fault in told


@pytest.mark.parametrize(
    ("yaml", "message"),
    [
        ("names: [a, a]", "names must differ"),
        ("names: 5", "names must be a list of texts, or texts by index"),
        ("names: [yes, no]", "YAML takes yes, no and numbers for texts in quotes"),
        ("names: [1, 2]", "YAML takes yes, no and numbers for texts in quotes"),
        ("masks_dir: a\nmasks_dir: b", "data.yaml: not YAML. Line"),
        ("val: ../../elsewhere", "val is '../../elsewhere', which is not there"),
        ("masks_dir: ../../elsewhere", "masks_dir is '../../elsewhere', but must be"),
        ("masks_dir: masks\nlabel_mapping: {1: 9}", "label_mapping maps 1 to 9"),
        ("masks_dir: masks", "2.png: has no mask. Add masks/train/2.png"),
    ],
)
def test_faults_in_the_yaml_of_ultralytics(tmp_path, yaml, message):
    with pytest.raises(DatasetError, match=message.replace(".", r"\.")):
        open_dataset(ultralytics_folder(tmp_path, yaml=yaml))


@pytest.mark.parametrize(
    ("folder", "change", "notice"),
    [
        (
            coco_folder,
            changed(*FIRST, "segmentation", to=[[1, 1, 5, 5]]),
            "Outlines of fewer than 3 points are left out (1 time, first in coco.json: "
            "annotation 0).",
        ),
        (
            coco_folder,
            changed(*FIRST, "segmentation", to=[[1, 1, 500, 5, 5, 5]]),
            "Outlines that leave the image are cut off at its border (1 time, first in "
            "coco.json: annotation 0).",
        ),
        (
            coco_folder,
            changed(*FIRST, "image_id", to=77),
            "Annotations of images that are not listed are left out (1 time, first in "
            "coco.json, 1 in it).",
        ),
        (
            labelme_folder,
            changed(*SHAPE, "points", to=[[1, 1], [5, 5]]),
            "A polygon of fewer than 3 points is left out (1 time, first in 2.json: "
            "shape 2).",
        ),
        (
            labelme_folder,
            changed(*SHAPE, "points", to=[[1, 1], [5, 5], [-90, 3]]),
            "Shapes that leave the image are cut off at its border (1 time, first in "
            "2.json: shape 2).",
        ),
        (
            label_studio_folder,
            changed(*REGION, "value", to={"x": 1, "y": 1, "keypointlabels": ["a"]}),
            "Regions that are no brush, polygon or rectangle are left out (1 time, "
            "first in export.json: task 1: region 1).",
        ),
    ],
)
def test_what_is_left_out_or_cut_is_told(tmp_path, folder, change, notice):
    layout = find_layout(folder(tmp_path, change))
    assert layout.faults == ()
    assert layout.notices == (notice,)
    for pair in layout.pairs:
        assert pair.mask.draw().shape == (HEIGHT_PX, WIDTH_PX)


@pytest.mark.parametrize("folder", [coco_folder, label_studio_folder])
def test_images_that_nothing_lists_are_told(tmp_path, folder):
    save_image(folder(tmp_path) / "more.png", 0)
    (notice,) = find_layout(tmp_path).notices
    assert notice.startswith("Images that no annotation lists are left out (1 time")


def test_crowds_ignored_ones_and_boxes_are_void(tmp_path):
    def change(data):
        first, second, third, *_ = data["annotations"]
        first["iscrowd"] = 1
        second["ignore"] = 1
        del third["segmentation"]
        third["bbox"] = [1, 2, 3, 4]

    layout = find_layout(coco_folder(tmp_path, change))
    first, second = (pair.mask.draw() for pair in layout.pairs[:2])
    assert set(np.unique(first)) == {0, 255}
    np.testing.assert_array_equal(first == 255, labels_of(0) > 0)
    expected = np.zeros((HEIGHT_PX, WIDTH_PX), bool)
    expected[2:6, 1:4] = True
    np.testing.assert_array_equal(second == 255, expected)
    assert "nothing but a box are void" in layout.notices[0]


def test_several_outlines_of_an_annotation_join(tmp_path):
    square = [2, 2, 8, 2, 8, 8, 2, 8]
    shifted = [x + 3 for x in square]
    change = changed(*FIRST, "segmentation", to=[square, shifted])
    codes = find_layout(coco_folder(tmp_path, change)).pairs[0].mask.draw()
    assert (codes[2:8, 2:8] == 1).all() and (codes[5:9, 5:11] == 1).all()


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("[" * 100_000, r"0\.json: is nested too deeply"),
        ('{"shapes": [}', r"0\.json: is not JSON"),
        (b"\xff\xfe\xff{", r"0\.json: is not JSON"),
        ("", r"0\.json: is not JSON"),
    ],
)
def test_files_that_are_no_json(tmp_path, text, message):
    labelme_folder(tmp_path)
    data = text if isinstance(text, bytes) else text.encode()
    (tmp_path / "0.json").write_bytes(data)
    with pytest.raises(DatasetError, match=message):
        open_dataset(tmp_path)


def test_deep_json_of_a_whole_data_set(tmp_path):
    coco_folder(tmp_path)
    text = json.dumps({"images": 0, "categories": 0, "annotations": 0})[:-1]
    (tmp_path / "coco.json").write_text(text + ', "x": ' + "[" * 100_000)
    with pytest.raises(DatasetError, match=r"coco\.json: is nested too deeply"):
        open_dataset(tmp_path)


def test_json_that_is_too_large(tmp_path, monkeypatch):
    monkeypatch.setattr(annotation_files, "_MOST_BYTES", 100)
    with pytest.raises(DatasetError, match=r"coco\.json: has 0\.0 GiB, but at most"):
        open_dataset(coco_folder(tmp_path))


@pytest.mark.parametrize("folder", [coco_folder, labelme_folder, label_studio_folder])
def test_an_image_of_another_size_is_told(tmp_path, folder):
    save_image(folder(tmp_path) / "2.png", 0)
    from PIL import Image

    Image.open(tmp_path / "2.png").resize((20, 12)).save(tmp_path / "2.png")
    with pytest.raises(DatasetError, match=r"json.*40 x 24 pixels.*2\.png is 20 x 12"):
        open_dataset(tmp_path)


def test_coco_twice_about_an_image(tmp_path):
    data = (coco_folder(tmp_path) / "coco.json").read_text()
    (tmp_path / "other.json").write_text(data)
    with pytest.raises(DatasetError, match=r"coco\.json and other\.json both describe"):
        open_dataset(tmp_path)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda data: data.pop("images") and data.update(images={}), "must be lists"),
        (changed("categories", 0, to={"id": 5}), "lacks 'name'"),
        (changed("images", 0, "id", to=None), "an id must be a whole number"),
        (changed("images", 0, "id", to=11), "is there twice"),
        (
            changed(*FIRST, "segments_info", to=[]),
            "has panoptic segments. Export instances",
        ),
        (
            lambda data: data["categories"].extend(
                {"id": 100 + i, "name": f"c{i}"} for i in range(300)
            ),
            "has 303 classes with background, but at most 254",
        ),
    ],
)
def test_coco_in_another_form(tmp_path, change, message):
    with pytest.raises(DatasetError, match=message):
        open_dataset(coco_folder(tmp_path, change))


def test_an_image_in_two_folders_is_ambiguous(tmp_path):
    coco_folder(tmp_path)
    (tmp_path / "a").mkdir()
    (tmp_path / "b").mkdir()
    (tmp_path / "2.png").rename(tmp_path / "a" / "2.png")
    save_image(tmp_path / "b" / "2.png", 2)
    (fault,) = find_layout(tmp_path).faults
    assert "may mean a/2.png, b/2.png" in fault


def test_a_dataset_yaml_of_ultralytics_is_no_description_of_ours(tmp_path):
    ultralytics_folder(tmp_path)
    (tmp_path / "data.yaml").rename(tmp_path / "dataset.yml")
    dataset = open_dataset(tmp_path)
    assert dataset.classes.names == ("background", "field", "lake")
    assert dataset.split.source == "folders train and val"


def test_our_description_beside_annotations_renames_their_classes(tmp_path):
    coco_folder(tmp_path)
    (tmp_path / "dataset.yaml").write_text(
        "classes:\n  - {name: rest, index: 0}\n  - {name: meadow, index: 1}\n"
        "  - {name: pond, index: 2}\nvoid_indices: [255]\n"
    )
    assert open_dataset(tmp_path).classes.names == ("rest", "meadow", "pond")


def only_boxes(data):
    for own in data["annotations"]:
        own |= {"segmentation": [], "bbox": [1, 1, 5, 5]}


def test_boxes_alone_are_no_masks(tmp_path):
    with pytest.raises(DatasetError, match=r"coco\.json: no annotation has a segmenta"):
        open_dataset(coco_folder(tmp_path, only_boxes))


def test_masks_are_read_where_annotations_are_boxes(tmp_path):
    for number in range(4):
        save_image(tmp_path / "images" / f"{number}.png", number)
        save_indices(tmp_path / "masks" / f"{number}.png", number)
    data = coco_file(range(4), "polygons", lambda number: f"{number}.png")
    only_boxes(data)
    write_json(tmp_path / "boxes.json", data)
    assert find_layout(tmp_path).name == "folders"


def test_parts_of_ultralytics_that_are_the_same(tmp_path):
    ultralytics_folder(tmp_path, yaml="val: images/train\n")
    layout = find_layout(tmp_path)
    assert layout.split is None
    assert len(layout.pairs) == len(layout.scenes) == 4
    assert layout.notices[0] == "data.yaml: val is the same as train and left out."


def test_labels_of_ultralytics_without_their_yaml(tmp_path):
    (ultralytics_folder(tmp_path) / "data.yaml").unlink()
    with pytest.raises(DatasetError, match="no YAML file names their classes"):
        open_dataset(tmp_path)


def test_the_short_export_of_label_studio(tmp_path):
    save_image(tmp_path / "0.png", 0)
    area = {"original_width": 40, "points": [[0, 0]], "polygonlabels": ["field"]}
    write_json(tmp_path / "min.json", [{"id": 1, "image": "0.png", "label": [area]}])
    with pytest.raises(
        DatasetError, match=r"min\.json: is Label Studio's export JSON-M"
    ):
        open_dataset(tmp_path)
