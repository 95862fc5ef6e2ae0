"""A page for a browser, in place of a file that it then holds."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from segshrink.cli.terminal import output
from segshrink.errors import UsageError
from segshrink.formats import PAGE_SUFFIX, Format, InputRange, Precision


def is_page(out: Path) -> bool:
    """Whether the name is that of a page."""
    return out.suffix == PAGE_SUFFIX


def can_be(precision: Precision, out: Path) -> bool:
    """Whether an exported file, or the one in a page, can have this precision."""
    # LiteRT.js takes no tensors of int8.
    return not (is_page(out) and precision is Precision.FULL_INT8)


@contextmanager
def file_for(out: Path) -> Iterator[Path]:
    """The file to export: `out`, or one that becomes the page `out` at the end."""
    if not is_page(out):
        yield out
        return
    import tempfile

    from segshrink.web import write_web_page

    with tempfile.TemporaryDirectory(prefix="segshrink-page-") as folder:
        file = Path(folder) / f"{out.stem}{Format.LITERT.suffix}"
        yield file
        out.parent.mkdir(parents=True, exist_ok=True)
        write_web_page(file, out)


def page_of_file(model: Path, out: Path, input_range: InputRange | None) -> None:
    """Write the page of a `.tflite` file.

    Raises:
        UsageError: if `out` is no page, since the file is one of a format already.
    """
    if not is_page(out):
        raise UsageError(
            f"{model}: is an exported file already. It can be put into a page for a "
            f"browser, whose name ends in {PAGE_SUFFIX}; other formats are exported "
            "from the .keras model."
        )
    from segshrink.web import write_web_page

    write_web_page(model, out, input_range=input_range or InputRange.BYTES)
    output.out(
        f"{out}: {out.stat().st_size:,} bytes. Open it in a browser; it runs {model} "
        "there, and needs nothing else."
    )
