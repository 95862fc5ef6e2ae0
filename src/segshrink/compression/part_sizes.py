"""The parts of a data set by images, tiles and their share of the pixels."""

from dataclasses import dataclass

from segshrink.data import Dataset, Part
from segshrink.data.splits import shortened

# A part that holds this many times the pixels that its images would, or as many times
# fewer, is not what the number of its images makes of it.
_OUT_OF_PROPORTION = 1.5
_SCENES_SHOWN = 6
_LEAST_TILE_PX = 32


@dataclass(frozen=True)
class PartSize:
    """A part of a data set.

    Attributes:
        name: "train", "val" or "test".
        images: number of its images.
        tiles: of the training size, that cover its images once; at least one an image.
        image_share: its share of all images, from 0 to 1.
        pixel_share: its share of all pixels, from 0 to 1.
    """

    name: str
    images: int
    tiles: int
    image_share: float
    pixel_share: float

    @property
    def is_out_of_proportion(self) -> bool:
        """Whether its share of the pixels is far from that of the images."""
        ratio = self.pixel_share / self.image_share if self.image_share else 1.0
        return not 1 / _OUT_OF_PROPORTION < ratio < _OUT_OF_PROPORTION


def tiles_that_cover(part: Part, tile_px: int) -> int:
    """Tiles of this size that have as many pixels as a part; at least one an image."""
    areas = (image.height_px * image.width_px for image in part)
    return sum(max(1, round(area / tile_px**2)) for area in areas)


def part_sizes(dataset: Dataset, tile_px: int) -> list[PartSize]:
    """The sizes of the parts train, val and test; val alone where it is both."""
    parts = [dataset.train, dataset.val]
    if dataset.test.name != dataset.val.name:
        parts.append(dataset.test)
    pixels = [sum(x.height_px * x.width_px for x in part) for part in parts]
    all_images, all_pixels = sum(map(len, parts)), sum(pixels)
    return [
        PartSize(
            name=part.name,
            images=len(part),
            tiles=tiles_that_cover(part, tile_px),
            image_share=len(part) / all_images,
            pixel_share=own / all_pixels,
        )
        for part, own in zip(parts, pixels, strict=True)
    ]


def part_lines(dataset: Dataset, tile_px: int) -> list[str]:
    """A line for each part, and one for those that are out of proportion."""
    sizes = part_sizes(dataset, tile_px)
    scenes = dataset.split.parts
    lines = [
        f"  {size.name}: {size.images} image{'s' * (size.images != 1)}, {size.tiles:,} "
        f"tile{'s' * (size.tiles != 1)} of {tile_px} px, {size.pixel_share:.0%} of the "
        f"pixels: {shortened(scenes[size.name], most=_SCENES_SHOWN)}"
        for size in sizes
    ]
    uneven = [
        f"{size.name} has {size.image_share:.0%} of the images and "
        f"{size.pixel_share:.0%} of the pixels"
        for size in sizes
        if size.is_out_of_proportion
    ]
    if uneven:
        lines.append(
            f"  Note: {'; '.join(uneven)}. If that is not meant, name another split "
            "(--split, or split in dataset.yaml)."
        )
    return lines + _small_lines(dataset, tile_px)


def _small_lines(dataset: Dataset, tile_px: int) -> list[str]:
    """A line about images that are smaller than a tile."""
    images = [image for part in dataset.parts.values() for image in part]
    sides = [min(image.height_px, image.width_px) for image in images]
    small = [side for side in sides if side < tile_px]
    if not small:
        return []
    return [
        f"  Note: {len(small)} of {len(images)} images are smaller than a tile, the "
        f"smallest {min(small)} px on a side, and are padded. If most are, take "
        f"smaller tiles (--set data.tile_px={_tile_for(small)})."
    ]


def _tile_for(sides: list[int]) -> int:
    """A size of tiles that most of these sides hold: the largest power of two."""
    middle = sorted(sides)[len(sides) // 2]
    return max(_LEAST_TILE_PX, 1 << (middle.bit_length() - 1))
