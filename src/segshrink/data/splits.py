"""Splits of scenes into train, validation and test."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from segshrink.data.description import SplitEntry
from segshrink.errors import DatasetError

_SHARES = (0.6, 0.2, 0.2)
_SHARES_WITHOUT_TEST = (0.8, 0.2)
_CANDIDATES = 512

# Splits within this distance of the target shares count as equally good, so that
# different seeds give different splits even of few scenes.
_TOLERANCE = 0.05


@dataclass(frozen=True)
class Split:
    """The scenes of each part.

    Attributes:
        source: origin of the split, such as "file held_out.json" or "seed 0".
        train: names of the scenes to train on, sorted.
        val: names of the scenes to choose models by.
        test: names of the scenes to measure on; empty if `val` serves for that too.
    """

    source: str
    train: tuple[str, ...]
    val: tuple[str, ...]
    test: tuple[str, ...]

    @property
    def leaks(self) -> bool:
        """Whether parts of one scene are in several parts."""
        return len({*self.train, *self.val, *self.test}) < sum(
            len(scenes) for scenes in self.parts.values()
        )

    @property
    def parts(self) -> dict[str, tuple[str, ...]]:
        """Scenes by part name, in the order train, val, test."""
        return {"train": self.train, "val": self.val, "test": self.test}

    def as_record(self) -> dict[str, str | list[str]]:
        """The split as plain data for JSON."""
        parts = {name: list(scenes) for name, scenes in self.parts.items()}
        return {"source": self.source, **parts}


def declared_split(
    source: str, entry: SplitEntry, known_scenes: Sequence[str]
) -> Split:
    """A split from a file, checked against the existing scenes.

    Raises:
        DatasetError: if it names a scene that does not exist.
    """
    named = (*entry.train, *entry.val, *entry.test)
    unknown = sorted(set(named) - set(known_scenes))
    if unknown:
        raise DatasetError(
            f"split of {source}: no scene is called {shortened(unknown)}. "
            f"Use the names of this data set: {shortened(known_scenes)}."
        )
    return Split(
        source=source,
        train=tuple(sorted(entry.train)),
        val=tuple(sorted(entry.val)),
        test=tuple(sorted(entry.test)),
    )


def choose_split(
    class_pixels: Mapping[str, npt.NDArray[np.int64]],
    seed: int,
    *,
    where: str = "data set",
) -> Split:
    """A split by scene, about 60/20/20 by labelled pixels.

    Of 512 random assignments, the best is the one with the most classes in the training
    part, then with the most in validation and test, then with shares nearest to
    60/20/20 (to 5 points). The same scenes and seed give the same split.

    Args:
        class_pixels: by scene, pixels of each class, `(num_classes,)`.
        seed: int >= 0.
        where: name of the data set in messages.

    Raises:
        DatasetError: if there are fewer than three scenes.
    """
    scenes = sorted(class_pixels)
    if len(scenes) < 3:
        raise DatasetError(
            f"{where}: {len(scenes)} scene{'s' if len(scenes) > 1 else ''} "
            f"({', '.join(scenes)}), but train, val and test need at least one each, "
            "and a scene is never divided. Add scenes; or, if the images of a scene "
            "lie apart from each other, give them a folder each and divide those with "
            "--split or `split` in dataset.yaml."
        )
    pixels = np.stack([class_pixels[scene] for scene in scenes])
    parts = _divided(scenes, pixels, _SHARES, seed)
    return Split(f"seed {seed}", *parts)


def take_validation(
    class_pixels: Mapping[str, npt.NDArray[np.int64]], seed: int
) -> tuple[tuple[str, ...], tuple[str, ...]]:
    """About a fifth of the training scenes, by labelled pixels, for validation.

    They are chosen as by `choose_split`, which says what the arguments are.

    Returns:
        (train, val): names of scenes.

    Raises:
        ValueError: if there are fewer than two scenes.
    """
    scenes = sorted(class_pixels)
    if len(scenes) < 2:
        raise ValueError(f"two parts need two scenes, got {len(scenes)}")
    pixels = np.stack([class_pixels[scene] for scene in scenes])
    train, val = _divided(scenes, pixels, _SHARES_WITHOUT_TEST, seed)
    return train, val


def _divided(
    scenes: Sequence[str],
    pixels: npt.NDArray[np.int64],
    shares: Sequence[float],
    seed: int,
) -> list[tuple[str, ...]]:
    """The best of many random assignments of scenes to a part for each share."""
    generator = np.random.default_rng(seed)
    candidates = (
        _random_assignment(pixels, shares, generator) for _ in range(_CANDIDATES)
    )
    best = max(candidates, key=lambda parts: _score(parts, pixels, shares))
    return [
        tuple(scene for scene, own in zip(scenes, best, strict=True) if own == part)
        for part in range(len(shares))
    ]


def _random_assignment(
    pixels: npt.NDArray[np.int64],
    shares: Sequence[float],
    generator: np.random.Generator,
) -> npt.NDArray[np.int64]:
    """The part of each scene: scenes in random order, cut at the sums of the shares."""
    count = len(pixels)
    order = generator.permutation(count)
    sizes = pixels.sum(axis=1)[order]
    middles = np.cumsum(sizes) - sizes / 2
    cuts = np.searchsorted(middles, np.cumsum(shares[:-1]) * sizes.sum())
    parts = np.full(count, len(shares) - 1)
    least = 0
    for part, cut in enumerate(cuts):
        # No part may stay empty, however unequal the scenes are.
        left = len(shares) - 1 - part
        end = min(max(int(cut), least + 1), count - left)
        parts[order[least:end]] = part
        least = end
    return parts


def _score(
    parts: npt.NDArray[np.int64],
    pixels: npt.NDArray[np.int64],
    wanted: Sequence[float],
) -> tuple[int, int, int]:
    per_part = np.stack(
        [pixels[parts == part].sum(axis=0) for part in range(len(wanted))]
    )
    held = (per_part > 0).sum(axis=1)
    shares = per_part.sum(axis=1) / max(1, per_part.sum())
    deviation = np.abs(shares - np.array(wanted)).max()
    return int(held[0]), int(held[1:].sum()), -int(deviation / _TOLERANCE)


def shortened(names: Sequence[str], most: int = 12) -> str:
    """Names joined by commas, the rest of a long list as a count."""
    listed = ", ".join(names[:most])
    return listed if len(names) <= most else f"{listed} and {len(names) - most} more"
