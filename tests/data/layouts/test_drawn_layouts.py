"""Each layout of drawn annotations: the same scenes, classes, split and labels."""

import base64
import io
import json

import numpy as np
import pytest
from PIL import Image

from segshrink.data import open_dataset

from .drawing import (
    SIZE,
    brush_runs,
    coco_runs,
    coco_text,
    mask_of,
    outlines_of,
)
from .scenes import (
    HEIGHT_PX,
    NAMES,
    THREE_PARTS,
    TWO_PARTS,
    WIDTH_PX,
    assert_read,
    in_parts,
    labels_of,
    save_image,
    save_indices,
)


def flat(corners):
    return [float(x) for corner in corners for x in corner]


def coco_area(kind, number, label, corners):
    """One rectangle, below what `outlines_of` draws over it."""
    if kind == "polygons":
        return [flat(corners)]
    mask = np.zeros(SIZE, bool)
    (left, top), (right, bottom) = corners[0], corners[2]
    mask[top:bottom, left:right] = True
    counts = coco_runs(mask)
    if kind == "text":
        counts = coco_text(counts)
    return {"size": list(SIZE), "counts": counts}


def coco_file(numbers, kind, file_name):
    images, annotations = [], []
    for number in numbers:
        entry = {"id": number + 10, "file_name": file_name(number)}
        images.append(entry | {"height": HEIGHT_PX, "width": WIDTH_PX})
        for label, corners in outlines_of(number):
            area = coco_area(kind, number, label, corners)
            own = {"id": len(annotations), "image_id": number + 10}
            # Ids of categories have gaps in COCO's own files, too.
            own |= {"category_id": 5 * label, "segmentation": area, "iscrowd": 0}
            annotations.append(own)
    categories = [{"id": 5, "name": "field"}, {"id": 10, "name": "lake"}]
    return {"images": images, "annotations": annotations, "categories": categories}


def write_json(path, data):
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(json.dumps(data), encoding="utf-8")


@pytest.mark.parametrize("kind", ["polygons", "runs", "text"])
def test_coco(tmp_path, kind):
    for part, numbers in TWO_PARTS.items():
        for number in numbers:
            save_image(tmp_path / f"{part}2017" / f"00{number}.jpg", number)
        data = coco_file(numbers, kind, lambda number: f"00{number}.jpg")
        write_json(tmp_path / "annotations" / f"instances_{part}2017.json", data)
        write_json(tmp_path / "annotations" / f"captions_{part}2017.json", data)
    dataset = open_dataset(tmp_path)
    assert_read(dataset, TWO_PARTS)
    assert dataset.train.scenes == ("train",)
    assert dataset.train[0].name == "train/000"


def test_coco_of_roboflow(tmp_path):
    for part, numbers in THREE_PARTS.items():
        folder = tmp_path / part.replace("val", "valid")
        for number in numbers:
            save_image(folder / f"a.rf.{number}.jpg", number)
        data = coco_file(numbers, "polygons", lambda number: f"a.rf.{number}.jpg")
        data["categories"].insert(0, {"id": 0, "name": "things"})
        write_json(folder / "_annotations.coco.json", data)
    names = ("background", "things", "field", "lake")
    dataset = open_dataset(tmp_path)
    assert dataset.classes.names == names
    assert "class 'things': no mask holds a pixel" in "\n".join(dataset.notices)


def test_coco_without_parts(tmp_path):
    for number in range(6):
        save_image(tmp_path / "data" / f"{number}.png", number)
    data = coco_file(range(6), "polygons", lambda number: f"C:\\x\\{number}.png")
    write_json(tmp_path / "labels.json", data)
    dataset = open_dataset(tmp_path)
    assert dataset.split.source == "seed 0"
    assert sorted(dataset.train.scenes + dataset.val.scenes + dataset.test.scenes) == [
        str(number) for number in range(6)
    ]
    for image in (*dataset.train, *dataset.val, *dataset.test):
        np.testing.assert_array_equal(image.read()[1], labels_of(int(image.name)))


def test_no_background_where_shapes_cover_all(tmp_path):
    data = coco_file(range(4), "polygons", lambda number: f"{number}.png")
    for own in data["annotations"]:
        own["segmentation"] = [[0, 0, WIDTH_PX, 0, WIDTH_PX, HEIGHT_PX, 0, HEIGHT_PX]]
        if own["category_id"] == 10:
            own["segmentation"] = [[0, 0, 9, 0, 9, 9, 0, 9]]
    for number in range(4):
        save_image(tmp_path / f"{number}.png", number)
    write_json(tmp_path / "coco.json", data)
    dataset = open_dataset(tmp_path)
    assert dataset.classes.names == ("field", "lake")
    expected = np.zeros(SIZE)
    expected[:9, :9] = 1
    np.testing.assert_array_equal(dataset.train[0].read()[1], expected)


def labelme_shapes(number, kind):
    """Points of LabelMe are pixels, so that right and lower edges are one less."""
    shapes = []
    for label, corners in outlines_of(number):
        (left, top), (right, bottom) = corners[0], corners[2]
        shape = {"label": NAMES[label], "group_id": None, "shape_type": kind}
        if kind == "mask":
            buffer = io.BytesIO()
            Image.new("1", (right - left, bottom - top), 1).save(buffer, "PNG")
            shape["mask"] = base64.b64encode(buffer.getvalue()).decode()
        points = [[left, top], [right - 1, bottom - 1]]
        if kind == "polygon":
            points = [[left, top], [right - 1, top], points[1], [left, bottom - 1]]
        shapes.append(shape | {"points": points})
    return shapes


def labelme_file(number, kind, image):
    return {
        "version": "5.5.0",
        "flags": {},
        "shapes": labelme_shapes(number, kind),
        "imagePath": image,
        "imageData": None,
        "imageHeight": HEIGHT_PX,
        "imageWidth": WIDTH_PX,
    }


@pytest.mark.parametrize("kind", ["polygon", "rectangle", "mask"])
def test_labelme(tmp_path, kind):
    for part, number in in_parts(THREE_PARTS):
        folder = tmp_path / part
        save_image(folder / f"Scene {number}.png", number)
        data = labelme_file(number, kind, f"..\\images\\Scene {number}.png")
        write_json(folder / f"Scene {number}.json", data)
    dataset = open_dataset(tmp_path)
    assert_read(dataset, THREE_PARTS)
    assert "Classes are those of the shapes' labels." in dataset.notices


def test_labelme_in_folders_of_their_own(tmp_path):
    (tmp_path / "labels.txt").write_text("__ignore__\n_background_\nlake\nfield\n")
    for number in range(4):
        save_image(tmp_path / "images" / f"{number}.jpg", number)
        data = labelme_file(number, "polygon", f"{number}.jpg")
        data["shapes"].append(
            {"label": "__ignore__", "points": [[0, 0], [3, 1]], "group_id": 3}
            | {"shape_type": "rectangle"}
        )
        write_json(tmp_path / "json" / f"{number}.json", data)
    dataset = open_dataset(tmp_path)
    assert dataset.classes.names == ("_background_", "lake", "field")
    for image in dataset.train:
        expected = np.array([0, 2, 1])[labels_of(int(image.name))]
        expected[:2, :4] = 255
        np.testing.assert_array_equal(image.read()[1], expected)


def label_studio_region(number, label, corners, kind):
    region = {"original_width": WIDTH_PX, "original_height": HEIGHT_PX}
    region |= {"id": f"r{label}", "image_rotation": 0, "to_name": "image"}
    shares = [[100 * x / WIDTH_PX, 100 * y / HEIGHT_PX] for x, y in corners]
    if kind == "brush":
        packed = brush_runs(mask_of(number, label), spelt=label == 2)
        value = {"format": "rle", "rle": packed, "brushlabels": [NAMES[label]]}
    elif kind == "polygon":
        value = {"points": shares, "polygonlabels": [NAMES[label]], "closed": True}
    else:
        (x, y), (right, bottom) = shares[0], shares[2]
        value = {"x": x, "y": y, "width": right - x, "height": bottom - y}
        value |= {"rotation": 0, "rectanglelabels": [NAMES[label]]}
    return region | {"type": f"{kind}labels", "value": value}


def label_studio_task(number, kind, image):
    result = [
        label_studio_region(number, label, corners, kind)
        for label, corners in outlines_of(number)
    ]
    annotation = {"id": 1, "was_cancelled": False, "result": result}
    return {"id": number, "annotations": [annotation], "data": {"image": image}}


@pytest.mark.parametrize("kind", ["brush", "polygon", "rectangle"])
@pytest.mark.parametrize(
    "url",
    [
        "/data/upload/1/0a1b2c3d-scene_{}.png",
        "/data/local-files/?d=images/scene_{}.png",
        "s3://bucket/images/scene_{}.png",
    ],
)
def test_label_studio(tmp_path, kind, url):
    tasks = []
    for number in range(6):
        save_image(tmp_path / "images" / f"scene_{number}.png", number)
        tasks.append(label_studio_task(number, kind, url.format(number)))
    tasks.append({"id": 99, "annotations": [], "data": {"image": "none.png"}})
    write_json(tmp_path / "project-1.json", tasks)
    dataset = open_dataset(tmp_path)
    assert dataset.classes.names == NAMES
    assert any("without an annotation are left out" in x for x in dataset.notices)
    images = (*dataset.train, *dataset.val, *dataset.test)
    assert len(images) == 6
    for image in images:
        np.testing.assert_array_equal(image.read()[1], labels_of(int(image.name[-1])))


ULTRALYTICS = """\
path: /home/someone/datasets/fields  # where it lay once
train: {train}
val: {val}
names:
  0: field
  1: lake
"""


def polygon_lines(number):
    return "".join(
        f"{label - 1} "
        + " ".join(f"{x / WIDTH_PX:.9f} {y / HEIGHT_PX:.9f}" for x, y in corners)
        + "\n"
        for label, corners in outlines_of(number)
    )


@pytest.mark.parametrize("inner", ["{}/{}", "{1}/{0}"])
def test_polygons_of_ultralytics(tmp_path, inner):
    for part, number in in_parts(TWO_PARTS):
        folder = tmp_path / inner.format("images", part)
        save_image(folder / f"x{number}.jpg", number)
        labels = tmp_path / inner.format("labels", part)
        labels.mkdir(parents=True, exist_ok=True)
        (labels / f"x{number}.txt").write_text(polygon_lines(number))
    # Images without a file, and with an empty one.
    for name in ("absent7", "empty8"):
        save_image(tmp_path / inner.format("images", "train") / f"{name}.jpg", 0)
    (tmp_path / inner.format("labels", "train") / "empty8.txt").write_text("\n")
    folders = {part: inner.format("images", part) for part in TWO_PARTS}
    (tmp_path / "dataset.yaml").write_text(ULTRALYTICS.format(**folders))
    dataset = open_dataset(tmp_path)
    assert dataset.classes.names == NAMES
    by_name = {image.name: image for image in (*dataset.train, *dataset.val)}
    assert not by_name.pop("train/absent7").read()[1].any()
    assert not by_name.pop("train/empty8").read()[1].any()
    assert sorted(by_name) == [f"train/x{n}" for n in range(4)] + ["val/x4", "val/x5"]
    for name, image in by_name.items():
        np.testing.assert_array_equal(image.read()[1], labels_of(int(name[-1])))


def test_lists_of_ultralytics(tmp_path):
    for part, numbers in TWO_PARTS.items():
        for number in numbers:
            save_image(tmp_path / "images" / f"x{number}.jpg", number)
            (tmp_path / "labels").mkdir(exist_ok=True)
            path = tmp_path / "labels" / f"x{number}.txt"
            path.write_text(polygon_lines(number))
        lines = "".join(f"./images/x{number}.jpg\n" for number in numbers)
        (tmp_path / f"{part}.txt").write_text(lines)
    text = ULTRALYTICS.format(train="train.txt", val="../val.txt")
    (tmp_path / "data.yml").write_text(text)
    assert_read(open_dataset(tmp_path), TWO_PARTS)


@pytest.mark.parametrize("mapping", ["", "label_mapping"])
def test_semantic_masks_of_ultralytics(tmp_path, mapping):
    text = ULTRALYTICS.replace("0: field\n  1: lake", "[background, field, lake]")
    text = text.format(train="images/train", val="images/val") + "masks_dir: masks\n"
    codes = (0, 1, 2)
    if mapping:
        codes = (7, 11, 12)
        text += "label_mapping: {-1: ignore_label, 7: 0, 11: 1, 12: 2, 5: ignore_label}"
    for part, number in in_parts(TWO_PARTS):
        save_image(tmp_path / "images" / part / f"x{number}.jpg", number)
        save_indices(tmp_path / "masks" / part / f"x{number}.png", number, codes)
    (tmp_path / "data.yaml").write_text(text)
    dataset = open_dataset(tmp_path)
    assert_read(dataset, TWO_PARTS)
    assert dataset.classes.void_indices == (255,)
