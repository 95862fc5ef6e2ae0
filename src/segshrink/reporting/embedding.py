"""Pictures as data URIs, so that a page needs no other file."""

import base64
import io

from PIL import Image

from segshrink.reporting.side_by_side import Panel, read_picture

_MOST_PALETTE_COLORS = 256


def png_uri(data: bytes) -> str:
    """A PNG file as a data URI."""
    return _uri("png", data)


def panel_uri(panel: Panel, *, longest_px: int, jpeg_quality: int) -> str:
    """A panel as a data URI: photos as JPEG, coloured labels as PNG without loss.

    Args:
        panel: the picture.
        longest_px: most pixels of its longer side.
        jpeg_quality: 1 to 95, for photos.

    Raises:
        RunFolderError: if the file is not a picture.
    """
    picture = read_picture(panel, longest_px)
    indexed = None if panel.is_photo else _indexed(picture)
    buffer = io.BytesIO()
    if indexed is None:
        picture.save(buffer, "JPEG", quality=jpeg_quality, optimize=True)
        return _uri("jpeg", buffer.getvalue())
    indexed.save(buffer, "PNG")
    return _uri("png", buffer.getvalue())


def _indexed(picture: Image.Image) -> Image.Image | None:
    """The same colours as a palette and indices; `None` if they are too many."""
    colors = picture.getcolors(_MOST_PALETTE_COLORS)
    if colors is None:
        return None
    palette = Image.new("P", (1, 1))
    flat = [channel for _, color in colors for channel in color]  # type: ignore[union-attr]
    palette.putpalette(flat)
    return picture.quantize(palette=palette, dither=Image.Dither.NONE)


def _uri(kind: str, data: bytes) -> str:
    return f"data:image/{kind};base64,{base64.b64encode(data).decode('ascii')}"
