"""Options of opening a data set, beside which one and how it is divided."""

from pathlib import Path
from typing import TypedDict

from segshrink.data.generated import SOURCE_NAME
from segshrink.errors import UsageError

_FOR_GENERATED = ("scenes", "scene_px", "bands")


class OpeningOptions(TypedDict, total=False):
    """How images and masks are found and read; None or absent is the default.

    Keys:
        layout: name in `data.layouts.LAYOUTS`, if it is not to be recognised.
        scenes: number of generated scenes, at least 3; default 24.
        scene_px: side of a generated scene in pixels; default 512.
        bands: of generated scenes, 3 (default) or 4, the last of them near infrared.
        snap_colors: whether each pixel of a mask is taken for the nearest of the
            declared codes or, if none are declared, of the common ones.
        resize_masks: whether masks of another size than their image are resized to it,
            by the nearest pixel.
    """

    layout: str | None
    scenes: int | None
    scene_px: int | None
    bands: int | None
    snap_colors: bool
    resize_masks: bool


def require_options_for(source: str | Path, options: OpeningOptions) -> None:
    """Refuse options that do not exist, or would have no effect on this source.

    Raises:
        UsageError: naming them.
    """
    known = OpeningOptions.__annotations__
    unknown = [name for name in options if name not in known]
    if unknown:
        raise UsageError(
            f"{', '.join(unknown)}: no such option of a data set. There are "
            f"{', '.join(known)}."
        )
    is_generated = str(source) == SOURCE_NAME
    given = [name for name, value in options.items() if value not in (None, False)]
    idle = [name for name in given if (name in _FOR_GENERATED) != is_generated]
    if not idle:
        return
    if is_generated:
        raise UsageError(
            f"{' and '.join(idle)} have no effect on {SOURCE_NAME!r}, which is "
            "generated. Leave them out."
        )
    raise UsageError(
        f"{' and '.join(idle)} are for {SOURCE_NAME!r} only, but the source is "
        f"{source}. Leave them out."
    )
