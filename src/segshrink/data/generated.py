"""The synthetic data set: procedural scenes that are drawn on request."""

from collections.abc import Sequence
from dataclasses import dataclass

from segshrink.data.annotated import AnnotatedImage, ImageAndLabels
from segshrink.data.classes import Classes
from segshrink.data.splits import Split
from segshrink.errors import UsageError
from segshrink.records.bands import Bands

SOURCE_NAME = "synthetic"

_DEFAULT_SCENES = 24
_DEFAULT_SCENE_PX = 512
_LEAST_SCENES = 3
_LEAST_SCENE_PX = 64
_RGB = 3


@dataclass(frozen=True, kw_only=True)
class GeneratedImage(AnnotatedImage):
    """A scene that is drawn each time it is read, with the same pixels.

    Attributes:
        index: the scene's number, int >= 0.
        seed: int >= 0; other seeds give other scenes.
    """

    index: int
    seed: int

    def read(self) -> ImageAndLabels:
        """Draw the scene."""
        from segshrink.data.synthetic import generate_scene

        return generate_scene(
            self.index,
            size_px=self.height_px,
            seed=self.seed,
            num_bands=self.num_bands,
        )

    @property
    def bands(self) -> Bands | None:
        """All bands, 0 to 255; None for RGB."""
        if self.num_bands == _RGB:
            return None
        use = tuple(range(1, self.num_bands + 1))
        return Bands(use=use, scale=((0.0, 255.0),) * self.num_bands)


def generated_images(
    scenes: int | None, scene_px: int | None, seed: int, bands: int | None = None
) -> tuple[list[AnnotatedImage], Classes]:
    """Scenes to be drawn, and their classes.

    Args:
        scenes: number of scenes, at least 3; None is 24.
        scene_px: side in pixels, at least 64; None is 512.
        seed: int >= 0.
        bands: 3 for RGB, 4 for a near-infrared band behind it; None is 3.

    Raises:
        UsageError: if a number is out of range.
    """
    from segshrink.data.synthetic import CLASSES

    count = _DEFAULT_SCENES if scenes is None else scenes
    side_px = _DEFAULT_SCENE_PX if scene_px is None else scene_px
    if count < _LEAST_SCENES:
        raise UsageError(
            f"scenes is {count}, but train, val and test need at least one each. "
            f"Ask for {_LEAST_SCENES} or more."
        )
    if side_px < _LEAST_SCENE_PX:
        raise UsageError(
            f"scene_px is {side_px}, but a scene needs at least {_LEAST_SCENE_PX}. "
            f"Ask for {_LEAST_SCENE_PX} or more."
        )
    if bands not in (None, _RGB, _RGB + 1):
        raise UsageError(
            f"bands is {bands}, but scenes have 3, or 4 with near infrared. Ask for "
            "one of these."
        )
    images: list[AnnotatedImage] = [
        GeneratedImage(
            scene=f"scene-{index:03}",
            name=f"scene-{index:03}/view",
            height_px=side_px,
            width_px=side_px,
            num_bands=bands or _RGB,
            index=index,
            seed=seed,
        )
        for index in range(count)
    ]
    return images, CLASSES


def split_by_number(scenes: Sequence[str]) -> Split:
    """The split of generated scenes: 60 % train, 20 % val, 20 % test.

    Of every five scenes the second is for validation and the third for testing. So the
    part of a scene does not depend on how many there are: a model trained on 48 scenes
    has not seen the test scenes of 24.
    """
    return Split(
        source="scene number",
        train=tuple(scene for i, scene in enumerate(scenes) if i % 5 not in (1, 2)),
        val=tuple(scenes[1::5]),
        test=tuple(scenes[2::5]),
    )
