"""Data sets and settings that the tests of several rooms share."""

import json
import os
import subprocess
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

# Before any test imports a backend.
os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")

import numpy as np
import pytest
from hypothesis import settings

import rooms
from segshrink.data import (
    IGNORE_INDEX,
    AnnotatedImage,
    Classes,
    Dataset,
    Part,
    Split,
    open_dataset,
)

# No deadline: backends compile while an example runs, which says nothing about it.
settings.register_profile("dev", deadline=None, max_examples=15)
settings.register_profile("ci", deadline=None, max_examples=50, print_blob=True)
settings.load_profile("ci" if os.environ.get("CI") else "dev")


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    rooms.mark(items)


THREE_CLASSES = Classes(
    names=("grass", "water", "road"), colors=((0, 200, 0), (0, 0, 200), (90, 90, 90))
)


@dataclass(frozen=True, kw_only=True)
class DrawnImage(AnnotatedImage):
    """Blocks of noisy class colours: drawn at once, and learnt within an epoch or two.

    Attributes:
        seed: another seed gives another picture.
        absent: a class that does not occur; its blocks are void.
    """

    seed: int
    absent: int | None = None

    def read(self) -> tuple[np.ndarray, np.ndarray]:
        generator = np.random.default_rng(self.seed)
        blocks = generator.integers(0, 3, (self.height_px // 8, self.width_px // 8))
        labels = np.kron(blocks, np.ones((8, 8))).astype(np.uint8)
        colors = np.array(THREE_CLASSES.colors)[labels]
        image = np.clip(colors + generator.normal(0, 20, colors.shape), 0, 255)
        labels[:4] = IGNORE_INDEX
        labels[labels == self.absent] = IGNORE_INDEX
        return image.astype(np.uint8), labels


@pytest.fixture(scope="session", autouse=True)
def own_cache(tmp_path_factory: pytest.TempPathFactory) -> Iterator[None]:
    """Keeps surveys of data sets apart from those of the user."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("XDG_CACHE_HOME", str(tmp_path_factory.mktemp("cache")))
        yield


@pytest.fixture(scope="session")
def draw_dataset() -> Callable[..., Dataset]:
    """Makes a data set of drawn images; takes attributes of `DrawnImage`."""

    def draw(side_px: int = 64, **attributes: object) -> Dataset:
        def part(name: str, seeds: range) -> Part:
            images = [
                DrawnImage(
                    scene=f"{name}-{seed}",
                    name=f"{name}-{seed}/view",
                    height_px=side_px,
                    width_px=side_px,
                    seed=seed,
                    **attributes,
                )
                for seed in seeds
            ]
            return Part(name, images, THREE_CLASSES)

        train, val = part("train", range(3)), part("val", range(3, 4))
        test = part("test", range(4, 5))
        split = Split("drawn", train.scenes, val.scenes, test.scenes)
        return Dataset("drawn", THREE_CLASSES, train, val, test, split)

    return draw


@pytest.fixture(scope="session")
def tiny_dataset(draw_dataset: Callable[..., Dataset]) -> Dataset:
    """Three classes and some void, 64 px: 12 training tiles of 32 px."""
    return draw_dataset()


@pytest.fixture
def divided(tmp_path: Path) -> Callable[..., Dataset]:
    """Opens six scenes as one and the same file divides them, whatever it says."""

    def opened(**parts: list[int]) -> Dataset:
        file = tmp_path / "split.json"
        named = {part: [f"scene-00{i}" for i in on] for part, on in parts.items()}
        file.write_text(json.dumps(named))
        return open_dataset("synthetic", scenes=6, scene_px=64, split=file)

    return opened


@pytest.fixture
def small_disk(tmp_path: Path) -> Iterator[Callable[[int], Path]]:
    """Makes a file system of so many bytes; skips where none may be mounted."""
    mounted: list[Path] = []

    def mount(size_bytes: int) -> Path:
        place = tmp_path / "small disk"
        place.mkdir()
        command = ["mount", "-t", "tmpfs", "-o", f"size={size_bytes}", "tmpfs"]
        try:
            done = subprocess.run([*command, str(place)], capture_output=True)
        except FileNotFoundError:
            pytest.skip("there is no mount command")
        if done.returncode:
            pytest.skip("file systems may not be mounted here")
        mounted.append(place)
        return place

    yield mount
    for place in mounted:
        subprocess.run(["umount", str(place)], check=True)
