"""Reading of images by their bands, as `SourceFile.reader`."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import numpy.typing as npt

from segshrink.data.band_levels import lacking_data, to_levels
from segshrink.data.images import ImageHeader, SourceFile, shown_path
from segshrink.data.rasters import RasterHeader, read_raster, read_raster_header
from segshrink.errors import DatasetError
from segshrink.records.bands import Bands, Range


@dataclass(frozen=True)
class BandReader:
    """Reads the bands of image files as the channels of a model; see `Bands`.

    Attributes:
        use: numbers of the bands, from 1.
        scale: low and high value of each channel; None until they were counted.
        nodata: value of pixels without data.
        files: endings of the names of files of one band each.
    """

    use: tuple[int, ...]
    scale: tuple[Range, ...] | None = None
    nodata: float | None = None
    files: tuple[str, ...] = ()

    @classmethod
    def of(cls, bands: Bands) -> "BandReader":
        """The reader of bands that a record describes."""
        return cls(bands.use, bands.scale, bands.nodata, bands.files)

    @property
    def bands(self) -> Bands:
        """The record that describes this reader, which must have a scale."""
        given = {
            "nodata": self.nodata,
            "files": self.files or None,
        }
        return Bands(
            use=self.use,
            scale=self.scale or (),
            **{name: value for name, value in given.items() if value is not None},
        )

    def with_scale(self, scale: tuple[Range, ...]) -> "BandReader":
        """This reader with the range of each channel."""
        return replace(self, scale=scale)

    def header(self, file: SourceFile) -> ImageHeader:
        """Size of an image; files of one band each must agree.

        Raises:
            DatasetError: if it cannot be read, or lacks a band.
        """
        header = self.raster_header(file)
        if max(self.use) > header.count:
            raise DatasetError(
                f"{file.where}: has {header.count} bands, but band {max(self.use)} is "
                "used. Bands count from 1; name others with `bands: {use: [...]}` in "
                "dataset.yaml."
            )
        mode = f"{header.count} x {header.dtype}"
        return ImageHeader(header.height_px, header.width_px, mode, ())

    def raster_header(self, file: SourceFile) -> RasterHeader:
        """Header of an image, or of the files that make it.

        Raises:
            DatasetError: as `header`.
        """
        if not self.files:
            return read_raster_header(file)
        headers = [read_raster_header(each) for each in self.members(file)]
        first = headers[0]
        for header, each in zip(headers, self.members(file), strict=True):
            if header.count != 1:
                raise DatasetError(
                    f"{each.where}: has {header.count} bands, but with `files` each "
                    "file has one. Leave `files` out of dataset.yaml."
                )
            if (header.height_px, header.width_px) != (first.height_px, first.width_px):
                raise DatasetError(
                    f"{each.where}: is {header.width_px} x {header.height_px} pixels, "
                    f"but {file.where} is {first.width_px} x {first.height_px}. "
                    "Resample all bands to one size."
                )
        return replace(first, count=len(headers))

    def check(self, file: SourceFile) -> None:
        """Read the header, which finds a file of another kind.

        Raises:
            DatasetError: as `header`.
        """
        self.header(file)

    def read(
        self, file: SourceFile
    ) -> tuple[npt.NDArray[np.uint8], npt.NDArray[np.bool_] | None]:
        """Grey levels of an image, and which of its pixels have data.

        Returns:
            (pixels, has_data): uint8 `(height, width, bands)`, 0 without data, and bool
            `(height, width)`; None if all have.

        Raises:
            DatasetError: if it cannot be read.
        """
        return self.scaled(*self.numbers(file))

    def scaled(
        self, values: npt.NDArray, lacking: npt.NDArray | None
    ) -> tuple[npt.NDArray[np.uint8], npt.NDArray[np.bool_] | None]:
        """Grey levels and data of numbers as `numbers` returns them."""
        scale = self.scale or ((0.0, 255.0),) * len(self.use)
        levels = to_levels(values, scale)
        if lacking is None:
            return levels, None
        levels[lacking] = 0
        has_data = np.logical_not(lacking.all(axis=-1))
        return levels, None if has_data.all() else has_data

    def numbers(self, file: SourceFile) -> tuple[npt.NDArray, npt.NDArray | None]:
        """Bands of an image in their own numbers, and which of these are no data.

        Returns:
            (values, lacking): `(height, width, bands)` of the file's type, and bool of
            the same shape; None if every number is data.

        Raises:
            DatasetError: as `read`.
        """
        header = self.raster_header(file)
        if self.files:
            members = list(self.members(file))
            bands = [read_raster(members[number - 1], (1,)) for number in self.use]
            values = np.concatenate(bands, axis=-1)
        else:
            values = read_raster(file, self.use)
        return values, self.lacking(values, header.nodata)

    def lacking(
        self, values: npt.NDArray, declared: float | None
    ) -> npt.NDArray | None:
        """Which numbers are no data, also those that the file declares."""
        nodata = [each for each in (self.nodata, declared) if each is not None]
        return lacking_data(values, nodata)

    def members(self, file: SourceFile) -> Iterator[SourceFile]:
        """The files of the bands, from that of the first ending."""
        for path in files_of_bands(file.path, self.files):
            where = Path(file.where).with_name(path.name)
            yield replace(file, path=path, where=shown_path(where))


def files_of_bands(path: Path, endings: Sequence[str]) -> list[Path]:
    """The files of one band each of an image.

    Args:
        path: that of the first ending.
        endings: of their names, one for each band.
    """
    stem = path.stem.removesuffix(endings[0])
    return [_beside(path, f"{stem}{ending}") for ending in endings]


def _beside(path: Path, stem: str) -> Path:
    """The file of another stem, of the same suffix if there is one."""
    same = path.with_name(f"{stem}{path.suffix}")
    if same.is_file():
        return same
    others = sorted(each for each in path.parent.glob(f"{stem}.*") if each.is_file())
    return others[0] if others else same


def leveled(
    reader: BandReader,
    values: npt.NDArray,
    declared: float | None,
    valid: npt.NDArray[np.bool_] | None,
) -> tuple[npt.NDArray[np.uint8], npt.NDArray[np.bool_] | None]:
    """Grey levels of a window of a scene, and which of its pixels have data.

    Args:
        reader: the bands and their scale.
        values: the bands of the window, `(height, width, bands)`.
        declared: the value that the scene declares as no data.
        valid: the pixels that its mask says to have data, `(height, width)`; None if
            it has none.

    Returns:
        (pixels, has_data): as `BandReader.read`.
    """
    levels, has_data = reader.scaled(values, reader.lacking(values, declared))
    if valid is None or has_data is None:
        return levels, has_data if valid is None else valid
    return levels, has_data & valid


def paths_of(file: SourceFile) -> tuple[Path, ...]:
    """The files that hold an image: one, or one for each of its bands."""
    reader = reader_of(file)
    if reader is None or not reader.files:
        return (file.path,)
    return tuple(member.path for member in reader.members(file))


def reader_of(file: SourceFile) -> BandReader | None:
    """The reader of a file's bands; None for a plain picture."""
    return file.reader if isinstance(file.reader, BandReader) else None


def num_bands_of(file: SourceFile) -> int:
    """Channels of the image in a file, 3 for a plain picture."""
    reader = reader_of(file)
    return 3 if reader is None else len(reader.use)
