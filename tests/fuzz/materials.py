"""Good files of every kind that a verb reads; the fuzzer spoils copies of them."""

import json
import shutil
from pathlib import Path

import numpy as np
import yaml
from PIL import Image

from segshrink.export import read_metadata, write_metadata
from segshrink.runtimes import shipped_model

ROOT = Path(__file__).parents[2]
COLORS = ((0, 200, 0), (0, 0, 200), (90, 90, 90))
SIDE_PX = 48
IMAGE_SUFFIXES = ("png", "jpg", "tif", "webp", "bmp")


def make_materials(folder: Path) -> None:
    """Write all good files into a folder, which must be empty or missing."""
    folder.mkdir(parents=True, exist_ok=True)
    _write_scenes(folder / "scenes")
    _write_coco(folder / "coco")
    _write_labelme(folder / "labelme")
    for suffix in IMAGE_SUFFIXES:
        Image.fromarray(_pixels(7)).save(folder / f"photo.{suffix}")
    shutil.copy(ROOT / "recipes" / "demo.yaml", folder / "recipe.yaml")
    (folder / "search.yaml").write_text(yaml.safe_dump(SEARCH))
    (folder / "split.json").write_text(json.dumps(SPLIT))
    shutil.copytree(ROOT / "results" / "demo", folder / "run")
    _write_without_checksum(folder / "elsewhere.tflite")
    shutil.copy(shipped_model(), folder / "own.tflite")
    write_metadata(folder / "own.tflite", read_metadata(shipped_model()))
    _write_onnx(folder / "model.onnx")
    _write_openvino(folder / "model.onnx", folder / "model.xml")
    _write_keras(folder / "model.keras")


def _write_without_checksum(path: Path) -> None:
    """The shipped model as a file that only its trial can find damaged."""
    from segshrink.export.metadata import _write_litert

    shutil.copy(shipped_model(), path)
    metadata = read_metadata(path)
    _write_litert(path, json.dumps(metadata.as_plain()), metadata)


SPLIT = {"train": ["a", "b"], "val": ["c"], "test": ["d"]}
SEARCH = {
    "data": {"tile_px": 64},
    "student": {"pruning": {"keep": 0.5}},
    "search": {
        "trials": 3,
        "objective": "miou",
        "space": {
            "student.pruning.keep": {"float": [0.2, 0.9]},
            "student.training.learning_rate": {"float": [1e-4, 1e-2], "log": True},
            "student.training.weight_decay": {"choice": [0.0, 1e-4]},
        },
    },
}


def _labels(seed: int) -> np.ndarray:
    blocks = np.random.default_rng(seed).integers(0, 3, (SIDE_PX // 8, SIDE_PX // 8))
    return np.kron(blocks, np.ones((8, 8), int))


def _mask(seed: int) -> np.ndarray:
    return np.array(COLORS, np.uint8)[_labels(seed)]


def _pixels(seed: int) -> np.ndarray:
    noise = np.random.default_rng(seed).normal(0, 15, (SIDE_PX, SIDE_PX, 3))
    return np.clip(_mask(seed) + noise, 0, 255).astype(np.uint8)


def _write_scenes(root: Path) -> None:
    for seed, scene in enumerate("abcd"):
        for kind, pixels in (("images", _pixels(seed)), ("masks", _mask(seed))):
            place = root / scene / kind
            place.mkdir(parents=True)
            Image.fromarray(pixels).save(place / "view.png")
    classes = [
        {"name": name, "color": list(color)}
        for name, color in zip(("grass", "water", "road"), COLORS, strict=True)
    ]
    text = yaml.safe_dump({"name": "blocks", "classes": classes, "split": SPLIT})
    (root / "dataset.yaml").write_text(text)


def _write_coco(root: Path) -> None:
    (root / "images").mkdir(parents=True)
    images, annotations = [], []
    for number in range(1, 4):
        name = f"{number}.png"
        Image.fromarray(_pixels(number)).save(root / "images" / name)
        size = {"height": SIDE_PX, "width": SIDE_PX}
        images.append({"id": number, "file_name": name, **size})
        outline = [2, 2, 30, 2, 30, 20 + number, 2, 20 + number]
        annotations.append(
            {
                "id": number,
                "image_id": number,
                "category_id": 1 + number % 2,
                "segmentation": [outline],
                "iscrowd": 0,
                "area": 500,
                "bbox": [2, 2, 28, 18 + number],
            }
        )
    content = {
        "images": images,
        "annotations": annotations,
        "categories": [{"id": 1, "name": "house"}, {"id": 2, "name": "tree"}],
    }
    (root / "annotations.json").write_text(json.dumps(content))


def _write_labelme(root: Path) -> None:
    root.mkdir(parents=True)
    for number in range(1, 4):
        Image.fromarray(_pixels(number)).save(root / f"{number}.png")
        shape = {
            "label": ("house", "tree")[number % 2],
            "points": [[2, 2], [30, 2], [30, 20 + number]],
            "shape_type": "polygon",
        }
        content = {
            "shapes": [shape],
            "imagePath": f"{number}.png",
            "imageHeight": SIDE_PX,
            "imageWidth": SIDE_PX,
        }
        (root / f"{number}.json").write_text(json.dumps(content))


def _write_onnx(path: Path) -> None:
    import onnx
    from onnx import helper, numpy_helper

    random = np.random.default_rng(0)
    kernel = random.normal(size=(5, 3, 3, 3)).astype(np.float32)
    size = [1, 3, SIDE_PX, SIDE_PX]
    graph = helper.make_graph(
        [
            helper.make_node("Conv", ["image", "kernel"], ["x"], pads=[1, 1, 1, 1]),
            helper.make_node("Relu", ["x"], ["logits"]),
        ],
        "tiny",
        [helper.make_tensor_value_info("image", onnx.TensorProto.FLOAT, size)],
        [
            helper.make_tensor_value_info(
                "logits", onnx.TensorProto.FLOAT, [1, 5, SIDE_PX, SIDE_PX]
            )
        ],
        [numpy_helper.from_array(kernel, "kernel")],
    )
    opset = [helper.make_opsetid("", 13)]
    onnx.save(helper.make_model(graph, opset_imports=opset, ir_version=9), str(path))


def _write_openvino(onnx_model: Path, path: Path) -> None:
    import openvino

    model = openvino.Core().read_model(str(onnx_model))
    openvino.save_model(model, str(path), compress_to_fp16=False)


def _write_keras(path: Path) -> None:
    import keras

    from segshrink.models import save_model

    image = keras.Input((SIDE_PX, SIDE_PX, 3))
    x = keras.layers.Conv2D(8, 3, padding="same", activation="relu")(image)
    save_model(keras.Model(image, keras.layers.Conv2D(5, 1)(x)), path)
