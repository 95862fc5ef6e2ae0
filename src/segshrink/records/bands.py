"""Record of the bands that a model takes, and how their values become 0 to 255."""

from typing import Annotated, Self

from pydantic import Field, FiniteFloat, model_validator

from segshrink.records.record import SparseRecord

MOST_BANDS = 32

BandNumber = Annotated[int, Field(ge=1)]
Range = tuple[FiniteFloat, FiniteFloat]


class Bands(SparseRecord):
    """Bands of image files that become the channels of a model.

    Attributes:
        use: numbers of the bands, in the order of the channels. They count from 1, as
            GIS programs do; a band may occur twice. With `files`, they count these.
        scale: low and high value of each channel, which become 0 and 255; values
            between are rounded, those outside are clipped. The numbers are those of the
            files, before any scale or offset that a file declares.
        nodata: the value of pixels without data, beside NaN and the value that a file
            itself declares. A pixel has no data if all of its bands used have none.
        files: endings of the names of the files that hold one band each; empty if one
            file holds all.
    """

    use: Annotated[tuple[BandNumber, ...], Field(min_length=1, max_length=MOST_BANDS)]
    scale: tuple[Range, ...]
    nodata: float | None = None
    files: tuple[str, ...] = ()

    @model_validator(mode="after")
    def _require_a_range_for_each(self) -> Self:
        if len(self.scale) != len(self.use):
            raise ValueError(
                f"scale needs a pair for each of {len(self.use)} bands, got "
                f"{len(self.scale)}"
            )
        for low, high in self.scale:
            if not low < high:
                raise ValueError(f"scale must be low < high, got {low:g}, {high:g}")
        return self

    def shown(self) -> str:
        """One line about the bands and their scale."""
        numbers = ", ".join(map(str, self.use))
        pairs = [f"{low:.6g} to {high:.6g}" for low, high in self.scale]
        scale = pairs[0] if len(set(pairs)) == 1 else "; ".join(pairs)
        text = f"band{'s' * (len(self.use) > 1)} {numbers}, {scale} as 0 to 255"
        if self.files:
            text += f", of files that end in {', '.join(self.files)}"
        return text if self.nodata is None else f"{text}, no data at {self.nodata:g}"
