"""A report on folders of images without labels, faults included."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Unpack

from segshrink.data.annotated import AnnotatedImage
from segshrink.data.dataset import open_dataset
from segshrink.data.images import check_whole
from segshrink.data.known_pictures import KnownPicture, find_known_pictures
from segshrink.data.opening import OpeningOptions
from segshrink.data.parallel import in_parallel
from segshrink.data.unlabelled import open_unlabelled
from segshrink.data.unlabelled_images import UnlabelledFile
from segshrink.errors import DatasetError
from segshrink.progress import Progress, SilentProgress


@dataclass(frozen=True)
class UnlabelledReport:
    """Content of folders of images without labels.

    Attributes:
        images: number of images, windows of scenes counted each.
        sizes: their different sizes as (height_px, width_px), sorted.
        broken: why files are left out or count nothing, one message each.
        known: copies of images that models are measured on, which must be removed.
        notices: what is handled, but worth knowing.
    """

    images: int
    sizes: tuple[tuple[int, int], ...]
    broken: tuple[str, ...]
    known: tuple[KnownPicture, ...]
    notices: tuple[str, ...]


def inspect_unlabelled(
    source: str | Path,
    folders: Sequence[str | Path],
    *,
    split: str | Path | None = None,
    progress: Progress | None = None,
    **options: Unpack[OpeningOptions],
) -> UnlabelledReport:
    """Report on unlabelled images, compared with those that models are measured on.

    Args:
        source: the data set, as for `open_dataset`.
        folders: as for `open_unlabelled`.
        split: file that names the parts of the data set, as for `open_dataset`.
        progress: receives each image.
        **options: of the data set, as `OpeningOptions`.

    Raises:
        DatasetError: if the data set has faults, or no unlabelled image can be used.
        UsageError: as `open_unlabelled`.
    """
    progress = progress or SilentProgress()
    dataset = open_dataset(source, split=split, progress=progress, **options)
    found = open_unlabelled(
        folders, dataset.classes, like=dataset.train[0], progress=progress
    )
    known = find_known_pictures(replace(dataset, unlabelled=found.part), progress)
    return UnlabelledReport(
        images=len(found.part),
        sizes=tuple(sorted({(each.height_px, each.width_px) for each in found.part})),
        broken=(*found.broken, *_cut_off(found.part, progress)),
        known=tuple(known),
        notices=found.notices,
    )


def _cut_off(images: Sequence[AnnotatedImage], progress: Progress) -> Iterator[str]:
    files = [each.image for each in images if isinstance(each, UnlabelledFile)]

    def fault(position: int) -> str | None:
        try:
            check_whole(files[position])
        except DatasetError as error:
            return str(error)
        return None

    progress.start("checking unlabelled images", len(files))
    for message in in_parallel(fault, range(len(files))):
        if message is not None:
            yield message
        progress.advance()
    progress.finish()
