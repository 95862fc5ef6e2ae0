"""Section `data` of a recipe, and the random changes to training tiles."""

from typing import Any, Literal, Self

from pydantic import Field, field_validator, model_validator

from segshrink.recipe.settings import Settings


class DataSettings(Settings):
    """Where images come from and how they are cut.

    `source` is a folder or `"synthetic"`; `scenes`, `scene_px` and `bands` (4 adds near
    infrared) apply to `"synthetic"` only and are refused for a folder. With `protocol:
    random-patch` the file `split` lists patches instead of scenes: such a split leaks,
    and is for comparing with figures that were published under this protocol.

    `unlabelled`: folders of images without labels, one or a list, on which the student
    learns from its teacher only; `"synthetic:300"` are that many further scenes of the
    source `"synthetic"`.

    `layout` names how the folder is arranged, if it is not recognised. `snap_colors`
    takes each pixel of a mask for the nearest of the classes' codes, and
    `resize_masks` resizes masks of another size than their image by the nearest pixel.
    """

    source: str = "synthetic"
    split: str | None = None
    protocol: Literal["random-patch"] | None = None
    split_seed: int = Field(0, ge=0)
    tile_px: int = Field(256, ge=32, multiple_of=32)
    scenes: int | None = Field(None, ge=3)
    scene_px: int | None = Field(None, ge=64)
    bands: Literal[3, 4] | None = None
    unlabelled: tuple[str, ...] = Field(
        (), json_schema_extra={"type": ["array", "string"]}
    )
    layout: str | None = None
    snap_colors: bool = False
    resize_masks: bool = False

    @field_validator("unlabelled", mode="before")
    @classmethod
    def _take_one_folder_for_a_list(cls, value: Any) -> Any:
        return [value] if isinstance(value, str) else value

    @field_validator("unlabelled")
    @classmethod
    def _require_different_folders(cls, value: tuple[str, ...]) -> tuple[str, ...]:
        if "" in value or len(set(value)) < len(value):
            raise ValueError("must be different folders; leave out what is repeated")
        return value

    @property
    def _is_generated(self) -> bool:
        return bool(self.scenes or self.scene_px or self.bands)

    @model_validator(mode="after")
    def _require_synthetic_for_its_options(self) -> Self:
        if self.source != "synthetic" and self._is_generated:
            raise ValueError(
                "scenes, scene_px and bands apply to source: synthetic only"
            )
        return self

    @model_validator(mode="after")
    def _require_the_split_of_a_protocol(self) -> Self:
        if self.protocol and self.split is None:
            raise ValueError(
                f"protocol: {self.protocol} needs split, a file of patches"
            )
        if self.protocol and self._is_generated:
            raise ValueError(
                "scenes, scene_px and bands have no effect with protocol: "
                f"{self.protocol}"
            )
        return self


class Augmentation(Settings):
    """Random changes to training tiles, the same for image and mask.

    `scale_jitter` (low, high) is the range of zoom factors of the random crop, drawn
    log-uniformly, within 0.25 to 4; (1, 1) switches it off. `photometric` in [0, 1]
    scales brightness, contrast and colour-cast changes; 0 switches them off.
    """

    flips: bool = True
    quarter_turns: bool = True
    scale_jitter: tuple[float, float] = (0.75, 1.333)
    photometric: float = Field(0.2, ge=0, le=1)

    @model_validator(mode="after")
    def _require_a_range_of_scales(self) -> Self:
        low, high = self.scale_jitter
        if not 0.25 <= low <= high <= 4:
            raise ValueError(
                f"scale_jitter must be low <= high within 0.25 to 4, got {low}, {high}"
            )
        return self
