"""Choice of how the masks of a data set are read, before they are."""

from collections.abc import Callable, Sequence

import numpy as np

from segshrink.data.classes import Classes
from segshrink.data.images import SourceFile, opened
from segshrink.data.layouts import CodeNames, Layout
from segshrink.data.mask_files import MaskReading
from segshrink.data.opening import OpeningOptions
from segshrink.data.parallel import in_parallel
from segshrink.data.remembered import Remembered
from segshrink.errors import DatasetError

_WHITE_INDEX = 255


def known_codes(classes: Classes | CodeNames | None) -> tuple[int, ...]:
    """The codes of classes and of void, classes first; empty if there are no names."""
    if isinstance(classes, Classes):
        return classes.codes + classes.void_codes
    return (*classes.names, *classes.void) if classes and classes.names else ()


def choose_reading(
    layout: Layout,
    by_index: bool,
    declared: Classes | None,
    options: OpeningOptions,
    remembered: Remembered,
) -> tuple[MaskReading, bool, list[str]]:
    """How masks are to be read.

    The alpha channel is the mask if every mask has one, none has more than one colour,
    and alpha varies in at least one. Masks that would be taken for indices, but whose
    palettes give them other colours from file to file, are read by colour.

    Args:
        layout: the files.
        by_index: whether masks hold indices, as far as is known.
        declared: the classes of dataset.yaml; None if there is none.
        options: how the folder is to be read.
        remembered: what is known of the same files.

    Returns:
        (reading, by_index, notices).
    """
    files = [pair.mask for pair in layout.pairs if isinstance(pair.mask, SourceFile)]
    notices = []
    from_alpha = bool(files) and _all(_has_one_color, files) and _any(_has_shape, files)
    if from_alpha:
        notices.append(
            "The alpha channel of the masks is taken as the mask, since it varies and "
            "their colours do not."
        )
    elif by_index and files and _palettes_differ(files, remembered):
        is_free = declared is None and layout.code_names is None
        notices.append(
            "The palettes of the masks differ from file to file: they are read by "
            + ("colour." if is_free else "index, as their classes are declared.")
        )
        by_index = not is_free
    known = known_codes(declared or layout.code_names)
    reading = MaskReading(
        from_alpha=from_alpha,
        grey_levels=by_index and _WHITE_INDEX in known and 1 not in known,
        resizes=bool(options.get("resize_masks")),
    )
    return reading, by_index, notices


def _all(test: Callable[[SourceFile], bool], files: Sequence[SourceFile]) -> bool:
    # Most data sets show by their first mask that they are of the usual kind.
    return test(files[0]) and all(in_parallel(test, files))


def _any(test: Callable[[SourceFile], bool], files: Sequence[SourceFile]) -> bool:
    return any(in_parallel(test, files))


def _has_one_color(file: SourceFile) -> bool:
    try:
        with opened(file) as image:
            if not image.has_transparency_data:
                return False
            colors = np.asarray(image.convert("RGBA"))[..., :3].reshape(-1, 3)
            return bool((colors == colors[0]).all())
    except DatasetError:
        return True  # reported by the survey


def _has_shape(file: SourceFile) -> bool:
    try:
        with opened(file) as image:
            low, high = image.convert("RGBA").getchannel("A").getextrema()
            return low != high
    except DatasetError:
        return False


def _palettes_differ(files: Sequence[SourceFile], remembered: Remembered) -> bool:
    if not _palette(files[0]):
        return False

    def palette(file: SourceFile) -> str:
        shown = remembered.recall("palette", [file.path], lambda: _palette(file).hex())
        return str(shown)

    palettes = [each for each in in_parallel(palette, files) if each]
    least = min(map(len, palettes))  # trailing entries may lack
    return len({palette[:least] for palette in palettes}) > 1


def _palette(file: SourceFile) -> bytes:
    """The palette of a mask as RGB; empty if it has none."""
    try:
        with opened(file) as image:
            if image.mode != "P" or image.palette is None:
                return b""
            if image.palette.rawmode in ("RGB", None):  # known without decoding
                return bytes(image.palette.palette)
            return bytes(image.getpalette("RGB") or ())
    except DatasetError:
        return b""
