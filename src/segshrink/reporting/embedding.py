"""Pictures as data URIs, so that a page needs no other file."""

import base64
import io

from PIL import Image

from segshrink.reporting.side_by_side import Panel, read_picture


def data_uri(data: bytes, kind: str = "png") -> str:
    """A picture file as a data URI."""
    return f"data:image/{kind};base64,{base64.b64encode(data).decode('ascii')}"


def panel_uri(panel: Panel, longest_px: int, jpeg_quality: int) -> str:
    """A panel as a data URI: photos as JPEG, coloured labels as PNG without loss.

    Args:
        panel: the picture.
        longest_px: most pixels of its longer side.
        jpeg_quality: 1 to 95, for photos.

    Raises:
        RunFolderError: if the file is not a picture.
    """
    picture, buffer = read_picture(panel, longest_px), io.BytesIO()
    if panel.is_photo:
        picture.save(buffer, "JPEG", quality=jpeg_quality, optimize=True)
        return data_uri(buffer.getvalue(), "jpeg")
    # Without loss, as no mask has more than 256 colours.
    picture.quantize(256, dither=Image.Dither.NONE).save(buffer, "PNG")
    return data_uri(buffer.getvalue())
