"""A bad input by its number: files in a folder, and the command that reads them."""

import json
import os
import shutil
import zipfile
from collections.abc import Callable
from pathlib import Path
from random import Random

import yaml

from fuzz.materials import IMAGE_SUFFIXES
from fuzz.spoiling import TEXTS, spoiled_bytes, spoiled_data, spoiled_png

Arguments = list[str]
Maker = Callable[[Path, Path, Random], Arguments]


def make_case(
    number: int, seed: int, good: Path, folder: Path
) -> tuple[str, Arguments]:
    """Write the files of a case.

    Args:
        number: which case; the same number and seed give the same files.
        seed: of all cases.
        good: folder of `make_materials`.
        folder: empty folder to write into.

    Returns:
        (kind, arguments of the command line).
    """
    random = Random(f"{seed}-{number}")
    kinds, weights = zip(*((kind, x[1]) for kind, x in KINDS.items()), strict=True)
    kind = random.choices(kinds, weights)[0]
    return kind, KINDS[kind][0](good, folder, random)


def _spoil_text(path: Path, random: Random) -> None:
    """Spoil a file of YAML or JSON, as data, as text or as bytes."""
    draw = random.random()
    is_json = path.suffix == ".json"
    if draw < 0.7:
        text = path.read_text()
        data = spoiled_data(
            json.loads(text) if is_json else yaml.safe_load(text), random
        )
        path.write_text(_written(data, is_json), encoding="utf-8", errors="replace")
    elif draw < 0.85 and not is_json:
        text = random.choice(TEXTS)
        kept = path.read_text() if random.random() < 0.5 else ""
        path.write_text(f"{kept}\n{text}", encoding="utf-8")
    else:
        path.write_bytes(spoiled_bytes(path.read_bytes(), random))


def _written(data: object, is_json: bool) -> str:
    if not is_json:
        return yaml.safe_dump(data, allow_unicode=True)
    try:
        return json.dumps(data)
    except TypeError:  # of keys of several types
        return json.dumps(str(data))


def _never_ending(path: Path, random: Random) -> None:
    """Put something in place of a file that is no regular one."""
    path.unlink()
    kind = random.choice(("/dev/zero", "/dev/full", "/proc/self/status", "pipe", ""))
    if kind == "pipe":
        os.mkfifo(path)
    elif kind:
        path.symlink_to(kind)
    else:
        path.mkdir()


def _text_of(name: str, *before: str, after: Arguments | None = None) -> Maker:
    def make(good: Path, folder: Path, random: Random) -> Arguments:
        path = folder / name
        shutil.copy(good / name, path)
        if random.random() < 0.04:
            _never_ending(path, random)
        else:
            _spoil_text(path, random)
        return [*before, str(path), *(after or [])]

    return make


def _split(good: Path, folder: Path, random: Random) -> Arguments:
    arguments = _text_of("split.json")(good, folder, random)
    return ["inspect", str(good / "scenes"), "--no-write", "--split", *arguments]


def _in_folder(name: str, pattern: str) -> Maker:
    """Spoils one text file of a data set, or its place."""

    def make(good: Path, folder: Path, random: Random) -> Arguments:
        root = Path(shutil.copytree(good / name, folder / name))
        path = random.choice(sorted(root.rglob(pattern)))
        if random.random() < 0.04:
            _never_ending(path, random)
        else:
            _spoil_text(path, random)
        verb = random.choice(("inspect", "inspect", "convert"))
        if verb == "convert":
            return ["convert", str(root), "--out", str(folder / "out")]
        return ["inspect", str(root), "--no-write"]

    return make


def _spoil_image(path: Path, random: Random) -> None:
    content = path.read_bytes()
    if random.random() < 0.04:
        _never_ending(path, random)
    elif path.suffix == ".png" and random.random() < 0.6:
        path.write_bytes(spoiled_png(content, random))
    else:
        path.write_bytes(spoiled_bytes(content, random))


def _photo(good: Path, folder: Path, random: Random) -> Arguments:
    suffix = random.choice(IMAGE_SUFFIXES)
    name = random.choice(
        ("photo", "photo", "photo", "ö" * 110, "a" * 250, "a b.c", "-")
    )
    path = folder / f"{name}.{suffix}"
    shutil.copy(good / f"photo.{suffix}", path)
    _spoil_image(path, random)
    return [
        "predict",
        str(good / "own.tflite"),
        str(path),
        "--out",
        str(folder / "out"),
    ]


def _tile(good: Path, folder: Path, random: Random) -> Arguments:
    root = Path(shutil.copytree(good / "scenes", folder / "scenes"))
    _spoil_image(random.choice(sorted(root.rglob("*.png"))), random)
    return ["inspect", str(root), "--no-write"]


def _record(good: Path, folder: Path, random: Random) -> Arguments:
    run = Path(shutil.copytree(good / "run", folder / "run"))
    files = [path for path in run.rglob("*") if path.suffix in (".json", ".yaml")]
    _spoil_text(random.choice(sorted(files)), random)
    return ["report", str(run)]


def _metadata(good: Path, folder: Path, random: Random) -> Arguments:
    from segshrink.export.metadata import _write_litert, read_metadata

    path = folder / "model.tflite"
    shutil.copy(good / "elsewhere.tflite", path)
    metadata = read_metadata(path)
    text = _written(spoiled_data(metadata.as_plain(), random), True)
    if random.random() < 0.2:
        text = spoiled_bytes(text.encode(), random).decode(errors="replace")
    _write_litert(path, text, metadata)
    return _used(good, folder, path, random)


def _model(name: str) -> Maker:
    def make(good: Path, folder: Path, random: Random) -> Arguments:
        path = folder / name
        shutil.copy(good / name, path)
        if path.suffix == ".xml":
            shutil.copy(good / "model.bin", folder / "model.bin")
        path.write_bytes(spoiled_bytes(path.read_bytes(), random))
        return _used(good, folder, path, random)

    return make


def _keras(good: Path, folder: Path, random: Random) -> Arguments:
    path = folder / "model.keras"
    shutil.copy(good / "model.keras", path)
    if random.random() < 0.4:
        path.write_bytes(spoiled_bytes(path.read_bytes(), random))
        return _used(good, folder, path, random)
    with zipfile.ZipFile(good / "model.keras") as source:
        members = {name: source.read(name) for name in source.namelist()}
    name = random.choice(sorted(members))
    if random.random() < 0.2:
        del members[name]
    elif name.endswith(".json"):
        data = spoiled_data(json.loads(members[name]), random)
        members[name] = _written(data, True).encode()
    else:
        members[name] = spoiled_bytes(members[name], random)
    if random.random() < 0.1:
        members["assets/zeros"] = bytes(300 << 20)
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as target:
        for name, content in members.items():
            target.writestr(name, content)
    return _used(good, folder, path, random)


def _used(good: Path, folder: Path, model: Path, random: Random) -> Arguments:
    if random.random() < 0.5:
        return ["inspect", str(model)]
    photo = str(good / "photo.png")
    return ["predict", str(model), photo, "--out", str(folder / "out")]


# How to make each kind, and how often it is drawn.
KINDS: dict[str, tuple[Maker, float]] = {
    "recipe": (_text_of("recipe.yaml", "validate"), 26),
    "search recipe": (_text_of("search.yaml", "validate"), 8),
    "split": (_split, 8),
    "dataset.yaml": (_in_folder("scenes", "dataset.yaml"), 10),
    "photograph": (_photo, 18),
    "image or mask": (_tile, 8),
    "COCO": (_in_folder("coco", "*.json"), 6),
    "LabelMe": (_in_folder("labelme", "*.json"), 4),
    "record": (_record, 0.3),
    "metadata": (_metadata, 3),
    "own .tflite": (_model("own.tflite"), 2),
    ".tflite": (_model("elsewhere.tflite"), 2),
    ".onnx": (_model("model.onnx"), 1),
    ".xml": (_model("model.xml"), 1),
    ".keras": (_keras, 1),
}
