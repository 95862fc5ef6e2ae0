"""Fills caches of a teacher's logits and kills them; run by test_teacher_cache.py.

Prints what became of a fill that was killed before the first, the second, ... thing
that it changes in its folder: writing, renaming or removing a file.
"""

import json
import os
import shutil
import signal
import sys
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

# Without threads of a backend, so that this process can be forked; and what Keras
# imports if it is there, but does not need, takes longer than all that is done here.
os.environ["KERAS_BACKEND"] = "numpy"
sys.modules |= dict.fromkeys(("tensorflow", "torch", "sklearn", "matplotlib"))

import keras  # noqa: E402

from segshrink.data import AnnotatedImage, Classes, Part  # noqa: E402
from segshrink.distillation import TeacherCache  # noqa: E402

SIDE_PX = 8
STEPS = ("open", "os.rename", "os.remove", "os.mkdir", "os.rmdir", "os.truncate")
READING = ("r", "rb", "rt")


@dataclass(frozen=True, kw_only=True)
class Noise(AnnotatedImage):
    seed: int

    def read(self):
        size = (self.height_px, self.width_px)
        image = np.random.default_rng(self.seed).integers(0, 256, (*size, 3))
        return image.astype(np.uint8), np.zeros(size, np.uint8)


def teacher(seed: int) -> keras.Model:
    keras.utils.set_random_seed(seed)
    images = keras.Input((SIDE_PX, SIDE_PX, 3), name="images")
    return keras.Model(images, keras.layers.Dense(2, name="logits")(images), name="t")


CLASSES = Classes(names=("one", "two"), colors=((0, 0, 0), (9, 9, 9)))
PART = Part(
    "train",
    [
        Noise(scene=f"{seed}", name=f"{seed}", height_px=9, width_px=6, seed=seed)
        for seed in range(2)
    ],
    CLASSES,
)
FIRST, OTHER = teacher(0), teacher(1)


def cache(folder: Path, model: keras.Model = FIRST) -> TeacherCache:
    return TeacherCache(folder, model, PART)


def maps_in(folder: Path) -> dict[str, bytes]:
    """Those that have their final name."""
    return {path.name: path.read_bytes() for path in folder.glob("[0-9]*.npy")}


def killed_before(step: int, folder: Path) -> str | None:
    """Fill in a child that dies before the given step; what that was, None if none."""
    reading, writing = os.pipe()
    child = os.fork()
    if child == 0:
        done = 0

        def kill(event: str, arguments: tuple[Any, ...]) -> None:
            nonlocal done
            if event not in STEPS or str(folder) not in str(arguments[0]):
                return
            if event == "open" and arguments[1] in READING:
                return
            if done == step:
                name = Path(str(arguments[0])).name
                os.write(writing, f"{event} {name}".encode())
                os.kill(os.getpid(), signal.SIGKILL)
            done += 1

        filling = cache(folder)
        sys.addaudithook(kill)
        filling.fill()
        os._exit(0)
    os.close(writing)
    with os.fdopen(reading, "rb") as pipe:
        what = pipe.read().decode()
    _, status = os.waitpid(child, 0)
    if os.WIFSIGNALED(status):
        return what
    if status:
        raise RuntimeError(f"the fill itself failed: {status}")
    return None


def outcomes(
    root: Path, prepare: Callable[[Path], None], whole: dict[str, bytes]
) -> list[dict[str, Any]]:
    result = []
    while True:
        folder = root / f"{len(result):03}"
        prepare(folder)
        step = killed_before(len(result), folder)
        if step is None:
            return result
        there = maps_in(folder) if folder.exists() else {}
        kept = sum(whole[name] == data for name, data in there.items())
        outcome = {"step": step, "kept": kept, "made": None, "same": None}
        try:
            outcome |= {"made": cache(folder).fill(), "error": None}
            outcome["same"] = maps_in(folder) == whole
        except Exception as error:
            outcome["error"] = f"{type(error).__name__}: {error}"
        result.append(outcome)


def main(root: Path) -> None:
    cache(root / "whole").fill()
    cache(root / "other", OTHER).fill()
    whole = maps_in(root / "whole")

    def copy_of_other(folder: Path) -> None:
        shutil.copytree(root / "other", folder)

    scenarios = {"first": lambda folder: None, "rebuilt": copy_of_other}
    report = {
        name: outcomes(root / name, prepare, whole)
        for name, prepare in scenarios.items()
    }
    print(json.dumps(report))


if __name__ == "__main__":
    main(Path(sys.argv[1]))
