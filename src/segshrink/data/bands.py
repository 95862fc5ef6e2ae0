"""The entry `bands` of dataset.yaml."""

from typing import Annotated, Literal, Self

from pydantic import (
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Field,
    field_validator,
    model_validator,
)

from segshrink.data.band_reading import BandReader
from segshrink.errors import DatasetError
from segshrink.reading import holds_truth
from segshrink.records.bands import MOST_BANDS, BandNumber, Range

DEVIATIONS = "deviations"


def _one_pair_for_all(value: object) -> object:
    """Accept a single pair, `[0, 10000]`, as a list of one."""
    if not isinstance(value, list | tuple) or len(value) != 2:
        return value
    return value if isinstance(value[0], list | tuple) else (value,)


class BandsEntry(BaseModel):
    """The bands of the images, in dataset.yaml.

    Attributes:
        use: numbers of the bands, in the order of the model's channels; they count from
            1, as GIS programs do. All bands if it is left out.
        scale: the values that become 0 and 255: a pair for all bands, a list of a pair
            for each, or "deviations", which are three standard deviations below and
            above the mean of each band. By default they are counted, see
            `segshrink.data.band_counting`.
        nodata: value of pixels without data, which become void.
        files: endings of the names of files that hold one band each: with "_B04" and
            "_B08", `x_B04.tif` and `x_B08.tif` are the two bands of the image `x`.
    """

    model_config = ConfigDict(extra="forbid", frozen=True)

    use: tuple[BandNumber, ...] | None = Field(
        None, min_length=1, max_length=MOST_BANDS
    )
    scale: (
        Annotated[tuple[Range, ...], BeforeValidator(_one_pair_for_all)]
        | Literal["deviations"]
        | None
    ) = None
    nodata: float | None = None
    files: tuple[Annotated[str, Field(min_length=1)], ...] = Field(
        (), max_length=MOST_BANDS
    )

    @field_validator("*", mode="before")
    @classmethod
    def _refuse_truth_for_a_number(cls, value: object) -> object:
        if holds_truth(value):
            raise ValueError("true and false have no meaning here")
        return value

    @model_validator(mode="after")
    def _fits_together(self) -> Self:
        if len(set(self.files)) < len(self.files):
            raise ValueError("files must be different endings")
        if self.files and self.use and max(self.use) > len(self.files):
            raise ValueError(
                f"use has band {max(self.use)}, but there are {len(self.files)} files"
            )
        pairs = self.scale if isinstance(self.scale, tuple) else ()
        for low, high in pairs:
            if not low < high:
                raise ValueError(f"scale must be low < high, got {low:g}, {high:g}")
        if self.use and len(pairs) not in (0, 1, len(self.use)):
            raise ValueError(
                f"scale needs one pair, or one for each of {len(self.use)} bands, got "
                f"{len(pairs)}"
            )
        return self

    def reader(self, count: int) -> BandReader:
        """The reader of images of `count` bands.

        Raises:
            DatasetError: if their number does not fit.
        """
        use = self.use or tuple(range(1, count + 1))
        if len(use) > MOST_BANDS:
            raise DatasetError(
                f"dataset.yaml: images have {count} bands, of which at most "
                f"{MOST_BANDS} can be used. Choose some with `bands: {{use: [...]}}`."
            )
        pairs = self.scale if isinstance(self.scale, tuple) else ()
        if len(pairs) not in (0, 1, len(use)):
            raise DatasetError(
                f"dataset.yaml: bands.scale has {len(pairs)} pairs, but images have "
                f"{count} bands. Give one pair, or one for each band."
            )
        scale = pairs * len(use) if len(pairs) == 1 else pairs
        return BandReader(use, scale or None, self.nodata, self.files)
