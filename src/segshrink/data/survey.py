"""One pass over the files of a data set: sizes, mask contents and every fault."""

import hashlib
import pickle
from collections import Counter
from collections.abc import Callable
from dataclasses import asdict, dataclass, field, replace
from functools import partial
from typing import Any, TypeVar

import numpy as np

from segshrink.data.drawn import DrawnMask
from segshrink.data.images import (
    ALPHA,
    SIXTEEN_BIT,
    ImageHeader,
    SourceFile,
    check_whole,
    conversion_notices,
    read_header,
    read_image,
)
from segshrink.data.layouts import ImagePair, Layout
from segshrink.data.mask_files import MaskReading, pack_channels
from segshrink.data.masks import Runs, read_mask
from segshrink.data.orientation import shown_size
from segshrink.data.parallel import in_parallel
from segshrink.data.remembered import Remembered, Stamp
from segshrink.errors import DatasetError
from segshrink.progress import Progress

_COLOR_MODES = ("RGB", "RGBA", "PA")

RESIZED = "another size than their image: the nearest pixels are taken"

_MOST_CODES_OF_MASKS = 32

_Result = TypeVar("_Result")


@dataclass(frozen=True)
class SurveyedPair:
    """An image and its mask, both found sound.

    Attributes:
        pair: the files.
        height_px: height of both in pixels.
        width_px: width of both in pixels.
        pixels_by_code: the mask's colours (0xRRGGBB) or indices and their pixels.
        runs_by_code: in how many runs of equal pixels each occurs, in reading order.
        mask_header: the mask's header.
        is_image: whether the mask shows the image itself, pixel by pixel.
        stamps: of the files of image and mask, when they were read.
    """

    pair: ImagePair
    height_px: int
    width_px: int
    pixels_by_code: dict[int, int]
    runs_by_code: dict[int, int]
    mask_header: ImageHeader
    is_image: bool = False
    stamps: tuple[Stamp | None, Stamp | None] = (None, None)

    @property
    def is_resized(self) -> bool:
        """Whether the mask is stored in another size than its image."""
        header = self.mask_header
        return (header.height_px, header.width_px) != (self.height_px, self.width_px)


@dataclass(frozen=True)
class Survey:
    """Result of one pass over the files of a layout.

    Attributes:
        by_index: whether masks were read as indices rather than colours.
        pairs: the sound pairs, in the order of the layout.
        faults: one message for each damaged file or pair of unequal sizes.
        notices: what is unusual but handled, one line per kind.
    """

    by_index: bool
    pairs: tuple[SurveyedPair, ...]
    faults: tuple[str, ...]
    notices: tuple[str, ...]

    def pixels_by_code(self) -> Counter[int]:
        """Pixels of each code over all masks."""
        total: Counter[int] = Counter()
        for pair in self.pairs:
            total.update(pair.pixels_by_code)
        return total

    def runs_by_code(self) -> Counter[int]:
        """Runs of each code over all masks."""
        total: Counter[int] = Counter()
        for pair in self.pairs:
            total.update(pair.runs_by_code)
        return total


@dataclass
class _Finding:
    """Result for one pair; `sound` stays None if there is a fault."""

    sound: SurveyedPair | None = None
    faults: list[str] = field(default_factory=list)
    conversions: list[tuple[str, str]] = field(default_factory=list)


@dataclass(frozen=True)
class _Way:
    """The way in which each pair is examined."""

    decode: Callable[[SourceFile], object]
    reading: MaskReading
    by_index: bool
    remembered: Remembered

    @property
    def kind(self) -> str:
        """All that findings depend on besides the files."""
        return f"pair {self.decode.__name__} {self.reading} {self.by_index}"


def guess_by_index(layout: Layout, remembered: Remembered) -> bool:
    """Whether masks that no dataset.yaml describes hold indices.

    The layout may say so; otherwise they do unless one has colours. A palette is taken
    as colours.
    """
    if layout.by_index is not None:
        return layout.by_index
    if layout.code_names is not None and layout.code_names.names:
        return layout.code_names.by_index
    color_modes = {*_COLOR_MODES, "P"}
    files = [pair.mask for pair in layout.pairs if isinstance(pair.mask, SourceFile)]
    return not any(
        remembered.recall("mode", [file.path], partial(_mode, file)) in color_modes
        for file in files
    )


def _mode(file: SourceFile) -> str | None:
    try:
        return read_header(file).mode
    except DatasetError:
        return None  # reported by the survey


def survey_files(
    layout: Layout,
    *,
    by_index: bool,
    reading: MaskReading,
    decode_images: bool,
    remembered: Remembered,
    progress: Progress,
) -> Survey:
    """Read every mask and the header of every image once, several at a time.

    Args:
        layout: the files.
        by_index: whether masks hold indices rather than colours.
        reading: how masks are read.
        decode_images: True to decode images too, which finds all damage. Otherwise
            only a JPEG or PNG that is cut off is found.
        remembered: what was found in the same files before, which are not read again.
        progress: receives each pair.

    Returns:
        The survey; no fault in a file raises.
    """
    decode = read_image if decode_images else check_whole
    way = _Way(decode, reading, by_index, remembered)
    progress.start("reading masks", len(layout.pairs))
    findings = []
    for finding in in_parallel(lambda pair: _recalled(pair, way), layout.pairs):
        findings.append(finding)
        progress.advance()
    progress.finish()
    return Survey(
        by_index=by_index,
        pairs=tuple(finding.sound for finding in findings if finding.sound),
        faults=tuple(fault for finding in findings for fault in finding.faults),
        notices=conversion_notices(
            Counter(kind for finding in findings for kind in finding.conversions)
        ),
    )


def _recalled(pair: ImagePair, way: _Way) -> _Finding:
    """The finding for a pair, which is only examined if it is new or has changed."""
    kind = way.kind
    if isinstance(pair.mask, DrawnMask):
        # Many images share the file; the shapes themselves say which mask it is.
        kind += hashlib.sha256(pickle.dumps(pair.mask)).hexdigest()
    if pair.image.reader is not None:
        kind += repr(pair.image.reader)
    fresh: list[_Finding] = []

    def find_out() -> dict[str, Any] | None:
        fresh.append(_examine(pair, way))
        return _as_plain(fresh[0])

    files = [pair.image.path, pair.mask.path]
    known = way.remembered.recall(kind, files, find_out)
    finding = fresh[0] if fresh else _from_plain(pair, known)
    if finding.sound is not None:
        image, mask = map(way.remembered.stamp, files)
        finding.sound = replace(finding.sound, stamps=(image, mask))
    return finding


def _as_plain(finding: _Finding) -> dict[str, Any] | None:
    """A finding without faults as plain data; faulty files are read again."""
    sound = finding.sound
    if sound is None or finding.faults:
        return None
    return {
        "size": [sound.height_px, sound.width_px],
        "pixels": list(sound.pixels_by_code.items()),
        "runs": list(sound.runs_by_code.items()),
        "header": asdict(sound.mask_header),
        "is_image": sound.is_image,
        "conversions": finding.conversions,
    }


def _from_plain(pair: ImagePair, plain: dict[str, Any]) -> _Finding:
    height_px, width_px = plain["size"]
    header = plain["header"] | {"conversions": tuple(plain["header"]["conversions"])}
    sound = SurveyedPair(
        pair,
        height_px,
        width_px,
        pixels_by_code=dict(plain["pixels"]),
        runs_by_code=dict(plain["runs"]),
        mask_header=ImageHeader(**header),
        is_image=plain["is_image"],
    )
    conversions = [(what, kind) for what, kind in plain["conversions"]]
    return _Finding(sound, conversions=conversions)


def _examine(pair: ImagePair, way: _Way) -> _Finding:
    finding = _Finding()
    image = _attempt(lambda: _header_of_whole(pair.image, way.decode), finding)
    mask = _attempt(lambda: _mask_header(pair.mask, by_index=way.by_index), finding)
    if image is not None and mask is not None:
        finding.conversions = [("image", kind) for kind in image.conversions]
        finding.conversions += [
            ("mask", kind)
            for kind in mask.conversions
            if kind == SIXTEEN_BIT or (kind == ALPHA and not way.reading.from_alpha)
        ]
        _examine_mask(pair, image, mask, finding, way)
    return finding


def _examine_mask(
    pair: ImagePair, image: ImageHeader, mask: ImageHeader, finding: _Finding, way: _Way
) -> None:
    size, stored = (image.height_px, image.width_px), (mask.height_px, mask.width_px)
    if size != stored:
        # A mask that lies across its image belongs to another orientation of it.
        if not way.reading.resizes or size == stored[::-1]:
            finding.faults.append(_unequal_sizes(pair, image, mask))
            return
        finding.conversions.append(("mask", RESIZED))
    runs = _attempt(
        lambda: read_mask(
            pair.mask, by_index=way.by_index, reading=way.reading, size=size
        ),
        finding,
    )
    if runs is not None:
        finding.sound = SurveyedPair(
            pair,
            *size,
            pixels_by_code=runs.count(),
            runs_by_code=runs.count_runs(),
            mask_header=mask,
            is_image=_shows(pair, runs, by_index=way.by_index),
        )


def _shows(pair: ImagePair, runs: Runs, *, by_index: bool) -> bool:
    """Whether a mask shows its image itself, a copy of the file or of the pixels."""
    if isinstance(pair.mask, DrawnMask) or pair.image.reader is not None:
        return False
    image, mask = pair.image.path, pair.mask.path
    same_size = image.stat().st_size == mask.stat().st_size
    if same_size and image.read_bytes() == mask.read_bytes():
        return True
    # Masks have few codes: images are decoded for the others only.
    if len(runs.count_runs()) <= _MOST_CODES_OF_MASKS:
        return False
    pixels = read_image(pair.image)
    codes = pixels[..., 0] if by_index else pack_channels(pixels)
    return codes.shape == runs.shape and bool(
        (codes.ravel() == np.repeat(runs.codes, runs.lengths)).all()
    )


def _unequal_sizes(pair: ImagePair, image: ImageHeader, mask: ImageHeader) -> str:
    sizes = (
        f"{pair.mask.where}: is {mask.width_px} x {mask.height_px} pixels, but its "
        f"image {pair.image.where} is {image.width_px} x {image.height_px}"
    )
    stored = shown_size(image.height_px, image.width_px, image.orientation)
    if stored == (mask.height_px, mask.width_px):
        return (
            f"{sizes} as viewers show it, since it has EXIF orientation "
            f"{image.orientation}. The mask fits the image as it is stored. Turn the "
            "mask, or remove the orientation from the image "
            f"(`exiftool -Orientation= {pair.image.path.name}`)."
        )
    return (
        f"{sizes}. Make both the same size (masks without interpolation), or let "
        "`--resize-masks` (in a recipe `data.resize_masks: true`) take the nearest "
        "pixels of the mask."
    )


def _mask_header(mask: SourceFile | DrawnMask, *, by_index: bool) -> ImageHeader:
    if isinstance(mask, DrawnMask):
        return ImageHeader(mask.height_px, mask.width_px, "drawn", ())
    return read_header(mask, by_index=by_index)


def _header_of_whole(
    file: SourceFile, read: Callable[[SourceFile], object]
) -> ImageHeader:
    header = read_header(file)
    read(file)
    return header


def _attempt(work: Callable[[], _Result], finding: _Finding) -> _Result | None:
    try:
        return work()
    except DatasetError as error:
        finding.faults.append(str(error))
        return None
