"""Small folders of images and masks, written by the tests that read them."""

import struct
import zlib
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from PIL import Image

from segshrink.data import AnnotatedImage, Classes, Part
from segshrink.data.images import SourceFile

RED, GREEN, BLUE, BLACK = (255, 0, 0), (0, 255, 0), (0, 0, 255), (0, 0, 0)
THREE_CLASSES = Classes(names=("red", "green", "blue"), colors=(RED, GREEN, BLUE))

AERIAL_CLASSES = Classes(
    names=("Building", "Land", "Road", "Vegetation", "Water", "Unlabeled"),
    colors=(
        (60, 16, 152),
        (132, 41, 246),
        (110, 193, 228),
        (254, 221, 58),
        (226, 169, 41),
        (155, 155, 155),
    ),
)

DESCRIPTION = """\
classes:
  - {name: red, color: [255, 0, 0]}
  - {name: green, color: "#00FF00"}
  - {name: blue, color: [0, 0, 255]}
void_colors: ["#000000"]
"""


def source_file(path: Path) -> SourceFile:
    return SourceFile(path, path.name)


def noise(height: int, width: int, seed: int = 0) -> np.ndarray:
    generator = np.random.default_rng(seed)
    return generator.integers(0, 256, (height, width, 3), dtype=np.uint8)


def stripes(height: int, width: int, count: int = 3) -> np.ndarray:
    """Labels 0 to count - 1 in vertical stripes."""
    columns = np.arange(width) * count // width
    return np.broadcast_to(columns.astype(np.uint8), (height, width)).copy()


def save(path: Path, pixels: np.ndarray) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.fromarray(pixels).save(path)
    return path


def add_pair(
    scene: Path,
    name: str,
    *,
    labels: np.ndarray | None = None,
    classes: Classes = THREE_CLASSES,
    suffix: str = ".jpg",
) -> None:
    """One image of noise and its colour mask in `scene`/images and `scene`/masks."""
    labels = stripes(20, 30) if labels is None else labels
    height, width = labels.shape
    save(scene / "images" / f"{name}{suffix}", noise(height, width))
    save(scene / "masks" / f"{name}.png", classes.colorize(labels))


def scenes_folder(
    root: Path, names: Iterable[str] = ("a", "b", "c"), description: str = DESCRIPTION
) -> Path:
    """A sound folder: a scene for each name, two images in each."""
    for name in names:
        add_pair(root / name, "one")
        add_pair(root / name, "two")
    if description:
        (root / "dataset.yaml").write_text(description)
    return root


def camvid_folder(root: Path, largest_index: int = 11) -> Path:
    for part in ("train", "val", "test"):
        for name in ("0001TP_1", "0001TP_2"):
            labels = stripes(22, 36, largest_index + 1)
            save(root / part / f"{name}.png", noise(22, 36))
            save(root / f"{part}annot" / f"{name}.png", labels)
    return root


def cut_off(path: Path, keep: float = 0.6) -> None:
    """Truncate a file, as a broken download does."""
    data = path.read_bytes()
    path.write_bytes(data[: int(len(data) * keep)])


def write_png(
    path: Path,
    rows: list[bytes],
    *,
    width: int,
    depth: int,
    kind: int,
    orientation: int = 1,
):
    """A PNG of a bit depth and colour kind that Pillow reads but does not write."""
    exif = Image.Exif()
    exif[0x0112] = orientation

    def chunk(name: bytes, data: bytes) -> bytes:
        checksum = struct.pack(">I", zlib.crc32(name + data))
        return struct.pack(">I", len(data)) + name + data + checksum

    header = struct.pack(">IIBBBBB", width, len(rows), depth, kind, 0, 0, 0)
    body = zlib.compress(b"".join(b"\0" + row for row in rows))
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(
        b"\x89PNG\r\n\x1a\n"
        + chunk(b"IHDR", header)
        + chunk(b"eXIf", exif.tobytes().removeprefix(b"Exif\0\0"))
        + chunk(b"IDAT", body)
        + chunk(b"IEND", b"")
    )
    return path


@dataclass(frozen=True, kw_only=True)
class HeldImage(AnnotatedImage):
    """An image in memory."""

    image: np.ndarray
    labels: np.ndarray

    def read(self):
        return self.image.copy(), self.labels.copy()


def held(image: np.ndarray, labels: np.ndarray, name: str = "held") -> HeldImage:
    height, width = labels.shape
    return HeldImage(
        scene=name,
        name=name,
        height_px=height,
        width_px=width,
        image=image,
        labels=labels,
    )


def encoded(labels: np.ndarray) -> np.ndarray:
    """An image whose colours say the labels: 40 levels a class, the same in each."""
    return np.repeat((labels * 40)[:, :, np.newaxis], 3, axis=2).astype(np.uint8)


def encoded_part(sizes: Iterable[tuple[int, int]], classes: Classes | None = None):
    """Images of random labels whose colours say the labels."""
    generator = np.random.default_rng(7)
    images = []
    for number, size in enumerate(sizes):
        labels = generator.integers(0, 3, size, dtype=np.uint8)
        images.append(held(encoded(labels), labels, name=f"held-{number}"))
    return Part("train", images, classes or THREE_CLASSES)
