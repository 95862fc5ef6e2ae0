"""Any data set as a folder of ours: images, masks with a palette, classes and split."""

import shutil
from dataclasses import replace
from pathlib import Path
from typing import Any, Unpack

import numpy as np
import numpy.typing as npt
import yaml
from PIL import Image

from segshrink.data.annotated import AnnotatedImage, ImageFile
from segshrink.data.band_reading import reader_of
from segshrink.data.classes import IGNORE_INDEX, Classes
from segshrink.data.dataset import Dataset, open_dataset
from segshrink.data.description import DESCRIPTION_NAME
from segshrink.data.opening import OpeningOptions
from segshrink.errors import DatasetError
from segshrink.progress import Progress, SilentProgress
from segshrink.records import atomic_write

_LEVELS = 256
_RGB = 3


def convert_dataset(
    source: str | Path,
    out: str | Path,
    *,
    split: str | Path | None = None,
    seed: int = 0,
    progress: Progress | None = None,
    **options: Unpack[OpeningOptions],
) -> Dataset:
    """Write a data set as `SCENE/images`, `SCENE/masks` and a `dataset.yaml`.

    Image files are copied as they are; generated ones are written as PNG. Masks are PNG
    with the colours of the classes as palette, whose entries are the labels, and 255 is
    void. The split is written too, so that it stays the same.

    Args:
        source: as for `open_dataset`.
        out: folder to write, which must not exist, or be empty. It appears when all is
            written.
        split: as for `open_dataset`.
        seed: as for `open_dataset`.
        progress: receives each image.
        **options: as `OpeningOptions`.

    Returns:
        The data set that was read.

    Raises:
        DatasetError: if the data set has faults, or `out` holds something.
    """
    out = Path(out)
    if out.exists() and (not out.is_dir() or any(out.iterdir())):
        raise DatasetError(f"{out}: exists already. Name a folder that does not.")
    progress = progress or SilentProgress()
    dataset = open_dataset(source, split=split, seed=seed, progress=progress, **options)
    images = [image for part in dataset.parts.values() for image in part]
    places = _places(images)
    progress.start("writing images and masks", len(images))
    with atomic_write(out) as folder:
        for image in images:
            _write(image, folder, places[image.name], dataset.classes)
            progress.advance()
        _write_description(folder, dataset)
    progress.finish()
    return dataset


def _places(images: list[AnnotatedImage]) -> dict[str, tuple[str, str]]:
    """(folder of the scene, name of the files) of each image.

    Images that are scenes of their own lie in one folder, if all are.
    """
    flat = all(image.scene == image.name for image in images)
    places: dict[str, tuple[str, str]] = {}
    taken: set[tuple[str, str]] = set()
    for image in images:
        inner = image.name.removeprefix(f"{image.scene}/")
        alone = image.scene == image.name
        scene = "" if flat else image.scene
        stem = image.name.rpartition("/")[2] if alone else inner.replace("/", "_")
        place = scene, image.name.replace("/", "_") if flat else stem
        if place in taken:
            raise DatasetError(
                f"{image.name}: another image would get the same name, {place[1]}. "
                "Rename one."
            )
        taken.add(place)
        places[image.name] = place
    return places


def _write(
    image: AnnotatedImage, folder: Path, place: tuple[str, str], classes: Classes
) -> None:
    scene, stem = place
    pixels, labels = image.read()
    images, masks = folder / scene / "images", folder / scene / "masks"
    for each in (images, masks):
        each.mkdir(parents=True, exist_ok=True)
    reader = reader_of(image.image) if isinstance(image, ImageFile) else None
    if reader is not None and reader.files and isinstance(image, ImageFile):
        every = replace(reader, use=tuple(range(1, len(reader.files) + 1)))
        np.save(images / f"{stem}.npy", every.numbers(image.image)[0])
    elif image.image_path is None and image.num_bands != _RGB:
        np.save(images / f"{stem}.npy", pixels)
    elif image.image_path is None:
        Image.fromarray(pixels).save(images / f"{stem}.png")
    else:
        shutil.copyfile(image.image_path, images / f"{stem}{image.image_path.suffix}")
    mask = Image.fromarray(labels)
    mask.putpalette(_palette(classes).tobytes())
    mask.save(masks / f"{stem}.png")


def _palette(classes: Classes) -> npt.NDArray[np.uint8]:
    """Colours of all labels, `(256, 3)`; void is black."""
    return classes.colorize(
        np.where(np.arange(_LEVELS) < classes.num_classes, np.arange(_LEVELS), 255)
    )


def _write_description(folder: Path, dataset: Dataset) -> None:
    classes = dataset.classes
    flat = (folder / "images").is_dir()

    def shown(scenes: tuple[str, ...]) -> list[str]:
        return [scene.replace("/", "_") if flat else scene for scene in scenes]

    description: dict[str, Any] = {
        "name": dataset.name,
        "classes": [
            {"name": name, "index": label, "color": list(color)}
            for label, (name, color) in enumerate(
                zip(classes.names, classes.colors, strict=True)
            )
        ],
        "void_indices": [IGNORE_INDEX],
        "split": {name: shown(part.scenes) for name, part in dataset.parts.items()},
    }
    if dataset.train.bands is not None:
        description["bands"] = dataset.train.bands.as_plain()
        # Files of one band each are written as one.
        description["bands"].pop("files", None)
    text = yaml.safe_dump(description, sort_keys=False, allow_unicode=True)
    (folder / DESCRIPTION_NAME).write_text(text, encoding="utf-8")
