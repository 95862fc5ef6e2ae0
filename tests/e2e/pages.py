"""Commands and snippets of the documents, and what a reader has who types them.

A page says in comments, which are not shown, how it is tested:

    <!-- given: photos model.keras -->    what the reader has, see `GIVEN`
    <!-- not run: needs a cluster -->     before a block: why it is only parsed

Blocks of `sh` and `python` are run in their order in one folder, those of `yaml` are
validated if they are recipes. Training is cut short: `SMALLER` is appended to commands.
"""

import re
import shutil
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from PIL import Image

from e2e.scenes import NAMES, SPLIT

ROOT = Path(__file__).parents[2]
PAGES = [ROOT / "README.md", *sorted((ROOT / "docs").rglob("*.md"))]
_BLOCK = re.compile(
    r"^(?:<!-- not run: (?P<reason>.+?) -->\n)?"
    r"```(?P<language>\w*)[^\n]*\n(?P<text>.*?)^```$",
    re.MULTILINE | re.DOTALL,
)
_GIVEN = re.compile(r"<!-- given: (.+?) -->")

_TILES = ("data.tile_px=64",)
_TEACHER = ("teacher.model.base_filters=16", "teacher.model.levels=1")
_BRIEFLY = ("epochs=1", "tiles_per_epoch=8", "batch_size=4")
_TEACHER_TRAINING = tuple(f"teacher.training.{each}" for each in _BRIEFLY)
_STUDENT_TRAINING = tuple(f"student.training.{each}" for each in _BRIEFLY)
# An int8 file of a model that was hardly trained may lose anything.
_FILES = ("export.calibration_tiles=8", "export.onnx=false", "export.max_drop=100")
_MEASURING = ("measuring.rounds=3", "measuring.samples=2")
_GENERATED = ("data.scenes=8", "data.scene_px=128")
_RUN = _TILES + _STUDENT_TRAINING + _FILES + _MEASURING


@dataclass(frozen=True)
class Block:
    """A fenced block of a page.

    Attributes:
        language: after the fence; empty if there is none.
        text: the lines between the fences.
        reason: why it is not run; None if it is.
    """

    language: str
    text: str
    reason: str | None

    @property
    def commands(self) -> list[str]:
        """Lines of a shell, with those joined that end with a backslash."""
        joined = re.sub(r"\s*\\\n\s*", " ", self.text)
        lines = (line.strip() for line in joined.splitlines())
        return [line for line in lines if line and not line.startswith("#")]


def blocks_of(page: Path) -> list[Block]:
    found = _BLOCK.finditer(page.read_text(encoding="utf-8"))
    return [Block(each["language"], each["text"], each["reason"]) for each in found]


def given_in(page: Path) -> list[str]:
    """Names of what the reader of a page has."""
    named = _GIVEN.findall(page.read_text(encoding="utf-8"))
    return list(dict.fromkeys(" ".join(named).split()))


def smaller(words: list[str]) -> list[str]:
    """Options that make a command short, by its verb and what it is given."""
    verb, *rest = words
    line = " ".join(rest)
    if verb in ("compress", "search", "train"):
        fields = _RUN if verb != "train" else _TILES + _TEACHER_TRAINING
        if "teacher.file" not in line:
            fields += _TEACHER_TRAINING + _TEACHER
        if rest[0] == "synthetic":
            fields += _GENERATED
        options = [x for field in fields for x in ("--set", field)]
        # The last of two equal options counts.
        return [*options, *(("--trials", "2") if verb == "search" else ())]
    if verb == "distill":
        return [x for each in _TILES + _STUDENT_TRAINING for x in ("--set", each)]
    if verb == "prune":
        return ["--tiles", "8"] if "--data" in rest else []
    if verb == "benchmark":
        return ["--rounds", "3", "--threads", "1"]
    if verb == "export" and "--data" in rest and "--quantize" in rest:
        return ["--tiles", "8", "--max-drop", "100"]
    return []


def lay_out(name: str, folder: Path, scenes: Path, run: Path) -> None:
    """Put what a page calls `name` into the folder.

    Args:
        name: a key of `GIVEN`.
        folder: of the reader.
        scenes: data set of the tests.
        run: a finished run on it.
    """
    path = folder / name
    path.parent.mkdir(parents=True, exist_ok=True)
    GIVEN[name](path, scenes, run)


def _data_set(path, scenes, run):
    shutil.copytree(scenes, path)


def _run_folder(path, scenes, run):
    shutil.copytree(run, path)


def _unlabelled(path, scenes, run):
    path.mkdir()
    for number in range(3):
        _photograph(path / f"{number}.jpg", scenes, run, seed=number + 10)


def _photograph(path, scenes, run, seed=5):
    Image.fromarray(_patches(seed)).save(path)


def _patches(seed):
    coarse = np.random.default_rng(seed).integers(0, 256, (12, 16, 3))
    return np.kron(coarse, np.ones((20, 20, 1))).astype(np.uint8)


def _scene(path, scenes, run):
    from prediction.geotiffs import write_scene

    write_scene(path, _patches(6))


def _film(path, scenes, run):
    from prediction.videos import write_film

    write_film(path, [_patches(7)] * 12, [40 * frame for frame in range(12)])


def _teacher(path, scenes, run):
    from segshrink.models import build_model

    build_model(
        "unet",
        num_classes=len(NAMES),
        input_shape=(64, 64, 3),
        base_filters=32,
        levels=2,
    ).save(path)


def _pruned(path, scenes, run):
    """With its plan, as `prune` leaves it."""
    from e2e.command_line import succeeded

    whole = path.with_name("model.keras")
    succeeded("prune", whole, "--out", path, "--keep", 0.5)


def _onnx(path, scenes, run):
    shutil.copy(run / "artifacts" / "teacher-float.onnx", path)


def _predictions(path, scenes, run):
    """Probabilities of each training image, in a file of its name."""
    random = np.random.default_rng(8)
    for scene in SPLIT["train"]:
        with Image.open(scenes / scene / "images" / "view.png") as image:
            shape = (image.height, image.width, len(NAMES))
        values = random.uniform(0.1, 1, shape).astype("float32")
        (path / scene).mkdir(parents=True)
        np.save(path / scene / "view.npy", values / values.sum(axis=-1, keepdims=True))


# In the order in which they are laid out: a pruned model needs the whole one.
GIVEN = {
    "photos": _data_set,
    "runs/first": _run_folder,
    "more": _unlabelled,
    "photo.jpg": _photograph,
    "photo.png": _photograph,
    "aerial_photo.jpg": _photograph,
    "scene.tif": _scene,
    "film.mp4": _film,
    "model.keras": _teacher,
    "teacher.keras": _teacher,
    "smaller.keras": _pruned,
    "a.onnx": _onnx,
    "predictions": _predictions,
}
