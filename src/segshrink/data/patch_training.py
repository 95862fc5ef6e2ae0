"""Training data of the public protocol on random patches.

Published figures come from models that saw stretched patches of the very images they
are measured on. A model that is compared with them is trained likewise.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Unpack

import numpy as np

from segshrink.data.annotated import AnnotatedImage, ImageAndLabels, Part
from segshrink.data.cache import ImageCache
from segshrink.data.classes import IGNORE_INDEX
from segshrink.data.dataset import Dataset, with_unlabelled
from segshrink.data.opening import OpeningOptions
from segshrink.data.patches import (
    Patch,
    PatchDataset,
    open_patches,
    stretch_channels,
)
from segshrink.data.splits import Split
from segshrink.errors import DatasetError
from segshrink.progress import Progress

# This share of the training patches chooses the best epoch: the protocol has training
# and validation only, and its figures are measured on validation.
_SHARE_TO_CHOOSE_BY = 0.05
# Patches are drawn in random order, so that images beyond this limit are decoded for
# each patch.
_DECODED_BYTES = 512 << 20


@dataclass(frozen=True, kw_only=True)
class PatchImage(AnnotatedImage):
    """A patch as the protocol shows it to models: stretched, void as a class.

    Attributes:
        images: the images of the data set, decoded on request.
        index: place of its image among them.
        top: first row.
        left: first column.
        void_label: the label of void pixels.
    """

    # The cache does not distinguish patches, and prints as an address.
    images: ImageCache = field(repr=False, compare=False)
    index: int
    top: int
    left: int
    void_label: int

    def read(self) -> ImageAndLabels:
        """Cut and stretch the patch; values are rounded to uint8.

        Raises:
            DatasetError: if the image cannot be decoded.
        """
        image, labels = self.images.get(self.index)
        here = (
            slice(self.top, self.top + self.height_px),
            slice(self.left, self.left + self.width_px),
        )
        stretched = np.rint(stretch_channels(image[here])).astype(np.uint8)
        own = labels[here]
        filled = np.where(own == IGNORE_INDEX, self.void_label, own)
        return stretched, filled.astype(np.uint8)


def open_patch_dataset(
    source: str | Path,
    split: str | Path,
    *,
    seed: int = 0,
    unlabelled: Sequence[str | Path] = (),
    progress: Progress | None = None,
    **options: Unpack[OpeningOptions],
) -> Dataset:
    """Open a data set whose patches a file divides, for training under its protocol.

    Each patch is an image of its own. The validation patches of the file are the test
    part. Since the protocol has no others to choose the best epoch by, a twentieth of
    its training patches is the validation part here.

    Args:
        source: a folder or `"synthetic"`, as for `open_dataset`.
        split: JSON or YAML file, see `PatchSplit`.
        seed: int >= 0, for the choice of that twentieth.
        unlabelled: folders of images without labels, as for `open_unlabelled`.
        progress: receives the masks that are read.
        **options: as `OpeningOptions`, without those of generated scenes.

    Returns:
        A data set whose split says that it leaks (`Split.leaks`).

    Raises:
        DatasetError: as `open_patches`; or if there are too few training patches.
    """
    patches = open_patches(source, split, progress=progress, **options)
    trained, chosen_by = _divided(patches.split.train, seed, Path(split).name)
    images = ImageCache(patches.images, _DECODED_BYTES)
    places = {image.name: at for at, image in enumerate(patches.images)}
    parts = {
        name: Part(
            name,
            [_image(patch, patches, images, places) for patch in in_order(own, places)],
            patches.images.classes,
        )
        for name, own in (
            ("train", trained),
            ("val", chosen_by),
            ("test", patches.split.val),
        )
    }
    dataset = Dataset(
        patches.name,
        patches.images.classes,
        split=Split(
            f"patches of {patches.source}",
            **{name: part.scenes for name, part in parts.items()},
        ),
        notices=(
            *patches.notices,
            "Patches of the same images are trained and measured on. The figures leak "
            "and compare only with those of the same protocol.",
        ),
        **parts,
    )
    return with_unlabelled(dataset, unlabelled, progress)


def in_order(patches: Iterable[Patch], places: dict[str, int]) -> list[Patch]:
    """Patches sorted by image, so that each image is decoded once."""
    return sorted(patches, key=lambda x: (places[x.image_name], x.row, x.column))


def _divided(
    patches: tuple[Patch, ...], seed: int, where: str
) -> tuple[list[Patch], list[Patch]]:
    """The patches to train on, and those to choose the best epoch by."""
    if len(patches) < 2:
        raise DatasetError(
            f"{where}: train needs at least two patches, one of which the best epoch "
            f"is chosen by; got {len(patches)}."
        )
    count = max(1, round(_SHARE_TO_CHOOSE_BY * len(patches)))
    order = np.random.default_rng(seed).permutation(len(patches))
    return (
        [patches[i] for i in order[count:]],
        [patches[i] for i in order[:count]],
    )


def _image(
    patch: Patch, patches: PatchDataset, images: ImageCache, places: dict[str, int]
) -> PatchImage:
    index = places[patch.image_name]
    whole, side_px = patches.images[index], patches.split.patch_size_px
    return PatchImage(
        scene=whole.scene,
        name=str(patch),
        height_px=side_px,
        width_px=side_px,
        num_bands=whole.num_bands,
        image_path=whole.image_path,
        images=images,
        index=index,
        top=patch.row * side_px,
        left=patch.column * side_px,
        void_label=patches.void_label,
    )
