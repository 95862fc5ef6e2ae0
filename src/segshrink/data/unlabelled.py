"""Opening folders of images without labels, on which only a teacher counts."""

import math
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path

from segshrink.data.annotated import AnnotatedImage, ImageFile, Part
from segshrink.data.band_reading import BandReader, num_bands_of, reader_of
from segshrink.data.classes import Classes
from segshrink.data.generated import SOURCE_NAME, GeneratedImage
from segshrink.data.geotiff import (
    bands_of_rgb,
    is_georeferenced,
    opened_scene,
    require_rasterio,
)
from segshrink.data.images import (
    IMAGE_SUFFIXES,
    SourceFile,
    conversion_notices,
    read_header,
    shown_path,
)
from segshrink.data.layouts import holds_masks
from segshrink.data.names import composed, first_of_bands
from segshrink.data.splits import shortened
from segshrink.data.unlabelled_images import (
    BrokenImages,
    UnlabelledFile,
    UnlabelledImage,
    UnlabelledScene,
    UnlabelledWindow,
)
from segshrink.data.walking import folders_below, image_files
from segshrink.errors import DatasetError, UsageError
from segshrink.progress import Progress

# Scenes of a data set are numbered from 0.
_FIRST_GENERATED = 1_000_000

_NAMED = 3

# Scenes are cut into windows of at most this side, since tiles of an image follow one
# another and it is held decoded for them.
_WINDOW_PX = 2048


@dataclass(frozen=True)
class Unlabelled:
    """The unlabelled images of some folders.

    Attributes:
        part: the images, in the order of the folders and sorted by name in each.
        notices: conversions, and what was left out, one line each.
        broken: why images were left out, one message each.
    """

    part: Part
    notices: tuple[str, ...]
    broken: tuple[str, ...]


def open_unlabelled(
    sources: Sequence[str | Path],
    classes: Classes,
    *,
    like: AnnotatedImage | None = None,
    progress: Progress,
) -> Unlabelled:
    """Open folders of images without labels, reading headers only.

    Images may be of any size, at any depth; georeferenced scenes are read by windows.
    Folders of masks, as data sets have them beside their images, are left out, and so
    are images whose header is broken. A body that is broken shows when it is decoded;
    see `UnlabelledImage.read`.

    Args:
        sources: folders; `"synthetic:N"` for N scenes that no data set has.
        classes: the classes that the teacher predicts.
        like: an image of the data set. A generated one says how further ones are
            generated.
        progress: receives each file, and what turns out broken later.

    Raises:
        DatasetError: if there is no such folder, or none of its images can be used.
        UsageError: if scenes are to be generated for another data set.
        MissingExtraError: if there are georeferenced scenes, but not rasterio.
    """
    broken = BrokenImages(progress)
    images: list[AnnotatedImage] = []
    reader = reader_of(like.image) if isinstance(like, ImageFile) else None
    files, notices = _find_files(
        [Path(each) for each in sources if _scenes_of(each) is None],
        reader.files if reader else (),
    )
    for source in sources:
        count = _scenes_of(source)
        if count is not None:
            images += _generated(source, count, like, broken)
    found, more, faults = _read_headers(files, reader, broken, progress)
    images += found
    if not images:
        raise DatasetError(
            f"{', '.join(str(each) for each in sources)}: none of the {len(files)} "
            f"images can be used. The first fault: {faults[0]}"
        )
    part = Part("unlabelled", images, classes)
    return Unlabelled(part, (*notices, *more), tuple(faults))


def _scenes_of(source: str | Path) -> str | None:
    """The text after `synthetic:`; None if the source is a folder."""
    if str(source) == SOURCE_NAME:
        raise UsageError(
            f"unlabelled images from {SOURCE_NAME!r}: say how many, such as "
            f"{SOURCE_NAME}:300. A folder of that name is ./{SOURCE_NAME}."
        )
    name, colon, count = str(source).partition(":")
    return count if colon and name == SOURCE_NAME else None


def _generated(
    source: str | Path, text: str, like: AnnotatedImage | None, broken: BrokenImages
) -> Iterator[UnlabelledScene]:
    if not (text.isascii() and text.isdigit() and int(text)):
        raise UsageError(
            f"{source}: needs a number of scenes, such as {SOURCE_NAME}:300."
        )
    if not isinstance(like, GeneratedImage):
        raise UsageError(
            f"{source}: generated scenes go with the data set {SOURCE_NAME!r} and "
            "whole scenes only. Name a folder of images."
        )
    for index in range(_FIRST_GENERATED, _FIRST_GENERATED + int(text)):
        scene = GeneratedImage(
            scene=f"scene-{index}",
            name=f"scene-{index}/view",
            height_px=like.height_px,
            width_px=like.width_px,
            num_bands=like.num_bands,
            index=index,
            seed=like.seed,
        )
        yield UnlabelledScene(
            scene=scene.scene,
            name=scene.name,
            height_px=scene.height_px,
            width_px=scene.width_px,
            num_bands=scene.num_bands,
            generated=scene,
            broken=broken,
        )


def _find_files(
    folders: Sequence[Path], endings: Sequence[str]
) -> tuple[dict[str, Path], list[str]]:
    """Image files by name, and notices about folders of masks that are left out.

    Of files of one band each, whose names have `endings`, those of the first band.
    """
    files: dict[str, Path] = {}
    notices = []
    seen: set[Path] = set()  # folders that are named twice, or inside each other
    for root in folders:
        if not root.is_dir():
            what = "a file" if root.exists() else "no such folder"
            raise DatasetError(
                f"{root}: {what}. Name a folder of images without labels."
            )
        own: list[Path] = []
        masks: set[Path] = set()
        for folder in folders_below(root):
            if folder.parent in masks or holds_masks(folder):
                masks.add(folder)
            elif folder.resolve() not in seen:
                own += first_of_bands(image_files(folder), endings)
            seen.add(folder.resolve())
        if masks:
            notices.append(
                f"{root}: {shortened([shown_path(each) for each in sorted(masks)])} "
                "hold masks and no unlabelled images: left out."
            )
        if not own:
            raise DatasetError(
                f"{root}: holds no image ({', '.join(IMAGE_SUFFIXES)}) at any depth "
                "that no other folder holds. Leave it out."
            )
        for path in own:
            name = _name(root, path, endings)
            files[shown_path(path) if name in files else name] = path
    return files, notices


def _name(root: Path, path: Path, endings: Sequence[str]) -> str:
    """Name of an image, as those of a data set: without suffix, below its folder's."""
    stem = path.stem.removesuffix(endings[0]) if endings else path.stem
    inner = path.relative_to(root).with_name(stem)
    return composed(shown_path(Path(root.resolve().name) / inner))


def _read_headers(
    files: Mapping[str, Path],
    reader: BandReader | None,
    broken: BrokenImages,
    progress: Progress,
) -> tuple[list[UnlabelledImage], list[str], list[str]]:
    """Images, notices about them, and a message for each that cannot be opened."""
    images: list[UnlabelledImage] = []
    conversions: Counter[tuple[str, str]] = Counter()
    left_out, faults = [], []
    progress.start("reading headers of unlabelled images", len(files))
    for name, path in files.items():
        try:
            # Files of one band each are read together, whatever one of them says.
            if is_georeferenced(path) and not (reader and reader.files):
                images += _windows(path, name, reader, broken)
            else:
                image, changes = _image(path, name, reader, broken)
                images.append(image)
                conversions.update(("unlabelled image", each) for each in changes)
        except DatasetError as error:
            left_out.append(shown_path(path))
            faults.append(str(error))
        progress.advance()
    progress.finish()
    notices = list(conversion_notices(conversions))
    if left_out:
        notices.append(_left_out_notice(left_out, faults[0]))
    return images, notices, faults


def _image(
    path: Path, name: str, reader: BandReader | None, broken: BrokenImages
) -> tuple[UnlabelledFile, tuple[str, ...]]:
    """An image file, and the conversions that reading it makes."""
    file = SourceFile(path, shown_path(path), is_paired=False, reader=reader)
    header = read_header(file)
    image = UnlabelledFile(
        scene=shown_path(path.parent),
        name=name,
        height_px=header.height_px,
        width_px=header.width_px,
        num_bands=num_bands_of(file),
        image_path=path,
        image=file,
        broken=broken,
    )
    return image, header.conversions


def _windows(
    path: Path, name: str, reader: BandReader | None, broken: BrokenImages
) -> Iterator[UnlabelledWindow]:
    """A scene, cut into windows of like size if it is too large for one."""
    require_rasterio()
    with opened_scene(path) as source:
        shape = source.shape
        bands = bands_of_rgb(source) if reader is None else reader.use
        if max(bands) > source.count:
            raise DatasetError(
                f"{shown_path(path)}: has {source.count} bands, but band {max(bands)} "
                "is used. Leave it out."
            )
    tops, lefts = (_cuts(side_px) for side_px in shape)
    for top, bottom in pairwise(tops):
        for left, right in pairwise(lefts):
            yield UnlabelledWindow(
                scene=shown_path(path),
                name=f"{name} row {top} column {left}",
                height_px=bottom - top,
                width_px=right - left,
                image_path=path,
                path=path,
                scene_shape=shape,
                num_bands=len(bands),
                use=tuple(bands),
                reader=reader,
                top=top,
                left=left,
                broken=broken,
            )


def _cuts(side_px: int) -> list[int]:
    count = math.ceil(side_px / _WINDOW_PX)
    return [round(side_px * i / count) for i in range(count + 1)]


def _left_out_notice(names: Sequence[str], fault: str) -> str:
    image, are = ("image", "is") if len(names) == 1 else ("images", "are")
    return (
        f"{len(names)} unlabelled {image} cannot be read and {are} left out: "
        f"{shortened(names, most=_NAMED)}. The first fault: {fault}"
    )
